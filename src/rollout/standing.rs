//! How a change stands, unit by unit: what statuses and `rollout-status` tell.

use std::collections::{BTreeMap, BTreeSet};

use super::advance::wait;
use super::{Applied, Record, RolloutStep, Situation, Wait, at_fault};
use crate::model::UnitName;

/// How far one unit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// No Node says that it is there.
    NoNode,
    /// Juju knows of no such unit any more; its Node still says that it is there.
    Gone,
    /// It has not acted on this change yet.
    Behind,
    /// It has done the steps so far and has something to do in these.
    Left {
        /// The last step it has done.
        done: RolloutStep,
        /// Those it has something to do in.
        steps: BTreeSet<RolloutStep>,
    },
    /// It has nothing left to do.
    Settled,
}

/// Where a change is between its beginning and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The options ask for it and the leader has not begun it.
    Asked,
    /// It is on its way.
    UnderWay,
    /// Every unit has done its part, or is not waited for.
    AtRest,
}

/// A change as it stands in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where it is.
    pub phase: Phase,
    /// The record as it stands.
    pub record: Option<Record>,
    /// What the present step waits for; where it waits for nothing and is not the last, the leader's next hook goes on.
    pub wait: Option<Wait>,
    /// Every unit that is known, from Juju or by its Node.
    pub units: BTreeMap<UnitName, Part>,
}

impl Standing {
    /// How a change stands in a situation; `present` are the units that a Node is claimed by.
    #[must_use]
    pub fn new(situation: &Situation<'_>, present: &BTreeSet<UnitName>) -> Self {
        let record = situation.record.cloned();
        let known = situation.members.into_iter().flatten();
        let units: BTreeMap<UnitName, Part> = known
            .chain(present)
            .map(|unit| (unit.clone(), part(unit, present, situation)))
            .collect();
        let begun = record
            .as_ref()
            .filter(|record| record.digest == situation.digest);
        let phase = match begun {
            None => Phase::Asked,
            Some(begun) => {
                let members = situation.members.unwrap_or(present);
                if is_at_rest(begun, members, situation.applied) {
                    Phase::AtRest
                } else {
                    Phase::UnderWay
                }
            }
        };
        let open = begun.filter(|begun| begun.step < RolloutStep::Remove);
        Self {
            phase,
            wait: open.and_then(|begun| wait(situation, begun)),
            record,
            units,
        }
    }

    /// The units that the change waits for now, or that lack sessions which it waits for.
    #[must_use]
    pub fn lagging(&self) -> BTreeSet<UnitName> {
        match &self.wait {
            Some(Wait::Units(units)) => units.clone(),
            Some(Wait::Sessions(missing)) => at_fault(missing),
            Some(Wait::Members | Wait::Pools(_)) | None => BTreeSet::new(),
        }
    }
}

/// Whether a change is over: every one of these units has done all of it, or is not waited for.
#[must_use]
pub fn is_at_rest(
    record: &Record,
    units: &BTreeSet<UnitName>,
    applied: &BTreeMap<UnitName, Applied>,
) -> bool {
    let is_settled = |unit: &UnitName| {
        let told = applied.get(unit).filter(|told| is_of(told, record));
        told.is_some_and(|told| told.left.is_empty())
    };
    record.step == RolloutStep::Remove
        && units
            .iter()
            .all(|unit| record.without.contains(unit) || is_settled(unit))
}

/// Whether a unit speaks of this change. Once every step is allowed, it does not matter by which record it has come to its
/// end.
fn is_of(applied: &Applied, record: &Record) -> bool {
    let same = applied.generation == record.generation;
    applied.digest == record.digest && (same || record.step == RolloutStep::Remove)
}

fn part(unit: &UnitName, present: &BTreeSet<UnitName>, situation: &Situation<'_>) -> Part {
    if !present.contains(unit) {
        return Part::NoNode;
    }
    if situation
        .members
        .is_some_and(|members| !members.contains(unit))
    {
        return Part::Gone;
    }
    let told = situation.applied.get(unit);
    let of_change = situation.record.and_then(|record| {
        let told = told?;
        is_of(told, record).then_some(told)
    });
    match of_change {
        None => Part::Behind,
        Some(applied) if applied.left.is_empty() => Part::Settled,
        Some(applied) => Part::Left {
            done: applied.step,
            steps: applied.left.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Rollout;

    fn unit(name: &str) -> UnitName {
        name.parse().expect(name)
    }

    fn standing(record: &str, members: Option<&[&str]>, applied: &[(&str, &str)]) -> Standing {
        let record: Option<Record> = record.parse().ok();
        let members: Option<BTreeSet<UnitName>> =
            members.map(|names| names.iter().map(|name| unit(name)).collect());
        let applied: BTreeMap<UnitName, Applied> = applied
            .iter()
            .filter_map(|(name, text)| Some((unit(name), text.parse().ok()?)))
            .collect();
        let present: BTreeSet<UnitName> = [0, 1, 2]
            .map(|number| unit(&format!("calico/{number}")))
            .into();
        Standing::new(
            &Situation {
                digest: "new",
                rollout: Rollout::Safe,
                record: record.as_ref(),
                generation: "9",
                is_fresh: false,
                members: members.as_ref(),
                applied: &applied,
                missing: &BTreeMap::new(),
                on_bgp: &BTreeSet::new(),
            },
            &present,
        )
    }

    const FOUR: &[&str] = &["calico/0", "calico/1", "calico/2", "calico/3"];

    #[test]
    fn each_unit_is_told_of() {
        let standing = standing(
            "new add 7",
            Some(FOUR),
            &[
                ("calico/0", "new settled 7"),
                ("calico/1", "new add 7 left reflect,remove"),
                ("calico/2", "old settled 3"),
            ],
        );
        let left = Part::Left {
            done: RolloutStep::Add,
            steps: [RolloutStep::Reflect, RolloutStep::Remove].into(),
        };
        assert_eq!(
            standing.units.into_values().collect::<Vec<_>>(),
            [Part::Settled, left, Part::Behind, Part::NoNode]
        );
        assert_eq!(standing.phase, Phase::UnderWay);
        let lagging = [unit("calico/2"), unit("calico/3")].into();
        assert_eq!(standing.wait, Some(Wait::Units(lagging)));
    }

    #[test]
    fn it_rests_once_every_unit_is_settled_or_passed_over() {
        let settled = [
            ("calico/0", "new settled 7"),
            ("calico/1", "new settled 3"),
            ("calico/2", "new settled 7"),
        ];
        let three = Some(&FOUR[..3]);
        let phase = |record, members, applied| standing(record, members, applied).phase;
        assert_eq!(phase("new remove 7", three, &settled), Phase::AtRest);
        // A settled unit of an older record has not seen this one.
        assert_eq!(phase("new unset 7", three, &settled), Phase::UnderWay);
        assert_eq!(phase("new remove 7", three, &settled[..2]), Phase::UnderWay);
        // Nor does a unit that is gone keep a change going, whatever its Node still says.
        let two = Some(&FOUR[..2]);
        assert_eq!(phase("new remove 7", two, &settled[..2]), Phase::AtRest);
        let gone = standing("new add 7", two, &settled).units;
        assert_eq!(gone.get(&unit("calico/2")), Some(&Part::Gone));
        assert_eq!(phase("new remove 7", Some(FOUR), &settled), Phase::UnderWay);
        let passed = "new remove 7 without calico/3";
        assert_eq!(phase(passed, Some(FOUR), &settled), Phase::AtRest);
        assert_eq!(phase("old remove 7", three, &settled), Phase::Asked);
        assert_eq!(phase("", three, &settled), Phase::Asked);
    }

    #[test]
    fn who_is_waited_for_has_a_name() {
        let nobody = standing("new add 7", None, &[]);
        assert_eq!(
            (nobody.wait.clone(), nobody.lagging()),
            (Some(Wait::Members), BTreeSet::new())
        );
        let three = standing(
            "new add 7",
            Some(&FOUR[..2]),
            &[("calico/0", "new settled 7")],
        );
        assert_eq!(three.lagging(), [unit("calico/1")].into());
    }

    #[test]
    fn whoever_has_done_the_present_step_is_not_waited_for() {
        let left = [
            ("calico/0", "new add 7 left reflect"),
            ("calico/1", "new add 7 left remove"),
        ];
        let done = standing("new add 7", Some(&FOUR[..2]), &left);
        assert_eq!((done.phase, done.wait), (Phase::UnderWay, None));
        let next = standing("new reflect 7", Some(&FOUR[..2]), &left);
        assert_eq!(next.lagging(), [unit("calico/0"), unit("calico/1")].into());
    }
}
