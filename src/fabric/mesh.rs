//! The node-to-node mesh: who is in it, and which of its sessions come up (S2). Its n² sessions are never listed.

use std::collections::BTreeMap;

use super::session::{Cause, Mesh, Side, Speaker, Status};
use super::topology::{Backend, NextHop, Node, Topology};
use crate::model::{AsNumber, Cidr, Family, Release};

/// The first release that takes a mesh peer without an AS number of its own to have the local node's
/// (`bgp_processor.go`, `processMeshPeers`); earlier ones take the global one.
const MESH_GUESSES_LOCAL: Release = Release::new(3, 32, 0);

/// What a mesh session's status depends on: the AS number on the Node, where it has one, and the subnet.
type Kind = (Option<AsNumber>, Option<Cidr>);

/// The mesh of each family that has one: nodes without cluster ID.
pub(super) fn meshes(topology: &Topology) -> Vec<Mesh> {
    if !topology.mesh.value {
        return Vec::new();
    }
    let members = |family: Family| -> Vec<Speaker> {
        (0..)
            .zip(&topology.nodes)
            .filter(|(_, node)| node.cluster_id.is_none() && node.address(family).is_some())
            .map(|(speaker, _)| speaker)
            .collect()
    };
    [Family::V4, Family::V6]
        .into_iter()
        .map(|family| Mesh {
            family,
            members: members(family),
        })
        .filter(|mesh| mesh.members.len() > 1)
        .collect()
}

/// The sessions of a mesh by status, counted by kinds of members and not pair by pair.
#[must_use]
pub fn mesh_totals(topology: &Topology, mesh: &Mesh) -> BTreeMap<Status, u64> {
    let mut kinds: BTreeMap<Kind, (&Node, u64)> = BTreeMap::new();
    for member in &mesh.members {
        let Some(node) = topology.nodes.get(*member as usize) else {
            continue;
        };
        let as_number = node.as_number.as_ref().map(|told| told.value);
        let subnet = node.address(mesh.family).map(|address| address.subnet);
        kinds.entry((as_number, subnet)).or_insert((node, 0)).1 += 1;
    }
    let kinds: Vec<(&Node, u64)> = kinds.into_values().collect();
    let mut found = BTreeMap::new();
    for (index, (one, ones)) in kinds.iter().enumerate() {
        for (other, others) in &kinds[index..] {
            let pairs = if std::ptr::eq(*one, *other) {
                ones * (ones - 1) / 2
            } else {
                ones * others
            };
            let status = mesh_status(topology, mesh.family, one, other);
            *found.entry(status).or_default() += pairs;
        }
    }
    found.retain(|_, number| *number > 0);
    found
}

/// The AS number that `node` expects of its mesh peer `other` (S2).
#[must_use]
pub fn mesh_expectation(topology: &Topology, node: &Node, other: &Node) -> AsNumber {
    match &other.as_number {
        Some(told) => told.value,
        None if topology.release >= MESH_GUESSES_LOCAL => topology.as_number_of(node),
        None => topology.as_number.value,
    }
}

/// Whether the mesh's session between two members comes up.
#[must_use]
pub fn mesh_status(topology: &Topology, family: Family, one: &Node, other: &Node) -> Status {
    let (Some(near), Some(far)) = (one.address(family), other.address(family)) else {
        return Status::NoReverse;
    };
    let (near_as, far_as) = (topology.as_number_of(one), topology.as_number_of(other));
    if topology.backend != Backend::Bird {
        Status::NoBird
    } else if mesh_expectation(topology, one, other) != far_as
        || mesh_expectation(topology, other, one) != near_as
    {
        Status::AsMismatch
    } else if near_as != far_as && near.subnet != far.subnet {
        Status::NotMultihop
    } else {
        Status::Established
    }
}

/// One side of a mesh session.
#[must_use]
pub fn mesh_side(
    topology: &Topology,
    family: Family,
    speaker: Speaker,
    other: &Node,
) -> Option<Side> {
    let node = topology.nodes.get(speaker as usize)?;
    let ip = node.address(family)?.ip;
    let remote = other.address(family)?.ip;
    Some(Side {
        speaker,
        ip,
        cause: Cause::Mesh,
        local_as: topology.as_number_of(node),
        remote_as: mesh_expectation(topology, node, other),
        port: topology.listen_port,
        // confd compares the texts (`peerIP > currentNodeIP`).
        passive: remote.to_string() > ip.to_string(),
        client: false,
        next_hop: NextHop::Auto,
        allowed_local_as: 0,
    })
}
