//! What cannot change without a cut, and whom it cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::pairs::{Pair, connected, connected_by};
use crate::fabric::{Mesh, Session, Sessions, Status, Topology, derive};
use crate::model::{AsNumber, ClusterId, Family};

/// A cut that a change brings with it, whatever the order of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Why.
    pub cause: Why,
    /// Who may not reach whom for a while.
    pub pairs: BTreeSet<Pair>,
}

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// AS numbers of sessions, which both ends have to change.
    AsNumber,
    /// How packets travel in a pool.
    Encapsulation,
    /// Cluster IDs of two reflectors that have a session with each other.
    ClusterId,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::AsNumber => "AS numbers change",
            Self::Encapsulation => "the encapsulation changes",
            Self::ClusterId => "cluster IDs change",
        })
    }
}

/// The cuts that come with a change, and no more than these.
#[must_use]
pub fn declared(old: &Topology, new: &Topology) -> Vec<Declared> {
    let mut found = Vec::new();
    let mut add = |cause, pairs: BTreeSet<Pair>| {
        if !pairs.is_empty() {
            found.push(Declared { cause, pairs });
        }
    };
    add(Why::Encapsulation, by_encapsulation(old, new));
    let changed = as_numbers_that_change(old, new);
    if !changed.is_empty() {
        let needs = |side: &Topology| {
            needing(side, |sessions| {
                without_as_numbers(side, sessions, &changed);
            })
        };
        let mut pairs = needs(old);
        pairs.extend(needs(new));
        let moving: BTreeSet<&str> = changed.iter().filter_map(AsChange::node).collect();
        let ends = connected(old).into_iter().filter(|pair| {
            moving.contains(pair.from.as_str()) || moving.contains(pair.to.as_str())
        });
        pairs.extend(ends);
        add(Why::AsNumber, pairs);
    }
    let reflectors = cluster_ids_that_change(old, new);
    if reflectors.len() > 1 {
        let between = |side: &Topology, session: &Session| {
            let ends = [session.near.speaker, session.far.speaker];
            ends.iter().all(|end| {
                let node = side.nodes.get(*end as usize);
                node.is_some_and(|node| reflectors.contains(node.name.as_str()))
            })
        };
        let needs = |side: &Topology| {
            needing(side, |sessions| {
                take_down(sessions, |session| between(side, session));
            })
        };
        let mut pairs = needs(old);
        pairs.extend(needs(new));
        add(Why::ClusterId, pairs);
    }
    found
}

/// The pairs of a fabric that lose each other when some of its sessions are down.
fn needing(side: &Topology, take_down: impl FnOnce(&mut Sessions)) -> BTreeSet<Pair> {
    let mut sessions = derive(side);
    take_down(&mut sessions);
    let left = connected_by(side, sessions);
    connected(side).difference(&left).cloned().collect()
}

fn take_down(sessions: &mut Sessions, is_down: impl Fn(&Session) -> bool) {
    for session in &mut sessions.sessions {
        if is_down(session) {
            session.status = Status::NoBird;
        }
    }
}

/// Every pair of a family where a pool that both have changes its encapsulation.
fn by_encapsulation(old: &Topology, new: &Topology) -> BTreeSet<Pair> {
    let changes = |family: Family| {
        old.pools.iter().any(|pool| {
            pool.cidr.family() == family
                && new.pools.iter().any(|other| {
                    other.cidr == pool.cidr && other.encapsulation != pool.encapsulation
                })
        })
    };
    let backend = old.backend != new.backend;
    let pairs = connected(old).into_iter();
    pairs
        .filter(|pair| backend || changes(pair.family))
        .collect()
}

/// An AS number that is another one afterwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum AsChange {
    /// A node's own.
    Node(String),
    /// The one that a node's BGPPeer expects at an address.
    Peer(String, IpAddr),
}

impl AsChange {
    fn node(&self) -> Option<&str> {
        match self {
            Self::Node(node) => Some(node),
            Self::Peer(..) => None,
        }
    }
}

fn as_numbers_that_change(old: &Topology, new: &Topology) -> BTreeSet<AsChange> {
    let mut found = BTreeSet::new();
    let of = |side: &Topology| -> BTreeMap<String, AsNumber> {
        let nodes = side.nodes.iter();
        nodes
            .map(|node| (node.name.clone(), side.as_number_of(node)))
            .collect()
    };
    let (before, after) = (of(old), of(new));
    for (node, number) in &before {
        if after.get(node).is_some_and(|other| other != number) {
            found.insert(AsChange::Node(node.clone()));
        }
    }
    let (before, after) = (expected(old), expected(new));
    for ((node, ip), number) in &before {
        let other = after.get(&(node.clone(), *ip));
        if other.is_some_and(|other| other != number) {
            found.insert(AsChange::Peer(node.clone(), *ip));
        }
    }
    found
}

/// The AS number that each node expects at each address it peers with.
fn expected(side: &Topology) -> BTreeMap<(String, IpAddr), AsNumber> {
    let mut found = BTreeMap::new();
    for session in derive(side).sessions {
        for (own, other) in [(&session.near, &session.far), (&session.far, &session.near)] {
            if let Some(node) = side.nodes.get(own.speaker as usize) {
                found.insert((node.name.clone(), other.ip), own.remote_as);
            }
        }
    }
    found
}

fn without_as_numbers(side: &Topology, sessions: &mut Sessions, changed: &BTreeSet<AsChange>) {
    let name = |speaker: u32| side.nodes.get(speaker as usize).map(|node| &node.name);
    let moves = |speaker: u32| {
        name(speaker).is_some_and(|node| changed.contains(&AsChange::Node(node.clone())))
    };
    take_down(sessions, |session| {
        let expects = |own: u32, ip: IpAddr| {
            name(own).is_some_and(|node| changed.contains(&AsChange::Peer(node.clone(), ip)))
        };
        let (near, far) = (&session.near, &session.far);
        moves(near.speaker)
            || moves(far.speaker)
            || expects(near.speaker, far.ip)
            || expects(far.speaker, near.ip)
    });
    for Mesh { members, .. } in &mut sessions.meshes {
        members.retain(|member| !moves(*member));
    }
}

/// The nodes that reflect before and after, with another cluster ID.
fn cluster_ids_that_change<'t>(old: &'t Topology, new: &Topology) -> BTreeSet<&'t str> {
    let id = |side: &Topology, name: &str| -> Option<ClusterId> {
        let node = side.nodes.iter().find(|node| node.name == name)?;
        Some(node.cluster_id.as_ref()?.value)
    };
    let nodes = old.nodes.iter().map(|node| node.name.as_str());
    nodes
        .filter(|name| match (id(old, name), id(new, name)) {
            (Some(before), Some(after)) => before != after,
            _ => false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::members::{standing, wanted};
    use crate::sim::history::invariant::stage::{MESH, REFLECTOR, Stage, options};

    fn found(stage: &Stage, given: &[(&str, &str)]) -> Vec<Declared> {
        let scene = stage.scene();
        let old = standing(&scene, &BTreeSet::new());
        let new = wanted(&scene, &options(given), old.clone()).unwrap();
        declared(&old, &new)
    }

    fn texts(declared: &Declared) -> Vec<String> {
        declared.pairs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn from_the_mesh_to_a_reflector_nothing_need_be_cut() {
        let stage = Stage::new(3);
        stage.configure("calico/0", true);
        assert_eq!(found(&stage, &REFLECTOR), []);
        assert_eq!(found(&stage, &MESH), []);
    }

    #[test]
    fn another_encapsulation_cuts_everybody() {
        let stage = Stage::new(3);
        stage.configure("calico/0", true);
        let mut plain = MESH.to_vec();
        plain[1] = ("ipip", "Never");
        let found = found(&stage, &plain);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].cause, found[0].pairs.len()),
            (Why::Encapsulation, 6)
        );
    }

    #[test]
    fn an_as_number_cuts_the_sessions_that_it_changes() {
        let stage = Stage::new(3);
        stage.configure("calico/0", true);
        let mut numbered = MESH.to_vec();
        numbered.push(("unit-as-numbers", "{2: 64600}"));
        let numbers = found(&stage, &numbered);
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        assert_eq!(numbers[0].cause, Why::AsNumber);
        assert_eq!(
            texts(&numbers[0]),
            [
                "node-0 to node-2 (IPv4)",
                "node-1 to node-2 (IPv4)",
                "node-2 to node-0 (IPv4)",
                "node-2 to node-1 (IPv4)",
            ]
        );
        // All of them: the number of the cluster.
        let mut all = MESH.to_vec();
        all.push(("global-as-number", "64600"));
        assert_eq!(found(&stage, &all)[0].pairs.len(), 6);
    }

    #[test]
    fn two_reflectors_that_change_ids_may_lose_each_other() {
        let stage = Stage::new(2);
        stage.configure("calico/0", false);
        stage.cluster_id(0, Some("224.0.0.1"));
        stage.cluster_id(1, Some("224.0.0.2"));
        stage.peer(1, 0, 64512);
        let reflecting = |ids| {
            let mut options = MESH.to_vec();
            options[2] = ("node-to-node-mesh", "false");
            options.push(("route-reflector-cluster-ids", ids));
            options.push((
                "unit-bgp-peers",
                "{1: [{address: 10.0.0.10, as-number: 64512}]}",
            ));
            options
        };
        let swapped = found(&stage, &reflecting("{0: 224.0.0.2, 1: 224.0.0.1}"));
        assert_eq!(swapped.len(), 1, "{swapped:?}");
        assert_eq!(
            (swapped[0].cause, swapped[0].pairs.len()),
            (Why::ClusterId, 2)
        );
        let one = found(&stage, &reflecting("{0: 224.0.0.3, 1: 224.0.0.2}"));
        assert_eq!(one, []);
    }
}
