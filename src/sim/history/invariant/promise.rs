//! What a change promises to keep, whatever it is that is kept, and who breaks it.
//!
//! What is promised is what stood when the change was asked for and the new options have too. A write by anybody who is no
//! unit may break what it likes: what it breaks is promised no more, and has to be whole in the end. A hook that was given
//! older options may do what was safe for those. Nodes that come and go are not in it. The cuts that `plan` declares are
//! those that are allowed, swaps apart: what is stored does not show a session that takes two seconds to come up.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde_json::Value;

use super::members::{First, Kept, members, options, standing, wanted, without};
use super::touched::{Touched, is_immediate, violation, writer};
use crate::fabric::{Target, Topology};
use crate::render::{ANNOTATION_ADDRESSES, ANNOTATION_UNIT};
use crate::rollout::{Declared, DeclaredKind, declared};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// One thing that a fabric has and a change must not lose.
pub(super) trait Bond: Clone + Ord + fmt::Display {
    /// Name of the invariant that keeps it.
    const NAME: &'static str;
    /// What becomes of one that is lost, before its name.
    const LOSES: &'static str;

    /// All that a fabric has.
    fn standing(fabric: &Topology) -> BTreeSet<Self>;

    /// Whether a node is one of its ends.
    fn has(&self, node: &str) -> bool;

    /// Whether a declared cut is one of it.
    fn is_covered(&self, declared: &Declared) -> bool;
}

type Options = Vec<(String, String)>;

/// Watches what is promised.
pub(super) struct Promises<B> {
    begun: bool,
    /// What the cluster holds.
    kept: Kept,
    /// The last fabric that was judged, and what came of it.
    judged: Option<(Topology, BTreeSet<B>)>,
    /// What stood when the present change was asked for.
    old: Option<Topology>,
    /// The last valid options.
    options: Options,
    /// What must not be lost.
    pub(super) required: BTreeSet<B>,
    /// What must be there in the end.
    pub(super) due: BTreeSet<B>,
    /// What other options than the last would promise, since the last change was asked for.
    of_options: BTreeMap<Options, Option<Promise<B>>>,
    first: First,
    /// The Node of each unit.
    nodes: BTreeMap<String, String>,
    /// The Nodes of units that are being removed, with their addresses.
    leaving: BTreeMap<String, Vec<IpAddr>>,
}

impl<B> Default for Promises<B> {
    fn default() -> Self {
        Self {
            begun: false,
            kept: Kept::default(),
            judged: None,
            old: None,
            options: Options::default(),
            required: BTreeSet::new(),
            due: BTreeSet::new(),
            of_options: BTreeMap::new(),
            first: First::default(),
            nodes: BTreeMap::new(),
            leaving: BTreeMap::new(),
        }
    }
}

/// What a change to some options promises.
struct Promise<B> {
    /// What the new fabric has.
    standing: BTreeSet<B>,
    declared: Vec<Declared>,
}

impl<B: Bond> Promise<B> {
    /// Whether what stood before the change may not be lost.
    fn holds(&self, bond: &B) -> bool {
        let declared = &self.declared;
        self.standing.contains(bond) && !declared.iter().any(|one| bond.is_covered(one))
    }
}

impl<B: Bond> Promises<B> {
    /// Promises what the options that are set when the history begins make of what stands then.
    fn begin(&mut self, scene: &Scene<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let options = options(scene);
        let told = Told::ConfigSet {
            options: options.clone(),
        };
        self.look(scene);
        self.first.told(scene, &told);
        self.config_set(scene, &options);
    }

    fn look(&mut self, scene: &Scene<'_>) {
        self.kept = Kept::read(scene);
        for member in members(scene) {
            self.nodes.insert(member.unit.to_string(), member.node);
        }
    }

    /// What the cluster has now.
    fn standing(&mut self, scene: &Scene<'_>) -> &BTreeSet<B> {
        let fabric = self.kept.fabric(scene);
        let known = self.judged.take().filter(|(judged, _)| *judged == fabric);
        &self
            .judged
            .insert(known.unwrap_or_else(|| {
                let bonds = B::standing(&fabric);
                (fabric, bonds)
            }))
            .1
    }

    /// The fabric that options want of the units that stay. Where a unit is going, nobody is to be peered with.
    fn new_fabric(&self, scene: &Scene<'_>, options: &Options) -> Option<Topology> {
        let leaving = self.leaving.keys().cloned().collect();
        let mut new = wanted(scene, options, standing(scene, &leaving))?;
        let gone: BTreeSet<IpAddr> = self.leaving.values().flatten().copied().collect();
        new.peerings.retain(|peering| match &peering.target {
            Target::Address(address) => !gone.contains(&address.ip()),
            Target::Nodes(_) => true,
        });
        Some(new)
    }

    /// What a change from `old` to these options promises; nothing where they are refused.
    fn promise(&self, scene: &Scene<'_>, options: &Options) -> Option<Promise<B>> {
        let old = self.old.as_ref()?;
        let new = self.new_fabric(scene, options)?;
        let mut declared = declared(old, &new);
        declared.retain(|one| one.kind != DeclaredKind::Swap);
        Some(Promise {
            standing: B::standing(&new),
            declared,
        })
    }

    fn config_set(&mut self, scene: &Scene<'_>, options: &Options) {
        let old = self.standing(scene).clone();
        let before = self.old.replace(self.kept.fabric(scene));
        self.of_options.clear();
        let Some(promise) = self.promise(scene, options) else {
            // Nothing is written by invalid options: what was asked for before still counts.
            self.old = before.or_else(|| self.old.take());
            return;
        };
        self.options.clone_from(options);
        self.due.extend(old.iter().cloned());
        self.due.retain(|bond| promise.standing.contains(bond));
        self.required = if is_immediate(options) || self.first.is_now() {
            BTreeSet::new()
        } else {
            let kept = old.into_iter();
            kept.filter(|bond| promise.holds(bond)).collect()
        };
    }

    /// A unit goes: nothing is promised of its Node, nor of whoever needs it.
    fn unit_removed(&mut self, scene: &Scene<'_>, unit: &str) {
        if let Some(node) = self.nodes.get(unit) {
            let fabric = self.kept.fabric(scene);
            let found = fabric.nodes.iter().find(|other| other.name == *node);
            let addresses = found.into_iter().flat_map(|node| [node.v4, node.v6]);
            let addresses = addresses.flatten().map(|address| address.ip).collect();
            self.leaving.insert(node.clone(), addresses);
        }
        let options = self.options.clone();
        self.of_options.clear();
        let leaving: Vec<String> = self.leaving.keys().cloned().collect();
        let promise = self.promise(scene, &options);
        let stays = |bond: &B| !leaving.iter().any(|node| bond.has(node));
        self.required.retain(stays);
        self.due.retain(stays);
        if let Some(promise) = promise {
            self.required.retain(|bond| promise.standing.contains(bond));
            self.due.retain(|bond| promise.standing.contains(bond));
        }
        let now = self.standing(scene).clone();
        self.required.retain(|bond| now.contains(bond));
    }

    /// What a hook has lost that it had no leave to.
    fn blamed(&mut self, scene: &Scene<'_>, write: &Written, lost: Vec<B>) -> Vec<B> {
        let left_behind: BTreeSet<String> = without(scene)
            .iter()
            .filter_map(|unit| self.nodes.get(unit).cloned())
            .collect();
        let mut lost = lost;
        lost.retain(|bond| !left_behind.iter().any(|node| bond.has(node)));
        let options: &Options = &write.options;
        if lost.is_empty() || same(options, &self.options) {
            return lost;
        }
        if is_immediate(options) {
            return Vec::new();
        }
        if !self.of_options.contains_key(options) {
            let promise = self.promise(scene, options);
            self.of_options.insert(options.clone(), promise);
        }
        let promise = self.of_options[options].as_ref();
        lost.retain(|bond| promise.is_some_and(|promise| promise.holds(bond)));
        lost
    }

    /// In the end all that was promised is there.
    fn quiet(&mut self, scene: &Scene<'_>) -> Vec<Violation> {
        let Some(new) = self.new_fabric(scene, &self.options) else {
            return Vec::new();
        };
        let wanted = B::standing(&new);
        let due = std::mem::take(&mut self.due);
        let now = self.standing(scene);
        let missing: Vec<&B> = due
            .iter()
            .filter(|bond| wanted.contains(*bond) && !now.contains(*bond))
            .collect();
        let found = missing.first().map(|first| Violation {
            invariant: B::NAME,
            message: format!(
                "all is quiet, and {first} is still missing ({} in all)",
                missing.len()
            ),
        });
        found.into_iter().collect()
    }
}

/// Whether two lists set the same options; `config-get` shows defaults too, in its own order.
pub(super) fn same(given: &Options, set: &Options) -> bool {
    set.iter().all(|option| given.contains(option))
        && given.iter().all(|(name, text)| {
            let other = set.iter().find(|(other, _)| other == name);
            other.is_none_or(|(_, other)| other == text)
                && (other.is_some() || is_default(name, text))
        })
}

fn is_default(name: &str, text: &str) -> bool {
    use crate::config::{OPTIONS, OptionDefault};
    let spec = OPTIONS.iter().find(|spec| spec.name == name);
    spec.is_none_or(|spec| match spec.default {
        OptionDefault::None => text.is_empty(),
        OptionDefault::Text(default) => text == default,
        OptionDefault::Integer(default) => text == default.to_string(),
        OptionDefault::Boolean(default) => text == default.to_string(),
    })
}

impl<B: Bond> Watch for Promises<B> {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        if !is_of_the_fabric(write) {
            return Vec::new();
        }
        self.begin(scene);
        self.kept.read_again(scene, write);
        if self.required.is_empty() {
            return Vec::new();
        }
        let required = std::mem::take(&mut self.required);
        let now = self.standing(scene);
        let (kept, lost): (BTreeSet<B>, BTreeSet<B>) =
            required.into_iter().partition(|bond| now.contains(bond));
        self.required = kept;
        if lost.is_empty() || writer(scene, write).is_none() {
            return Vec::new();
        }
        let blamed = self.blamed(scene, write, lost.into_iter().collect());
        let found = blamed.first().map(|first| {
            violation(
                B::NAME,
                write,
                format!("{} {first} ({} in all)", B::LOSES, blamed.len()),
            )
        });
        found.into_iter().collect()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        if let Told::HookEnded { .. } | Told::Crashed { .. } | Told::LeaderIs(_) | Told::Healed =
            told
        {
            return Vec::new();
        }
        self.begin(scene);
        self.first.told(scene, told);
        self.look(scene);
        match told {
            Told::ConfigSet { options } => self.config_set(scene, options),
            Told::UnitAdded(unit) => {
                if let Some(node) = self.nodes.get(unit) {
                    self.leaving.remove(node);
                }
            }
            Told::UnitRemoved { unit, .. } => self.unit_removed(scene, unit),
            Told::Quiet => return self.quiet(scene),
            _ => {}
        }
        Vec::new()
    }
}

/// Whether a write changes anything that routes come from.
fn is_of_the_fabric(write: &Written) -> bool {
    let relevant = match Touched::by(write) {
        Touched::Node(_) | Touched::Peer(_) | Touched::Configuration(_) | Touched::Pool(_) => true,
        Touched::Other(plural, name) => {
            matches!(
                (plural, name),
                ("bgpfilters", _) | ("daemonsets", "calico-node") | ("configmaps", "calico-config")
            )
        }
        Touched::Block(_) | Touched::Affinity | Touched::NodeStatus(_) => false,
    };
    relevant
        && match (&write.before, &write.after) {
            (Some(before), Some(after)) => !reads_alike(before, after),
            _ => true,
        }
}

/// Whether Calico sees no difference between two states of an object.
fn reads_alike(one: &Value, other: &Value) -> bool {
    let section = |object: &Value, path: &str| object.pointer(path).cloned();
    let sections = [
        "/spec",
        "/data",
        "/status/addresses",
        "/metadata/labels",
        "/metadata/deletionTimestamp",
    ];
    sections
        .iter()
        .all(|path| section(one, path) == section(other, path))
        && annotations(one).eq(annotations(other))
}

fn annotations(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let annotations = object["metadata"]["annotations"].as_object();
    annotations.into_iter().flatten().filter(|(key, _)| {
        key.starts_with("projectcalico.org/")
            || [ANNOTATION_ADDRESSES, ANNOTATION_UNIT].contains(&key.as_str())
    })
}
