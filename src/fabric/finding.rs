//! What the check has to say: findings by code, each with its place and the way out.

use std::fmt;

use super::topology::Origin;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Routes or sessions are missing: with `fabric-check=block` nothing is written.
    Error,
    /// It works, and there is something to know.
    Warning,
    /// Something the check leaves out.
    Note,
}

impl Severity {
    /// The word that messages start with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// The code of a finding: `F043`. [`catalogue`](super::catalogue) has what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "F{:03}", self.0)
    }
}

/// One thing that is wrong with the fabric, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// The option and place at fault, or the object.
    pub origin: Origin,
    /// What is wrong: goes on after the place, `gives 10.0.0.2 AS number 64513, but …`.
    pub message: String,
    /// The second place it is in conflict with, and what is there.
    pub other: Option<(Origin, String)>,
    /// The value at fault as written, where it is one.
    pub value: Option<String>,
    /// What to do about it, one sentence.
    pub remedy: Option<String>,
    /// The same as a line to paste: `juju config calico …`.
    pub command: Option<String>,
    /// The units concerned, in order; may be empty.
    pub units: Vec<String>,
    /// Findings that the same repair would mend.
    pub folded: Vec<Finding>,
}

impl Finding {
    /// A finding at `origin`.
    #[must_use]
    pub fn new(code: u16, origin: Origin, message: impl Into<String>) -> Self {
        Self {
            code: Code(code),
            origin,
            message: message.into(),
            other: None,
            value: None,
            remedy: None,
            command: None,
            units: Vec::new(),
            folded: Vec::new(),
        }
    }

    /// Its severity, by the catalogue.
    #[must_use]
    pub fn severity(&self) -> Severity {
        super::catalogue::entry(self.code).map_or(Severity::Note, |entry| entry.severity)
    }

    /// Adds the second place.
    #[must_use]
    pub fn other(self, origin: Origin, label: impl Into<String>) -> Self {
        Self {
            other: Some((origin, label.into())),
            ..self
        }
    }

    /// Adds the value at fault.
    #[must_use]
    pub fn value(self, value: impl fmt::Display) -> Self {
        Self {
            value: Some(value.to_string()),
            ..self
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// Adds the line to paste.
    #[must_use]
    pub fn command(self, command: impl Into<String>) -> Self {
        Self {
            command: Some(command.into()),
            ..self
        }
    }

    /// Adds the units concerned.
    #[must_use]
    pub fn units(self, units: impl IntoIterator<Item = String>) -> Self {
        Self {
            units: units.into_iter().collect(),
            ..self
        }
    }
}

/// `F020: unit-bgp-peers: 3[0]: gives …`, as the log has it.
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}: {}",
            self.code, self.origin, self.message
        )
    }
}
