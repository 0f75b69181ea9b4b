//! What the model refuses because Juju would.

use super::charm::Kind;

/// Juju would not do this, or would not get here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// Nothing is called so.
    #[error("there is no {kind} {name:?}")]
    Unknown {
        /// `unit`, `application` and so on.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// Something is called so already.
    #[error("{kind} {name:?} is there already")]
    Duplicate {
        /// `application`, `relation`.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The text is no value of the option's type.
    #[error("option {option:?} expected {kind}, got {text:?}")]
    OptionValue {
        /// The option.
        option: String,
        /// Its type.
        kind: Kind,
        /// What was given.
        text: String,
    },
    /// The two endpoints cannot be related.
    #[error("{first} and {second} cannot be related")]
    Relation {
        /// `calico:cni`.
        first: String,
        /// `etcd:db`.
        second: String,
    },
    /// Juju would not run this hook on this unit now.
    #[error("Juju does not run {event} on {unit} now: {reason}")]
    Hook {
        /// The unit.
        unit: String,
        /// The hook.
        event: String,
        /// What stands against it.
        reason: String,
    },
    /// Juju would not do this to the unit.
    #[error("{unit}: {reason}")]
    Unit {
        /// The unit.
        unit: String,
        /// What stands against it.
        reason: &'static str,
    },
}

impl Impossible {
    pub(super) fn unknown(kind: &'static str, name: impl Into<String>) -> Self {
        Self::Unknown {
            kind,
            name: name.into(),
        }
    }
}
