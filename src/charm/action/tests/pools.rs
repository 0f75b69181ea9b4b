//! Pools, and the pods on them.

use super::*;

/// A pod with an address, of a controller or of nobody.
fn pod(name: &str, controller: Option<&str>, ip: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": controller}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "a", "image": "a"}]},
        "status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    if let Some(controller) = controller {
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": controller, "uid": controller, "controller": true,
        }]);
    }
    pod
}

/// A cluster whose `cidr` has changed, with pods on the old pool.
async fn retiring() -> Bench {
    let bench = Bench::new();
    bench.act(0, Action::SyncResources, json!({})).await;
    let attribute = |pod: &str| json!({"handle_id": pod, "secondary": {"node": "node-1", "namespace": "default", "pod": pod}});
    let block = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock", "metadata": {"name": "192-168-7-0-26"},
        "spec": {
            "cidr": "192.168.7.0/26", "affinity": "host:node-1", "allocations": [0, 1, 2, 3, 4, 5],
            "attributes": [
                attribute("web-1"), attribute("web-2"), attribute("db-0"), attribute("bare"), attribute("lost"),
                {"handle_id": "t", "secondary": {"node": "node-1", "type": "ipipTunnelAddress"}},
            ],
            "unallocated": [], "strictAffinity": false,
        },
    });
    bench.server.insert("calico-node", block).unwrap();
    for (name, controller, ip) in [
        ("web-1", Some("web"), "192.168.7.1"),
        ("web-2", Some("web"), "192.168.7.2"),
        ("db-0", Some("db"), "192.168.7.3"),
        ("bare", None, "192.168.7.4"),
        ("new-1", Some("new"), "10.1.0.1"),
    ] {
        bench
            .server
            .insert("kubelet", pod(name, controller, ip))
            .unwrap();
    }
    let changed = [("cidr", "10.1.0.0/16")];
    bench.configure(&changed);
    bench.act(0, Action::SyncResources, json!({})).await;
    assert_eq!(
        bench.server.object("IPPool", "ipv4").unwrap()["spec"]["disabled"],
        true
    );
    bench
}

fn budget(allowed: u8) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}},
        "status": {
            "disruptionsAllowed": allowed, "currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 2,
            "observedGeneration": 1,
        },
    })
}

#[tokio::test]
async fn pools_are_shown_with_whoever_holds_their_addresses() {
    let bench = retiring().await;
    let shown = bench.looked(0, Action::ShowPools, json!({})).await;
    assert_eq!(
        text(&shown, "pools"),
        "ipv4 192.168.0.0/16, no encapsulation, NAT, disabled: retires (unrecognized-pools)\n    \
         5 addresses of pods, 1 of tunnels\n    nodes: node-1 5\n    namespaces: default 5\n\
         ipv4-10-1-0-0-16 10.1.0.0/16, no encapsulation, NAT: as the options ask (cidr)\n    \
         0 addresses of pods, 0 of tunnels"
    );
    let shown = bench
        .looked(1, Action::ShowPools, json!({"format": "json"}))
        .await;
    let shown: Value = serde_json::from_str(text(&shown, "pools")).unwrap();
    assert_eq!(shown["format_version"], 1);
    assert_eq!(shown["pools"][0]["name"], "ipv4");
    assert_eq!(shown["pools"][0]["gives_addresses"], false);
    assert_eq!(shown["pools"][0]["namespaces"], json!({"default": 5}));
    assert_eq!(shown["pools"][1]["addresses"], 0);
}

#[tokio::test]
async fn a_migration_tells_first_and_acts_on_request() {
    let bench = retiring().await;
    bench.server.insert("kubectl", budget(0)).unwrap();
    let told = bench.looked(0, Action::MigratePool, json!({})).await;
    assert_eq!(told.failure, None);
    assert_eq!(
        text(&told, "would-evict"),
        "default/db-0 on node-1: 192.168.7.3 (ReplicaSet db)\n\
         default/web-1 on node-1: 192.168.7.1 (ReplicaSet web)"
    );
    assert_eq!(
        text(&told, "later"),
        "default/web-2 on node-1: 192.168.7.2 (ReplicaSet web)"
    );
    assert_eq!(told.results.get("evicted"), None);

    let done = bench
        .act(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert_eq!(done.failure, None);
    assert_eq!(
        text(&done, "evicted"),
        "default/web-1 on node-1: 192.168.7.1 (ReplicaSet web)"
    );
    assert_eq!(
        text(&done, "refused"),
        "default/db-0 on node-1: 192.168.7.3 (ReplicaSet db): Cannot evict pod as it would violate the pod's disruption \
         budget. The disruption budget db needs 1 healthy pods and has 1 currently"
    );
    assert_eq!(
        text(&done, "by-hand"),
        "default/bare on node-1: 192.168.7.4: no controller makes another one: kubectl -n default delete pod bare"
    );
    assert_eq!(
        text(&done, "left"),
        "IPPool ipv4 192.168.0.0/16: 4 addresses, 1 of no pod: kube-controllers frees leaked ones"
    );
    let there = |name: &str| {
        bench
            .server
            .object("Pod", &format!("default/{name}"))
            .is_some()
    };
    for (name, expected) in [
        ("web-1", false),
        ("web-2", true),
        ("db-0", true),
        ("bare", true),
        ("new-1", true),
    ] {
        assert_eq!(there(name), expected, "{name}");
    }
    let mut second = budget(1);
    second["metadata"]["name"] = "db-too".into();
    bench.server.insert("kubectl", second).unwrap();
    let done = bench
        .act(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert!(text(&done, "refused").contains("more than one PodDisruptionBudget"));
    bench
        .server
        .remove("PodDisruptionBudget", "default/db-too")
        .unwrap();
    assert!(!there("web-2"));
    bench
        .server
        .insert("kube-controller-manager", budget(1))
        .unwrap();
    let done = bench
        .act(
            0,
            Action::MigratePool,
            json!({"drain": true, "pool": "ipv4", "limit": 1}),
        )
        .await;
    assert_eq!(
        text(&done, "evicted"),
        "default/db-0 on node-1: 192.168.7.3 (ReplicaSet db)"
    );
    assert!(!there("db-0"));
    let budget = bench
        .server
        .object("PodDisruptionBudget", "default/db")
        .unwrap();
    assert_eq!(budget["status"]["disruptionsAllowed"], 0);
}

#[tokio::test]
async fn what_cannot_be_migrated_is_said_with_the_way_out() {
    let bench = retiring().await;
    for (unit, pool, reason) in [
        (1, "", "calico/1 is not the leader"),
        (
            0,
            "none",
            "pool: there is no IPPool none; show-pools lists them",
        ),
        (
            0,
            "ipv4-10-1-0-0-16",
            "pool: IPPool ipv4-10-1-0-0-16 is in cidr and stays",
        ),
    ] {
        let given = json!({"pool": pool, "drain": true});
        let refused = bench.looked(unit, Action::MigratePool, given).await;
        assert!(
            refused.failure.as_ref().unwrap().starts_with(reason),
            "{refused:?}"
        );
    }
    let enabled = json!({"spec": {"disabled": false}});
    bench
        .server
        .merge("kubectl", "IPPool", "ipv4", &enabled)
        .unwrap();
    let refused = bench
        .looked(0, Action::MigratePool, json!({"drain": true}))
        .await;
    let reason = "IPPool ipv4 still gives out addresses: pods would come back to it";
    assert!(refused.failure.unwrap().starts_with(reason));

    let bench = retiring().await;
    let shut = json!({"spec": {"disabled": true}});
    bench
        .server
        .merge("kubectl", "IPPool", "ipv4-10-1-0-0-16", &shut)
        .unwrap();
    let refused = bench
        .looked(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert!(
        refused
            .failure
            .unwrap()
            .starts_with("not every pool of cidr gives out addresses")
    );

    let bench = Bench::new();
    bench.act(0, Action::SyncResources, json!({})).await;
    let nothing = bench
        .looked(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert_eq!(text(&nothing, "left"), "no pool retires");
}

#[tokio::test]
async fn an_api_that_fails_in_between_loses_nothing_of_what_was_done() {
    let bench = retiring().await;
    bench.server.set_gate(|request| {
        request
            .path
            .ends_with("/web-1/eviction")
            .then(|| Fault::Status {
                code: 403,
                reason: "Forbidden".to_owned(),
                retry_after: None,
            })
    });
    let done = bench
        .act(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert_eq!(
        text(&done, "evicted"),
        "default/db-0 on node-1: 192.168.7.3 (ReplicaSet db)"
    );
    assert!(done.failure.unwrap().starts_with("Kubernetes API: POST "));
}

/// With host-local IPAM there are no blocks, so that the pool was taken for empty.
#[tokio::test]
async fn a_pool_that_only_pods_tell_of_stays_and_is_not_migrated() {
    let bench = Bench::new();
    let old = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "old"},
        "spec": {"cidr": "10.9.0.0/16", "ipipMode": "Always", "natOutgoing": true},
    });
    bench.act(0, Action::SyncResources, json!({})).await;
    bench.server.insert("kubespray", old).unwrap();
    bench
        .server
        .insert("kubelet", pod("web-1", Some("web"), "10.9.0.1"))
        .unwrap();
    bench.act(0, Action::SyncResources, json!({})).await;
    let spec = bench.server.object("IPPool", "old").unwrap()["spec"].clone();
    assert_eq!(
        (&spec["disabled"], &spec["allowedUses"]),
        (&Value::Null, &Value::Null)
    );
    let refused = bench
        .looked(0, Action::MigratePool, json!({"drain": true}))
        .await;
    assert!(
        refused
            .failure
            .unwrap()
            .contains("still gives out addresses")
    );

    let disabled = json!({"spec": {"disabled": true}});
    bench
        .server
        .merge("kubectl", "IPPool", "old", &disabled)
        .unwrap();
    let refused = bench
        .looked(0, Action::MigratePool, json!({"drain": true}))
        .await;
    let reason = "IPPool old: Calico's IPAM does not know the addresses of its pods";
    assert!(refused.failure.unwrap().starts_with(reason));

    bench.server.remove("Pod", "default/web-1").unwrap();
    bench.act(0, Action::SyncResources, json!({})).await;
    assert_eq!(bench.server.object("IPPool", "old"), None);
}

/// A large cluster's Nodes must not push the pool itself out.
#[tokio::test]
async fn a_pool_of_thousands_of_nodes_is_shown() {
    let bench = Bench::new();
    bench.act(0, Action::SyncResources, json!({})).await;
    for number in 0..4000 {
        let (high, low) = (number / 256, number % 256);
        let attribute = json!({"handle_id": "a", "secondary": {"node": format!("node-of-a-long-name-{number}"), "namespace": "web"}});
        let allocations = if number == 7 {
            json!([0, 0])
        } else {
            json!([0])
        };
        let block = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock",
            "metadata": {"name": format!("192-168-{high}-{low}-32")},
            "spec": {
                "cidr": format!("192.168.{high}.{low}/32"), "affinity": "host:a", "allocations": allocations,
                "attributes": [attribute], "unallocated": [], "strictAffinity": false,
            },
        });
        bench.server.insert("calico-node", block).unwrap();
    }
    let shown = bench
        .looked(0, Action::ShowPools, json!({"format": "json"}))
        .await;
    let shown: Value = serde_json::from_str(text(&shown, "pools")).unwrap();
    let pool = &shown["pools"][0];
    assert_eq!(
        (&pool["name"], &pool["addresses"]),
        (&json!("ipv4"), &json!(4001))
    );
    let nodes = pool["nodes"].as_object().unwrap().len();
    assert_eq!(pool["left_out_nodes"], 4000 - nodes);
    assert_eq!(pool["nodes"]["node-of-a-long-name-7"], 2);
    assert_eq!(shown["left_out"], Value::Null);
    let shown = bench.looked(0, Action::ShowPools, json!({})).await;
    assert!(text(&shown, "pools").contains("4001 addresses of pods"));
    assert!(text(&shown, "pools").ends_with("namespaces: web 4001"));
}

#[tokio::test]
async fn a_pod_that_can_only_live_in_the_pool_is_left_to_people() {
    let bench = retiring().await;
    let asked =
        json!({"metadata": {"annotations": {"cni.projectcalico.org/ipv4pools": "[\"ipv4\"]"}}});
    bench
        .server
        .merge("kubectl", "Pod", "default/db-0", &asked)
        .unwrap();
    let told = bench.looked(0, Action::MigratePool, json!({})).await;
    let bound = "default/db-0 on node-1: 192.168.7.3 (ReplicaSet db): another one would get no address: annotation \
                 cni.projectcalico.org/ipv4pools: [\"ipv4\"]";
    assert!(text(&told, "by-hand").contains(bound), "{told:?}");
    assert!(!text(&told, "would-evict").contains("db-0"));

    bench
        .server
        .merge("kubectl", "Namespace", "default", &asked)
        .unwrap();
    let told = bench.looked(0, Action::MigratePool, json!({})).await;
    assert_eq!(told.results.get("would-evict"), None);
    assert!(text(&told, "by-hand").contains("ipv4pools of its namespace"));
}
