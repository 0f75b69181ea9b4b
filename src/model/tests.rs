//! What units become by the options, one unit at a time.

use super::*;
use crate::config::{CharmConfig, Problems, RawConfig, RawValue};

fn raw(options: &[(&str, &str)]) -> RawConfig {
    options
        .iter()
        .map(|(name, text)| ((*name).to_owned(), RawValue::Text((*text).to_owned())))
        .collect()
}

fn config(options: &[(&str, &str)]) -> CharmConfig {
    CharmConfig::parse(&raw(options), "calico").unwrap()
}

fn facts(unit: &str, addresses: &[&str]) -> UnitFacts {
    let address = |text: &&str| {
        let (ip, prefix) = text.split_once('/').unwrap();
        let ip = ip.parse().unwrap();
        UnitAddress {
            ip,
            subnet: Cidr::network_of(ip, prefix.parse().unwrap()),
            interface: "ens3".to_owned(),
        }
    };
    UnitFacts {
        unit: unit.parse().unwrap(),
        principal: Some("kubernetes-worker/0".to_owned()),
        model: "00000000-0000-4000-8000-000000000000".to_owned(),
        addresses: addresses.iter().map(address).collect(),
        leader: false,
        hostname: "node-a".to_owned(),
        fqdn: None,
        zone: None,
        service_cidrs: Vec::new(),
    }
}

fn intent(options: &[(&str, &str)], unit: &str, addresses: &[&str]) -> Result<Intent, Problems> {
    Intent::new(&config(options), &facts(unit, addresses))
}

fn problems(options: &[(&str, &str)], unit: &str, addresses: &[&str]) -> String {
    intent(options, unit, addresses).unwrap_err().to_string()
}

/// `address AS (place)` for each peer.
fn peers(intent: &Intent) -> Vec<String> {
    let shown = |(address, number): (&PeerAddress, &Sourced<AsNumber>)| {
        format!("{address} {} ({})", number.value, number.place)
    };
    intent.peers().iter().map(shown).collect()
}

#[test]
fn defaults_give_no_unit_anything_of_its_own() {
    let intent = intent(&[], "calico/0", &["10.0.0.2/24"]).unwrap();
    assert_eq!((intent.as_number(), intent.cluster_id()), (None, None));
    assert_eq!(intent.session_as_number(), AsNumber::DEFAULT);
    assert!(intent.peers().is_empty() && intent.skipped_own().is_empty());
    assert_eq!(intent.unit().dashed(), "calico-0");
}

#[test]
fn cluster_defaults() {
    let cluster = ClusterIntent::new(&config(&[]));
    assert_eq!(
        (cluster.as_number(), cluster.node_to_node_mesh()),
        (AsNumber::DEFAULT, true)
    );
    assert!(cluster.service_cluster_ips().is_empty());
    let [pool] = cluster.pools().unwrap() else {
        panic!("one pool")
    };
    assert_eq!(pool.cidr().to_string(), "192.168.0.0/16");
    assert_eq!(
        (pool.encapsulation(), pool.nat_outgoing()),
        (Encapsulation::None, true)
    );
    assert_eq!((pool.family(), pool.default_block_size()), (Family::V4, 26));
    assert_eq!(
        ClusterIntent::new(&config(&[("manage-pools", "false")])).pools(),
        None
    );
}

#[test]
fn dual_stack_pools_keep_their_order_and_ipip_is_for_ipv4() {
    let cluster = ClusterIntent::new(&config(&[
        ("cidr", "fd00::/112, 10.0.0.0/8"),
        ("ipip", "Always"),
    ]));
    let pools: Vec<_> = cluster
        .pools()
        .unwrap()
        .iter()
        .map(|pool| {
            (
                pool.cidr().to_string(),
                pool.encapsulation(),
                pool.default_block_size(),
            )
        })
        .collect();
    assert_eq!(
        pools,
        [
            ("fd00::/112".to_owned(), Encapsulation::None, 122),
            (
                "10.0.0.0/8".to_owned(),
                Encapsulation::Ipip(TunnelMode::Always),
                26
            )
        ]
    );
}

#[test]
fn as_numbers_unit_before_longest_prefix_before_global() {
    let subnets = (
        "subnet-as-numbers",
        "{10.0.0.0/24: 64513, 10.0.0.0/16: 64999, fd00::/64: 64514}",
    );
    let units = ("unit-as-numbers", "{7: 64520}");
    let global = ("global-as-number", "64530");
    for (options, unit, addresses, expected) in [
        (
            vec![subnets],
            "calico/0",
            vec!["10.0.0.2/24"],
            Some("64513 (subnet-as-numbers: 10.0.0.0/24)"),
        ),
        (
            vec![subnets],
            "calico/0",
            vec!["10.0.1.2/24"],
            Some("64999 (subnet-as-numbers: 10.0.0.0/16)"),
        ),
        (
            vec![subnets],
            "calico/0",
            vec!["fd00::2/64"],
            Some("64514 (subnet-as-numbers: fd00::/64)"),
        ),
        (
            vec![subnets],
            "calico/0",
            vec!["172.16.0.2/24", "10.0.0.2/24"],
            Some("64513 (subnet-as-numbers: 10.0.0.0/24)"),
        ),
        (
            vec![subnets],
            "calico/0",
            vec!["10.0.1.2/24", "10.0.0.2/24"],
            Some("64513 (subnet-as-numbers: 10.0.0.0/24)"),
        ),
        (
            vec![subnets, global],
            "calico/0",
            vec!["172.16.0.2/24"],
            Some("64530 (global-as-number)"),
        ),
        (
            vec![subnets, global],
            "calico/0",
            vec![],
            Some("64530 (global-as-number)"),
        ),
        (
            vec![subnets, units],
            "calico/7",
            vec!["10.0.0.2/24"],
            Some("64520 (unit-as-numbers: 7)"),
        ),
        (
            vec![units],
            "calico/0",
            vec!["10.0.0.2/24"],
            Some("64512 (global-as-number)"),
        ),
        (vec![global], "calico/0", vec!["10.0.0.2/24"], None),
    ] {
        let intent = intent(&options, unit, &addresses).unwrap();
        let shown = intent
            .as_number()
            .map(|number| format!("{} ({})", number.value, number.place));
        assert_eq!(shown.as_deref(), expected, "{options:?} {addresses:?}");
        let effective = intent.as_number().map(|number| number.value);
        let global = if options.contains(&global) {
            "64530"
        } else {
            "64512"
        };
        assert_eq!(
            intent.session_as_number(),
            effective.unwrap_or(global.parse().unwrap())
        );
    }
}

#[test]
fn a_unit_between_two_as_numbers_is_told_so() {
    let subnets = "{10.0.0.0/24: 64513, 10.0.1.0/24: 64514, fd00::/64: 64513, fd01::/64: 64515}";
    let both = ["10.0.0.2/24", "10.0.1.2/24"];
    assert_eq!(
        problems(&[("subnet-as-numbers", subnets)], "calico/3", &both),
        "subnet-as-numbers: 10.0.1.0/24: gives calico/3 AS number 64514, and subnet-as-numbers: 10.0.0.0/24 gives it 64513: \
         it has an address in both; give both the same, or say which in unit-as-numbers: 3: 64513"
    );
    assert!(
        problems(
            &[("subnet-as-numbers", subnets)],
            "calico/3",
            &["10.0.0.2/24", "fd01::2/64"]
        )
        .contains("64515")
    );
    for (options, addresses) in [
        (
            vec![("subnet-as-numbers", subnets)],
            ["10.0.0.2/24", "fd00::2/64"],
        ),
        (
            vec![("subnet-as-numbers", subnets)],
            ["10.0.0.2/24", "172.16.0.2/24"],
        ),
        (
            vec![
                ("subnet-as-numbers", subnets),
                ("unit-as-numbers", "{3: 64516}"),
            ],
            both,
        ),
        (
            vec![(
                "subnet-as-numbers",
                "{10.0.0.0/24: 64513, 10.0.1.0/24: 64513}",
            )],
            both,
        ),
    ] {
        assert!(
            intent(&options, "calico/3", &addresses).is_ok(),
            "{options:?} {addresses:?}"
        );
    }
}

#[test]
fn peers_add_up_and_the_first_place_counts() {
    let options = [
        (
            "global-bgp-peers",
            "[{address: 10.9.0.1, as-number: 64512}]",
        ),
        (
            "subnet-bgp-peers",
            "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 64513}, {address: 10.9.0.1, as-number: 64512}], \
              10.0.0.0/8: [{address: 10.0.0.1, as-number: 64513}, {address: 'fd00::1', as-number: 64514}], \
              10.5.0.0/24: [{address: 10.5.0.1, as-number: 64515}]}",
        ),
        (
            "unit-bgp-peers",
            "{0: [{address: '10.0.0.1:1179', as-number: 64516}], 1: [{address: 10.0.0.99, as-number: 64517}]}",
        ),
    ];
    let intent = intent(&options, "calico/0", &["10.0.0.2/24"]).unwrap();
    assert_eq!(
        peers(&intent),
        [
            "10.0.0.1 64513 (subnet-bgp-peers: 10.0.0.0/8[0])",
            "10.0.0.1:1179 64516 (unit-bgp-peers: 0[0])",
            "10.9.0.1 64512 (global-bgp-peers: [0])",
            "fd00::1 64514 (subnet-bgp-peers: 10.0.0.0/8[1])",
        ]
    );
}

#[test]
fn a_unit_matches_with_every_address_of_both_families() {
    let options = [(
        "subnet-bgp-peers",
        "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 1}], 10.1.0.0/24: [{address: 10.1.0.1, as-number: 2}], \
          'FD00:0::/64': [{address: 'fd00::1', as-number: 3}]}",
    )];
    let intent = intent(
        &options,
        "calico/0",
        &["10.0.0.2/24", "10.1.0.2/24", "fd00::2/64"],
    )
    .unwrap();
    let numbers: Vec<u32> = intent
        .peers()
        .values()
        .map(|number| number.value.value())
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
}

#[test]
fn own_addresses_are_skipped() {
    let options = [
        (
            "global-bgp-peers",
            "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}, {address: 'fd00::2', as-number: 1}]",
        ),
        (
            "unit-bgp-peers",
            "{0: [{address: '10.0.0.2:1179', as-number: 64999}]}",
        ),
    ];
    let intent = intent(&options, "calico/0", &["10.0.0.2/24", "fd00::2/64"]).unwrap();
    assert_eq!(peers(&intent), ["10.0.0.3 64512 (global-bgp-peers: [1])"]);
    let skipped: Vec<String> = intent
        .skipped_own()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        skipped,
        [
            "global-bgp-peers: [0]",
            "global-bgp-peers: [2]",
            "unit-bgp-peers: 0[0]"
        ]
    );
}

#[test]
fn contradicting_peers_name_both_places() {
    let remedy = "give both the router's own AS number, or leave one out";
    let subnets = "{10.0.0.0/24: [{address: 10.9.0.1, as-number: 2}], 10.0.0.0/8: [{address: '10.9.0.1:179', as-number: 3}]}";
    assert_eq!(
        problems(
            &[("subnet-bgp-peers", subnets)],
            "calico/0",
            &["10.0.0.2/24"]
        ),
        format!(
            "subnet-bgp-peers: 10.0.0.0/24[0]: \"10.9.0.1\" has AS number 2 here and 3 at subnet-bgp-peers: 10.0.0.0/8[0]; {remedy}"
        )
    );
    let global = ("global-bgp-peers", "[{address: 10.9.0.1, as-number: 1}]");
    let errors = intent(
        &[global, ("subnet-bgp-peers", subnets)],
        "calico/0",
        &["10.0.0.2/24"],
    )
    .unwrap_err();
    assert_eq!(errors.len(), 2);
    assert!(errors.iter().all(|problem| {
        problem
            .other
            .as_ref()
            .is_some_and(|place| place.to_string() == "global-bgp-peers: [0]")
    }));
    let unit = ("unit-bgp-peers", "{0: [{address: 10.9.0.1, as-number: 3}]}");
    assert!(
        intent(
            &[unit, ("subnet-bgp-peers", subnets)],
            "calico/0",
            &["10.0.0.2/24"]
        )
        .is_err()
    );
    assert!(
        intent(
            &[unit, ("subnet-bgp-peers", subnets)],
            "calico/1",
            &["172.16.0.2/24"]
        )
        .is_ok(),
        "other units are not concerned"
    );
}

#[test]
fn pools_keep_clear_of_nodes_and_services() {
    let mut with_services = facts("calico/0", &["192.168.1.5/24"]);
    with_services.service_cidrs = vec![
        "192.168.128.0/20".parse().unwrap(),
        "fd00::/112".parse().unwrap(),
    ];
    let errors = Intent::new(&config(&[]), &with_services).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "cidr: \"192.168.0.0/16\" overlaps the cluster's service network 192.168.128.0/20; \
         choose a pod network apart from the service-cidr of kubernetes-control-plane\n\
         cidr: \"192.168.0.0/16\" contains 192.168.1.5, an address of calico/0 itself; \
         choose a pod network that no machine has an address in"
    );
    let v6 = Intent::new(&config(&[("cidr", "10.0.0.0/8,fd00::/64")]), &with_services).unwrap_err();
    assert_eq!(v6.first().value.as_deref(), Some("fd00::/64"));
    for options in [[("manage-pools", "false")], [("cidr", "10.0.0.0/8")]] {
        assert!(
            Intent::new(&config(&options), &with_services).is_ok(),
            "{options:?}"
        );
    }
}

#[test]
fn cluster_ids_are_those_of_the_unit() {
    let options = [(
        "route-reflector-cluster-ids",
        "{0: 0.0.0.0, calico/2: 224.0.0.1}",
    )];
    for (unit, expected) in [
        ("calico/0", Some("0.0.0.0 (route-reflector-cluster-ids: 0)")),
        ("calico/1", None),
        (
            "calico/2",
            Some("224.0.0.1 (route-reflector-cluster-ids: calico/2)"),
        ),
    ] {
        let intent = intent(&options, unit, &["10.0.0.2/24"]).unwrap();
        let shown = intent
            .cluster_id()
            .map(|id| format!("{} ({})", id.value, id.place));
        assert_eq!(shown.as_deref(), expected);
    }
}

#[test]
fn order_digests_are_equal_for_equal_options() {
    let digest = |options: &[(&str, &str)], unit: &str, address: &str| {
        intent(options, unit, &[address])
            .unwrap()
            .order_digest()
            .to_owned()
    };
    let base = [
        (
            "subnet-as-numbers",
            "{10.0.0.0/24: 64513, fd00::/64: 65546}",
        ),
        (
            "global-bgp-peers",
            "[{address: 10.9.0.1, as-number: 1}, {address: 10.9.0.2, as-number: 1}]",
        ),
        (
            "unit-bgp-peers",
            "{0: [{address: 10.9.0.3, as-number: 1}], 1: []}",
        ),
    ];
    let spelt_otherwise = [
        (
            "subnet-as-numbers",
            "\n'FD00:0::/64': \"1.10\"\n10.0.0.0/24: '64513'\n",
        ),
        (
            "global-bgp-peers",
            "- {as-number: 1, address: 10.9.0.2}\n- {as-number: 1, address: 10.9.0.1}\n- {as-number: 1, address: 10.9.0.1}\n",
        ),
        (
            "unit-bgp-peers",
            "{calico/0: [{address: 10.9.0.3, as-number: 1}]}",
        ),
    ];
    let expected = digest(&base, "calico/0", "10.0.0.2/24");
    assert_eq!(expected.len(), 16);
    assert!(
        expected
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    );
    assert_eq!(
        digest(&base, "calico/9", "172.16.0.2/24"),
        expected,
        "equal on every unit"
    );
    assert_eq!(
        digest(&spelt_otherwise, "calico/0", "10.0.0.2/24"),
        expected
    );
    let unrelated = [
        ("nat-outgoing", "false"),
        ("bgp-service-external-ips", "203.0.113.0/24"),
        ("release", "v3.30.1"),
        ("cidr", "10.128.0.0/16"),
        ("ipip", "Always"),
        ("vxlan", "CrossSubnet"),
        ("manage-pools", "false"),
        ("rollout", "immediate"),
    ];
    for change in unrelated {
        assert_eq!(
            digest(&[&base[..], &[change]].concat(), "calico/0", "10.0.0.2/24"),
            expected,
            "{change:?}"
        );
    }
    let mut seen = vec![expected];
    for change in [
        ("global-as-number", "64513"),
        ("node-to-node-mesh", "false"),
        ("unit-as-numbers", "{0: 1}"),
        (
            "subnet-bgp-peers",
            "{10.0.0.0/24: [{address: 10.9.0.9, as-number: 1}]}",
        ),
        ("route-reflector-cluster-ids", "{0: 0.0.0.1}"),
        ("route-reflector-cluster-ids", "{1: 0.0.0.1}"),
    ] {
        let changed = digest(&[&base[..], &[change]].concat(), "calico/0", "10.0.0.2/24");
        assert!(!seen.contains(&changed), "{change:?} changes the digest");
        seen.push(changed);
    }
}
