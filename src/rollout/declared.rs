//! Cuts that a change brings with it whatever the order of its steps: said before it begins.

mod judged;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::fabric::{Backend, Node, Pool, Speaker, Topology, derive};
use crate::model::{AsNumber, Encapsulation};
use judged::{Group, Judged};
use walk::Walk;

/// How many reflectors that change in one step are looked at one by one.
const MOST_REFLECTORS: usize = 8;

/// How many names a text has.
const NAMED: usize = 3;

/// What cannot change without a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeclaredKind {
    /// AS numbers of nodes, or those that BGPPeers expect: a session is down until both ends have changed.
    AsNumbers,
    /// A session of the mesh that becomes one of a BGPPeer, or the way back: BIRD keeps the second of the two idle until the
    /// first has gone.
    Swap,
    /// How packets of a pool travel: one pool has one mode, and nodes change one after the other.
    Encapsulation,
    /// Reflectors that change together, where a pair of nodes needs several of them on its way.
    Reflectors,
}

impl DeclaredKind {
    /// Its word in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsNumbers => "as-numbers",
            Self::Swap => "swap",
            Self::Encapsulation => "encapsulation",
            Self::Reflectors => "reflectors",
        }
    }
}

/// A cut that is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Why.
    pub kind: DeclaredKind,
    /// Names of the nodes that change; empty where all do.
    pub nodes: BTreeSet<String>,
    /// How many pairs it cuts, one way each, with routers as senders.
    pub pairs: u64,
    /// What an operator reads.
    pub text: String,
    cut: Cut,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Cut {
    All,
    /// Senders and receivers that lose each other.
    Rows(Vec<(BTreeSet<String>, BTreeSet<String>)>),
}

impl Declared {
    /// As both plans tell it to programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "nodes": self.nodes,
            "pairs": self.pairs,
            "text": self.text,
        })
    }

    /// Whether packets between two speakers may be lost by it: nodes by name, routers by name or address.
    #[must_use]
    pub fn covers(&self, one: &str, other: &str) -> bool {
        match &self.cut {
            Cut::All => true,
            Cut::Rows(rows) => rows.iter().any(|(from, to)| {
                (from.contains(one) && to.contains(other))
                    || (from.contains(other) && to.contains(one))
            }),
        }
    }
}

/// The cuts that come with a change, and no more than these. Pairs that one of the fabrics does not connect are in none of
/// them, nor are nodes that come or go.
#[must_use]
pub fn declared(old: &Topology, new: &Topology) -> Vec<Declared> {
    if old.backend == Backend::None {
        return Vec::new();
    }
    let walk = Walk::new(old, new);
    let change = Change::new(&walk, new);
    if change.is_none() {
        return Vec::new();
    }
    let topologies = change.partial(&walk);
    let judged = Judged::new(&walk, new, &change, &topologies);
    let mut found = Vec::new();
    found.extend(change.encapsulation(&judged));
    found.extend(change.as_numbers(&judged));
    found.extend(change.swaps(&judged));
    found.extend(change.reflectors(&judged));
    found
}

/// What a change changes, as far as it may cut.
struct Change {
    /// Nodes with another AS number, by place.
    moved: BTreeSet<Speaker>,
    /// Where a node expects another AS number.
    expected: BTreeSet<(Speaker, IpAddr)>,
    /// Pools and backends that carry packets in another way, in words.
    encapsulation: Vec<String>,
    /// Nodes whose cluster ID is set or changed, and those whose is removed.
    reflectors: [Vec<Speaker>; 2],
    mesh: bool,
    names: Vec<String>,
}

impl Change {
    fn new(walk: &Walk, new: &Topology) -> Self {
        let pairs = || (0..).zip(walk.old.nodes.iter().zip(&new.nodes));
        let of = |differs: &dyn Fn(&Node, &Node) -> bool| -> Vec<Speaker> {
            let nodes = pairs().filter(|(_, (now, then))| differs(now, then));
            nodes.map(|(speaker, _)| speaker).collect()
        };
        let id = |node: &Node| node.cluster_id.as_ref().map(|told| told.value);
        let moved = of(&|now, then| walk.old.as_number_of(now) != new.as_number_of(then));
        let changed = of(&|now, then| id(then).is_some() && id(now) != id(then));
        let removed = of(&|now, then| id(then).is_none() && id(now).is_some());
        Self {
            moved: moved.into_iter().collect(),
            expected: expected(&walk.old, new),
            encapsulation: encapsulation(&walk.old, new),
            reflectors: [changed, removed],
            mesh: walk.old.mesh.value != new.mesh.value,
            names: new.nodes.iter().map(name).collect(),
        }
    }

    fn is_none(&self) -> bool {
        self.moved.is_empty()
            && self.expected.is_empty()
            && self.encapsulation.is_empty()
            && self.reflectors.iter().all(Vec::is_empty)
            && !self.mesh
    }

    /// Fabrics in which some reflectors have done a step and some have not.
    fn partial(&self, walk: &Walk) -> Vec<Topology> {
        let mut found = Vec::new();
        for step in walk.states().windows(2) {
            let &[before, after] = step else { continue };
            let id = |state: &Topology, node: &Speaker| {
                let node = &state.nodes[*node as usize];
                node.cluster_id.as_ref().map(|told| told.value)
            };
            let reflectors = self.reflectors.iter().flatten();
            let nodes: Vec<Speaker> = reflectors
                .filter(|node| id(before, node) != id(after, node))
                .copied()
                .collect();
            if nodes.len() < 2 {
                continue;
            }
            for one in nodes.iter().take(MOST_REFLECTORS) {
                for alone in [true, false] {
                    let mut partial = after.clone();
                    for node in nodes.iter().filter(|node| (*node == one) != alone) {
                        let place = *node as usize;
                        partial.nodes[place].clone_from(&before.nodes[place]);
                    }
                    found.push(partial);
                }
            }
        }
        found
    }

    fn encapsulation(&self, judged: &Judged<'_>) -> Option<Declared> {
        let what = self.encapsulation.join(", ");
        let pairs = judged.count(&judged.rows(&|_, _| true));
        (!what.is_empty() && pairs > 0).then(|| Declared {
            kind: DeclaredKind::Encapsulation,
            nodes: BTreeSet::new(),
            pairs,
            text: format!(
                "{what}: packets between nodes are lost until both have changed, up to {}",
                counted(pairs)
            ),
            cut: Cut::All,
        })
    }

    fn as_numbers(&self, judged: &Judged<'_>) -> Option<Declared> {
        let is_moved = |group: &Group| self.moved.contains(&group.first);
        let lost = judged.trials(DeclaredKind::AsNumbers);
        let rows = judged.rows(&|from, to| is_moved(from) || is_moved(to) || lost(from, to));
        let ends = self.expected.iter().map(|(node, _)| *node);
        let expecting: BTreeSet<Speaker> = ends.filter(|node| !self.moved.contains(node)).collect();
        let nodes: BTreeSet<Speaker> = self.moved.union(&expecting).copied().collect();
        let own = format!("AS numbers of {}", self.named(&self.moved));
        let of_peers = format!("AS numbers of the peers of {}", self.named(&expecting));
        let what = match (self.moved.is_empty(), expecting.is_empty()) {
            (false, false) => format!("{own} and {of_peers}"),
            (true, _) => of_peers,
            (_, true) => own,
        };
        Self::declare(DeclaredKind::AsNumbers, judged, rows, &nodes, |pairs| {
            format!("{what} change: their sessions are down until both ends have followed, {pairs}")
        })
    }

    fn swaps(&self, judged: &Judged<'_>) -> Option<Declared> {
        let lost = judged.trials(DeclaredKind::Swap);
        let rows = judged.rows(&|from, to| lost(from, to));
        let changed: BTreeSet<Speaker> = self.reflectors.iter().flatten().copied().collect();
        let reflectors: BTreeSet<Speaker> =
            changed.intersection(&judged.swapping).copied().collect();
        let (nodes, whose) = if reflectors.is_empty() {
            (judged.swapping.clone(), "among")
        } else {
            (reflectors, "with")
        };
        Self::declare(DeclaredKind::Swap, judged, rows, &nodes, |pairs| {
            format!(
                "sessions {whose} {} change between mesh and peer: down for about two seconds, {pairs}",
                self.named(&nodes)
            )
        })
    }

    fn reflectors(&self, judged: &Judged<'_>) -> Option<Declared> {
        let lost = judged.trials(DeclaredKind::Reflectors);
        let as_numbers = judged.trials(DeclaredKind::AsNumbers);
        let is_moved = |group: &Group| self.moved.contains(&group.first);
        let rows = judged.rows(&|from, to| {
            lost(from, to) && !as_numbers(from, to) && !is_moved(from) && !is_moved(to)
        });
        let nodes: BTreeSet<Speaker> = self.reflectors.iter().flatten().copied().collect();
        Self::declare(DeclaredKind::Reflectors, judged, rows, &nodes, |pairs| {
            format!(
                "{} change as reflectors, and some nodes need several of them on their way: cut while only some have \
                 changed, {pairs}",
                self.named(&nodes)
            )
        })
    }

    fn declare(
        kind: DeclaredKind,
        judged: &Judged<'_>,
        rows: Vec<(usize, usize)>,
        nodes: &BTreeSet<Speaker>,
        text: impl FnOnce(&str) -> String,
    ) -> Option<Declared> {
        let pairs = judged.count(&rows);
        let names = |group: usize| judged.groups[group].names.clone();
        (pairs > 0).then(|| Declared {
            kind,
            nodes: nodes
                .iter()
                .map(|node| judged.new.nodes[*node as usize].name.clone())
                .collect(),
            pairs,
            text: text(&counted(pairs)),
            cut: Cut::Rows(
                rows.into_iter()
                    .map(|(from, to)| (names(from), names(to)))
                    .collect(),
            ),
        })
    }

    /// `calico/0, calico/1 and 4 more`.
    fn named(&self, nodes: &BTreeSet<Speaker>) -> String {
        let names: Vec<&str> = nodes
            .iter()
            .map(|node| self.names[*node as usize].as_str())
            .collect();
        match names.as_slice() {
            [first @ .., last] if (1..NAMED).contains(&first.len()) => {
                format!("{} and {last}", first.join(", "))
            }
            names if names.len() <= NAMED => names.join(", "),
            names => format!(
                "{} and {} more",
                names[..NAMED].join(", "),
                names.len() - NAMED
            ),
        }
    }
}

/// The unit, else the node.
fn name(node: &Node) -> String {
    let unit = node.unit.as_ref();
    unit.map_or_else(|| node.name.clone(), ToString::to_string)
}

fn counted(pairs: u64) -> String {
    let plural = if pairs == 1 { "" } else { "s" };
    format!("{pairs} pair{plural}")
}

/// Pools that both fabrics have and whose packets travel in another way, and the backend.
fn encapsulation(old: &Topology, new: &Topology) -> Vec<String> {
    let mode = |one: Encapsulation| match one {
        Encapsulation::None => "no encapsulation".to_owned(),
        Encapsulation::Ipip(mode) => format!("IPIP {mode}"),
        Encapsulation::Vxlan(mode) => format!("VXLAN {mode}"),
    };
    let mut found: Vec<String> = Vec::new();
    for pool in &old.pools {
        let mut others = new.pools.iter();
        let other = others.find(|other| other.cidr == pool.cidr);
        let changes = |other: &&Pool| !other.encapsulation.has_tunnel_of(pool.encapsulation);
        if let Some(other) = other.filter(changes) {
            let (from, to) = (mode(pool.encapsulation), mode(other.encapsulation));
            found.push(format!("pool {} goes from {from} to {to}", pool.cidr));
        }
    }
    if found.is_empty() && old.backend != new.backend && new.backend != Backend::None {
        found.push("calico-node goes from BIRD to VXLAN alone or back".to_owned());
    }
    found
}

/// Where nodes expect another AS number of an address than now.
fn expected(old: &Topology, new: &Topology) -> BTreeSet<(Speaker, IpAddr)> {
    let of = |side: &Topology| -> BTreeMap<(Speaker, IpAddr), AsNumber> {
        let nodes = side.nodes.len();
        let sessions = derive(side).sessions.into_iter();
        let sides = sessions.flat_map(|session| {
            let near = session
                .near_configured
                .then_some((session.near, session.far.ip));
            let far = session
                .far_configured
                .then_some((session.far, session.near.ip));
            [near, far]
        });
        sides
            .flatten()
            .filter(|(own, _)| (own.speaker as usize) < nodes)
            .map(|(own, ip)| ((own.speaker, ip), own.remote_as))
            .collect()
    };
    let (before, after) = (of(old), of(new));
    before
        .into_iter()
        .filter(|(end, number)| after.get(end).is_some_and(|other| other != number))
        .map(|(end, _)| end)
        .collect()
}
