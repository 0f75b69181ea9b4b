//! Packets that do not arrive, and what kind of loss that is.

use std::collections::BTreeMap;

use super::super::classes::ClassId;
use super::super::facts::{Facts, Outcome, PeeringRouters};
use super::super::reach::{Fate, Plane};
use super::super::session::Speaker;
use crate::model::{Cidr, Encapsulation};

/// How many losses of one origin are looked at; the others are counted.
const LOOKED_AT: usize = 24;

/// Packets from one class to blocks of another that do not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    /// The plane, by its place.
    pub plane: usize,
    /// Whose blocks.
    pub origin: ClassId,
    /// Who sends.
    pub at: ClassId,
    /// What becomes of them.
    pub fate: Fate,
    /// Whether the sender is a router.
    pub router: bool,
    /// How many pairs of speakers that is.
    pub pairs: u64,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses {
    /// How many pairs.
    pub total: u64,
    /// Examples of every origin.
    pub list: Vec<Loss>,
    /// Whether every origin was computed.
    pub complete: bool,
}

/// What is lost.
pub(super) fn losses(facts: &Facts<'_>) -> Losses {
    let mut found = Losses {
        complete: !facts.sessions.truncated,
        ..Losses::default()
    };
    for (index, plane) in facts.planes.iter().enumerate() {
        let routers = PeeringRouters::new(facts, plane.family);
        let (computed, all) = plane.progress();
        found.complete &= computed == all;
        for (origin, _) in facts.classes.iter() {
            if plane.is_computed(origin) {
                of_origin(facts, (index, plane), origin, &routers, &mut found);
            }
        }
    }
    found
}

fn of_origin(
    facts: &Facts<'_>,
    (index, plane): (usize, &Plane),
    origin: ClassId,
    routers: &PeeringRouters,
    found: &mut Losses,
) {
    let (mut of_nodes, mut of_routers) = (0, 0);
    for (at, pairs, outcome) in facts.outcomes(plane, origin, routers) {
        if outcome != Outcome::Lost {
            continue;
        }
        found.total += pairs;
        let router = facts.classes.class(at).router;
        let looked_at = if router {
            &mut of_routers
        } else {
            &mut of_nodes
        };
        *looked_at += 1;
        if *looked_at <= LOOKED_AT {
            found.list.push(Loss {
                plane: index,
                origin,
                at,
                fate: plane.fate(origin, at),
                router,
                pairs,
            });
        }
    }
}

fn routers_know(facts: &Facts<'_>) -> bool {
    let routers: Vec<ClassId> = facts
        .classes
        .iter()
        .filter(|(_, class)| class.router)
        .map(|(id, _)| id)
        .collect();
    facts.planes.iter().any(|plane| {
        facts
            .classes
            .iter()
            .filter(|(origin, _)| plane.is_computed(*origin))
            .any(|(origin, _)| routers.iter().any(|router| plane.received(origin, *router)))
    })
}

/// What kind of loss it is; tried for a repair in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The route is there, but no router between the subnets knows the way to any pod.
    Unrouted,
    /// One end has no session that is up.
    Isolated,
    /// The route would come back to the AS it is from.
    AsLoop,
    /// The next hop is beyond the subnet, and there is no default route.
    Unresolved,
    /// Packets go in circles.
    Loop,
    /// No route gets there.
    Missing,
    /// No route gets to a router.
    RouterMissing,
}

impl Kind {
    /// The code in the catalogue.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::Unrouted => 80,
            Self::Isolated => 102,
            Self::AsLoop => 61,
            Self::Unresolved => 64,
            Self::Loop => 67,
            Self::Missing => 60,
            Self::RouterMissing => 62,
        }
    }
}

/// Sorts losses by kind.
pub(super) struct Sorter<'a> {
    facts: Facts<'a>,
    /// The classes that exchange routes over a session between different AS numbers.
    outer: Vec<Vec<ClassId>>,
    /// Whether a class has a session that is up, or a mesh.
    spoken_to: Vec<bool>,
    /// Whether some router knows the way to some pods.
    routed: bool,
}

impl<'a> Sorter<'a> {
    pub(super) fn new(facts: Facts<'a>) -> Self {
        let mut outer = vec![Vec::new(); facts.classes.len()];
        let mut spoken_to = vec![false; facts.classes.len()];
        for session in facts
            .sessions
            .sessions
            .iter()
            .filter(|one| one.status.is_up())
        {
            let (near, far) = (session.near, session.far);
            let ids = (
                facts.classes.of(near.speaker),
                facts.classes.of(far.speaker),
            );
            spoken_to[ids.0 as usize] = true;
            spoken_to[ids.1 as usize] = true;
            if !near.is_internal() {
                outer[ids.0 as usize].push(ids.1);
                outer[ids.1 as usize].push(ids.0);
            }
        }
        for member in facts.sessions.meshes.iter().flat_map(|mesh| &mesh.members) {
            spoken_to[facts.classes.of(*member) as usize] = true;
        }
        for list in &mut outer {
            list.sort_unstable();
            list.dedup();
        }
        Self {
            facts,
            outer,
            spoken_to,
            routed: routers_know(&facts),
        }
    }

    /// The losses of each kind.
    pub(super) fn sort(&self, losses: &Losses) -> BTreeMap<Kind, Vec<Loss>> {
        let mut sorted: BTreeMap<Kind, Vec<Loss>> = BTreeMap::new();
        for loss in &losses.list {
            sorted.entry(self.kind(loss)).or_default().push(*loss);
        }
        sorted
    }

    fn kind(&self, loss: &Loss) -> Kind {
        let plane = &self.facts.planes[loss.plane];
        let received = plane.received(loss.origin, loss.at);
        let plain = self.facts.encapsulation(plane) == Some(Encapsulation::None);
        let alone = |class: ClassId| {
            !self.facts.classes.class(class).router && !self.spoken_to[class as usize]
        };
        match loss.fate {
            Fate::Loop => return Kind::Loop,
            Fate::Unresolved => return Kind::Unresolved,
            Fate::NoRoute
                if received
                    && !loss.router
                    && plain
                    && !self.routed
                    && self.crosses(plane, loss) =>
            {
                return Kind::Unrouted;
            }
            _ => {}
        }
        if !self.facts.topology.mesh.value && (alone(loss.origin) || alone(loss.at)) {
            Kind::Isolated
        } else if !received && self.would_loop(plane, loss) {
            Kind::AsLoop
        } else if loss.router {
            Kind::RouterMissing
        } else {
            Kind::Missing
        }
    }

    fn crosses(&self, plane: &Plane, loss: &Loss) -> bool {
        let subnet = |class: ClassId| -> Option<Cidr> {
            let node = self.node(class)?;
            Some(node.address(plane.family)?.subnet)
        };
        subnet(loss.origin) != subnet(loss.at)
    }

    /// Whether a neighbour of another AS has the route, and the sender's own AS number is in it (P5).
    fn would_loop(&self, plane: &Plane, loss: &Loss) -> bool {
        let (Some(origin), Some(at)) = (self.node(loss.origin), self.node(loss.at)) else {
            return false;
        };
        let topology = self.facts.topology;
        topology.as_number_of(origin) == topology.as_number_of(at)
            && self.outer[loss.at as usize]
                .iter()
                .any(|neighbour| plane.received(loss.origin, *neighbour))
    }

    fn node(&self, class: ClassId) -> Option<&'a super::super::topology::Node> {
        let first: Speaker = self.facts.classes.class(class).first();
        self.facts.topology.nodes.get(first as usize)
    }
}
