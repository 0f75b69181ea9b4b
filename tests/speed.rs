//! What a hook may cost, in numbers that do not depend on the machine.

#[path = "speed/change.rs"]
mod change;
#[path = "support/scenario/mod.rs"]
mod scenario;

use std::fmt::Write as _;
use std::time::Duration;

use calico_charm::sim::api::Fault;
use change::{changes, cost, deployment, fabric};
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

#[test]
fn a_change_costs_a_unit_the_same_however_many_there_are() {
    let (few, many) = (10, 50);
    let (mut small, mut large) = (fabric(few), fabric(many));
    for change in changes() {
        let (one, other) = (cost(&mut small, &change), cost(&mut large, &change));
        let name = change.name;
        assert_eq!(one.of_one, other.of_one, "{name}: requests of a unit");
        assert_eq!(
            one.of_reflector, other.of_reflector,
            "{name}: a reflector's"
        );
        assert_eq!(
            one.of_leader, other.of_leader,
            "{name}: the leader's, one page"
        );
        assert_eq!(one.bells, other.bells, "{name}: what wakes all");
        assert_eq!(
            (one.words, other.words),
            (0, 0),
            "{name}: what wakes all others"
        );
        assert_eq!(one.hooks * many, other.hooks * few, "{name}: hooks");
        let (of_few, of_many) = (few - 1, many - 1);
        for (what, one, other) in [
            (
                "requests",
                one.requests - one.of_leader,
                other.requests - other.of_leader,
            ),
            ("writes", one.writes, other.writes),
            ("hook tools", one.tools, other.tools),
        ] {
            // Two reflectors have a request less to make, and are a smaller part of more units.
            assert!(
                other * of_few * 100 <= one * of_many * 103,
                "{name}: {one} {what} of {few} units, {other} of {many}"
            );
        }
    }
}

#[test]
fn only_what_juju_tells_of_other_units_grows_with_their_square() {
    let (few, many) = (4, 12);
    let (one, other) = (deployment(few), deployment(many));
    assert_eq!(one.of_one, other.of_one, "requests of a unit");
    assert!(other.requests * few <= one.requests * many);
    // One unit has leader-elected too.
    assert_eq!((one.hooks - 1) * many, (other.hooks - 1) * few);
    for (cost, units) in [(&one, few), (&other, many)] {
        let pairs = units * (units - 1);
        // Once when the other comes, and once more when what it says has changed since.
        assert!((pairs..=2 * pairs).contains(&cost.idle), "{}", cost.idle);
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
