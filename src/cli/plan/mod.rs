//! `plan FABRIC`: what the units would write to a live cluster. Reads only.

mod cluster;
mod compare;
mod lookup;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::fold::{self, Entry, FOLDED_ABOVE};
use super::{
    FabricArguments, Failed, Output, counted, document, fail, print, print_json, refuse, runtime,
};
use crate::cluster::connect;
use crate::plan::{Action, Change, Changes, FieldChange};
use compare::Comparison;

/// Exit status of `--detailed-exitcode` when there are changes.
const CHANGES: u8 = 2;

/// How many obstacles are listed when the list is folded.
const MOST_BLOCKED: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    fabric: FabricArguments,
    /// The cluster's kubeconfig [default: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// List every object by itself, however many units there are
    #[arg(long)]
    all: bool,
    /// Format
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let json = arguments.output == Output::Json;
    let fabric = arguments.fabric.read(json)?;
    let config = fabric
        .config()
        .map_err(|diagnostics| refuse(&fabric.files, &diagnostics, json))?;
    let path = kubeconfig(arguments.kubeconfig.clone()).ok_or_else(|| {
        fail(
            "no kubeconfig: give --kubeconfig, or set KUBECONFIG or HOME",
            json,
        )
    })?;
    let comparison = runtime()?.block_on(async {
        let client = connect(&path)
            .await
            .map_err(|error| super::hook::chain(&error))?;
        let observed = cluster::observe(client, &config)
            .await
            .map_err(|error| format!("cannot read the cluster of {}: {error}", path.display()))?;
        compare::compare(&fabric, &config, &observed)
    });
    let comparison = comparison.map_err(|message| fail(&message, json))?;
    let fold = !arguments.all && fabric.units.len() > FOLDED_ABOVE;
    if json {
        print_json(&to_json(
            &fabric.application,
            fabric.units.len(),
            &comparison,
        ))?;
    } else {
        print(&to_text(
            &fabric.application,
            fabric.units.len(),
            &comparison,
            fold,
        ))?;
    }
    Ok(match (arguments.detailed_exitcode, comparison.is_empty()) {
        (true, false) => ExitCode::from(CHANGES),
        _ => ExitCode::SUCCESS,
    })
}

fn kubeconfig(given: Option<PathBuf>) -> Option<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    given
        .or_else(|| variable("KUBECONFIG"))
        .or_else(|| variable("HOME").map(|home| home.join(".kube/config")))
}

const LEGEND: &str = "  + create   ~ change   - delete   ! needs you first\n";

fn to_text(application: &str, units: usize, comparison: &Comparison, fold: bool) -> String {
    let count = |action| {
        comparison
            .changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    };
    let mut text = format!(
        "{application}, {}: {} to create, {} to change, {} to delete",
        counted(units, "unit"),
        count(Action::Create),
        count(Action::Change),
        count(Action::Delete),
    );
    if !comparison.blocked.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {} in the way", comparison.blocked.len());
    }
    text.push('\n');
    if comparison.changes.is_empty() && comparison.blocked.is_empty() {
        text.push_str("The cluster is as the options ask.\n");
    } else {
        text.push_str(LEGEND);
        text.push('\n');
        let entries: Vec<Entry> = comparison.changes.iter().map(entry).collect();
        for line in fold::lines(&entries, application, fold) {
            text.push_str(&line);
            text.push('\n');
        }
        let shown = if fold { MOST_BLOCKED } else { usize::MAX };
        for blocked in comparison.blocked.iter().take(shown) {
            let _ = write!(text, "! {}\n    {}\n", blocked.message, blocked.remedy);
        }
        let more = comparison.blocked.len().saturating_sub(shown);
        if more > 0 {
            let _ = writeln!(text, "! and {more} more: --all");
        }
    }
    if !comparison.records.is_empty() {
        let _ = write!(
            text,
            "\nThe charm's own labels and records change on {}; that is no change to Calico.\n",
            counted(comparison.records.len(), "object")
        );
    }
    text
}

fn entry(change: &Change) -> Entry {
    Entry {
        symbol: change.action.symbol(),
        kind: change.kind.clone(),
        name: change.name.clone(),
        text: match &change.because {
            Some(because) => because.clone(),
            None => fields(change),
        },
    }
}

/// The fields with the option that asked for them, once for neighbours with the same. What a new peer's name says
/// already is left out.
fn fields(change: &Change) -> String {
    let told_by_name = |field: &FieldChange| {
        change.action == Action::Create
            && change.kind == "BGPPeer"
            && matches!(field.field.as_str(), "node" | "peerIP")
    };
    let shown: Vec<FieldChange> = change
        .fields
        .iter()
        .filter(|field| !told_by_name(field))
        .cloned()
        .collect();
    Changes(&shown).to_string()
}

fn to_json(application: &str, units: usize, comparison: &Comparison) -> Value {
    let changes: Vec<Value> = comparison
        .changes
        .iter()
        .map(|change| {
            let mut json = json!({
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
        })
        .collect();
    let blocked: Vec<Value> = comparison
        .blocked
        .iter()
        .map(|blocked| json!({"message": blocked.message, "remedy": blocked.remedy}))
        .collect();
    document(json!({
        "application": application,
        "units": units,
        "changes": changes,
        "blocked": blocked,
        "records": comparison.records.len(),
    }))
}

#[cfg(test)]
mod text_tests {
    use super::*;
    use crate::plan::Blocked;

    fn field(name: &str, from: Option<&str>, to: &str, because: &str) -> FieldChange {
        FieldChange {
            field: name.into(),
            from: from.map(str::to_owned),
            to: Some(to.into()),
            because: Some(because.into()),
            taken_from: vec![],
        }
    }

    fn comparison() -> Comparison {
        let change = |action, kind: &str, name: &str, fields| Change {
            action,
            kind: String::from(kind),
            name: name.into(),
            unit: None,
            fields,
            because: None,
        };
        Comparison {
            changes: vec![
                change(
                    Action::Change,
                    "BGPConfiguration",
                    "default",
                    vec![field(
                        "nodeToNodeMeshEnabled",
                        Some("true"),
                        "false",
                        "node-to-node-mesh",
                    )],
                ),
                change(
                    Action::Create,
                    "BGPPeer",
                    "calico-0-10.0.0.1",
                    vec![
                        field("asNumber", None, "64512", "unit-bgp-peers: 0[0]"),
                        field("node", None, "a", "unit-bgp-peers: 0[0]"),
                        field("peerIP", None, "10.0.0.1", "unit-bgp-peers: 0[0]"),
                    ],
                ),
                Change {
                    because: Some("no option asks for it any more".into()),
                    ..change(Action::Delete, "BGPPeer", "calico-0-10.0.0.9", vec![])
                },
            ],
            blocked: vec![Blocked {
                message: "BGPPeer x is not this charm's".into(),
                remedy: "delete it".into(),
            }],
            records: ["Node a".to_owned()].into(),
        }
    }

    #[test]
    fn the_text_starts_with_totals() {
        assert_eq!(
            to_text("calico", 1, &comparison(), false),
            "calico, 1 unit: 1 to create, 1 to change, 1 to delete, 1 in the way\n\
             \x20 + create   ~ change   - delete   ! needs you first\n\n\
             ~ BGPConfiguration default   nodeToNodeMeshEnabled true → false (node-to-node-mesh)\n\
             + BGPPeer calico-0-10.0.0.1  asNumber 64512 (unit-bgp-peers: 0[0])\n\
             - BGPPeer calico-0-10.0.0.9  no option asks for it any more\n\
             ! BGPPeer x is not this charm's\n    delete it\n\n\
             The charm's own labels and records change on 1 object; that is no change to Calico.\n"
        );
        let nothing = Comparison::default();
        assert_eq!(
            to_text("calico", 2, &nothing, false),
            "calico, 2 units: 0 to create, 0 to change, 0 to delete\nThe cluster is as the options ask.\n"
        );
    }

    #[test]
    fn neighbours_share_their_reason() {
        let change = Change {
            action: Action::Create,
            kind: "IPPool".into(),
            name: "ipv4".into(),
            unit: None,
            fields: vec![
                field("ipipMode", None, "Always", "ipip"),
                field("vxlanMode", None, "Never", "ipip"),
                field("cidr", None, "10.0.0.0/8", "cidr"),
            ],
            because: None,
        };
        assert_eq!(
            fields(&change),
            "ipipMode Always, vxlanMode Never (ipip), cidr 10.0.0.0/8 (cidr)"
        );
    }

    #[test]
    fn json_has_every_field() {
        let json = to_json("calico", 1, &comparison());
        assert_eq!(json["format_version"], 1);
        assert_eq!(json["changes"][0]["fields"][0]["from"], "true");
        assert_eq!(json["changes"][1]["fields"][2]["field"], "peerIP");
        assert_eq!(
            json["changes"][2]["because"],
            "no option asks for it any more"
        );
        assert_eq!(json["blocked"][0]["remedy"], "delete it");
    }
}
