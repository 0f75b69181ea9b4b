//! The hooks Juju runs on a unit, and for whom.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One hook or action to run on a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A hook of the unit itself.
    Unit(UnitHook),
    /// A hook of one relation.
    Relation {
        /// The relation's number, 4 in `cni:4`.
        relation: u32,
        /// The relation's endpoint on the unit's side, `cni`.
        endpoint: String,
        /// What happened.
        phase: Phase,
        /// The remote unit; `None` in created and broken, and when an application's databag changed.
        remote: Option<String>,
    },
    /// An action.
    Action {
        /// `list-versions`.
        name: String,
        /// Number of the operation's task.
        id: u32,
        /// What `action-get` shows.
        parameters: Value,
    },
}

/// The hooks that belong to no relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitHook {
    /// First of all.
    Install,
    /// The options or addresses changed, or the agent restarted.
    ConfigChanged,
    /// After the first config-changed, and after a reboot.
    Start,
    /// The charm was refreshed.
    UpgradeCharm,
    /// Every five minutes.
    UpdateStatus,
    /// The unit became leader.
    LeaderElected,
    /// Another unit is leader, or has changed the leader's settings.
    LeaderSettingsChanged,
    /// All relations are broken.
    Stop,
    /// Last of all.
    Remove,
    /// Restricted; run every five minutes by Juju before version 4.
    CollectMetrics,
    /// Restricted; Juju before version 4.
    MeterStatusChanged,
}

/// What happened to a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It was made.
    Created,
    /// A remote unit came.
    Joined,
    /// A remote unit or application wrote into its databag.
    Changed,
    /// A remote unit, or this one, goes.
    Departed,
    /// It is over for this unit.
    Broken,
}

impl UnitHook {
    /// Every one of them.
    pub const ALL: [Self; 11] = [
        Self::Install,
        Self::ConfigChanged,
        Self::Start,
        Self::UpgradeCharm,
        Self::UpdateStatus,
        Self::LeaderElected,
        Self::LeaderSettingsChanged,
        Self::Stop,
        Self::Remove,
        Self::CollectMetrics,
        Self::MeterStatusChanged,
    ];

    /// The name as Juju spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::ConfigChanged => "config-changed",
            Self::Start => "start",
            Self::UpgradeCharm => "upgrade-charm",
            Self::UpdateStatus => "update-status",
            Self::LeaderElected => "leader-elected",
            Self::LeaderSettingsChanged => "leader-settings-changed",
            Self::Stop => "stop",
            Self::Remove => "remove",
            Self::CollectMetrics => "collect-metrics",
            Self::MeterStatusChanged => "meter-status-changed",
        }
    }

    /// Whether almost every hook tool fails in it (Juju's `jujuc.RestrictedContext`).
    #[must_use]
    pub fn is_restricted(self) -> bool {
        matches!(self, Self::CollectMetrics | Self::MeterStatusChanged)
    }
}

impl Phase {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::Created,
        Self::Joined,
        Self::Changed,
        Self::Departed,
        Self::Broken,
    ];

    /// The word after `-relation-`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Joined => "joined",
            Self::Changed => "changed",
            Self::Departed => "departed",
            Self::Broken => "broken",
        }
    }
}

impl Event {
    /// `config-changed`, `cni-relation-joined`; the action's name for actions.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Unit(hook) => hook.name().to_owned(),
            Self::Relation {
                endpoint, phase, ..
            } => format!("{endpoint}-relation-{}", phase.name()),
            Self::Action { name, .. } => name.clone(),
        }
    }

    /// Where the charm keeps the program: `hooks/<name>` or `actions/<name>`; also `JUJU_DISPATCH_PATH`.
    #[must_use]
    pub fn path(&self) -> String {
        let folder = match self {
            Self::Action { .. } => "actions",
            _ => "hooks",
        };
        format!("{folder}/{}", self.name())
    }

    /// The relation's number, in relation hooks.
    #[must_use]
    pub fn relation(&self) -> Option<u32> {
        match self {
            Self::Relation { relation, .. } => Some(*relation),
            _ => None,
        }
    }

    /// Whether almost every hook tool fails in it.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        matches!(self, Self::Unit(hook) if hook.is_restricted())
    }
}

impl From<UnitHook> for Event {
    fn from(hook: UnitHook) -> Self {
        Self::Unit(hook)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())?;
        match self {
            Self::Relation {
                relation, remote, ..
            } => match remote {
                Some(unit) => write!(formatter, " ({relation}, {unit})"),
                None => write!(formatter, " ({relation})"),
            },
            _ => Ok(()),
        }
    }
}
