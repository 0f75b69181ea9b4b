//! What units say while Calico does not run everywhere.

use calico_charm::manifests::Catalogue;
use serde_json::{Value, json};

use crate::support::settlement::{AGENTS, CONTROLLERS, Settlement};
use crate::support::workloads::waiting_reasons;
use crate::{CONTROLLER_PODS, NODES, statuses};

#[test]
fn a_machine_that_falls_silent_stops_nobody_else() {
    let test = "a_machine_that_falls_silent_stops_nobody_else";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    // One without the controllers, for which the leader speaks.
    let busy = site.workloads.pods(CONTROLLER_PODS);
    let silent = [2, 1]
        .into_iter()
        .find(|&number| !busy.contains_key(NODES[number]));
    let silent = silent.expect("one pod is on one machine");
    site.workloads.silence_node(NODES[silent]);
    site.workloads.wait_for("a DaemonSet that counts two", || {
        (site.daemon_set()["status"]["numberReady"] == 2).then_some(())
    });
    site.update();
    let mut expected = ["active: Ready"; 3].map(str::to_owned);
    expected[silent] = format!("waiting: calico-node on {}: not ready", NODES[silent]);
    assert_eq!(site.statuses(), statuses(expected));
    let before = site.installed_versions();
    site.driver
        .model(|model| model.force_remove_unit(&format!("kubernetes-worker/{}", silent - 1)))
        .expect("a principal");
    site.settle();
    site.update();
    site.assert_ready();
    assert_eq!(site.installed_versions(), before);
}

#[test]
fn an_image_that_cannot_be_had_is_named_by_every_unit() {
    let test = "an_image_that_cannot_be_had_is_named_by_every_unit";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.configure(&[("image-registry", "absent.example.com")]);
    site.settle();
    let newest = Catalogue::embedded().preferred();
    // The leader makes one more template when it has heard of all subnets.
    for _ in 0..2 {
        site.workloads.wait_for("three pods without images", || {
            let set = site.daemon_set();
            let status = &set["status"];
            let seen = status["observedGeneration"] == set["metadata"]["generation"];
            let pods = site.workloads.pods(AGENTS);
            let fail = |pod: &Value| waiting_reasons(pod).contains(&"ImagePullBackOff".to_owned());
            let all = seen && status["updatedNumberScheduled"] == 3 && pods.len() == 3;
            (all && pods.values().all(fail)).then_some(())
        });
        site.update();
    }
    let problem = |node: &str| {
        format!(
            "waiting: calico-node on {node}: ImagePullBackOff absent.example.com/calico/cni:{newest}"
        )
    };
    let problems = NODES.map(problem);
    assert_eq!(site.statuses(), statuses(problems));
    site.configure(&[("image-registry", "registry.example.com/mirror")]);
    site.settle();
    site.come_up();
    let pod = &site.daemon_set()["spec"]["template"]["spec"];
    assert_eq!(
        pod["containers"][0]["image"],
        format!("registry.example.com/mirror/calico/node:{newest}")
    );
    site.assert_at_rest();
}

#[test]
fn no_unit_is_ready_while_its_calico_is_down() {
    let test = "no_unit_is_ready_while_its_calico_is_down";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let ready = "active: Ready";
    let shown = |expected: [&str; 3]| {
        site.update();
        assert_eq!(site.statuses(), statuses(expected));
    };
    // An agent that crashes is its own unit's trouble.
    let pod = site.workloads.pods(AGENTS).remove("node-1");
    let pod = pod.expect("a pod on every node");
    site.workloads.fail(&pod, "CrashLoopBackOff");
    site.workloads
        .wait_for_reason(AGENTS, "node-1", "CrashLoopBackOff");
    let crashing = "waiting: calico-node on node-1: CrashLoopBackOff calico-node, exit 1";
    shown([ready, crashing, ready]);
    site.workloads.recover(&pod);
    site.rolled_out();
    shown([ready, ready, ready]);

    // The controllers are the leader's.
    let pods = site.workloads.pods(CONTROLLER_PODS);
    let (node, pod) = pods.into_iter().next().expect("one pod");
    site.workloads.fail(&pod, "CrashLoopBackOff");
    site.workloads
        .wait_for_reason(CONTROLLER_PODS, &node, "CrashLoopBackOff");
    site.workloads.wait_for("a Deployment that is down", || {
        let status = &site.workloads.at(CONTROLLERS)["status"];
        status["availableReplicas"].is_null().then_some(())
    });
    let crashing =
        "waiting: calico-kube-controllers: CrashLoopBackOff calico-kube-controllers, exit 1";
    shown([crashing, ready, ready]);
    site.elect("calico/1");
    site.settle();
    shown([ready, crashing, ready]);
    site.workloads.recover(&pod);
    site.rolled_out();
    shown([ready, ready, ready]);
}

#[test]
fn no_unit_is_ready_without_a_pod_of_its_own() {
    let test = "no_unit_is_ready_without_a_pod_of_its_own";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    // The DaemonSet counts the machines that it is for. One that it is not for has no Calico all the same.
    let label = json!({"metadata": {"labels": {"kubernetes.io/os": "plan9"}}});
    site.patch("/api/v1/nodes/node-2", label);
    site.workloads
        .wait_for_pods_on(AGENTS, &["node-0", "node-1"]);
    site.rolled_out();
    site.update();
    assert_eq!(
        site.statuses(),
        statuses([
            "active: Ready",
            "active: Ready",
            "waiting: calico-node on node-2: no pod yet"
        ])
    );
}
