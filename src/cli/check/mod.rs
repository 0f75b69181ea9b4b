//! `check FABRIC`: what the fabric comes to before anything is applied. With `--kubeconfig` what is in the cluster already
//! counts too, and without FABRIC what is there is checked as it is.

pub(super) mod live;
mod networks;
mod report;
mod sessions;
mod sources;
#[cfg(test)]
mod tests;
mod to_json;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::diagnostics::Diagnostic;
use super::fabric::Fabric;
use super::{FabricArguments, Failed, Output, fail, print, print_json, refuse};
use crate::config::CharmConfig;
use crate::fabric::{
    Assumption, Budget, Checked, FabricFacts, Severity, Topology, UnitOnNode, Verdict, check,
    topology,
};

use live::Cluster;
pub(super) use report::ending;
pub(super) use sources::Sources;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Options and units, as for the other commands; may be left out with --kubeconfig, which then checks what is in the
    /// cluster as it is
    #[arg(value_name = "FABRIC", required_unless_present = "kubeconfig")]
    files: Vec<String>,
    /// A cluster's kubeconfig: BGP peers, filters and machines that no option speaks of are taken from there
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    view: View,
}

/// How the result is shown.
#[derive(Debug, Args)]
pub(super) struct View {
    /// List every session and whether it comes up; machines that nothing tells apart on one line above 60
    #[arg(long)]
    sessions: bool,
    /// Format
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

impl View {
    fn is_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let view = &arguments.view;
    let cluster = arguments.kubeconfig.as_deref().map(Cluster::read);
    let cluster = cluster
        .transpose()
        .map_err(|message| fail(&message, view.is_json()))?;
    if let (true, Some(cluster)) = (arguments.files.is_empty(), &cluster) {
        return show(&cluster.topology(None), &Sources::default(), view);
    }
    let files = arguments.files.clone();
    let fabric = FabricArguments { files }.read(view.is_json())?;
    let wanted = wanted(&fabric).map_err(|problems| refuse_options(&fabric, &problems, view))?;
    let topology = match &cluster {
        Some(cluster) => cluster.merged(wanted),
        None => wanted,
    };
    show(&topology, &Sources::of(&fabric), view)
}

/// The fabric that the options ask for.
///
/// # Errors
/// What is wrong with the options, each at its place in the files.
pub(super) fn wanted(fabric: &Fabric) -> Result<Topology, Vec<Diagnostic>> {
    let config = CharmConfig::parse_strict(fabric.options.raw(), &fabric.application)
        .map_err(|problems| fabric.options.diagnostics(&fabric.files, &problems))?;
    let facts = facts(fabric);
    let mut wanted = topology(&config, &facts).map_err(|problems| {
        // One diagnostic for all units that have the problem.
        let grouped = fabric.config().err();
        grouped.unwrap_or_else(|| fabric.options.diagnostics(&fabric.files, &problems))
    })?;
    if fabric.units.iter().any(|unit| !unit.unplaced.is_empty()) {
        wanted.guessed.push(Assumption::SubnetsUnknown);
    }
    Ok(wanted)
}

fn facts(fabric: &Fabric) -> FabricFacts {
    let networks = networks::guessed(&fabric.units);
    let units = fabric.units.iter().map(|unit| UnitOnNode {
        unit: unit.unit.clone(),
        node: unit.node.to_string(),
        addresses: networks::placed(&unit.addresses, &networks),
        zone: unit.zone.clone(),
        gateway: unit.gateway,
    });
    let routers = fabric.routers.iter().map(super::fabric::Router::to_fabric);
    FabricFacts {
        units: units.collect(),
        routers: routers.collect(),
        ..FabricFacts::default()
    }
}

/// Options that are wrong by themselves: nothing is checked.
fn refuse_options(fabric: &Fabric, problems: &[Diagnostic], view: &View) -> Failed {
    if !view.is_json() {
        return refuse(&fabric.files, problems, false);
    }
    match print_json(&to_json::refused(&fabric.files, problems)) {
        Ok(()) => ExitCode::FAILURE,
        Err(failed) => failed,
    }
}

/// Checks a fabric, from files or from a cluster, and shows what comes of it.
pub(super) fn show(
    topology: &Topology,
    sources: &Sources<'_>,
    view: &View,
) -> Result<ExitCode, Failed> {
    let checked = check(topology, Budget::COMMAND);
    if view.is_json() {
        print_json(&to_json::document(&checked, sources, view.sessions))?;
    } else {
        let colours = std::io::stdout().is_terminal();
        print(&report::text(&checked, sources, view.sessions, colours))?;
    }
    Ok(status(&checked))
}

/// 1 where there are errors, or where a verdict is that something does not hold.
fn status(checked: &Checked<'_>) -> ExitCode {
    let verdicts = [Some(&checked.reach.nodes), checked.reach.routers.as_ref()];
    let refuted = |verdict: &Verdict| matches!(verdict, Verdict::Refuted { .. });
    if checked.of_severity(Severity::Error).next().is_some()
        || verdicts.into_iter().flatten().any(refuted)
    {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
