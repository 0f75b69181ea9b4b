//! Pools whose pods nothing but BGP reaches.

use std::fmt;

use serde_json::Value;

use super::{Extent, PoolRole, network, pool_role, pool_usage};
use crate::model::{Cidr, PoolIntent};
use crate::plan::{HeldAddress, Live};

/// A pool in use that has no VXLAN: Felix programs the routes of VXLAN pools alone (`felix/dataplane/linux/vxlan_mgr.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOnBgp {
    /// The pool.
    pub name: String,
    /// Its network.
    pub cidr: Cidr,
    /// Addresses that pods hold.
    pub addresses: usize,
    /// Whether `cidr` names it, so that a write of the charm's may give it VXLAN.
    pub is_wanted: bool,
}

impl fmt::Display for PoolOnBgp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "IPPool {} {} has no pods ({} left; show-pools, migrate-pool)",
            self.name, self.cidr, self.addresses
        )
    }
}

/// The pools that have no VXLAN and may hold addresses of pods.
#[must_use]
pub fn without_vxlan(pools: &[Live]) -> Vec<Extent> {
    unencapsulated(pools)
        .map(|(_, cidr)| Extent::new(cidr, pools))
        .collect()
}

/// Those of them that hold addresses of pods, by the blocks, or where these know of none, by the pods themselves.
#[must_use]
pub fn pools_on_bgp(
    intents: &[PoolIntent],
    pools: &[Live],
    blocks: &[Live],
    pods: &[HeldAddress],
) -> Vec<PoolOnBgp> {
    unencapsulated(pools)
        .map(|(pool, cidr)| {
            let extent = Extent::new(cidr, pools);
            PoolOnBgp {
                name: pool.name().to_owned(),
                cidr,
                addresses: pool_usage(&extent, blocks)
                    .or_of_pods(&extent, pods)
                    .workloads,
                is_wanted: pool_role(intents, pool) == PoolRole::Wanted,
            }
        })
        .filter(|pool| pool.addresses > 0)
        .collect()
}

/// Pools for pods without VXLAN; addresses of LoadBalancer services are nobody's on a node.
fn unencapsulated(pools: &[Live]) -> impl Iterator<Item = (&Live, Cidr)> {
    pools
        .iter()
        .filter(|pool| matches!(pool.spec_text("vxlanMode"), "" | "Never"))
        .filter(|pool| {
            let uses = pool.spec("allowedUses").and_then(Value::as_array);
            !uses.is_some_and(|uses| uses.iter().any(|one| one == "LoadBalancer"))
        })
        .filter_map(|pool| Some((pool, network(pool)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pods_off_vxlan_need_bgp() {
        let pool = |name: &str, cidr: &str, vxlan: &str, uses: Value| {
            Live::new(json!({
                "metadata": {"name": name},
                "spec": {"cidr": cidr, "vxlanMode": vxlan, "allowedUses": uses},
            }))
        };
        let pools = [
            pool("ipip", "10.1.0.0/16", "Never", Value::Null),
            pool("vxlan", "10.2.0.0/16", "CrossSubnet", Value::Null),
            pool("plain", "10.3.0.0/16", "", Value::Null),
            pool("empty", "10.4.0.0/16", "", Value::Null),
            pool("services", "10.5.0.0/16", "", json!(["LoadBalancer"])),
        ];
        let block = |cidr: &str| {
            Live::new(json!({"spec": {"cidr": cidr, "allocations": [0], "attributes": [{}]}}))
        };
        let blocks = ["10.1.0.0/26", "10.2.0.0/26", "10.5.0.0/26"].map(block);
        let pods = [HeldAddress {
            ip: [10, 3, 0, 1].into(),
            node: String::new(),
            namespace: String::new(),
        }];
        let found = pools_on_bgp(&[], &pools, &blocks, &pods);
        let names: Vec<&str> = found.iter().map(|pool| pool.name.as_str()).collect();
        assert_eq!(names, ["ipip", "plain"]);
        assert_eq!(
            found[0].to_string(),
            "IPPool ipip 10.1.0.0/16 has no pods (1 left; show-pools, migrate-pool)"
        );
    }
}
