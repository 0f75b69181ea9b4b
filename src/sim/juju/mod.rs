//! A Juju model in this process: what the hook tools answer, what a hook changes, and which hooks follow.
//!
//! It keeps Juju's rules as far as a charm can see them (Juju's hook tool reference; the packages `jujuc`, `uniter` and
//! `state` of `github.com/juju/juju`), and refuses, by [`Impossible`], what Juju would never do: a joined unit that joins
//! again, a relation broken before its units have departed, two hooks at a time on one machine.
//!
//! - The operator's side: [`JujuModel::deploy`], [`JujuModel::add_unit`], [`JujuModel::relate`],
//!   [`JujuModel::set_options`], [`JujuModel::remove_unit`] and so on. [`JujuModel::charmed_kubernetes`] does it all.
//! - The agent's side: [`JujuModel::due`] says which hook Juju would run next on a unit; [`JujuModel::begin`] starts one,
//!   [`JujuModel::call`] answers its hook tools, [`JujuModel::commit`] or [`JujuModel::rollback`] ends it.
//! - [`ModelTools`] is the seam to the charm: its [`HookTools`](crate::juju::HookTools) answered by a model.
//!
//! Two things differ from Juju. Reads are always fresh, where Juju's agent may show a remote unit's settings as they
//! were when its last relation-changed ran. Nothing happens by itself: leaders change and time passes when told.

mod charm;
mod check;
mod environment;
mod event;
mod hook;
mod hook_tools;
mod impossible;
mod machine;
mod membership;
mod model;
mod operator;
mod reading;
mod relation;
mod removal;
mod tools;
mod topology;
mod uniter;

#[cfg(test)]
mod tests;

pub use charm::{Charm, CharmOption, Endpoint, Kind, Role, Scope};
pub use event::{Event, Phase, UnitHook};
pub use hook::{Change, HookContext, Rejected};
pub use hook_tools::TOOLS;
pub use impossible::Impossible;
pub use machine::{ALPHA_SPACE, Interface, InterfaceAddress, Machine};
pub use model::{
    ActionResult, Application, JujuModel, Life, LogLine, NetworkSpelling, Proxies, Unit, UnitStatus,
};
pub use relation::{End, Relation};
pub use tools::{Call, ModelTools};
