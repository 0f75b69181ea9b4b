//! What a change of the options costs a fabric of 10 to 1,000 units: hooks, requests, hook tools and what wakes others,
//! counted on the Juju model and the API in this process. None of it depends on the machine.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

#[path = "../tests/speed/change.rs"]
mod change;
#[path = "../tests/support/scenario/mod.rs"]
mod scenario;

use change::{changes, cost, deployment, fabric};

const SIZES: [usize; 4] = [10, 50, 200, 1_000];
/// Juju tells each unit of each other one, so 1,000 would be two million hooks.
const DEPLOYED: [usize; 3] = [10, 50, 200];

fn main() {
    row(&[
        "change",
        "units",
        "hooks",
        "requests",
        "writes",
        "of one unit",
        "of one reflector",
        "of the leader",
        "hook tools",
        "bells",
        "own data in fabric",
        "own data in cni",
    ]);
    for units in SIZES {
        let mut world = fabric(units);
        for change in changes() {
            let cost = cost(&mut world, &change);
            let counts = [
                units,
                cost.hooks,
                cost.requests,
                cost.writes,
                cost.of_one,
                cost.of_reflector,
                cost.of_leader,
                cost.tools,
                cost.bells,
                cost.words,
                cost.principals,
            ];
            let counts = counts.map(|count| count.to_string());
            let mut cells = vec![change.name];
            cells.extend(counts.iter().map(String::as_str));
            row(&cells);
        }
    }
    println!();
    row(&[
        "deployment of",
        "hooks",
        "hooks that end at once",
        "requests",
        "of one unit",
    ]);
    for units in DEPLOYED {
        let cost = deployment(units);
        let counts = [units, cost.hooks, cost.idle, cost.requests, cost.of_one];
        let counts = counts.map(|count| count.to_string());
        row(&counts.each_ref().map(String::as_str));
    }
}

fn row(cells: &[&str]) {
    println!("| {} |", cells.join(" | "));
}
