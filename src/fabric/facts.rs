//! All that is known of a fabric, and which packets ought to arrive.

use super::classes::{ClassId, Classes};
use super::reach::{Fate, Plane};
use super::session::Sessions;
use super::topology::Topology;
use crate::model::{Encapsulation, Family};

/// What rules and verdicts look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// What was told.
    pub topology: &'a Topology,
    /// What it makes.
    pub sessions: &'a Sessions,
    /// The speakers put together.
    pub classes: &'a Classes,
    /// Routes and packets, one plane a family and way of encapsulation.
    pub planes: &'a [Plane],
}

/// What becomes of packets from one class to pods of another, against what ought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing has to arrive.
    NotDue,
    /// They arrive.
    Arrives,
    /// They do not, and have to.
    Lost,
    /// They do not, and whether they have to is not known here.
    Open(Doubt),
}

/// Why it is not known whether packets have to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    /// The route is there, but without a known pool nobody can say how packets travel.
    PoolsUnknown,
    /// What a BGPFilter keeps from a router is the operator's choice.
    Filtered,
}

impl Doubt {
    /// The doubt in words.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::PoolsUnknown => {
                "nothing here says which pools there are, and without encapsulation not every packet arrives"
            }
            Self::Filtered => {
                "BGPFilters keep routes from routers, and nothing here says whether they ought to"
            }
        }
    }
}

impl Facts<'_> {
    /// How packets of a plane travel; `None` where no pool is known.
    pub(super) fn encapsulation(&self, plane: &Plane) -> Option<Encapsulation> {
        let first = *plane.pools.first()?;
        Some(self.topology.pools.get(first as usize)?.encapsulation)
    }

    /// Whether Felix carries the plane's packets from node to node, whatever BGP says.
    pub(super) fn is_vxlan(&self, plane: &Plane) -> bool {
        matches!(self.encapsulation(plane), Some(Encapsulation::Vxlan(_)))
    }

    /// What becomes of packets from each class to pods of `origin`, with the number of pairs; the blocks are computed.
    pub(super) fn outcomes(
        &self,
        plane: &Plane,
        origin: ClassId,
        routers: &PeeringRouters,
    ) -> impl Iterator<Item = (ClassId, u64, Outcome)> {
        let classes = self.classes.iter();
        classes.filter_map(move |(at, class)| {
            let pairs = self.classes.pairs(at, origin);
            let outcome = if class.router {
                self.of_router(plane, origin, at, routers)
            } else {
                of_node(plane, origin, at)
            };
            (pairs > 0 && outcome != Outcome::NotDue).then_some((at, pairs, outcome))
        })
    }

    fn of_router(
        &self,
        plane: &Plane,
        origin: ClassId,
        at: ClassId,
        routers: &PeeringRouters,
    ) -> Outcome {
        // What routers ought to know of pods in VXLAN is the operator's choice: nodes reach each other without them.
        if !routers.peering[at as usize] || self.is_vxlan(plane) {
            Outcome::NotDue
        } else if plane.fate(origin, at).arrives() {
            Outcome::Arrives
        } else if routers.filtered[at as usize] {
            Outcome::Open(Doubt::Filtered)
        } else {
            Outcome::Lost
        }
    }
}

fn of_node(plane: &Plane, origin: ClassId, at: ClassId) -> Outcome {
    match plane.fate(origin, at) {
        // F092 has nodes without an address.
        Fate::NoAddress => Outcome::NotDue,
        fate if fate.arrives() => Outcome::Arrives,
        _ if plane.pools.is_empty() && plane.received(origin, at) => {
            Outcome::Open(Doubt::PoolsUnknown)
        }
        _ => Outcome::Lost,
    }
}

/// The routers that sessions of one family are meant for, by class.
#[derive(Debug)]
pub(super) struct PeeringRouters {
    peering: Vec<bool>,
    /// Whether a peering with it has filters.
    filtered: Vec<bool>,
}

impl PeeringRouters {
    pub(super) fn new(facts: &Facts<'_>, family: Family) -> Self {
        let none = vec![false; facts.classes.len()];
        let (mut peering, mut filtered) = (none.clone(), none);
        for session in &facts.sessions.sessions {
            if session.family != family || session.far.speaker < facts.sessions.nodes {
                continue;
            }
            let class = facts.classes.of(session.far.speaker) as usize;
            peering[class] = true;
            let index = session.near.cause.peering();
            filtered[class] |= index.is_some_and(|index| has_filters(facts.topology, index));
        }
        Self { peering, filtered }
    }
}

/// Whether a peering has a filter; a name that no filter has filters nothing.
fn has_filters(topology: &Topology, peering: u32) -> bool {
    let extra = topology.extra(peering);
    let mut names = extra.into_iter().flat_map(|extra| &extra.filters);
    names.any(|name| topology.filters.iter().any(|filter| filter.name == *name))
}
