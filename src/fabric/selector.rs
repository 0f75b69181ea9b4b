//! Selectors over labels, in Calico's grammar (`libcalico-go/lib/selector`): `rack == 'a' && !has(spare)`.
//!
//! `!` binds closest, then `&&`, then `||`. Texts stand in single or double quotes and have no escapes; blanks are
//! spaces and tabs; a selector without anything chooses all.

use std::collections::{BTreeMap, BTreeSet};

mod parse;

/// Longest selector that is read: that of the CRDs of Calico 3.32 (`maxLength`).
const LONGEST: usize = 4096;
/// Parentheses inside each other.
const DEEPEST: usize = 64;

/// Why a text is no selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Longer than 4096 bytes.
    #[error("is longer than {LONGEST} bytes")]
    TooLong,
    /// More than 64 parentheses inside each other.
    #[error("has more than {DEEPEST} parentheses inside each other")]
    TooDeep,
    /// It ends where more has to come.
    #[error("ends where {0} has to come")]
    Ends(&'static str),
    /// Something else stands where one thing has to.
    #[error("has `{found}` where {expected} has to stand")]
    Unexpected {
        /// What has to stand there.
        expected: &'static str,
        /// The rest of the text, cut short.
        found: String,
    },
}

/// A selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Term);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// `all()`, `global()`, or nothing at all.
    All,
    /// `has(label)`.
    Has(String),
    /// What one label's value is compared with.
    Label(String, Test),
    Not(Box<Term>),
    And(Vec<Term>),
    Or(Vec<Term>),
}

/// A comparison. What denies holds for a label that is not there, everything else does not.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Equals(String),
    Differs(String),
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Equals(wanted), Some(value)) => value == wanted,
            (Self::In(wanted), Some(value)) => wanted.contains(value),
            (Self::Contains(part), Some(value)) => value.contains(part.as_str()),
            (Self::StartsWith(start), Some(value)) => value.starts_with(start.as_str()),
            (Self::EndsWith(end), Some(value)) => value.ends_with(end.as_str()),
            (Self::Differs(other), Some(value)) => value != other,
            (Self::NotIn(others), Some(value)) => !others.contains(value),
            (Self::Differs(_) | Self::NotIn(_), None) => true,
            (_, None) => false,
        }
    }
}

impl Term {
    fn holds(&self, label: &impl Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::All => true,
            Self::Has(key) => label(key).is_some(),
            Self::Label(key, test) => test.holds(label(key).as_deref()),
            Self::Not(inner) => !inner.holds(label),
            Self::And(terms) => terms.iter().all(|term| term.holds(label)),
            Self::Or(terms) => terms.iter().any(|term| term.holds(label)),
        }
    }

    fn keys<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::All => {}
            Self::Has(key) | Self::Label(key, _) => {
                found.insert(key);
            }
            Self::Not(inner) => inner.keys(found),
            Self::And(terms) | Self::Or(terms) => terms.iter().for_each(|term| term.keys(found)),
        }
    }
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// [`SelectorError`], where Calico would refuse it too, or it is beyond all measure.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::selector(text).map(Self)
    }

    /// Whether it chooses something with these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.holds(&|key| labels.get(key).cloned())
    }

    /// The places of those that it chooses. It is evaluated once for each distinct set of the values it asks for: every
    /// Node has a label of its own, its host name, but few of them matter to a selector.
    #[must_use]
    pub fn choose(&self, all: &[BTreeMap<String, String>]) -> Vec<u32> {
        let mut keys = BTreeSet::new();
        self.0.keys(&mut keys);
        let mut known: BTreeMap<Vec<Option<&str>>, bool> = BTreeMap::new();
        let mut chosen = Vec::new();
        for (place, labels) in (0..).zip(all) {
            let values = keys.iter().map(|key| labels.get(*key).map(String::as_str));
            let holds = known
                .entry(values.collect())
                .or_insert_with(|| self.matches(labels));
            if *holds {
                chosen.push(place);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests;
