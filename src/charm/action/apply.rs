//! `apply`: the next hook's writes at once, if they are still those that were planned. Performs IO.
//!
//! Between the look and the writes others may write as in every hook: what concerns the whole cluster carries the version
//! that was seen, and a write that comes too late is refused and planned anew.

use super::answer::Answer;
use super::hook;
use super::parameters::Parameters;
use super::plan::{FreshPlan, foresee, shown};
use super::reason::Reason;
use super::{leader_alone, within_deadline};
use crate::charm::reconcile::Work;
use crate::charm::{HookError, Report};
use crate::host::Host;
use crate::juju::{Action, HookTools};

/// Plans anew, holds the digest against it, and lets the ordinary hook follow.
///
/// # Errors
/// When a hook tool fails.
pub(super) async fn apply<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Result<Answer, HookError> {
    if let Err(reason) = leader_alone(work, Action::Apply) {
        return Ok(Answer::failed(reason));
    }
    let checked = within_deadline(check(work, parameters)).await;
    if checked.has_failed() {
        return Ok(checked);
    }
    let status = hook(work).await?;
    Ok(checked.with("status", status.to_string()))
}

/// The plan as it is now; failed where it is not the expected one.
async fn check<T: HookTools, H: Host>(work: &Work<'_, T, H>, parameters: &Parameters) -> Answer {
    let leader = format!("{}/leader", work.identity.unit.application());
    let Some(expected) = &parameters.digest else {
        return Answer::failed(format!(
            "digest is missing; juju run {leader} plan shows it with the plan"
        ));
    };
    let now = match foresee(work, &mut Report::default()).await {
        Ok(waves) => FreshPlan::new(work, waves),
        Err(stop) => return Answer::failed(Reason::from(stop)),
    };
    let answer = Answer::default().with("plan", shown(&now.steps));
    match expected.stale(&now.digest) {
        None => answer,
        Some(reason) => answer
            .with("digest", now.digest.to_string())
            .fail(format!(
                "{reason}, and nothing was written; what would be written now is in the result. To write that: \
                 juju run {leader} apply digest={}",
                now.digest
            )),
    }
}
