//! Install documents against what is there: what has to be applied, what is left over. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{FieldChange, Live, Step};
use crate::manifests::{Document, Stage, fingerprint, widened};
use crate::render::FIELD_MANAGER;

/// Annotation of every installed object: digest of the document it was made from. A digest that differs tells that the
/// document has lost a field since, which no look at the object could.
pub const ANNOTATION_MANIFEST: &str = "calico.juju.is/manifest";

const DEFINITION: &str = "CustomResourceDefinition";

/// The document with the digest of its content among its annotations: what is applied.
#[must_use]
pub fn stamped(document: Document) -> Document {
    let digest = fingerprint(&document.value().to_string());
    document.with_annotation(ANNOTATION_MANIFEST, &digest)
}

/// The write that makes `live` what a stamped document asks for; `None` when it is that already.
///
/// A CustomResourceDefinition only ever grows: what somebody else's release of Calico has put there stays.
#[must_use]
pub fn install_step(document: &Document, live: Option<&Live>) -> Option<Step> {
    let Some(live) = live else {
        return Some(Step::Install {
            document: document.clone(),
            first: None,
            resource_version: None,
            changes: Vec::new(),
        });
    };
    let (document, changes) = if document.kind() == DEFINITION {
        let grown = widened(live.value(), document)?;
        let change = FieldChange::of("schema", None, Some("widened"));
        (grown, vec![change])
    } else {
        let mut changes = document_changes(document, live);
        changes.extend(intruders(document, live).into_iter().map(|intruder| {
            let path = format!("{}.env[{}]", intruder.container, intruder.variable);
            FieldChange::of(&path, Some("somebody else's"), None)
        }));
        if changes.is_empty() {
            return None;
        }
        (document.clone(), changes)
    };
    // The controllers write the status of workloads all the time: their version would be old at once.
    let version =
        (document.stage() != Stage::Workloads).then(|| live.resource_version().to_owned());
    Some(Step::Install {
        first: strategy_change(&document, live).or_else(|| without(&intruders(&document, live))),
        document,
        resource_version: version,
        changes,
    })
}

/// A Deployment that somebody made without a strategy has the defaults of `RollingUpdate`, which `Recreate` forbids and no
/// apply takes away (`k8s.io/kubernetes/pkg/apis/apps/validation`): a merge patch has to.
fn strategy_change(document: &Document, live: &Live) -> Option<Value> {
    let recreates = |object: &Value| object["spec"]["strategy"]["type"] == "Recreate";
    let change = || json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}});
    let changes = document.kind() == "Deployment" && recreates(document.value());
    (changes && !recreates(live.value())).then(change)
}

/// An environment variable that somebody else's manifest left on a container.
#[derive(Debug, PartialEq, Eq)]
struct Intruder {
    container: String,
    variable: String,
}

/// The variables that have to go before the document can be applied and do what it says. An apply leaves those of other
/// managers alone: next to the document's own some keep calico-node from starting or undo an option, and one whose value
/// comes from somewhere else cannot get a value.
fn intruders(document: &Document, live: &Live) -> Vec<Intruder> {
    const SPEC: &str = "/spec/template/spec/containers";
    let containers = |object: &Value| object.pointer(SPEC).and_then(Value::as_array).cloned();
    if document.kind() != "DaemonSet" {
        return Vec::new();
    }
    let entries = live.value()["metadata"]["managedFields"]
        .as_array()
        .cloned();
    let entries = entries.unwrap_or_default();
    let wanted = containers(document.value()).unwrap_or_default();
    let there = containers(live.value()).unwrap_or_default();
    let mut found = Vec::new();
    for container in &wanted {
        let name = container["name"].as_str().unwrap_or_default();
        let Some(live) = there.iter().find(|live| live["name"] == name) else {
            continue;
        };
        let variables = |of: &Value| of["env"].as_array().cloned().unwrap_or_default();
        let ours = variables(container);
        for variable in variables(live) {
            let own = ours.iter().find(|own| own["name"] == variable["name"]);
            let key = variable["name"].as_str().unwrap_or_default();
            let goes = match own {
                Some(own) => {
                    own.get("valueFrom").is_some()
                        && variable.get("value").is_some_and(|value| value != "")
                        || own.get("value").is_some() && variable.get("valueFrom").is_some()
                }
                None => is_decided(key, &ours),
            };
            // What this charm's own apply holds alone goes by the next one.
            if goes && is_others(&entries, name, key) {
                found.push(Intruder {
                    container: name.to_owned(),
                    variable: key.to_owned(),
                });
            }
        }
    }
    found
}

/// Whether another field manager holds a variable of a container.
fn is_others(entries: &[Value], container: &str, variable: &str) -> bool {
    let key = |name: &str| format!("k:{}", json!({"name": name}));
    entries
        .iter()
        .filter(|entry| entry["manager"] != FIELD_MANAGER)
        .map(|entry| &entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"])
        .any(|containers| {
            containers[key(container)]["f:env"]
                .get(key(variable))
                .is_some()
        })
}

/// Whether the documents decide about a variable even where they do not name it: an AS number in the environment
/// overwrites every Node's, and calico-node does not start with a pool of its own and none at once
/// (`node/pkg/lifecycle/startup/startup.go`).
fn is_decided(variable: &str, ours: &[Value]) -> bool {
    let makes_none = ours.iter().any(|own| own["name"] == "NO_DEFAULT_POOLS");
    let pool = ["CALICO_IPV4POOL_", "CALICO_IPV6POOL_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix));
    let own = [
        "AS",
        "CALICO_ROUTER_ID",
        "IP_AUTODETECTION_METHOD",
        "IP6_AUTODETECTION_METHOD",
        "FELIX_TYPHAK8SSERVICENAME",
    ];
    pool && makes_none || own.contains(&variable)
}

/// The strategic merge patch that takes them away.
fn without(intruders: &[Intruder]) -> Option<Value> {
    if intruders.is_empty() {
        return None;
    }
    let mut containers: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for Intruder {
        container,
        variable,
    } in intruders
    {
        let gone = json!({"name": variable, "$patch": "delete"});
        containers.entry(container).or_default().push(gone);
    }
    let containers: Vec<Value> = containers
        .into_iter()
        .map(|(name, env)| json!({"name": name, "env": env}))
        .collect();
    Some(json!({"spec": {"template": {"spec": {"containers": containers}}}}))
}

/// What an apply of a document would change on the live object.
#[must_use]
pub fn document_changes(document: &Document, live: &Live) -> Vec<FieldChange> {
    let mut changes = Vec::new();
    let wanted = document.value().as_object().into_iter().flatten();
    for (key, wanted) in wanted.filter(|(key, _)| *key != "apiVersion" && *key != "kind") {
        compare(key, wanted, &live.value()[key], &mut changes);
    }
    // The digest differs with everything else; alone it tells of a field that the document no longer has.
    if changes.len() > 1 {
        let digest = format!("metadata.annotations.{ANNOTATION_MANIFEST}");
        changes.retain(|change| change.field != digest);
    }
    changes
}

/// Fields the API server adds count as equal, and so do items that others have put into a list whose items have names.
fn compare(path: &str, wanted: &Value, live: &Value, changes: &mut Vec<FieldChange>) {
    match (wanted, live) {
        _ if is_empty(wanted) && is_empty(live) => {}
        (Value::Object(fields), Value::Object(_)) => {
            for (key, wanted) in fields {
                compare(&format!("{path}.{key}"), wanted, &live[key], changes);
            }
        }
        (Value::Array(items), Value::Array(there)) => compare_lists(path, items, there, changes),
        _ if wanted == live || same_quantity(wanted, live) => {}
        _ => changes.push(FieldChange::of(path, shown(live), shown(wanted))),
    }
}

fn compare_lists(path: &str, wanted: &[Value], live: &[Value], changes: &mut Vec<FieldChange>) {
    // One volume may be mounted in two places, so a mount is known by its path.
    let key = ["mountPath", "name"]
        .into_iter()
        .find(|key| wanted.iter().all(|item| item[key].is_string()));
    if let Some(key) = key {
        let there: BTreeMap<&str, &Value> = live
            .iter()
            .filter_map(|item| Some((item[key].as_str()?, item)))
            .collect();
        for item in wanted {
            let name = item[key].as_str().unwrap_or_default();
            let live = there.get(name).copied().unwrap_or(&Value::Null);
            compare(&format!("{path}[{name}]"), item, live, changes);
        }
        return;
    }
    if wanted.len() != live.len() {
        changes.push(FieldChange::of(path, None, None));
        return;
    }
    for (index, (wanted, live)) in wanted.iter().zip(live).enumerate() {
        compare(&format!("{path}[{index}]"), wanted, live, changes);
    }
}

/// Kubernetes drops empty fields of its own kinds when it stores them.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
    }
}

/// Whether two texts are one quantity: the API server writes `0.25` as `250m`
/// (`k8s.io/apimachinery/pkg/api/resource/quantity.go`).
fn same_quantity(one: &Value, other: &Value) -> bool {
    match (quantity(one), quantity(other)) {
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-9,
        _ => false,
    }
}

fn quantity(value: &Value) -> Option<f64> {
    const SUFFIXES: [(&str, f64); 10] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("", 1.0),
    ];
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, *factor)))?;
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !plain {
        return None;
    }
    Some(number.parse::<f64>().ok()? * factor)
}

/// A value short enough for a log line.
fn shown(value: &Value) -> Option<&str> {
    const LONGEST: usize = 120;
    match value {
        Value::String(text) if text.len() <= LONGEST && !text.contains('\n') => Some(text),
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(wanted: &Value, live: &Value) -> Vec<String> {
        let mut changes = Vec::new();
        compare("spec", wanted, live, &mut changes);
        changes.into_iter().map(|change| change.field).collect()
    }

    #[test]
    fn what_the_server_and_others_add_is_no_change() {
        for (wanted, live) in [
            (json!({"a": 1}), json!({"a": 1, "defaulted": true})),
            (json!({"a": {}, "b": [], "c": "", "d": 0}), json!({})),
            (json!({"optional": false}), json!({})),
            (
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}),
            ),
            (
                json!({"mounts": [{"mountPath": "/a", "name": "x"}]}),
                json!({"mounts": [{"mountPath": "/a", "name": "x", "recursiveReadOnly": "Disabled"}]}),
            ),
            (json!({"cpu": "0.25"}), json!({"cpu": "250m"})),
            (json!({"memory": "1024Ki"}), json!({"memory": "1Mi"})),
            (json!({"cpu": 1}), json!({"cpu": "1"})),
        ] {
            assert_eq!(changed(&wanted, &live), [] as [&str; 0], "{wanted}");
        }
    }

    #[test]
    fn variables_of_others_that_undo_an_option_go_first() {
        let daemon_set = |env: &Value| {
            let held = env.as_array().unwrap().iter().map(|variable| {
                (
                    format!("k:{}", json!({"name": variable["name"]})),
                    json!({}),
                )
            });
            let held: Value = held
                .filter(|(key, _)| !key.contains("CALICO_ROUTER_ID"))
                .collect();
            let fields = json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {r#"k:{"name":"calico-node"}"#: {"f:env": held}}}}}});
            json!({
                "apiVersion": "apps/v1", "kind": "DaemonSet",
                "metadata": {"name": "calico-node", "namespace": "kube-system", "managedFields": [{"manager": "kubectl", "fieldsV1": fields}]},
                "spec": {"template": {"spec": {"containers": [{"name": "calico-node", "env": env}]}}},
            })
        };
        let names = |ours: Value, live: Value| -> Vec<String> {
            let document = Document::new(daemon_set(&ours)).unwrap();
            let found = intruders(&document, &Live::new(daemon_set(&live)));
            found
                .into_iter()
                .map(|intruder| intruder.variable)
                .collect()
        };
        let live = json!([
            {"name": "CALICO_IPV4POOL_CIDR", "value": "192.168.0.0/16"}, {"name": "AS", "value": "64512"},
            {"name": "FELIX_LOGSEVERITYSCREEN", "value": "Debug"}, {"name": "IP", "value": "autodetect"},
            {"name": "FELIX_VXLANMTU", "value": "1440"}, {"name": "CALICO_ROUTER_ID", "value": "hash"},
        ]);
        let makes_none = json!([
            {"name": "NO_DEFAULT_POOLS", "value": "true"}, {"name": "IP", "value": "none"},
            {"name": "FELIX_VXLANMTU", "valueFrom": {"configMapKeyRef": {"name": "calico-config", "key": "veth_mtu"}}},
        ]);
        assert_eq!(
            names(makes_none, live.clone()),
            ["CALICO_IPV4POOL_CIDR", "AS", "FELIX_VXLANMTU"]
        );
        assert_eq!(names(json!([]), live), ["AS"]);
    }

    #[test]
    fn what_differs_is_named_by_its_path() {
        for (wanted, live, path) in [
            (json!({"a": {"b": 1}}), json!({"a": {"b": 2}}), "spec.a.b"),
            (json!({"a": true}), json!({}), "spec.a"),
            (json!({"a": false}), json!({"a": true}), "spec.a"),
            (
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"env": [{"name": "A", "value": "2"}]}),
                "spec.env[A].value",
            ),
            (
                json!({"env": [{"name": "A", "value": "1"}]}),
                json!({"env": []}),
                "spec.env[A]",
            ),
            (
                json!({"verbs": ["get"]}),
                json!({"verbs": ["get", "list"]}),
                "spec.verbs",
            ),
            (
                json!({"verbs": ["get"]}),
                json!({"verbs": ["list"]}),
                "spec.verbs[0]",
            ),
            (json!({"cpu": "0.25"}), json!({"cpu": "251m"}), "spec.cpu"),
            (json!({"a": ""}), json!({"a": "x"}), "spec.a"),
        ] {
            assert_eq!(changed(&wanted, &live), [path], "{wanted}");
        }
    }
}
