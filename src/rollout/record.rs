//! What the leader allows, as it stands on BGPConfiguration `default`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::RolloutStep;
use crate::model::{Rollout, UnitName};

/// How far a change may go: `8f14e45fceea167a reflect 5012`, and with units that are not waited for ` without calico/3,calico/5`
/// behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Digest of the options whose change has to happen in order ([`crate::model::Intent::order_digest`]).
    pub digest: String,
    /// The last step that is allowed.
    pub step: RolloutStep,
    /// New with each change: an old record of the same options must allow nothing.
    pub generation: String,
    /// Units the operator goes on without, for this change alone.
    pub without: BTreeSet<UnitName>,
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            digest,
            step,
            generation,
            without,
        } = self;
        write!(formatter, "{digest} {step} {generation}")?;
        let without: Vec<String> = without.iter().map(ToString::to_string).collect();
        if without.is_empty() {
            return Ok(());
        }
        write!(formatter, " without {}", without.join(","))
    }
}

/// A text that is no record; it allows what no record allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a record of a rollout")]
pub struct RecordError;

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(text: &str) -> Result<Self, RecordError> {
        let words: Vec<&str> = text.split(' ').collect();
        let (head, without) = match words.as_slice() {
            [head @ .., "without", units] => (head, *units),
            head => (head, ""),
        };
        let [digest, step, generation] = head else {
            return Err(RecordError);
        };
        if digest.is_empty() || generation.is_empty() {
            return Err(RecordError);
        }
        let without = without.split(',').filter(|unit| !unit.is_empty());
        let without: Result<BTreeSet<UnitName>, _> = without.map(str::parse).collect();
        Ok(Self {
            digest: (*digest).to_owned(),
            step: step.parse().map_err(|_| RecordError)?,
            generation: (*generation).to_owned(),
            without: without.map_err(|_| RecordError)?,
        })
    }
}

/// What a unit may do now, and which generation it has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The last step it may do.
    pub step: RolloutStep,
    /// The generation of the record it has read; `-` where there was none.
    pub generation: String,
}

impl Permission {
    /// Everything at once.
    #[must_use]
    pub fn all() -> Self {
        Self {
            step: RolloutStep::Remove,
            generation: "-".to_owned(),
        }
    }
}

/// What a unit with options of this digest may do: add in any case, more only where the leader allows it for these options.
#[must_use]
pub fn permission(record: Option<&Record>, digest: &str, rollout: Rollout) -> Permission {
    let allowed = record
        .filter(|record| record.digest == digest)
        .map_or(RolloutStep::Add, |record| record.step);
    let step = match rollout {
        Rollout::Safe => allowed,
        Rollout::Immediate => RolloutStep::Remove,
    };
    let generation = record.map_or("-", |record| record.generation.as_str());
    Permission {
        step,
        generation: generation.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        for text in [
            "8f14e45fceea167a add 5012",
            "8f14e45fceea167a remove 5012 without calico/3",
            "8f14e45fceea167a reflect 1 without calico/3,calico/15",
        ] {
            let record: Record = text.parse().expect(text);
            assert_eq!(record.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_record_allows_only_to_add() {
        for text in [
            "",
            "x",
            "x add",
            "x jump 1",
            " add 1",
            "x add 1 2",
            "x add 1 without calico",
            "x add  without calico/1",
        ] {
            assert_eq!(text.parse::<Record>(), Err(RecordError), "{text:?}");
        }
        let nothing = permission(None, "x", Rollout::Safe);
        assert_eq!(
            (nothing.step, &*nothing.generation),
            (RolloutStep::Add, "-")
        );
    }

    #[test]
    fn only_the_same_options_are_allowed_more() {
        let record: Record = "x unset 7".parse().expect("a record");
        let of = |digest, rollout| permission(Some(&record), digest, rollout).step;
        assert_eq!(of("x", Rollout::Safe), RolloutStep::Unset);
        assert_eq!(of("y", Rollout::Safe), RolloutStep::Add);
        assert_eq!(of("y", Rollout::Immediate), RolloutStep::Remove);
        assert_eq!(
            permission(Some(&record), "y", Rollout::Safe).generation,
            "7"
        );
    }
}
