//! `juju-log`.

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::LogLine;

const LEVELS: [&str; 5] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"];

/// Logged at once. An unknown level counts as INFO, with a warning; in relation hooks the relation goes in front.
pub(super) fn juju_log(call: &mut Invocation<'_>) -> Answer {
    if call.arguments.rest().is_empty() {
        return Err(Refusal::usage("no message specified"));
    }
    let mut level = "INFO".to_owned();
    if call.arguments.is_set("debug") {
        "DEBUG".clone_into(&mut level);
    } else if let Some(asked) = call.arguments.value("l") {
        let upper = asked.to_uppercase();
        if LEVELS.contains(&upper.as_str()) {
            level = upper;
        } else {
            say(
                call,
                "WARNING",
                format!("Specified log level of {asked} is not valid"),
            );
        }
    }
    let message = call.arguments.rest().join(" ");
    let relation = call
        .hook
        .event
        .relation()
        .and_then(|id| call.model.relations.get(&id))
        .and_then(|relation| relation.name_for(call.hook.application()));
    let message = match relation {
        Some(relation) => format!("{relation}: {message}"),
        None => message,
    };
    say(call, &level, message);
    Ok(String::new())
}

fn say(call: &mut Invocation<'_>, level: &str, message: String) {
    call.model.logs.push(LogLine {
        unit: call.hook.unit.clone(),
        hook: call.hook.event.name(),
        level: level.to_owned(),
        message,
    });
}
