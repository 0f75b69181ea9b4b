//! Who reaches whom in one fabric and not in the other.

use std::collections::BTreeMap;

use super::{Names, ReachChange, listed};
use crate::fabric::check::Checked;
use crate::fabric::classes::ClassId;
use crate::fabric::reach::Fate;
use crate::fabric::rules::wording::speaker;
use crate::fabric::session::Speaker;
use crate::model::Family;

/// Speakers that neither fabric tells apart; one that is new has no class now, a router that is peered with no longer none
/// then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Joint {
    router: bool,
    there: Option<ClassId>,
    wanted: Option<ClassId>,
}

/// What pairs have in common that are told of in one line.
type Row = (bool, Family, Joint, Fate);

/// The changes, lost pairs first; `None` where one of the fabrics was not computed to its end.
pub(super) fn compare(there: &Checked<'_>, wanted: &Checked<'_>) -> Option<Vec<ReachChange>> {
    if !there.is_complete() || !wanted.is_complete() {
        return None;
    }
    let joints = joints(there, wanted);
    let mut rows: BTreeMap<Row, (Names, u64)> = BTreeMap::new();
    for family in [Family::V4, Family::V6] {
        for (at, senders) in &joints {
            for (origin, receivers) in joints.iter().filter(|(origin, _)| !origin.router) {
                let pairs = if at == origin {
                    senders.len() * (senders.len() - 1)
                } else {
                    senders.len() * receivers.len()
                };
                let Some((gained, fate)) = change(there, wanted, family, *origin, *at) else {
                    continue;
                };
                if pairs > 0 {
                    let (to, sum) = rows.entry((gained, family, *at, fate)).or_default();
                    to.extend(receivers.clone());
                    *sum += pairs as u64;
                }
            }
        }
    }
    let changes = rows
        .into_iter()
        .map(|((gained, family, at, fate), (to, pairs))| ReachChange {
            gained,
            family,
            from: listed(joints[&at].clone()),
            to: listed(to),
            pairs,
            fate,
        });
    Some(changes.collect())
}

/// Whether packets arrive only now or only then, and what becomes of them where they do not.
fn change(
    there: &Checked<'_>,
    wanted: &Checked<'_>,
    family: Family,
    origin: Joint,
    at: Joint,
) -> Option<(bool, Fate)> {
    let before = fate(there, family, origin.there, at.there);
    let after = fate(wanted, family, origin.wanted, at.wanted);
    match (before.arrives(), after.arrives()) {
        (true, false) => Some((false, after)),
        (false, true) => Some((true, before)),
        _ => None,
    }
}

/// What becomes of packets for the origin's blocks, the worst of all pools of the family. Where there are no blocks or no
/// sender, none arrives.
fn fate(
    checked: &Checked<'_>,
    family: Family,
    origin: Option<ClassId>,
    at: Option<ClassId>,
) -> Fate {
    let (Some(origin), Some(at)) = (origin, at) else {
        return Fate::NoRoute;
    };
    let planes = checked.planes.iter();
    planes
        .filter(|plane| plane.family == family && plane.has_blocks(origin))
        .map(|plane| plane.fate(origin, at))
        .max()
        .unwrap_or(Fate::NoAddress)
}

/// The speakers by what both fabrics make of them. Nodes that go are lost to nobody; routers do not go with their peers.
fn joints(there: &Checked<'_>, wanted: &Checked<'_>) -> BTreeMap<Joint, Names> {
    let known: BTreeMap<&str, Speaker> = there
        .topology
        .nodes
        .iter()
        .map(|node| node.name.as_str())
        .zip(0..)
        .collect();
    let mut joints: BTreeMap<Joint, Names> = BTreeMap::new();
    let mut add = |joint: Joint, place: Speaker, name: String| {
        joints.entry(joint).or_default().insert((place, name));
    };
    let name = |then| speaker(wanted.topology, &wanted.sessions, then);
    for (then, node) in (0..).zip(&wanted.topology.nodes) {
        let now = known.get(node.name.as_str());
        let joint = Joint {
            router: false,
            there: now.map(|now| there.classes.of(*now)),
            wanted: Some(wanted.classes.of(then)),
        };
        add(joint, then, name(then));
    }
    let mut left: Vec<Speaker> = (there.sessions.nodes..)
        .take(there.sessions.routers.len())
        .collect();
    for (then, router) in (wanted.sessions.nodes..).zip(&wanted.sessions.routers) {
        let now = (there.sessions.nodes..).zip(&there.sessions.routers);
        let now: Vec<Speaker> = now
            .filter(|(_, other)| router.is_same(other))
            .map(|(now, _)| now)
            .collect();
        left.retain(|other| !now.contains(other));
        let joint = Joint {
            router: true,
            there: now.first().map(|now| there.classes.of(*now)),
            wanted: Some(wanted.classes.of(then)),
        };
        add(joint, then, name(then));
    }
    for now in left {
        let joint = Joint {
            router: true,
            there: Some(there.classes.of(now)),
            wanted: None,
        };
        add(
            joint,
            Speaker::MAX,
            speaker(there.topology, &there.sessions, now),
        );
    }
    joints
}
