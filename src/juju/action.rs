//! The actions this charm has, in the names that `actions.yaml` gives them.

use std::fmt;
use std::str::FromStr;

/// One Juju action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The releases that can be installed.
    ListVersions,
    /// The install documents against the cluster.
    ListResources,
    /// Deletes what earlier install documents left.
    ScrubResources,
    /// Applies what is missing or differs.
    SyncResources,
    /// What the next hook would write.
    Plan,
    /// Writes it, if it is still what was planned.
    Apply,
    /// Everything that is in the way, at once.
    Check,
    /// What this unit is, and what it sees.
    Show,
    /// The pools, and who holds addresses of them.
    ShowPools,
    /// Restarts the pods that hold addresses of a pool that retires.
    MigratePool,
    /// How far a change is, and what it waits for.
    RolloutStatus,
    /// Lets a change go on without the units that lag.
    Resume,
}

impl Action {
    /// Every action; a test holds this list, `actions.yaml` and the shims in `actions/` against each other.
    pub const ALL: [Self; 12] = [
        Self::ListVersions,
        Self::ListResources,
        Self::ScrubResources,
        Self::SyncResources,
        Self::Plan,
        Self::Apply,
        Self::Check,
        Self::Show,
        Self::ShowPools,
        Self::MigratePool,
        Self::RolloutStatus,
        Self::Resume,
    ];

    /// The name as an operator types it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListVersions => "list-versions",
            Self::ListResources => "list-resources",
            Self::ScrubResources => "scrub-resources",
            Self::SyncResources => "sync-resources",
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Check => "check",
            Self::Show => "show",
            Self::ShowPools => "show-pools",
            Self::MigratePool => "migrate-pool",
            Self::RolloutStatus => "rollout-status",
            Self::Resume => "resume",
        }
    }
}

/// There is no such action.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no action of this charm")]
pub struct UnknownAction(String);

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or_else(|| UnknownAction(text.to_owned()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name() {
        for action in Action::ALL {
            assert_eq!(action.name().parse(), Ok(action));
        }
        for unknown in ["", "List-versions", "list_versions", "config-changed"] {
            assert_eq!(
                unknown.parse::<Action>(),
                Err(UnknownAction(unknown.to_owned()))
            );
        }
    }
}
