//! `rollout-status` and `resume`: how a change stands, and how it goes on without units that do not answer. Performs IO.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::{Answer, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use super::{hook, leader_alone};
use crate::charm::reconcile::Work;
use crate::charm::rollout::{Passed, Refused, Seen};
use crate::charm::{API_DEADLINE, HookError, Report};
use crate::host::Host;
use crate::juju::{Action, HookTools};
use crate::model::UnitName;
use crate::printable::printable_line;
use crate::rollout::{Part, Phase, Record, RolloutStep, Standing, Wait};

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

/// Goes on without the units that are named, then lets the ordinary hook follow. Where nobody is waited for it is the hook
/// alone that goes on; where nobody is named it only tells who could be.
///
/// # Errors
/// When a hook tool fails.
pub(super) async fn resume<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Result<Answer, HookError> {
    if let Err(reason) = leader_alone(work, Action::Resume) {
        return Ok(Answer::failed(reason));
    }
    let mut report = Report::default();
    let passing = work.pass_over(&parameters.units, &mut report);
    let passed = match tokio::time::timeout(API_DEADLINE, passing).await {
        Ok(Ok(passed)) => passed,
        Ok(Err(stop)) => return Ok(Answer::failed(Reason::from(stop))),
        Err(_) => return Ok(Answer::failed(Reason::deadline())),
    };
    let (answer, goes_on) = told(work, &passed);
    if !goes_on {
        return Ok(answer);
    }
    let status = hook(work).await?;
    Ok(answer.with("status", status.to_string()))
}

/// What is said of units that were passed over, or are not, and whether the hook goes on.
fn told<T: HookTools, H: Host>(work: &Work<'_, T, H>, passed: &Passed) -> (Answer, bool) {
    let Passed { seen, outcome } = passed;
    let standing = &seen.standing;
    let lagging = work.other_lagging(standing);
    match outcome {
        Some(Ok(record)) => {
            let units = &record.without;
            let answer = Answer::default()
                .with("without", named(units))
                .with("record", record.to_string())
                .with("may-be-cut", cost(work, standing, record.step, units));
            (answer, true)
        }
        Some(Err(Refused::NotWaitedFor(others))) => {
            let (others, lagging) = (named(others), named(&lagging));
            let reason = format!("units: the change does not wait for {others} but for {lagging}");
            (Answer::failed(reason), false)
        }
        Some(Err(Refused::NoReflector)) => (Answer::failed(no_reflector(work)), false),
        None if standing.wait == Some(Wait::Members) => {
            (Answer::failed(unknown(work, seen)), false)
        }
        None if !lagging.is_empty() => {
            let step = standing.record.as_ref().map(|record| record.step);
            let application = work.identity.unit.application();
            let next = format!(
                "juju run {application}/leader resume units={}",
                joined(&lagging)
            );
            let answer = Answer::default()
                .with("waits-for", named(&lagging))
                .with(
                    "may-be-cut",
                    cost(work, standing, step.unwrap_or(RolloutStep::Add), &lagging),
                )
                .with(
                    "resume",
                    "nothing was written: name the units that will not answer",
                )
                .with("next", next);
            (answer, false)
        }
        None if matches!(standing.wait, Some(Wait::Pools(_))) => {
            let text = "the change waits for pods, not for units: migrate-pool restarts them";
            (Answer::default().with("resume", text), false)
        }
        None if standing.phase == Phase::AtRest => {
            let text = "no change is under way; nothing was written";
            (Answer::default().with("resume", text), false)
        }
        None => {
            let text = "the change waits for no other unit: the leader's hook goes on with it";
            (Answer::default().with("resume", text), true)
        }
    }
}

fn no_reflector<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> String {
    let application = work.identity.unit.application();
    format!(
        "units: all that route-reflector-cluster-ids names would be passed over, and there is to be no mesh: every node would \
         be cut off. Name a unit that answers there, or juju config {application} node-to-node-mesh=true"
    )
}

/// Why nobody can be passed over while Juju has not told of all.
fn unknown<T: HookTools, H: Host>(work: &Work<'_, T, H>, seen: &Seen) -> String {
    let application = work.identity.unit.application();
    let known = work.juju.membership.as_ref();
    let known = known.map(|known| (known.units.len(), known.principals.len()));
    let (units, principals) = known.unwrap_or_default();
    let missing: Vec<&str> = seen.unseen.iter().map(String::as_str).collect();
    let missing = match missing.as_slice() {
        [] => String::new(),
        [first, ..] => format!(
            " The units of {} have not begun: where that machine is not to come, juju remove-unit {first}.",
            missing.join(", ")
        ),
    };
    format!(
        "Juju has told of {units} of {principals} units, and units that are not known cannot be passed over; it tells of \
         the others once their agents have run.{missing} juju config {application} rollout=immediate waits for nobody; \
         juju config {application} --reset rollout afterwards"
    )
}

/// What going on without units may cost, by what the change waits for.
fn cost<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    standing: &Standing,
    step: RolloutStep,
    units: &BTreeSet<UnitName>,
) -> String {
    match &standing.wait {
        Some(Wait::Sessions(_)) => format!(
            "{}: sessions between reflectors and nodes are not up there, so that their pods are cut off without the mesh \
             until they are",
            named(units)
        ),
        _ => may_be_cut(work, step, units),
    }
}

/// What going on without units may cost, by the steps that they have not done.
fn may_be_cut<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    step: RolloutStep,
    units: &BTreeSet<UnitName>,
) -> String {
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
    let mut text = format!("{}: {how} until they have followed", named(units));
    let ids = &work.config.route_reflector_cluster_ids;
    let reflectors = units.iter().filter(|unit| ids.contains_key(&unit.number()));
    let reflectors: Vec<&UnitName> = reflectors.collect();
    if !reflectors.is_empty() && step <= RolloutStep::Reflect {
        text.push_str("; ");
        text.push_str(&named(reflectors));
        text.push_str(
            ": to reflect and may not, so that every node without another reflector is cut off too",
        );
    }
    text
}

/// `calico/3,calico/5`, as the parameter takes them.
fn joined(units: &BTreeSet<UnitName>) -> String {
    let units: Vec<String> = units.iter().map(ToString::to_string).collect();
    units.join(",")
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
    let Seen { standing, .. } = seen;
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        lines.push(printable_line(format!("{name:<12}{value}").trim_end()));
    };
    match standing.phase {
        Phase::AtRest => line("no change is under way", ""),
        Phase::Asked => line(
            "a change is asked for; the leader's next hook begins it, unless its status says what is in the way",
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
        if let Some(written) = &seen.written {
            line("written", written);
        }
        if !record.without.is_empty() {
            line("without", &format!("{} (resume)", named(&record.without)));
        }
    }
    let lagging = standing.lagging();
    if standing.wait == Some(Wait::Members) {
        let unseen: Vec<&str> = seen.unseen.iter().map(String::as_str).collect();
        let of = match unseen.as_slice() {
            [] => String::new(),
            _ => format!(": the units of {} have not begun", unseen.join(", ")),
        };
        line(
            "waits for",
            &format!("Juju, which has not told of every unit yet{of}"),
        );
    }
    if let Some(Wait::Sessions(missing)) = &standing.wait {
        for (reflector, missing) in missing {
            let others = if missing.has_others {
                ""
            } else {
                ", and has no other"
            };
            let text = format!(
                "{reflector}: no session with {}{others}",
                named(&missing.nodes)
            );
            line("waits for", &text);
        }
    }
    if let Some(Wait::Pools(pools)) = &standing.wait {
        for pool in pools {
            line("waits until", pool);
        }
    }
    let lags = matches!(standing.wait, Some(Wait::Units(_)));
    for (unit, nodes) in &seen.doubled {
        let nodes = nodes.join(" and ");
        line(
            "twice",
            &format!("{nodes} both say they are {unit}: delete the Node that is gone"),
        );
    }
    let is_open = |part: &Part| standing.phase == Phase::UnderWay || *part != Part::Settled;
    for (unit, part) in standing.units.iter().filter(|(_, part)| is_open(part)) {
        let name = if lags && lagging.contains(unit) {
            "waits for"
        } else {
            "unit"
        };
        line(name, &format!("{unit}: {}", words_of(part)));
    }
    if let Some((name, way)) = way_on(work, standing) {
        line(name, &way);
    }
    lines
}

/// What can be done to make a change go on.
fn way_on<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    standing: &Standing,
) -> Option<(&'static str, String)> {
    let application = work.identity.unit.application();
    let step = standing.record.as_ref().map(|record| record.step);
    let resume = format!("juju run {application}/leader resume");
    let others = if work.juju.leader {
        work.other_lagging(standing)
    } else {
        standing.lagging()
    };
    match &standing.wait {
        Some(Wait::Members) => Some(("way out", format!("{resume} tells it"))),
        Some(Wait::Pools(_)) => Some((
            "way out",
            format!("juju run {application}/leader migrate-pool restarts those pods"),
        )),
        Some(Wait::Units(_) | Wait::Sessions(_)) => Some((
            "way out",
            format!("{resume} units={} goes on without them", joined(&others)),
        )),
        None if standing.phase == Phase::UnderWay && step < Some(RolloutStep::Remove) => Some((
            "next",
            format!("the leader's next hook goes on; {resume} has it run now"),
        )),
        None => None,
    }
}

/// `done add; left reflect, remove`.
fn words_of(part: &Part) -> String {
    match part {
        Part::NoNode => "no Node is claimed by it".to_owned(),
        Part::Gone => "is gone; its Node says so no more once it is drained or deleted".to_owned(),
        Part::Behind => "has not acted on this change yet".to_owned(),
        Part::Left { done, steps } => {
            format!("done {done}; left {}", words(steps.iter().copied()))
        }
        Part::Settled => "done".to_owned(),
    }
}

fn to_json<T: HookTools, H: Host>(work: &Work<'_, T, H>, seen: &Seen) -> String {
    let Seen { standing, .. } = seen;
    let lagging = standing.lagging();
    let record = standing.record.as_ref();
    let units: Vec<Value> = standing
        .units
        .iter()
        .map(|(unit, part)| {
            let (state, done, left) = match part {
                Part::NoNode => ("no-node", None, Vec::new()),
                Part::Gone => ("gone", None, Vec::new()),
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
        Wait::Sessions(_) => "sessions",
        Wait::Pools(_) => "pools",
    });
    let sessions: Vec<Value> = match &standing.wait {
        Some(Wait::Sessions(missing)) => missing
            .iter()
            .map(|(reflector, missing)| {
                let without: Vec<String> = missing.nodes.iter().map(ToString::to_string).collect();
                json!({"unit": reflector.to_string(), "without": without, "has_others": missing.has_others})
            })
            .collect(),
        _ => Vec::new(),
    };
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
        "written": seen.written,
        "waits_for": waits_for,
        "sessions": sessions,
        "unseen": seen.unseen,
        "doubled": seen.doubled.iter().map(|(unit, nodes)| json!({"unit": unit.to_string(), "nodes": nodes})).collect::<Vec<_>>(),
        "units": units,
    });
    document(fields, "units")
}
