//! Packets of routers that take a detour over a node.

use std::collections::BTreeSet;

use super::Facts;
use super::propagation::{is_node, origin_of, origins, sides};
use super::wording::{counted, few, members, speaker, speakers};
use crate::fabric::classes::ClassId;
use crate::fabric::finding::Finding;
use crate::fabric::reach::{Fate, Plane};
use crate::fabric::session::Speaker;
use crate::fabric::topology::Origin;
use crate::model::Family;

/// F063 and F086: a router that sends packets for one node's pods through another node, because it hears of them from
/// that one alone, or from both in equally long AS paths; outside sessions carry the sender as next hop (P3).
pub(super) fn hairpins(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for (router, class) in facts.classes.iter().filter(|(_, class)| class.router) {
        let mut told: BTreeSet<u16> = BTreeSet::new();
        for plane in facts.planes {
            let hairpin = Hairpin::of(facts, plane, router, class.first());
            found.extend(hairpin.and_then(|one| told.insert(one.code).then(|| one.finding(facts))));
        }
    }
}

/// The detours of a router's packets.
struct Hairpin {
    code: u16,
    router: Speaker,
    origin: Origin,
    /// Whose pods they are for.
    behind: Vec<Speaker>,
    /// The nodes that the router peers with.
    neighbours: BTreeSet<Speaker>,
}

impl Hairpin {
    fn of(facts: &Facts<'_>, plane: &Plane, router: ClassId, speaker: Speaker) -> Option<Self> {
        let known = facts
            .sessions
            .routers
            .get((speaker - facts.sessions.nodes) as usize)?;
        // What lies behind another router is that one's.
        let is_near = |class: ClassId| {
            let first = facts.classes.class(class).first() as usize;
            let address = facts
                .topology
                .nodes
                .get(first)
                .and_then(|node| node.address(plane.family));
            address.is_some_and(|address| {
                let others = &mut facts.sessions.routers.iter();
                known.is_on(address.subnet) || !others.any(|other| other.is_on(address.subnet))
            })
        };
        let behind: Vec<ClassId> = origins(facts, plane)
            .filter(|class| plane.fate(*class, router) == Fate::Hairpin && is_near(*class))
            .collect();
        if behind.is_empty() {
            return None;
        }
        let mut origin = None;
        let mut neighbours = BTreeSet::new();
        for (side, other) in sides(facts).filter(|(_, other)| other.speaker == speaker) {
            if is_node(facts, side) && Family::of(side.ip) == plane.family {
                origin = origin.or_else(|| origin_of(facts, side, other));
                neighbours.insert(side.speaker);
            }
        }
        let behind = members(facts.classes, behind);
        Some(Self {
            code: if facts.is_vxlan(plane) { 86 } else { 63 },
            router: speaker,
            origin: origin?,
            behind,
            neighbours,
        })
    }

    fn finding(self, facts: &Facts<'_>) -> Finding {
        let (topology, sessions) = (facts.topology, facts.sessions);
        let router = speaker(topology, sessions, self.router);
        let by: Vec<String> = speakers(topology, sessions, self.neighbours.iter().copied());
        let nodes = counted(self.behind.len() as u64, "node");
        let wrapped = match (self.code, by.len()) {
            (86, 1) => ", which wraps them into VXLAN",
            (86, _) => ", which wrap them into VXLAN",
            (_, 1) => ", which passes them on",
            (_, _) => ", which pass them on",
        };
        let units = speakers(topology, sessions, self.behind.iter().copied());
        let all_peer = self
            .behind
            .iter()
            .all(|node| self.neighbours.contains(node));
        if all_peer {
            Finding::new(
                self.code,
                self.origin,
                format!(
                    "lets {router} hear of pods on {nodes} from other nodes in AS paths as short as their own: it may \
                     send packets through any of {}{wrapped}",
                    few(&by)
                ),
            )
            .remedy(
                "give the router the AS number of the units, or set node-to-node-mesh to false where it passes routes \
                 on between them, or leave it so if the detour does no harm",
            )
            .units(units)
        } else {
            Finding::new(
                self.code,
                self.origin,
                format!("makes {router} send packets for pods on {nodes} through {}{wrapped}", few(&by)),
            )
            .remedy(
                "peer every unit with the router (global-bgp-peers or subnet-bgp-peers), or leave it so if these \
                 machines can carry the traffic",
            )
            .units(units)
        }
    }
}
