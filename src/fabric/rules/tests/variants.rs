//! Other faces of findings that have files, and cases that look like one and are none.

use super::fabric::{address, as_number, by_option, codes, fabric, meshed, node, object, peer};
use crate::fabric::{
    Budget, Finding, Gives, Idle, IdleKey, Origin, Peering, Pool, Router, Scope, Told, Topology,
    check,
};
use crate::model::{Encapsulation, Place, TunnelMode};

fn place(option: &str, path: &str) -> Origin {
    Origin::Option(Place {
        option: option.to_owned(),
        path: path.to_owned(),
    })
}

fn reflect(topology: &mut Topology, node: usize, id: &str) {
    topology.nodes[node].cluster_id = Some(Told {
        value: id.parse().unwrap(),
        origin: place("route-reflector-cluster-ids", &node.to_string()),
    });
}

/// As `global-bgp-peers` makes them: one for each node, the own address included.
fn globally(addresses: &[&str]) -> Vec<Peering> {
    let mut peerings = Vec::new();
    for node in 0..3 {
        for (index, address) in addresses.iter().enumerate() {
            let one = peer("", Scope::Node(node), address, 64512);
            peerings.push(by_option(one, "global-bgp-peers", &format!("[{index}]")));
        }
    }
    peerings
}

fn found(topology: &Topology, code: u16) -> Vec<Finding> {
    let checked = check(topology, Budget::COMMAND);
    let mut all = checked.findings;
    all.retain(|finding| finding.code.0 == code);
    all
}

#[test]
fn reflectors_that_everybody_peers_with_are_no_finding() {
    let mut topology = fabric(globally(&["10.0.0.2", "10.0.0.3"]));
    reflect(&mut topology, 0, "1.0.0.1");
    reflect(&mut topology, 1, "1.0.0.1");
    assert_eq!(codes(&topology), Vec::<String>::new());
}

#[test]
fn an_own_address_is_a_slip_where_nobody_else_peers_with_it() {
    // The list is everybody's, and calico's reflectors are in it: that is how the documentation has it.
    let mut topology = fabric(globally(&["10.0.0.2"]));
    reflect(&mut topology, 0, "1.0.0.1");
    assert_eq!(found(&topology, 10), []);
    let own = peer("", Scope::Node(1), "10.0.0.3", 64512);
    topology
        .peerings
        .push(by_option(own, "unit-bgp-peers", "1[0]"));
    let slips = found(&topology, 10);
    assert_eq!(slips.len(), 1, "{slips:?}");
    assert_eq!(slips[0].units, ["b"]);
}

#[test]
fn entries_for_units_that_are_not_there() {
    let mut topology = meshed(Vec::new());
    topology.nodes[0].unit = Some("calico/4".parse().unwrap());
    topology.idle.push(Idle {
        origin: place("unit-as-numbers", "40"),
        key: IdleKey::Unit(40),
        gives: Gives::AsNumber(as_number(64600)),
    });
    let idle = found(&topology, 6);
    assert_eq!(
        idle[0].to_string(),
        "F006: unit-as-numbers: 40: matches no unit: there is no calico/40"
    );
    assert!(idle[0].remedy.as_ref().unwrap().ends_with("calico/4"));
}

#[test]
fn a_router_that_is_named_has_the_number_it_is_named_with() {
    let own = by_option(
        peer("", Scope::Node(0), "10.0.0.1", 64600),
        "unit-bgp-peers",
        "0[0]",
    );
    let mut topology = meshed(vec![own]);
    topology.routers.push(Router {
        name: "tor".to_owned(),
        addresses: vec![address("10.0.0.1/24")],
        as_number: as_number(64601),
        route_reflector: false,
        known: true,
    });
    let wrong = found(&topology, 20);
    assert_eq!(
        wrong[0].other.as_ref().unwrap().0,
        Origin::Router("tor".to_owned())
    );
    topology.routers[0].as_number = as_number(64600);
    assert_eq!(found(&topology, 20), []);
}

#[test]
fn several_reflectors_in_one_zone_of_two() {
    let mut topology = fabric(globally(&["10.0.0.2", "10.0.0.3"]));
    reflect(&mut topology, 0, "1.0.0.1");
    reflect(&mut topology, 1, "1.0.0.2");
    let zones = |topology: &mut Topology, zones: [&str; 3]| {
        for (node, zone) in topology.nodes.iter_mut().zip(zones) {
            node.zone = Some(zone.to_owned());
        }
    };
    zones(&mut topology, ["az1", "az1", "az2"]);
    assert_eq!(found(&topology, 46).len(), 1);
    // Spread over both, and a rack that is one zone as a whole.
    zones(&mut topology, ["az1", "az2", "az2"]);
    assert_eq!(found(&topology, 46), []);
    zones(&mut topology, ["az1", "az1", "az1"]);
    assert_eq!(found(&topology, 46), []);
}

#[test]
fn a_cluster_with_clients_on_one_side_alone() {
    // c is a client of a only; b hears of c's pods from a, with its own cluster ID in the list.
    let mut topology = fabric(vec![
        peer("ab", Scope::Node(0), "10.0.0.3", 64512),
        peer("ba", Scope::Node(1), "10.0.0.2", 64512),
        peer("ca", Scope::Node(2), "10.0.0.2", 64512),
    ]);
    reflect(&mut topology, 0, "1.0.0.1");
    reflect(&mut topology, 1, "1.0.0.1");
    assert_eq!(found(&topology, 43).len(), 1);
    reflect(&mut topology, 1, "1.0.0.2");
    assert_eq!(found(&topology, 43), []);
    // Zeros are two clusters to BIRD.
    reflect(&mut topology, 0, "0.0.0.0");
    reflect(&mut topology, 1, "0.0.0.0");
    assert_eq!(found(&topology, 43), []);
    assert_eq!(found(&topology, 8).len(), 1);
}

#[test]
fn where_felix_carries_everything_no_session_is_missed() {
    let mut topology = fabric(Vec::new());
    topology.pools.push(Pool {
        origin: Origin::option("cidr"),
        cidr: "192.168.0.0/16".parse().unwrap(),
        encapsulation: Encapsulation::Vxlan(TunnelMode::Always),
        block_size: 26,
        disabled: false,
        exported: true,
        nodes: None,
    });
    assert_eq!(found(&topology, 40), []);
    reflect(&mut topology, 0, "1.0.0.1");
    topology.mesh.value = true;
    assert_eq!(found(&topology, 41), []);
    topology.pools[0].encapsulation = Encapsulation::Ipip(TunnelMode::Always);
    assert_eq!(found(&topology, 41).len(), 1);
    topology.nodes[0].cluster_id = None;
    topology.mesh.value = false;
    assert_eq!(found(&topology, 40).len(), 1);
}

#[test]
fn one_node_needs_nobody() {
    let mut topology = fabric(Vec::new());
    topology.nodes = vec![node("alone", "10.0.0.2/24")];
    assert_eq!(codes(&topology), Vec::<String>::new());
}

#[test]
fn one_address_on_two_nodes() {
    let mut topology = meshed(Vec::new());
    topology.nodes[1].v4 = topology.nodes[0].v4;
    let shared = found(&topology, 35);
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].origin, object("Node", "b"));
}

#[test]
fn a_reflector_whose_address_is_misspelt_is_named() {
    let mut topology = fabric(globally(&["10.0.0.2", "10.0.0.33"]));
    reflect(&mut topology, 0, "1.0.0.1");
    reflect(&mut topology, 1, "1.0.0.1");
    let split = found(&topology, 43);
    assert_eq!(
        split[0].remedy.as_deref(),
        Some("write 10.0.0.3 in global-bgp-peers: [1]: 10.0.0.33 is nobody's address")
    );
    // Where routers usually are, one is.
    topology.peerings = globally(&["10.0.0.2", "10.0.0.1"]);
    let split = found(&topology, 43);
    assert!(!split[0].remedy.as_ref().unwrap().contains("nobody"));
}
