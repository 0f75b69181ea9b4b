//! Whether the pools' way of travelling fits the network under it.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::wording::{few, setting, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::Speaker;
use crate::fabric::topology::{Backend, Origin, Pool, Topology};
use crate::model::{Cidr, Encapsulation, Family, TunnelMode};

/// Whether every pool is one that Felix carries: nodes need no BGP then.
pub(super) fn all_vxlan(topology: &Topology) -> bool {
    !topology.pools.is_empty()
        && topology
            .pools
            .iter()
            .all(|pool| matches!(pool.encapsulation, Encapsulation::Vxlan(_)))
}

/// The option that says how a pool's packets travel, where the pool is of the options.
pub(in crate::fabric) fn mode_origin(pool: &Pool) -> Origin {
    match (&pool.origin, pool.encapsulation) {
        (Origin::Option(_), Encapsulation::Ipip(_)) => Origin::option("ipip"),
        (Origin::Option(_), _) => Origin::option("vxlan"),
        (other, _) => other.clone(),
    }
}

/// F081: inside a subnet `CrossSubnet` sends packets as they are, which only arrive on one layer-2 network
/// (`felix/dataplane/linux/vxlan_mgr.go`, `noEncapRoute`).
pub(super) fn stretched_subnets(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let mut told: BTreeSet<Origin> = BTreeSet::new();
    for pool in &topology.pools {
        let (Encapsulation::Ipip(TunnelMode::CrossSubnet)
        | Encapsulation::Vxlan(TunnelMode::CrossSubnet)) = pool.encapsulation
        else {
            continue;
        };
        let origin = mode_origin(pool);
        let Some(stretch) = stretch(topology, pool.cidr.family()) else {
            continue;
        };
        if !told.insert(origin.clone()) {
            continue;
        }
        let mut finding = Finding::new(
            81,
            origin.clone(),
            format!(
                "is CrossSubnet, so packets inside a subnet travel without tunnel; but {stretch}, which is not \
                 always one layer-2 network"
            ),
        )
        .value("CrossSubnet")
        .remedy("make sure that the zones share a layer-2 network, or set Always");
        if let Some(place) = origin.place() {
            finding = finding.command(setting(&place.option, "Always"));
        }
        found.push(finding);
    }
}

/// The first subnet whose nodes are in several zones, in words.
fn stretch(topology: &Topology, family: Family) -> Option<String> {
    let mut zones_of: BTreeMap<Cidr, BTreeSet<&str>> = BTreeMap::new();
    for node in &topology.nodes {
        if let (Some(address), Some(zone)) = (node.address(family), node.zone.as_deref()) {
            zones_of.entry(address.subnet).or_default().insert(zone);
        }
    }
    let stretched: Vec<(Cidr, Vec<&str>)> = zones_of
        .into_iter()
        .filter(|(_, zones)| zones.len() > 1)
        .map(|(subnet, zones)| (subnet, zones.into_iter().collect()))
        .collect();
    let (subnet, zones) = stretched.first()?;
    Some(match stretched.len() {
        1 => format!("{subnet} spans zones {}", few(zones)),
        more => format!(
            "{subnet} spans zones {}, and {} more subnets span some",
            few(zones),
            more - 1
        ),
    })
}

/// F083: VXLAN routes come from Felix (`felix/calc/l3_route_resolver.go`), so a mesh has nothing to carry.
pub(super) fn needless_mesh(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if !topology.mesh.value
        || topology.nodes.len() < 2
        || topology.backend != Backend::Bird
        || !topology.peerings.is_empty()
        || !topology.services.is_empty()
        || topology.nodes.iter().any(|node| node.cluster_id.is_some())
        || !all_vxlan(topology)
    {
        return;
    }
    let origin = topology.mesh.origin.clone();
    let mut finding = Finding::new(
        83,
        origin.clone(),
        "is true, but all pods' packets travel in VXLAN, for which Calico needs no BGP between nodes",
    )
    .value("true")
    .remedy("set it to false, and calico-node runs without BIRD; true does no harm");
    if origin.place().is_some() {
        finding = finding.command(setting("node-to-node-mesh", "false"));
    }
    found.push(finding);
}

/// F085 for the one thing the options tell: what is left of the machines' MTU when a tunnel of the pools took its share
/// has to hold what a node's own network takes. The charm subtracts the tunnel's bytes itself, so only a value that no
/// link has is suspicious.
pub(super) fn mtu(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    /// Jumbo frames as switches have them.
    const LARGEST: u16 = 9216;
    let Some(mtu) = facts
        .topology
        .host_mtu
        .as_ref()
        .filter(|mtu| mtu.value > LARGEST)
    else {
        return;
    };
    let units = speakers(
        facts.topology,
        facts.sessions,
        0..facts.sessions.nodes as Speaker,
    );
    found.push(
        Finding::new(
            85,
            mtu.origin.clone(),
            format!(
                "is {}, more than the {LARGEST} that switches carry: packets of that size are lost between {}",
                mtu.value,
                few(&units)
            ),
        )
        .value(mtu.value)
        .remedy("write the MTU of the machines' network interfaces, or 0 to have Calico find it out")
        .command(setting("veth-mtu", "0")),
    );
}
