//! Packets that do not arrive, and the option that is named for it.

use super::{NO_MESH, NONE, codes, fabric, facts, findings, only_error, router};
use crate::fabric::{Assumption, Budget, Severity, check};

const REFLECTORS: (&str, &str) = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.1}");
const FOUR: [&str; 4] = ["10.0.0.2/24", "10.0.0.3/24", "10.0.3.4/24", "10.0.3.5/24"];
const TWO_SUBNETS: [&str; 3] = ["10.0.0.2/24", "10.0.0.3/24", "10.0.1.4/24"];

#[test]
fn two_subnets_without_tunnel_are_told_with_the_line_to_paste() {
    let error = only_error(&fabric(&[], &facts(&TWO_SUBNETS)));
    assert_eq!(error.code.0, 80);
    assert_eq!(error.origin.to_string(), "vxlan");
    assert_eq!(
        error.message,
        "is Never, and so is ipip: packets between 10.0.0.0/24 and 10.0.1.0/24 travel as they are, but no router on \
         their way knows where the pods are, so packets from calico/0 to pods of calico/2 do not arrive (and 3 more \
         pairs)"
    );
    assert_eq!(
        error.command.as_deref(),
        Some("juju config calico vxlan=CrossSubnet")
    );
    for mode in ["vxlan", "ipip"] {
        let topology = fabric(&[(mode, "CrossSubnet")], &facts(&TWO_SUBNETS));
        assert!(!codes(&findings(&topology)).contains(&80), "{mode}");
    }
}

#[test]
fn pools_that_nobody_knows_are_no_error() {
    let topology = fabric(&[("manage-pools", "false")], &facts(&TWO_SUBNETS));
    let checked = check(&topology, Budget::COMMAND);
    assert_eq!(codes(&checked.findings), NONE);
    assert!(checked.assumptions.contains(&Assumption::PoolsUnknown));
}

#[test]
fn a_slip_in_a_subnet_is_named_and_takes_what_follows_from_it() {
    let mut facts = facts(&FOUR);
    facts.routers = vec![router("tor", &["10.0.0.1/24", "10.0.3.1/24"], 64512)];
    let peers = |subnet: &str| {
        let list = "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]";
        fabric(
            &[
                NO_MESH,
                REFLECTORS,
                ("vxlan", "Never"),
                (
                    "unit-bgp-peers",
                    "{0: [{address: 10.0.0.1, as-number: 64512}], 1: [{address: 10.0.0.1, as-number: 64512}]}",
                ),
                (
                    "subnet-bgp-peers",
                    &format!("{{10.0.0.0/24: {list}, {subnet}: {list}}}"),
                ),
            ],
            &facts,
        )
    };
    let error = only_error(&peers("10.0.33.0/24"));
    assert_eq!(error.code.0, 60);
    assert_eq!(error.origin.to_string(), "subnet-bgp-peers: 10.0.33.0/24");
    assert!(
        error.message.starts_with(
            "is for no unit; 10.0.3.0/24 was probably meant, for calico/2 and calico/3, so packets from "
        ),
        "{}",
        error.message
    );
    assert_eq!(
        error.remedy.as_deref(),
        Some("write 10.0.3.0/24 in place of 10.0.33.0/24")
    );
    assert!(codes(&error.folded).contains(&6), "{:?}", error.folded);
    let right = findings(&peers("10.0.3.0/24"));
    assert!(
        right
            .iter()
            .all(|finding| finding.severity() != Severity::Error),
        "{right:#?}"
    );
}

#[test]
fn units_without_a_session_are_told_the_entry_to_write() {
    let peers = "{0: [{address: 10.0.0.3, as-number: 64512}], 2: [{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]}";
    let units = ["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.5/24"];
    let error = only_error(&fabric(
        &[NO_MESH, REFLECTORS, ("unit-bgp-peers", peers)],
        &facts(&units),
    ));
    assert_eq!(error.code.0, 102);
    assert_eq!(error.units, ["calico/3"]);
    assert_eq!(
        error.remedy.as_deref(),
        Some(
            "write this entry into unit-bgp-peers: 3: [{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, \
             as-number: 64512}]"
        )
    );
    assert_eq!(error.other.unwrap().0.to_string(), "node-to-node-mesh");
}

#[test]
fn hubs_without_cluster_id_are_named() {
    let peers = "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]";
    let units = [
        "10.0.0.2/24",
        "10.0.0.3/24",
        "10.0.0.4/24",
        "10.0.0.5/24",
        "10.0.0.6/24",
        "10.0.0.7/24",
    ];
    let error = only_error(&fabric(
        &[NO_MESH, ("global-bgp-peers", peers)],
        &facts(&units),
    ));
    assert_eq!(error.code.0, 60);
    assert_eq!(error.origin.to_string(), "route-reflector-cluster-ids");
    assert_eq!(error.units, ["calico/0", "calico/1"]);
    assert_eq!(
        error.remedy.as_deref(),
        Some("write into route-reflector-cluster-ids: 0: 1.0.0.1 and 1: 1.0.0.1")
    );
}

#[test]
fn a_tunnel_to_a_router_is_taken_away() {
    let mut facts = facts(&TWO_SUBNETS);
    facts.routers = vec![router("tor", &["10.0.0.1/24", "10.0.1.1/24"], 65000)];
    let options = |mode| {
        [
            NO_MESH,
            ("ipip", mode),
            (
                "subnet-as-numbers",
                "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
            ),
            (
                "subnet-bgp-peers",
                "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 65000}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 65000}]}",
            ),
        ]
    };
    let error = only_error(&fabric(&options("Always"), &facts));
    assert_eq!(error.code.0, 60);
    assert_eq!(error.origin.to_string(), "ipip");
    let command = error.command.unwrap();
    assert!(command.contains("ipip=Never"), "{command}");
    let plain = findings(&fabric(&options("Never"), &facts));
    assert!(
        plain
            .iter()
            .all(|finding| finding.severity() != Severity::Error),
        "{plain:#?}"
    );
}

#[test]
fn what_an_error_explains_stands_below_it() {
    let mut facts = facts(&["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    facts.routers = vec![router("tor", &["10.0.0.1/24"], 65000)];
    let list = |number| {
        format!(
            "{{0: [{{address: 10.0.0.1, as-number: {number}}}], 1: [{{address: 10.0.0.1, as-number: 65000}}]}}"
        )
    };
    let topology = fabric(&[("unit-bgp-peers", &list(65001))], &facts);
    let error = only_error(&topology);
    assert_eq!(error.code.0, 20, "{error:?}");
    let topology = fabric(&[("unit-bgp-peers", &list(65000))], &facts);
    assert!(!codes(&findings(&topology)).contains(&20));
}

#[test]
fn nothing_lost_and_nothing_said() {
    for units in [&FOUR[..2], &TWO_SUBNETS[..2]] {
        assert_eq!(codes(&findings(&fabric(&[], &facts(units)))), NONE);
    }
}

#[test]
fn reflectors_that_share_no_router_are_told_so() {
    let mut facts = facts(&["10.0.0.2/24", "10.0.0.3/24", "10.0.1.2/24", "10.0.1.3/24"]);
    facts.routers = vec![
        router("tor-0", &["10.0.0.1/24"], 65000),
        router("tor-1", &["10.0.1.1/24"], 65001),
    ];
    let options = |peers| {
        [
            NO_MESH,
            (
                "subnet-as-numbers",
                "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
            ),
            ("route-reflector-cluster-ids", "{0: 1.0.0.1, 2: 1.0.0.2}"),
            (
                "subnet-bgp-peers",
                "{10.0.0.0/24: [{address: 10.0.0.2, as-number: 64512}], 10.0.1.0/24: [{address: 10.0.1.2, as-number: 64513}]}",
            ),
            ("unit-bgp-peers", peers),
        ]
    };
    let error = only_error(&fabric(
        &options("{0: [{address: 10.0.0.1, as-number: 65000}]}"),
        &facts,
    ));
    assert_eq!(error.code.0, 60);
    assert_eq!(error.units, ["calico/2"]);
    assert_eq!(
        error.remedy.as_deref(),
        Some("write this entry into unit-bgp-peers: 2: [{address: 10.0.1.1, as-number: 65001}]")
    );
    let both =
        "{0: [{address: 10.0.0.1, as-number: 65000}], 2: [{address: 10.0.1.1, as-number: 65001}]}";
    let found = findings(&fabric(&options(both), &facts));
    assert!(
        found
            .iter()
            .all(|finding| finding.severity() != Severity::Error),
        "{found:#?}"
    );
}
