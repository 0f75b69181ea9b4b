//! The fabric that the options ask for.

use super::reach::Assumption;
use super::topology::{
    Address, Backend, Gateway, Node, Origin, Peering, Pool, Router, Told, Topology,
};
use crate::config::{CharmConfig, Problems};
use crate::model::{
    Cidr, ClusterIntent, Family, PoolIntent, Release, Sourced, UnitAddress, UnitBgp, UnitFacts,
    UnitName,
};

/// A unit, and the Node it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitOnNode {
    /// The unit.
    pub unit: UnitName,
    /// Name of the Node.
    pub node: String,
    /// The unit's addresses; the first of each family is calico-node's.
    pub addresses: Vec<UnitAddress>,
    /// Availability zone.
    pub zone: Option<String>,
    /// Default route.
    pub gateway: Gateway,
}

/// What the options are applied to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FabricFacts {
    /// The units.
    pub units: Vec<UnitOnNode>,
    /// The routers, where something names them.
    pub routers: Vec<Router>,
    /// Release of Calico where the option names none.
    pub release: Release,
    /// The cluster's service networks, where known.
    pub service_cidrs: Vec<Cidr>,
}

impl<T> From<Sourced<T>> for Told<T> {
    fn from(sourced: Sourced<T>) -> Self {
        Self {
            value: sourced.value,
            origin: Origin::Option(sourced.place),
        }
    }
}

/// The fabric that the options make of the units.
///
/// # Errors
/// [`Problems`] that a unit has with the options, as [`Intent::new`](crate::model::Intent::new).
pub fn topology(config: &CharmConfig, facts: &FabricFacts) -> Result<Topology, Problems> {
    let mut nodes = Vec::with_capacity(facts.units.len());
    let mut peerings = Vec::new();
    for (index, unit) in (0..).zip(&facts.units) {
        let bgp = UnitBgp::new(config, &unit_facts(unit))?;
        peerings.extend(bgp.peers.into_iter().map(|(address, number)| {
            Peering::of_node(Origin::Option(number.place), index, address, number.value)
        }));
        // The charm writes no such peer; it stays here so that the check can say so.
        peerings.extend(bgp.skipped_own.into_iter().map(|own| {
            let (address, as_number) = (own.value.address(), own.value.as_number());
            Peering::of_node(Origin::Option(own.place), index, address, as_number)
        }));
        nodes.push(Node {
            name: unit.node.clone(),
            unit: Some(unit.unit.clone()),
            v4: first(&unit.addresses, Family::V4),
            v6: first(&unit.addresses, Family::V6),
            as_number: bgp.as_number.map(Told::from),
            cluster_id: bgp.cluster_id.map(Told::from),
            zone: unit.zone.clone(),
            gateway: unit.gateway,
        });
    }
    let cluster = ClusterIntent::new(config);
    Ok(Topology {
        nodes,
        routers: facts.routers.clone(),
        peerings,
        filters: Vec::new(),
        pools: cluster
            .pools()
            .unwrap_or_default()
            .iter()
            .map(pool)
            .collect(),
        services: services(config),
        service_cidrs: facts.service_cidrs.clone(),
        mesh: Told::by_option(config.node_to_node_mesh, "node-to-node-mesh"),
        as_number: Told::by_option(config.global_as_number, "global-as-number"),
        listen_port: 179,
        backend: backend(config),
        release: config.release.unwrap_or(facts.release),
        host_mtu: config.veth_mtu.map(|mtu| Told::by_option(mtu, "veth-mtu")),
        idle: super::idle::idle(config, &facts.units),
        unmodelled: Vec::new(),
        guessed: guessed(facts),
    })
}

/// Juju does not say which of several addresses calico-node will use.
fn guessed(facts: &FabricFacts) -> Vec<Assumption> {
    let several = facts.units.iter().any(|unit| {
        [Family::V4, Family::V6].into_iter().any(|family| {
            let of_family = |address: &&UnitAddress| Family::of(address.ip) == family;
            unit.addresses.iter().filter(of_family).count() > 1
        })
    });
    if several {
        vec![Assumption::FirstAddress]
    } else {
        Vec::new()
    }
}

fn unit_facts(unit: &UnitOnNode) -> UnitFacts {
    UnitFacts {
        unit: unit.unit.clone(),
        principal: None,
        model: String::new(),
        addresses: unit.addresses.clone(),
        leader: false,
        hostname: String::new(),
        fqdn: None,
        zone: None,
        service_cidrs: Vec::new(),
    }
}

fn first(addresses: &[UnitAddress], family: Family) -> Option<Address> {
    addresses
        .iter()
        .find(|address| Family::of(address.ip) == family)
        .map(|address| Address {
            ip: address.ip,
            subnet: address.subnet,
        })
}

fn pool(intent: &PoolIntent) -> Pool {
    Pool {
        origin: Origin::option("cidr"),
        cidr: intent.cidr(),
        encapsulation: intent.encapsulation(),
        block_size: intent.default_block_size(),
        disabled: false,
        exported: true,
        nodes: None,
    }
}

fn services(config: &CharmConfig) -> Vec<Told<Cidr>> {
    [
        ("bgp-service-cluster-ips", &config.bgp_service_cluster_ips),
        ("bgp-service-external-ips", &config.bgp_service_external_ips),
        (
            "bgp-service-loadbalancer-ips",
            &config.bgp_service_loadbalancer_ips,
        ),
    ]
    .into_iter()
    .flat_map(|(option, cidrs)| cidrs.iter().map(|cidr| Told::by_option(*cidr, option)))
    .collect()
}

/// As the charm installs calico-node: without BIRD where the pools use VXLAN and nothing asks for BGP.
fn backend(config: &CharmConfig) -> Backend {
    if config.manage_pools && config.vxlan.is_some() && !config.speaks_bgp() {
        Backend::Vxlan
    } else {
        Backend::Bird
    }
}
