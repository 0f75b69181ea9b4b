//! `plan`: what the next hook would write. Reads only.

use std::fmt;

use serde_json::{Value, json};

use super::answer::{Answer, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use crate::charm::Report;
use crate::charm::observe::first_look;
use crate::charm::reconcile::{Stop, Work};
use crate::cluster::Obstacle;
use crate::host::Host;
use crate::juju::HookTools;
use crate::plan::{PlanDigest, Step, change, seen};
use crate::printable::printable_line;
use crate::rollout::Declared;
use crate::status::StatusKind;

/// A step, and the wave it is in, counted from 1.
pub(super) struct Planned {
    wave: usize,
    step: Step,
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = printable_line(&self.step.to_string());
        write!(formatter, "{}. {line}", self.wave)
    }
}

/// Plans and shows it. A plan that is not allowed fails the action.
pub(super) async fn plan<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    let mut report = Report::default();
    let outcome = foresee(work, &mut report).await;
    let (planned, reason) = match outcome {
        Ok(waves) => (Some(FreshPlan::new(work, waves)), None),
        Err(stop) => (None, Some(Reason::from(stop))),
    };
    let (steps, digest) = match planned {
        Some(plan) => (plan.steps, Some(plan.digest)),
        None => (Vec::new(), None),
    };
    let notes = notes(work, &report);
    let text = match parameters.format {
        Format::Json => to_json(work, &steps, digest.as_ref(), reason.as_ref(), &report),
        Format::Text => shown(&steps),
    };
    let answer = match (parameters.format, &reason) {
        (Format::Text, Some(_)) => Answer::default(),
        (Format::Text, None) => Answer::default()
            .with("plan", text)
            .with_list(
                "cuts",
                &report.cuts.iter().map(|cut| &cut.text).collect::<Vec<_>>(),
            )
            .with_list("notes", &notes),
        (Format::Json, _) => Answer::default().with("plan", text),
    };
    let answer = match digest {
        Some(digest) => answer.with("digest", digest.to_string()),
        None => answer,
    };
    match reason {
        Some(reason) => answer.fail(reason),
        None => answer.with("writes", steps.len().to_string()),
    }
}

/// What stands beside the steps.
fn notes<T, H>(work: &Work<'_, T, H>, report: &Report) -> Vec<String> {
    let mut notes = report.notes().to_vec();
    let status = report.final_status();
    if status.kind() != StatusKind::Active {
        notes.insert(0, status.message().to_owned());
    }
    if let Some(why) = &report.unknown_cuts {
        notes.push(format!("cuts of this change are not known: {why}"));
    }
    if !work.juju.leader {
        notes.push(format!(
            "objects of the whole cluster are in the leader's plan: juju run {}/leader plan",
            work.identity.unit.application()
        ));
    }
    notes
}

/// The steps as text.
pub(super) fn shown(steps: &[Planned]) -> String {
    if steps.is_empty() {
        "nothing to write".to_owned()
    } else {
        listed(steps)
    }
}

/// A plan as it is now.
pub(super) struct FreshPlan {
    pub(super) steps: Vec<Planned>,
    pub(super) digest: PlanDigest,
}

impl FreshPlan {
    pub(super) fn new<T, H>(work: &Work<'_, T, H>, waves: Vec<Vec<Step>>) -> Self {
        let options = format!("{} {:?}", work.identity.unit, work.config);
        let all = waves.iter().flatten().map(seen).collect();
        Self {
            digest: PlanDigest::new(&options, &all),
            steps: numbered(waves),
        }
    }
}

/// The waves in the order in which the hook would carry them out.
pub(super) async fn foresee<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    report: &mut Report,
) -> Result<Vec<Vec<Step>>, Stop> {
    let look = first_look(work.surroundings).await?;
    let mut survey = work.survey(look, report).await?;
    let mut waves = vec![std::mem::take(&mut survey.install.definitions)];
    let defines = !waves[0].is_empty();
    let objects = match survey.served {
        None if defines => {
            report
                .note("Calico's own objects are planned once its definitions are there".to_owned());
            Vec::new()
        }
        None => return Err(Stop::Obstacle(Obstacle::NoCrds)),
        Some(mode) => {
            let foreseen = work.foresee(&mut survey, mode, report).await?;
            let sweep = work.sweep_plan(&survey, &foreseen, report).await?;
            let plans = [foreseen.plan, sweep];
            plans
                .into_iter()
                .flat_map(|plan| plan.waves().to_vec())
                .collect()
        }
    };
    let clear = !defines && survey.install.may_clear(survey.daemon_set.as_ref());
    waves.extend(survey.install.waves);
    waves.extend(Some(survey.install.leftovers).filter(|_| clear));
    waves.extend(objects);
    Ok(waves)
}

fn numbered(waves: Vec<Vec<Step>>) -> Vec<Planned> {
    let waves = waves.into_iter().filter(|wave| !wave.is_empty());
    waves
        .zip(1..)
        .flat_map(|(steps, wave)| steps.into_iter().map(move |step| Planned { wave, step }))
        .collect()
}

/// The document of the command `plan`, and beside it the waves.
fn to_json<T, H>(
    work: &Work<'_, T, H>,
    steps: &[Planned],
    digest: Option<&PlanDigest>,
    reason: Option<&Reason>,
    report: &Report,
) -> String {
    let unit = work.identity.unit.to_string();
    let mut changes = Vec::new();
    for planned in steps {
        if let Some(change) = change(&planned.step, &unit) {
            let mut json = json!({
                "wave": planned.wave,
                "action": change.action.as_str(),
                "kind": change.kind,
                "name": change.name,
                "unit": change.unit,
                "fields": change.fields,
            });
            if let Some(because) = change.because {
                json["because"] = because.into();
            }
            changes.push(json);
        }
    }
    let blocked: Vec<Value> = reason.into_iter().map(Reason::json).collect();
    let cuts: Vec<Value> = report.cuts.iter().map(Declared::json).collect();
    let mut fields = json!({
        "application": work.identity.unit.application(),
        "units": 1,
        "unit": unit,
        "leader": work.juju.leader,
        "records": steps.len() - changes.len(),
        "changes": changes,
        "blocked": blocked,
        "cuts": cuts,
        "notes": notes(work, report),
    });
    if let Some(digest) = digest {
        fields["digest"] = digest.to_string().into();
    }
    document(fields, "changes")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn step(name: &str) -> Step {
        Step::Annotate {
            node: name.to_owned(),
            annotations: BTreeMap::new(),
            resource_version: None,
            changes: Vec::new(),
        }
    }

    #[test]
    fn waves_are_numbered_without_gaps() {
        let waves = vec![vec![], vec![step("a"), step("b")], vec![], vec![step("c")]];
        let lines: Vec<String> = numbered(waves).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["1. Node a: ", "1. Node b: ", "2. Node c: "]);
    }
}
