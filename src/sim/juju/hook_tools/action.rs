//! `action-get`, `action-set`, `action-fail` and `action-log`.

use serde_json::{Map, Value};

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::Event;

/// Set by Juju itself from the action's output.
const RESERVED: [&str; 4] = ["stdout", "stdout-encoding", "stderr", "stderr-encoding"];

/// The parameters, or one by its dotted key; null for one that is not there.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let keys = call.arguments.at_most(1)?;
    let Event::Action { parameters, .. } = &call.hook.event else {
        return Err(not_an_action());
    };
    let mut value = parameters;
    for key in keys.first().into_iter().flat_map(|key| key.split('.')) {
        value = value.get(key).unwrap_or(&Value::Null);
    }
    call.print(value)
}

/// Results are texts under dotted keys; the last one counts.
pub(super) fn set(call: &mut Invocation<'_>) -> Answer {
    let mut writes = Vec::new();
    for text in call.arguments.rest() {
        let (key, value) = text
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| {
                Refusal::usage(format!(
                    "argument {text:?} must be of the form key...=value"
                ))
            })?;
        let keys: Vec<String> = key.split('.').map(str::to_owned).collect();
        if RESERVED.contains(&key) {
            return Err(Refusal::usage(format!(
                "cannot set reserved action key {key:?}"
            )));
        }
        if let Some(key) = keys.iter().find(|key| !is_key(key)) {
            return Err(Refusal::usage(format!(
                "key {key:?} must start and end with lowercase alphanumeric, and contain only lowercase alphanumeric and hyphens"
            )));
        }
        writes.push((keys, value.to_owned()));
    }
    if !matches!(call.hook.event, Event::Action { .. }) {
        return Err(not_an_action());
    }
    for (keys, value) in writes {
        insert(&mut call.hook.action.results, &keys, value);
    }
    Ok(String::new())
}

/// The action has failed; the program still has to exit with 0.
pub(super) fn fail(call: &mut Invocation<'_>) -> Answer {
    let message = call.arguments.at_most(1)?.first().cloned();
    if !matches!(call.hook.event, Event::Action { .. }) {
        return Err(not_an_action());
    }
    call.hook.action.failure = Some(message.unwrap_or_else(|| {
        "action failed without reason given, check action for errors".to_owned()
    }));
    Ok(String::new())
}

/// Shown to the operator at once.
pub(super) fn log(call: &mut Invocation<'_>) -> Answer {
    if call.arguments.rest().is_empty() {
        return Err(Refusal::usage("no message specified"));
    }
    if !matches!(call.hook.event, Event::Action { .. }) {
        return Err(not_an_action());
    }
    let message = call.arguments.rest().join(" ");
    call.hook.action.log.push(message);
    Ok(String::new())
}

fn not_an_action() -> Refusal {
    Refusal::runtime("not running an action")
}

/// `[a-z0-9]([a-z0-9-]*[a-z0-9])?`
fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(plain)
        && bytes.last().copied().is_some_and(plain)
        && bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
}

fn insert(results: &mut Map<String, Value>, keys: &[String], value: String) {
    match keys {
        [] => {}
        [key] => {
            results.insert(key.clone(), Value::String(value));
        }
        [key, rest @ ..] => {
            let inner = results
                .entry(key.clone())
                .and_modify(|inner| {
                    if !inner.is_object() {
                        *inner = Value::Object(Map::new());
                    }
                })
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_lower_case_words() {
        for (text, good) in [
            ("a", true),
            ("a-b9", true),
            ("9", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("a_b", false),
        ] {
            assert_eq!(is_key(text), good, "{text:?}");
        }
    }

    #[test]
    fn dotted_keys_nest_and_the_last_counts() {
        let mut results = Map::new();
        for (key, value) in [("a", "1"), ("a.b", "2"), ("a.c", "3"), ("a.b", "4")] {
            let keys: Vec<String> = key.split('.').map(str::to_owned).collect();
            insert(&mut results, &keys, value.to_owned());
        }
        assert_eq!(Value::Object(results), json!({"a": {"b": "4", "c": "3"}}));
    }
}
