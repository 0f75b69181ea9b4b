//! A real API server as the cluster of a scenario: the hooks' code in this process, the cluster outside of it.

use calico_charm::charm::Access;
use calico_charm::cluster::connect;
use calico_charm::manifests::Document;
use serde_json::{Value, json};

use crate::scenario::{Cluster, World, installed};
use crate::support::control_plane::blocking;
use crate::support::real_cluster::{RealCluster, WRITTEN, normalised};

impl Cluster for RealCluster {
    fn access(&self) -> Access {
        Access::Kubeconfig(self.kubeconfig.clone())
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        !self.object(kind, name).is_null()
    }

    fn insert(&self, manager: &str, object: &Value) {
        let kind = object["kind"].as_str().expect("a kind");
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().expect("a name");
        let name = match metadata["namespace"].as_str() {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.to_owned(),
        };
        let path = self.path(kind, &name);
        let mut object = completed(kind, object);
        let status = json!({"status": object["status"]});
        let there = self.object(kind, &name);
        if there.is_null() {
            let (collection, _) = path.rsplit_once('/').expect("a path");
            self.write("POST", collection, manager, Some("json"), object);
        } else {
            object["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"].clone();
            self.write("PUT", &path, manager, Some("json"), object);
        }
        if kind == "Pod" {
            let path = format!("{path}/status");
            self.write("PATCH", &path, manager, Some("merge"), status);
        }
    }

    fn merge(&self, manager: &str, kind: &str, name: &str, patch: &Value) {
        let object = self.path(kind, name);
        let body = completed(kind, patch);
        self.write("PATCH", &object, manager, Some("merge"), body);
    }

    fn remove(&self, kind: &str, name: &str) {
        self.delete(&self.path(kind, name));
    }

    fn apply(&self, documents: &[Document]) {
        blocking(async {
            let client = connect(&self.kubeconfig).await;
            installed::apply(&client.expect("the kubeconfig was written here"), documents).await;
        });
    }

    fn settle(&self) {
        let nodes = self.list("nodes").len();
        let numbers = |generation: &Value| {
            json!({
                "observedGeneration": generation, "desiredNumberScheduled": nodes, "currentNumberScheduled": nodes,
                "updatedNumberScheduled": nodes, "numberReady": nodes, "numberAvailable": nodes, "numberMisscheduled": 0,
            })
        };
        let replicas = |generation: &Value| {
            json!({
                "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
                "availableReplicas": 1,
            })
        };
        let daemon_set = self.object("DaemonSet", "kube-system/calico-node");
        let controllers = self.object("Deployment", "kube-system/calico-kube-controllers");
        for (object, status) in [
            (&daemon_set, numbers(&daemon_set["metadata"]["generation"])),
            (
                &controllers,
                replicas(&controllers["metadata"]["generation"]),
            ),
        ] {
            let wanted = status.as_object().into_iter().flatten();
            let settled = wanted
                .clone()
                .all(|(field, value)| object["status"][field] == *value);
            if object.is_object() && !settled {
                let kind = object["kind"].as_str().expect("a kind");
                let name = object["metadata"]["name"].as_str().expect("a name");
                let path = self.path(kind, &format!("kube-system/{name}"));
                let body = json!({"status": status});
                self.write(
                    "PATCH",
                    &format!("{path}/status"),
                    "kube-controller-manager",
                    Some("merge"),
                    body,
                );
            }
        }
    }
}

/// The objects of an API in this process, in the form of [`RealCluster::objects`].
pub fn simulated_objects(world: &World) -> Value {
    normalised(WRITTEN.map(|plural| (plural, world.server.objects(plural))))
}

/// What scenarios leave out because nothing in this process asks for it.
fn completed(kind: &str, object: &Value) -> Value {
    let mut object = object.clone();
    let image = json!("registry.example.com/none");
    let containers = match kind {
        "Pod" => Some("/spec/containers"),
        "DaemonSet" => Some("/spec/template/spec/containers"),
        _ => None,
    };
    if let Some(Value::Array(list)) = containers.and_then(|pointer| object.pointer_mut(pointer)) {
        if list.is_empty() {
            list.push(json!({"name": "main"}));
        }
        for container in list {
            container["image"] = image.clone();
        }
    }
    object
}

/// A story or objects as text, without the generations of rollouts, which are resourceVersions.
pub fn without_generations(value: &Value) -> Value {
    match value {
        Value::String(text) => masked(text).into(),
        Value::Array(items) => items.iter().map(without_generations).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), without_generations(value)))
            .collect(),
        other => other.clone(),
    }
}

/// What follows the word of a step, `n5012`, becomes `G`.
pub fn masked(text: &str) -> String {
    const STEPS: [&str; 7] = [
        "add", "rejoin", "renumber", "reflect", "unset", "remove", "settled",
    ];
    let mut before = "";
    let words = text.split(' ').map(|word| {
        let digits = word.strip_prefix('n').unwrap_or(word);
        let end = digits
            .find(|one: char| !one.is_ascii_digit())
            .unwrap_or(digits.len());
        let follows = STEPS.contains(&std::mem::replace(&mut before, word));
        if follows && end > 0 {
            format!("G{}", &digits[end..])
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
