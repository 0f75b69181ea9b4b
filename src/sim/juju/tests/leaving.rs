//! Units and relations that go.

use super::*;

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
