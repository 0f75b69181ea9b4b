//! Options: what is read, and what is refused.

use super::*;

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
