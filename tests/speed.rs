//! What a hook may cost, in numbers that do not depend on the machine.

#[path = "support/scenario/mod.rs"]
mod scenario;

use std::fmt::Write as _;
use std::time::Duration;

use calico_charm::sim::api::Fault;
use scenario::World;
use scenario::input::{Observed, Scenario, Step};
use serde_json::json;

/// Time of a request that dwarfs everything else.
const ROUND_TRIP: Duration = Duration::from_millis(60);

/// A fabric of so many units, at rest.
fn settled(units: usize) -> World {
    let mut text = String::from(
        "options: {global-bgp-peers: '[{address: 10.9.0.1, as-number: 64512}]', unit-as-numbers: '{0: 64601}'}\nunits:\n",
    );
    for number in 0..units {
        let leader = number == 0;
        writeln!(
            text,
            "  calico/{number}: {{node: node-{number}, addresses: [10.0.{number}.5/24], leader: {leader}}}"
        )
        .expect("a String takes everything");
    }
    let mut world = World::played(&Scenario::parse(&text));
    assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
    world
}

/// Requests of one hook.
fn requests(world: &mut World, unit: &str) -> usize {
    world.server.take_requests();
    let outcome = world.run(unit, "update-status");
    // What the fabric of these units lacks stands beside it on the leader.
    assert!(
        outcome.status.starts_with("active: Ready"),
        "{}",
        outcome.status
    );
    assert_eq!(outcome.writes, 0);
    world.server.take_requests().len()
}

fn add_foreign_peers(world: &mut World, count: usize) {
    let foreign = |number| Observed {
        manager: "kubectl".to_owned(),
        object: json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer",
            "metadata": {"name": format!("foreign-{number}")},
            "spec": {"peerIP": "192.0.2.1", "asNumber": 65000, "node": "elsewhere"},
        }),
    };
    let observed: Vec<Observed> = (0..count).map(foreign).collect();
    world.observe(&observed);
}

#[test]
fn a_hook_waits_for_at_most_four_answers_one_after_another() {
    let mut world = settled(2);
    world.server.set_gate(|_| Some(Fault::Delay(ROUND_TRIP)));
    for unit in ["calico/0", "calico/1"] {
        let started = world.now();
        world.run(unit, "update-status");
        let took = world.now() - started;
        assert!(took >= ROUND_TRIP * 3, "{unit}: {took:?}");
        assert!(
            took < ROUND_TRIP * 5,
            "{unit}: {took:?}, a round trip takes {ROUND_TRIP:?}"
        );
    }
}

#[test]
fn a_hook_calls_at_most_twelve_hook_tools() {
    let mut world = settled(3);
    for unit in ["calico/0", "calico/1"] {
        let outcome = world.run(unit, "update-status");
        let tools: Vec<&str> = outcome
            .calls
            .iter()
            .map(|call| call.tool.as_str())
            .collect();
        assert!(tools.len() <= 12, "{unit}: {tools:?}");
    }
}

#[test]
fn requests_of_a_unit_do_not_grow_with_what_others_have() {
    let mut world = settled(3);
    let few = requests(&mut world, "calico/1");
    add_foreign_peers(&mut world, 1_000);
    assert_eq!(
        requests(&mut world, "calico/1"),
        few,
        "with 1,000 foreign BGPPeers"
    );
    let mut large = settled(60);
    assert_eq!(
        requests(&mut large, "calico/1"),
        few,
        "in a fabric of 60 units"
    );
}

/// What a change from the mesh to reflectors costs: requests of all, hooks of all, and the requests of one unit that is
/// neither leader nor reflector.
fn change_to_reflectors(units: usize) -> (usize, usize, usize) {
    let mut world = settled(units);
    world.server.take_requests();
    let hooks = world.hooks;
    let options = json!({
        "node-to-node-mesh": false,
        "route-reflector-cluster-ids": "{1: 1.0.0.1}",
        "global-bgp-peers": "[{address: 10.9.0.1, as-number: 64512}, {address: 10.0.1.5, as-number: 64512}]",
    });
    world.step(&Step {
        what: "reflectors in place of the mesh".to_owned(),
        options: serde_json::from_value(options).expect("a map"),
        ..Step::default()
    });
    let requests = world.server.take_requests();
    let of_one = requests
        .iter()
        .filter(|one| one.caller == "calico/2")
        .count();
    let configuration = world.spec("BGPConfiguration", "default", "nodeToNodeMeshEnabled");
    assert_eq!(configuration, json!(false), "{units} units");
    (requests.len(), world.hooks - hooks, of_one)
}

#[test]
fn a_change_costs_a_unit_the_same_however_many_there_are() {
    let few = change_to_reflectors(6);
    let many = change_to_reflectors(36);
    assert_eq!(few.2, many.2, "requests of one unit");
    for (what, few, many) in [("requests", few.0, many.0), ("hooks", few.1, many.1)] {
        assert!(
            many <= few * 6,
            "{what}: {few} with 6 units, {many} with 36"
        );
    }
}

#[test]
fn requests_of_the_leader_grow_by_the_page() {
    let mut world = settled(3);
    let few = requests(&mut world, "calico/0");
    add_foreign_peers(&mut world, 1_000);
    // 1,003 peers are three pages of 500, and the 1,000 of other people, whose specifications the fabric's check reads, two.
    assert_eq!(requests(&mut world, "calico/0"), few + 2 + 2);
}

#[test]
fn a_change_that_is_nothing_new_is_no_request() {
    let mut world = settled(3);
    world.server.take_requests();
    let nothing = Step {
        what: "the same again".to_owned(),
        ..Step::default()
    };
    world.step(&nothing);
    let written = world
        .server
        .take_requests()
        .into_iter()
        .filter(calico_charm::sim::api::RequestRecord::writes)
        .count();
    assert_eq!(written, 0);
}
