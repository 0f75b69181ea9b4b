//! Whether a change mends more than it breaks.

use std::collections::BTreeMap;

use crate::fabric::{Checked, ClassId, Speaker};
use crate::model::Family;

/// Whether all that reaches what it should in the fabric that is there still does in the wanted one, and something more
/// does too. Nodes are the same by name, routers by an address or by name.
#[must_use]
pub fn improves(there: &Checked<'_>, wanted: &Checked<'_>) -> bool {
    if !there.is_complete() || !wanted.is_complete() {
        return false;
    }
    let groups = groups(there, wanted);
    let mut gained = false;
    for family in [Family::V4, Family::V6] {
        for (at, number) in &groups {
            for (origin, _) in groups.iter().filter(|(origin, _)| origin.node) {
                if at == origin && *number < 2 {
                    continue;
                }
                let before = arrives(there, family, origin.there, at.there);
                let after = arrives(wanted, family, origin.wanted, at.wanted);
                if before && !after {
                    return false;
                }
                gained |= after && !before;
            }
        }
    }
    gained
}

/// Speakers that neither fabric tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    node: bool,
    there: ClassId,
    wanted: ClassId,
}

/// The speakers that both fabrics have, and how many are alike in both.
fn groups(there: &Checked<'_>, wanted: &Checked<'_>) -> Vec<(Group, usize)> {
    let mut groups: BTreeMap<Group, usize> = BTreeMap::new();
    let mut add = |node, there_speaker: Speaker, wanted_speaker: Speaker| {
        let group = Group {
            node,
            there: there.classes.of(there_speaker),
            wanted: wanted.classes.of(wanted_speaker),
        };
        *groups.entry(group).or_default() += 1;
    };
    let names: BTreeMap<&str, Speaker> = wanted
        .topology
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .zip(0..)
        .collect();
    for (speaker, node) in (0..).zip(&there.topology.nodes) {
        if let Some(other) = names.get(node.name.as_str()) {
            add(true, speaker, *other);
        }
    }
    for (speaker, router) in (there.sessions.nodes..).zip(&there.sessions.routers) {
        let mut others = wanted.sessions.routers.iter();
        let other = others.position(|other| other.is_same(router));
        if let Some(other) = other.and_then(|place| u32::try_from(place).ok()) {
            add(false, speaker, wanted.sessions.nodes + other);
        }
    }
    groups.into_iter().collect()
}

/// Whether packets from `at` arrive in the origin's blocks of every pool of the family.
fn arrives(checked: &Checked<'_>, family: Family, origin: ClassId, at: ClassId) -> bool {
    let mut planes = checked
        .planes
        .iter()
        .filter(|plane| plane.family == family && plane.has_blocks(origin))
        .peekable();
    planes.peek().is_some() && planes.all(|plane| plane.fate(origin, at).arrives())
}
