//! Releases the block affinities of a pool before it is deleted, as libcalico does. Performs IO.
//!
//! Order and fields: `libcalico-go/lib/ipam/ipam_block_reader_writer.go` (`releaseBlockAffinity`). Without it the
//! blocks and their black-hole routes stay behind for ever.

use serde_json::{Value, json};

use super::kubernetes::ApiError;
use super::{Kubernetes, Mode};
use crate::model::Cidr;
use crate::plan::Live;
use crate::render::{Group, Kind};

/// Releases every affinity inside `cidr`, but for those in a pool nested in it (`others`). Allocations are never touched, and every write carries the version that was
/// read, so that a concurrent assignment makes it fail rather than be lost; the next hook goes on from there.
///
/// # Errors
/// When an object cannot be read or written.
pub async fn release_affinities(
    kubernetes: &Kubernetes,
    mode: Mode,
    cidr: Cidr,
    others: &[Cidr],
) -> Result<(), ApiError> {
    let affinities = kubernetes
        .list(&Kind::BlockAffinity.path(mode.ipam), "")
        .await?;
    for affinity in affinities.into_iter().map(Live::new) {
        let inside = affinity
            .spec_text("cidr")
            .parse::<Cidr>()
            .is_ok_and(|block| {
                let elsewhere =
                    |other: &Cidr| other.prefix() > cidr.prefix() && other.contains_cidr(&block);
                cidr.contains_cidr(&block) && !others.iter().any(elsewhere)
            });
        if inside {
            release(kubernetes, mode, &affinity).await?;
        }
    }
    Ok(())
}

async fn release(kubernetes: &Kubernetes, mode: Mode, affinity: &Live) -> Result<(), ApiError> {
    let affinity_path = Kind::BlockAffinity.object_path(mode.ipam, affinity.name());
    let block_path =
        Kind::IpamBlock.object_path(mode.ipam, &block_name(affinity.spec_text("cidr")));
    let block = kubernetes.get(&block_path).await?.map(Live::new);
    let holder = format!("host:{}", affinity.spec_text("node"));
    let mut affinity = affinity.clone();
    if let Some(block) = block.filter(|block| block.spec_text("affinity") == holder) {
        let state = json!({"state": "pendingDeletion"});
        affinity = patch(kubernetes, &affinity_path, &affinity, &state).await?;
        release_block(kubernetes, &block_path, &block).await?;
    }
    // The v1 CRD keeps this flag as text, the v3 one as a boolean.
    let deleted = match mode.ipam {
        Group::V1 => json!({"deleted": "true"}),
        Group::V3 => json!({"deleted": true}),
    };
    let affinity = patch(kubernetes, &affinity_path, &affinity, &deleted).await?;
    kubernetes
        .delete(
            &affinity_path,
            affinity.uid(),
            Some(affinity.resource_version()),
        )
        .await
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

/// Empty means that every allocation is absent or one of Windows' reserved ones.
fn is_empty(block: &Live) -> bool {
    let list = |field| {
        block
            .spec(field)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let attributes = list("attributes");
    list("allocations")
        .iter()
        .filter_map(Value::as_u64)
        .all(|index| {
            let attribute = usize::try_from(index)
                .ok()
                .and_then(|index| attributes.get(index));
            attribute
                .and_then(|attribute| attribute["handle_id"].as_str())
                .is_some_and(|handle| handle.eq_ignore_ascii_case("windows-reserved-ipam-handle"))
        })
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
    fn block_names_follow_the_cidr() {
        assert_eq!(block_name("10.1.2.0/26"), "10-1-2-0-26");
        assert_eq!(block_name("fd00:1::/122"), "fd00-1---122");
    }
}
