//! `plan FABRIC`: what the units would write to a live cluster. Reads only.

mod cluster;
mod compare;
mod effects;
mod lookup;
#[cfg(test)]
mod tests;
mod text;
mod to_json;
mod waves;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::check::Sources;
use super::diagnostics::{Diagnostic, listed};
use super::fabric::Fabric;
use super::fold::FOLDED_ABOVE;
use super::{FabricArguments, Failed, Output, fail, print, print_json, refuse, runtime};
use crate::cluster::connect;
use crate::config::CharmConfig;
use crate::plan::PlanDigest;
use compare::Comparison;

/// Exit status of `--detailed-exitcode` when there are changes.
const CHANGES: u8 = 2;

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
    /// Fail unless the plan is still the one that ended with this digest
    #[arg(long, value_name = "DIGEST")]
    expect: Option<PlanDigest>,
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
    let shown = Shown {
        digest: digest(&fabric, &config, &comparison),
        fabric: &fabric,
        comparison: &comparison,
    };
    let stale = arguments.expect.as_ref();
    let stale = stale.and_then(|expected| expected.stale(&shown.digest));
    if json {
        print_json(&to_json::document(&shown, stale))?;
    } else {
        let fold = !arguments.all && fabric.units.len() > FOLDED_ABOVE;
        print(&shown.text(fold, std::io::stdout().is_terminal()))?;
    }
    match stale {
        Some(_) if json => return Err(ExitCode::FAILURE),
        Some(reason) => return Err(fail(reason, false)),
        None => {}
    }
    Ok(match (arguments.detailed_exitcode, comparison.is_empty()) {
        (true, false) => ExitCode::from(CHANGES),
        _ => ExitCode::SUCCESS,
    })
}

/// What the plan was made from.
fn digest(fabric: &Fabric, config: &CharmConfig, comparison: &Comparison) -> PlanDigest {
    let options = format!("{} {config:?}", fabric.application);
    PlanDigest::new(&options, &comparison.seen)
}

/// All that is shown.
struct Shown<'a> {
    fabric: &'a Fabric,
    comparison: &'a Comparison,
    digest: PlanDigest,
}

impl Shown<'_> {
    fn text(&self, fold: bool, colours: bool) -> String {
        let Fabric {
            application, units, ..
        } = self.fabric;
        let mut text = text::text(application, units.len(), self.comparison, fold);
        text.push('\n');
        let findings = self.diagnostics();
        text.push_str(&listed(&self.fabric.files, &findings, colours));
        text + &format!("digest {}\n", self.digest)
    }

    /// What is wrong with the changes, each at its place in the files.
    fn diagnostics(&self) -> Vec<Diagnostic> {
        let sources = Sources::of(self.fabric);
        let effects = self.comparison.effects.iter();
        let findings = effects.flat_map(|effects| &effects.findings);
        findings
            .map(|finding| sources.diagnostic(finding))
            .collect()
    }
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
