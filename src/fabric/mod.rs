//! The whole fabric at once: every session, every route, and what is wrong with them. Pure.
//!
//! ```text
//! options and units, or live objects ──► Topology        from_options.rs, live.rs
//! Topology ──► Sessions                                  derive.rs, mesh.rs: what confd and BIRD make of the objects
//! Sessions ──► Classes                                   classes.rs: nodes that nothing tells apart are one
//! Classes ──► Plane: routes, and where packets end       propagate.rs, forward.rs
//! all of it ──► Findings, with the repair that helps     rules/, blame.rs, catalogue.rs
//! all of it ──► a picture                                draw/
//! two of them ──► what a change keeps, restarts, loses   compare.rs
//! ```
//!
//! Where this disagrees with BIRD or Calico, they are right.

mod blame;
pub mod catalogue;
mod check;
mod classes;
mod compare;
mod derive;
pub mod draw;
mod facts;
mod filter;
mod finding;
#[cfg(test)]
pub(crate) mod fixtures;
mod forward;
mod from_options;
mod graph;
mod idle;
mod live;
mod mesh;
mod propagate;
mod reach;
mod rules;
mod selector;
mod session;
#[cfg(test)]
mod tests;
mod topology;

pub use check::{Checked, check, check_by_classes};
pub use classes::{Class, ClassId, Classes};
pub use compare::{
    Difference, Effect, Kind, ReachChange, Reason, SessionChange, SessionTotals, compare,
};
pub use derive::derive;
pub use finding::{Code, Finding, Severity};
pub use from_options::{FabricFacts, UnitOnNode, topology};
pub use live::{Objects, backend, improves, live, merge};
pub use mesh::{mesh_side, mesh_status, mesh_totals};
pub use propagate::Budget;
pub use reach::{Assumption, Fate, Hop, Plane, Reach, Verdict};
pub use session::{Cause, Clash, Cluster, Mesh, Session, Sessions, Side, Speaker, Status};
pub use topology::{
    Address, Backend, DEFAULT_AS_NUMBER, Filter, FilterAction, FilterRule, Gateway, Gives, Idle,
    IdleKey, MatchOperator, NextHop, Node, Origin, Peering, PeeringExtra, Pool, Router, Scope,
    Target, Told, Topology, Unmodelled,
};
