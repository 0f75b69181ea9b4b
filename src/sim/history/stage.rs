//! A story's deployment at rest, and the histories that begin there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use fastrand::Rng;

use super::agent::lock;
use super::chaos::Chaos;
use super::cluster;
use super::crash::{Crash, Point, Points};
use super::faults::{Coverage, Faults};
use super::normal::{Normal, differences, normal};
use super::play::{Counts, Happening, Play, Stop};
use super::scene::{Unwatched, Violation, Watch};
use super::story::{Change, Story};
use super::world::{Broken, Snapshot};

/// Objects by kind and name.
type End = BTreeMap<String, Normal>;

/// A story whose deployment has settled. Any number of histories begin here, on any number of threads.
pub struct Stage {
    story: Story,
    start: Snapshot,
    /// What undisturbed deployments come to, by options and membership.
    ends: Mutex<BTreeMap<String, End>>,
}

/// A history that ended as it should.
#[derive(Debug, Clone)]
pub struct Summary {
    /// How much happened.
    pub counts: Counts,
    /// How often each kind of trouble did.
    pub coverage: Coverage,
    /// Rounds of update-status until one wrote nothing.
    pub rounds: usize,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
}

/// A history that did not.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The story.
    pub story: String,
    /// The seed.
    pub seed: u64,
    /// What could go wrong.
    pub faults: Faults,
    /// What happened, in order.
    pub happenings: Vec<Happening>,
    /// What is wrong at the end of it.
    pub violations: Vec<Violation>,
    /// The command that tells the history again.
    pub replay: String,
}

impl Summary {
    /// A number that two histories share when the same things happened in the same order.
    #[must_use]
    pub fn trace(&self) -> u64 {
        trace(&self.happenings)
    }
}

impl Failure {
    /// [`Summary::trace`] of a history that failed.
    #[must_use]
    pub fn trace(&self) -> u64 {
        trace(&self.happenings)
    }
}

/// FNV-1a.
fn trace(happenings: &[Happening]) -> u64 {
    let bytes = happenings
        .iter()
        .flat_map(|happening| happening.text.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "story {:?}, seed {}, faults {}",
            self.story, self.seed, self.faults
        )?;
        for (number, happening) in self.happenings.iter().enumerate() {
            if !happening.small {
                writeln!(f, "#{number} {}", happening.text)?;
            }
        }
        for Violation { invariant, message } in &self.violations {
            writeln!(f, "{invariant}: {message}")?;
        }
        write!(f, "again: {}", self.replay)
    }
}

impl std::error::Error for Failure {}

/// Runs a history on a thread of its own clock.
fn block<F: Future>(history: F) -> Result<F::Output, Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(Broken::from)?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, history))
}

impl Stage {
    /// Lets a story's deployment settle.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(story: Story) -> Result<Self, Box<Failure>> {
        let mut happenings = Vec::new();
        let start = Snapshot::deployed(&story).map_err(Stop::Broken);
        let start = start.and_then(|deployed| {
            if !story.settled {
                return Ok(deployed);
            }
            let settled = block(settled(&deployed, &mut happenings));
            settled.unwrap_or_else(|broken| Err(broken.into()))
        });
        match start {
            Ok(start) => Ok(Self {
                story,
                start,
                ends: Mutex::default(),
            }),
            Err(stop) => Err(Box::new(failure(&story, 0, Faults::NONE, happenings, stop))),
        }
    }

    /// The story.
    #[must_use]
    pub fn story(&self) -> &Story {
        &self.story
    }

    /// Tells the history of a seed.
    ///
    /// # Errors
    /// When an invariant does not hold, the history does not come to rest, or it ends otherwise than it should.
    pub fn run(
        &self,
        seed: u64,
        faults: Faults,
        watch: &mut dyn Watch,
    ) -> Result<Summary, Box<Failure>> {
        let mut happenings = Vec::new();
        let told = block(self.tell(seed, faults, watch, &mut happenings));
        let outcome = told.unwrap_or_else(|broken| Err(broken.into()));
        match outcome {
            Ok((counts, coverage, rounds)) => Ok(Summary {
                counts,
                coverage,
                rounds,
                happenings,
            }),
            Err(stop) => Err(Box::new(failure(
                &self.story,
                seed,
                faults,
                happenings,
                stop,
            ))),
        }
    }

    /// Tells the story once for each point at which a running hook can be killed, all else going well; `watch` makes
    /// the watch for each. Answers with the number of points.
    ///
    /// # Errors
    /// The first history that does not end as it should; its seed is the number of the point.
    pub fn crash_everywhere(
        &self,
        points: Points,
        watch: &mut dyn FnMut() -> Box<dyn Watch>,
    ) -> Result<usize, Box<Failure>> {
        let known = self.points(points, watch)?;
        for (number, point) in (0..).zip(&known) {
            self.crash(points, number, *point, watch)?;
        }
        Ok(known.len())
    }

    /// Tells the story with the crash at one of these points; `false` when there is no such point.
    ///
    /// # Errors
    /// The history does not end as it should.
    pub fn crash_at(
        &self,
        points: Points,
        number: u64,
        watch: &mut dyn FnMut() -> Box<dyn Watch>,
    ) -> Result<bool, Box<Failure>> {
        let known = self.points(points, watch)?;
        let Some(point) = usize::try_from(number).ok().and_then(|at| known.get(at)) else {
            return Ok(false);
        };
        self.crash(points, number, *point, watch)?;
        Ok(true)
    }

    /// Every point of the story.
    fn points(
        &self,
        points: Points,
        watch: &mut dyn FnMut() -> Box<dyn Watch>,
    ) -> Result<Vec<Point>, Box<Failure>> {
        let whole = self.crashed(points, 0, Crash::default(), watch)?;
        Ok(whole.seen(points))
    }

    fn crash(
        &self,
        points: Points,
        number: u64,
        point: Point,
        watch: &mut dyn FnMut() -> Box<dyn Watch>,
    ) -> Result<(), Box<Failure>> {
        let told = self.crashed(points, number, Crash::at(point), watch);
        told.map(drop)
    }

    fn crashed(
        &self,
        points: Points,
        number: u64,
        crash: Crash,
        watch: &mut dyn FnMut() -> Box<dyn Watch>,
    ) -> Result<Crash, Box<Failure>> {
        let mut happenings = Vec::new();
        let told = block(self.march(crash, &mut *watch(), &mut happenings));
        told.unwrap_or_else(|broken| Err(broken.into()))
            .map_err(|stop| {
                let mut failure = failure(&self.story, number, Faults::NONE, happenings, stop);
                let all = match points {
                    Points::All => "CRASH_POINTS=all ",
                    Points::Effects => "",
                };
                failure.replay = format!(
                    "STORY={:?} {all}POINT={number} cargo test --test histories a_crash",
                    self.story.name
                );
                Box::new(failure)
            })
    }

    /// The story in fair hooks, with one crash.
    async fn march(
        &self,
        crash: Crash,
        watch: &mut dyn Watch,
        happenings: &mut Vec<Happening>,
    ) -> Result<Crash, Stop> {
        let mut play = Play::new(self.start.wake(), watch);
        play.crash = Some(crash);
        play.tell_options();
        let ended = marched(&mut play, &self.story).await;
        let ended = match ended {
            Ok(()) => self.compare(&play).await,
            Err(stop) => Err(stop),
        };
        *happenings = std::mem::take(&mut play.happenings);
        ended.map(|()| play.crash.take().unwrap_or_default())
    }

    async fn tell(
        &self,
        seed: u64,
        faults: Faults,
        watch: &mut dyn Watch,
        happenings: &mut Vec<Happening>,
    ) -> Result<(Counts, Coverage, usize), Stop> {
        let mut play = Play::new(self.start.wake(), watch);
        play.tell_options();
        let mut chaos = Chaos::new(&self.story, faults, Rng::with_seed(seed));
        let told = told(&mut play, &mut chaos).await;
        let ended = match told {
            Ok(rounds) => self.compare(&play).await.map(|()| rounds),
            Err(stop) => Err(stop),
        };
        *happenings = std::mem::take(&mut play.happenings);
        ended.map(|rounds| (play.counts, play.coverage, rounds))
    }

    /// Holds the end of a history against that of an undisturbed one.
    async fn compare(&self, play: &Play<'_>) -> Result<(), Stop> {
        let options = play.world.options();
        let key = format!("{options:?} {:?}", play.moves);
        let known = lock(&self.ends).get(&key).cloned();
        let wanted = if let Some(known) = known {
            known
        } else {
            let end = self.undisturbed(&options, &play.moves).await?;
            lock(&self.ends).insert(key, end.clone());
            end
        };
        let lines = differences(&normal(&play.world.server), &wanted);
        if lines.is_empty() {
            return Ok(());
        }
        Err(Stop::Violated(vec![Violation {
            invariant: "one end",
            message: format!(
                "an undisturbed deployment with these options ends otherwise:\n  {}",
                lines.join("\n  ")
            ),
        }]))
    }

    async fn undisturbed(
        &self,
        options: &[(String, String)],
        moves: &[Change],
    ) -> Result<End, Stop> {
        let mut watch = Unwatched;
        let mut play = Play::new(self.start.wake(), &mut watch);
        for change in moves {
            play.change(change).await?;
        }
        play.world.configure(options.to_vec())?;
        play.come_to_rest(&mut |_| {}).await?;
        Ok(normal(&play.world.server))
    }
}

async fn settled(deployed: &Snapshot, happenings: &mut Vec<Happening>) -> Result<Snapshot, Stop> {
    let mut watch = Unwatched;
    let mut play = Play::new(deployed.wake(), &mut watch);
    let rested = play.come_to_rest(&mut |_| {}).await;
    *happenings = std::mem::take(&mut play.happenings);
    rested?;
    cluster::restart_workloads(&play.world.server).map_err(Broken::from)?;
    Ok(play.world.freeze())
}

/// The story, each change as soon as it may come: hooks are only waited for where the story says so.
async fn marched(play: &mut Play<'_>, story: &Story) -> Result<(), Stop> {
    for change in &story.steps {
        match change {
            Change::Hooks => play.calm().await?,
            change => {
                play.change(change).await?;
                play.some_steps(40).await?;
            }
        }
    }
    play.come_to_rest(&mut |_| {}).await.map(drop)
}

/// Chaos, then healing.
async fn told(play: &mut Play<'_>, chaos: &mut Chaos<'_>) -> Result<usize, Stop> {
    chaos.run(play).await?;
    chaos.heal(play)?;
    play.come_to_rest(&mut |units| chaos.rng.shuffle(units))
        .await
}

fn failure(
    story: &Story,
    seed: u64,
    faults: Faults,
    happenings: Vec<Happening>,
    stop: Stop,
) -> Failure {
    let violations = match stop {
        Stop::Violated(violations) => violations,
        Stop::Broken(broken) => vec![Violation {
            invariant: "the simulation holds together",
            message: broken.to_string(),
        }],
    };
    Failure {
        story: story.name.clone(),
        seed,
        faults,
        happenings,
        violations,
        replay: format!(
            "STORY={:?} SEED={seed} FAULTS={faults} cargo test --test histories",
            story.name
        ),
    }
}
