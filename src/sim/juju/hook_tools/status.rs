//! `status-get`, `status-set` and `application-version-set`. They take effect at once, whatever becomes of the hook.

use serde_json::{Map, Value, json};

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::UnitStatus;

/// What a charm may set; `error` and `unknown` are Juju's own.
const SETTABLE: [&str; 4] = ["maintenance", "blocked", "waiting", "active"];
const NOT_LEADER: &str = "this unit is not the leader";

/// Of the unit or, by the leader, of the application.
pub(super) fn set(call: &mut Invocation<'_>) -> Answer {
    let [status, message @ ..] = call.arguments.at_most(2)? else {
        return Err(Refusal::usage("invalid args, require <status> [message]"));
    };
    if !SETTABLE.contains(&status.as_str()) {
        return Err(Refusal::usage(format!(
            "invalid status {status:?}, expected one of [{}]",
            SETTABLE.join(" ")
        )));
    }
    let status = UnitStatus::new(status, message.first().map_or("", String::as_str));
    if !call.arguments.is_set("application") {
        call.unit_mut()?.status = status;
        return Ok(String::new());
    }
    if !call.model.leads(&call.hook.unit) {
        return Err(Refusal::runtime(NOT_LEADER));
    }
    let name = call.hook.application().to_owned();
    if let Ok(application) = call.model.application_mut(&name) {
        application.status = Some(status);
    }
    Ok(String::new())
}

/// The status word alone in smart format, unless `--include-data`.
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    call.arguments.at_most(0)?;
    let data = call.arguments.is_set("include-data");
    let word_alone = !data && call.arguments.value("format").unwrap_or("smart") == "smart";
    if !call.arguments.is_set("application") {
        let status = &call.unit()?.status;
        return if word_alone {
            call.print(&json!(status.status))
        } else {
            call.print(&details(status, data))
        };
    }
    if !call.model.leads(&call.hook.unit) {
        return Err(Refusal::runtime(format!(
            "finding application status: {NOT_LEADER}"
        )));
    }
    let name = call.hook.application();
    let status = call
        .model
        .application(name)
        .ok()
        .and_then(|application| application.status.clone())
        .unwrap_or_else(|| UnitStatus::new("unknown", ""));
    if word_alone {
        return call.print(&json!(status.status));
    }
    let units: Map<String, Value> = call
        .model
        .units_of(name)
        .filter_map(|unit| {
            let status = &call.model.units.get(unit)?.status;
            Some((unit.to_owned(), details(status, data)))
        })
        .collect();
    let mut shown = details(&status, data);
    shown["units"] = Value::Object(units);
    call.print(&json!({ "application-status": shown }))
}

fn details(status: &UnitStatus, data: bool) -> Value {
    let mut shown = json!({ "status": status.status });
    if data {
        shown["message"] = json!(status.message);
        shown["status-data"] = json!({});
    }
    shown
}

/// The Version column of `juju status`.
pub(super) fn version_set(call: &mut Invocation<'_>) -> Answer {
    let version = call
        .arguments
        .at_most(1)?
        .first()
        .cloned()
        .ok_or_else(|| Refusal::usage("no version specified"))?;
    call.unit_mut()?.version = version;
    Ok(String::new())
}
