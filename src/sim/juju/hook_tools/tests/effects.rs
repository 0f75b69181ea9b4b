//! What tools do and whom they tell.

use super::*;

#[test]
fn options_without_a_value_are_absent_unless_all_are_asked_for() {
    let mut model = model();
    let options = |model: &mut JujuModel, line: &str| -> Value {
        serde_json::from_str(&answer(model, "calico/1", line).unwrap()).unwrap()
    };
    let some = options(&mut model, "config-get --format=json");
    assert_eq!(some["vxlan"], "Never");
    assert_eq!(some.get("release"), None);
    let all = options(&mut model, "config-get --format=json -a");
    assert_eq!(all.get("release"), Some(&json!(null)));
    model
        .set_options(
            "calico",
            [
                ("release", ""),
                ("veth-mtu", "9000"),
                ("cidr", "\n10.0.0.0/8 "),
            ],
        )
        .unwrap();
    let set = options(&mut model, "config-get --format=json");
    assert_eq!(
        (&set["release"], &set["veth-mtu"], &set["cidr"]),
        (&json!(""), &json!(9000), &json!("\n10.0.0.0/8 "))
    );
    model.reset_option("calico", "release").unwrap();
    assert_eq!(
        options(&mut model, "config-get --format=json").get("release"),
        None
    );
}

#[test]
fn networks_come_in_both_spellings() {
    let mut model = model();
    let shown = |model: &mut JujuModel| -> Value {
        serde_json::from_str(&answer(model, "calico/1", "network-get cni --format=json").unwrap())
            .unwrap()
    };
    let machine = model.unit("calico/1").unwrap().machine();
    model
        .change_machine(machine, |machine| {
            *machine = Machine::new("node-b")
                .with_address("fan-252", "252.0.0.1/8")
                .with_address("ens3", "10.0.0.6/24")
                .with_address("ens3", "fd00::6/64");
        })
        .unwrap();
    let new = shown(&mut model);
    assert_eq!(new["ingress-addresses"], json!(["10.0.0.6"]));
    assert_eq!(new["egress-subnets"], json!(["10.0.0.6/32"]));
    assert_eq!(new["bind-addresses"][0]["interfacename"], "fan-252");
    assert_eq!(
        new["bind-addresses"][1],
        json!({
            "mac-address": "aa:bb:cc:00:00:02", "macaddress": "aa:bb:cc:00:00:02",
            "interface-name": "ens3", "interfacename": "ens3",
            "addresses": [
                {"hostname": "", "value": "10.0.0.6", "address": "10.0.0.6", "cidr": "10.0.0.0/24"},
                {"hostname": "", "value": "fd00::6", "address": "fd00::6", "cidr": "fd00::/64"},
            ],
        })
    );
    model.network_spelling = NetworkSpelling::Juju29;
    let old = shown(&mut model);
    assert_eq!(old["bind-addresses"][1].get("macaddress"), None);
    assert_eq!(old["bind-addresses"][1].get("interfacename"), None);
    assert_eq!(
        old["bind-addresses"][1]["addresses"][0].get("address"),
        None
    );
    assert_eq!(old["bind-addresses"][1]["interface-name"], "ens3");
    model.bind("calico", "cni", "storage").unwrap();
    assert!(matches!(
        answer(&mut model, "calico/1", "network-get cni"),
        Err((1, _))
    ));
}

#[test]
fn goal_state_of_a_subordinate_lists_the_other_sides_only() {
    let mut model = model();
    let machine = model.add_machine(Machine::new("db").with_address("ens3", "10.0.0.9/24"));
    model.add_unit("etcd", machine).unwrap();
    let goal: Value =
        serde_json::from_str(&answer(&mut model, "calico/1", "goal-state --format=json").unwrap())
            .unwrap();
    let names = |endpoint: &str| -> Vec<&String> {
        goal["relations"][endpoint]
            .as_object()
            .unwrap()
            .keys()
            .collect()
    };
    assert_eq!(goal["units"], json!({}));
    assert_eq!(
        names("cni"),
        [
            "kubernetes-control-plane",
            "kubernetes-control-plane/0",
            "kubernetes-worker",
            "kubernetes-worker/0",
            "kubernetes-worker/1"
        ]
    );
    assert_eq!(names("etcd"), ["etcd", "etcd/0"]);
    assert_eq!(goal["relations"].get("fabric"), None);
    assert_eq!(
        goal["relations"]["cni"]["kubernetes-worker/0"]["status"],
        "active"
    );
    model.remove_unit("kubernetes-worker/0").unwrap();
    let goal = answer(&mut model, "calico/0", "goal-state --format=json").unwrap();
    let goal: Value = serde_json::from_str(&goal).unwrap();
    assert_eq!(
        goal["relations"]["cni"]["kubernetes-worker/0"]["status"],
        "dying"
    );
}

#[test]
fn settings_are_texts_and_empty_ones_delete() {
    for (line, stdin, expected) in [
        ("relation-set -r fabric:0 a=1 b=", "", json!({"a": "1"})),
        (
            "relation-set -r fabric:0 --file -",
            r#"{"a": 5, "b": true, "c": "x\ny", "d": null, "e": ""}"#,
            json!({"a": "5", "b": "true", "c": "x\ny"}),
        ),
        (
            "relation-set -r fabric:0 --file - a=2",
            r#"{"a": "1", "b": "1"}"#,
            json!({"a": "2", "b": "1"}),
        ),
        (
            "relation-set -r fabric:0 --file -",
            "a: x\nb: 'y'\n",
            json!({"a": "x", "b": "y"}),
        ),
        ("relation-set -r fabric:0", "", json!({})),
    ] {
        let mut model = model();
        let mut hook = model.begin_hook("calico/1", "update-status").unwrap();
        let output = run(&mut model, &mut hook, line, stdin);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (0, ""),
            "{line}: {}",
            output.stderr
        );
        // The own databag shows the write at once, and nobody else's view does.
        let own = run(
            &mut model,
            &mut hook,
            "relation-get --format=json -r fabric:0 - calico/1",
            "",
        );
        let mut own: serde_json::Map<String, Value> = serde_json::from_str(&own.stdout).unwrap();
        own.retain(|key, _| key.len() == 1);
        assert_eq!(Value::Object(own), expected, "{line}");
        let seen = |model: &mut JujuModel| {
            answer(model, "calico/2", "relation-get -r fabric:0 a calico/1").unwrap()
        };
        assert_eq!(seen(&mut model), "");
        model.commit(hook).unwrap();
        let value = expected
            .get("a")
            .and_then(Value::as_str)
            .map_or(String::new(), |text| format!("{text}\n"));
        assert_eq!(seen(&mut model), value, "{line}");
    }
    let mut model = model();
    let mut hook = model.begin_hook("calico/1", "update-status").unwrap();
    for stdin in ["[1]", r#"{"a": {"b": 1}}"#, "{"] {
        let output = run(
            &mut model,
            &mut hook,
            "relation-set -r fabric:0 --file -",
            stdin,
        );
        assert_eq!(output.code, 1, "{stdin}");
    }
}

#[test]
fn the_leaders_writes_are_seen_by_all_units_of_a_peer_relation() {
    let mut model = model();
    let mut hook = model.begin_hook("calico/0", "update-status").unwrap();
    assert_eq!(
        run(
            &mut model,
            &mut hook,
            "relation-set -r fabric:0 --app step=2",
            ""
        )
        .code,
        0
    );
    let own = run(
        &mut model,
        &mut hook,
        "relation-get -r fabric:0 --app step calico",
        "",
    );
    assert_eq!(own.stdout, "2\n");
    let seen = "relation-get -r fabric:0 --app step calico";
    assert_eq!(answer(&mut model, "calico/1", seen).unwrap(), "");
    let changes = model.commit(hook).unwrap();
    assert_eq!(answer(&mut model, "calico/1", seen).unwrap(), "2\n");
    // The leader itself is woken too: its application is the remote one in a peer relation.
    let woken: Vec<String> = model
        .woken(&changes[0])
        .into_iter()
        .map(|(unit, event)| format!("{unit} {event}"))
        .collect();
    assert_eq!(
        woken,
        [
            "calico/0 fabric-relation-changed (0)",
            "calico/1 fabric-relation-changed (0)",
            "calico/2 fabric-relation-changed (0)"
        ]
    );
}

#[test]
fn lines_are_logged_at_their_level() {
    let mut model = model();
    for line in [
        "juju-log -l WARNING -- -x y",
        "juju-log hello",
        "juju-log --debug d",
        "juju-log --log-level=loud z",
    ] {
        answer(&mut model, "calico/1", line).unwrap();
    }
    let mut hook = model
        .begin_hook("calico/1", "cni-relation-changed")
        .unwrap();
    run(&mut model, &mut hook, "juju-log -l error in-relation", "");
    model.rollback(hook);
    answer(&mut model, "calico/2", "juju-log other").unwrap();
    let lines: Vec<String> = model
        .take_logs_of("calico/1")
        .into_iter()
        .map(|line| {
            format!(
                "{} {} {} {}",
                line.unit, line.hook, line.level, line.message
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "calico/1 update-status WARNING -x y",
            "calico/1 update-status INFO hello",
            "calico/1 update-status DEBUG d",
            "calico/1 update-status WARNING Specified log level of loud is not valid",
            "calico/1 update-status INFO z",
            "calico/1 cni-relation-changed ERROR cni:5: in-relation",
        ]
    );
    assert_eq!(model.take_logs()[0].message, "other");
    assert_eq!(model.logs(), []);
}

#[test]
fn restricted_hooks_may_only_log() {
    for hook in [UnitHook::CollectMetrics, UnitHook::MeterStatusChanged] {
        for tool in super::super::TOOLS {
            let mut model = model();
            let mut context = model.begin("calico/0", hook.into()).unwrap();
            let output = run(&mut model, &mut context, &format!("{} x", tool.name()), "");
            let expected = i32::from(tool.name() != "juju-log");
            assert_eq!(output.code, expected, "{} in {}", tool.name(), hook.name());
        }
    }
}

#[test]
fn a_relation_hooks_own_relation_and_unit_are_the_defaults() {
    let mut model = model();
    let mut hook = model
        .begin_hook("calico/1", "cni-relation-changed")
        .unwrap();
    for (line, expected) in [
        ("relation-ids --format=json", "[\"cni:5\"]\n"),
        ("relation-list --format=json", "[\"kubernetes-worker/0\"]\n"),
        ("relation-get kubeconfig-hash", "0f\n"),
        ("relation-get --app", "{}\n"),
    ] {
        assert_eq!(
            run(&mut model, &mut hook, line, "").stdout,
            expected,
            "{line}"
        );
    }
}

#[test]
fn actions_have_parameters_and_results() {
    let mut model = model();
    let action = |name: &str| Event::Action {
        name: name.to_owned(),
        id: 7,
        parameters: json!({"resources": "a b", "nested": {"x": 1}}),
    };
    let mut hook = model.begin("calico/1", action("list-versions")).unwrap();
    for (line, expected) in [
        ("action-get --format=json nested.x", "1\n"),
        ("action-get --format=json nothing.x", "null\n"),
        ("action-get resources", "a b\n"),
        ("action-set a.b=1 c=2", ""),
        ("action-log working on", ""),
    ] {
        let output = run(&mut model, &mut hook, line, "");
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (0, expected),
            "{line}"
        );
    }
    model.commit(hook).unwrap();
    let mut hook = model.begin("calico/1", action("resume")).unwrap();
    run(&mut model, &mut hook, "action-fail -- no", "");
    model.commit(hook).unwrap();
    let hook = model.begin("calico/1", action("resume")).unwrap();
    model.rollback(hook);
    let ended = model.actions();
    assert_eq!(
        (&ended[0].results, &ended[0].failure),
        (&json!({"a": {"b": "1"}, "c": "2"}), &None)
    );
    assert_eq!(ended[0].log, ["working on"]);
    assert_eq!(ended[1].failure.as_deref(), Some("no"));
    assert_eq!(ended[2].failure.as_deref(), Some("exit status 1"));
    assert_eq!(model.unit("calico/1").unwrap().error(), None);
}

#[test]
fn a_fault_is_answered_once() {
    let mut model = model();
    let broken = ToolOutput {
        code: 0,
        stdout: "{".to_owned(),
        stderr: String::new(),
    };
    model.fail_next("config-get", &broken);
    let mut hook = model.begin_hook("calico/1", "update-status").unwrap();
    assert_eq!(run(&mut model, &mut hook, "config-get vxlan", ""), broken);
    assert_eq!(
        run(&mut model, &mut hook, "config-get vxlan", "").stdout,
        "Never\n"
    );
}
