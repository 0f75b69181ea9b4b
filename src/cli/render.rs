//! `render FABRIC`: the objects that the options ask for.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::fabric::{Fabric, FabricUnit};
use super::{FabricArguments, Failed, fail, print, print_json, refuse, wrong_usage};
use crate::config::CharmConfig;
use crate::config::yaml::to_document;
use crate::model::{ClusterIntent, Intent};
use crate::plan::{Step, plan_pools};
use crate::render::{
    Desired, DesiredNode, FIELD_MANAGER, Group, LABEL_MODEL, Owner, bgp_configuration, bgp_peers,
    node,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    fabric: FabricArguments,
    /// Only what this unit writes; the leader writes what concerns the whole cluster as well
    #[arg(long, value_name = "UNIT")]
    unit: Option<String>,
    /// Calico's API group: the CRDs themselves, or Calico's API server
    #[arg(long, value_enum, default_value = "v1")]
    api_version: ApiVersion,
    /// Format
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ApiVersion {
    /// crd.projectcalico.org/v1
    V1,
    /// projectcalico.org/v3
    V3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One document an object, each with a comment
    Yaml,
    /// A Kubernetes List
    Json,
}

impl ApiVersion {
    fn group(self) -> Group {
        match self {
            Self::V1 => Group::V1,
            Self::V3 => Group::V3,
        }
    }
}

/// One object to print, and who asked for it.
struct Rendered {
    object: Value,
    comment: String,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let json = arguments.output == Format::Json;
    let fabric = arguments.fabric.read(json)?;
    let config = fabric
        .config()
        .map_err(|diagnostics| refuse(&fabric.files, &diagnostics, json))?;
    let units = chosen(&fabric, arguments.unit.as_deref())?;
    let objects = objects(&fabric, &config, &units, arguments.api_version.group())
        .map_err(|message| fail(&message, json))?;
    if json {
        let items: Vec<Value> = objects.into_iter().map(|one| one.object).collect();
        print_json(&json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
    } else {
        print(&yaml(&objects).map_err(|message| fail(&message, json))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen<'a>(fabric: &'a Fabric, name: Option<&str>) -> Result<Vec<&'a FabricUnit>, Failed> {
    let Some(name) = name else {
        return Ok(fabric.units.iter().collect());
    };
    let found = fabric.unit(name).ok_or_else(|| {
        wrong_usage(&format!(
            "there is no unit {name} in FABRIC, which has {}",
            fabric.unit_names()
        ))
    })?;
    Ok(vec![found])
}

fn objects(
    fabric: &Fabric,
    config: &CharmConfig,
    units: &[&FabricUnit],
    group: Group,
) -> Result<Vec<Rendered>, String> {
    // The model's UUID is Juju's to know: without its label an object is still taken for the charm's own when it was
    // applied by the charm's field manager.
    let owner = Owner {
        model: String::new(),
        application: fabric.application.clone(),
    };
    let mut found = Vec::new();
    if let Some(leader) = units.iter().find(|unit| unit.leader) {
        let cluster = ClusterIntent::new(config);
        found.push(desired(bgp_configuration(&cluster, &owner), leader, group));
        let pools = plan_pools(cluster.pools().unwrap_or_default(), &owner, &[], &[])
            .map_err(|blocked| blocked.message)?;
        found.extend(pools.into_iter().filter_map(|step| match step {
            Step::Apply { desired: pool, .. } => Some(desired(pool, leader, group)),
            _ => None,
        }));
    }
    for unit in units {
        let intent =
            Intent::new(config, &unit.facts("")).map_err(|problems| problems.to_string())?;
        found.extend(annotations(
            &node(&intent, &owner, None, unit.node.clone()),
            unit,
        ));
        found.extend(
            bgp_peers(&intent, &owner, &unit.node)
                .into_iter()
                .map(|peer| desired(peer, unit, group)),
        );
    }
    Ok(found)
}

fn desired(mut desired: Desired, unit: &FabricUnit, group: Group) -> Rendered {
    desired.labels.remove(LABEL_MODEL);
    let reasons: BTreeSet<&str> = desired
        .reasons
        .iter()
        .filter(|(field, _)| desired.spec.contains_key(*field))
        .map(|(_, reason)| reason.as_str())
        .collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    Rendered {
        comment: comment(unit, &reasons.join(", ")),
        object: desired.manifest(group),
    }
}

/// A Node with nothing but the annotations that Calico reads; the charm's own records are left to its hooks.
fn annotations(desired: &DesiredNode, unit: &FabricUnit) -> Option<Rendered> {
    let set: Vec<(&str, &String)> = desired
        .settings
        .iter()
        .filter_map(|(key, value)| Some((*key, value.as_ref()?)))
        .collect();
    if set.is_empty() {
        return None;
    }
    let reasons = set
        .iter()
        .filter_map(|(key, _)| desired.reasons.get(key).map(String::as_str));
    let reasons: Vec<&str> = reasons.collect();
    let annotations: serde_json::Map<String, Value> = set
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
        .collect();
    Some(Rendered {
        comment: comment(unit, &reasons.join(", ")),
        object: json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": desired.name.to_string(), "annotations": annotations},
        }),
    })
}

fn comment(unit: &FabricUnit, reasons: &str) -> String {
    format!("{} ({reasons})", unit.unit)
}

fn yaml(objects: &[Rendered]) -> Result<String, String> {
    let mut text =
        format!("# kubectl apply --server-side --field-manager={FIELD_MANAGER} -f THIS\n");
    for Rendered { object, comment } in objects {
        let object = to_document(object).map_err(|error| error.to_string())?;
        // Writing to a String cannot fail.
        let _ = write!(text, "---\n# {comment}\n{object}");
    }
    Ok(text)
}
