//! Whether Calico's own pods run, from what Kubernetes says of them. Pure.

use serde_json::Value;

use super::Live;

/// How far a DaemonSet's rollout is, in pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaemonSetProgress {
    /// Pods of the newest template.
    pub updated: u64,
    /// Pods that are ready.
    pub ready: u64,
    /// Pods there should be.
    pub desired: u64,
    /// Whether the controller has seen the newest template; the other numbers are older if not.
    pub observed: bool,
}

impl DaemonSetProgress {
    /// Reads a DaemonSet's status.
    #[must_use]
    pub fn of(daemon_set: &Live) -> Self {
        let object = daemon_set.value();
        let number = |field: &str| object["status"][field].as_u64().unwrap_or_default();
        let generation = object["metadata"]["generation"]
            .as_u64()
            .unwrap_or_default();
        Self {
            updated: number("updatedNumberScheduled"),
            ready: number("numberReady"),
            desired: number("desiredNumberScheduled"),
            observed: number("observedGeneration") >= generation,
        }
    }

    /// Whether every node runs the newest template and all pods are ready: nothing more has to be asked.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.observed
            && self.desired > 0
            && self.updated == self.desired
            && self.ready == self.desired
    }

    /// Whether old pods are still being replaced.
    #[must_use]
    pub fn is_rolling(self) -> bool {
        !self.observed || self.updated < self.desired
    }
}

/// Why the pods of one workload on one node are not ready, in one line; `None` when one is.
///
/// Of several the newest counts: an old one may be on its way out.
#[must_use]
pub fn pods_problem(pods: &[Live]) -> Option<String> {
    let mut living: Vec<&Live> = pods.iter().filter(|pod| !pod.is_deleting()).collect();
    living.sort_by_key(|pod| {
        pod.value()["metadata"]["creationTimestamp"]
            .as_str()
            .map(str::to_owned)
    });
    match living.last() {
        None => Some("no pod yet".to_owned()),
        Some(pod) => pod_problem(pod.value()),
    }
}

fn pod_problem(pod: &Value) -> Option<String> {
    let status = &pod["status"];
    let condition = |wanted: &str| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions
            .into_iter()
            .find(|condition| condition["type"] == wanted)
    };
    if condition("Ready").is_some_and(|ready| ready["status"] == "True") {
        return None;
    }
    let mut containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .filter_map(|list| status[list].as_array())
        .flatten();
    let spoken = containers.find_map(container_problem);
    let unscheduled = condition("PodScheduled")
        .filter(|scheduled| scheduled["status"] == "False")
        .map(reason);
    let evicted = status["reason"].as_str().map(str::to_owned);
    let phase = || status["phase"].as_str().unwrap_or("Pending").to_owned();
    Some(spoken.or(unscheduled).or(evicted).unwrap_or_else(|| {
        if phase() == "Running" {
            "not ready".to_owned()
        } else {
            phase()
        }
    }))
}

/// `ImagePullBackOff quay.io/calico/node:v3.32.1`, `CrashLoopBackOff: exit 1`.
fn container_problem(container: &Value) -> Option<String> {
    let waiting = container["state"]["waiting"]["reason"].as_str();
    let image = container["image"].as_str().unwrap_or_default();
    match waiting {
        // Its turn has not come, or it is only starting: a container before it may have more to say.
        Some("PodInitializing") | None => {
            let ended = &container["state"]["terminated"];
            let failed = ended["exitCode"].as_i64().filter(|code| *code != 0)?;
            Some(format!(
                "{} exit {failed}",
                container["name"].as_str().unwrap_or_default()
            ))
        }
        Some(pull) if pull.contains("Image") || pull == "RegistryUnavailable" => {
            Some(format!("{pull} {image}"))
        }
        Some("CrashLoopBackOff") => {
            let last = &container["lastState"]["terminated"]["exitCode"];
            let name = container["name"].as_str().unwrap_or_default();
            Some(match last.as_i64() {
                Some(code) => format!("CrashLoopBackOff {name}, exit {code}"),
                None => format!("CrashLoopBackOff {name}"),
            })
        }
        Some(_) => Some(reason(&container["state"]["waiting"])),
    }
}

fn reason(of: &Value) -> String {
    let reason = of["reason"].as_str().unwrap_or("not ready");
    match of["message"].as_str() {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason.to_owned(),
    }
}

/// Whether a Deployment has as many available replicas as it should.
#[must_use]
pub fn is_available(deployment: &Live) -> bool {
    let object = deployment.value();
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let available = object["status"]["availableReplicas"]
        .as_u64()
        .unwrap_or_default();
    available >= wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: &Value) -> Live {
        Live::new(json!({"metadata": {"name": "x"}, "status": status}))
    }

    #[test]
    fn the_reason_a_pod_is_not_ready_is_the_containers_own() {
        let waiting = |reason: &str| {
            json!({"phase": "Pending", "containerStatuses": [
                {"name": "calico-node", "image": "quay.io/calico/node:v3.32.1", "state": {"waiting": {"reason": reason}}},
            ]})
        };
        for (status, expected) in [
            (
                json!({"conditions": [{"type": "Ready", "status": "True"}]}),
                None,
            ),
            (
                waiting("ImagePullBackOff"),
                Some("ImagePullBackOff quay.io/calico/node:v3.32.1"),
            ),
            (
                waiting("ErrImagePull"),
                Some("ErrImagePull quay.io/calico/node:v3.32.1"),
            ),
            (waiting("ContainerCreating"), Some("ContainerCreating")),
            (
                json!({"phase": "Pending",
                    "initContainerStatuses": [{"name": "install-cni", "state": {"terminated": {"exitCode": 2}}}],
                    "containerStatuses": [{"name": "calico-node", "state": {"waiting": {"reason": "PodInitializing"}}}]}),
                Some("install-cni exit 2"),
            ),
            (
                json!({"phase": "Running", "containerStatuses": [
                    {"name": "calico-node", "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                     "lastState": {"terminated": {"exitCode": 1}}}]}),
                Some("CrashLoopBackOff calico-node, exit 1"),
            ),
            (
                json!({"phase": "Pending", "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}]}),
                Some("Unschedulable: no room"),
            ),
            (json!({"phase": "Running"}), Some("not ready")),
            (
                json!({"phase": "Failed", "reason": "Evicted"}),
                Some("Evicted"),
            ),
            (json!({}), Some("Pending")),
        ] {
            assert_eq!(
                pods_problem(&[pod(&status)]).as_deref(),
                expected,
                "{status}"
            );
        }
        assert_eq!(pods_problem(&[]).as_deref(), Some("no pod yet"));
    }

    #[test]
    fn of_several_pods_the_newest_that_stays_counts() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let made = |at: &str, deleted: bool, status: &Value| {
            let mut pod = json!({"metadata": {"creationTimestamp": at}, "status": status});
            if deleted {
                pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z".into();
            }
            Live::new(pod)
        };
        let pods = [
            made("2026-01-01T00:00:03Z", false, &ready),
            made("2026-01-01T00:00:01Z", false, &json!({})),
            made("2026-01-01T00:00:05Z", true, &json!({})),
        ];
        assert_eq!(pods_problem(&pods), None);
    }

    #[test]
    fn a_rollout_is_over_when_all_run_the_newest_template() {
        let set = |generation: u64, status: &Value| {
            DaemonSetProgress::of(&Live::new(
                json!({"metadata": {"generation": generation}, "status": status}),
            ))
        };
        let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3});
        assert!(set(2, &status).is_complete());
        assert!(!set(3, &status).is_complete() && set(3, &status).is_rolling());
        let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1, "numberReady": 3});
        assert!(set(2, &status).is_rolling());
        assert!(!set(1, &json!({})).is_complete());
    }
}
