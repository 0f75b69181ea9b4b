//! `simulate FABRIC`: every unit's hooks against a Kubernetes API in this process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::fabric::{Fabric, FabricUnit};
use super::fold::{self, Entry, FOLDED_ABOVE};
use super::{
    FabricArguments, Failed, Output, counted, document, fail, hook, print, print_json, refuse,
    runtime, wrong_usage,
};
use crate::config::{CharmConfig, Problems};
use crate::juju::tools::LogLevel;
use crate::model::{Intent, UnitName};
use crate::plan::Live;
use crate::render::{
    ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID, ANNOTATION_UNIT, BgpPeerName, Owner, bgp_peers,
    node,
};
use crate::sim::run::{Effort, Outcome, Scenario, ScenarioUnit, UnitOutcome, run as run_scenario};

/// How long a simulation runs before its progress is shown.
const PATIENCE: Duration = Duration::from_millis(500);

/// How many rows the cluster takes when it is folded.
const MOST_ROWS: usize = 60;

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
    if let Some(unit) = &arguments.unit
        && fabric.unit(unit).is_none()
    {
        return Err(wrong_usage(&format!(
            "there is no unit {unit} in FABRIC, which has {}",
            fabric.unit_names()
        )));
    }
    let started = Instant::now();
    let mut bar = ProgressBar::new(started);
    let outcome = runtime()?.block_on(run_scenario(&scenario(&fabric), &mut |done, of| {
        bar.show(done, of)
    }));
    bar.clear();
    let outcome = outcome.map_err(|error| fail(&hook::chain(&error), json))?;
    let shown = View {
        fabric: &fabric,
        outcome: &outcome,
        reasons: reasons(&fabric, &config).map_err(|error| fail(&error.to_string(), json))?,
    };
    if json {
        print_json(&shown.json())?;
    } else {
        print(&shown.text(arguments, started.elapsed()))?;
    }
    Ok(if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn scenario(fabric: &Fabric) -> Scenario {
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

/// Which option asked for a field of an object, by kind, name and field.
type Reasons = BTreeMap<(&'static str, String, String), String>;

fn reasons(fabric: &Fabric, config: &CharmConfig) -> Result<Reasons, Problems> {
    let owner = Owner {
        model: String::new(),
        application: fabric.application.clone(),
    };
    let mut reasons = Reasons::new();
    for unit in &fabric.units {
        let intent = Intent::new(config, &unit.facts(""))?;
        for peer in bgp_peers(&intent, &owner, &unit.node) {
            for (field, reason) in peer.reasons {
                reasons.insert((peer.kind.as_str(), peer.name.clone(), field), reason);
            }
        }
        let node = node(&intent, &owner, None, unit.node.clone());
        for (annotation, reason) in node.reasons {
            let key = ("Node", unit.node.to_string(), annotation.to_owned());
            reasons.insert(key, reason);
        }
    }
    Ok(reasons)
}

/// A bar on standard error, only on a terminal and only when it takes long.
struct ProgressBar {
    started: Instant,
    on_terminal: bool,
    shown_permille: Option<usize>,
}

impl ProgressBar {
    fn new(started: Instant) -> Self {
        Self {
            started,
            on_terminal: std::io::stderr().is_terminal(),
            shown_permille: None,
        }
    }

    fn show(&mut self, done: usize, of: usize) {
        let permille = done * 1000 / of.max(1);
        if !self.on_terminal
            || self.shown_permille == Some(permille)
            || self.started.elapsed() < PATIENCE
        {
            return;
        }
        self.shown_permille = Some(permille);
        // A bar that cannot be drawn is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{}", bar(done, of));
    }

    fn clear(&self) {
        if self.shown_permille.is_some() {
            let _ = write!(std::io::stderr(), "\r{:60}\r", "");
        }
    }
}

fn bar(done: usize, of: usize) -> String {
    const WIDTH: usize = 30;
    let full = done * WIDTH / of.max(1);
    format!(
        "[{}{}] {done}/{of} hooks",
        "#".repeat(full),
        ".".repeat(WIDTH - full)
    )
}

/// What is shown.
struct View<'a> {
    fabric: &'a Fabric,
    outcome: &'a Outcome,
    reasons: Reasons,
}

impl View<'_> {
    fn text(&self, arguments: &Arguments, took: Duration) -> String {
        let units = &self.outcome.units;
        let many = units.len() > FOLDED_ABOVE;
        let mut text = format!(
            "{}: {}, against a Kubernetes API in this process\n",
            self.fabric.application,
            counted(units.len(), "unit"),
        );
        let pairs = self.fabric.units.iter().zip(units);
        for (unit, outcome) in pairs {
            let wanted = match &arguments.unit {
                Some(name) => unit.unit.to_string() == *name,
                None => arguments.all || !many || !outcome.is_good(),
            };
            if wanted {
                unit_text(&mut text, unit, outcome);
            }
        }
        if many && !arguments.all && arguments.unit.is_none() {
            text.push_str("\n(what each unit wrote: --unit UNIT or --all)\n");
        }
        text.push_str("\nThe cluster at the end\n");
        let fold = many && !arguments.all;
        let lines = fold::lines(&self.entries(), &self.fabric.application, fold);
        let shown = if fold { MOST_ROWS } else { usize::MAX };
        for line in lines.iter().take(shown) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}");
        }
        if lines.len() > shown {
            let _ = writeln!(
                text,
                "  … and {} more: --all or -o json",
                lines.len() - shown
            );
        }
        self.verdict(&mut text, took);
        text
    }

    fn verdict(&self, text: &mut String, took: Duration) {
        let units = &self.outcome.units;
        let active = units.iter().filter(|unit| unit.is_active()).count();
        let total =
            |of: fn(&UnitOutcome) -> Effort| units.iter().map(of).fold(Effort::default(), sum);
        let (first, second) = (total(|unit| unit.first), total(|unit| unit.second));
        let writes = match second.writes {
            0 => "no writes".to_owned(),
            writes => counted(writes, "write"),
        };
        let result = if self.outcome.is_good() {
            "Good"
        } else {
            "Not good"
        };
        let _ = write!(
            text,
            "\n{result}: {active} of {} active. First round: {}. Second round: {writes}.\n\
             {} API requests and {} hook tools in {:.1} s.\n",
            counted(units.len(), "unit"),
            counted(first.writes, "write"),
            first.requests + second.requests,
            first.tools + second.tools,
            took.as_secs_f64(),
        );
    }

    /// The objects that the charm writes, the cluster's own first, each unit's in the order of the units.
    fn entries(&self) -> Vec<Entry> {
        let mut found: Vec<((usize, u32), Entry)> = Vec::new();
        for object in &self.outcome.objects {
            let live = Live::new(object.clone());
            let Some((rank, kind)) = object["kind"].as_str().and_then(rank) else {
                continue;
            };
            let number = self.unit_number(kind, &live);
            let entry = Entry {
                symbol: ' ',
                kind: kind.to_owned(),
                name: live.name().to_owned(),
                text: match kind {
                    "Node" => self.annotations(&live),
                    "BGPPeer" => self.peer(&live),
                    _ => spec(&live),
                },
            };
            if !entry.text.is_empty() {
                found.push(((rank, number), entry));
            }
        }
        found.sort_by_key(|(key, _)| *key);
        found.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The unit that an object belongs to; 0 for the cluster's own.
    fn unit_number(&self, kind: &str, live: &Live) -> u32 {
        if kind == "Node" {
            let unit = live
                .annotation(ANNOTATION_UNIT)
                .and_then(|unit| unit.parse::<UnitName>().ok());
            return unit.map_or(0, |unit| unit.number());
        }
        let name = BgpPeerName::parse(live.name(), &self.fabric.application);
        name.map_or(0, |name| name.unit_number())
    }

    fn because(&self, kind: &'static str, name: &str, field: &str) -> String {
        let reason = self.reasons.get(&(kind, name.to_owned(), field.to_owned()));
        reason
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default()
    }

    fn peer(&self, live: &Live) -> String {
        let number = live
            .spec("asNumber")
            .map(ToString::to_string)
            .unwrap_or_default();
        format!(
            "AS {number}{}",
            self.because("BGPPeer", live.name(), "asNumber")
        )
    }

    /// The annotations of a Node that Calico reads.
    fn annotations(&self, live: &Live) -> String {
        let shown = [
            (ANNOTATION_AS_NUMBER, "AS"),
            (ANNOTATION_CLUSTER_ID, "cluster ID"),
        ];
        let shown = shown.iter().filter_map(|(key, label)| {
            let value = live.annotation(key)?;
            Some(format!(
                "{label} {value}{}",
                self.because("Node", live.name(), key)
            ))
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        let units: Vec<Value> = self
            .fabric
            .units
            .iter()
            .zip(&self.outcome.units)
            .map(|(unit, outcome)| {
                let lines: Vec<&str> = outcome
                    .lines
                    .iter()
                    .map(|(_, line)| line.as_str())
                    .collect();
                json!({
                    "unit": outcome.unit,
                    "node": unit.node.to_string(),
                    "leader": unit.leader,
                    "status": outcome.status.kind().as_str(),
                    "message": outcome.status.message(),
                    "log": lines,
                    "first_round": effort(outcome.first),
                    "second_round": effort(outcome.second),
                })
            })
            .collect();
        document(json!({
            "application": self.fabric.application,
            "good": self.outcome.is_good(),
            "units": units,
            "objects": self.outcome.objects,
        }))
    }
}

fn effort(effort: Effort) -> Value {
    json!({"requests": effort.requests, "writes": effort.writes, "hook_tools": effort.tools})
}

fn sum(one: Effort, other: Effort) -> Effort {
    Effort {
        requests: one.requests + other.requests,
        writes: one.writes + other.writes,
        tools: one.tools + other.tools,
    }
}

fn unit_text(text: &mut String, unit: &FabricUnit, outcome: &UnitOutcome) {
    let leader = if unit.leader { ", leader" } else { "" };
    let _ = writeln!(
        text,
        "\n{} on {}{leader}: {}",
        unit.unit, unit.node, outcome.status
    );
    for (level, line) in &outcome.lines {
        let mark = match level {
            LogLevel::Info => "",
            LogLevel::Warning => "warning: ",
            LogLevel::Error => "error: ",
        };
        let _ = writeln!(text, "  {mark}{line}");
    }
    if outcome.second.writes > 0 {
        let _ = writeln!(
            text,
            "  error: its second round wrote {}",
            counted(outcome.second.writes, "object")
        );
    }
}

/// The kinds that are shown, in this order.
fn rank(kind: &str) -> Option<(usize, &'static str)> {
    let kinds = ["BGPConfiguration", "IPPool", "Node", "BGPPeer"];
    let rank = kinds.iter().position(|known| *known == kind)?;
    Some((rank, kinds[rank]))
}

/// The fields of a spec that the charm wrote, lists of networks as the networks alone.
fn spec(live: &Live) -> String {
    let shown = live.applied_fields("spec").into_iter().filter_map(|field| {
        Some(match live.spec(field)? {
            Value::String(text) => format!("{field} {text}"),
            Value::Array(items) => {
                let items = items.iter().filter_map(|item| item["cidr"].as_str());
                format!("{field} {}", items.collect::<Vec<_>>().join(" "))
            }
            other => format!("{field} {other}"),
        })
    });
    shown.collect::<Vec<_>>().join(", ")
}
