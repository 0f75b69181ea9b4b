//! Entries that are for no unit, and the one that was probably meant.

use std::collections::BTreeSet;

use super::super::facts::Facts;
use super::super::rules::wording::{few, speakers, subnets};
use super::super::session::Speaker;
use super::super::topology::{Gives, Idle, IdleKey, Node, Topology};
use super::candidates::Repair;
use super::edit::Edit;
use crate::model::{Cidr, Family};

/// How many entries are looked at, and how many readings of each.
const ENTRIES: usize = 6;
const READINGS: usize = 2;

/// What the idle entries would do for the units they may have been meant for.
pub(super) fn typos(facts: &Facts<'_>) -> Vec<Repair> {
    facts
        .topology
        .idle
        .iter()
        .take(ENTRIES)
        .flat_map(|idle| {
            readings(facts.topology, idle)
                .into_iter()
                .map(move |reading| (idle, reading))
        })
        .map(|(idle, (written, meant, nodes))| {
            let units = speakers(facts.topology, facts.sessions, nodes.iter().copied());
            let mut repair = Repair::new(
                Edit::Drop(idle.origin.clone()),
                idle.origin.clone(),
                format!(
                    "is for no unit; {meant} was probably meant, for {}",
                    few(&units)
                ),
                format!("write {meant} in place of {written}"),
            );
            repair.edits.extend(edits(facts.topology, idle, &nodes));
            repair.nodes(nodes)
        })
        .collect()
}

/// How an entry's key is written, how it may have been meant, and for which nodes; the most alike first.
fn readings(topology: &Topology, idle: &Idle) -> Vec<(String, String, Vec<Speaker>)> {
    let written = match idle.key {
        IdleKey::Subnet(subnet) => subnet.to_string(),
        IdleKey::Unit(number) => number.to_string(),
    };
    let mut readings: Vec<(usize, String, Vec<Speaker>)> = meant(topology, idle)
        .into_iter()
        .map(|(text, nodes)| (slips(&written, &text), text, nodes))
        .filter(|(slips, _, nodes)| *slips <= 2 && !nodes.is_empty())
        .collect();
    readings.sort();
    readings.truncate(READINGS);
    readings
        .into_iter()
        .map(|(_, text, nodes)| (written.clone(), text, nodes))
        .collect()
}

/// The keys that the option could have and has not, with their nodes.
fn meant(topology: &Topology, idle: &Idle) -> Vec<(String, Vec<Speaker>)> {
    let nodes = || (0..).zip(&topology.nodes);
    match idle.key {
        IdleKey::Subnet(cidr) => {
            let all = subnets(topology, cidr.family(), nodes().map(|(speaker, _)| speaker));
            all.into_iter()
                .map(|subnet| {
                    let inside = nodes()
                        .filter(|(_, node)| is_in(node, cidr.family(), subnet))
                        .filter(|(speaker, node)| lacks(topology, idle, *speaker, node));
                    (
                        subnet.to_string(),
                        inside.map(|(speaker, _)| speaker).collect(),
                    )
                })
                .collect()
        }
        IdleKey::Unit(_) => nodes()
            .filter(|(speaker, node)| lacks(topology, idle, *speaker, node))
            .filter_map(|(speaker, node)| {
                Some((node.unit.as_ref()?.number().to_string(), vec![speaker]))
            })
            .collect(),
    }
}

fn is_in(node: &Node, family: Family, subnet: Cidr) -> bool {
    node.address(family)
        .is_some_and(|address| address.subnet == subnet)
}

/// Whether a node has nothing of the kind from the option that the entry is in.
fn lacks(topology: &Topology, idle: &Idle, speaker: Speaker, node: &Node) -> bool {
    let option = idle.origin.place().map(|place| place.option.as_str());
    let of_option = |origin: &super::super::topology::Origin| {
        origin
            .place()
            .is_some_and(|place| Some(place.option.as_str()) == option)
    };
    match &idle.gives {
        Gives::AsNumber(_) => node
            .as_number
            .as_ref()
            .is_none_or(|told| !of_option(&told.origin)),
        Gives::ClusterId(_) => node.cluster_id.is_none(),
        Gives::Peers(_) => {
            let mut own = topology
                .peerings
                .iter()
                .filter(|peering| peering.scope.has(speaker));
            !own.any(|peering| of_option(&peering.origin))
        }
    }
}

fn edits(topology: &Topology, idle: &Idle, nodes: &[Speaker]) -> Vec<Edit> {
    match &idle.gives {
        Gives::AsNumber(number) => vec![Edit::Annotated(nodes.to_vec(), *number)],
        Gives::ClusterId(id) => nodes
            .iter()
            .map(|node| Edit::Cluster(*node, Some(*id)))
            .collect(),
        Gives::Peers(peers) => peers
            .iter()
            .map(|(_, peer)| {
                // Nobody peers with himself.
                let address = peer.address().ip();
                let others: BTreeSet<Speaker> = nodes
                    .iter()
                    .copied()
                    .filter(|node| {
                        topology.nodes.get(*node as usize).is_some_and(|node| {
                            [node.v4, node.v6]
                                .into_iter()
                                .flatten()
                                .all(|own| own.ip != address)
                        })
                    })
                    .collect();
                Edit::Peer(others.into_iter().collect(), address, peer.as_number())
            })
            .collect(),
    }
}

/// How many characters have to be put in, taken out or exchanged (Levenshtein).
fn slips(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, left) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, right) in other.iter().enumerate() {
            let exchanged = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, expected) in [
            ("10.0.3.0/24", "10.0.3.0/24", 0),
            ("10.0.30.0/24", "10.0.3.0/24", 1),
            ("10.0.3.0/25", "10.0.3.0/24", 1),
            ("10.0.2.0/24", "10.0.20.0/24", 1),
            ("12", "21", 2),
            ("", "ab", 2),
        ] {
            assert_eq!(slips(one, other), expected, "{one} {other}");
        }
    }
}
