//! A simulation's outcome, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::fabric::{Fabric, FabricUnit};
use crate::cli::fold::{self, Entry, FOLDED_ABOVE};
use crate::cli::{counted, document};
use crate::config::{CharmConfig, Problems};
use crate::juju::tools::LogLevel;
use crate::model::{Intent, UnitName};
use crate::plan::Live;
use crate::render::{
    ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID, ANNOTATION_UNIT, BgpPeerName, Owner, bgp_peers,
    node,
};
use crate::sim::run::{Effort, Outcome, UnitOutcome};

/// How many rows the cluster takes when it is folded.
const MOST_ROWS: usize = 60;

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

/// How much of an outcome is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'a> {
    /// As much as can be read: of many units only those that did not end well.
    Readable,
    /// Every unit and every object.
    Everything,
    /// One unit, and the cluster as it fits.
    Unit(&'a FabricUnit),
}

/// An outcome beside the files it comes from.
pub(super) struct View<'a> {
    fabric: &'a Fabric,
    outcome: &'a Outcome,
    reasons: Reasons,
}

impl<'a> View<'a> {
    pub(super) fn new(
        fabric: &'a Fabric,
        config: &CharmConfig,
        outcome: &'a Outcome,
    ) -> Result<Self, Problems> {
        Ok(Self {
            fabric,
            outcome,
            reasons: reasons(fabric, config)?,
        })
    }

    pub(super) fn text(&self, shown: Shown<'_>, took: Duration) -> String {
        let mut text = format!(
            "{}: {}, against a Kubernetes API in this process\n",
            self.fabric.application,
            counted(self.outcome.units.len(), "unit"),
        );
        self.units(&mut text, shown);
        self.cluster(&mut text, shown);
        self.verdict(&mut text, took);
        text
    }

    fn is_long(&self) -> bool {
        self.outcome.units.len() > FOLDED_ABOVE
    }

    fn units(&self, text: &mut String, shown: Shown<'_>) {
        let wanted = |(unit, outcome): &(&FabricUnit, &UnitOutcome)| match shown {
            Shown::Unit(only) => *unit == only,
            Shown::Everything => true,
            Shown::Readable => !self.is_long() || !outcome.is_good(),
        };
        let pairs = self.fabric.units.iter().zip(&self.outcome.units);
        let units: Vec<_> = pairs.filter(wanted).collect();
        let readable = matches!(shown, Shown::Readable);
        let most = if readable { FOLDED_ABOVE } else { units.len() };
        for (unit, outcome) in units.iter().take(most) {
            unit_text(text, unit, outcome);
        }
        if readable && self.is_long() {
            let more = match units.len().saturating_sub(most) {
                0 => String::new(),
                more => format!("{} more did not end well; ", counted(more, "unit")),
            };
            let _ = writeln!(text, "\n({more}what each unit wrote: --unit UNIT or --all)");
        }
    }

    fn cluster(&self, text: &mut String, shown: Shown<'_>) {
        let (title, only) = match shown {
            Shown::Unit(unit) => ("What it sees of the cluster at the end", Some(unit)),
            Shown::Readable | Shown::Everything => ("The cluster at the end", None),
        };
        let _ = writeln!(text, "\n{title}");
        let fold = self.is_long() && !matches!(shown, Shown::Everything);
        let lines = fold::lines(&self.entries(only), &self.fabric.application, fold);
        let most = if fold { MOST_ROWS } else { lines.len() };
        for line in lines.iter().take(most) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}");
        }
        if lines.is_empty() {
            text.push_str("  (none of the objects that the charm writes)\n");
        }
        if lines.len() > most {
            let more = lines.len() - most;
            let _ = writeln!(text, "  … and {more} more: --all or -o json");
        }
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

    /// The objects that the charm writes, the cluster's own first, then all units' or one's.
    fn entries(&self, only: Option<&FabricUnit>) -> Vec<Entry> {
        let mut found: Vec<((usize, Option<u32>), Entry)> = Vec::new();
        for object in &self.objects() {
            let live = Live::new(object.clone());
            let Some((rank, kind)) = object["kind"].as_str().and_then(rank) else {
                continue;
            };
            let number = self.unit_number(kind, &live);
            if number.is_some() && only.is_some_and(|unit| number != Some(unit.unit.number())) {
                continue;
            }
            let entry = Entry {
                symbol: ' ',
                kind: kind.to_owned(),
                name: live.name().to_owned(),
                text: match kind {
                    "Node" => self.annotations(&live),
                    "BGPPeer" => self.peer(&live),
                    "DaemonSet" | "Deployment" => workload(&live),
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

    /// The unit that an object belongs to; none for the cluster's own.
    fn unit_number(&self, kind: &str, live: &Live) -> Option<u32> {
        if kind == "Node" {
            let unit = live
                .annotation(ANNOTATION_UNIT)
                .and_then(|unit| unit.parse::<UnitName>().ok());
            return unit.map(|unit| unit.number());
        }
        let name = BgpPeerName::parse(live.name(), &self.fabric.application);
        name.map(|name| name.unit_number())
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

    /// Every object but the pods, which nobody in the simulation wrote.
    fn objects(&self) -> Vec<Value> {
        let mut objects = self.outcome.server.dump();
        objects.retain(|object| object["kind"] != "Pod");
        objects
    }

    pub(super) fn json(&self) -> Value {
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
            "objects": self.objects(),
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
    for (level, line) in folded(&outcome.lines) {
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

/// The lines of a log, those in a row that say of objects of one kind that they were installed as one.
fn folded(lines: &[(LogLevel, String)]) -> Vec<(LogLevel, String)> {
    let kind = |line: &str| {
        let (kind, name) = line.strip_suffix(": installed")?.split_once('/')?;
        (!name.is_empty()).then(|| kind.to_owned())
    };
    let same = |one: &(LogLevel, String), other: &(LogLevel, String)| {
        kind(&one.1).is_some() && kind(&one.1) == kind(&other.1)
    };
    let rows = lines.chunk_by(same).map(|row| match row {
        [(level, first), _, ..] => {
            let kind = kind(first).unwrap_or_default();
            (*level, format!("{}: installed", counted(row.len(), &kind)))
        }
        row => row
            .first()
            .cloned()
            .unwrap_or((LogLevel::Info, String::new())),
    });
    rows.collect()
}

/// The kinds that are shown, in this order.
fn rank(kind: &str) -> Option<(usize, &'static str)> {
    let kinds = [
        "DaemonSet",
        "Deployment",
        "BGPConfiguration",
        "IPPool",
        "Node",
        "BGPPeer",
    ];
    let rank = kinds.iter().position(|known| *known == kind)?;
    Some((rank, kinds[rank]))
}

/// The images of a workload's containers, and how many pods are ready.
fn workload(live: &Live) -> String {
    let object = live.value();
    let containers = object["spec"]["template"]["spec"]["containers"].as_array();
    let images = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["image"].as_str());
    let ready = ["numberReady", "readyReplicas"]
        .iter()
        .find_map(|field| object["status"][field].as_u64())
        .unwrap_or_default();
    format!("{}, {ready} ready", images.collect::<Vec<_>>().join(", "))
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
