//! A change of the fabric, step by step across all units, so that no traffic is cut on the way. Pure.
//!
//! The cluster holds the truth: what the leader allows is written on BGPConfiguration `default` ([`Record`]), which every
//! unit reads in every hook, and what a unit has done on its own Node ([`Applied`]). There is no state file and no latch: a
//! hook that comes after a crash reads both and goes on. The relation only wakes the others up.
//!
//! | step | every unit | the leader, in the write that allows the step |
//! |---|---|---|
//! | `add` | BGPPeers that are missing; the AS number in effect where numbers are to be annotated | the mesh, where it is to be on |
//! | `rejoin` | the cluster ID goes, where it is no longer wanted and the mesh is to be on | |
//! | `renumber` | AS numbers of BGPPeers in place; the AS number of the Node | `asNumber` |
//! | `reflect` | the cluster ID of the Node, where one is wanted | |
//! | `unset` | the cluster ID goes, where it is no longer wanted and the mesh is to be off | the mesh, where it is to be off |
//! | `remove` | BGPPeers and AS numbers that are no longer wanted | |
//!
//! AS numbers change where most nodes are in a mesh: before reflectors leave it, after they have come back. The mesh follows
//! the numbers on the Nodes by itself; a session of a BGPPeer is down until both ends have changed, however late one is. A mesh
//! of several numbers is none across subnets: there cluster IDs change with the numbers ([`crate::plan::plan_unit`]).
//!
//! A step is allowed once every unit has done the one before. So a hook that was slow, with options of before, has ended
//! on every unit before anything is taken away: Juju runs one hook at a time on a unit, and only a hook that has seen the
//! present record acknowledges it. The generation tells a record from an older one of the same options.

mod advance;
mod applied;
mod declared;
mod record;
mod sessions;
mod standing;
mod step;

pub use advance::{Decision, Situation, Wait, decide};
pub use applied::Applied;
pub use declared::{Declared, DeclaredKind, declared};
pub use record::{Permission, Record, permission};
pub use sessions::{Expected, Missing, SessionReport, SessionsUp, at_fault};
pub use standing::{Part, Phase, Standing, is_at_rest};
pub use step::RolloutStep;
