//! The annotations of one Node: what Calico reads, and what the charm remembers there.

use std::collections::BTreeMap;

use super::{
    ANNOTATION_ADDRESSES, ANNOTATION_APPLICATION, ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID,
    ANNOTATION_MODEL, ANNOTATION_PRINCIPAL, ANNOTATION_UNIT, Owner,
};
use crate::model::{Intent, NodeName, UnitAddress};

/// What a unit's own Node should carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredNode {
    /// The Node.
    pub name: NodeName,
    /// Who looks after the Node: written first, so that two units never work on one Node.
    pub claim: BTreeMap<&'static str, String>,
    /// Settings Calico reads; `None` means that the annotation should not be there.
    pub settings: BTreeMap<&'static str, Option<String>>,
    /// Annotation to the option that asked for it.
    pub reasons: BTreeMap<&'static str, String>,
}

/// The annotations that this unit's Node should carry. AS numbers are annotated on every Node or on none: with only
/// some, Calico 3.32 and later assume the local AS for the others and the mesh breaks
/// (`confd/pkg/backends/calico/bgp_processor.go`).
#[must_use]
pub fn node(
    intent: &Intent,
    owner: &Owner,
    principal: Option<&str>,
    name: NodeName,
) -> DesiredNode {
    let mut claim = BTreeMap::from([
        (ANNOTATION_UNIT, intent.unit().to_string()),
        (ANNOTATION_APPLICATION, owner.application.clone()),
        (ANNOTATION_MODEL, owner.model.clone()),
    ]);
    if let Some(principal) = principal {
        claim.insert(ANNOTATION_PRINCIPAL, principal.to_owned());
    }
    if !intent.addresses().is_empty() {
        claim.insert(ANNOTATION_ADDRESSES, listed(intent.addresses()));
    }
    let as_number = intent.as_number();
    let cluster_id = intent.cluster_id();
    let mut reasons = BTreeMap::from([
        (
            ANNOTATION_AS_NUMBER,
            "subnet-as-numbers, unit-as-numbers".to_owned(),
        ),
        (
            ANNOTATION_CLUSTER_ID,
            "route-reflector-cluster-ids".to_owned(),
        ),
    ]);
    if let Some(as_number) = as_number {
        reasons.insert(ANNOTATION_AS_NUMBER, as_number.place.to_string());
    }
    if let Some(cluster_id) = cluster_id {
        reasons.insert(ANNOTATION_CLUSTER_ID, cluster_id.place.to_string());
    }
    DesiredNode {
        name,
        claim,
        settings: BTreeMap::from([
            (
                ANNOTATION_AS_NUMBER,
                as_number.map(|number| number.value.to_string()),
            ),
            (
                ANNOTATION_CLUSTER_ID,
                cluster_id.map(|id| id.value.to_string()),
            ),
        ]),
        reasons,
    }
}

/// Addresses with their prefix lengths, as [`ANNOTATION_ADDRESSES`] and the relation `fabric` hold them.
#[must_use]
pub fn listed(addresses: &[UnitAddress]) -> String {
    let texts: Vec<String> = addresses
        .iter()
        .map(|address| format!("{}/{}", address.ip, address.subnet.prefix()))
        .collect();
    texts.join(",")
}
