//! From objects to sessions: what confd writes into BIRD's configuration, and which of it comes up (S1 to S9).
//!
//! Calico's rules are those of `confd/pkg/backends/calico/{client,bgp_processor}.go`: global peers first, then those of
//! single nodes, then the ways back that Calico adds itself; the first that makes a neighbour wins.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::mesh::meshes;
use super::session::{Cause, Clash, Cluster, Session, Sessions, Side, Speaker, Status};
use super::topology::{
    Address, Backend, NextHop, Node, PeeringExtra, Router, Scope, Target, Topology,
};
use crate::model::{AsNumber, Cidr, ClusterId, Family};

/// More neighbours than this are not listed: only lists and selectors that make everybody everybody's peer get there.
const MOST_NEIGHBOURS: usize = 300_000;

/// BGP's own port (RFC 4271), which stands for "no port given" in Calico's keys.
const BGP_PORT: u16 = 179;

/// A neighbour of a node as confd would write it.
#[derive(Debug, Clone, Copy)]
struct Neighbour {
    node: Speaker,
    ip: IpAddr,
    port: u16,
    /// Which came first.
    pass: u8,
    sequence: u32,
    as_number: AsNumber,
    /// The neighbour's cluster ID where confd carries it: not for peers given by address.
    cluster_id: Option<ClusterId>,
    peering: u32,
}

impl Neighbour {
    fn key(&self) -> (Speaker, IpAddr, u16) {
        (self.node, self.ip, self.port)
    }

    fn cause(&self) -> Cause {
        if self.pass == REVERSE_PASS {
            Cause::Reverse(self.peering)
        } else {
            Cause::Peering(self.peering)
        }
    }
}

const GLOBAL_PASS: u8 = 0;
const NODE_PASS: u8 = 1;
const REVERSE_PASS: u8 = 2;

/// Every session that the objects make.
#[must_use]
pub fn derive(topology: &Topology) -> Sessions {
    Derivation::new(topology).run()
}

struct Derivation<'t> {
    topology: &'t Topology,
    /// Addresses of nodes, and of routers once they are known.
    nodes: BTreeMap<IpAddr, Speaker>,
    routers: BTreeMap<IpAddr, u32>,
    implied: BTreeMap<AsNumber, u32>,
    neighbours: Vec<Neighbour>,
    found: Sessions,
}

impl<'t> Derivation<'t> {
    fn new(topology: &'t Topology) -> Self {
        let mut nodes = BTreeMap::new();
        for (speaker, node) in (0..).zip(&topology.nodes) {
            for address in [node.v4, node.v6].into_iter().flatten() {
                nodes.entry(address.ip).or_insert(speaker);
            }
        }
        let mut routers = BTreeMap::new();
        for (index, router) in (0..).zip(&topology.routers) {
            for address in &router.addresses {
                routers.entry(address.ip).or_insert(index);
            }
        }
        let found = Sessions {
            routers: topology.routers.clone(),
            nodes: u32::try_from(topology.nodes.len()).unwrap_or(u32::MAX),
            clusters: topology.nodes.iter().map(cluster).collect(),
            meshes: meshes(topology),
            ..Sessions::default()
        };
        Self {
            topology,
            nodes,
            routers,
            implied: BTreeMap::new(),
            neighbours: Vec::new(),
            found,
        }
    }

    fn run(mut self) -> Sessions {
        self.forward(GLOBAL_PASS);
        self.forward(NODE_PASS);
        self.reverse();
        let neighbours = self.winners();
        self.pair(&neighbours);
        self.found
    }

    /// The neighbours that peerings make on the nodes they are for.
    fn forward(&mut self, pass: u8) {
        let topology = self.topology;
        for (index, peering) in (0..).zip(&topology.peerings) {
            if (peering.scope == Scope::Global) != (pass == GLOBAL_PASS) {
                continue;
            }
            for node in peering.scope.nodes(topology) {
                match &peering.target {
                    Target::Address(address) => {
                        let Some(as_number) = peering.as_number else {
                            continue;
                        };
                        let given = address.port().filter(|port| *port != BGP_PORT);
                        let port =
                            given.unwrap_or_else(|| self.listen_port(address.ip(), as_number));
                        self.add(pass, index, node, address.ip(), port, as_number, None);
                    }
                    Target::Nodes(remotes) => {
                        for remote in remotes {
                            self.add_node(pass, index, node, *remote, [Family::V4, Family::V6]);
                        }
                    }
                }
                if self.found.truncated {
                    return;
                }
            }
        }
    }

    /// A peer without port that is a node is met at the port that nodes listen on.
    fn listen_port(&self, ip: IpAddr, as_number: AsNumber) -> u16 {
        let node = self.at_address(ip, Some(as_number));
        node.map_or(0, |_| self.node_port())
    }

    /// The nodes' port as it stands in keys: 0 for BGP's own.
    fn node_port(&self) -> u16 {
        match self.topology.listen_port {
            BGP_PORT => 0,
            port => port,
        }
    }

    /// The node with an address and AS number (S4).
    fn at_address(&self, ip: IpAddr, as_number: Option<AsNumber>) -> Option<Speaker> {
        let wanted = as_number.unwrap_or(self.topology.as_number.value);
        let speaker = *self.nodes.get(&ip)?;
        let node = &self.topology.nodes[speaker as usize];
        (self.topology.as_number_of(node) == wanted).then_some(speaker)
    }

    /// The neighbours that Calico adds on the other side (S4).
    fn reverse(&mut self) {
        let topology = self.topology;
        for (index, peering) in (0..).zip(&topology.peerings) {
            if !peering.reverse() {
                continue;
            }
            let (locals, families): (Vec<Speaker>, Vec<Family>) = match &peering.target {
                Target::Address(address) => {
                    if address.port().is_some_and(|port| {
                        self.node_port() != 0 && port != self.topology.listen_port
                    }) {
                        continue;
                    }
                    (
                        Vec::from_iter(self.at_address(address.ip(), peering.as_number)),
                        vec![address.family()],
                    )
                }
                Target::Nodes(nodes) => (nodes.clone(), vec![Family::V4, Family::V6]),
            };
            if locals.is_empty() {
                continue;
            }
            for remote in peering.scope.nodes(topology) {
                for local in &locals {
                    self.add_node(
                        REVERSE_PASS,
                        index,
                        *local,
                        remote,
                        families.iter().copied(),
                    );
                }
                if self.found.truncated {
                    return;
                }
            }
        }
    }

    /// Makes node `remote` a neighbour of `node`, in each family that it has an address of.
    fn add_node(
        &mut self,
        pass: u8,
        peering: u32,
        node: Speaker,
        remote: Speaker,
        families: impl IntoIterator<Item = Family>,
    ) {
        let other = &self.topology.nodes[remote as usize];
        let as_number = self.topology.as_number_of(other);
        let cluster_id = other.cluster_id.as_ref().map(|told| told.value);
        let port = self.node_port();
        for family in families {
            if let Some(address) = other.address(family) {
                self.add(pass, peering, node, address.ip, port, as_number, cluster_id);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a neighbour, once")]
    fn add(
        &mut self,
        pass: u8,
        peering: u32,
        node: Speaker,
        ip: IpAddr,
        port: u16,
        as_number: AsNumber,
        cluster_id: Option<ClusterId>,
    ) {
        let listed = self.neighbours.len() + self.found.own.len() + self.found.family_gaps.len();
        if listed >= MOST_NEIGHBOURS {
            self.found.truncated = true;
            return;
        }
        let local = &self.topology.nodes[node as usize];
        if [local.v4, local.v6]
            .into_iter()
            .flatten()
            .any(|address| address.ip == ip)
        {
            if pass != REVERSE_PASS {
                self.found.own.push((peering, node));
            }
            return;
        }
        if local.address(Family::of(ip)).is_none() {
            if pass != REVERSE_PASS {
                self.found.family_gaps.push((peering, node));
            }
            return;
        }
        let sequence = u32::try_from(self.neighbours.len()).unwrap_or(u32::MAX);
        self.neighbours.push(Neighbour {
            node,
            ip,
            port,
            pass,
            sequence,
            as_number,
            cluster_id,
            peering,
        });
    }

    /// The neighbours that count, sorted by node, address and port; the others are clashes.
    fn winners(&mut self) -> Vec<Neighbour> {
        let mut all = std::mem::take(&mut self.neighbours);
        all.sort_unstable_by_key(|one| (one.node, one.ip, one.port, one.pass, one.sequence));
        let mut winners: Vec<Neighbour> = Vec::with_capacity(all.len());
        for one in all {
            let Some(winner) = winners.last().filter(|winner| winner.key() == one.key()) else {
                winners.push(one);
                continue;
            };
            if one.pass == REVERSE_PASS || one.peering == winner.peering {
                continue;
            }
            self.found.clashes.push(Clash {
                node: one.node,
                ip: one.ip,
                port: one.port,
                winner: winner.peering,
                loser: one.peering,
                global_wins: winner.pass == GLOBAL_PASS && one.pass == NODE_PASS,
            });
        }
        winners
    }

    /// Puts the two sides of each session together.
    fn pair(&mut self, neighbours: &[Neighbour]) {
        for (index, near) in neighbours.iter().enumerate() {
            let session = match self.nodes.get(&near.ip).copied() {
                Some(other) => self.between_nodes(neighbours, index, other),
                None => Some(self.with_router(near)),
            };
            self.found.sessions.extend(session);
        }
    }

    /// The session with another node; `None` where the other side's neighbour makes it.
    fn between_nodes(
        &self,
        neighbours: &[Neighbour],
        index: usize,
        other: Speaker,
    ) -> Option<Session> {
        let near = &neighbours[index];
        let family = Family::of(near.ip);
        let here = self.topology.nodes[near.node as usize].address(family)?;
        let start = neighbours.partition_point(|one| (one.node, one.ip) < (other, here.ip));
        // Neighbours of one pair on several ports have one other side.
        let is_first = index == 0 || {
            let before = &neighbours[index - 1];
            (before.node, before.ip) != (near.node, near.ip)
        };
        let back = neighbours
            .get(start)
            .filter(|one| is_first && one.node == other && one.ip == here.ip);
        if back.is_some() && other < near.node {
            return None;
        }
        let one = self.side(near);
        let two = match back {
            Some(back) => self.side(back),
            None => self.silent_side(near, other, here),
        };
        let (status, configured) = (self.status(near, &one, &two, back), back.is_some());
        Some(if one.speaker < two.speaker {
            Session {
                family,
                near: one,
                far: two,
                near_configured: true,
                far_configured: configured,
                status,
            }
        } else {
            Session {
                family,
                near: two,
                far: one,
                near_configured: configured,
                far_configured: true,
                status,
            }
        })
    }

    /// What is known of a node that has no neighbour for a session.
    fn silent_side(&self, near: &Neighbour, other: Speaker, here: Address) -> Side {
        let node = &self.topology.nodes[other as usize];
        let remote = &self.topology.nodes[near.node as usize];
        Side {
            speaker: other,
            ip: near.ip,
            cause: Cause::Assumed,
            local_as: self.topology.as_number_of(node),
            remote_as: self.topology.as_number_of(remote),
            port: self.topology.listen_port,
            passive: near.ip.to_string() < here.ip.to_string(),
            client: false,
            next_hop: NextHop::Auto,
            allowed_local_as: 0,
        }
    }

    fn side(&self, neighbour: &Neighbour) -> Side {
        let topology = self.topology;
        let node = &topology.nodes[neighbour.node as usize];
        let peering = &topology.peerings[neighbour.peering as usize];
        let extra = peering.extra.as_deref();
        let local_as = extra
            .filter(|_| neighbour.pass != REVERSE_PASS)
            .and_then(|extra| extra.local_as_number)
            .unwrap_or_else(|| topology.as_number_of(node));
        let internal = local_as == neighbour.as_number;
        // `add` keeps neighbours out whose family the node has no address of.
        let ip = node
            .address(Family::of(neighbour.ip))
            .map_or(neighbour.ip, |address| address.ip);
        Side {
            speaker: neighbour.node,
            ip,
            cause: neighbour.cause(),
            local_as,
            remote_as: neighbour.as_number,
            port: match neighbour.port {
                0 => BGP_PORT,
                port => port,
            },
            passive: neighbour.pass == GLOBAL_PASS
                && self.nodes.contains_key(&neighbour.ip)
                && neighbour.ip.to_string() > ip.to_string(),
            client: internal && is_client(node, neighbour.cluster_id),
            next_hop: next_hop(extra, internal),
            // confd reads `numAllowedLocalASNumbers` for peers given by address alone.
            allowed_local_as: extra
                .filter(|_| neighbour.pass != REVERSE_PASS)
                .filter(|_| matches!(peering.target, Target::Address(_)))
                .map_or(0, |extra| extra.allowed_local_as),
        }
    }

    /// Whether a session between nodes comes up (S8).
    fn status(&self, near: &Neighbour, one: &Side, two: &Side, back: Option<&Neighbour>) -> Status {
        let topology = self.topology;
        let (a, b) = (
            &topology.nodes[one.speaker as usize],
            &topology.nodes[two.speaker as usize],
        );
        if topology.backend != Backend::Bird {
            return Status::NoBird;
        }
        let in_mesh = |node: &Node| topology.mesh.value && node.cluster_id.is_none();
        // BIRD gives a neighbour's address to the protocol that asks first, and the mesh's does, up or not.
        if in_mesh(a) && in_mesh(b) {
            return Status::Shadowed;
        }
        if one.remote_as != two.local_as {
            return Status::AsMismatch;
        }
        let Some(back) = back else {
            return Status::NoReverse;
        };
        let extra = |one: &Neighbour| topology.peerings[one.peering as usize].extra.as_deref();
        let password = |one: &Neighbour| extra(one).and_then(|extra| extra.password.as_deref());
        let ttl = |one: &Neighbour| extra(one).map_or(0, |extra| extra.ttl_security);
        let connects = |side: &Side| !side.passive && side.port == topology.listen_port;
        if two.remote_as != one.local_as {
            Status::AsMismatch
        } else if one.passive && two.passive {
            Status::BothPassive
        } else if !connects(one) && !connects(two) {
            Status::PortMismatch
        } else if password(near) != password(back) {
            Status::PasswordMismatch
        } else if (ttl(near) == 0) != (ttl(back) == 0) {
            Status::TtlMismatch
        } else if one.is_internal() && a.router_id().is_some() && a.router_id() == b.router_id() {
            Status::RouterIdClash
        } else {
            Status::Established
        }
    }

    /// The session with a router, which is made up where no file names it.
    fn with_router(&mut self, near: &Neighbour) -> Session {
        let index = self.router_at(near);
        let router = &self.found.routers[index as usize];
        let (ip, near) = (near.ip, self.side(near));
        let internal = near.local_as == router.as_number;
        let far = Side {
            speaker: self.found.nodes + index,
            ip,
            cause: Cause::Assumed,
            local_as: router.as_number,
            remote_as: near.local_as,
            port: BGP_PORT,
            passive: false,
            client: router.route_reflector && internal,
            next_hop: NextHop::Auto,
            allowed_local_as: 0,
        };
        let status = if self.topology.backend != Backend::Bird {
            Status::NoBird
        } else if near.remote_as == router.as_number {
            Status::External
        } else {
            Status::AsMismatch
        };
        Session {
            family: Family::of(near.ip),
            near,
            far,
            near_configured: true,
            far_configured: true,
            status,
        }
    }

    /// The router at a neighbour's address.
    fn router_at(&mut self, neighbour: &Neighbour) -> u32 {
        if let Some(index) = self.routers.get(&neighbour.ip) {
            return *index;
        }
        let node = &self.topology.nodes[neighbour.node as usize];
        let subnet = node
            .address(Family::of(neighbour.ip))
            .map(|address| address.subnet)
            .filter(|subnet| subnet.contains(neighbour.ip))
            .unwrap_or_else(|| Cidr::network_of(neighbour.ip, Family::of(neighbour.ip).bits()));
        let address = Address {
            ip: neighbour.ip,
            subnet,
        };
        let routers = &mut self.found.routers;
        let index = *self.implied.entry(neighbour.as_number).or_insert_with(|| {
            routers.push(Router {
                name: format!("router AS {}", neighbour.as_number),
                addresses: Vec::new(),
                as_number: neighbour.as_number,
                route_reflector: false,
                known: false,
            });
            u32::try_from(routers.len() - 1).unwrap_or(u32::MAX)
        });
        routers[index as usize].addresses.push(address);
        self.routers.insert(neighbour.ip, index);
        index
    }
}

/// S6: BIRD takes 0.0.0.0 for "not set" and uses the router ID (`proto/bgp/bgp.c`).
fn cluster(node: &Node) -> Option<Cluster> {
    let configured = node.cluster_id.as_ref()?.value;
    let effective = if configured.is_unspecified() {
        node.router_id()
    } else {
        Some(configured.ipv4())
    };
    Some(Cluster {
        configured,
        effective,
    })
}

/// S5: a reflector takes an inner neighbour for a client unless confd knows that it has the same cluster ID.
fn is_client(node: &Node, neighbour: Option<ClusterId>) -> bool {
    let own = node.cluster_id.as_ref().map(|told| told.value);
    own.is_some() && own != neighbour
}

fn next_hop(extra: Option<&PeeringExtra>, internal: bool) -> NextHop {
    match extra {
        Some(extra) if extra.keep_is_legacy && internal => NextHop::Auto,
        Some(extra) => extra.next_hop,
        None => NextHop::Auto,
    }
}
