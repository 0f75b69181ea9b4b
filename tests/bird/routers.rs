//! Fabrics in which routers speak BGP.

use super::fabric::{DEFAULT, Fabric};
use super::runs;

/// As the example of two subnets and a router, but nothing says that the two addresses are one router's.
#[test]
fn peers_that_nothing_names_are_one_router() {
    let mut fabric = Fabric::new();
    let near = fabric.nodes(["10.0.0.10/24", "10.0.0.11/24"]);
    let far = fabric.nodes(["10.0.1.10/24", "10.0.1.11/24"]);
    fabric.peer(&near, "10.0.0.1", DEFAULT);
    fabric.peer(&far, "10.0.1.1", DEFAULT);
    runs(
        "routers::peers_that_nothing_names_are_one_router",
        &fabric.topology,
        "sessions 10/10, learned 12/12, arrives 12/12",
    );
}

/// Two racks whose nodes peer with their router alone, which has an AS of its own.
fn spokes(numbers: [u32; 2], routers: [u32; 2]) -> Fabric {
    let mut fabric = Fabric::without_mesh();
    for rack in 0..2 {
        let subnet = format!("10.0.{rack}");
        let nodes = fabric.nodes([&format!("{subnet}.2/24"), &format!("{subnet}.3/24")]);
        fabric.as_number(&nodes, numbers[rack]);
        fabric.router(
            &format!("tor-{rack}"),
            &[&format!("{subnet}.1/24")],
            routers[rack],
        );
        fabric.peer(&nodes, &format!("{subnet}.1"), routers[rack]);
    }
    fabric
}

#[test]
fn an_as_for_each_rack_without_reflectors_drops_the_routes_of_its_own_nodes() {
    runs(
        "routers::an_as_for_each_rack_without_reflectors_drops_the_routes_of_its_own_nodes",
        &spokes([64512, 64513], [65001, 65002]).topology,
        "sessions 5/5, learned 8/12, arrives 12/12",
    );
}

#[test]
fn a_router_hides_missing_routes_behind_the_default_route() {
    runs(
        "routers::a_router_hides_missing_routes_behind_the_default_route",
        &spokes([64512, 64512], [65001, 65002]).topology,
        "sessions 5/5, learned 0/12, arrives 12/12",
    );
}

#[test]
fn an_as_for_each_node() {
    let mut fabric = spokes([64512, 64512], [65001, 65002]);
    for node in 0..4 {
        fabric.as_number(&[node], 64601 + node);
    }
    runs(
        "routers::an_as_for_each_node",
        &fabric.topology,
        "sessions 5/5, learned 12/12, arrives 12/12",
    );
}

#[test]
fn a_router_with_the_wrong_as_number() {
    let mut fabric = Fabric::new();
    let near = fabric.nodes(["10.0.0.10/24", "10.0.0.11/24"]);
    let far = fabric.nodes(["10.0.1.10/24", "10.0.1.11/24"]);
    fabric.router("router", &["10.0.0.1/24", "10.0.1.1/24"], DEFAULT);
    fabric.peer(&near, "10.0.0.1", DEFAULT);
    fabric.peer(&far, "10.0.1.1", 64999);
    runs(
        "routers::a_router_with_the_wrong_as_number",
        &fabric.topology,
        "sessions 8/10, learned 12/12, arrives 8/12",
    );
}

/// Each node tells the router of all blocks, with itself as next hop: of those that the router sends the packets to, the
/// ones in the sender's subnet send them back to it.
#[test]
fn a_mesh_that_tells_a_router_of_another_as_about_itself() {
    let mut fabric = Fabric::new();
    let near = fabric.nodes(["10.0.0.10/24", "10.0.0.11/24"]);
    let far = fabric.nodes(["10.0.1.10/24", "10.0.1.11/24"]);
    fabric.router("router", &["10.0.0.1/24", "10.0.1.1/24"], 65001);
    fabric.peer(&near, "10.0.0.1", 65001);
    fabric.peer(&far, "10.0.1.1", 65001);
    runs(
        "routers::a_mesh_that_tells_a_router_of_another_as_about_itself",
        &fabric.topology,
        "sessions 10/10, learned 12/12, arrives 4/12",
    );
}

/// The far router knows the far node's block by both nodes, and takes the one beside it. Of the near node's block the
/// one beside it is the wrong one.
#[test]
fn of_equal_routes_those_on_an_own_subnet_count() {
    let mut fabric = Fabric::new();
    let nodes = fabric.nodes(["10.0.0.10/24", "10.0.1.10/24"]);
    fabric.router("near", &["10.0.0.1/24"], 65001);
    fabric.router("far", &["10.0.1.1/24"], 65002);
    fabric.peer(&nodes, "10.0.1.1", 65002);
    runs(
        "routers::of_equal_routes_those_on_an_own_subnet_count",
        &fabric.topology,
        "sessions 4/4, learned 2/2, arrives 1/2",
    );
}

#[test]
fn ipv6_across_a_router() {
    let mut fabric = Fabric::v6();
    let near = fabric.nodes(["fd00:a::2/64", "fd00:a::3/64"]);
    let far = fabric.nodes(["fd00:b::2/64"]);
    fabric.router("router", &["fd00:a::1/64", "fd00:b::1/64"], DEFAULT);
    fabric.peer(&near, "fd00:a::1", DEFAULT);
    fabric.peer(&far, "fd00:b::1", DEFAULT);
    runs(
        "routers::ipv6_across_a_router",
        &fabric.topology,
        "sessions 6/6, learned 6/6, arrives 6/6",
    );
}

#[test]
fn a_router_that_reflects() {
    let mut fabric = Fabric::without_mesh();
    let near = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24"]);
    let far = fabric.nodes(["10.0.1.2/24", "10.0.1.3/24"]);
    fabric
        .router("router", &["10.0.0.1/24", "10.0.1.1/24"], DEFAULT)
        .route_reflector = true;
    fabric.peer(&near, "10.0.0.1", DEFAULT);
    fabric.peer(&far, "10.0.1.1", DEFAULT);
    runs(
        "routers::a_router_that_reflects",
        &fabric.topology,
        "sessions 4/4, learned 12/12, arrives 12/12",
    );
}

#[test]
fn a_router_that_does_not_reflect() {
    let mut fabric = Fabric::without_mesh();
    let near = fabric.nodes(["10.0.0.2/24", "10.0.0.3/24"]);
    let far = fabric.nodes(["10.0.1.2/24", "10.0.1.3/24"]);
    fabric.router("router", &["10.0.0.1/24", "10.0.1.1/24"], DEFAULT);
    fabric.peer(&near, "10.0.0.1", DEFAULT);
    fabric.peer(&far, "10.0.1.1", DEFAULT);
    runs(
        "routers::a_router_that_does_not_reflect",
        &fabric.topology,
        "sessions 4/4, learned 0/12, arrives 12/12",
    );
}
