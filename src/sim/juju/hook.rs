//! One hook: begun, and ended with or without its buffered changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Impossible;
use super::event::{Event, Phase, UnitHook};
use super::model::{ActionResult, JujuModel};
use super::reading::application_of;
use super::uniter::relation_event;

/// A hook that is running: what Juju told it, and what it has asked for that takes effect at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookContext {
    pub(super) id: String,
    pub(super) unit: String,
    pub(super) event: Event,
    /// The remote application, in relation hooks.
    pub(super) remote_application: Option<String>,
    /// The unit that goes, in departed hooks.
    pub(super) departing: Option<String>,
    /// Version of the databag the hook is about.
    pub(super) version: u64,
    pub(super) buffered: Buffered,
    pub(super) action: ActionState,
}

/// Kept back until the hook exits with 0, then written in one transaction (`context.HookContext.Flush`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Buffered {
    /// By relation: the unit's own databag.
    pub unit: BTreeMap<u32, BTreeMap<String, String>>,
    /// By relation: the application's databag.
    pub application: BTreeMap<u32, BTreeMap<String, String>>,
    /// `None` deletes.
    pub state: BTreeMap<String, Option<String>>,
    /// `false` closes.
    pub ports: BTreeMap<String, bool>,
}

/// What an action has said so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ActionState {
    pub results: Map<String, Value>,
    pub failure: Option<String>,
    pub log: Vec<String>,
}

/// A databag that changed: who wrote, in which relation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The relation's number.
    pub relation: u32,
    /// The unit, or the application when its databag is meant.
    pub writer: String,
}

/// The hook exited with 0, and Juju still could not keep what it asked for: the hook counts as failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{unit}: cannot keep the changes of {event}: {reason}")]
pub struct Rejected {
    unit: String,
    event: String,
    reason: String,
}

impl Change {
    pub(super) fn new(relation: u32, writer: &str) -> Self {
        Self {
            relation,
            writer: writer.to_owned(),
        }
    }
}

impl HookContext {
    /// `JUJU_CONTEXT_ID`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The unit it runs on.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// The hook.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The remote unit, in joined, changed and departed hooks.
    #[must_use]
    pub fn remote_unit(&self) -> Option<&str> {
        match &self.event {
            Event::Relation { remote, .. } => remote.as_deref(),
            _ => None,
        }
    }

    pub(super) fn application(&self) -> &str {
        application_of(&self.unit)
    }
}

impl JujuModel {
    /// The event of a hook by its name. A relation hook of an endpoint with several relations or remote units takes the
    /// one that is due, else the only one there is.
    ///
    /// # Errors
    /// The unit has no such hook now, or more than one.
    pub fn event(&self, name: &str, hook: &str) -> Result<Event, Impossible> {
        let unit = self.unit(name)?;
        if let Some(hook) = UnitHook::ALL.into_iter().find(|known| known.name() == hook) {
            return Ok(Event::Unit(hook));
        }
        let refuse = |reason: &str| Impossible::Hook {
            unit: name.to_owned(),
            event: hook.to_owned(),
            reason: reason.to_owned(),
        };
        let due = self.due(name).filter(|event| event.name() == hook);
        if let Some(due) = due {
            return Ok(due);
        }
        let (endpoint, phase) = hook
            .rsplit_once("-relation-")
            .and_then(|(endpoint, phase)| {
                let phase = Phase::ALL.into_iter().find(|known| known.name() == phase)?;
                Some((endpoint, phase))
            })
            .ok_or_else(|| refuse("it is no hook"))?;
        let mut found = Vec::new();
        for relation in self.relations_of(unit) {
            if relation
                .end(&unit.application)
                .is_none_or(|end| end.endpoint != endpoint)
            {
                continue;
            }
            let members = self.remote_members(relation, name, unit);
            let remotes: Vec<Option<&str>> = match phase {
                Phase::Created | Phase::Broken => vec![None],
                _ => members.iter().map(|(other, _)| Some(*other)).collect(),
            };
            let events = remotes
                .into_iter()
                .filter_map(|remote| relation_event(relation, unit, phase, remote));
            found.extend(events.filter(|event| self.check(name, event).is_ok()));
        }
        match found.len() {
            0 => Err(refuse("there is no occasion")),
            1 => Ok(found.remove(0)),
            _ => Err(refuse("several remote units could be meant")),
        }
    }

    /// Begins a hook by its name: [`event`](Self::event), then [`begin`](Self::begin).
    ///
    /// # Errors
    /// Juju would not run it now.
    pub fn begin_hook(&mut self, unit: &str, hook: &str) -> Result<HookContext, Impossible> {
        let event = self.event(unit, hook)?;
        self.begin(unit, event)
    }

    /// Begins a hook; the machine's lock is held until it ends.
    ///
    /// # Errors
    /// Juju would not run it now.
    pub fn begin(&mut self, name: &str, event: Event) -> Result<HookContext, Impossible> {
        self.check(name, &event)?;
        let unit = self.unit(name)?;
        let machine = unit.machine;
        let dying = unit.is_dying();
        let remote_application = event
            .relation()
            .and_then(|id| self.relations.get(&id))
            .and_then(|relation| relation.remote_application(&unit.application))
            .map(str::to_owned);
        let departing = match &event {
            Event::Relation {
                phase: Phase::Departed,
                ..
            } if dying => Some(name.to_owned()),
            Event::Relation {
                phase: Phase::Departed,
                remote,
                ..
            } => remote.clone(),
            _ => None,
        };
        self.next_context += 1;
        let id = format!("{name}-{}-{}", event.name(), self.next_context);
        self.running.insert(machine, id.clone());
        Ok(HookContext {
            version: self.version_for(name, &event),
            id,
            unit: name.to_owned(),
            event,
            remote_application,
            departing,
            buffered: Buffered::default(),
            action: ActionState::default(),
        })
    }

    /// The hook exited with 0: its buffered changes land together.
    ///
    /// # Errors
    /// Juju refuses one of them, which fails the hook: the application's databag was written by a leader that is none any
    /// more.
    pub fn commit(&mut self, hook: HookContext) -> Result<Vec<Change>, Rejected> {
        if !hook.buffered.application.is_empty() && !self.leads(&hook.unit) {
            let rejected = Rejected {
                unit: hook.unit.clone(),
                event: hook.event.to_string(),
                reason: format!("{:?} is not leader of {:?}", hook.unit, hook.application()),
            };
            self.rollback(hook);
            return Err(rejected);
        }
        self.release(&hook);
        let mut changes = Vec::new();
        for (id, writes) in &hook.buffered.unit {
            if let Some(relation) = self.relations.get_mut(id)
                && relation.write_unit(&hook.unit, writes)
            {
                changes.push(Change::new(*id, &hook.unit));
            }
        }
        for (id, writes) in &hook.buffered.application {
            if let Some(relation) = self.relations.get_mut(id)
                && relation.write_application(hook.application(), writes)
            {
                changes.push(Change::new(*id, hook.application()));
            }
        }
        if let Some(unit) = self.units.get_mut(&hook.unit) {
            for (key, value) in &hook.buffered.state {
                match value {
                    Some(value) => unit.state.insert(key.clone(), value.clone()),
                    None => unit.state.remove(key),
                };
            }
            for (port, open) in &hook.buffered.ports {
                if *open {
                    unit.ports.insert(port.clone());
                } else {
                    unit.ports.remove(port);
                }
            }
        }
        let failure = hook.action.failure.clone();
        self.finish_action(&hook, failure);
        self.advance(&hook.unit, &hook.event, hook.version);
        Ok(changes)
    }

    /// The hook exited with another status, was killed, or its agent restarted: what it had buffered is lost, what took
    /// effect at once stays, and the unit is in error until the hook has run again. An action fails, and its unit goes on.
    pub fn rollback(&mut self, hook: HookContext) {
        self.release(&hook);
        if let Event::Action { .. } = hook.event {
            self.finish_action(&hook, Some("exit status 1".to_owned()));
        } else if let Some(unit) = self.units.get_mut(&hook.unit) {
            unit.agent.failed = Some(hook.event);
        }
    }

    /// The hooks that a change brings about, by unit, as far as they are due at once: joined where the writer is not yet
    /// known, else changed.
    #[must_use]
    pub fn woken(&self, change: &Change) -> Vec<(String, Event)> {
        let Some(relation) = self.relations.get(&change.relation) else {
            return Vec::new();
        };
        let by_unit = change.writer.contains('/');
        let mut woken = Vec::new();
        for (name, unit) in &self.units {
            let Some(seen) = unit.agent.relations.get(&change.relation) else {
                continue;
            };
            if !self.runs_hooks(unit) || unit.is_dying() {
                continue;
            }
            let (phase, remote) = if by_unit {
                let members = self.remote_members(relation, name, unit);
                let Some((other, member)) = members
                    .into_iter()
                    .find(|(other, _)| *other == change.writer)
                else {
                    continue;
                };
                let phase = if seen.has_joined(other, member) {
                    Phase::Changed
                } else {
                    Phase::Joined
                };
                (phase, Some(other))
            } else {
                let remote = relation.remote_application(&unit.application);
                if remote != Some(change.writer.as_str()) {
                    continue;
                }
                (Phase::Changed, None)
            };
            woken.extend(
                relation_event(relation, unit, phase, remote).map(|event| (name.clone(), event)),
            );
        }
        woken
    }

    pub(super) fn leads(&self, unit: &str) -> bool {
        self.applications
            .get(application_of(unit))
            .is_some_and(|application| application.leader.as_deref() == Some(unit))
    }

    fn release(&mut self, hook: &HookContext) {
        self.running.retain(|_, id| *id != hook.id);
    }

    fn finish_action(&mut self, hook: &HookContext, failure: Option<String>) {
        if let Event::Action { name, .. } = &hook.event {
            self.actions.push(ActionResult {
                unit: hook.unit.clone(),
                name: name.clone(),
                failure,
                results: Value::Object(hook.action.results.clone()),
                log: hook.action.log.clone(),
            });
        }
    }
}
