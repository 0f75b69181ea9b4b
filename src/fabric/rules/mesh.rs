//! The node-to-node mesh, and fabrics without it: F040, F048, F049, F050.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::dataplane::all_vxlan;
use super::entries::{cluster_id, peers_of};
use super::links::{Links, is_lost, reflectors};
use super::wording::{counted, few, grouped, setting, speakers};
use crate::fabric::finding::{Code, Finding};
use crate::fabric::mesh::mesh_expectation;
use crate::fabric::session::{Mesh, Speaker};
use crate::fabric::topology::{Backend, Node, Origin, Topology};
use crate::model::AsNumber;

/// A mesh of more nodes than this wants reflectors (Calico's documentation, "Configure BGP peering": about 100 nodes).
const LARGE: usize = 100;

/// F040: no mesh, and nobody peers.
pub(super) fn no_sessions(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let own: BTreeSet<u32> = facts
        .sessions
        .own
        .iter()
        .map(|(peering, _)| *peering)
        .collect();
    let asked = (0..)
        .zip(&topology.peerings)
        .any(|(index, _)| !own.contains(&index));
    let lost = (1..)
        .zip(topology.nodes.iter().skip(1))
        .any(|(node, _)| is_lost(facts, node, 0));
    if topology.mesh.value || topology.backend != Backend::Bird || asked || !lost {
        return;
    }
    let message = format!(
        "is false, and no option names a BGP peer: none of the {} learns a route to another's pods",
        counted(topology.nodes.len() as u64, "node")
    );
    found.push(
        Finding::new(40, topology.mesh.origin.clone(), message)
            .value("false")
            .remedy("turn the mesh on, or name peers in global-bgp-peers, subnet-bgp-peers or unit-bgp-peers")
            .command(setting("node-to-node-mesh", true)),
    );
}

/// F048: a mesh that costs too many sessions.
pub(super) fn large(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let largest = facts
        .sessions
        .meshes
        .iter()
        .max_by_key(|mesh| mesh.members.len());
    let Some(mesh) = largest.filter(|mesh| mesh.members.len() > LARGE) else {
        return;
    };
    if all_vxlan(topology) {
        return;
    }
    let nodes = mesh.members.len() as u64;
    let message = format!(
        "makes {} between {}: every node talks to every other one",
        counted(nodes * (nodes - 1) / 2, "session"),
        counted(nodes, "node"),
    );
    let finding = Finding::new(48, topology.mesh.origin.clone(), message).value("true");
    if reflectors(topology).next().is_some() {
        let remedy =
            "peer every unit with the reflectors, and turn the mesh off when those sessions are up";
        found.push(finding.remedy(remedy));
        return;
    }
    let finding = finding.remedy(format!(
        "let two units reflect routes, which leaves about {} sessions; turn the mesh off when those are up",
        grouped(2 * nodes)
    ));
    found.push(match two_reflectors(topology, mesh) {
        Some(command) => finding.command(command),
        None => finding,
    });
}

/// Two reflectors in different zones where there are, each with an ID of its own so that no client depends on both.
fn two_reflectors(topology: &Topology, mesh: &Mesh) -> Option<String> {
    let node = |speaker: Speaker| &topology.nodes[speaker as usize];
    let first = *mesh.members.first()?;
    let number = topology.as_number_of(node(first));
    let alike = mesh
        .members
        .iter()
        .all(|member| topology.as_number_of(node(*member)) == number);
    if !alike || !topology.peerings.is_empty() {
        return None;
    }
    let elsewhere = mesh
        .members
        .iter()
        .find(|member| node(**member).zone != node(first).zone);
    let second = *elsewhere.or(mesh.members.get(1))?;
    let unit = |speaker: Speaker| Some(node(speaker).unit.as_ref()?.number());
    Some(format!(
        "{} global-bgp-peers='[{}]'",
        setting(
            "route-reflector-cluster-ids",
            format!(
                "{{{}: {}, {}: {}}}",
                unit(first)?,
                cluster_id(1)?,
                unit(second)?,
                cluster_id(2)?
            )
        ),
        peers_of(topology, &[first, second]).join(", ")
    ))
}

/// The members of all meshes, each once.
fn members(facts: &Facts<'_>) -> BTreeSet<Speaker> {
    facts
        .sessions
        .meshes
        .iter()
        .flat_map(|mesh| mesh.members.iter().copied())
        .collect()
}

/// F049: some nodes have AS numbers of their own and some have not. Since 3.32 a node takes a mesh peer without a number
/// to have the node's own (S2), which is wrong at one end.
pub(super) fn partial_as_numbers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let node = |speaker: &Speaker| &topology.nodes[*speaker as usize];
    let members = members(facts);
    let (with, without): (Vec<Speaker>, Vec<Speaker>) = members
        .iter()
        .partition(|member| node(member).as_number.is_some());
    let Some(bare) = without.first() else {
        return;
    };
    let differs = |one: &&Speaker| {
        mesh_expectation(topology, node(one), node(bare)) != topology.as_number_of(node(bare))
    };
    let torn: Vec<Speaker> = with.iter().filter(differs).copied().collect();
    let Some(first) = torn.first() else {
        return;
    };
    if all_vxlan(topology) {
        return;
    }
    let (torn, without) = (
        speakers(topology, facts.sessions, torn.iter().copied()),
        speakers(topology, facts.sessions, without.iter().copied()),
    );
    let message = format!(
        "gives {} an AS number of its own, and {} none: each end of their mesh sessions expects another number, and they \
         stay down",
        counted_units(&torn),
        counted_units(&without),
    );
    let number = topology.as_number.value;
    found.push(
        Finding::new(49, topology.as_number_origin(node(first)).clone(), message)
            .other(topology.as_number.origin.clone(), format!("is what the others have, {number}"))
            .value(topology.as_number_of(node(first)))
            .remedy(format!(
                "annotate every Node with its number (projectcalico.org/ASNumber), the others with {number}, or none"
            ))
            .units(torn),
    );
}

/// `calico/0`, or `3 nodes`.
fn counted_units(units: &[String]) -> String {
    match units {
        [one] => one.clone(),
        all => counted(all.len() as u64, "node"),
    }
}

/// F050: one mesh over several AS numbers.
pub(super) fn across_as_numbers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if all_vxlan(topology) || found.iter().any(|finding| finding.code == Code(49)) {
        return;
    }
    let node = |speaker: &Speaker| -> &Node { &topology.nodes[*speaker as usize] };
    let members = members(facts);
    let mut by_number: BTreeMap<AsNumber, Vec<Speaker>> = BTreeMap::new();
    for member in &members {
        by_number
            .entry(topology.as_number_of(node(member)))
            .or_default()
            .push(*member);
    }
    if by_number.len() < 2 {
        return;
    }
    let numbers: Vec<&AsNumber> = by_number.keys().collect();
    let message = format!(
        "is on, and its nodes have AS numbers {}: their sessions are eBGP, idle across subnets, and every node passes \
         on what it hears",
        few(&numbers)
    );
    let origin = by_number
        .values()
        .filter_map(|nodes| Some((nodes.len(), topology.as_number_origin(node(nodes.first()?)))))
        .filter(|(_, origin)| **origin != Origin::option("global-as-number"))
        .min_by_key(|(count, _)| *count);
    let mut finding = Finding::new(50, topology.mesh.origin.clone(), message).value("true").remedy(
        "turn the mesh off and let two units of each AS number reflect and peer with a router, or give all one AS number",
    );
    if let Some((_, origin)) = origin {
        finding = finding.other(origin.clone(), "gives some of them another AS number");
    }
    let links = Links::new(facts);
    if members
        .iter()
        .all(|member| links.of(*member).iter().any(|link| link.up))
    {
        finding = finding.command(setting("node-to-node-mesh", false));
    }
    found.push(finding);
}
