//! Options that could be set otherwise.

use std::collections::BTreeSet;

use super::super::edit::Edit;
use super::{Candidates, Repair};
use crate::fabric::classes::ClassId;
use crate::fabric::reach::Fate;
use crate::fabric::rules::dataplane::mode_origin;
use crate::fabric::rules::wording::{few, speakers, subnets};
use crate::fabric::session::{Speaker, Status};
use crate::fabric::topology::{Gateway, Origin};
use crate::model::{AsNumber, Cidr, Encapsulation, Family, TunnelMode};

impl Candidates<'_> {
    /// Sessions that are down: the AS number that the other side has.
    pub(super) fn sessions(&self, found: &mut Vec<Repair>) {
        let topology = self.facts.topology;
        let mut seen: BTreeSet<&Origin> = BTreeSet::new();
        for session in &self.facts.sessions.sessions {
            let (near, far) = (&session.near, &session.far);
            let ends = (
                self.facts.classes.of(near.speaker),
                self.facts.classes.of(far.speaker),
            );
            let boundary = self.holds(ends.0) != self.holds(ends.1);
            if session.status.is_up() || session.family != self.plane.family || !boundary {
                continue;
            }
            for (side, other) in [(near, far), (far, near)] {
                let Some(peering) = side
                    .cause
                    .peering()
                    .and_then(|index| topology.peerings.get(index as usize))
                else {
                    continue;
                };
                if seen.len() >= 4 || !seen.insert(&peering.origin) {
                    continue;
                }
                let edit = if session.status == Status::AsMismatch && peering.as_number.is_some() {
                    Edit::PeerAs(peering.origin.clone(), other.local_as)
                } else {
                    Edit::Heal(peering.origin.clone())
                };
                let mut repair = Repair::new(
                    edit,
                    peering.origin.clone(),
                    format!(
                        "makes a session with {} that stays down ({})",
                        other.ip,
                        session.status.as_str()
                    ),
                    "have both sides agree",
                );
                if session.status == Status::AsMismatch {
                    repair.fault = format!(
                        "gives {} AS number {}, but it has {}",
                        other.ip, side.remote_as, other.local_as
                    );
                    repair.remedy = format!("write as-number: {} for {}", other.local_as, other.ip);
                }
                found.push(repair.nodes(vec![side.speaker]));
            }
        }
    }

    /// A router that hears nodes of its own AS passes nothing on between them unless it reflects.
    pub(super) fn reflecting_router(&self, found: &mut Vec<Repair>) {
        let routers = self.facts.classes.iter().filter(|(_, class)| class.router);
        for (id, _) in routers {
            let Some(router) = self
                .router(id)
                .filter(|router| !router.route_reflector && self.holds(id))
            else {
                continue;
            };
            let (_, place) = self.place_of_peers(id);
            let inner = self
                .joined
                .range((id, 0)..=(id, ClassId::MAX))
                .any(|(_, other)| self.as_number(*other) == Some(router.as_number));
            if !inner
                || found
                    .iter()
                    .filter(|one| matches!(one.edits[0], Edit::Reflect(_)))
                    .count()
                    >= 2
            {
                continue;
            }
            let origin = if router.known {
                Origin::Router(router.name.clone())
            } else {
                place
            };
            found.push(Repair::new(
                Edit::Reflect(router.clone()),
                origin,
                format!(
                    "has AS {} as the nodes have, and is not said to reflect routes between them",
                    router.as_number
                ),
                "configure the router as a route reflector for the units, and say route-reflector: true of it under routers",
            ));
        }
    }

    pub(super) fn mesh(&self, found: &mut Vec<Repair>) {
        let mesh = &self.facts.topology.mesh;
        if mesh.value {
            return;
        }
        let repair = Repair::new(
            Edit::Mesh,
            mesh.origin.clone(),
            "is false, and no other session takes its place for some nodes",
            "set it to true, or give these units peers",
        );
        found.push(repair.command("node-to-node-mesh", "true"));
    }

    /// With a mesh every node tells a router of another AS of every node's pods, and the router takes any of them.
    pub(super) fn mesh_off(&self, found: &mut Vec<Repair>) {
        let mesh = &self.facts.topology.mesh;
        if !mesh.value {
            return;
        }
        let repair = Repair::new(
            Edit::NoMesh,
            mesh.origin.clone(),
            "is true: a router of another AS hears of all pods from every node, and sends packets to nodes whose own way \
             is by the router",
            "set it to false, give the router the AS number of the nodes, or set vxlan to CrossSubnet",
        );
        found.push(repair.command("node-to-node-mesh", "false"));
    }

    /// A mesh between AS numbers does not cross subnets.
    pub(super) fn one_as(&self, found: &mut Vec<Repair>) {
        let topology = self.facts.topology;
        let numbers: BTreeSet<AsNumber> = topology
            .nodes
            .iter()
            .map(|node| topology.as_number_of(node))
            .collect();
        let Some(origin) = self
            .node(self.loss.at)
            .and_then(|node| node.as_number.as_ref())
        else {
            return;
        };
        if !topology.mesh.value || numbers.len() < 2 {
            return;
        }
        found.push(Repair::new(
            Edit::OneAs,
            origin.origin.clone(),
            "gives nodes of one mesh other AS numbers than the rest has",
            "give all nodes one AS number, or peer each rack with its router or with reflectors in place of the mesh",
        ));
    }

    /// One of two racks with one AS number gets another.
    pub(super) fn other_as(&self, found: &mut Vec<Repair>) {
        let topology = self.facts.topology;
        let Some(subnet) = self.subnet(self.loss.at) else {
            return;
        };
        if self.subnet(self.loss.origin) == Some(subnet) {
            return;
        }
        let Some(number) = self.free_as() else {
            return;
        };
        let rack = self.rack();
        let nodes: Vec<Speaker> = (0..)
            .zip(&topology.nodes)
            .filter(|(_, node)| {
                node.address(self.plane.family)
                    .is_some_and(|address| rack.contains(&address.subnet))
            })
            .map(|(speaker, _)| speaker)
            .collect();
        let Some(node) = self.node(self.loss.at) else {
            return;
        };
        let own = topology.as_number_of(node);
        let other = self
            .subnet(self.loss.origin)
            .map_or_else(String::new, |subnet| subnet.to_string());
        let entries: Vec<String> = rack
            .iter()
            .map(|subnet| format!("{subnet}: {number}"))
            .collect();
        found.push(
            Repair::new(
                Edit::NodeAs(nodes.clone(), number),
                topology.as_number_origin(node).clone(),
                format!("gives AS number {own} to {} and to {other}, which meet only over another AS: each drops the other's routes", few(&rack)),
                format!("give one of them a number of its own in subnet-as-numbers, e.g. {}; peers and routers of these units have to know it", few(&entries)),
            )
            .nodes(nodes)
            .explaining(),
        );
    }

    /// The subnets that share a router with the loss's end, and have its AS number.
    fn rack(&self) -> Vec<Cidr> {
        let Some(subnet) = self.subnet(self.loss.at) else {
            return Vec::new();
        };
        let router = self
            .facts
            .sessions
            .routers
            .iter()
            .find(|router| router.is_on(subnet));
        let nodes = 0..self.facts.sessions.nodes;
        let other = self.subnet(self.loss.origin);
        subnets(self.facts.topology, self.plane.family, nodes)
            .into_iter()
            .filter(|one| {
                *one == subnet
                    || (Some(*one) != other && router.is_some_and(|router| router.is_on(*one)))
            })
            .collect()
    }

    /// The first private AS number that nobody has (RFC 6996).
    fn free_as(&self) -> Option<AsNumber> {
        let topology = self.facts.topology;
        let nodes = topology
            .nodes
            .iter()
            .map(|node| topology.as_number_of(node));
        let routers = self
            .facts
            .sessions
            .routers
            .iter()
            .map(|router| router.as_number);
        let used: BTreeSet<AsNumber> = nodes.chain(routers).collect();
        (64512..65535)
            .filter_map(|number| AsNumber::new(number).ok())
            .find(|number| !used.contains(number))
    }

    pub(super) fn default_route(&self, found: &mut Vec<Repair>) {
        let first = self
            .node(self.loss.at)
            .filter(|node| node.gateway == Gateway::None);
        let Some(unit) = first.and_then(|node| node.unit.as_ref()) else {
            return;
        };
        let nodes: Vec<Speaker> = (0..)
            .zip(&self.facts.topology.nodes)
            .filter(|(_, node)| node.gateway == Gateway::None)
            .map(|(speaker, _)| speaker)
            .collect();
        let units = speakers(
            self.facts.topology,
            self.facts.sessions,
            nodes.iter().copied(),
        );
        let repair = Repair::new(
            Edit::DefaultRoute(nodes.clone()),
            Origin::Unit(unit.clone()),
            "has no default route, and the next hops of its routes are on other subnets",
            format!(
                "give {} a default route by the router of the subnet",
                few(&units)
            ),
        );
        found.push(repair.nodes(nodes).explaining());
    }

    /// Tunnels between subnets, for which the network under them needs to know nothing.
    pub(super) fn encapsulation(&self, found: &mut Vec<Repair>) {
        let topology = self.facts.topology;
        let Some(pool) = self
            .plane
            .pools
            .first()
            .and_then(|index| topology.pools.get(*index as usize))
        else {
            return;
        };
        let pools = self.plane.pools.clone();
        let origin = mode_origin(pool);
        let foreign = origin.place().is_none();
        let plain = pool.encapsulation == Encapsulation::None;
        let mut between: Vec<Cidr> = [self.loss.at, self.loss.origin]
            .into_iter()
            .filter_map(|class| self.subnet(class))
            .collect();
        between.sort_unstable();
        let fault = if plain {
            let from = if foreign {
                "has no encapsulation"
            } else {
                "is Never, and so is ipip"
            };
            format!(
                "{from}: packets between {} travel as they are, but no router on their way knows where the pods are",
                few(&between)
            )
        } else {
            "puts packets into tunnels, which end at nodes: where a router is the next hop they are lost".to_owned()
        };
        let tunnel = Encapsulation::Vxlan(TunnelMode::CrossSubnet);
        let mut repair = Repair::new(
            Edit::Encapsulate(pools.clone(), tunnel),
            origin,
            fault,
            if plain && self.plane.family == Family::V4 {
                "set vxlan or ipip to CrossSubnet, or peer the units with the subnets' routers (subnet-bgp-peers) so that these learn the pods' routes"
            } else if plain {
                "set vxlan to CrossSubnet, or peer the units with the subnets' routers (subnet-bgp-peers) so that these learn the pods' routes"
            } else {
                "set ipip to Never and vxlan to CrossSubnet"
            },
        );
        if !foreign && plain {
            repair = repair.command("vxlan", "CrossSubnet");
        } else if !foreign && !plain {
            repair.command = Some("juju config calico ipip=Never vxlan=CrossSubnet".to_owned());
        }
        if self.loss.fate != Fate::Unresolved {
            repair = repair.explaining();
        }
        found.push(repair);
        if !plain {
            let mut repair = Repair::new(
                Edit::Encapsulate(pools, Encapsulation::None),
                mode_origin(pool),
                "puts packets into tunnels, which end at nodes: where a router is the next hop they are lost",
                "set it to Never: the routers know the pods' routes",
            );
            if !foreign {
                repair = repair.command("ipip", "Never");
            }
            found.push(repair.explaining());
        }
    }
}
