//! The charm's options: raw values as Juju or a file holds them, to one typed field an option. Pure.
//!
//! [`RawConfig`] is what is set, [`OPTIONS`] what config.yaml declares, [`CharmConfig`] what it means. Nothing here
//! stops at the first mistake: every wrong value of every option becomes a [`Problem`] of one [`Problems`].

mod check;
mod image;
mod networks;
mod node;
mod options;
mod peers;
mod problem;
mod raw;
mod reader;
mod structure;
mod suggest;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use node::{Node, NodeValue};
pub use options::{CharmConfig, OPTIONS, OptionDefault, OptionKind, OptionSpec};
pub use problem::{Position, Problem, Problems};
pub use raw::{RawConfig, RawConfigError, RawValue};
