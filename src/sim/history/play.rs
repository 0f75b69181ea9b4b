//! What a history is made of: hooks begin, steps are let through, writes are shown to the watch.

use std::time::Duration;

use super::agent::{Notes, lock};
use super::crash::Crash;
use super::desk::brief;
use super::faults::Coverage;
use super::scene::{Told, Violation, Watch, Written};
use super::story::Change;
use super::world::{Broken, World};
use crate::sim::api::{Change as Noted, Fault};
use crate::sim::juju::{Event, UnitHook};

/// How long a step takes at least: tokio's clock has no finer one.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Writer of what follows from a request without being one.
const CONTROLLERS: &str = "controllers";

/// Why a history ends before its time.
#[derive(Debug)]
pub(super) enum Stop {
    /// An invariant does not hold.
    Violated(Vec<Violation>),
    /// The simulation cannot go on.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What.
    pub text: String,
    /// Whether it is a read or a hook tool, which only matter when one looks closely.
    pub small: bool,
}

/// How much happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hooks that began.
    pub hooks: usize,
    /// Requests that were answered, or broke.
    pub requests: usize,
    /// Changes of the store by hooks.
    pub writes: usize,
    /// Steps that were let through one by one.
    pub steps: usize,
}

/// A history while it runs.
pub(super) struct Play<'w> {
    pub(super) world: World,
    watch: &'w mut dyn Watch,
    pub(super) happenings: Vec<Happening>,
    pub(super) counts: Counts,
    pub(super) coverage: Coverage,
    violations: Vec<Violation>,
    /// The units that came and went, in order.
    pub(super) moves: Vec<Change>,
    /// Who leads as far as has been told.
    leader: Option<String>,
    /// The crash that is to come, where there is one.
    pub(super) crash: Option<Crash>,
    /// When calico-node last reported in time.
    pub(super) reported: Duration,
}

impl<'w> Play<'w> {
    pub(super) fn new(world: World, watch: &'w mut dyn Watch) -> Self {
        Self {
            leader: world.leader(),
            world,
            watch,
            happenings: Vec::new(),
            counts: Counts::default(),
            coverage: Coverage::default(),
            violations: Vec::new(),
            moves: Vec::new(),
            crash: None,
            reported: Duration::ZERO,
        }
    }

    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.note(text.into(), false);
    }

    fn note(&mut self, text: String, small: bool) {
        self.happenings.push(Happening { text, small });
    }

    /// Lets time pass until everything stands still, and looks at what has come of it.
    pub(super) async fn settle(&mut self, time: Duration) -> Result<(), Stop> {
        self.world.follow_clock();
        tokio::time::sleep(time).await;
        self.world.follow_clock();
        self.look();
        self.reap().await;
        self.tell_leader();
        self.check()
    }

    /// Ends the history when an invariant does not hold.
    pub(super) fn check(&mut self) -> Result<(), Stop> {
        if self.violations.is_empty() {
            return Ok(());
        }
        Err(Stop::Violated(std::mem::take(&mut self.violations)))
    }

    /// Notes what was asked for, and shows what was written.
    fn look(&mut self) {
        let changes = self.world.server.take_changes();
        for record in self.world.server.take_requests() {
            self.counts.requests += 1;
            let who = self.name_of(&record.caller);
            let verb = format!("{:?}", record.verb).to_uppercase();
            let text = format!("{who}: {verb} {} -> {}", brief(&record.path), record.status);
            self.note(text, !record.writes());
            let found = self.watch.asked(&who, &record);
            self.violations.extend(found);
        }
        for change in changes {
            let written = self.written(change);
            self.show(&written);
        }
    }

    fn name_of(&self, caller: &str) -> String {
        let id: u64 = caller.parse().unwrap_or_default();
        match self.world.running.get(&id) {
            Some(running) => format!("{} {}", running.unit, running.hook),
            None => "a hook that is gone".to_owned(),
        }
    }

    fn written(&mut self, change: Noted) -> Written {
        let at = self.world.now();
        let id: u64 = change.caller.parse().unwrap_or_default();
        let running = self.world.running.get_mut(&id);
        let (unit, hook, notes) = match running {
            Some(running) => {
                running.writes += 1;
                self.counts.writes += 1;
                (running.unit.clone(), running.hook.clone(), running.notes())
            }
            None => (CONTROLLERS.to_owned(), String::new(), Notes::default()),
        };
        Written {
            unit,
            hook,
            verb: change.verb,
            path: change.path,
            manager: change.manager,
            before: change.before,
            after: change.after,
            at,
            asked_leader_at: notes.asked_leader_at,
            options: notes.options,
        }
    }

    /// Shows what another writer than a hook has just done.
    pub(super) fn look_at_other(&mut self, writer: &str) {
        for change in self.world.server.take_changes() {
            let mut written = self.written(change);
            writer.clone_into(&mut written.unit);
            writer.clone_into(&mut written.manager);
            self.show(&written);
        }
    }

    fn show(&mut self, written: &Written) {
        let model = lock(&self.world.shared.model);
        let scene = self.world.scene(&model);
        let found = self.watch.written(&scene, written);
        self.violations.extend(found);
    }

    pub(super) fn tell(&mut self, told: &Told) {
        let model = lock(&self.world.shared.model);
        let scene = self.world.scene(&model);
        let found = self.watch.told(&scene, told);
        self.violations.extend(found);
    }

    /// Ends the hooks that have nothing left to do.
    async fn reap(&mut self) {
        let finished: Vec<u64> = self
            .world
            .running
            .iter()
            .filter(|(_, running)| running.is_finished())
            .map(|(id, _)| *id)
            .collect();
        for id in finished {
            let Some(running) = self.world.running.remove(&id) else {
                continue;
            };
            let (unit, hook) = (running.unit.clone(), running.hook.clone());
            let (writes, begun) = (running.writes, running.begun);
            let ended = running.end(&self.world.shared.model).await;
            let model = &self.world.shared.model;
            let status = lock(model)
                .unit(&unit)
                .map(|unit| format!("{}: {}", unit.status().status, unit.status().message))
                .unwrap_or_default();
            let took = self.world.now().saturating_sub(begun);
            let failed = ended.failure.is_some() && !ended.is_refused;
            match ended.failure {
                None => self.say(format!("{unit} {hook} ends ({status})")),
                Some(reason) => {
                    self.say(format!("{unit} {hook} fails: {reason}"));
                }
            }
            self.tell(&Told::HookEnded {
                unit,
                hook,
                writes,
                took,
                failed,
            });
            lock(&self.world.shared.model).take_logs();
        }
    }

    /// Begins a hook; `false` when Juju would not run it now.
    pub(super) fn begin(&mut self, unit: &str, event: Event) -> Result<bool, Broken> {
        let text = format!("{unit} {event} begins");
        let begun = self.world.begin(unit, event)?;
        if begun {
            self.counts.hooks += 1;
            self.say(text);
        }
        Ok(begun)
    }

    pub(super) fn begin_update_status(&mut self, unit: &str) -> Result<bool, Broken> {
        self.begin(unit, Event::Unit(UnitHook::UpdateStatus))
    }

    /// Lets a step through.
    pub(super) fn pass(&mut self, number: u64, fault: Option<Fault>) {
        self.counts.steps += 1;
        self.world.shared.desk.pass(number, fault);
    }

    /// Kills a running hook.
    pub(super) async fn kill(&mut self, id: u64) {
        if let Some(unit) = self.world.kill(id).await {
            self.say(format!("{unit} is killed"));
            self.tell(&Told::Crashed { unit });
        }
    }

    /// Does what the operator does, and tells of it.
    pub(super) async fn change(&mut self, change: &Change) -> Result<(), Broken> {
        if let Change::RemoveUnit { unit, forced: true } = change {
            let unit = unit.to_string();
            let running = self.world.running.iter();
            let hook = running
                .filter(|(_, running)| running.unit == unit)
                .map(|(id, _)| *id)
                .next();
            if let Some(id) = hook {
                self.kill(id).await;
            }
        }
        if !matches!(change, Change::Hooks | Change::Config { .. }) {
            self.moves.push(change.clone());
        }
        let came = self.world.change(change)?;
        self.look_at_other("operator");
        match change {
            Change::Hooks => {}
            Change::Config { .. } => self.tell_options(),
            Change::AddUnit(_) => {
                let unit = came.unwrap_or_default();
                self.say(format!("{unit} comes"));
                self.tell(&Told::UnitAdded(unit));
            }
            Change::RemoveUnit { unit, forced } => {
                let how = if *forced { " by force" } else { "" };
                self.say(format!("{unit} is removed{how}"));
                self.tell(&Told::UnitRemoved {
                    unit: unit.to_string(),
                    forced: *forced,
                });
            }
        }
        Ok(())
    }

    pub(super) fn tell_options(&mut self) {
        let options = self.world.options().to_vec();
        let texts: Vec<String> = options
            .iter()
            .map(|(name, text)| format!("{name}={text:?}"))
            .collect();
        self.say(format!("juju config {}", texts.join(" ")));
        self.tell(&Told::ConfigSet { options });
    }

    /// Another unit leads, or none.
    pub(super) fn lead(&mut self, unit: Option<&str>) -> Result<(), Broken> {
        let set = lock(&self.world.shared.model).set_leader(&self.world.application, unit);
        set.map_err(Broken::from)?;
        self.tell_leader();
        Ok(())
    }

    /// Somebody leads, if nobody does.
    pub(super) fn elect(&mut self) -> Result<(), Broken> {
        if self.world.leader().is_some() {
            return Ok(());
        }
        let units = self.world.units();
        let heir = units.iter().find(|unit| !self.world.is_dying(unit));
        self.lead(heir.map(String::as_str))
    }

    /// Tells who leads, where that has changed; a leader that is removed leaves nobody.
    fn tell_leader(&mut self) {
        let leader = self.world.leader();
        if leader == self.leader {
            return;
        }
        self.leader.clone_from(&leader);
        self.say(format!("{} leads", leader.as_deref().unwrap_or("nobody")));
        self.tell(&Told::LeaderIs(leader));
    }
}
