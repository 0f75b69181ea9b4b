//! Leaders and units that go.

use super::*;

/// [`RACKS`] once unit 2 has gone.
fn racks_without_unit_2() -> String {
    let rest = racks().replace(RACKS_UNIT_2, "");
    rest.replace(RACKS_NODE_2, "nodes node-2 {}\n")
}

#[test]
fn a_new_leader_goes_on_where_the_former_stopped() {
    let Some(site) = racked("a_new_leader_goes_on_where_the_former_stopped") else {
        return;
    };
    let before = site.state();
    let elected = |model: &mut calico_charm::sim::juju::JujuModel| {
        model.set_leader("calico", Some("calico/1"))
    };
    site.driver.model(elected).expect("a unit");
    let runs = site.settle();
    assert!(
        names(&runs).contains(&"calico/1 leader-elected".to_owned()),
        "{:?}",
        names(&runs)
    );
    site.assert_untouched_since(&before);
    site.configure(&[("global-as-number", "65100"), ("nat-outgoing", "false")]);
    let run = site.run("calico/0", "config-changed");
    assert!(
        !run.debug_log().contains("BGPConfiguration"),
        "{}",
        run.debug_log()
    );
    site.settle();
    let expected = racks().replace("\"asNumber\":64512,\"log", "\"asNumber\":65100,\"log");
    assert_eq!(
        site.shown(),
        expected.replace("\"natOutgoing\":true", "\"natOutgoing\":false")
    );
    ready(&site);
}

#[test]
fn a_unit_that_goes_takes_its_own_along() {
    let Some(site) = racked("a_unit_that_goes_takes_its_own_along") else {
        return;
    };
    site.add_pod("calico-node", 2, true);
    site.driver
        .model(|model| model.remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    let runs = site.settle();
    let names = names(&runs);
    assert!(
        names.contains(&"calico/2 cni-relation-broken".to_owned()),
        "{names:?}"
    );
    assert!(names.contains(&"calico/2 remove".to_owned()), "{names:?}");
    assert!(
        names.contains(&"calico/0 fabric-relation-departed".to_owned()),
        "{names:?}"
    );
    assert_eq!(site.shown(), racks_without_unit_2());
    ready(&site);
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn a_unit_whose_node_runs_pods_leaves_its_routes_until_they_are_gone() {
    let Some(site) = racked("a_unit_whose_node_runs_pods_leaves_its_routes_until_they_are_gone")
    else {
        return;
    };
    site.add_pod("web", 2, false);
    site.driver
        .model(|model| model.remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    let runs = site.settle();
    let broken = runs
        .iter()
        .find(|run| run.event.name() == "cni-relation-broken")
        .expect("it ran");
    assert!(
        broken.debug_log().contains("still runs pods"),
        "{}",
        broken.debug_log()
    );
    assert_eq!(site.shown(), racks());
    site.remove_pod("web");
    site.run("calico/0", "update-status");
    assert_eq!(site.shown(), racks_without_unit_2());
}

#[test]
fn the_leader_clears_up_after_a_unit_that_was_removed_by_force() {
    let Some(site) = racked("the_leader_clears_up_after_a_unit_that_was_removed_by_force") else {
        return;
    };
    site.driver
        .model(|model| model.force_remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    assert_eq!(site.shown(), racks());
    let runs = site.settle();
    assert_eq!(
        names(&runs),
        [
            "calico/0 fabric-relation-departed",
            "calico/1 fabric-relation-departed"
        ]
    );
    assert_eq!(site.shown(), racks_without_unit_2());
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn the_leader_clears_up_after_a_unit_whose_machine_is_gone() {
    let Some(site) = racked("the_leader_clears_up_after_a_unit_whose_machine_is_gone") else {
        return;
    };
    site.driver
        .model(|model| model.force_remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    site.cluster.delete("/api/v1/nodes/node-2");
    site.settle();
    assert_eq!(
        site.shown(),
        racks_without_unit_2().replace("nodes node-2 {}\n", "")
    );
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn a_leader_that_does_not_know_everybody_clears_up_after_nobody() {
    let Some(site) = racked("a_leader_that_does_not_know_everybody_clears_up_after_nobody") else {
        return;
    };
    let unit = site.add_worker(3);
    site.add_node(3);
    site.driver
        .model(|model| {
            model.force_remove_unit("kubernetes-worker/1")?;
            model.set_leader("calico", Some(&unit))
        })
        .expect("a principal and a unit");
    let mut hooks = Vec::new();
    while let Some(event) = site.driver.model(|model| model.due(&unit)) {
        if event.name().starts_with("fabric-relation-joined") {
            break;
        }
        hooks.push(event.name());
        let run = site.driver.run_event(&unit, event);
        assert!(run.succeeded(), "{}", run.debug_log());
        assert!(
            site.shown().contains(RACKS_UNIT_2),
            "{hooks:?}: {}",
            site.shown()
        );
        assert!(
            site.shown().contains(RACKS_NODE_2),
            "{hooks:?}: {}",
            site.shown()
        );
    }
    assert!(hooks.contains(&"leader-elected".to_owned()), "{hooks:?}");
    assert!(hooks.contains(&"config-changed".to_owned()), "{hooks:?}");
    site.settle();
    site.run(&unit, "update-status");
    assert!(!site.shown().contains("calico-2-"), "{}", site.shown());
    assert!(
        site.shown().contains("nodes node-2 {}\n"),
        "{}",
        site.shown()
    );
    assert!(site.shown().contains(RACKS_NODE_1), "{}", site.shown());
}

#[test]
fn units_go_with_the_relation_to_their_principals() {
    let Some(site) = racked("units_go_with_the_relation_to_their_principals") else {
        return;
    };
    site.driver
        .model(|model| model.remove_relation(5))
        .expect("cni of the workers");
    site.settle();
    assert_eq!(site.driver.model(|model| model.charm_units()), ["calico/0"]);
    let shown = site.shown();
    for line in [
        RACKS_CONFIGURATION,
        POOL,
        RACKS_UNIT_0,
        RACKS_NODE_0,
        "nodes node-1 {}\n",
        "nodes node-2 {}\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert_eq!(shown.matches("bgppeers").count(), 1, "{shown}");
}
