//! Reading a model.

use std::collections::BTreeMap;

use serde_json::Value;

use super::charm::Scope;
use super::machine::Machine;
use super::model::{
    ActionResult, Application, JujuModel, Life, LogLine, NetworkSpelling, Proxies, Unit, UnitStatus,
};
use super::relation::{Member, Relation};
use super::{Impossible, Kind};

impl UnitStatus {
    pub(super) fn new(status: &str, message: &str) -> Self {
        Self {
            status: status.to_owned(),
            message: message.to_owned(),
        }
    }
}

impl Unit {
    /// The application.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The unit it is subordinate to.
    #[must_use]
    pub fn principal(&self) -> Option<&str> {
        self.principal.as_deref()
    }

    /// The machine's number.
    #[must_use]
    pub fn machine(&self) -> u32 {
        self.machine
    }

    /// The workload status.
    #[must_use]
    pub fn status(&self) -> &UnitStatus {
        &self.status
    }

    /// `hook failed: "…"`, while the unit is in error.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        let failed = self.agent.failed.as_ref()?;
        Some(format!("hook failed: {:?}", failed.name()))
    }

    /// What `application-version-set` set.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What `state-set` set.
    #[must_use]
    pub fn state(&self) -> &BTreeMap<String, String> {
        &self.state
    }

    /// Whether it is being removed.
    #[must_use]
    pub fn is_dying(&self) -> bool {
        self.life == Life::Dying
    }
}

impl Application {
    /// The unit that leads.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// What `status-set --application` set.
    #[must_use]
    pub fn status(&self) -> Option<&UnitStatus> {
        self.status.as_ref()
    }

    /// The value of an option: what is set, else the default, else `None`.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&Value> {
        self.settings
            .get(name)
            .or_else(|| self.charm.options.get(name)?.default.as_ref())
    }

    /// Type of an option.
    #[must_use]
    pub fn option_kind(&self, name: &str) -> Option<Kind> {
        self.charm.options.get(name).map(|option| option.kind)
    }
}

impl JujuModel {
    /// An empty model.
    #[must_use]
    pub fn new(name: impl Into<String>, uuid: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            uuid: uuid.into(),
            agent_version: "3.6.1".to_owned(),
            network_spelling: NetworkSpelling::default(),
            proxies: Proxies::default(),
            machines: BTreeMap::new(),
            applications: BTreeMap::new(),
            units: BTreeMap::new(),
            relations: BTreeMap::new(),
            next_relation: 0,
            next_context: 0,
            running: BTreeMap::new(),
            faults: BTreeMap::new(),
            logs: Vec::new(),
            actions: Vec::new(),
        }
    }

    /// `JUJU_MODEL_NAME`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `JUJU_MODEL_UUID`.
    #[must_use]
    pub fn uuid(&self) -> &str {
        &self.uuid
    }

    /// An application by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn application(&self, name: &str) -> Result<&Application, Impossible> {
        self.applications
            .get(name)
            .ok_or_else(|| Impossible::unknown("application", name))
    }

    /// A unit by its name.
    ///
    /// # Errors
    /// There is none, or no longer.
    pub fn unit(&self, name: &str) -> Result<&Unit, Impossible> {
        self.units
            .get(name)
            .ok_or_else(|| Impossible::unknown("unit", name))
    }

    /// The units of an application, in Juju's order, which is that of texts.
    pub fn units_of<'a>(&'a self, application: &'a str) -> impl Iterator<Item = &'a str> {
        self.units
            .iter()
            .filter(move |(_, unit)| unit.application == application)
            .map(|(name, _)| name.as_str())
    }

    /// The units whose hooks are run here, by application, then number.
    #[must_use]
    pub fn charm_units(&self) -> Vec<String> {
        let mut units: Vec<&String> = self
            .units
            .iter()
            .filter(|(_, unit)| self.runs_hooks(unit))
            .map(|(name, _)| name)
            .collect();
        units.sort_by_key(|name| split_unit(name));
        units.into_iter().cloned().collect()
    }

    /// The subordinate of `application` that lives beside a principal unit.
    #[must_use]
    pub fn subordinate(&self, principal: &str, application: &str) -> Option<&str> {
        self.units
            .iter()
            .find(|(_, unit)| {
                unit.application == application && unit.principal.as_deref() == Some(principal)
            })
            .map(|(name, _)| name.as_str())
    }

    /// The machine a unit lives on.
    ///
    /// # Errors
    /// There is no such unit.
    pub fn machine_of(&self, unit: &str) -> Result<&Machine, Impossible> {
        let number = self.unit(unit)?.machine;
        self.machines
            .get(&number)
            .ok_or_else(|| Impossible::unknown("machine", number.to_string()))
    }

    /// A relation by its number.
    ///
    /// # Errors
    /// There is none, or no longer.
    pub fn relation(&self, id: u32) -> Result<&Relation, Impossible> {
        self.relations
            .get(&id)
            .ok_or_else(|| Impossible::unknown("relation", id.to_string()))
    }

    /// Every relation.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// Every line said by `juju-log`, in order.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    /// Takes the lines said since the last time.
    pub fn take_logs(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.logs)
    }

    /// Takes the lines one unit has said since the last time.
    pub fn take_logs_of(&mut self, unit: &str) -> Vec<LogLine> {
        let (taken, kept) = self
            .take_logs()
            .into_iter()
            .partition(|line| line.unit == unit);
        self.logs = kept;
        taken
    }

    /// Every action that has ended.
    #[must_use]
    pub fn actions(&self) -> &[ActionResult] {
        &self.actions
    }

    pub(super) fn runs_hooks(&self, unit: &Unit) -> bool {
        self.applications
            .get(&unit.application)
            .is_some_and(|application| application.charm.runs_hooks)
    }

    /// The relations a unit takes part in: all of its application, but of the container-scoped ones only those with its
    /// principal's application, or, for a principal, all of them (Juju's watcher of a subordinate unit's relations).
    pub(super) fn relations_of<'a>(
        &'a self,
        unit: &'a Unit,
    ) -> impl Iterator<Item = &'a Relation> + 'a {
        self.relations
            .values()
            .filter(move |relation| takes_part(relation, unit))
    }

    /// The units a unit sees in a relation, those that left included, in the order of their names.
    ///
    /// Container scope: its principal, or its subordinates; else every unit of the other side.
    pub(super) fn remote_members<'a>(
        &'a self,
        relation: &'a Relation,
        name: &str,
        unit: &Unit,
    ) -> Vec<(&'a str, &'a Member)> {
        let Some(remote) = relation.remote_application(&unit.application) else {
            return Vec::new();
        };
        if relation.scope == Scope::Container
            && let Some(principal) = &unit.principal
        {
            let member = relation.members.get_key_value(principal.as_str());
            return member
                .map(|(name, member)| (name.as_str(), member))
                .into_iter()
                .collect();
        }
        relation
            .members
            .iter()
            .filter(|(other, _)| {
                let in_scope = relation.scope == Scope::Global
                    || self
                        .units
                        .get(*other)
                        .is_some_and(|other| other.principal.as_deref() == Some(name));
                *other != name && in_scope && application_of(other) == remote
            })
            .map(|(name, member)| (name.as_str(), member))
            .collect()
    }
}

fn takes_part(relation: &Relation, unit: &Unit) -> bool {
    let Some(remote) = relation.remote_application(&unit.application) else {
        return false;
    };
    match &unit.principal {
        Some(principal) if relation.scope == Scope::Container => {
            application_of(principal) == remote
        }
        _ => true,
    }
}

/// `calico` of `calico/0`.
pub(super) fn application_of(unit: &str) -> &str {
    unit.split_once('/')
        .map_or(unit, |(application, _)| application)
}

fn split_unit(unit: &str) -> (&str, u32) {
    unit.split_once('/').map_or((unit, 0), |(name, number)| {
        (name, number.parse().unwrap_or(0))
    })
}
