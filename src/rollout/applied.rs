//! What a unit has done, as it stands on its Node.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::{Permission, RolloutStep};

/// Word of a unit that has nothing left to do.
const SETTLED: &str = "settled";

/// How far a unit is: `8f14e45fceea167a add 5012 left reflect,remove`, or `8f14e45fceea167a settled 5012`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Digest of the options it acted on.
    pub digest: String,
    /// The last step it was allowed, which it has done.
    pub step: RolloutStep,
    /// Generation of the record that it had read.
    pub generation: String,
    /// Later steps in which it has something to do; empty once it is settled.
    pub left: BTreeSet<RolloutStep>,
}

impl Applied {
    /// What a unit says that has done what it may.
    #[must_use]
    pub fn new(digest: &str, permission: &Permission, left: BTreeSet<RolloutStep>) -> Self {
        Self {
            digest: digest.to_owned(),
            step: if left.is_empty() {
                RolloutStep::Remove
            } else {
                permission.step
            },
            generation: permission.generation.clone(),
            left,
        }
    }

    /// Whether it has done a step of a change, or has nothing to do in it.
    #[must_use]
    pub fn has_done(&self, digest: &str, generation: &str, step: RolloutStep) -> bool {
        self.digest == digest && self.generation == generation && self.step >= step
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            digest,
            step,
            generation,
            left,
        } = self;
        if left.is_empty() {
            return write!(formatter, "{digest} {SETTLED} {generation}");
        }
        let left: Vec<&str> = left.iter().map(|step| step.as_str()).collect();
        write!(
            formatter,
            "{digest} {step} {generation} left {}",
            left.join(",")
        )
    }
}

/// A text that says nothing of a unit: it counts as one that has done nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("does not say how far a unit is")]
pub struct AppliedError;

impl FromStr for Applied {
    type Err = AppliedError;

    fn from_str(text: &str) -> Result<Self, AppliedError> {
        let words: Vec<&str> = text.split(' ').collect();
        let (digest, step, generation, left) = match words.as_slice() {
            [digest, word, generation] if *word == SETTLED => {
                (digest, RolloutStep::Remove, generation, "")
            }
            [digest, step, generation, "left", left] => {
                let step = step.parse().map_err(|_| AppliedError)?;
                (digest, step, generation, *left)
            }
            _ => return Err(AppliedError),
        };
        let left = left.split(',').filter(|step| !step.is_empty());
        let left: Result<_, _> = left.map(str::parse).collect();
        Ok(Self {
            digest: (*digest).to_owned(),
            step,
            generation: (*generation).to_owned(),
            left: left.map_err(|_| AppliedError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_round_trip() {
        for text in [
            "8f14e45fceea167a settled 5012",
            "8f14e45fceea167a add - left renumber,remove",
            "8f14e45fceea167a reflect 5012 left unset",
        ] {
            let applied: Applied = text.parse().expect(text);
            assert_eq!(applied.to_string(), text);
        }
        for text in [
            "",
            "x settled",
            "x add 1",
            "x add 1 left jump",
            "x jump 1 left unset",
        ] {
            assert_eq!(text.parse::<Applied>(), Err(AppliedError), "{text:?}");
        }
    }

    #[test]
    fn whoever_is_settled_has_done_every_step() {
        let settled: Applied = "x settled 7".parse().expect("a text");
        let added: Applied = "x add 7 left remove".parse().expect("a text");
        for step in RolloutStep::ALL {
            assert!(settled.has_done("x", "7", step));
            assert!(!settled.has_done("x", "8", step), "another generation");
            assert!(!settled.has_done("y", "7", step), "other options");
            assert_eq!(added.has_done("x", "7", step), step == RolloutStep::Add);
        }
    }
}
