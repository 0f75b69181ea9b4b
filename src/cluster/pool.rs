//! Sees one pool off. Performs IO.

use std::time::Duration;

use serde_json::{Value, json};

use super::affinity::{release_affinities, release_leftovers};
use super::kubernetes::ApiError;
use super::{Kubernetes, Mode};
use crate::model::Cidr;
use crate::plan::{
    Extent, HeldAddress, Live, gives_workload_addresses, held_addresses, holds_workloads, network,
    pool_usage,
};
use crate::render::Kind;

/// Time between taking a pool out of use and looking at its blocks, so that IPAM has seen it (libcalico waits as long
/// before it releases affinities, `libcalico-go/lib/clientv3/ippool.go`).
const DISABLED_POOL_SETTLES: Duration = Duration::from_millis(500);

const PODS: &str = "/api/v1/pods";

/// With it Calico's controller of native pools releases the affinities of a pool that is deleted, and lets it go once its
/// blocks are gone (`kube-controllers/pkg/controllers/ippool/pool_controller.go`).
const FINALIZER: &str = "projectcalico.org/ippool-finalizer";

/// Stops workloads from getting addresses of a pool, and with `keep_tunnels` not the nodes' tunnels; answers with the pool
/// as it is then.
///
/// # Errors
/// When the pool is not the one that was seen, or the API does not do it.
pub async fn disable_pool(
    kubernetes: &Kubernetes,
    mode: Mode,
    name: &str,
    resource_version: &str,
    keep_tunnels: bool,
) -> Result<Live, ApiError> {
    let spec = if keep_tunnels {
        json!({"allowedUses": ["Tunnel"], "disabled": null})
    } else {
        json!({"disabled": true})
    };
    let body = json!({"metadata": {"resourceVersion": resource_version}, "spec": spec});
    let path = Kind::IpPool.object_path(mode.group, name);
    kubernetes.merge_patch(&path, &body).await.map(Live::new)
}

/// Deletes a pool that gives no addresses to workloads, in libcalico's order: wait, look again, disable, release the
/// affinities, look again, delete. Where Calico's own API server or controller releases them, it is left to it. A pool that
/// somebody has enabled, changed or replaced meanwhile is left alone, and so is one with an address of a workload, by the
/// blocks or by the pods' own word.
///
/// Whatever this ends in the middle of, the next call goes on from there: every step is seen in the objects.
///
/// # Errors
/// When an object is not the one that was seen, or the API does not do it.
pub async fn remove_pool(
    kubernetes: &Kubernetes,
    mode: Mode,
    name: &str,
    uid: &str,
    cidr: &str,
) -> Result<bool, ApiError> {
    tokio::time::sleep(DISABLED_POOL_SETTLES).await;
    let pools = kubernetes.list(&Kind::IpPool.path(mode.group), "").await?;
    let (same, others): (Vec<Live>, Vec<Live>) = pools
        .into_iter()
        .map(Live::new)
        .partition(|pool| pool.uid() == uid);
    let doomed = |pool: &Live| {
        !pool.is_deleting() && !gives_workload_addresses(pool) && network(pool) == cidr.parse().ok()
    };
    let found = same.into_iter().find(doomed);
    let (Some(mut pool), Ok(cidr)) = (found, cidr.parse::<Cidr>()) else {
        return Ok(false);
    };
    let extent = Extent::new(cidr, &others);
    let is_in_use = |blocks: &[Live]| pool_usage(&extent, blocks).workloads > 0;
    if is_in_use(&list_blocks(kubernetes, mode).await?)
        || !pods_on(kubernetes, std::slice::from_ref(&extent))
            .await?
            .is_empty()
    {
        return Ok(false);
    }
    if pool.spec("disabled") != Some(&Value::Bool(true)) {
        // Only tunnel addresses came out of it, so none of a workload can have come since.
        let seen = pool.resource_version();
        pool = disable_pool(kubernetes, mode, name, seen, false).await?;
    }
    if !mode.aggregated && !has_finalizer(&pool) {
        release_affinities(kubernetes, mode, &extent).await?;
        let blocks = list_blocks(kubernetes, mode).await?;
        if is_in_use(&blocks) {
            return Ok(false);
        }
        release_leftovers(kubernetes, mode, &extent, &blocks).await?;
    }
    let path = Kind::IpPool.object_path(mode.group, name);
    kubernetes
        .delete(&path, uid, Some(pool.resource_version()))
        .await?;
    Ok(true)
}

fn has_finalizer(pool: &Live) -> bool {
    let finalizers = pool.value()["metadata"]["finalizers"].as_array();
    finalizers.is_some_and(|finalizers| finalizers.iter().any(|one| one == FINALIZER))
}

/// The addresses in `pools` that pods say they have, whoever gave them out.
///
/// # Errors
/// When pods cannot be listed.
pub async fn pods_on(
    kubernetes: &Kubernetes,
    pools: &[Extent],
) -> Result<Vec<HeldAddress>, ApiError> {
    let held = kubernetes
        .list_kept(PODS, |pod| {
            let mut held = held_addresses(&pod);
            held.retain(|held| pools.iter().any(|pool| pool.holds(held.ip)));
            (!held.is_empty()).then_some(held)
        })
        .await?;
    Ok(held.into_iter().flatten().collect())
}

/// Whether any pod has an address: by the blocks, and where they know of none, by the pods themselves, which may have theirs
/// from another IPAM.
///
/// # Errors
/// When they cannot be listed.
pub async fn has_workloads(kubernetes: &Kubernetes, mode: Mode) -> Result<bool, ApiError> {
    let blocks = match list_blocks(kubernetes, mode).await {
        Err(error) if error.is_not_found() => Vec::new(),
        blocks => blocks?,
    };
    if blocks.iter().any(holds_workloads) {
        return Ok(true);
    }
    let with_address = |pod| (!held_addresses(&pod).is_empty()).then_some(());
    Ok(!kubernetes.list_kept(PODS, with_address).await?.is_empty())
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
