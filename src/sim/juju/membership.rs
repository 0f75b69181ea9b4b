//! Units coming, entering and leaving relations, and going: what Juju's controller does by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::charm::Scope;
use super::machine::{Machine, single_address_subnet};
use super::model::{Agent, JujuModel, Life, Stage, Unit, UnitStatus};
use super::reading::application_of;
use super::relation::{End, Member, Relation, Seen};
use super::{Event, Impossible};

impl JujuModel {
    pub(super) fn insert_relation(&mut self, ends: Vec<End>, scope: Scope) -> u32 {
        let id = self.next_relation;
        self.next_relation += 1;
        let relation = Relation {
            id,
            ends,
            scope,
            life: Life::Alive,
            clock: 0,
            members: BTreeMap::new(),
            applications: BTreeMap::new(),
        };
        self.relations.insert(id, relation);
        let members: Vec<String> = self
            .units
            .iter()
            .filter(|(_, unit)| unit.agent.stage >= Stage::Installed || !self.runs_hooks(unit))
            .map(|(name, _)| name.clone())
            .collect();
        for name in members {
            self.enter_scopes(&name);
        }
        id
    }

    pub(super) fn insert_unit(
        &mut self,
        application: &str,
        machine: u32,
        principal: Option<String>,
    ) -> Result<String, Impossible> {
        let known = self.application_mut(application)?;
        let name = format!("{application}/{}", known.next_unit);
        known.next_unit += 1;
        known.leader.get_or_insert_with(|| name.clone());
        let runs_hooks = known.charm.runs_hooks;
        let agent = Agent {
            charm_revision: known.charm_revision,
            ..Agent::default()
        };
        let status = if runs_hooks {
            UnitStatus::new("waiting", "agent initialising")
        } else {
            UnitStatus::new("active", "")
        };
        let unit = Unit {
            application: application.to_owned(),
            machine,
            principal,
            life: Life::Alive,
            status,
            version: String::new(),
            state: BTreeMap::new(),
            ports: BTreeSet::new(),
            agent,
        };
        self.units.insert(name.clone(), unit);
        if !runs_hooks {
            self.enter_scopes(&name);
        }
        Ok(name)
    }

    /// A subordinate unit comes to be when its principal enters the scope of a container-scoped relation
    /// (`state.RelationUnit.EnterScope`); a principal has one of each application at most.
    pub(super) fn add_subordinates(&mut self, principal: &str) -> Result<(), Impossible> {
        let machine = self.unit(principal)?.machine;
        let missing: Vec<String> = self
            .relations
            .values()
            .filter(|relation| relation.scope == Scope::Container && relation.life == Life::Alive)
            .filter_map(|relation| relation.remote_application(application_of(principal)))
            .filter(|other| {
                self.applications
                    .get(*other)
                    .is_some_and(|application| application.charm.subordinate)
            })
            .filter(|other| self.subordinate(principal, other).is_none())
            .map(str::to_owned)
            .collect();
        for application in missing {
            self.insert_unit(&application, machine, Some(principal.to_owned()))?;
        }
        Ok(())
    }

    /// Puts a unit into the scope of each living relation it takes part in and is not yet in; Juju fills in the addresses
    /// (`uniter.RelationUnit.EnterScope`).
    pub(super) fn enter_scopes(&mut self, name: &str) {
        let Some(unit) = self.units.get(name) else {
            return;
        };
        if unit.life == Life::Dying {
            return;
        }
        let entered: Vec<u32> = self
            .relations_of(unit)
            .filter(|relation| relation.life == Life::Alive)
            .filter(|relation| !relation.members.contains_key(name))
            .map(|relation| relation.id)
            .collect();
        let settings = self.address_settings(name);
        for id in entered {
            if let Some(relation) = self.relations.get_mut(&id) {
                let now = relation.tick();
                let member = Member {
                    settings: settings.clone(),
                    joined_at: now,
                    changed_at: now,
                    left_at: None,
                };
                relation.members.insert(name.to_owned(), member);
            }
            if let Some(unit) = self.units.get_mut(name) {
                unit.agent.relations.insert(id, Seen::default());
            }
        }
    }

    fn address_settings(&self, unit: &str) -> BTreeMap<String, String> {
        let address = self
            .machine_of(unit)
            .ok()
            .and_then(Machine::private_address)
            .unwrap_or_default();
        let mut settings = owned([
            ("private-address", address),
            ("ingress-address", address),
            ("egress-subnets", single_address_subnet(address).as_str()),
        ]);
        settings.retain(|_, value| !value.is_empty());
        settings
    }

    pub(super) fn refresh_addresses(&mut self, name: &str) {
        let settings = self.address_settings(name);
        for relation in self.relations.values_mut() {
            if relation.is_member(name) {
                relation.write_unit(name, &settings);
            }
        }
    }

    pub(super) fn units_on(&self, machine: u32) -> impl Iterator<Item = String> {
        self.units
            .iter()
            .filter(move |(_, unit)| unit.machine == machine)
            .map(|(name, _)| name.clone())
    }

    /// The version a hook leaves behind as told: that of the remote unit's or application's databag.
    pub(super) fn version_for(&self, unit: &str, event: &Event) -> u64 {
        let Event::Relation {
            relation, remote, ..
        } = event
        else {
            return 0;
        };
        let Some(relation) = self.relations.get(relation) else {
            return 0;
        };
        match remote {
            Some(remote) => relation
                .members
                .get(remote)
                .map_or(0, |member| member.changed_at),
            None => relation
                .remote_application(application_of(unit))
                .and_then(|remote| relation.applications.get(remote))
                .map_or(0, |bag| bag.changed_at),
        }
    }
}

pub(super) fn owned<'a>(
    data: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, String> {
    data.into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
