//! From objects to sessions: what confd writes into BIRD's configuration, and which of it comes up (S1 to S9).
//!
//! Calico's rules are those of `confd/pkg/backends/calico/{client,bgp_processor}.go`: global peers first, then those of
//! single nodes, then the ways back that Calico adds itself; the first that makes a neighbour wins.

mod sides;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::mesh::meshes;
use super::session::{Cause, Clash, Cluster, Sessions, Speaker};
use super::topology::{Node, Scope, Target, Topology};
use crate::model::{AsNumber, ClusterId, Family};

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
