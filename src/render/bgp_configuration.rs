//! `BGPConfiguration` `default`: what every node has in common.

use serde::Serialize;

use super::{Desired, Kind, Owner};
use crate::model::{AsNumber, Cidr, ClusterIntent};

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
