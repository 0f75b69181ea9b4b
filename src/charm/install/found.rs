//! What is installed, and the record of it. Performs IO.
//!
//! A hook that changes nothing must be cheap, so what was found right is recorded in a ConfigMap of the charm's own:
//! the digest of everything the documents are made from, and the version of every installed object. While both
//! stand, no document is read and no object fetched. The record is a shortcut and nothing more: without it, or when anything
//! differs, the whole comparison is made.

use std::collections::BTreeSet;

use futures::{future::try_join_all, try_join};
use serde_json::{Value, json};

use crate::charm::Identity;
use crate::cluster::{ApiError, Kubernetes, escape};
use crate::manifests::{DocumentId, LABEL_MANIFEST, MANIFEST};
use crate::model::Release;
use crate::plan::{Live, Step};
use crate::render::{FIELD_MANAGER, LABEL_MANAGED_BY, Owner};

/// The ConfigMap with what was found right.
const RECORD: &str = "/api/v1/namespaces/kube-system/configmaps/calico-charm-manifests";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Where objects of install documents are looked for; documents may name further collections.
pub(super) const COLLECTIONS: [&str; 9] = [
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
/// A record to be written.
#[derive(Debug)]
pub struct Due {
    pub(super) inputs: String,
    pub(super) release: Release,
    pub(super) registry: Option<String>,
    pub(super) resource: String,
    pub(super) collections: BTreeSet<String>,
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
    pub(super) is_applied: bool,
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
    /// Whether pods need the routes of BIRD, which the options ask for no more.
    pub(in crate::charm) keeps_bird: bool,
    pub(super) objects: Vec<Installed>,
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
        Ok(Self {
            record,
            keeps_bird: false,
            objects,
        })
    }

    /// Whether everything is as it was when it was found right.
    pub(super) fn is_as_recorded(&self, inputs: &str) -> bool {
        self.recorded("inputs") == inputs && self.recorded("objects") == lines(&self.objects)
    }

    /// One key of the record; empty when it is not there.
    pub(super) fn recorded(&self, key: &str) -> &str {
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
    definition.ends_with(".projectcalico.org") || definition.ends_with(".policy.networking.k8s.io")
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
