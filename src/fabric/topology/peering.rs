//! BGPPeers: which nodes they are for, what they point to, and the fields that only objects have.

use std::net::IpAddr;

use super::{Origin, Topology};
use crate::model::{AsNumber, PeerAddress};

/// Which nodes a BGPPeer is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every node.
    Global,
    /// One node, by its place in [`Topology::nodes`].
    Node(u32),
    /// The nodes that a selector chose.
    Selected(Vec<u32>),
}

impl Scope {
    /// The nodes, by place.
    #[must_use]
    pub fn nodes(&self, topology: &Topology) -> Vec<u32> {
        match self {
            Self::Global => (0..).take(topology.nodes.len()).collect(),
            Self::Node(node) => vec![*node],
            Self::Selected(nodes) => nodes.clone(),
        }
    }

    /// Whether a node is among them.
    #[must_use]
    pub fn has(&self, node: u32) -> bool {
        match self {
            Self::Global => true,
            Self::Node(one) => *one == node,
            Self::Selected(nodes) => nodes.contains(&node),
        }
    }
}

/// What a BGPPeer points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Address(PeerAddress),
    /// The nodes that a `peerSelector` chose.
    Nodes(Vec<u32>),
}

/// Whose address stands as the next hop in routes sent (`BGPPeer.spec.nextHopMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum NextHop {
    /// The sender's on eBGP sessions, unchanged on iBGP ones.
    #[default]
    Auto,
    /// Always the sender's.
    Own,
    /// Always unchanged.
    Keep,
}

/// One BGPPeer: asked for by an option, or found in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peering {
    /// Where it was written: the option's place, or the object.
    pub origin: Origin,
    /// Which nodes it is for.
    pub scope: Scope,
    /// What it points to.
    pub target: Target,
    /// `asNumber`.
    pub as_number: Option<AsNumber>,
    /// The fields that options do not have yet.
    pub extra: Option<Box<PeeringExtra>>,
}

/// Fields of a BGPPeer that only objects in a cluster have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringExtra {
    /// `localASNumber`.
    pub local_as_number: Option<AsNumber>,
    /// `nextHopMode`, or `keepOriginalNextHop`.
    pub next_hop: NextHop,
    /// Whether `keepOriginalNextHop` asked for [`NextHop::Keep`], which counts on eBGP sessions alone.
    pub keep_is_legacy: bool,
    /// Whether sessions are made on the other end too (`reversePeering` is not `Manual`).
    pub reverse: bool,
    /// Namespace-less reference `secret/key` of the password; never the password.
    pub password: Option<String>,
    /// `ttlSecurity` in hops; 0 is off.
    pub ttl_security: u8,
    /// `numAllowedLocalASNumbers`.
    pub allowed_local_as: u8,
    /// Names of BGPFilters in order.
    pub filters: Vec<String>,
    /// `reachableBy`.
    pub reachable_by: Option<IpAddr>,
}

impl Default for PeeringExtra {
    fn default() -> Self {
        Self {
            local_as_number: None,
            next_hop: NextHop::Auto,
            keep_is_legacy: false,
            reverse: true,
            password: None,
            ttl_security: 0,
            allowed_local_as: 0,
            filters: Vec::new(),
            reachable_by: None,
        }
    }
}

impl Peering {
    /// A peering as options ask for it: one node, one address.
    #[must_use]
    pub fn of_node(origin: Origin, node: u32, address: PeerAddress, as_number: AsNumber) -> Self {
        Self {
            origin,
            scope: Scope::Node(node),
            target: Target::Address(address),
            as_number: Some(as_number),
            extra: None,
        }
    }

    /// Whether no option asks for it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.origin, Origin::Object { .. })
    }

    /// Whether the other end gets a session too.
    #[must_use]
    pub fn reverse(&self) -> bool {
        self.extra.as_ref().is_none_or(|extra| extra.reverse)
    }
}
