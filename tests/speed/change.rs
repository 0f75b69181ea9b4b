//! What a change of the options costs a whole fabric, told in hooks, requests and hook tools.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::scenario::World;
use crate::scenario::input::Step;

/// Units in the middle of things: calico/0 leads, and these two reflect where there are reflectors.
const REFLECTORS: [&str; 2] = ["calico/1", "calico/2"];
const LEADER: &str = "calico/0";

/// What it took from `juju config` until everybody was at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// Hooks of all units: processes of the charm.
    pub hooks: usize,
    /// Requests of all units.
    pub requests: usize,
    /// Those of them that write.
    pub writes: usize,
    /// Requests of the unit with most of them that neither leads nor reflects.
    pub of_one: usize,
    /// Requests of the reflector with most of them.
    pub of_reflector: usize,
    /// Requests of the leader, in all its hooks.
    pub of_leader: usize,
    /// Calls of hook tools of all units.
    pub tools: usize,
    /// Writes of the application's databag: each wakes every unit once.
    pub bells: usize,
    /// Writes of the units' own databags in `fabric`: each would wake every other unit.
    pub words: usize,
    /// Writes in `cni`: each wakes the principal on the same machine.
    pub principals: usize,
}

/// A change of options.
pub struct Change {
    /// What it is called.
    pub name: &'static str,
    /// What `juju config` is given.
    pub options: Value,
}

/// Address of a unit's machine; all are in one network.
fn address(number: usize) -> String {
    format!("10.0.{}.{}", number / 200, number % 200 + 5)
}

/// So many units in one network, and no hook has run.
fn units(count: usize) -> String {
    let mut text = String::from("units:\n");
    for number in 0..count {
        let (leader, address) = (number == 0, address(number));
        writeln!(
            text,
            "  calico/{number}: {{node: node-{number}, addresses: [{address}/16], leader: {leader}}}"
        )
        .expect("a String takes everything");
    }
    text
}

/// A fabric of so many units at rest, with a mesh. What Juju tells each of them of each other one while they come is
/// passed over: [`deployment`] counts it.
pub fn fabric(count: usize) -> World {
    let mut world = World::parse(&units(count));
    for unit in world.juju.units() {
        world.run(&unit, "config-changed");
    }
    world.juju.settle();
    // The leader's first hook has seen no other unit's Node with the charm's word on it.
    world.run(LEADER, "update-status");
    world.juju.settle();
    assert_eq!(world.writes_of_another_round(), [] as [&str; 0]);
    world
}

/// The documented changes, one after another on the same fabric.
pub fn changes() -> Vec<Change> {
    let reflectors = |as_number: u32| {
        let peers =
            [1, 2].map(|unit| format!("{{address: {}, as-number: {as_number}}}", address(unit)));
        format!("[{}]", peers.join(", "))
    };
    vec![
        Change {
            name: "mesh to reflectors",
            options: json!({
                "node-to-node-mesh": false,
                "route-reflector-cluster-ids": "{1: 1.0.0.1, 2: 1.0.0.1}",
                "global-bgp-peers": reflectors(64512),
            }),
        },
        Change {
            name: "AS number of all",
            options: json!({
                "subnet-as-numbers": "{10.0.0.0/16: 64600}",
                "global-bgp-peers": reflectors(64600),
            }),
        },
        Change {
            name: "cidr",
            options: json!({"cidr": "10.64.0.0/16"}),
        },
        Change {
            name: "reflectors to mesh",
            options: json!({
                "node-to-node-mesh": null, "route-reflector-cluster-ids": null, "global-bgp-peers": null,
            }),
        },
    ]
}

/// Makes a change and counts until everybody is at rest.
pub fn cost(world: &mut World, change: &Change) -> Cost {
    world.server.take_requests();
    let (hooks, tools) = (world.hooks, world.tools.clone());
    let options = change.options.as_object().expect("a map").clone();
    world.step(&Step {
        what: change.name.to_owned(),
        options,
        ..Step::default()
    });
    let requests = world.server.take_requests();
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &requests {
        *of.entry(&request.caller).or_default() += 1;
    }
    let most = |is_one: &dyn Fn(&str) -> bool| {
        let those = of.iter().filter(|(unit, _)| is_one(unit));
        those.map(|(_, count)| *count).max().unwrap_or_default()
    };
    let called = |tool: &str| {
        let now = world.tools.get(tool).copied().unwrap_or_default();
        now - tools.get(tool).copied().unwrap_or_default()
    };
    Cost {
        hooks: world.hooks - hooks,
        requests: requests.len(),
        writes: requests.iter().filter(|request| request.writes()).count(),
        of_one: most(&|unit| unit != LEADER && !REFLECTORS.contains(&unit)),
        of_reflector: most(&|unit| REFLECTORS.contains(&unit)),
        of_leader: of.get(LEADER).copied().unwrap_or_default(),
        tools: world.tools.keys().map(|tool| called(tool)).sum(),
        bells: called("relation-set fabric --app"),
        words: called("relation-set fabric"),
        principals: called("relation-set cni"),
    }
}

/// What it takes until so many units that come at once are at rest.
pub struct Deployment {
    /// Hooks that do something.
    pub hooks: usize,
    /// Hooks that end at once: Juju tells each unit of each other one, which no unit needs.
    pub idle: usize,
    /// Requests of all units.
    pub requests: usize,
    /// Requests of the unit with most of them that does not lead.
    pub of_one: usize,
}

/// Deploys so many units: each runs what Juju has for it, from `install` on, one hook of each in turn.
pub fn deployment(count: usize) -> Deployment {
    let mut world = World::parse(&format!(
        "{}recorded: false\nhooks: [calico/0 install]\n",
        units(count)
    ));
    world.server.take_requests();
    let units = world.juju.units();
    let mut idle = 0;
    loop {
        let mut any = false;
        for unit in &units {
            let Some(hook) = world.juju.next(unit) else {
                continue;
            };
            any = true;
            idle += usize::from(world.run(unit, &hook).calls.is_empty());
        }
        if !any {
            break;
        }
    }
    let mut of: BTreeMap<String, usize> = BTreeMap::new();
    for request in world.server.take_requests() {
        *of.entry(request.caller).or_default() += 1;
    }
    let others = of.iter().filter(|(unit, _)| *unit != LEADER);
    Deployment {
        hooks: world.hooks - idle,
        idle,
        requests: of.values().sum(),
        of_one: others.map(|(_, count)| *count).max().unwrap_or_default(),
    }
}
