//! How a change comes to the units.

use std::fmt;
use std::str::FromStr;

use super::Refusal;

/// The words of `rollout`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rollout {
    /// Step by step: nothing is taken away before what replaces it stands on every unit.
    #[default]
    Safe,
    /// Every unit for itself, at once.
    Immediate,
}

impl Rollout {
    /// The option's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Immediate => "immediate",
        }
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Rollout {
    type Err = RolloutError;

    fn from_str(text: &str) -> Result<Self, RolloutError> {
        match text {
            "safe" => Ok(Self::Safe),
            "immediate" => Ok(Self::Immediate),
            _ => Err(RolloutError { meant: meant(text) }),
        }
    }
}

fn meant(text: &str) -> Option<Rollout> {
    match text.trim().to_ascii_lowercase().as_str() {
        "safe" | "safely" | "ordered" | "slow" | "true" | "on" => Some(Rollout::Safe),
        "immediate" | "immediately" | "now" | "fast" | "off" | "false" => Some(Rollout::Immediate),
        _ => None,
    }
}

/// A word that is none of the option's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of safe, immediate")]
pub struct RolloutError {
    /// What was probably meant.
    pub meant: Option<Rollout>,
}

impl Refusal for RolloutError {
    fn remedy(&self) -> Option<String> {
        Some(match self.meant {
            Some(word) => format!("write {word}"),
            None => "write one of the two, spelt exactly so".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_words_only() {
        for word in [Rollout::Safe, Rollout::Immediate] {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert_eq!(Rollout::default(), Rollout::Safe);
        for (text, meant) in [
            ("Safe", Some(Rollout::Safe)),
            (" immediate", Some(Rollout::Immediate)),
            ("now", Some(Rollout::Immediate)),
            ("", None),
            ("rolling", None),
        ] {
            let refused = text.parse::<Rollout>();
            assert_eq!(refused, Err(RolloutError { meant }), "{text:?}");
        }
    }
}
