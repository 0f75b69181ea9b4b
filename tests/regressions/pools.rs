//! Pools: made, adopted, emptied.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use calico_charm::sim::api::RequestRecord;

use super::*;

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

/// An empty block and one with a node's tunnel address in it, both with their affinities.
fn blocks_without_workloads() -> Vec<Observed> {
    let tunnel = json!({"handle_id": "ipip-tunnel-addr-node-b", "secondary": {"node": "node-b", "type": "ipipTunnelAddress"}});
    let mut found = Vec::new();
    for (node, name, cidr, allocations, attributes) in [
        (
            "node-a",
            "192-168-7-0-26",
            "192.168.7.0/26",
            json!([null]),
            json!([]),
        ),
        (
            "node-b",
            "192-168-7-64-26",
            "192.168.7.64/26",
            json!([0]),
            json!([tunnel]),
        ),
    ] {
        let block = json!({
            "cidr": cidr, "affinity": format!("host:{node}"), "allocations": allocations, "attributes": attributes,
            "unallocated": [], "sequenceNumber": 4, "strictAffinity": false,
        });
        let affinity =
            json!({"cidr": cidr, "node": node, "state": "confirmed", "deleted": "false"});
        found.push(observed("IPAMBlock", name, &block));
        found.push(observed(
            "BlockAffinity",
            &format!("{node}-{name}"),
            &affinity,
        ));
    }
    found
}

/// How a leader comes to its end in the middle of a hook.
#[derive(Debug, Clone, Copy)]
enum Crash {
    /// Before a request.
    Before,
    /// After one, whose answer it never sees.
    After,
}

/// A leader that changes `cidr` and crashes at its request number `at`, and another unit that leads then.
///
/// Answers with the numbers of its requests from the first write to a pool on.
fn removal_with_crash(at: usize, crash: Crash) -> (World, Range<usize>) {
    let mut world = two_units(&json!({"ipip": "Always"}));
    all(&mut world, "config-changed");
    world.observe(&blocks_without_workloads());
    let changed = json!({"cidr": "10.1.0.0/16", "ipip": "Never"});
    world
        .juju
        .set_options(changed.as_object().into_iter().flatten());
    world.run("calico/1", "config-changed");
    let _ = world.server.take_requests();
    let seen = AtomicUsize::new(0);
    world.server.set_gate(move |_| {
        let number = seen.fetch_add(1, Relaxed);
        match crash {
            _ if number < at => None,
            Crash::After if number == at => Some(Fault::DropReplyAfterEffect),
            Crash::Before | Crash::After => Some(Fault::Refuse),
        }
    });
    world.run("calico/0", "config-changed");
    let requests = world.server.take_requests();
    let writes_a_pool =
        |request: &RequestRecord| request.writes() && request.path.contains("/ippools");
    let first = requests
        .iter()
        .position(writes_a_pool)
        .unwrap_or(requests.len());
    world.server.clear_gate();
    world.juju.elect("calico/1");
    world.run("calico/1", "update-status");
    world.run("calico/0", "update-status");
    (world, first..requests.len())
}

#[test]
fn ck_4_6_6_wherever_a_removal_ends_another_leader_finishes_it() {
    let (undisturbed, requests) = removal_with_crash(usize::MAX, Crash::Before);
    assert_eq!(undisturbed.names("IPPool"), ["ipv4-10-1-0-0-16"]);
    assert_eq!(undisturbed.names("BlockAffinity"), [] as [&str; 0]);
    assert_eq!(undisturbed.names("IPAMBlock"), ["192-168-7-64-26"]);
    assert_eq!(
        undisturbed.spec("IPAMBlock", "192-168-7-64-26", "sequenceNumber"),
        5
    );
    let expected = Arc::new(undisturbed.objects());
    let crashes = requests.flat_map(|at| [(at, Crash::Before), (at, Crash::After)]);
    let running: Vec<_> = crashes
        .map(|(at, crash)| {
            let expected = Arc::clone(&expected);
            thread::spawn(move || {
                let (mut world, _) = removal_with_crash(at, crash);
                assert_eq!(world.objects(), *expected, "{crash:?} request {at}");
                assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
            })
        })
        .collect();
    assert!(running.len() > 30, "{}", running.len());
    for one in running {
        one.join().unwrap();
    }
}

#[test]
fn a_pod_that_comes_before_the_pool_is_out_of_use_keeps_its_tunnel() {
    let mut world = one_unit(&json!({"ipip": "Always"}));
    world.run("calico/0", "config-changed");
    let server = world.server.clone();
    let patched = AtomicUsize::new(0);
    // IPAM hands an address out while the leader plans, which has counted none.
    world.server.set_gate(move |request| {
        let disables = request.writes() && request.path.ends_with("/ippools/ipv4");
        if disables && patched.fetch_add(1, Relaxed) == 0 {
            let block = used_block("192-168-7-0-26", "192.168.7.0/26");
            server.insert(&block.manager, block.object).unwrap();
        }
        None
    });
    let outcome = configure(&mut world, &json!({"cidr": "10.1.0.0/16", "ipip": "Never"}));
    world.server.clear_gate();
    assert_eq!(outcome.status, "active: Ready");
    assert_eq!(
        world.spec("IPPool", "ipv4", "allowedUses"),
        json!(["Tunnel"])
    );
    assert_ne!(world.spec("IPPool", "ipv4", "disabled"), true);
    assert_eq!(
        world.run("calico/0", "update-status").status,
        "active: Ready (IPPool ipv4 192.168.0.0/16 retires, 1 address left on node-a)"
    );
}

#[test]
fn a_pool_that_is_wanted_again_gives_out_addresses_again() {
    let mut world = one_unit(&json!({"ipip": "Always"}));
    world.run("calico/0", "config-changed");
    world.observe(&[used_block("192-168-7-0-26", "192.168.7.0/26")]);
    for (ipip, field, value) in [
        ("Never", "allowedUses", json!(["Tunnel"])),
        ("Always", "disabled", json!(true)),
    ] {
        configure(&mut world, &json!({"cidr": "10.1.0.0/16", "ipip": ipip}));
        assert_eq!(world.spec("IPPool", "ipv4", field), value, "{ipip}");
        configure(
            &mut world,
            &json!({"cidr": "192.168.0.0/16", "ipip": "Always"}),
        );
        assert_eq!(world.spec("IPPool", "ipv4", "allowedUses"), Value::Null);
        assert_eq!(world.spec("IPPool", "ipv4", "disabled"), false);
        assert_eq!(world.names("IPPool"), ["ipv4"], "{ipip}");
        assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
    }
}

#[test]
fn tunnels_come_back_to_a_retiring_pool_when_no_other_has_its_encapsulation_any_more() {
    let mut world = one_unit(&json!({"ipip": "Always"}));
    world.run("calico/0", "config-changed");
    world.observe(&[used_block("192-168-7-0-26", "192.168.7.0/26")]);
    configure(&mut world, &json!({"cidr": "10.1.0.0/16"}));
    assert_eq!(world.spec("IPPool", "ipv4", "disabled"), true);
    configure(&mut world, &json!({"ipip": "Never"}));
    assert_eq!(
        world.spec("IPPool", "ipv4", "allowedUses"),
        json!(["Tunnel"])
    );
    assert_ne!(world.spec("IPPool", "ipv4", "disabled"), true);
    assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
}

#[test]
fn a_block_that_no_affinity_leads_to_goes_with_its_pool() {
    let mut world = one_unit(&json!({}));
    world.run("calico/0", "config-changed");
    let blocks = blocks_without_workloads();
    let without = blocks
        .into_iter()
        .filter(|one| one.object["kind"] == "IPAMBlock");
    world.observe(&without.collect::<Vec<_>>());
    configure(&mut world, &json!({"cidr": "10.1.0.0/16"}));
    assert_eq!(world.names("IPPool"), ["ipv4-10-1-0-0-16"]);
    assert_eq!(world.names("IPAMBlock"), ["192-168-7-64-26"]);
}

#[test]
fn a_pod_that_comes_while_affinities_are_released_keeps_its_pool() {
    let mut world = one_unit(&json!({}));
    world.run("calico/0", "config-changed");
    world.observe(&blocks_without_workloads());
    let server = world.server.clone();
    let seen = AtomicUsize::new(0);
    world.server.set_gate(move |request| {
        let releases = request.writes() && request.path.contains("/blockaffinities/");
        if releases && seen.fetch_add(1, Relaxed) == 0 {
            let block = used_block("192-168-9-0-26", "192.168.9.0/26");
            server.insert(&block.manager, block.object).unwrap();
        }
        None
    });
    configure(&mut world, &json!({"cidr": "10.1.0.0/16"}));
    world.server.clear_gate();
    assert_eq!(world.names("IPPool"), ["ipv4", "ipv4-10-1-0-0-16"]);
    assert_eq!(
        world.run("calico/0", "update-status").status,
        "active: Ready (IPPool ipv4 192.168.0.0/16 retires, 1 address left on node-a)"
    );
}

/// With host-local IPAM there are no blocks, so that a cluster full of pods was taken for one without traffic.
#[test]
fn pods_without_blocks_are_traffic() {
    let options = json!({"node-to-node-mesh": false, "global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"});
    for (pods, mesh) in [(false, false), (true, true)] {
        let mut world = two_units(&options);
        if pods {
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"nodeName": "node-a", "containers": [{"name": "a", "image": "a"}]},
                "status": {"phase": "Running", "podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}]},
            });
            world.observe(&[Observed {
                manager: "kubelet".into(),
                object: pod,
            }]);
        }
        world.run("calico/0", "config-changed");
        let found = world.spec("BGPConfiguration", "default", "nodeToNodeMeshEnabled");
        assert_eq!(found, mesh, "{pods}");
    }
}

/// Pods on a pool without VXLAN lose their routes with BIRD.
#[test]
fn bird_runs_until_no_pod_needs_its_routes() {
    let backend = |world: &World| {
        let config = world
            .server
            .object("ConfigMap", "kube-system/calico-config");
        config.unwrap()["data"]["calico_backend"].clone()
    };
    let mut world = one_unit(&json!({"ipip": "Always"}));
    world.run("calico/0", "config-changed");
    assert_eq!(backend(&world), "bird");
    world.observe(&[used_block("192-168-7-0-26", "192.168.7.0/26")]);
    configure(
        &mut world,
        &json!({"cidr": "10.1.0.0/16", "ipip": "Never", "vxlan": "Always", "node-to-node-mesh": false}),
    );
    world.run("calico/0", "update-status");
    assert_eq!(backend(&world), "bird");
    world.server.remove("IPAMBlock", "192-168-7-0-26").unwrap();
    world.run("calico/0", "update-status");
    assert_eq!(backend(&world), "vxlan");
}

/// The mesh has to stay for pods on a pool without VXLAN although the options ask for neither mesh nor peers.
#[test]
fn the_mesh_stays_until_no_pod_needs_it() {
    let mesh =
        |world: &World| world.spec("BGPConfiguration", "default", "nodeToNodeMeshEnabled") == true;
    let options = json!({"cidr": "10.1.0.0/16", "vxlan": "Always", "node-to-node-mesh": false});
    let begun = || {
        let mut world = one_unit(&json!({}));
        world.run("calico/0", "config-changed");
        world.observe(&[used_block("192-168-7-0-26", "192.168.7.0/26")]);
        world
    };
    let mut world = begun();
    let outcome = configure(&mut world, &options);
    assert_eq!(
        outcome.status,
        "waiting: mesh stays on until IPPool ipv4 192.168.0.0/16 has no pods (1 left; show-pools, migrate-pool)"
    );
    assert!(mesh(&world));
    world.server.remove("IPAMBlock", "192-168-7-0-26").unwrap();
    let outcome = world.run("calico/0", "update-status");
    assert_eq!(outcome.status, "active: Ready");
    assert!(!mesh(&world));
    assert_eq!(world.names("IPPool"), ["ipv4-10-1-0-0-16"]);

    let mut world = begun();
    let mut at_once = options.clone();
    at_once["rollout"] = "immediate".into();
    configure(&mut world, &at_once);
    assert!(!mesh(&world));
}
