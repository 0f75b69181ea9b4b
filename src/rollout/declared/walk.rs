//! The fabrics that a change passes through when every unit does its part of a step ([`crate::rollout`] has the table of steps).

use std::collections::BTreeMap;

use crate::fabric::{Node, Peering, Pool, Scope, Target, Told, Topology};

/// The states on the way. All have the nodes of the new fabric, in its order.
pub(super) struct Walk {
    /// What stands.
    pub(super) old: Topology,
    /// After `add`.
    pub(super) added: Topology,
    /// After `rejoin`.
    pub(super) rejoined: Topology,
    /// After `renumber`.
    pub(super) renumbered: Topology,
    /// After `reflect`.
    pub(super) reflected: Topology,
    /// With the leader's part of `unset`: the mesh is as it is to be.
    pub(super) mesh: Topology,
    /// After `unset`.
    pub(super) unset: Topology,
}

impl Walk {
    pub(super) fn new(old: &Topology, new: &Topology) -> Self {
        let old = framed(old, new);
        let added = added(&old, new);
        let is_own = |node: &Node| old.as_number_of(node) != old.as_number.value;
        let rejoined = with_ids(&added, new, |now, wanted| {
            !wanted && new.mesh.value && !is_own(now)
        });
        let several = new
            .nodes
            .iter()
            .any(|node| new.as_number_of(node) != new.as_number.value);
        let renumbered = with_ids(&renumbered(&rejoined, new), new, |_, wanted| {
            if wanted { several } else { new.mesh.value }
        });
        let reflected = with_ids(&renumbered, new, |_, wanted| wanted);
        let mut mesh = reflected.clone();
        mesh.mesh.clone_from(&new.mesh);
        let unset = with_ids(&mesh, new, |_, _| true);
        Self {
            old,
            added,
            rejoined,
            renumbered,
            reflected,
            mesh,
            unset,
        }
    }

    /// The states in their order.
    pub(super) fn states(&self) -> [&Topology; 7] {
        [
            &self.old,
            &self.added,
            &self.rejoined,
            &self.renumbered,
            &self.reflected,
            &self.mesh,
            &self.unset,
        ]
    }
}

/// With the cluster IDs of the new fabric, on nodes that are picked as they are and by whether they are to have one.
fn with_ids(state: &Topology, new: &Topology, picks: impl Fn(&Node, bool) -> bool) -> Topology {
    let mut with = state.clone();
    for (node, then) in with.nodes.iter_mut().zip(&new.nodes) {
        if picks(node, then.cluster_id.is_some()) {
            node.cluster_id.clone_from(&then.cluster_id);
        }
    }
    with
}

/// The fabric that stands, with the nodes of the new one. Packets travel as they do now until the end.
fn framed(old: &Topology, new: &Topology) -> Topology {
    let known: BTreeMap<&str, &Node> = old
        .nodes
        .iter()
        .map(|node| (node.name.as_str(), node))
        .collect();
    let places: BTreeMap<&str, u32> = new.nodes.iter().map(|node| &*node.name).zip(0..).collect();
    let place = |index: u32| -> Option<u32> {
        let node = old.nodes.get(index as usize)?;
        places.get(node.name.as_str()).copied()
    };
    let mut framed = Topology {
        peerings: old
            .peerings
            .iter()
            .filter_map(|peering| moved(peering, place))
            .collect(),
        pools: old
            .pools
            .iter()
            .map(|pool| Pool {
                nodes: pool.nodes.as_ref().map(|nodes| all(nodes, place)),
                ..pool.clone()
            })
            .collect(),
        mesh: old.mesh.clone(),
        as_number: old.as_number.clone(),
        backend: old.backend,
        ..new.clone()
    };
    for filter in &old.filters {
        if framed.filters.iter().all(|other| other.name != filter.name) {
            framed.filters.push(filter.clone());
        }
    }
    for node in &mut framed.nodes {
        if let Some(now) = known.get(node.name.as_str()) {
            node.as_number.clone_from(&now.as_number);
            node.cluster_id.clone_from(&now.cluster_id);
        }
    }
    framed
}

fn all(nodes: &[u32], place: impl Fn(u32) -> Option<u32>) -> Vec<u32> {
    nodes.iter().filter_map(|node| place(*node)).collect()
}

fn moved(peering: &Peering, place: impl Fn(u32) -> Option<u32>) -> Option<Peering> {
    let scope = match &peering.scope {
        Scope::Global => Scope::Global,
        Scope::Node(node) => Scope::Node(place(*node)?),
        Scope::Selected(nodes) => Scope::Selected(all(nodes, &place)),
    };
    let target = match &peering.target {
        Target::Address(address) => Target::Address(*address),
        Target::Nodes(nodes) => Target::Nodes(all(nodes, &place)),
    };
    Some(Peering {
        scope,
        target,
        ..peering.clone()
    })
}

fn is_same(one: &Peering, other: &Peering) -> bool {
    one.scope == other.scope && one.target == other.target
}

fn added(old: &Topology, new: &Topology) -> Topology {
    let mut added = old.clone();
    for peering in &new.peerings {
        if !old.peerings.iter().any(|other| is_same(other, peering)) {
            added.peerings.push(peering.clone());
        }
    }
    added.mesh.value |= new.mesh.value;
    for (node, then) in added.nodes.iter_mut().zip(&new.nodes) {
        if node.as_number.is_none() && then.as_number.is_some() {
            node.as_number = Some(old.as_number.clone());
        }
    }
    added
}

fn renumbered(rejoined: &Topology, new: &Topology) -> Topology {
    let mut renumbered = rejoined.clone();
    renumbered.as_number.clone_from(&new.as_number);
    for (node, then) in renumbered.nodes.iter_mut().zip(&new.nodes) {
        if let Some(annotated) = &mut node.as_number {
            *annotated = Told {
                value: new.as_number_of(then),
                origin: new.as_number_origin(then).clone(),
            };
        }
    }
    for peering in &mut renumbered.peerings {
        let mut wanted = new.peerings.iter();
        if let Some(wanted) = wanted.find(|wanted| is_same(wanted, peering)) {
            peering.as_number = wanted.as_number;
        }
    }
    renumbered
}
