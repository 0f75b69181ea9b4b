//! The hooks this charm acts on, in Juju's own names.

use std::fmt;
use std::str::FromStr;

/// One Juju hook, as far as it matters to this charm.
///
/// Every hook runs the same reconcile path but [`Hook::CniRelationBroken`] and [`Hook::Remove`], which take the unit's
/// own things away, and [`Hook::FabricRelationChanged`] about another unit's data, which does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// First hook of a unit.
    Install,
    /// Options changed, the machine's addresses changed, or the agent restarted.
    ConfigChanged,
    /// After the first `config-changed`, and after a reboot.
    Start,
    /// The charm was refreshed.
    UpgradeCharm,
    /// Every five minutes unless the model says otherwise.
    UpdateStatus,
    /// This unit became leader.
    LeaderElected,
    /// The principal joined the `cni` relation.
    CniRelationJoined,
    /// The principal changed its data, for example the hash of a new kubeconfig.
    CniRelationChanged,
    /// The principal is going: the charm takes its own things away.
    CniRelationBroken,
    /// The leader has allowed the next step of a change; or another unit has written its data, which nobody waits for.
    FabricRelationChanged,
    /// Another unit of the application went.
    FabricRelationDeparted,
    /// Last hook of a unit.
    Remove,
}

impl Hook {
    /// Every hook with a shim in `hooks/`; a test holds the two against each other.
    pub const ALL: [Self; 12] = [
        Self::Install,
        Self::ConfigChanged,
        Self::Start,
        Self::UpgradeCharm,
        Self::UpdateStatus,
        Self::LeaderElected,
        Self::CniRelationJoined,
        Self::CniRelationChanged,
        Self::CniRelationBroken,
        Self::FabricRelationChanged,
        Self::FabricRelationDeparted,
        Self::Remove,
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
            Self::CniRelationJoined => "cni-relation-joined",
            Self::CniRelationChanged => "cni-relation-changed",
            Self::CniRelationBroken => "cni-relation-broken",
            Self::FabricRelationChanged => "fabric-relation-changed",
            Self::FabricRelationDeparted => "fabric-relation-departed",
            Self::Remove => "remove",
        }
    }

    /// Whether the unit is on its way out and takes its own objects away.
    #[must_use]
    pub fn is_teardown(self) -> bool {
        matches!(self, Self::CniRelationBroken | Self::Remove)
    }
}

/// The hook has no meaning for this charm; Juju may run it all the same, and it must succeed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("hook {0:?} is not one this charm acts on")]
pub struct UnknownHook(String);

impl FromStr for Hook {
    type Err = UnknownHook;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|hook| hook.name() == text)
            .ok_or_else(|| UnknownHook(text.to_owned()))
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for hook in Hook::ALL {
            assert_eq!(hook.name().parse(), Ok(hook));
        }
    }

    #[test]
    fn unknown_hooks_are_told_apart() {
        for name in ["collect-metrics", "", "Install", "cni-relation-created"] {
            assert!(name.parse::<Hook>().is_err(), "{name}");
        }
    }
}
