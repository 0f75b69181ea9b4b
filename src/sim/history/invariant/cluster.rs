//! `cluster`: what belongs to the whole cluster is changed by the leader alone, at most 30 s after Juju said that it leads,
//! and a leader that is one no longer undoes nothing that a later one wrote.
//!
//! 30 s is what `is-leader` is good for (Juju, hook tool `is-leader`). Every unit writes with one field manager.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::members::{Homes, owner};
use super::touched::{Touched, after, before, violation, writer};
use crate::model::UnitName;
use crate::plan::{Live, is_peer_of};
use crate::render::{BgpPeerName, FIELD_MANAGER};
use crate::sim::api::Verb;
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "cluster";

/// How long `is-leader` is good for.
const LEASE: Duration = Duration::from_secs(30);

/// Watches what leaders write.
#[derive(Default)]
pub struct Cluster {
    /// Who wrote a field of an object last, and when that leader had asked.
    last: BTreeMap<(String, String), (UnitName, Duration)>,
    /// The Node of each unit, also of those that are gone.
    homes: Homes,
}

impl Cluster {
    /// Whether a write is to the unit's own part of the cluster.
    fn is_own(&self, scene: &Scene<'_>, write: &Written, unit: &UnitName) -> bool {
        let node = self.homes.of(unit);
        match Touched::by(write) {
            Touched::Node(name) => node == Some(name),
            Touched::NodeStatus(name) => {
                let mut before = node.into_iter().flat_map(|node| self.homes.on(node));
                name == unit.dashed() || before.any(|before| before.dashed() == name)
            }
            Touched::Peer(name) => {
                let named = BgpPeerName::parse(name, scene.application);
                let by_name = named.is_some_and(|name| name.unit_number() == unit.number());
                by_name || is_of_a_predecessor(scene, write, node)
            }
            // Pods come and go by themselves.
            Touched::Other("pods", _) => true,
            _ => false,
        }
    }

    fn undone(&mut self, write: &Written, unit: &UnitName, asked: Duration) -> Option<String> {
        let (before, after) = (write.before.as_ref(), write.after.as_ref());
        let mut changed = fields(before);
        changed.extend(fields(after));
        changed.retain(|field| value(before, field) != value(after, field));
        let mut found = None;
        for field in changed {
            let key = (write.path.clone(), field);
            let newer = self.last.get(&key).filter(|(other, then)| {
                // Its own writes a unit may undo, and others' that are older than its leave to lead.
                other != unit && *then > asked
            });
            if let Some((other, _)) = newer {
                found.get_or_insert(format!(
                    "changes {}, which {other} wrote, who asked `is-leader` later",
                    key.1
                ));
            } else {
                self.last.insert(key, (unit.clone(), asked));
            }
        }
        found
    }
}

/// Whether a BGPPeer is of a unit that had this Node before, and is gone.
fn is_of_a_predecessor(scene: &Scene<'_>, write: &Written, node: Option<&str>) -> bool {
    let (Some(before), Some(node)) = (before(write), node) else {
        return false;
    };
    let number = BgpPeerName::parse(before.name(), scene.application);
    let unit = number.and_then(|name| {
        let unit = format!("{}/{}", scene.application, name.unit_number());
        unit.parse::<UnitName>().ok()
    });
    write.verb == Verb::Delete
        && unit.is_some_and(|unit| {
            scene.model.unit(&unit.to_string()).is_err()
                && is_peer_of(&before, &unit, &owner(scene), node)
        })
}

/// The fields that leaders may disagree about.
fn fields(object: Option<&Value>) -> BTreeSet<String> {
    let parts = [
        "/spec",
        "/data",
        "/metadata/labels",
        "/metadata/annotations",
    ];
    let mut found = BTreeSet::new();
    for part in parts {
        let entries = object.and_then(|object| object.pointer(part)?.as_object());
        for key in entries.into_iter().flatten().map(|(key, _)| key) {
            let key = key.replace('~', "~0").replace('/', "~1");
            found.insert(format!("{part}/{key}"));
        }
    }
    found
}

fn value<'v>(object: Option<&'v Value>, field: &str) -> Option<&'v Value> {
    object?.pointer(field)
}

impl Watch for Cluster {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let Some(unit) = writer(scene, write) else {
            // Nobody's undoing: who meddles starts afresh.
            self.last.retain(|(path, _), _| *path != write.path);
            return Vec::new();
        };
        self.homes.meet(scene, &unit);
        let mut found = Vec::new();
        let is_pod = matches!(Touched::by(write), Touched::Other("pods", _));
        if write.manager != FIELD_MANAGER && write.verb != Verb::Delete && !is_pod {
            let message = format!("writes as {}, not as {FIELD_MANAGER}", write.manager);
            found.push(violation(NAME, write, message));
        }
        if write.verb == Verb::Update {
            found.push(violation(NAME, write, "replaces a whole object"));
        }
        if self.is_own(scene, write, &unit) {
            return found;
        }
        let Some(asked) = write.asked_leader_at else {
            let message = "is the leader's to write, and this unit has not asked `is-leader`";
            found.push(violation(NAME, write, message));
            return found;
        };
        let age = write.at.saturating_sub(asked);
        if age > LEASE {
            let message = format!("{} s after `is-leader` said yes", age.as_secs());
            found.push(violation(NAME, write, message));
        }
        found.extend(
            self.undone(write, &unit, asked)
                .map(|message| violation(NAME, write, message)),
        );
        found.extend(another_owner(scene, write).map(|message| violation(NAME, write, message)));
        found
    }

    fn told(&mut self, scene: &Scene<'_>, _: &Told) -> Vec<Violation> {
        self.homes.look(scene);
        Vec::new()
    }
}

/// Whether an object changes hands from one application to another.
fn another_owner(scene: &Scene<'_>, write: &Written) -> Option<String> {
    let owner_of = |live: Option<Live>| live.and_then(|live| live.owner());
    let (was, is) = (owner_of(before(write)), owner_of(after(write)));
    let ours = owner(scene);
    let taken = was.filter(|was| *was != ours)?;
    (is.as_ref() != Some(&taken)).then(|| format!("takes it from {}", taken.application))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};

    fn cluster(stage: &Stage) -> Cluster {
        let mut cluster = Cluster::default();
        cluster.told(&stage.scene(), &Told::Healed);
        cluster
    }

    fn asked(write: Written, at: u64, asked: u64) -> Written {
        let mut write = Stage::of(write, &MESH);
        write.at = Duration::from_secs(at);
        write.asked_leader_at = Some(Duration::from_secs(asked));
        write
    }

    #[test]
    fn only_who_leads_writes_for_all() {
        let stage = Stage::new(2);
        let mut cluster = cluster(&stage);
        let write = Stage::of(stage.configure("calico/0", true), &MESH);
        let found = cluster.written(&stage.scene(), &write);
        assert!(found[0].message.contains("has not asked"), "{found:?}");
        let write = asked(stage.configure("calico/0", false), 40, 5);
        let found = cluster.written(&stage.scene(), &write);
        assert!(found[0].message.contains("35 s after"), "{found:?}");
        let write = asked(stage.configure("calico/0", true), 35, 5);
        assert_eq!(cluster.written(&stage.scene(), &write), []);
    }

    #[test]
    fn an_older_leader_undoes_nothing() {
        let stage = Stage::new(2);
        let mut cluster = cluster(&stage);
        let write = asked(stage.configure("calico/0", true), 1, 0);
        assert_eq!(cluster.written(&stage.scene(), &write), []);
        let write = asked(stage.configure("calico/1", false), 12, 10);
        assert_eq!(cluster.written(&stage.scene(), &write), []);
        let write = asked(stage.configure("calico/0", true), 13, 0);
        let found = cluster.written(&stage.scene(), &write);
        assert!(
            found[0]
                .message
                .contains("nodeToNodeMeshEnabled, which calico/1 wrote"),
            "{found:?}"
        );
        stage.configure("calico/1", false);
        let write = asked(stage.configure("calico/0", true), 20, 15);
        assert_eq!(cluster.written(&stage.scene(), &write), []);
    }

    #[test]
    fn a_unit_has_its_own() {
        let stage = Stage::new(2);
        let mut cluster = cluster(&stage);
        for (write, good) in [
            (stage.peer(1, 0, 64512), true),
            (stage.cluster_id(0, Some("224.0.0.1")), true),
            (
                Written {
                    unit: "calico/1".to_owned(),
                    ..stage.cluster_id(0, None)
                },
                false,
            ),
            (
                Written {
                    unit: "calico/0".to_owned(),
                    ..stage.peer(1, 0, 64513)
                },
                false,
            ),
            (
                Written {
                    manager: "kubectl".to_owned(),
                    ..stage.peer(1, 0, 64514)
                },
                false,
            ),
            (
                Written {
                    verb: Verb::Update,
                    ..stage.peer(1, 0, 64515)
                },
                false,
            ),
        ] {
            let write = Stage::of(write, &MESH);
            let found = cluster.written(&stage.scene(), &write);
            assert_eq!(found.is_empty(), good, "{found:?}");
        }
    }
}
