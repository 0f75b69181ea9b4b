//! Calico's own installation: who put it there, what of it is missing, what has to be applied. The leader's alone.
//! Performs IO.

mod found;
mod settings;
mod source;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use super::Report;
use super::decide::two_applications;
use super::reconcile::{Stop, Work};
use crate::cluster::kubernetes::SIDE_BY_SIDE;
use crate::cluster::{ApiError, Kubernetes};
use crate::host::Host;
use crate::juju::HookTools;
use crate::manifests::{Catalogue, Document, DocumentId, Stage, fingerprint};
use crate::model::Release;
use crate::plan::{Blocked, DaemonSetProgress, Live, Step, install_step};
use crate::render::Owner;
use crate::status::Status;

use found::COLLECTIONS;
pub use found::{Due, Found, Installed, collections, installed};
pub use source::{RESOURCE, catalogue, chosen, documents, read_resource, running_release};

/// How often is looked whether new definitions are served, and how long a look is apart from the next.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Who installed Calico, as far as the cluster shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installation {
    /// Nobody, or this application has not finished.
    Absent,
    /// This application.
    Ours,
    /// Somebody, from manifests: left alone until the operator hands it over (`sync-resources`).
    Elsewhere,
    /// The tigera operator, which puts back whatever others change.
    Operator,
}

/// Tells who installed Calico from its agent's DaemonSet.
///
/// # Errors
/// When it is another application of this charm.
pub fn installation(
    daemon_set: Option<&Live>,
    operator: bool,
    owner: &Owner,
) -> Result<Installation, Blocked> {
    if operator {
        return Ok(Installation::Operator);
    }
    match daemon_set.map(Live::owner) {
        None => Ok(Installation::Absent),
        Some(None) => Ok(Installation::Elsewhere),
        Some(Some(found)) if found == *owner => Ok(Installation::Ours),
        Some(Some(other)) => Err(two_applications(&other.application, &other.model)),
    }
}

/// What there is to install in this hook.
#[derive(Debug, Default)]
pub struct Install {
    /// New and grown definitions: they come before anything else is read, since all else depends on them.
    pub definitions: Vec<Step>,
    /// Everything else, wave by wave.
    pub waves: Vec<Vec<Step>>,
    /// What earlier documents had and the present ones have not.
    pub leftovers: Vec<Step>,
    /// The record that is due once all is carried out; `None` when the one there is stands.
    pub record: Option<Due>,
}

/// The documents beside what the cluster has of them.
///
/// # Errors
/// When an object cannot be read.
pub async fn beside<'a>(
    kubernetes: &Kubernetes,
    documents: &'a [Document],
) -> Result<Vec<(&'a Document, Option<Live>)>, ApiError> {
    let reading = documents.iter().map(|document| async move {
        let live = kubernetes.get(&document.path()).await?;
        Ok((document, live.map(Live::new)))
    });
    stream::iter(reading)
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
}

/// What earlier documents had and `documents` have not. A definition is never among them: with it all its objects
/// would go.
#[must_use]
pub fn leftovers(installed: &[Installed], documents: &[Document]) -> Vec<Step> {
    let wanted: BTreeSet<DocumentId> = documents.iter().map(Document::id).collect();
    installed
        .iter()
        .filter(|object| object.is_ours && object.is_applied && !wanted.contains(&object.id))
        .filter(|object| object.id.kind != "CustomResourceDefinition")
        .map(Installed::removal)
        .collect()
}

/// Waits until the API serves what new definitions define.
///
/// # Errors
/// When a definition cannot be read, or is not served for too long.
pub async fn established(kubernetes: &Kubernetes, steps: &[Step]) -> Result<(), Stop> {
    for step in steps {
        let Step::Install { document, .. } = step else {
            continue;
        };
        let path = document.path();
        let mut looks = 0;
        while !is_established(kubernetes.get(&path).await?.as_ref()) {
            looks += 1;
            if looks == LOOKS {
                return Err(Stop::Status(Status::waiting(format!(
                    "Waiting for Kubernetes API to serve {}",
                    document.id()
                ))));
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }
    Ok(())
}

fn is_established(definition: Option<&Value>) -> bool {
    definition
        .and_then(|definition| definition["status"]["conditions"].as_array())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|one| one["type"] == "Established" && one["status"] == "True")
        })
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// What has to be installed, for a leader whose cluster has no Calico or this application's.
    ///
    /// # Errors
    /// When the release or its documents are not to be had, or the API cannot be asked.
    pub async fn install(
        &self,
        kubernetes: &Kubernetes,
        found: &Found,
        daemon_set: Option<&Live>,
        nodes: &[Live],
        report: &mut Report,
    ) -> Result<Install, Stop> {
        let resource = match self.resource(found) {
            Ok(resource) => resource,
            // What runs stays as it is, and all else goes on.
            Err(Stop::Status(status)) => {
                report.status(status);
                return Ok(Install::default());
            }
            Err(stop) => return Err(stop),
        };
        let digest = resource
            .as_deref()
            .map_or_else(String::new, crate::manifests::fingerprint_of);
        let settings = |release| self.settings(release, found, daemon_set, nodes);
        // The release is not known before the documents are read, which is what the record saves.
        let inputs = fingerprint(&format!(
            "{} {:?} {:?} {digest}",
            Catalogue::embedded().digest(),
            settings(Release::default()),
            self.config.release,
        ));
        if daemon_set.is_some() && found.is_as_recorded(&inputs) {
            return Ok(Install::default());
        }
        let catalogue = catalogue(resource.as_deref())?;
        let recorded = found.recorded("release").parse().ok();
        let running = running_release(daemon_set).or(recorded);
        let release = chosen(self.config.release, &catalogue, running)?;
        let documents = documents(&catalogue, &settings(release))?;
        let beside = beside(kubernetes, &documents).await?;
        let steps = beside
            .iter()
            .filter_map(|(document, live)| install_step(document, live.as_ref()));
        let mut install = Install::of(steps);
        install.leftovers = leftovers(&found.objects, &documents);
        let mut collections: BTreeSet<String> =
            COLLECTIONS.iter().map(|&path| path.to_owned()).collect();
        collections.extend(documents.iter().map(Document::collection_path));
        install.record = Some(Due {
            inputs,
            release,
            registry: self.told_registry(found),
            resource: digest,
            collections,
        });
        Ok(install)
    }
}

impl Install {
    /// Steps sorted into waves, with nothing to record.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut install = Self::default();
        for step in steps {
            install.add(step);
        }
        install
    }

    fn add(&mut self, step: Step) {
        let Step::Install { document, .. } = &step else {
            return self.leftovers.push(step);
        };
        match document.stage() {
            Stage::Definitions => self.definitions.push(step),
            stage => self.wave(stage).push(step),
        }
    }

    /// Whether anything is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty() && self.waves.iter().all(Vec::is_empty)
    }

    /// The wave of a stage; [`Stage`] orders them.
    fn wave(&mut self, stage: Stage) -> &mut Vec<Step> {
        let index = stage as usize;
        if self.waves.len() <= index {
            self.waves.resize_with(index + 1, Vec::new);
        }
        &mut self.waves[index]
    }

    /// Whether what is left over may go: nothing that runs may still need it.
    #[must_use]
    pub fn may_clear(&self, daemon_set: Option<&Live>) -> bool {
        let rolls = |step: &Step| matches!(step, Step::Install { document, .. } if document.kind() == "DaemonSet");
        !self.waves.iter().flatten().any(rolls)
            && daemon_set.is_some_and(|set| DaemonSetProgress::of(set).is_complete())
    }
}
