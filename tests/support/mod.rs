//! What several test programs share.
#![allow(
    dead_code,
    reason = "each test program compiles this module and uses its own part of it"
)]
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

pub mod control_plane;
pub mod crds;
pub mod exchange;
pub mod juju_driver;
pub mod juju_state;
mod processes;
pub mod real_cluster;
pub mod settlement;
pub mod site;
mod users;
pub mod workloads;
