//! Histories: every unit's hooks interleaved at each request and hook tool, with all that can go wrong.
//!
//! | variable | meaning |
//! |---|---|
//! | `HISTORIES` | how many histories, 2,000 by default |
//! | `SEED` | only the history of this seed |
//! | `STORY` | only the histories of this story |
//! | `FAULTS` | what can go wrong, as `simulate --faults` takes it |
//! | `CRASH_POINTS=all` | a crash after every single step, and not only where it makes a difference |
//! | `POINT` | only the crash at this point of the story |

#![allow(clippy::panic, reason = "helpers of tests fail as the tests do")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use calico_charm::sim::history::invariant;
use calico_charm::sim::history::scene::{Unwatched, Watch};
use calico_charm::sim::history::{Coverage, Failure, Faults, Points, Stage, Story, stories};

/// Histories where nothing is said about their number.
const HISTORIES: u64 = 2_000;
/// Of these, one in so many is a story of its own, made up from its seed.
const MADE_UP: u64 = 4;
/// Threads; each tells histories of its own.
const THREADS: u64 = 2;
/// Units of the documented stories.
const UNITS: [u8; 2] = [3, 4];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str) -> Option<u64> {
    variable(name).map(|text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

fn faults() -> Faults {
    variable("FAULTS").map_or(Faults::ALL, |text| {
        text.parse()
            .unwrap_or_else(|error| panic!("FAULTS: {error}"))
    })
}

fn watch() -> Box<dyn Watch> {
    invariant::all(invariant::Facts::default())
}

fn stage(story: Story) -> Stage {
    Stage::new(story).unwrap_or_else(|failure| panic!("{failure}"))
}

/// The stages of the documented stories, or of the one that is asked for, for each number of units.
fn documented() -> [Vec<Stage>; 2] {
    let wanted = variable("STORY");
    let is_wanted = |story: &Story| wanted.as_ref().is_none_or(|wanted| story.name == *wanted);
    let of = |units: u8| {
        let stories = stories::documented(units).into_iter();
        stories.filter(is_wanted).map(stage).collect()
    };
    UNITS.map(of)
}

/// Which of the documented stages a seed tells: by the seed alone, so that one story is told again as it was among all. The
/// seeds of made-up stories are left out of the count, or some stages would never have their turn.
fn place(seed: u64, stages: &[Vec<Stage>; 2]) -> (usize, usize) {
    let turn = usize::try_from(seed - seed / MADE_UP).expect("there are few seeds");
    let units = turn / stories::documented(UNITS[0]).len() % UNITS.len();
    (units, turn % stages[units].len().max(1))
}

/// What all histories came to.
#[derive(Default)]
struct Tally {
    coverage: Coverage,
    hooks: usize,
    requests: usize,
    steps: usize,
    failures: Vec<Failure>,
    /// The documented stages that had their turn.
    places: BTreeSet<(usize, usize)>,
}

/// The stage of a seed: a documented one in turn, now and then one of its own, and only that where it is asked for.
fn tell(seed: u64, stages: &[Vec<Stage>; 2], tally: &Mutex<Tally>) {
    let own = variable("STORY").is_some_and(|story| story.starts_with("random "));
    let made_up = (own || seed.is_multiple_of(MADE_UP) && variable("STORY").is_none())
        .then(|| stage(stories::random(seed)));
    let place = place(seed, stages);
    let known = || stages[place.0].get(place.1);
    let stage = made_up
        .as_ref()
        .or_else(known)
        .expect("STORY is one of the stories");
    let told = stage.run(seed, faults(), &mut *watch());
    let mut tally = tally.lock().expect("no history panics");
    if made_up.is_none() {
        tally.places.insert(place);
    }
    match told {
        Ok(summary) => {
            tally.coverage.add(&summary.coverage);
            tally.hooks += summary.counts.hooks;
            tally.requests += summary.counts.requests;
            tally.steps += summary.counts.steps;
        }
        Err(failure) => tally.failures.push(*failure),
    }
}

#[test]
fn every_history_ends_as_it_should() {
    let stages = documented();
    let (first, last) = match number("SEED") {
        Some(seed) => (seed, seed + 1),
        None => (0, number("HISTORIES").unwrap_or(HISTORIES)),
    };
    let (next, tally) = (AtomicU64::new(first), Mutex::new(Tally::default()));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        return;
                    }
                    tell(seed, &stages, &tally);
                }
            });
        }
    });
    let tally = tally.into_inner().expect("no history panics");
    let took = started.elapsed().as_secs_f64();
    let histories = last - first;
    println!(
        "{histories} histories, {} hooks, {} requests, {} steps one by one in {took:.1} s\n{}",
        tally.hooks, tally.requests, tally.steps, tally.coverage
    );
    let mut failures = tally.failures;
    failures.sort_by_key(|failure| failure.happenings.len());
    let mut stories: Vec<(&str, u64)> = failures
        .iter()
        .map(|failure| (failure.story.as_str(), failure.seed))
        .collect();
    stories.sort_unstable();
    for failure in &failures {
        let found = failure.violations.iter();
        let found: Vec<String> = found
            .map(|violation| format!("{}: {}", violation.invariant, violation.message))
            .collect();
        println!("{} {}: {}", failure.story, failure.seed, found.join("; "));
    }
    if let Some(shortest) = failures.first() {
        panic!(
            "{} of {histories} fail: {stories:?}\nthe shortest:\n{shortest}",
            failures.len()
        );
    }
    if histories >= HISTORIES && faults() == Faults::ALL {
        assert_eq!(
            tally.coverage.missing(),
            [""; 0],
            "these faults never happened"
        );
        let all: usize = stages.iter().map(Vec::len).sum();
        assert_eq!(
            tally.places.len(),
            all,
            "some stories had no turn: {:?}",
            tally.places
        );
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    for story in stories::documented(3).into_iter().take(3) {
        let stage = stage(story);
        for seed in 0..4 {
            let tell = || {
                let told = stage.run(seed, Faults::ALL, &mut Unwatched);
                told.map_or_else(|failure| failure.trace(), |summary| summary.trace())
            };
            assert_eq!(tell(), tell(), "{} seed {seed}", stage.story().name);
        }
    }
}

#[test]
fn a_crash_anywhere_is_mended() {
    let points = match variable("CRASH_POINTS").as_deref() {
        Some("all") => Points::All,
        _ => Points::Effects,
    };
    assert!(
        variable("POINT").is_none() || variable("STORY").is_some(),
        "POINT is one of a STORY"
    );
    let mut bad = Vec::new();
    for story in stories::documented(3) {
        let wanted = variable("STORY");
        // An installation has many points, and each of them a whole installation to tell.
        let left_out = !story.installed && wanted.is_none() && points == Points::Effects;
        if left_out || wanted.is_some_and(|wanted| wanted != story.name) {
            continue;
        }
        let stage = stage(story);
        let started = Instant::now();
        let told = match number("POINT") {
            Some(point) => {
                let told = stage.crash_at(points, point, &mut watch);
                told.inspect(|found| assert!(found, "there is no point {point}"))
                    .map(usize::from)
            }
            None => stage.crash_everywhere(points, &mut watch),
        };
        match told {
            Ok(points) => println!(
                "{}: {points} points in {:.1} s",
                stage.story().name,
                started.elapsed().as_secs_f64()
            ),
            Err(failure) => bad.push(failure),
        }
    }
    let names: Vec<&str> = bad.iter().map(|failure| failure.story.as_str()).collect();
    if let Some(first) = bad.first() {
        panic!("{names:?} fail, the first:\n{first}");
    }
}
