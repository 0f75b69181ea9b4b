//! The two sides of each session: which there are, what each is told of the other, and whether it comes up.

use super::{BGP_PORT, Derivation, GLOBAL_PASS, Neighbour, REVERSE_PASS};
use crate::fabric::session::{Cause, Session, Side, Speaker, Status};
use crate::fabric::topology::{Address, Backend, NextHop, Node, PeeringExtra, Router, Target};
use crate::model::{Cidr, ClusterId, Family};

impl Derivation<'_> {
    /// Puts the two sides of each session together.
    pub(super) fn pair(&mut self, neighbours: &[Neighbour]) {
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
