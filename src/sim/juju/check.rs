//! Which hooks Juju would not run now.

use super::Impossible;
use super::event::{Event, Phase, UnitHook};
use super::model::{JujuModel, Life, Stage, Unit};
use super::uniter::relation_event;

impl JujuModel {
    /// What stands against running a hook now.
    pub(super) fn check(&self, name: &str, event: &Event) -> Result<(), Impossible> {
        let unit = self.unit(name)?;
        let refuse = |reason: String| Impossible::Hook {
            unit: name.to_owned(),
            event: event.to_string(),
            reason,
        };
        if !self.runs_hooks(unit) {
            return Err(refuse("its hooks are not run here".to_owned()));
        }
        if let Some(running) = self.running.get(&unit.machine) {
            return Err(refuse(format!("{running} holds the machine's lock")));
        }
        if let Some(failed) = self.failed(name, unit)
            && failed != event
        {
            return Err(refuse(format!("{failed} has failed and comes first")));
        }
        if unit.agent.failed.is_some() {
            // What has failed runs again, whatever its occasion has come to (`operation.retryHook`).
            return Ok(());
        }
        let against = match event {
            Event::Unit(hook) => self.against_unit_hook(name, unit, *hook),
            Event::Action { .. } => {
                (unit.agent.stage == Stage::New).then(|| "the unit is not installed".to_owned())
            }
            Event::Relation {
                relation,
                phase,
                remote,
                ..
            } => self.against_relation_hook(name, unit, *relation, *phase, remote.as_deref()),
        };
        against.map_or(Ok(()), |reason| Err(refuse(reason)))
    }

    fn against_unit_hook(&self, name: &str, unit: &Unit, hook: UnitHook) -> Option<String> {
        let agent = &unit.agent;
        let dying = unit.life == Life::Dying;
        let leads = self
            .applications
            .get(&unit.application)
            .is_some_and(|application| application.leader.as_deref() == Some(name));
        let wrong = match hook {
            UnitHook::Install if agent.stage != Stage::New => "it is installed",
            UnitHook::Install => return None,
            _ if agent.stage == Stage::New => "it is not installed",
            UnitHook::Stop | UnitHook::Remove => {
                let due = self.due(name);
                return (due != Some(hook.into())).then(|| expected(due.as_ref()));
            }
            _ if dying => "the unit is dying",
            UnitHook::LeaderElected if !leads => "it is not the leader",
            UnitHook::LeaderSettingsChanged if leads => "it is the leader",
            UnitHook::Start | UnitHook::UpdateStatus | UnitHook::UpgradeCharm
                if agent.stage < Stage::Configured =>
            {
                "config-changed comes first"
            }
            UnitHook::UpdateStatus | UnitHook::UpgradeCharm if agent.stage < Stage::Started => {
                "start comes first"
            }
            UnitHook::ConfigChanged if self.due_created(unit).is_some() => {
                "relation-created comes first"
            }
            _ => return None,
        };
        Some(wrong.to_owned())
    }

    /// A changed hook may run although nothing has changed since: Juju's agent compares versions, and a value that
    /// changed twice may be back where it was. All other phases run exactly when they are due.
    fn against_relation_hook(
        &self,
        name: &str,
        unit: &Unit,
        id: u32,
        phase: Phase,
        remote: Option<&str>,
    ) -> Option<String> {
        let (Some(relation), Some(seen)) = (self.relations.get(&id), unit.agent.relations.get(&id))
        else {
            return Some(format!("it is not in relation {id}"));
        };
        if phase == Phase::Created {
            return seen.created.then(|| "it has run".to_owned());
        }
        let due = self.due_in(relation, name, unit);
        let members = self.remote_members(relation, name, unit);
        let told = |remote: &str| {
            members
                .iter()
                .find(|(other, _)| *other == remote)
                .is_some_and(|(other, member)| {
                    member.left_at.is_none() && seen.has_joined(other, member)
                })
        };
        let wanted = relation_event(relation, unit, phase, remote);
        if due == wanted {
            let early = unit.life == Life::Alive
                && unit.agent.stage < Stage::Started
                && matches!(phase, Phase::Joined | Phase::Changed);
            return early.then(|| "start comes first".to_owned());
        }
        if phase == Phase::Changed && seen.changed_pending.is_none() {
            let runs = match remote {
                Some(remote) => told(remote),
                None => seen.application != 0,
            };
            if runs && unit.life == Life::Alive {
                return None;
            }
        }
        // Another unit's joined or departed may come first: Juju goes by name only for the convenience of its tests.
        let member = remote.and_then(|remote| members.iter().find(|(other, _)| *other == remote));
        let in_turn = member.is_some_and(|(other, member)| match phase {
            Phase::Joined => {
                unit.life == Life::Alive
                    && relation.life == Life::Alive
                    && member.left_at.is_none()
                    && !seen.has_joined(other, member)
                    && seen.changed_pending.is_none()
            }
            Phase::Departed => {
                let ending = unit.life == Life::Dying || relation.life == Life::Dying;
                seen.has_joined(other, member) && (ending || member.left_at.is_some())
            }
            _ => false,
        });
        if in_turn {
            None
        } else {
            Some(expected(due.as_ref()))
        }
    }
}

fn expected(due: Option<&Event>) -> String {
    match due {
        Some(event) => format!("{event} comes first"),
        None => "there is no occasion".to_owned(),
    }
}
