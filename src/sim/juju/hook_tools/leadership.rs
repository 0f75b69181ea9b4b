//! `is-leader`, `leader-get` and `leader-set`.

use serde_json::{Value, json};

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::relation::merge;

/// Whether the unit leads; Juju promises 30 seconds more of it.
pub(super) fn is_leader(call: &mut Invocation<'_>) -> Answer {
    call.arguments.at_most(0)?;
    call.print(&Value::Bool(call.model.leads(&call.hook.unit)))
}

/// What the leader has set, readable by every unit.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let key = call.arguments.at_most(1)?.first().filter(|key| *key != "-");
    let settings = call
        .model
        .application(call.hook.application())
        .map(|application| &application.leader_settings)
        .map_err(|error| Refusal::runtime(error.to_string()))?;
    let value = match key {
        Some(key) => json!(settings.get(key)),
        None => json!(settings),
    };
    call.print(&value)
}

/// Written at once, whatever becomes of the hook.
pub(super) fn set(call: &mut Invocation<'_>) -> Answer {
    let pairs = call.arguments.pairs()?.into_iter().collect();
    if !call.model.leads(&call.hook.unit) {
        return Err(Refusal::runtime(
            "cannot write leadership settings: cannot write settings: not the leader",
        ));
    }
    let name = call.hook.application().to_owned();
    let application = call
        .model
        .application_mut(&name)
        .map_err(|error| Refusal::runtime(error.to_string()))?;
    if merge(&mut application.leader_settings, &pairs) {
        application.leader_version += 1;
    }
    Ok(String::new())
}
