//! Random fabrics, made of small numbers so that a failing one shrinks to something to read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use calico_charm::fabric::{
    Address, Backend, Gateway, NextHop, Node, Origin, Peering, PeeringExtra, Pool, Router, Told,
    Topology,
};
use calico_charm::model::{
    AsNumber, Cidr, ClusterId, Encapsulation, Family, PeerAddress, TunnelMode,
};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;

use crate::links::speaker_of;

/// A node: which subnet it is on, which AS number and cluster ID it has, and what else is odd about it.
#[derive(Debug, Clone)]
pub struct NodeDraft {
    pub subnet: u8,
    pub as_number: Option<u8>,
    pub cluster: Option<u8>,
    pub gateway: u8,
    pub families: u8,
}

#[derive(Debug, Clone)]
pub struct RouterDraft {
    pub subnets: Vec<u8>,
    pub as_number: u8,
    pub reflects: bool,
}

/// Who gets a peer: everybody, a subnet, one node.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    All,
    Subnet(u8),
    One(u8),
}

/// What it points to.
#[derive(Debug, Clone, Copy)]
pub enum Whom {
    Node(u8),
    Router(u8, u8),
    /// An address on a subnet that nothing names.
    Stranger(u8),
    /// An address far away.
    Far(u8),
}

#[derive(Debug, Clone)]
pub struct PeerDraft {
    pub who: Who,
    pub whom: Whom,
    /// The AS number, where it is not the right one.
    pub wrong: Option<u8>,
    /// Fields that only objects have.
    pub extra: Option<(u8, u8, u8)>,
}

/// A fabric in small numbers.
#[derive(Debug, Clone)]
pub struct Draft {
    pub subnets: u8,
    pub nodes: Vec<NodeDraft>,
    pub routers: Vec<RouterDraft>,
    pub peers: Vec<PeerDraft>,
    pub mesh: bool,
    pub annotated: bool,
    pub old_release: bool,
    pub pool: u8,
    pub pool6: u8,
}

pub const POOLS: [Encapsulation; 5] = [
    Encapsulation::None,
    Encapsulation::Ipip(TunnelMode::Always),
    Encapsulation::Ipip(TunnelMode::CrossSubnet),
    Encapsulation::Vxlan(TunnelMode::Always),
    Encapsulation::Vxlan(TunnelMode::CrossSubnet),
];

fn node() -> impl Strategy<Value = NodeDraft> {
    (
        0u8..6,
        weighted(0.4, 0u8..4),
        weighted(0.2, 0u8..4),
        0u8..12,
        0u8..12,
    )
        .prop_map(
            |(subnet, as_number, cluster, gateway, families)| NodeDraft {
                subnet,
                as_number,
                cluster,
                gateway,
                families,
            },
        )
}

fn router() -> impl Strategy<Value = RouterDraft> {
    (vec(0u8..6, 1..4), 0u8..4, any::<bool>()).prop_map(|(subnets, as_number, reflects)| {
        RouterDraft {
            subnets,
            as_number,
            reflects,
        }
    })
}

fn peer() -> impl Strategy<Value = PeerDraft> {
    let who = prop_oneof![
        3 => (0u8..64).prop_map(Who::One),
        2 => (0u8..6).prop_map(Who::Subnet),
        1 => Just(Who::All),
    ];
    let whom = prop_oneof![
        5 => (0u8..64).prop_map(Whom::Node),
        4 => (0u8..4, 0u8..3).prop_map(|(router, subnet)| Whom::Router(router, subnet)),
        1 => (0u8..6).prop_map(Whom::Stranger),
        1 => (0u8..4).prop_map(Whom::Far),
    ];
    (
        who,
        whom,
        weighted(0.15, 0u8..4),
        weighted(0.1, (0u8..6, 0u8..6, 0u8..4)),
    )
        .prop_map(|(who, whom, wrong, extra)| PeerDraft {
            who,
            whom,
            wrong,
            extra,
        })
}

/// Fabrics of up to that many nodes, routers and peers.
pub fn draft(nodes: usize, routers: usize, peers: usize) -> impl Strategy<Value = Draft> {
    (
        1u8..=6,
        vec(node(), 1..=nodes),
        vec(router(), 0..=routers),
        vec(peer(), 0..=peers),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0u8..5,
        of(0u8..3),
    )
        .prop_map(
            |(subnets, nodes, routers, peers, mesh, annotated, old_release, pool, pool6)| Draft {
                subnets,
                nodes,
                routers,
                peers,
                mesh,
                annotated,
                old_release,
                pool,
                pool6: pool6.map_or(0, |pool| pool + 1),
            },
        )
}

pub fn as_number(number: u8) -> AsNumber {
    AsNumber::new(64512 + u32::from(number)).expect("a private AS number")
}

fn v4(subnet: u8, host: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, subnet, host))
}

fn v6(subnet: u8, host: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(
        0xfd00,
        0,
        0,
        u16::from(subnet),
        0,
        0,
        0,
        u16::from(host),
    ))
}

fn on(ip: IpAddr) -> Address {
    let prefix = if ip.is_ipv4() { 24 } else { 64 };
    Address {
        ip,
        subnet: Cidr::network_of(ip, prefix),
    }
}

fn told<T>(value: T, option: &str) -> Told<T> {
    Told::by_option(value, option)
}

impl Draft {
    /// The fabric itself.
    pub fn topology(&self) -> Topology {
        let nodes: Vec<Node> = (0..self.nodes.len())
            .map(|index| self.node(index))
            .collect();
        let routers: Vec<Router> = (0..self.routers.len())
            .map(|index| self.router(index))
            .collect();
        let mut topology = Topology {
            nodes,
            routers,
            peerings: Vec::new(),
            filters: Vec::new(),
            pools: self.pools(),
            services: Vec::new(),
            service_cidrs: Vec::new(),
            mesh: told(self.mesh, "node-to-node-mesh"),
            as_number: told(as_number(0), "global-as-number"),
            listen_port: 179,
            backend: Backend::Bird,
            release: if self.old_release { "3.31.0" } else { "3.32.1" }
                .parse()
                .expect("a release"),
            host_mtu: None,
            idle: Vec::new(),
            unmodelled: Vec::new(),
            guessed: Vec::new(),
        };
        for peer in &self.peers {
            self.peer(peer, &mut topology);
        }
        topology
    }

    fn subnet(&self, subnet: u8) -> u8 {
        subnet % self.subnets
    }

    fn node(&self, index: usize) -> Node {
        let draft = &self.nodes[index];
        let subnet = self.subnet(draft.subnet);
        let host = 10 + u8::try_from(index).expect("at most 60 nodes");
        // Most have both families where there are pools of both; a few lack one.
        let has_v4 = self.pool6 == 0 || draft.families != 0;
        let has_v6 = self.pool6 != 0 && draft.families != 1;
        let annotated = self.annotated || draft.families == 2;
        Node {
            name: format!("node{index}"),
            unit: Some(format!("calico/{index}").parse().expect("a unit's name")),
            v4: has_v4.then(|| on(v4(subnet, host))),
            v6: has_v6.then(|| on(v6(subnet, host))),
            as_number: draft
                .as_number
                .or(self.annotated.then_some(0))
                .filter(|_| annotated)
                .map(|number| told(as_number(number), "unit-as-numbers")),
            cluster_id: draft.cluster.map(|id| {
                let id = if id == 0 {
                    Ipv4Addr::UNSPECIFIED
                } else {
                    Ipv4Addr::new(1, 0, 0, id)
                };
                let id: ClusterId = id.to_string().parse().expect("a cluster ID");
                told(id, "route-reflector-cluster-ids")
            }),
            zone: None,
            gateway: match draft.gateway {
                0 => Gateway::None,
                1 => Gateway::At(v4(subnet, 1)),
                2 => Gateway::At(v4(subnet, 250)),
                _ => Gateway::Unknown,
            },
        }
    }

    fn router(&self, index: usize) -> Router {
        let draft = &self.routers[index];
        let host = 1 + u8::try_from(index).expect("at most 4 routers");
        let mut addresses = Vec::new();
        for subnet in &draft.subnets {
            let subnet = self.subnet(*subnet);
            addresses.push(on(v4(subnet, host)));
            if self.pool6 != 0 {
                addresses.push(on(v6(subnet, host)));
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        Router {
            name: format!("router{index}"),
            addresses,
            as_number: as_number(draft.as_number),
            route_reflector: draft.reflects,
            known: true,
        }
    }

    fn pools(&self) -> Vec<Pool> {
        let pool = |cidr: &str, encapsulation, block_size| Pool {
            origin: Origin::option("cidr"),
            cidr: cidr.parse().expect("a network"),
            encapsulation,
            block_size,
            disabled: false,
            exported: true,
            nodes: None,
        };
        let mut pools = vec![pool("172.16.0.0/12", POOLS[usize::from(self.pool)], 26)];
        // IPIP is for IPv4 alone.
        let v6 = [POOLS[0], POOLS[3], POOLS[4]];
        if self.pool6 != 0 {
            pools.push(pool("fd01::/48", v6[usize::from(self.pool6 - 1)], 122));
        }
        pools
    }

    fn peer(&self, draft: &PeerDraft, topology: &mut Topology) {
        let families: &[Family] = match self.pool6 {
            0 => &[Family::V4],
            _ => &[Family::V4, Family::V6],
        };
        for family in families {
            let Some((ip, right)) = self.target(draft.whom, topology, *family) else {
                continue;
            };
            let number = draft.wrong.map_or(right, as_number);
            for node in self.scope(draft.who, topology) {
                let mut peering = Peering::of_node(
                    Origin::option("unit-bgp-peers"),
                    node,
                    ip.to_string().parse::<PeerAddress>().expect("an address"),
                    number,
                );
                // The charm writes one object for one node and address.
                if topology
                    .peerings
                    .iter()
                    .any(|one| one.scope == peering.scope && one.target == peering.target)
                {
                    continue;
                }
                peering.extra = draft.extra.map(|small| Box::new(extra(small)));
                topology.peerings.push(peering);
            }
        }
    }

    fn target(
        &self,
        whom: Whom,
        topology: &Topology,
        family: Family,
    ) -> Option<(IpAddr, AsNumber)> {
        let address = |subnet, host| match family {
            Family::V4 => v4(subnet, host),
            Family::V6 => v6(subnet, host),
        };
        match whom {
            Whom::Node(index) => {
                let node = &topology.nodes[usize::from(index) % topology.nodes.len()];
                Some((node.address(family)?.ip, topology.as_number_of(node)))
            }
            Whom::Router(index, place) => {
                let count = topology.routers.len();
                let router = topology.routers.get(usize::from(index) % count.max(1))?;
                let mut own = router
                    .addresses
                    .iter()
                    .filter(|one| Family::of(one.ip) == family);
                let first = own.clone().next()?;
                let ip = own.nth(usize::from(place)).unwrap_or(first).ip;
                Some((ip, router.as_number))
            }
            Whom::Stranger(subnet) => {
                let subnet = self.subnet(subnet);
                Some((address(subnet, 200), as_number(subnet % 4)))
            }
            Whom::Far(number) => Some((address(99, 1 + number), as_number(number))),
        }
    }

    fn scope(&self, who: Who, topology: &Topology) -> Vec<u32> {
        let all = 0..topology.nodes.len();
        match who {
            Who::All => all.map(speaker_of).collect(),
            Who::One(index) => vec![speaker_of(usize::from(index) % topology.nodes.len())],
            Who::Subnet(subnet) => all
                .filter(|index| self.subnet(self.nodes[*index].subnet) == self.subnet(subnet))
                .map(speaker_of)
                .collect(),
        }
    }
}

fn extra((next_hop, local_as, rest): (u8, u8, u8)) -> PeeringExtra {
    PeeringExtra {
        next_hop: match next_hop {
            0 => NextHop::Own,
            1 => NextHop::Keep,
            _ => NextHop::Auto,
        },
        local_as_number: (local_as < 4).then(|| as_number(local_as)),
        allowed_local_as: rest & 1,
        reverse: rest & 2 == 0,
        ..PeeringExtra::default()
    }
}
