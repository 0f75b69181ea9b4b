//! The plan for programs.

use serde_json::{Value, json};

use super::Shown;
use super::waves::Planned;
use crate::cli::document as versioned;
use crate::fabric::{Difference, Effect, ReachChange, SessionChange};
use crate::plan::DoomedPool;
use crate::rollout::Declared;

/// The whole plan; `stale` says why it is not the one that was expected.
pub(super) fn document(shown: &Shown<'_>, stale: Option<&str>) -> Value {
    let comparison = shown.comparison;
    let changes: Vec<Value> = comparison.changes.iter().map(change).collect();
    let blocked: Vec<Value> = comparison
        .blocked
        .iter()
        .map(|blocked| json!({"message": blocked.message, "remedy": blocked.remedy}))
        .collect();
    let findings = shown.diagnostics();
    let findings: Vec<Value> = findings
        .iter()
        .map(|one| one.json(&shown.fabric.files))
        .collect();
    let mut fields = json!({
        "application": shown.fabric.application,
        "units": shown.fabric.units.len(),
        "changes": changes,
        "blocked": blocked,
        "records": comparison.records.len(),
        "cuts": comparison.cuts.iter().map(Declared::json).collect::<Vec<_>>(),
        "doomed_pools": comparison.doomed.iter().map(doomed).collect::<Vec<_>>(),
        "findings": findings,
        "digest": shown.digest.to_string(),
    });
    if let Some(effects) = &comparison.effects {
        fields["sessions"] = sessions(effects);
        fields["pairs"] = pairs(effects);
    }
    if let Some(stale) = stale {
        fields["stale"] = stale.into();
    }
    versioned(fields)
}

fn change(Planned { wave, change }: &Planned) -> Value {
    let mut json = json!({
        "wave": wave.number(),
        "action": change.action.as_str(),
        "kind": change.kind,
        "name": change.name,
        "unit": change.unit,
        "fields": change.fields,
    });
    if let Some(because) = &change.because {
        json["because"] = because.as_str().into();
    }
    json
}

fn doomed(pool: &DoomedPool) -> Value {
    json!({
        "name": pool.name,
        "cidr": pool.cidr,
        "addresses": pool.usage.workloads,
        "nodes": pool.usage.nodes.keys().collect::<Vec<_>>(),
    })
}

fn sessions(effects: &Difference) -> Value {
    let totals = effects.sessions;
    json!({
        "kept": totals.kept,
        "restarted": totals.restarted,
        "lost": totals.lost,
        "gained": totals.gained,
        "changes": effects.changed.iter().map(session).collect::<Vec<_>>(),
    })
}

fn session(change: &SessionChange) -> Value {
    let (effect, reason) = match change.effect {
        Effect::Lost => ("lost", None),
        Effect::Restarted(reason) => ("restarted", Some(reason.as_str())),
        Effect::Gained => ("gained", None),
    };
    json!({
        "effect": effect,
        "reason": reason,
        "family": change.family.to_string(),
        "before": change.before.map(crate::fabric::Kind::as_str),
        "after": change.after.map(crate::fabric::Kind::as_str),
        "near": change.near,
        "far": change.far,
        "origin": change.origin.to_string(),
        "sessions": change.sessions,
    })
}

fn pairs(effects: &Difference) -> Value {
    let (lost, gained) = effects.pairs();
    let changes = effects.reach.as_deref();
    json!({
        "computed": changes.is_some(),
        "lost": lost,
        "gained": gained,
        "changes": changes.unwrap_or_default().iter().map(reach).collect::<Vec<_>>(),
    })
}

fn reach(change: &ReachChange) -> Value {
    json!({
        "effect": if change.gained { "gained" } else { "lost" },
        "family": change.family.to_string(),
        "from": change.from,
        "to": change.to,
        "pairs": change.pairs,
        "without": crate::cli::check::ending(change.fate),
    })
}
