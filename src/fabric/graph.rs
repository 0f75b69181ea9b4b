//! The sessions that are up, between classes: what propagation runs on.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::classes::{ClassId, Classes};

use super::filter::{Direction, passes};
use super::mesh::mesh_status;
use super::propagate::Via;
use super::session::{Session, Sessions, Side};
use super::topology::{NextHop, Node, Pool, Router, Topology};
use crate::model::{Encapsulation, Family};

/// One way of a session: from the class it belongs to, to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    /// The receiving class.
    pub to: ClassId,
    /// The sender's AS number on the session.
    pub sender_as: u32,
    /// The receiver's.
    pub receiver_as: u32,
    /// Whether the sender reflects and takes the receiver for a client.
    pub to_client: bool,
    /// Whether the receiver reflects and takes the sender for a client.
    pub from_client: bool,
    /// Whose address the sender gives as next hop.
    pub next_hop: NextHop,
    /// How often the receiver's AS may be in the path.
    pub allowed: u8,
    /// Whether both are routers: such sessions are the uplink's.
    pub uplink: bool,
    /// The address of the session, where a router sends.
    pub router_ip: Option<IpAddr>,
}

impl Edge {
    /// The sender as next hop.
    pub(super) fn own_next_hop(&self, sender: ClassId) -> Via {
        match self.router_ip {
            Some(ip) => Via::Router(sender, ip),
            None => Via::Class(sender),
        }
    }

    /// Whether the session is inside one AS.
    pub(super) fn is_internal(&self) -> bool {
        self.sender_as == self.receiver_as
    }
}

/// The classes of one family and the ways between them.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    topology: &'a Topology,
    sessions: &'a Sessions,
    pub classes: &'a Classes,
    pub family: Family,
    /// Whose blocks; `None` where no pool is known.
    pool: Option<&'a Pool>,
    /// Ways of sessions that BGPPeers make, by sender.
    edges: Vec<Vec<Edge>>,
    /// Members of the mesh by AS number.
    mesh: BTreeMap<u32, Vec<ClassId>>,
    in_mesh: Vec<bool>,
    routers: Vec<ClassId>,
    /// The cluster ID that BIRD uses, as a number nobody else has, by class.
    pub clusters: Vec<u64>,
}

impl<'a> Graph<'a> {
    /// The graph of a family for blocks of `pool`.
    pub(super) fn new(
        topology: &'a Topology,
        sessions: &'a Sessions,
        classes: &'a Classes,
        family: Family,
        pool: Option<&'a Pool>,
    ) -> Self {
        let mut edges = vec![Vec::new(); classes.len()];
        for session in &sessions.sessions {
            if session.family == family && session.status.is_up() {
                add_session(topology, classes, session, pool, &mut edges);
            }
        }
        for list in &mut edges {
            list.sort_unstable();
            list.dedup();
        }
        let mut mesh: BTreeMap<u32, Vec<ClassId>> = BTreeMap::new();
        let mut in_mesh = vec![false; classes.len()];
        for member in sessions
            .meshes
            .iter()
            .filter(|mesh| mesh.family == family)
            .flat_map(|mesh| &mesh.members)
        {
            let class = classes.of(*member);
            if !in_mesh[class as usize] {
                in_mesh[class as usize] = true;
                let as_number = topology.as_number_of(&topology.nodes[*member as usize]);
                mesh.entry(as_number.value()).or_default().push(class);
            }
        }
        let routers = classes
            .iter()
            .filter(|(_, class)| class.router)
            .map(|(id, _)| id)
            .collect();
        Self {
            topology,
            sessions,
            classes,
            family,
            pool,
            edges,
            mesh,
            in_mesh,
            routers,
            clusters: classes
                .iter()
                .map(|(id, _)| cluster_number(sessions, classes, id))
                .collect(),
        }
    }

    /// How packets for the blocks travel; as they are where no pool is known.
    pub(super) fn encapsulation(&self) -> Encapsulation {
        self.pool
            .map_or(Encapsulation::None, |pool| pool.encapsulation)
    }

    /// Whether the blocks are announced.
    pub(super) fn is_exported(&self) -> bool {
        self.pool.is_none_or(|pool| pool.exported)
    }

    /// The node that stands for a class; `None` for a router.
    pub(super) fn node(&self, class: ClassId) -> Option<&'a Node> {
        self.topology
            .nodes
            .get(self.classes.class(class).first() as usize)
    }

    /// The router that a class is; `None` for nodes.
    pub(super) fn router(&self, class: ClassId) -> Option<&'a Router> {
        let speaker = self.classes.class(class).first();
        let index = speaker.checked_sub(self.sessions.nodes)?;
        self.sessions.routers.get(index as usize)
    }

    /// The AS number of a class.
    pub(super) fn as_number(&self, class: ClassId) -> Option<u32> {
        match self.node(class) {
            Some(node) => Some(self.topology.as_number_of(node).value()),
            None => self.router(class).map(|router| router.as_number.value()),
        }
    }

    /// The classes that are routers.
    pub(super) fn routers(&self) -> &[ClassId] {
        &self.routers
    }

    /// Calls `visit` with each way out of a class. With `reflected`, only those that an inner route takes: to clients
    /// and to other ASes. Without `uplink`, not those between routers.
    pub(super) fn ways(
        &self,
        class: ClassId,
        reflected: bool,
        uplink: bool,
        mut visit: impl FnMut(&Edge),
    ) {
        let own = if reflected {
            self.as_number(class)
        } else {
            None
        };
        for edge in &self.edges[class as usize] {
            // On a session under another AS number an inner route counts as an outside one (P2).
            let outside = !edge.is_internal() || Some(edge.sender_as) != own;
            if !reflected || edge.to_client || outside {
                visit(edge);
            }
        }
        if self.in_mesh[class as usize] {
            self.mesh_ways(class, reflected, &mut visit);
        }
        if uplink && self.classes.class(class).router {
            self.uplink_ways(class, reflected, &mut visit);
        }
    }

    fn mesh_ways(&self, class: ClassId, reflected: bool, visit: &mut impl FnMut(&Edge)) {
        let Some(node) = self.node(class) else {
            return;
        };
        let local_as = self.topology.as_number_of(node);
        // An inner route never goes on inside the mesh, where nobody reflects.
        let members = self
            .mesh
            .iter()
            .filter(|(as_number, _)| !reflected || **as_number != local_as.value());
        for other_class in members.flat_map(|(_, classes)| classes) {
            let Some(other) = self.node(*other_class) else {
                continue;
            };
            if *other_class == class && self.classes.class(class).size() < 2 {
                continue;
            }
            if mesh_status(self.topology, self.family, node, other).is_up() {
                visit(&Edge {
                    to: *other_class,
                    sender_as: local_as.value(),
                    receiver_as: self.topology.as_number_of(other).value(),
                    to_client: false,
                    from_client: false,
                    // A session without `multihop` is on one subnet, where BIRD leaves the next hop as it is
                    // (`proto/bgp/attrs.c`, `bgp_update_attrs`).
                    next_hop: NextHop::Keep,
                    allowed: 0,
                    uplink: false,
                    router_ip: None,
                });
            }
        }
    }

    /// R4: every router has a session with every other.
    fn uplink_ways(&self, class: ClassId, reflected: bool, visit: &mut impl FnMut(&Edge)) {
        let Some(here) = self.router(class) else {
            return;
        };
        for other in self.routers.iter().filter(|other| **other != class) {
            let Some(there) = self.router(*other) else {
                continue;
            };
            let internal = here.as_number == there.as_number;
            if reflected && internal && !here.route_reflector {
                continue;
            }
            visit(&Edge {
                to: *other,
                sender_as: here.as_number.value(),
                receiver_as: there.as_number.value(),
                to_client: here.route_reflector && internal,
                from_client: there.route_reflector && internal,
                next_hop: NextHop::Auto,
                allowed: 0,
                uplink: true,
                router_ip: None,
            });
        }
    }
}

fn add_session(
    topology: &Topology,
    classes: &Classes,
    session: &Session,
    pool: Option<&Pool>,
    edges: &mut [Vec<Edge>],
) {
    for (sender, receiver) in [(&session.near, &session.far), (&session.far, &session.near)] {
        let class = classes.of(sender.speaker);
        // All members have the same sessions.
        if classes.class(class).first() == sender.speaker
            && may_pass(topology, sender, Direction::Export, session.family, pool)
            && may_pass(topology, receiver, Direction::Import, session.family, pool)
        {
            edges[class as usize].push(Edge {
                to: classes.of(receiver.speaker),
                sender_as: sender.local_as.value(),
                receiver_as: receiver.local_as.value(),
                to_client: sender.client,
                from_client: receiver.client,
                next_hop: sender.next_hop,
                allowed: receiver.allowed_local_as,
                uplink: false,
                router_ip: classes.class(class).router.then_some(sender.ip),
            });
        }
    }
}

/// Whether a side's BGPFilters let the pool's blocks pass (P8).
fn may_pass(
    topology: &Topology,
    side: &Side,
    direction: Direction,
    family: Family,
    pool: Option<&Pool>,
) -> bool {
    let filters = side
        .cause
        .peering()
        .and_then(|index| topology.extra(index))
        .map(|extra| extra.filters.as_slice())
        .unwrap_or_default();
    let Some(pool) = pool.filter(|_| !filters.is_empty()) else {
        return true;
    };
    // What a filter says of a part of the pool alone is told by F108, and taken to pass.
    passes(topology, filters, direction, family, pool) != Some(false)
}

/// A number for the cluster ID that a speaker puts into routes. A router's, and one that BIRD makes of its own router
/// ID where that is not known, is nobody else's.
fn cluster_number(sessions: &Sessions, classes: &Classes, class: ClassId) -> u64 {
    let speaker = classes.class(class).first();
    let own = (1 << 32) + u64::from(speaker);
    match sessions.clusters.get(speaker as usize) {
        Some(Some(cluster)) => cluster.effective.map_or(own, |id| u64::from(id.to_bits())),
        _ => own,
    }
}
