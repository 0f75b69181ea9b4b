//! Which hook Juju runs next on a unit, and what having run it means (Juju's `uniter` resolvers).

use std::collections::VecDeque;

use super::event::{Event, Phase, UnitHook};
use super::model::{Agent, JujuModel, Life, Stage, Unit};
use super::relation::{Member, Relation, Seen, SeenMember};

impl JujuModel {
    /// The hook Juju would run next on a unit; `None` while there is nothing to tell it, and for units whose hooks are not
    /// run here. Update-status and actions come from outside.
    #[must_use]
    pub fn due(&self, name: &str) -> Option<Event> {
        let unit = self.units.get(name)?;
        let application = self.applications.get(&unit.application)?;
        if !application.charm.runs_hooks {
            return None;
        }
        let agent = &unit.agent;
        if let Some(failed) = self.failed(name, unit) {
            return Some(failed.clone());
        }
        if unit.life == Life::Dying {
            return self.due_while_dying(name, unit);
        }
        if agent.stage == Stage::New {
            return Some(UnitHook::Install.into());
        }
        if let Some(queued) = agent.queue.front() {
            return Some(queued.clone());
        }
        if agent.charm_revision != application.charm_revision {
            return Some(UnitHook::UpgradeCharm.into());
        }
        if let Some(created) = self.due_created(unit) {
            return Some(created);
        }
        let leads = application.leader.as_deref() == Some(name);
        if leads && !agent.knows_it_leads {
            return Some(UnitHook::LeaderElected.into());
        }
        if !leads && agent.leader_version != Some(application.leader_version) {
            return Some(UnitHook::LeaderSettingsChanged.into());
        }
        if agent.stage == Stage::Installed
            || agent.settings_version != application.settings_version
            || agent.addresses_changed
        {
            return Some(UnitHook::ConfigChanged.into());
        }
        if agent.stage == Stage::Configured {
            return Some(UnitHook::Start.into());
        }
        agent
            .relations
            .keys()
            .filter_map(|id| self.relations.get(id))
            .find_map(|relation| self.due_in(relation, name, unit))
    }

    /// The hook that failed and comes first. One that tells a unit that it leads is passed over when another unit leads by
    /// then (`worker/uniter/operation/runhook.go`, `Prepare`).
    pub(super) fn failed<'u>(&self, name: &str, unit: &'u Unit) -> Option<&'u Event> {
        let failed = unit.agent.failed.as_ref()?;
        let of_leaders = *failed == UnitHook::LeaderElected.into();
        (!of_leaders || self.leads(name)).then_some(failed)
    }

    /// All relations are broken before `stop`, which comes before `remove`.
    fn due_while_dying(&self, name: &str, unit: &Unit) -> Option<Event> {
        let in_relations = unit
            .agent
            .relations
            .keys()
            .filter_map(|id| self.relations.get(id))
            .find_map(|relation| self.due_in(relation, name, unit));
        if in_relations.is_some() {
            return in_relations;
        }
        Some(if unit.agent.stage < Stage::Stopped {
            UnitHook::Stop.into()
        } else {
            UnitHook::Remove.into()
        })
    }

    pub(super) fn due_created(&self, unit: &Unit) -> Option<Event> {
        let (id, _) = unit.agent.relations.iter().find(|(id, seen)| {
            let alive = |relation: &Relation| relation.life == Life::Alive;
            !seen.created && self.relations.get(id).is_some_and(alive)
        })?;
        relation_event(self.relations.get(id)?, unit, Phase::Created, None)
    }

    /// In this order: the changed that follows a joined, departed, broken, the application's change, joined, changed
    /// (`relation.relationsResolver.nextHookForRelation`). Peer relations are never broken.
    pub(super) fn due_in(&self, relation: &Relation, name: &str, unit: &Unit) -> Option<Event> {
        let seen = unit.agent.relations.get(&relation.id)?;
        let event = |phase, remote: Option<&str>| relation_event(relation, unit, phase, remote);
        if let Some(pending) = &seen.changed_pending {
            return event(Phase::Changed, Some(pending));
        }
        let ending = unit.life == Life::Dying || relation.life == Life::Dying;
        let members = self.remote_members(relation, name, unit);
        let find = |wanted: &dyn Fn(&str, &Member, &Seen) -> bool| {
            members
                .iter()
                .find(|(other, member)| wanted(other, member, seen))
                .map(|(other, _)| *other)
        };
        let departing = find(&|other, member, seen| {
            seen.has_joined(other, member) && (ending || member.left_at.is_some())
        });
        if departing.is_some() {
            return event(Phase::Departed, departing);
        }
        if ending {
            return if relation.is_peer() {
                None
            } else {
                event(Phase::Broken, None)
            };
        }
        let remote = relation.remote_application(&unit.application)?;
        let version = relation
            .applications
            .get(remote)
            .map_or(0, |bag| bag.changed_at);
        if seen.application != version {
            return event(Phase::Changed, None);
        }
        let joining = find(&|other, member, seen| {
            member.left_at.is_none() && !seen.has_joined(other, member)
        });
        if joining.is_some() {
            return event(Phase::Joined, joining);
        }
        let changed = find(&|other, member, seen| {
            member.left_at.is_none() && !seen.is_current(other, member)
        });
        changed.and_then(|other| event(Phase::Changed, Some(other)))
    }

    /// Lets every unit have run all hooks that are due, without running them: a deployment at rest.
    pub fn settle(&mut self) {
        let names = self.charm_units();
        for name in &names {
            if let Some(unit) = self.units.get_mut(name)
                && unit.agent.stage == Stage::New
            {
                unit.agent.stage = Stage::Started;
            }
            self.enter_scopes(name);
        }
        for name in &names {
            let Some(unit) = self.units.get(name) else {
                continue;
            };
            let Some(application) = self.applications.get(&unit.application) else {
                continue;
            };
            let mut agent = Agent {
                stage: Stage::Started,
                knows_it_leads: application.leader.as_deref() == Some(name),
                leader_version: Some(application.leader_version),
                settings_version: application.settings_version,
                charm_revision: application.charm_revision,
                ..Agent::default()
            };
            for id in unit.agent.relations.keys() {
                let Some(relation) = self.relations.get(id) else {
                    continue;
                };
                let bag = relation
                    .remote_application(&unit.application)
                    .and_then(|remote| relation.applications.get(remote));
                let seen = Seen {
                    created: true,
                    horizon: relation.clock,
                    application: bag.map_or(0, |bag| bag.changed_at),
                    ..Seen::default()
                };
                agent.relations.insert(*id, seen);
            }
            if let Some(unit) = self.units.get_mut(name)
                && unit.life == Life::Alive
            {
                unit.agent = agent;
            }
        }
    }

    /// Records that a hook has run: `version` is that of the databag it was about when it began.
    pub(super) fn advance(&mut self, name: &str, event: &Event, version: u64) {
        let Some(unit) = self.units.get_mut(name) else {
            return;
        };
        unit.agent.failed = None;
        if unit.agent.queue.front() == Some(event) {
            unit.agent.queue.pop_front();
        }
        match event {
            Event::Unit(hook) => self.advance_unit_hook(name, *hook),
            Event::Relation {
                relation,
                phase,
                remote,
                ..
            } => self.advance_relation_hook(name, *relation, *phase, remote.as_deref(), version),
            Event::Action { .. } => {}
        }
    }

    fn advance_unit_hook(&mut self, name: &str, hook: UnitHook) {
        let Some(unit) = self.units.get_mut(name) else {
            return;
        };
        let Some(application) = self.applications.get(&unit.application) else {
            return;
        };
        let agent = &mut unit.agent;
        match hook {
            UnitHook::Install => {
                agent.stage = Stage::Installed;
                self.enter_scopes(name);
            }
            UnitHook::ConfigChanged => {
                agent.stage = agent.stage.max(Stage::Configured);
                agent.settings_version = application.settings_version;
                agent.addresses_changed = false;
            }
            UnitHook::Start => agent.stage = agent.stage.max(Stage::Started),
            UnitHook::LeaderElected => {
                agent.knows_it_leads = application.leader.as_deref() == Some(name);
                agent.leader_version = Some(application.leader_version);
            }
            UnitHook::LeaderSettingsChanged => {
                agent.leader_version = Some(application.leader_version);
            }
            UnitHook::UpgradeCharm => {
                agent.charm_revision = application.charm_revision;
                agent.queue = VecDeque::from([UnitHook::ConfigChanged.into()]);
                if application.leader.as_deref() != Some(name) {
                    agent
                        .queue
                        .push_back(UnitHook::LeaderSettingsChanged.into());
                }
                agent.queue.push_back(UnitHook::Start.into());
            }
            UnitHook::Stop => agent.stage = Stage::Stopped,
            UnitHook::Remove => self.bury(name),
            UnitHook::UpdateStatus | UnitHook::CollectMetrics | UnitHook::MeterStatusChanged => {}
        }
    }

    fn advance_relation_hook(
        &mut self,
        name: &str,
        id: u32,
        phase: Phase,
        remote: Option<&str>,
        version: u64,
    ) {
        let Some(unit) = self.units.get_mut(name) else {
            return;
        };
        let Some(seen) = unit.agent.relations.get_mut(&id) else {
            return;
        };
        let remote = remote.map(str::to_owned);
        match (phase, remote) {
            (Phase::Created, _) => seen.created = true,
            (Phase::Joined, Some(remote)) => {
                seen.members
                    .insert(remote.clone(), SeenMember::Joined(version));
                seen.changed_pending = Some(remote);
            }
            (Phase::Changed, Some(remote)) => {
                seen.changed_pending.take_if(|pending| *pending == remote);
                seen.members.insert(remote, SeenMember::Joined(version));
            }
            (Phase::Changed, None) => seen.application = version,
            (Phase::Departed, Some(remote)) => {
                seen.changed_pending.take_if(|pending| *pending == remote);
                seen.members.insert(remote, SeenMember::Departed);
            }
            (Phase::Broken, _) => {
                unit.agent.relations.remove(&id);
                if let Some(relation) = self.relations.get_mut(&id) {
                    relation.leave(name);
                }
                self.drop_relation_if_over(id);
            }
            (Phase::Joined | Phase::Departed, None) => {}
        }
    }
}

/// The event of a relation as a unit sees it; `None` when the unit has no part in it.
pub(super) fn relation_event(
    relation: &Relation,
    unit: &Unit,
    phase: Phase,
    remote: Option<&str>,
) -> Option<Event> {
    Some(Event::Relation {
        relation: relation.id,
        endpoint: relation.end(&unit.application)?.endpoint.clone(),
        phase,
        remote: remote.map(str::to_owned),
    })
}
