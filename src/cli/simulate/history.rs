//! `simulate FABRIC --seed N`: one history, step by step.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Arguments, scenario};
use crate::cli::fabric::{self, Fabric, Refused};
use crate::cli::{Failed, Output, document, fail, print, print_json, refuse};
use crate::sim::history::invariant::{self, Facts};
use crate::sim::history::scene::Violation;
use crate::sim::history::{Change, Counts, Happening, Stage, Story};

/// Tells the history of a seed.
pub(super) fn run(arguments: &Arguments, fabric: &Fabric, seed: u64) -> Result<ExitCode, Failed> {
    let json = arguments.output == Output::Json;
    let story = match &arguments.to {
        None => first_configuration(arguments, fabric),
        Some(file) => change(arguments, fabric, &read(file, json)?),
    };
    let told = Stage::new(story).and_then(|stage| {
        stage.run(
            seed,
            arguments.faults,
            &mut *invariant::all(Facts::default()),
        )
    });
    let (counts, happenings, violations) = match told {
        Ok(summary) => (Some(summary.counts), summary.happenings, Vec::new()),
        Err(failure) => (None, failure.happenings, failure.violations),
    };
    if json {
        print_json(&to_json(seed, &happenings, &violations))?;
    } else {
        print(&to_text(
            seed,
            &happenings,
            arguments.all,
            counts,
            &violations,
        ))?;
    }
    Ok(if violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &str, json: bool) -> Result<Fabric, Failed> {
    let fabric = fabric::read(&[file.to_owned()])
        .map_err(|Refused { files, diagnostics }| refuse(&files, &diagnostics, json))?;
    fabric
        .config()
        .map_err(|diagnostics| refuse(&fabric.files, &diagnostics, json))?;
    if fabric.units.is_empty() {
        return Err(fail(&format!("{file}: --to needs units"), json));
    }
    Ok(fabric)
}

/// Everybody is at rest with Juju's defaults, and the file's options are set.
fn first_configuration(arguments: &Arguments, fabric: &Fabric) -> Story {
    let set = scenario(fabric).options;
    let steps = vec![Change::Config {
        set,
        reset: Vec::new(),
    }];
    story(arguments, fabric, Vec::new(), steps)
}

/// The units of the one file become those of the other, and so do the options.
fn change(arguments: &Arguments, fabric: &Fabric, next: &Fabric) -> Story {
    let (from, to) = (scenario(fabric), scenario(next));
    let wanted: BTreeSet<&str> = to.options.iter().map(|(name, _)| name.as_str()).collect();
    let left = from.options.iter().map(|(name, _)| name.clone());
    let reset = left
        .filter(|name| !wanted.contains(name.as_str()))
        .collect();
    let is_in =
        |units: &[crate::sim::run::ScenarioUnit], node| units.iter().any(|unit| unit.node == node);
    let mut steps = vec![Change::Config {
        set: to.options.clone(),
        reset,
    }];
    let coming = to.units.iter();
    let coming = coming.filter(|unit| !is_in(&from.units, unit.node.clone()));
    steps.extend(coming.cloned().map(Change::AddUnit));
    let going = from.units.iter();
    let going = going.filter(|unit| !is_in(&to.units, unit.node.clone()));
    steps.extend(going.map(|unit| Change::RemoveUnit {
        unit: unit.unit.clone(),
        forced: false,
    }));
    story(arguments, fabric, from.options.clone(), steps)
}

fn story(
    arguments: &Arguments,
    fabric: &Fabric,
    options: Vec<(String, String)>,
    steps: Vec<Change>,
) -> Story {
    Story {
        name: arguments.fabric.files.join(" "),
        application: fabric.application.clone(),
        units: scenario(fabric).units,
        routers: fabric
            .routers
            .iter()
            .map(fabric::Router::to_fabric)
            .collect(),
        installed: true,
        options,
        settled: true,
        steps,
    }
}

fn to_text(
    seed: u64,
    happenings: &[Happening],
    all: bool,
    counts: Option<Counts>,
    violations: &[Violation],
) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (number, happening) in happenings.iter().enumerate() {
        if all || !happening.small {
            let _ = writeln!(text, "#{number} {}", happening.text);
        }
    }
    for Violation { invariant, message } in violations {
        let _ = writeln!(text, "\nNot good: {invariant}: {message}");
    }
    if let Some(counts) = counts {
        let _ = writeln!(
            text,
            "\nGood: seed {seed} comes to rest at what the options ask for. {} hooks, {} requests, {} changes.",
            counts.hooks, counts.requests, counts.writes
        );
    }
    text
}

fn to_json(seed: u64, happenings: &[Happening], violations: &[Violation]) -> Value {
    let violations = violations
        .iter()
        .map(|violation| json!({"invariant": violation.invariant, "message": violation.message}));
    let happenings: Vec<&str> = happenings
        .iter()
        .map(|happening| happening.text.as_str())
        .collect();
    document(json!({
        "seed": seed,
        "good": violations.len() == 0,
        "happenings": happenings,
        "violations": violations.collect::<Vec<_>>(),
    }))
}
