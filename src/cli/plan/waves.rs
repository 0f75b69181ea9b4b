//! When each change of a plan is made. Pure.

use std::collections::BTreeMap;

use crate::plan::{Action, Change, FieldChange, Step};
use crate::render::{ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID};
use crate::rollout::RolloutStep;

/// When a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wave {
    /// What the leader adds: new pools, settings, the mesh that goes on.
    Additive,
    /// With a step of the rollout, one after the other on all units.
    Step(RolloutStep),
}

impl Wave {
    /// All of them, in order.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let steps = RolloutStep::ALL.into_iter().map(Self::Step);
        std::iter::once(Self::Additive).chain(steps)
    }

    /// Its number, from 1.
    pub(super) fn number(self) -> usize {
        match self {
            Self::Additive => 1,
            Self::Step(step) => 2 + step as usize,
        }
    }

    /// The wave of a whole change; of one that several waves make, none.
    fn of(change: &Change, step: &Step, mesh: bool) -> Option<Self> {
        let has = |wave| {
            let mut fields = change.fields.iter();
            fields.any(|field| Self::of_field(field, mesh) == Self::Step(wave))
        };
        Some(match (step, change.kind.as_str(), change.action) {
            (Step::Delete { .. } | Step::DisablePool { .. } | Step::RemovePool { .. }, ..) => {
                Self::Step(RolloutStep::Remove)
            }
            (_, "Node", _) | (_, "BGPConfiguration", Action::Change) => return None,
            (_, "BGPPeer", Action::Change) if has(RolloutStep::Renumber) => {
                Self::Step(RolloutStep::Renumber)
            }
            (_, "BGPPeer", _) => Self::Step(RolloutStep::Add),
            (_, "BGPConfiguration", _) if has(RolloutStep::Unset) => Self::Step(RolloutStep::Unset),
            _ => Self::Additive,
        })
    }

    fn of_field(field: &FieldChange, mesh: bool) -> Self {
        Self::Step(match (field.field.as_str(), field.to.as_deref()) {
            (ANNOTATION_AS_NUMBER, None) => RolloutStep::Remove,
            (ANNOTATION_AS_NUMBER | "asNumber", _) => RolloutStep::Renumber,
            (ANNOTATION_CLUSTER_ID, Some(_)) => RolloutStep::Reflect,
            (ANNOTATION_CLUSTER_ID, None) if mesh => RolloutStep::Rejoin,
            (ANNOTATION_CLUSTER_ID, None) | ("nodeToNodeMeshEnabled", Some("false")) => {
                RolloutStep::Unset
            }
            _ => return Self::Additive,
        })
    }
}

/// A change and when it is made.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) wave: Wave,
    pub(super) change: Change,
}

/// A change by the waves that make it: a Node's fields may belong to several. `mesh` is whether the mesh is to be on.
pub(super) fn planned(change: Change, step: &Step, mesh: bool) -> Vec<Planned> {
    if let Some(wave) = Wave::of(&change, step, mesh) {
        return vec![Planned { wave, change }];
    }
    let mut waves: BTreeMap<Wave, Vec<FieldChange>> = BTreeMap::new();
    for field in &change.fields {
        let wave = Wave::of_field(field, mesh);
        waves.entry(wave).or_default().push(field.clone());
    }
    let part = |(wave, fields)| Planned {
        wave,
        change: Change {
            fields,
            ..change.clone()
        },
    };
    waves.into_iter().map(part).collect()
}
