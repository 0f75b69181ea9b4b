//! Whatever an option holds, it is read or refused, never panicked over. `PROPTEST_CASES` asks for more cases.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::{AsNumber, Cidr, ClusterId, Family, NodeName, PeerAddress, UnitName};

/// Pieces of what users write, in any order: nearer to valid options than arbitrary text.
fn pieces() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        ", ",
        "- ",
        "\n",
        "\n  ",
        "\t",
        " ",
        "\"",
        "'",
        "#",
        " # ",
        "?",
        "? ",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "!!str ",
        "!",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "~",
        "null",
        "0",
        "1",
        "calico/0",
        "other/1",
        "10.0.0.0/24",
        "10.0.0.1",
        "fd00::",
        "fd00::/64",
        "fd00::1",
        "[fd00::1]:179",
        "address",
        "as-number",
        "asn",
        "address: 10.0.0.1",
        "as-number: 64512",
        "64512",
        "1.10",
        "0x10",
        "064512",
        "65_000",
        "-1",
        "224.0.0.1",
        "Always",
        "Never",
        "true",
        "\\",
        "\\u",
        "\u{0}",
        "\u{feff}",
        "é",
        "\u{2028}",
        "\r",
        "\r\n",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        pieces(),
        prop::collection::vec(any::<u8>(), 0..64)
            .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    ]
}

fn options() -> impl Strategy<Value = &'static str> {
    select(OPTIONS.iter().map(|spec| spec.name).collect::<Vec<_>>())
}

/// A status has room for one line, and a position has to be inside the text.
fn check_problems(problems: &Problems, text: &str) {
    for problem in problems {
        let line = problem.to_string();
        assert!(!line.contains(['\n', '\r', '\0']), "{line:?}");
        assert!(problem.path.chars().count() < 400, "{line:?}");
        if let Some(at) = problem.at {
            assert!(
                at.line <= text.lines().count() + 1 + text.matches('\r').count(),
                "{at} of {text:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_text_of_any_option(option in options(), text in anything()) {
        if let Err(problems) = parse(&[(option, &text)]) {
            check_problems(&problems, &text);
        }
    }

    #[test]
    fn any_texts_of_all_options(texts in prop::collection::vec(anything(), OPTIONS.len())) {
        let options: Vec<(&str, &str)> = OPTIONS.iter().map(|spec| spec.name).zip(texts.iter().map(String::as_str)).collect();
        let _ = parse(&options);
    }

    #[test]
    fn any_place_is_looked_for(text in anything(), path in anything()) {
        let place = crate::model::Place { option: "unit-bgp-peers".to_owned(), path };
        let _ = raw(&[("unit-bgp-peers", &text)]).locate(&place);
    }

    #[test]
    fn any_text_is_a_newtype_or_not(text in anything()) {
        fn check<T: std::str::FromStr + ToString>(text: &str) {
            if let Ok(value) = text.parse::<T>() {
                let printed = value.to_string();
                assert_eq!(printed.parse::<T>().ok().map(|again| again.to_string()), Some(printed));
            }
        }
        check::<AsNumber>(&text);
        check::<Cidr>(&text);
        check::<ClusterId>(&text);
        check::<NodeName>(&text);
        check::<PeerAddress>(&text);
        check::<UnitName>(&text);
    }

    #[test]
    fn as_numbers_print_and_parse(value: u32) {
        if let Ok(number) = AsNumber::new(value) {
            prop_assert_eq!(number.to_string().parse(), Ok(number));
            prop_assert_eq!(format!("{}.{}", value >> 16, value & 0xffff).parse(), Ok(number));
        }
    }

    #[test]
    fn cidrs_print_and_parse(ip: std::net::IpAddr, prefix: u8) {
        let cidr = Cidr::network_of(ip, prefix);
        prop_assert!(cidr.contains(ip.to_canonical()));
        prop_assert_eq!(cidr.to_string().parse(), Ok(cidr));
    }

    #[test]
    fn cidrs_overlap_where_they_share_an_address(a: std::net::IpAddr, b: std::net::IpAddr, long in 0..=32_u8, short in 0..=32_u8) {
        let (a, b) = (Cidr::network_of(a, long), Cidr::network_of(b, short));
        prop_assert_eq!(a.overlaps(&b), b.overlaps(&a));
        prop_assert_eq!(a.overlaps(&b), a.contains(b.network()) || b.contains(a.network()));
        prop_assert!(a.family() == b.family() || !a.overlaps(&b));
    }

    #[test]
    fn peer_addresses_print_and_parse(ip: std::net::IpAddr, port: Option<std::num::NonZeroU16>) {
        let text = match (ip, port) {
            (ip, None) => ip.to_string(),
            (std::net::IpAddr::V4(ip), Some(port)) => format!("{ip}:{port}"),
            (std::net::IpAddr::V6(ip), Some(port)) => format!("[{ip}]:{port}"),
        };
        if let Ok(address) = text.parse::<PeerAddress>() {
            prop_assert_eq!(address.to_string(), text);
            prop_assert_eq!((address.ip(), address.port()), (ip, port.map(Into::into)));
        }
    }

    #[test]
    fn cluster_ids_print_and_parse(quad: std::net::Ipv4Addr) {
        prop_assert_eq!(quad.to_string().parse::<ClusterId>().map(|id| id.to_string()), Ok(quad.to_string()));
    }

    #[test]
    fn units_print_and_parse(application in "[a-z][a-z0-9]{0,5}(-[a-z0-9]{0,3}[a-z][a-z0-9]{0,3}){0,2}", number: u32) {
        let unit: UnitName = format!("{application}/{number}").parse().unwrap();
        prop_assert_eq!((unit.application(), unit.number()), (application.as_str(), number));
        prop_assert_eq!(unit.to_string().parse(), Ok(unit));
    }

    #[test]
    fn accepted_pools_keep_their_promises(text in "(10\\.[0-9]{1,3}\\.0\\.0/[0-9]{1,2}|fd00:[0-9a-f]{1,4}::/[0-9]{1,3}|, ?){1,4}") {
        if let Ok(config) = parse(&[("cidr", &text)]) {
            prop_assert!((1..=2).contains(&config.cidr.len()));
            for family in [Family::V4, Family::V6] {
                prop_assert!(config.cidr.iter().filter(|cidr| cidr.family() == family).count() <= 1);
            }
            for cidr in &config.cidr {
                prop_assert!(cidr.unusable_range().is_none() && cidr.prefix() <= cidr.family().default_block_size());
            }
        }
    }
}

#[test]
fn large_hostile_texts_come_to_an_end() {
    for unit in [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "- - ",
        "!",
        "!a ",
        "&a ",
        "*a ",
        "\"",
        "'",
        "#",
        "|\n",
        ">",
        "%",
        "\n",
        "\t",
        ",",
        "a\n",
        "[a,",
        "{a: ",
        "{a,",
        ": ",
        "\u{0}",
        "é",
        "--- ",
        "0: 1\n",
        "1,",
        " ",
        "/",
        "10.0.0.0/8,",
    ] {
        // Linear or not shows at this size already; a debug build takes long enough for it.
        let text = unit.repeat(yaml::LONGEST / 16 / unit.len());
        for option in [
            "unit-bgp-peers",
            "cidr",
            "bgp-service-cluster-ips",
            "image-registry",
        ] {
            if let Err(problems) = parse(&[(option, &text)]) {
                assert!(
                    problems.first().to_string().len() < 600,
                    "{option} {unit:?}"
                );
            }
        }
    }
    let text = "a".repeat(yaml::LONGEST + 1);
    for option in OPTIONS
        .iter()
        .filter(|spec| spec.kind == OptionKind::String)
    {
        let problems = parse(&[(option.name, &text)]).unwrap_err();
        assert_eq!(
            problems.to_string(),
            format!("{}: is longer than 1 MiB", option.name)
        );
    }
}
