//! The sessions as a picture has them: one link for all sessions between two items that are in one state.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::check::Checked;
use super::super::finding::{Code, Finding};
use super::super::mesh::mesh_totals;
use super::super::session::{Session, Status};
use super::super::topology::Origin;
use super::scene::{Item, ItemId};
use super::words::counted;
use crate::model::Family;

/// Whether a link carries routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Both sides are known and agree.
    Up,
    /// The other side is a router, taken to match.
    Assumed,
    /// It does not come up.
    Down(Status, Code),
}

impl State {
    /// What stands at a link that is down.
    pub fn label(self) -> Option<String> {
        match self {
            Self::Down(status, code) => Some(format!("{code} {}", status.as_str())),
            Self::Up | Self::Assumed => None,
        }
    }
}

/// The sessions between two items that are in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The end that has more of them: a router, else a reflector.
    pub hub: ItemId,
    /// The other end.
    pub tap: ItemId,
    pub state: State,
    /// How many.
    pub sessions: u32,
    /// The family, where the two ends have sessions of both in different states or only of one in a fabric of two.
    pub family: Option<Family>,
}

impl Link {
    /// What stands beside it: how many sessions where they are more than one, and what is wrong.
    pub fn label(&self) -> Option<String> {
        let mut words = Vec::new();
        if self.sessions > 1 {
            words.push(format!("×{}", self.sessions));
        }
        if let Some(family) = self.family {
            words.push(family_name(family).to_owned());
        }
        words.extend(self.state.label());
        (!words.is_empty()).then(|| words.join(" "))
    }
}

/// The mesh of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Band {
    pub family: Family,
    /// How many nodes it joins.
    pub members: u64,
    pub sessions: u64,
    /// Its sessions that are down.
    pub down: Vec<(Status, Code, u64)>,
}

impl Band {
    /// The band in words.
    pub fn label(&self) -> String {
        let mut label = format!(
            "node-to-node mesh, {}: {}, {}",
            family_name(self.family),
            counted(self.members, "node"),
            counted(self.sessions, "session")
        );
        for (status, code, sessions) in &self.down {
            let _ = write!(label, ", {sessions} down: {code} {}", status.as_str());
        }
        label
    }

    /// How many of its sessions are down.
    pub fn down(&self) -> u64 {
        self.down.iter().map(|(_, _, sessions)| sessions).sum()
    }
}

pub(super) fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// The links, sorted, and how many sessions each item has inside.
pub(super) fn links(
    checked: &Checked<'_>,
    items: &[Item],
    of_speaker: &[ItemId],
) -> (Vec<Link>, Vec<Vec<(State, u32)>>) {
    let codes = Codes::new(checked);
    let mut counts: BTreeMap<(ItemId, ItemId, State, Family), u32> = BTreeMap::new();
    let mut inside: Vec<BTreeMap<State, u32>> = vec![BTreeMap::new(); items.len()];
    let mut degree = vec![0_u64; items.len()];
    for session in &checked.sessions.sessions {
        let near = of_speaker[session.near.speaker as usize];
        let far = of_speaker[session.far.speaker as usize];
        let state = state(&codes, session);
        if near == far {
            *inside[near].entry(state).or_default() += 1;
            continue;
        }
        let key = (near.min(far), near.max(far), state, session.family);
        *counts.entry(key).or_default() += 1;
        degree[near] += 1;
        degree[far] += 1;
    }
    let dual = checked.topology.families().len() > 1;
    let mut links: Vec<Link> = counts
        .into_iter()
        .map(|((one, other, state, family), sessions)| {
            let rank = |id: ItemId| (items[id].kind, degree[id], usize::MAX - id);
            let (hub, tap) = if rank(one) >= rank(other) {
                (one, other)
            } else {
                (other, one)
            };
            Link {
                hub,
                tap,
                state,
                sessions,
                family: dual.then_some(family),
            }
        })
        .collect();
    links.sort_by_key(|link| (link.hub, link.tap, link.state, link.family));
    if dual {
        links = both_families(links);
    }
    let inside = inside
        .into_iter()
        .map(|states| states.into_iter().collect());
    (links, inside.collect())
}

/// Two links that differ in their family alone become one.
fn both_families(links: Vec<Link>) -> Vec<Link> {
    let mut joined: Vec<Link> = Vec::with_capacity(links.len());
    for link in links {
        match joined.last_mut() {
            Some(last)
                if (last.hub, last.tap, last.state) == (link.hub, link.tap, link.state)
                    && last.sessions == link.sessions
                    && last.family.is_some() =>
            {
                last.family = None;
            }
            _ => joined.push(link),
        }
    }
    joined
}

fn state(codes: &Codes, session: &Session) -> State {
    match session.status {
        Status::Established => State::Up,
        Status::External => State::Assumed,
        status => State::Down(status, codes.of(session)),
    }
}

/// The findings that sessions which are down have led to.
struct Codes<'c> {
    checked: &'c Checked<'c>,
    by_origin: BTreeMap<&'c Origin, Vec<Code>>,
    all: Vec<Code>,
}

impl<'c> Codes<'c> {
    fn new(checked: &'c Checked<'c>) -> Self {
        let mut codes = Self {
            checked,
            by_origin: BTreeMap::new(),
            all: Vec::new(),
        };
        for finding in &checked.findings {
            codes.add(finding);
        }
        codes
    }

    fn add(&mut self, finding: &'c Finding) {
        self.all.push(finding.code);
        let other = finding.other.as_ref().map(|(origin, _)| origin);
        for origin in std::iter::once(&finding.origin).chain(other) {
            self.by_origin.entry(origin).or_default().push(finding.code);
        }
        for folded in &finding.folded {
            self.add(folded);
        }
    }

    /// The code at a session: that of a finding about its peering, else of any finding for its status.
    fn of(&self, session: &Session) -> Code {
        let candidates = candidates(session.status);
        let causes = [session.near.cause, session.far.cause];
        let peerings = causes.iter().filter_map(|cause| cause.peering());
        let mut found = peerings
            .filter_map(|peering| self.checked.topology.peerings.get(peering as usize))
            .filter_map(|peering| self.by_origin.get(&peering.origin))
            .flatten();
        found
            .find(|code| candidates.contains(&code.0))
            .copied()
            .unwrap_or_else(|| self.any(session.status))
    }

    fn any(&self, status: Status) -> Code {
        let candidates = candidates(status);
        let known = candidates.iter().map(|code| Code(*code));
        known
            .clone()
            .find(|code| self.all.contains(code))
            .or_else(|| known.clone().next())
            .unwrap_or(Code(0))
    }
}

/// The findings that a status leads to; the first is what `explain` is asked for where the check found none.
fn candidates(status: Status) -> &'static [u16] {
    match status {
        Status::Established | Status::External => &[],
        Status::AsMismatch => &[20, 21, 49, 51],
        Status::NoReverse => &[29, 20],
        Status::BothPassive | Status::PortMismatch => &[26],
        Status::PasswordMismatch => &[27],
        Status::TtlMismatch => &[28],
        Status::NotMultihop => &[50, 23],
        Status::RouterIdClash => &[30, 35],
        Status::Shadowed => &[32],
        Status::NoBird => &[31],
    }
}

/// The meshes with at least two members.
pub(super) fn bands(checked: &Checked<'_>) -> Vec<Band> {
    let codes = Codes::new(checked);
    let meshes = checked.sessions.meshes.iter();
    meshes
        .filter(|mesh| mesh.members.len() > 1)
        .map(|mesh| {
            let members = mesh.members.len() as u64;
            let mesh_codes = |status| {
                if status == Status::AsMismatch {
                    Code(49)
                } else {
                    codes.any(status)
                }
            };
            Band {
                family: mesh.family,
                members,
                sessions: members * (members - 1) / 2,
                down: mesh_totals(checked.topology, mesh)
                    .into_iter()
                    .filter(|(status, _)| !status.is_up())
                    .map(|(status, sessions)| (status, mesh_codes(status), sessions))
                    .collect(),
            }
        })
        .collect()
}
