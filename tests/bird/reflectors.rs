//! Fabrics without a mesh: reflectors, and peers among nodes.

use calico_charm::fabric::NextHop;
use calico_charm::model::AsNumber;

use super::fabric::{DEFAULT, Fabric};
use super::runs;

/// Two reflectors of one subnet, with three clients on both.
fn reflectors(id: &str) -> Fabric {
    let mut fabric = Fabric::without_mesh();
    let reflectors = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24"]);
    let clients = fabric.nodes(["10.0.0.4/24", "10.0.0.5/24", "10.0.0.6/24"]);
    fabric.cluster(&reflectors, id);
    for at in ["10.0.0.2", "10.0.0.3"] {
        fabric.peer(&reflectors, at, DEFAULT);
        fabric.peer(&clients, at, DEFAULT);
    }
    fabric
}

#[test]
fn reflectors_with_the_cluster_id_that_bird_takes_for_unset() {
    runs(
        "reflectors::reflectors_with_the_cluster_id_that_bird_takes_for_unset",
        &reflectors("0.0.0.0").topology,
        "sessions 7/7, learned 20/20, arrives 20/20",
    );
}

#[test]
fn reflectors_of_one_cluster_with_every_client_on_both() {
    runs(
        "reflectors::reflectors_of_one_cluster_with_every_client_on_both",
        &reflectors("1.0.0.1").topology,
        "sessions 7/7, learned 20/20, arrives 20/20",
    );
}

/// Two reflectors with one client each.
fn split_clients(ids: [&str; 2]) -> Fabric {
    let mut fabric = Fabric::without_mesh();
    let [one, two] = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24"]);
    let [left, right] = fabric.nodes(["10.0.0.4/24", "10.0.0.5/24"]);
    fabric.cluster(&[one], ids[0]);
    fabric.cluster(&[two], ids[1]);
    fabric.peer(&[one, left], "10.0.0.2", DEFAULT);
    fabric.peer(&[two, right], "10.0.0.3", DEFAULT);
    fabric.peer(&[one], "10.0.0.3", DEFAULT);
    fabric
}

#[test]
fn reflectors_of_one_cluster_with_a_client_each_lose_routes() {
    runs(
        "reflectors::reflectors_of_one_cluster_with_a_client_each_lose_routes",
        &split_clients(["1.0.0.1", "1.0.0.1"]).topology,
        "sessions 3/3, learned 9/12, arrives 9/12",
    );
}

/// Each of the two takes the other for a client, and drops what carries its own ID.
#[test]
fn reflectors_of_one_cluster_that_name_each_other_lose_more_routes() {
    let mut fabric = split_clients(["1.0.0.1", "1.0.0.1"]);
    fabric.peer(&[1], "10.0.0.2", DEFAULT);
    runs(
        "reflectors::reflectors_of_one_cluster_that_name_each_other_lose_more_routes",
        &fabric.topology,
        "sessions 3/3, learned 8/12, arrives 8/12",
    );
}

#[test]
fn reflectors_of_two_clusters_with_a_client_each() {
    runs(
        "reflectors::reflectors_of_two_clusters_with_a_client_each",
        &split_clients(["1.0.0.1", "1.0.0.2"]).topology,
        "sessions 3/3, learned 12/12, arrives 12/12",
    );
}

#[test]
fn a_peer_with_the_wrong_as_number() {
    let mut fabric = reflectors("1.0.0.1");
    let peers = fabric.topology.peerings.iter_mut();
    for peering in peers.rev().take(3) {
        peering.as_number = Some(AsNumber::new(64999).expect("a number"));
    }
    runs(
        "reflectors::a_peer_with_the_wrong_as_number",
        &fabric.topology,
        "sessions 4/7, learned 17/20, arrives 17/20",
    );
}

#[test]
fn another_listen_port() {
    let mut fabric = reflectors("1.0.0.1");
    fabric.topology.listen_port = 1179;
    runs(
        "reflectors::another_listen_port",
        &fabric.topology,
        "sessions 7/7, learned 20/20, arrives 20/20",
    );
}

#[test]
fn global_peers_of_each_other() {
    let mut fabric = Fabric::without_mesh();
    fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.10/24"]);
    fabric.global_peer("10.0.0.2", DEFAULT);
    fabric.global_peer("10.0.0.10", DEFAULT);
    runs(
        "reflectors::global_peers_of_each_other",
        &fabric.topology,
        "sessions 5/5, learned 10/12, arrives 10/12",
    );
}

#[test]
fn a_reflector_that_names_itself_as_next_hop() {
    let mut fabric = Fabric::without_mesh();
    let [reflector, _, _] = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.cluster(&[reflector], "1.0.0.1");
    for client in ["10.0.0.3", "10.0.0.4"] {
        fabric.peer(&[reflector], client, DEFAULT);
        fabric.extra(|extra| extra.next_hop = NextHop::Own);
    }
    runs(
        "reflectors::a_reflector_that_names_itself_as_next_hop",
        &fabric.topology,
        "sessions 2/2, learned 6/6, arrives 6/6",
    );
}
