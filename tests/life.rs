//! The life of a deployment, from an empty cluster to removal: real hooks and binary, a real API server, real controllers,
//! and pods that turn ready.

#[path = "life/drift.rs"]
mod drift;
#[path = "life/health.rs"]
mod health;
#[path = "life/kept.rs"]
mod kept;
#[path = "life/leaders.rs"]
mod leaders;
#[path = "life/others.rs"]
mod others;
#[path = "life/releases.rs"]
mod releases;
mod support;

use std::fmt::Display;
use std::io::Write;

use calico_charm::manifests::{Catalogue, Stage};
use calico_charm::sim::juju::JujuModel;
use support::juju_driver::HookRun;
use support::settlement::{AGENTS, RECORD, Settlement, writes};

const UNITS: [&str; 3] = ["calico/0", "calico/1", "calico/2"];
const NODES: [&str; 3] = ["node-0", "node-1", "node-2"];
const METHOD: &str = "IP_AUTODETECTION_METHOD";
const CONTROLLER_PODS: &str = "k8s-app=calico-kube-controllers";
const NODE_ROLE: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles/calico-node";

/// Every document of the release is in the cluster and says whose it is. A definition that an earlier release brought and
/// that holds all of this one stays as it is.
fn assert_installed(site: &Settlement) {
    let release = Catalogue::embedded().preferred();
    for document in Settlement::documents() {
        let live = site.workloads.at(&document.path());
        let labels = &live["metadata"]["labels"];
        let definition = document.stage() == Stage::Definitions;
        let version =
            (!definition).then(|| ("juju.io/manifest-version", format!("calico-{release}")));
        let whose = [
            ("juju.io/manifest", "calico".to_owned()),
            ("juju.io/application", "calico".to_owned()),
        ];
        for (label, value) in whose.into_iter().chain(version) {
            assert_eq!(labels[label], value, "{label} of {}", document.id());
        }
    }
    let record = site.workloads.at(RECORD);
    assert_eq!(record["data"]["release"], release.to_string(), "{record}");
}

fn logs(runs: &[HookRun]) -> String {
    let logs: Vec<String> = runs.iter().map(HookRun::debug_log).collect();
    logs.join("\n")
}

/// What is said past the test harness, which hides what passing tests print.
fn say(line: &str) {
    let _closed_stderr = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// What [`UNITS`] say, in the form of [`Settlement::statuses`].
fn statuses<T: Display>(of_units: [T; 3]) -> Vec<String> {
    let units = UNITS.iter().zip(of_units);
    units
        .map(|(unit, status)| format!("{unit} {status}"))
        .collect()
}

#[test]
fn a_first_deployment_ends_with_calico_running() {
    let test = "a_first_deployment_ends_with_calico_running";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    let runs = site.settle();
    let installed = "DaemonSet/kube-system/calico-node: installed";
    let installing: Vec<String> = runs
        .iter()
        .filter(|run| run.debug_log().contains(installed))
        .map(|run| format!("{} {}", run.unit, run.event.name()))
        .collect();
    assert_eq!(installing, ["calico/0 leader-elected"]);
    // The leader's bell comes back to it once all units have told their subnets: until then each machine's own InternalIP
    // has to do.
    site.come_up();
    assert_installed(&site);
    assert_eq!(
        site.variable(METHOD),
        "cidr=10.0.0.0/24,10.0.1.0/24,10.0.2.0/24"
    );
    assert_eq!(site.templates(), 2, "one template more than the first");
    site.workloads.wait_for_pods_on(AGENTS, &NODES);
    let generation = site.daemon_set()["metadata"]["generation"].clone();
    site.assert_at_rest();
    assert_eq!(site.daemon_set()["metadata"]["generation"], generation);
    assert_eq!(site.templates(), 2);
}

#[test]
fn calico_comes_before_the_machines_do() {
    let test = "calico_comes_before_the_machines_do";
    let Some(site) = Settlement::without_nodes_or_skip(test) else {
        return;
    };
    site.settle();
    let no_node = |number| {
        format!("waiting: Waiting for a Node called node-{number} with an address of this machine")
    };
    let waiting = [no_node(0), no_node(1), no_node(2)];
    assert_eq!(site.statuses(), statuses(waiting));
    assert_installed(&site);
    for number in 0..3 {
        site.add_node(number);
    }
    site.come_up();
    assert_eq!(
        site.variable(METHOD),
        "cidr=10.0.0.0/24,10.0.1.0/24,10.0.2.0/24"
    );
    assert!(site.templates() <= 2, "{}", site.templates());
    site.assert_at_rest();
}

#[test]
fn machines_come_and_go() {
    let Some(site) = Settlement::settled_or_skip("machines_come_and_go") else {
        return;
    };
    let (three, templates) = (site.variable(METHOD), site.templates());
    // A unit whose machine is no Node yet has not told its subnet: nothing restarts for half a truth.
    let unit = site.add_worker(3);
    site.settle();
    site.update();
    assert_eq!(
        site.status(&unit),
        "waiting: Waiting for a Node called node-3 with an address of this machine"
    );
    assert_eq!(
        (site.variable(METHOD), site.templates()),
        (three, templates)
    );
    site.add_node(3);
    site.come_up();
    let four = "cidr=10.0.0.0/24,10.0.1.0/24,10.0.2.0/24,10.0.3.0/24";
    assert_eq!(site.variable(METHOD), four);
    assert_eq!(site.templates(), templates + 1, "one roll-out");
    site.workloads
        .wait_for_pods_on(AGENTS, &["node-0", "node-1", "node-2", "node-3"]);
    site.assert_at_rest();

    // A machine goes the proper way, then one without a word.
    site.driver
        .model(|model| model.remove_unit("kubernetes-worker/2"))
        .expect("a principal");
    site.settle();
    site.workloads.delete_node("node-3");
    site.come_up();
    site.workloads.wait_for_pods_on(AGENTS, &NODES);
    site.driver
        .model(|model| model.force_remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    site.workloads.delete_node("node-2");
    site.settle();
    site.come_up();
    site.workloads
        .wait_for_pods_on(AGENTS, &["node-0", "node-1"]);
    // What has been told once stays: each change restarts calico-node everywhere.
    assert_eq!(site.variable(METHOD), four);
    assert_eq!(site.templates(), templates + 1);
    site.assert_at_rest();
}

#[test]
fn what_an_installation_and_a_hook_without_changes_cost() {
    let test = "what_an_installation_and_a_hook_without_changes_cost";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.driver.model(JujuModel::settle);
    let mut took = std::time::Duration::ZERO;
    let requests = site.requests_of(|| took = site.run("calico/0", "config-changed").took);
    say(&format!(
        "{test}: all documents installed in {took:?} with {} requests",
        requests.len()
    ));
    // Each document once, the record, the pool, the BGP configuration, and the unit's Node before and after its peers.
    let documents = Settlement::documents().len();
    assert_eq!(writes(&requests).len(), documents + 5, "{requests:#?}");
    site.settle();
    site.update();
    site.come_up();
    for (unit, expected) in [("calico/0", 22), ("calico/1", 7)] {
        let requests = site.requests_of(|| drop(site.run(unit, "update-status")));
        assert_eq!(requests.len(), expected, "{unit}: {requests:#?}");
        assert_eq!(writes(&requests), [] as [&str; 0], "{unit}");
    }
}
