//! Units and relations that go.

use super::Impossible;
use super::charm::Scope;
use super::model::{JujuModel, Life, Stage, Unit};

impl JujuModel {
    /// `juju remove-relation`: its units depart and break it; a container-scoped one takes its subordinates along.
    ///
    /// # Errors
    /// No such relation; peer relations cannot be removed.
    pub fn remove_relation(&mut self, id: u32) -> Result<(), Impossible> {
        let relation = self
            .relations
            .get_mut(&id)
            .filter(|relation| !relation.is_peer())
            .ok_or_else(|| Impossible::unknown("relation that can be removed", id.to_string()))?;
        relation.life = Life::Dying;
        let relation = relation.clone();
        let mut dying = Vec::new();
        for (name, unit) in &self.units {
            if !relation.is_member(name) {
                continue;
            }
            if !self.runs_hooks(unit) {
                if let Some(relation) = self.relations.get_mut(&id) {
                    relation.leave(name);
                }
            } else if relation.scope == Scope::Container && unit.principal.is_some() {
                dying.push(name.clone());
            }
        }
        for unit in dying {
            self.start_dying(&unit);
        }
        self.drop_relation_if_over(id);
        Ok(())
    }

    /// `juju remove-unit` of a principal: its subordinates tear themselves down by their hooks, then both are gone.
    ///
    /// # Errors
    /// No such unit; subordinates go with their principals, or with the relation to them.
    pub fn remove_unit(&mut self, name: &str) -> Result<(), Impossible> {
        if self.unit(name)?.principal.is_some() {
            return Err(Impossible::Unit {
                unit: name.to_owned(),
                reason: "a subordinate goes with its principal, or with the relation to it",
            });
        }
        let subordinates: Vec<String> = self
            .units
            .iter()
            .filter(|(_, unit)| unit.principal.as_deref() == Some(name))
            .map(|(name, _)| name.clone())
            .collect();
        if let Some(unit) = self.units.get_mut(name) {
            unit.life = Life::Dying;
        }
        for subordinate in subordinates {
            self.start_dying(&subordinate);
        }
        self.bury_principal_if_alone(name);
        Ok(())
    }

    /// `juju remove-unit --force`: the unit and its subordinates are gone, and none of their hooks runs.
    ///
    /// # Errors
    /// No such unit.
    pub fn force_remove_unit(&mut self, name: &str) -> Result<(), Impossible> {
        self.unit(name)?;
        let gone: Vec<String> = self
            .units
            .iter()
            .filter(|(other, unit)| *other == name || unit.principal.as_deref() == Some(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            self.bury(&name);
        }
        Ok(())
    }

    /// The unit leaves every scope at once, so that others see it depart while it tears itself down
    /// (`state.RelationUnit.PrepareLeaveScope`). One that was never installed is gone.
    pub(super) fn start_dying(&mut self, name: &str) {
        let Some(unit) = self.units.get_mut(name) else {
            return;
        };
        unit.life = Life::Dying;
        unit.agent.queue.clear();
        if unit.agent.stage == Stage::New {
            self.bury(name);
            return;
        }
        for relation in self.relations.values_mut() {
            relation.leave(name);
        }
    }

    /// Takes a unit out of the model.
    pub(super) fn bury(&mut self, name: &str) {
        let Some(unit) = self.units.remove(name) else {
            return;
        };
        let ids: Vec<u32> = self.relations.keys().copied().collect();
        for id in ids {
            if let Some(relation) = self.relations.get_mut(&id) {
                relation.leave(name);
            }
            self.drop_relation_if_over(id);
        }
        if let Some(application) = self.applications.get_mut(&unit.application)
            && application.leader.as_deref() == Some(name)
        {
            application.leader = None;
            application.leader_version += 1;
        }
        if let Some(holder) = self.running.get(&unit.machine)
            && holder.starts_with(&format!("{name}-"))
        {
            self.running.remove(&unit.machine);
        }
        if let Some(principal) = unit.principal {
            self.bury_principal_if_alone(&principal);
        }
    }

    pub(super) fn bury_principal_if_alone(&mut self, name: &str) {
        let dying = self.units.get(name).is_some_and(Unit::is_dying);
        let alone = !self
            .units
            .values()
            .any(|unit| unit.principal.as_deref() == Some(name));
        if dying && alone {
            self.bury(name);
        }
    }

    /// A dying relation is gone, settings and all, when nobody who ran its hooks is left in it.
    pub(super) fn drop_relation_if_over(&mut self, id: u32) {
        let over = self.relations.get(&id).is_some_and(|relation| {
            relation.life == Life::Dying
                && !self
                    .units
                    .values()
                    .any(|unit| unit.agent.relations.contains_key(&id) && self.runs_hooks(unit))
        });
        if over {
            self.relations.remove(&id);
            for unit in self.units.values_mut() {
                unit.agent.relations.remove(&id);
            }
        }
    }
}
