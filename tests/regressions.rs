//! Defects of the existing charm and of neighbouring systems, one test each, so that none comes back: `ck_…` are the
//! existing charm's, `ks_…` Kubespray's, `pl_…` those of PureLB's recipe for Calico, `calico_…` one of its releases'.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

#[path = "support/scenario/mod.rs"]
mod scenario;

use calico_charm::sim::api::Fault;
use scenario::input::{Observed, Scenario, Step};
use scenario::{Outcome, World};

/// A unit, calico/0 on node-a at 10.0.0.10, with these options.
fn one_unit(options: &Value) -> World {
    let unit = json!({"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true});
    world(&json!({"options": options, "units": {"calico/0": unit}}))
}

/// Two units in two subnets, calico/0 the leader.
fn two_units(options: &Value) -> World {
    world(&json!({"options": options, "units": {
        "calico/0": {"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true},
        "calico/1": {"node": "node-b", "addresses": ["10.0.1.10/24"]},
    }}))
}

fn world(scenario: &Value) -> World {
    World::new(&Scenario::parse(&scenario.to_string()))
}

fn configure(world: &mut World, options: &Value) -> Outcome {
    world
        .juju
        .set_options(options.as_object().into_iter().flatten());
    world.run("calico/0", "config-changed")
}

fn all(world: &mut World, hook: &str) -> Vec<Outcome> {
    let units = world.juju.units();
    units.iter().map(|unit| world.run(unit, hook)).collect()
}

fn pool(name: &str, cidr: &str) -> Observed {
    let spec = json!({"cidr": cidr, "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never"});
    observed("IPPool", name, &spec)
}

fn observed(kind: &str, name: &str, spec: &Value) -> Observed {
    Observed {
        manager: "calico-node".into(),
        object: json!({"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
    }
}

/// A block with one address of a pod in it.
fn used_block(name: &str, cidr: &str) -> Observed {
    let attributes =
        json!([{"handle_id": "k8s-pod-network.a", "secondary": {"node": "node-a", "pod": "web"}}]);
    observed(
        "IPAMBlock",
        name,
        &json!({"cidr": cidr, "affinity": "host:node-a", "allocations": [0], "attributes": attributes, "unallocated": [], "strictAffinity": false}),
    )
}

#[test]
fn ck_4_6_1_bad_yaml_at_install_recovers_by_itself() {
    let mut world = world(&json!({
        "options": {"global-bgp-peers": "[{address: 10.0.0.1"},
        "units": {"calico/0": {"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true}},
        "hooks": ["calico/0 install"],
    }));
    for hook in ["install", "leader-elected", "config-changed", "start"] {
        let outcome = world.run("calico/0", hook);
        assert_eq!(outcome.writes, 0);
        assert!(
            hook == "install" || outcome.status.starts_with("blocked: global-bgp-peers"),
            "{}",
            outcome.status
        );
    }
    let good = json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"});
    assert_eq!(configure(&mut world, &good).status, "active: Ready");
    assert_eq!(world.names("BGPPeer"), ["calico-0-10.0.0.1"]);
}

#[test]
fn ck_4_6_2_no_option_text_fails_a_hook() {
    for (option, value) in [
        ("unit-as-numbers", "{"),
        ("unit-as-numbers", "[]"),
        ("unit-as-numbers", "0"),
        ("unit-as-numbers", "{0: }"),
        ("subnet-as-numbers", "{10.0.0.1/24: 64512}"),
        ("global-bgp-peers", "[10.0.0.1]"),
        ("global-bgp-peers", "[{address: 10.0.0.1}]"),
        ("global-bgp-peers", "[{as-number: 64512}]"),
        (
            "subnet-bgp-peers",
            "{10.0.0.0/24: {address: 10.0.0.1, as-number: 64512}}",
        ),
        ("unit-bgp-peers", "{0: 10.0.0.1}"),
        ("route-reflector-cluster-ids", "{0: 1}"),
        ("cidr", "192.168.0.0"),
        ("cidr", "192.168.0.0/16,"),
        ("cidr", "nonsense"),
        ("ipip", "Sometimes"),
        ("bgp-service-cluster-ips", "10.152.183.0/33"),
    ] {
        let mut world = one_unit(&json!({ option: value }));
        let outcome = world.run("calico/0", "config-changed");
        let blocked = format!("blocked: {option}: ");
        assert!(
            outcome.status.starts_with(&blocked),
            "{option}={value}: {}",
            outcome.status
        );
        assert_eq!(
            (outcome.writes, world.server.resource_version()),
            (0, one_unit(&json!({})).server.resource_version())
        );
    }
}

#[test]
fn ck_4_6_2_an_empty_option_is_its_default() {
    for option in [
        "unit-as-numbers",
        "subnet-as-numbers",
        "global-bgp-peers",
        "subnet-bgp-peers",
        "unit-bgp-peers",
        "route-reflector-cluster-ids",
        "bgp-service-cluster-ips",
        "cidr",
        "ipip",
        "vxlan",
    ] {
        for value in ["", " \n"] {
            let mut world = one_unit(&json!({ option: value }));
            let outcome = world.run("calico/0", "config-changed");
            assert_eq!(outcome.status, "active: Ready", "{option}={value:?}");
        }
    }
}

#[test]
fn ck_4_6_3_every_spelling_of_a_subnet_matches_or_is_refused() {
    let unit =
        json!({"node": "node-a", "addresses": ["2001:db8::10/64", "10.0.0.10/24"], "leader": true});
    let with = |options: Value| world(&json!({"options": options, "units": {"calico/0": unit}}));
    let mut found = with(json!({
        "subnet-as-numbers": "{'2001:DB8:0::/32': 65001}",
        "subnet-bgp-peers": "{'2001:0db8::/32': [{address: '2001:db8::1', as-number: 64512}]}",
    }));
    assert_eq!(
        found.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(
        found
            .annotation("node-a", "projectcalico.org/ASNumber")
            .as_deref(),
        Some("65001")
    );
    assert_eq!(found.names("BGPPeer").len(), 1);
    let refused = with(json!({"subnet-as-numbers": "{10.0.0.0/255.255.255.0: 65001}"}))
        .run("calico/0", "config-changed");
    assert!(
        refused.status.starts_with("blocked: subnet-as-numbers: "),
        "{}",
        refused.status
    );
    assert!(refused.log[0].contains("10.0.0.0/24"), "{:?}", refused.log);
}

#[test]
fn ck_4_6_4_ipip_with_vxlan_is_said_at_once() {
    let outcome = one_unit(&json!({"ipip": "Always", "vxlan": "CrossSubnet"}))
        .run("calico/0", "config-changed");
    assert_eq!(
        outcome.status,
        "blocked: ipip: \"Always\" is in conflict with vxlan=CrossSubnet: a pool has one encapsulation"
    );
    assert_eq!(outcome.writes, 0);
}

#[test]
fn ck_4_6_5_cidr_lists_are_read_one_way_everywhere() {
    let mut world = one_unit(&json!({"cidr": " 192.168.0.0/16 , fd00:1::/112 "}));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(world.names("IPPool"), ["ipv4", "ipv6"]);
    assert!(
        world
            .story
            .contains("RELATION cni: cidr 192.168.0.0/16,fd00:1::/112,"),
        "{}",
        world.story
    );
    for wrong in ["192.168.0.0/16,10.1.0.0/16", "192.168.0.1/16"] {
        let outcome = configure(&mut world, &json!({ "cidr": wrong }));
        assert!(
            outcome.status.starts_with("blocked: cidr: "),
            "{}",
            outcome.status
        );
        assert_eq!(world.names("IPPool"), ["ipv4", "ipv6"], "{wrong}");
    }
}

#[test]
fn ck_4_6_5_a_pool_spelt_otherwise_is_not_made_anew() {
    let mut world = one_unit(&json!({}));
    world.observe(&[pool("mine", "192.168.0.1/16")]);
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(world.names("IPPool"), ["mine"]);
    assert_eq!(world.spec("IPPool", "mine", "cidr"), "192.168.0.1/16");
    assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
}

#[test]
fn ck_4_6_6_the_new_pool_stands_before_the_old_one_goes() {
    let mut world = one_unit(&json!({}));
    world.run("calico/0", "config-changed");
    let _ = world.server.take_requests();
    configure(&mut world, &json!({"cidr": "10.1.0.0/16"}));
    let pools: Vec<String> = world
        .server
        .take_requests()
        .iter()
        .filter(|request| request.writes() && request.path.contains("/ippools/"))
        .map(|request| {
            format!(
                "{:?} {}",
                request.verb,
                request.path.rsplit('/').next().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        pools,
        ["Apply ipv4-10-1-0-0-16", "Patch ipv4", "Delete ipv4"]
    );
}

#[test]
fn ck_4_6_6_a_pool_in_use_is_not_deleted() {
    let mut world = one_unit(&json!({}));
    world.run("calico/0", "config-changed");
    world.observe(&[used_block("192-168-7-0-26", "192.168.7.0/26")]);
    let outcome = configure(&mut world, &json!({"cidr": "10.1.0.0/16"}));
    assert_eq!(
        outcome.status,
        "active: Ready (IPPool ipv4 192.168.0.0/16 retires, 1 address left on node-a)"
    );
    assert_eq!(world.names("IPPool"), ["ipv4", "ipv4-10-1-0-0-16"]);
    assert_eq!(world.spec("IPPool", "ipv4", "disabled"), true);
}

#[test]
fn ck_4_6_7_a_unit_leaves_nothing_behind() {
    let mut world = two_units(&json!({
        "global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]",
        "unit-as-numbers": "{1: 65001}",
        "route-reflector-cluster-ids": "{1: 224.0.0.1}",
    }));
    all(&mut world, "config-changed");
    assert_eq!(world.names("BGPPeer").len(), 2);
    world.step(&Step {
        departs: vec!["calico/1".into()],
        ..Step::default()
    });
    assert_eq!(world.names("BGPPeer"), ["calico-0-10.0.0.1"]);
    let node = world.server.object("Node", "node-b").unwrap();
    assert_eq!(
        node["metadata"]["annotations"]
            .as_object()
            .map_or(0, Map::len),
        0,
        "{node}"
    );
}

#[test]
fn ck_4_6_7_what_a_unit_could_not_take_away_the_leader_does() {
    let mut world =
        two_units(&json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"}));
    all(&mut world, "config-changed");
    world.server.set_gate(|_| Some(Fault::Refuse));
    world.juju.remove_principal("calico/1");
    world.run_due("calico/1");
    assert_eq!(
        world.juju.units(),
        ["calico/0"],
        "the unit goes all the same"
    );
    world.server.clear_gate();
    assert_eq!(world.names("BGPPeer").len(), 2);
    world.run_due("calico/0");
    assert_eq!(world.names("BGPPeer"), ["calico-0-10.0.0.1"]);
    assert_eq!(world.annotation("node-b", "calico.juju.is/unit"), None);
}

#[test]
fn ck_4_6_8_a_name_that_begins_alike_is_not_taken_for_its_own() {
    let mut world = two_units(&json!({}));
    let alike = [
        "calico-1-2-10.0.0.1",
        "calico-1-router",
        "calico-10-10.0.0.1",
        "calico-1-10.0.0.1-x",
    ];
    for name in alike {
        world.observe(&[observed(
            "BGPPeer",
            name,
            &json!({"peerIP": "10.0.0.1", "asNumber": 64512, "node": "node-b"}),
        )]);
    }
    all(&mut world, "config-changed");
    world.step(&Step {
        departs: vec!["calico/1".into()],
        ..Step::default()
    });
    let mut expected = alike;
    expected.sort_unstable();
    assert_eq!(world.names("BGPPeer"), expected);
}

#[test]
fn ck_4_6_8_an_upper_case_ipv6_address_makes_a_valid_name() {
    let mut world =
        one_unit(&json!({"global-bgp-peers": "[{address: 'FD00::AB', as-number: 64512}]"}));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(
        world.names("BGPPeer"),
        ["calico-0-fd00-0000-0000-0000-0000-0000-0000-00ab"]
    );
}

#[test]
fn ck_4_6_9_shared_objects_have_one_writer_and_nothing_of_a_single_unit() {
    let mut world = two_units(&json!({"vxlan": "Always", "cidr": "192.168.0.0/16"}));
    all(&mut world, "config-changed");
    let of_units: Vec<String> = world
        .server
        .requests()
        .iter()
        .filter(|request| request.writes() && request.caller == "calico/1")
        .map(|request| request.path.clone())
        .collect();
    assert!(
        !of_units.is_empty() && of_units.iter().all(|path| path == "/api/v1/nodes/node-b"),
        "{of_units:?}"
    );
    for _ in 0..3 {
        assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
    }
}

#[test]
fn ck_4_6_11_the_default_pool_of_calico_node_is_taken_over_or_sees_its_end() {
    for (cidr, expected) in [
        ("192.168.0.0/16", vec!["default-ipv4-ippool"]),
        ("10.9.0.0/16", vec!["ipv4"]),
    ] {
        let mut world = one_unit(&json!({}));
        world.observe(&[pool("default-ipv4-ippool", cidr)]);
        assert_eq!(
            world.run("calico/0", "config-changed").status,
            "active: Ready"
        );
        assert_eq!(world.names("IPPool"), expected);
        assert_eq!(world.spec("IPPool", expected[0], "ipipMode"), "Never");
    }
}

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
        assert_eq!(world.objects(), before);
        assert!(world.server.remove(kind, name).is_some());
    }
    world.run("calico/0", "update-status");
    assert_eq!(world.objects(), before);
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
fn ck_4_6_13_subnets_are_matched_by_every_address_but_the_fans() {
    let unit = json!({"node": "node-a", "leader": true, "addresses": ["10.0.0.10/24"], "network-get": {"bind-addresses": [
        {"interface-name": "fan-252", "addresses": [{"value": "252.0.0.1", "cidr": "252.0.0.0/8"}]},
        {"interface-name": "ens3", "addresses": [{"value": "fd00:a::10", "cidr": "fd00:a::/64"}, {"value": "10.0.0.10", "cidr": "10.0.0.0/24"}]},
    ]}});
    for (subnet, expected) in [
        ("10.0.0.0/24", "65001"),
        ("fd00:a::/64", "65001"),
        ("252.0.0.0/8", "64512"),
    ] {
        let options = json!({"subnet-as-numbers": format!("{{'{subnet}': 65001}}")});
        let mut world = world(&json!({"options": options, "units": {"calico/0": unit}}));
        assert_eq!(
            world.run("calico/0", "config-changed").status,
            "active: Ready"
        );
        let found = world.annotation("node-a", "projectcalico.org/ASNumber");
        assert_eq!(found.as_deref(), Some(expected), "{subnet}");
    }
}

#[test]
fn ck_4_6_14_a_node_that_comes_late_costs_nothing_but_time() {
    let unit = json!({"hostname": "node-a", "addresses": ["10.0.0.10/24"], "leader": true});
    let mut world = world(&json!({
        "calico": "foreign", "options": {"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"},
        "units": {"calico/0": unit},
    }));
    let outcome = world.run("calico/0", "config-changed");
    assert_eq!(
        outcome.status,
        "waiting: Waiting for a Node called node-a with an address of this machine"
    );
    assert_eq!(outcome.writes, 0);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.10"}]}});
    world.observe(&[Observed {
        manager: "kubelet".into(),
        object: node,
    }]);
    assert_eq!(
        world.run("calico/0", "update-status").status,
        "active: Ready"
    );
    assert_eq!(world.names("BGPPeer"), ["calico-0-10.0.0.1"]);
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
fn ck_e_2_a_pool_made_meanwhile_is_no_reason_to_make_a_second() {
    let mut world = one_unit(&json!({}));
    world.run("calico/0", "config-changed");
    world.observe(&[pool("default-ipv4-ippool", "10.9.0.0/16")]);
    world.run("calico/0", "update-status");
    assert_eq!(world.names("IPPool"), ["ipv4"]);
    assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
}

#[test]
fn ck_e_3_ipip_stays_off_the_ipv6_pool() {
    let mut world = one_unit(&json!({"ipip": "Always", "cidr": "192.168.0.0/16,fd00:1::/112"}));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(world.spec("IPPool", "ipv4", "ipipMode"), "Always");
    assert_eq!(world.spec("IPPool", "ipv6", "ipipMode"), "Never");
    let outcome = configure(&mut world, &json!({"cidr": "fd00:1::/112"}));
    assert_eq!(
        outcome.status,
        "blocked: ipip: \"Always\" does not carry IPv6, and cidr names no IPv4 network"
    );
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

#[test]
fn ck_e_7_loose_rpf_is_said_and_stops_nothing() {
    let unit =
        json!({"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true, "rp-filter": 2});
    let mut world = world(&json!({"units": {"calico/0": unit}}));
    let outcome = world.run("calico/0", "config-changed");
    assert_eq!(
        outcome.status,
        "blocked: ignore-loose-rpf config is in conflict with rp_filter value"
    );
    assert_eq!(world.names("IPPool"), ["ipv4"]);
    assert_eq!(
        configure(&mut world, &json!({"ignore-loose-rpf": true})).status,
        "active: Ready"
    );
}

#[test]
fn ck_e_7_loose_rpf_means_nothing_where_pods_have_no_ipv4() {
    let unit =
        json!({"node": "node-a", "addresses": ["fd00:a::10/64"], "leader": true, "rp-filter": 2});
    let mut world =
        world(&json!({"options": {"cidr": "fd00:1::/112"}, "units": {"calico/0": unit}}));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
}

#[test]
fn ck_e_13_the_options_of_the_older_charm_are_still_there() {
    let mut world = one_unit(&json!({
        "calico-node-image": "docker.io/calico/node:v3.6.1",
        "calico-policy-image": "docker.io/calico/kube-controllers:v3.6.1",
    }));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
}

#[test]
fn ck_e_14_yaml_reads_no_number_as_another() {
    for (value, expected) in [
        ("{0: 1.10}", None),
        ("{0: '1.10'}", Some("65546")),
        ("{0: 064512}", None),
        ("{0: 0x10}", None),
        ("{0: 65_000}", None),
        ("{0: 18:12}", None),
        ("{0: 1, '0': 1}", None),
        ("{0: 1, calico/0: 1}", None),
        ("{'0': 65001}", Some("65001")),
        ("{calico/0: 65001}", Some("65001")),
        ("{on: 65001}", None),
        ("{0: 4294967294}", Some("4294967294")),
        ("{0: 4294967295}", None),
        ("{0: 23456}", None),
    ] {
        let mut world = one_unit(&json!({ "unit-as-numbers": value }));
        let outcome = world.run("calico/0", "config-changed");
        let found = world.annotation("node-a", "projectcalico.org/ASNumber");
        assert_eq!(found.as_deref(), expected, "{value}: {}", outcome.status);
        assert_eq!(
            outcome.status == "active: Ready",
            expected.is_some(),
            "{value}: {}",
            outcome.status
        );
    }
}

#[test]
fn ks_e_8_an_ipv6_pool_is_checked_as_an_ipv4_one_is() {
    let mut world = one_unit(&json!({"cidr": "192.168.0.0/16,fd00:1::/112"}));
    world.run("calico/0", "config-changed");
    let outcome = configure(&mut world, &json!({"cidr": "192.168.0.0/16,fd00:1::/64"}));
    assert_eq!(
        outcome.status,
        "blocked: cidr: fd00:1::/64 overlaps IPPool ipv6 (fd00:1::/112)"
    );
    assert_eq!(outcome.writes, 0);
}

#[test]
fn ks_e_9_service_networks_of_both_families_come_and_go() {
    let mut world = one_unit(&json!({"bgp-service-cluster-ips": "10.152.183.0/24,fd00:2::/112"}));
    world.run("calico/0", "config-changed");
    let list = json!([{"cidr": "10.152.183.0/24"}, {"cidr": "fd00:2::/112"}]);
    assert_eq!(
        world.spec("BGPConfiguration", "default", "serviceClusterIPs"),
        list
    );
    configure(&mut world, &json!({"bgp-service-cluster-ips": ""}));
    assert_eq!(
        world.spec("BGPConfiguration", "default", "serviceClusterIPs"),
        Value::Null
    );
}

#[test]
fn ks_e_10_a_peer_that_is_no_longer_named_goes() {
    let mut world =
        two_units(&json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"}));
    all(&mut world, "config-changed");
    configure(&mut world, &json!({"global-bgp-peers": "[]"}));
    world.run("calico/1", "config-changed");
    assert_eq!(world.names("BGPPeer"), [] as [&str; 0]);
}

#[test]
fn pl_e_12_the_recipes_as_number_is_taken_where_it_can_be() {
    let unit = json!({"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true});
    // Calico's own definitions, which this charm's documents widen.
    let mut world = world(&json!({
        "calico": "foreign", "options": {"unit-as-numbers": "{0: 4200000101}"}, "units": {"calico/0": unit},
    }));
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    let outcome = configure(
        &mut world,
        &json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 4200000101}]"}),
    );
    assert!(
        outcome.status.contains("above 2147483647")
            && outcome.status.starts_with("blocked: global-bgp-peers: [0]"),
        "{}",
        outcome.status
    );
    assert_eq!(outcome.writes, 0);
}

#[test]
fn pl_e_12_pools_that_only_announce_a_range_need_manage_pools_off() {
    let mut world = one_unit(&json!({"manage-pools": false}));
    let spec = json!({"cidr": "172.30.200.0/24", "disabled": true});
    world.observe(&[observed("IPPool", "purelb-ipv4", &spec)]);
    assert_eq!(
        world.run("calico/0", "config-changed").status,
        "active: Ready"
    );
    assert_eq!(world.names("IPPool"), ["purelb-ipv4"]);
    let pool = world.server.object("IPPool", "purelb-ipv4").unwrap();
    assert_eq!(pool["metadata"]["labels"], Value::Null);
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
