//! The check against the programs it speaks of: BIRD in network namespaces, configured from the derived sessions.
//!
//! Each fabric is built machine for machine. Then sessions, routes learned and packets delivered have to be those that
//! the check says. The counts in the tests are what BIRD does; where the two differ, BIRD is right.
//! Needs root; without, each test says that it was skipped. `tests/bird/fetch` has BIRD.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

#[path = "bird/birdc.rs"]
mod birdc;
#[path = "bird/config.rs"]
mod config;
#[path = "bird/examples.rs"]
mod examples;
#[path = "bird/fabric.rs"]
mod fabric;
#[path = "bird/lab.rs"]
mod lab;
#[path = "bird/meshes.rs"]
mod meshes;
#[path = "bird/probe.rs"]
mod probe;
#[path = "bird/random.rs"]
mod random;
#[path = "bird/reflectors.rs"]
mod reflectors;
#[path = "bird/routers.rs"]
mod routers;
#[path = "bird/stage.rs"]
mod stage;
#[path = "bird/verdict.rs"]
mod verdict;
#[path = "bird/wiring.rs"]
mod wiring;

use calico_charm::fabric::Topology;

/// Runs a fabric and compares what BIRD does, which is `counts`, with what the check says.
fn runs(test: &str, topology: &Topology, counts: &str) {
    runs_families(test, topology, &[counts]);
}

/// [`runs`] with the counts of each family.
fn runs_families(test: &str, topology: &Topology, counts: &[&str]) {
    stage::inside(test, |programs| {
        let seen: Vec<String> = verdict::agree(test, topology, programs)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(seen, counts);
    });
}

/// The example of the documentation. Its cluster IDs for rack 0 are those that BIRD takes for unset.
#[test]
fn the_example_of_an_as_for_each_rack() {
    runs(
        "the_example_of_an_as_for_each_rack",
        &examples::read("as-per-rack.yaml"),
        "sessions 15/15, learned 56/56, arrives 56/56",
    );
}

#[test]
fn the_example_of_two_subnets_and_a_router() {
    runs(
        "the_example_of_two_subnets_and_a_router",
        &examples::read("two-subnets-router.yaml"),
        "sessions 10/10, learned 12/12, arrives 12/12",
    );
}

#[test]
fn the_example_of_route_reflectors() {
    runs(
        "the_example_of_route_reflectors",
        &examples::read("route-reflectors.yaml"),
        "sessions 21/21, learned 132/132, arrives 132/132",
    );
}

#[test]
fn the_example_of_two_families() {
    runs_families(
        "the_example_of_two_families",
        &examples::read("dual-stack.yaml"),
        &["sessions 6/6, learned 6/6, arrives 6/6"; 2],
    );
}

#[test]
fn the_example_of_a_large_as_number() {
    runs(
        "the_example_of_a_large_as_number",
        &examples::read("as-4200000101.yaml"),
        "sessions 6/6, learned 6/6, arrives 6/6",
    );
}

#[test]
fn the_example_of_the_defaults() {
    runs(
        "the_example_of_the_defaults",
        &examples::read("default.yaml"),
        "sessions 3/3, learned 6/6, arrives 6/6",
    );
}

#[test]
fn one_as_for_both_racks_splits_them() {
    let mut topology = examples::read("as-per-rack.yaml");
    let number = topology.as_number.value;
    for node in &mut topology.nodes {
        node.as_number.as_mut().expect("the example's").value = number;
    }
    for router in &mut topology.routers {
        router.as_number = number;
    }
    for peering in &mut topology.peerings {
        peering.as_number = Some(number);
    }
    runs(
        "one_as_for_both_racks_splits_them",
        &topology,
        "sessions 15/15, learned 24/56, arrives 24/56",
    );
}

/// Fabrics that are made up in every run; the larger numbers are of some that once showed the check to be wrong.
const SEEDS: [u64; 14] = [0, 1, 2, 3, 4, 5, 47, 64, 67, 78, 118, 155, 1167, 1247];

/// `BIRD_SEEDS=269` and `BIRD_SEEDS=1000-1200` run others.
#[test]
fn fabrics_made_up_at_random() {
    let test = "fabrics_made_up_at_random";
    let number = |text: &str| text.parse::<u64>().expect("BIRD_SEEDS: a number");
    let seeds = match std::env::var("BIRD_SEEDS") {
        Ok(asked) => {
            let (first, last) = asked.split_once('-').unwrap_or((&asked, &asked));
            (number(first)..=number(last)).collect()
        }
        Err(_) => SEEDS.to_vec(),
    };
    stage::inside_each(test, &seeds, |programs, seed| {
        verdict::agree(test, &random::fabric(seed), programs);
    });
}
