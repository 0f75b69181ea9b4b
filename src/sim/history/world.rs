//! A deployment and its cluster while a history runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::agent::{Clock, Options, Running, Shared, lock};
use super::cluster;
use super::desk::Desk;
use super::scene::Scene;
use super::story::{Change, Story};
use crate::fabric::Router;
use crate::juju::Hook;
use crate::sim::api::ApiServer;
use crate::sim::host::SimulatedHost;
use crate::sim::juju::{Event, JujuModel, UnitHook};
use crate::sim::run::{Scenario, ScenarioUnit, machine, model};

/// Why a history cannot be told: the story, or the simulation itself, does not hold together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the simulation cannot go on: {0}")]
pub struct Broken(pub(super) String);

impl Broken {
    pub(super) fn from(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A deployment in which no hook runs, to start histories from.
#[derive(Clone)]
pub(super) struct Snapshot {
    application: String,
    server: ApiServer,
    model: JujuModel,
    options: Options,
    routers: Vec<Router>,
    places: BTreeMap<String, ScenarioUnit>,
    /// The cluster's time when the deployment began.
    epoch: Duration,
    passed: Duration,
}

/// A deployment whose hooks run.
pub(super) struct World {
    pub(super) application: String,
    pub(super) server: ApiServer,
    pub(super) shared: Shared,
    pub(super) routers: Vec<Router>,
    /// Every unit's machine, those of units that are gone included.
    pub(super) places: BTreeMap<String, ScenarioUnit>,
    pub(super) running: BTreeMap<u64, Running>,
    next_hook: u64,
    epoch: Duration,
}

impl Snapshot {
    /// The deployment of a story before any hook has run.
    pub(super) fn deployed(story: &Story) -> Result<Self, Broken> {
        let server = cluster::server(story.installed).map_err(Broken::from)?;
        let scenario = Scenario {
            application: story.application.clone(),
            options: story.options.clone(),
            units: story.units.clone(),
        };
        let model = model(&scenario).map_err(Broken::from)?;
        server.set_tick(Duration::ZERO);
        for unit in &story.units {
            cluster::add_node(&server, unit).map_err(Broken::from)?;
        }
        let places = story.units.iter();
        Ok(Self {
            epoch: server.now(),
            application: story.application.clone(),
            server,
            model,
            options: Arc::new(story.options.clone()),
            routers: story.routers.clone(),
            places: places
                .map(|unit| (unit.unit.to_string(), unit.clone()))
                .collect(),
            passed: Duration::ZERO,
        })
    }

    /// The same deployment, alive.
    pub(super) fn wake(&self) -> World {
        let server = self.server.copy();
        let desk = Desk::default();
        let gate = desk.clone();
        server.keep_journal(true);
        server.set_turnstile(Arc::new(move |passage| {
            let hook = passage.record.caller.parse().unwrap_or_default();
            gate.turn(hook, passage)
        }));
        let shared = Shared {
            model: Arc::new(Mutex::new(self.model.clone())),
            desk,
            options: Arc::new(Mutex::new(Arc::clone(&self.options))),
            clock: Clock {
                since: Instant::now(),
                before: self.passed,
            },
        };
        World {
            application: self.application.clone(),
            server,
            shared,
            routers: self.routers.clone(),
            places: self.places.clone(),
            running: BTreeMap::new(),
            next_hook: 1,
            epoch: self.epoch,
        }
    }
}

impl World {
    /// What stands now, for those who watch.
    pub(super) fn scene<'a>(&'a self, model: &'a JujuModel) -> Scene<'a> {
        Scene {
            server: &self.server,
            model,
            application: &self.application,
            routers: &self.routers,
        }
    }

    /// The deployment as it is, to start other histories from.
    pub(super) fn freeze(&self) -> Snapshot {
        Snapshot {
            application: self.application.clone(),
            server: self.server.copy(),
            model: lock(&self.shared.model).clone(),
            options: self.options(),
            routers: self.routers.clone(),
            places: self.places.clone(),
            epoch: self.epoch,
            passed: self.shared.clock.now(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// Lets the cluster's clock follow.
    pub(super) fn follow_clock(&self) {
        self.server.set_now(self.epoch + self.now());
    }

    pub(super) fn options(&self) -> Options {
        lock(&self.shared.options).clone()
    }

    /// The units, dying ones included, in the order of their numbers.
    pub(super) fn units(&self) -> Vec<String> {
        lock(&self.shared.model).charm_units()
    }

    pub(super) fn is_running(&self, unit: &str) -> bool {
        self.running.values().any(|running| running.unit == unit)
    }

    pub(super) fn is_dying(&self, unit: &str) -> bool {
        let model = lock(&self.shared.model);
        model.unit(unit).is_ok_and(crate::sim::juju::Unit::is_dying)
    }

    /// Whether it has not run any hook yet.
    pub(super) fn is_new(&self, unit: &str) -> bool {
        let due = lock(&self.shared.model).due(unit);
        due == Some(Event::Unit(UnitHook::Install))
    }

    pub(super) fn has_failed(&self, unit: &str) -> bool {
        let model = lock(&self.shared.model);
        model.unit(unit).is_ok_and(|unit| unit.error().is_some())
    }

    /// The hook that Juju would run next on a unit in which none runs.
    pub(super) fn due(&self, unit: &str) -> Option<Event> {
        if self.is_running(unit) {
            return None;
        }
        lock(&self.shared.model).due(unit)
    }

    pub(super) fn leader(&self) -> Option<String> {
        let model = lock(&self.shared.model);
        let application = model.application(&self.application).ok()?;
        application.leader().map(str::to_owned)
    }

    /// Begins a hook; `false` when Juju would not run it now. One that the charm does not have ends at once.
    pub(super) fn begin(&mut self, unit: &str, event: Event) -> Result<bool, Broken> {
        let hook: Result<Hook, _> = event.name().parse();
        let mut model = lock(&self.shared.model);
        let Ok(context) = model.begin(unit, event) else {
            return Ok(false);
        };
        let Ok(hook) = hook else {
            model.commit(context).map_err(Broken::from)?;
            return Ok(true);
        };
        drop(model);
        let place = self
            .places
            .get(unit)
            .ok_or_else(|| Broken(format!("{unit} has no machine")))?;
        let host = SimulatedHost {
            hostname: place.node.to_string(),
            addresses: place.addresses.iter().map(|address| address.ip).collect(),
        };
        let id = self.next_hook;
        self.next_hook += 1;
        let client = self.server.client_as(&id.to_string());
        let running =
            Running::start(id, hook, context, &self.shared, host, client).map_err(Broken::from)?;
        self.running.insert(id, running);
        Ok(true)
    }

    /// Kills a hook.
    pub(super) async fn kill(&mut self, id: u64) -> Option<String> {
        let running = self.running.remove(&id)?;
        let unit = running.unit.clone();
        running.kill(&self.shared.model).await;
        self.shared.desk.forget(id);
        Some(unit)
    }

    /// What the operator does; the unit that came, if one did.
    pub(super) fn change(&mut self, change: &Change) -> Result<Option<String>, Broken> {
        match change {
            Change::Hooks => Ok(None),
            Change::Config { set, reset } => {
                let mut options: BTreeMap<String, String> =
                    self.options().iter().cloned().collect();
                options.retain(|name, _| !reset.contains(name));
                options.extend(set.iter().cloned());
                self.configure(options.into_iter().collect())?;
                Ok(None)
            }
            Change::AddUnit(unit) => self.add_unit(unit).map(Some),
            Change::RemoveUnit { unit, forced } => {
                self.remove_unit(&unit.to_string(), *forced)?;
                Ok(None)
            }
        }
    }

    /// Sets the options to exactly these.
    pub(super) fn configure(&mut self, options: Vec<(String, String)>) -> Result<(), Broken> {
        let mut model = lock(&self.shared.model);
        for (name, _) in self.options().iter() {
            if !options.iter().any(|(kept, _)| kept == name) {
                let reset = model.reset_option(&self.application, name);
                reset.map_err(Broken::from)?;
            }
        }
        let texts = options
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        model
            .set_options(&self.application, texts)
            .map_err(Broken::from)?;
        *lock(&self.shared.options) = Arc::new(options);
        Ok(())
    }

    fn add_unit(&mut self, unit: &ScenarioUnit) -> Result<String, Broken> {
        let mut model = lock(&self.shared.model);
        let machine = model.add_machine(machine(unit));
        let principal = model
            .add_unit(unit.principal.application(), machine)
            .map_err(Broken::from)?;
        let name = model
            .subordinate(&principal, &self.application)
            .ok_or_else(|| Broken(format!("{principal} got no subordinate")))?
            .to_owned();
        drop(model);
        cluster::add_node(&self.server, unit).map_err(Broken::from)?;
        self.places.insert(name.clone(), unit.clone());
        Ok(name)
    }

    /// The machine's Node goes at once when it is forced; else its workloads do, and the Node when the unit is gone.
    fn remove_unit(&mut self, unit: &str, forced: bool) -> Result<(), Broken> {
        let mut model = lock(&self.shared.model);
        let principal = model.unit(unit).map_err(Broken::from)?.principal();
        let principal = principal
            .ok_or_else(|| Broken(format!("{unit} has no principal")))?
            .to_owned();
        let removed = if forced {
            model.force_remove_unit(&principal)
        } else {
            model.remove_unit(&principal)
        };
        removed.map_err(Broken::from)?;
        drop(model);
        if let Some(place) = self.places.get(unit) {
            let node = place.node.to_string();
            if forced {
                cluster::remove_node(&self.server, &node);
            } else {
                cluster::drain_node(&self.server, &node);
            }
        }
        Ok(())
    }

    /// Takes the Nodes away whose units are gone.
    pub(super) fn remove_nodes_of_the_gone(&mut self) {
        let units = self.units();
        for (unit, place) in &self.places {
            if !units.contains(unit) {
                cluster::remove_node(&self.server, &place.node.to_string());
            }
        }
    }
}
