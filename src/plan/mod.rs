//! Desired against observed objects, to an ordered plan. Pure.

mod change;
mod cleanup;
mod digest;
mod health;
mod install;
mod live;
mod node_status;
mod pods;
mod pools;
mod summary;
mod unit;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::manifests::{Document, DocumentId};
use crate::model::UnitName;
use crate::render::{Desired, Kind, Owner};

pub use change::{Changes, FieldChange, differences, initial};
pub use cleanup::{Membership, Orphan, orphans};
pub use digest::{NoDigest, PlanDigest, seen};
pub use health::{DaemonSetProgress, is_available, pods_problem};
pub use install::{ANNOTATION_MANIFEST, document_changes, install_step, stamped};
pub use live::Live;
pub use node_status::{is_status_of, remove_status, unit_of_status};
pub use pods::{
    Controller, HeldAddress, Openings, Origin, PoolPod, Restarts, Seen, Waiting, asking,
    held_addresses, restarts, seen_pod,
};
pub use pools::{
    DoomedPool, Extent, PoolOnBgp, PoolRole, PoolUsage, allocations, changed_tunnels, doomed_pools,
    gives_workload_addresses, holds_workloads, is_on_vxlan, is_windows_reserve, needs_bird,
    needs_blocks, network, not_in_blocks, plan_pools, pool_role, pool_usage, pools_on_bgp,
    refuse_unrecognized, unrecognized_pools, usage, wanted_pools, without_vxlan,
};
pub use summary::{Action, Change, change, object};
pub use unit::{
    Allowance, FoundOfUnit, NodeClaim, WantedOfUnit, claim, delete_step, is_peer_of, plan_release,
    plan_unit,
};

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Server-side apply of one object.
    Apply {
        /// What is applied.
        desired: Desired,
        /// Whether the object is not there yet.
        create: bool,
        /// The version that was seen, `0` for none, where a leader that is one no longer must not undo what its
        /// successor wrote.
        resource_version: Option<String>,
        /// The version that was seen in any case; `None` for an object that is not there yet.
        seen: Option<String>,
        /// What changes by it.
        changes: Vec<FieldChange>,
    },
    /// Merge patch of annotations of one Node.
    Annotate {
        /// The Node.
        node: String,
        /// Key to value; `None` removes the annotation.
        annotations: BTreeMap<String, Option<String>>,
        /// The version that was seen, where a lost race must be noticed.
        resource_version: Option<String>,
        /// What changes by it.
        changes: Vec<FieldChange>,
    },
    /// Merge patch of the labels that another writer dropped.
    Relabel {
        /// The kind.
        kind: Kind,
        /// The object.
        name: String,
        /// The labels as they should be.
        labels: BTreeMap<String, String>,
        /// The version that was seen: another object may have the name by now.
        resource_version: String,
    },
    /// Stop new pod addresses from a pool nobody asked for.
    DisablePool {
        /// The pool.
        name: String,
        /// Its CIDR, for the log.
        cidr: String,
        /// The version that was seen: somebody may want the pool again meanwhile.
        resource_version: String,
        /// Whether nodes keep their tunnel addresses in it, being the last pool of its encapsulation.
        keep_tunnels: bool,
    },
    /// Release the affinities of an empty, disabled pool, then delete it.
    RemovePool {
        /// The pool.
        name: String,
        /// Its UID as a precondition.
        uid: String,
        /// Its CIDR.
        cidr: String,
    },
    /// Server-side apply of one install document.
    Install {
        /// What is applied.
        document: Document,
        /// A strategic merge patch without which the API server would not take it, or what it asks for would not come.
        first: Option<Value>,
        /// The version that was seen, where a lost race must be noticed.
        resource_version: Option<String>,
        /// What changes by it; empty for an object that is not there yet.
        changes: Vec<FieldChange>,
    },
    /// Delete an object of an earlier install document.
    Uninstall {
        /// Which object.
        id: DocumentId,
        /// Its path.
        path: String,
        /// Its UID as a precondition.
        uid: String,
        /// The version that was seen, as a precondition.
        resource_version: String,
    },
    /// Delete a unit's `CalicoNodeStatus`, if there is one.
    RemoveStatus {
        /// The unit.
        unit: UnitName,
        /// Whose it has to be.
        owner: Owner,
        /// The Node that it has to be for, where that is known.
        node: Option<String>,
    },
    /// Delete an object of ours.
    Delete {
        /// The kind.
        kind: Kind,
        /// The object.
        name: String,
        /// Its UID as a precondition.
        uid: String,
        /// The version that was seen, as a precondition.
        resource_version: String,
        /// Why it goes.
        because: String,
    },
}

impl Step {
    /// Whether it writes what all units share, and what only a leader may.
    #[must_use]
    pub fn is_of_the_cluster(&self) -> bool {
        match self {
            Self::Apply { desired, .. } => {
                !matches!(desired.kind, Kind::BgpPeer | Kind::CalicoNodeStatus)
            }
            Self::DisablePool { .. }
            | Self::RemovePool { .. }
            | Self::Install { .. }
            | Self::Uninstall { .. } => true,
            Self::Annotate { .. }
            | Self::Relabel { .. }
            | Self::RemoveStatus { .. }
            | Self::Delete { .. } => false,
        }
    }

    /// Whether it writes or deletes the BGPPeer of this name.
    #[must_use]
    pub fn is_of_peer(&self, peer: &str) -> bool {
        match self {
            Self::Apply { desired, .. } => desired.kind == Kind::BgpPeer && desired.name == peer,
            Self::Relabel { kind, name, .. } | Self::Delete { kind, name, .. } => {
                *kind == Kind::BgpPeer && name == peer
            }
            _ => false,
        }
    }
}

impl fmt::Display for Step {
    /// The line `juju debug-log` shows once the step is done.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply {
                desired,
                create,
                changes,
                ..
            } => {
                let verb = if *create { " created," } else { "" };
                let changes = Changes(changes);
                write!(
                    formatter,
                    "{} {}:{verb} {changes}",
                    desired.kind, desired.name
                )
            }
            Self::Annotate { node, changes, .. } => {
                write!(formatter, "Node {node}: {}", Changes(changes))
            }
            Self::Relabel { kind, name, .. } => {
                write!(formatter, "{kind} {name}: labels restored")
            }
            Self::DisablePool {
                name,
                cidr,
                keep_tunnels,
                ..
            } => {
                let how = if *keep_tunnels {
                    "for tunnel addresses alone"
                } else {
                    "disabled"
                };
                write!(
                    formatter,
                    "IPPool {name}: {how}, {cidr} is not in `cidr` (unrecognized-pools)"
                )
            }
            Self::RemovePool { name, cidr, .. } => write!(
                formatter,
                "IPPool {name}: deleted, {cidr} is not in `cidr` and has no addresses left (unrecognized-pools)"
            ),
            Self::Install {
                document, changes, ..
            } if changes.is_empty() => write!(formatter, "{}: installed", document.id()),
            Self::Install {
                document, changes, ..
            } => write!(formatter, "{}: {}", document.id(), Changes(changes)),
            Self::Uninstall { id, .. } => {
                write!(
                    formatter,
                    "{id}: deleted, the install documents no longer have it"
                )
            }
            Self::RemoveStatus { unit, .. } => {
                write!(
                    formatter,
                    "{}: deleted, {unit} reflects no more",
                    status_of(unit)
                )
            }
            Self::Delete {
                kind,
                name,
                because,
                ..
            } => write!(formatter, "{kind} {name}: deleted, {because}"),
        }
    }
}

/// Writes in the order they must happen: one wave after the other, the steps of a wave side by side. A wave that
/// fails ends the plan, so that nothing is taken away before its replacement stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    waves: Vec<Vec<Step>>,
}

impl Plan {
    /// Adds a wave; an empty one leaves the plan as it is.
    pub fn push(&mut self, steps: Vec<Step>) {
        if !steps.is_empty() {
            self.waves.push(steps);
        }
    }

    /// Adds the waves of another plan.
    pub fn append(&mut self, other: Self) {
        self.waves.extend(other.waves);
    }

    /// The plan without its waves that only delete, and those.
    #[must_use]
    pub fn without_deletes(self) -> (Self, Self) {
        let deletes =
            |wave: &Vec<Step>| wave.iter().all(|step| matches!(step, Step::Delete { .. }));
        let (deletes, rest) = self.waves.into_iter().partition(deletes);
        (Self { waves: rest }, Self { waves: deletes })
    }

    /// The waves in order, none of them empty.
    #[must_use]
    pub fn waves(&self) -> &[Vec<Step>] {
        &self.waves
    }

    /// Every step in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.waves.iter().flatten()
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }
}

/// `CalicoNodeStatus calico-0`.
fn status_of(unit: &UnitName) -> String {
    format!("{} {}", Kind::CalicoNodeStatus, unit.dashed())
}

/// Something in the cluster that forbids every write of this hook, with the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Blocked {
    /// One line, the option first where one is at fault.
    pub message: String,
    /// The way out, for the log.
    pub remedy: String,
}

/// An apply of `desired`, or nothing when `live` already is as it should be.
#[must_use]
pub fn plan_apply(desired: Desired, live: Option<&Live>) -> Option<Step> {
    let changes = match live {
        Some(live) => differences(&desired, live),
        None => initial(&desired),
    };
    if live.is_some() && changes.is_empty() {
        return None;
    }
    let of_the_cluster = matches!(desired.kind, Kind::BgpConfiguration | Kind::IpPool);
    let seen = live.map(|live| live.resource_version().to_owned());
    let guard = || seen.clone().unwrap_or_else(|| "0".to_owned());
    Some(Step::Apply {
        resource_version: of_the_cluster.then(guard),
        seen,
        desired,
        create: live.is_none(),
        changes,
    })
}
