//! `relation-ids`, `relation-list` and `relation-get`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::event::{Event, Phase};
use crate::sim::juju::reading::application_of;
use crate::sim::juju::relation::{Relation, merge};

/// The relations of an endpoint that the unit is in, dying ones included, sorted as texts.
pub(super) fn ids(call: &mut Invocation<'_>) -> Answer {
    let endpoint = match (call.arguments.at_most(1)?.first(), &call.hook.event) {
        (Some(endpoint), _) | (None, Event::Relation { endpoint, .. }) => endpoint.clone(),
        (None, _) => return Err(Refusal::usage("no endpoint name specified")),
    };
    let application = call.hook.application();
    let mut names: Vec<String> = call
        .unit()?
        .agent
        .relations
        .keys()
        .filter_map(|id| call.model.relations.get(id))
        .filter(|relation| {
            relation
                .end(application)
                .is_some_and(|end| end.endpoint == endpoint)
        })
        .filter_map(|relation| relation.name_for(application))
        .collect();
    names.sort();
    call.print(&json!(names))
}

/// The remote units whose relation-joined has run or is running, and whose relation-departed has not.
pub(super) fn list(call: &mut Invocation<'_>) -> Answer {
    let relation = call.relation()?;
    call.arguments.at_most(0)?;
    if call.arguments.is_set("app") {
        return call.print(&json!(relation.remote_application(call.hook.application())));
    }
    let unit = call.unit()?;
    let Some(seen) = unit.agent.relations.get(&relation.id()) else {
        return call.print(&json!([]));
    };
    let units: Vec<&str> = call
        .model
        .remote_members(relation, &call.hook.unit, unit)
        .into_iter()
        .filter(|(name, member)| match subject(call, relation, name) {
            Some(Phase::Departed) => false,
            Some(Phase::Joined) => true,
            _ => seen.has_joined(name, member),
        })
        .map(|(name, _)| name)
        .collect();
    call.print(&json!(units))
}

/// What the running hook is about, when it is about this unit of this relation.
fn subject(call: &Invocation<'_>, relation: &Relation, unit: &str) -> Option<Phase> {
    match &call.hook.event {
        Event::Relation {
            relation: id,
            phase,
            remote,
            ..
        } if *id == relation.id() && remote.as_deref() == Some(unit) => Some(*phase),
        _ => None,
    }
}

/// A databag, or one value of it: of a unit or, with `--app` or where a hook has no remote unit, of an application.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let relation = call.relation()?;
    let mut by_application = call.arguments.is_set("app");
    let key_and_name = call.arguments.at_most(2)?;
    let key = key_and_name.first().filter(|key| *key != "-");
    let name = match key_and_name.get(1) {
        Some(name) if by_application => application_of(name).to_owned(),
        Some(name) => name.clone(),
        None => {
            let unit = call.hook.remote_unit().filter(|_| !by_application);
            let default = unit.map(str::to_owned).or_else(|| {
                by_application = true;
                call.hook.remote_application.clone()
            });
            default.ok_or_else(|| Refusal::usage("no unit or application specified"))?
        }
    };
    let settings = if by_application {
        application_settings(call, relation, &name)?
    } else if name == call.hook.unit {
        own_settings(call, relation)
    } else {
        remote_settings(call, relation, &name)?
    };
    let value = match key {
        Some(key) => settings.get(key).map_or(Value::Null, |value| json!(value)),
        None => json!(settings),
    };
    call.print(&value)
}

/// This hook's own writes are visible at once.
fn own_settings(call: &Invocation<'_>, relation: &Relation) -> BTreeMap<String, String> {
    let mut settings = relation
        .unit_settings(&call.hook.unit)
        .cloned()
        .unwrap_or_default();
    if let Some(writes) = call.hook.buffered.unit.get(&relation.id()) {
        merge(&mut settings, writes);
    }
    settings
}

/// Readable as long as the relation lives, even when the unit has left; never when it was not in the scope.
fn remote_settings(
    call: &Invocation<'_>,
    relation: &Relation,
    name: &str,
) -> Result<BTreeMap<String, String>, Refusal> {
    if !name.contains('/') {
        return Err(Refusal::runtime(format!("{name:?} is not a valid unit")));
    }
    if relation.end(application_of(name)).is_none() {
        return Err(Refusal::runtime("permission denied"));
    }
    let unit = call.unit()?;
    call.model
        .remote_members(relation, &call.hook.unit, unit)
        .into_iter()
        .find(|(member, _)| *member == name)
        .map(|(_, member)| member.settings.clone())
        .ok_or_else(|| {
            Refusal::runtime(format!(
                "cannot read settings for unit {name:?} in relation {:?}: unit {name:?}: settings not found",
                relation.key()
            ))
        })
}

/// The remote application's databag is everybody's to read, the own one the leader's, and in a peer relation every unit's.
fn application_settings(
    call: &Invocation<'_>,
    relation: &Relation,
    name: &str,
) -> Result<BTreeMap<String, String>, Refusal> {
    let denied = || Refusal::runtime("permission denied");
    relation.end(name).ok_or_else(denied)?;
    let own = name == call.hook.application();
    if own && !relation.is_peer() && !call.model.leads(&call.hook.unit) {
        return Err(denied());
    }
    let mut settings = relation
        .application_settings(name)
        .cloned()
        .unwrap_or_default();
    if own && let Some(writes) = call.hook.buffered.application.get(&relation.id()) {
        merge(&mut settings, writes);
    }
    Ok(settings)
}
