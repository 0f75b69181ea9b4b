//! What two nodes must not have in common: F030, F035.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest, Sha256};

use super::Facts;
use super::sessions::has;
use super::wording::{few, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::Speaker;
use crate::fabric::topology::{Node, Origin};

/// F035: one address on two nodes.
pub(super) fn shared_addresses(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut owners: BTreeMap<IpAddr, Vec<Speaker>> = BTreeMap::new();
    for (speaker, node) in (0..).zip(&facts.topology.nodes) {
        for address in [node.v4, node.v6].into_iter().flatten() {
            owners.entry(address.ip).or_default().push(speaker);
        }
    }
    for (ip, nodes) in owners.into_iter().filter(|(_, nodes)| nodes.len() > 1) {
        let node = |index: usize| &facts.topology.nodes[nodes[index] as usize];
        let units = speakers(facts.topology, facts.sessions, nodes.iter().copied());
        let message = format!(
            "has {ip}, and so has {}: Calico cannot tell them apart",
            few(&units[..1])
        );
        found.push(
            Finding::new(35, origin(node(1)), message)
                .other(origin(node(0)), format!("has {ip} too"))
                .value(ip)
                .remedy(
                    "bind the charm's cni endpoint to a space in which every machine has an address of its own \
                     (juju bind calico cni=SPACE)",
                )
                .units(units),
        );
    }
}

fn origin(node: &Node) -> Origin {
    node.unit.clone().map_or_else(
        || Origin::Object {
            kind: "Node",
            name: node.name.clone(),
        },
        Origin::Unit,
    )
}

/// F030: two router IDs that are the same inside one AS. A node with an IPv4 address has that for its ID, and F035 says
/// what is wrong when two have one; what is left are IDs made from names.
pub(super) fn router_ids(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if topology.nodes.iter().all(|node| node.router_id().is_some()) {
        return;
    }
    let mut owners: BTreeMap<_, Vec<Speaker>> = BTreeMap::new();
    for (speaker, node) in (0..).zip(&topology.nodes) {
        let id = node.router_id().unwrap_or_else(|| hashed(&node.name));
        owners
            .entry((id, topology.as_number_of(node)))
            .or_default()
            .push(speaker);
    }
    for ((id, _), nodes) in owners {
        let by_name = |node: &&Speaker| topology.nodes[**node as usize].router_id().is_none();
        let Some(first) = nodes.iter().find(by_name).filter(|_| nodes.len() > 1) else {
            continue;
        };
        let units = speakers(topology, facts.sessions, nodes.iter().copied());
        let message = format!(
            "{} the router ID {id}: they refuse each other's sessions",
            has(&units)
        );
        found.push(
            Finding::new(30, origin(&topology.nodes[*first as usize]), message)
                .value(id)
                .remedy(
                    "give the machine an IPv4 address on the cni endpoint, or another host name: without IPv4 the ID \
                     is made from the name",
                )
                .units(units),
        );
    }
}

/// The router ID that calico-node makes from a name (`confd/pkg/resource/template/template_funcs.go`): the first bytes
/// of its SHA-256, moved below the range of multicast.
fn hashed(name: &str) -> Ipv4Addr {
    let digest = Sha256::digest(name);
    let first = if digest[0] > 223 {
        digest[0] - 32
    } else {
        digest[0]
    };
    Ipv4Addr::new(first, digest[1], digest[2], digest[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn router_ids_of_names() {
        for (name, id) in [
            ("nodeTest", [109, 174, 215, 226]),
            ("Testrobin123", [207, 94, 5, 27]),
        ] {
            assert_eq!(hashed(name), Ipv4Addr::from(id), "{name}");
        }
    }
}
