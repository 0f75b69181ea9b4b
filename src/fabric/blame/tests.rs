//! Fabrics with one mistake each, and what the whole check says of it: here what no fabric file can show.

mod losses;

use crate::fabric::fixtures::{fabric_of as fabric, facts, router};
use crate::fabric::{
    Budget, Filter, FilterAction, FilterRule, Finding, MatchOperator, PeeringExtra, Severity,
    Topology, check,
};
use crate::model::AsNumber;

fn findings(topology: &Topology) -> Vec<Finding> {
    check(topology, Budget::COMMAND).findings
}

fn codes(findings: &[Finding]) -> Vec<u16> {
    findings.iter().map(|finding| finding.code.0).collect()
}

/// The only error, and that there is no other.
fn only_error(topology: &Topology) -> Finding {
    let errors: Vec<Finding> = findings(topology)
        .into_iter()
        .filter(|finding| finding.severity() == Severity::Error)
        .collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    errors.into_iter().next().unwrap()
}

const NONE: [u16; 0] = [];
const NO_MESH: (&str, &str) = ("node-to-node-mesh", "false");

/// F065: a pool that is not announced, and a filter that holds one back.
#[test]
fn blocks_that_are_held_back() {
    let mut topology = fabric(&[], &facts(&["10.0.0.2/24", "10.0.0.3/24"]));
    topology.pools[0].exported = false;
    let error = only_error(&topology);
    assert_eq!(error.code.0, 65);
    assert_eq!(codes(&error.folded), [60], "{:?}", error.folded);
    topology.pools[0].exported = true;
    assert_eq!(codes(&findings(&topology)), NONE);

    let peers = "[{address: 10.0.0.2, as-number: 64512}]";
    let options = [
        NO_MESH,
        ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
        ("global-bgp-peers", peers),
    ];
    let mut topology = fabric(
        &options,
        &facts(&["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]),
    );
    let rule = |action| FilterRule {
        action,
        network: Some((MatchOperator::In, "192.168.0.0/16".parse().unwrap())),
        prefix_length: None,
        unmodelled: None,
    };
    for peering in &mut topology.peerings {
        peering.extra = Some(Box::new(PeeringExtra {
            filters: vec!["pods".to_owned()],
            ..PeeringExtra::default()
        }));
    }
    topology.filters = vec![Filter {
        name: "pods".to_owned(),
        import: [Vec::new(), Vec::new()],
        export: [vec![rule(FilterAction::Reject)], Vec::new()],
    }];
    let error = only_error(&topology);
    assert_eq!(error.code.0, 65);
    assert!(
        error
            .message
            .contains("hold back all blocks of pool 192.168.0.0/16"),
        "{}",
        error.message
    );
    topology.filters[0].export[0] = vec![rule(FilterAction::Accept)];
    assert!(!codes(&findings(&topology)).contains(&65));
}

/// A router that is kept from the pods' routes on purpose.
#[test]
fn a_filter_towards_a_router_is_no_mistake() {
    let mut facts = facts(&["10.0.0.2/24", "10.0.0.3/24"]);
    facts.routers = vec![router("tor", &["10.0.0.1/24"], 64512)];
    let peers = "[{address: 10.0.0.1, as-number: 64512}]";
    let mut topology = fabric(&[("global-bgp-peers", peers)], &facts);
    for peering in &mut topology.peerings {
        peering.extra = Some(Box::new(PeeringExtra {
            filters: vec!["pods".to_owned()],
            ..PeeringExtra::default()
        }));
    }
    topology.filters = vec![Filter {
        name: "pods".to_owned(),
        import: [Vec::new(), Vec::new()],
        export: [
            vec![FilterRule {
                action: FilterAction::Reject,
                network: None,
                prefix_length: None,
                unmodelled: None,
            }],
            Vec::new(),
        ],
    }];
    let found = findings(&topology);
    assert!(
        found
            .iter()
            .all(|finding| finding.severity() != Severity::Error),
        "{found:#?}"
    );
}

/// F069: a session under another AS number than the node's.
#[test]
fn sessions_under_another_number() {
    let mut facts = facts(&["10.0.0.2/24", "10.0.0.3/24"]);
    facts.routers = vec![router("tor", &["10.0.0.1/24"], 64512)];
    let peers = "[{address: 10.0.0.1, as-number: 64512}]";
    let mut topology = fabric(&[("global-bgp-peers", peers)], &facts);
    assert!(!codes(&findings(&topology)).contains(&69));
    for peering in &mut topology.peerings {
        peering.extra = Some(Box::new(PeeringExtra {
            local_as_number: Some(AsNumber::new(65010).unwrap()),
            ..PeeringExtra::default()
        }));
    }
    let found = findings(&topology);
    let finding = found.iter().find(|finding| finding.code.0 == 69).unwrap();
    assert!(
        finding.message.starts_with(
            "has localASNumber 65010 where the node has 64512, which makes it an outer session"
        ),
        "{}",
        finding.message
    );
    assert_eq!(codes(&found).iter().filter(|code| **code == 69).count(), 1);
}

/// F093: cluster IPs that are none.
#[test]
fn announced_services_outside_the_cluster() {
    let mut facts = facts(&["10.0.0.2/24", "10.0.0.3/24"]);
    facts.service_cidrs = vec!["10.152.183.0/24".parse().unwrap()];
    for (option, range, expected) in [
        ("bgp-service-cluster-ips", "10.152.0.0/16", true),
        ("bgp-service-cluster-ips", "10.152.184.0/24", true),
        ("bgp-service-cluster-ips", "10.152.183.0/24", false),
        ("bgp-service-cluster-ips", "10.152.183.128/25", false),
        ("bgp-service-external-ips", "172.16.0.0/24", false),
        ("bgp-service-loadbalancer-ips", "172.16.0.0/24", false),
    ] {
        let found = findings(&fabric(&[(option, range)], &facts));
        assert_eq!(
            codes(&found).contains(&93),
            expected,
            "{option} {range}: {found:?}"
        );
    }
}

/// F090 where no option is to blame alone.
#[test]
fn pools_that_overlap_what_is_there() {
    let mut topology = fabric(&[], &facts(&["10.0.0.2/24", "10.0.0.3/24"]));
    let other = topology.pools[0].clone();
    topology.pools.push(other);
    assert_eq!(codes(&findings(&topology)), [90]);
    topology.pools[1].cidr = "192.169.0.0/16".parse().unwrap();
    assert_eq!(codes(&findings(&topology)), NONE);
    topology.pools[1].cidr = "10.0.0.128/25".parse().unwrap();
    let error = only_error(&topology);
    assert_eq!(
        error.message,
        "10.0.0.128/25 overlaps 10.0.0.0/24, where machines have addresses"
    );
    topology.pools.pop();
    topology.service_cidrs = vec!["192.168.7.0/24".parse().unwrap()];
    let error = only_error(&topology);
    assert_eq!(
        error.message,
        "192.168.0.0/16 overlaps the cluster's service network 192.168.7.0/24"
    );
}

/// F091 names the prefix that is wide enough.
#[test]
fn blocks_for_every_node() {
    let units: Vec<String> = (2..11).map(|last| format!("10.0.0.{last}/24")).collect();
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    for (cidr, expected) in [
        (
            "192.168.0.0/23",
            Some("juju config calico cidr=192.168.0.0/22"),
        ),
        ("10.0.1.0/24", None),
        ("192.168.0.0/22", Some("")),
    ] {
        let found = findings(&fabric(&[("cidr", cidr)], &facts(&units)));
        let finding = found.iter().find(|finding| finding.code.0 == 91);
        match expected {
            Some("") => assert!(finding.is_none(), "{cidr}"),
            // Where the wider network is taken, there is no line to paste.
            command => assert_eq!(finding.unwrap().command.as_deref(), command, "{cidr}"),
        }
    }
}
