//! Pools: made, adopted, emptied.

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
