//! The fabric's engine against a simulator that writes down every session and every route, and against laws that any
//! right answer keeps.

#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

#[path = "fabric_oracle/equality.rs"]
mod equality;
#[path = "fabric_oracle/fabrics.rs"]
mod fabrics;
#[path = "fabric_oracle/known.rs"]
mod known;
#[path = "fabric_oracle/laws.rs"]
mod laws;
#[path = "fabric_oracle/links.rs"]
mod links;
#[path = "fabric_oracle/mutations.rs"]
mod mutations;
#[path = "fabric_oracle/racks.rs"]
mod racks;
#[path = "fabric_oracle/routes.rs"]
mod routes;
#[path = "fabric_oracle/simulation.rs"]
mod simulation;
#[path = "fabric_oracle/walk.rs"]
mod walk;
