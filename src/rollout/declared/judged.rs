//! What every state of a change connects.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::Walk;
use super::{Change, DeclaredKind};
use crate::fabric::{
    Budget, Checked, Classes, Mesh, Sessions, Speaker, Status, Topology, check_by_classes, derive,
    mesh_status,
};
use crate::model::Family;

/// Speakers that no state tells apart.
pub(super) struct Group {
    pub(super) first: Speaker,
    router: bool,
    size: u64,
    /// Nodes by name, routers by name or by their addresses.
    pub(super) names: BTreeSet<String>,
    /// The member's speaker in each state.
    speakers: Vec<Speaker>,
}

/// A state in which something is lost that both `base` and the change's ends have.
struct Trial {
    kind: DeclaredKind,
    base: usize,
    state: usize,
}

/// Every state computed, and the speakers by what all of them make of them.
pub(super) struct Judged<'t> {
    pub(super) new: &'t Topology,
    /// The old fabric, the new one, then the others.
    states: Vec<Checked<'t>>,
    trials: Vec<Trial>,
    pub(super) groups: Vec<Group>,
    /// Nodes with a session that swaps.
    pub(super) swapping: BTreeSet<Speaker>,
}

const OLD: usize = 0;
const NEW: usize = 1;

impl<'t> Judged<'t> {
    pub(super) fn new(
        walk: &'t Walk,
        new: &'t Topology,
        change: &Change,
        partial: &'t [Topology],
    ) -> Self {
        let mut judged = Self {
            new,
            states: Vec::new(),
            trials: Vec::new(),
            groups: Vec::new(),
            swapping: BTreeSet::new(),
        };
        judged.state(&walk.old, derive(&walk.old));
        judged.state(new, derive(new));
        if !change.moved.is_empty() || !change.expected.is_empty() {
            // Numbers change between these two, with all the sessions that either end of the change has.
            for side in [&walk.rejoined, &walk.renumbered] {
                let base = judged.state(side, derive(side));
                let mut sessions = derive(side);
                without_as_numbers(&mut sessions, change);
                judged.trial(DeclaredKind::AsNumbers, base, side, sessions);
            }
        }
        judged.swaps(&walk.states());
        if change.mesh || change.reflectors.iter().any(|nodes| !nodes.is_empty()) {
            for state in walk.states().into_iter().skip(1).chain(partial) {
                judged.trial(DeclaredKind::Reflectors, OLD, state, derive(state));
            }
        }
        judged.group();
        judged
    }

    fn state(&mut self, topology: &'t Topology, sessions: Sessions) -> usize {
        let classes = Classes::new(topology, &sessions);
        let checked = check_by_classes(topology, sessions, classes, Budget::HOOK);
        self.states.push(checked);
        self.states.len() - 1
    }

    fn trial(&mut self, kind: DeclaredKind, base: usize, side: &'t Topology, sessions: Sessions) {
        let state = self.state(side, sessions);
        self.trials.push(Trial { kind, base, state });
    }

    /// From one state to the next, sessions swap between mesh and peer: they are down for a moment beside all that is up in
    /// the state with the peers.
    fn swaps(&mut self, walk: &[&'t Topology]) {
        for pair in walk.windows(2) {
            let &[before, after] = pair else { continue };
            for (mesh, peers) in [(before, after), (after, before)] {
                let in_mesh = derive(mesh);
                let mut sessions = derive(peers);
                let mut swapping = BTreeSet::new();
                for session in &mut sessions.sessions {
                    let ends = (session.near.speaker, session.far.speaker);
                    if session.status.is_up() && is_meshed(mesh, &in_mesh, session.family, ends) {
                        session.status = Status::NoBird;
                        swapping.extend([ends.0, ends.1]);
                    }
                }
                if !swapping.is_empty() {
                    self.swapping.extend(swapping);
                    let base = self.state(peers, derive(peers));
                    self.trial(DeclaredKind::Swap, base, peers, sessions);
                }
            }
        }
    }

    /// Puts the speakers of both fabrics together by their classes in every state.
    fn group(&mut self) {
        let known: Vec<BTreeMap<String, Speaker>> =
            self.states.iter().map(|state| speakers(state)).collect();
        let mut groups: BTreeMap<Vec<u32>, Group> = BTreeMap::new();
        for (name, first) in &known[OLD] {
            let speakers: Option<Vec<Speaker>> =
                known.iter().map(|known| known.get(name).copied()).collect();
            let Some(speakers) = speakers else { continue };
            let classes = self.states.iter().zip(&speakers);
            let key = classes
                .map(|(state, speaker)| state.classes.of(*speaker))
                .collect();
            let group = groups.entry(key).or_insert_with(|| Group {
                first: *first,
                router: *first >= self.states[OLD].sessions.nodes,
                size: 0,
                names: BTreeSet::new(),
                speakers,
            });
            group.size += 1;
            group.names.insert(name.clone());
        }
        self.groups = groups.into_values().collect();
        for group in self.groups.iter_mut().filter(|group| group.router) {
            group.size = 1;
        }
    }

    /// Whether packets from one to the other's pods arrive in a state.
    fn arrives(&self, state: usize, from: &Group, to: &Group) -> bool {
        let checked = &self.states[state];
        let class = |group: &Group| checked.classes.of(group.speakers[state]);
        let (at, origin) = (class(from), class(to));
        let mut planes = checked
            .planes
            .iter()
            .filter(|plane| plane.has_blocks(origin));
        let mut any = false;
        let all = planes.all(|plane| {
            any = true;
            plane.is_computed(origin) && plane.fate(origin, at).arrives()
        });
        any && all
    }

    /// Pairs of groups that both fabrics connect and that a test picks.
    pub(super) fn rows(&self, picks: &dyn Fn(&Group, &Group) -> bool) -> Vec<(usize, usize)> {
        let mut rows = Vec::new();
        for (place, from) in self.groups.iter().enumerate() {
            for (other, to) in self.groups.iter().enumerate() {
                let is_pair = !to.router && (place != other || from.size > 1);
                if is_pair
                    && picks(from, to)
                    && self.arrives(OLD, from, to)
                    && self.arrives(NEW, from, to)
                {
                    rows.push((place, other));
                }
            }
        }
        rows
    }

    /// Which pairs of groups a trial of a kind loses.
    pub(super) fn trials(&self, kind: DeclaredKind) -> impl Fn(&Group, &Group) -> bool {
        move |from, to| {
            let mut trials = self.trials.iter().filter(|trial| trial.kind == kind);
            trials.any(|trial| {
                self.arrives(trial.base, from, to) && !self.arrives(trial.state, from, to)
            })
        }
    }

    pub(super) fn count(&self, rows: &[(usize, usize)]) -> u64 {
        let size = |group: usize| self.groups[group].size;
        rows.iter()
            .map(|(from, to)| size(*from) * (size(*to) - u64::from(from == to)))
            .sum()
    }
}

/// The speakers of a state by name; a router that nothing names by each of its addresses.
fn speakers(state: &Checked<'_>) -> BTreeMap<String, Speaker> {
    let nodes = state.topology.nodes.iter().map(|node| node.name.clone());
    let mut found: BTreeMap<String, Speaker> = nodes.zip(0..).collect();
    for (speaker, router) in (state.sessions.nodes..).zip(&state.sessions.routers) {
        if router.known {
            found.insert(router.name.clone(), speaker);
        } else {
            let addresses = router.addresses.iter();
            found.extend(addresses.map(|address| (address.ip.to_string(), speaker)));
        }
    }
    found
}

/// Whether the mesh's session between two nodes is up.
fn is_meshed(
    topology: &Topology,
    sessions: &Sessions,
    family: Family,
    (one, other): (Speaker, Speaker),
) -> bool {
    let node = |speaker: Speaker| topology.nodes.get(speaker as usize);
    let member = |mesh: &Mesh| {
        let has = |one| mesh.members.binary_search(&one).is_ok();
        mesh.family == family && has(one) && has(other)
    };
    let (Some(near), Some(far)) = (node(one), node(other)) else {
        return false;
    };
    sessions.meshes.iter().any(member) && mesh_status(topology, family, near, far).is_up()
}

/// Takes the sessions down that wait for both ends to have another AS number.
fn without_as_numbers(sessions: &mut Sessions, change: &Change) {
    for session in &mut sessions.sessions {
        let (near, far) = (&session.near, &session.far);
        let moves = [near, far]
            .iter()
            .any(|side| change.moved.contains(&side.speaker));
        let expects = change.expected.contains(&(near.speaker, far.ip))
            || change.expected.contains(&(far.speaker, near.ip));
        if session.status.is_up() && (moves || expects) {
            session.status = Status::NoBird;
        }
    }
    for mesh in &mut sessions.meshes {
        mesh.members.retain(|member| !change.moved.contains(member));
    }
}
