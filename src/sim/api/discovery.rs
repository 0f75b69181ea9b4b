//! What is served: the discovery documents, the version, and the definitions themselves as objects.

use serde_json::{Value, json};

use super::builtin;
use super::catalog::Catalog;
use super::resource::{Origin, Resource};

/// The release the server takes itself for.
const VERSION: (&str, &str, &str) = ("1", "36", "v1.36.3");

/// `/version`.
pub(super) fn version() -> Value {
    let (major, minor, git_version) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": git_version, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// `/api`.
pub(super) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(super) fn groups(catalog: &Catalog) -> Value {
    let mut names: Vec<&str> = catalog
        .iter()
        .map(|resource| &*resource.group)
        .filter(|group| !group.is_empty())
        .collect();
    names.dedup();
    let groups: Vec<Value> = names
        .into_iter()
        .filter_map(|name| group_body(catalog, name))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`; nothing when it is not served.
pub(super) fn group(catalog: &Catalog, name: &str) -> Option<Value> {
    let mut body = group_body(catalog, name)?;
    body["kind"] = "APIGroup".into();
    body["apiVersion"] = "v1".into();
    Some(body)
}

fn group_body(catalog: &Catalog, name: &str) -> Option<Value> {
    let resource = catalog
        .iter()
        .find(|resource| resource.group == name && !name.is_empty())?;
    let version = json!({"groupVersion": resource.api_version(), "version": resource.version});
    Some(json!({"name": name, "versions": [version], "preferredVersion": version}))
}

/// `/api/v1` and `/apis/<group>/<version>`; nothing when it is not served.
pub(super) fn resources(catalog: &Catalog, group: &str, version: &str) -> Option<Value> {
    let mut served = catalog
        .iter()
        .filter(|found| found.group == group && found.version == version)
        .peekable();
    let api_version = served.peek()?.api_version();
    let mut rows = Vec::new();
    for resource in served {
        rows.push(row(
            resource,
            &resource.plural,
            &["create", "delete", "get", "list", "patch", "update"],
        ));
        if resource.status_subresource {
            rows.push(row(
                resource,
                &format!("{}/status", resource.plural),
                &["get", "patch", "update"],
            ));
        }
    }
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": rows}),
    )
}

fn row(resource: &Resource, name: &str, verbs: &[&str]) -> Value {
    json!({
        "name": name, "singularName": resource.kind.to_lowercase(), "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": verbs,
    })
}

/// The `CustomResourceDefinition` of a resource, with the schema the server checks against.
pub(super) fn definition(resource: &Resource) -> Value {
    let singular = resource.kind.to_lowercase();
    let mut version = json!({
        "name": resource.version, "served": true, "storage": true,
        "schema": {"openAPIV3Schema": builtin::open_api(&resource.kind, resource.status_subresource)},
    });
    if resource.status_subresource {
        version["subresources"] = json!({"status": {}});
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.qualified()},
        "spec": {
            "group": resource.group, "scope": "Cluster",
            "names": {
                "kind": resource.kind, "listKind": format!("{}List", resource.kind), "plural": resource.plural,
                "singular": singular,
            },
            "versions": [version],
        },
    })
}

/// The status of a definition that is served.
pub(super) fn established(definition: &Value, now: &str) -> Value {
    let condition = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "lastTransitionTime": now});
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().into_iter().flatten();
    let stored: Vec<&Value> = versions
        .filter(|version| version["storage"] == true)
        .map(|version| &version["name"])
        .collect();
    json!({
        "acceptedNames": spec["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts"),
            condition("Established", "InitialNamesAccepted"),
        ],
        "storedVersions": stored,
    })
}

/// The APIService of a group version: one with a Service behind it, or one the API server keeps itself.
pub(super) fn api_service(resource: &Resource, available: bool) -> Value {
    let (group, version) = (&resource.group, &resource.version);
    let (status, reason) = if available {
        ("True", "Passed")
    } else {
        ("False", "MissingEndpoints")
    };
    let mut spec = json!({"group": group, "version": version, "groupPriorityMinimum": 1500, "versionPriority": 200});
    let mut labels = json!({"kube-aggregator.kubernetes.io/automanaged": "true"});
    if resource.origin == Origin::Aggregated {
        spec["service"] =
            json!({"namespace": "calico-apiserver", "name": "calico-api", "port": 443});
        labels = json!({});
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": format!("{version}.{group}"), "labels": labels},
        "spec": spec,
        "status": {"conditions": [{"type": "Available", "status": status, "reason": reason}]},
    })
}
