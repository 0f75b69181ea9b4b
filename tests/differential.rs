//! The API in this process against a real one: the same requests get the same answers, and the same hooks leave the
//! same objects.

#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

mod support;

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/scenario/mod.rs"]
mod scenario;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use calico_charm::sim::api::{ApiServer, Mode};
use kube::Client;
use serde_json::{Value, json};

use cluster::{masked, simulated_objects, without_generations};
use scenario::World;
use scenario::input::{Calico, Scenario, Served};
use support::control_plane::{ControlPlane, skip_note};
use support::crds;
use support::exchange::{Exchange, Normaliser, differences};
use support::real_cluster::RealCluster;

/// How Calico's kinds are served: file of the project's own CRDs, group and version, mode of the API in this process.
const SERVED: [(&str, &str, Mode); 2] = [
    ("v1", "crd.projectcalico.org/v1", Mode::CrdV1),
    ("v3", "projectcalico.org/v3", Mode::NativeV3),
];

/// An API in this process with the project's own CRDs.
fn in_process(file: &str, mode: Mode) -> ApiServer {
    let server = ApiServer::new(mode);
    let text = std::fs::read_to_string(crds::own(file)).expect("a file of the project");
    let definitions = crds::documents(&text).expect("YAML");
    let taken = server
        .install_definitions(&definitions)
        .expect("CRDs that are stored");
    assert_eq!(taken, definitions.len());
    server
}

/// The answers to all requests, normalised, by the name of the request.
async fn answers(client: &Client, group: &str, requests: &[Exchange]) -> Vec<(String, Value)> {
    let mut before = BTreeMap::from([("group".to_owned(), json!(group))]);
    let mut normaliser = Normaliser::default();
    let mut found = Vec::new();
    for request in requests {
        let name = &request.name;
        let reply = request.filled(&before).sent(client).await;
        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}"));
        found.push((
            name.clone(),
            normaliser.reply(&reply, request.loosely.is_some()),
        ));
        let doubled = before.insert(name.clone(), reply.body);
        assert!(doubled.is_none(), "two requests are called {name}");
    }
    found
}

#[tokio::test]
async fn the_same_requests_get_the_same_answers() {
    let text = include_str!("differential/requests.yaml");
    let requests: Vec<Exchange> = serde_yaml::from_str(text).expect("a list of requests");
    for (file, group, mode) in SERVED {
        let Some(plane) = ControlPlane::start_or_skip("the_same_requests_get_the_same_answers")
        else {
            return;
        };
        plane
            .apply_crds(&crds::own(file))
            .expect("own CRDs are served");
        let real = answers(&plane.client().await, group, &requests).await;
        let simulated = answers(&in_process(file, mode).client(), group, &requests).await;
        let wrong = compared_answers(&real, &simulated);
        let count = wrong.len();
        let all = requests.len();
        assert!(
            wrong.is_empty(),
            "{group}: {count} of {all} differ\n{}",
            wrong.join("\n")
        );
    }
}

/// Where two lists of answers differ.
fn compared_answers(real: &[(String, Value)], simulated: &[(String, Value)]) -> Vec<String> {
    let both = real.iter().zip(simulated);
    let wrong = both.filter_map(|((name, real), (_, simulated))| {
        let lines = differences(real, simulated);
        let lines = (!lines.is_empty()).then(|| lines.join("\n  "));
        Some(format!("{name} (real | in process):\n  {}", lines?))
    });
    wrong.collect()
}

/// The API server warns of formats it does not know in a definition's schema.
fn without_warnings(mut answers: Vec<(String, Value)>) -> Vec<(String, Value)> {
    for (_, answer) in &mut answers {
        answer["warnings"] = json!([]);
    }
    answers
}

/// An API in this process without Calico and without controllers.
fn without_controllers() -> ApiServer {
    let server = ApiServer::bare();
    server.set_controllers(false);
    server.set_establish_definitions(false);
    server
}

#[tokio::test]
async fn an_installation_gets_the_same_answers() {
    let test = "an_installation_gets_the_same_answers";
    let written = include_str!("differential/install.yaml");
    let requests: Vec<Exchange> = serde_yaml::from_str(written).expect("a list of requests");
    let Some(plane) = ControlPlane::start_or_skip(test) else {
        return;
    };
    let real = answers(&plane.client().await, "", &requests).await;
    let simulated = answers(&without_controllers().client(), "", &requests).await;
    let mut wrong = compared_answers(&real, &simulated);
    match crds::genuine_documents() {
        None => skip_note(&format!("{test}: genuine"), "CALICO_CRDS names no folder"),
        Some(files) => {
            for file in files {
                let Some(plane) = ControlPlane::start_or_skip(test) else {
                    return;
                };
                let yaml = fs::read_to_string(&file).expect("a file of a release");
                let requests = applied(&crds::documents(&yaml).expect("YAML"));
                let real = answers(&plane.client().await, "", &requests).await;
                let simulated = answers(&without_controllers().client(), "", &requests).await;
                let lines = compared_answers(&without_warnings(real), &simulated);
                wrong.extend(
                    lines
                        .iter()
                        .map(|line| format!("{}: {line}", file.display())),
                );
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Requests that apply the documents of an installation, Definitions first as they stand.
fn applied(documents: &[Value]) -> Vec<Exchange> {
    let request = |document: &Value| {
        let text = |pointer: &str| {
            let text = document.pointer(pointer).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let plural = match kind.strip_suffix("Policy") {
            Some(head) => format!("{head}Policies").to_lowercase(),
            None => format!("{kind}s").to_lowercase(),
        };
        let root = if version.contains('/') { "apis" } else { "api" };
        let namespace = text("/metadata/namespace");
        let within = if namespace.is_empty() {
            String::new()
        } else {
            format!("/namespaces/{namespace}")
        };
        let query = "fieldManager=calico-charm&force=true&fieldValidation=Strict";
        let path = format!("/{root}/{version}{within}/{plural}/{name}?{query}");
        let mut exchange = Exchange::new("PATCH", &path, Some("apply"), document.clone());
        exchange.name = format!("{kind} {name}").replace('.', "-");
        exchange
    };
    documents.iter().map(request).collect()
}

/// Why a scenario cannot be played on a real API server.
fn in_process_only(scenario: &Scenario) -> Option<&'static str> {
    let steps = &scenario.then;
    if scenario.mode == Served::Aggregated
        || steps.iter().any(|step| step.aggregated_available.is_some())
    {
        return Some("needs Calico's own API server");
    }
    if scenario.mode == Served::NoCrds || steps.iter().any(|step| step.serves.is_some()) {
        return Some("what is served changes");
    }
    if scenario.calico == Calico::Operator {
        return Some("needs the operator's definitions");
    }
    if steps.iter().any(|step| !step.trouble.is_empty()) {
        return Some("needs pods that fail");
    }
    if steps.iter().any(|step| step.migration) {
        return Some("needs Calico's migration controller");
    }
    (!scenario.int32).then_some("needs Kubernetes before 1.36")
}

/// Every golden case, by name.
fn golden_cases() -> Vec<(String, Scenario)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let only = std::env::var("GOLDEN").ok();
    let entries = fs::read_dir(&folder).expect("the cases are part of the project");
    let mut cases: Vec<(String, Scenario)> = entries
        .map(|entry| entry.expect("a folder that can be read").path())
        .filter(|path| only.as_ref().is_none_or(|only| path.ends_with(only)))
        .map(|path| {
            let text = fs::read_to_string(path.join("input.yaml")).expect("a case has an input");
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, Scenario::parse(&text))
        })
        .collect();
    cases.sort_by(|(one, _), (other, _)| one.cmp(other));
    cases
}

/// A workload in a form in which two clusters can be compared: without what controllers write.
fn workload(object: &Value) -> Value {
    let mut object = Normaliser::default().value(object);
    if object.is_object() {
        object["status"] = Value::Null;
        for key in ["uid", "resourceVersion"] {
            object["metadata"][key] = Value::Null;
        }
        if let Some(managers) = object["metadata"]["managedFields"].as_array_mut() {
            managers.retain(|entry| entry.get("subresource").is_none());
        }
    }
    object
}

/// Plays a case on both; says what is not the same.
fn compared(scenario: &Scenario, plane: &ControlPlane, group: &'static str) -> Vec<String> {
    // The record names uids of the cluster it is made in.
    let scenario = &Scenario {
        recorded: false,
        ..scenario.clone()
    };
    let mut simulated = World::played(scenario);
    let cluster = RealCluster::emptied(plane, group);
    let mut real = World::played_in(scenario, Some(Box::new(cluster.clone())));
    let mut wrong = differences(
        &without_generations(&cluster.objects()),
        &without_generations(&simulated_objects(&simulated)),
    );
    let installed = scenario.calico == Calico::Installed;
    for (kind, name) in [
        ("DaemonSet", "kube-system/calico-node"),
        ("Deployment", "kube-system/calico-kube-controllers"),
    ]
    .into_iter()
    .filter(|_| installed)
    {
        let found = simulated.server.object(kind, name).unwrap_or_default();
        let lines = differences(&workload(&cluster.object(kind, name)), &workload(&found));
        wrong.extend(lines.iter().map(|line| format!("{kind} {line}")));
    }
    let (told, told_here) = (masked(&real.story), masked(&simulated.story));
    let stories = told.lines().zip(told_here.lines());
    // No kubelet runs what a hook has just changed.
    let other =
        stories.filter(|(real, simulated)| real != simulated && !real.contains("no pod yet"));
    wrong.extend(other.map(|(real, simulated)| format!("story: {real} | {simulated}")));
    let before = cluster.versions();
    for line in real.on_all("update-status") {
        let (unit, hook) = line.split_once(' ').expect("a unit and a hook");
        real.run(unit, hook);
    }
    let settled = cluster.versions() == before;
    let written = simulated.writes_of_another_round();
    if settled != written.is_empty() {
        wrong.push(format!(
            "nothing changes in another round: {settled} | {written:?}"
        ));
    }
    wrong
}

#[test]
fn golden_cases_end_the_same_on_a_real_api_server() {
    let test = "golden_cases_end_the_same_on_a_real_api_server";
    let mut cases = golden_cases();
    // What the charm installs takes the place of the project's own CRDs, for good.
    cases.sort_by_key(|(_, scenario)| scenario.calico == Calico::Installed);
    let mut wrong = Vec::new();
    for (file, group, mode) in [
        ("v1", "crd.projectcalico.org/v1", Served::CrdV1),
        ("v3", "projectcalico.org/v3", Served::NativeV3),
    ] {
        let Some(plane) = ControlPlane::start_or_skip(test) else {
            return;
        };
        plane
            .apply_crds(&crds::own(file))
            .expect("own CRDs are served");
        for (name, scenario) in &cases {
            if let Some(reason) = in_process_only(scenario) {
                if mode == Served::CrdV1 {
                    skip_note(&format!("{test} {name}"), reason);
                }
                continue;
            }
            if scenario.mode == mode {
                let lines = compared(scenario, &plane, group);
                if !lines.is_empty() {
                    wrong.push(format!(
                        "== {name} (real | in process)\n  {}",
                        lines.join("\n  ")
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}
