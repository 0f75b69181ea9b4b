//! Values of options put together anew, for remedies and commands.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::wording::setting;
use crate::fabric::session::Speaker;
use crate::fabric::topology::{IdleKey, Origin, Told, Topology};
use crate::model::{AsNumber, ClusterId};

/// More entries than this make no line to paste.
const MOST: usize = 8;

/// The cluster IDs, by node.
pub(super) fn cluster_ids(topology: &Topology) -> Vec<(Speaker, &Told<ClusterId>)> {
    (0..)
        .zip(&topology.nodes)
        .filter_map(|(speaker, node)| Some((speaker, node.cluster_id.as_ref()?)))
        .collect()
}

/// The ID 1.0.0.`last`, for examples.
pub(super) fn cluster_id(last: u32) -> Option<ClusterId> {
    if last > 254 {
        return None;
    }
    format!("1.0.0.{last}").parse().ok()
}

/// IDs of that kind that no node has.
pub(super) fn free_cluster_ids(topology: &Topology) -> impl Iterator<Item = ClusterId> {
    let used: Vec<ClusterId> = cluster_ids(topology)
        .into_iter()
        .map(|(_, told)| told.value)
        .collect();
    (1..)
        .map_while(cluster_id)
        .filter(move |id| !used.contains(id))
}

/// `route-reflector-cluster-ids` with some IDs exchanged or added, as a command; `None` where that is no short line, or
/// where the option is not all there is to it.
pub(super) fn setting_of_cluster_ids(
    topology: &Topology,
    changed: &BTreeMap<Speaker, ClusterId>,
) -> Option<String> {
    const OPTION: &str = "route-reflector-cluster-ids";
    let by_option = |origin: &Origin| origin.place().is_some_and(|place| place.option == OPTION);
    if topology
        .idle
        .iter()
        .any(|idle| by_option(&idle.origin) && matches!(idle.key, IdleKey::Unit(_)))
    {
        return None;
    }
    let mut ids: BTreeMap<Speaker, ClusterId> = BTreeMap::new();
    for (node, told) in cluster_ids(topology) {
        if !by_option(&told.origin) {
            return None;
        }
        ids.insert(node, told.value);
    }
    ids.extend(changed);
    if ids.is_empty() || ids.len() > MOST {
        return None;
    }
    let entries = ids
        .iter()
        .map(|(node, id)| {
            let unit = topology.nodes[*node as usize].unit.as_ref()?;
            Some(format!("{}: {id}", unit.number()))
        })
        .collect::<Option<Vec<String>>>()?;
    Some(setting(OPTION, format!("{{{}}}", entries.join(", "))))
}

/// A peer as options write it: `{address: 10.0.0.2, as-number: 64512}`.
pub(super) fn peer(ip: IpAddr, as_number: AsNumber) -> String {
    let address = match ip {
        IpAddr::V4(_) => ip.to_string(),
        // In YAML's flow style a text with colons wants quotes.
        IpAddr::V6(_) => format!("\"{ip}\""),
    };
    format!("{{address: {address}, as-number: {as_number}}}")
}

/// The nodes as peers, one in each family that routes are needed in.
pub(super) fn peers_of(topology: &Topology, nodes: &[Speaker]) -> Vec<String> {
    let families = topology.families();
    nodes
        .iter()
        .map(|node| &topology.nodes[*node as usize])
        .flat_map(|node| {
            families.iter().filter_map(|family| {
                Some(peer(node.address(*family)?.ip, topology.as_number_of(node)))
            })
        })
        .collect()
}

/// `global-bgp-peers` with these nodes, as a command; `None` where the option has peers already, or with many nodes.
pub(super) fn setting_of_global_peers(topology: &Topology, nodes: &[Speaker]) -> Option<String> {
    const OPTION: &str = "global-bgp-peers";
    let peers = peers_of(topology, nodes);
    let is_set = topology.peerings.iter().any(|peering| {
        peering
            .origin
            .place()
            .is_some_and(|place| place.option == OPTION)
    });
    (!is_set && peers.len() <= 4).then(|| setting(OPTION, format!("[{}]", peers.join(", "))))
}
