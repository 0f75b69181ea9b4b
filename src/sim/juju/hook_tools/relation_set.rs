//! `relation-set`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Answer, Invocation, Refusal};
use crate::config::yaml::from_document;

/// Merges into the own databag or, by the leader with `--app`, into the application's; kept back until the hook ends.
pub(super) fn set(call: &mut Invocation<'_>) -> Answer {
    let id = call.relation()?.id();
    let pairs = call.arguments.pairs()?;
    let mut settings = read_file(call)?.unwrap_or_default();
    settings.extend(pairs);
    let by_application = call.arguments.is_set("app");
    if by_application && !call.model.leads(&call.hook.unit) {
        return Err(Refusal::runtime("cannot write relation settings"));
    }
    let buffered = &mut call.hook.buffered;
    let bags = if by_application {
        &mut buffered.application
    } else {
        &mut buffered.unit
    };
    bags.entry(id).or_default().extend(settings);
    Ok(String::new())
}

/// The map of `--file`; `-` is standard input. YAML whose values are scalars: each is kept as text, null as the empty one.
pub(super) fn read_file(
    call: &Invocation<'_>,
) -> Result<Option<BTreeMap<String, String>>, Refusal> {
    let Some(path) = call.arguments.value("file") else {
        return Ok(None);
    };
    if path != "-" {
        return Err(Refusal::runtime(format!(
            "open {path}: the model reads files from standard input only"
        )));
    }
    let text = call.stdin.unwrap_or_default();
    let wrong = |text: String| Refusal::runtime(format!("yaml: {text}"));
    let map: Option<BTreeMap<String, Value>> =
        from_document(text).map_err(|error| wrong(error.to_string()))?;
    map.unwrap_or_default()
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Null => Ok((key, String::new())),
            Value::Bool(_) | Value::Number(_) => Ok((key, value.to_string())),
            Value::Array(_) | Value::Object(_) => {
                Err(wrong(format!("cannot unmarshal {key} into string")))
            }
        })
        .collect::<Result<_, _>>()
        .map(Some)
}
