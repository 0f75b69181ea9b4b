//! Every session that is up, one pair of speakers at a time: the mesh and what routers tell each other included.

use std::net::{IpAddr, Ipv4Addr};

use calico_charm::fabric::{Backend, NextHop, Router, Sessions, Side, Speaker, Topology};
use calico_charm::model::{Family, Release};

/// A value that tells speakers apart: an IPv4 address as configured, or one that nobody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    Ip(Ipv4Addr),
    Own(Speaker),
}

/// One end of a session that is up.
#[derive(Debug, Clone, Copy)]
pub struct End {
    pub speaker: Speaker,
    /// The source address; routers' own sessions have none that matters.
    pub ip: Option<IpAddr>,
    pub local_as: u32,
    pub remote_as: u32,
    pub client: bool,
    pub next_hop: NextHop,
    pub allowed_local_as: usize,
}

impl End {
    pub fn is_internal(&self) -> bool {
        self.local_as == self.remote_as
    }
}

/// A session that is up.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub ends: [End; 2],
}

/// All of a family's.
pub fn links(topology: &Topology, sessions: &Sessions, family: Family) -> Vec<Link> {
    let mut all: Vec<Link> = sessions
        .sessions
        .iter()
        .filter(|session| session.family == family && session.status.is_up())
        .map(|session| Link {
            ends: [end(&session.near), end(&session.far)],
        })
        .collect();
    mesh(topology, family, &mut all);
    between_routers(sessions, &mut all);
    all
}

fn end(side: &Side) -> End {
    End {
        speaker: side.speaker,
        ip: Some(side.ip),
        local_as: side.local_as.value(),
        remote_as: side.remote_as.value(),
        client: side.client,
        next_hop: side.next_hop,
        allowed_local_as: usize::from(side.allowed_local_as),
    }
}

/// S2, pair by pair.
fn mesh(topology: &Topology, family: Family, all: &mut Vec<Link>) {
    if !topology.mesh.value || topology.backend != Backend::Bird {
        return;
    }
    let global = topology.as_number.value.value();
    let own = |index: usize| {
        topology.nodes[index]
            .as_number
            .as_ref()
            .map(|told| told.value.value())
    };
    let first_guess: Release = "3.32.0".parse().expect("a release");
    let guesses_local = topology.release >= first_guess;
    let expected = |at: usize, of: usize| match own(of) {
        Some(number) => number,
        None if guesses_local => own(at).unwrap_or(global),
        None => global,
    };
    for (one, node) in topology.nodes.iter().enumerate() {
        for (other, peer) in topology.nodes.iter().enumerate().skip(one + 1) {
            let (Some(here), Some(there)) = (node.address(family), peer.address(family)) else {
                continue;
            };
            if node.cluster_id.is_some() || peer.cluster_id.is_some() || here.ip == there.ip {
                continue;
            }
            let (near_as, far_as) = (own(one).unwrap_or(global), own(other).unwrap_or(global));
            if expected(one, other) != far_as || expected(other, one) != near_as {
                continue;
            }
            // Outer sessions of the mesh are not multihop: BIRD wants the neighbour on a connected network.
            if near_as != far_as && here.subnet != there.subnet {
                continue;
            }
            let end = |speaker: usize, ip, local_as, remote_as| End {
                speaker: speaker_of(speaker),
                ip: Some(ip),
                local_as,
                remote_as,
                client: false,
                // Without multihop BIRD leaves the next hop alone as long as it is on the session's own interface, and
                // nodes are taken to have one.
                next_hop: NextHop::Keep,
                allowed_local_as: 0,
            };
            all.push(Link {
                ends: [
                    end(one, here.ip, near_as, far_as),
                    end(other, there.ip, far_as, near_as),
                ],
            });
        }
    }
}

/// R4: each router has a session with each other one, inner where the AS numbers are equal; one that reflects takes the
/// other for a client, as it takes all its inner neighbours. Taken to be so in both families.
fn between_routers(sessions: &Sessions, all: &mut Vec<Link>) {
    for (near, here) in sessions.routers.iter().enumerate() {
        for (far, there) in sessions.routers.iter().enumerate().skip(near + 1) {
            let internal = here.as_number == there.as_number;
            let end = |index: usize, own: &Router, other: &Router| End {
                speaker: sessions.nodes + speaker_of(index),
                ip: None,
                local_as: own.as_number.value(),
                remote_as: other.as_number.value(),
                client: internal && own.route_reflector,
                next_hop: NextHop::Auto,
                allowed_local_as: 0,
            };
            all.push(Link {
                ends: [end(near, here, there), end(far, there, here)],
            });
        }
    }
}

pub fn speaker_of(index: usize) -> Speaker {
    u32::try_from(index).expect("tests have few speakers")
}
