//! Histories: hooks interleaved at every request and hook tool, with all that can go wrong.

use std::time::Instant;

use calico_charm::sim::history::scene::Unwatched;
use calico_charm::sim::history::{Faults, Stage, stories};

#[test]
fn documented() {
    for story in stories::documented(3) {
        let name = story.name.clone();
        let started = Instant::now();
        let stage = match Stage::new(story) {
            Ok(stage) => stage,
            Err(failure) => panic!("{failure}"),
        };
        let ready = started.elapsed();
        let mut bad = 0;
        let mut shown = false;
        let started = Instant::now();
        let n = 40;
        let (mut hooks, mut steps, mut requests) = (0, 0, 0);
        for seed in 0..n {
            match stage.run(seed, Faults::ALL, &mut Unwatched) {
                Ok(s) => {
                    hooks += s.counts.hooks;
                    steps += s.counts.steps;
                    requests += s.counts.requests;
                }
                Err(failure) => {
                    bad += 1;
                    if !shown && std::env::var("SHOW").is_ok() {
                        println!("{failure}");
                        shown = true;
                    }
                }
            }
        }
        println!(
            "{name}: ready {ready:?}, {n} in {:?}, {bad} bad, {hooks} hooks {steps} steps {requests} requests",
            started.elapsed()
        );
    }
}
