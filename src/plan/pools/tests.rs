use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::config::{CharmConfig, RawConfig};
use crate::model::ClusterIntent;
use crate::plan::HeldAddress;

fn owner() -> Owner {
    Owner {
        model: "m".into(),
        application: "calico".into(),
    }
}

fn intents(options: &Value) -> Vec<PoolIntent> {
    let raw = RawConfig::from_json(options).unwrap();
    let config = CharmConfig::parse(&raw, "calico").unwrap();
    ClusterIntent::new(&config).pools().unwrap().to_vec()
}

fn of_cidr(cidr: &str) -> Vec<PoolIntent> {
    intents(&json!({ "cidr": cidr }))
}

fn pool(name: &str, spec: impl Into<Value>) -> Live {
    let mut object = json!({"metadata": {"name": name, "uid": format!("uid-{name}")}});
    object["spec"] = spec.into();
    Live::new(object)
}

fn plain(name: &str, cidr: &str) -> Live {
    pool(name, json!({ "cidr": cidr }))
}

/// A block whose addresses have these attributes.
fn block(cidr: &str, attributes: &Value) -> Live {
    let count = attributes.as_array().unwrap().len();
    let allocations: Vec<Value> = std::iter::once(Value::Null)
        .chain((0..count).map(Value::from))
        .collect();
    Live::new(json!({"spec": {"cidr": cidr, "allocations": allocations, "attributes": attributes}}))
}

fn pod(node: &str) -> Value {
    json!({"handle_id": "k8s-pod-network.1", "secondary": {"node": node, "pod": "web", "namespace": "default"}})
}

fn tunnel(kind: &str) -> Value {
    json!({"handle_id": "vxlan-tunnel-addr-a", "secondary": {"node": "a", "type": kind}})
}

fn counts(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

/// What the plan does to pools: `name: spec` of every apply.
fn applied(intents: &[PoolIntent], pools: &[Live], blocks: &[Live]) -> Vec<(String, bool, Value)> {
    plan_pools(intents, &owner(), pools, blocks)
        .unwrap()
        .into_iter()
        .map(|step| match step {
            Step::Apply {
                desired, create, ..
            } => (desired.name, create, desired.spec.into()),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn names(intents: &[PoolIntent], pools: &[Live]) -> Vec<String> {
    let applied = applied(intents, pools, &[]);
    applied.into_iter().map(|(name, ..)| name).collect()
}

#[test]
fn addresses_are_counted_by_what_holds_them() {
    for (what, attributes, workloads) in [
        ("nothing", json!([]), 0),
        ("a pod", json!([pod("a")]), 1),
        (
            "pods and a tunnel",
            json!([pod("a"), tunnel("vxlanTunnelAddress"), pod("b")]),
            2,
        ),
        ("ipip", json!([tunnel("ipipTunnelAddress")]), 0),
        ("vxlan, IPv6", json!([tunnel("vxlanV6TunnelAddress")]), 0),
        ("wireguard", json!([tunnel("wireguardTunnelAddress")]), 0),
        (
            "wireguard, IPv6",
            json!([tunnel("wireguardV6TunnelAddress")]),
            0,
        ),
        ("a type of its own", json!([tunnel("loadBalancer")]), 1),
        (
            "Windows' reserve",
            json!([{"handle_id": "windows-reserved-IPAM-handle"}]),
            0,
        ),
        (
            "in cooldown",
            json!([{"handle_id": "x", "releasedAt": "2026-01-01T00:00:00Z"}]),
            0,
        ),
        (
            "released at null",
            json!([{"handle_id": "x", "releasedAt": null}]),
            1,
        ),
        ("no attributes", json!([{}]), 1),
    ] {
        let blocks = [block("10.1.0.0/26", &attributes)];
        assert_eq!(
            usage("10.1.0.0/16".parse().unwrap(), &blocks).workloads,
            workloads,
            "{what}"
        );
    }
}

#[test]
fn an_address_without_its_attribute_counts() {
    let dangling = Live::new(
        json!({"spec": {"cidr": "10.1.0.0/26", "allocations": [null, 3], "attributes": []}}),
    );
    assert_eq!(
        usage("10.1.0.0/16".parse().unwrap(), &[dangling]).workloads,
        1
    );
}

#[test]
fn blocks_count_for_the_pool_they_lie_in() {
    let used = json!([pod("a"), pod("b"), pod("a")]);
    let deleted = Live::new(
        json!({"spec": {"cidr": "10.1.0.64/26", "deleted": true, "allocations": [0], "attributes": [pod("c")]}}),
    );
    let blocks = [
        block("10.1.0.0/26", &used),
        block("10.2.0.0/26", &used),
        deleted,
    ];
    let found = usage("10.1.0.0/16".parse().unwrap(), &blocks);
    assert_eq!(found.workloads, 3);
    assert_eq!(found.nodes, counts(&[("a", 2), ("b", 1)]));
    assert_eq!(found.namespaces, counts(&[("default", 3)]));
}

#[test]
fn a_missing_pool_is_created_under_a_free_name() {
    let v4 = of_cidr("10.1.0.0/16");
    for (taken, expected) in [
        (vec![], "ipv4"),
        (vec!["ipv6", "default-ipv4-ippool"], "ipv4"),
        (vec!["ipv4"], "ipv4-10-1-0-0-16"),
        (vec!["ipv4", "ipv4-10-1-0-0-16"], "ipv4-10-1-0-0-16-2"),
        (vec!["ipv4-10-1-0-0-16"], "ipv4"),
    ] {
        let pools: Vec<Live> = taken
            .iter()
            .enumerate()
            .map(|(index, name)| plain(name, &format!("10.{}.0.0/16", index + 10)))
            .collect();
        assert_eq!(names(&v4, &pools), [expected], "{taken:?}");
    }
    let v6 = of_cidr("fd00:1::/112");
    assert_eq!(
        names(&v6, &[plain("ipv6", "fd00:2::/112")]),
        ["ipv6-fd00-1---112"]
    );
}

#[test]
fn a_new_pool_has_every_field_written() {
    let dual = intents(
        &json!({"cidr": "10.1.0.0/16,fd00:1::/112", "ipip": "CrossSubnet", "nat-outgoing": false}),
    );
    let expected = |cidr: &str, ipip: &str, size: u8| json!({"cidr": cidr, "ipipMode": ipip, "vxlanMode": "Never", "natOutgoing": false, "blockSize": size, "nodeSelector": "all()", "disabled": false});
    assert_eq!(
        applied(&dual, &[], &[]),
        [
            (
                "ipv4".to_owned(),
                true,
                expected("10.1.0.0/16", "CrossSubnet", 26)
            ),
            (
                "ipv6".to_owned(),
                true,
                expected("fd00:1::/112", "Never", 122)
            ),
        ]
    );
}

#[test]
fn a_pool_with_the_cidr_is_adopted_whatever_its_name() {
    let wanted = of_cidr("10.1.0.0/16");
    let applied = applied(&wanted, &[plain("default-ipv4-ippool", "10.1.0.0/16")], &[]);
    let [(name, create, spec)] = &applied[..] else {
        panic!("{applied:?}");
    };
    assert_eq!((name.as_str(), *create), ("default-ipv4-ippool", false));
    assert_eq!(spec["cidr"], "10.1.0.0/16");
}

#[test]
fn an_adopted_pool_keeps_block_size_and_spelling() {
    let wanted = intents(&json!({"cidr": "10.1.0.0/16", "ipip": "Always"}));
    for (cidr, size, expected) in [
        ("10.1.0.0/16", json!(24), 24),
        ("10.1.0.0/16", json!(null), 26),
        ("10.1.0.0/16", json!(0), 26),
        ("10.1.0.0/16", json!(999), 26),
        ("10.1.0.7/16", json!(26), 26),
    ] {
        let live = pool("mine", json!({"cidr": cidr, "blockSize": size}));
        let applied = applied(&wanted, &[live], &[]);
        assert_eq!(applied[0].2["blockSize"], json!(expected), "{size}");
        assert_eq!(applied[0].2["cidr"], json!(cidr));
        assert_eq!(applied[0].2["ipipMode"], "Always");
    }
}

#[test]
fn a_pool_that_is_as_wanted_costs_no_write() {
    let wanted = of_cidr("10.1.0.0/16");
    let labels = json!(owner().labels());
    let spec = json!({"cidr": "10.1.0.0/16", "natOutgoing": true, "blockSize": 26});
    let live = Live::new(json!({"metadata": {"name": "x", "labels": labels}, "spec": spec}));
    assert_eq!(applied(&wanted, std::slice::from_ref(&live), &[]), []);
    assert_eq!(
        doomed_pools(&wanted, &[live], &[], &[]),
        (vec![], vec![], vec![])
    );
}

#[test]
fn what_forbids_a_pool_is_said_with_the_way_out() {
    let wanted = of_cidr("10.1.0.0/16");
    let load_balancer = json!({"cidr": "10.1.0.0/16", "allowedUses": ["LoadBalancer"]});
    let operator = Live::new(
        json!({"metadata": {"name": "op", "labels": {"app.kubernetes.io/managed-by": "tigera-operator"}}, "spec": {"cidr": "10.1.0.0/16"}}),
    );
    let other_size = block("10.1.0.0/24", &json!([]));
    for (pools, blocks, message, remedy) in [
        (
            vec![plain("big", "10.0.0.0/8")],
            vec![],
            "cidr: 10.1.0.0/16 overlaps IPPool big (10.0.0.0/8)",
            "outside 10.0.0.0/8 first",
        ),
        (
            vec![plain("small", "10.1.4.0/24")],
            vec![],
            "cidr: 10.1.0.0/16 overlaps IPPool small (10.1.4.0/24)",
            "then set it to 10.1.0.0/16",
        ),
        (
            vec![pool("lb", load_balancer)],
            vec![],
            "cidr: 10.1.0.0/16 is IPPool lb, which is not this charm's",
            "manage-pools=false",
        ),
        (
            vec![operator],
            vec![],
            "cidr: 10.1.0.0/16 is IPPool op, which is not this charm's",
            "manage-pools=false",
        ),
        (
            vec![],
            vec![other_size],
            "cidr: 10.1.0.0/16 still holds block 10.1.0.0/24 of another size",
            "choose another",
        ),
    ] {
        let blocked = plan_pools(&wanted, &owner(), &pools, &blocks).unwrap_err();
        assert_eq!(blocked.message, message);
        assert!(blocked.remedy.contains(remedy), "{}", blocked.remedy);
    }
}

#[test]
fn blocks_of_the_right_size_or_elsewhere_forbid_nothing() {
    let wanted = of_cidr("10.1.0.0/16");
    let blocks = [
        block("10.1.0.0/26", &json!([])),
        block("10.2.0.0/24", &json!([])),
    ];
    assert_eq!(applied(&wanted, &[], &blocks).len(), 1);
}

#[test]
fn unrecognised_pools_are_disabled_then_deleted_once_empty() {
    let wanted = of_cidr("10.1.0.0/16");
    let disable = |name: &str, cidr: &str| Step::DisablePool {
        name: name.into(),
        cidr: cidr.into(),
        resource_version: String::new(),
        keep_tunnels: false,
    };
    let remove = |name: &str, cidr: &str| Step::RemovePool {
        name: name.into(),
        uid: format!("uid-{name}"),
        cidr: cidr.into(),
    };
    let used = [block("10.9.0.0/26", &json!([pod("a")]))];
    let tunnels = [block("10.9.0.0/26", &json!([tunnel("ipipTunnelAddress")]))];
    let old = |disabled: bool| pool("old", json!({"cidr": "10.9.0.0/16", "disabled": disabled}));
    for (what, live, blocks, disabled, removed, stays) in [
        ("empty", old(false), &[][..], 1, 1, 0),
        ("empty and disabled", old(true), &[][..], 0, 1, 0),
        ("tunnel addresses only", old(false), &tunnels[..], 1, 1, 0),
        ("in use", old(false), &used[..], 1, 0, 1),
        ("in use and disabled", old(true), &used[..], 0, 0, 1),
    ] {
        let (first, then, stay) = doomed_pools(&wanted, &[live], blocks, &[]);
        assert_eq!(
            first,
            vec![disable("old", "10.9.0.0/16"); disabled],
            "{what}"
        );
        assert_eq!(then, vec![remove("old", "10.9.0.0/16"); removed], "{what}");
        assert_eq!(stay.len(), stays, "{what}");
    }
}

#[test]
fn host_bits_do_not_hide_who_uses_a_pool() {
    let wanted = of_cidr("10.1.0.0/16");
    let used = [block("10.9.0.0/26", &json!([pod("a")]))];
    let (_, remove, stay) = doomed_pools(&wanted, &[plain("odd", "10.9.0.1/16")], &used, &[]);
    assert_eq!(remove, []);
    assert_eq!(stay[0].usage.workloads, 1);
    assert_eq!(names(&wanted, &[plain("odd", "10.1.255.1/16")]), ["odd"]);
}

/// With host-local IPAM there are no blocks.
#[test]
fn pods_keep_a_pool_that_no_block_knows_of() {
    let wanted = of_cidr("10.1.0.0/16");
    let pools = [plain("old", "10.9.0.0/16"), plain("older", "10.8.0.0/16")];
    let blocks = [block("10.8.0.0/26", &json!([pod("a")]))];
    let asked = not_in_blocks(&wanted, &pools, &blocks);
    assert_eq!(asked, [Extent::new("10.9.0.0/16".parse().unwrap(), &pools)]);
    let held = |ip: &str| HeldAddress {
        ip: ip.parse().unwrap(),
        node: "b".into(),
        namespace: "web".into(),
    };
    let pods = [held("10.9.0.1"), held("10.9.1.1"), held("10.1.0.1")];
    let (disable, remove, stay) = doomed_pools(&wanted, &pools, &blocks, &pods);
    assert_eq!(remove, []);
    // Nothing keeps the other IPAM from giving out more, and tunnels may have their addresses there.
    assert_eq!(disable.len(), 1);
    assert!(matches!(&disable[0], Step::DisablePool { name, .. } if name == "older"));
    let usages: Vec<(&str, usize, bool)> = stay
        .iter()
        .map(|pool| {
            let usage = &pool.usage;
            (pool.name.as_str(), usage.workloads, usage.is_outside_ipam)
        })
        .collect();
    assert_eq!(usages, [("old", 2, true), ("older", 1, false)]);
    assert_eq!(stay[0].usage.nodes, counts(&[("b", 2)]));
}

#[test]
fn pods_of_a_wanted_pool_do_not_keep_the_one_round_it() {
    let wanted = of_cidr("10.0.0.0/16");
    let pools = [plain("all", "10.0.0.0/8"), plain("ours", "10.0.0.0/16")];
    let inside = block("10.0.7.0/26", &json!([pod("a"), pod("b")]));
    let beside = block("10.9.0.0/26", &json!([pod("a")]));
    let (_, remove, stay) = doomed_pools(&wanted, &pools, std::slice::from_ref(&inside), &[]);
    assert_eq!((remove.len(), stay), (1, vec![]));
    let (_, remove, stay) = doomed_pools(&wanted, &pools, &[inside, beside], &[]);
    assert_eq!((remove, stay[0].usage.workloads), (vec![], 1));
}

#[test]
fn pools_that_are_not_for_this_charm_stay() {
    let wanted = of_cidr("10.1.0.0/16");
    let deleting = Live::new(
        json!({"metadata": {"name": "d", "deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"cidr": "10.8.0.0/16"}}),
    );
    // libcalico moves the operator's label into its own annotation when it rewrites a pool.
    let moved = json!({"labels": {"app.kubernetes.io/managed-by": "tigera-operator"}}).to_string();
    for pool in [
        plain("wanted", "10.1.0.0/16"),
        pool(
            "lb",
            json!({"cidr": "10.9.0.0/16", "allowedUses": ["LoadBalancer"]}),
        ),
        Live::new(
            json!({"metadata": {"name": "op", "labels": {"app.kubernetes.io/managed-by": "tigera-operator"}}, "spec": {"cidr": "10.9.0.0/16"}}),
        ),
        Live::new(
            json!({"metadata": {"name": "op", "annotations": {"projectcalico.org/metadata": moved}}, "spec": {"cidr": "10.9.0.0/16"}}),
        ),
        deleting,
        plain("odd", "ten-nine"),
        plain("odd", "10.9.0.0/99"),
        plain("odd", ""),
    ] {
        let shown = pool.value().to_string();
        assert_eq!(
            doomed_pools(&wanted, &[pool], &[], &[]),
            (vec![], vec![], vec![]),
            "{shown}"
        );
    }
}

#[test]
fn the_last_pool_of_its_encapsulation_is_not_disabled_under_workloads() {
    let used = [block(
        "10.9.0.0/26",
        &json!([pod("a"), tunnel("ipipTunnelAddress")]),
    )];
    let encapsulated = |mode: &str| pool("old", json!({"cidr": "10.9.0.0/16", mode: "Always"}));
    for (options, mode, held) in [
        (json!({"cidr": "10.1.0.0/16"}), "ipipMode", true),
        (json!({"cidr": "10.1.0.0/16"}), "vxlanMode", true),
        (json!({"cidr": "10.1.0.0/16"}), "other", false),
        (
            json!({"cidr": "10.1.0.0/16", "ipip": "CrossSubnet"}),
            "ipipMode",
            false,
        ),
        (
            json!({"cidr": "10.1.0.0/16", "vxlan": "Always"}),
            "ipipMode",
            true,
        ),
        (
            json!({"cidr": "10.1.0.0/16", "vxlan": "Always"}),
            "vxlanMode",
            false,
        ),
        (
            json!({"cidr": "fd00:1::/112", "vxlan": "Always"}),
            "vxlanMode",
            true,
        ),
    ] {
        let wanted = intents(&options);
        let (disable, remove, stay) = doomed_pools(&wanted, &[encapsulated(mode)], &used, &[]);
        assert_eq!(stay[0].held, held, "{options} {mode}");
        let [Step::DisablePool { keep_tunnels, .. }] = disable.as_slice() else {
            panic!("{options} {mode}: {disable:?}");
        };
        assert_eq!(*keep_tunnels, held, "{options} {mode}");
        assert_eq!(remove, []);
        let (disable, remove, _) = doomed_pools(&wanted, &[encapsulated(mode)], &[], &[]);
        assert_eq!(
            (disable.len(), remove.len()),
            (1, 1),
            "empty: {options} {mode}"
        );
    }
}

#[test]
fn tunnels_move_only_to_a_pool_that_takes_them() {
    let old = || pool("old", json!({"cidr": "10.9.0.0/16", "ipipMode": "Always"}));
    let new = |more: Value| {
        let mut spec = json!({"cidr": "10.1.0.0/26", "ipipMode": "Always"});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        pool("new", spec)
    };
    let refused = Live::new(json!({
        "metadata": {"name": "new"}, "spec": {"cidr": "10.1.0.0/26"},
        "status": {"conditions": [{"type": "Allocatable", "status": "False", "reason": "CIDROverlap"}]},
    }));
    let wanted = intents(&json!({"cidr": "10.1.0.0/26", "ipip": "Always"}));
    let tunnels = |count: usize| {
        let each = vec![tunnel("ipipTunnelAddress"); count];
        block("10.9.0.0/24", &json!(each))
    };
    for (what, pools, blocks, held) in [
        ("not made yet", vec![old()], vec![tunnels(64)], false),
        ("too small", vec![old()], vec![tunnels(65)], true),
        (
            "stands",
            vec![old(), new(json!({}))],
            vec![tunnels(3)],
            false,
        ),
        (
            "is full",
            vec![old(), new(json!({}))],
            vec![tunnels(3), block("10.1.0.0/26", &json!(vec![pod("a"); 62]))],
            true,
        ),
        (
            "gives no tunnel addresses",
            vec![old(), new(json!({"allowedUses": ["Workload"]}))],
            vec![tunnels(3)],
            true,
        ),
        (
            "gives them beside others",
            vec![old(), new(json!({"allowedUses": ["Workload", "Tunnel"]}))],
            vec![tunnels(3)],
            false,
        ),
        ("is refused", vec![old(), refused], vec![tunnels(3)], true),
    ] {
        let (disable, ..) = doomed_pools(&wanted, &pools, &blocks, &[]);
        let [Step::DisablePool { keep_tunnels, .. }] = disable.as_slice() else {
            panic!("{what}: {disable:?}");
        };
        assert_eq!(*keep_tunnels, held, "{what}");
    }
}

#[test]
fn one_unrecognised_pool_is_enough_to_block() {
    let wanted = of_cidr("10.1.0.0/16");
    let load_balancer = json!({"cidr": "10.7.0.0/16", "allowedUses": ["LoadBalancer"]});
    let fine = [plain("a", "10.1.0.0/16"), pool("lb", load_balancer)];
    assert_eq!(refuse_unrecognized(&wanted, &fine), None);
    let found = [plain("a", "10.8.0.0/16"), plain("b", "10.9.0.0/16")];
    for (count, message) in [
        (1, "unrecognized-pools: IPPool a 10.8.0.0/16 is not in cidr"),
        (
            2,
            "unrecognized-pools: IPPool a 10.8.0.0/16 is not in cidr (+1 more)",
        ),
    ] {
        let blocked = refuse_unrecognized(&wanted, &found[..count]).unwrap();
        assert_eq!(blocked.message, message);
        assert!(blocked.remedy.contains("unrecognized-pools=ignore"));
    }
}

#[test]
fn blocks_are_read_only_for_pools_that_come_or_go() {
    let wanted = of_cidr("10.1.0.0/16");
    let (stands, other) = (plain("a", "10.1.0.0/16"), plain("b", "10.9.0.0/16"));
    for (pools, drain, needed) in [
        (vec![], false, true),
        (vec![stands.clone()], true, false),
        (vec![stands.clone(), other.clone()], true, true),
        (vec![stands, other.clone()], false, false),
        (vec![other], false, true),
    ] {
        assert_eq!(needs_blocks(&wanted, &pools, drain), needed, "{pools:?}");
    }
}
