//! What a hook has to say: its log lines, its status, what it found out on the way.

use std::fmt;

use crate::cluster::{ApiError, StepResult};
use crate::juju::tools::LogLevel;
use crate::printable::printable_line;
use crate::status::Status;

/// The outcome of one hook, collected while it runs and told to Juju once at its end.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<(LogLevel, String)>,
    status: Option<Status>,
    notes: Vec<String>,
    /// Calico's version, for `application-version-set`.
    pub version: Option<String>,
    /// The Node this unit looks after, once it is known.
    pub node: Option<String>,
    /// Writes that were carried out.
    pub writes: usize,
}

impl Report {
    /// Something changed.
    pub fn info(&mut self, line: impl fmt::Display) {
        self.line(LogLevel::Info, &line.to_string());
    }

    /// The operator should look at it.
    pub fn warning(&mut self, line: impl fmt::Display) {
        self.line(LogLevel::Warning, &line.to_string());
    }

    /// Something could not be done.
    pub fn error(&mut self, line: impl fmt::Display) {
        self.line(LogLevel::Error, &line.to_string());
    }

    fn line(&mut self, level: LogLevel, line: &str) {
        self.lines.push((level, printable_line(line)));
    }

    /// Something worth seeing beside `Ready`.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// What is worth seeing beside `Ready`.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Drops the notes of an attempt that is made again.
    pub fn forget_notes(&mut self) {
        self.notes.clear();
    }

    /// What became of a wave of writes.
    ///
    /// # Errors
    /// The first failure; further ones are only logged.
    pub fn done(&mut self, wave: Vec<StepResult>) -> Result<(), ApiError> {
        let mut failed = None;
        for StepResult { step, result } in wave {
            match result {
                Ok(true) => {
                    self.writes += 1;
                    self.info(&step);
                }
                Ok(false) => tracing::debug!(%step, "not needed any more"),
                Err(error) if failed.is_none() => failed = Some(error),
                Err(error) => self.error(&error),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Adds a status; the most urgent one wins, the first on a tie.
    pub fn status(&mut self, status: Status) {
        self.status = Some(match self.status.take() {
            Some(earlier) => earlier.or_more_urgent(status),
            None => status,
        });
    }

    /// Adds a status that only counts while nothing else is in the way: a rollout's progress must not hide why it stalls.
    pub fn progress(&mut self, status: Status) {
        if self.status.is_none() {
            self.status = Some(status);
        }
    }

    /// The one status of the hook: what was set, or `Ready`.
    #[must_use]
    pub fn final_status(&self) -> Status {
        self.status
            .clone()
            .unwrap_or_else(|| Status::ready(&self.notes))
    }

    /// The log lines in order.
    #[must_use]
    pub fn lines(&self) -> &[(LogLevel, String)] {
        &self.lines
    }
}

/// `1 object`, `2 addresses`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}
