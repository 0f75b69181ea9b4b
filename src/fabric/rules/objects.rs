//! `BGPPeers` and `BGPFilters` as they are in the cluster, others' included: F024, F025, F033, F034.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use super::Facts;
use super::wording::{counted, few, speaker, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::{Clash, Speaker};
use crate::fabric::topology::{Origin, Peering, Topology};

/// F024 and F025: two BGPPeers make one node's neighbour. Calico walks over a Go map, so one of two alike wins at random;
/// a global one always wins against one of a node (`confd/pkg/backends/calico/bgp_processor.go`).
pub(super) fn clashes(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let mut groups: BTreeMap<(bool, &Origin, &Origin), (&Clash, BTreeSet<Speaker>)> =
        BTreeMap::new();
    for clash in &facts.sessions.clashes {
        let (winner, loser) = both(topology, clash);
        if are_alike(winner, loser) {
            continue;
        }
        groups
            .entry((clash.global_wins, &winner.origin, &loser.origin))
            .or_insert_with(|| (clash, BTreeSet::new()))
            .1
            .insert(clash.node);
    }
    for ((global_wins, winner, loser), (clash, nodes)) in groups {
        let units = speakers(topology, facts.sessions, nodes);
        let endpoint = match clash.port {
            0 => clash.ip.to_string(),
            port => format!("{} port {port}", clash.ip),
        };
        let finding = if global_wins {
            let message = format!(
                "hides the peer {endpoint} of {loser} on {}: Calico takes peers of all nodes first",
                counted(units.len() as u64, "node")
            );
            Finding::new(25, winner.clone(), message)
                .remedy("keep the peer in one of the two places")
        } else {
            let message = format!(
                "and {loser} both make {endpoint} a peer of {}: Calico takes one of them at random",
                few(&units)
            );
            Finding::new(24, winner.clone(), message).remedy(remove_one(winner, loser))
        };
        found.push(
            finding
                .other(loser.clone(), "makes the same peer")
                .value(clash.ip)
                .units(units),
        );
    }
}

fn both<'t>(topology: &'t Topology, clash: &Clash) -> (&'t Peering, &'t Peering) {
    let peering = |index: u32| &topology.peerings[index as usize];
    (peering(clash.winner), peering(clash.loser))
}

/// Whether it makes no difference which of two is taken.
fn are_alike(one: &Peering, other: &Peering) -> bool {
    discriminant(&one.target) == discriminant(&other.target)
        && one.as_number == other.as_number
        && one.extra == other.extra
}

fn remove_one(winner: &Origin, loser: &Origin) -> String {
    for origin in [loser, winner] {
        if let Origin::Object { name, .. } = origin {
            return format!("remove one of them, e.g. kubectl delete bgppeer {name}");
        }
    }
    "remove one of them".to_owned()
}

/// F033: Calico skips a filter that does not exist, and the session runs unfiltered.
pub(super) fn missing_filters(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let known: BTreeSet<&str> = topology
        .filters
        .iter()
        .map(|filter| filter.name.as_str())
        .collect();
    let mut missing: BTreeMap<&str, BTreeSet<&Origin>> = BTreeMap::new();
    for peering in &topology.peerings {
        for name in peering.extra.iter().flat_map(|extra| &extra.filters) {
            if !known.contains(name.as_str()) {
                missing.entry(name).or_default().insert(&peering.origin);
            }
        }
    }
    for (name, users) in missing {
        let users: Vec<&Origin> = users.into_iter().collect();
        let Some(first) = users.first() else {
            continue;
        };
        let more = match users.len() {
            1 => String::new(),
            all => format!(" (and {} more)", counted(all as u64 - 1, "peer")),
        };
        let message = format!(
            "asks for BGPFilter {name}, which does not exist{more}: the session runs unfiltered"
        );
        found.push(
            Finding::new(33, (*first).clone(), message)
                .value(name)
                .remedy(format!(
                    "make a BGPFilter {name}, or take its name out of filters"
                )),
        );
    }
}

/// F034: a BGPPeer that no option asks for makes sessions. Only where options are to describe the fabric.
pub(super) fn foreign_peers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if topology.mesh.origin.place().is_none() || !topology.peerings.iter().any(Peering::is_foreign)
    {
        return;
    }
    // What is in both places is F024's matter, or makes no difference.
    let doubled: BTreeSet<u32> = facts
        .sessions
        .clashes
        .iter()
        .flat_map(|clash| [clash.winner, clash.loser])
        .collect();
    let mut effects: BTreeMap<u32, (u64, BTreeSet<Speaker>, BTreeSet<Speaker>)> = BTreeMap::new();
    for session in facts
        .sessions
        .sessions
        .iter()
        .filter(|session| session.status.is_up())
    {
        let made = [session.near.cause.peering(), session.far.cause.peering()];
        // A session that an option asks for too is no other for it.
        let foreign = |index: &u32| {
            topology.peerings[*index as usize].is_foreign() && !doubled.contains(index)
        };
        let mut makers = made.into_iter().flatten();
        if let Some(first) = makers.next().filter(foreign)
            && makers.all(|index| foreign(&index))
        {
            let (sessions, nodes, peers) = effects.entry(first).or_default();
            *sessions += 1;
            nodes.insert(session.near.speaker);
            peers.insert(session.far.speaker);
        }
    }
    for (peering, (sessions, nodes, peers)) in effects {
        let Origin::Object { name, .. } = &topology.peerings[peering as usize].origin else {
            continue;
        };
        let origin = topology.peerings[peering as usize].origin.clone();
        let with = match (peers.len(), peers.first()) {
            (1, Some(one)) => format!(" with {}", speaker(topology, facts.sessions, *one)),
            _ => String::new(),
        };
        let message = format!(
            "makes {}{with} that no option asks for",
            counted(sessions, "session")
        );
        let units = speakers(
            topology,
            facts.sessions,
            nodes
                .into_iter()
                .filter(|node| *node < facts.sessions.nodes),
        );
        found.push(
            Finding::new(34, origin, message)
                .remedy(format!(
                    "write the peer into unit-bgp-peers, subnet-bgp-peers or global-bgp-peers, then kubectl delete \
                     bgppeer {name}; or leave it, if it is meant"
                ))
                .units(units),
        );
    }
}
