//! Juju's side: the hook's environment, the hook tools, and what they say about this unit. Performs IO.

pub mod action;
pub mod context;
pub mod hook;
pub mod network;
pub mod tools;

pub use action::Action;
pub use context::JujuContext;
pub use hook::Hook;
pub use tools::{HookTools, ProcessTools};
