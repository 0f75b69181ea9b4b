//! What an operator does to a model, and what Juju does by itself.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use super::charm::{Charm, Role, Scope};
use super::hook::Change;
use super::machine::Machine;
use super::membership::owned;
use super::model::{Application, JujuModel, Stage};
use super::relation::End;
use super::tools::Answer;
use super::{Event, Impossible, UnitHook};
use crate::juju::tools::ToolOutput;

impl JujuModel {
    /// `juju deploy`, without units. Peer relations are made at once.
    ///
    /// # Errors
    /// The name is taken.
    pub fn deploy(&mut self, name: &str, charm: Charm) -> Result<(), Impossible> {
        if self.applications.contains_key(name) {
            return Err(Impossible::Duplicate {
                kind: "application",
                name: name.to_owned(),
            });
        }
        let peers: Vec<End> = charm
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.role == Role::Peer)
            .map(|(endpoint, _)| End {
                application: name.to_owned(),
                endpoint: endpoint.clone(),
                role: Role::Peer,
            })
            .collect();
        let application = Application {
            charm,
            settings: BTreeMap::new(),
            settings_version: 1,
            charm_revision: 1,
            leader: None,
            leader_settings: BTreeMap::new(),
            leader_version: 0,
            status: None,
            next_unit: 0,
            bindings: BTreeMap::new(),
        };
        self.applications.insert(name.to_owned(), application);
        for end in peers {
            self.insert_relation(vec![end], Scope::Global);
        }
        Ok(())
    }

    /// `juju add-machine`; the number it got.
    pub fn add_machine(&mut self, machine: Machine) -> u32 {
        let number = self.machines.keys().next_back().map_or(0, |last| last + 1);
        self.machines.insert(number, machine);
        number
    }

    /// Lets the next unit of an application have this number: numbers are not contiguous and never used twice.
    ///
    /// # Errors
    /// No such application, or the number has been passed.
    pub fn number_next_unit(&mut self, application: &str, number: u32) -> Result<(), Impossible> {
        let known = self.application_mut(application)?;
        if number < known.next_unit {
            return Err(Impossible::Duplicate {
                kind: "unit",
                name: format!("{application}/{number}"),
            });
        }
        known.next_unit = number;
        Ok(())
    }

    /// Lets the next relation have this number.
    ///
    /// # Errors
    /// The number has been passed.
    pub fn number_next_relation(&mut self, number: u32) -> Result<(), Impossible> {
        if number < self.next_relation {
            return Err(Impossible::Duplicate {
                kind: "relation",
                name: number.to_string(),
            });
        }
        self.next_relation = number;
        Ok(())
    }

    /// `juju add-unit --to`: a principal unit and, beside it, the subordinates its relations bring along. The first unit
    /// of an application leads.
    ///
    /// # Errors
    /// No such application or machine; subordinates are not added by hand.
    pub fn add_unit(&mut self, application: &str, machine: u32) -> Result<String, Impossible> {
        if !self.machines.contains_key(&machine) {
            return Err(Impossible::unknown("machine", machine.to_string()));
        }
        if self.application(application)?.charm.subordinate {
            return Err(Impossible::Unit {
                unit: application.to_owned(),
                reason: "a subordinate's units come with their principals",
            });
        }
        let name = self.insert_unit(application, machine, None)?;
        self.add_subordinates(&name)?;
        Ok(name)
    }

    /// `juju integrate calico:cni kubernetes-worker:cni`; the relation's number.
    ///
    /// # Errors
    /// An endpoint is unknown, the two do not fit, or they are related already.
    pub fn relate(&mut self, first: &str, second: &str) -> Result<u32, Impossible> {
        let scopes = [self.endpoint_scope(first)?, self.endpoint_scope(second)?];
        let scope = if scopes.contains(&Scope::Container) {
            Scope::Container
        } else {
            Scope::Global
        };
        let mut ends = vec![self.parse_end(first)?, self.parse_end(second)?];
        ends.sort_by_key(|end| end.role);
        let roles = (ends[0].role, ends[1].role);
        if roles != (Role::Requirer, Role::Provider)
            || self.endpoint_interface(first)? != self.endpoint_interface(second)?
        {
            return Err(Impossible::Relation {
                first: first.to_owned(),
                second: second.to_owned(),
            });
        }
        if let Some(known) = self.relations.values().find(|known| known.ends == ends) {
            return Err(Impossible::Duplicate {
                kind: "relation",
                name: known.key(),
            });
        }
        let principals: Vec<String> = ends
            .iter()
            .flat_map(|end| self.units_of(&end.application))
            .map(str::to_owned)
            .collect();
        let id = self.insert_relation(ends, scope);
        for principal in principals {
            self.add_subordinates(&principal)?;
        }
        Ok(id)
    }

    /// `juju config APPLICATION name=text …`: all of them or, when one is wrong, none.
    ///
    /// # Errors
    /// No such application or option, or a text that is not of the option's type.
    pub fn set_options<'a>(
        &mut self,
        application: &str,
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Impossible> {
        let known = self.application_mut(application)?;
        let parsed = options
            .into_iter()
            .map(|(name, text)| {
                let option = known
                    .charm
                    .options
                    .get(name)
                    .ok_or_else(|| Impossible::unknown("option", name))?;
                Ok((name.to_owned(), option.parse(name, text)?))
            })
            .collect::<Result<Vec<(String, Value)>, Impossible>>()?;
        let mut settings = known.settings.clone();
        settings.extend(parsed);
        known.replace_settings(settings);
        Ok(())
    }

    /// `juju config APPLICATION --reset name`.
    ///
    /// # Errors
    /// No such application or option.
    pub fn reset_option(&mut self, application: &str, name: &str) -> Result<(), Impossible> {
        let known = self.application_mut(application)?;
        if !known.charm.options.contains_key(name) {
            return Err(Impossible::unknown("option", name));
        }
        let mut settings = known.settings.clone();
        settings.remove(name);
        known.replace_settings(settings);
        Ok(())
    }

    /// `juju refresh`, or `juju attach-resource`: upgrade-charm follows on every unit.
    ///
    /// # Errors
    /// No such application.
    pub fn refresh(&mut self, application: &str) -> Result<(), Impossible> {
        self.application_mut(application)?.charm_revision += 1;
        Ok(())
    }

    /// Attaches a resource at a path on the machine.
    ///
    /// # Errors
    /// No such application.
    pub fn attach_resource(
        &mut self,
        application: &str,
        resource: &str,
        path: &str,
    ) -> Result<(), Impossible> {
        let charm = &mut self.application_mut(application)?.charm;
        charm.resources.insert(resource.to_owned(), path.to_owned());
        self.refresh(application)
    }

    /// From now on units do not get the resource: nobody can detach one, but a controller may fail to hand it out.
    ///
    /// # Errors
    /// No such application.
    pub fn withhold_resource(
        &mut self,
        application: &str,
        resource: &str,
    ) -> Result<(), Impossible> {
        let charm = &mut self.application_mut(application)?.charm;
        charm.resources.remove(resource);
        Ok(())
    }

    /// `juju bind APPLICATION endpoint=space`.
    ///
    /// # Errors
    /// No such application or endpoint.
    pub fn bind(
        &mut self,
        application: &str,
        endpoint: &str,
        space: &str,
    ) -> Result<(), Impossible> {
        let known = self.application_mut(application)?;
        if !known.charm.endpoints.contains_key(endpoint) {
            return Err(Impossible::unknown("endpoint", endpoint));
        }
        known.bindings.insert(endpoint.to_owned(), space.to_owned());
        Ok(())
    }

    /// Leadership moves to another unit, or to nobody.
    ///
    /// # Errors
    /// The unit is not one of the application.
    pub fn set_leader(&mut self, application: &str, unit: Option<&str>) -> Result<(), Impossible> {
        if let Some(unit) = unit
            && self.unit(unit)?.application != application
        {
            return Err(Impossible::unknown("unit", unit));
        }
        let known = self.application_mut(application)?;
        if known.leader.as_deref() == unit {
            return Ok(());
        }
        let former = std::mem::replace(&mut known.leader, unit.map(str::to_owned));
        known.leader_version += 1;
        if let Some(former) = former.and_then(|former| self.units.get_mut(&former)) {
            former.agent.knows_it_leads = false;
            // Run again, it is skipped (`operation.runHook`: "unit is no longer the leader").
            let elected = Event::Unit(UnitHook::LeaderElected);
            former.agent.failed.take_if(|failed| *failed == elected);
        }
        Ok(())
    }

    /// A machine's interfaces change; config-changed follows on its units.
    ///
    /// # Errors
    /// No such machine.
    pub fn change_machine(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut Machine),
    ) -> Result<(), Impossible> {
        let machine = self
            .machines
            .get_mut(&number)
            .ok_or_else(|| Impossible::unknown("machine", number.to_string()))?;
        change(machine);
        for unit in self
            .units
            .values_mut()
            .filter(|unit| unit.machine == number)
        {
            unit.agent.addresses_changed = true;
        }
        let names: Vec<String> = self.units_on(number).collect();
        for name in names {
            self.refresh_addresses(&name);
        }
        Ok(())
    }

    /// A machine restarts: start, then config-changed, follow on its units (Juju's `reboot` resolver and the agent's own
    /// start).
    ///
    /// # Errors
    /// No such machine, or a hook is running there: [`rollback`](Self::rollback) is what the restart does to it.
    pub fn reboot(&mut self, number: u32) -> Result<(), Impossible> {
        if !self.machines.contains_key(&number) {
            return Err(Impossible::unknown("machine", number.to_string()));
        }
        if let Some(running) = self.running.get(&number) {
            return Err(Impossible::Hook {
                unit: format!("machine {number}"),
                event: "reboot".to_owned(),
                reason: format!("{running} is running: roll it back first"),
            });
        }
        for unit in self.units.values_mut() {
            if unit.machine == number && unit.agent.stage == Stage::Started {
                unit.agent.queue = VecDeque::from([
                    Event::Unit(UnitHook::Start),
                    Event::Unit(UnitHook::ConfigChanged),
                ]);
            }
        }
        Ok(())
    }

    /// What the hooks of a scripted unit, such as a principal, write into their databag.
    ///
    /// # Errors
    /// The unit is not in the relation.
    pub fn write_databag<'a>(
        &mut self,
        relation: u32,
        unit: &str,
        data: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Change>, Impossible> {
        let relation = self
            .relations
            .get_mut(&relation)
            .filter(|relation| relation.members.contains_key(unit))
            .ok_or_else(|| Impossible::unknown("member of the relation", unit))?;
        let changed = relation.write_unit(unit, &owned(data));
        Ok(changed.then(|| Change::new(relation.id, unit)))
    }

    /// What the leader of a scripted application writes into the application's databag.
    ///
    /// # Errors
    /// The application is not in the relation.
    pub fn write_application_databag<'a>(
        &mut self,
        relation: u32,
        application: &str,
        data: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Change>, Impossible> {
        let relation = self
            .relations
            .get_mut(&relation)
            .filter(|relation| relation.end(application).is_some())
            .ok_or_else(|| Impossible::unknown("member of the relation", application))?;
        let changed = relation.write_application(application, &owned(data));
        Ok(changed.then(|| Change::new(relation.id, application)))
    }

    /// Lets the next call of a hook tool, on whatever unit, answer this instead of doing anything.
    pub fn fail_next(&mut self, tool: &str, output: &ToolOutput) {
        let answers = self.faults.entry(tool.to_owned()).or_default();
        answers.push_back(Answer::from(output));
    }

    /// `juju resolved`: the failed hook runs again, or counts as done.
    ///
    /// # Errors
    /// The unit is not in error.
    pub fn resolved(&mut self, name: &str, retry: bool) -> Result<(), Impossible> {
        let unit = self.unit(name)?;
        let Some(event) = unit.agent.failed.clone() else {
            return Err(Impossible::Unit {
                unit: name.to_owned(),
                reason: "not in error",
            });
        };
        if !retry {
            let version = self.version_for(name, &event);
            self.advance(name, &event, version);
        }
        Ok(())
    }

    pub(super) fn application_mut(&mut self, name: &str) -> Result<&mut Application, Impossible> {
        self.applications
            .get_mut(name)
            .ok_or_else(|| Impossible::unknown("application", name))
    }

    fn parse_end(&self, text: &str) -> Result<End, Impossible> {
        let (application, endpoint) = text
            .split_once(':')
            .ok_or_else(|| Impossible::unknown("endpoint", text))?;
        let known = self.application(application)?;
        let declared = known
            .charm
            .endpoints
            .get(endpoint)
            .ok_or_else(|| Impossible::unknown("endpoint", text))?;
        Ok(End {
            application: application.to_owned(),
            endpoint: endpoint.to_owned(),
            role: declared.role,
        })
    }

    fn endpoint_scope(&self, text: &str) -> Result<Scope, Impossible> {
        let end = self.parse_end(text)?;
        Ok(self.application(&end.application)?.charm.endpoints[&end.endpoint].scope)
    }

    fn endpoint_interface(&self, text: &str) -> Result<&str, Impossible> {
        let end = self.parse_end(text)?;
        let charm = &self.application(&end.application)?.charm;
        Ok(&charm.endpoints[&end.endpoint].interface)
    }
}

impl Application {
    fn replace_settings(&mut self, settings: BTreeMap<String, Value>) {
        if self.settings != settings {
            self.settings = settings;
            self.settings_version += 1;
        }
    }
}
