//! Sessions of two fabrics, matched by their ends.
//!
//! Those of peers are matched one by one, those of the mesh by kinds of members: a mesh of a thousand nodes has half a
//! million of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::side::{End, Ends, Fabric, MeshKind, Shape};
use super::{Effect, Kind, Names, SessionChange, SessionTotals, listed};
use crate::fabric::check::Checked;
use crate::fabric::classes::ClassId;
use crate::fabric::rules::wording::speaker;
use crate::fabric::topology::Origin;
use crate::model::Family;

/// Nodes alike in both meshes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    there: MeshKind,
    wanted: MeshKind,
    /// Whether the node's address is another one.
    moved: bool,
}

/// Rows of sessions that have everything in common but their ends.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    effect: Effect,
    before: Option<Kind>,
    after: Option<Kind>,
    family: Family,
    /// Classes of both ends in both fabrics, or the router alone; `None` for the mesh's own rows.
    classes: Option<[Joint; 2]>,
}

/// A router's address, else the class of a node now and then.
type Joint = (Option<IpAddr>, Option<ClassId>, Option<ClassId>);

struct Members {
    origin: Origin,
    near: Names,
    far: Names,
    sessions: u64,
}

/// The sessions of both fabrics side by side.
pub(super) struct Comparison<'a> {
    there: Fabric<'a>,
    wanted: Fabric<'a>,
    rows: BTreeMap<Row, Members>,
    /// The sum.
    pub(super) totals: SessionTotals,
    /// What does not stay as it is.
    pub(super) changed: Vec<SessionChange>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(there: &'a Checked<'a>, wanted: &'a Checked<'a>) -> Self {
        Self {
            there: Fabric::new(there),
            wanted: Fabric::new(wanted),
            rows: BTreeMap::new(),
            totals: SessionTotals::default(),
            changed: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) {
        let mut ends: Vec<Ends<'a>> = self.there.sessions.keys().copied().collect();
        ends.extend(self.wanted.sessions.keys());
        ends.sort_unstable();
        ends.dedup();
        for pair in &ends {
            self.of_peers(pair);
        }
        for family in [Family::V4, Family::V6] {
            self.of_meshes(family, &ends);
        }
        let rows = std::mem::take(&mut self.rows).into_iter();
        self.changed = rows.map(|(row, members)| row.change(members)).collect();
    }

    fn of_peers(&mut self, ends: &Ends<'a>) {
        let (before, after) = (self.there.up(ends), self.wanted.up(ends));
        let Some(effect) = self.count(before.as_ref(), after.as_ref(), 1) else {
            return;
        };
        let (family, one, other) = *ends;
        let mut both = [(self.joint(one), one), (self.joint(other), other)];
        both.sort_unstable();
        let row = Row {
            effect,
            before: before.as_ref().map(Shape::kind),
            after: after.as_ref().map(Shape::kind),
            family,
            classes: Some(match both.map(|(joint, _)| joint) {
                [_, router @ (Some(_), ..)] => [(None, None, None), router],
                nodes => nodes,
            }),
        };
        let [near, far] = both.map(|(_, end)| self.name(end));
        let asks = if after.is_some() {
            &self.wanted
        } else {
            &self.there
        };
        let origin = asks.origin(ends);
        let members = self.rows.entry(row).or_insert_with(|| Members::new(origin));
        members.near.insert(near);
        members.far.insert(far);
        members.sessions += 1;
    }

    /// The pairs of nodes that the mesh alone connects, now or then.
    fn of_meshes(&mut self, family: Family, of_peers: &[Ends<'a>]) {
        let groups = self.groups(family);
        let mut by_peers: BTreeMap<(Group, Group), u64> = BTreeMap::new();
        let group_of: BTreeMap<&str, Group> = groups
            .iter()
            .flat_map(|(group, names)| names.iter().map(|name| (*name, *group)))
            .collect();
        for (of, one, other) in of_peers {
            if let (End::Node(one), End::Node(other)) = (one, other)
                && *of == family
                && let (Some(one), Some(other)) = (group_of.get(one), group_of.get(other))
            {
                *by_peers
                    .entry((*one.min(other), *one.max(other)))
                    .or_default() += 1;
            }
        }
        let all: Vec<(&Group, &Vec<&str>)> = groups.iter().collect();
        for (index, (group, ones)) in all.iter().enumerate() {
            for (other_group, others) in &all[index..] {
                let (one, other, pairs) = if group == other_group {
                    let [one, other, ..] = ones.as_slice() else {
                        continue;
                    };
                    let count = ones.len() as u64;
                    (*one, *other, count * (count - 1) / 2)
                } else {
                    (ones[0], others[0], (ones.len() * others.len()) as u64)
                };
                let taken = by_peers.get(&(**group, **other_group));
                let pairs = pairs - taken.copied().unwrap_or_default();
                self.of_mesh_pair(family, (one, other), pairs, (ones, others));
            }
        }
    }

    fn of_mesh_pair(
        &mut self,
        family: Family,
        (one, other): (&'a str, &'a str),
        pairs: u64,
        (ones, others): (&[&'a str], &[&'a str]),
    ) {
        let before = self.there.mesh(family, one, other);
        let after = self.wanted.mesh(family, one, other);
        let Some(effect) = self.count(before.as_ref(), after.as_ref(), pairs) else {
            return;
        };
        let row = Row {
            effect,
            before: before.map(|_| Kind::Mesh),
            after: after.map(|_| Kind::Mesh),
            family,
            classes: None,
        };
        let names: Names = ones
            .iter()
            .chain(others)
            .map(|name| self.name(End::Node(name)))
            .collect();
        let asks = if row.after.is_some() {
            &self.wanted
        } else {
            &self.there
        };
        let origin = asks.checked.topology.mesh.origin.clone();
        let members = self.rows.entry(row).or_insert_with(|| Members::new(origin));
        members.near.extend(names);
        members.sessions += pairs;
    }

    /// What becomes of sessions, counted; `None` for those that stay and those that are up in neither fabric.
    fn count(
        &mut self,
        before: Option<&Shape>,
        after: Option<&Shape>,
        sessions: u64,
    ) -> Option<Effect> {
        if sessions == 0 {
            return None;
        }
        let totals = &mut self.totals;
        let effect = match outcome(before, after) {
            Outcome::Absent => return None,
            Outcome::Kept => {
                totals.kept += sessions;
                return None;
            }
            Outcome::Changed(effect) => effect,
        };
        *match effect {
            Effect::Lost => &mut totals.lost,
            Effect::Restarted(_) => &mut totals.restarted,
            Effect::Gained => &mut totals.gained,
        } += sessions;
        Some(effect)
    }

    /// The nodes by what the meshes make of them; those that are in neither mesh are left out.
    fn groups(&self, family: Family) -> BTreeMap<Group, Vec<&'a str>> {
        let mut groups: BTreeMap<Group, Vec<&'a str>> = BTreeMap::new();
        let (there, wanted) = (&self.there, &self.wanted);
        let names = wanted.speakers.keys();
        let gone = there
            .speakers
            .keys()
            .filter(|name| !wanted.speakers.contains_key(*name));
        for name in names.chain(gone).copied() {
            let ip = |fabric: &Fabric<'_>| {
                let (_, node) = fabric.node(name)?;
                Some(node.address(family)?.ip)
            };
            let group = Group {
                there: there.mesh_kind(family, name),
                wanted: wanted.mesh_kind(family, name),
                moved: ip(there) != ip(wanted),
            };
            if group.there.is_some() || group.wanted.is_some() {
                groups.entry(group).or_default().push(name);
            }
        }
        groups
    }

    fn joint(&self, end: End<'_>) -> Joint {
        match end {
            End::Router(ip) => (Some(ip), None, None),
            End::Node(name) => {
                let class = |fabric: &Fabric<'_>| {
                    let (speaker, _) = fabric.node(name)?;
                    Some(fabric.checked.classes.of(speaker))
                };
                (None, class(&self.there), class(&self.wanted))
            }
        }
    }

    /// An end's name for people, after its place in the fabric.
    fn name(&self, end: End<'_>) -> (u32, String) {
        let of = |fabric: &Fabric<'_>| {
            let sessions = &fabric.checked.sessions;
            let found = match end {
                End::Node(name) => fabric.node(name)?.0,
                End::Router(ip) => {
                    let place = sessions.routers.iter().position(|router| router.has(ip))?;
                    sessions.nodes + u32::try_from(place).ok()?
                }
            };
            Some((found, speaker(fabric.checked.topology, sessions, found)))
        };
        of(&self.wanted)
            .or_else(|| of(&self.there).map(|(_, name)| (u32::MAX, name)))
            .unwrap_or((u32::MAX, "a router".to_owned()))
    }
}

impl Members {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            near: Names::new(),
            far: Names::new(),
            sessions: 0,
        }
    }
}

impl Row {
    fn change(self, members: Members) -> SessionChange {
        SessionChange {
            effect: self.effect,
            family: self.family,
            before: self.before,
            after: self.after,
            origin: members.origin,
            near: listed(members.near),
            far: listed(members.far),
            sessions: members.sessions,
        }
    }
}

/// What becomes of a session.
enum Outcome {
    /// It is up in neither fabric.
    Absent,
    /// It stays as it is.
    Kept,
    Changed(Effect),
}

fn outcome(before: Option<&Shape>, after: Option<&Shape>) -> Outcome {
    match (before, after) {
        (None, None) => Outcome::Absent,
        (Some(_), None) => Outcome::Changed(Effect::Lost),
        (None, Some(_)) => Outcome::Changed(Effect::Gained),
        (Some(before), Some(after)) if before == after => Outcome::Kept,
        (Some(before), Some(after)) => Outcome::Changed(Effect::Restarted(before.reason(after))),
    }
}
