//! Defects of the existing charm and of neighbouring systems, one test each, so that none comes back: `ck_…` are the
//! existing charm's, `ks_…` Kubespray's, `pl_…` those of PureLB's recipe for Calico, `calico_…` one of its releases'.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

#[path = "regressions/hooks.rs"]
mod hooks;
#[path = "regressions/options.rs"]
mod options;
#[path = "regressions/pools.rs"]
mod pools;
#[path = "support/scenario/mod.rs"]
mod scenario;
#[path = "regressions/units.rs"]
mod units;

use calico_charm::sim::api::Fault;
use scenario::input::{Observed, Scenario, Step};
use scenario::{Outcome, World};

/// A unit, calico/0 on node-a at 10.0.0.10, with these options.
fn one_unit(options: &Value) -> World {
    let unit = json!({"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true});
    world(&json!({"options": options, "units": {"calico/0": unit}}))
}

/// Two units in two subnets, calico/0 the leader.
fn two_units(options: &Value) -> World {
    world(&json!({"options": options, "units": {
        "calico/0": {"node": "node-a", "addresses": ["10.0.0.10/24"], "leader": true},
        "calico/1": {"node": "node-b", "addresses": ["10.0.1.10/24"]},
    }}))
}

/// One or two units are seldom a whole fabric: what is wrong with it is tested elsewhere.
fn world(scenario: &Value) -> World {
    let mut scenario = scenario.clone();
    scenario["options"]["fabric-check"] = "off".into();
    World::new(&Scenario::parse(&scenario.to_string()))
}

fn configure(world: &mut World, options: &Value) -> Outcome {
    world
        .juju
        .set_options(options.as_object().into_iter().flatten());
    world.run("calico/0", "config-changed")
}

fn all(world: &mut World, hook: &str) -> Vec<Outcome> {
    let units = world.juju.units();
    units.iter().map(|unit| world.run(unit, hook)).collect()
}

fn pool(name: &str, cidr: &str) -> Observed {
    let spec = json!({"cidr": cidr, "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never"});
    observed("IPPool", name, &spec)
}

fn observed(kind: &str, name: &str, spec: &Value) -> Observed {
    Observed {
        manager: "calico-node".into(),
        object: json!({"apiVersion": "crd.projectcalico.org/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}),
    }
}
