//! What a history shows to those who watch it: the scene, each write, and what else happens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::fabric::Router;
use crate::sim::api::{ApiServer, RequestRecord, Verb};
use crate::sim::juju::JujuModel;

/// What stands at one moment, and what the history knows of it.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The cluster.
    pub server: &'a ApiServer,
    /// The Juju model.
    pub model: &'a JujuModel,
    /// The application whose units are run.
    pub application: &'a str,
    /// The machines' routers.
    pub routers: &'a [Router],
}

/// One write that changed the store.
#[derive(Debug, Clone)]
pub struct Written {
    /// The unit, `calico/0`, or the name of another writer such as `kubectl`.
    pub unit: String,
    /// The hook that wrote; empty for other writers.
    pub hook: String,
    /// What the request did.
    pub verb: Verb,
    /// The object's path, `/apis/crd.projectcalico.org/v1/bgppeers/calico-1-10.0.0.1`.
    pub path: String,
    /// The field manager.
    pub manager: String,
    /// The object before, `None` when there was none.
    pub before: Option<Value>,
    /// The object after, `None` when it is gone.
    pub after: Option<Value>,
    /// When, in simulated time since the history began.
    pub at: Duration,
    /// When this hook's `is-leader` answered that it leads.
    pub asked_leader_at: Option<Duration>,
    /// The options that `config-get` gave to this hook, as `juju config` shows them.
    pub options: Arc<Vec<(String, String)>>,
}

/// Something that happens and is no write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// `juju config` set all options to this.
    ConfigSet {
        /// Every option that is set.
        options: Vec<(String, String)>,
    },
    /// A unit came.
    UnitAdded(String),
    /// A unit is being removed.
    UnitRemoved {
        /// The unit.
        unit: String,
        /// Whether none of its hooks runs any more.
        forced: bool,
    },
    /// A hook has ended.
    HookEnded {
        /// The unit.
        unit: String,
        /// The hook.
        hook: String,
        /// How many writes it made that changed the store.
        writes: usize,
        /// How long it took in simulated time.
        took: Duration,
        /// Whether it failed, so that Juju runs it again.
        failed: bool,
    },
    /// A running hook was killed.
    Crashed {
        /// The unit.
        unit: String,
    },
    /// A hook tool of a running hook failed, which makes the hook fail.
    ToolFailed {
        /// The unit.
        unit: String,
    },
    /// Another unit leads, or none.
    LeaderIs(Option<String>),
    /// From now on nothing goes wrong any more.
    Healed,
    /// A whole round of hooks wrote nothing.
    Quiet,
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant's name.
    pub invariant: &'static str,
    /// What is wrong.
    pub message: String,
}

/// Watches one history. It is called after every write and every event, with the scene as it is then.
pub trait Watch {
    /// A write changed the store; nobody else has written since.
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation>;

    /// Something else happened.
    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation>;

    /// A unit's hook sent a request, and it was answered or broke.
    fn asked(&mut self, _unit: &str, _request: &RequestRecord) -> Vec<Violation> {
        Vec::new()
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn written(&mut self, _: &Scene<'_>, _: &Written) -> Vec<Violation> {
        Vec::new()
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }
}
