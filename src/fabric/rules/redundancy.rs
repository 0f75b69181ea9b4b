//! What a single failure would cut off.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::dataplane::all_vxlan;
use super::propagation::{origin_of, sides};
use super::wording::{few, speaker, speakers};
use crate::fabric::finding::{Code, Finding};
use crate::fabric::session::Speaker;
use crate::fabric::topology::Origin;
use crate::model::Family;

/// F066: nodes that hang on one session with a router. Those that hang on one reflector are F046's.
pub(super) fn single_sessions(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (topology, sessions) = (facts.topology, facts.sessions);
    if topology.mesh.value || topology.nodes.len() < 2 || all_vxlan(topology) {
        return;
    }
    let mut degree: BTreeMap<(Family, Speaker), u32> = BTreeMap::new();
    for (family, side, _) in by_family(facts) {
        *degree.entry((family, side)).or_default() += 1;
    }
    let mut hanging: BTreeMap<Origin, BTreeSet<Speaker>> = BTreeMap::new();
    for (side, other) in sides(facts) {
        let family = Family::of(side.ip);
        if side.speaker < sessions.nodes
            && other.speaker >= sessions.nodes
            && degree.get(&(family, side.speaker)) == Some(&1)
            && let Some(origin) = origin_of(facts, side, other)
        {
            hanging.entry(origin).or_default().insert(side.speaker);
        }
    }
    let Some((origin, nodes)) = hanging.iter().next() else {
        return;
    };
    let all: BTreeSet<Speaker> = hanging.values().flatten().copied().collect();
    let units = speakers(topology, sessions, all);
    let first = speakers(topology, sessions, nodes.iter().copied());
    let more = match hanging.len() - 1 {
        0 => String::new(),
        1 => "; one more peer stands alone like this".to_owned(),
        more => format!("; {more} more peers stand alone like this"),
    };
    found.push(
        Finding::new(
            66,
            origin.clone(),
            format!(
                "is the only BGP session of {}: without it their pods cannot be reached{more}",
                few(&first)
            ),
        )
        .remedy("peer these units with a second router, or with a reflector")
        .units(units),
    );
}

fn by_family<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (Family, Speaker, Speaker)> + use<'a> {
    facts
        .sessions
        .sessions
        .iter()
        .filter(|session| session.status.is_up())
        .flat_map(|session| {
            let (near, far) = (session.near.speaker, session.far.speaker);
            [(session.family, near, far), (session.family, far, near)]
        })
}

/// F106: a node without which the sessions fall into parts.
pub(super) fn single_points(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (topology, sessions) = (facts.topology, facts.sessions);
    if all_vxlan(topology) {
        return;
    }
    for family in topology.families() {
        let net = Net::new(facts, family);
        let mut cuts: Vec<(Speaker, Vec<Speaker>)> = net
            .articulations()
            .into_iter()
            .filter_map(|vertex| {
                let node = net.single(facts, vertex)?;
                let lost = net.cut_off(facts, vertex);
                (!lost.is_empty()).then_some((node, lost))
            })
            .filter(|(node, _)| !is_told(facts, found, *node))
            .collect();
        cuts.sort_by_key(|(node, lost)| (usize::MAX - lost.len(), *node));
        let Some((node, lost)) = cuts.first() else {
            continue;
        };
        let more = match cuts.len() - 1 {
            0 => String::new(),
            more => format!("; the same holds for {more} more"),
        };
        let name = speaker(topology, sessions, *node);
        let lost = speakers(topology, sessions, lost.iter().copied());
        found.push(
            Finding::new(
                106,
                place(facts, *node),
                format!(
                    "makes {name} the only way between {} and the rest: without {name} they are cut off{more}",
                    few(&lost)
                ),
            )
            .remedy(format!(
                "give them a second way: peer another unit with what {name} peers with"
            ))
            .units(speakers(topology, sessions, cuts.iter().map(|(node, _)| *node))),
        );
        return;
    }
}

/// Whether the reflectors' own finding (F046) names the node.
fn is_told(facts: &Facts<'_>, found: &[Finding], node: Speaker) -> bool {
    let name = speaker(facts.topology, facts.sessions, node);
    found
        .iter()
        .any(|finding| finding.code == Code(46) && finding.units.contains(&name))
}

/// Where the options single a node out.
fn place(facts: &Facts<'_>, node: Speaker) -> Origin {
    let told = facts.topology.nodes.get(node as usize);
    if let Some(cluster) = told.and_then(|node| node.cluster_id.as_ref()) {
        return cluster.origin.clone();
    }
    sides(facts)
        .filter(|(side, _)| side.speaker == node)
        .find_map(|(side, other)| origin_of(facts, side, other))
        .unwrap_or_else(|| facts.topology.mesh.origin.clone())
}

/// Classes and what joins them, the mesh and the routers' uplink as points of their own that do not fail.
struct Net {
    neighbours: Vec<Vec<usize>>,
    classes: usize,
}

impl Net {
    fn new(facts: &Facts<'_>, family: Family) -> Self {
        let classes = facts.classes.len();
        let (mesh, uplink) = (classes, classes + 1);
        let mut edges: BTreeSet<(usize, usize)> = BTreeSet::new();
        let of = |speaker: Speaker| facts.classes.of(speaker) as usize;
        for (session_family, side, other) in by_family(facts) {
            if session_family == family {
                edges.insert((of(side), of(other)));
            }
        }
        let joined = facts
            .sessions
            .meshes
            .iter()
            .filter(|one| one.family == family);
        let members = joined
            .flat_map(|one| &one.members)
            .map(|one| (of(*one), mesh));
        let routers = facts.classes.iter().filter(|(_, class)| class.router);
        for (one, hub) in members.chain(routers.map(|(id, _)| (id as usize, uplink))) {
            edges.insert((one, hub));
            edges.insert((hub, one));
        }
        let mut neighbours = vec![Vec::new(); classes + 2];
        for (one, other) in edges {
            if one != other {
                neighbours[one].push(other);
            }
        }
        Self {
            neighbours,
            classes,
        }
    }

    /// The only node of a class.
    fn single(&self, facts: &Facts<'_>, vertex: usize) -> Option<Speaker> {
        if vertex >= self.classes {
            return None;
        }
        let class = facts.classes.class(u32::try_from(vertex).ok()?);
        (!class.router && class.size() == 1).then(|| class.first())
    }

    /// The points whose loss takes the net apart (Hopcroft and Tarjan), without recursion.
    fn articulations(&self) -> BTreeSet<usize> {
        let count = self.neighbours.len();
        let mut seen = vec![0_usize; count];
        let mut low = vec![0_usize; count];
        let mut clock = 0;
        let mut found = BTreeSet::new();
        for root in 0..count {
            if seen[root] > 0 {
                continue;
            }
            let mut branches = 0;
            clock += 1;
            (seen[root], low[root]) = (clock, clock);
            let mut stack: Vec<(usize, usize, usize)> = vec![(root, usize::MAX, 0)];
            while let Some((at, parent, next)) = stack.pop() {
                if let Some(&to) = self.neighbours[at].get(next) {
                    stack.push((at, parent, next + 1));
                    if seen[to] == 0 {
                        clock += 1;
                        (seen[to], low[to]) = (clock, clock);
                        stack.push((to, at, 0));
                    } else if to != parent {
                        low[at] = low[at].min(seen[to]);
                    }
                } else if parent != usize::MAX {
                    low[parent] = low[parent].min(low[at]);
                    if parent == root {
                        branches += 1;
                    } else if low[at] >= seen[parent] {
                        found.insert(parent);
                    }
                }
            }
            if branches > 1 {
                found.insert(root);
            }
        }
        found
    }

    /// The speakers that lose the rest with a point: all but its largest part.
    fn cut_off(&self, facts: &Facts<'_>, without: usize) -> Vec<Speaker> {
        let mut seen = vec![false; self.neighbours.len()];
        seen[without] = true;
        let mut parts: Vec<Vec<Speaker>> = Vec::new();
        for start in &self.neighbours[without] {
            let mut part = Vec::new();
            let mut stack = vec![*start];
            while let Some(at) = stack.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                if at < self.classes {
                    let class = u32::try_from(at).unwrap_or(u32::MAX);
                    part.extend(facts.classes.members(class));
                }
                stack.extend(&self.neighbours[at]);
            }
            if !part.is_empty() {
                part.sort_unstable();
                parts.push(part);
            }
        }
        parts.sort_by_key(|part| (usize::MAX - part.len(), part.first().copied()));
        parts.into_iter().skip(1).flatten().collect()
    }
}
