//! `check`: everything that is in the way, at once. Reads only.

use serde_json::{Value, json};

use super::answer::{Answer, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use crate::charm::facts::JujuFacts;
use crate::charm::findings::Findings;
use crate::charm::install::{Installation, installation};
use crate::charm::observe::{FirstLook, first_look};
use crate::charm::reconcile::{Stop, Work, no_relation, notes, options, unit_facts};
use crate::charm::report::counted;
use crate::charm::{Identity, Report, Surroundings, machine};
use crate::cluster::mode::{cluster_information, cluster_information_path, uses_etcd};
use crate::cluster::{Mode, Obstacle, mode};
use crate::host::Host;
use crate::juju::HookTools;
use crate::juju::tools::LogLevel;
use crate::plan::{Live, Plan};
use crate::status::StatusKind;

/// What was found, in the order in which a hook would meet it.
#[derive(Debug, Default)]
struct Found {
    problems: Vec<(&'static str, Reason)>,
    notes: Vec<String>,
    /// What is wrong with the fabric, where it was judged.
    fabric: Option<Findings>,
}

impl Found {
    /// The same thing may be met twice on different ways.
    fn problem(&mut self, area: &'static str, reason: impl Into<Reason>) {
        let reason = reason.into();
        let known = |(_, other): &(&str, Reason)| other.message == reason.message;
        if !self.problems.iter().any(known) {
            self.problems.push((area, reason));
        }
    }

    /// What a part of a hook has put into its report.
    fn report(&mut self, area: &'static str, report: &Report) {
        let status = report.final_status();
        if status.kind() != StatusKind::Active {
            let mut reason = Reason::from(status);
            let warnings = report
                .lines()
                .iter()
                .filter(|(level, _)| *level != LogLevel::Info);
            let warnings: Vec<&str> = warnings.map(|(_, line)| line.as_str()).collect();
            if !warnings.is_empty() {
                reason.remedy = Some(warnings.join("; "));
            }
            self.problem(area, reason);
        }
        self.notes.extend_from_slice(report.notes());
    }
}

/// Looks everywhere a hook would, does not stop at the first problem, and fails when there is one.
pub(super) async fn check<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    identity: &Identity,
    juju: &JujuFacts,
    parameters: &Parameters,
) -> Answer {
    let mut findings = Found::default();
    if juju.cni.is_empty() {
        let principal = surroundings.context.principal.as_deref();
        findings.problem("juju", no_relation(principal));
    }
    let facts = unit_facts(surroundings, identity, juju);
    let valid = options(juju, &facts);
    let work = match &valid {
        Ok((config, intent)) => Some(Work {
            surroundings,
            identity,
            juju,
            config,
            intent,
            hook: None,
        }),
        Err(problems) => {
            for problem in problems {
                findings.problem("options", problem);
            }
            None
        }
    };
    if let Some(work) = &work {
        let mut report = Report::default();
        machine::rp_filter(surroundings.host, work.config, &mut report);
        findings.report("machine", &report);
    }
    match first_look(surroundings).await {
        Ok(look) => cluster(look, identity, work.as_ref(), &mut findings).await,
        Err(stop) => findings.problem("cluster", stop),
    }
    if let Some(work) = &work {
        let mut report = Report::default();
        report.fabric = findings.fabric.take();
        notes(work.config, work.intent, juju, &mut report);
        findings.fabric = report.fabric.take();
        findings.report("options", &report);
    }
    shown(&findings, identity, juju.leader, parameters.format)
}

async fn cluster<T: HookTools, H: Host>(
    look: FirstLook,
    identity: &Identity,
    work: Option<&Work<'_, T, H>>,
    findings: &mut Found,
) {
    if uses_etcd(look.daemon_set.as_ref().map(Live::value)) {
        findings.problem("cluster", Stop::Obstacle(Obstacle::EtcdDatastore));
    }
    match installation(look.daemon_set.as_ref(), look.operator, &identity.owner) {
        Err(blocked) => findings.problem("cluster", blocked),
        Ok(Installation::Elsewhere) => findings.notes.push(format!(
            "Calico was installed by somebody else; juju run {}/leader sync-resources takes it over",
            identity.unit.application()
        )),
        Ok(Installation::Operator) => {
            findings.notes.push("Calico is installed by the tigera operator".to_owned());
        }
        Ok(Installation::Absent | Installation::Ours) => {}
    }
    match mode(&look.kubernetes, &look.groups.clone().unwrap_or_default()).await {
        Err(error) => findings.problem("cluster", error),
        // Whether the next hook brings them shows below.
        Ok(Err(Obstacle::NoCrds)) if work.is_some_and(|work| work.juju.leader) => {}
        Ok(Err(obstacle)) => findings.problem("cluster", Stop::Obstacle(obstacle)),
        Ok(Ok(mode)) => datastore(&look, mode, findings).await,
    }
    if let Some(work) = work
        && let Err(stop) = plans(work, look, findings).await
    {
        findings.problem("plan", stop);
    }
}

async fn datastore(look: &FirstLook, mode: Mode, findings: &mut Found) {
    let path = cluster_information_path(mode.group);
    match look.kubernetes.get(&path).await {
        Err(error) => findings.problem("cluster", error),
        Ok(information) => {
            if let (Some(locked), _) = cluster_information(information.as_ref()) {
                findings.problem("cluster", Stop::Obstacle(locked));
            }
        }
    }
}

/// Every part of the plan by itself, so that one that is refused hides no other.
async fn plans<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    look: FirstLook,
    findings: &mut Found,
) -> Result<(), Stop> {
    let mut report = Report::default();
    let mut survey = work.survey(look, &mut report).await?;
    let mode = match survey.served {
        Some(mode) => mode,
        None if !survey.install.definitions.is_empty() => {
            let note = "Calico is not installed yet: the next hook does it";
            findings.notes.push(note.to_owned());
            return Ok(());
        }
        None => return Err(Stop::Obstacle(Obstacle::NoCrds)),
    };
    let named = survey.named.take();
    let observing = work.observe(&survey.kubernetes, mode, named, &mut report);
    match observing.await {
        Err(stop) => findings.problem("cluster", stop),
        Ok(mut observed) => {
            report.node = Some(observed.node.name().to_owned());
            let kubernetes = &survey.kubernetes;
            let mode = mode.with_version(report.version.as_deref());
            let configuration = observed.configuration.as_ref();
            if let Err(blocked) = work.refuse_other_applications(configuration) {
                findings.problem("plan", blocked);
            }
            if let Err(stop) = work.prove(&survey, mode, &observed, &mut report).await {
                findings.problem("fabric", stop);
            }
            findings.fabric = report.fabric.take();
            match work.ahead(kubernetes, mode, &observed).await {
                Err(stop) => findings.problem("plan", stop),
                Ok(ahead) => {
                    let allowance = &ahead.allowance;
                    let planning = work.own_plan(kubernetes, mode, &mut observed, allowance);
                    if let Err(stop) = planning.await {
                        findings.problem("plan", stop);
                    }
                    if work.juju.leader {
                        let unit_plan = Plan::default();
                        let planning = work.with_cluster(
                            mode,
                            &survey,
                            unit_plan,
                            &observed,
                            &ahead,
                            &mut report,
                        );
                        if let Err(stop) = planning.await {
                            findings.problem("plan", stop);
                        }
                    }
                }
            }
        }
    }
    findings.report("plan", &report);
    let mut health = Report::default();
    health.node = report.node.take();
    match work.health(&survey, &mut health).await {
        Err(stop) => findings.problem("health", stop),
        Ok(()) => findings.report("health", &health),
    }
    Ok(())
}

fn shown(findings: &Found, identity: &Identity, leader: bool, format: Format) -> Answer {
    let number = findings.problems.len();
    let text = match format {
        Format::Json => to_json(findings, identity, leader),
        Format::Text if number == 0 => "nothing is in the way".to_owned(),
        Format::Text => listed(&lines(findings)),
    };
    let mut answer = Answer::default()
        .with("check", text)
        .with("problems", number.to_string());
    if format == Format::Text {
        answer = answer
            .with_list("findings", &fabric_lines(findings))
            .with_list("notes", &findings.notes);
    }
    match number {
        0 => answer,
        _ => answer.fail(counted(number, "problem")),
    }
}

fn lines(findings: &Found) -> Vec<String> {
    let problems = findings.problems.iter();
    let lines = problems.flat_map(|(area, reason)| {
        let kind = reason.kind.as_str();
        let problem = format!("{kind} ({area}): {}", reason.message);
        let remedy = reason.remedy.as_ref();
        let remedy = remedy.map(|remedy| format!("    {remedy}"));
        std::iter::once(problem).chain(remedy)
    });
    lines.collect()
}

/// What is wrong with the fabric, whether or not it is in the way.
fn fabric_lines(findings: &Found) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(fabric) = &findings.fabric {
        for finding in &fabric.findings {
            lines.extend(fabric.entry(finding).lines().map(str::to_owned));
        }
    }
    lines
}

fn to_json(findings: &Found, identity: &Identity, leader: bool) -> String {
    let problems = findings.problems.iter().map(|(area, reason)| {
        let mut json = reason.json();
        json["area"] = (*area).into();
        json["status"] = reason.kind.as_str().into();
        json
    });
    let fields = json!({
        "application": identity.unit.application(),
        "unit": identity.unit.to_string(),
        "leader": leader,
        "problems": problems.collect::<Vec<Value>>(),
        "findings": findings.fabric.as_ref().map(Findings::to_json),
        "notes": findings.notes,
    });
    document(fields, "problems")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;

    fn identity() -> Identity {
        Identity {
            unit: "calico/1".parse().unwrap(),
            owner: crate::render::Owner {
                model: "m".into(),
                application: "calico".into(),
            },
        }
    }

    #[test]
    fn one_thing_is_said_once() {
        let mut findings = Found::default();
        findings.problem("cluster", Stop::Obstacle(Obstacle::NoCrds));
        findings.problem("plan", Stop::Obstacle(Obstacle::NoCrds));
        assert_eq!(findings.problems.len(), 1);
    }

    #[test]
    fn problems_come_with_their_way_out_and_fail_the_action() {
        let mut findings = Found::default();
        assert_eq!(
            shown(&findings, &identity(), false, Format::Text),
            Answer::default()
                .with("check", "nothing is in the way")
                .with("problems", "0")
        );
        let mut report = Report::default();
        report.status(Status::blocked("a"));
        report.warning("do b");
        report.note("c".to_owned());
        findings.report("machine", &report);
        findings.problem("cluster", Status::waiting("d"));
        assert_eq!(
            shown(&findings, &identity(), false, Format::Text),
            Answer::default()
                .with(
                    "check",
                    "blocked (machine): a\n    do b\nwaiting (cluster): d"
                )
                .with("problems", "2")
                .with("notes", "c")
                .fail("2 problems")
        );
        let json: Value = serde_json::from_str(&to_json(&findings, &identity(), true)).unwrap();
        assert_eq!(json["problems"][0]["remedy"], "do b");
        assert_eq!(json["problems"][0]["status"], "blocked");
        assert_eq!(json["problems"][1]["area"], "cluster");
        assert_eq!(json["notes"][0], "c");
        assert_eq!(json["leader"], true);
    }
}
