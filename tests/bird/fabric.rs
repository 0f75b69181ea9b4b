//! Fabrics, written down in few words.

use std::net::IpAddr;

use calico_charm::fabric::{
    Address, Backend, Gateway, Node, Origin, Peering, PeeringExtra, Pool, Router, Scope, Target,
    Told, Topology,
};
use calico_charm::model::{AsNumber, Cidr, Encapsulation};

/// The AS number of nodes that nobody gave another.
pub const DEFAULT: u32 = 64512;

/// A fabric that grows: mesh on, one AS, Calico 3.32, one IPv4 pool without tunnels.
pub struct Fabric {
    pub topology: Topology,
}

impl Fabric {
    pub fn new() -> Self {
        let mut fabric = Self {
            topology: Topology {
                nodes: Vec::new(),
                routers: Vec::new(),
                peerings: Vec::new(),
                filters: Vec::new(),
                pools: Vec::new(),
                services: Vec::new(),
                service_cidrs: Vec::new(),
                mesh: Told::by_option(true, "node-to-node-mesh"),
                as_number: Told::by_option(as_number(DEFAULT), "global-as-number"),
                listen_port: 179,
                backend: Backend::Bird,
                release: "3.32.1".parse().expect("a release"),
                host_mtu: None,
                idle: Vec::new(),
                unmodelled: Vec::new(),
                guessed: Vec::new(),
            },
        };
        fabric.pool("192.168.0.0/16", 26);
        fabric
    }

    pub fn without_mesh() -> Self {
        let mut fabric = Self::new();
        fabric.topology.mesh.value = false;
        fabric
    }

    /// One IPv6 pool instead.
    pub fn v6() -> Self {
        let mut fabric = Self::new();
        fabric.topology.pools.clear();
        fabric.pool("fd00:10:244::/64", 122);
        fabric
    }

    fn pool(&mut self, cidr: &str, block_size: u8) {
        self.topology.pools.push(Pool {
            origin: Origin::option("cidr"),
            cidr: cidr.parse().expect("a network"),
            encapsulation: Encapsulation::None,
            block_size,
            disabled: false,
            exported: true,
            nodes: None,
        });
    }

    /// A node by its address with prefix length.
    pub fn node(&mut self, at: &str) -> u32 {
        let at = address(at);
        let index = u32::try_from(self.topology.nodes.len()).expect("few nodes");
        self.topology.nodes.push(Node {
            name: format!("node-{index}"),
            unit: None,
            v4: Some(at).filter(|at| at.ip.is_ipv4()),
            v6: Some(at).filter(|at| at.ip.is_ipv6()),
            as_number: None,
            cluster_id: None,
            zone: None,
            gateway: Gateway::Unknown,
        });
        index
    }

    pub fn nodes<const N: usize>(&mut self, at: [&str; N]) -> [u32; N] {
        at.map(|at| self.node(at))
    }

    pub fn as_number(&mut self, nodes: &[u32], number: u32) {
        for node in nodes {
            self.topology.nodes[*node as usize].as_number =
                Some(Told::by_option(as_number(number), "unit-as-numbers"));
        }
    }

    /// Makes nodes reflectors.
    pub fn cluster(&mut self, nodes: &[u32], id: &str) {
        for node in nodes {
            self.topology.nodes[*node as usize].cluster_id = Some(Told::by_option(
                id.parse().expect("a cluster ID"),
                "route-reflector-cluster-ids",
            ));
        }
    }

    pub fn router(&mut self, name: &str, at: &[&str], number: u32) -> &mut Router {
        self.topology.routers.push(Router {
            name: name.to_owned(),
            addresses: at.iter().map(|at| address(at)).collect(),
            as_number: as_number(number),
            route_reflector: false,
            known: true,
        });
        self.topology.routers.last_mut().expect("pushed just now")
    }

    /// Gives nodes a peer; its own address is left out, as the charm does.
    pub fn peer(&mut self, nodes: &[u32], at: &str, number: u32) {
        for node in nodes {
            let own = &self.topology.nodes[*node as usize];
            let at: IpAddr = at.parse().expect("an address");
            if ![own.v4, own.v6]
                .into_iter()
                .flatten()
                .any(|own| own.ip == at)
            {
                self.peering(Scope::Node(*node), &at.to_string(), number);
            }
        }
    }

    /// A peer of every node.
    pub fn global_peer(&mut self, at: &str, number: u32) {
        self.peering(Scope::Global, at, number);
    }

    fn peering(&mut self, scope: Scope, at: &str, number: u32) {
        self.topology.peerings.push(Peering {
            origin: Origin::option("unit-bgp-peers"),
            scope,
            target: Target::Address(at.parse().expect("an address")),
            as_number: Some(as_number(number)),
            extra: None,
        });
    }

    /// Changes what the last peer has beside address and AS number.
    pub fn extra(&mut self, change: impl FnOnce(&mut PeeringExtra)) {
        let peering = self.topology.peerings.last_mut().expect("a peer to change");
        change(peering.extra.get_or_insert_default());
    }
}

fn as_number(number: u32) -> AsNumber {
    AsNumber::new(number).expect("an AS number")
}

fn address(text: &str) -> Address {
    let (ip, prefix) = text.split_once('/').expect("an address with prefix length");
    let ip = ip.parse().expect("an address");
    Address {
        ip,
        subnet: Cidr::network_of(ip, prefix.parse().expect("a prefix length")),
    }
}
