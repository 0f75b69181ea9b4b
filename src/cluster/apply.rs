//! Carries a plan out, wave by wave. Performs IO.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::affinity::release_affinities;
use super::kubernetes::{ApiError, Failure};
use super::node::node_path;
use super::{Kubernetes, Mode};
use crate::model::Cidr;
use crate::plan::{FieldChange, Live, Plan, Step, usage};
use crate::render::{Desired, Kind};

/// Time between disabling a pool and looking at its blocks, so that IPAM has seen it (libcalico waits as long before
/// it releases affinities, `libcalico-go/lib/clientv3/ippool.go`).
const DISABLED_POOL_SETTLES: Duration = Duration::from_millis(500);

/// A step that was carried out, or why it was not.
#[derive(Debug)]
pub struct StepResult {
    /// The step.
    pub step: Step,
    /// Whether it was done; `Ok(false)` when it turned out not to be needed, or not to be safe any more.
    pub result: Result<bool, ApiError>,
}

/// Carries out `plan`: the steps of a wave side by side, and no further wave once one has failed.
pub async fn apply_plan(kubernetes: &Kubernetes, mode: Mode, plan: &Plan) -> Vec<StepResult> {
    let mut done = Vec::new();
    for wave in plan.waves() {
        let running = wave.iter().map(|step| async move {
            StepResult {
                step: step.clone(),
                result: apply_step(kubernetes, mode, step).await,
            }
        });
        let results = join_all(running).await;
        let failed = results.iter().any(|one| one.result.is_err());
        done.extend(results);
        if failed {
            break;
        }
    }
    done
}

async fn apply_step(kubernetes: &Kubernetes, mode: Mode, step: &Step) -> Result<bool, ApiError> {
    let object = |kind: Kind, name: &str| kind.object_path(mode.group, name);
    match step {
        Step::Apply {
            desired,
            create,
            changes,
        } => apply_object(kubernetes, mode, desired, *create, changes).await?,
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
        Step::Relabel { kind, name, labels } => {
            let body = json!({"metadata": {"labels": labels}});
            kubernetes.merge_patch(&object(*kind, name), &body).await?;
        }
        Step::DisablePool { name, .. } => {
            let body = json!({"spec": {"disabled": true}});
            kubernetes
                .merge_patch(&object(Kind::IpPool, name), &body)
                .await?;
        }
        Step::RemovePool { name, uid, cidr } => {
            return remove_pool(kubernetes, mode, name, uid, cidr).await;
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
    changes: &[FieldChange],
) -> Result<(), ApiError> {
    let path = desired.kind.object_path(mode.group, &desired.name);
    let body = desired.manifest(mode.group);
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
        return kubernetes.merge_patch(&path, &body).await.map(drop);
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

/// Deletes a disabled pool in libcalico's order: wait, look at the blocks again, release the affinities, delete.
/// Where Calico's own API server or controller does that, it is left to them.
async fn remove_pool(
    kubernetes: &Kubernetes,
    mode: Mode,
    name: &str,
    uid: &str,
    cidr: &str,
) -> Result<bool, ApiError> {
    tokio::time::sleep(DISABLED_POOL_SETTLES).await;
    if let Ok(cidr) = cidr.parse::<Cidr>() {
        let blocks = list_blocks(kubernetes, mode).await?;
        if usage(cidr, &blocks).workloads > 0 {
            return Ok(false);
        }
        if !mode.aggregated {
            release_affinities(kubernetes, mode, cidr).await?;
        }
    }
    let path = Kind::IpPool.object_path(mode.group, name);
    let disabled = |pool: &Value| pool["spec"]["disabled"] == true;
    let Some(pool) = kubernetes.get(&path).await?.filter(disabled) else {
        return Ok(false);
    };
    let live = Live::new(pool);
    if live.uid() != uid {
        return Err(ApiError {
            verb: "DELETE",
            path,
            failure: Failure::Conflict("the pool was replaced meanwhile".to_owned()),
        });
    }
    kubernetes
        .delete(&path, uid, Some(live.resource_version()))
        .await?;
    Ok(true)
}

/// All IPAM blocks.
///
/// # Errors
/// When they cannot be listed.
pub async fn list_blocks(kubernetes: &Kubernetes, mode: Mode) -> Result<Vec<Live>, ApiError> {
    let blocks = kubernetes
        .list(&Kind::IpamBlock.path(mode.ipam), "")
        .await?;
    Ok(blocks.into_iter().map(Live::new).collect())
}
