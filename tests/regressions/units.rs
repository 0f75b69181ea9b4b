//! Units, their Nodes and their peers.

use super::*;

#[test]
fn ck_4_6_7_a_unit_leaves_nothing_behind() {
    let mut world = two_units(&json!({
        "global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]",
        "unit-as-numbers": "{1: 65001}",
        "route-reflector-cluster-ids": "{1: 224.0.0.1}",
    }));
    all(&mut world, "config-changed");
    assert_eq!(world.names("BGPPeer").len(), 2);
    assert_eq!(world.names("CalicoNodeStatus"), ["calico-1"]);
    world.step(&Step {
        departs: vec!["calico/1".into()],
        ..Step::default()
    });
    assert_eq!(world.names("BGPPeer"), ["calico-0-10.0.0.1"]);
    assert_eq!(world.names("CalicoNodeStatus"), [] as [&str; 0]);
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
fn ck_4_6_7_a_reflector_that_went_is_kept_by_the_hook_that_turns_the_mesh_off() {
    let mut world = two_units(&json!({
        "global-bgp-peers": "[{address: 10.0.1.10, as-number: 64512}]",
        "route-reflector-cluster-ids": "{1: 224.0.0.1}",
    }));
    all(&mut world, "config-changed");
    let cluster_id = "projectcalico.org/RouteReflectorClusterID";
    world.server.set_gate(|_| Some(Fault::Refuse));
    world.juju.remove_principal("calico/1");
    world.run_due("calico/1");
    world.run_due("calico/0");
    assert!(world.annotation("node-b", cluster_id).is_some());
    world.server.clear_gate();
    configure(
        &mut world,
        &json!({"node-to-node-mesh": false, "rollout": "immediate"}),
    );
    let mesh = world.spec("BGPConfiguration", "default", "nodeToNodeMeshEnabled");
    assert_eq!(mesh, false);
    assert!(world.annotation("node-b", cluster_id).is_some());
    let status = world.run("calico/0", "update-status").status;
    let expected = "name others than calico/1, which is gone, then delete its Node node-b";
    assert!(status.contains(expected), "{status}");
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
fn ks_e_10_a_peer_that_is_no_longer_named_goes() {
    let mut world =
        two_units(&json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"}));
    all(&mut world, "config-changed");
    configure(&mut world, &json!({"global-bgp-peers": "[]"}));
    world.run("calico/1", "config-changed");
    world.answer_bells();
    assert_eq!(world.names("BGPPeer"), [] as [&str; 0]);
}
