//! Transactions, the order of hooks, and what the model refuses.

mod leaving;
mod operation;
mod order;
mod transactions;

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::*;
use crate::juju::HookTools;

fn machine(name: &str, address: &str) -> Machine {
    Machine::new(name).with_address("ens3", address)
}

/// Three units, no hook has run.
fn fresh() -> JujuModel {
    JujuModel::charmed_kubernetes(
        vec![machine("node-a", "10.0.0.5/24").in_zone("az1")],
        vec![
            machine("node-b", "10.0.0.6/24"),
            machine("node-c", "10.0.1.7/24"),
        ],
    )
    .unwrap()
}

fn settled() -> JujuModel {
    let mut model = fresh();
    model.settle();
    model
}

fn call(model: &mut JujuModel, hook: &mut HookContext, line: &str) -> String {
    let mut words = line.split(' ').map(str::to_owned);
    let tool = words.next().unwrap();
    let args: Vec<String> = words.collect();
    let output = model.call(hook, &tool, &args, None);
    assert_eq!(output.code, 0, "{line}: {}", output.stderr);
    output.stdout
}

/// Runs everything that is due on a unit, hooks that do nothing; their names.
fn play(model: &mut JujuModel, unit: &str) -> Vec<String> {
    let mut played = Vec::new();
    while let Some(event) = model.due(unit) {
        played.push(event.to_string());
        assert!(played.len() < 100, "no end: {played:?}");
        let hook = model.begin(unit, event).unwrap();
        model.commit(hook).unwrap();
    }
    played
}

fn refused(result: Result<HookContext, Impossible>) -> String {
    match result {
        Ok(hook) => panic!("{} has begun", hook.id()),
        Err(error) => error.to_string(),
    }
}
