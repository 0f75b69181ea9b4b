//! When each change of a plan is made. Pure.

use std::collections::BTreeMap;

use crate::plan::{Action, Change, FieldChange, Step};
use crate::render::{ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID};

/// When a change is made: the steps of a rollout, one after the other on all units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wave {
    /// What the leader adds: new pools, settings, the mesh that goes on.
    Additive,
    /// Peers that each unit adds.
    Add,
    /// AS numbers and cluster IDs.
    Set,
    /// Reflectors that are none any more, and the mesh that goes off.
    Unset,
    /// What nobody asks for any more.
    Remove,
}

impl Wave {
    pub(super) const ALL: [Self; 5] = [
        Self::Additive,
        Self::Add,
        Self::Set,
        Self::Unset,
        Self::Remove,
    ];

    /// Its number, from 1.
    pub(super) fn number(self) -> u8 {
        self as u8 + 1
    }

    /// The wave of a whole change; of one that several waves make, none.
    fn of(change: &Change, step: &Step) -> Option<Self> {
        let has = |wave| {
            change
                .fields
                .iter()
                .any(|field| Self::of_field(field) == wave)
        };
        Some(match (step, change.kind.as_str(), change.action) {
            (Step::Delete { .. } | Step::DisablePool { .. } | Step::RemovePool { .. }, ..) => {
                Self::Remove
            }
            (_, "Node", _) | (_, "BGPConfiguration", Action::Change) => return None,
            (_, "BGPPeer", Action::Change) if has(Self::Set) => Self::Set,
            (_, "BGPPeer", _) => Self::Add,
            (_, "BGPConfiguration", _) if has(Self::Unset) => Self::Unset,
            _ => Self::Additive,
        })
    }

    fn of_field(field: &FieldChange) -> Self {
        match (field.field.as_str(), field.to.as_deref()) {
            (ANNOTATION_AS_NUMBER, None) => Self::Remove,
            (ANNOTATION_CLUSTER_ID, None) | ("nodeToNodeMeshEnabled", Some("false")) => Self::Unset,
            (ANNOTATION_AS_NUMBER | ANNOTATION_CLUSTER_ID | "asNumber", _) => Self::Set,
            _ => Self::Additive,
        }
    }
}

/// A change and when it is made.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) wave: Wave,
    pub(super) change: Change,
}

/// A change by the waves that make it: a Node's fields may belong to several.
pub(super) fn planned(change: Change, step: &Step) -> Vec<Planned> {
    if let Some(wave) = Wave::of(&change, step) {
        return vec![Planned { wave, change }];
    }
    let mut waves: BTreeMap<Wave, Vec<FieldChange>> = BTreeMap::new();
    for field in &change.fields {
        let wave = Wave::of_field(field);
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
