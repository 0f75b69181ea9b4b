//! Options of one line.

use super::*;
use crate::model::{Encapsulation, Family, TunnelMode};

#[test]
fn modes() {
    for option in ["ipip", "vxlan"] {
        refused(
            option,
            &[
                (
                    "always",
                    "\"always\" is not one of Always, CrossSubnet, Never; write Always",
                ),
                (
                    "cross-subnet",
                    "\"cross-subnet\" is not one of Always, CrossSubnet, Never; write CrossSubnet",
                ),
                (
                    "true",
                    "\"true\" is not one of Always, CrossSubnet, Never; write Always",
                ),
                (
                    "False",
                    "\"False\" is not one of Always, CrossSubnet, Never; write Never",
                ),
                (
                    "maybe",
                    "\"maybe\" is not one of Always, CrossSubnet, Never; write one of the three, spelt exactly so",
                ),
            ],
        );
        equal(option, &["Never", "", " ", "Never\n"]);
    }
    let boolean = [("ipip".to_owned(), RawValue::Boolean(true))]
        .into_iter()
        .collect();
    let problems = CharmConfig::parse(&boolean, "calico").unwrap_err();
    assert_eq!(problems.first().remedy.as_deref(), Some("write Always"));
}

#[test]
fn one_encapsulation_a_pool() {
    assert_eq!(
        printed(&[("ipip", "Always"), ("vxlan", "CrossSubnet")]),
        [
            "ipip: \"Always\" is in conflict with vxlan=CrossSubnet: a pool has one encapsulation; set ipip or vxlan to Never"
        ]
    );
    assert_eq!(
        printed(&[("ipip", "Always"), ("cidr", "fd00::/112")]),
        [
            "ipip: \"Always\" does not carry IPv6, and cidr names no IPv4 network; set ipip to Never, and vxlan if packets need a tunnel"
        ]
    );
    let dual = parse(&[
        ("ipip", "CrossSubnet"),
        ("cidr", "192.168.0.0/16,fd00::/112"),
    ])
    .unwrap();
    assert_eq!(
        dual.encapsulation(Family::V4),
        Encapsulation::Ipip(TunnelMode::CrossSubnet)
    );
    assert_eq!(dual.encapsulation(Family::V6), Encapsulation::None);
    let dual = parse(&[("vxlan", "Always"), ("cidr", "192.168.0.0/16,fd00::/112")]).unwrap();
    for family in [Family::V4, Family::V6] {
        assert_eq!(
            dual.encapsulation(family),
            Encapsulation::Vxlan(TunnelMode::Always)
        );
    }
}

#[test]
fn pool_cidrs() {
    for (text, expected) in [
        ("192.168.0.0/16", vec!["192.168.0.0/16"]),
        (
            "192.168.0.0/16,fd00::/112",
            vec!["192.168.0.0/16", "fd00::/112"],
        ),
        (
            " 192.168.0.0/16 , fd00::/112 \n",
            vec!["192.168.0.0/16", "fd00::/112"],
        ),
        (
            "fd00::/112, 192.168.0.0/16",
            vec!["fd00::/112", "192.168.0.0/16"],
        ),
        ("FD00:C00B:1:0::/112", vec!["fd00:c00b:1::/112"]),
        ("10.0.0.0/26", vec!["10.0.0.0/26"]),
        ("fd00::/122", vec!["fd00::/122"]),
        ("", vec!["192.168.0.0/16"]),
    ] {
        let found: Vec<String> = parse(&[("cidr", text)])
            .unwrap()
            .cidr
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }
    refused(
        "cidr",
        &[
            (
                "192.168.0.1/16",
                "\"192.168.0.1/16\" has host bits set; write 192.168.0.0/16",
            ),
            (
                "10.0.0.0/8,fd00::1/112",
                "\"fd00::1/112\" has host bits set; write fd00::/112",
            ),
            (
                "192.168.0.0",
                "\"192.168.0.0\" has no prefix length; write 192.168.0.0/32",
            ),
            (
                "10.0.0.0/8 fd00::/112",
                "\"10.0.0.0/8 fd00::/112\" has blanks inside; separate networks by commas",
            ),
            ("10.0.0.0/8,", "has an empty entry; leave out the comma"),
            (
                "10.0.0.0/16,10.1.0.0/16",
                "\"10.1.0.0/16\" is a second IPv4 network after 10.0.0.0/16; name at most one network a family; more pools can be made by hand when manage-pools is false",
            ),
            (
                "10.0.0.0/27",
                "\"10.0.0.0/27\" has no room for a block of addresses, which is a /26 in IPv4; name a network of /26 or larger, with a block for every unit",
            ),
            (
                "fd00::/123",
                "\"fd00::/123\" has no room for a block of addresses, which is a /122 in IPv6; name a network of /122 or larger, with a block for every unit",
            ),
            (
                "169.254.0.0/16",
                "\"169.254.0.0/16\" overlaps 169.254.0.0/16, which is for link-local addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "fe80::/64",
                "\"fe80::/64\" overlaps fe80::/10, which is for link-local addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "0.0.0.0/0",
                "\"0.0.0.0/0\" overlaps 0.0.0.0/8, which is for unspecified addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "224.0.0.0/8",
                "\"224.0.0.0/8\" overlaps 224.0.0.0/4, which is for multicast addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            ),
            (
                "127.0.0.0/8",
                "\"127.0.0.0/8\" overlaps 127.0.0.0/8, which is for loopback addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
            ),
        ],
    );
}

#[test]
fn service_cidrs() {
    for option in [
        "bgp-service-cluster-ips",
        "bgp-service-external-ips",
        "bgp-service-loadbalancer-ips",
    ] {
        equal(
            option,
            &[
                "10.152.183.0/24 fd00:c00b:2::/112",
                "10.152.183.0/24,fd00:c00b:2::/112",
                " 10.152.183.0/24 ,\n FD00:C00B:2::/112,",
                "10.152.183.0/24 10.152.183.0/24 fd00:c00b:2::/112",
            ],
        );
        refused(
            option,
            &[
                (
                    "10.0.0.1/24",
                    "\"10.0.0.1/24\" has host bits set; write 10.0.0.0/24",
                ),
                (
                    "nodes",
                    "\"nodes\" is not a network; write <address>/<prefix length>, e.g. 10.0.0.0/24 or fd00::/64",
                ),
                (
                    "127.0.0.1",
                    "\"127.0.0.1\" overlaps 127.0.0.0/8, which is for loopback addresses; choose a network outside it, e.g. in 10.0.0.0/8 or fd00::/8",
                ),
                (
                    "192.168.5.0/24",
                    "\"192.168.5.0/24\" overlaps the pods' network 192.168.0.0/16 of cidr; name a network that only services have addresses in",
                ),
            ],
        );
        assert_eq!(
            printed(&[(option, "192.168.5.0/24"), ("manage-pools", "false")]),
            [""; 0]
        );
    }
    let config = parse(&[("bgp-service-external-ips", "203.0.113.7 fd00::7")]).unwrap();
    let shown: Vec<String> = config
        .bgp_service_external_ips
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, ["203.0.113.7/32", "fd00::7/128"]);
}

#[test]
fn global_as_number() {
    refused(
        "global-as-number",
        &[
            (
                "0",
                "\"0\" is outside the AS numbers 1 to 4294967294; write a decimal number such as 64512, or <high>.<low> in quotes such as \"1.10\"",
            ),
            (
                "23456",
                "\"23456\" is AS_TRANS, which stands for a 4-byte AS number and which no router may have; use another, e.g. a private one: 64512 to 65534 or 4200000000 to 4294967294",
            ),
        ],
    );
    for (json, expected) in [
        (serde_json::json!(4_200_000_101_u32), Some("4200000101")),
        (serde_json::json!(64512.0), Some("64512")),
        (serde_json::json!(null), Some("64512")),
        (serde_json::json!(-1), None),
        (serde_json::json!(65535), None),
        (serde_json::json!(4_294_967_295_u32), None),
        (serde_json::json!(i64::MAX), None),
        (serde_json::json!(u64::MAX), None),
        (serde_json::json!(1e300), None),
        (serde_json::json!(1.5), None),
        (serde_json::json!(true), None),
    ] {
        let raw = RawConfig::from_json(&serde_json::json!({"global-as-number": json})).unwrap();
        let number = CharmConfig::parse(&raw, "calico")
            .ok()
            .map(|config| config.global_as_number.to_string());
        assert_eq!(number.as_deref(), expected, "{json}");
    }
}

#[test]
fn mtu() {
    let remedy = |least: u16| {
        format!("set the MTU of the machines' network, {least} or more, or 0 for automatic")
    };
    for (options, expected) in [
        (vec![("veth-mtu", "1500")], Ok(Some(1500))),
        (vec![("veth-mtu", "0")], Ok(None)),
        (vec![], Ok(None)),
        (vec![("veth-mtu", "9000"), ("ipip", "CrossSubnet")], Ok(Some(8980))),
        (vec![("veth-mtu", "9000"), ("vxlan", "Always")], Ok(Some(8950))),
        (vec![("veth-mtu", "9000"), ("vxlan", "Always"), ("cidr", "10.0.0.0/8,fd00::/112")], Ok(Some(8930))),
        (vec![("veth-mtu", "9000"), ("vxlan", "Always"), ("cidr", "fd00::/112")], Ok(Some(8930))),
        (vec![("veth-mtu", "65535")], Ok(Some(65535))),
        (vec![("veth-mtu", "576")], Ok(Some(576))),
        (vec![("veth-mtu", "575")], Err(format!("\"575\" is below 576, the least for IPv4; {}", remedy(576)))),
        (
            vec![("veth-mtu", "1279"), ("cidr", "10.0.0.0/8,fd00::/112")],
            Err(format!("\"1279\" is below 1280, the least for IPv6; {}", remedy(1280))),
        ),
        (
            vec![("veth-mtu", "1349"), ("vxlan", "Always"), ("cidr", "10.0.0.0/8,fd00::/112")],
            Err(format!(
                "\"1349\" leaves 1279 bytes inside the tunnel's 70 bytes of headers, below 1280, the least for IPv6; {}",
                remedy(1350)
            )),
        ),
        (
            vec![("veth-mtu", "595"), ("ipip", "Always")],
            Err(format!(
                "\"595\" leaves 575 bytes inside the tunnel's 20 bytes of headers, below 576, the least for IPv4; {}",
                remedy(596)
            )),
        ),
        (
            vec![("veth-mtu", "65536")],
            Err("\"65536\" is not an MTU, which is 1 to 65535 bytes; set the MTU of the machines' network, or 0 for automatic".to_owned()),
        ),
        (
            vec![("veth-mtu", "-1500")],
            Err("\"-1500\" is not an MTU, which is 1 to 65535 bytes; set the MTU of the machines' network, or 0 for automatic".to_owned()),
        ),
        (vec![("veth-mtu", "1k5")], Err("\"1k5\" is not a whole number; write it in decimal".to_owned())),
        (vec![("veth-mtu", "01500")], Err("\"01500\" is not a whole number; write it in decimal".to_owned())),
    ] {
        let found = parse(&options).map(|config| config.workload_mtu()).map_err(|problems| problems.to_string());
        assert_eq!(found, expected.map_err(|problem| format!("veth-mtu: {problem}")), "{options:?}");
    }
}

#[test]
fn booleans() {
    for (value, expected) in [
        (RawValue::Boolean(false), Ok(false)),
        (RawValue::Text("False".to_owned()), Ok(false)),
        (RawValue::Text("t".to_owned()), Ok(true)),
        (RawValue::Text(String::new()), Ok(true)),
        (
            RawValue::Text("no".to_owned()),
            Err("nat-outgoing: \"no\" is not a boolean; write true or false"),
        ),
        (
            RawValue::Integer(1),
            Err("nat-outgoing: \"1\" is not a boolean; write true or false"),
        ),
    ] {
        let raw = [("nat-outgoing".to_owned(), value.clone())]
            .into_iter()
            .collect();
        let found = CharmConfig::parse(&raw, "calico").map(|config| config.nat_outgoing);
        assert_eq!(
            found.map_err(|problems| problems.to_string()),
            expected.map_err(str::to_owned),
            "{value:?}"
        );
    }
}

#[test]
fn images_and_releases() {
    for (option, text) in [
        ("image-registry", "rocks.canonical.com:443/cdk"),
        ("image-registry", "registry.example"),
        ("image-registry", "10.0.0.1:5000"),
        ("image-registry", "localhost:5000/a/b"),
        (
            "calico-node-image",
            "registry.example:5000/calico/node:v3.6.1",
        ),
        ("calico-policy-image", "calico/kube-controllers@sha256:0123"),
        ("release", "v3.30.1"),
        ("release", "3.6.0"),
    ] {
        assert_eq!(printed(&[(option, text)]), [""; 0], "{option}={text}");
    }
    for option in ["image-registry", "calico-node-image", "calico-policy-image"] {
        refused(
            option,
            &[
                (
                    "a b",
                    "\"a b\" has ' ', which no image name has; write <registry host>[:<port>]/<path>",
                ),
                (
                    "https://a/b",
                    "\"https://a/b\" has a URL scheme, which image names have not; write a/b",
                ),
                (
                    "a/b/",
                    "\"a/b/\" has a slash too many; write <registry host>[:<port>]/<path>",
                ),
                (
                    "a:x/b",
                    "\"a:x/b\" has no valid registry port; write <registry host>[:<port>]/<path>",
                ),
                (
                    "a\u{7}b",
                    "\"a\\u{7}b\" has '\\u{7}', which no image name has; write <registry host>[:<port>]/<path>",
                ),
            ],
        );
    }
    let remedy = "write <major>.<minor>.<patch>, e.g. v3.30.1";
    for text in [
        "3.30",
        "v3.30.x",
        "latest",
        "v3.30.1-rc1",
        "v3.030.1",
        "vv3.30.1",
        "3.30.1.2",
        "v",
        "v3..1",
    ] {
        refused(
            "release",
            &[(
                text,
                &format!("\"{text}\" is not a Calico release; {remedy}"),
            )],
        );
    }
}

#[test]
fn wrong_json_types() {
    let raw = RawConfig::from_json(
        &serde_json::json!({"cidr": 1, "unit-bgp-peers": [1], "ipip": 1, "veth-mtu": true}),
    )
    .unwrap();
    let problems = CharmConfig::parse(&raw, "calico").unwrap_err();
    assert_eq!(
        problems.to_string(),
        "ipip: \"1\" is not a text; write it as one text\n\
         veth-mtu: \"true\" is not a whole number; write it in decimal\n\
         cidr: \"1\" is not a text; write it as one text\n\
         unit-bgp-peers: \"[1]\" is not a text; write the option as YAML text"
    );
}
