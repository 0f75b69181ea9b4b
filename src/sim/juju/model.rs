//! What a model holds.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::charm::Charm;
use super::event::Event;
use super::machine::Machine;
use super::relation::{Relation, Seen};
use super::tools::Answer;

/// A Juju model: machines, applications, units and relations, with what their agents know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JujuModel {
    pub(super) name: String,
    pub(super) uuid: String,
    /// `JUJU_VERSION`.
    pub agent_version: String,
    /// How `network-get` spells its keys.
    pub network_spelling: NetworkSpelling,
    /// What `JUJU_CHARM_HTTP_PROXY` and so on say.
    pub proxies: Proxies,
    pub(super) machines: BTreeMap<u32, Machine>,
    pub(super) applications: BTreeMap<String, Application>,
    pub(super) units: BTreeMap<String, Unit>,
    pub(super) relations: BTreeMap<u32, Relation>,
    pub(super) next_relation: u32,
    pub(super) next_context: u64,
    /// Machine to the hook that holds its lock: one hook at a time on a machine.
    pub(super) running: BTreeMap<u32, String>,
    /// Tools that answer otherwise than they should: fault injection.
    pub(super) faults: BTreeMap<String, VecDeque<Answer>>,
    pub(super) logs: Vec<LogLine>,
    pub(super) actions: Vec<ActionResult>,
}

/// How `network-get --format=json` spells its keys (Juju's `params.NetworkInfoResult`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkSpelling {
    /// `mac-address`, `interface-name`, `value`: Juju 2.9.
    Juju29,
    /// Those and `macaddress`, `interfacename`, `address`: later ones.
    #[default]
    Both,
}

/// The model's proxies, as `juju-http-proxy` and its like set them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// For `http`.
    pub http: String,
    /// For `https`.
    pub https: String,
    /// For `ftp`.
    pub ftp: String,
    /// Hosts reached without one.
    pub no_proxy: String,
    /// Set by the older `http-proxy` and its like, which also export `http_proxy` and `HTTP_PROXY`.
    pub legacy: bool,
}

/// Whether something is there to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// It is.
    Alive,
    /// It is being removed.
    Dying,
}

/// A deployed charm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Application {
    pub(super) charm: Charm,
    /// Options that are set, as `juju config` holds them.
    pub(super) settings: BTreeMap<String, Value>,
    pub(super) settings_version: u64,
    pub(super) charm_revision: u64,
    pub(super) leader: Option<String>,
    pub(super) leader_settings: BTreeMap<String, String>,
    pub(super) leader_version: u64,
    pub(super) status: Option<UnitStatus>,
    pub(super) next_unit: u32,
    /// Endpoint to space, where that is not `alpha`.
    pub(super) bindings: BTreeMap<String, String>,
}

/// A unit and what its agent has done so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    pub(super) application: String,
    pub(super) machine: u32,
    pub(super) principal: Option<String>,
    pub(super) life: Life,
    pub(super) status: UnitStatus,
    pub(super) version: String,
    pub(super) state: BTreeMap<String, String>,
    pub(super) ports: BTreeSet<String>,
    pub(super) agent: Agent,
}

/// A workload status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// `active`, `blocked`, `waiting`, `maintenance`, `unknown`.
    pub status: String,
    /// What `juju status` shows behind it.
    pub message: String,
}

/// How far a unit's agent is (Juju's `uniter` and its local state).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Agent {
    pub stage: Stage,
    /// Hooks that follow from one that has run.
    pub queue: VecDeque<Event>,
    /// The hook that failed and blocks all others.
    pub failed: Option<Event>,
    pub knows_it_leads: bool,
    pub leader_version: Option<u64>,
    pub settings_version: u64,
    pub addresses_changed: bool,
    pub charm_revision: u64,
    pub relations: BTreeMap<u32, Seen>,
}

/// How far a unit has come in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Stage {
    #[default]
    New,
    Installed,
    Configured,
    Started,
    Stopped,
}

/// A line of `juju debug-log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The unit it is from.
    pub unit: String,
    /// The hook it is from.
    pub hook: String,
    /// `INFO`.
    pub level: String,
    /// The text; in relation hooks Juju puts the relation in front.
    pub message: String,
}

/// An action that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The unit it ran on.
    pub unit: String,
    /// Its name.
    pub name: String,
    /// The message of `action-fail`, or the exit status; `None` when it succeeded.
    pub failure: Option<String>,
    /// What `action-set` set.
    pub results: Value,
    /// What `action-log` said.
    pub log: Vec<String>,
}
