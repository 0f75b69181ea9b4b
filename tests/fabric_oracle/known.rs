//! The simulator itself, held to what genuine BIRD and confd were seen to do.

use calico_charm::fabric::{Fate, Topology, derive};
use calico_charm::model::{Encapsulation, Family};

use crate::fabrics::{Draft, NodeDraft, PeerDraft, RouterDraft, Who, Whom};
use crate::simulation::{Outcome, simulate};

fn node(subnet: u8) -> NodeDraft {
    NodeDraft {
        subnet,
        as_number: None,
        cluster: None,
        gateway: 9,
        families: 9,
    }
}

fn reflector(subnet: u8, id: u8) -> NodeDraft {
    NodeDraft {
        cluster: Some(id),
        ..node(subnet)
    }
}

fn router(subnets: &[u8], as_number: u8) -> RouterDraft {
    RouterDraft {
        subnets: subnets.to_vec(),
        as_number,
        reflects: false,
    }
}

fn peer(who: Who, whom: Whom) -> PeerDraft {
    PeerDraft {
        who,
        whom,
        wrong: None,
        extra: None,
    }
}

fn fabric(nodes: Vec<NodeDraft>, peers: Vec<PeerDraft>) -> Draft {
    Draft {
        subnets: 6,
        nodes,
        routers: Vec::new(),
        peers,
        mesh: false,
        annotated: false,
        old_release: false,
        pool: 0,
        pool6: 0,
    }
}

fn run(draft: &Draft) -> Outcome {
    let topology: Topology = draft.topology();
    let encapsulation: Encapsulation = topology.pools[0].encapsulation;
    simulate(&topology, &derive(&topology), Family::V4, encapsulation).expect("a small fabric")
}

#[test]
fn a_mesh_across_subnets_without_router_learns_everything_and_delivers_nothing_across() {
    let mut draft = fabric(vec![node(0), node(0), node(1)], vec![]);
    draft.mesh = true;
    let outcome = run(&draft);
    assert!(outcome.received[0][1] && outcome.received[0][2] && outcome.received[2][0]);
    assert_eq!(outcome.fate(0, 1), Fate::Delivered);
    assert_eq!(outcome.fate(0, 2), Fate::NoRoute);
    for pool in [1, 2] {
        draft.pool = pool;
        assert_eq!(
            run(&draft).fate(0, 2),
            Fate::Delivered,
            "IPIP needs no router"
        );
    }
    draft.pool = 4;
    draft.mesh = false;
    assert_eq!(
        run(&draft).fate(0, 2),
        Fate::Delivered,
        "VXLAN needs no BGP"
    );
    assert!(!run(&draft).received[0][2]);
}

#[test]
fn one_id_and_clients_split_between_its_reflectors_lose_routes() {
    // Nodes 0 and 1 reflect for 2 and 3, and peer with each other by address.
    let peers = vec![
        peer(Who::One(2), Whom::Node(0)),
        peer(Who::One(3), Whom::Node(1)),
        peer(Who::One(0), Whom::Node(1)),
    ];
    let nodes = |a, b| vec![reflector(0, a), reflector(0, b), node(0), node(0)];
    let split = run(&fabric(nodes(1, 1), peers.clone()));
    assert!(split.received[2][0]);
    // The way back that Calico adds carries the ID, so one end takes the other for a client and the other does not.
    assert!(!split.received[2][3] && !split.received[3][2]);
    let apart = run(&fabric(nodes(1, 2), peers.clone()));
    assert_eq!(
        (apart.fate(2, 3), apart.fate(3, 2)),
        (Fate::Delivered, Fate::Delivered)
    );
    let unset = run(&fabric(nodes(0, 0), peers));
    assert!(
        unset.received[2][3],
        "0.0.0.0 is no ID to BIRD: each reflector uses its own"
    );
}

#[test]
fn two_racks_with_one_as_number_between_outer_routers_hide_behind_the_default_route() {
    let mut draft = fabric(
        vec![node(0), node(1)],
        vec![
            peer(Who::One(0), Whom::Router(0, 0)),
            peer(Who::One(1), Whom::Router(1, 0)),
        ],
    );
    draft.routers = vec![router(&[0], 1), router(&[1], 2)];
    let outcome = run(&draft);
    assert!(!outcome.received[0][1], "its own AS number is in the path");
    assert_eq!(outcome.fate(0, 1), Fate::ByDefaultRoute);
    draft.nodes[0].gateway = 0;
    draft.nodes[1].gateway = 0;
    let outcome = run(&draft);
    assert_eq!(outcome.fate(0, 1), Fate::NoRoute);
}

#[test]
fn nodes_of_a_rack_with_its_own_as_number_drop_each_others_routes_from_the_router() {
    let mut draft = fabric(
        vec![node(0), node(0)],
        vec![peer(Who::All, Whom::Router(0, 0))],
    );
    draft.routers = vec![router(&[0], 1)];
    let outcome = run(&draft);
    assert!(outcome.received[0][2] && !outcome.received[0][1]);
    // An inner router that reflects tells them; one that does not, does not.
    draft.routers = vec![router(&[0], 0)];
    assert!(!run(&draft).received[0][1]);
    draft.routers[0].reflects = true;
    let outcome = run(&draft);
    assert!(outcome.received[0][1]);
    assert_eq!(outcome.fate(0, 1), Fate::Delivered);
}

#[test]
fn partial_annotations_break_the_mesh_from_3_32_on() {
    let mut draft = fabric(vec![node(0), node(0), node(0)], vec![]);
    draft.mesh = true;
    draft.nodes[0].as_number = Some(1);
    draft.nodes[0].families = 2;
    let outcome = run(&draft);
    assert!(!outcome.received[0][1] && outcome.received[1][2]);
    draft.old_release = true;
    assert!(run(&draft).received[0][1]);
    draft.nodes[1].subnet = 1;
    assert!(run(&draft).received[0][1], "the third node passes it on");
    draft.nodes.truncate(2);
    assert!(
        !run(&draft).received[0][1],
        "outer mesh sessions stay in the subnet"
    );
}
