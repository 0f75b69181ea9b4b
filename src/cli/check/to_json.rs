//! The check for programs.

use serde_json::{Value, json};

use super::report::speaker;
use super::sessions::{self, Counts};
use super::sources::Sources;
use crate::cli::diagnostics::Diagnostic;
use crate::cli::document as versioned;
use crate::cli::fabric::SourceFile;
use crate::fabric::{Assumption, Checked, Fate, Finding, Origin, Severity, Verdict};

/// The whole result.
pub(super) fn document(checked: &Checked<'_>, sources: &Sources<'_>, list_sessions: bool) -> Value {
    let reach = &checked.reach;
    let counts = Counts::of(checked);
    let findings: Vec<Value> = checked
        .findings
        .iter()
        .map(|finding| finding_json(finding, sources))
        .collect();
    let routers = checked.sessions.routers.len();
    let mut fields = json!({
        "application": sources.application(),
        "units": checked.topology.nodes.len(),
        "routers": routers,
        "classes": checked.classes.len().saturating_sub(routers),
        "errors": checked.of_severity(Severity::Error).count(),
        "warnings": checked.of_severity(Severity::Warning).count(),
        "findings": findings,
        "sessions": {"up": counts.up, "assumed": counts.assumed, "down": counts.down},
        "verdicts": {
            "nodes": verdict_json(checked, &reach.nodes, reach.node_pairs),
            "routers": reach.routers.as_ref()
                .map(|verdict| verdict_json(checked, verdict, reach.router_pairs)),
        },
        "assumptions": checked.assumptions.iter().map(|one| assumption_json(*one)).collect::<Vec<_>>(),
    });
    if list_sessions {
        fields["session_list"] = sessions::to_json(checked);
    }
    versioned(fields)
}

/// Options that are wrong by themselves: there is nothing to give a verdict on.
pub(super) fn refused(files: &[SourceFile], problems: &[Diagnostic]) -> Value {
    let findings: Vec<Value> = problems.iter().map(|one| one.json(files)).collect();
    versioned(json!({
        "errors": findings.len(),
        "warnings": 0,
        "findings": findings,
        "verdicts": null,
    }))
}

fn finding_json(finding: &Finding, sources: &Sources<'_>) -> Value {
    let mut json = sources.diagnostic(finding).json(sources.files());
    json["units"] = json!(finding.units);
    match &finding.origin {
        Origin::Option(_) => {}
        Origin::Object { kind, name } => json["object"] = json!({"kind": kind, "name": name}),
        Origin::Router(name) => json["router"] = name.as_str().into(),
        Origin::Unit(unit) => json["unit"] = unit.to_string().into(),
    }
    let folded = finding.folded.iter();
    json["folded"] = folded.map(|one| finding_json(one, sources)).collect();
    json
}

fn verdict_json(checked: &Checked<'_>, verdict: &Verdict, (pairs, good): (u64, u64)) -> Value {
    let mut json = json!({"verdict": word(verdict), "pairs": pairs, "good": good});
    match verdict {
        Verdict::Proved => {}
        Verdict::ProvedIf(assumptions) => {
            json["if"] = assumptions.iter().map(|one| name(*one)).collect();
        }
        Verdict::Refuted {
            from,
            to,
            fate,
            way,
        } => {
            json["from"] = speaker(checked, *from).into();
            json["to"] = speaker(checked, *to).into();
            json["fate"] = fate_word(*fate).into();
            json["way"] = way.iter().map(|hop| speaker(checked, *hop)).collect();
        }
        Verdict::NotModelled(why) => json["why"] = why.as_str().into(),
    }
    json
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Proved => "proved",
        Verdict::ProvedIf(_) => "proved-if",
        Verdict::Refuted { .. } => "refuted",
        Verdict::NotModelled(_) => "not-modelled",
    }
}

fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "delivered",
        Fate::ByDefaultRoute => "by-default-route",
        Fate::Hairpin => "hairpin",
        Fate::NoRoute => "no-route",
        Fate::Loop => "loop",
        Fate::Unresolved => "unresolved",
        Fate::TunnelToRouter => "tunnel-to-router",
        Fate::NoAddress => "no-address",
    }
}

fn assumption_json(assumption: Assumption) -> Value {
    json!({"name": name(assumption), "sentence": assumption.sentence()})
}

fn name(assumption: Assumption) -> String {
    let mut name = String::new();
    for char in format!("{assumption:?}").chars() {
        if char.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(char.to_ascii_lowercase());
    }
    name
}
