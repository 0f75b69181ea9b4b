//! Transactions, the order of hooks, and what the model refuses.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::juju::HookTools;

fn machine(name: &str, address: &str) -> Machine {
    Machine::new(name).with_address("ens3", address)
}

/// Three units, no hook has run.
fn fresh() -> JujuModel {
    JujuModel::charmed_kubernetes(
        vec![machine("node-a", "10.0.0.5/24").in_zone("az1")],
        vec![
            machine("node-b", "10.0.0.6/24"),
            machine("node-c", "10.0.1.7/24"),
        ],
    )
    .unwrap()
}

fn settled() -> JujuModel {
    let mut model = fresh();
    model.settle();
    model
}

fn call(model: &mut JujuModel, hook: &mut HookContext, line: &str) -> String {
    let mut words = line.split(' ').map(str::to_owned);
    let tool = words.next().unwrap();
    let args: Vec<String> = words.collect();
    let output = model.call(hook, &tool, &args, None);
    assert_eq!(output.code, 0, "{line}: {}", output.stderr);
    output.stdout
}

/// Runs everything that is due on a unit, hooks that do nothing; their names.
fn play(model: &mut JujuModel, unit: &str) -> Vec<String> {
    let mut played = Vec::new();
    while let Some(event) = model.due(unit) {
        played.push(event.to_string());
        assert!(played.len() < 100, "no end: {played:?}");
        let hook = model.begin(unit, event).unwrap();
        model.commit(hook).unwrap();
    }
    played
}

fn refused(result: Result<HookContext, Impossible>) -> String {
    match result {
        Ok(hook) => panic!("{} has begun", hook.id()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_principal_has_one_subordinate_of_each_application() {
    let mut model = settled();
    model.deploy("second", Charm::calico()).unwrap();
    model.relate("second:cni", "kubernetes-worker:cni").unwrap();
    let units = model.charm_units();
    assert_eq!(
        units,
        ["calico/0", "calico/1", "calico/2", "second/0", "second/1"]
    );
    assert_eq!(
        model.subordinate("kubernetes-worker/1", "second"),
        Some("second/1")
    );
    assert_eq!(play(&mut model, "calico/1"), [] as [&str; 0]);
}

#[test]
fn the_bundle_has_the_relations_of_the_documentation() {
    let model = fresh();
    let keys: Vec<(u32, String)> = model
        .relations()
        .map(|relation| (relation.id(), relation.key()))
        .collect();
    assert_eq!(
        keys,
        [
            (0, "calico:fabric".to_owned()),
            (3, "calico:etcd etcd:db".to_owned()),
            (4, "calico:cni kubernetes-control-plane:cni".to_owned()),
            (5, "calico:cni kubernetes-worker:cni".to_owned()),
        ]
    );
    assert_eq!(model.charm_units(), ["calico/0", "calico/1", "calico/2"]);
    let principals: Vec<&str> = ["calico/0", "calico/1", "calico/2"]
        .iter()
        .filter_map(|unit| model.unit(unit).unwrap().principal())
        .collect();
    assert_eq!(
        principals,
        [
            "kubernetes-control-plane/0",
            "kubernetes-worker/0",
            "kubernetes-worker/1"
        ]
    );
    assert_eq!(
        model.application("calico").unwrap().leader(),
        Some("calico/0")
    );
    assert_eq!(model.machine_of("calico/2").unwrap().hostname, "node-c");
}

#[test]
fn a_first_start_has_jujus_order() {
    let mut model = fresh();
    assert_eq!(
        play(&mut model, "calico/0"),
        [
            "install",
            "fabric-relation-created (0)",
            "etcd-relation-created (3)",
            "cni-relation-created (4)",
            "leader-elected",
            "config-changed",
            "start",
            "cni-relation-joined (4, kubernetes-control-plane/0)",
            "cni-relation-changed (4, kubernetes-control-plane/0)",
        ]
    );
    let second = play(&mut model, "calico/1");
    assert_eq!(second[4], "leader-settings-changed");
    assert_eq!(
        second[7..],
        [
            "fabric-relation-joined (0, calico/0)",
            "fabric-relation-changed (0, calico/0)",
            "cni-relation-joined (5, kubernetes-worker/0)",
            "cni-relation-changed (5, kubernetes-worker/0)",
        ]
    );
    assert_eq!(
        play(&mut model, "calico/0"),
        [
            "fabric-relation-joined (0, calico/1)",
            "fabric-relation-changed (0, calico/1)"
        ]
    );
}

#[test]
fn a_unit_sees_nobody_before_its_joined_hooks() {
    let mut model = fresh();
    for unit in ["calico/1", "calico/2"] {
        play(&mut model, unit);
    }
    let mut hook = model.begin("calico/0", UnitHook::Install.into()).unwrap();
    assert_eq!(
        call(&mut model, &mut hook, "relation-ids --format=json cni"),
        "[]\n"
    );
    model.commit(hook).unwrap();
    while model.due("calico/0") != Some(UnitHook::Start.into()) {
        let event = model.due("calico/0").unwrap();
        let hook = model.begin("calico/0", event).unwrap();
        model.commit(hook).unwrap();
    }
    let list = "relation-list --format=json -r fabric:0";
    let mut hook = model.begin_hook("calico/0", "start").unwrap();
    assert_eq!(call(&mut model, &mut hook, list), "[]\n");
    // Unseen, and still readable by name: it is in the relation.
    assert_eq!(
        call(
            &mut model,
            &mut hook,
            "relation-get -r fabric:0 private-address calico/1"
        ),
        "10.0.0.6\n"
    );
    model.commit(hook).unwrap();
    let mut hook = model
        .begin_hook("calico/0", "fabric-relation-joined")
        .unwrap();
    assert_eq!(hook.remote_unit(), Some("calico/1"));
    assert_eq!(call(&mut model, &mut hook, list), "[\"calico/1\"]\n");
    model.commit(hook).unwrap();
}

#[test]
fn a_hook_that_fails_leaves_only_what_takes_effect_at_once() {
    let lines = [
        "relation-set -r fabric:0 a=1",
        "relation-set -r fabric:0 --app b=1",
        "state-set c=1",
        "open-port 179",
        "status-set blocked why",
        "application-version-set v1",
        "leader-set d=1",
        "juju-log e",
    ];
    for keep in [true, false] {
        let mut model = settled();
        let mut hook = model.begin_hook("calico/0", "config-changed").unwrap();
        for line in lines {
            call(&mut model, &mut hook, line);
        }
        assert_eq!(
            call(&mut model, &mut hook, "opened-ports --format=json"),
            "[]\n"
        );
        if keep {
            let changes = model.commit(hook).unwrap();
            let writers: Vec<&str> = changes
                .iter()
                .map(|change| change.writer.as_str())
                .collect();
            assert_eq!(writers, ["calico/0", "calico"]);
        } else {
            model.rollback(hook);
        }
        let fabric = model.relation(0).unwrap();
        let unit = model.unit("calico/0").unwrap();
        assert_eq!(
            fabric.unit_settings("calico/0").unwrap().contains_key("a"),
            keep
        );
        assert_eq!(
            fabric
                .application_settings("calico")
                .is_some_and(|bag| bag.contains_key("b")),
            keep
        );
        assert_eq!(unit.state().contains_key("c"), keep);
        assert_eq!(unit.ports.contains("179/tcp"), keep);
        assert_eq!(
            unit.error().as_deref(),
            (!keep).then_some("hook failed: \"config-changed\"")
        );
        // At once, and for good.
        assert_eq!(unit.status().status, "blocked");
        assert_eq!(unit.version(), "v1");
        assert_eq!(model.applications["calico"].leader_settings["d"], "1");
        assert_eq!(model.logs().len(), 1);
    }
}

#[test]
fn a_failed_hook_comes_before_all_others_until_it_succeeds() {
    let mut model = settled();
    let hook = model.begin_hook("calico/1", "config-changed").unwrap();
    model.rollback(hook);
    assert!(
        refused(model.begin_hook("calico/1", "update-status"))
            .contains("config-changed has failed")
    );
    assert_eq!(play(&mut model, "calico/1"), ["config-changed"]);
    assert_eq!(model.unit("calico/1").unwrap().error(), None);
    let hook = model.begin_hook("calico/1", "update-status").unwrap();
    model.rollback(hook);
    model.resolved("calico/1", false).unwrap();
    assert_eq!(model.due("calico/1"), None);
    assert!(model.resolved("calico/1", false).is_err());
}

#[test]
fn equal_data_wakes_nobody() {
    let mut model = settled();
    for (line, writes) in [
        ("relation-set -r fabric:0 a=1", 1),
        ("relation-set -r fabric:0 a=1", 0),
        ("relation-set -r fabric:0 b=", 0),
        ("relation-set -r fabric:0 a=", 1),
    ] {
        let mut hook = model.begin_hook("calico/1", "update-status").unwrap();
        call(&mut model, &mut hook, line);
        let changes = model.commit(hook).unwrap();
        assert_eq!(changes.len(), writes, "{line}");
        let woken: Vec<String> = changes
            .iter()
            .flat_map(|change| model.woken(change))
            .map(|(unit, event)| format!("{unit}: {event}"))
            .collect();
        let expected: &[&str] = if writes == 0 {
            &[]
        } else {
            &[
                "calico/0: fabric-relation-changed (0, calico/1)",
                "calico/2: fabric-relation-changed (0, calico/1)",
            ]
        };
        assert_eq!(woken, expected, "{line}");
        assert_eq!(model.due("calico/0").is_some(), writes > 0, "{line}");
        play(&mut model, "calico/0");
        play(&mut model, "calico/2");
    }
}

#[test]
fn several_changes_are_told_at_once_and_one_during_the_hook_again() {
    let mut model = settled();
    for value in ["1", "2"] {
        model
            .write_databag(5, "kubernetes-worker/0", [("kubeconfig-hash", value)])
            .unwrap();
    }
    let event = model.due("calico/1").unwrap();
    let hook = model.begin("calico/1", event.clone()).unwrap();
    model
        .write_databag(5, "kubernetes-worker/0", [("kubeconfig-hash", "3")])
        .unwrap();
    model.commit(hook).unwrap();
    assert_eq!(model.due("calico/1"), Some(event));
    assert_eq!(play(&mut model, "calico/1").len(), 1);
    assert_eq!(model.due("calico/2"), None);
}

#[test]
fn a_leader_deposed_in_its_hook_loses_what_it_wrote_for_the_application() {
    let mut model = settled();
    let mut hook = model.begin_hook("calico/0", "update-status").unwrap();
    call(&mut model, &mut hook, "relation-set -r fabric:0 --app a=1");
    call(&mut model, &mut hook, "relation-set -r fabric:0 b=1");
    model.set_leader("calico", Some("calico/1")).unwrap();
    assert_eq!(call(&mut model, &mut hook, "is-leader"), "False\n");
    let rejected = model.commit(hook).unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "calico/0: cannot keep the changes of update-status: \"calico/0\" is not leader of \"calico\""
    );
    let fabric = model.relation(0).unwrap();
    assert_eq!(fabric.application_settings("calico"), None);
    assert!(!fabric.unit_settings("calico/0").unwrap().contains_key("b"));
    assert!(model.unit("calico/0").unwrap().error().is_some());
}

#[test]
fn leadership_moves() {
    let mut model = settled();
    model.set_leader("calico", Some("calico/2")).unwrap();
    assert_eq!(play(&mut model, "calico/2"), ["leader-elected"]);
    assert_eq!(play(&mut model, "calico/0"), ["leader-settings-changed"]);
    assert!(model.begin_hook("calico/0", "leader-elected").is_err());
    let mut hook = model.begin_hook("calico/2", "update-status").unwrap();
    call(&mut model, &mut hook, "leader-set a=1");
    model.commit(hook).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["leader-settings-changed"]);
    model.set_leader("calico", None).unwrap();
    model.set_leader("calico", Some("calico/2")).unwrap();
    assert_eq!(play(&mut model, "calico/2"), ["leader-elected"]);
    assert!(
        model
            .set_leader("calico", Some("kubernetes-worker/0"))
            .is_err()
    );
}

#[test]
fn operation_brings_the_hooks_juju_runs() {
    let mut model = settled();
    for unit in model.charm_units() {
        assert_eq!(model.due(&unit), None);
    }
    model.set_options("calico", [("vxlan", "Always")]).unwrap();
    model.set_options("calico", [("vxlan", "Always")]).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["config-changed"]);
    model.refresh("calico").unwrap();
    assert_eq!(
        play(&mut model, "calico/0"),
        ["upgrade-charm", "config-changed", "start"]
    );
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "upgrade-charm",
            "config-changed",
            "leader-settings-changed",
            "start"
        ]
    );
    let number = model.unit("calico/1").unwrap().machine();
    model.reboot(number).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["start", "config-changed"]);
    model
        .change_machine(number, |machine| {
            *machine = self::machine("node-b", "10.0.0.66/24");
        })
        .unwrap();
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "config-changed",
            "cni-relation-changed (5, kubernetes-worker/0)"
        ]
    );
    assert_eq!(
        model
            .relation(0)
            .unwrap()
            .unit_settings("calico/1")
            .unwrap()["egress-subnets"],
        "10.0.0.66/32"
    );
}

#[test]
fn a_principals_removal_tears_the_subordinate_down() {
    let mut model = settled();
    model.remove_unit("kubernetes-worker/0").unwrap();
    assert_eq!(
        play(&mut model, "calico/0"),
        ["fabric-relation-departed (0, calico/1)"]
    );
    let mut hook = model.begin_hook("calico/0", "update-status").unwrap();
    assert_eq!(
        call(
            &mut model,
            &mut hook,
            "relation-list --format=json -r fabric:0"
        ),
        "[\"calico/2\"]\n"
    );
    // Settings live as long as the relation does.
    assert_eq!(
        call(
            &mut model,
            &mut hook,
            "relation-get -r fabric:0 private-address calico/1"
        ),
        "10.0.0.6\n"
    );
    model.commit(hook).unwrap();
    let hook = model
        .begin("calico/1", model.due("calico/1").unwrap())
        .unwrap();
    assert_eq!(model.environment(&hook)["JUJU_DEPARTING_UNIT"], "calico/1");
    model.commit(hook).unwrap();
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "fabric-relation-departed (0, calico/2)",
            "etcd-relation-broken (3)",
            "cni-relation-departed (5, kubernetes-worker/0)",
            "cni-relation-broken (5)",
            "stop",
            "remove",
        ]
    );
    assert!(model.unit("calico/1").is_err());
    assert!(model.unit("kubernetes-worker/0").is_err());
    assert_eq!(
        model.relation(5).unwrap().key(),
        "calico:cni kubernetes-worker:cni"
    );
    assert_eq!(
        play(&mut model, "calico/2"),
        ["fabric-relation-departed (0, calico/1)"]
    );
}

#[test]
fn in_departed_the_unit_is_no_longer_listed() {
    let mut model = settled();
    model.remove_unit("kubernetes-worker/0").unwrap();
    let list = "relation-list --format=json -r fabric:0";
    let mut hook = model.begin_hook("calico/0", "update-status").unwrap();
    assert_eq!(
        call(&mut model, &mut hook, list),
        "[\"calico/1\",\"calico/2\"]\n"
    );
    model.commit(hook).unwrap();
    let mut hook = model
        .begin_hook("calico/0", "fabric-relation-departed")
        .unwrap();
    assert_eq!(call(&mut model, &mut hook, list), "[\"calico/2\"]\n");
    assert_eq!(model.environment(&hook)["JUJU_DEPARTING_UNIT"], "calico/1");
}

#[test]
fn an_applications_change_comes_without_a_unit_and_before_those_of_units() {
    let mut model = settled();
    model
        .write_databag(5, "kubernetes-worker/0", [("a", "1")])
        .unwrap();
    let change = model
        .write_application_databag(5, "kubernetes-worker", [("b", "1")])
        .unwrap()
        .unwrap();
    let woken: Vec<String> = model
        .woken(&change)
        .into_iter()
        .map(|(unit, _)| unit)
        .collect();
    assert_eq!(woken, ["calico/1", "calico/2"]);
    let event = model.due("calico/1").unwrap();
    assert_eq!(event.to_string(), "cni-relation-changed (5)");
    let mut hook = model.begin("calico/1", event).unwrap();
    assert_eq!(model.environment(&hook)["JUJU_REMOTE_UNIT"], "");
    assert_eq!(call(&mut model, &mut hook, "relation-get b"), "1\n");
    model.commit(hook).unwrap();
    assert_eq!(
        play(&mut model, "calico/1"),
        ["cni-relation-changed (5, kubernetes-worker/0)"]
    );
    assert_eq!(play(&mut model, "calico/2"), ["cni-relation-changed (5)"]);
}

#[test]
fn a_thousand_units_are_built_and_run_in_no_time() {
    let started = std::time::Instant::now();
    let workers = (0..1000u32)
        .map(|index| {
            machine(
                &format!("n{index}"),
                &format!("10.{}.{}.5/24", index / 250, index % 250),
            )
        })
        .collect();
    let mut model = JujuModel::charmed_kubernetes(Vec::new(), workers).unwrap();
    model.settle();
    for unit in model.charm_units() {
        let mut hook = model.begin_hook(&unit, "config-changed").unwrap();
        call(&mut model, &mut hook, "relation-set -r fabric:0 a=1");
        assert_eq!(model.commit(hook).unwrap().len(), 1);
    }
    // A fraction of a second; quadratic or worse would be minutes.
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}

#[test]
fn in_broken_there_is_no_remote_unit() {
    let mut model = settled();
    model.remove_unit("kubernetes-worker/0").unwrap();
    assert!(refused(model.begin_hook("calico/1", "cni-relation-broken")).contains("no occasion"));
    let hook = loop {
        let event = model.due("calico/1").unwrap();
        let name = event.name();
        let hook = model.begin("calico/1", event).unwrap();
        if name == "cni-relation-broken" {
            break hook;
        }
        model.commit(hook).unwrap();
    };
    let mut hook = hook;
    let environment = model.environment(&hook);
    assert_eq!(
        (
            environment["JUJU_REMOTE_UNIT"].as_str(),
            environment["JUJU_REMOTE_APP"].as_str()
        ),
        ("", "kubernetes-worker")
    );
    assert_eq!(
        call(&mut model, &mut hook, "relation-list --format=json"),
        "[]\n"
    );
    // Without a remote unit the application's databag is read.
    assert_eq!(
        call(&mut model, &mut hook, "relation-get --format=json"),
        "{}\n"
    );
    assert_eq!(
        call(&mut model, &mut hook, "relation-ids --format=json cni"),
        "[\"cni:5\"]\n"
    );
}

#[test]
fn a_forced_removal_runs_no_hook() {
    let mut model = settled();
    model
        .force_remove_unit("kubernetes-control-plane/0")
        .unwrap();
    assert!(model.unit("calico/0").is_err());
    assert_eq!(model.due("calico/0"), None);
    assert_eq!(model.application("calico").unwrap().leader(), None);
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "leader-settings-changed",
            "fabric-relation-departed (0, calico/0)"
        ]
    );
}

#[test]
fn a_removed_relation_takes_its_subordinates_along() {
    let mut model = settled();
    model.remove_relation(5).unwrap();
    assert!(model.unit("calico/1").unwrap().is_dying());
    assert!(!model.unit("calico/0").unwrap().is_dying());
    play(&mut model, "calico/1");
    assert!(model.relation(5).is_ok());
    play(&mut model, "calico/2");
    assert!(model.relation(5).is_err());
    assert!(model.unit("kubernetes-worker/1").is_ok());
    model.remove_relation(3).unwrap();
    assert_eq!(
        play(&mut model, "calico/0").last().map(String::as_str),
        Some("etcd-relation-broken (3)")
    );
    assert!(model.relation(3).is_err());
    assert!(model.remove_relation(0).is_err());
}

#[test]
fn unit_numbers_are_never_used_again() {
    let mut model = settled();
    model.force_remove_unit("kubernetes-worker/1").unwrap();
    let number = model.add_machine(machine("node-d", "10.0.1.8/24"));
    assert_eq!(
        model.add_unit("kubernetes-worker", number).unwrap(),
        "kubernetes-worker/2"
    );
    assert_eq!(model.charm_units(), ["calico/0", "calico/1", "calico/3"]);
    assert!(model.number_next_unit("calico", 3).is_err());
    model.number_next_unit("calico", 12).unwrap();
    let number = model.add_machine(machine("node-e", "10.0.1.9/24"));
    let principal = model.add_unit("kubernetes-worker", number).unwrap();
    assert_eq!(model.subordinate(&principal, "calico"), Some("calico/12"));
    assert_eq!(
        model.charm_units().last().map(String::as_str),
        Some("calico/12")
    );
}

#[test]
fn what_juju_would_not_run_is_refused() {
    let mut model = fresh();
    for (unit, hook, reason) in [
        ("calico/0", "config-changed", "it is not installed"),
        ("calico/0", "cni-relation-joined", "no occasion"),
        ("calico/9", "install", "there is no unit"),
        (
            "kubernetes-worker/0",
            "install",
            "its hooks are not run here",
        ),
    ] {
        assert!(
            refused(model.begin_hook(unit, hook)).contains(reason),
            "{hook}"
        );
    }
    let hook = model.begin_hook("calico/0", "install").unwrap();
    assert!(refused(model.begin_hook("calico/0", "install")).contains("holds the machine's lock"));
    assert!(
        model
            .reboot(model.unit("calico/0").unwrap().machine())
            .is_err()
    );
    model.commit(hook).unwrap();
    for (hook, reason) in [
        ("install", "it is installed"),
        ("config-changed", "relation-created comes first"),
        ("start", "config-changed comes first"),
        ("update-status", "config-changed comes first"),
        ("cni-relation-joined", "no occasion"),
        ("stop", "fabric-relation-created (0) comes first"),
    ] {
        assert!(
            refused(model.begin_hook("calico/0", hook)).contains(reason),
            "{hook}"
        );
    }
    let mut model = settled();
    for (hook, reason) in [
        ("cni-relation-joined", "no occasion"),
        ("cni-relation-departed", "no occasion"),
        ("cni-relation-broken", "no occasion"),
        ("cni-relation-created", "no occasion"),
        ("fabric-relation-changed", "several remote units"),
        ("leader-settings-changed", "it is the leader"),
        ("remove", "there is no occasion"),
        ("no-such-hook", "it is no hook"),
        ("storage-attached", "it is no hook"),
    ] {
        assert!(
            refused(model.begin_hook("calico/0", hook)).contains(reason),
            "{hook}"
        );
    }
    model
        .begin_hook("calico/0", "cni-relation-changed")
        .unwrap();
}

#[test]
fn joined_is_followed_by_its_changed() {
    let mut model = fresh();
    for unit in ["calico/1", "calico/2", "calico/0"] {
        while model
            .due(unit)
            .is_some_and(|event| !event.name().ends_with("joined"))
        {
            let hook = model.begin(unit, model.due(unit).unwrap()).unwrap();
            model.commit(hook).unwrap();
        }
    }
    let joined = |remote: &str, phase| Event::Relation {
        relation: 0,
        endpoint: "fabric".to_owned(),
        phase,
        remote: Some(remote.to_owned()),
    };
    // Which of two units joins first is not Juju's promise.
    let hook = model
        .begin("calico/0", joined("calico/2", Phase::Joined))
        .unwrap();
    model.commit(hook).unwrap();
    assert!(
        refused(model.begin("calico/0", joined("calico/1", Phase::Joined)))
            .contains("fabric-relation-changed (0, calico/2) comes first")
    );
    let hook = model
        .begin("calico/0", joined("calico/2", Phase::Changed))
        .unwrap();
    model.commit(hook).unwrap();
    assert_eq!(
        model.due("calico/0"),
        Some(joined("calico/1", Phase::Joined))
    );
}

#[test]
fn options_and_relations_that_do_not_fit_are_refused() {
    let mut model = settled();
    for (name, text) in [
        ("no-such", "x"),
        ("veth-mtu", "big"),
        ("manage-pools", "yes"),
    ] {
        assert!(
            model
                .set_options("calico", [("vxlan", "Always"), (name, text)])
                .is_err(),
            "{name}"
        );
    }
    assert_eq!(
        model.application("calico").unwrap().option("vxlan"),
        Some(&json!("Never"))
    );
    for (first, second) in [
        ("calico:cni", "etcd:db"),
        ("calico:cni", "calico:cni"),
        ("calico:nothing", "etcd:db"),
        ("calico", "etcd"),
        ("calico:cni", "kubernetes-worker:cni"),
        ("kubernetes-worker:cni", "calico:cni"),
    ] {
        assert!(model.relate(first, second).is_err(), "{first} {second}");
    }
    assert!(model.deploy("calico", Charm::calico()).is_err());
    assert!(model.add_unit("calico", 0).is_err());
    assert!(model.add_unit("kubernetes-worker", 99).is_err());
    assert!(model.remove_unit("calico/1").is_err());
    assert!(
        model
            .write_databag(5, "kubernetes-control-plane/0", [("a", "b")])
            .is_err()
    );
}

#[test]
fn a_later_relation_adds_subordinates_and_their_hooks() {
    let mut model = settled();
    model.deploy("gpu-worker", Charm::kubernetes()).unwrap();
    let number = model.add_machine(machine("node-g", "10.0.2.5/24"));
    model.add_unit("gpu-worker", number).unwrap();
    assert_eq!(model.charm_units().len(), 3);
    model.relate("gpu-worker:cni", "calico:cni").unwrap();
    assert_eq!(model.charm_units().len(), 4);
    assert_eq!(play(&mut model, "calico/0"), [] as [&str; 0]);
    assert_eq!(
        play(&mut model, "calico/3").last().map(String::as_str),
        Some("cni-relation-changed (6, gpu-worker/0)")
    );
    assert_eq!(play(&mut model, "calico/0").len(), 2);
}

#[test]
fn a_model_survives_being_saved_in_the_middle_of_a_hook() {
    let mut model = settled();
    let mut hook = model
        .begin_hook("calico/1", "cni-relation-changed")
        .unwrap();
    call(&mut model, &mut hook, "relation-set a=1");
    let saved = serde_json::to_string(&(&model, &hook)).unwrap();
    let (mut loaded, mut loaded_hook): (JujuModel, HookContext) =
        serde_json::from_str(&saved).unwrap();
    assert_eq!((&loaded, &loaded_hook), (&model, &hook));
    assert_eq!(
        call(&mut loaded, &mut loaded_hook, "relation-get a calico/1"),
        "1\n"
    );
    loaded.commit(loaded_hook).unwrap();
    assert_eq!(
        loaded
            .relation(5)
            .unwrap()
            .unit_settings("calico/1")
            .unwrap()["a"],
        "1"
    );
}

#[test]
fn a_settled_model_grows_with_its_units_only() {
    let size = |count: u32| {
        let workers = (0..count)
            .map(|index| machine(&format!("n{index}"), &format!("10.0.{index}.5/24")))
            .collect();
        let mut model = JujuModel::charmed_kubernetes(Vec::new(), workers).unwrap();
        model.settle();
        serde_json::to_string(&model).unwrap().len()
    };
    assert!(size(80) < 5 * size(20), "{} {}", size(20), size(80));
}

#[test]
fn the_charms_seam_counts_calls_and_commits() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let model = Arc::new(Mutex::new(settled()));
    let tools = ModelTools::begin(&model, "calico/1", UnitHook::ConfigChanged.into()).unwrap();
    let run = |tool, args: &[&str], stdin: Option<&str>| {
        let args = args.iter().map(|text| (*text).to_owned()).collect();
        runtime.block_on(tools.run(tool, args, stdin.map(str::to_owned)))
    };
    assert_eq!(
        run("is-leader", &["--format=json"], None).unwrap().stdout,
        "false\n"
    );
    assert_eq!(
        run(
            "relation-set",
            &["-r", "fabric:0", "--file", "-"],
            Some("{\"a\": \"1\"}")
        )
        .unwrap()
        .code,
        0
    );
    assert_eq!(
        run("no-such-tool", &[], None).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
    let calls: Vec<String> = tools.calls().iter().map(|call| call.tool.clone()).collect();
    assert_eq!(calls, ["is-leader", "relation-set"]);
    assert_eq!(tools.environment()["JUJU_HOOK_NAME"], "config-changed");
    assert_eq!(tools.commit().unwrap().len(), 1);
    let tools = ModelTools::begin(&model, "calico/1", UnitHook::UpdateStatus.into()).unwrap();
    tools.rollback();
    assert!(
        model
            .lock()
            .unwrap()
            .unit("calico/1")
            .unwrap()
            .error()
            .is_some()
    );
}

#[test]
fn the_seam_may_be_used_from_any_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<ModelTools>();
}
