//! Hooks, and an API that fails them.

use super::*;

#[test]
fn ck_4_6_12_update_status_mends_what_others_broke() {
    let mut world = one_unit(
        &json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]", "unit-as-numbers": "{0: 65001}"}),
    );
    world.run("calico/0", "config-changed");
    let before = world.objects();
    for (kind, name, patch) in [
        (
            "BGPConfiguration",
            "default",
            json!({"spec": {"asNumber": 1}}),
        ),
        (
            "BGPPeer",
            "calico-0-10.0.0.1",
            json!({"spec": {"asNumber": 1}}),
        ),
        ("IPPool", "ipv4", json!({"spec": {"disabled": true}})),
        (
            "Node",
            "node-a",
            json!({"metadata": {"annotations": {"projectcalico.org/ASNumber": "1"}}}),
        ),
    ] {
        world.server.merge("kubectl", kind, name, &patch).unwrap();
    }
    for (kind, name) in [
        ("BGPPeer", "calico-0-10.0.0.1"),
        ("IPPool", "ipv4"),
        ("BGPConfiguration", "default"),
    ] {
        assert_ne!(world.objects(), before);
        assert_eq!(
            world.run("calico/0", "update-status").status,
            "active: Ready"
        );
        assert_eq!(
            but_for_the_rollout(&world.objects()),
            but_for_the_rollout(&before)
        );
        assert!(world.server.remove(kind, name).is_some());
    }
    world.run("calico/0", "update-status");
    assert_eq!(
        but_for_the_rollout(&world.objects()),
        but_for_the_rollout(&before)
    );
}

/// Objects without the record of the rollout, which is new where BGPConfiguration is.
fn but_for_the_rollout(objects: &str) -> Vec<&str> {
    let lines = objects.lines();
    lines
        .filter(|line| !line.contains("calico.juju.is/rollout"))
        .collect()
}

#[test]
fn ck_4_6_12_every_hook_ends_with_its_own_status() {
    let mut world = one_unit(&json!({}));
    for hook in [
        "config-changed",
        "start",
        "update-status",
        "upgrade-charm",
        "cni-relation-changed",
    ] {
        let outcome = world.run("calico/0", hook);
        assert_eq!(outcome.status, "active: Ready", "{hook}");
        let set = outcome
            .calls
            .iter()
            .filter(|call| call.tool == "status-set")
            .count();
        assert_eq!(set, 1, "{hook}: {:?}", outcome.calls);
    }
}

#[test]
fn ck_4_6_15_the_hooks_of_the_cni_relation_do_the_work() {
    for hook in ["cni-relation-changed", "start", "upgrade-charm"] {
        let mut world = one_unit(&json!({}));
        assert_eq!(world.run("calico/0", hook).status, "active: Ready");
        assert_eq!(world.names("IPPool"), ["ipv4"], "{hook}");
    }
}

#[test]
fn ck_4_6_15_a_hook_cut_off_anywhere_is_finished_by_the_next() {
    let before = json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]", "unit-as-numbers": "{0: 65001}"});
    let after = json!({
        "global-bgp-peers": "[{address: 10.0.0.1, as-number: 64513}, {address: 10.0.0.2, as-number: 64512}]",
        "unit-as-numbers": "",
        "route-reflector-cluster-ids": "{0: 224.0.0.1}",
        "node-to-node-mesh": false,
        "cidr": "10.1.0.0/16",
    });
    let ready = || {
        let mut world = one_unit(&before);
        world.run("calico/0", "config-changed");
        let _ = world.server.take_requests();
        world
    };
    let mut undisturbed = ready();
    configure(&mut undisturbed, &after);
    let total = undisturbed.server.requests().len();
    assert!(total > 10, "{total}");
    for allowed in 0..total {
        let mut world = ready();
        let seen = AtomicUsize::new(0);
        world
            .server
            .set_gate(move |_| (seen.fetch_add(1, Relaxed) >= allowed).then_some(Fault::Refuse));
        let outcome = configure(&mut world, &after);
        assert!(
            outcome.status.starts_with("waiting: "),
            "{allowed}: {}",
            outcome.status
        );
        world.server.clear_gate();
        assert_eq!(
            world.run("calico/0", "update-status").status,
            "active: Ready",
            "{allowed}"
        );
        assert_eq!(world.objects(), undisturbed.objects(), "{allowed}");
    }
}

#[test]
fn ck_e_5_an_api_that_does_not_answer_is_waited_for() {
    let unavailable = |code: u16| Fault::Status {
        code,
        reason: "ServiceUnavailable".into(),
        retry_after: None,
    };
    for fault in [
        Fault::Refuse,
        unavailable(503),
        unavailable(500),
        unavailable(429),
    ] {
        let mut world = one_unit(&json!({}));
        let shown = format!("{fault:?}");
        world.server.set_gate(move |_| Some(fault.clone()));
        let outcome = world.run("calico/0", "config-changed");
        assert!(
            outcome
                .status
                .starts_with("waiting: Waiting for Kubernetes API: "),
            "{shown}: {}",
            outcome.status
        );
        world.server.clear_gate();
        assert_eq!(
            world.run("calico/0", "update-status").status,
            "active: Ready",
            "{shown}"
        );
    }
}

#[test]
fn ck_e_5_a_reply_that_is_lost_is_no_loss() {
    let options = json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]", "unit-as-numbers": "{0: 65001}"});
    let mut undisturbed = one_unit(&options);
    undisturbed.run("calico/0", "config-changed");
    let total = undisturbed.server.requests().len();
    for lost in 0..total {
        let mut world = one_unit(&options);
        let seen = AtomicUsize::new(0);
        world.server.set_gate(move |_| {
            (seen.fetch_add(1, Relaxed) == lost).then_some(Fault::DropReplyAfterEffect)
        });
        let outcome = world.run("calico/0", "config-changed");
        assert!(
            !outcome.status.starts_with("FAILED"),
            "request {lost}: {}",
            outcome.status
        );
        world.server.clear_gate();
        assert_eq!(
            world.run("calico/0", "update-status").status,
            "active: Ready",
            "request {lost}"
        );
        assert_eq!(world.objects(), undisturbed.objects(), "request {lost}");
    }
}

/// The definitions of that release declare lists of objects as sets, which server-side apply refuses.
#[test]
fn calico_3_32_0_gets_its_bgp_configuration_without_an_apply() {
    for (version, expected) in [
        ("v3.32.0", ["Create", "Patch"]),
        ("v3.32.1", ["Apply", "Apply"]),
    ] {
        let mut world = one_unit(&json!({"bgp-service-cluster-ips": "10.152.183.0/24"}));
        let information = json!({"calicoVersion": version, "datastoreReady": true});
        world.observe(&[observed("ClusterInformation", "default", &information)]);
        world.run("calico/0", "config-changed");
        configure(&mut world, &json!({"bgp-service-cluster-ips": ""}));
        let verbs: Vec<String> = world
            .server
            .requests()
            .iter()
            .filter(|request| request.writes() && request.path.contains("/bgpconfigurations"))
            .map(|request| format!("{:?}", request.verb))
            .collect();
        assert_eq!(verbs, expected, "{version}");
        let list = world.spec("BGPConfiguration", "default", "serviceClusterIPs");
        assert_eq!(list, Value::Null, "{version}");
    }
}

#[test]
fn calico_3_32_0_has_its_bgp_configuration_changed_as_it_was_seen_too() {
    for version in ["v3.32.0", "v3.32.1"] {
        let mut world = one_unit(&json!({}));
        let information = json!({"calicoVersion": version, "datastoreReady": true});
        world.observe(&[observed("ClusterInformation", "default", &information)]);
        world.run("calico/0", "config-changed");
        let (server, writes) = (world.server.clone(), AtomicUsize::new(0));
        world.server.set_gate(move |request| {
            let is_write = request.writes() && request.path.contains("/bgpconfigurations");
            if is_write && writes.fetch_add(1, Relaxed) == 0 {
                let other = json!({"spec": {"logSeverityScreen": "Debug"}});
                let merged = server.merge("kubectl", "BGPConfiguration", "default", &other);
                merged.expect("it is there");
            }
            None
        });
        let before = world.server.requests().len();
        configure(&mut world, &json!({"global-as-number": "64600"}));
        let statuses: Vec<u16> = world.server.requests()[before..]
            .iter()
            .filter(|request| request.writes() && request.path.contains("/bgpconfigurations"))
            .map(|request| request.status)
            .collect();
        assert_eq!(statuses.first(), Some(&409), "{version}: {statuses:?}");
        assert_eq!(statuses.last(), Some(&200), "{version}: {statuses:?}");
    }
}
