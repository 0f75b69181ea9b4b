//! Who reaches whom: the result of propagation and forwarding, by classes.

use super::classes::ClassId;
use super::session::Speaker;
use crate::model::Family;

/// What the check takes for granted of things it cannot see. Each one that a verdict rests on is named with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumption {
    /// R1: a router has a matching neighbour for each node that peers with it.
    RouterHasNeighbour,
    /// R2: it accepts the pools' routes.
    RouterAccepts,
    /// R3: it passes routes on by BGP's ordinary rules, and reflects none unless it is said to.
    RouterPassesOn,
    /// R4: the routers exchange their routes.
    RoutersExchange,
    /// R5: a node's default route leads to a router of its subnet.
    DefaultRoute,
    /// R6: the nodes' own addresses reach each other.
    NodesReachable,
    /// Peers outside the cluster that no file names, with one AS number, are one router or exchange their routes.
    OneRouterPerAs,
    /// calico-node uses the unit's first address of each family.
    FirstAddress,
    /// Networks are guessed from addresses and gateways, where only `juju status` tells of the units.
    SubnetsUnknown,
    /// The pools are not known: one pool without encapsulation is taken, in each family the nodes have.
    PoolsUnknown,
}

impl Assumption {
    /// All of them, in the order they are printed.
    pub const ALL: [Self; 10] = [
        Self::RouterHasNeighbour,
        Self::RouterAccepts,
        Self::RouterPassesOn,
        Self::RoutersExchange,
        Self::DefaultRoute,
        Self::NodesReachable,
        Self::OneRouterPerAs,
        Self::FirstAddress,
        Self::SubnetsUnknown,
        Self::PoolsUnknown,
    ];

    /// The assumption as a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::RouterHasNeighbour => {
                "each router has a matching neighbour for every node that peers with it"
            }
            Self::RouterAccepts => "the routers accept the pools' routes",
            Self::RouterPassesOn => {
                "the routers pass routes on by BGP's ordinary rules, and reflect none unless `routers:` says so"
            }
            Self::RoutersExchange => "the routers exchange their routes with each other",
            Self::DefaultRoute => "each node's default route leads to a router of its subnet",
            Self::NodesReachable => "the nodes' own addresses reach each other",
            Self::OneRouterPerAs => {
                "peers outside the cluster with one AS number are one router, or exchange their routes; name them \
                 under `routers:` to have it computed"
            }
            Self::FirstAddress => {
                "calico-node uses the first address of each family that the unit has"
            }
            Self::SubnetsUnknown => {
                "the units' networks are as guessed: `juju status` names no prefix lengths, a fabric file with `units:` \
                 does"
            }
            Self::PoolsUnknown => {
                "there is a pool without encapsulation in each family: nothing here says which pools there are"
            }
        }
    }
}

/// What becomes of a packet that leaves one place for a block of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// It arrives.
    Delivered,
    /// It arrives, though the sender learned no route: its default gateway knows one.
    ByDefaultRoute,
    /// It arrives over another node, which forwards it.
    Hairpin,
    /// It runs into a place without a route.
    NoRoute,
    /// It goes round in circles.
    Loop,
    /// The route's next hop is off the subnet and there is no default route.
    Unresolved,
    /// It is put into a tunnel to a router, which does not take it out.
    TunnelToRouter,
    /// One end has no address of the family.
    NoAddress,
}

impl Fate {
    /// Whether the packet arrives.
    #[must_use]
    pub fn arrives(self) -> bool {
        matches!(self, Self::Delivered | Self::ByDefaultRoute | Self::Hairpin)
    }
}

/// A step of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hop {
    /// The class it is at.
    pub at: ClassId,
    /// Whether it got there by a default route.
    pub by_default: bool,
}

/// The routes and packets of one family and one way of encapsulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The pools, by their place in `Topology::pools`; empty where no pool is known.
    pub pools: Vec<u32>,
    /// How many classes there are.
    pub(super) classes: usize,
    /// Whether `at` has a route for a block of `origin`: `received[origin][at]`, bits.
    pub(super) received: Vec<u64>,
    /// What becomes of a packet from `at` to a block of `origin`.
    pub(super) fates: Vec<Fate>,
    /// Which classes' blocks were computed: not all where the budget ran out.
    pub(super) computed: Vec<bool>,
    /// Which classes get blocks.
    pub(super) blocks: Vec<bool>,
}

impl Plane {
    pub(super) fn new(family: Family, pools: Vec<u32>, blocks: Vec<bool>) -> Self {
        let classes = blocks.len();
        Self {
            family,
            pools,
            classes,
            received: vec![0; (classes * classes).div_ceil(64)],
            fates: vec![Fate::Delivered; classes * classes],
            computed: vec![false; classes],
            blocks,
        }
    }

    fn cell(&self, origin: ClassId, at: ClassId) -> usize {
        origin as usize * self.classes + at as usize
    }

    pub(super) fn set(&mut self, origin: ClassId, at: ClassId, received: bool, fate: Fate) {
        let cell = self.cell(origin, at);
        self.received[cell / 64] |= u64::from(received) << (cell % 64);
        self.fates[cell] = fate;
    }

    /// Whether the nodes of a class have blocks that others have to reach.
    #[must_use]
    pub fn has_blocks(&self, origin: ClassId) -> bool {
        self.blocks[origin as usize]
    }

    /// Whether the origin's blocks were computed.
    #[must_use]
    pub fn is_computed(&self, origin: ClassId) -> bool {
        self.computed[origin as usize]
    }

    /// How many origins were computed, of how many.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        let count = |flags: &[bool]| flags.iter().filter(|flag| **flag).count();
        (count(&self.computed), count(&self.blocks))
    }

    /// Whether a member of `at` has a BGP route for a block of a member of `origin`; of one class, another member.
    #[must_use]
    pub fn received(&self, origin: ClassId, at: ClassId) -> bool {
        let cell = self.cell(origin, at);
        self.received[cell / 64] >> (cell % 64) & 1 == 1
    }

    /// What becomes of a packet from a member of `at` to a block of a member of `origin`; of one class, another member.
    #[must_use]
    pub fn fate(&self, origin: ClassId, at: ClassId) -> Fate {
        self.fates[self.cell(origin, at)]
    }
}

/// What is known of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Proved,
    /// It holds if these do.
    ProvedIf(Vec<Assumption>),
    /// It does not hold: packets from one place to another do not arrive.
    Refuted {
        /// From where.
        from: Speaker,
        /// Whose block they are for.
        to: Speaker,
        /// What becomes of them.
        fate: Fate,
        /// Their way, as far as they get; the shortest there is.
        way: Vec<Speaker>,
    },
    /// It was not computed, or not wholly: why.
    NotModelled(String),
}

/// The verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Every node's blocks reach every other node.
    pub nodes: Verdict,
    /// Every node's blocks reach each router that peers; `None` without routers.
    pub routers: Option<Verdict>,
    /// Pairs of different nodes, and how many of them reach each other one way.
    pub node_pairs: (u64, u64),
    /// Pairs of node and router, and how many of them are good.
    pub router_pairs: (u64, u64),
}
