//! Histories: the units' hooks interleaved at every request and every hook tool, with all that can go wrong.
//!
//! ```text
//! Story ─► Stage (the deployment at rest) ─► chaos ─► heal ─► rest: the one end that the options ask for
//!                                             │
//!                            desk: every request and every hook tool waits to be let through
//! ```
//!
//! One seed is one history: everything runs on one thread under a clock that only moves when nothing else can, what
//! happens next is drawn from the seed alone, and nothing is ordered by chance. The hooks are the charm's own code.

mod agent;
mod chaos;
mod cluster;
mod crash;
mod desk;
mod fair;
mod faults;
pub mod invariant;
mod membership;
mod mishap;
mod normal;
mod others;
mod play;
mod reports;
pub mod scene;
mod stage;
pub mod stories;
mod story;
mod world;

pub use crash::Points;
pub use faults::{Coverage, Faults, Trouble, UnknownFault};
pub use play::{Counts, Happening};
pub use stage::{Failure, Stage, Summary};
pub use story::{Change, Story};
pub use world::Broken;
