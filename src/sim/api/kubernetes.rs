//! Kubernetes' own kinds: where they are, and what the server itself adds to their objects.

use serde_json::{Value, json};

use super::collection::text_at;
use super::resource::{Counted, Origin, Resource};
use super::schema::{Form, Schema};
use super::types::kubernetes_schema;

const SPEC: Counted = Counted::Fields(&["spec"]);

/// Group, kind, plural, whether it has a namespace, whether its status is a subresource, and what its generation counts
/// (`pkg/registry/*/*/strategy.go`); every version is v1.
const KINDS: [(&str, &str, &str, bool, bool, Counted); 21] = [
    ("", "ConfigMap", "configmaps", true, false, Counted::Nothing),
    ("", "Namespace", "namespaces", false, true, Counted::Nothing),
    ("", "Node", "nodes", false, true, Counted::Nothing),
    ("", "Pod", "pods", true, true, SPEC),
    ("", "Secret", "secrets", true, false, Counted::Nothing),
    ("", "Service", "services", true, true, Counted::Nothing),
    (
        "",
        "ServiceAccount",
        "serviceaccounts",
        true,
        false,
        Counted::Nothing,
    ),
    (
        ADMISSION,
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        false,
        false,
        SPEC,
    ),
    (
        ADMISSION,
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        false,
        false,
        SPEC,
    ),
    (
        ADMISSION,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        false,
        true,
        SPEC,
    ),
    (
        ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        false,
        false,
        SPEC,
    ),
    (
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
        false,
        Counted::Fields(&["webhooks"]),
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        true,
        SPEC,
    ),
    (
        "apiregistration.k8s.io",
        "APIService",
        "apiservices",
        false,
        true,
        Counted::Nothing,
    ),
    ("apps", "DaemonSet", "daemonsets", true, true, SPEC),
    ("apps", "Deployment", "deployments", true, true, SPEC),
    (
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
        true,
        SPEC,
    ),
    (
        RBAC,
        "ClusterRole",
        "clusterroles",
        false,
        false,
        Counted::Nothing,
    ),
    (
        RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
        false,
        Counted::Nothing,
    ),
    (RBAC, "Role", "roles", true, false, Counted::Nothing),
    (
        RBAC,
        "RoleBinding",
        "rolebindings",
        true,
        false,
        Counted::Nothing,
    ),
];
const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Namespaces the API server makes itself (`pkg/controlplane/controller/systemnamespaces`), and `default`.
pub(super) const NAMESPACES: [&str; 4] =
    ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Every one of these kinds.
pub(super) fn resources() -> impl Iterator<Item = Resource> {
    KINDS.into_iter().map(
        |(group, kind, plural, namespaced, status_subresource, counted)| Resource {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            namespaced,
            origin: Origin::BuiltIn,
            storage: plural.into(),
            status_subresource,
            counted,
            schema: kubernetes_schema(kind),
        },
    )
}

/// A namespace that is there from the start.
pub(super) fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

/// What reading an object into its struct and writing it again does: what is empty goes, defaults come.
pub(super) fn complete(kind: &str, schema: &Schema, object: &mut Value) {
    tidy(schema, object);
    super::validate::fill_defaults(schema, object);
    add_defaults(kind, object);
}

/// The structs inside an empty object, whose fields are then no fields that appear.
pub(super) fn add_structs(schema: &Schema, object: &mut Value) {
    let (Form::Map(map), Value::Object(entries)) = (&schema.form, object) else {
        return;
    };
    for (name, field) in &map.fields {
        if field.in_place {
            let inside = entries.entry(name.clone()).or_insert_with(|| json!({}));
            add_structs(field, inside);
        } else if field.default == Some(Value::Null) {
            entries.insert(name.clone(), Value::Null);
        }
    }
}

/// Leaves out what a struct leaves out, and writes quantities the one way.
fn tidy(schema: &Schema, value: &mut Value) {
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            for (key, item) in entries.iter_mut() {
                if let Some((inner, _)) = map.child(key) {
                    tidy(inner, item);
                }
            }
            entries.retain(|key, item| {
                let field = map.fields.get(key);
                !field.is_some_and(|field| field.left_out_when_empty && is_empty(item))
            });
        }
        (Form::List(list), Value::Array(items)) => {
            for item in items {
                tidy(&list.items, item);
            }
        }
        (Form::Quantity, value) => {
            if let Some(text) = super::quantity::canonical(value) {
                *value = text.into();
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// The defaults that follow from other fields (`pkg/apis/*/v1/defaults.go`).
fn add_defaults(kind: &str, object: &mut Value) {
    match kind {
        "DaemonSet" | "Deployment" => {
            for path in ["/spec/updateStrategy", "/spec/strategy"] {
                object
                    .pointer_mut(path)
                    .into_iter()
                    .for_each(|strategy| add_rolling_update(kind, strategy));
            }
            add_pod_defaults(object.pointer_mut("/spec/template/spec"));
        }
        "Pod" => add_pod_defaults(object.pointer_mut("/spec")),
        "ClusterRoleBinding" | "RoleBinding" => add_subject_groups(object),
        "CustomResourceDefinition" => {
            add_names(object);
            add_definition_status(object);
        }
        "Service" => add_target_ports(object),
        _ => {}
    }
}

/// Only a strategy that rolls says how.
fn add_rolling_update(kind: &str, strategy: &mut Value) {
    let rolls = strategy["type"] == "RollingUpdate";
    if let Some(fields) = strategy.as_object_mut().filter(|_| rolls) {
        fields.entry("rollingUpdate").or_insert_with(|| {
            if kind == "DaemonSet" {
                json!({"maxSurge": 0, "maxUnavailable": 1})
            } else {
                json!({"maxSurge": "25%", "maxUnavailable": "25%"})
            }
        });
    }
}

fn add_pod_defaults(spec: Option<&mut Value>) {
    let Some(fields) = spec.and_then(Value::as_object_mut) else {
        return;
    };
    // One field under its old and its new name (`pkg/apis/core/v1/conversion.go`).
    let account = ["serviceAccountName", "serviceAccount"]
        .iter()
        .find_map(|name| fields.get(*name).cloned());
    if let Some(account) = account {
        for name in ["serviceAccountName", "serviceAccount"] {
            fields.insert(name.to_owned(), account.clone());
        }
    }
    for list in ["initContainers", "containers"] {
        let containers = fields.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let policy = pull_policy(text_at(container, "/image"));
            add(container, "imagePullPolicy", || policy.into());
        }
    }
}

/// Adds a field that an object has not.
fn add(object: &mut Value, field: &str, value: impl FnOnce() -> Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.entry(field).or_insert_with(value);
    }
}

/// An image without a tag, or with `latest`, is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').map(|(_, tag)| tag);
    let pinned = name.contains('@') || tag.is_some_and(|tag| tag != "latest");
    if pinned { "IfNotPresent" } else { "Always" }
}

fn add_subject_groups(object: &mut Value) {
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        if matches!(text_at(subject, "/kind"), "User" | "Group") {
            add(subject, "apiGroup", || RBAC.into());
        }
    }
}

fn add_names(object: &mut Value) {
    if let Some(names) = object.pointer_mut("/spec/names") {
        let kind = text_at(names, "/kind").to_owned();
        add(names, "listKind", || format!("{kind}List").into());
        add(names, "singular", || kind.to_lowercase().into());
    }
}

/// The status before the definition is established.
fn add_definition_status(object: &mut Value) {
    let versions = object.pointer("/spec/versions").and_then(Value::as_array);
    let stored: Vec<Value> = versions
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == true)
        .map(|version| version["name"].clone())
        .collect();
    if let Some(status) = object.pointer_mut("/status") {
        add(status, "storedVersions", || stored.into());
    }
}

fn add_target_ports(object: &mut Value) {
    let ports = object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let number = port["port"].clone();
        add(port, "targetPort", || number);
    }
}

/// Kinds whose deletion answers with the object.
pub(super) fn shows_what_it_deleted(kind: &str) -> bool {
    matches!(kind, "Service" | "ServiceAccount")
}

/// Gives a Service an address of its own; `made` is how many objects there were before it.
pub(super) fn allocate(kind: &str, object: &mut Value, made: u64) {
    let Some(spec) = object.pointer_mut("/spec") else {
        return;
    };
    if kind != "Service" || spec["type"] == "ExternalName" {
        return;
    }
    add(spec, "clusterIP", || {
        format!("10.152.183.{}", made % 250 + 2).into()
    });
    let address = spec["clusterIP"].clone();
    add(spec, "clusterIPs", || json!([address]));
    add(spec, "ipFamilies", || json!(["IPv4"]));
    add(spec, "ipFamilyPolicy", || "SingleStack".into());
}
