//! How far a change is, in words: the leader's status, its log and its notes. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::charm::Report;
use crate::model::UnitName;
use crate::rollout::{Applied, Decision, Missing, RolloutStep, Wait};
use crate::status::Status;

/// How far the change is, as a hook of the leader leaves it.
#[derive(Debug, Clone)]
pub struct Progress {
    /// What is allowed, and what keeps it from going on.
    pub decision: Decision,
    /// What becomes of a mesh that is to be off.
    pub mesh: MeshOnItsWay,
    /// Whether more is allowed than before.
    pub is_news: bool,
    /// Whether this unit itself has something to do in what is allowed from now on.
    pub own_part_is_due: bool,
    /// Whether the change is over; until then the others have to be woken.
    pub is_at_rest: bool,
    /// Whom the leader knows, and what they say.
    pub(super) company: Company,
}

/// The units as the leader sees them.
#[derive(Debug, Clone, Default)]
pub(super) struct Company {
    /// Principals whose units are not known yet.
    pub(super) unseen: BTreeSet<String>,
    /// Units that several Nodes say they are.
    pub(super) doubled: BTreeMap<UnitName, Vec<String>>,
    /// How far the others are.
    pub(super) applied: BTreeMap<UnitName, Applied>,
}

/// What a hook does with the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeshOnItsWay {
    /// It is as the options ask, or becomes so while nobody looks after traffic: there is none, or `rollout=immediate`.
    AsWanted,
    /// It is on although it is to be off.
    Stays,
    /// It goes off under traffic.
    GoesOff,
}

impl Progress {
    /// What the leader's status says while the change waits.
    fn status(&self) -> Option<Status> {
        let what = if self.mesh == MeshOnItsWay::Stays {
            "mesh stays on until".to_owned()
        } else {
            format!("rollout stays at {} until", self.decision.record.step)
        };
        let text = match self.decision.wait.as_ref()? {
            Wait::Members if self.company.unseen.is_empty() => {
                format!("{what} Juju has told of every unit")
            }
            Wait::Members => {
                let unseen = first_of(&self.company.unseen);
                format!("{what} the unit on {unseen} has begun")
            }
            Wait::Units(units) => match self.doubled_among(units) {
                Some((unit, nodes)) => {
                    format!("{what} one Node alone says it is {unit}: {nodes}")
                }
                None => format!("{what} {} has {}", first_of(units), self.what_is_due()),
            },
            Wait::Sessions(missing) => format!("{what} {}", with_sessions(missing)),
            Wait::Pools(pools) => format!("{what} {}", first_of(pools)),
        };
        Some(Status::waiting(text))
    }

    /// What a unit that lags has to do.
    fn what_is_due(&self) -> &'static str {
        match self.decision.record.step {
            RolloutStep::Add => "its peers",
            RolloutStep::Renumber => "its AS numbers",
            RolloutStep::Reflect => "its cluster ID",
            RolloutStep::Rejoin | RolloutStep::Unset | RolloutStep::Remove => "followed",
        }
    }

    fn doubled_among(&self, units: &BTreeSet<UnitName>) -> Option<(&UnitName, String)> {
        let mut doubled = self.company.doubled.iter();
        let (unit, nodes) = doubled.find(|(unit, _)| units.contains(unit))?;
        Some((unit, nodes.join(", ")))
    }

    /// All that keeps a change from going on: the status has room for one of them.
    fn reasons(&self) -> Vec<String> {
        match &self.decision.wait {
            None => Vec::new(),
            Some(Wait::Units(units)) => units.iter().map(ToString::to_string).collect(),
            Some(Wait::Members) => self.company.unseen.iter().cloned().collect(),
            Some(Wait::Pools(pools)) => pools.iter().cloned().collect(),
            Some(Wait::Sessions(missing)) => missing
                .iter()
                .map(|(unit, one)| format!("{unit} with {}", listed(&one.nodes)))
                .collect(),
        }
    }

    /// What is worth seeing though nothing is in the way.
    fn notes(&self) -> impl Iterator<Item = String> {
        let doubled = self.company.doubled.iter().map(|(unit, nodes)| {
            let nodes = nodes.join(" and ");
            format!("{nodes} both say they are {unit}: delete the Node that is gone")
        });
        let record = &self.decision.record;
        let is_over = record.step == RolloutStep::Remove && self.decision.wait.is_none();
        let without = record.without.iter().filter(move |_| is_over);
        let silent = without.filter(|unit| {
            let told = self.company.applied.get(*unit);
            told.is_none_or(|told| told.digest != record.digest || !told.left.is_empty())
        });
        let silent: BTreeSet<&UnitName> = silent.collect();
        let silent = (!silent.is_empty())
            .then(|| format!("{} was passed over and has not followed", first_of(&silent)));
        doubled.chain(silent)
    }
}

/// `calico/0 has a session with calico/3`.
fn with_sessions(missing: &BTreeMap<UnitName, Missing>) -> String {
    let reflectors: BTreeSet<&UnitName> = missing.keys().collect();
    let nodes = missing.values().flat_map(|missing| &missing.nodes);
    let nodes: BTreeSet<&UnitName> = nodes.collect();
    let reflectors_have = format!("{} has", first_of(&reflectors));
    let has_others = missing.values().any(|missing| missing.has_others);
    match (nodes.len(), has_others) {
        (0, _) => format!("{reflectors_have} its sessions"),
        (_, false) => format!("{reflectors_have} any session with {}", first_of(&nodes)),
        (1, true) => format!("{reflectors_have} a session with {}", first_of(&nodes)),
        (_, true) => format!("{reflectors_have} sessions with {}", first_of(&nodes)),
    }
}

/// `calico/3 (+4 more)`.
fn first_of(units: &BTreeSet<impl Display>) -> String {
    let mut all = units.iter();
    let first = all.next().map(ToString::to_string).unwrap_or_default();
    match all.count() {
        0 => first,
        more => format!("{first} (+{more} more)"),
    }
}

fn listed(names: &BTreeSet<impl Display>) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Says what a change waits for, unless something else is in the way. The log has all of it where that is more than the
/// status says; and in a `routine` hook, which comes every five minutes, a warning: by then the others have had their time.
pub(in crate::charm) fn tell(report: &mut Report, application: &str, routine: bool) {
    let Some(progress) = report.rollout.clone() else {
        return;
    };
    for note in progress.notes() {
        report.note(note);
    }
    let Some(status) = progress.status() else {
        return;
    };
    let reasons = progress.reasons();
    if routine {
        report.warning(format!(
            "rollout: {}; juju run {application}/leader rollout-status tells more",
            status.message()
        ));
    }
    if reasons.len() > 1 {
        report.info(format!("rollout: waits for {}", reasons.join(", ")));
    }
    report.progress(status);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(numbers: &[u32]) -> BTreeSet<UnitName> {
        let names = numbers.iter().map(|number| format!("calico/{number}"));
        names.map(|name| name.parse().expect("a unit")).collect()
    }

    #[test]
    fn missing_sessions_are_told_in_few_words() {
        let none = false;
        for (missing, told) in [
            (
                vec![(0, vec![3], true)],
                "calico/0 has a session with calico/3",
            ),
            (
                vec![(0, vec![3, 4, 5], true)],
                "calico/0 has sessions with calico/3 (+2 more)",
            ),
            (
                vec![(0, vec![3], true), (1, vec![3], true)],
                "calico/0 (+1 more) has a session with calico/3",
            ),
            (
                vec![(0, vec![3, 4], none)],
                "calico/0 has any session with calico/3 (+1 more)",
            ),
            (vec![(0, vec![], none)], "calico/0 has its sessions"),
        ] {
            let missing = missing.into_iter().map(|(reflector, nodes, has_others)| {
                let nodes = units(&nodes);
                let unit = units(&[reflector]).pop_first().expect("one");
                (unit, Missing { nodes, has_others })
            });
            assert_eq!(with_sessions(&missing.collect()), told);
        }
    }
}
