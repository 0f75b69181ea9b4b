//! Sequences that cut nobody, and some that do.

use super::*;
use crate::sim::history::invariant::stage::{self, MESH, REFLECTOR, Stage};
use crate::sim::history::scene::{Told, Violation, Watch as _, Written};

fn set(reach: &mut Reach, stage: &Stage, given: &[(&str, &str)]) -> Vec<Violation> {
    let told = Told::ConfigSet {
        options: stage::options(given),
    };
    reach.told(&stage.scene(), &told)
}

/// A mesh of three that is to become clients of the reflector on the first node.
fn begun() -> (Stage, Reach) {
    let stage = Stage::new(3);
    stage.configure("calico/0", true);
    stage.pod(1);
    let mut reach = Reach::default();
    assert_eq!(set(&mut reach, &stage, &MESH), []);
    assert_eq!(set(&mut reach, &stage, &REFLECTOR), []);
    assert_eq!(reach.required.len(), 6, "{:?}", reach.required);
    (stage, reach)
}

fn look(stage: &Stage, reach: &mut Reach, write: &Written) -> Vec<Violation> {
    reach.written(&stage.scene(), &Stage::of(write.clone(), &REFLECTOR))
}

#[test]
fn a_change_in_order_cuts_nobody() {
    let (stage, mut reach) = begun();
    for unit in [1, 2] {
        let write = stage.peer(unit, 0, 64512);
        assert_eq!(look(&stage, &mut reach, &write), []);
    }
    let write = stage.cluster_id(0, Some("224.0.0.1"));
    assert_eq!(look(&stage, &mut reach, &write), []);
    let write = stage.configure("calico/0", false);
    assert_eq!(look(&stage, &mut reach, &write), []);
    assert_eq!(reach.told(&stage.scene(), &Told::Quiet), []);
}

#[test]
fn a_mesh_that_goes_too_early_is_seen() {
    let (stage, mut reach) = begun();
    let write = stage.peer(1, 0, 64512);
    assert_eq!(look(&stage, &mut reach, &write), []);
    let write = stage.configure("calico/0", false);
    let found = look(&stage, &mut reach, &write);
    assert!(found[0].message.contains("cuts node-"), "{found:?}");
    // The peer's session is there with or without a reflector.
    assert!(found[0].message.contains("(4 in all)"), "{found:?}");
    let found = reach.told(&stage.scene(), &Told::Quiet);
    assert!(found[0].message.contains("still missing"), "{found:?}");
}

#[test]
fn what_others_break_is_their_affair() {
    let (stage, mut reach) = begun();
    let write = stage.configure("kubectl", false);
    assert_eq!(look(&stage, &mut reach, &write), []);
    assert!(reach.required.is_empty());
    assert_eq!(reach.due.len(), 6);
}

#[test]
fn nothing_is_promised_at_once() {
    let stage = Stage::new(3);
    stage.configure("calico/0", true);
    let mut reach = Reach::default();
    // Without a pod it is the first deployment, until all is quiet.
    set(&mut reach, &stage, &REFLECTOR);
    assert!(reach.required.is_empty());
    set(&mut reach, &stage, &MESH);
    assert!(reach.required.is_empty());
    assert_eq!(reach.told(&stage.scene(), &Told::Quiet), []);
    set(&mut reach, &stage, &REFLECTOR);
    assert_eq!(reach.required.len(), 6);
    let mut reach = Reach::default();
    stage.pod(1);
    set(&mut reach, &stage, &REFLECTOR);
    assert_eq!(reach.required.len(), 6);
    let mut immediate = REFLECTOR.to_vec();
    immediate.push(("rollout", "immediate"));
    set(&mut reach, &stage, &immediate);
    assert!(reach.required.is_empty());
}

#[test]
fn an_as_number_cuts_its_own_node_alone() {
    let stage = Stage::new(3);
    stage.configure("calico/0", true);
    stage.pod(1);
    let mut reach = Reach::default();
    set(&mut reach, &stage, &MESH);
    let mut numbered = MESH.to_vec();
    numbered.push(("unit-as-numbers", "{2: 64600}"));
    set(&mut reach, &stage, &numbered);
    let left: Vec<String> = reach.required.iter().map(ToString::to_string).collect();
    assert_eq!(left, ["node-0 to node-1 (IPv4)", "node-1 to node-0 (IPv4)"]);
    assert_eq!(reach.due.len(), 6);
}

#[test]
fn a_unit_that_goes_is_not_held_against_anybody() {
    let removed = |unit: &str| Told::UnitRemoved {
        unit: unit.to_owned(),
        forced: true,
    };
    let (mut stage, mut reach) = begun();
    stage.remove_unit(2);
    assert_eq!(reach.told(&stage.scene(), &removed("calico/2")), []);
    assert_eq!(reach.required.len(), 2, "{:?}", reach.required);
    assert!(reach.required.iter().all(|pair| !pair.has("node-2")));
    // The reflector goes: by these options nothing keeps the others together.
    let (mut stage, mut reach) = begun();
    stage.remove_unit(0);
    assert_eq!(reach.told(&stage.scene(), &removed("calico/0")), []);
    assert!(reach.required.is_empty(), "{:?}", reach.required);
}

#[test]
fn a_router_is_lost_by_whoever_takes_its_peer() {
    let mut stage = Stage::new(2);
    stage.router("10.0.0.1", 64512);
    stage.configure("calico/0", true);
    stage.pod(1);
    stage.towards(0, "10.0.0.1", 64512);
    stage.towards(1, "10.0.0.1", 64512);
    let mut peers = MESH.to_vec();
    peers.push((
        "global-bgp-peers",
        "[{address: 10.0.0.1, as-number: 64512}]",
    ));
    let mut reach = Reach::default();
    set(&mut reach, &stage, &peers);
    let of_router = |reach: &Reach| {
        let pairs = reach.required.iter();
        pairs.filter(|pair| pair.from == "router").count()
    };
    assert_eq!(of_router(&reach), 2, "{:?}", reach.required);
    let write = stage.delete("calico/1", "BGPPeer", "calico-1-10.0.0.1");
    let found = reach.written(&stage.scene(), &Stage::of(write, &peers));
    assert!(
        found[0].message.contains("cuts router to node-1"),
        "{found:?}"
    );
    // By options without it, nobody is promised a router.
    stage.towards(1, "10.0.0.1", 64512);
    set(&mut reach, &stage, &MESH);
    assert_eq!(of_router(&reach), 0);
}

#[test]
fn a_hook_of_older_options_may_do_what_they_allow() {
    let (stage, mut reach) = begun();
    // Back to the mesh: now the peers go, and a hook that was told of neither may not take the mesh away.
    set(&mut reach, &stage, &MESH);
    let isolated = [("node-to-node-mesh", "false")];
    let write = Stage::of(stage.configure("calico/0", false), &isolated);
    assert_eq!(reach.written(&stage.scene(), &write), []);
}
