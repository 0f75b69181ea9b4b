//! The hooks of five units side by side, killed at random, run again as Juju does.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::thread;
use std::time::{Duration, Instant};

use calico_charm::sim::juju::JujuModel;

use crate::support::juju_driver::{HookRun, RunningHook};
use crate::support::site::Site;
use crate::watch::Stream;

const POLL: Duration = Duration::from_millis(2);
/// Before any hook has ended.
const FIRST_GUESS: Duration = Duration::from_millis(400);
/// More rounds of the periodic hook than any change needs.
const ENDLESS: usize = 60;
const KILLED: i32 = 9;

/// Numbers that a seed makes (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).expect("it is below a u32")
    }
}

/// When a hook is to be killed.
enum Doom {
    /// After some time.
    At(Instant),
    /// When so many changes of the cluster have been seen.
    Seen(usize),
}

/// One running hook.
struct Run<'a> {
    hook: RunningHook<'a>,
    doom: Option<Doom>,
}

/// What somebody else does to the cluster meanwhile.
pub type Chore<'a> = Box<dyn FnOnce() + 'a>;

/// The units of a site.
pub struct Fleet<'a> {
    site: &'a Site,
    stream: &'a Stream,
    random: Random,
    running: BTreeMap<String, Run<'a>>,
    chores: VecDeque<Chore<'a>>,
    /// How long hooks have taken that ended by themselves.
    took: Vec<Duration>,
    /// Kills that are still to come.
    left: usize,
    killed: usize,
    hooks: usize,
    side_by_side: usize,
    told: Vec<(Instant, String)>,
    /// How often another unit became the leader.
    elections: usize,
}

impl<'a> Fleet<'a> {
    pub fn new(site: &'a Site, stream: &'a Stream, seed: u64) -> Self {
        Self {
            site,
            stream,
            random: Random(seed),
            running: BTreeMap::new(),
            chores: VecDeque::new(),
            took: vec![FIRST_GUESS],
            left: 0,
            killed: 0,
            hooks: 0,
            side_by_side: 0,
            told: Vec::new(),
            elections: 0,
        }
    }

    /// From now on this many hooks are killed.
    pub fn kill(&mut self, count: usize) {
        self.left = count;
    }

    /// Kills that are still to come.
    pub fn kills_left(&self) -> usize {
        self.left
    }

    /// What happens meanwhile, one after another.
    pub fn meanwhile(&mut self, chores: impl IntoIterator<Item = Chore<'a>>) {
        self.chores.extend(chores);
    }

    /// Notes something for [`told`](Self::told).
    pub fn tell(&mut self, text: String) {
        self.told.push((Instant::now(), text));
    }

    /// What happened between two moments.
    pub fn told(&self) -> &[(Instant, String)] {
        &self.told
    }

    /// How many hooks ran, how many were killed, and how many ran side by side at most.
    pub fn counts(&self) -> String {
        let (hooks, killed, most) = (self.hooks, self.killed, self.side_by_side);
        let elections = self.elections;
        let slowest = self.took.iter().max().copied().unwrap_or_default();
        format!(
            "{hooks} hooks, {killed} killed, up to {most} side by side, {elections} elections, slowest {slowest:.1?}"
        )
    }

    /// A number below `end`.
    pub fn draw(&mut self, end: u32) -> usize {
        self.random.below(end) as usize
    }

    /// Lets Juju run what is due until so many more changes of the cluster have been seen, if there are as many; hooks go on
    /// running then. How many have been seen.
    pub fn go_on_until(&mut self, changes: usize) -> usize {
        let from = self.stream.count();
        self.play_until(|stream| stream.count() >= from + changes);
        self.stream.count() - from
    }

    /// Lets Juju run what is due, and the periodic hook when nothing is, until a round of it changes nothing.
    pub fn rest(&mut self) {
        for _ in 0..ENDLESS {
            self.play();
            let before = (self.site.state(), self.killed);
            for unit in self.units() {
                self.start(&unit, Some("update-status"));
            }
            self.play();
            if let Some(chore) = self.chores.pop_front() {
                chore();
            } else if before == (self.site.state(), self.killed) {
                return;
            }
        }
        panic!("no rest after {ENDLESS} rounds:\n{}", self.last(40));
    }

    /// The last lines of what happened.
    fn last(&self, count: usize) -> String {
        let mut text = String::new();
        let first = self.told.len().saturating_sub(count);
        for (_, line) in &self.told[first..] {
            let _ = writeln!(text, "{line}");
        }
        for unit in self.units() {
            let _ = writeln!(text, "{unit} {}", self.site.status(&unit));
        }
        text
    }

    fn units(&self) -> Vec<String> {
        let mut units = self.site.driver.model(|model| model.charm_units());
        units.sort();
        units
    }

    /// Runs what is due on all units side by side until nothing is and nothing runs.
    fn play(&mut self) {
        self.play_until(|_| false);
    }

    /// The same, or until something else has come true.
    fn play_until(&mut self, is_enough: impl Fn(&Stream) -> bool) {
        let units = self.units();
        loop {
            for unit in &units {
                self.start(unit, None);
            }
            if self.running.is_empty() {
                return;
            }
            self.side_by_side = self.side_by_side.max(self.running.len());
            while !self.reap() {
                if is_enough(self.stream) {
                    return;
                }
                thread::sleep(POLL);
            }
        }
    }

    /// Starts what is due on an idle unit, or a hook of this name.
    fn start(&mut self, unit: &str, hook: Option<&str>) {
        if self.running.contains_key(unit) {
            return;
        }
        let due = self.site.driver.model(|model| match hook {
            Some(hook) => model.event(unit, hook).ok(),
            None => model.due(unit),
        });
        let Some(event) = due else {
            return;
        };
        match self.site.driver.begin(unit, event) {
            Ok(hook) => {
                let doom = self.doom();
                self.running.insert(unit.to_owned(), Run { hook, doom });
            }
            Err(passed_over) => self.ended(&passed_over),
        }
    }

    /// What may follow a kill: somebody else's doing, or another leader.
    fn mishap(&mut self) {
        if self.random.below(3) == 0
            && let Some(chore) = self.chores.pop_front()
        {
            chore();
        }
        if self.random.below(6) == 0 {
            let units = self.units();
            let count = u32::try_from(units.len()).expect("few units");
            let leader = &units[self.random.below(count) as usize];
            let elect = |model: &mut JujuModel| model.set_leader("calico", Some(leader));
            self.site.driver.model(elect).expect("a unit");
            self.elections += 1;
            self.tell(format!("{leader} leads"));
        }
    }

    fn doom(&mut self) -> Option<Doom> {
        if self.left == 0 || self.random.below(8) == 0 {
            return None;
        }
        if self.random.below(2) == 0 {
            let more = 1 + self.random.below(6) as usize;
            return Some(Doom::Seen(self.stream.count() + more));
        }
        let likely = u32::try_from(self.took.len()).expect("few hooks");
        let took = self.took[self.random.below(likely) as usize];
        Some(Doom::At(
            Instant::now() + took * self.random.below(110) / 100,
        ))
    }

    /// Ends what is to be killed and takes leave of what has ended; whether there was any.
    fn reap(&mut self) -> bool {
        let mut over = Vec::new();
        for (unit, run) in &mut self.running {
            let doomed = match run.doom {
                _ if self.left == 0 => false,
                Some(Doom::At(moment)) => Instant::now() >= moment,
                Some(Doom::Seen(count)) => self.stream.count() >= count,
                None => false,
            };
            if doomed || run.hook.has_ended() {
                over.push((unit.clone(), doomed));
                self.left -= usize::from(doomed);
            }
        }
        let any = !over.is_empty();
        for (unit, doomed) in over {
            let run = self.running.remove(&unit).expect("it was running");
            let ended = if doomed {
                run.hook.kill()
            } else {
                run.hook.wait()
            };
            let killed = ended
                .status
                .is_some_and(|status| status.signal() == Some(KILLED));
            // It was quicker.
            self.left += usize::from(doomed && !killed);
            self.ended(&ended);
        }
        any
    }

    fn ended(&mut self, run: &HookRun) {
        let killed = run
            .status
            .is_some_and(|status| status.signal() == Some(KILLED));
        let status = self.site.status(&run.unit);
        let (unit, event, took) = (&run.unit, &run.event, run.took);
        let how = if killed { "killed" } else { "ended" };
        self.tell(format!("{unit} {event} {how} after {took:?}: {status}"));
        self.hooks += 1;
        self.killed += usize::from(killed);
        if killed {
            self.mishap();
            return;
        }
        // Juju takes no databag of the application from a unit that leads no more, neither at once nor in the end.
        let refused = run.debug_log().contains("relation-set failed");
        let deposed = self.elections > 0 && (refused || run.changes.is_err());
        assert!(
            run.succeeded() || deposed,
            "{unit} {event} failed: {:?}\n{}\n{}",
            run.changes,
            run.debug_log(),
            self.last(20)
        );
        self.took.push(took);
    }
}
