//! What the options ask for, among everything else that is in the cluster.

use std::collections::BTreeMap;

use crate::fabric::topology::{Address, Node, Peering, Pool, Scope, Target, Topology};
use crate::model::Family;

/// The fabric as the options want it, with what stays of the live one: BGPPeers that no option asks for and their
/// filters, Nodes without a unit, settings that no option names, and pools where the charm makes none. The addresses are
/// those that calico-node has found.
#[must_use]
pub fn merge(mut wanted: Topology, live: Topology) -> Topology {
    let known: BTreeMap<String, u32> = wanted
        .nodes
        .iter()
        .map(|node| node.name.clone())
        .zip(0..)
        .collect();
    let mut places = Vec::with_capacity(live.nodes.len());
    for node in live.nodes {
        if let Some(place) = known.get(&node.name) {
            found_out(&mut wanted.nodes[*place as usize], node);
            places.push(*place);
        } else {
            places.push(u32::try_from(wanted.nodes.len()).unwrap_or(u32::MAX));
            wanted.nodes.push(node);
        }
    }
    let foreign = live.peerings.into_iter().filter(Peering::is_foreign);
    wanted.peerings.extend(foreign.map(|peering| Peering {
        scope: match peering.scope {
            Scope::Global => Scope::Global,
            Scope::Node(node) => Scope::Node(places[node as usize]),
            Scope::Selected(nodes) => Scope::Selected(moved(&nodes, &places)),
        },
        target: match peering.target {
            Target::Nodes(nodes) => Target::Nodes(moved(&nodes, &places)),
            address @ Target::Address(_) => address,
        },
        ..peering
    }));
    wanted.filters = live.filters;
    wanted.unmodelled.extend(live.unmodelled);
    wanted.listen_port = live.listen_port;
    if wanted.pools.is_empty() {
        wanted.pools = live.pools;
        for nodes in wanted
            .pools
            .iter_mut()
            .filter_map(|pool| pool.nodes.as_mut())
        {
            *nodes = moved(nodes, &places);
        }
    } else {
        adopt(&mut wanted.pools, &live.pools);
    }
    wanted
}

/// What Calico has found out of a node counts, and what Juju says where it has not.
fn found_out(node: &mut Node, live: Node) {
    let in_subnet = |address: &Address| address.subnet.prefix() < Family::of(address.ip).bits();
    node.v4 = live.v4.filter(in_subnet).or(node.v4).or(live.v4);
    node.v6 = live.v6.filter(in_subnet).or(node.v6).or(live.v6);
    node.zone = live.zone.or_else(|| node.zone.take());
}

/// What the charm leaves alone in a pool that it takes over.
fn adopt(wanted: &mut [Pool], live: &[Pool]) {
    for pool in wanted {
        if let Some(found) = live.iter().find(|found| found.cidr == pool.cidr) {
            pool.block_size = found.block_size;
            pool.exported = found.exported;
        }
    }
}

fn moved(nodes: &[u32], places: &[u32]) -> Vec<u32> {
    let mut moved: Vec<u32> = nodes.iter().map(|node| places[*node as usize]).collect();
    moved.sort_unstable();
    moved
}
