//! `BGPConfiguration` `default`: what every node has in common.

use serde::Serialize;

use super::{ANNOTATION_ROLLOUT, Desired, Kind, Owner};
use crate::model::{AsNumber, Cidr, ClusterIntent};
use crate::rollout::Record;

/// The fields of `BGPConfiguration` that options name (`projectcalico/v3/bgpconfig.go`).
///
/// An empty service list is left out rather than sent as `[]`: what this charm wrote earlier is then removed by
/// server-side apply, and a list somebody else wrote stays.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BgpConfigurationSpec {
    as_number: AsNumber,
    node_to_node_mesh_enabled: bool,
    #[serde(rename = "serviceClusterIPs", skip_serializing_if = "Vec::is_empty")]
    service_cluster_ips: Vec<CidrEntry>,
    #[serde(rename = "serviceExternalIPs", skip_serializing_if = "Vec::is_empty")]
    service_external_ips: Vec<CidrEntry>,
    #[serde(
        rename = "serviceLoadBalancerIPs",
        skip_serializing_if = "Vec::is_empty"
    )]
    service_loadbalancer_ips: Vec<CidrEntry>,
}

/// Always with a prefix: the CRDs of Calico 3.32 and later refuse a bare address (`format: cidr`).
#[derive(Serialize)]
struct CidrEntry {
    cidr: String,
}

fn entries(cidrs: &[Cidr]) -> Vec<CidrEntry> {
    cidrs
        .iter()
        .map(|cidr| CidrEntry {
            cidr: cidr.to_string(),
        })
        .collect()
}

impl Desired {
    /// This BGPConfiguration while a change is under way: what is not to be so yet stays as it is, and the record of the
    /// change with it.
    #[must_use]
    pub fn on_the_way(mut self, mesh: bool, as_number: AsNumber, record: &Record) -> Self {
        self.spec
            .insert("nodeToNodeMeshEnabled".to_owned(), mesh.into());
        self.spec
            .insert("asNumber".to_owned(), as_number.value().into());
        self.annotations
            .insert(ANNOTATION_ROLLOUT.to_owned(), record.to_string());
        self
    }
}

/// The `default` BGPConfiguration that the options ask for.
#[must_use]
pub fn bgp_configuration(intent: &ClusterIntent, owner: &Owner) -> Desired {
    let spec = BgpConfigurationSpec {
        as_number: intent.as_number(),
        node_to_node_mesh_enabled: intent.node_to_node_mesh(),
        service_cluster_ips: entries(intent.service_cluster_ips()),
        service_external_ips: entries(intent.service_external_ips()),
        service_loadbalancer_ips: entries(intent.service_loadbalancer_ips()),
    };
    Desired::new(
        Kind::BgpConfiguration,
        "default".to_owned(),
        owner.labels(),
        &spec,
    )
    .because("asNumber", "global-as-number")
    .because("nodeToNodeMeshEnabled", "node-to-node-mesh")
    .because("serviceClusterIPs", "bgp-service-cluster-ips")
    .because("serviceExternalIPs", "bgp-service-external-ips")
    .because("serviceLoadBalancerIPs", "bgp-service-loadbalancer-ips")
}
