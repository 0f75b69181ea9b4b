//! `simulate FABRIC`: every unit's hooks against a Kubernetes API in this process.

mod history;
mod progress;
mod view;

use std::process::ExitCode;
use std::time::Instant;

use clap::Args;

use super::fabric::{Fabric, FabricUnit};
use super::{
    FabricArguments, Failed, Output, fail, hook, print, print_json, refuse, runtime, wrong_usage,
};
use crate::sim::history::Faults;
use crate::sim::run::{Scenario, ScenarioUnit, run as run_scenario};
use progress::ProgressBar;
use view::{Shown, View};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    fabric: FabricArguments,
    /// Show what this unit does
    #[arg(long, value_name = "UNIT", conflicts_with = "all")]
    unit: Option<String>,
    /// Show what every unit does, however many there are
    #[arg(long)]
    all: bool,
    /// Let hooks run side by side and things go wrong, as this number has it: the same one gives the same history
    #[arg(long, value_name = "N", conflicts_with = "unit")]
    seed: Option<u64>,
    /// What may go wrong with a seed: `all`, `none`, or some of crash,leader,api,juju,others,config,membership
    #[arg(long, value_name = "FAULTS", default_value = "all", requires = "seed")]
    faults: Faults,
    /// With a seed: begin with FABRIC at rest, and change it to the options and units of this file
    #[arg(long, value_name = "FABRIC", requires = "seed")]
    to: Option<String>,
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
    if let Some(seed) = arguments.seed {
        return history::run(arguments, &fabric, seed);
    }
    let shown = shown(arguments, &fabric)?;
    let started = Instant::now();
    let mut bar = ProgressBar::new(started);
    let scenario = scenario(&fabric);
    let mut progress = |done, of| bar.show(done, of);
    let outcome = runtime()?.block_on(run_scenario(&scenario, &mut progress));
    bar.clear();
    let outcome = outcome.map_err(|error| fail(&hook::chain(&error), json))?;
    let view = View::new(&fabric, &config, &outcome)
        .map_err(|problems| fail(&problems.to_string(), json))?;
    if json {
        print_json(&view.json())?;
    } else {
        print(&view.text(shown, started.elapsed()))?;
    }
    Ok(if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn shown<'a>(arguments: &Arguments, fabric: &'a Fabric) -> Result<Shown<'a>, Failed> {
    let Some(name) = &arguments.unit else {
        return Ok(if arguments.all {
            Shown::Everything
        } else {
            Shown::Readable
        });
    };
    let unit = fabric.unit(name).ok_or_else(|| {
        let units = fabric.unit_names();
        wrong_usage(&format!(
            "there is no unit {name} in FABRIC, which has {units}"
        ))
    })?;
    Ok(Shown::Unit(unit))
}

/// What is simulated of a fabric: all of it but the routers.
pub(super) fn scenario(fabric: &Fabric) -> Scenario {
    let unit = |unit: &FabricUnit| ScenarioUnit {
        unit: unit.unit.clone(),
        principal: unit.principal.clone(),
        node: unit.node.clone(),
        addresses: unit.addresses.clone(),
        leader: unit.leader,
        zone: unit.zone.clone(),
    };
    Scenario {
        application: fabric.application.clone(),
        options: fabric.options.texts(),
        units: fabric.units.iter().map(unit).collect(),
    }
}
