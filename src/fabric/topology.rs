//! What a fabric is made of: nodes, routers, peerings, pools, and where each of them was asked for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::reach::Assumption;
use crate::model::{
    AsNumber, Cidr, ClusterId, Encapsulation, Family, Peer, PeerAddress, Place, Release, UnitName,
};

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

/// What a BGPFilter's rule does with a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterAction {
    /// Lets it pass.
    Accept,
    /// Holds it back.
    Reject,
}

/// How a rule compares a route with its network (`matchOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOperator {
    /// The same network.
    Equal,
    /// Another network.
    NotEqual,
    /// Inside it.
    In,
    /// Not inside it.
    NotIn,
}

/// One rule of a BGPFilter, as far as it is modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// What happens to a route that matches.
    pub action: FilterAction,
    /// `cidr` and `matchOperator`; without them every route matches.
    pub network: Option<(MatchOperator, Cidr)>,
    /// `prefixLength`, from and to.
    pub prefix_length: Option<(u8, u8)>,
    /// A condition that is not modelled (`source`, `interface`, `communities`, …).
    pub unmodelled: Option<&'static str>,
}

/// A BGPFilter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// `importV4` and `importV6`.
    pub import: [Vec<FilterRule>; 2],
    /// `exportV4` and `exportV6`.
    pub export: [Vec<FilterRule>; 2],
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
