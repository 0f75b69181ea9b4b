//! Fabrics with the node-to-node mesh.

use super::fabric::{DEFAULT, Fabric};
use super::runs;

#[test]
fn a_mesh_in_one_subnet() {
    let mut fabric = Fabric::new();
    fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.10/24"]);
    runs(
        "meshes::a_mesh_in_one_subnet",
        &fabric.topology,
        "sessions 6/6, learned 12/12, arrives 12/12",
    );
}

#[test]
fn a_mesh_across_a_router_without_bgp_learns_all_and_delivers_within_subnets() {
    let mut fabric = Fabric::new();
    fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.1.2/24", "10.0.1.3/24"]);
    fabric.router("router", &["10.0.0.1/24", "10.0.1.1/24"], 65000);
    runs(
        "meshes::a_mesh_across_a_router_without_bgp_learns_all_and_delivers_within_subnets",
        &fabric.topology,
        "sessions 6/6, learned 12/12, arrives 4/12",
    );
}

#[test]
fn one_annotated_node_leaves_the_mesh_of_release_3_32() {
    let mut fabric = Fabric::new();
    let nodes = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.as_number(&nodes[..1], 64999);
    runs(
        "meshes::one_annotated_node_leaves_the_mesh_of_release_3_32",
        &fabric.topology,
        "sessions 1/3, learned 2/6, arrives 2/6",
    );
}

#[test]
fn one_annotated_node_stays_in_the_mesh_of_release_3_31() {
    let mut fabric = Fabric::new();
    fabric.topology.release = "3.31.0".parse().expect("a release");
    let nodes = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.as_number(&nodes[..1], 64999);
    runs(
        "meshes::one_annotated_node_stays_in_the_mesh_of_release_3_31",
        &fabric.topology,
        "sessions 3/3, learned 6/6, arrives 6/6",
    );
}

#[test]
fn a_cluster_id_takes_its_node_out_of_the_mesh() {
    let mut fabric = Fabric::new();
    let nodes = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.cluster(&nodes[..1], "1.0.0.1");
    runs(
        "meshes::a_cluster_id_takes_its_node_out_of_the_mesh",
        &fabric.topology,
        "sessions 1/1, learned 2/6, arrives 2/6",
    );
}

#[test]
fn a_peer_that_the_mesh_has_already_stays_idle() {
    let mut fabric = Fabric::new();
    let [one, _, _] = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.peer(&[one], "10.0.0.3", DEFAULT);
    runs(
        "meshes::a_peer_that_the_mesh_has_already_stays_idle",
        &fabric.topology,
        "sessions 3/4, learned 6/6, arrives 6/6",
    );
}

/// Two nodes of one AS in one subnet, two of another in the next, and a router that peers with nobody.
fn mesh_of_two_as_numbers() -> Fabric {
    let mut fabric = Fabric::new();
    let near = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24"]);
    let far = fabric.nodes(["10.0.1.2/24", "10.0.1.3/24"]);
    fabric.as_number(&near, 64512);
    fabric.as_number(&far, 64513);
    fabric.router("router", &["10.0.0.1/24", "10.0.1.1/24"], 65000);
    fabric
}

#[test]
fn a_mesh_of_two_as_numbers_stays_idle_across_subnets() {
    runs(
        "meshes::a_mesh_of_two_as_numbers_stays_idle_across_subnets",
        &mesh_of_two_as_numbers().topology,
        "sessions 2/6, learned 4/12, arrives 4/12",
    );
}

/// BIRD gives an address to the first protocol that names it, which is the mesh's, and the other one waits for ever.
#[test]
fn a_peer_beside_a_mesh_session_that_is_down() {
    let mut fabric = mesh_of_two_as_numbers();
    fabric.peer(&[0], "10.0.1.2", 64513);
    runs(
        "meshes::a_peer_beside_a_mesh_session_that_is_down",
        &fabric.topology,
        "sessions 2/7, learned 4/12, arrives 4/12",
    );
}

#[test]
fn a_peer_beside_a_mesh_session_that_expects_another_as_number() {
    let mut fabric = Fabric::new();
    let nodes = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.as_number(&nodes[..1], 64999);
    fabric.peer(&nodes[..1], "10.0.0.3", DEFAULT);
    runs(
        "meshes::a_peer_beside_a_mesh_session_that_expects_another_as_number",
        &fabric.topology,
        "sessions 1/4, learned 2/6, arrives 2/6",
    );
}

#[test]
fn a_mesh_of_two_as_numbers_in_one_subnet() {
    let mut fabric = Fabric::new();
    let nodes = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.as_number(&nodes[..2], 64512);
    fabric.as_number(&nodes[2..], 64513);
    runs(
        "meshes::a_mesh_of_two_as_numbers_in_one_subnet",
        &fabric.topology,
        "sessions 3/3, learned 6/6, arrives 6/6",
    );
}

#[test]
fn an_ipv6_mesh() {
    let mut fabric = Fabric::v6();
    fabric.nodes(["fd00:a::2/64", "fd00:a::3/64", "fd00:a::a/64"]);
    runs(
        "meshes::an_ipv6_mesh",
        &fabric.topology,
        "sessions 3/3, learned 6/6, arrives 6/6",
    );
}

#[test]
fn a_pool_that_is_not_exported() {
    let mut fabric = Fabric::new();
    fabric.nodes(["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"]);
    fabric.topology.pools[0].exported = false;
    runs(
        "meshes::a_pool_that_is_not_exported",
        &fabric.topology,
        "sessions 3/3, learned 0/6, arrives 0/6",
    );
}
