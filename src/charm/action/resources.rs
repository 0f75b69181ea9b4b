//! `list-resources`, `scrub-resources` and `sync-resources`: the install documents against the cluster. Performs IO.

use std::collections::BTreeSet;

use super::answer::Answer;
use super::parameters::Parameters;
use super::reason::Reason;
use super::{hook, leader_alone, within_deadline};
use crate::charm::install::{
    Found, Install, Installation, beside, catalogue, chosen, collections, documents, installed,
    running_release,
};
use crate::charm::observe::first_look;
use crate::charm::reconcile::{Stop, Survey, Work};
use crate::charm::{HookError, Report};
use crate::cluster::mode::{cluster_information, cluster_information_path};
use crate::cluster::{Mode, apply_wave};
use crate::host::Host;
use crate::juju::tools::action::action_log;
use crate::juju::{Action, HookTools};
use crate::manifests::{Document, DocumentId};
use crate::model::Release;
use crate::plan::{Blocked, DaemonSetProgress, Step, install_step};

/// Deleting one deletes all objects of its kind.
const DEFINITION: &str = "CustomResourceDefinition";

/// The install documents beside what the cluster has of them.
#[derive(Debug, Default)]
struct Comparison {
    /// As the documents ask.
    correct: Vec<DocumentId>,
    /// Not there, or not as the documents ask: what makes it so.
    steps: Vec<(DocumentId, Step)>,
    /// Put there for documents that no longer have it.
    extra: Vec<(DocumentId, Step)>,
}

impl Comparison {
    fn retain(&mut self, parameters: &Parameters) {
        self.correct.retain(|id| parameters.wants(&id.kind));
        self.steps.retain(|(id, _)| parameters.wants(&id.kind));
        self.extra.retain(|(id, _)| parameters.wants(&id.kind));
    }

    /// Kinds that were asked for and that nothing has.
    fn unknown(&self, parameters: &Parameters) -> Vec<String> {
        let steps = self.steps.iter().chain(&self.extra).map(|(id, _)| id);
        let known: BTreeSet<String> = steps
            .chain(&self.correct)
            .map(|id| id.kind.to_lowercase())
            .collect();
        parameters.kinds.difference(&known).cloned().collect()
    }

    fn answer(&self) -> Answer {
        let (missing, conflicting): (Vec<_>, Vec<_>) =
            self.steps.iter().partition(|(_, step)| is_new(step));
        let extra = self.extra.iter().map(|(id, _)| id);
        let missing = missing.into_iter().map(|(id, _)| id);
        let conflicting = conflicting.into_iter().map(|(id, _)| id);
        Answer::default()
            .with_list("calico-correct", &sorted(&self.correct))
            .with_list("calico-extra", &sorted(extra))
            .with_list("calico-missing", &sorted(missing))
            .with_list("calico-conflicting", &sorted(conflicting))
    }
}

/// Whether the object is not there yet.
fn is_new(step: &Step) -> bool {
    matches!(step, Step::Install { changes, .. } if changes.is_empty())
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a DocumentId>) -> Vec<&'a DocumentId> {
    let sorted: BTreeSet<&DocumentId> = ids.into_iter().collect();
    sorted.into_iter().collect()
}

/// Compares and shows the lists.
pub(super) async fn list<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    let mut report = Report::default();
    match comparison(work, parameters, &mut report).await {
        Ok((_, comparison)) => comparison.answer().with_list("notes", report.notes()),
        Err(reason) => Answer::failed(reason),
    }
}

/// Deletes what is left over.
pub(super) async fn scrub<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    if let Err(reason) = leader_alone(work, Action::ScrubResources) {
        return Answer::failed(reason);
    }
    let mut report = Report::default();
    let (survey, found) = match comparison(work, parameters, &mut report).await {
        Ok(found) => found,
        Err(reason) => return Answer::failed(reason),
    };
    let (stay, doomed): (Vec<_>, Vec<_>) = found
        .extra
        .iter()
        .partition(|(id, _)| id.kind == DEFINITION);
    let stay = stay
        .iter()
        .map(|(id, _)| format!("{id} stays: with it all its objects would go"));
    let verb = if parameters.dry_run {
        "Would remove"
    } else {
        "Removing"
    };
    let going = doomed.iter().map(|(id, _)| format!("{verb} {id}"));
    if parameters.dry_run || doomed.is_empty() {
        say(work, stay.chain(going)).await;
        return found.answer();
    }
    if let Some(reason) = in_use(&survey) {
        return found.answer().fail(reason);
    }
    say(work, stay.chain(going)).await;
    let wave: Vec<Step> = doomed.iter().map(|(_, step)| step.clone()).collect();
    let done = apply_wave(&survey.kubernetes, Mode::V1, &wave).await;
    let failed = report
        .done(done)
        .err()
        .map(|error| Reason::from(Stop::Api(error)));
    let answer = afterwards(work, parameters).await;
    match failed {
        Some(reason) => answer.fail(reason),
        None => answer,
    }
}

/// Pods of the template before may still need what the documents no longer have.
fn in_use(survey: &Survey) -> Option<String> {
    let rollout = survey.daemon_set.as_ref().map(DaemonSetProgress::of)?;
    let updated = if rollout.observed { rollout.updated } else { 0 };
    rollout.is_rolling().then(|| {
        format!(
            "calico-node is still restarting, {updated} of {} done: what is extra may be in use until then",
            rollout.desired
        )
    })
}

/// Applies what is missing or differs, and lets the ordinary hook follow where all kinds were asked for.
pub(super) async fn sync<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Result<Answer, HookError> {
    if let Err(reason) = leader_alone(work, Action::SyncResources) {
        return Ok(Answer::failed(reason));
    }
    let applying = async {
        match apply(work, parameters).await {
            Ok(()) => Answer::default(),
            Err(reason) => Answer::failed(reason),
        }
    };
    let applied = within_deadline(applying).await;
    if applied.has_failed() {
        return Ok(applied);
    }
    let status = if parameters.kinds.is_empty() {
        Some(hook(work).await?)
    } else {
        None
    };
    let answer = within_deadline(afterwards(work, parameters)).await;
    Ok(match status {
        Some(status) => answer.with("status", status.to_string()),
        None => answer,
    })
}

async fn apply<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Result<(), Reason> {
    let mut report = Report::default();
    let (mut survey, found) = comparison(work, parameters, &mut report).await?;
    if survey.installation == Installation::Operator {
        return Err(Reason::from(Blocked {
            message: "Calico is installed by the tigera operator, which puts back what others change".to_owned(),
            remedy: "the charm configures that Calico as it is; to have it installed by the charm, remove the operator \
                     first"
                .to_owned(),
        }));
    }
    let steps = found.steps.iter().map(|(id, step)| {
        let verb = if is_new(step) {
            "Installing"
        } else {
            "Changing"
        };
        format!("{verb} {id}")
    });
    say(work, steps).await;
    survey.install = Install::of(found.steps.into_iter().map(|(_, step)| step));
    let mode = match work.define(&survey, &mut report).await {
        Ok(mode) => mode,
        // Without a definition among what was asked for there may be none at all, and what is applied now needs none.
        Err(Stop::Obstacle(_)) if survey.served.is_none() => Mode::V1,
        Err(stop) => return Err(stop.into()),
    };
    work.carry_out_install(&survey, mode, &mut report).await?;
    Ok(())
}

/// How things are once something was done; a kind whose last object went is no mistake then.
async fn afterwards<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    match look(work, &mut Report::default()).await {
        Ok((_, mut comparison)) => {
            comparison.retain(parameters);
            comparison.answer()
        }
        Err(stop) => Answer::failed(Reason::from(stop)),
    }
}

/// The comparison of the kinds that were asked for.
async fn comparison<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
    report: &mut Report,
) -> Result<(Survey, Comparison), Reason> {
    let (survey, mut comparison) = look(work, report).await?;
    let unknown = comparison.unknown(parameters);
    if !unknown.is_empty() {
        return Err(Reason::from(Blocked {
            message: format!("resources: there is no {} among them", unknown.join(", ")),
            remedy: "list-resources without it shows the kinds there are".to_owned(),
        }));
    }
    comparison.retain(parameters);
    Ok((survey, comparison))
}

async fn look<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    report: &mut Report,
) -> Result<(Survey, Comparison), Stop> {
    let look = first_look(work.surroundings).await?;
    let survey = work.survey(look, report).await?;
    let comparison = compare(work, &survey).await?;
    Ok((survey, comparison))
}

/// Holds every document against its object; unlike a hook it never trusts the record.
async fn compare<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    survey: &Survey,
) -> Result<Comparison, Stop> {
    let kubernetes = &survey.kubernetes;
    let daemon_set = survey.daemon_set.as_ref();
    let mut found = Found::read(kubernetes, &work.identity.owner).await?;
    found.keeps_bird = work
        .keeps_bird(kubernetes, survey.served, daemon_set)
        .await?;
    let catalogue = catalogue(work.resource(&found)?.as_deref())?;
    let running = running(survey).await?;
    let release = chosen(work.config.release, &catalogue, running)?;
    let settings = work.settings(release, &found, daemon_set, &survey.nodes);
    let documents = documents(&catalogue, &settings)?;
    let mut comparison = Comparison::default();
    for (document, live) in beside(kubernetes, &documents).await? {
        match install_step(document, live.as_ref()) {
            Some(step) => comparison.steps.push((document.id(), step)),
            None => comparison.correct.push(document.id()),
        }
    }
    let mut places = collections(kubernetes).await?;
    places.extend(documents.iter().map(Document::collection_path));
    let found = installed(kubernetes, &work.identity.owner, &places).await?;
    let wanted: BTreeSet<DocumentId> = documents.iter().map(Document::id).collect();
    let extra = found
        .iter()
        .filter(|object| object.is_ours && !wanted.contains(&object.id));
    comparison.extra = extra
        .map(|object| (object.id.clone(), object.removal()))
        .collect();
    Ok(comparison)
}

/// The release that runs: by the charm's own label, else as Calico says, lest a newer one that somebody else installed
/// is taken back.
async fn running(survey: &Survey) -> Result<Option<Release>, Stop> {
    let own = running_release(survey.daemon_set.as_ref());
    let (None, Some(mode), Some(_)) = (own, survey.served, &survey.daemon_set) else {
        return Ok(own);
    };
    let path = cluster_information_path(mode.group);
    let (_, version) = cluster_information(survey.kubernetes.get(&path).await?.as_ref());
    Ok(version.and_then(|version| version.parse().ok()))
}

/// Shown at once. What cannot be said is no reason to stop: the result says the same.
async fn say<T: HookTools, H: Host>(work: &Work<'_, T, H>, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        let _unheard = action_log(work.surroundings.tools, &lines.join("\n")).await;
    }
}
