//! The test control plane with pods: that controllers, scheduler and simulated kubelets do what tests rely on.

#[path = "workloads/eviction.rs"]
mod eviction;
mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::crds::documents;
use support::workloads::{Workloads, path_of, rolled_out, waiting_reasons};

const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
const AGENTS: &str = "app=agent";

/// Everything, and [`NODES`].
fn three_nodes(test: &str) -> Option<Workloads> {
    let workloads = Workloads::start_or_skip(test)?;
    for (name, address) in NODES.iter().zip(["10.0.0.5", "10.0.1.5", "10.0.2.5"]) {
        workloads.add_node(name, address);
    }
    Some(workloads)
}

/// A DaemonSet with what calico-node's has: host network, an init container, every toleration, one pod at a time.
fn agent(image: &str) -> Value {
    let container = |name: &str| json!({"name": name, "image": image});
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {
                    "serviceAccountName": "agent",
                    "hostNetwork": true,
                    "nodeSelector": {"kubernetes.io/os": "linux"},
                    "tolerations": [{"operator": "Exists"}],
                    "priorityClassName": "system-node-critical",
                    "initContainers": [container("first")],
                    "containers": [container("main")],
                },
            },
        },
    })
}

fn account() -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "agent", "namespace": "kube-system"}})
}

/// Applies the agent and waits for its pods.
fn with_agents(test: &str) -> Option<Workloads> {
    let workloads = three_nodes(test)?;
    workloads.apply("tests", &account());
    let agent = agent("registry.example.com/agent:1");
    workloads.apply("tests", &agent);
    workloads.wait_for_rollout(&path_of(&agent));
    workloads.wait_for_pods_on(AGENTS, &NODES);
    Some(workloads)
}

/// What is said past the test harness, which hides what passing tests print.
fn say(line: &str) {
    let _closed_stderr = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

fn images(workloads: &Workloads) -> Vec<String> {
    let pods = workloads.pods(AGENTS).into_values();
    pods.map(|pod| pod["spec"]["containers"][0]["image"].to_string())
        .collect()
}

#[test]
fn a_daemon_set_gets_a_ready_pod_on_every_node() {
    let test = "a_daemon_set_gets_a_ready_pod_on_every_node";
    let started = Instant::now();
    let Some(workloads) = with_agents(test) else {
        return;
    };
    say(&format!("{test}: {:?} from nothing", started.elapsed()));
    let status = workloads.at(&path_of(&agent("")))["status"].clone();
    for key in [
        "currentNumberScheduled",
        "desiredNumberScheduled",
        "numberAvailable",
        "numberReady",
        "updatedNumberScheduled",
    ] {
        assert_eq!(status[key], 3, "{key} in {status}");
    }
    let pods = workloads.pods(AGENTS);
    assert_eq!(pods["node-b"]["status"]["hostIP"], "10.0.1.5");
    assert_eq!(pods["node-b"]["status"]["podIP"], "10.0.1.5");
    // Nodes and their pods come and go together.
    workloads.add_node("node-d", "10.0.3.5");
    workloads.wait_for_pods_on(AGENTS, &["node-a", "node-b", "node-c", "node-d"]);
    workloads.delete_node("node-d");
    workloads.wait_for_pods_on(AGENTS, &NODES);
}

#[test]
fn no_pod_without_its_service_account() {
    let Some(workloads) = three_nodes("no_pod_without_its_service_account") else {
        return;
    };
    let agent = agent("registry.example.com/agent:1");
    workloads.apply("tests", &agent);
    let path = path_of(&agent);
    workloads.wait_for("three pods wanted", || {
        let wanted = workloads.at(&path)["status"]["desiredNumberScheduled"].clone();
        (wanted == 3).then_some(())
    });
    assert!(workloads.pods(AGENTS).is_empty());
    workloads.apply("tests", &account());
    workloads.wait_for_rollout(&path);
}

#[test]
fn a_new_image_rolls_out_one_pod_at_a_time() {
    let test = "a_new_image_rolls_out_one_pod_at_a_time";
    let Some(workloads) = with_agents(test) else {
        return;
    };
    let before = workloads.pods(AGENTS);
    let new = agent("registry.example.com/agent:2");
    let path = path_of(&new);
    // Nothing starts and nothing goes, so the roll-out cannot get beyond its first pod.
    workloads.pause();
    workloads.apply("tests", &new);
    workloads.wait_for("one pod that goes", || {
        (workloads.pods(AGENTS).len() == 2).then_some(())
    });
    thread::sleep(Duration::from_millis(500));
    assert_eq!(workloads.pods(AGENTS).len(), 2);
    assert!(!rolled_out(&workloads.at(&path)));
    workloads.resume();
    let started = Instant::now();
    workloads.wait_for_rollout(&path);
    say(&format!("{test}: three pods in {:?}", started.elapsed()));
    let after = workloads.wait_for_pods_on(AGENTS, &NODES);
    for node in NODES {
        assert_ne!(
            after[node]["metadata"]["uid"],
            before[node]["metadata"]["uid"]
        );
    }
    assert_eq!(images(&workloads), ["\"registry.example.com/agent:2\""; 3]);
}

#[test]
fn pods_fail_by_image_and_by_wish_and_recover() {
    let Some(workloads) = with_agents("pods_fail_by_image_and_by_wish_and_recover") else {
        return;
    };
    let pods = workloads.pods(AGENTS);
    workloads.fail(&pods["node-b"], "CrashLoopBackOff");
    let pod = workloads.wait_for_reason(AGENTS, "node-b", "CrashLoopBackOff");
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(waiting_reasons(&pod), ["CrashLoopBackOff"]);
    let path = path_of(&agent(""));
    workloads.wait_for("two ready pods", || {
        (workloads.at(&path)["status"]["numberReady"] == 2).then_some(())
    });
    workloads.recover(&pod);
    workloads.wait_for_rollout(&path);

    workloads.apply("tests", &agent("absent.example.com/agent:2"));
    let failed = workloads.wait_for("a pod without its image", || {
        let pods = workloads.pods(AGENTS).into_values();
        pods.into_iter()
            .find(|pod| !waiting_reasons(pod).is_empty())
    });
    assert_eq!(failed["status"]["phase"], "Pending");
    assert_eq!(
        waiting_reasons(&failed),
        ["ImagePullBackOff", "PodInitializing"]
    );
    assert_eq!(images(&workloads).len(), 3);
    workloads.apply("tests", &agent("registry.example.com/agent:3"));
    workloads.wait_for_rollout(&path);

    let mut crashing = agent("registry.example.com/agent:3");
    crashing["spec"]["template"]["spec"]["containers"][0]["image"] =
        json!("crashing.example.com/agent:4");
    workloads.apply("tests", &crashing);
    let failed = workloads.wait_for("a pod that crashes", || {
        let pods = workloads.pods(AGENTS).into_values();
        pods.into_iter()
            .find(|pod| !waiting_reasons(pod).is_empty())
    });
    assert_eq!(waiting_reasons(&failed), ["CrashLoopBackOff"]);
    assert_eq!(failed["status"]["phase"], "Running");
}

#[test]
fn the_pods_of_a_lost_machine_neither_start_nor_go() {
    let Some(workloads) = with_agents("the_pods_of_a_lost_machine_neither_start_nor_go") else {
        return;
    };
    workloads.silence_node("node-c");
    let path = path_of(&agent(""));
    workloads.wait_for("two ready pods", || {
        (workloads.at(&path)["status"]["numberReady"] == 2).then_some(())
    });
    assert_eq!(workloads.pods(AGENTS).len(), 3);
    workloads.delete_node("node-c");
    workloads.wait_for_pods_on(AGENTS, &["node-a", "node-b"]);
    workloads.wait_for_rollout(&path);
}

#[test]
fn programs_end_with_the_test() {
    let Some(workloads) = Workloads::start_or_skip("programs_end_with_the_test") else {
        return;
    };
    let ids = [workloads.process_ids(), workloads.plane().process_ids()].concat();
    assert_eq!(ids.len(), 5);
    let running = |id: &u32| fs::metadata(format!("/proc/{id}")).is_ok();
    assert!(ids.iter().all(running), "{ids:?}");
    drop(workloads);
    assert!(!ids.iter().any(running), "{ids:?}");
}

/// The install documents of every genuine release.
fn genuine() -> Vec<PathBuf> {
    let crds = support::crds::genuine().into_iter().flatten();
    let mut files: Vec<PathBuf> = crds
        .filter_map(|crds| Some(crds.parent()?.join("calico.yaml")))
        .filter(|file| file.exists())
        .collect();
    files.dedup();
    files
}

#[test]
fn genuine_install_documents_come_up() {
    let test = "genuine_install_documents_come_up";
    let files = genuine();
    if files.is_empty() {
        support::control_plane::skip_note(test, "CALICO_CRDS names no folder with a calico.yaml");
    }
    for file in files {
        let Some(workloads) = three_nodes(test) else {
            return;
        };
        let yaml = fs::read_to_string(&file).expect("a file that was found");
        let documents = documents(&yaml).expect("YAML");
        let started = Instant::now();
        for document in &documents {
            workloads.apply("tests", document);
        }
        let applied = started.elapsed();
        workloads.wait_for_pods_on("k8s-app=calico-node", &NODES);
        for name in [
            "daemonsets/calico-node",
            "deployments/calico-kube-controllers",
        ] {
            workloads.wait_for_rollout(&format!("/apis/apps/v1/namespaces/kube-system/{name}"));
        }
        say(&format!(
            "{test}: {} applied in {applied:?}, all ready after {:?}",
            file.display(),
            started.elapsed()
        ));
    }
}
