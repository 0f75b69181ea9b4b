//! BGPPeers.

use super::*;
use crate::fabric::topology::{NextHop, PeeringExtra, Scope, Target};

#[test]
fn whom_peers_are_for_and_point_to() {
    let target = |text: &str| Target::Address(text.parse().unwrap());
    for (spec, scope, pointed_to) in [
        (
            json!({"peerIP": "10.0.0.254", "asNumber": 65000}),
            Scope::Global,
            target("10.0.0.254"),
        ),
        (
            json!({"node": "b", "peerIP": "[fd00::1]:1179", "asNumber": 65000}),
            Scope::Node(1),
            target("[fd00::1]:1179"),
        ),
        (
            json!({"nodeSelector": "rack == 'red'", "peerIP": "10.0.0.254", "asNumber": 65000}),
            Scope::Selected(vec![0, 1]),
            target("10.0.0.254"),
        ),
        (
            json!({"nodeSelector": "all()", "peerSelector": "rack != 'red'"}),
            Scope::Selected(vec![0, 1, 2]),
            Target::Nodes(vec![2]),
        ),
        (
            json!({"peerSelector": "rack == 'green'"}),
            Scope::Global,
            Target::Nodes(Vec::new()),
        ),
    ] {
        let found = peering(&spec).unwrap_or_else(|| panic!("{spec}"));
        assert_eq!((found.scope, found.target), (scope, pointed_to), "{spec}");
        assert_eq!(found.extra, None, "{spec}");
        assert_eq!(found.origin.to_string(), "BGPPeer p");
    }
    assert_eq!(
        peering(&json!({"node": "z", "peerIP": "10.0.0.1", "asNumber": 1})),
        None
    );
    assert_eq!(peering(&json!({})), None);
}

#[test]
fn labels_that_calico_keeps_count_where_kubernetes_has_none() {
    let kept = json!({"rack": "green", "zone": "z"}).to_string();
    let annotations = json!({"projectcalico.org/labels": kept});
    let nodes = vec![node_named("a", &annotations, &json!({"rack": "red"}))];
    for (selector, chosen) in [("zone == 'z'", vec![0]), ("rack == 'green'", vec![])] {
        let cluster = Cluster {
            nodes: nodes.clone(),
            peers: vec![named("p", &json!({"peerSelector": selector}))],
            ..Cluster::default()
        };
        let found = cluster.topology().peerings[0].target.clone();
        assert_eq!(found, Target::Nodes(chosen), "{selector}");
    }
}

#[test]
fn what_peers_have_beside_an_address() {
    let none = PeeringExtra::default;
    for (field, extra) in [
        (
            json!({"localASNumber": 65001}),
            PeeringExtra {
                local_as_number: Some(AsNumber::new(65001).unwrap()),
                ..none()
            },
        ),
        (
            json!({"nextHopMode": "Self"}),
            PeeringExtra {
                next_hop: NextHop::Own,
                ..none()
            },
        ),
        (
            json!({"nextHopMode": "Keep"}),
            PeeringExtra {
                next_hop: NextHop::Keep,
                ..none()
            },
        ),
        (
            json!({"keepOriginalNextHop": true}),
            PeeringExtra {
                next_hop: NextHop::Keep,
                keep_is_legacy: true,
                ..none()
            },
        ),
        (
            json!({"reversePeering": "Manual"}),
            PeeringExtra {
                reverse: false,
                ..none()
            },
        ),
        (
            json!({"password": {"secretKeyRef": {"name": "s", "key": "k"}}}),
            PeeringExtra {
                password: Some("s/k".to_owned()),
                ..none()
            },
        ),
        (
            json!({"ttlSecurity": 2}),
            PeeringExtra {
                ttl_security: 2,
                ..none()
            },
        ),
        (
            json!({"numAllowedLocalASNumbers": 1}),
            PeeringExtra {
                allowed_local_as: 1,
                ..none()
            },
        ),
        (
            json!({"filters": ["x", "y"]}),
            PeeringExtra {
                filters: vec!["x".to_owned(), "y".to_owned()],
                ..none()
            },
        ),
        (
            json!({"reachableBy": "10.0.0.254"}),
            PeeringExtra {
                reachable_by: Some("10.0.0.254".parse().unwrap()),
                ..none()
            },
        ),
    ] {
        let mut spec = json!({"peerIP": "10.0.9.9", "asNumber": 65000});
        for (key, value) in field.as_object().unwrap() {
            spec[key.as_str()] = value.clone();
        }
        let cluster = with_peer(&spec);
        assert_eq!(cluster.left_out(), [] as [&str; 0], "{field}");
        let found = cluster.topology().peerings.pop().unwrap();
        assert_eq!(found.extra, Some(Box::new(extra)), "{field}");
    }
    let plain = json!({"peerIP": "10.0.9.9", "asNumber": 65000, "reversePeering": "Auto", "nextHopMode": "Auto",
        "keepOriginalNextHop": false, "sourceAddress": "UseNodeIP", "maxRestartTime": "5s", "filters": []});
    assert_eq!(peering(&plain).unwrap().extra, None);
}

#[test]
fn the_charms_own_peers_know_their_place() {
    let labelled = Live::new(json!({
        "metadata": {"name": "calico-0-10.0.0.2", "labels": {
            "app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": "m",
            "calico.juju.is/application": "calico", "calico.juju.is/unit": "calico-0"}},
        "spec": {"node": "a", "peerIP": "10.0.0.2", "asNumber": 64512},
    }));
    let mut cluster = Cluster {
        peers: vec![labelled],
        ..Cluster::default()
    };
    assert_eq!(
        cluster.topology().peerings[0].origin,
        Origin::Unit("calico/0".parse().unwrap())
    );
    let place = Place {
        option: "global-bgp-peers".to_owned(),
        path: "[0]".to_owned(),
    };
    cluster
        .places
        .insert("calico-0-10.0.0.2".to_owned(), place.clone());
    let found = cluster.topology();
    assert_eq!(found.peerings[0].origin, Origin::Option(place));
    assert!(!found.peerings[0].is_foreign());
}

#[test]
fn a_peer_without_its_labels_is_the_charms_still() {
    let peer = |name: &str, manager: &str| {
        Live::new(json!({
            "metadata": {"name": name, "managedFields": [{
                "manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {"f:peerIP": {}}},
            }]},
            "spec": {"node": "a", "peerIP": "10.0.0.2", "asNumber": 64512},
        }))
    };
    let origin = |peer: Live| {
        let mut cluster = Cluster {
            peers: vec![peer],
            ..Cluster::default()
        };
        let annotations = json!({"projectcalico.org/IPv4Address": "10.0.0.1/24", "calico.juju.is/unit": "calico/3"});
        cluster.nodes[0] = node_named("a", &annotations, &json!({}));
        cluster.topology().peerings.pop().unwrap().origin
    };
    let by_hand = |name: &str| Origin::Object {
        kind: "BGPPeer",
        name: name.to_owned(),
    };
    let name = "calico-3-10.0.0.2";
    let own = Origin::Unit("calico/3".parse().unwrap());
    assert_eq!(origin(peer(name, "calico-charm")), own);
    assert_eq!(origin(peer(name, "kubectl")), by_hand(name));
    assert_eq!(origin(peer("mine", "calico-charm")), by_hand("mine"));
}
