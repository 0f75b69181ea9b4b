//! What no fabric file can hold: objects of others, fields that options do not have. A failing and a fixed fabric each.

mod fabric;
mod variants;

use crate::fabric::{
    Backend, Budget, Cause, Filter, NextHop, Origin, Peering, PeeringExtra, Pool, Router, Scope,
    Target, Told, Topology, check,
};
use crate::model::{Encapsulation, Place, TunnelMode};
use fabric::{
    address, as_number, by_option, codes, fabric, full, meshed, node, object, peer, proves, with,
};

#[test]
fn two_peers_for_one_address() {
    let router = |name: &str, scope, number| peer(name, scope, "10.0.0.1", number);
    let named = |mut topology: Topology| {
        topology.routers.push(Router {
            name: "tor".to_owned(),
            addresses: vec![address("10.0.0.1/24")],
            as_number: as_number(64600),
            route_reflector: false,
            known: true,
        });
        topology
    };
    let local_as = |name: &str, number| {
        let extra = PeeringExtra {
            local_as_number: Some(as_number(number)),
            ..PeeringExtra::default()
        };
        with(router(name, Scope::Node(0), 64600), extra)
    };
    let one = named(meshed(vec![local_as("one", 64701)]));
    proves(
        "F024",
        &named(meshed(vec![local_as("one", 64701), local_as("two", 64702)])),
        &one,
    );
    // Two that say the same are no mistake.
    proves(
        "F024",
        &named(meshed(vec![local_as("one", 64701), local_as("two", 64702)])),
        &named(meshed(vec![local_as("one", 64701), local_as("two", 64701)])),
    );
}

#[test]
fn a_global_peer_hides_one_of_a_node() {
    let mut global = peer("global", Scope::Global, "10.0.0.1", 64600);
    let own = with(
        peer("own", Scope::Node(0), "10.0.0.1", 64600),
        PeeringExtra {
            next_hop: NextHop::Keep,
            ..PeeringExtra::default()
        },
    );
    let failing = meshed(vec![global.clone(), own.clone()]);
    global.scope = Scope::Selected(vec![1, 2]);
    proves("F025", &failing, &meshed(vec![global, own]));
}

#[test]
fn ports_that_nobody_listens_on() {
    let manual = || PeeringExtra {
        reverse: false,
        ..PeeringExtra::default()
    };
    let there = |port: &str| {
        let ends = |name: &str, node, at: &str| {
            with(
                peer(name, Scope::Node(node), &format!("{at}{port}"), 64512),
                manual(),
            )
        };
        let mut peerings = full();
        peerings.remove(0);
        peerings.extend([ends("ab", 0, "10.0.0.3"), ends("ba", 1, "10.0.0.2")]);
        fabric(peerings)
    };
    proves("F026", &there(":1179"), &there(""));
}

#[test]
fn passwords_of_one_end() {
    let ends = |back: Option<&str>| {
        let secret = |key: Option<&str>| PeeringExtra {
            password: key.map(str::to_owned),
            reverse: false,
            ..PeeringExtra::default()
        };
        let mut peerings = full();
        peerings[0] = with(peerings[0].clone(), secret(Some("bgp/key")));
        peerings.push(with(
            peer("ba", Scope::Node(1), "10.0.0.2", 64512),
            secret(back),
        ));
        fabric(peerings)
    };
    proves("F027", &ends(None), &ends(Some("bgp/key")));
    proves("F027", &ends(Some("bgp/other")), &ends(Some("bgp/key")));
}

#[test]
fn ttl_security_of_one_end() {
    let ends = |back: u8| {
        let hops = |ttl_security: u8| PeeringExtra {
            ttl_security,
            reverse: false,
            ..PeeringExtra::default()
        };
        let mut peerings = full();
        peerings[0] = with(peerings[0].clone(), hops(1));
        peerings.push(with(
            peer("ba", Scope::Node(1), "10.0.0.2", 64512),
            hops(back),
        ));
        fabric(peerings)
    };
    proves("F028", &ends(0), &ends(1));
}

#[test]
fn nobody_peers_back() {
    let manual = |reverse: bool| {
        let mut peerings = full();
        peerings[0] = with(
            peerings[0].clone(),
            PeeringExtra {
                reverse,
                ..PeeringExtra::default()
            },
        );
        fabric(peerings)
    };
    proves("F029", &manual(false), &manual(true));
}

#[test]
fn router_ids_from_names_that_are_the_same() {
    // The first four bytes of these names' SHA-256 are equal.
    let nodes = |second: &str| {
        let mut topology = meshed(Vec::new());
        topology.nodes = vec![node("worker-61517", ""), node(second, "")];
        topology.nodes[0].v6 = Some(address("fd00::1/64"));
        topology.nodes[1].v6 = Some(address("fd00::2/64"));
        topology
    };
    proves("F030", &nodes("worker-73664"), &nodes("worker-73665"));
}

#[test]
fn peers_without_bird() {
    let on = |backend| {
        let mut topology = fabric(full());
        topology.backend = backend;
        topology.pools = vec![Pool {
            origin: Origin::option("cidr"),
            cidr: "192.168.0.0/16".parse().unwrap(),
            encapsulation: Encapsulation::Vxlan(TunnelMode::Always),
            block_size: 26,
            disabled: false,
            exported: true,
            nodes: None,
        }];
        topology
    };
    proves("F031", &on(Backend::Vxlan), &on(Backend::Bird));
    proves("F031", &on(Backend::None), &on(Backend::Bird));
}

#[test]
fn filters_that_do_not_exist() {
    let filters = |defined: &[&str]| {
        let mut peerings = full();
        peerings[0] = with(
            peerings[0].clone(),
            PeeringExtra {
                filters: vec!["no-pods".to_owned()],
                ..PeeringExtra::default()
            },
        );
        let mut topology = fabric(peerings);
        topology.filters = defined
            .iter()
            .map(|name| Filter {
                name: (*name).to_owned(),
                ..Filter::default()
            })
            .collect();
        topology
    };
    proves("F033", &filters(&["other"]), &filters(&["no-pods"]));
}

#[test]
fn peers_that_no_option_asks_for() {
    let mut topology = meshed(vec![peer("handmade", Scope::Global, "10.0.0.1", 64600)]);
    topology.mesh.origin = Origin::option("node-to-node-mesh");
    let mut fixed = topology.clone();
    fixed.peerings[0] = by_option(fixed.peerings[0].clone(), "global-bgp-peers", "[0]");
    proves("F034", &topology, &fixed);
    // Where no options describe the fabric, nobody's objects are others'.
    topology.mesh.origin = object("BGPConfiguration", "default");
    assert!(!codes(&topology).contains(&"F034".to_owned()));
}

#[test]
fn as_numbers_on_some_nodes_of_a_mesh() {
    let annotated = |nodes: std::ops::Range<usize>| {
        let mut topology = meshed(Vec::new());
        for node in &mut topology.nodes[nodes] {
            node.as_number = Some(Told {
                value: as_number(64600),
                origin: object("Node", &node.name),
            });
        }
        topology
    };
    proves("F049", &annotated(0..1), &annotated(0..3));
    proves("F049", &annotated(1..3), &annotated(0..0));
    // Until 3.31 both ends took the global number.
    let mut older = annotated(0..1);
    older.release = "v3.31.0".parse().unwrap();
    assert!(!codes(&older).iter().any(|code| code.starts_with("F049")));
}

#[test]
fn an_as_number_that_several_entries_speak_against_is_blamed_itself() {
    let mut topology = fabric(vec![
        by_option(
            peer("", Scope::Node(0), "10.0.0.3", 64512),
            "unit-bgp-peers",
            "0[0]",
        ),
        by_option(
            peer("", Scope::Node(2), "10.0.0.3", 64512),
            "unit-bgp-peers",
            "2[0]",
        ),
        by_option(
            peer("", Scope::Node(0), "10.0.0.4", 64512),
            "unit-bgp-peers",
            "0[1]",
        ),
    ]);
    let place = Origin::Option(Place {
        option: "unit-as-numbers".to_owned(),
        path: "1".to_owned(),
    });
    topology.nodes[1].as_number = Some(Told {
        value: as_number(64521),
        origin: place.clone(),
    });
    let checked = check(&topology, Budget::COMMAND);
    let found: Vec<_> = checked
        .findings
        .iter()
        .filter(|finding| finding.code.0 == 20)
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].origin, place);
    // One entry alone is taken to be wrong itself.
    topology.peerings.remove(1);
    let checked = check(&topology, Budget::COMMAND);
    let origins: Vec<_> = checked
        .findings
        .iter()
        .filter(|finding| finding.code.0 == 20)
        .map(|finding| finding.origin.to_string())
        .collect();
    assert_eq!(origins, ["unit-bgp-peers: 0[0]"]);
}

#[test]
fn selectors_make_sessions_in_the_families_that_both_ends_have() {
    let mut topology = fabric(full());
    topology.nodes[0].v6 = Some(address("fd00::1/64"));
    topology.nodes[1].v6 = Some(address("fd00::2/64"));
    topology.peerings.push(Peering {
        target: Target::Nodes(vec![0, 1]),
        as_number: None,
        ..peer("by-selector", Scope::Selected(vec![2]), "10.0.0.2", 64512)
    });
    let checked = check(&topology, Budget::COMMAND);
    assert!(
        checked
            .sessions
            .sessions
            .iter()
            .any(|session| session.near.cause == Cause::Reverse(3)
                || session.far.cause == Cause::Reverse(3)
                || session.near.cause == Cause::Peering(3)
                || session.far.cause == Cause::Peering(3))
    );
    assert!(
        !checked.findings.iter().any(|finding| finding.code.0 == 22),
        "{:?}",
        checked.findings
    );
}
