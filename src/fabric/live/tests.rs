mod changes;
mod peers;

use super::*;
use crate::fabric::topology::{
    Address, Filter, FilterAction, FilterRule, MatchOperator, Node, Peering, Pool,
};
use crate::model::{Encapsulation, TunnelMode};
use serde_json::{Value, json};

fn node_named(name: &str, annotations: &Value, labels: &Value) -> Live {
    Live::new(json!({"metadata": {"name": name, "annotations": annotations, "labels": labels}}))
}

/// Nodes a, b and c at 10.0.0.1 to 10.0.0.3.
fn nodes() -> Vec<Live> {
    [("a", 1, "red"), ("b", 2, "red"), ("c", 3, "blue")]
        .map(|(name, last, rack)| {
            let address = format!("10.0.0.{last}/24");
            let annotations = json!({"projectcalico.org/IPv4Address": address});
            node_named(name, &annotations, &json!({"rack": rack}))
        })
        .to_vec()
}

struct Cluster {
    nodes: Vec<Live>,
    configurations: Vec<Live>,
    peers: Vec<Live>,
    filters: Vec<Live>,
    pools: Vec<Live>,
    places: BTreeMap<String, Place>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            nodes: nodes(),
            configurations: Vec::new(),
            peers: Vec::new(),
            filters: Vec::new(),
            pools: Vec::new(),
            places: BTreeMap::new(),
        }
    }
}

impl Cluster {
    fn topology(&self) -> Topology {
        live(&Objects {
            nodes: &self.nodes,
            configurations: &self.configurations,
            peers: &self.peers,
            filters: &self.filters,
            pools: &self.pools,
            backend: Backend::Bird,
            release: "v3.32.1".parse().unwrap(),
            service_cidrs: &[],
            places: &self.places,
        })
    }

    fn left_out(&self) -> Vec<String> {
        let topology = self.topology();
        let told = topology.unmodelled.iter();
        told.map(|one| format!("{}: {}", one.origin, one.feature))
            .collect()
    }
}

fn named(name: &str, spec: &Value) -> Live {
    Live::new(json!({"metadata": {"name": name}, "spec": spec}))
}

fn with_peer(spec: &Value) -> Cluster {
    Cluster {
        peers: vec![named("p", spec)],
        ..Cluster::default()
    }
}

fn peering(spec: &Value) -> Option<Peering> {
    with_peer(spec).topology().peerings.pop()
}

fn read_node(annotations: &Value) -> Node {
    node::node(&Live::new(json!({
        "metadata": {"name": "n", "annotations": annotations},
        "status": {"addresses": [
            {"type": "Hostname", "address": "n"},
            {"type": "InternalIP", "address": "fd00::9"},
            {"type": "InternalIP", "address": "10.9.9.9"},
        ]},
    })))
}

fn address(text: &str) -> Option<Address> {
    UnitAddress::read(text).map(|address| Address {
        ip: address.ip,
        subnet: address.subnet,
    })
}

#[test]
fn addresses_are_calicos_then_the_units_then_kubernetes() {
    for (annotations, v4, v6) in [
        (json!({}), "10.9.9.9/32", "fd00::9/128"),
        (
            json!({"calico.juju.is/addresses": "10.0.0.5/24,10.0.1.5/24,fd00::5/64"}),
            "10.0.0.5/24",
            "fd00::5/64",
        ),
        (
            json!({"projectcalico.org/IPv4Address": "10.0.1.5/25", "calico.juju.is/addresses": "10.0.0.5/24"}),
            "10.0.1.5/25",
            "fd00::9/128",
        ),
        (
            json!({"projectcalico.org/IPv4Address": "10.0.1.5", "projectcalico.org/IPv6Address": "fd00::5/48"}),
            "10.0.1.5/32",
            "fd00::5/48",
        ),
        (
            json!({"projectcalico.org/IPv4Address": "10.0.1.300/24", "projectcalico.org/IPv6Address": "10.0.0.1/24"}),
            "10.9.9.9/32",
            "fd00::9/128",
        ),
        (
            json!({"projectcalico.org/IPv4Address": "10.0.1.3/33"}),
            "10.9.9.9/32",
            "fd00::9/128",
        ),
    ] {
        let node = read_node(&annotations);
        assert_eq!(
            (node.v4, node.v6),
            (address(v4), address(v6)),
            "{annotations}"
        );
    }
}

#[test]
fn odd_annotations_are_ignored_as_calico_does() {
    for (text, number) in [
        ("64513", Some(64513)),
        ("1.10", Some(65546)),
        ("-1", None),
        ("4294967296", None),
        ("x", None),
        ("", None),
    ] {
        let node = read_node(&json!({"projectcalico.org/ASNumber": text}));
        let found = node.as_number.map(|told| told.value.value());
        assert_eq!(found, number, "{text}");
    }
    for (text, id) in [
        ("0.0.0.0", Some("0.0.0.0")),
        ("244.0.0.1", Some("244.0.0.1")),
        ("1", None),
        ("244.0.0", None),
    ] {
        let node = read_node(&json!({"projectcalico.org/RouteReflectorClusterID": text}));
        let found = node.cluster_id.map(|told| told.value.to_string());
        assert_eq!(found.as_deref(), id, "{text}");
    }
    let node = read_node(&json!({"calico.juju.is/unit": "calico/3"}));
    assert_eq!(node.unit, Some("calico/3".parse().unwrap()));
}

#[test]
fn what_the_model_leaves_out_is_said() {
    let peer = |field: &str, value: Value| {
        let mut spec = json!({"peerIP": "10.0.9.9", "asNumber": 65000});
        spec[field] = value;
        with_peer(&spec)
    };
    let configuration = |spec: Value| Cluster {
        configurations: vec![named("default", &spec)],
        ..Cluster::default()
    };
    for (cluster, expected) in [
        (
            peer("localWorkloadSelector", json!("all()")),
            "BGPPeer p: localWorkloadSelector: sessions with workloads",
        ),
        (
            peer("sourceAddress", json!("None")),
            "BGPPeer p: sourceAddress",
        ),
        (peer("madeUpLater", json!("x")), "BGPPeer p: madeUpLater"),
        (
            peer("nodeSelector", json!("rack = 'a'")),
            "BGPPeer p: nodeSelector, which has `= 'a'` where ==, !=, in, not in, contains, starts with or ends with has \
             to stand",
        ),
        (
            peer("peerIP", json!("10.0.0.300")),
            "BGPPeer p: peerIP 10.0.0.300, with which Calico makes no session",
        ),
        (
            peer("asNumber", json!(-1)),
            "BGPPeer p: asNumber -1, which is none to peer with",
        ),
        (
            peer("asNumber", json!(0)),
            "BGPPeer p: no asNumber: BIRD refuses its whole configuration at its next start",
        ),
        (
            peer("localASNumber", json!(65535)),
            "BGPPeer p: localASNumber 65535",
        ),
        (
            configuration(json!({"programClusterRoutes": "Disabled"})),
            "BGPConfiguration default: programClusterRoutes",
        ),
        (
            configuration(json!({"asNumber": 65535})),
            "BGPConfiguration default: asNumber 65535",
        ),
        (
            Cluster {
                configurations: vec![named(
                    "node.a",
                    &json!({"listenPort": 1179, "logSeverityScreen": "Debug"}),
                )],
                ..Cluster::default()
            },
            "BGPConfiguration node.a: listenPort",
        ),
        (
            Cluster {
                filters: vec![named(
                    "f",
                    &json!({"importV4": [{"action": "Reject", "source": "RemotePeers"}]}),
                )],
                ..Cluster::default()
            },
            "BGPFilter f: importV4 with source",
        ),
        (
            Cluster {
                pools: vec![named("p", &json!({"cidr": "x"}))],
                ..Cluster::default()
            },
            "IPPool p: cidr x",
        ),
        (
            Cluster {
                pools: vec![named(
                    "p",
                    &json!({"cidr": "10.1.0.0/16", "nodeSelector": "rack"}),
                )],
                ..Cluster::default()
            },
            "IPPool p: nodeSelector, which ends where ==, !=, in, not in, contains, starts with or ends with has to come",
        ),
    ] {
        assert_eq!(cluster.left_out(), [expected]);
    }
    let quiet = json!({"programClusterRoutes": "Enabled", "communities": [], "bindMode": "NodeIP", "listenPort": 179});
    assert_eq!(configuration(quiet).left_out(), [] as [&str; 0]);
}

#[test]
fn what_holds_for_every_node() {
    let absent = Cluster::default().topology();
    assert_eq!(
        (
            absent.as_number.value.value(),
            absent.mesh.value,
            absent.listen_port
        ),
        (64512, true, 179)
    );
    let spec = json!({"asNumber": 64999, "nodeToNodeMeshEnabled": false, "listenPort": 1179,
        "serviceClusterIPs": [{"cidr": "10.152.183.0/24"}], "serviceExternalIPs": [{"cidr": "203.0.113.7"}]});
    let mut cluster = Cluster {
        configurations: vec![
            named("node.default", &json!({"asNumber": 1})),
            named("default", &spec),
        ],
        ..Cluster::default()
    };
    let found = cluster.topology();
    assert_eq!(
        (
            found.as_number.value.value(),
            found.mesh.value,
            found.listen_port
        ),
        (64999, false, 1179)
    );
    assert_eq!(found.mesh.origin.to_string(), "BGPConfiguration default");
    let services: Vec<String> = found
        .services
        .iter()
        .map(|told| told.value.to_string())
        .collect();
    assert_eq!(services, ["10.152.183.0/24", "203.0.113.7/32"]);
    let mut ours = cluster.configurations[1].value().clone();
    ours["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "calico-charm",
        "calico.juju.is/model": "m", "calico.juju.is/application": "calico"});
    cluster.configurations[1] = Live::new(ours);
    let found = cluster.topology();
    assert_eq!(found.mesh.origin, Origin::option("node-to-node-mesh"));
    assert_eq!(found.as_number.origin, Origin::option("global-as-number"));
}

#[test]
fn pools_and_their_packets() {
    let pool = |spec: Value| {
        let cluster = Cluster {
            pools: vec![named("p", &spec)],
            ..Cluster::default()
        };
        cluster.topology().pools.pop()
    };
    let plain = Pool {
        origin: Origin::Object {
            kind: "IPPool",
            name: "p".to_owned(),
        },
        cidr: "10.1.0.0/16".parse().unwrap(),
        encapsulation: Encapsulation::None,
        block_size: 26,
        disabled: false,
        exported: true,
        nodes: None,
    };
    for (spec, expected) in [
        (json!({"cidr": "10.1.0.0/16"}), plain.clone()),
        (
            json!({"cidr": "10.1.2.3/16", "ipipMode": "Never", "nodeSelector": "all()"}),
            plain.clone(),
        ),
        (
            json!({"cidr": "10.1.0.0/16", "ipipMode": "CrossSubnet", "blockSize": 24, "disabled": true}),
            Pool {
                encapsulation: Encapsulation::Ipip(TunnelMode::CrossSubnet),
                block_size: 24,
                disabled: true,
                ..plain.clone()
            },
        ),
        (
            json!({"cidr": "10.1.0.0/16", "vxlanMode": "Always", "disableBGPExport": true, "nodeSelector": "rack == 'blue'"}),
            Pool {
                encapsulation: Encapsulation::Vxlan(TunnelMode::Always),
                exported: false,
                nodes: Some(vec![2]),
                ..plain.clone()
            },
        ),
        (
            json!({"cidr": "fd00::/108", "blockSize": 0}),
            Pool {
                cidr: "fd00::/108".parse().unwrap(),
                block_size: 122,
                ..plain
            },
        ),
    ] {
        assert_eq!(pool(spec.clone()), Some(expected), "{spec}");
    }
    assert_eq!(
        pool(json!({"cidr": "10.1.0.0/16", "allowedUses": ["LoadBalancer"]})),
        None
    );
}

#[test]
fn filters_look_at_networks() {
    let filter = named(
        "f",
        &json!({
            "importV4": [
                {"action": "Accept", "cidr": "10.0.0.0/8", "matchOperator": "In", "prefixLength": {"min": 24}},
                {"action": "Reject"},
            ],
            "exportV6": [{"action": "Reject", "cidr": "fd00::/8", "matchOperator": "NotIn"}],
        }),
    );
    let cluster = Cluster {
        filters: vec![filter],
        ..Cluster::default()
    };
    let rule = |action, network, prefix_length| FilterRule {
        action,
        network,
        prefix_length,
        unmodelled: None,
    };
    let v4 = Some((MatchOperator::In, "10.0.0.0/8".parse().unwrap()));
    let v6 = Some((MatchOperator::NotIn, "fd00::/8".parse().unwrap()));
    assert_eq!(
        cluster.topology().filters,
        [Filter {
            name: "f".to_owned(),
            import: [
                vec![
                    rule(FilterAction::Accept, v4, Some((24, 32))),
                    rule(FilterAction::Reject, None, None),
                ],
                Vec::new(),
            ],
            export: [Vec::new(), vec![rule(FilterAction::Reject, v6, None)]],
        }]
    );
}

#[test]
fn what_moves_packets() {
    let agent = |env: Value| {
        Live::new(
            json!({"spec": {"template": {"spec": {"containers": [{"name": "calico-node", "env": env}]}}}}),
        )
    };
    let reference = json!([{"name": "CALICO_NETWORKING_BACKEND",
        "valueFrom": {"configMapKeyRef": {"name": "calico-config", "key": "calico_backend"}}}]);
    let written = json!([{"name": "CALICO_NETWORKING_BACKEND", "value": "none"}]);
    let config = Live::new(json!({"data": {"calico_backend": "vxlan"}}));
    for (agent, config, expected) in [
        (None, None, Backend::Bird),
        (Some(agent(json!([]))), None, Backend::Bird),
        (Some(agent(reference.clone())), None, Backend::Bird),
        (Some(agent(reference)), Some(&config), Backend::Vxlan),
        (Some(agent(written)), Some(&config), Backend::None),
    ] {
        assert_eq!(backend(agent.as_ref(), config), expected);
    }
}
