//! `migrate-pool` from the first look to the pool's end: a real API server holds the budget and takes the evictions. What
//! controllers, kubelets and Calico's IPAM do with the pods is done by hand here, since none of them runs.

use serde_json::{Value, json};

use crate::support::site::Site;
use crate::{act, lines, succeeded, text};

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGET: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const CALICO: &str = "/apis/crd.projectcalico.org/v1";
/// The pool of the charm's default `cidr`, and of the one that takes its place.
const OLD: &str = "ipv4";
const NEW: &str = "ipv4-10-1-0-0-16";

/// A pod that runs and is ready: made by its controller (`web`) or by nobody, bound by the scheduler, started by the kubelet.
fn start(site: &Site, name: &str, node: &str, address: &str, controller: bool) {
    let owner = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": true,
        "uid": "7c6c8a3e-5a43-4a3f-9a55-0f6fbb3f5a10",
    }]);
    let labels = if controller {
        json!({"app": "web"})
    } else {
        json!({})
    };
    let owners = if controller { owner } else { json!([]) };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels, "ownerReferences": owners},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/none"}]},
    });
    let cluster = &site.cluster;
    cluster.write("POST", PODS, "kube-controller-manager", Some("json"), pod);
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "namespace": "default"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("{PODS}/{name}/binding");
    cluster.write("POST", &path, "kube-scheduler", Some("json"), binding);
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }});
    let path = format!("{PODS}/{name}/status");
    cluster.write("PATCH", &path, "kubelet", Some("merge"), status);
}

/// Calico's block of a node, with a pod's address where there is one. The first node has its tunnel's address there too, which
/// only calico-node gives back.
fn block(site: &Site, cidr: &str, node: &str, pod: Option<&str>) {
    let name = cidr.replace(['.', '/'], "-");
    let tunnel = (node == "node-0").then(|| json!({"handle_id": format!("ipip-tunnel-addr-{node}"), "secondary": {"node": node, "type": "ipipTunnelAddress"}}));
    let pod = pod.map(|pod| json!({"handle_id": format!("k8s-pod-network.{pod}"), "secondary": {"node": node, "namespace": "default", "pod": pod}}));
    let of_pod = pod.as_ref().map(|_| usize::from(tunnel.is_some()));
    let of_tunnel = tunnel.as_ref().map(|_| 0);
    let attributes: Vec<Value> = tunnel.into_iter().chain(pod).collect();
    let spec = json!({
        "cidr": cidr, "affinity": format!("host:{node}"), "allocations": [of_tunnel, of_pod, null],
        "attributes": attributes, "unallocated": [2], "strictAffinity": false,
    });
    let cluster = &site.cluster;
    let collection = format!("{CALICO}/ipamblocks");
    if !cluster.object("IPAMBlock", &name).is_null() {
        let path = format!("{collection}/{name}");
        let change = json!({"spec": spec});
        cluster.write("PATCH", &path, "calico-node", Some("merge"), change);
        return;
    }
    let object = |kind: &str, name: &str, spec: &Value| json!({"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let made = object("IPAMBlock", &name, &spec);
    cluster.write("POST", &collection, "calico-node", Some("json"), made);
    let affinity = json!({"cidr": cidr, "node": node, "state": "confirmed", "deleted": "false"});
    let made = object("BlockAffinity", &format!("{node}-{name}"), &affinity);
    let collection = format!("{CALICO}/blockaffinities");
    cluster.write("POST", &collection, "calico-node", Some("json"), made);
}

/// What the disruption controller counts: both pods are healthy, and so many may go.
fn allow(site: &Site, disruptions: u8) {
    let status = json!({"status": {
        "observedGeneration": 1, "disruptionsAllowed": disruptions, "currentHealthy": 2, "desiredHealthy": 1,
        "expectedPods": 2, "disruptedPods": null,
    }});
    let path = format!("{BUDGET}/web/status");
    site.cluster.write(
        "PATCH",
        &path,
        "kube-controller-manager",
        Some("merge"),
        status,
    );
}

/// The pods that are there, each with whether it is on its way.
fn pods(site: &Site) -> Vec<(String, bool)> {
    let pods = site.cluster.list("pods").into_iter();
    let ours = pods.filter(|pod| pod["metadata"]["namespace"] == "default");
    ours.map(|pod| {
        let metadata = &pod["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default().to_owned();
        (name, !metadata["deletionTimestamp"].is_null())
    })
    .collect()
}

/// A pod that was evicted ends, and its controller makes another one, which gets an address of the new pool.
fn succeed(site: &Site, name: &str, node: &str, old: &str, successor: &str, address: &str) {
    site.remove_pod(name);
    block(site, old, node, None);
    start(site, successor, node, address, true);
}

fn update(site: &Site) {
    for unit in ["calico/0", "calico/1", "calico/2"] {
        site.run(unit, "update-status");
    }
    site.settle();
}

/// Two pods of a controller and one of nobody in the pool that is to go, and a budget that has none of the two to spare.
fn fill(site: &Site) {
    start(site, "web-a", "node-1", "192.168.1.1", true);
    start(site, "web-b", "node-2", "192.168.2.1", true);
    start(site, "bare", "node-0", "192.168.0.1", false);
    block(site, "192.168.0.0/26", "node-0", Some("bare"));
    block(site, "192.168.1.0/26", "node-1", Some("web-a"));
    block(site, "192.168.2.0/26", "node-2", Some("web-b"));
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    site.cluster
        .write("POST", BUDGET, "kubectl", Some("json"), budget);
    allow(site, 0);
}

/// The next hooks take the pool away, and nobody has anything left to do.
fn assert_gone(site: &Site) {
    update(site);
    assert_eq!(site.cluster.object("IPPool", OLD), Value::Null);
    let blocks = site.cluster.list("ipamblocks");
    let left: Vec<_> = blocks
        .iter()
        .map(|block| (&block["spec"]["cidr"], &block["spec"]["affinity"]))
        .collect();
    assert_eq!(left, [(&json!("192.168.0.0/26"), &Value::Null)]);
    assert_eq!(site.cluster.list("blockaffinities"), [] as [Value; 0]);
    assert_eq!(site.status("calico/0"), "active: Ready");
    let ended = act(site, "calico/0", "migrate-pool", &json!({"drain": true}));
    assert_eq!(text(&ended, "left"), "no pool retires");
    let stay = ["web-c", "web-d"].map(|name| (name.to_owned(), false));
    assert_eq!(pods(site), stay);
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn a_pool_is_emptied_by_evictions_and_goes() {
    let Some(site) = Site::start_or_skip("a_pool_is_emptied_by_evictions_and_goes") else {
        return;
    };
    site.rest();
    fill(&site);
    site.configure(&[("cidr", "10.1.0.0/16")]);
    site.settle();
    update(&site);
    let pool = site.cluster.object("IPPool", OLD);
    assert_eq!(pool["spec"]["disabled"], true, "{pool}");
    let new = site.cluster.object("IPPool", NEW);
    assert_eq!(new["spec"]["cidr"], "10.1.0.0/16", "{new}");

    // A look changes nothing.
    let before = site.state();
    let dry = act(&site, "calico/0", "migrate-pool", &json!({}));
    succeeded(&dry);
    assert_eq!(
        lines(&dry, "would-evict"),
        ["default/web-a on node-1: 192.168.1.1 (ReplicaSet web)"]
    );
    assert_eq!(
        lines(&dry, "later"),
        ["default/web-b on node-2: 192.168.2.1 (ReplicaSet web)"]
    );
    assert!(text(&dry, "by-hand").starts_with("default/bare on node-0: 192.168.0.1: "));
    site.assert_untouched_since(&before);
    let all_stay = ["bare", "web-a", "web-b"].map(|name| (name.to_owned(), false));
    assert_eq!(pods(&site), all_stay);

    // The budget has none to spare.
    let drain = json!({"drain": true});
    let refused = act(&site, "calico/0", "migrate-pool", &drain);
    succeeded(&refused);
    let why = text(&refused, "refused");
    assert!(why.starts_with("default/web-a on node-1"), "{why}");
    assert!(why.contains("disruption budget web"), "{why}");
    assert_eq!(lines(&refused, "evicted"), [""; 0]);
    assert_eq!(pods(&site), all_stay);

    // It has one, and one pod goes, even if the action is run again before another one runs in its place.
    allow(&site, 1);
    let evicted = act(&site, "calico/0", "migrate-pool", &drain);
    succeeded(&evicted);
    assert_eq!(
        lines(&evicted, "evicted"),
        ["default/web-a on node-1: 192.168.1.1 (ReplicaSet web)"]
    );
    let again = act(&site, "calico/0", "migrate-pool", &drain);
    succeeded(&again);
    assert_eq!(lines(&again, "evicted"), [""; 0]);
    assert_eq!(lines(&again, "refused"), [""; 0]);
    assert!(text(&again, "on-their-way").starts_with("default/web-a "));
    assert!(text(&again, "later").starts_with("default/web-b "));
    let going = pods(&site).into_iter().filter(|(_, going)| *going);
    assert_eq!(going.map(|(name, _)| name).collect::<Vec<_>>(), ["web-a"]);
    succeed(
        &site,
        "web-a",
        "node-1",
        "192.168.1.0/26",
        "web-c",
        "10.1.1.1",
    );

    allow(&site, 1);
    let evicted = act(&site, "calico/0", "migrate-pool", &drain);
    assert!(
        text(&evicted, "evicted").starts_with("default/web-b "),
        "{evicted:?}"
    );
    succeed(
        &site,
        "web-b",
        "node-2",
        "192.168.2.0/26",
        "web-d",
        "10.1.2.1",
    );

    // What nobody would make again stays, and the pool with it.
    allow(&site, 1);
    let left = act(&site, "calico/0", "migrate-pool", &drain);
    succeeded(&left);
    assert_eq!(lines(&left, "evicted"), [""; 0]);
    assert!(text(&left, "by-hand").starts_with("default/bare "));
    assert_eq!(text(&left, "left"), "IPPool ipv4 192.168.0.0/16: 1 address");
    update(&site);
    assert_ne!(site.cluster.object("IPPool", OLD), Value::Null);

    site.remove_pod("bare");
    block(&site, "192.168.0.0/26", "node-0", None);
    assert_gone(&site);
}
