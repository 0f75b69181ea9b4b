//! Small fabrics, and what becomes of them.

use std::fmt::Write;

use super::fixtures::{address, fabric, router};
use super::*;

/// Classes, sessions that are up, good pairs of all pairs of nodes, and of nodes and routers.
fn outcome(topology: &Topology) -> (usize, usize, (u64, u64), (u64, u64)) {
    let checked = check(topology, Budget::COMMAND);
    let up = |session: &&Session| session.status.is_up();
    (
        checked.classes.len(),
        checked.sessions.sessions.iter().filter(up).count(),
        checked.reach.node_pairs,
        checked.reach.router_pairs,
    )
}

const NO_MESH: (&str, &str) = ("node-to-node-mesh", "false");
const REFLECTORS: (&str, &str) = (
    "global-bgp-peers",
    "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]",
);
const FIVE: [&str; 5] = [
    "10.0.0.2/24",
    "10.0.0.3/24",
    "10.0.0.4/24",
    "10.0.0.5/24",
    "10.0.0.6/24",
];

#[test]
fn a_mesh_in_one_subnet_is_proved_without_assumption() {
    let topology = fabric(&[], &FIVE);
    assert_eq!(outcome(&topology), (1, 0, (20, 20), (0, 0)));
    let checked = check(&topology, Budget::COMMAND);
    assert_eq!(checked.reach.nodes, Verdict::Proved);
    assert_eq!(checked.reach.routers, None);
}

#[test]
fn a_mesh_over_two_subnets_learns_and_does_not_deliver() {
    let topology = fabric(&[], &["10.0.0.2/24", "10.0.0.3/24", "10.0.1.4/24"]);
    assert_eq!(outcome(&topology), (2, 0, (6, 2), (0, 0)));
    let checked = check(&topology, Budget::COMMAND);
    let (here, there) = (checked.classes.of(0), checked.classes.of(2));
    assert!(checked.planes[0].received(here, there));
    assert_eq!(checked.planes[0].fate(here, there), Fate::NoRoute);
    for (option, expected) in [("vxlan", 6), ("ipip", 6)] {
        for mode in ["Always", "CrossSubnet"] {
            let topology = fabric(
                &[(option, mode)],
                &["10.0.0.2/24", "10.0.0.3/24", "10.0.1.4/24"],
            );
            assert_eq!(outcome(&topology).2, (6, expected), "{option}={mode}");
        }
    }
}

const ROUTER: (&str, &str) = (
    "global-bgp-peers",
    "[{address: 10.0.0.1, as-number: 64600}]",
);

fn not_modelled(verdict: Option<&Verdict>) -> &str {
    let Some(Verdict::NotModelled(why)) = verdict else {
        panic!("{verdict:?}");
    };
    why
}

#[test]
fn what_routers_know_of_vxlan_is_not_proved() {
    let topology = fabric(&[("vxlan", "Always"), ROUTER], &FIVE);
    let reach = check(&topology, Budget::COMMAND).reach;
    assert_eq!(reach.node_pairs, (20, 20));
    assert_eq!(reach.router_pairs, (0, 0));
    let why = not_modelled(reach.routers.as_ref());
    assert!(why.contains("VXLAN"), "{why}");
}

#[test]
fn without_a_pool_of_the_nodes_family_nothing_is_proved() {
    let topology = fabric(&[("cidr", "fd00:c::/112"), ROUTER], &FIVE);
    let reach = check(&topology, Budget::COMMAND).reach;
    assert_eq!(reach.node_pairs, (0, 0));
    let why = not_modelled(Some(&reach.nodes));
    assert_eq!(why, "no two nodes have addresses of a pool's family");
    let why = not_modelled(reach.routers.as_ref());
    assert!(why.starts_with("no router is peered with"), "{why}");
    // One node has nobody to reach, whatever its family.
    let topology = fabric(&[("cidr", "fd00:c::/112")], &FIVE[..1]);
    let reach = check(&topology, Budget::COMMAND).reach;
    assert_eq!(reach.nodes, Verdict::Proved);
}

#[test]
fn what_filters_keep_from_routers_is_neither_proved_nor_refuted() {
    let mut topology = fabric(&[ROUTER], &FIVE);
    let reject = FilterRule {
        action: FilterAction::Reject,
        network: None,
        prefix_length: None,
        unmodelled: None,
    };
    let mut filter = Filter {
        name: "quiet".to_owned(),
        ..Filter::default()
    };
    filter.export[0].push(reject);
    for peering in &mut topology.peerings {
        let extra = peering.extra.get_or_insert_default();
        extra.filters.push("quiet".to_owned());
    }
    topology.filters.push(filter);
    let checked = check(&topology, Budget::COMMAND);
    assert_eq!(checked.reach.router_pairs, (5, 0));
    let why = not_modelled(checked.reach.routers.as_ref());
    assert!(why.starts_with("BGPFilters keep routes"), "{why}");
    assert_eq!(checked.of_severity(Severity::Error).count(), 0);
    // A filter that is not there holds nothing back.
    topology.filters.clear();
    let reach = check(&topology, Budget::COMMAND).reach;
    assert_eq!(reach.router_pairs, (5, 5));
}

#[test]
fn a_picture_counts_only_packets_that_ought_to_arrive() {
    let units = [
        "10.0.0.2/24",
        "10.0.0.3/24",
        "10.0.0.4/24",
        "10.0.0.5/24",
        "10.0.1.6/24",
    ];
    let mut topology = fabric(&[("cidr", "192.168.0.0/16,fd00:c::/112")], &units);
    topology.nodes[0].v6 = Some(address("fd00::2/64"));
    let checked = check(&topology, Budget::COMMAND);
    let picture = draw::draw(&checked, "calico", draw::Format::Dot);
    // Only the machine in the other subnet is cut off from all; nobody else has IPv6 to reach the first one's pods by.
    assert_eq!(picture.matches("1 of 4 nodes").count(), 4, "{picture}");
    assert_eq!(picture.matches("4 of 4 nodes").count(), 1, "{picture}");
}

#[test]
fn pools_for_no_node_prove_nothing() {
    let mut topology = fabric(&[], &FIVE);
    topology.pools[0].nodes = Some(Vec::new());
    let reach = check(&topology, Budget::COMMAND).reach;
    let why = not_modelled(Some(&reach.nodes));
    assert_eq!(why, "no pool gives addresses to pods on these nodes");
}

#[test]
fn a_router_of_two_subnets_carries_between_them() {
    let peers = "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 64512}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 64512}]}";
    let units = ["10.0.0.11/24", "10.0.0.12/24", "10.0.1.13/24"];
    let topology = fabric(&[("subnet-bgp-peers", peers)], &units);
    assert_eq!(outcome(&topology), (3, 3, (6, 6), (3, 3)));
    let checked = check(&topology, Budget::COMMAND);
    let Verdict::ProvedIf(assumptions) = checked.reach.nodes else {
        panic!("{:?}", checked.reach.nodes);
    };
    assert!(assumptions.contains(&Assumption::OneRouterPerAs));
}

#[test]
fn reflectors_carry_for_their_clients() {
    let ids = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.1}");
    let topology = fabric(&[NO_MESH, ids, REFLECTORS], &FIVE);
    assert_eq!(outcome(&topology), (3, 7, (20, 20), (0, 0)));
    // Without an ID nobody reflects.
    let topology = fabric(&[NO_MESH, REFLECTORS], &FIVE);
    assert_eq!(outcome(&topology).2, (20, 14));
}

#[test]
fn one_cluster_id_and_clients_of_one_reflector_each_lose_routes() {
    let ids = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.1}");
    let peers = "{2: [{address: 10.0.0.2, as-number: 64512}], 3: [{address: 10.0.0.2, as-number: 64512}], \
                 4: [{address: 10.0.0.3, as-number: 64512}], 0: [{address: 10.0.0.3, as-number: 64512}]}";
    let topology = fabric(&[NO_MESH, ids, ("unit-bgp-peers", peers)], &FIVE);
    let (_, up, pairs, _) = outcome(&topology);
    assert_eq!(up, 4);
    // The blocks of calico/2 and calico/3 do not reach calico/4, nor its blocks them; calico/0 learns calico/4's and its
    // clients do not.
    assert!(pairs.1 < pairs.0, "{pairs:?}");
    let ids = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.2}");
    let topology = fabric(&[NO_MESH, ids, ("unit-bgp-peers", peers)], &FIVE);
    assert_eq!(outcome(&topology).2, (20, 20));
}

#[test]
fn racks_of_one_as_each_meet_over_their_routers() {
    let same = |one: u32, other: u32| {
        format!(
            "{{10.0.0.0/24: [{{address: 10.0.0.1, as-number: {one}}}], 10.0.1.0/24: [{{address: 10.0.1.1, as-number: {other}}}]}}"
        )
    };
    let numbers = |one: u32, other: u32| format!("{{10.0.0.0/24: {one}, 10.0.1.0/24: {other}}}");
    let units = ["10.0.0.11/24", "10.0.1.12/24"];
    for (nodes, routers, expected) in [
        // Nodes and router of a rack share an AS, racks do not.
        ((64512, 64513), (64512, 64513), (2, 2)),
        // Every rack's nodes have one AS, and the routers others: each rack drops the other's routes.
        ((64512, 64512), (65001, 65002), (2, 2)),
    ] {
        let topology = fabric(
            &[
                NO_MESH,
                ("subnet-as-numbers", &numbers(nodes.0, nodes.1)),
                ("subnet-bgp-peers", &same(routers.0, routers.1)),
            ],
            &units,
        );
        assert_eq!(outcome(&topology).2, expected, "{nodes:?} {routers:?}");
    }
}

#[test]
fn nodes_of_one_as_over_routers_of_others_drop_each_others_routes() {
    let peers = "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 65001}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 65002}]}";
    let topology = fabric(
        &[NO_MESH, ("subnet-bgp-peers", peers)],
        &["10.0.0.11/24", "10.0.1.12/24"],
    );
    let checked = check(&topology, Budget::COMMAND);
    let (here, there) = (checked.classes.of(0), checked.classes.of(1));
    assert!(!checked.planes[0].received(here, there));
    // The gateways know better.
    assert_eq!(checked.planes[0].fate(here, there), Fate::ByDefaultRoute);
}

#[test]
fn a_wrong_as_number_keeps_a_session_down() {
    let ids = ("route-reflector-cluster-ids", "{0: 1.0.0.1}");
    let peers = "[{address: 10.0.0.2, as-number: 64513}]";
    let topology = fabric(&[NO_MESH, ids, ("global-bgp-peers", peers)], &FIVE);
    let sessions = derive(&topology);
    assert_eq!(sessions.sessions.len(), 4);
    assert!(
        sessions
            .sessions
            .iter()
            .all(|session| session.status == Status::AsMismatch)
    );
    assert_eq!(outcome(&topology).2, (20, 0));
}

#[test]
fn a_partial_set_of_as_numbers_breaks_the_mesh_since_3_32() {
    let mut topology = fabric(&[], &FIVE);
    topology.nodes[0].as_number = Some(Told::by_option(
        crate::model::AsNumber::new(64513).unwrap(),
        "unit-as-numbers",
    ));
    assert_eq!(outcome(&topology).2, (20, 12));
    topology.release = "v3.31.7".parse().unwrap();
    // Until then both sides know both numbers: eBGP inside one subnet.
    assert_eq!(outcome(&topology).2, (20, 20));
}

#[test]
fn an_explicit_peer_stays_idle_while_the_mesh_has_the_pair() {
    let peers = "{3: [{address: 10.0.0.6, as-number: 64512}]}";
    let topology = fabric(&[("unit-bgp-peers", peers)], &FIVE);
    let sessions = derive(&topology);
    assert_eq!(sessions.sessions[0].status, Status::Shadowed);
    assert_eq!(outcome(&topology).2, (20, 20));
}

#[test]
fn a_reflector_nobody_peers_with_is_alone() {
    let ids = ("route-reflector-cluster-ids", "{0: 1.0.0.1}");
    let topology = fabric(&[ids], &FIVE);
    assert_eq!(outcome(&topology).2, (20, 12));
}

#[test]
fn the_budget_ends_a_check_and_says_so() {
    let topology = fabric(&[], &FIVE);
    let sessions = derive(&topology);
    let classes = Classes::discrete(&sessions);
    let checked = check_by_classes(&topology, sessions, classes, Budget::of(3));
    assert_eq!(
        checked.reach.nodes,
        Verdict::NotModelled("checked 0 of 5 classes of nodes".to_owned())
    );
}

#[test]
fn a_route_from_outside_does_not_hide_one_from_a_client() {
    // The reflector hears of calico/0's block from its own router and from a client behind another router. The receiver,
    // who is near the client's router only, needs the client's.
    let peers = "{0: [{address: 10.0.1.1, as-number: 65001}, {address: 10.0.2.1, as-number: 65001}], \
                 1: [{address: 10.0.1.1, as-number: 65001}, {address: 10.0.2.12, as-number: 64512}, {address: 10.0.2.13, as-number: 64512}], \
                 2: [{address: 10.0.2.1, as-number: 65001}]}";
    let mut topology = fabric(
        &[
            NO_MESH,
            ("unit-as-numbers", "{0: 64999}"),
            ("route-reflector-cluster-ids", "{1: 1.0.0.1}"),
            ("unit-bgp-peers", peers),
        ],
        &[
            "10.0.0.10/24",
            "10.0.1.11/24",
            "10.0.2.12/24",
            "10.0.2.13/24",
        ],
    );
    topology.routers = vec![
        router("a", &["10.0.1.1/24", "10.0.0.1/24"], 65001),
        router("b", &["10.0.2.1/24"], 65001),
    ];
    let sessions = derive(&topology);
    let classes = Classes::discrete(&sessions);
    let checked = check_by_classes(&topology, sessions, classes, Budget::COMMAND);
    let plane = &checked.planes[0];
    let (origin, at) = (checked.classes.of(0), checked.classes.of(3));
    let way = checked.way(plane, origin, at);
    let hops: Vec<Speaker> = way
        .iter()
        .map(|hop| checked.classes.class(hop.at).first())
        .collect();
    // By router b (the second after four nodes), which is on its subnet and knows router a.
    assert_eq!(hops, [3, 5, 4, 0]);
}

#[test]
fn a_long_line_of_nodes_needs_no_stack() {
    let count = 1000_u32;
    let unit = |number: u32| format!("10.{}.{}.2/24", number / 256, number % 256);
    let units: Vec<String> = (0..count).map(unit).collect();
    let mut numbers = String::new();
    let mut peers = String::new();
    for number in 0..count {
        writeln!(numbers, "{number}: {}", 100_000 + number).unwrap();
        if number + 1 < count {
            let next = unit(number + 1);
            let (ip, _) = next.split_once('/').unwrap();
            let as_number = 100_001 + number;
            writeln!(
                peers,
                "{number}: [{{address: {ip}, as-number: {as_number}}}]"
            )
            .unwrap();
        }
    }
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    let topology = fabric(
        &[
            NO_MESH,
            ("unit-as-numbers", &numbers),
            ("unit-bgp-peers", &peers),
            ("ipip", "Always"),
        ],
        &units,
    );
    let sessions = derive(&topology);
    let classes = Classes::new(&topology, &sessions);
    let checked = check_by_classes(&topology, sessions, classes, Budget::of(100_000));
    assert!(
        matches!(checked.reach.nodes, Verdict::NotModelled(_)),
        "{:?}",
        checked.reach.nodes
    );
}
