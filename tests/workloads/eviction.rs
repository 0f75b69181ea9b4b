//! Pods of a pool that retires, evicted from a real API server, with the controller that keeps count for budgets.

use std::net::IpAddr;

use calico_charm::cluster::{Eviction, Kubernetes, connect, evict};
use calico_charm::model::Cidr;
use calico_charm::plan::{Extent, Openings, PoolPod, Restarts, restarts, seen_pod};
use serde_json::{Value, json};

use super::support::control_plane::blocking;
use super::support::workloads::{Workloads, path_of};
use super::three_nodes;

fn web(replicas: u8) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "registry.example.com/web:1"}]},
            },
        },
    })
}

fn budget(name: &str, available: u8) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": "web"}}},
    })
}

/// Applies a budget and waits until its controller has counted.
fn keep(workloads: &Workloads, budget: &Value, allowed: u8) {
    workloads.apply("tests", budget);
    allows(workloads, budget, allowed);
}

fn allows(workloads: &Workloads, budget: &Value, allowed: u8) {
    let path = path_of(budget);
    workloads.wait_for(&format!("a budget that allows {allowed}"), || {
        let live = workloads.at(&path);
        let (status, generation) = (&live["status"], &live["metadata"]["generation"]);
        let counted = status["observedGeneration"] == *generation
            && status["disruptionsAllowed"] == allowed
            && status["currentHealthy"] == 2;
        counted.then_some(())
    });
}

/// A client lives as long as the runtime it was made in.
async fn kubernetes(workloads: &Workloads) -> Kubernetes {
    let client = connect(&workloads.plane().kubeconfig_path()).await;
    Kubernetes::new(client.expect("the control plane's own kubeconfig"))
}

/// The pods as the action sorts them, all addresses being the pool's.
fn sorted(workloads: &Workloads) -> Restarts {
    let everything = [Extent::from(Cidr::network_of(
        IpAddr::from([0, 0, 0, 0]),
        0,
    ))];
    let seen = blocking(async {
        kubernetes(workloads)
            .await
            .list_kept("/api/v1/pods", |pod| {
                seen_pod(&pod, &everything, &Openings::default())
            })
            .await
    });
    restarts(seen.expect("pods can be listed"), 10)
}

fn evicted(workloads: &Workloads, pod: &PoolPod) -> Eviction {
    let outcome = blocking(async {
        let kubernetes = kubernetes(workloads).await;
        evict(&kubernetes, &pod.namespace, &pod.name, &pod.uid).await
    });
    outcome.expect("the administrator may evict")
}

#[test]
fn a_budget_holds_an_eviction_back() {
    let Some(workloads) = three_nodes("a_budget_holds_an_eviction_back") else {
        return;
    };
    workloads.apply("tests", &web(2));
    workloads.wait_for_rollout(&path_of(&web(2)));
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare", "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": "registry.example.com/web:1"}]},
    });
    workloads.apply("tests", &bare);
    workloads.wait_for("a pod that nobody looks after", || {
        (workloads.at(&path_of(&bare))["status"]["podIP"].is_string()).then_some(())
    });
    // Somebody else has the name by now. Where a budget allows it, it would be used up all the same.
    let other = PoolPod {
        uid: "00000000-0000-0000-0000-000000000000".to_owned(),
        ..sorted(&workloads).by_hand[0].clone()
    };
    assert_eq!(evicted(&workloads, &other), Eviction::Gone);

    keep(&workloads, &budget("web", 2), 0);

    let found = sorted(&workloads);
    let names = |pods: &[PoolPod]| pods.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&found.by_hand), ["bare"]);
    let [first] = found.evict.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(found.later.len(), 1, "{found:?}");
    assert_eq!(
        evicted(&workloads, first),
        Eviction::Refused(
            "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy \
             pods and has 2 currently"
                .to_owned()
        )
    );
    keep(&workloads, &budget("web", 1), 1);
    assert_eq!(evicted(&workloads, first), Eviction::Evicted);
    workloads.wait_for("its successor", || {
        let found = sorted(&workloads);
        let there = found
            .evict
            .iter()
            .chain(found.later.iter().map(|later| &later.pod));
        let there: Vec<&String> = there.map(|pod| &pod.uid).collect();
        (there.len() == 2 && !there.contains(&&first.uid)).then_some(())
    });
    assert_eq!(evicted(&workloads, first), Eviction::Gone);

    // A pod with two budgets is nobody's to evict.
    keep(&workloads, &budget("web", 1), 1);
    keep(&workloads, &budget("more", 1), 1);
    let found = sorted(&workloads);
    let Eviction::Refused(why) = evicted(&workloads, &found.evict[0]) else {
        panic!("it was evicted");
    };
    assert!(why.contains("more than one PodDisruptionBudget"), "{why}");
}
