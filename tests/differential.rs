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

use cluster::simulated_objects;
use scenario::World;
use scenario::input::{Scenario, Served};
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
        let mut wrong = Vec::new();
        for ((name, real), (_, simulated)) in real.iter().zip(&simulated) {
            let lines = differences(real, simulated);
            if !lines.is_empty() {
                wrong.push(format!(
                    "{name} (real | in process):\n  {}",
                    lines.join("\n  ")
                ));
            }
        }
        let count = wrong.len();
        let all = requests.len();
        assert!(
            wrong.is_empty(),
            "{group}: {count} of {all} differ\n{}",
            wrong.join("\n")
        );
    }
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

/// Plays a case on both; says what is not the same.
fn compared(scenario: &Scenario, plane: &ControlPlane, group: &'static str) -> Vec<String> {
    let mut simulated = World::played(scenario);
    let cluster = RealCluster::emptied(plane, group);
    let mut real = World::played_in(scenario, Some(Box::new(cluster.clone())));
    let mut wrong = differences(&cluster.objects(), &simulated_objects(&simulated));
    let stories = real.story.lines().zip(simulated.story.lines());
    let other = stories.filter(|(real, simulated)| real != simulated);
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
    let cases = golden_cases();
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
