//! What a hook has to say: its log lines, its status, what it found out on the way.

use std::fmt;

use super::findings::Findings;
use super::rollout::Progress;
use crate::cluster::{ApiError, StepResult};
use crate::fabric::Severity;
use crate::juju::tools::LogLevel;
use crate::plan::Step;
use crate::printable::printable_line;
use crate::render::ANNOTATION_APPLIED;
use crate::rollout::Declared;
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
    /// What the check of the fabric has found, where it was made.
    pub fabric: Option<Findings>,
    /// How far a change is, for the leader.
    pub rollout: Option<Progress>,
    /// Whether this hook has allowed a step: nobody else has been told of it before the hook ends.
    pub has_allowed: bool,
    /// What a change that begins in this hook cuts whatever its order.
    pub cuts: Vec<Declared>,
    /// Why that cannot be told.
    pub unknown_cuts: Option<String>,
    /// The record as it stands by this hook: what the others have to be told.
    pub bell: Option<String>,
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

    /// Says what the check of the fabric has found: beside `Ready`, errors before and warnings after everything else that
    /// stands there, and in the log. In a `routine` hook, which comes every
    /// five minutes, the log has it at DEBUG alone.
    pub fn tell_findings(&mut self, routine: bool) {
        let Some(findings) = self.fabric.take() else {
            return;
        };
        for (level, line) in findings.lines() {
            if routine {
                tracing::debug!("{}", printable_line(&line));
            } else {
                self.line(level, &line);
            }
        }
        self.notes.splice(0..0, findings.notes(Severity::Error));
        self.notes.extend(findings.notes(Severity::Warning));
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

    /// Drops all that an attempt has found which is made again, and what it would have said; its log lines stay.
    pub fn forget_attempt(&mut self) {
        self.notes.clear();
        self.status = None;
        self.fabric = None;
        self.rollout = None;
        self.cuts.clear();
        self.unknown_cuts = None;
    }

    /// A line that is said once, however often the hook looks again.
    pub fn once(&mut self, level: LogLevel, line: &str) {
        let line = (level, printable_line(line));
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// Says what the change that begins now cuts: in the log, once however often the hook looks again, and beside `Ready`.
    pub fn tell_cuts(&mut self) {
        let cuts = self.cuts.iter();
        let lines = cuts.map(|cut| format!("rollout: no order avoids this cut: {}", cut.text));
        let unknown = self.unknown_cuts.iter();
        let unknown =
            unknown.map(|why| format!("rollout: cuts of this change are not known: {why}"));
        let lines: Vec<String> = lines.chain(unknown).collect();
        for line in lines {
            self.once(LogLevel::Info, &line);
        }
        if !self.cuts.is_empty() {
            self.note("rollout: a cut that no order avoids, see the log".to_owned());
        }
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
                    if is_acknowledgement(&step) {
                        tracing::debug!("{}", printable_line(&step.to_string()));
                    } else {
                        self.info(&step);
                    }
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

/// Whether a write only tells the leader how far the unit is: of no use to an operator, and there are many.
fn is_acknowledgement(step: &Step) -> bool {
    matches!(step, Step::Annotate { annotations, .. } if annotations.keys().all(|key| key == ANNOTATION_APPLIED))
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
