//! The steps of a change.

use std::fmt;
use std::str::FromStr;

/// One step of a change, in order: what only adds first, what takes away last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutStep {
    /// Sessions are added beside those that stand.
    Add,
    /// Reflectors that are none any more go back into the mesh that stays on.
    Rejoin,
    /// AS numbers change.
    Renumber,
    /// Nodes become reflectors.
    Reflect,
    /// The mesh that is to be off, and reflectors that are none any more without one.
    Unset,
    /// Sessions that nobody wants any more go.
    Remove,
}

impl RolloutStep {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Add,
        Self::Rejoin,
        Self::Renumber,
        Self::Reflect,
        Self::Unset,
        Self::Remove,
    ];

    /// Its word in records, statuses and results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Rejoin => "rejoin",
            Self::Renumber => "renumber",
            Self::Reflect => "reflect",
            Self::Unset => "unset",
            Self::Remove => "remove",
        }
    }
}

impl fmt::Display for RolloutStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A word that is no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of add, rejoin, renumber, reflect, unset, remove")]
pub struct StepError;

impl FromStr for RolloutStep {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        Self::ALL
            .into_iter()
            .find(|step| step.as_str() == text)
            .ok_or(StepError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_in_order() {
        for step in RolloutStep::ALL {
            assert_eq!(step.to_string().parse(), Ok(step));
        }
        assert!(RolloutStep::ALL.is_sorted());
        assert_eq!("Add".parse::<RolloutStep>(), Err(StepError));
    }
}
