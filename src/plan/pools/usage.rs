//! Who holds addresses of a pool, counted in IPAM blocks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Extent, network};
use crate::model::Cidr;
use crate::plan::{HeldAddress, Live};

/// Types of IPAM allocations that are a node's own tunnel addresses (`libcalico-go/lib/ipam/ipam.go`).
const TUNNEL_TYPES: [&str; 5] = [
    "ipipTunnelAddress",
    "vxlanTunnelAddress",
    "vxlanV6TunnelAddress",
    "wireguardTunnelAddress",
    "wireguardV6TunnelAddress",
];

/// Addresses in use in one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolUsage {
    /// Addresses of pods and everything else that is not a tunnel.
    pub workloads: usize,
    /// Addresses of the nodes' own tunnels.
    pub tunnels: usize,
    /// Nodes that hold the workloads' addresses, and how many each.
    pub nodes: BTreeMap<String, usize>,
    /// Namespaces of the pods that hold them, and how many each.
    pub namespaces: BTreeMap<String, usize>,
    /// Whether pods alone say that they have them and no block does: another IPAM than Calico's has given them out.
    pub is_outside_ipam: bool,
}

impl PoolUsage {
    /// Takes pods at their word where blocks know of no workload.
    pub(super) fn or_of_pods(mut self, pool: &Extent, pods: &[HeldAddress]) -> Self {
        if self.workloads > 0 {
            return self;
        }
        for held in pods.iter().filter(|held| pool.holds(held.ip)) {
            self.is_outside_ipam = true;
            self.workloads += 1;
            *self.nodes.entry(held.node.clone()).or_default() += 1;
            *self.namespaces.entry(held.namespace.clone()).or_default() += 1;
        }
        self
    }
}

/// What holds an address.
enum Holder {
    Workload,
    Tunnel,
    /// Windows' reserve, or an address that was given back and cools down.
    Nobody,
}

/// Counts the addresses of a whole network, as [`pool_usage`] does those of a pool.
#[must_use]
pub fn usage(cidr: Cidr, blocks: &[Live]) -> PoolUsage {
    pool_usage(&cidr.into(), blocks)
}

/// Counts the addresses that are a pool's own in IPAM blocks (`libcalico-go/lib/apis/internalapi/ipam_block.go`): entries of
/// `allocations` that are not null, not Windows' reserved ones and not in cooldown.
#[must_use]
pub fn pool_usage(pool: &Extent, blocks: &[Live]) -> PoolUsage {
    let mut found = PoolUsage::default();
    for block in blocks {
        let inside = network(block).is_some_and(|block| pool.holds_block(&block));
        let deleted = block.spec("deleted").and_then(Value::as_bool) == Some(true);
        if inside && !deleted {
            count_block(block, &mut found);
        }
    }
    found
}

/// Whether a block holds an address of a workload, in whatever pool.
#[must_use]
pub fn holds_workloads(block: &Live) -> bool {
    let mut found = PoolUsage::default();
    count_block(block, &mut found);
    found.workloads > 0
}

/// The addresses of a block that are taken: of each what is said of it, where anything is.
pub fn allocations(block: &Live) -> impl Iterator<Item = Option<&Value>> {
    let list = |field| {
        let list = block.spec(field).and_then(Value::as_array);
        list.map_or(&[][..], Vec::as_slice)
    };
    let attributes = list("attributes");
    let taken = list("allocations").iter().filter_map(Value::as_u64);
    taken.map(move |index| attributes.get(usize::try_from(index).ok()?))
}

/// Whether an address is one of those that every block of a Windows node sets aside.
#[must_use]
pub fn is_windows_reserve(attribute: &Value) -> bool {
    let handle = attribute["handle_id"].as_str().unwrap_or_default();
    handle.eq_ignore_ascii_case("windows-reserved-ipam-handle")
}

fn count_block(block: &Live, found: &mut PoolUsage) {
    for attribute in allocations(block) {
        match attribute.map_or(Holder::Workload, holder) {
            Holder::Nobody => {}
            Holder::Tunnel => found.tunnels += 1,
            Holder::Workload => {
                found.workloads += 1;
                count(&mut found.nodes, attribute, "node");
                count(&mut found.namespaces, attribute, "namespace");
            }
        }
    }
}

fn count(counts: &mut BTreeMap<String, usize>, attribute: Option<&Value>, key: &str) {
    if let Some(name) = attribute.and_then(|attribute| attribute["secondary"][key].as_str()) {
        *counts.entry(name.to_owned()).or_default() += 1;
    }
}

fn holder(attribute: &Value) -> Holder {
    let kind = attribute["secondary"]["type"].as_str().unwrap_or_default();
    if is_windows_reserve(attribute) || !attribute["releasedAt"].is_null() {
        Holder::Nobody
    } else if TUNNEL_TYPES.contains(&kind) {
        Holder::Tunnel
    } else {
        Holder::Workload
    }
}
