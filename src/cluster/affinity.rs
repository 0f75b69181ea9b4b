//! Releases the block affinities of a pool before it is deleted, as libcalico does. Performs IO.
//!
//! Order and fields: `libcalico-go/lib/ipam/ipam_block_reader_writer.go` (`releaseBlockAffinity`). Without it the
//! blocks and their black-hole routes stay behind for ever.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::kubernetes::{ApiError, SIDE_BY_SIDE};
use super::{Kubernetes, Mode};
use crate::plan::{Extent, Live, allocations, is_windows_reserve, network};
use crate::render::{Group, Kind};

/// Releases every affinity of a pool. Allocations are never touched, and every write carries the version that was read, so that a concurrent assignment makes it fail rather than be lost;
/// the next hook goes on from there.
///
/// # Errors
/// When an object cannot be read or written.
pub async fn release_affinities(
    kubernetes: &Kubernetes,
    mode: Mode,
    pool: &Extent,
) -> Result<(), ApiError> {
    let affinities = kubernetes
        .list(&Kind::BlockAffinity.path(mode.ipam), "")
        .await?;
    let inside: Vec<Live> = affinities
        .into_iter()
        .map(Live::new)
        .filter(|affinity| is_of_pool(affinity, pool))
        .collect();
    stream::iter(inside.iter().map(|one| release(kubernetes, mode, one)))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await
}

/// Deletes the empty blocks of a pool that are left once no affinity leads to them any more: their affinities went
/// without them, and libcalico would never find them again.
///
/// # Errors
/// When one cannot be written.
pub async fn release_leftovers(
    kubernetes: &Kubernetes,
    mode: Mode,
    pool: &Extent,
    blocks: &[Live],
) -> Result<(), ApiError> {
    for block in blocks {
        if is_of_pool(block, pool) && is_empty(block) {
            let path = Kind::IpamBlock.object_path(mode.ipam, block.name());
            gone_is_released(release_block(kubernetes, &path, block).await)?;
        }
    }
    Ok(())
}

/// Whether a block or affinity is the pool's.
fn is_of_pool(live: &Live, pool: &Extent) -> bool {
    network(live).is_some_and(|block| pool.holds_block(&block))
}

/// What somebody else has taken away meanwhile is as good as released.
async fn release(kubernetes: &Kubernetes, mode: Mode, affinity: &Live) -> Result<(), ApiError> {
    let block_path =
        Kind::IpamBlock.object_path(mode.ipam, &block_name(affinity.spec_text("cidr")));
    let block = kubernetes.get(&block_path).await?.map(Live::new);
    let holder = holder(affinity);
    let mut affinity = affinity.clone();
    if let Some(block) = block.filter(|block| block.spec_text("affinity") == holder) {
        let state = json!({"state": "pendingDeletion"});
        match patch(
            kubernetes,
            &affinity_path(mode, &affinity),
            &affinity,
            &state,
        )
        .await
        {
            Ok(patched) => affinity = patched,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error),
        }
        gone_is_released(release_block(kubernetes, &block_path, &block).await)?;
    }
    gone_is_released(delete(kubernetes, mode, &affinity).await)
}

async fn delete(kubernetes: &Kubernetes, mode: Mode, affinity: &Live) -> Result<(), ApiError> {
    // The v1 CRD keeps this flag as text, the v3 one as a boolean.
    let deleted = match mode.ipam {
        Group::V1 => json!({"deleted": "true"}),
        Group::V3 => json!({"deleted": true}),
    };
    let path = affinity_path(mode, affinity);
    let affinity = patch(kubernetes, &path, affinity, &deleted).await?;
    kubernetes
        .delete(&path, affinity.uid(), Some(affinity.resource_version()))
        .await
}

fn affinity_path(mode: Mode, affinity: &Live) -> String {
    Kind::BlockAffinity.object_path(mode.ipam, affinity.name())
}

fn gone_is_released(result: Result<(), ApiError>) -> Result<(), ApiError> {
    match result {
        Err(error) if error.is_not_found() => Ok(()),
        other => other,
    }
}

/// What the block of an affinity says of it: `host:node-a`, where the type is `host` unless it is written.
fn holder(affinity: &Live) -> String {
    let kind = match affinity.spec_text("type") {
        "" => "host",
        kind => kind,
    };
    format!("{kind}:{}", affinity.spec_text("node"))
}

/// An empty block goes; one with addresses stays and only loses its affinity.
async fn release_block(kubernetes: &Kubernetes, path: &str, block: &Live) -> Result<(), ApiError> {
    if is_empty(block) {
        let block = patch(kubernetes, path, block, &json!({"deleted": true})).await?;
        return kubernetes
            .delete(path, block.uid(), Some(block.resource_version()))
            .await;
    }
    let number = block
        .spec("sequenceNumber")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let released =
        json!({"affinity": null, "affinityClaimTime": null, "sequenceNumber": number + 1});
    patch(kubernetes, path, block, &released).await.map(drop)
}

/// Empty means that every allocation is absent or one of Windows' reserved ones. Unlike in a pool's count, an address that
/// cools down keeps its block (`libcalico-go/lib/ipam/ipam_block.go`).
fn is_empty(block: &Live) -> bool {
    allocations(block).all(|attribute| attribute.is_some_and(is_windows_reserve))
}

async fn patch(
    kubernetes: &Kubernetes,
    path: &str,
    seen: &Live,
    spec: &Value,
) -> Result<Live, ApiError> {
    let body = json!({"metadata": {"resourceVersion": seen.resource_version()}, "spec": spec});
    kubernetes.merge_patch(path, &body).await.map(Live::new)
}

/// A block is called like its CIDR, with `-` for every separator (`libcalico-go/lib/names/cidr.go`).
fn block_name(cidr: &str) -> String {
    cidr.replace(['.', ':', '/'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reserved_entries_leave_a_block_empty() {
        let block = |allocations: Value, attributes: Value| {
            is_empty(&Live::new(
                json!({"spec": {"allocations": allocations, "attributes": attributes}}),
            ))
        };
        assert!(block(json!([null, null]), json!([])));
        assert!(block(
            json!([0, null]),
            json!([{"handle_id": "windows-reserved-IPAM-handle"}])
        ));
        assert!(!block(
            json!([0]),
            json!([{"handle_id": "ipip-tunnel-addr-a"}])
        ));
        assert!(!block(json!([3]), json!([])));
    }

    #[test]
    fn holders_have_a_type() {
        for (spec, expected) in [
            (json!({"node": "a"}), "host:a"),
            (json!({"node": "a", "type": "host"}), "host:a"),
            (json!({"node": "lb", "type": "virtual"}), "virtual:lb"),
        ] {
            assert_eq!(holder(&Live::new(json!({ "spec": spec }))), expected);
        }
    }

    #[test]
    fn block_names_follow_the_cidr() {
        assert_eq!(block_name("10.1.2.0/26"), "10-1-2-0-26");
        assert_eq!(block_name("fd00:1::/122"), "fd00-1---122");
    }
}
