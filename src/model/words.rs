//! Options that take one of a few words, spelt exactly so: a near miss is not taken for what it resembles, but named.

use std::fmt;
use std::str::FromStr;

use super::Refusal;

#[cfg(test)]
mod tests;

/// An option's words, each with what else people write for it, and the error for all other texts.
macro_rules! words {
    (
        $(#[$of_option:meta])*
        $option:ident or $error:ident {
            $($(#[$of_word:meta])* $variant:ident = $word:literal $(| $near:literal)*,)+
        }
    ) => {
        $(#[$of_option])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $option {
            $($(#[$of_word])* $variant,)+
        }

        impl $option {
            /// The option's word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $option {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $option {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, $error> {
                match text {
                    $($word => return Ok(Self::$variant),)+
                    _ => {}
                }
                let meant = match text.trim().to_ascii_lowercase().as_str() {
                    $($word $(| $near)* => Some(Self::$variant),)+
                    _ => None,
                };
                Err($error { meant })
            }
        }

        /// A word that is none of the option's.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error("is not one of {}", [$($word),+].join(", "))]
        pub struct $error {
            /// What was probably meant.
            pub meant: Option<$option>,
        }

        impl Refusal for $error {
            fn remedy(&self) -> Option<String> {
                Some(remedy(self.meant.map($option::as_str), [$($word),+].len()))
            }
        }
    };
}

words! {
    /// The words of `fabric-check`: what the charm does with what the check of the whole fabric finds.
    FabricCheck or FabricCheckError {
        /// Findings are said, and nothing else happens.
        #[default]
        Warn = "warn" | "warning" | "warnings" | "true" | "on" | "yes",
        /// An error keeps the leader from writing.
        Block = "block" | "blocked" | "error" | "errors" | "enforce",
        /// Nothing is checked.
        Off = "off" | "false" | "no" | "none" | "never" | "disabled",
    }
}

words! {
    /// The words of `rollout`: how a change comes to the units.
    Rollout or RolloutError {
        /// Step by step: nothing is taken away before what replaces it stands on every unit.
        #[default]
        Safe = "safe" | "safely" | "ordered" | "slow" | "true" | "on",
        /// Every unit for itself, at once.
        Immediate = "immediate" | "immediately" | "now" | "fast" | "off" | "false",
    }
}

words! {
    /// The words of `unrecognized-pools`: what becomes of pools that no option asks for.
    UnrecognizedPools or UnrecognizedPoolsError {
        /// They give out no more addresses, and go once no workload holds one. `delete` is what the charm's documentation
        /// calls it.
        #[default]
        Drain = "drain" | "drained" | "delete" | "deleted" | "remove" | "removed" | "disable",
        /// They stay as they are.
        Ignore = "ignore" | "ignored" | "keep" | "leave",
        /// While there is one, the leader changes no pool.
        Block = "block" | "blocked",
    }
}

/// What to write instead. YAML 1.1, which bundles are read with, takes some words for booleans.
fn remedy(meant: Option<&str>, words: usize) -> String {
    match (meant, words) {
        (Some(word @ ("on" | "off" | "yes" | "no")), _) => {
            format!("write \"{word}\", in a bundle with the quotes")
        }
        (Some(word), _) => format!("write {word}"),
        (None, 2) => "write one of the two, spelt exactly so".to_owned(),
        (None, 3) => "write one of the three, spelt exactly so".to_owned(),
        (None, _) => "write one of them, spelt exactly so".to_owned(),
    }
}
