//! The live fabric beside the wanted one.

use super::*;
use crate::fabric::topology::{Scope, Target};
use crate::fabric::{Budget, check};

fn wanted(names: &[&str]) -> Topology {
    let nodes: Vec<Live> = names
        .iter()
        .zip(11..)
        .map(|(name, last)| {
            let annotations = json!({"calico.juju.is/addresses": format!("10.0.0.{last}/24")});
            node_named(name, &annotations, &json!({}))
        })
        .collect();
    let cluster = Cluster {
        nodes,
        ..Cluster::default()
    };
    cluster.topology()
}

#[test]
fn what_options_do_not_name_stays() {
    let cluster = Cluster {
        configurations: vec![named(
            "default",
            &json!({"nodeToNodeMeshEnabled": false, "listenPort": 1179}),
        )],
        peers: vec![
            named(
                "x",
                &json!({"nodeSelector": "rack == 'red'", "peerSelector": "rack == 'blue'"}),
            ),
            named(
                "y",
                &json!({"node": "a", "peerIP": "10.0.9.9", "asNumber": 65000}),
            ),
        ],
        filters: vec![named("f", &json!({}))],
        pools: vec![named(
            "p",
            &json!({"cidr": "10.1.0.0/16", "nodeSelector": "rack == 'red'"}),
        )],
        ..Cluster::default()
    };
    // The units' Nodes come in another order, and b has no unit.
    let merged = merge(wanted(&["c", "a"]), cluster.topology());
    let names: Vec<&str> = merged.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
    let addresses: Vec<_> = merged.nodes.iter().map(|node| node.v4).collect();
    assert_eq!(
        addresses,
        [
            address("10.0.0.3/24"),
            address("10.0.0.1/24"),
            address("10.0.0.2/24")
        ]
    );
    assert_eq!(merged.peerings[0].scope, Scope::Selected(vec![1, 2]));
    assert_eq!(merged.peerings[0].target, Target::Nodes(vec![0]));
    assert_eq!(merged.peerings[1].scope, Scope::Node(1));
    assert_eq!((merged.mesh.value, merged.listen_port), (true, 1179));
    assert_eq!(merged.pools[0].nodes, Some(vec![1, 2]));
    assert_eq!(merged.filters.len(), 1);
}

#[test]
fn pools_that_the_charm_makes_take_over_what_it_leaves_alone() {
    let pool = |spec: Value| Cluster {
        pools: vec![named("p", &spec)],
        ..Cluster::default()
    };
    let want = pool(json!({"cidr": "10.1.0.0/16"})).topology();
    let there = pool(
        json!({"cidr": "10.1.0.0/16", "blockSize": 24, "disableBGPExport": true, "ipipMode": "Always"}),
    );
    let merged = merge(want.clone(), there.topology());
    assert_eq!(
        (merged.pools[0].block_size, merged.pools[0].exported),
        (24, false)
    );
    assert_eq!(merged.pools[0].encapsulation, Encapsulation::None);
    let other = pool(json!({"cidr": "10.2.0.0/16"}));
    assert_eq!(merge(want.clone(), other.topology()).pools, want.pools);
}

#[test]
fn a_change_that_reaches_more_and_loses_nothing_mends() {
    let mesh = |on: bool, peers: &[(&str, &str)]| {
        let peers = peers.iter().zip(0..).map(|((node, ip), number)| {
            let spec = json!({"node": node, "peerIP": ip, "asNumber": 64512});
            named(&format!("p{number}"), &spec)
        });
        let cluster = Cluster {
            configurations: vec![named("default", &json!({"nodeToNodeMeshEnabled": on}))],
            peers: peers.collect(),
            ..Cluster::default()
        };
        cluster.topology()
    };
    let none = mesh(false, &[]);
    let one = mesh(false, &[("a", "10.0.0.2")]);
    let another = mesh(false, &[("b", "10.0.0.3")]);
    let two = mesh(false, &[("a", "10.0.0.2"), ("b", "10.0.0.3")]);
    let full = mesh(true, &[]);
    for (there, wanted, expected) in [
        (&none, &one, true),
        (&none, &none, false),
        (&one, &none, false),
        (&one, &another, false),
        (&one, &two, true),
        (&two, &full, true),
        (&full, &two, false),
        (&full, &full, false),
    ] {
        let there = check(there, Budget::COMMAND);
        let wanted = check(wanted, Budget::COMMAND);
        let pairs = (there.reach.node_pairs, wanted.reach.node_pairs);
        assert_eq!(improves(&there, &wanted), expected, "{pairs:?}");
    }
}
