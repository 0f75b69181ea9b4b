//! What becomes of pools that no option asks for.

use std::fmt;
use std::str::FromStr;

use super::Refusal;

/// The words of `unrecognized-pools`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnrecognizedPools {
    /// They give out no more addresses, and go once no workload holds one.
    #[default]
    Drain,
    /// They stay as they are.
    Ignore,
    /// While there is one, the leader changes no pool.
    Block,
}

impl UnrecognizedPools {
    /// The option's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Ignore => "ignore",
            Self::Block => "block",
        }
    }
}

impl fmt::Display for UnrecognizedPools {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for UnrecognizedPools {
    type Err = UnrecognizedPoolsError;

    fn from_str(text: &str) -> Result<Self, UnrecognizedPoolsError> {
        match text {
            "drain" => Ok(Self::Drain),
            "ignore" => Ok(Self::Ignore),
            "block" => Ok(Self::Block),
            _ => Err(UnrecognizedPoolsError { meant: meant(text) }),
        }
    }
}

/// `delete` is what the charm's documentation calls the default.
fn meant(text: &str) -> Option<UnrecognizedPools> {
    match text.trim().to_ascii_lowercase().as_str() {
        "drain" | "drained" | "delete" | "deleted" | "remove" | "removed" | "disable" => {
            Some(UnrecognizedPools::Drain)
        }
        "ignore" | "ignored" | "keep" | "leave" => Some(UnrecognizedPools::Ignore),
        "block" | "blocked" => Some(UnrecognizedPools::Block),
        _ => None,
    }
}

/// A word that is none of the option's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not one of drain, ignore, block")]
pub struct UnrecognizedPoolsError {
    /// What was probably meant.
    pub meant: Option<UnrecognizedPools>,
}

impl Refusal for UnrecognizedPoolsError {
    fn remedy(&self) -> Option<String> {
        Some(match self.meant {
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
        for word in [
            UnrecognizedPools::Drain,
            UnrecognizedPools::Ignore,
            UnrecognizedPools::Block,
        ] {
            assert_eq!(word.to_string().parse(), Ok(word));
        }
        assert_eq!(UnrecognizedPools::default(), UnrecognizedPools::Drain);
    }

    #[test]
    fn near_misses_are_named() {
        for (text, meant) in [
            ("Drain", Some(UnrecognizedPools::Drain)),
            ("delete", Some(UnrecognizedPools::Drain)),
            (" keep ", Some(UnrecognizedPools::Ignore)),
            ("IGNORE", Some(UnrecognizedPools::Ignore)),
            ("blocked", Some(UnrecognizedPools::Block)),
            ("false", None),
            ("", None),
        ] {
            let error = text.parse::<UnrecognizedPools>().unwrap_err();
            assert_eq!(error, UnrecognizedPoolsError { meant }, "{text:?}");
        }
        let remedy = |text: &str| text.parse::<UnrecognizedPools>().unwrap_err().remedy();
        assert_eq!(remedy("keep").as_deref(), Some("write ignore"));
        assert!(remedy("all").is_some_and(|remedy| remedy.contains("one of the three")));
    }
}
