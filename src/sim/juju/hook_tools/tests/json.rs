//! Answers for programs and for shells.

use super::*;

#[test]
fn options_and_relations_are_json_when_asked() {
    let own = json!({"private-address": "10.0.0.6", "ingress-address": "10.0.0.6", "egress-subnets": "10.0.0.6/32"});
    let mut principal = own.clone();
    principal["kubeconfig-hash"] = json!("0f");
    check_json([
        (
            "calico/0",
            "config-get --format=json global-as-number",
            json!(64512),
        ),
        (
            "calico/0",
            "config-get --format=json node-to-node-mesh",
            json!(true),
        ),
        ("calico/0", "config-get --format=json release", json!(null)),
        (
            "calico/0",
            "config-get --format=json no-such-option",
            json!(null),
        ),
        (
            "calico/0",
            "relation-ids --format=json cni",
            json!(["cni:4"]),
        ),
        (
            "calico/1",
            "relation-ids --format=json cni",
            json!(["cni:5"]),
        ),
        (
            "calico/1",
            "relation-ids fabric --format=json",
            json!(["fabric:0"]),
        ),
        ("calico/1", "relation-ids nothing --format=json", json!([])),
        (
            "calico/1",
            "relation-list --format=json -r cni:5",
            json!(["kubernetes-worker/0"]),
        ),
        (
            "calico/1",
            "relation-list --format=json -r 5 --app",
            json!("kubernetes-worker"),
        ),
        (
            "calico/1",
            "relation-list --format=json -r fabric:0",
            json!(["calico/0", "calico/2"]),
        ),
        (
            "calico/1",
            "relation-list --format=json -r fabric:0 --app",
            json!("calico"),
        ),
        (
            "calico/1",
            "relation-get --format=json -r cni:5 - kubernetes-worker/0",
            principal,
        ),
        (
            "calico/1",
            "relation-get --format=json -r cni:5 kubeconfig-hash kubernetes-worker/0",
            json!("0f"),
        ),
        (
            "calico/1",
            "relation-get --format=json -r cni:5 no-such-key kubernetes-worker/0",
            json!(null),
        ),
        (
            "calico/1",
            "relation-get --format=json -r fabric:0 - calico/1",
            own,
        ),
        (
            "calico/1",
            "relation-get --format=json -r fabric:0 --app - calico",
            json!({}),
        ),
        (
            "calico/1",
            "relation-get --format=json -r cni:5 --app - kubernetes-worker/0",
            json!({}),
        ),
    ]);
}

#[test]
fn everything_else_is_json_when_asked() {
    check_json([
        ("calico/0", "is-leader --format=json", json!(true)),
        ("calico/1", "is-leader --format=json", json!(false)),
        ("calico/1", "leader-get --format=json", json!({})),
        ("calico/1", "leader-get --format=json key", json!(null)),
        ("calico/1", "state-get --format=json", json!({})),
        ("calico/1", "state-get --format=json key", json!(null)),
        (
            "calico/1",
            "unit-get --format=json private-address",
            json!("10.0.0.6"),
        ),
        ("calico/1", "opened-ports --format=json", json!([])),
        (
            "calico/1",
            "status-get --format=json",
            json!({"status": "waiting"}),
        ),
        (
            "calico/1",
            "status-get --format=json --include-data",
            json!({"status": "waiting", "message": "agent initialising", "status-data": {}}),
        ),
        (
            "calico/1",
            "network-get --format=json cni --ingress-address",
            json!("10.0.0.6"),
        ),
        (
            "calico/1",
            "network-get --format=json cni --bind-address --egress-subnets",
            json!({"bind-address": "10.0.0.6", "egress-subnets": ["10.0.0.6/32"]}),
        ),
    ]);
}

#[test]
fn without_a_format_answers_are_for_shells() {
    for (line, expected) in [
        ("is-leader", "True\n"),
        ("relation-list -r fabric:0", "calico/1\ncalico/2\n"),
        ("relation-ids nothing", ""),
        ("config-get release", ""),
        ("config-get vxlan", "Never\n"),
        ("status-get", "waiting\n"),
        ("unit-get private-address --format=yaml", "10.0.0.5\n"),
        (
            "relation-get -r cni:4 private-address kubernetes-control-plane/0",
            "10.0.0.5\n",
        ),
        ("goal-state", "relations:\n"),
    ] {
        let stdout = answer(&mut model(), "calico/0", line).unwrap();
        assert!(
            stdout.starts_with(expected) && stdout.is_empty() == expected.is_empty(),
            "{line}: {stdout:?}"
        );
    }
}
