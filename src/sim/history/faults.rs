//! What can go wrong in a history, and what did.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One kind of trouble; each can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// Running hooks are killed.
    Crash,
    /// Leadership moves.
    Leader,
    /// The Kubernetes API refuses, is slow, or loses answers.
    Api,
    /// Hook tools fail; agents are down; hooks run again that have run.
    Juju,
    /// Others write into the cluster.
    Others,
    /// The operator changes options in the middle of a change, and back.
    Config,
    /// Units come and go.
    Membership,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Crash,
        Self::Leader,
        Self::Api,
        Self::Juju,
        Self::Others,
        Self::Config,
        Self::Membership,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Leader => "leader",
            Self::Api => "api",
            Self::Juju => "juju",
            Self::Others => "others",
            Self::Config => "config",
            Self::Membership => "membership",
        }
    }
}

/// The kinds of trouble that a history may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults([bool; Trouble::ALL.len()]);

/// A text that names no kinds of trouble.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no kind of fault: all, none, or some of {}", names())]
pub struct UnknownFault {
    word: String,
}

fn names() -> String {
    Trouble::ALL.map(Trouble::name).join(",")
}

impl Faults {
    /// Everything that can go wrong.
    pub const ALL: Self = Self([true; Trouble::ALL.len()]);
    /// Nothing goes wrong; hooks still interleave.
    pub const NONE: Self = Self([false; Trouble::ALL.len()]);

    /// Whether this kind may happen.
    #[must_use]
    pub fn has(self, trouble: Trouble) -> bool {
        self.0[trouble as usize]
    }
}

impl FromStr for Faults {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        let mut faults = Self::NONE;
        for word in text.split(',') {
            let known = Trouble::ALL.into_iter().find(|known| known.name() == word);
            let Some(trouble) = known else {
                return Err(UnknownFault {
                    word: word.to_owned(),
                });
            };
            faults.0[trouble as usize] = true;
        }
        Ok(faults)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let named: Vec<&str> = Trouble::ALL
            .into_iter()
            .filter(|trouble| self.has(*trouble))
            .map(Trouble::name)
            .collect();
        if named.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&named.join(","))
    }
}

/// How often each thing has happened, over any number of histories.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Everything that chaos knows how to do.
    pub const FAULTS: [&'static str; 31] = [
        "agent down",
        "answer lost",
        "answer slow",
        "calico-node reports",
        "calico-node reports a session that is late",
        "calico-node reports nothing",
        "calico-node writes its Node",
        "crash after an effect",
        "crash before an effect",
        "foreign BGPPeer made",
        "foreign BGPPeer removed",
        "hook again that has run",
        "hook retried",
        "hook tool fails",
        "kubectl deletes an object first",
        "kubectl edits a field",
        "kubectl edits a label",
        "leader changes",
        "nobody leads",
        "options changed and back",
        "options invalid",
        "request refused with 409",
        "request refused with 429",
        "request refused with 500",
        "request refused with 503",
        "request slow",
        "connection refused",
        "time passes",
        "unit added",
        "unit removed",
        "unit removed by force",
    ];

    pub(super) fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds what happened in another history.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// How often one thing has happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// The faults that never happened.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let faults = Self::FAULTS.into_iter();
        faults.filter(|what| self.of(what) == 0).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.0 {
            writeln!(f, "{count:>10}  {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named() {
        for (text, printed) in [
            ("all", "all"),
            ("none", "none"),
            ("api,crash", "crash,api"),
            ("crash,leader,api,juju,others,config,membership", "all"),
        ] {
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), printed);
        }
        assert!("crash,".parse::<Faults>().is_err());
    }
}
