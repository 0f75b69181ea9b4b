//! A change that waits for a silent unit, and how it goes on without it.

use serde_json::{Value, json};

use super::{Bench, text};
use crate::juju::Action;
use crate::sim::api::Fault;
use crate::sim::juju::UnitHook;

/// A cluster at rest, and then everything through a reflector on calico/0, of which calico/1 has not heard yet.
async fn begun() -> Bench {
    let bench = Bench::new();
    bench.configure(&[("ipip", "Always")]);
    for hook in [UnitHook::ConfigChanged, UnitHook::UpdateStatus] {
        for unit in 0..2 {
            bench.hook(unit, hook).await;
        }
    }
    bench.configure(&[
        ("node-to-node-mesh", "false"),
        ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
        (
            "unit-bgp-peers",
            "{1: [{address: 10.0.0.5, as-number: 64512}]}",
        ),
    ]);
    bench
}

fn mesh(bench: &Bench) -> Value {
    let configuration = bench.server.object("BGPConfiguration", "default").unwrap();
    configuration["spec"]["nodeToNodeMeshEnabled"].clone()
}

fn record(bench: &Bench) -> String {
    let configuration = bench.server.object("BGPConfiguration", "default").unwrap();
    let annotations = &configuration["metadata"]["annotations"];
    annotations["calico.juju.is/rollout"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_change_that_waits_says_for_whom() {
    let bench = begun().await;
    let asked = bench.looked(0, Action::RolloutStatus, json!({})).await;
    let first = text(&asked, "rollout").lines().next().unwrap();
    assert_eq!(
        first,
        "a change is asked for; the leader's next hook begins it, unless its status says what is in the way"
    );

    let status = bench.hook(0, UnitHook::ConfigChanged).await;
    assert_eq!(
        status,
        "waiting: mesh stays on until calico/1 has its peers"
    );
    let record = record(&bench);
    let [digest, "add", generation] = record.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{record}");
    };
    for unit in 0..2 {
        let shown = bench.looked(unit, Action::RolloutStatus, json!({})).await;
        let lines: Vec<&str> = text(&shown, "rollout")
            .lines()
            .filter(|line| !line.starts_with("written"))
            .collect();
        assert_eq!(
            lines,
            [
                &format!("digest      {digest}"),
                "step        add (of add, rejoin, renumber, reflect, unset, remove)",
                &format!("generation  {generation}"),
                "unit        calico/0: done add; left reflect",
                "waits for   calico/1: has not acted on this change yet",
                "way out     juju run calico/leader resume units=calico/1 goes on without them",
            ]
        );
    }
    let shown = bench
        .looked(0, Action::RolloutStatus, json!({"format": "json"}))
        .await;
    let shown: Value = serde_json::from_str(text(&shown, "rollout")).unwrap();
    assert_eq!(
        (&shown["phase"], &shown["step"]),
        (&json!("under-way"), &json!("add"))
    );
    assert_eq!(
        (&shown["waits_for"], &shown["digest"]),
        (&json!("units"), &json!(digest))
    );
    assert_eq!(
        shown["units"],
        json!([
            {"unit": "calico/0", "state": "left", "done": "add", "left": ["reflect"], "waited_for": false, "passed_over": false},
            {"unit": "calico/1", "state": "behind", "done": null, "left": [], "waited_for": true, "passed_over": false},
        ])
    );
}

#[tokio::test]
async fn what_a_change_cuts_is_planned_and_logged_when_it_begins() {
    for check in ["warn", "off"] {
        let bench = begun().await;
        bench.configure(&[("fabric-check", check)]);
        let cut = "sessions with calico/0 change between mesh and peer: down for about two seconds, 2 pairs";
        let plan = bench.looked(0, Action::Plan, json!({})).await;
        assert_eq!(text(&plan, "cuts"), cut, "{check}");
        let plan = bench
            .looked(0, Action::Plan, json!({"format": "json"}))
            .await;
        let plan: Value = serde_json::from_str(text(&plan, "plan")).unwrap();
        assert_eq!(plan["cuts"][0]["kind"], "swap", "{check}");
        let line = format!("rollout: no order avoids this cut: {cut}");
        for told in [1, 0] {
            let logged = bench.logged(0, UnitHook::ConfigChanged).await;
            let found = logged.iter().filter(|logged| **logged == line).count();
            assert_eq!(found, told, "{check}: {logged:#?}");
        }
    }
}

#[tokio::test]
async fn what_a_change_cuts_is_logged_where_a_write_fails_and_where_it_is_not_known() {
    let bench = begun().await;
    bench.server.set_gate(|request| {
        let fails = request.writes() && request.path.contains("/bgpconfigurations");
        fails.then_some(Fault::DropReplyAfterEffect)
    });
    let logged = bench.logged(0, UnitHook::ConfigChanged).await;
    bench.server.clear_gate();
    let is_cut = |line: &&String| line.starts_with("rollout: no order avoids this cut");
    assert_eq!(logged.iter().filter(is_cut).count(), 1, "{logged:#?}");

    let bench = begun().await;
    let addresses = json!({"metadata": {"annotations": {"calico.juju.is/addresses": null}}});
    bench
        .server
        .merge("kubectl", "Node", "node-1", &addresses)
        .unwrap();
    let logged = bench.logged(0, UnitHook::ConfigChanged).await;
    let line =
        "rollout: cuts of this change are not known: calico/1 has not told its addresses yet";
    assert!(logged.iter().any(|logged| logged == line), "{logged:#?}");
}

#[tokio::test]
async fn a_change_goes_on_without_a_silent_unit() {
    let bench = begun().await;
    bench.hook(0, UnitHook::ConfigChanged).await;
    let refused = bench.looked(1, Action::Resume, json!({})).await;
    assert_eq!(
        refused.failure.as_deref(),
        Some("calico/1 is not the leader: juju run calico/leader resume")
    );
    assert_eq!(mesh(&bench), true);

    // Nobody is passed over who is not named, nor who is not waited for.
    let asked = bench.looked(0, Action::Resume, json!({})).await;
    assert_eq!(text(&asked, "waits-for"), "calico/1");
    assert_eq!(
        text(&asked, "next"),
        "juju run calico/leader resume units=calico/1"
    );
    let both = json!({"units": "calico/1, calico/7"});
    let refused = bench.looked(0, Action::Resume, both).await;
    assert_eq!(
        refused.failure.as_deref(),
        Some("units: the change does not wait for calico/7 but for calico/1")
    );

    let named = json!({"units": "calico/1"});
    let resumed = bench.act(0, Action::Resume, named).await;
    assert_eq!(resumed.failure, None, "{resumed:?}");
    assert_eq!(text(&resumed, "without"), "calico/1");
    assert!(text(&resumed, "may-be-cut").starts_with("calico/1: may lack BGPPeers"));
    assert!(
        text(&resumed, "status").starts_with("active: Ready"),
        "{resumed:?}"
    );
    assert_eq!(mesh(&bench), false);
    assert!(
        record(&bench).ends_with(" without calico/1"),
        "{}",
        record(&bench)
    );
    let shown = bench.looked(0, Action::RolloutStatus, json!({})).await;
    let shown = text(&shown, "rollout");
    assert!(shown.starts_with("no change is under way\n"), "{shown}");
    assert!(
        shown.ends_with("\nwithout     calico/1 (resume)\nunit        calico/1: has not acted on this change yet"),
        "{shown}"
    );
    let status = bench.hook(0, UnitHook::UpdateStatus).await;
    assert_eq!(
        status,
        "active: Ready (calico/1 was passed over and has not followed; +1 more)"
    );
    let again = bench.looked(0, Action::Resume, json!({})).await;
    assert_eq!(
        text(&again, "resume"),
        "no change is under way; nothing was written"
    );

    // It comes back and does its part.
    assert_eq!(bench.server.object("BGPPeer", "calico-1-10.0.0.5"), None);
    bench.hook(1, UnitHook::ConfigChanged).await;
    assert!(
        bench
            .server
            .object("BGPPeer", "calico-1-10.0.0.5")
            .is_some()
    );

    // The next change waits for it again.
    bench.configure(&[("node-to-node-mesh", "true")]);
    bench.hook(0, UnitHook::ConfigChanged).await;
    assert!(record(&bench).contains(" add "), "{}", record(&bench));
    assert!(!record(&bench).contains("without"), "{}", record(&bench));
}

#[tokio::test]
async fn a_change_that_waits_for_nobody_goes_on_with_the_hook() {
    let bench = begun().await;
    let asked = bench.act(0, Action::Resume, json!({})).await;
    assert_eq!(asked.failure, None);
    assert_eq!(
        text(&asked, "resume"),
        "the change waits for no other unit: the leader's hook goes on with it"
    );
    assert_eq!(
        text(&asked, "status"),
        "waiting: mesh stays on until calico/1 has its peers"
    );
    // A unit that has answered since is not waited for, though the next step is not allowed yet.
    bench.hook(1, UnitHook::ConfigChanged).await;
    let shown = bench.looked(0, Action::RolloutStatus, json!({})).await;
    let shown = text(&shown, "rollout");
    assert!(!shown.contains("waits for"), "{shown}");
    assert!(
        shown.contains("\nnext        the leader's next hook goes on"),
        "{shown}"
    );
    let resumed = bench.act(0, Action::Resume, json!({})).await;
    assert!(
        !text(&resumed, "status").contains("has its peers"),
        "{resumed:?}"
    );
    assert!(!record(&bench).contains("without"), "{}", record(&bench));
}

#[tokio::test]
async fn the_only_reflector_is_not_passed_over() {
    let bench = begun().await;
    bench.configure(&[
        ("route-reflector-cluster-ids", "{1: 1.0.0.1}"),
        (
            "unit-bgp-peers",
            "{0: [{address: 10.0.0.6, as-number: 64512}]}",
        ),
    ]);
    bench.hook(0, UnitHook::ConfigChanged).await;
    let asked = bench.looked(0, Action::Resume, json!({})).await;
    let cut = text(&asked, "may-be-cut");
    assert!(cut.contains("; calico/1: to reflect and may not"), "{cut}");
    let named = json!({"units": "calico/1"});
    let refused = bench.looked(0, Action::Resume, named).await;
    let reason = refused.failure.unwrap_or_default();
    assert!(reason.contains("every node would be cut off"), "{reason}");
    assert_eq!(mesh(&bench), true);
}

/// A machine that got another name leaves its old Node behind; which of the two speaks for the unit nobody can tell.
#[tokio::test]
async fn a_unit_that_two_nodes_speak_for_is_waited_for() {
    let bench = begun().await;
    bench.hook(0, UnitHook::ConfigChanged).await;
    bench.hook(1, UnitHook::ConfigChanged).await;
    let mut old = bench.server.object("Node", "node-1").unwrap();
    old["metadata"]["name"] = "z".into();
    old["metadata"].as_object_mut().unwrap().remove("uid");
    old["status"] = json!({});
    bench.server.insert("kubelet", old).unwrap();
    let status = bench.hook(0, UnitHook::UpdateStatus).await;
    assert_eq!(
        status,
        "waiting: mesh stays on until one Node alone says it is calico/1: node-1, z"
    );
    assert_eq!(mesh(&bench), true);
}
