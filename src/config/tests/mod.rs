//! Every option, good and bad, and what the user is told.

mod properties;
mod structured;
mod texts;

use super::*;

fn raw(options: &[(&str, &str)]) -> RawConfig {
    options
        .iter()
        .map(|(name, text)| ((*name).to_owned(), RawValue::Text((*text).to_owned())))
        .collect()
}

fn parse(options: &[(&str, &str)]) -> Result<CharmConfig, Problems> {
    CharmConfig::parse(&raw(options), "calico")
}

fn printed(options: &[(&str, &str)]) -> Vec<String> {
    parse(options).map_or_else(
        |problems| problems.iter().map(ToString::to_string).collect(),
        |_| Vec::new(),
    )
}

/// Each text of `option` has exactly the one problem given, without the option's name.
fn refused(option: &str, table: &[(&str, &str)]) {
    for (text, problem) in table {
        assert_eq!(
            printed(&[(option, text)]),
            [format!("{option}: {problem}")],
            "{option}={text:?}"
        );
    }
}

/// All texts of `option` mean the same.
fn equal(option: &str, texts: &[&str]) {
    let digests = texts.iter().map(|text| {
        let mut config =
            parse(&[(option, text)]).unwrap_or_else(|problems| panic!("{text:?}: {problems}"));
        // Places say how an entry was written, and that is what differs.
        for number in config
            .unit_as_numbers
            .values_mut()
            .chain(config.subnet_as_numbers.values_mut())
        {
            number.place.path.clear();
        }
        for id in config.route_reflector_cluster_ids.values_mut() {
            id.place.path.clear();
        }
        for peer in config
            .unit_bgp_peers
            .values_mut()
            .chain(config.subnet_bgp_peers.values_mut())
            .flatten()
        {
            peer.place.path.clear();
        }
        for peer in &mut config.global_bgp_peers {
            peer.place.path.clear();
        }
        config
    });
    let configs: Vec<CharmConfig> = digests.collect();
    for (config, text) in configs.iter().zip(texts) {
        assert_eq!(config, &configs[0], "{option}={text:?}");
    }
}

#[test]
fn no_problem_hides_another() {
    let problems = parse(&[
        ("unit-bgp-peers", "{x: [{adress: 10.0.0.1, as-number: 0}], 3: [{address: 10.0.0.1, as-number: 1}, {address: 10.0.0, as-number: 1}]}"),
        ("ipip", "always"),
        ("cidr", "10.0.0.1/8,fd00::1/64"),
        ("global-bgp-peers", "{"),
    ])
    .unwrap_err();
    let found: Vec<String> = problems.iter().map(Problem::headline).collect();
    assert_eq!(
        found,
        [
            "ipip: \"always\" is not one of Always, CrossSubnet, Never",
            "cidr: \"10.0.0.1/8\" has host bits set",
            "cidr: \"fd00::1/64\" has host bits set",
            "global-bgp-peers: is not YAML at line 1, column 2: while parsing a node, did not find expected node content",
            "unit-bgp-peers: \"x\" is not a unit",
            "unit-bgp-peers: x[0]: \"adress\" is not a key of a peer",
            "unit-bgp-peers: x[0].as-number: \"0\" is outside the AS numbers 1 to 4294967294",
            "unit-bgp-peers: 3[1].address: \"10.0.0\" is not an IP address",
        ]
    );
}

#[test]
fn problems_point_into_the_text() {
    for (option, text, line, column) in [
        (
            "unit-bgp-peers",
            "\n3:\n- address: 10.0.0.1\n  as-number: 1\n- address: 10.0.0\n  as-number: 1\n",
            5,
            12,
        ),
        ("unit-as-numbers", "\n0: 1\nx: 1\n", 3, 1),
        ("cidr", "10.0.0.0/8, fd00::1/64", 1, 13),
        ("bgp-service-cluster-ips", "10.0.0.0/24\n10.1.0.0/33", 2, 1),
        ("ipip", " always", 1, 2),
        ("subnet-as-numbers", "{10.0.0.0/24: 0}", 1, 15),
    ] {
        let problems = parse(&[(option, text)]).unwrap_err();
        assert_eq!(
            problems.first().at,
            Some(Position { line, column }),
            "{option}={text:?}"
        );
    }
}

#[test]
fn both_places_of_a_contradiction_can_be_found() {
    let raw = raw(&[
        (
            "global-bgp-peers",
            "\n- address: 10.0.0.1\n  as-number: 1\n",
        ),
        (
            "unit-bgp-peers",
            "\n0:\n- address: 10.0.0.1\n  as-number: 2\n",
        ),
    ]);
    let problems = CharmConfig::parse(&raw, "calico").unwrap_err();
    let problem = problems.first();
    assert_eq!(
        raw.locate(&problem.place()),
        Some(Position { line: 3, column: 3 })
    );
    assert_eq!(
        raw.locate(problem.other.as_ref().unwrap()),
        Some(Position { line: 2, column: 3 })
    );
}

#[test]
fn unknown_options_are_for_the_command_line_to_refuse() {
    let raw = raw(&[("unit_bgp_peers", "{}"), ("colour", "red")]);
    assert!(CharmConfig::parse(&raw, "calico").is_ok());
    let problems = CharmConfig::parse_strict(&raw, "calico").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "colour: is not an option of this charm\nunit_bgp_peers: is not an option of this charm; write unit-bgp-peers"
    );
}

#[test]
fn defaults_are_those_of_config_yaml() {
    let config = parse(&[]).unwrap();
    assert_eq!(
        config,
        CharmConfig::parse(&RawConfig::default(), "calico").unwrap()
    );
    assert_eq!(config.cidr[0].to_string(), "192.168.0.0/16");
    assert_eq!(config.global_as_number.value(), 64512);
    assert_eq!((config.image_registry, config.typha_replicas), (None, 0));
    assert!(config.nat_outgoing && config.manage_pools && config.node_to_node_mesh);
    assert!(config.disable_vxlan_tx_checksumming && !config.ignore_loose_rpf);
    assert_eq!(
        (config.veth_mtu, config.release, config.calico_node_image),
        (None, None, None)
    );
}
