//! The plan for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::compare::Comparison;
use super::waves::{Planned, Wave};
use crate::cli::counted;
use crate::cli::fold::{self, Entry};
use crate::fabric::{Difference, Effect, Fate, Kind, ReachChange, SessionChange};
use crate::model::Rollout;
use crate::plan::{Action, Change, Changes, DoomedPool, FieldChange};
use crate::printable::printable_line;
use crate::rollout::{Declared, RolloutStep};

/// How many obstacles, rows of sessions and rows of pairs are listed when lists are folded.
const MOST: usize = 20;

/// How many of a row's names are written out.
const NAMED: usize = 3;

const LEGEND: &str = "  + create   ~ change   - delete   ! needs you first\n";

/// How units go through the waves.
fn order(rollout: Rollout) -> &'static str {
    match rollout {
        Rollout::Safe => {
            "  1 to 7 is the order; each step waits until every unit has done the one before (rollout)\n"
        }
        Rollout::Immediate => {
            "  1 to 7 is the order in each unit's hook; units do not wait for each other (rollout: immediate)\n"
        }
    }
}

/// Adds one line, whatever the names in it hold.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        $text.push_str(&printable_line(&format!($($argument)*)));
        $text.push('\n');
    };
}

/// Totals, then objects by wave, sessions, pairs, and pods on pools that go.
pub(super) fn text(application: &str, units: usize, comparison: &Comparison, fold: bool) -> String {
    let mut text = totals(application, units, comparison);
    if comparison.is_empty() {
        text.push_str("The cluster is as the options ask.\n");
    } else {
        text.push_str(LEGEND);
        text.push_str(order(comparison.rollout));
        cuts(&mut text, &comparison.cuts);
        objects(&mut text, application, comparison, fold);
    }
    if let Some(effects) = &comparison.effects {
        sessions(&mut text, effects, fold);
        pairs(&mut text, effects, fold);
    }
    doomed(&mut text, &comparison.doomed);
    if !comparison.records.is_empty() {
        text.push('\n');
        line!(
            text,
            "The charm's own labels and records change on {}; that is no change to Calico.",
            counted(comparison.records.len(), "object")
        );
    }
    text
}

fn totals(application: &str, units: usize, comparison: &Comparison) -> String {
    let count = |action| {
        let planned = comparison.changes.iter().map(|planned| &planned.change);
        let of_action = planned.filter(|change| change.action == action);
        // An object that several waves change is one.
        let objects: BTreeSet<(&str, &str)> = of_action
            .map(|change| (change.kind.as_str(), change.name.as_str()))
            .collect();
        objects.len()
    };
    let mut text = format!(
        "{application}, {}: {} to create, {} to change, {} to delete",
        counted(units, "unit"),
        count(Action::Create),
        count(Action::Change),
        count(Action::Delete),
    );
    let in_the_way = comparison.blocked.len() + comparison.doomed.len();
    if in_the_way > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {in_the_way} in the way");
    }
    if let Some(effects) = &comparison.effects {
        let sessions = effects.sessions;
        let (lost, gained) = effects.pairs();
        let _ = write!(
            text,
            "; sessions: {} kept, {} restart, {} lost, {} gained; pairs: {lost} lost, {gained} gained",
            sessions.kept, sessions.restarted, sessions.lost, sessions.gained
        );
    }
    printable_line(&text) + "\n"
}

fn heading(wave: Wave) -> &'static str {
    match wave {
        Wave::Additive => "the leader adds pools and settings",
        Wave::Step(step) => match step {
            RolloutStep::Add => "add: each unit its peers",
            RolloutStep::Rejoin => {
                "rejoin: reflectors that are none any more go back into the mesh"
            }
            RolloutStep::Renumber => "renumber: AS numbers",
            RolloutStep::Reflect => "reflect: cluster IDs",
            RolloutStep::Unset => {
                "unset: the mesh goes off, and cluster IDs that are no longer wanted"
            }
            RolloutStep::Remove => "remove: what nobody asks for any more goes",
        },
    }
}

fn objects(text: &mut String, application: &str, comparison: &Comparison, fold: bool) {
    for wave in Wave::all() {
        let planned = comparison
            .changes
            .iter()
            .filter(|planned| planned.wave == wave);
        let entries: Vec<Entry> = planned
            .map(|Planned { change, .. }| entry(change))
            .collect();
        if entries.is_empty() {
            continue;
        }
        text.push('\n');
        line!(text, "{} {}", wave.number(), heading(wave));
        for line in fold::lines(&entries, application, fold) {
            line!(text, "{line}");
        }
    }
    if !comparison.blocked.is_empty() {
        text.push('\n');
    }
    let shown = if fold { MOST } else { usize::MAX };
    for blocked in comparison.blocked.iter().take(shown) {
        line!(text, "! {}", blocked.message);
        line!(text, "    {}", blocked.remedy);
    }
    more(text, comparison.blocked.len(), shown);
}

/// What no order of the steps avoids.
fn cuts(text: &mut String, cuts: &[Declared]) {
    if cuts.is_empty() {
        return;
    }
    text.push_str("\nCuts that no order avoids\n");
    for cut in cuts {
        line!(text, "  {}", cut.text);
    }
}

fn more(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        line!(text, "! and {} more: --all", all - shown);
    }
}

fn sessions(text: &mut String, effects: &Difference, fold: bool) {
    if effects.changed.is_empty() {
        return;
    }
    text.push_str("\nBGP sessions\n");
    let shown = if fold { MOST } else { usize::MAX };
    for change in effects.changed.iter().take(shown) {
        line!(text, "{}", session(change));
    }
    more(text, effects.changed.len(), shown);
}

/// `~ 4 from mesh to peer: calico/0 -- calico/1, calico/2, calico/3 and 1 more (global-bgp-peers: [0])`.
fn session(change: &SessionChange) -> String {
    let kind = |kind: Option<Kind>| kind.map_or("", Kind::as_str);
    let (before, after) = (kind(change.before), kind(change.after));
    let (sign, what) = match change.effect {
        Effect::Lost => ('-', format!("of {}", whose(change.before))),
        Effect::Gained => ('+', format!("of {}", whose(change.after))),
        Effect::Restarted(_) if before != after => ('~', format!("from {before} to {after}")),
        Effect::Restarted(reason) => {
            let whose = whose(change.before);
            ('~', format!("of {whose} ({})", reason.as_str()))
        }
    };
    let ends = if change.far.is_empty() {
        format!("among {}", few(&change.near))
    } else {
        format!("{} -- {}", few(&change.near), few(&change.far))
    };
    format!(
        "{sign} {} {what}: {ends} ({})",
        change.sessions, change.origin
    )
}

fn whose(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Mesh) => "the mesh",
        Some(Kind::GlobalPeer) => "global peers",
        Some(Kind::Peer) | None => "peers",
    }
}

fn pairs(text: &mut String, effects: &Difference, fold: bool) {
    let Some(changes) = &effects.reach else {
        text.push_str(
            "\nWho reaches whom was not computed: there are too many kinds of machines.\n",
        );
        return;
    };
    if changes.is_empty() {
        return;
    }
    text.push_str("\nPods reached\n");
    let shown = if fold { MOST } else { usize::MAX };
    for change in changes.iter().take(shown) {
        line!(text, "{}", pair(change));
    }
    more(text, changes.len(), shown);
}

fn pair(change: &ReachChange) -> String {
    let (from, to, pairs) = (few(&change.from), few(&change.to), change.pairs);
    if change.gained {
        format!("+ {pairs} from {from} to pods on {to}")
    } else {
        format!(
            "- {pairs} from {from} to pods on {to}: {}",
            ending(change.fate)
        )
    }
}

fn ending(fate: Fate) -> &'static str {
    crate::cli::check::ending(fate)
}

fn doomed(text: &mut String, pools: &[DoomedPool]) {
    if pools.is_empty() {
        return;
    }
    text.push_str("\nPods on pools that go\n");
    for pool in pools {
        let nodes: Vec<String> = pool.usage.nodes.keys().cloned().collect();
        line!(
            text,
            "! IPPool {} {}: {} in use on {}",
            pool.name,
            pool.cidr,
            addresses(pool.usage.workloads),
            few(&nodes)
        );
        text.push_str(if pool.usage.is_outside_ipam {
            "    the pool stays: Calico's IPAM does not know them, so name it in cidr\n"
        } else {
            "    restart the pods there: the pool goes once they are free\n"
        });
    }
}

fn addresses(number: usize) -> String {
    let plural = if number == 1 { "" } else { "es" };
    format!("{number} address{plural}")
}

/// `a, b, c and 4 more`.
fn few(names: &[String]) -> String {
    match names.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
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

#[cfg(test)]
mod tests;
