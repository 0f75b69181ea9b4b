//! Pods as controllers make them and kubelets tell of them.

use serde_json::{Value, json};

use super::collection::text_at;
use super::store::key;
use super::workloads::Trouble;

/// The letters of generated names (`apimachinery/pkg/util/rand`).
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// Label of a pod: the template it was made from.
pub(super) const REVISION: &str = "controller-revision-hash";

pub(super) fn is_owned(pod: &Value, owner: &Value) -> bool {
    let references = pod["metadata"]["ownerReferences"].as_array();
    let uid = &owner["metadata"]["uid"];
    references.is_some_and(|all| all.iter().any(|reference| reference["uid"] == *uid))
}

pub(super) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The pod of a template, without its status.
pub(super) fn pod_object(owner: &Value, node: &Value, revision: &str) -> Value {
    let template = &owner["spec"]["template"];
    let (name, node) = (
        text_at(owner, "/metadata/name"),
        text_at(node, "/metadata/name"),
    );
    let suffix = letters(&key(revision, node), 5);
    let mut labels = template["metadata"]["labels"].clone();
    if !labels.is_object() {
        labels = json!({});
    }
    labels[REVISION] = revision.into();
    let mut spec = template["spec"].clone();
    if !spec.is_object() {
        spec = json!({});
    }
    spec["nodeName"] = node.into();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{name}-{suffix}"), "generateName": format!("{name}-"),
            "namespace": owner["metadata"]["namespace"], "labels": labels,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": owner["kind"], "name": name, "uid": owner["metadata"]["uid"],
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": spec,
    })
}

/// What a kubelet says of a pod.
pub(super) fn pod_status(pod: &Value, node: &Value, trouble: Option<&Trouble>, now: &str) -> Value {
    let waiting = match trouble {
        Some(Trouble::Waiting { reason, message }) => Some((reason.as_str(), message.as_str())),
        _ => None,
    };
    // What restarts was started once; what cannot be pulled was not.
    let started = waiting.is_none_or(|(reason, _)| reason == "CrashLoopBackOff");
    let ready = waiting.is_none();
    let address = node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|address| address["type"] == "InternalIP")
        .map_or(Value::Null, |address| address["address"].clone());
    let truth = if ready { "True" } else { "False" };
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "lastTransitionTime": now});
    let mut status = json!({
        "phase": if started { "Running" } else { "Pending" },
        "startTime": now,
        "conditions": [
            condition("Initialized", "True"), condition("PodScheduled", "True"),
            condition("ContainersReady", truth), condition("Ready", truth),
        ],
        "containerStatuses": container_statuses(&pod["spec"]["containers"], waiting, now),
        "initContainerStatuses": init_statuses(&pod["spec"]["initContainers"]),
    });
    if !address.is_null() {
        status["hostIP"] = address.clone();
        status["podIP"] = address;
    }
    status
}

fn container_statuses(containers: &Value, waiting: Option<(&str, &str)>, now: &str) -> Value {
    let containers = containers.as_array().into_iter().flatten();
    let statuses = containers.enumerate().map(|(index, container)| {
        let mut status = json!({
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0,
        });
        match waiting.filter(|_| index == 0) {
            None => {
                status["ready"] = true.into();
                status["state"] = json!({"running": {"startedAt": now}});
            }
            Some((reason, message)) => {
                status["ready"] = false.into();
                status["state"] = json!({"waiting": {"reason": reason, "message": message}});
                if reason == "CrashLoopBackOff" {
                    status["restartCount"] = 5.into();
                    status["lastState"] = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
                }
            }
        }
        status
    });
    statuses.collect()
}

fn init_statuses(containers: &Value) -> Value {
    let containers = containers.as_array().into_iter().flatten();
    let statuses = containers.map(|container| {
        json!({
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": true,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
        })
    });
    statuses.collect()
}

/// Letters that stand for a text: what differs gets, as good as always, other ones (FNV-1a).
pub(super) fn letters(text: &str, count: usize) -> String {
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let base = LETTERS.len() as u64;
    let mut letters = String::new();
    for _ in 0..count {
        let letter = usize::try_from(hash % base).map_or(b'x', |index| LETTERS[index]);
        letters.push(char::from(letter));
        hash /= base;
    }
    letters
}
