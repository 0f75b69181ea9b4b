//! The hooks' code in this process, the cluster a real API server: with the project's own CRDs and, where `CALICO_CRDS`
//! names a folder, with the genuine ones of every release in it.

mod support;

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/scenario/mod.rs"]
mod scenario;

use std::io::Write;
use std::path::{Path, PathBuf};

use cluster::{simulated_objects, without_generations};
use scenario::World;
use scenario::input::Scenario;
use serde_json::{Value, json};
use support::control_plane::ControlPlane;
use support::crds;
use support::exchange::differences;
use support::real_cluster::RealCluster;

/// Applies every kind, both families, a peer with a port, every list.
const EVERYTHING: &str = include_str!("cluster/everything.yaml");
/// A pool that nobody asks for any more, and one pod in it.
const POOL: &str = include_str!("cluster/pool.yaml");

/// The files to test with, the project's own first.
fn sets_of_crds() -> Vec<PathBuf> {
    let mut files = vec![crds::own("v1"), crds::own("v3")];
    files.extend(crds::genuine().into_iter().flatten());
    files
}

#[test]
fn every_set_of_crds_serves_the_charm() {
    let test = "every_set_of_crds_serves_the_charm";
    for file in sets_of_crds() {
        let Some(plane) = ControlPlane::start_or_skip(test) else {
            return;
        };
        plane.apply_crds(&file).expect("CRDs that are served");
        let set = Set::new(&file);
        // Past the test harness, which hides what passing tests print.
        let line = format!("{test}: {} ({})\n", set.shown, set.group);
        let _closed_stderr = std::io::stderr().write_all(line.as_bytes());
        everything_is_taken_once(&plane, &set);
        as_4200000101_is_set_or_refused_in_plain_words(&plane, &set);
        a_pool_goes_when_its_last_pod_has_gone(&plane, &set);
    }
}

/// A file of CRDs.
struct Set {
    /// Its last two folders.
    shown: String,
    group: &'static str,
    definitions: Vec<Value>,
}

impl Set {
    fn new(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).expect("a file that was applied");
        let definitions = crds::documents(&text).expect("YAML");
        let peers = definitions
            .iter()
            .find(|crd| crd["spec"]["names"]["kind"] == "BGPPeer");
        let native = peers.expect("a CRD of BGPPeer")["spec"]["group"] == "projectcalico.org";
        let mut parts: Vec<_> = file
            .iter()
            .rev()
            .take(2)
            .map(|part| part.to_string_lossy())
            .collect();
        parts.reverse();
        Self {
            shown: parts.join("/"),
            group: if native {
                "projectcalico.org/v3"
            } else {
                "crd.projectcalico.org/v1"
            },
            definitions,
        }
    }

    fn is_native(&self) -> bool {
        self.group.ends_with("v3")
    }

    /// A scenario in this set's group: `${group}` is replaced, and `${deleted}`, which one group keeps as text.
    fn scenario(&self, text: &str) -> Scenario {
        let deleted = if self.is_native() {
            "false"
        } else {
            "\"false\""
        };
        let mode = if self.is_native() {
            "native-v3"
        } else {
            "crd-v1"
        };
        let text = text
            .replace("${group}", self.group)
            .replace("${deleted}", deleted);
        // What the charm installs would take the place of these definitions.
        Scenario::parse(&format!("mode: {mode}\ncalico: foreign\n{text}"))
    }

    /// Whether the API server takes AS numbers above 2147483647 in this set (`format: int32`, Kubernetes 1.36).
    fn takes_large_as_numbers(&self) -> bool {
        let peers = self
            .definitions
            .iter()
            .find(|crd| crd["spec"]["names"]["kind"] == "BGPPeer");
        let schema =
            &peers.expect("a CRD of BGPPeer")["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["spec"]["properties"]["asNumber"]["format"] != "int32"
    }
}

/// No controller makes pods here, and a unit asks for the one on its own node.
fn add_agents(cluster: &RealCluster) {
    for node in cluster.list("nodes") {
        cluster.add_agent(node["metadata"]["name"].as_str().expect("a name"));
    }
}

/// Plays a scenario that starts with no hook on the real API server and on the one in this process, and compares them
/// after each step.
fn played_on_both(set: &Set, plane: &ControlPlane, text: &str) -> (World, RealCluster) {
    let scenario = set.scenario(text);
    let cluster = RealCluster::emptied(plane, set.group);
    let mut real = World::new_in(&scenario, Some(Box::new(cluster.clone())));
    add_agents(&cluster);
    let mut simulated = World::new(&Scenario {
        observed: Vec::new(),
        ..scenario.clone()
    });
    let taken = simulated.server.install_definitions(&set.definitions);
    assert!(taken.expect("CRDs that are stored") > 5, "{}", set.shown);
    simulated.observe(&scenario.observed);
    for step in &scenario.then {
        real.step(step);
        simulated.step(step);
        let compared = |one: &Value, other: &Value| {
            differences(&without_generations(one), &without_generations(other))
        };
        let wrong = compared(&cluster.objects(), &simulated_objects(&simulated));
        let stories = compared(&json!(real.story), &json!(simulated.story));
        let (what, wrong) = (&step.what, [wrong, stories].concat());
        assert!(
            wrong.is_empty(),
            "{}, {what} (real | in process)\n{}",
            set.shown,
            wrong.join("\n")
        );
    }
    (real, cluster)
}

fn everything_is_taken_once(plane: &ControlPlane, set: &Set) {
    let (mut real, cluster) = played_on_both(set, plane, EVERYTHING);
    let shown = &set.shown;
    let peers = cluster.list("bgppeers");
    let names: Vec<&str> = peers
        .iter()
        .filter_map(|peer| peer["metadata"]["name"].as_str())
        .collect();
    let v6 = "fd00-0000-0000-0000-0000-0000-0000-0001";
    assert_eq!(
        names,
        [
            "calico-0-10.0.0.1",
            "calico-0-10.0.0.1-1179",
            &format!("calico-0-{v6}"),
            "calico-1-10.0.0.1",
            &format!("calico-1-{v6}"),
        ],
        "{shown}"
    );
    let configuration = cluster.object("BGPConfiguration", "default");
    assert_eq!(
        configuration["spec"]["serviceExternalIPs"],
        json!([{"cidr": "203.0.113.0/24"}]),
        "{shown}"
    );
    assert_eq!(cluster.list("ippools").len(), 2, "{shown}");
    let settings = cluster.object("ConfigMap", "kube-system/calico-config");
    assert_eq!(settings["data"]["veth_mtu"], "8930", "{shown}");
    for unit in ["calico/0", "calico/1"] {
        assert_eq!(real.juju.status(unit), "active: Ready", "{shown}");
    }
    let before = cluster.versions();
    for line in [real.on_all("config-changed"), real.on_all("update-status")].concat() {
        let (unit, hook) = line.split_once(' ').expect("a unit and a hook");
        real.run(unit, hook);
    }
    assert_eq!(cluster.versions(), before, "{shown}");
}

fn as_4200000101_is_set_or_refused_in_plain_words(plane: &ControlPlane, set: &Set) {
    let units = "units:\n  calico/0: {node: node-a, addresses: [10.0.0.10/24], leader: true}\nhooks: []\nthen:\n- what: start\n";
    let shown = &set.shown;
    for (options, large_in_crd) in [
        (
            "{global-bgp-peers: '[{address: 10.0.0.1, as-number: 4200000101}]'}",
            true,
        ),
        ("{global-as-number: 4200000101}", true),
        ("{unit-as-numbers: '{0: 4200000101}'}", false),
    ] {
        let text = format!("options: {options}\n{units}");
        let (real, cluster) = played_on_both(set, plane, &text);
        let status = real.juju.status("calico/0");
        if large_in_crd && !set.takes_large_as_numbers() {
            let plain =
                "4200000101 is above 2147483647, which Calico's CRDs refuse on Kubernetes 1.36+";
            assert!(
                status.starts_with("blocked: ") && status.contains(plain),
                "{shown}: {status}"
            );
            assert!(
                real.story.contains("subnet-as-numbers"),
                "{shown}: {}",
                real.story
            );
            let written = [
                cluster.list("bgppeers"),
                cluster.list("bgpconfigurations"),
                cluster.list("ippools"),
            ];
            assert!(written.concat().is_empty(), "{shown}: {written:?}");
        } else {
            assert_eq!(status, "active: Ready", "{shown}: {options}");
        }
        let node = cluster.object("Node", "node-a");
        let annotation = &node["metadata"]["annotations"]["projectcalico.org/ASNumber"];
        let annotated = !large_in_crd;
        assert_eq!(
            annotation == "4200000101",
            annotated,
            "{shown}: {annotation}"
        );
    }
}

fn a_pool_goes_when_its_last_pod_has_gone(plane: &ControlPlane, set: &Set) {
    let mut scenario = set.scenario(POOL);
    let shown = &set.shown;
    let steps = std::mem::take(&mut scenario.then);
    let cluster = RealCluster::emptied(plane, set.group);
    let mut real = World::new_in(&scenario, Some(Box::new(cluster.clone())));
    add_agents(&cluster);
    real.step(&steps[0]);
    let pool = cluster.object("IPPool", "old");
    assert_eq!(pool["spec"]["disabled"], true, "{shown}");
    assert_eq!(cluster.list("blockaffinities").len(), 2, "{shown}");
    let note = "IPPool old 10.9.0.0/16 retires, 1 address left on node-a";
    assert!(
        real.juju.status("calico/0").contains(note),
        "{shown}: {}",
        real.juju.status("calico/0")
    );
    let before = cluster.versions();
    real.run("calico/0", "update-status");
    assert_eq!(cluster.versions(), before, "{shown}");

    real.step(&steps[1]);
    assert!(cluster.object("IPPool", "old").is_null(), "{shown}");
    assert!(
        cluster
            .object("BlockAffinity", "node-a-10-9-1-0-26")
            .is_null(),
        "{shown}"
    );
    assert!(
        !cluster
            .object("BlockAffinity", "node-a-10-1-0-0-26")
            .is_null(),
        "{shown}"
    );
    assert_eq!(cluster.list("ipamblocks").len(), 1, "{shown}");
    assert_eq!(real.juju.status("calico/0"), "active: Ready", "{shown}");
    played_on_both(set, plane, POOL);
}
