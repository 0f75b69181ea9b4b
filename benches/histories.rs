//! Histories by the second on one core, and what it costs to watch them: how often an invariant looks at a write or an event,
//! and how long the same histories take without anybody looking.
//!
//! Time is what the thread spent on a processor, so that other work on the machine spoils it little; the ratio is of the same
//! histories, told in turn.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]
#![allow(
    clippy::panic,
    reason = "a deployment that does not settle is the end of it"
)]

use std::fs;
use std::time::Duration;

use calico_charm::sim::history::invariant::{Facts, NAMES, all};
use calico_charm::sim::history::scene::{Scene, Told, Unwatched, Violation, Watch, Written};
use calico_charm::sim::history::{Faults, Stage, Story, stories};

/// Seeds from 0 on; `HISTORIES` sets another number of them.
const HISTORIES: u64 = 200;
/// Of these, one in so many is made up from its seed, as in `tests/histories.rs`.
const MADE_UP: u64 = 4;
const UNITS: [u8; 2] = [3, 4];

/// A watch that counts how often each invariant looks.
struct Counted {
    watch: Box<dyn Watch>,
    writes: u64,
    events: u64,
}

impl Watch for Counted {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        self.writes += 1;
        self.watch.written(scene, write)
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        self.events += 1;
        self.watch.told(scene, told)
    }
}

/// What histories came to.
#[derive(Default)]
struct Tally {
    histories: u32,
    /// Those that an invariant ends, which has no like without it.
    ended: u32,
    hooks: usize,
    requests: usize,
    steps: usize,
    writes: u64,
    events: u64,
    watched: Duration,
    unwatched: Duration,
}

fn main() {
    let documented: Vec<Stage> = UNITS
        .into_iter()
        .flat_map(stories::documented)
        .map(stage)
        .collect();
    let mut tally = Tally::default();
    let given = std::env::var("HISTORIES").ok();
    let histories = given.map_or(HISTORIES, |text| {
        text.parse().expect("HISTORIES is a number")
    });
    for seed in 0..histories {
        if seed.is_multiple_of(MADE_UP) {
            tell(&stage(stories::random(seed)), seed, &mut tally);
        } else {
            let number = usize::try_from(seed).expect("few histories") % documented.len();
            tell(&documented[number], seed, &mut tally);
        }
    }
    print(&tally);
}

fn stage(story: Story) -> Stage {
    Stage::new(story).unwrap_or_else(|failure| panic!("{failure}"))
}

/// Tells a history watched and unwatched, after it has been told once: what undisturbed deployments come to is worked out then.
fn tell(stage: &Stage, seed: u64, tally: &mut Tally) {
    let mut counted = Counted {
        watch: all(Facts::default()),
        writes: 0,
        events: 0,
    };
    let prepared = stage.run(seed, Faults::ALL, &mut Unwatched);
    let (with, watched) = timed(|| stage.run(seed, Faults::ALL, &mut counted));
    let (_, unwatched) = timed(|| stage.run(seed, Faults::ALL, &mut Unwatched));
    let (Ok(summary), Ok(_)) = (with, prepared) else {
        tally.ended += 1;
        return;
    };
    tally.histories += 1;
    tally.hooks += summary.counts.hooks;
    tally.requests += summary.counts.requests;
    tally.steps += summary.counts.steps;
    tally.writes += counted.writes;
    tally.events += counted.events;
    tally.watched += watched;
    tally.unwatched += unwatched;
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = on_processor();
    let done = work();
    (done, on_processor().saturating_sub(before))
}

/// How long this thread has run: the first figure of its `schedstat`, in nanoseconds.
fn on_processor() -> Duration {
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells of its threads");
    let first = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(first.expect("schedstat begins with a number"))
}

fn print(tally: &Tally) {
    let histories = f64::from(tally.histories);
    let each = |count: u64| f64::from(u32::try_from(count).expect("few")) / histories;
    let of = |count: usize| each(u64::try_from(count).expect("few"));
    let invariants = u64::try_from(NAMES.len()).expect("few");
    let checks = (tally.writes + tally.events) * invariants;
    let (watched, unwatched) = (tally.watched.as_secs_f64(), tally.unwatched.as_secs_f64());
    println!(
        "{} histories, {} more ended by an invariant",
        tally.histories, tally.ended
    );
    println!(
        "a history: {:.1} hooks, {:.0} requests, {:.0} steps one by one",
        of(tally.hooks),
        of(tally.requests),
        of(tally.steps)
    );
    println!(
        "a history: {:.1} writes and {:.1} events, {invariants} invariants: {:.0} checks",
        each(tally.writes),
        each(tally.events),
        each(checks)
    );
    println!(
        "a second on one core: {:.1} histories watched, {:.1} unwatched, ratio {:.2}; {:.0} % of the time is watching",
        histories / watched,
        histories / unwatched,
        watched / unwatched,
        100.0 * (1.0 - unwatched / watched)
    );
    println!(
        "a check: {:.1} microseconds",
        (watched - unwatched) * 1e6 / (histories * each(checks))
    );
}
