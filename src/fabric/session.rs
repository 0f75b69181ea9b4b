//! Which BGP sessions the objects make, and whether each comes up (S1 to S9).

use std::net::{IpAddr, Ipv4Addr};

use super::topology::{NextHop, Router};
use crate::model::{AsNumber, ClusterId, Family};

/// A speaker: a node (by its place in `Topology::nodes`), or after all nodes a router (by its place in
/// [`Sessions::routers`]).
pub type Speaker = u32;

/// What made a side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The node-to-node mesh.
    Mesh,
    /// A BGPPeer for this side, by its place in `Topology::peerings`.
    Peering(u32),
    /// A BGPPeer of the other side: Calico makes the way back itself.
    Reverse(u32),
    /// A router's own configuration, which nobody here sees.
    Assumed,
}

impl Cause {
    /// The peering behind it.
    #[must_use]
    pub fn peering(self) -> Option<u32> {
        match self {
            Self::Peering(index) | Self::Reverse(index) => Some(index),
            Self::Mesh | Self::Assumed => None,
        }
    }
}

/// One side of a session: a neighbour as it stands in a speaker's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The speaker.
    pub speaker: Speaker,
    /// Its address.
    pub ip: IpAddr,
    /// What made it.
    pub cause: Cause,
    /// The speaker's AS number on this session.
    pub local_as: AsNumber,
    /// The AS number it expects of the other side.
    pub remote_as: AsNumber,
    /// The port it connects to.
    pub port: u16,
    /// Whether it only waits to be connected to.
    pub passive: bool,
    /// Whether it is a reflector and takes the other side for a client (S5).
    pub client: bool,
    /// Whose address it sends as next hop.
    pub next_hop: NextHop,
    /// How often its own AS may stand in a path it takes.
    pub allowed_local_as: u8,
}

impl Side {
    /// Whether the speaker takes the session for an inner one of its AS.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        self.local_as == self.remote_as
    }
}

/// Whether a session comes up, in Batfish's words where it has one (S9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Both sides are known and agree.
    Established,
    /// The other side is a router, taken to be configured to match.
    External,
    /// The sides expect different AS numbers.
    AsMismatch,
    /// The other side is a node and has no such neighbour.
    NoReverse,
    /// Both sides wait to be connected to.
    BothPassive,
    /// Each side that connects does so to a port that the other does not listen on.
    PortMismatch,
    /// The sides have different passwords, or one has none.
    PasswordMismatch,
    /// One side has TTL security and the other has not.
    TtlMismatch,
    /// An eBGP session of the mesh across subnets: BIRD does not leave the subnet without `multihop`, which mesh
    /// sessions lack.
    NotMultihop,
    /// Both sides have one router ID inside one AS.
    RouterIdClash,
    /// The mesh's session for the same two nodes is there first; BIRD keeps this one idle.
    Shadowed,
    /// BIRD does not run.
    NoBird,
}

impl Status {
    /// Whether routes are exchanged.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Established | Self::External)
    }

    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::External => "EXTERNAL_ASSUMED",
            Self::AsMismatch => "AS_MISMATCH",
            Self::NoReverse => "HALF_OPEN",
            Self::BothPassive => "BOTH_PASSIVE",
            Self::PortMismatch => "PORT_MISMATCH",
            Self::PasswordMismatch => "PASSWORD_MISMATCH",
            Self::TtlMismatch => "TTL_MISMATCH",
            Self::NotMultihop => "NOT_MULTIHOP",
            Self::RouterIdClash => "ROUTER_ID_CLASH",
            Self::Shadowed => "SHADOWED_BY_MESH",
            Self::NoBird => "NO_BIRD",
        }
    }
}

/// A session that a BGPPeer makes. Those of the mesh are [`Mesh`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The side with the smaller speaker.
    pub near: Side,
    /// The other one; where it has no neighbour for the session, what is known of it.
    pub far: Side,
    /// Whether the far side is configured at all.
    pub far_configured: bool,
    /// Whether the near side is.
    pub near_configured: bool,
    /// Whether it comes up.
    pub status: Status,
}

/// The node-to-node mesh of one family, as one thing and never as its n² sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The nodes without cluster ID that have an address, in order.
    pub members: Vec<Speaker>,
}

/// A reflector's cluster ID as the two programs see it (S6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cluster {
    /// As configured: confd compares this to tell clients.
    pub configured: ClusterId,
    /// As BIRD uses it: the router ID where 0.0.0.0 is configured. `None` is an ID of the node's own that nobody else
    /// has.
    pub effective: Option<Ipv4Addr>,
}

/// Two BGPPeers that make one node's neighbour; Calico takes one at random (F024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clash {
    /// The node.
    pub node: Speaker,
    /// The neighbour's address.
    pub ip: IpAddr,
    /// The neighbour's port, 0 for BGP's own.
    pub port: u16,
    /// The peering taken here.
    pub winner: u32,
    /// The one left out.
    pub loser: u32,
    /// Whether the winner is global and the loser is not: then Calico always takes the winner (F025).
    pub global_wins: bool,
}

/// All sessions of a fabric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sessions {
    /// The routers: those of the topology, then those that peers point to and nothing names.
    pub routers: Vec<Router>,
    /// How many nodes there are: speakers from here on are routers.
    pub nodes: u32,
    /// The sessions that BGPPeers make.
    pub sessions: Vec<Session>,
    /// The mesh of each family that has one.
    pub meshes: Vec<Mesh>,
    /// Neighbours that two peerings make.
    pub clashes: Vec<Clash>,
    /// Peerings that point to the node itself, with the node.
    pub own: Vec<(u32, Speaker)>,
    /// Peerings of a family that the node has no address of, with the node.
    pub family_gaps: Vec<(u32, Speaker)>,
    /// The cluster of each node that reflects, by node.
    pub clusters: Vec<Option<Cluster>>,
    /// Whether the sessions are too many to list, and some are left out.
    pub truncated: bool,
}
