use serde_json::json;

use super::*;

#[test]
fn processes_and_interfaces_leave_traces() {
    let none = Traces::default();
    let agent = Traces {
        agent: true,
        ..none
    };
    let bird = Traces { bird: true, ..none };
    let pods = Traces { pods: true, ..none };
    for (processes, interfaces, expected) in [
        (&["systemd", "calico"][..], &["eth0", "cali0"][..], none),
        (&["calico-node"], &[], agent),
        (&["bird"], &["vxlan.calico"], bird),
        (&["bird6"], &["tunl0"], bird),
        (&["birdwatcher"], &["califat12345678"], none),
        (&[], &["lo", "cali0123456789a"], pods),
        // A user's own interface.
        (&[], &["california"], none),
    ] {
        let traces = Traces::of(processes.iter().copied(), interfaces.iter().copied());
        assert_eq!(traces, expected, "{processes:?} {interfaces:?}");
    }
}

#[test]
fn the_network_stays_while_something_needs_it() {
    let none = Traces::default();
    let agent = Traces {
        agent: true,
        ..none
    };
    let pods = Traces { pods: true, ..none };
    let name = || "node-1".to_owned();
    for (node, traces, stays) in [
        (NodeSeen::Gone, none, None),
        // Pods of a Node that is gone are ended by Kubernetes, and so is calico-node.
        (NodeSeen::Gone, pods, None),
        (NodeSeen::Gone, agent, None),
        (NodeSeen::Idle(name()), none, None),
        (
            NodeSeen::Served(name()),
            none,
            Some("Node node-1 and would put it back"),
        ),
        (
            NodeSeen::Busy(name()),
            none,
            Some("Node node-1 still runs pods"),
        ),
        (NodeSeen::Unknown, none, None),
        (NodeSeen::Unknown, pods, Some("pods have interfaces here")),
        (NodeSeen::Unknown, agent, Some("calico-node runs here")),
    ] {
        let reason = reason_to_stay(&node, traces);
        match stays {
            None => assert_eq!(reason, None, "{node:?} {traces:?}"),
            Some(text) => assert!(
                reason.as_ref().is_some_and(|reason| reason.contains(text)),
                "{node:?} {traces:?}: {reason:?}"
            ),
        }
    }
}

fn link(name: &str, kind: &str) -> Value {
    json!({"ifname": name, "linkinfo": {"info_kind": kind}})
}

#[test]
fn only_calicos_interfaces_go() {
    let listed = Listed {
        links: json!([
            {"ifname": "lo"},
            link("vxlan.calico", "vxlan"),
            link("vxlan-v6.calico", "vxlan"),
            link("vxlan100", "vxlan"),
            link("wireguard.cali", "wireguard"),
            link("wg-v6.cali", "wireguard"),
            link("wg0", "wireguard"),
            link("cali0123456789a", "veth"),
            link("calibridge0000a", "bridge"),
            link("cali0123456789b", "bridge"),
            link("tunl0", "ipip"),
            link("veth0", "veth"),
        ]),
        ..Listed::default()
    };
    let chosen = links(&listed, Traces::default());
    let expected = [
        "vxlan.calico",
        "vxlan-v6.calico",
        "wireguard.cali",
        "wg-v6.cali",
        "cali0123456789a",
    ];
    assert_eq!(chosen.interfaces, expected);
    assert_eq!(
        chosen.batch,
        expected.map(|name| format!("link delete dev {name}"))
    );
    assert_eq!(
        (chosen.batch6, chosen.told, chosen.left),
        (vec![], vec![], vec![])
    );
}

#[test]
fn routes_go_by_their_protocol_and_ipip_with_them() {
    let through = |device: &str| json!({"dst": "192.168.0.0/26", "dev": device});
    let blackhole = || json!({"type": "blackhole", "dst": "192.168.1.0/26"});
    let listed = Listed {
        links: json!([link("tunl0", "ipip")]),
        bird: [json!([through("tunl0"), blackhole()]), json!([])],
        felix: [Value::Null, json!([through("eth0")])],
    };
    let chosen = links(&listed, Traces::default());
    let expected = [
        "route flush table all proto 12",
        "address flush dev tunl0",
        "link set dev tunl0 down",
    ];
    assert_eq!(chosen.batch, expected);
    assert_eq!(chosen.batch6, ["route flush table all proto 80"]);
    assert_eq!(
        chosen.told,
        [
            "2 of BIRD's routes",
            "1 of Felix's routes",
            "addresses of tunl0"
        ]
    );
}

#[test]
fn a_bird_that_runs_keeps_its_routes() {
    let listed = Listed {
        links: json!([link("tunl0", "ipip")]),
        bird: [json!([{"dst": "default", "dev": "tunl0"}]), json!([])],
        felix: [json!([]), json!([])],
    };
    let bird = Traces {
        bird: true,
        ..Traces::default()
    };
    let chosen = links(&listed, bird);
    assert_eq!(chosen.batch, [] as [&str; 0]);
    assert_eq!(chosen.left, ["1 of BIRD's routes, since a BIRD runs here"]);
    // Whose a BIRD is that still runs beside calico-node cannot be told.
    let both = Traces {
        agent: true,
        ..bird
    };
    assert_eq!(links(&listed, both).left.len(), 1);
    assert_eq!(
        links(&listed, Traces::default()).batch[0],
        "route flush table all proto 12"
    );
}

#[test]
fn nothing_listed_is_nothing_to_do() {
    assert_eq!(
        links(&Listed::default(), Traces::default()),
        Links::default()
    );
    assert_eq!(rules(""), None);
    assert_eq!(rules("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"), None);
    assert_eq!(sets(""), [] as [&str; 0]);
    assert_eq!(tables(""), [] as [[&str; 2]; 0]);
}

#[test]
fn what_a_second_listing_has_is_still_there() {
    let names = ["vxlan.calico", "cali0123456789a"].map(str::to_owned);
    let links = json!([link("lo", ""), link("vxlan.calico", "vxlan")]);
    assert_eq!(still_there(&links, &names), ["vxlan.calico"]);
}

const SAVED: &str = r#"# Generated by iptables-save v1.8.7
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
COMMIT
*filter
:INPUT ACCEPT [12:345]
:FORWARD DROP [0:0]
:KUBE-FORWARD - [0:0]
:cali-FORWARD - [0:0]
:cali-fw-cali0123456789a - [0:0]
:calico-of-somebody - [0:0]
-A INPUT -p tcp -m comment --comment "see cali:abc in the wiki" -j ACCEPT
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment cali:S93hcgKJrXEqnTfs -m mark --mark 0x10000/0x10000 -j ACCEPT
-A FORWARD -i eth1 -g cali-FORWARD
-A cali-FORWARD -m comment --comment "cali:abc" -i cali+ -j cali-fw-cali0123456789a
-A cali-fw-cali0123456789a -j DROP
COMMIT
"#;

#[test]
fn only_calicos_rules_go() {
    let found = rules(SAVED).unwrap();
    let expected = r#"*filter
-D FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-D FORWARD -m comment --comment cali:S93hcgKJrXEqnTfs -m mark --mark 0x10000/0x10000 -j ACCEPT
-D FORWARD -i eth1 -g cali-FORWARD
-F cali-FORWARD
-F cali-fw-cali0123456789a
-X cali-FORWARD
-X cali-fw-cali0123456789a
COMMIT
"#;
    assert_eq!(found.restore, expected);
    assert_eq!((found.chains, found.rules), (2, 3));
}

#[test]
fn only_calicos_sets_and_tables_go() {
    let names = "cali40all-ipam-pools\ncali60s:abc\ncali4t12\ncali6t0\nKUBE-CLUSTER-IP\ncali4ever\ncalico\n";
    assert_eq!(
        sets(names),
        ["cali40all-ipam-pools", "cali60s:abc", "cali4t12", "cali6t0"]
    );
    let listed = "table ip filter\ntable ip calico\ntable inet calico\ntable ip6 calico\ntable ip calico-mine\n";
    assert_eq!(tables(listed), [["ip", "calico"], ["ip6", "calico"]]);
}

#[test]
fn mounts_come_the_deepest_first() {
    let mounts = "tmpfs /run tmpfs rw 0 0\nnone /run/calico/cgroup cgroup2 rw 0 0\nnone /run/calico/cgroup/a tmpfs rw 0 0\n\
                  none /run/calicoctl tmpfs rw 0 0\nnonsense\n";
    assert_eq!(
        mounts_under(mounts, "/run/calico"),
        ["/run/calico/cgroup/a", "/run/calico/cgroup"]
    );
}
