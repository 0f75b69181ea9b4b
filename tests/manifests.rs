//! Install documents, edited: one table of settings, and every source there is.
//!
//! `tests/manifests/<case>.yaml` holds the charm's own workloads and ConfigMap as a case edits them, but for those that
//! are as in the case `default`. `UPDATE_GOLDEN=1` rewrites them. Of genuine documents (`CALICO_CRDS`) each edit is
//! asserted by its path, and that nothing else has changed.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts test functions, not their helpers"
)]

mod support;

#[path = "manifests/api.rs"]
mod api;
#[path = "manifests/difference.rs"]
mod difference;
#[path = "manifests/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use calico_charm::config::yaml::to_document;
use calico_charm::manifests::{Document, Stage, edited};
use difference::{Changes, changes, flatten};
use serde_json::{Value, json};
use support::crds;
use table::{CASES, Case, NODE_IMAGE, POLICY_IMAGE, REGISTRY, Source, edit, embedded, genuine};

const DAEMON_SET: &str = "DaemonSet/kube-system/calico-node";
const CONFIG_MAP: &str = "ConfigMap/kube-system/calico-config";
const CONTROLLERS: &str = "Deployment/kube-system/calico-kube-controllers";
const ENV: &str = "spec.template.spec.containers[calico-node].env";

fn is_shown(document: &Document) -> bool {
    matches!(document.kind(), "ConfigMap" | "DaemonSet" | "Deployment")
}

#[test]
fn the_charms_own_documents_are_edited_as_recorded() {
    let source = embedded();
    let default = edit(&source, &CASES[0]);
    let typha = Case {
        name: "typha",
        settings: |settings| settings.typha_replicas = 3,
        environment: &[],
        config: &[],
    };
    let mut wrong = String::new();
    for case in CASES.iter().chain([&typha]) {
        let mut text = String::new();
        for document in edit(&source, case).iter().filter(|one| is_shown(one)) {
            if case.name == "default" || !default.contains(document) {
                let yaml = to_document(document.value()).unwrap();
                write!(text, "---\n{yaml}").unwrap();
            }
        }
        let file = format!("tests/manifests/{}.yaml", case.name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&file);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            writeln!(wrong, "{file} is not what comes out:\n{text}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_file_of_templates_is_compiled_in() {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    let mut expected = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let objects = crds::documents(&fs::read_to_string(path).unwrap()).unwrap();
            expected.extend(objects.iter().map(|object| {
                object["metadata"]["name"].to_string() + &object["kind"].to_string()
            }));
        }
    }
    let documents = embedded().documents;
    let mut found: Vec<String> = documents
        .iter()
        .map(|document| format!("{:?}{:?}", document.name(), document.kind()))
        .collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn documents_are_applied_in_order() {
    for source in genuine("documents_are_applied_in_order")
        .into_iter()
        .flatten()
        .chain([embedded()])
    {
        let stage = |kind: &str| match kind {
            "CustomResourceDefinition" => Stage::Definitions,
            "ServiceAccount" | "ClusterRole" | "ClusterRoleBinding" => Stage::Rights,
            "DaemonSet"
            | "Deployment"
            | "PodDisruptionBudget"
            | "ValidatingWebhookConfiguration" => Stage::Workloads,
            _ => Stage::Configuration,
        };
        for document in &source.documents {
            assert_eq!(
                document.stage(),
                stage(document.kind()),
                "{}",
                document.id()
            );
        }
    }
    assert!(Stage::Definitions < Stage::Rights && Stage::Rights < Stage::Configuration);
    assert!(Stage::Configuration < Stage::Workloads);
}

#[test]
fn genuine_documents_are_edited_where_asked_and_nowhere_else() {
    let Some(sources) = genuine("genuine_documents_are_edited_where_asked_and_nowhere_else") else {
        return;
    };
    for source in sources.iter().chain([&Source {
        documents: without_typha(embedded().documents),
        ..embedded()
    }]) {
        for case in &CASES {
            let found = changes(&source.documents, &edit(source, case));
            let expected = expected(source, case);
            let missing: Vec<_> = expected
                .iter()
                .filter(|(path, value)| found.get(*path) != Some(value))
                .collect();
            let more: Vec<_> = found
                .iter()
                .filter(|(path, value)| expected.get(*path) != Some(value))
                .collect();
            assert!(
                missing.is_empty() && more.is_empty(),
                "{}, {}: expected {missing:#?}\nfound {more:#?}",
                source.name,
                case.name
            );
        }
    }
}

fn without_typha(mut documents: Vec<Document>) -> Vec<Document> {
    documents.retain(|document| document.name() != "calico-typha");
    documents
}

#[test]
fn typha_is_not_invented() {
    for source in genuine("typha_is_not_invented").into_iter().flatten() {
        let mut settings = CASES[0].settings(source.release);
        settings.typha_replicas = 1;
        let errors = edited(source.documents, &settings).unwrap_err();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(errors, ["Service/kube-system/calico-typha is not there"]);
    }
}

#[test]
fn edits_of_edited_documents_change_nothing() {
    for source in genuine("edits_of_edited_documents_change_nothing")
        .into_iter()
        .flatten()
        .chain([embedded()])
    {
        // A registry with a path goes before what it has mirrored, path and all.
        for case in CASES.iter().filter(|case| case.name != "images") {
            let once = edit(&source, case);
            let twice = edited(once.clone(), &case.settings(source.release)).unwrap();
            assert_eq!(
                changes(&once, &twice),
                Changes::new(),
                "{}, {}",
                source.name,
                case.name
            );
        }
    }
}

/// What a case is to change, path by path.
fn expected(source: &Source, case: &Case) -> Changes {
    let mut changes = Changes::new();
    let mut add = |id: &str, of_document: Vec<(String, Value)>| {
        let with_id = |(path, value)| (format!("{id}: {path}"), value);
        changes.extend(of_document.into_iter().map(with_id));
    };
    for document in &source.documents {
        let id = document.id().to_string();
        add(&id, labels(source, document));
        add(&id, wider_numbers(document));
        if document.kind() == "ValidatingWebhookConfiguration" {
            let path = "webhooks[tiered-rbac.projectcalico.org].clientConfig.caBundle";
            add(&id, vec![(path.to_owned(), Value::Null)]);
        }
        if case.name == "images" {
            add(&id, mirrored_images(document));
        }
        match id.as_str() {
            DAEMON_SET => add(&id, agent(document, case)),
            CONFIG_MAP => add(&id, config(case)),
            _ => {}
        }
    }
    changes
}

fn labels(source: &Source, document: &Document) -> Vec<(String, Value)> {
    let version = format!("calico-{}", source.release);
    let mut labels = vec![
        ("app.kubernetes.io/managed-by", "calico-charm"),
        (
            "calico.juju.is/model",
            "4f6e5b0c-0000-4000-8000-000000000001",
        ),
        ("calico.juju.is/application", "calico"),
        ("juju.io/application", "calico"),
        ("juju.io/manifest", "calico"),
        ("juju.io/manifest-version", &version),
    ];
    if matches!(document.kind(), "DaemonSet" | "Deployment") {
        labels.push(("cdk-restart-on-ca-change", "true"));
    }
    let path = |(label, value): (&str, &str)| (format!("metadata.labels.{label}"), value.into());
    labels.into_iter().map(path).collect()
}

/// calico-node's environment, probes and digest.
fn agent(daemon_set: &Document, case: &Case) -> Vec<(String, Value)> {
    let hash = "spec.template.metadata.annotations.juju.is/manifest-hash";
    let mut changes = vec![(hash.to_owned(), "<digest>".into())];
    let mut environment = BTreeMap::from([
        ("NO_DEFAULT_POOLS", Some("true")),
        ("CALICO_IPV4POOL_IPIP", None),
        ("CALICO_IPV4POOL_VXLAN", None),
        ("CALICO_IPV6POOL_VXLAN", None),
        ("IP_AUTODETECTION_METHOD", Some("kubernetes-internal-ip")),
        ("IP6", Some("none")),
    ]);
    environment.extend(case.environment.iter().copied());
    let before = environment_of(daemon_set);
    for (name, value) in environment {
        let path = format!("{ENV}[{name}]");
        // A variable that is there changes by its value alone.
        match (before.get(name), value) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(after)) => changes.push((format!("{path}.value"), after.into())),
            (None, Some(after)) => changes.push((path, json!({"name": name, "value": after}))),
            (Some(_), None) => changes.push((path, Value::Null)),
            (None, None) => {}
        }
    }
    if case.name == "vxlan" {
        for (probe, flag) in [
            ("livenessProbe", "-felix-live"),
            ("readinessProbe", "-felix-ready"),
        ] {
            let path = format!("spec.template.spec.containers[calico-node].{probe}.exec.command");
            changes.push((path, json!(["/bin/calico-node", flag])));
        }
    }
    changes
}

fn config(case: &Case) -> Vec<(String, Value)> {
    let mut config = BTreeMap::from([("assign_ipv4", "true"), ("assign_ipv6", "false")]);
    config.extend(case.config.iter().copied());
    let path = |key: &str| match key.strip_prefix("assign") {
        Some(_) => format!("data.cni_network_config.plugins[0].ipam.{key}"),
        None => format!("data.{key}"),
    };
    let changes = config.into_iter();
    changes
        .map(|(key, value)| (path(key), value.into()))
        .collect()
}

fn environment_of(daemon_set: &Document) -> BTreeMap<String, String> {
    let containers = &daemon_set.value()["spec"]["template"]["spec"]["containers"];
    let node = containers
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "calico-node");
    let variables = node.unwrap()["env"].as_array().unwrap().iter();
    variables
        .filter_map(|one| {
            Some((
                one["name"].as_str()?.to_owned(),
                one["value"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

/// Every `int32` below the name of an AS number, found by the text of the definition.
fn wider_numbers(definition: &Document) -> Vec<(String, Value)> {
    let mut leaves = Changes::new();
    flatten("", definition.value(), &mut leaves);
    let is_number = |path: &str| {
        let path = path.replace(".properties", "").replace(".items", "");
        [
            ".asNumber.",
            ".localASNumber.",
            ".asPathPrefix.",
            ".prependASPath.prefix.",
        ]
        .iter()
        .any(|name| path.contains(name))
    };
    leaves
        .into_iter()
        .filter(|(path, value)| path.ends_with(".format") && value == "int32" && is_number(path))
        .flat_map(|(path, _)| {
            let maximum = path.replace(".format", ".maximum");
            [(path, Value::Null), (maximum, json!(4_294_967_295_u64))]
        })
        .collect()
}

/// Images in the mirror, and those that have an option of their own.
fn mirrored_images(workload: &Document) -> Vec<(String, Value)> {
    let mut leaves = Changes::new();
    flatten("", workload.value(), &mut leaves);
    leaves
        .into_iter()
        .filter(|(path, _)| path.starts_with("spec.template.spec.") && path.ends_with("].image"))
        .map(|(path, image)| {
            let image = image.as_str().unwrap();
            let (_, rest) = image.split_once('/').unwrap();
            let is_node = rest.starts_with("calico/node:");
            let is_policy = workload.id().to_string() == CONTROLLERS;
            let image = match (is_node, is_policy) {
                (true, _) => NODE_IMAGE.to_owned(),
                (_, true) => POLICY_IMAGE.to_owned(),
                _ => format!("{REGISTRY}/{rest}"),
            };
            (path, image.into())
        })
        .collect()
}
