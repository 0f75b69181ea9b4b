//! `foreign`: what the charm did not make is neither changed nor deleted, and of what it shares only the fields that
//! options name are written.

use serde_json::{Map, Value};

use super::members::owner;
use super::touched::{Touched, before, violation, writer};
use crate::plan::Live;
use crate::render::{
    LABEL_APPLICATION, LABEL_MANAGED_BY, LABEL_MODEL, LABEL_UNIT, OWN_ANNOTATIONS,
};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "foreign";

const LABELS: [&str; 4] = [LABEL_MANAGED_BY, LABEL_MODEL, LABEL_APPLICATION, LABEL_UNIT];

/// Fields of BGPConfiguration that options name.
const CONFIGURATION: [&str; 5] = [
    "asNumber",
    "nodeToNodeMeshEnabled",
    "serviceClusterIPs",
    "serviceExternalIPs",
    "serviceLoadBalancerIPs",
];

/// Fields of an IPPool that options name, and those that see one off.
const POOL: [&str; 8] = [
    "cidr",
    "ipipMode",
    "vxlanMode",
    "natOutgoing",
    "blockSize",
    "nodeSelector",
    "disabled",
    "allowedUses",
];

/// Fields of a BGPPeer that options name.
const PEER: [&str; 3] = ["node", "peerIP", "asNumber"];

/// Watches other people's objects.
pub struct Foreign;

impl Watch for Foreign {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        if writer(scene, write).is_none() {
            return Vec::new();
        }
        let message = match &write.before {
            Some(_) => not_ours(scene, write).or_else(|| strange_fields(write)),
            None => unmarked(scene, write).or_else(|| strange_fields(write)),
        };
        let found = message.map(|message| violation(NAME, write, message));
        found.into_iter().collect()
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }
}

fn is_ours(scene: &Scene<'_>, live: &Live) -> bool {
    match live.owner() {
        Some(found) => found == owner(scene),
        None => live.is_applied_by_charm(),
    }
}

/// Why an object that was there is not for the charm to write.
fn not_ours(scene: &Scene<'_>, write: &Written) -> Option<String> {
    let live = before(write)?;
    let proven = match Touched::by(write) {
        Touched::Peer(_) | Touched::NodeStatus(_) => is_ours(scene, &live),
        Touched::Configuration(name) => {
            if write.after.is_none() {
                return Some("deletes the cluster's BGPConfiguration".to_owned());
            }
            name == "default"
        }
        Touched::Pool(_) => {
            let uses = live.spec("allowedUses").and_then(Value::as_array);
            let balances = uses.is_some_and(|uses| uses.iter().any(|one| one == "LoadBalancer"));
            let labels = live.labels();
            let operated = labels
                .get(LABEL_MANAGED_BY)
                .is_some_and(|by| by == "tigera-operator");
            !balances && !operated
        }
        // Shared: changed, and never deleted.
        Touched::Other("configmaps", "calico-config")
        | Touched::Other("customresourcedefinitions", _)
        | Touched::Node(_) => write.after.is_some(),
        Touched::Other(plural, _) => {
            plural == "pods" || is_ours(scene, &live) || changes_status_alone(write)
        }
        Touched::Block(_) | Touched::Affinity => true,
    };
    (!proven).then(|| "nothing proves that it is this application's".to_owned())
}

fn changes_status_alone(write: &Written) -> bool {
    let (Some(was), Some(is)) = (&write.before, &write.after) else {
        return false;
    };
    let sections = ["spec", "data"];
    sections.iter().all(|section| was[section] == is[section])
        && was["metadata"]["labels"] == is["metadata"]["labels"]
        && was["metadata"]["annotations"] == is["metadata"]["annotations"]
}

/// Why a new object could not be told for the charm's later.
fn unmarked(scene: &Scene<'_>, write: &Written) -> Option<String> {
    let kinds = matches!(
        Touched::by(write),
        Touched::Peer(_) | Touched::Configuration(_) | Touched::Pool(_)
    );
    let live = Live::new(write.after.clone()?);
    let marked = live.owner() == Some(owner(scene));
    (kinds && !marked).then(|| "is made without the labels that say whose it is".to_owned())
}

/// A field that no option names.
fn strange_fields(write: &Written) -> Option<String> {
    let named: &[&str] = match Touched::by(write) {
        Touched::Peer(_) => &PEER,
        Touched::Configuration(_) => &CONFIGURATION,
        Touched::Pool(_) => &POOL,
        _ => return None,
    };
    let after = write.after.as_ref()?;
    // The finalizers' own fields apart, what goes is Kubernetes' to change.
    if after["metadata"]["deletionTimestamp"].is_string() {
        return None;
    }
    let before = write.before.clone().unwrap_or_default();
    let strange = |path: &str, allowed: &dyn Fn(&str) -> bool| {
        let changed = changed(before.pointer(path), after.pointer(path));
        changed.into_iter().find(|key| !allowed(key))
    };
    // What the definition fills in is nobody's wish.
    let is_new = write.before.is_none();
    let spec = strange("/spec", &|key| is_new || named.contains(&key));
    let labels = strange("/metadata/labels", &|key| LABELS.contains(&key));
    let annotations = strange("/metadata/annotations", &|key| {
        OWN_ANNOTATIONS.contains(&key) || key.starts_with("calico.juju.is/")
    });
    let field = spec.or(labels).or(annotations)?;
    Some(format!("writes {field}, which no option names"))
}

/// The keys of two maps whose values differ.
fn changed(one: Option<&Value>, other: Option<&Value>) -> Vec<String> {
    let empty = Map::new();
    let one = one.and_then(Value::as_object).unwrap_or(&empty);
    let other = other.and_then(Value::as_object).unwrap_or(&empty);
    let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .filter(|key| one.get(*key) != other.get(*key))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    fn found(stage: &Stage, write: Written) -> Vec<Violation> {
        Foreign.written(&stage.scene(), &Stage::of(write, &MESH))
    }

    #[test]
    fn own_objects_are_the_charms() {
        let stage = Stage::new(2);
        assert_eq!(found(&stage, stage.peer(1, 0, 64512)), []);
        assert_eq!(found(&stage, stage.peer(1, 0, 64513)), []);
        let write = stage.delete("calico/1", "BGPPeer", "calico-1-10.0.0.10");
        assert_eq!(found(&stage, write), []);
        stage.configure("kubectl", true);
        assert_eq!(found(&stage, stage.configure("calico/0", false)), []);
    }

    #[test]
    fn other_peoples_objects_stay() {
        let stage = Stage::new(2);
        let foreign = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer", "metadata": {"name": "calico-1-10.0.0.9"},
            "spec": {"node": "node-1", "peerIP": "10.0.0.9", "asNumber": 64512},
        });
        stage.insert("kubectl", foreign.clone());
        let patch = json!({"spec": {"asNumber": 64513}});
        let write = stage.merge("calico/1", "BGPPeer", "calico-1-10.0.0.9", &patch);
        assert_eq!(found(&stage, write).len(), 1);
        let write = stage.delete("calico/1", "BGPPeer", "calico-1-10.0.0.9");
        assert_eq!(found(&stage, write).len(), 1);
        let write = stage.insert("calico/1", foreign);
        let seen = found(&stage, write);
        assert!(seen[0].message.contains("without the labels"), "{seen:?}");
        let pool =
            json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "tigera-operator"}}});
        stage.merge("kubectl", "IPPool", "ipv4", &pool);
        let write = stage.merge(
            "calico/0",
            "IPPool",
            "ipv4",
            &json!({"spec": {"disabled": true}}),
        );
        assert_eq!(found(&stage, write).len(), 1);
    }

    #[test]
    fn fields_that_no_option_names_stay() {
        let stage = Stage::new(2);
        stage.configure("calico/0", true);
        for (patch, good) in [
            (json!({"spec": {"listenPort": 1179}}), false),
            (json!({"spec": {"asNumber": 64600}}), true),
            (json!({"metadata": {"labels": {"team": "net"}}}), false),
            (
                json!({"metadata": {"annotations": {"calico.juju.is/rollout": "x add 1"}}}),
                true,
            ),
            (json!({"metadata": {"annotations": {"note": "x"}}}), false),
        ] {
            let write = stage.merge("calico/0", "BGPConfiguration", "default", &patch);
            assert_eq!(found(&stage, write).is_empty(), good, "{patch}");
        }
    }
}
