//! A cluster in this process: what the `simulate` command and the tests run the hooks' real code against.
//!
//! Nothing here reads a clock, draws a random number or opens a connection: the same requests give the same answers,
//! byte for byte.

pub mod api;
pub mod history;
mod host;
pub mod juju;
pub mod run;
