//! What the charm does with what the check of the whole fabric finds.

use std::fmt;
use std::str::FromStr;

use super::Refusal;

/// The words of `fabric-check`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FabricCheck {
    /// Findings are said, and nothing else happens.
    #[default]
    Warn,
    /// An error keeps the leader from writing.
    Block,
    /// Nothing is checked.
    Off,
}

impl FabricCheck {
    /// The option's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Block => "block",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for FabricCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for FabricCheck {
    type Err = FabricCheckError;

    fn from_str(text: &str) -> Result<Self, FabricCheckError> {
        match text {
            "warn" => Ok(Self::Warn),
            "block" => Ok(Self::Block),
            "off" => Ok(Self::Off),
            _ => Err(FabricCheckError { meant: meant(text) }),
        }
    }
}

/// YAML 1.1, which bundles are read with, takes `off` for `false`.
fn meant(text: &str) -> Option<FabricCheck> {
    match text.trim().to_ascii_lowercase().as_str() {
        "warn" | "warning" | "warnings" | "true" | "on" | "yes" => Some(FabricCheck::Warn),
        "block" | "blocked" | "error" | "errors" | "enforce" => Some(FabricCheck::Block),
        "off" | "false" | "no" | "none" | "never" | "disabled" => Some(FabricCheck::Off),
        _ => None,
    }
}

/// A word that is none of the option's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of warn, block, off")]
pub struct FabricCheckError {
    /// What was probably meant.
    pub meant: Option<FabricCheck>,
}

impl Refusal for FabricCheckError {
    fn remedy(&self) -> Option<String> {
        Some(match self.meant {
            Some(FabricCheck::Off) => "write \"off\", in a bundle with the quotes".to_owned(),
            Some(word) => format!("write {word}"),
            None => "write one of the three, spelt exactly so".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_words_only() {
        for word in [FabricCheck::Warn, FabricCheck::Block, FabricCheck::Off] {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert_eq!(FabricCheck::default(), FabricCheck::Warn);
    }

    #[test]
    fn near_misses_are_named() {
        for (text, meant) in [
            ("Warn", Some(FabricCheck::Warn)),
            ("warning", Some(FabricCheck::Warn)),
            ("true", Some(FabricCheck::Warn)),
            ("BLOCK", Some(FabricCheck::Block)),
            ("errors", Some(FabricCheck::Block)),
            ("false", Some(FabricCheck::Off)),
            (" off ", Some(FabricCheck::Off)),
            ("strict", None),
            ("", None),
        ] {
            assert_eq!(
                text.parse::<FabricCheck>(),
                Err(FabricCheckError { meant }),
                "{text:?}"
            );
        }
    }
}
