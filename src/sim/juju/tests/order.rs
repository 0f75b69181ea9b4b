//! The order of hooks.

use super::*;

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
