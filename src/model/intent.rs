//! From options and facts to what a unit, and the cluster, should be.

use std::collections::BTreeMap;

use super::digest::order_digest;
use super::resolve::UnitBgp;
use super::{
    AsNumber, Cidr, ClusterId, Encapsulation, Family, PeerAddress, Place, Sourced, UnitAddress,
    UnitFacts, UnitName,
};
use crate::config::{CharmConfig, Problems};

/// Everything one unit should be, by the options and its own facts.
///
/// Holds:
/// - [`Intent::as_number`] is set on every unit of the application or on none: with a partial set Calico 3.32 and later
///   breaks the mesh (`confd/pkg/backends/calico/bgp_processor.go`, a peer without a number is given the local one).
/// - [`Intent::peers`] has one AS number for each address and port, and none of the unit's own addresses.
/// - [`Intent::order_digest`] is equal on all units with equal options, however those are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    unit: UnitName,
    as_number: Option<Sourced<AsNumber>>,
    session_as_number: AsNumber,
    cluster_id: Option<Sourced<ClusterId>>,
    peers: BTreeMap<PeerAddress, Sourced<AsNumber>>,
    skipped_own: Vec<Place>,
    addresses: Vec<UnitAddress>,
    node_to_node_mesh: bool,
    has_several_as_numbers: bool,
    order_digest: String,
}

impl Intent {
    /// Applies the options to a unit.
    ///
    /// # Errors
    /// [`Problems`] that only show with the unit's facts: peers of its subnets that contradict each other or the global
    /// ones, subnets that give it different AS numbers, pools that overlap its addresses or the service networks.
    pub fn new(config: &CharmConfig, facts: &UnitFacts) -> Result<Self, Problems> {
        let bgp = UnitBgp::new(config, facts)?;
        Ok(Self {
            unit: facts.unit.clone(),
            session_as_number: bgp
                .as_number
                .as_ref()
                .map_or(config.global_as_number, |number| number.value),
            as_number: bgp.as_number,
            cluster_id: bgp.cluster_id,
            peers: bgp.peers,
            skipped_own: bgp.skipped_own.into_iter().map(|own| own.place).collect(),
            addresses: facts.addresses.clone(),
            node_to_node_mesh: config.node_to_node_mesh,
            has_several_as_numbers: has_several_as_numbers(config),
            order_digest: order_digest(config),
        })
    }

    /// This unit.
    #[must_use]
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// The AS number to annotate the unit's Node with; `None` where no option gives any unit one of its own.
    #[must_use]
    pub fn as_number(&self) -> Option<&Sourced<AsNumber>> {
        self.as_number.as_ref()
    }

    /// The AS number that the node's sessions use, annotated or not.
    #[must_use]
    pub fn session_as_number(&self) -> AsNumber {
        self.session_as_number
    }

    /// The cluster ID that makes this unit's node a route reflector.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&Sourced<ClusterId>> {
        self.cluster_id.as_ref()
    }

    /// The peers of this unit, with the place that asks for each: global ones first, then those of its subnets, then its own.
    #[must_use]
    pub fn peers(&self) -> &BTreeMap<PeerAddress, Sourced<AsNumber>> {
        &self.peers
    }

    /// Whether the mesh is to be on, which a node is part of that has no cluster ID.
    #[must_use]
    pub fn node_to_node_mesh(&self) -> bool {
        self.node_to_node_mesh
    }

    /// Whether nodes are to have AS numbers that differ.
    #[must_use]
    pub fn has_several_as_numbers(&self) -> bool {
        self.has_several_as_numbers
    }

    /// Where the options name one of the unit's own addresses as its peer. The charm's documentation peers every unit
    /// with the route reflectors, the reflectors themselves included.
    #[must_use]
    pub fn skipped_own(&self) -> &[Place] {
        &self.skipped_own
    }

    /// The unit's addresses, in Juju's order.
    #[must_use]
    pub fn addresses(&self) -> &[UnitAddress] {
        &self.addresses
    }

    /// Digest of the options whose change has to happen in order across units: 16 hexadecimal digits, equal on every
    /// unit, independent of spelling and of the order of keys and peers.
    #[must_use]
    pub fn order_digest(&self) -> &str {
        &self.order_digest
    }
}

fn has_several_as_numbers(config: &CharmConfig) -> bool {
    let subnets = config.subnet_as_numbers.values();
    let mut own = subnets.chain(config.unit_as_numbers.values());
    own.any(|number| number.value != config.global_as_number)
}

/// What the leader writes for the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterIntent {
    as_number: AsNumber,
    node_to_node_mesh: bool,
    service_cluster_ips: Vec<Cidr>,
    service_external_ips: Vec<Cidr>,
    service_loadbalancer_ips: Vec<Cidr>,
    pools: Option<Vec<PoolIntent>>,
    workload_mtu: Option<u16>,
}

impl ClusterIntent {
    /// Reads the cluster-wide options.
    #[must_use]
    pub fn new(config: &CharmConfig) -> Self {
        let pool = |cidr: &Cidr| PoolIntent {
            cidr: *cidr,
            encapsulation: config.encapsulation(cidr.family()),
            nat_outgoing: config.nat_outgoing,
        };
        Self {
            as_number: config.global_as_number,
            node_to_node_mesh: config.node_to_node_mesh,
            service_cluster_ips: config.bgp_service_cluster_ips.clone(),
            service_external_ips: config.bgp_service_external_ips.clone(),
            service_loadbalancer_ips: config.bgp_service_loadbalancer_ips.clone(),
            pools: config
                .manage_pools
                .then(|| config.cidr.iter().map(pool).collect()),
            workload_mtu: config.workload_mtu(),
        }
    }

    /// `global-as-number`.
    #[must_use]
    pub fn as_number(&self) -> AsNumber {
        self.as_number
    }

    /// `node-to-node-mesh`.
    #[must_use]
    pub fn node_to_node_mesh(&self) -> bool {
        self.node_to_node_mesh
    }

    /// `bgp-service-cluster-ips`.
    #[must_use]
    pub fn service_cluster_ips(&self) -> &[Cidr] {
        &self.service_cluster_ips
    }

    /// `bgp-service-external-ips`.
    #[must_use]
    pub fn service_external_ips(&self) -> &[Cidr] {
        &self.service_external_ips
    }

    /// `bgp-service-loadbalancer-ips`.
    #[must_use]
    pub fn service_loadbalancer_ips(&self) -> &[Cidr] {
        &self.service_loadbalancer_ips
    }

    /// MTU of the pods' interfaces, in bytes: `veth-mtu` less the encapsulation's headers; `None` leaves it to Calico.
    #[must_use]
    pub fn workload_mtu(&self) -> Option<u16> {
        self.workload_mtu
    }

    /// The pools there should be, in the order of `cidr`; `None` when `manage-pools` is false and no pool is touched.
    #[must_use]
    pub fn pools(&self) -> Option<&[PoolIntent]> {
        self.pools.as_deref()
    }
}

/// One IP pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolIntent {
    cidr: Cidr,
    encapsulation: Encapsulation,
    nat_outgoing: bool,
}

impl PoolIntent {
    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> Family {
        self.cidr.family()
    }

    /// The pool's network.
    #[must_use]
    pub fn cidr(&self) -> Cidr {
        self.cidr
    }

    /// How its packets travel; never IPIP on IPv6.
    #[must_use]
    pub fn encapsulation(&self) -> Encapsulation {
        self.encapsulation
    }

    /// `nat-outgoing`.
    #[must_use]
    pub fn nat_outgoing(&self) -> bool {
        self.nat_outgoing
    }

    /// Prefix length of an address block: Calico's default for the family ([`Family::default_block_size`]), longer where
    /// the pool is smaller than such a block.
    #[must_use]
    pub fn default_block_size(&self) -> u8 {
        self.family().default_block_size().max(self.cidr.prefix())
    }
}
