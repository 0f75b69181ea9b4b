//! `state-get`, `state-set` and `state-delete`: a map of texts a unit keeps on the controller.

use std::collections::BTreeMap;

use serde_json::json;

use super::relation_set::read_file;
use super::{Answer, Invocation, Refusal};

/// Longest key, in bytes (Juju's `core/quota`).
const LONGEST_KEY: usize = 256;
/// Longest value, in bytes.
const LONGEST_VALUE: usize = 65536;

/// This hook's own changes included.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let key = call.arguments.at_most(1)?.first().filter(|key| *key != "-");
    let mut state: BTreeMap<String, String> = call.unit()?.state.clone();
    for (key, value) in &call.hook.buffered.state {
        match value {
            Some(value) => state.insert(key.clone(), value.clone()),
            None => state.remove(key),
        };
    }
    let Some(key) = key else {
        return call.print(&json!(state));
    };
    if call.arguments.is_set("strict") && !state.contains_key(key) {
        return Err(Refusal::runtime(format!("{key:?} not found")));
    }
    call.print(&json!(state.get(key)))
}

/// Buffered until the hook ends.
pub(super) fn set(call: &mut Invocation<'_>) -> Answer {
    let mut settings = read_file(call)?.unwrap_or_default();
    settings.extend(call.arguments.pairs()?);
    for (key, value) in &settings {
        if key.len() > LONGEST_KEY || value.len() > LONGEST_VALUE {
            return Err(Refusal::runtime(format!(
                "max allowed key or value length exceeded: {key:.32}"
            )));
        }
    }
    let writes = settings.into_iter().map(|(key, value)| (key, Some(value)));
    call.hook.buffered.state.extend(writes);
    Ok(String::new())
}

/// Buffered until the hook ends.
pub(super) fn delete(call: &mut Invocation<'_>) -> Answer {
    let Some(key) = call
        .arguments
        .at_most(1)?
        .first()
        .filter(|key| !key.is_empty())
    else {
        return Ok(String::new());
    };
    call.hook.buffered.state.insert(key.clone(), None);
    Ok(String::new())
}
