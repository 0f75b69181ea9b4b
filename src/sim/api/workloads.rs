//! What the controllers and the kubelets make of `DaemonSet`s and `Deployment`s: pods that run, and statuses.
//!
//! Every Node gets a pod of every DaemonSet, whatever the selectors and taints say, and it is ready at once; so is a
//! Deployment, which gets no pods: nothing asks for them. [`Trouble`] makes one node, or one Deployment, worse, and a
//! Deployment that waits has a pod that tells why. These writes are nobody's requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::{Stored, Tag, text_at};
use super::pods::{REVISION, is_owned, is_ready, letters, pod_object, pod_status};
use super::resource::Resource;
use super::{State, kubernetes};

/// What keeps pods from being as they should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Their first container waits: `ImagePullBackOff`, `CrashLoopBackOff`.
    Waiting {
        /// The reason, one word.
        reason: String,
        /// The kubelet's message.
        message: String,
    },
    /// They are not replaced when their template changes.
    Lagging,
}

/// The controllers' own state.
#[derive(Debug, Clone, Default)]
pub(super) struct Controllers {
    /// Whether they do nothing.
    pub(super) off: bool,
    /// By the name of the Node, or of the Deployment.
    pub(super) troubles: BTreeMap<String, Trouble>,
}

impl State {
    /// Makes everything as the controllers would have it.
    pub(super) fn settle_workloads(&mut self) {
        for plural in ["daemonsets", "deployments"] {
            for (resource, stored) in self.all(plural) {
                self.settle_workload(&resource, &stored);
            }
        }
    }

    /// Acts on an object that was written.
    pub(super) fn settle_workload(&mut self, resource: &Resource, stored: &Arc<Stored>) {
        if self.controllers.off {
            return;
        }
        match &*resource.plural {
            "deployments" => {
                let status = self.deployment_status(&stored.object);
                self.put_status(resource, stored, status);
            }
            "daemonsets" => {
                for (_, node) in self.all("nodes") {
                    self.settle_pod(stored, &node);
                }
                self.count_pods(resource, stored);
            }
            "nodes" => self.settle_node(stored.name()),
            "pods" => {
                for (resource, daemon_set) in self.all("daemonsets") {
                    if is_owned(&stored.object, &daemon_set.object) {
                        self.count_pods(&resource, &daemon_set);
                    }
                }
            }
            _ => {}
        }
    }

    /// Acts on an object that is gone.
    pub(super) fn settle_removal(&mut self, resource: &Resource, removed: &Stored) {
        if self.controllers.off {
            return;
        }
        match &*resource.plural {
            "daemonsets" => {
                for (pods, pod) in self.all("pods") {
                    if is_owned(&pod.object, &removed.object) {
                        self.drop_pod(&pods, &pod);
                    }
                }
            }
            "nodes" => {
                for (pods, pod) in self.pods_on(removed.name()) {
                    self.drop_pod(&pods, &pod);
                }
                for (resource, daemon_set) in self.all("daemonsets") {
                    self.count_pods(&resource, &daemon_set);
                }
            }
            "pods" => self.settle_node(text_at(&removed.object, "/spec/nodeName")),
            _ => {}
        }
    }

    /// Gives a Node the pods it should have.
    pub(super) fn settle_node(&mut self, name: &str) {
        let Some(node) = self.stored_in("nodes", name) else {
            return;
        };
        for (resource, daemon_set) in self.all("daemonsets") {
            if self.settle_pod(&daemon_set, &node) {
                self.count_pods(&resource, &daemon_set);
            }
        }
    }

    /// Makes a DaemonSet's pod on a Node, in place of one of an older template; returns whether anything changed.
    fn settle_pod(&mut self, daemon_set: &Stored, node: &Stored) -> bool {
        let revision = letters(&daemon_set.object["spec"]["template"].to_string(), 10);
        let trouble = self.controllers.troubles.get(node.name()).cloned();
        let mut changed = false;
        for (pods, pod) in self.pods_on(node.name()) {
            if !is_owned(&pod.object, &daemon_set.object) {
                continue;
            }
            let current = pod.object["metadata"]["labels"][REVISION] == *revision;
            if current || trouble == Some(Trouble::Lagging) {
                return changed;
            }
            self.drop_pod(&pods, &pod);
            changed = true;
        }
        let pod = pod_object(&daemon_set.object, &node.object, &revision);
        let now = self.store.timestamp();
        let status = pod_status(&pod, &node.object, trouble.as_ref(), &now);
        self.create_pod(pod, status);
        true
    }

    fn create_pod(&mut self, mut pod: Value, status: Value) {
        pod["status"] = status;
        if let Ok(resource) = self.resource_of_kind("pods") {
            let made = self.store_unchecked_alone(&resource, "kube-controller-manager", pod);
            debug_assert!(made.is_ok(), "a DaemonSet's pod has a name: {made:?}");
        }
    }

    fn drop_pod(&mut self, pods: &Resource, pod: &Stored) {
        let namespace = text_at(&pod.object, "/metadata/namespace").to_owned();
        self.store.remove(pods, &namespace, pod.name());
    }

    /// Gives the pods on a Node, or a Deployment, the status that their trouble asks for.
    pub(super) fn show_trouble(&mut self, place: &str) {
        let trouble = self.controllers.troubles.get(place).cloned();
        let now = self.store.timestamp();
        if let Some(node) = self.stored_in("nodes", place) {
            for (pods, pod) in self.pods_on(place) {
                if pod.object["metadata"]["labels"][REVISION].is_string() {
                    let status = pod_status(&pod.object, &node.object, trouble.as_ref(), &now);
                    self.put_status(&pods, &pod, status);
                }
            }
        }
        for (_, deployment) in self.all("deployments") {
            if deployment.name() == place {
                self.show_waiting_pod(&deployment.object, trouble.as_ref(), &now);
            }
        }
        self.settle_workloads();
    }

    /// Gives a Deployment the pod that tells why it waits, or takes it away.
    fn show_waiting_pod(&mut self, deployment: &Value, trouble: Option<&Trouble>, now: &str) {
        for (pods, pod) in self.all("pods") {
            if is_owned(&pod.object, deployment) {
                self.drop_pod(&pods, &pod);
            }
        }
        let first = self.all("nodes").into_iter().next();
        if let (Some(Trouble::Waiting { .. }), Some((_, node))) = (trouble, first) {
            let revision = letters(&deployment["spec"]["template"].to_string(), 10);
            let mut pod = pod_object(deployment, &node.object, &revision);
            // A ReplicaSet stands between the two, and names it so.
            if let Some(labels) = pod["metadata"]["labels"].as_object_mut() {
                labels.remove(REVISION);
                labels.insert("pod-template-hash".to_owned(), revision.into());
            }
            let status = pod_status(&pod, &node.object, trouble, now);
            self.create_pod(pod, status);
        }
    }

    /// Writes the numbers of a DaemonSet's pods into its status.
    fn count_pods(&mut self, resource: &Resource, daemon_set: &Arc<Stored>) {
        let revision = letters(&daemon_set.object["spec"]["template"].to_string(), 10);
        let pods = self.all("pods");
        let mut own = pods
            .iter()
            .map(|(_, pod)| &pod.object)
            .filter(|pod| is_owned(pod, &daemon_set.object))
            .peekable();
        let (mut running, mut updated, mut ready) = (0_usize, 0_usize, 0_usize);
        for pod in own.by_ref() {
            running += 1;
            updated += usize::from(pod["metadata"]["labels"][REVISION] == *revision);
            ready += usize::from(is_ready(pod));
        }
        let desired = self.all("nodes").len();
        let status = json!({
            "currentNumberScheduled": running, "desiredNumberScheduled": desired, "numberMisscheduled": 0,
            "numberReady": ready, "numberAvailable": ready, "numberUnavailable": desired.saturating_sub(ready),
            "updatedNumberScheduled": updated,
            "observedGeneration": daemon_set.object["metadata"]["generation"],
        });
        self.put_status(resource, daemon_set, status);
    }

    fn deployment_status(&self, deployment: &Value) -> Value {
        let trouble = self
            .controllers
            .troubles
            .get(text_at(deployment, "/metadata/name"));
        let replicas = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
        let ready = if trouble.is_some() { 0 } else { replicas };
        let (status, reason, message) = if trouble.is_some() {
            (
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        } else {
            (
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        };
        let now = self.store.timestamp();
        let mut condition = json!({
            "type": "Available", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": now, "lastUpdateTime": now,
        });
        // The times of a condition that holds already stay.
        let before = deployment["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        if let Some(same) = before.into_iter().find(|known| known["status"] == status) {
            condition = same.clone();
        }
        json!({
            "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": ready, "availableReplicas": ready,
            "unavailableReplicas": replicas - ready, "observedGeneration": deployment["metadata"]["generation"],
            "conditions": [condition],
        })
    }

    /// Replaces an object's status, unless it is that already.
    fn put_status(&mut self, resource: &Resource, stored: &Arc<Stored>, status: Value) {
        let mut object = stored.object.clone();
        object["status"] = status;
        kubernetes::complete(&resource.kind, &resource.schema, &mut object);
        if object != stored.object {
            let changed = Stored::new(object, stored.managers.clone(), stored.untidy);
            self.store.put(resource, changed);
        }
    }

    pub(super) fn all(&self, plural: &str) -> Vec<(Arc<Resource>, Arc<Stored>)> {
        let Ok(resource) = self.resource_of_kind(plural) else {
            return Vec::new();
        };
        let objects = self.store.collection(&resource);
        objects
            .values()
            .map(|stored| (Arc::clone(&resource), Arc::clone(stored)))
            .collect()
    }

    fn stored_in(&self, plural: &str, name: &str) -> Option<Arc<Stored>> {
        let resource = self.resource_of_kind(plural).ok()?;
        self.store.find(&resource, "", name)
    }

    fn pods_on(&self, node: &str) -> Vec<(Arc<Resource>, Arc<Stored>)> {
        let Ok(resource) = self.resource_of_kind("pods") else {
            return Vec::new();
        };
        let pods = self.store.collection(&resource);
        pods.after(None, &[vec![Tag::node(node)]])
            .map(|(_, pod)| (Arc::clone(&resource), Arc::clone(pod)))
            .collect()
    }
}
