//! Chaos: whatever can happen next happens as the seed has it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;

use super::desk::Step;
use super::faults::{Faults, Trouble};
use super::membership;
use super::mishap;
use super::play::{Play, Stop, TICK};
use super::scene::Told;
use super::story::{Change, Story};
use super::world::Broken;
use crate::sim::api::Verb;
use crate::sim::juju::{Event, UnitHook};

/// How many things may happen in a history before it heals.
const LONGEST: usize = 4_000;

/// One thing that can happen next.
#[derive(Debug, Clone)]
enum Move {
    /// A step is let through.
    Pass(u64),
    /// A hook that is due begins.
    Begin(String),
    /// update-status.
    UpdateStatus(String),
    /// config-changed again.
    Again(String),
    /// The story goes on.
    NextStep,
    /// A running hook is killed.
    Crash(u64),
    /// A unit's agent goes down, a running hook with it.
    Down,
    /// Another unit leads, or none.
    Lead,
    /// Somebody else writes.
    Other,
    /// Other options, for a while.
    Options,
    /// A unit comes or goes.
    Membership,
    /// Time passes.
    Wait,
}

/// Where chaos has got to.
pub(super) struct Chaos<'s> {
    pub(super) story: &'s Story,
    pub(super) faults: Faults,
    pub(super) rng: Rng,
    /// The steps of the story that are still to come.
    next: usize,
    /// Agents that are down, and until when.
    down: BTreeMap<String, Duration>,
    /// How many hooks begin before the history heals.
    hooks: usize,
    /// The hook whose steps are let through by preference.
    favourite: u64,
    /// The options to go back to.
    detour: Option<Vec<(String, String)>>,
    /// How often membership may still change.
    comings: usize,
}

impl<'s> Chaos<'s> {
    pub(super) fn new(story: &'s Story, faults: Faults, mut rng: Rng) -> Self {
        let hooks = rng.usize(4..12) + story.units.len() * rng.usize(1..5);
        let comings = rng.usize(0..3);
        Self {
            story,
            faults,
            rng,
            next: 0,
            down: BTreeMap::new(),
            hooks,
            favourite: 0,
            detour: None,
            comings,
        }
    }

    /// Lets things happen until the story is told and enough hooks have run.
    ///
    /// # Errors
    /// When an invariant does not hold.
    pub(super) async fn run(&mut self, play: &mut Play<'_>) -> Result<(), Stop> {
        for _ in 0..LONGEST {
            if self.next == self.story.steps.len()
                && self.detour.is_none()
                && play.counts.hooks >= self.hooks
            {
                break;
            }
            play.settle(TICK).await?;
            let next = self.draw(play);
            self.make(play, next).await?;
            play.check()?;
        }
        // What is left of the story is told whatever happens.
        self.back(play)?;
        while let Some(step) = self.story.steps.get(self.next) {
            self.next += 1;
            self.perform(play, step).await?;
        }
        Ok(())
    }

    fn draw(&mut self, play: &Play<'_>) -> Move {
        let moves = self.moves(play);
        let total: u32 = moves.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.rng.u32(0..total.max(1));
        for (weight, next) in moves {
            if drawn < weight {
                return next;
            }
            drawn -= weight;
        }
        Move::Wait
    }

    /// All that can happen, with weights.
    fn moves(&self, play: &Play<'_>) -> Vec<(u32, Move)> {
        let world = &play.world;
        let mut moves = Vec::new();
        let waiting = world.shared.desk.waiting();
        for step in &waiting {
            let weight = if step.hook == self.favourite { 400 } else { 40 };
            moves.push((weight, Move::Pass(step.number)));
        }
        for unit in world.units() {
            if self.down.contains_key(&unit) || world.is_running(&unit) {
                continue;
            }
            if world.due(&unit).is_some() {
                moves.push((60, Move::Begin(unit)));
                continue;
            }
            moves.push((4, Move::UpdateStatus(unit.clone())));
            self.may(Trouble::Juju, 1, Move::Again(unit), &mut moves);
        }
        if let Some(step) = self.story.steps.get(self.next) {
            let waits = matches!(step, Change::Hooks)
                && (!world.running.is_empty()
                    || world.units().iter().any(|unit| world.due(unit).is_some()));
            if !waits {
                moves.push((12, Move::NextStep));
            }
        }
        for id in world.running.keys() {
            self.may(Trouble::Crash, 4, Move::Crash(*id), &mut moves);
        }
        if self.down.len() + 1 < world.units().len() {
            self.may(Trouble::Juju, 3, Move::Down, &mut moves);
        }
        if world.leader().is_none() {
            moves.push((20, Move::Lead));
        } else {
            self.may(Trouble::Leader, 5, Move::Lead, &mut moves);
        }
        self.may(Trouble::Others, 6, Move::Other, &mut moves);
        self.may(Trouble::Config, 4, Move::Options, &mut moves);
        if self.comings > 0 {
            self.may(Trouble::Membership, 3, Move::Membership, &mut moves);
        }
        let asleep = waiting.is_empty() && !world.running.is_empty();
        moves.push((if asleep { 200 } else { 2 }, Move::Wait));
        moves
    }

    fn may(&self, trouble: Trouble, weight: u32, next: Move, moves: &mut Vec<(u32, Move)>) {
        if self.faults.has(trouble) {
            moves.push((weight, next));
        }
    }

    async fn make(&mut self, play: &mut Play<'_>, next: Move) -> Result<(), Stop> {
        match next {
            Move::Pass(number) => self.pass(play, number),
            Move::Begin(unit) => {
                if let Some(event) = play.world.due(&unit) {
                    let failed = play.world.has_failed(&unit);
                    if play.begin(&unit, event)? && failed {
                        play.coverage.count("hook retried");
                    }
                }
            }
            Move::UpdateStatus(unit) => {
                play.begin_update_status(&unit)?;
            }
            Move::Again(unit) => {
                if play.begin(&unit, Event::Unit(UnitHook::ConfigChanged))? {
                    play.coverage.count("hook again that has run");
                }
            }
            Move::NextStep => {
                let step = &self.story.steps[self.next];
                self.next += 1;
                self.perform(play, step).await?;
            }
            Move::Crash(id) => self.crash(play, id).await,
            Move::Down => self.go_down(play).await,
            Move::Lead => self.lead(play)?,
            Move::Other => {
                play.other_writes(&mut self.rng)?;
            }
            Move::Options => self.wander(play)?,
            Move::Membership => {
                self.comings -= 1;
                membership::change(play, &mut self.rng).await?;
            }
            Move::Wait => self.wait(play).await?,
        }
        self.come_up(play);
        Ok(())
    }

    async fn perform(&mut self, play: &mut Play<'_>, step: &Change) -> Result<(), Stop> {
        self.back(play)?;
        if let Change::RemoveUnit { unit, .. } = step
            && (play.world.is_dying(&unit.to_string())
                || !play.world.units().contains(&unit.to_string()))
        {
            return Ok(());
        }
        play.change(step).await?;
        play.check()
    }

    fn pass(&mut self, play: &mut Play<'_>, number: u64) {
        let desk = &play.world.shared.desk;
        let waiting = desk.waiting();
        let hook = waiting.iter().find(|step| step.number == number);
        let (Some(hook), Some(step)) = (hook, desk.step(number)) else {
            return;
        };
        self.favourite = hook.hook;
        if let Step::Request(record) = &step
            && record.verb == Verb::Delete
            && self.faults.has(Trouble::Others)
            && self.rng.u8(..) < 12
        {
            play.delete_first(&record.path);
        }
        let fault = mishap::draw(&step, self.faults, &mut self.rng);
        if let Some((what, _)) = &fault {
            play.coverage.count(what);
            play.say(format!("{what}: {step}"));
            if let (Step::Tool(_), Some(running)) = (&step, play.world.running.get(&self.favourite))
            {
                let unit = running.unit.clone();
                play.tell(&Told::ToolFailed { unit });
            }
        }
        play.pass(number, fault.map(|(_, fault)| fault));
    }

    async fn crash(&mut self, play: &mut Play<'_>, id: u64) {
        let waiting = play.world.shared.desk.waiting();
        let before = waiting.iter().any(|step| step.hook == id && step.acts);
        play.coverage.count(if before {
            "crash before an effect"
        } else {
            "crash after an effect"
        });
        play.kill(id).await;
    }

    /// An agent goes down for a while, and a hook that it runs with it.
    async fn go_down(&mut self, play: &mut Play<'_>) {
        let mut units = play.world.units();
        units.retain(|unit| !self.down.contains_key(unit));
        let Some(unit) = self.rng.choice(units) else {
            return;
        };
        let running = play.world.running.iter();
        let hook = running
            .filter(|(_, running)| running.unit == unit)
            .map(|(id, _)| *id)
            .next();
        if let Some(id) = hook {
            play.kill(id).await;
        }
        let until = play.world.now() + Duration::from_secs(self.rng.u64(1..60));
        play.coverage.count("agent down");
        play.say(format!("{unit}: its agent is down"));
        self.down.insert(unit, until);
    }

    fn come_up(&mut self, play: &Play<'_>) {
        let now = play.world.now();
        self.down.retain(|_, until| *until > now);
    }

    fn lead(&mut self, play: &mut Play<'_>) -> Result<(), Broken> {
        let mut units = play.world.units();
        units.retain(|unit| !play.world.is_dying(unit) && !play.world.is_new(unit));
        if play.world.leader().is_some() && self.rng.u8(..4) == 0 {
            play.coverage.count("nobody leads");
            return play.lead(None);
        }
        let Some(unit) = self.rng.choice(units) else {
            return Ok(());
        };
        if play.world.leader().as_ref() != Some(&unit) {
            play.coverage.count("leader changes");
            play.lead(Some(&unit))?;
        }
        Ok(())
    }

    /// The operator sets something else, and goes back later.
    fn wander(&mut self, play: &mut Play<'_>) -> Result<(), Broken> {
        if self.detour.is_some() {
            return self.back(play);
        }
        let options = play.world.options().to_vec();
        let (what, other) = if self.rng.u8(..3) == 0 {
            let mut wrong = options.clone();
            wrong.retain(|(name, _)| name != "cidr");
            wrong.push(("cidr".to_owned(), "10.0.0.0/33".to_owned()));
            ("options invalid", wrong)
        } else {
            ("options changed and back", self.story.options.clone())
        };
        if other == options {
            return Ok(());
        }
        play.coverage.count(what);
        self.detour = Some(options);
        play.world.configure(other)?;
        play.tell_options();
        Ok(())
    }

    fn back(&mut self, play: &mut Play<'_>) -> Result<(), Broken> {
        if let Some(options) = self.detour.take() {
            play.world.configure(options)?;
            play.tell_options();
        }
        Ok(())
    }

    async fn wait(&mut self, play: &mut Play<'_>) -> Result<(), Stop> {
        let waiting = !play.world.shared.desk.waiting().is_empty();
        // Hooks that wait for time to pass need not be held up for long.
        let longest = if waiting { 14_000 } else { 3_000 };
        let time = Duration::from_millis(self.rng.u64(50..longest));
        play.coverage.count("time passes");
        play.say(format!("{:.1} s pass", time.as_secs_f64()));
        play.settle(time).await
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&mut self, play: &mut Play<'_>) -> Result<(), Stop> {
        self.down.clear();
        play.tidy_up()?;
        play.say("nothing goes wrong any more");
        play.tell(&Told::Healed);
        play.check()
    }
}
