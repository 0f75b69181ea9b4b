//! `config-get` and `resource-get`.

use serde_json::{Map, Value};

use super::{Answer, Invocation, Refusal};

/// All options that have a value, or one of them; null for one that has none, or that does not exist.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let application = call
        .model
        .application(call.hook.application())
        .map_err(|error| Refusal::runtime(error.to_string()))?;
    let all = call.arguments.is_set("a");
    let value = match call.arguments.at_most(1)?.first() {
        Some(name) if all => {
            return Err(Refusal::usage(format!(
                "cannot use argument --all together with key {name:?}"
            )));
        }
        Some(name) => application.option(name).cloned().unwrap_or_default(),
        None => {
            let options = application.charm.options.keys().filter_map(|name| {
                let value = application.option(name).cloned();
                let value = if all {
                    Some(value.unwrap_or_default())
                } else {
                    value
                };
                Some((name.clone(), value?))
            });
            Value::Object(options.collect::<Map<_, _>>())
        }
    };
    call.print(&value)
}

/// The path of a resource, without a newline.
pub(super) fn resource_get(call: &mut Invocation<'_>) -> Answer {
    let name = call
        .arguments
        .at_most(1)?
        .first()
        .ok_or_else(|| Refusal::usage("missing required resource name"))?;
    call.model
        .application(call.hook.application())
        .ok()
        .and_then(|application| application.charm.resources.get(name))
        .cloned()
        .ok_or_else(|| {
            Refusal::runtime(format!(
                "could not download resource: resource {name:?} not found"
            ))
        })
}
