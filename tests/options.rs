//! config.yaml and the typed options are one list, and the documentation's examples give what they promise.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "clippy exempts test functions, not their helpers"
)]

use calico_charm::config::{
    CharmConfig, Node, NodeValue, OPTIONS, OptionDefault, RawConfig, RawValue, yaml,
};
use calico_charm::model::{
    AsNumber, Cidr, ClusterIntent, Encapsulation, Intent, PeerAddress, Sourced, UnitAddress,
    UnitFacts,
};

const CONFIG_YAML: &str = include_str!("../config.yaml");

fn declared() -> Vec<(String, Node)> {
    let document = yaml::parse(CONFIG_YAML).unwrap().unwrap();
    let options = document.get("options").expect("config.yaml has options");
    let NodeValue::Map(entries) = &options.value else {
        panic!("options is a map")
    };
    entries
        .iter()
        .map(|(name, option)| (name.text().unwrap().to_owned(), option.clone()))
        .collect()
}

fn text<'a>(option: &'a Node, key: &str) -> Option<&'a str> {
    option.get(key).and_then(Node::text)
}

#[test]
fn config_yaml_and_options_have_the_same_names_in_the_same_order() {
    let declared: Vec<String> = declared().into_iter().map(|(name, _)| name).collect();
    let typed: Vec<&str> = OPTIONS.iter().map(|spec| spec.name).collect();
    assert_eq!(declared, typed);
}

#[test]
fn config_yaml_and_options_have_the_same_types_and_defaults() {
    for ((name, option), spec) in declared().iter().zip(OPTIONS) {
        assert_eq!(text(option, "type"), Some(spec.kind.as_str()), "{name}");
        let default = match spec.default {
            OptionDefault::None => None,
            OptionDefault::Text(text) => Some(text.to_owned()),
            OptionDefault::Integer(value) => Some(value.to_string()),
            OptionDefault::Boolean(value) => Some(value.to_string()),
        };
        assert_eq!(
            text(option, "default").map(str::to_owned),
            default,
            "{name}"
        );
        // A string option whose default is a map, a list or a boolean to YAML is no string to Juju.
        if let (OptionDefault::Text(_), Some(node)) = (spec.default, option.get("default")) {
            assert!(node.text().is_some() && !node.is_null(), "{name}");
        }
        assert!(
            text(option, "description").is_some_and(|text| text.len() > 40),
            "{name} has a description"
        );
    }
}

#[test]
fn every_option_has_a_field_of_its_name() {
    let config = CharmConfig::parse(&RawConfig::default(), "calico").unwrap();
    let debug = format!("{config:#?}");
    let fields: Vec<String> = debug
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with([' ', '}', ']', ')']))
        .filter_map(|line| {
            line.split_once(':')
                .map(|(field, _)| field.replace('_', "-"))
        })
        .collect();
    let names: Vec<&str> = OPTIONS.iter().map(|spec| spec.name).collect();
    assert_eq!(fields, names);
}

#[test]
fn config_yamls_own_defaults_are_what_unset_options_mean() {
    let options: RawConfig = declared()
        .into_iter()
        .filter_map(|(name, option)| {
            Some((name, RawValue::Text(text(&option, "default")?.to_owned())))
        })
        .collect();
    assert_eq!(
        CharmConfig::parse_strict(&options, "calico"),
        CharmConfig::parse(&RawConfig::default(), "calico")
    );
}

// The blocks of the charm's documentation, with the line breaks that `juju config calico key="…"` gives them there.
const RACK_SUBNET_PEERS: &str = "
10.0.0.0/24:
- address: 10.0.0.2
  as-number: 64512
- address: 10.0.1.2
  as-number: 64512
10.0.1.0/24:
- address: 10.0.0.2
  as-number: 64512
- address: 10.0.1.2
  as-number: 64512
10.0.2.0/24:
- address: 10.0.2.2
  as-number: 64513
- address: 10.0.3.2
  as-number: 64513
10.0.3.0/24:
- address: 10.0.2.2
  as-number: 64513
- address: 10.0.3.2
  as-number: 64513
";
const RACK_UNIT_PEERS: &str = "
0:
- address: 10.0.0.1
  as-number: 64512
1:
- address: 10.0.1.1
  as-number: 64512
2:
- address: 10.0.2.1
  as-number: 64513
3:
- address: 10.0.3.1
  as-number: 64513
";
const RACK_AS_NUMBERS: &str = "
10.0.0.0/24: 64512
10.0.1.0/24: 64512
10.0.2.0/24: 64513
10.0.3.0/24: 64513
";
const RACK_CLUSTER_IDS: &str = "
0: 0.0.0.0
1: 0.0.0.0
2: 0.0.0.1
3: 0.0.0.1
";

fn config(options: &[(&str, &str)]) -> CharmConfig {
    let raw: RawConfig = options
        .iter()
        .map(|(name, text)| ((*name).to_owned(), RawValue::Text((*text).to_owned())))
        .collect();
    CharmConfig::parse_strict(&raw, "calico").unwrap_or_else(|problems| panic!("{problems}"))
}

/// What the unit at `address` becomes: `<AS number> <cluster ID>: <peer> <its AS number>, …`; `-` for what it has not.
fn unit(options: &[(&str, &str)], unit: &str, address: &str) -> String {
    let ip = address.parse().unwrap();
    let facts = UnitFacts {
        unit: unit.parse().unwrap(),
        principal: None,
        model: String::new(),
        addresses: vec![UnitAddress {
            ip,
            subnet: Cidr::network_of(ip, 24),
            interface: "ens3".to_owned(),
        }],
        leader: false,
        hostname: "node-a".to_owned(),
        fqdn: None,
        zone: None,
        service_cidrs: Vec::new(),
    };
    let intent =
        Intent::new(&config(options), &facts).unwrap_or_else(|problems| panic!("{problems}"));
    let none = || "-".to_owned();
    let as_number = intent
        .as_number()
        .map_or_else(none, |number| number.value.to_string());
    let cluster_id = intent
        .cluster_id()
        .map_or_else(none, |id| id.value.to_string());
    let peer = |(address, number): (&PeerAddress, &Sourced<AsNumber>)| {
        format!("{address} {}", number.value)
    };
    let peers: Vec<String> = intent.peers().iter().map(peer).collect();
    format!("{as_number} {cluster_id}: {}", peers.join(", "))
}

#[test]
fn block_a_two_subnets_with_a_router() {
    let options = [(
        "subnet-bgp-peers",
        "\n10.0.0.0/24:\n- address: 10.0.0.1\n  as-number: 64512\n10.0.1.0/24:\n- address: 10.0.1.1\n  as-number: 64512\n",
    )];
    for (address, expected) in [
        ("10.0.0.2", "- -: 10.0.0.1 64512"),
        ("10.0.1.2", "- -: 10.0.1.1 64512"),
        ("10.0.2.2", "- -: "),
    ] {
        assert_eq!(unit(&options, "calico/0", address), expected);
    }
}

#[test]
fn blocks_b_and_c_route_reflectors() {
    let options = [
        ("route-reflector-cluster-ids", "\n0: 0.0.0.0\n1: 0.0.0.0\n"),
        (
            "global-bgp-peers",
            "\n- address: 10.0.0.2\n  as-number: 64512\n- address: 10.0.0.3\n  as-number: 64512\n",
        ),
    ];
    for (name, address, expected) in [
        ("calico/0", "10.0.0.2", "- 0.0.0.0: 10.0.0.3 64512"),
        ("calico/1", "10.0.0.3", "- 0.0.0.0: 10.0.0.2 64512"),
        (
            "calico/2",
            "10.0.0.4",
            "- -: 10.0.0.2 64512, 10.0.0.3 64512",
        ),
    ] {
        assert_eq!(unit(&options, name, address), expected);
    }
}

#[test]
fn blocks_d_to_g_as_per_rack() {
    let options = [
        ("subnet-as-numbers", RACK_AS_NUMBERS),
        ("route-reflector-cluster-ids", RACK_CLUSTER_IDS),
        ("unit-bgp-peers", RACK_UNIT_PEERS),
        ("subnet-bgp-peers", RACK_SUBNET_PEERS),
        ("node-to-node-mesh", "false"),
    ];
    for (name, address, expected) in [
        (
            "calico/0",
            "10.0.0.2",
            "64512 0.0.0.0: 10.0.0.1 64512, 10.0.1.2 64512",
        ),
        (
            "calico/1",
            "10.0.1.2",
            "64512 0.0.0.0: 10.0.0.2 64512, 10.0.1.1 64512",
        ),
        (
            "calico/2",
            "10.0.2.2",
            "64513 0.0.0.1: 10.0.2.1 64513, 10.0.3.2 64513",
        ),
        (
            "calico/3",
            "10.0.3.2",
            "64513 0.0.0.1: 10.0.2.2 64513, 10.0.3.1 64513",
        ),
        (
            "calico/4",
            "10.0.0.4",
            "64512 -: 10.0.0.2 64512, 10.0.1.2 64512",
        ),
        (
            "calico/5",
            "10.0.3.9",
            "64513 -: 10.0.2.2 64513, 10.0.3.2 64513",
        ),
        ("calico/6", "172.16.0.6", "64512 -: "),
    ] {
        assert_eq!(unit(&options, name, address), expected, "{name}");
    }
    assert!(!ClusterIntent::new(&config(&options)).node_to_node_mesh());
}

#[test]
fn the_documentations_one_line_examples() {
    let options = [
        (
            "subnet-as-numbers",
            "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
        ),
        ("unit-as-numbers", "{0: 64512, 1: 64513}"),
        (
            "global-bgp-peers",
            "[{address: 10.0.0.1, as-number: 65000}, {address: 10.0.0.2, as-number: 65001}]",
        ),
        (
            "subnet-bgp-peers",
            "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 65000}, {address: 10.0.0.2, as-number: 65001}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 65002}]}",
        ),
        (
            "unit-bgp-peers",
            "{0: [{address: 10.0.0.1, as-number: 65000}, {address: 10.0.0.2, as-number: 65001}], 1: [{address: 10.0.1.1, as-number: 65002}]}",
        ),
        (
            "route-reflector-cluster-ids",
            "{0: 224.0.0.1, 2: 224.0.0.1}",
        ),
        ("bgp-service-cluster-ips", "10.0.0.0/24 10.0.1.0/24"),
        ("image-registry", "registry.example.com:5000/mirror"),
        (
            "calico-node-image",
            "registry.example:5000/calico/node:v3.6.1",
        ),
        (
            "calico-policy-image",
            "registry.example:5000/calico/kube-controllers:v3.6.1",
        ),
    ];
    assert_eq!(
        unit(&options, "calico/0", "10.0.0.5"),
        "64512 224.0.0.1: 10.0.0.1 65000, 10.0.0.2 65001"
    );
    assert_eq!(
        unit(&options, "calico/1", "10.0.1.5"),
        "64513 -: 10.0.0.1 65000, 10.0.0.2 65001, 10.0.1.1 65002"
    );
}

#[test]
fn the_most_specific_subnet_gives_the_as_number() {
    let options = [
        (
            "subnet-as-numbers",
            "{10.0.0.0/24: 64512, 10.0.0.0/16: 64999}",
        ),
        ("route-reflector-cluster-ids", "{0: 0.0.0.0}"),
    ];
    assert_eq!(unit(&options, "calico/0", "10.0.0.2"), "64512 0.0.0.0: ");
    assert_eq!(unit(&options, "calico/1", "10.0.7.2"), "64999 -: ");
}

#[test]
fn a_blank_after_the_comma_of_cidr_is_no_error() {
    let cluster = ClusterIntent::new(&config(&[
        ("cidr", "192.168.0.0/16, fd00::/112"),
        ("nat-outgoing", "False"),
    ]));
    let pools: Vec<String> = cluster
        .pools()
        .unwrap()
        .iter()
        .map(|pool| pool.cidr().to_string())
        .collect();
    assert_eq!(pools, ["192.168.0.0/16", "fd00::/112"]);
    for pool in cluster.pools().unwrap() {
        assert_eq!(
            (pool.encapsulation(), pool.nat_outgoing()),
            (Encapsulation::None, false)
        );
    }
}

/// What put the hooks of the existing charm into error, or was dropped silently, is now read or explained.
#[test]
fn regressions_of_the_existing_charm() {
    let refused = |option: &str, text: &str| {
        let raw: RawConfig = [(option.to_owned(), RawValue::Text(text.to_owned()))]
            .into_iter()
            .collect();
        CharmConfig::parse(&raw, "calico").unwrap_err().to_string()
    };
    // An empty text is the default, not a null that is iterated over.
    assert_eq!(
        config(&[("unit-as-numbers", ""), ("global-bgp-peers", "\n")]),
        config(&[])
    );
    // Wrong shapes, missing keys and host bits are explained.
    assert!(refused("global-bgp-peers", "[10.0.0.1]").contains("[0]: \"10.0.0.1\" is a text"));
    assert!(refused("subnet-bgp-peers", "{10.0.0.1/24: []}").ends_with("write 10.0.0.0/24"));
    assert!(
        refused("unit-bgp-peers", "{0: [{address: 10.0.0.1}]}").contains("0[0]: has no as-number")
    );
    assert!(refused("cidr", "10.0.0.0/16,10.1.0.0/16").contains("second IPv4 network"));
    assert!(refused("cidr", "192.168.0.1/16").ends_with("write 192.168.0.0/16"));
    // A subnet that is spelt in its own way still matches: networks are compared, not texts.
    let options = [
        ("subnet-as-numbers", "{'10.0.0.0/24': 1}"),
        (
            "subnet-bgp-peers",
            "{10.0.0.0/24: [{address: 1:2:3:4:5:6:7:8, as-number: 2}]}",
        ),
    ];
    assert_eq!(
        unit(&options, "calico/0", "10.0.0.2"),
        "1 -: 1:2:3:4:5:6:7:8 2"
    );
}
