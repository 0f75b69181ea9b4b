//! What a fabric is made of: nodes, routers, peerings, pools, and where each of them was asked for.

mod filter;
mod peering;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::reach::Assumption;
use crate::model::{
    AsNumber, Cidr, ClusterId, Encapsulation, Family, Peer, Place, Release, UnitName,
};

pub use filter::{Filter, FilterAction, FilterRule, MatchOperator};
pub use peering::{NextHop, Peering, PeeringExtra, Scope, Target};

/// Calico's AS number where none is configured (`confd/pkg/backends/calico/client.go`).
pub const DEFAULT_AS_NUMBER: u32 = 64512;

/// Where a fact of the fabric was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An option of the charm and the place inside it; an option that is not set stands for its default.
    Option(Place),
    /// An object in the cluster that no option asks for.
    Object {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A router of a fabric file.
    Router(String),
    /// A unit of a fabric file or of the `fabric` relation.
    Unit(UnitName),
}

impl Origin {
    /// An option as a whole.
    #[must_use]
    pub fn option(name: &str) -> Self {
        Self::Option(Place::option(name))
    }

    /// The option, where this is a place in one.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Option(place) => Some(place),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(place) => place.fmt(formatter),
            Self::Object { kind, name } => write!(formatter, "{kind} {name}"),
            Self::Router(name) => write!(formatter, "router {name}"),
            Self::Unit(unit) => unit.fmt(formatter),
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

impl<T> Told<T> {
    /// The value as an option as a whole gives it.
    #[must_use]
    pub fn by_option(value: T, name: &str) -> Self {
        Self {
            value,
            origin: Origin::option(name),
        }
    }
}

/// An address of a node or router, and the subnet it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Its subnet; a prefix of full length where that is not known.
    pub subnet: Cidr,
}

/// Where a node sends what it has no route for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gateway {
    /// Nothing is known; taken to be a router of the node's subnet ([`Assumption::DefaultRoute`]).
    Unknown,
    /// There is no default route.
    None,
    /// This router.
    At(IpAddr),
}

/// One node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name of the Kubernetes Node.
    pub name: String,
    /// The unit on it, where there is one.
    pub unit: Option<UnitName>,
    /// The IPv4 address that calico-node uses.
    pub v4: Option<Address>,
    /// The IPv6 address that calico-node uses.
    pub v6: Option<Address>,
    /// The AS number on the Node; without it the global one counts.
    pub as_number: Option<Told<AsNumber>>,
    /// The route reflector cluster ID on the Node.
    pub cluster_id: Option<Told<ClusterId>>,
    /// Availability zone.
    pub zone: Option<String>,
    /// Default route.
    pub gateway: Gateway,
}

impl Node {
    /// The address of a family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<Address> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    /// BIRD's router ID: the IPv4 address. Without one the charm has calico-node use a hash of the name
    /// (`CALICO_ROUTER_ID=hash`), taken to be nobody else's: `None`.
    #[must_use]
    pub fn router_id(&self) -> Option<Ipv4Addr> {
        match self.v4?.ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }
}

/// A router outside the cluster. All its addresses are its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// Its name; of one that only peers tell of, `router AS 64512`.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<Address>,
    /// Its AS number.
    pub as_number: AsNumber,
    /// Whether it reflects routes between its iBGP peers.
    pub route_reflector: bool,
    /// Whether a fabric file names it; otherwise it is made up from the peers that point to it, one for each AS number.
    pub known: bool,
}

impl Router {
    /// Whether it has this address.
    #[must_use]
    pub fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ip)
    }

    /// Whether it is the router of another fabric: one address is in both, or the name is the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let mut addresses = self.addresses.iter();
        addresses.any(|address| other.has(address.ip)) || other.name == self.name
    }

    /// Whether it is on this subnet.
    #[must_use]
    pub fn is_on(&self, subnet: Cidr) -> bool {
        self.addresses
            .iter()
            .any(|address| subnet.contains(address.ip))
    }
}

/// An IPPool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Where it was written.
    pub origin: Origin,
    /// Its network.
    pub cidr: Cidr,
    /// How packets travel.
    pub encapsulation: Encapsulation,
    /// Prefix length of a block.
    pub block_size: u8,
    /// Whether blocks are handed out no more.
    pub disabled: bool,
    /// Whether its blocks are announced (`disableBGPExport` is not set).
    pub exported: bool,
    /// The nodes that get blocks of it; `None` is all.
    pub nodes: Option<Vec<u32>>,
}

/// What moves packets and routes (ConfigMap `calico-config`, `calico_backend`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// BIRD runs.
    Bird,
    /// Felix alone, by VXLAN.
    Vxlan,
    /// Neither.
    None,
}

/// A setting of an object that the model leaves out (F108).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmodelled {
    /// The object or option.
    pub origin: Origin,
    /// The setting.
    pub feature: String,
}

/// Which node an entry of an option was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdleKey {
    /// Those with an address in a subnet.
    Subnet(Cidr),
    /// The one of a unit.
    Unit(u32),
}

/// What an entry of an option gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gives {
    /// An AS number.
    AsNumber(AsNumber),
    /// Peers, each with its place.
    Peers(Vec<(Origin, Peer)>),
    /// A cluster ID.
    ClusterId(ClusterId),
}

/// An entry of an option that is for no node of the fabric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idle {
    /// The entry.
    pub origin: Origin,
    /// Which node it was meant for.
    pub key: IdleKey,
    /// What it would give.
    pub gives: Gives,
}

/// Everything that the check is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// The nodes; other fields point to them by place.
    pub nodes: Vec<Node>,
    /// The routers that a fabric file names.
    pub routers: Vec<Router>,
    /// The BGPPeers.
    pub peerings: Vec<Peering>,
    /// The BGPFilters.
    pub filters: Vec<Filter>,
    /// The pools; empty where nothing says which there are.
    pub pools: Vec<Pool>,
    /// Service networks that are announced.
    pub services: Vec<Told<Cidr>>,
    /// The cluster's own service networks, where known.
    pub service_cidrs: Vec<Cidr>,
    /// `nodeToNodeMeshEnabled`.
    pub mesh: Told<bool>,
    /// `asNumber` of every node without one of its own.
    pub as_number: Told<AsNumber>,
    /// `listenPort`.
    pub listen_port: u16,
    /// What moves packets and routes.
    pub backend: Backend,
    /// Release of Calico.
    pub release: Release,
    /// MTU of the machines' network, where an option names it.
    pub host_mtu: Option<Told<u16>>,
    /// Entries of options that are for none of the nodes.
    pub idle: Vec<Idle>,
    /// What is left out of account.
    pub unmodelled: Vec<Unmodelled>,
    /// What whoever filled this in took for granted.
    pub guessed: Vec<Assumption>,
}

impl Topology {
    /// The AS number that a node's sessions use unless a peering says otherwise (S1).
    #[must_use]
    pub fn as_number_of(&self, node: &Node) -> AsNumber {
        node.as_number
            .as_ref()
            .map_or(self.as_number.value, |told| told.value)
    }

    /// The fields of a peering that only objects have.
    #[must_use]
    pub fn extra(&self, peering: u32) -> Option<&PeeringExtra> {
        self.peerings.get(peering as usize)?.extra.as_deref()
    }

    /// Where a node's AS number was written.
    #[must_use]
    pub fn as_number_origin<'a>(&'a self, node: &'a Node) -> &'a Origin {
        node.as_number
            .as_ref()
            .map_or(&self.as_number.origin, |told| &told.origin)
    }

    /// The families that there is anything to prove in: those of the pools, else those of the nodes' addresses.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| {
                if self.pools.is_empty() {
                    self.nodes
                        .iter()
                        .any(|node| node.address(*family).is_some())
                } else {
                    self.pools.iter().any(|pool| pool.cidr.family() == *family)
                }
            })
            .collect()
    }
}
