//! Options whose text is YAML.

use super::*;

#[test]
fn numbers_by_unit() {
    equal(
        "unit-as-numbers",
        &[
            "{0: 64512}",
            "{\"0\": 64512}",
            "{calico/0: 64512}",
            "{0: \"64512\"}",
            "\n0: 64512\n",
            "{0: '0.64512'}",
        ],
    );
    equal(
        "unit-as-numbers",
        &["", " \n", "{}", "null", "~", "# none\n"],
    );
    let shape = "write a decimal number such as 64512, or <high>.<low> in quotes such as \"1.10\"";
    let float = |text: &str| {
        format!(
            "0: \"{text}\" is a number with a fraction to YAML, where 1.10 and 1.1 are the same; put it in quotes if <high>.<low> is meant: \"{text}\""
        )
    };
    refused(
        "unit-as-numbers",
        &[
            (
                "{0: 064512}",
                "0: \"064512\" has leading zeros, which YAML 1.1 reads as octal; write 64512",
            ),
            (
                "{0: 0x10}",
                "0: \"0x10\" is not written in decimal; write 16",
            ),
            (
                "{0: 65_000}",
                "0: \"65_000\" has underscores between its digits; write 65000",
            ),
            (
                "{0: 65000:50}",
                &format!("0: \"65000:50\" is not an AS number; {shape}"),
            ),
            ("{0: 1.10}", &float("1.10")),
            ("{0: 64512.0}", &float("64512.0")),
            ("{0: 1.5e3}", &float("1.5e3")),
            (
                "{0: true}",
                &format!("0: \"true\" is not an AS number; {shape}"),
            ),
            (
                "{0: -1}",
                &format!("0: \"-1\" is outside the AS numbers 1 to 4294967294; {shape}"),
            ),
            (
                "{0: 4294967296}",
                &format!("0: \"4294967296\" is outside the AS numbers 1 to 4294967294; {shape}"),
            ),
            (
                "{0: }",
                "0: is nothing where an AS number is expected; write e.g. 64512, or \"1.10\" in quotes",
            ),
            (
                "{0: [64512]}",
                "0: is a list where an AS number is expected; write e.g. 64512, or \"1.10\" in quotes",
            ),
            (
                "[64512]",
                "is a list where a map from units to AS numbers is expected; write e.g. {0: 64512, 1: 64513}",
            ),
            (
                "64512",
                "\"64512\" is a text where a map from units to AS numbers is expected; write e.g. {0: 64512, 1: 64513}",
            ),
        ],
    );
    let config = parse(&[("unit-as-numbers", "{0: \"1.10\"}")]).unwrap();
    assert_eq!(config.unit_as_numbers[&0].value.value(), 65546);
    assert_eq!(
        config.unit_as_numbers[&0].place.to_string(),
        "unit-as-numbers: 0"
    );
}

#[test]
fn unit_keys() {
    refused(
        "unit-as-numbers",
        &[
            (
                "{on: 64512}",
                "\"on\" is not a unit; write the unit's number or its name, e.g. 0 or calico/0",
            ),
            (
                "{00: 64512}",
                "\"00\" is not a unit; write the unit's number or its name, e.g. 0 or calico/0",
            ),
            (
                "{0.0: 64512}",
                "\"0.0\" is not a unit; write the unit's number or its name, e.g. 0 or calico/0",
            ),
            (
                "{-1: 64512}",
                "\"-1\" is not a unit; write the unit's number or its name, e.g. 0 or calico/0",
            ),
            (
                "{calico-0: 64512}",
                "\"calico-0\" is not a unit; write the unit's number or its name, e.g. 0 or calico/0",
            ),
            (
                "{other/0: 64512}",
                "\"other/0\" is a unit of another application than calico; write 0 or calico/0",
            ),
            (
                "{[0]: 64512}",
                "has a list as a key; write keys as plain text",
            ),
            (
                "{0: 64512, 0: 64512}",
                "\"0\" is there twice, first at line 1, column 2; keep one entry for the unit",
            ),
            (
                "{0: 64512, \"0\": 64513}",
                "\"0\" is there twice, first at line 1, column 2; keep one entry for the unit",
            ),
            (
                "{0: 64512, calico/0: 64513}",
                "\"calico/0\" is the same unit as \"0\" at line 1, column 2; keep one entry for the unit",
            ),
        ],
    );
}

#[test]
fn numbers_by_subnet() {
    equal(
        "subnet-as-numbers",
        &["{2001:db8::/32: 64512}", "{\"2001:DB8:0::/32\": 64512}"],
    );
    refused(
        "subnet-as-numbers",
        &[
            (
                "{10.0.0.1/24: 64512}",
                "\"10.0.0.1/24\" has host bits set; write 10.0.0.0/24",
            ),
            (
                "{10.0.0.0/255.255.255.0: 64512}",
                "\"10.0.0.0/255.255.255.0\" has a netmask in place of a prefix length; write 10.0.0.0/24",
            ),
            (
                "{10.0.0.0: 64512}",
                "\"10.0.0.0\" has no prefix length; write 10.0.0.0/32",
            ),
            (
                "{0: 64512}",
                "\"0\" is not a network; write <address>/<prefix length>, e.g. 10.0.0.0/24 or fd00::/64",
            ),
            (
                "{10.0.0.0/24: 64512, 10.0.0.0/24: 64512}",
                "\"10.0.0.0/24\" is there twice, first at line 1, column 2; keep one entry for the subnet",
            ),
            (
                "{fd00::/64: 1, FD00:0::/64: 2}",
                "\"FD00:0::/64\" is the same subnet as \"fd00::/64\" at line 1, column 2; keep one entry for the subnet",
            ),
            (
                "[]",
                "is a list where a map from subnets to AS numbers is expected; write e.g. {10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
            ),
        ],
    );
}

#[test]
fn cluster_ids() {
    equal(
        "route-reflector-cluster-ids",
        &[
            "{0: 224.0.0.1, 2: 224.0.0.1}",
            "\n2: 224.0.0.1\ncalico/0: '224.0.0.1'\n",
        ],
    );
    refused(
        "route-reflector-cluster-ids",
        &[
            (
                "{0: 1}",
                "0: \"1\" is a number, not a dotted quad; write 0.0.0.1",
            ),
            (
                "{0: rack}",
                "0: \"rack\" is not a dotted quad; write four numbers from 0 to 255, e.g. 224.0.0.1",
            ),
            (
                "{0: ~}",
                "0: is nothing where a cluster ID is expected; write e.g. 224.0.0.1",
            ),
            (
                "{0: {}}",
                "0: is a map where a cluster ID is expected; write e.g. 224.0.0.1",
            ),
        ],
    );
}

#[test]
fn peers() {
    equal(
        "global-bgp-peers",
        &[
            "[{address: 10.0.0.1, as-number: 64512}]",
            "\n- address: 10.0.0.1\n  as-number: 64512\n",
            "- {as-number: '64512', address: '10.0.0.1'}",
            "[{address: 10.0.0.1, as-number: 64512}, {address: 10.0.0.1, as-number: 64512}]",
            "[{address: 10.0.0.1, as-number: 64512}, {address: \"10.0.0.1:179\", as-number: 64512}]",
        ],
    );
    equal("global-bgp-peers", &["", "[]", "null"]);
    let v6 = parse(&[(
        "global-bgp-peers",
        "[{address: 1:2:3:4:5:6:7:8, as-number: 64512}]",
    )])
    .unwrap();
    assert_eq!(
        v6.global_bgp_peers[0].value.address().to_string(),
        "1:2:3:4:5:6:7:8"
    );
    refused(
        "global-bgp-peers",
        &[
            (
                "{}",
                "is a map where a list of peers is expected; write e.g. [{address: 10.0.0.1, as-number: 64512}]",
            ),
            (
                "[10.0.0.1]",
                "[0]: \"10.0.0.1\" is a text where a map with address and as-number is expected; write e.g. {address: 10.0.0.1, as-number: 64512}",
            ),
            (
                "[{address: 10.0.0.1}]",
                "[0]: has no as-number; add the router's AS number, e.g. as-number: 64512",
            ),
            (
                "[{as-number: 64512}]",
                "[0]: has no address; add the router's address, e.g. address: 10.0.0.1",
            ),
            (
                "[{address: 10.0.0.1, as_number: 64512}]",
                "[0]: \"as_number\" is not a key of a peer; write as-number",
            ),
            (
                "[{address: 10.0.0.1, asn: 64512}]",
                "[0]: \"asn\" is not a key of a peer; write as-number",
            ),
            (
                "[{ip: 10.0.0.1, as-number: 64512}]",
                "[0]: \"ip\" is not a key of a peer; write address",
            ),
            (
                "[{adress: 10.0.0.1, as-number: 64512}]",
                "[0]: \"adress\" is not a key of a peer; write address",
            ),
            (
                "[{address: 10.0.0.1, as-number: 64512, port: 1179}]",
                "[0]: \"port\" is not a key of a peer; write the port behind the address: 10.0.0.1:1179",
            ),
            (
                "[{address: 10.0.0.1, as-number: 64512, password: x}]",
                "[0]: \"password\" is not a key of a peer; leave it out: a peer has address and as-number",
            ),
            (
                "[{address: 10.0.0.1, address: 10.0.0.2, as-number: 64512}]",
                "[0]: \"address\" is there twice, first at line 1, column 3; keep one of them",
            ),
            (
                "[{address: 10.0.0, as-number: 64512}]",
                "[0].address: \"10.0.0\" is not an IP address; write an IPv4 or IPv6 address, with a port if need be: 10.0.0.1, fd00::1, 10.0.0.1:179, [fd00::1]:179",
            ),
            (
                "[{address: , as-number: 64512}]",
                "[0].address: is nothing where an IP address is expected; write e.g. 10.0.0.1",
            ),
            (
                "[{address: 10.0.0.1, as-number: 1.10}]",
                "[0].as-number: \"1.10\" is a number with a fraction to YAML, where 1.10 and 1.1 are the same; put it in quotes if <high>.<low> is meant: \"1.10\"",
            ),
            (
                "[{address: 10.0.0.1, as-number: 1}, {address: 10.0.0.1, as-number: 2}]",
                "[1]: \"10.0.0.1\" has AS number 2 here and 1 at global-bgp-peers: [0]; give both the router's own AS number, or leave one out",
            ),
            (
                "[{address: fd00::, as-number: 64512}]",
                "is not YAML at line 1, column 17: while parsing a flow mapping, did not find expected ',' or '}'; put an IPv6 address that ends in a colon in quotes",
            ),
        ],
    );
}

#[test]
fn peers_by_unit_and_subnet() {
    let peer = "[{address: 10.0.0.1, as-number: 64512}]";
    equal(
        "unit-bgp-peers",
        &[
            &format!("{{0: {peer}}}"),
            &format!("{{'0': {peer}}}"),
            &format!("{{calico/0: {peer}}}"),
        ],
    );
    equal(
        "subnet-bgp-peers",
        &[
            &format!("{{fd00::/64: {peer}}}"),
            &format!("{{FD00:0::/64: {peer}}}"),
        ],
    );
    refused(
        "unit-bgp-peers",
        &[
            (
                "- 1",
                "is a list where a map from units to lists of peers is expected; write e.g. {0: [{address: 10.0.0.1, as-number: 64512}]}",
            ),
            (
                "{0: }",
                "0: is nothing where a list of peers is expected; write e.g. [{address: 10.0.0.1, as-number: 64512}]",
            ),
            (
                "{0: {address: 10.0.0.1, as-number: 64512}}",
                "0: is a map where a list of peers is expected; write e.g. [{address: 10.0.0.1, as-number: 64512}]",
            ),
            (
                "{3: [{address: 10.0.0.1, as-number: 1}, {as-number: 1}]}",
                "3[1]: has no address; add the router's address, e.g. address: 10.0.0.1",
            ),
        ],
    );
    refused(
        "subnet-bgp-peers",
        &[(
            "{10.0.0.0/24: [{address: 10.0.0.1/24, as-number: 64512}]}",
            "10.0.0.0/24[0].address: \"10.0.0.1/24\" has a prefix length; write 10.0.0.1",
        )],
    );
    assert_eq!(
        printed(&[
            ("global-bgp-peers", "[{address: 10.0.0.1, as-number: 1}]"),
            (
                "unit-bgp-peers",
                "{7: [{address: 10.0.0.2, as-number: 1}, {address: '10.0.0.1:179', as-number: 2}]}"
            ),
        ]),
        [
            "unit-bgp-peers: 7[1]: \"10.0.0.1:179\" has AS number 2 here and 1 at global-bgp-peers: [0]; give both the router's own AS number, or leave one out"
        ]
    );
}

#[test]
fn options_given_as_yaml_mean_the_same_as_text() {
    let text = "{0: [{address: 10.0.0.1, as-number: 64512}]}";
    let yaml = RawValue::from_node(yaml::parse(text).unwrap().unwrap()).unwrap();
    let mut config = RawConfig::default();
    config.insert("unit-bgp-peers", yaml);
    let as_yaml = CharmConfig::parse(&config, "calico");
    assert_eq!(as_yaml, parse(&[("unit-bgp-peers", text)]));
    config.insert(
        "cidr",
        RawValue::from_node(yaml::parse("[10.0.0.0/8]").unwrap().unwrap()).unwrap(),
    );
    let problems = CharmConfig::parse(&config, "calico").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "cidr: is not a text; write it as one text"
    );
}
