//! What must hold after every write of a change, whoever was killed meanwhile.
//!
//! Where a change begins and where it ends is all that is taken from the charm: what both connect must stay connected. A
//! session with new AS numbers restarts when its two ends change, so nodes whose number changes may lose the others while
//! numbers are neither all old nor all new (with several numbers, and cluster IDs), and not before and not after.

use std::collections::{BTreeMap, BTreeSet};

use calico_charm::fabric::Topology;
use calico_charm::render::{ANNOTATION_APPLIED, ANNOTATION_AS_NUMBER};
use calico_charm::rollout::{Applied, RolloutStep};

use crate::state::{Pair, State, connected};
use crate::watch::Event;

/// An annotation of somebody else's, on every Node and on the BGPConfiguration.
pub const NOTE: &str = "example.com/note";
/// A field of the BGPConfiguration that somebody else has set.
pub const FOREIGN_FIELD: &str = "ipv4NormalRoutePriority";
/// Objects of somebody else's.
pub const FOREIGN: [(&str, &str); 4] = [
    ("bgppeers", "my-peer"),
    ("bgppeers", "calico-0-router"),
    ("bgpconfigurations", "node.node-0"),
    ("ippools", "services"),
];

/// What is judged: from rest to rest, one change or a second one under the first.
pub struct Judge {
    start: State,
    /// What the options ask for from then on, the last of them the end.
    targets: Vec<Target>,
    /// Who reaches whom at the start and in every target.
    kept: BTreeSet<Pair>,
    /// The nodes whose AS number changes.
    moving: BTreeSet<String>,
    /// The fabric that was judged last, and what came of it.
    last: Option<(Topology, BTreeSet<Pair>)>,
}

/// The state that options ask for.
struct Target {
    state: State,
    /// Who reaches whom in it.
    reached: BTreeSet<Pair>,
}

impl Target {
    fn new(state: State) -> Self {
        Self {
            reached: connected(&state.fabric()),
            state,
        }
    }
}

/// A rule that was broken.
#[derive(Debug)]
pub struct Violation {
    /// The event after which it was.
    pub event: usize,
    /// What is wrong.
    pub message: String,
}

impl Judge {
    /// Judges every event of a change, the first of which comes after `start`; `overtaken` is the state that options asked
    /// for which others have replaced meanwhile.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn judge(
        start: State,
        overtaken: Option<&State>,
        events: &[Event],
    ) -> Result<(), Violation> {
        let mut end = start.clone();
        for event in events {
            end.apply(event);
        }
        let targets: Vec<Target> = overtaken
            .cloned()
            .into_iter()
            .chain([end])
            .map(Target::new)
            .collect();
        let mut kept = connected(&start.fabric());
        let old = start.as_numbers();
        let mut moving = BTreeSet::new();
        for target in &targets {
            kept.retain(|pair| target.reached.contains(pair));
            let new = target.state.as_numbers();
            let nodes = old.keys().filter(|node| old.get(*node) != new.get(*node));
            moving.extend(nodes.cloned());
        }
        let mut judge = Self {
            start: start.clone(),
            targets,
            kept,
            moving,
            last: None,
        };
        let mut state = start;
        for (index, event) in events.iter().enumerate() {
            let before = state.clone();
            state.apply(event);
            let found = judge.broken(&before, event, &state);
            if let Some(message) = found.into_iter().flatten().next() {
                return Err(Violation {
                    event: index,
                    message,
                });
            }
        }
        Ok(())
    }

    /// The rules one by one.
    fn broken(&mut self, before: &State, event: &Event, after: &State) -> [Option<String>; 9] {
        [
            self.reach(after),
            doubles(after),
            self.mesh(before, after),
            self.cluster_ids(before, after),
            numbers(after),
            pools(before, event, after),
            foreign(event),
            notes(event),
            record(before, event, after),
        ]
    }

    fn connected(&mut self, state: &State) -> &BTreeSet<Pair> {
        let fabric = state.fabric();
        let known = self.last.take().filter(|(last, _)| *last == fabric);
        let judged = known.unwrap_or_else(|| {
            let pairs = connected(&fabric);
            (fabric, pairs)
        });
        &self.last.insert(judged).1
    }

    /// Whether numbers are on their way: a session with a new number at one end waits for the other one. Where an end of the
    /// change has several numbers, cluster IDs are part of that: a mesh of several numbers is none across subnets, so a node
    /// that reflects already waits for the number of the other rack's reflector.
    fn is_between_numbers(&self, state: &State) -> bool {
        let mut ends = vec![&self.start];
        ends.extend(self.targets.iter().map(|target| &target.state));
        let several = ends.iter().any(|end| !end.has_one_number());
        let is = |end: &&State| {
            let reflects = !several || state.cluster_ids() == end.cluster_ids();
            same_numbers(state, end) && reflects
        };
        !ends.iter().any(is)
    }

    /// Nobody who reaches a node before the change and after it loses it in between.
    fn reach(&mut self, after: &State) -> Option<String> {
        let declared = if self.is_between_numbers(after) {
            self.moving.clone()
        } else {
            BTreeSet::new()
        };
        let kept = self.kept.clone();
        let now = self.connected(after);
        let mut lost = kept
            .difference(now)
            .filter(|(from, to)| !declared.contains(from) && !declared.contains(to));
        let (from, to) = lost.next()?;
        Some(format!(
            "{from} is cut off from {to} (+{} more)",
            lost.count()
        ))
    }

    /// The mesh changes only as a target asks, and goes off when everything that stands in for it there is there.
    fn mesh(&mut self, before: &State, after: &State) -> Option<String> {
        let (was, is) = (before.mesh(), after.mesh());
        if was == is {
            return None;
        }
        let now = self.connected(after).clone();
        let asking = self.targets.iter();
        let asking = asking.filter(|target| target.state.mesh() == is);
        let mut against: Vec<Option<String>> = asking
            .map(|target| {
                if is {
                    None
                } else {
                    missing(target, after, &now)
                }
            })
            .collect();
        if against.is_empty() {
            return Some("the mesh goes the wrong way".to_owned());
        }
        if against.contains(&None) {
            return None;
        }
        against.swap_remove(0)
    }

    /// A node becomes a reflector when the peers towards it stand, and ends being one when the mesh is on.
    fn cluster_ids(&self, before: &State, after: &State) -> Option<String> {
        let (had, has) = (before.cluster_ids(), after.cluster_ids());
        let peers = after.peers();
        let address = |node: &str| {
            let live = after.object("nodes", node)?;
            let annotated = live.annotation("projectcalico.org/IPv4Address")?;
            Some(annotated.split('/').next()?.to_owned())
        };
        for node in has.keys().filter(|node| !had.contains_key(*node)) {
            let address = address(node)?;
            let wanted = self.targets.iter().filter(|target| {
                let ids = target.state.cluster_ids();
                ids.get(node) == has.get(node)
            });
            let against: Vec<Option<String>> = wanted
                .map(|target| {
                    let mut towards = target.state.peers().into_iter();
                    let absent = towards
                        .find(|(name, peer)| peer.address == address && !peers.contains_key(name));
                    absent.map(|(name, _)| format!("{node} reflects without {name}"))
                })
                .collect();
            if against.is_empty() {
                return Some(format!("{node} reflects, and nobody asked for it"));
            }
            if !against.contains(&None) {
                return against.into_iter().flatten().next();
            }
        }
        let gone = had.keys().find(|node| !has.contains_key(*node))?;
        (!after.mesh()).then(|| format!("{gone} reflects no more while the mesh is off"))
    }
}

/// What a target has in place of the mesh and this state has not.
fn missing(target: &Target, after: &State, connected: &BTreeSet<Pair>) -> Option<String> {
    let peers = after.peers();
    let mut wanted = target.state.peers().into_keys();
    if let Some(missing) = wanted.find(|name| !peers.contains_key(name)) {
        return Some(format!("the mesh goes off without {missing}"));
    }
    let (from, to) = target.reached.difference(connected).next()?;
    Some(format!("the mesh goes off, and {from} does not reach {to}"))
}

/// Whether AS numbers are as in another state, as far as both have the nodes and peers.
fn same_numbers(state: &State, other: &State) -> bool {
    let (peers, others) = (state.peers(), other.peers());
    let mut both = peers
        .iter()
        .filter_map(|(name, peer)| Some((peer, others.get(name)?)));
    state.as_numbers() == other.as_numbers()
        && both.all(|(peer, other)| peer.as_number == other.as_number)
}

/// No pool goes while a pod has an address of it, and pods can always be given one.
fn pools(before: &State, event: &Event, after: &State) -> Option<String> {
    if event.plural != "ippools" {
        return None;
    }
    if event.object.is_none() {
        let pool = before.object("ippools", &event.name)?;
        if before.holds_workloads(pool) {
            return Some(format!("pool {} goes under pods", event.name));
        }
    }
    let mut open = after.all("ippools").filter(|pool| {
        pool.spec("disabled") != Some(&true.into())
            && pool
                .spec("allowedUses")
                .is_none_or(|uses| uses.to_string().contains("Workload"))
    });
    open.next()
        .is_none()
        .then(|| "no pool is open to pods".to_owned())
}

/// Two BGPPeers for one node, address and port would be resolved at random.
fn doubles(after: &State) -> Option<String> {
    let mut seen = BTreeMap::new();
    after.peers().into_iter().find_map(|(name, peer)| {
        let other = seen.insert((peer.node, peer.address), name.clone())?;
        Some(format!("{name} and {other} are for the same session"))
    })
}

/// With some Nodes annotated and some not, Calico guesses the others' numbers, so all have to be alike then.
fn numbers(after: &State) -> Option<String> {
    let annotated = after
        .all("nodes")
        .filter(|node| node.annotation(ANNOTATION_AS_NUMBER).is_some());
    let some = annotated.count();
    let numbers: BTreeSet<String> = after.as_numbers().into_values().collect();
    let partly = some > 0 && some < after.all("nodes").count();
    (partly && numbers.len() > 1)
        .then(|| format!("{some} Nodes have a number of {numbers:?}, the others none"))
}

fn foreign(event: &Event) -> Option<String> {
    let hit = FOREIGN.contains(&(event.plural, &event.name));
    hit.then(|| format!("{} {} is somebody else's", event.plural, event.name))
}

fn notes(event: &Event) -> Option<String> {
    let object = event.object.as_ref()?;
    let configuration = event.plural == "bgpconfigurations";
    if event.plural != "nodes" && !configuration {
        return None;
    }
    if object["metadata"]["annotations"][NOTE] != "mine" {
        return Some(format!("{} {} has lost {NOTE}", event.plural, event.name));
    }
    let lost = configuration && object["spec"][FOREIGN_FIELD].is_null();
    lost.then(|| format!("{} has lost {FOREIGN_FIELD}", event.name))
}

/// The record only goes on, and no unit is ahead of it.
fn record(before: &State, event: &Event, after: &State) -> Option<String> {
    let record = after.record()?;
    if let Some(earlier) = before.record()
        && earlier.generation == record.generation
        && (earlier.digest != record.digest || earlier.step > record.step)
    {
        return Some(format!("the record goes from {earlier} to {record}"));
    }
    let node = event.object.as_ref().filter(|_| event.plural == "nodes")?;
    let text = node["metadata"]["annotations"][ANNOTATION_APPLIED].as_str()?;
    let Ok(applied) = text.parse::<Applied>() else {
        return Some(format!("{} says {text}", event.name));
    };
    let own = applied.digest == record.digest && applied.generation == record.generation;
    let ahead = own && !applied.left.is_empty() && applied.step > record.step.max(RolloutStep::Add);
    ahead.then(|| format!("{} says {text} under {record}", event.name))
}
