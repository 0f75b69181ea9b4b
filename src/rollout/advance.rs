//! What the leader allows next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Applied, Missing, Record, RolloutStep};
use crate::model::{Rollout, UnitName};

/// What the leader knows when it decides.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// Digest of its options.
    pub digest: &'a str,
    /// `rollout`.
    pub rollout: Rollout,
    /// The record as it stands.
    pub record: Option<&'a Record>,
    /// A generation that no record has had.
    pub generation: &'a str,
    /// Whether there is no traffic yet that could be cut.
    pub is_fresh: bool,
    /// Every unit there is; `None` while Juju has not told of all.
    pub members: Option<&'a BTreeSet<UnitName>>,
    /// What the units say they have done.
    pub applied: &'a BTreeMap<UnitName, Applied>,
    /// The reflectors without some of the sessions that are to stand in for the mesh, where it is about to go off.
    pub missing: &'a BTreeMap<UnitName, Missing>,
    /// Pools in use that only BGP reaches, where no BGP is to be left; each as what is waited for: `IPPool … has no pods`.
    pub on_bgp: &'a BTreeSet<String>,
}

/// Whom or what a change waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Juju has not told of every unit.
    Members,
    /// Units that have not done the present step, at least one.
    Units(BTreeSet<UnitName>),
    /// Reflectors that have not all their sessions while the mesh is to go off, at least one.
    Sessions(BTreeMap<UnitName, Missing>),
    /// Pools whose pods need the routes that the next step takes away, at least one, in words.
    Pools(BTreeSet<String>),
}

/// What the leader allows from now on, and what it waits for before it allows more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The record as it should stand.
    pub record: Record,
    /// What keeps it from allowing the next step; `None` once all are allowed.
    pub wait: Option<Wait>,
}

/// Decides how far the change may go. A change that begins while another one is under way takes its place: it adds, and
/// takes nothing away before every unit has seen it.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let present = situation
        .record
        .filter(|record| record.digest == situation.digest);
    if situation.rollout == Rollout::Immediate || (present.is_none() && situation.is_fresh) {
        return Decision {
            record: all_at_once(situation, present),
            wait: None,
        };
    }
    let mut record = present
        .cloned()
        .unwrap_or_else(|| begun(situation, RolloutStep::Add));
    while record.step < RolloutStep::Remove {
        if let Some(wait) = wait(situation, &record) {
            return Decision {
                record,
                wait: Some(wait),
            };
        }
        record.step = next(situation, record.step);
    }
    Decision { record, wait: None }
}

fn all_at_once(situation: &Situation<'_>, present: Option<&Record>) -> Record {
    match present {
        Some(present) => Record {
            step: RolloutStep::Remove,
            ..present.clone()
        },
        None => begun(situation, RolloutStep::Remove),
    }
}

fn begun(situation: &Situation<'_>, step: RolloutStep) -> Record {
    Record {
        digest: situation.digest.to_owned(),
        step,
        generation: situation.generation.to_owned(),
        without: BTreeSet::new(),
    }
}

/// What the step of a record still waits for.
pub(super) fn wait(situation: &Situation<'_>, present: &Record) -> Option<Wait> {
    let Some(members) = situation.members else {
        return Some(Wait::Members);
    };
    let lags = |unit: &&UnitName| {
        let applied = situation.applied.get(unit);
        let done = |applied: &Applied| {
            applied.has_done(&present.digest, &present.generation, present.step)
        };
        !present.without.contains(unit) && !applied.is_some_and(done)
    };
    let lagging: BTreeSet<UnitName> = members.iter().filter(lags).cloned().collect();
    if !lagging.is_empty() {
        return Some(Wait::Units(lagging));
    }
    // The mesh goes off with the write that allows `unset`, and routes with it.
    let takes_away =
        present.step < RolloutStep::Unset && next(situation, present.step) >= RolloutStep::Unset;
    if !takes_away {
        return None;
    }
    if !situation.on_bgp.is_empty() {
        return Some(Wait::Pools(situation.on_bgp.clone()));
    }
    (!situation.missing.is_empty()).then(|| Wait::Sessions(situation.missing.clone()))
}

/// The next step in which a unit has something to do. A unit that is not waited for may have something to do in any.
fn next(situation: &Situation<'_>, done: RolloutStep) -> RolloutStep {
    let of_change = situation
        .applied
        .values()
        .filter(|applied| applied.digest == situation.digest);
    of_change
        .flat_map(|applied| &applied.left)
        .copied()
        .filter(|step| *step > done)
        .min()
        .unwrap_or(RolloutStep::Remove)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(names: &[&str]) -> BTreeSet<UnitName> {
        names.iter().map(|name| name.parse().expect(name)).collect()
    }

    struct Case {
        record: Option<&'static str>,
        applied: &'static [(&'static str, &'static str)],
        decided: &'static str,
        waits: Option<Wait>,
    }

    fn decided(
        case: &Case,
        members: Option<&BTreeSet<UnitName>>,
        fresh: bool,
        rollout: Rollout,
    ) -> Decision {
        let record: Option<Record> = case.record.map(|text| text.parse().expect(text));
        let applied = case.applied.iter();
        let applied = applied
            .map(|(unit, text)| (unit.parse().expect(unit), text.parse().expect(text)))
            .collect();
        decide(&Situation {
            digest: "new",
            rollout,
            record: record.as_ref(),
            generation: "9",
            is_fresh: fresh,
            members,
            applied: &applied,
            missing: &BTreeMap::new(),
            on_bgp: &BTreeSet::new(),
        })
    }

    #[test]
    fn each_step_waits_for_every_unit() {
        let both = units(&["calico/0", "calico/1"]);
        let second = || Some(Wait::Units(units(&["calico/1"])));
        let everybody = || Some(Wait::Units(units(&["calico/0", "calico/1"])));
        for case in [
            Case {
                record: None,
                applied: &[],
                decided: "new add 9",
                waits: everybody(),
            },
            // What units have said of an older change, or of this one before it began, is no answer.
            Case {
                record: Some("old remove 3"),
                applied: &[
                    ("calico/0", "new add 3 left reflect"),
                    ("calico/1", "old settled 3"),
                ],
                decided: "new add 9",
                waits: everybody(),
            },
            Case {
                record: Some("new add 7"),
                applied: &[("calico/0", "new settled 7"), ("calico/1", "new settled 3")],
                decided: "new add 7",
                waits: second(),
            },
            Case {
                record: Some("new add 7"),
                applied: &[("calico/0", "new add 7 left reflect,remove")],
                decided: "new add 7",
                waits: second(),
            },
            Case {
                record: Some("new add 7"),
                applied: &[
                    ("calico/0", "new add 7 left reflect,remove"),
                    ("calico/1", "new settled 7"),
                ],
                decided: "new reflect 7",
                waits: Some(Wait::Units(units(&["calico/0"]))),
            },
            Case {
                record: Some("new reflect 7"),
                applied: &[
                    ("calico/0", "new reflect 7 left remove"),
                    ("calico/1", "new add 7 left unset"),
                ],
                decided: "new reflect 7",
                waits: second(),
            },
            // Steps in which nobody has anything to do are passed over.
            Case {
                record: Some("new add 7"),
                applied: &[
                    ("calico/0", "new settled 7"),
                    ("calico/1", "new add 7 left remove"),
                ],
                decided: "new remove 7",
                waits: None,
            },
            Case {
                record: Some("new add 7"),
                applied: &[("calico/0", "new settled 7"), ("calico/1", "new settled 7")],
                decided: "new remove 7",
                waits: None,
            },
            Case {
                record: Some("new add 7 without calico/1"),
                applied: &[("calico/0", "new settled 7")],
                decided: "new remove 7 without calico/1",
                waits: None,
            },
            // At rest, whatever a unit that lags says.
            Case {
                record: Some("new remove 7"),
                applied: &[],
                decided: "new remove 7",
                waits: None,
            },
        ] {
            let decision = decided(&case, Some(&both), false, Rollout::Safe);
            let told = format!("{:?} {:?}", case.record, case.applied);
            assert_eq!(decision.record.to_string(), case.decided, "{told}");
            assert_eq!(decision.wait, case.waits, "{told}");
        }
    }

    /// What is added and changed goes on; what takes routes away does not.
    #[test]
    fn no_route_goes_that_a_pool_needs() {
        let pools: BTreeSet<String> = ["IPPool old has no pods".to_owned()].into();
        let waits = || Some(Wait::Pools(pools.clone()));
        for (rollout, record, left, decided, wait) in [
            (
                Rollout::Safe,
                "new add 7",
                "add 7 left remove",
                "new add 7",
                waits(),
            ),
            (
                Rollout::Safe,
                "new add 7",
                "settled 7",
                "new add 7",
                waits(),
            ),
            (
                Rollout::Safe,
                "new reflect 7",
                "reflect 7 left unset",
                "new reflect 7",
                waits(),
            ),
            (
                Rollout::Safe,
                "new unset 7",
                "unset 7 left remove",
                "new remove 7",
                None,
            ),
            (
                Rollout::Immediate,
                "new add 7",
                "add 7 left remove",
                "new remove 7",
                None,
            ),
        ] {
            let unit: UnitName = "calico/0".parse().expect("a unit");
            let applied = [(unit.clone(), format!("new {left}").parse().expect(left))].into();
            let decision = decide(&Situation {
                digest: "new",
                rollout,
                record: Some(&record.parse().expect(record)),
                generation: "9",
                is_fresh: false,
                members: Some(&[unit].into()),
                applied: &applied,
                missing: &BTreeMap::new(),
                on_bgp: &pools,
            });
            assert_eq!(decision.record.to_string(), decided, "{record}");
            assert_eq!(decision.wait, wait, "{record}");
        }
    }

    #[test]
    fn sessions_that_are_missing_hold_what_takes_the_mesh_off_and_nothing_else() {
        let both = units(&["calico/0", "calico/1"]);
        let missing = BTreeMap::from([(
            "calico/0".parse().expect("a unit"),
            Missing {
                nodes: units(&["calico/1"]),
                has_others: true,
            },
        )]);
        for (record, left, decided, is_held) in [
            ("new add 7", "unset", "new add 7", true),
            ("new add 7", "remove", "new add 7", true),
            ("new add 7", "reflect", "new reflect 7", false),
            // Somebody has turned it on again meanwhile: what was allowed stays so.
            ("new unset 7", "remove", "new remove 7", false),
        ] {
            let record: Record = record.parse().expect(record);
            let applied = |unit: &str| {
                let text = format!("new {} 7 left {left}", record.step);
                (unit.parse().expect(unit), text.parse().expect("a text"))
            };
            let decision = decide(&Situation {
                digest: "new",
                rollout: Rollout::Safe,
                record: Some(&record),
                generation: "9",
                is_fresh: false,
                members: Some(&both),
                applied: &["calico/0", "calico/1"].map(applied).into(),
                missing: &missing,
                on_bgp: &BTreeSet::new(),
            });
            assert_eq!(decision.record.to_string(), decided, "{record} {left}");
            let held = decision.wait == Some(Wait::Sessions(missing.clone()));
            assert_eq!(held, is_held, "{record} {left}");
        }
    }

    #[test]
    fn nothing_is_allowed_before_every_unit_is_known() {
        let case = Case {
            record: Some("new add 7"),
            applied: &[("calico/0", "new settled 7")],
            decided: "new add 7",
            waits: Some(Wait::Members),
        };
        let decision = decided(&case, None, false, Rollout::Safe);
        assert_eq!(decision.record.to_string(), case.decided);
        assert_eq!(decision.wait, case.waits);
    }

    #[test]
    fn without_traffic_or_on_demand_everything_is_allowed_at_once() {
        let case = |record| Case {
            record,
            applied: &[],
            decided: "",
            waits: None,
        };
        for (record, fresh, rollout, expected) in [
            (None, true, Rollout::Safe, "new remove 9"),
            (None, false, Rollout::Immediate, "new remove 9"),
            (Some("old add 3"), false, Rollout::Immediate, "new remove 9"),
            (
                Some("new add 7 without calico/1"),
                false,
                Rollout::Immediate,
                "new remove 7 without calico/1",
            ),
            (
                Some("new remove 7"),
                false,
                Rollout::Immediate,
                "new remove 7",
            ),
            // A change that is under way goes on as it began.
            (Some("new add 7"), true, Rollout::Safe, "new add 7"),
        ] {
            let decision = decided(&case(record), None, fresh, rollout);
            assert_eq!(decision.record.to_string(), expected, "{record:?}");
        }
    }
}
