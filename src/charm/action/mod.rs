//! Juju actions: what an operator asks a unit to tell or to do beside its hooks. Performs IO.
//!
//! An action that cannot do its work fails with a reason and the way out, and its program exits with 0 all the same:
//! otherwise Juju would show an exit status in place of the reason. It prints nothing, since Juju puts what an action
//! prints among its results.

mod answer;
mod apply;
mod check;
mod migrate;
mod parameters;
mod plan;
mod pools;
mod reason;
mod resources;
mod rollout;
mod show;
#[cfg(test)]
mod tests;
mod versions;

use super::facts::{self, JujuFacts};
use super::install::RESOURCE;
use super::observe::first_look;
use super::reconcile::{self, Work, no_relation, options, unit_facts};
use super::{API_DEADLINE, HookError, Identity, Report, Surroundings, publish};
use crate::config::Problems;
use crate::host::Host;
use crate::juju::tools::action::action_get;
use crate::juju::tools::resource_get;
use crate::juju::{Action, Hook, HookTools};
use crate::plan::Membership;
use crate::status::Status;
use answer::Answer;
use parameters::Parameters;
use reason::Reason;

/// Version of every JSON document that actions and commands give; a field may come with the same version, none may go.
pub const FORMAT_VERSION: u32 = 1;

/// Runs one action to its end, result and failure included.
///
/// # Errors
/// Only when a hook tool fails or Juju's environment makes no sense.
pub async fn run_action<T: HookTools, H: Host>(
    action: Action,
    surroundings: &Surroundings<'_, T, H>,
) -> Result<(), HookError> {
    let given = action_get(surroundings.tools).await?;
    let answer = match Parameters::read(&given) {
        Ok(parameters) => answer(action, &parameters, surroundings).await?,
        Err(wrong) => Answer::failed(wrong),
    };
    answer.publish(surroundings.tools).await?;
    Ok(())
}

async fn answer<T: HookTools, H: Host>(
    action: Action,
    parameters: &Parameters,
    surroundings: &Surroundings<'_, T, H>,
) -> Result<Answer, HookError> {
    if action == Action::ListVersions {
        return Ok(versions::list(surroundings.tools).await?);
    }
    let identity = Identity::new(surroundings.context)?;
    let mut juju = facts::read(surroundings.tools, surroundings.context).await?;
    if !juju.leader {
        juju.manifests = resource_get(surroundings.tools, RESOURCE).await?;
    }
    if action == Action::RolloutStatus && !juju.leader {
        juju.membership = membership(surroundings, &juju).await?;
    }
    if action == Action::Check {
        return Ok(within_deadline(check::check(surroundings, &identity, &juju, parameters)).await);
    }
    if juju.cni.is_empty() {
        let status = no_relation(surroundings.context.principal.as_deref());
        return Ok(Answer::failed(status.message()));
    }
    let facts = unit_facts(surroundings, &identity, &juju);
    let (config, intent) = match options(&juju, &facts) {
        Ok(valid) => valid,
        Err(problems) => return Ok(wrong_options(&problems, &identity)),
    };
    let work = Work {
        surroundings,
        identity: &identity,
        juju: &juju,
        config: &config,
        intent: &intent,
        hook: None,
    };
    Ok(match action {
        // The first two have been answered above.
        Action::ListVersions | Action::Check | Action::Plan => {
            within_deadline(plan::plan(&work, parameters)).await
        }
        Action::Apply => Box::pin(apply::apply(&work, parameters)).await?,
        Action::RolloutStatus => within_deadline(rollout::status(&work, parameters)).await,
        Action::Resume => Box::pin(rollout::resume(&work, parameters)).await?,
        Action::Show => within_deadline(show::show(&work, parameters)).await,
        Action::ShowPools => within_deadline(pools::show(&work, parameters)).await,
        Action::MigratePool => within_deadline(migrate::migrate(&work, parameters)).await,
        Action::ListResources => within_deadline(resources::list(&work, parameters)).await,
        Action::ScrubResources => within_deadline(resources::scrub(&work, parameters)).await,
        Action::SyncResources => Box::pin(resources::sync(&work, parameters)).await?,
    })
}

/// Who belongs to the application, for a unit that does not lead.
async fn membership<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    juju: &JujuFacts,
) -> Result<Option<Membership>, HookError> {
    let (tools, context) = (surroundings.tools, surroundings.context);
    let Some(principal) = context.principal.as_deref() else {
        return Ok(None);
    };
    let fabric = juju.fabric.as_ref().map(|fabric| &fabric.id);
    let told = facts::membership(tools, context, principal, fabric).await?;
    Ok(Some(told))
}

/// Brings everything else to what the options ask, and the unit's status with it, as the next hook would.
async fn hook<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> Result<Status, HookError> {
    let mut report = Report::default();
    let look = first_look(work.surroundings);
    let hook = Hook::UpdateStatus;
    let published = reconcile::run(
        work.surroundings,
        hook,
        work.identity,
        work.juju,
        look,
        &mut report,
    )
    .await;
    report.tell_findings(true);
    publish::all(
        work.surroundings,
        hook,
        work.juju,
        published.as_ref(),
        &report,
    )
    .await?;
    Ok(report.final_status())
}

/// An action holds the machine's lock as a hook does.
async fn within_deadline(answering: impl Future<Output = Answer>) -> Answer {
    match tokio::time::timeout(API_DEADLINE, answering).await {
        Ok(answer) => answer,
        Err(_) => Answer::failed(Reason::deadline()),
    }
}

fn wrong_options(problems: &Problems, identity: &Identity) -> Answer {
    let first = problems.first();
    Answer::failed(match problems.len() - 1 {
        0 => first.to_string(),
        more => format!("{first} (+{more} more: juju run {} check)", identity.unit),
    })
}

/// Refuses what only the leader may do: units would undo each other's writes.
fn leader_alone<T, H>(work: &Work<'_, T, H>, action: Action) -> Result<(), String> {
    if work.juju.leader {
        return Ok(());
    }
    let application = work.identity.unit.application();
    Err(format!(
        "{} is not the leader: juju run {application}/leader {action}",
        work.identity.unit
    ))
}
