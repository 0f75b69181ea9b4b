//! Which machines a fabric takes, how they are joined, and what BIRD on each of them is told.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use calico_charm::fabric::{
    Address, Cause, Gateway, NextHop, Router, Session, Sessions, Side, Topology, mesh_side,
    mesh_status,
};
use calico_charm::model::{Cidr, Encapsulation, Family};

/// The network that routers share; nodes are not on it.
const UPLINK: &str = "uplink";

/// One machine: a network namespace with a BIRD.
pub struct Machine {
    pub name: String,
    pub router_id: Ipv4Addr,
    pub interfaces: Vec<Interface>,
    /// Networks behind other routers.
    pub routes: Vec<(Cidr, IpAddr)>,
    pub default_route: Option<IpAddr>,
    /// A node's block of the pool, and the address in it that packets are sent to.
    pub block: Option<(Cidr, IpAddr)>,
    /// The pool that a node announces blocks of.
    pub announced: Option<Cidr>,
    pub neighbours: Vec<Neighbour>,
}

pub struct Interface {
    pub name: String,
    /// The bridge it is plugged into.
    pub bridge: String,
    pub ip: IpAddr,
    pub prefix: u8,
}

/// One BGP protocol of a BIRD.
pub struct Neighbour {
    pub protocol: String,
    pub side: Side,
    pub remote: IpAddr,
    pub multihop: bool,
    /// Whether it is a session between routers.
    pub uplink: bool,
    /// What a reflector writes as `rr cluster id`; a router leaves BIRD's own choice.
    pub cluster_id: Option<Ipv4Addr>,
}

/// A session as the check sees it, and the protocols that make it.
pub struct Link {
    pub shown: String,
    pub up: bool,
    pub ends: Vec<(usize, String)>,
}

/// One family of a fabric.
pub struct Wiring {
    pub family: Family,
    pub machines: Vec<Machine>,
    pub links: Vec<Link>,
    pub bridges: Vec<String>,
}

impl Wiring {
    pub fn new(topology: &Topology, sessions: &Sessions, family: Family) -> Self {
        let mut wiring = Self {
            family,
            machines: Vec::new(),
            links: Vec::new(),
            bridges: vec![UPLINK.to_owned()],
        };
        let subnets: Vec<Cidr> = subnets(topology, sessions, family).into_iter().collect();
        let bridges = (0..subnets.len()).map(|index| format!("lan{index}"));
        wiring.bridges.extend(bridges);
        let plugs = Plugs {
            subnets,
            routers: &sessions.routers,
            family,
        };
        wiring.nodes(topology, &plugs);
        wiring.routers(&plugs);
        wiring.mesh(topology, sessions);
        wiring.peers(topology, sessions);
        wiring.router_to_router(topology.nodes.len(), &plugs);
        wiring
    }

    fn nodes(&mut self, topology: &Topology, plugs: &Plugs) {
        let (pool, announced) = pool(topology, self.family);
        for (index, node) in topology.nodes.iter().enumerate() {
            let address = node.address(self.family).expect("an address of the family");
            let block = block(pool, index);
            self.machines.push(Machine {
                name: node.name.clone(),
                router_id: node.router_id().unwrap_or(made_up_id(index)),
                interfaces: vec![plugs.interface(0, address)],
                routes: Vec::new(),
                default_route: match node.gateway {
                    Gateway::Unknown => plugs.router_on(address.subnet),
                    Gateway::None => None,
                    Gateway::At(ip) => Some(ip),
                },
                block: Some((block, plus(block.network(), 1))),
                announced,
                neighbours: Vec::new(),
            });
        }
    }

    fn routers(&mut self, plugs: &Plugs) {
        for (index, router) in plugs.routers.iter().enumerate() {
            let addresses: Vec<&Address> = plugs.addresses(router).collect();
            let mut interfaces: Vec<Interface> = addresses
                .iter()
                .enumerate()
                .map(|(place, address)| plugs.interface(place, **address))
                .collect();
            interfaces.push(Interface {
                name: UPLINK.to_owned(),
                bridge: UPLINK.to_owned(),
                ip: plugs.uplink(index),
                prefix: if self.family == Family::V4 { 24 } else { 64 },
            });
            let id = addresses.iter().find_map(|address| match address.ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            });
            self.machines.push(Machine {
                name: router.name.clone(),
                router_id: id.unwrap_or(made_up_id(100 + index)),
                interfaces,
                routes: plugs.routes_elsewhere(router),
                default_route: None,
                block: None,
                announced: None,
                neighbours: Vec::new(),
            });
        }
    }

    /// The mesh, pair by pair. Its sessions come first in BIRD's configuration, and carry no `multihop`.
    fn mesh(&mut self, topology: &Topology, sessions: &Sessions) {
        let family = self.family;
        for mesh in sessions.meshes.iter().filter(|mesh| mesh.family == family) {
            for (place, one) in mesh.members.iter().enumerate() {
                for other in &mesh.members[place + 1..] {
                    let (a, b) = (*one as usize, *other as usize);
                    let (a_node, b_node) = (&topology.nodes[a], &topology.nodes[b]);
                    let mut ends = Vec::new();
                    for (me, you, speaker, other) in [(a, b, *one, b_node), (b, a, *other, a_node)]
                    {
                        let side = mesh_side(topology, family, speaker, other).expect("a member");
                        let protocol = format!("mesh{you}");
                        ends.push((me, protocol.clone()));
                        let remote = self.machines[you].interfaces[0].ip;
                        self.machines[me].neighbours.push(Neighbour {
                            protocol,
                            side,
                            remote,
                            multihop: false,
                            uplink: false,
                            cluster_id: None,
                        });
                    }
                    self.links.push(Link {
                        shown: format!("mesh {} and {}", a_node.name, b_node.name),
                        up: mesh_status(topology, family, a_node, b_node).is_up(),
                        ends,
                    });
                }
            }
        }
    }

    /// The sessions that peerings make, those to routers included: a router has a matching neighbour.
    fn peers(&mut self, topology: &Topology, sessions: &Sessions) {
        let mine = |session: &&Session| session.family == self.family;
        for (index, session) in sessions.sessions.iter().filter(mine).enumerate() {
            let mut ends = Vec::new();
            for (side, remote, configured) in [
                (session.near, session.far.ip, session.near_configured),
                (session.far, session.near.ip, session.far_configured),
            ] {
                if !configured {
                    continue;
                }
                let me = side.speaker as usize;
                let cluster = sessions.clusters.get(me).copied().flatten();
                let protocol = format!("peer{index}");
                ends.push((me, protocol.clone()));
                self.machines[me].neighbours.push(Neighbour {
                    protocol,
                    side,
                    remote,
                    multihop: true,
                    uplink: false,
                    cluster_id: cluster.map(|cluster| cluster.configured.ipv4()),
                });
            }
            let (near, far) = (session.near.speaker as usize, session.far.speaker as usize);
            self.links.push(Link {
                shown: format!(
                    "peers {} and {} ({})",
                    self.machines[near].name,
                    self.machines[far].name,
                    session.status.as_str()
                ),
                up: session.status.is_up(),
                ends,
            });
        }
        // Peers come after the mesh in the order of peerings; sessions are listed by address.
        let order = |neighbour: &Neighbour| match neighbour.side.cause {
            Cause::Mesh => (0, 0),
            Cause::Peering(peering) => (1, peering),
            Cause::Reverse(peering) => (2, peering),
            Cause::Assumed => (3, 0),
        };
        for machine in &mut self.machines[..topology.nodes.len()] {
            machine.neighbours.sort_by_key(order);
        }
    }

    /// All routers exchange their routes: by eBGP, or by iBGP where they are of one AS.
    fn router_to_router(&mut self, nodes: usize, plugs: &Plugs) {
        for (a, one) in plugs.routers.iter().enumerate() {
            for (b, other) in plugs.routers.iter().enumerate().skip(a + 1) {
                let ends =
                    [(a, one, b, other), (b, other, a, one)].map(|(me, own, you, theirs)| {
                        let protocol = format!("router{you}");
                        let machine = nodes + me;
                        self.machines[machine].neighbours.push(Neighbour {
                            protocol: protocol.clone(),
                            side: Side {
                                speaker: u32::try_from(machine).expect("few machines"),
                                ip: plugs.uplink(me),
                                cause: Cause::Assumed,
                                local_as: own.as_number,
                                remote_as: theirs.as_number,
                                port: 179,
                                passive: false,
                                client: own.route_reflector && own.as_number == theirs.as_number,
                                // BIRD alone would keep a next hop that only lies behind the uplink.
                                next_hop: if own.as_number == theirs.as_number {
                                    NextHop::Auto
                                } else {
                                    NextHop::Own
                                },
                                allowed_local_as: 0,
                            },
                            remote: plugs.uplink(you),
                            multihop: false,
                            uplink: true,
                            cluster_id: None,
                        });
                        (machine, protocol)
                    });
                self.links.push(Link {
                    shown: format!("routers {} and {}", one.name, other.name),
                    up: true,
                    ends: ends.to_vec(),
                });
            }
        }
    }
}

/// What is plugged into what.
struct Plugs<'s> {
    subnets: Vec<Cidr>,
    routers: &'s [Router],
    family: Family,
}

impl Plugs<'_> {
    fn addresses<'a>(&'a self, router: &'a Router) -> impl Iterator<Item = &'a Address> {
        router
            .addresses
            .iter()
            .filter(|address| Family::of(address.ip) == self.family)
    }

    fn interface(&self, place: usize, address: Address) -> Interface {
        let subnet = self
            .subnets
            .iter()
            .position(|subnet| subnet.contains(address.ip));
        let subnet = subnet.expect("each address is in a subnet");
        Interface {
            name: format!("eth{place}"),
            bridge: format!("lan{subnet}"),
            ip: address.ip,
            prefix: self.subnets[subnet].prefix(),
        }
    }

    /// The first router of a subnet is its default gateway.
    fn router_on(&self, subnet: Cidr) -> Option<IpAddr> {
        let mut addresses = self
            .routers
            .iter()
            .flat_map(|router| self.addresses(router));
        addresses
            .find(|address| subnet.contains(address.ip))
            .map(|address| address.ip)
    }

    fn uplink(&self, router: usize) -> IpAddr {
        let network: IpAddr = match self.family {
            Family::V4 => Ipv4Addr::new(172, 31, 255, 0).into(),
            Family::V6 => Ipv6Addr::new(0xfd00, 0xffff, 0, 0, 0, 0, 0, 0).into(),
        };
        plus(network, router as u128 + 1)
    }

    /// The subnets that only other routers are on, each by the first of them.
    fn routes_elsewhere(&self, router: &Router) -> Vec<(Cidr, IpAddr)> {
        let away = self.subnets.iter().filter(|subnet| !router.is_on(**subnet));
        away.filter_map(|subnet| {
            let next = self
                .routers
                .iter()
                .position(|router| router.is_on(*subnet))?;
            Some((*subnet, self.uplink(next)))
        })
        .collect()
    }
}

/// The subnets of nodes, and those of routers that none of these hold.
fn subnets(topology: &Topology, sessions: &Sessions, family: Family) -> BTreeSet<Cidr> {
    let nodes = topology
        .nodes
        .iter()
        .filter_map(|node| node.address(family));
    let mut subnets: BTreeSet<Cidr> = nodes.map(|address| address.subnet).collect();
    let routers = sessions.routers.iter().flat_map(|router| &router.addresses);
    for address in routers.filter(|address| Family::of(address.ip) == family) {
        if !subnets.iter().any(|subnet| subnet.contains(address.ip)) {
            subnets.insert(address.subnet);
        }
    }
    subnets
}

/// The pool that blocks are from, and whether it is announced; where none is known, one that is.
fn pool(topology: &Topology, family: Family) -> (Cidr, Option<Cidr>) {
    let mut pools = topology
        .pools
        .iter()
        .filter(|pool| pool.cidr.family() == family);
    let Some(pool) = pools.next() else {
        let unknown = match family {
            Family::V4 => "192.168.0.0/16",
            Family::V6 => "fd00:10:244::/64",
        };
        let unknown = unknown.parse().expect("a network");
        return (unknown, Some(unknown));
    };
    // Kernels that tests run on may lack tunnels, and Debian's BIRD does not set them.
    assert_eq!(pool.encapsulation, Encapsulation::None, "no tunnels here");
    assert!(pools.next().is_none(), "one pool a family here");
    (pool.cidr, pool.exported.then_some(pool.cidr))
}

fn block(pool: Cidr, index: usize) -> Cidr {
    let size = pool.family().default_block_size();
    let apart = 1_u128 << (pool.family().bits() - size);
    Cidr::network_of(plus(pool.network(), index as u128 * apart), size)
}

fn plus(ip: IpAddr, offset: u128) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => {
            let offset = u32::try_from(offset).expect("inside a network");
            Ipv4Addr::from(u32::from(ip) + offset).into()
        }
        IpAddr::V6(ip) => Ipv6Addr::from(u128::from(ip) + offset).into(),
    }
}

/// The router ID of a machine without an IPv4 address.
fn made_up_id(index: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0aff_0001 + u32::try_from(index).expect("few machines"))
}
