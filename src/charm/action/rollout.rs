//! `rollout-status` and `resume`: how a change stands, and how it goes on without units that do not answer. Performs IO.

use serde_json::{Value, json};

use super::answer::{Answer, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use super::resources::hook;
use super::{leader_alone, within_deadline};
use crate::charm::reconcile::Work;
use crate::charm::rollout::{Passed, Seen};
use crate::charm::{HookError, Report};
use crate::host::Host;
use crate::juju::{Action, HookTools};
use crate::model::UnitName;
use crate::printable::printable_line;
use crate::rollout::{Part, Phase, Record, RolloutStep, Wait};

/// Shows how the change stands.
pub(super) async fn status<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    let seen = match work.seen().await {
        Ok(seen) => seen,
        Err(stop) => return Answer::failed(Reason::from(stop)),
    };
    let text = match parameters.format {
        Format::Text => listed(&lines(work, &seen)),
        Format::Json => to_json(work, &seen),
    };
    Answer::default().with("rollout", text)
}

/// Goes on without the units that lag, then lets the ordinary hook follow.
///
/// # Errors
/// When a hook tool fails.
pub(super) async fn resume<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
) -> Result<Answer, HookError> {
    if let Err(reason) = leader_alone(work, Action::Resume) {
        return Ok(Answer::failed(reason));
    }
    let passed = within_deadline(pass_over(work)).await;
    if passed.has_failed() || !passed.has("without") {
        return Ok(passed);
    }
    let status = hook(work).await?;
    Ok(passed.with("status", status.to_string()))
}

async fn pass_over<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> Answer {
    let passed = match work.pass_over(&mut Report::default()).await {
        Ok(passed) => passed,
        Err(stop) => return Answer::failed(Reason::from(stop)),
    };
    let Passed { standing, record } = passed;
    match (record, standing.wait) {
        (Some((record, units)), _) => Answer::default()
            .with("without", named(&units))
            .with("record", record.to_string())
            .with("may-be-cut", may_be_cut(record.step, &named(&units))),
        (None, Some(Wait::Members)) => Answer::failed(told(work)),
        (None, _) => Answer::default().with("resume", nobody(standing.phase)),
    }
}

/// What there is to say where no unit is passed over.
fn nobody(phase: Phase) -> &'static str {
    match phase {
        Phase::Asked => "the leader has not begun the change: its next hook does",
        Phase::UnderWay => "the change waits for no other unit; nothing was written",
        Phase::AtRest => "no change is under way; nothing was written",
    }
}

/// Why nobody can be passed over while Juju has not told of all.
fn told<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> String {
    let known = work.juju.membership.as_ref();
    let known = known.map(|known| (known.units.len(), known.principals.len()));
    let (units, principals) = known.unwrap_or_default();
    format!(
        "Juju has told of {units} of {principals} units, and units that are not known cannot be passed over; it tells of \
         the others once their agents have run. juju config {} rollout=immediate waits for nobody",
        work.identity.unit.application()
    )
}

/// What going on without units may cost, by the step that they have not done.
fn may_be_cut(step: RolloutStep, units: &str) -> String {
    let how = match step {
        RolloutStep::Add => {
            "may lack BGPPeers that stand in for the mesh and for peers that go, so that their pods are cut off"
        }
        RolloutStep::Rejoin => {
            "may be reflectors still and so in no mesh, so that they are cut off once peers go"
        }
        RolloutStep::Renumber => {
            "may have their old AS number, so that sessions with them stay down and their pods are cut off"
        }
        RolloutStep::Reflect => {
            "may have no cluster ID or their old one, so that their clients are cut off"
        }
        RolloutStep::Unset | RolloutStep::Remove => {
            "may still rely on peers that the others take away now, so that their pods are cut off"
        }
    };
    format!("{units}: {how} until they have followed")
}

fn named<'u>(units: impl IntoIterator<Item = &'u UnitName>) -> String {
    let units: Vec<String> = units.into_iter().map(ToString::to_string).collect();
    units.join(", ")
}

fn words(steps: impl IntoIterator<Item = RolloutStep>) -> String {
    let steps: Vec<&str> = steps.into_iter().map(RolloutStep::as_str).collect();
    steps.join(", ")
}

fn lines<T: HookTools, H: Host>(work: &Work<'_, T, H>, seen: &Seen) -> Vec<String> {
    let Seen { standing, since } = seen;
    let application = work.identity.unit.application();
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        lines.push(printable_line(format!("{name:<12}{value}").trim_end()));
    };
    match standing.phase {
        Phase::AtRest => line("no change is under way", ""),
        Phase::Asked => line(
            "a change is asked for; the leader's next hook begins it",
            "",
        ),
        Phase::UnderWay => {}
    }
    if let Some(record) = &standing.record {
        let own = work.intent.order_digest();
        let whose = if record.digest == own {
            ""
        } else {
            ", of earlier options"
        };
        line("digest", &format!("{}{whose}", record.digest));
        let steps = words(RolloutStep::ALL);
        line("step", &format!("{} (of {steps})", record.step));
        line("generation", &record.generation);
        if let Some(since) = since {
            line("since", since);
        }
        if !record.without.is_empty() {
            line("without", &format!("{} (resume)", named(&record.without)));
        }
    }
    if standing.phase != Phase::UnderWay {
        return lines;
    }
    let lagging = standing.lagging();
    if standing.wait == Some(Wait::Members) {
        line("waits for", "Juju, which has not told of every unit yet");
    }
    for (unit, part) in &standing.units {
        let name = if lagging.contains(unit) {
            "waits for"
        } else {
            "unit"
        };
        line(name, &format!("{unit}: {}", words_of(part)));
    }
    if !lagging.is_empty() {
        let way = format!("juju run {application}/leader resume goes on without them");
        line("way out", &way);
    }
    lines
}

/// `done add; left reflect, remove`.
fn words_of(part: &Part) -> String {
    match part {
        Part::NoNode => "no Node is claimed by it".to_owned(),
        Part::Behind => "has not acted on this change yet".to_owned(),
        Part::Left { done, steps } => {
            format!("done {done}; left {}", words(steps.iter().copied()))
        }
        Part::Settled => "done".to_owned(),
    }
}

fn to_json<T: HookTools, H: Host>(work: &Work<'_, T, H>, seen: &Seen) -> String {
    let Seen { standing, since } = seen;
    let lagging = standing.lagging();
    let record = standing.record.as_ref();
    let units: Vec<Value> = standing
        .units
        .iter()
        .map(|(unit, part)| {
            let (state, done, left) = match part {
                Part::NoNode => ("no-node", None, Vec::new()),
                Part::Behind => ("behind", None, Vec::new()),
                Part::Left { done, steps } => {
                    let left = steps.iter().map(|step| step.as_str()).collect();
                    ("left", Some(done.as_str()), left)
                }
                Part::Settled => ("settled", None, Vec::new()),
            };
            json!({
                "unit": unit.to_string(), "state": state, "done": done, "left": left,
                "waited_for": lagging.contains(unit),
                "passed_over": record.is_some_and(|record| record.without.contains(unit)),
            })
        })
        .collect();
    let waits_for = standing.wait.as_ref().map(|wait| match wait {
        Wait::Members => "members",
        Wait::Units(_) => "units",
    });
    let text = |of: fn(&Record) -> String| record.map(of);
    let fields = json!({
        "application": work.identity.unit.application(),
        "unit": work.identity.unit.to_string(),
        "leader": work.juju.leader,
        "phase": match standing.phase {
            Phase::Asked => "asked",
            Phase::UnderWay => "under-way",
            Phase::AtRest => "at-rest",
        },
        "digest": work.intent.order_digest(),
        "recorded_digest": text(|record| record.digest.clone()),
        "step": text(|record| record.step.to_string()),
        "generation": text(|record| record.generation.clone()),
        "since": since,
        "waits_for": waits_for,
        "units": units,
    });
    document(fields, "units")
}
