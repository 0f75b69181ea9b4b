//! What a hook leaves when it succeeds, and when it fails.

use super::*;

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
fn a_failed_leader_elected_is_passed_over_where_another_unit_leads() {
    let mut model = settled();
    model.set_leader("calico", Some("calico/1")).unwrap();
    let hook = model.begin_hook("calico/1", "leader-elected").unwrap();
    model.rollback(hook);
    model.set_leader("calico", Some("calico/2")).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["leader-settings-changed"]);
    model.set_leader("calico", Some("calico/1")).unwrap();
    let hook = model.begin_hook("calico/1", "leader-elected").unwrap();
    model.set_leader("calico", Some("calico/2")).unwrap();
    model.commit(hook).unwrap();
    model.set_leader("calico", Some("calico/1")).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["leader-elected"]);
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
