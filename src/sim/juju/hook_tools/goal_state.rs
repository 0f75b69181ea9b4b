//! `goal-state`.

use serde_json::{Map, Value, json};

use super::{Answer, Invocation};
use crate::sim::juju::model::{JujuModel, Life, Unit};

/// No clock runs in a model: everything is as it is since then.
const SINCE: &str = "2026-01-01 00:00:00Z";

/// What the model is to be: the application's units and, by endpoint, the applications and units of the other side.
///
/// Subordinates see no units of their own application, since units are kept only where the principal is the caller
/// itself; peer relations are left out (`apiserver/facades/agent/uniter`, `goalstate.go`).
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    call.arguments.at_most(0)?;
    let model = &*call.model;
    let unit = call.unit()?;
    let mut units = Map::new();
    if unit.principal.is_none() {
        for name in model.units_of(&unit.application) {
            add_unit(model, &mut units, name);
        }
    }
    let mut relations: Map<String, Value> = Map::new();
    for relation in model
        .relations
        .values()
        .filter(|relation| !relation.is_peer())
    {
        let (Some(end), Some(remote)) = (
            relation.end(&unit.application),
            relation.remote_application(&unit.application),
        ) else {
            continue;
        };
        let entries = relations
            .entry(end.endpoint.clone())
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(entries) = entries else {
            continue;
        };
        let status = match relation.life {
            Life::Alive => "joined",
            Life::Dying => "dying",
        };
        entries.insert(
            remote.to_owned(),
            json!({ "status": status, "since": SINCE }),
        );
        for name in model.units_of(remote) {
            add_unit(model, entries, name);
        }
    }
    let goal = json!({ "units": units, "relations": relations });
    call.print_as("yaml", &goal)
}

fn add_unit(model: &JujuModel, entries: &mut Map<String, Value>, name: &str) {
    let Some(unit) = model.units.get(name) else {
        return;
    };
    let status = if Unit::is_dying(unit) {
        "dying"
    } else {
        unit.status.status.as_str()
    };
    entries.insert(name.to_owned(), json!({ "status": status, "since": SINCE }));
}
