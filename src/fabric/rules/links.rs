//! Who is whose neighbour, and what is lost between two nodes: what the rules about reflectors ask over and over.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use crate::fabric::classes::ClassId;
use crate::fabric::reach::{Fate, Plane};
use crate::fabric::session::{Speaker, Status};
use crate::fabric::topology::Topology;

/// A session as one of its ends sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// The other end.
    pub to: Speaker,
    /// Whether it comes up.
    pub up: bool,
    /// Whether both ends have one AS number, as far as this end knows.
    pub internal: bool,
    /// Whether one end takes the other for its client.
    pub a_client: bool,
}

/// The sessions that BGPPeers make, by speaker. One that does not come up is here too: what is wrong with it is another
/// rule's finding.
pub(super) struct Links {
    by_speaker: Vec<Vec<Link>>,
}

impl Links {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let count = facts.topology.nodes.len() + facts.sessions.routers.len();
        let mut by_speaker = vec![Vec::new(); count];
        for session in &facts.sessions.sessions {
            // The mesh has such a session already; it makes no reflector's client of anybody.
            if session.status == Status::Shadowed {
                continue;
            }
            let a_client = session.near.client || session.far.client;
            for (here, there) in [(&session.near, &session.far), (&session.far, &session.near)] {
                by_speaker[here.speaker as usize].push(Link {
                    to: there.speaker,
                    up: session.status.is_up(),
                    internal: here.is_internal(),
                    a_client,
                });
            }
        }
        Self { by_speaker }
    }

    pub(super) fn of(&self, speaker: Speaker) -> &[Link] {
        &self.by_speaker[speaker as usize]
    }
}

pub(super) fn is_reflector(topology: &Topology, speaker: Speaker) -> bool {
    topology
        .nodes
        .get(speaker as usize)
        .is_some_and(|node| node.cluster_id.is_some())
}

/// The nodes with a cluster ID.
pub(super) fn reflectors(topology: &Topology) -> impl Iterator<Item = Speaker> {
    (0..)
        .zip(&topology.nodes)
        .filter(|(_, node)| node.cluster_id.is_some())
        .map(|(speaker, _)| speaker)
}

/// Whether packets from `at` to a block of `origin` get lost, in any pool.
pub(super) fn is_lost(facts: &Facts<'_>, origin: Speaker, at: Speaker) -> bool {
    any_plane(facts, origin, at, |plane, origin, at| {
        !plane.fate(origin, at).arrives()
    })
}

/// Whether `at` has no route to a block of `origin` where it needs one; packets may still get there by a default route.
pub(super) fn is_unknown(facts: &Facts<'_>, origin: Speaker, at: Speaker) -> bool {
    any_plane(facts, origin, at, |plane, origin, at| {
        !facts.is_vxlan(plane) && !plane.received(origin, at)
    })
}

fn any_plane(
    facts: &Facts<'_>,
    origin: Speaker,
    at: Speaker,
    is_so: impl Fn(&Plane, ClassId, ClassId) -> bool,
) -> bool {
    let (from, to) = (facts.classes.of(origin), facts.classes.of(at));
    origin != at
        && facts.planes.iter().any(|plane| {
            plane.has_blocks(from)
                && plane.is_computed(from)
                && plane.fate(from, to) != Fate::NoAddress
                && is_so(plane, from, to)
        })
}

/// One of each class, and a second one where there is.
pub(super) fn samples(
    facts: &Facts<'_>,
    speakers: impl IntoIterator<Item = Speaker>,
) -> Vec<Speaker> {
    let mut seen = BTreeMap::new();
    speakers
        .into_iter()
        .filter(|speaker| {
            let count = seen.entry(facts.classes.of(*speaker)).or_insert(0_u8);
            *count = count.saturating_add(1);
            *count <= 2
        })
        .collect()
}

/// A question about a block's node and another one.
pub(super) type Question = fn(&Facts<'_>, Speaker, Speaker) -> bool;

/// Whether something is so between two groups of nodes, either way.
pub(super) fn between(
    facts: &Facts<'_>,
    ones: &BTreeSet<Speaker>,
    others: &BTreeSet<Speaker>,
    is_so: Question,
) -> bool {
    let ones = samples(facts, ones.iter().copied());
    let others = samples(facts, others.iter().copied());
    ones.iter().any(|one| {
        others
            .iter()
            .any(|other| is_so(facts, *one, *other) || is_so(facts, *other, *one))
    })
}
