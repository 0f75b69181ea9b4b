//! Small changes of a fabric, tried out to see what they mend.

use std::net::IpAddr;

use super::super::check::check_by_classes;
use super::super::classes::Classes;
use super::super::derive::derive;
use super::super::facts::Facts;
use super::super::propagate::Budget;
use super::super::reach::Plane;
use super::super::session::{Sessions, Side, Speaker, Status};
use super::super::topology::{Backend, Gateway, Origin, Peering, Router, Target, Told, Topology};
use crate::model::{AsNumber, ClusterId, Encapsulation, PeerAddress};

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Sessions that the peerings of a place make come up.
    Heal(Origin),
    /// The peers of a place get this AS number.
    PeerAs(Origin, AsNumber),
    /// Nodes get this AS number, and who peers with them knows.
    NodeAs(Vec<Speaker>, AsNumber),
    /// Nodes get this AS number, as others expect of them already.
    Annotated(Vec<Speaker>, AsNumber),
    /// Every node has the AS number it uses on its Node as well.
    Annotate,
    /// No node has an AS number of its own.
    OneAs,
    /// Nodes peer with an address.
    Peer(Vec<Speaker>, IpAddr, AsNumber),
    /// A node has this cluster ID, or none.
    Cluster(Speaker, Option<ClusterId>),
    /// Everybody peers with everybody.
    Mesh,
    /// Nobody does so by himself.
    NoMesh,
    /// BIRD runs.
    Bird,
    /// The router reflects.
    Reflect(Router),
    /// Pools travel so.
    Encapsulate(Vec<u32>, Encapsulation),
    /// Pools are announced, and no filter of peers holds them back.
    Announce,
    /// Nodes have a default route.
    DefaultRoute(Vec<Speaker>),
    /// An entry is no longer idle: it is gone.
    Drop(Origin),
}

/// A fabric with changes, and all that follows from it.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub topology: Topology,
    sessions: Sessions,
    classes: Classes,
    planes: Vec<Plane>,
    /// Places whose sessions are taken to come up.
    healed: Vec<Origin>,
}

impl State {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        Self {
            topology: facts.topology.clone(),
            sessions: facts.sessions.clone(),
            classes: facts.classes.clone(),
            planes: facts.planes.to_vec(),
            healed: Vec::new(),
        }
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            topology: &self.topology,
            sessions: &self.sessions,
            classes: &self.classes,
            planes: &self.planes,
        }
    }

    /// The fabric after these changes.
    pub(super) fn with(&self, edits: &[Edit]) -> Self {
        let mut topology = self.topology.clone();
        let mut healed = self.healed.clone();
        for edit in edits {
            match edit {
                Edit::Heal(origin) => healed.push(origin.clone()),
                other => apply(&mut topology, other),
            }
        }
        let mut sessions = derive(&topology);
        heal(&topology, &mut sessions, &healed);
        let classes = Classes::new(&topology, &sessions);
        let checked = check_by_classes(&topology, sessions, classes, Budget::HOOK);
        let (sessions, classes, planes) = (checked.sessions, checked.classes, checked.planes);
        Self {
            topology,
            sessions,
            classes,
            planes,
            healed,
        }
    }
}

fn apply(topology: &mut Topology, edit: &Edit) {
    match edit {
        Edit::Heal(_) => {}
        Edit::PeerAs(origin, as_number) => {
            for peering in &mut topology.peerings {
                if peering.origin == *origin {
                    peering.as_number = Some(*as_number);
                }
            }
        }
        Edit::NodeAs(nodes, as_number) => renumber(topology, nodes, *as_number),
        Edit::Annotated(nodes, as_number) => {
            for node in nodes {
                let origin = topology.mesh.origin.clone();
                if let Some(node) = topology.nodes.get_mut(*node as usize) {
                    let value = *as_number;
                    node.as_number = Some(Told { value, origin });
                }
            }
        }
        Edit::Annotate => {
            let numbers: Vec<_> = topology
                .nodes
                .iter()
                .map(|node| Told {
                    value: topology.as_number_of(node),
                    origin: topology.as_number_origin(node).clone(),
                })
                .collect();
            for (node, number) in topology.nodes.iter_mut().zip(numbers) {
                node.as_number = Some(number);
            }
        }
        Edit::OneAs => {
            for node in &mut topology.nodes {
                node.as_number = None;
            }
        }
        Edit::Peer(nodes, ip, as_number) => {
            let origin = topology.mesh.origin.clone();
            // An address that is no peer's makes no peering, and so mends nothing.
            let address: Option<PeerAddress> = ip.to_string().parse().ok();
            topology
                .peerings
                .extend(address.into_iter().flat_map(|address| {
                    let origin = &origin;
                    nodes.iter().map(move |node| {
                        Peering::of_node(origin.clone(), *node, address, *as_number)
                    })
                }));
        }
        Edit::Cluster(node, id) => {
            let origin = topology.mesh.origin.clone();
            if let Some(node) = topology.nodes.get_mut(*node as usize) {
                node.cluster_id = id.map(|value| Told { value, origin });
            }
        }
        Edit::Mesh => topology.mesh.value = true,
        Edit::NoMesh => topology.mesh.value = false,
        Edit::Bird => topology.backend = Backend::Bird,
        Edit::Reflect(router) => {
            let reflecting = Router {
                route_reflector: true,
                known: true,
                ..router.clone()
            };
            let known = topology
                .routers
                .iter_mut()
                .find(|one| one.addresses == router.addresses);
            match known {
                Some(known) => *known = reflecting,
                None => topology.routers.push(reflecting),
            }
        }
        Edit::Encapsulate(pools, encapsulation) => {
            for pool in pools {
                if let Some(pool) = topology.pools.get_mut(*pool as usize) {
                    pool.encapsulation = *encapsulation;
                }
            }
        }
        Edit::Announce => {
            topology.filters.clear();
            for pool in &mut topology.pools {
                pool.exported = true;
            }
        }
        Edit::DefaultRoute(nodes) => {
            for node in nodes {
                if let Some(node) = topology.nodes.get_mut(*node as usize) {
                    node.gateway = Gateway::Unknown;
                }
            }
        }
        Edit::Drop(origin) => topology.idle.retain(|idle| idle.origin != *origin),
    }
}

fn renumber(topology: &mut Topology, nodes: &[Speaker], as_number: AsNumber) {
    let mut addresses: Vec<IpAddr> = Vec::new();
    for node in nodes {
        let origin = topology.mesh.origin.clone();
        if let Some(node) = topology.nodes.get_mut(*node as usize) {
            addresses.extend([node.v4, node.v6].into_iter().flatten().map(|one| one.ip));
            node.as_number = Some(Told {
                value: as_number,
                origin,
            });
        }
    }
    addresses.sort_unstable();
    for peering in &mut topology.peerings {
        if let Target::Address(address) = peering.target
            && addresses.binary_search(&address.ip()).is_ok()
        {
            peering.as_number = Some(as_number);
        }
    }
}

/// Has the sessions of some places come up: each side expects what the other is.
fn heal(topology: &Topology, sessions: &mut Sessions, healed: &[Origin]) {
    if healed.is_empty() {
        return;
    }
    let clusters = &sessions.clusters;
    let is_healed = |side: &Side| {
        let peering = side
            .cause
            .peering()
            .and_then(|index| topology.peerings.get(index as usize));
        peering.is_some_and(|peering| healed.contains(&peering.origin))
    };
    for session in &mut sessions.sessions {
        let (near, far) = (&mut session.near, &mut session.far);
        if session.status.is_up() || !(is_healed(near) || is_healed(far)) {
            continue;
        }
        (near.remote_as, far.remote_as) = (far.local_as, near.local_as);
        for side in [near, far] {
            let reflects = clusters
                .get(side.speaker as usize)
                .is_some_and(Option::is_some);
            side.client = reflects && side.is_internal();
        }
        session.status = Status::Established;
    }
}
