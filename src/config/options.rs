//! Every option of config.yaml: its name, type and default, and what it means.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use super::peers::{self, PEERS_BY_SUBNET, PEERS_BY_UNIT};
use super::problem::{Problem, Problems};
use super::raw::RawConfig;
use super::reader::Reader;
use super::structure::Shape;
use crate::model::{
    AsNumber, Cidr, ClusterId, Encapsulation, FabricCheck, Family, Peer, Place, Release, Rollout,
    Sourced, TunnelMode, UnrecognizedPools,
};

/// Type of an option, in config.yaml's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// `string`.
    String,
    /// `int`.
    Int,
    /// `boolean`.
    Boolean,
}

impl OptionKind {
    /// The word in config.yaml.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Boolean => "boolean",
        }
    }
}

/// Default of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionDefault {
    /// config.yaml names none.
    None,
    /// Of a string.
    Text(&'static str),
    /// Of an int.
    Integer(i64),
    /// Of a boolean.
    Boolean(bool),
}

/// An option as config.yaml declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: OptionKind,
    /// Its default.
    pub default: OptionDefault,
}

const fn string(name: &'static str, default: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        kind: OptionKind::String,
        default: OptionDefault::Text(default),
    }
}

const fn boolean(name: &'static str, default: bool) -> OptionSpec {
    OptionSpec {
        name,
        kind: OptionKind::Boolean,
        default: OptionDefault::Boolean(default),
    }
}

/// The options, in config.yaml's order.
pub const OPTIONS: &[OptionSpec] = &[
    string("ipip", "Never"),
    string("vxlan", "Never"),
    OptionSpec {
        name: "veth-mtu",
        kind: OptionKind::Int,
        default: OptionDefault::None,
    },
    boolean("nat-outgoing", true),
    string("cidr", "192.168.0.0/16"),
    boolean("manage-pools", true),
    string("unrecognized-pools", "drain"),
    OptionSpec {
        name: "global-as-number",
        kind: OptionKind::Int,
        default: OptionDefault::Integer(64512),
    },
    boolean("node-to-node-mesh", true),
    string("bgp-service-cluster-ips", ""),
    string("bgp-service-external-ips", ""),
    string("bgp-service-loadbalancer-ips", ""),
    string("subnet-as-numbers", "{}"),
    string("unit-as-numbers", "{}"),
    string("global-bgp-peers", "[]"),
    string("subnet-bgp-peers", "{}"),
    string("unit-bgp-peers", "{}"),
    string("route-reflector-cluster-ids", "{}"),
    string("fabric-check", "warn"),
    string("rollout", "safe"),
    boolean("ignore-loose-rpf", false),
    boolean("disable-vxlan-tx-checksumming", true),
    string("image-registry", ""),
    OptionSpec {
        name: "release",
        kind: OptionKind::String,
        default: OptionDefault::None,
    },
    string("calico-node-image", ""),
    string("calico-policy-image", ""),
    OptionSpec {
        name: "typha-replicas",
        kind: OptionKind::Int,
        default: OptionDefault::Integer(0),
    },
];

/// The charm's options, checked: one field an option, called as the option.
///
/// Every text is non-empty and without blanks around it, every network canonical, every AS number one that a router may
/// have; options do not contradict each other. Entries of structured options know their place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field an option, in the option's own type"
)]
pub struct CharmConfig {
    /// IPIP; `None` is `Never`.
    pub ipip: Option<TunnelMode>,
    /// VXLAN; `None` is `Never`.
    pub vxlan: Option<TunnelMode>,
    /// MTU of the machines' network; `None` (unset, or 0) leaves it to Calico.
    pub veth_mtu: Option<u16>,
    /// Whether pods leave the cluster under their node's address.
    pub nat_outgoing: bool,
    /// Networks of the pools, the preferred family first; one or two.
    pub cidr: Vec<Cidr>,
    /// Whether the charm makes, changes and deletes pools.
    pub manage_pools: bool,
    /// What becomes of pools that `cidr` does not name.
    pub unrecognized_pools: UnrecognizedPools,
    /// AS number of every node that no other option gives one.
    pub global_as_number: AsNumber,
    /// Whether every node peers with every other.
    pub node_to_node_mesh: bool,
    /// Cluster IPs of services to announce.
    pub bgp_service_cluster_ips: Vec<Cidr>,
    /// External IPs of services to announce.
    pub bgp_service_external_ips: Vec<Cidr>,
    /// Load balancer IPs of services to announce.
    pub bgp_service_loadbalancer_ips: Vec<Cidr>,
    /// AS numbers of the nodes in a subnet.
    pub subnet_as_numbers: BTreeMap<Cidr, Sourced<AsNumber>>,
    /// AS numbers of single units' nodes.
    pub unit_as_numbers: BTreeMap<u32, Sourced<AsNumber>>,
    /// Peers of every unit.
    pub global_bgp_peers: Vec<Sourced<Peer>>,
    /// Peers of the units in a subnet.
    pub subnet_bgp_peers: BTreeMap<Cidr, Vec<Sourced<Peer>>>,
    /// Peers of single units.
    pub unit_bgp_peers: BTreeMap<u32, Vec<Sourced<Peer>>>,
    /// Cluster IDs of the units that are route reflectors.
    pub route_reflector_cluster_ids: BTreeMap<u32, Sourced<ClusterId>>,
    /// What happens with what the check of the fabric finds.
    pub fabric_check: FabricCheck,
    /// How a change comes to the units.
    pub rollout: Rollout,
    /// Whether loose reverse path filtering is taken as it is.
    pub ignore_loose_rpf: bool,
    /// Whether transmit checksum offload of VXLAN interfaces is switched off.
    pub disable_vxlan_tx_checksumming: bool,
    /// Registry of Calico's images; `None` for the principal's, or the one the images name themselves.
    pub image_registry: Option<String>,
    /// Release of Calico; `None` for the charm's own.
    pub release: Option<Release>,
    /// Image of calico-node in place of the registry's.
    pub calico_node_image: Option<String>,
    /// Image of kube-controllers in place of the registry's.
    pub calico_policy_image: Option<String>,
    /// Replicas of Typha, which stands between many nodes and the Kubernetes API; 0 for none.
    pub typha_replicas: u16,
}

const NUMBERS_BY_SUBNET: Shape = Shape {
    name: "a map from subnets to AS numbers",
    example: "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
};
const NUMBERS_BY_UNIT: Shape = Shape {
    name: "a map from units to AS numbers",
    example: "{0: 64512, 1: 64513}",
};
const IDS_BY_UNIT: Shape = Shape {
    name: "a map from units to cluster IDs",
    example: "{0: 224.0.0.1, 2: 224.0.0.1}",
};

impl CharmConfig {
    /// Reads the options of `application`. Options that config.yaml does not have are ignored: a hook of an older or
    /// newer revision still has to run.
    ///
    /// # Errors
    /// [`Problems`], all of them.
    pub fn parse(raw: &RawConfig, application: &str) -> Result<Self, Problems> {
        Self::read(Reader::new(raw, application))
    }

    /// Reads options that a user wrote into a file, where an unknown one is a slip.
    ///
    /// # Errors
    /// [`Problems`], all of them.
    pub fn parse_strict(raw: &RawConfig, application: &str) -> Result<Self, Problems> {
        let mut reader = Reader::new(raw, application);
        reader.unknown_options();
        Self::read(reader)
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, Problems> {
        let config = Self {
            ipip: reader.mode("ipip"),
            vxlan: reader.mode("vxlan"),
            veth_mtu: reader.mtu("veth-mtu"),
            nat_outgoing: reader.boolean("nat-outgoing"),
            cidr: reader.pool_cidrs("cidr"),
            manage_pools: reader.boolean("manage-pools"),
            unrecognized_pools: reader.word("unrecognized-pools"),
            global_as_number: reader.as_number("global-as-number"),
            node_to_node_mesh: reader.boolean("node-to-node-mesh"),
            bgp_service_cluster_ips: reader.service_cidrs("bgp-service-cluster-ips"),
            bgp_service_external_ips: reader.service_cidrs("bgp-service-external-ips"),
            bgp_service_loadbalancer_ips: reader.service_cidrs("bgp-service-loadbalancer-ips"),
            subnet_as_numbers: reader.structure("subnet-as-numbers", |structure, node| {
                structure.by_subnet(node, NUMBERS_BY_SUBNET, |inner, node, path| {
                    inner.sourced_as_number(node, path)
                })
            }),
            unit_as_numbers: reader.structure("unit-as-numbers", |structure, node| {
                structure.by_unit(node, NUMBERS_BY_UNIT, |inner, node, path| {
                    inner.sourced_as_number(node, path)
                })
            }),
            global_bgp_peers: reader.structure("global-bgp-peers", |structure, node| {
                peers::peers(structure, node, "")
            }),
            subnet_bgp_peers: reader.structure("subnet-bgp-peers", |structure, node| {
                structure.by_subnet(node, PEERS_BY_SUBNET, |inner, node, path| {
                    Some(peers::peers(inner, node, path))
                })
            }),
            unit_bgp_peers: reader.structure("unit-bgp-peers", |structure, node| {
                structure.by_unit(node, PEERS_BY_UNIT, |inner, node, path| {
                    Some(peers::peers(inner, node, path))
                })
            }),
            route_reflector_cluster_ids: reader.structure(
                "route-reflector-cluster-ids",
                |structure, node| {
                    structure.by_unit(node, IDS_BY_UNIT, |inner, node, path| {
                        inner.sourced_cluster_id(node, path)
                    })
                },
            ),
            fabric_check: reader.word("fabric-check"),
            rollout: reader.word("rollout"),
            ignore_loose_rpf: reader.boolean("ignore-loose-rpf"),
            disable_vxlan_tx_checksumming: reader.boolean("disable-vxlan-tx-checksumming"),
            image_registry: reader.image("image-registry"),
            release: reader.release("release"),
            calico_node_image: reader.image("calico-node-image"),
            calico_policy_image: reader.image("calico-policy-image"),
            typha_replicas: reader.replicas("typha-replicas"),
        };
        let mut problems: Vec<Problem> = reader.problems;
        check::check(&config, &mut problems);
        Problems::check(problems)?;
        Ok(config)
    }

    /// The encapsulation of the pool of a family: VXLAN carries both, IPIP only IPv4.
    #[must_use]
    pub fn encapsulation(&self, family: Family) -> Encapsulation {
        match (self.vxlan, self.ipip, family) {
            (Some(mode), _, _) => Encapsulation::Vxlan(mode),
            (None, Some(mode), Family::V4) => Encapsulation::Ipip(mode),
            (None, _, _) => Encapsulation::None,
        }
    }

    /// Whether anything asks for a BGP session, or for routes to be announced.
    #[must_use]
    pub fn speaks_bgp(&self) -> bool {
        self.node_to_node_mesh
            || !self.global_bgp_peers.is_empty()
            || !self.subnet_bgp_peers.is_empty()
            || !self.unit_bgp_peers.is_empty()
            || !self.route_reflector_cluster_ids.is_empty()
            || !self.bgp_service_cluster_ips.is_empty()
            || !self.bgp_service_external_ips.is_empty()
            || !self.bgp_service_loadbalancer_ips.is_empty()
    }

    /// The places that name a unit which is not among `units` (`calico/0`, …): each unit once an option.
    #[must_use]
    pub fn strangers(&self, units: &BTreeSet<String>) -> Vec<Place> {
        let known: BTreeSet<u32> = units
            .iter()
            .filter_map(|unit| unit.rsplit_once('/')?.1.parse().ok())
            .collect();
        let numbers = self.unit_as_numbers.keys();
        let peers = self.unit_bgp_peers.keys();
        let ids = self.route_reflector_cluster_ids.keys();
        [
            ("unit-as-numbers", numbers.collect::<Vec<_>>()),
            ("unit-bgp-peers", peers.collect()),
            ("route-reflector-cluster-ids", ids.collect()),
        ]
        .into_iter()
        .flat_map(|(option, keys)| keys.into_iter().map(move |key| (option, key)))
        .filter(|(_, key)| !known.contains(key))
        .map(|(option, key)| Place {
            option: option.to_owned(),
            path: key.to_string(),
        })
        .collect()
    }

    /// Bytes that the tunnels' headers take from every packet: the most that any pool needs (Calico's documentation,
    /// "Configure MTU": VXLAN 50 on IPv4 and 70 on IPv6, IPIP 20).
    #[must_use]
    pub fn mtu_overhead(&self) -> u16 {
        let of_pool = |cidr: &Cidr| match (self.encapsulation(cidr.family()), cidr.family()) {
            (Encapsulation::None, _) => 0,
            (Encapsulation::Ipip(_), _) => 20,
            (Encapsulation::Vxlan(_), Family::V4) => 50,
            (Encapsulation::Vxlan(_), Family::V6) => 70,
        };
        self.cidr.iter().map(of_pool).max().unwrap_or_default()
    }

    /// MTU of the pods' interfaces: `veth-mtu` less [`CharmConfig::mtu_overhead`]; `None` leaves it to Calico.
    #[must_use]
    pub fn workload_mtu(&self) -> Option<u16> {
        self.veth_mtu
            .map(|base| base.saturating_sub(self.mtu_overhead()))
    }
}
