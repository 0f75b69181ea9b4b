//! Carries the steps of a plan out. Performs IO.

use futures::stream::{self, StreamExt};
use serde_json::{Map, Value, json};

use super::kubernetes::{ApiError, SIDE_BY_SIDE};
use super::node::node_path;
use super::node_status;
use super::pool::{disable_pool, remove_pool};
use super::{Kubernetes, Mode};
use crate::plan::{FieldChange, Live, Step};
use crate::render::{Desired, Kind};

/// A step that was carried out, or why it was not.
#[derive(Debug)]
pub struct StepResult {
    /// The step.
    pub step: Step,
    /// Whether it was done; `Ok(false)` when it turned out not to be needed, or not to be safe any more.
    pub result: Result<bool, ApiError>,
}

/// Carries out one wave of a plan, its steps side by side. The caller goes on to the next only if none failed.
pub async fn apply_wave(kubernetes: &Kubernetes, mode: Mode, wave: &[Step]) -> Vec<StepResult> {
    let running = wave.iter().map(|step| async move {
        StepResult {
            step: step.clone(),
            result: apply_step(kubernetes, mode, step).await,
        }
    });
    stream::iter(running).buffered(SIDE_BY_SIDE).collect().await
}

async fn apply_step(kubernetes: &Kubernetes, mode: Mode, step: &Step) -> Result<bool, ApiError> {
    let object = |kind: Kind, name: &str| kind.object_path(mode.group, name);
    match step {
        Step::Apply {
            desired,
            create,
            resource_version,
            changes,
            ..
        } => {
            if desired.kind == Kind::CalicoNodeStatus {
                return node_status::create(kubernetes, mode, desired).await;
            }
            let seen = resource_version.as_deref();
            apply_object(kubernetes, mode, desired, *create, seen, changes).await?;
        }
        Step::Annotate {
            node,
            annotations,
            resource_version,
            ..
        } => {
            let mut metadata = json!({"annotations": annotations});
            if let Some(version) = resource_version {
                metadata["resourceVersion"] = version.as_str().into();
            }
            let body = json!({"metadata": metadata});
            kubernetes.merge_patch(&node_path(node), &body).await?;
        }
        Step::Relabel {
            kind,
            name,
            labels,
            resource_version,
        } => {
            let body = json!({"metadata": {"labels": labels, "resourceVersion": resource_version}});
            kubernetes.merge_patch(&object(*kind, name), &body).await?;
        }
        Step::DisablePool {
            name,
            resource_version,
            keep_tunnels,
            ..
        } => {
            disable_pool(kubernetes, mode, name, resource_version, *keep_tunnels).await?;
        }
        Step::RemovePool { name, uid, cidr } => {
            return remove_pool(kubernetes, mode, name, uid, cidr).await;
        }
        Step::Install {
            document,
            first,
            resource_version,
            ..
        } => {
            if let Some(patch) = first {
                kubernetes.strategic_patch(&document.path(), patch).await?;
            }
            let mut body = document.value().clone();
            if let Some(version) = resource_version {
                body["metadata"]["resourceVersion"] = version.as_str().into();
            }
            kubernetes.apply(&document.path(), &body).await?;
        }
        Step::Uninstall {
            path,
            uid,
            resource_version,
            ..
        } => {
            kubernetes.delete(path, uid, Some(resource_version)).await?;
        }
        Step::RemoveStatus { unit, owner, node } => {
            let node = node.as_deref();
            return node_status::remove(kubernetes, mode, unit, owner, node).await;
        }
        Step::Delete {
            kind,
            name,
            uid,
            resource_version,
            ..
        } => {
            kubernetes
                .delete(&object(*kind, name), uid, Some(resource_version))
                .await?;
        }
    }
    Ok(true)
}

/// Applies one object. A field that this charm holds by an earlier merge patch outlives an apply that leaves it out,
/// since apply and update are two entries in `managedFields`: it is removed by name, unless somebody else holds it too.
async fn apply_object(
    kubernetes: &Kubernetes,
    mode: Mode,
    desired: &Desired,
    create: bool,
    resource_version: Option<&str>,
    changes: &[FieldChange],
) -> Result<(), ApiError> {
    let path = desired.kind.object_path(mode.group, &desired.name);
    let mut body = desired.manifest(mode.group);
    let dropped = changes
        .iter()
        .filter(|change| change.to.is_none())
        .map(|change| change.field.as_str());
    let section = desired.kind.section();
    if desired.kind == Kind::BgpConfiguration && mode.configuration_by_merge {
        if create {
            let collection = desired.kind.path(mode.group);
            return kubernetes.create(&collection, &body).await.map(drop);
        }
        let mut body = json!({"metadata": body["metadata"], section: body[section]});
        for field in dropped {
            body[section][field] = Value::Null;
        }
        if let Some(version) = resource_version {
            body["metadata"]["resourceVersion"] = version.into();
        }
        return kubernetes.merge_patch(&path, &body).await.map(drop);
    }
    if let Some(version) = resource_version {
        body["metadata"]["resourceVersion"] = version.into();
    }
    let stored = Live::new(kubernetes.apply(&path, &body).await?);
    let left: Map<String, Value> = dropped
        .filter(|field| stored.field(section, field).is_some())
        .filter(|field| stored.other_managers_of(section, field).is_empty())
        .map(|field| (field.to_owned(), Value::Null))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    let removal = json!({section: left});
    kubernetes.merge_patch(&path, &removal).await.map(drop)
}
