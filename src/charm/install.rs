//! Calico's own installation: who put it there, what of it is missing, what has to be applied. The leader's alone.
//! Performs IO.
//!
//! A hook that changes nothing must be cheap, so what was found right is recorded in a ConfigMap of the charm's own:
//! the digest of everything the documents are made from, and the version of every installed object. While both
//! stand, no document is read and no object fetched. The record is a shortcut and nothing more: without it, or when anything
//! differs, the whole comparison is made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use futures::{future::try_join_all, try_join};
use serde_json::{Value, json};

use super::decide::two_applications;
use super::reconcile::{Stop, Work};
use super::{Identity, Report};
use crate::cluster::kubernetes::SIDE_BY_SIDE;
use crate::cluster::{ApiError, Kubernetes, escape};
use crate::config::CharmConfig;
use crate::host::Host;
use crate::juju::HookTools;
use crate::manifests::{
    Autodetection, Backend, Catalogue, Document, DocumentId, LABEL_MANIFEST,
    LABEL_MANIFEST_VERSION, MANIFEST, Settings, Stage, edited, fingerprint,
};
use crate::model::{Cidr, Family, Release};
use crate::plan::{Blocked, Live, Rollout, Step, install_step, stamped};
use crate::render::{ANNOTATION_SUBNETS, ANNOTATION_UNIT, FIELD_MANAGER, LABEL_MANAGED_BY, Owner};
use crate::status::Status;

/// Name of the resource that brings install documents of other releases.
pub const RESOURCE: &str = "manifests";
/// The largest resource that is read.
const LARGEST_RESOURCE: u64 = 16 * 1024 * 1024;
/// The ConfigMap with what was found right.
const RECORD: &str = "/api/v1/namespaces/kube-system/configmaps/calico-charm-manifests";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Where objects of install documents are looked for; documents may name further collections.
const COLLECTIONS: [&str; 9] = [
    DEFINITIONS,
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/api/v1/namespaces/kube-system/serviceaccounts",
    "/api/v1/namespaces/kube-system/configmaps",
    "/api/v1/namespaces/kube-system/services",
    "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets",
    "/apis/apps/v1/namespaces/kube-system/deployments",
    "/apis/apps/v1/namespaces/kube-system/daemonsets",
];
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

/// A record to be written.
#[derive(Debug)]
pub struct Due {
    inputs: String,
    release: Release,
    registry: Option<String>,
    resource: String,
    collections: BTreeSet<String>,
}

/// One installed object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Which object.
    pub id: DocumentId,
    /// Its path.
    pub path: String,
    /// Its UID.
    pub uid: String,
    /// Its version at that time.
    pub resource_version: String,
    /// What changes when somebody changes what it asks for: the generation where the kind has one.
    stamp: String,
    /// Whether it carries this application's labels; a definition may be upstream's own and all the same be relied upon.
    pub is_ours: bool,
    /// Whether this charm's field manager has applied it: labels alone may have been copied.
    is_applied: bool,
}

impl Installed {
    /// The write that deletes it.
    #[must_use]
    pub fn removal(&self) -> Step {
        Step::Uninstall {
            id: self.id.clone(),
            path: self.path.clone(),
            uid: self.uid.clone(),
            resource_version: self.resource_version.clone(),
        }
    }
}

/// The documents of a release, edited and stamped, in the order of application.
///
/// # Errors
/// When the release is unknown, its documents do not parse, or one lacks what an option has to change.
pub fn documents(catalogue: &Catalogue, settings: &Settings) -> Result<Vec<Document>, Blocked> {
    let unreadable = |error: &dyn std::fmt::Display| Blocked {
        message: format!("release: {} cannot be installed: {error}", settings.release),
        remedy:
            "attach that release's own calico.yaml as resource manifests, or set another release"
                .to_owned(),
    };
    let documents = catalogue
        .documents(settings.release)
        .map_err(|error| unreadable(&error))?;
    let mut documents = edited(documents, settings).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        unreadable(&all.join("; "))
    })?;
    documents.sort_by_key(Document::stage);
    Ok(documents.into_iter().map(stamped).collect())
}

/// The release that is to run.
///
/// # Errors
/// When it is none of those the charm knows, or older than the one that runs.
pub fn chosen(
    wanted: Option<Release>,
    catalogue: &Catalogue,
    running: Option<Release>,
) -> Result<Release, Blocked> {
    let known = catalogue.releases();
    let list: Vec<String> = known.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let release = wanted.unwrap_or_else(|| catalogue.preferred());
    if !known.contains(&release) {
        return Err(Blocked {
            message: format!("release: {release} is not one of {list}"),
            remedy: "set one of these, or attach that release's calico.yaml as resource manifests"
                .to_owned(),
        });
    }
    match running.filter(|running| *running > release) {
        None => Ok(release),
        Some(running) if known.contains(&running) => Err(Blocked {
            message: format!("release: {release} is older than {running}, which runs"),
            remedy: format!("Calico cannot go back; juju config calico release={running}"),
        }),
        Some(running) => Err(Blocked {
            message: format!("release: {running} runs, and the newest the charm has is {release}"),
            remedy: format!(
                "Calico cannot go back; attach the calico.yaml of {running} as resource manifests"
            ),
        }),
    }
}

/// The release whose documents this application has applied last.
#[must_use]
pub fn running_release(daemon_set: Option<&Live>) -> Option<Release> {
    let version = daemon_set?.label(LABEL_MANIFEST_VERSION)?;
    version.strip_prefix("calico-")?.parse().ok()
}

/// The releases the charm knows: its own, and those of the resource.
///
/// # Errors
/// When the resource cannot be read.
pub fn catalogue(resource: Option<&[u8]>) -> Result<Catalogue, Blocked> {
    let Some(bytes) = resource else {
        return Ok(Catalogue::embedded());
    };
    Catalogue::with_resource(bytes).map_err(|error| Blocked {
        message: format!("resource manifests: {error}"),
        remedy: "juju attach-resource calico manifests=./calico.yaml.gz, a release's own file gzipped, or a .tar.gz of \
                 <release>/calico.yaml"
            .to_owned(),
    })
}

/// The bytes of a resource. What cannot be read, or is empty as a placeholder is, counts as not attached.
pub fn read_resource(path: &Path, report: &mut Report) -> Option<Vec<u8>> {
    let size = std::fs::metadata(path).map(|file| file.len());
    if size.as_ref().is_ok_and(|size| *size > LARGEST_RESOURCE) {
        report.warning("resource manifests is larger than 16 MB and not read");
        report.note("resource manifests is too large".to_owned());
        return None;
    }
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes).filter(|bytes| !bytes.trim_ascii().is_empty()),
        Err(error) => {
            report.warning(format!("resource manifests cannot be read: {error}"));
            None
        }
    }
}

/// The objects in the cluster that carry this application's mark of installed objects.
///
/// # Errors
/// When they cannot be listed.
pub async fn installed(
    kubernetes: &Kubernetes,
    owner: &Owner,
    collections: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Vec<Installed>, ApiError> {
    let selector = escape(&format!(
        "{LABEL_MANIFEST}={MANIFEST},{LABEL_MANAGED_BY}={FIELD_MANAGER}"
    ));
    let query = format!("labelSelector={selector}");
    let query = &query;
    let lists = collections.into_iter().map(|collection| async move {
        let collection = collection.as_ref();
        let query = if collection == DEFINITIONS { "" } else { query };
        let keep = |object| seen(collection, &Live::new(object), owner);
        match kubernetes.list_metadata_of(collection, query, keep).await {
            // A kind that is not served has no objects.
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            found => found,
        }
    });
    let found = try_join_all(lists).await?;
    Ok(found.into_iter().flatten().collect())
}

/// What is installed, and the record of it.
#[derive(Debug, Default)]
pub struct Found {
    record: Option<Value>,
    objects: Vec<Installed>,
}

impl Found {
    /// Reads both.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn read(kubernetes: &Kubernetes, owner: &Owner) -> Result<Self, ApiError> {
        let (record, mut objects) = try_join!(
            kubernetes.get(RECORD),
            installed(kubernetes, owner, COLLECTIONS)
        )?;
        let mut more = recorded_collections(record.as_ref());
        more.retain(|path| !COLLECTIONS.contains(&path.as_str()));
        objects.extend(installed(kubernetes, owner, &more).await?);
        Ok(Self { record, objects })
    }

    /// Whether everything is as it was when it was found right.
    fn is_as_recorded(&self, inputs: &str) -> bool {
        self.recorded("inputs") == inputs && self.recorded("objects") == lines(&self.objects)
    }

    /// One key of the record; empty when it is not there.
    fn recorded(&self, key: &str) -> &str {
        let record = self.record.as_ref();
        record
            .and_then(|record| record["data"][key].as_str())
            .unwrap_or_default()
    }
}

/// Every collection that may hold installed objects.
///
/// # Errors
/// When the record cannot be read.
pub async fn collections(kubernetes: &Kubernetes) -> Result<BTreeSet<String>, ApiError> {
    let mut collections = recorded_collections(kubernetes.get(RECORD).await?.as_ref());
    collections.extend(COLLECTIONS.map(str::to_owned));
    Ok(collections)
}

fn recorded_collections(record: Option<&Value>) -> BTreeSet<String> {
    let lines = record.and_then(|record| record["data"]["collections"].as_str());
    lines
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn seen(collection: &str, live: &Live, owner: &Owner) -> Option<Installed> {
    let is_ours =
        live.owner().as_ref() == Some(owner) && live.label(LABEL_MANIFEST) == Some(MANIFEST);
    let counts = is_ours || collection == DEFINITIONS && is_of_calico(live.name());
    if !counts || live.is_deleting() {
        return None;
    }
    let metadata = &live.value()["metadata"];
    let stamp = match metadata["generation"].as_u64() {
        Some(generation) => format!("generation {generation}"),
        None => format!("version {}", live.resource_version()),
    };
    let id = DocumentId::of_collection(collection, metadata["namespace"].as_str(), live.name())?;
    Some(Installed {
        path: format!("{collection}/{}", live.name()),
        uid: live.uid().to_owned(),
        resource_version: live.resource_version().to_owned(),
        id,
        stamp,
        is_ours,
        is_applied: live.is_applied_by_charm(),
    })
}

/// Whether a definition is one of those Calico works with, whoever brought it.
fn is_of_calico(definition: &str) -> bool {
    definition.ends_with(".crd.projectcalico.org")
        || definition.ends_with(".projectcalico.org")
        || definition.ends_with(".policy.networking.k8s.io")
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

impl Due {
    /// Writes the record, of the objects as they are now.
    ///
    /// # Errors
    /// When they cannot be listed, or the record cannot be written.
    pub async fn write(
        &self,
        kubernetes: &Kubernetes,
        identity: &Identity,
    ) -> Result<(), ApiError> {
        let owner = &identity.owner;
        let installed = installed(kubernetes, owner, &self.collections).await?;
        let collections: Vec<&str> = self.collections.iter().map(String::as_str).collect();
        let (_, name) = RECORD.rsplit_once('/').unwrap_or_default();
        let record = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "kube-system", "labels": owner.labels()},
            "data": {
                "inputs": self.inputs,
                "release": self.release.to_string(),
                "registry": self.registry.as_deref().unwrap_or_default(),
                "resource": self.resource,
                "collections": collections.join("\n"),
                "objects": lines(&installed),
            },
        });
        kubernetes.apply(RECORD, &record).await.map(drop)
    }
}

fn lines(installed: &[Installed]) -> String {
    let lines: BTreeSet<String> = installed
        .iter()
        .map(|object| format!("{} {} {}", object.id, object.uid, object.stamp))
        .collect();
    lines.into_iter().collect::<Vec<_>>().join("\n")
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
        let resource = self.resource(report);
        let digest = resource
            .as_deref()
            .map_or_else(String::new, crate::manifests::fingerprint_of);
        if self.lacks_resource(found) {
            report.status(Status::waiting(
                "Waiting for Juju to hand resource manifests out",
            ));
            return Ok(Install::default());
        }
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

    /// The resource's bytes, where it is attached.
    pub fn resource(&self, report: &mut Report) -> Option<Vec<u8>> {
        read_resource(self.juju.manifests.as_ref()?, report)
    }

    /// What the options, the relations and the Nodes make of the documents.
    pub fn settings(
        &self,
        release: Release,
        found: &Found,
        daemon_set: Option<&Live>,
        nodes: &[Live],
    ) -> Settings {
        let config = self.config;
        let has = |family| config.cidr.iter().any(|cidr| cidr.family() == family);
        Settings {
            release,
            owner: self.identity.owner.clone(),
            registry: self
                .config
                .image_registry
                .clone()
                .or_else(|| self.told_registry(found)),
            node_image: config.calico_node_image.clone(),
            policy_image: config.calico_policy_image.clone(),
            ipv4: has(Family::V4),
            ipv6: has(Family::V6),
            backend: backend(config),
            workload_mtu: config.workload_mtu().map(u32::from),
            manage_pools: config.manage_pools,
            autodetection: self.autodetection(daemon_set, nodes),
            typha_replicas: u32::from(config.typha_replicas),
        }
    }

    /// Whether what runs may have come from a resource that is not to be had now. Juju cannot detach one.
    pub fn lacks_resource(&self, found: &Found) -> bool {
        self.juju.manifests.is_none() && !found.recorded("resource").is_empty()
    }

    /// The principal's registry, for a site that sets no `image-registry`. The registry that Charmed Kubernetes has by default holds the images of
    /// its own Calico releases only, and is not taken from there. A principal that says nothing yet, as a worker does
    /// until the control plane has told it, changes nothing.
    fn told_registry(&self, found: &Found) -> Option<String> {
        const OF_CHARMED_KUBERNETES: &str = "rocks.canonical.com:443/cdk";
        let told = self
            .juju
            .cni
            .iter()
            .filter_map(|relation| relation.principal.get("image-registry"))
            .map(|registry| registry.trim())
            .find(|registry| !registry.is_empty());
        let registry = told.unwrap_or_else(|| found.recorded("registry"));
        let is_usable = !registry.is_empty() && registry != OF_CHARMED_KUBERNETES;
        is_usable.then(|| registry.to_owned())
    }

    /// One value for the cluster, which only ever grows and only changes when every unit has told its subnets: each
    /// change restarts calico-node everywhere. Until the first time, each Node's InternalIP serves, which needs no list.
    fn autodetection(&self, daemon_set: Option<&Live>, nodes: &[Live]) -> Autodetection {
        let before = daemon_set.and_then(Autodetection::of);
        let mut told: BTreeMap<&str, &str> = nodes
            .iter()
            .filter(|node| {
                node.annotation(crate::render::ANNOTATION_APPLICATION)
                    == Some(&self.identity.owner.application)
            })
            .filter_map(|node| {
                let unit = node.annotation(ANNOTATION_UNIT)?;
                Some((unit, node.annotation(ANNOTATION_SUBNETS)?))
            })
            .collect();
        let own: Vec<String> = self
            .intent
            .subnets()
            .iter()
            .map(ToString::to_string)
            .collect();
        let (own, unit) = (own.join(","), self.identity.unit.to_string());
        told.insert(&unit, &own);
        let complete = self.juju.membership.as_ref().is_some_and(|members| {
            members.is_complete()
                && members
                    .units
                    .iter()
                    .all(|unit| told.contains_key(unit.as_str()))
        });
        if !complete {
            return before.unwrap_or(Autodetection::InternalIp);
        }
        // The DaemonSet shows those of the pods' families alone, and what it shows must not seem to be something else.
        let of_pods = |cidr: &Cidr| {
            let pods = &self.config.cidr;
            pods.iter().any(|pods| pods.family() == cidr.family())
        };
        let mut cidrs: BTreeSet<Cidr> = told
            .values()
            .flat_map(|list| list.split(','))
            .filter_map(|cidr| cidr.parse().ok())
            .filter(of_pods)
            .collect();
        if let Some(Autodetection::Cidrs(before)) = before {
            cidrs.extend(before);
        }
        Autodetection::Cidrs(cidrs.into_iter().collect())
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
            && daemon_set.is_some_and(|set| Rollout::of(set).is_complete())
    }
}

/// BIRD runs unless everything goes by VXLAN and nothing asks for a session: the mesh, which is on unless switched off,
/// counts as asking.
fn backend(config: &CharmConfig) -> Backend {
    if config.manage_pools && config.vxlan.is_some() && !config.speaks_bgp() {
        Backend::Vxlan
    } else {
        Backend::Bird
    }
}
