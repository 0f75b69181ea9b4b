//! One outcome, one Juju status. Pure.

use std::fmt;

use crate::printable::printable;

/// Longest message: `juju status` shows one line a unit.
const LONGEST: usize = 120;

/// The kinds of unit status Juju knows, the more urgent one greater (the order of ops' collect-status).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusKind {
    /// All is well.
    Active,
    /// Something else has to happen first; the charm goes on by itself.
    Waiting,
    /// The charm is at work on something that takes more than one hook.
    Maintenance,
    /// The operator has to do something.
    Blocked,
}

impl StatusKind {
    /// The word `status-set` takes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Maintenance => "maintenance",
            Self::Blocked => "blocked",
        }
    }
}

/// A unit status: one line, at most 120 characters, the option first where one is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    kind: StatusKind,
    message: String,
}

impl Status {
    /// All is well. Without notes the message is exactly `Ready`, which tests and people look for.
    #[must_use]
    pub fn ready(notes: &[String]) -> Self {
        let message = match notes {
            [] => "Ready".to_owned(),
            [first] => noted(first, ")"),
            [first, rest @ ..] => noted(first, &format!("; +{} more)", rest.len())),
        };
        Self::new(StatusKind::Active, &message)
    }

    /// The charm waits for something and goes on by itself.
    #[must_use]
    pub fn waiting(message: impl fmt::Display) -> Self {
        Self::new(StatusKind::Waiting, &message.to_string())
    }

    /// The charm is at work on something that takes more than one hook.
    #[must_use]
    pub fn maintenance(message: impl fmt::Display) -> Self {
        Self::new(StatusKind::Maintenance, &message.to_string())
    }

    /// The operator has to do something.
    #[must_use]
    pub fn blocked(message: impl fmt::Display) -> Self {
        Self::new(StatusKind::Blocked, &message.to_string())
    }

    /// Of a list of problems the first, and how many more there are.
    #[must_use]
    pub fn blocked_by(first: &str, more: usize) -> Self {
        if more == 0 {
            return Self::blocked(first);
        }
        let suffix = format!(" (+{more} more)");
        let room = LONGEST - suffix.chars().count();
        Self {
            kind: StatusKind::Blocked,
            message: format!("{}{suffix}", shortened(first, room)),
        }
    }

    fn new(kind: StatusKind, message: &str) -> Self {
        Self {
            kind,
            message: shortened(message, LONGEST),
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> StatusKind {
        self.kind
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The more urgent of two; the first where they are equally urgent.
    #[must_use]
    pub fn or_more_urgent(self, other: Self) -> Self {
        if other.kind > self.kind { other } else { self }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.as_str(), self.message)
    }
}

/// `Ready` with a note, cut so that what ends it stays.
fn noted(note: &str, end: &str) -> String {
    const START: &str = "Ready (";
    let room = LONGEST - START.len() - end.chars().count();
    format!("{START}{}{end}", shortened(note, room))
}

/// One line of at most `room` characters.
fn shortened(text: &str, room: usize) -> String {
    let text = printable(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= room {
        return line;
    }
    let kept: String = line.chars().take(room.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_exactly_ready() {
        assert_eq!(Status::ready(&[]).to_string(), "active: Ready");
        assert_eq!(
            Status::ready(&["a".into(), "b".into()]).message(),
            "Ready (a; +1 more)"
        );
        let long = Status::ready(&["é".repeat(200), "b".into(), "c".into()]);
        assert_eq!(long.message().chars().count(), 120);
        assert!(long.message().ends_with("é…; +2 more)"), "{long}");
    }

    #[test]
    fn messages_are_one_line_of_at_most_120_characters() {
        let status = Status::blocked_by(&"é\n".repeat(200), 7);
        assert_eq!(status.message().chars().count(), 120);
        assert!(status.message().ends_with("… (+7 more)"));
        assert!(!status.message().contains('\n'));
    }

    #[test]
    fn the_more_urgent_wins_and_the_first_stays_on_a_tie() {
        let blocked = Status::blocked("a");
        let waiting = Status::waiting("b");
        assert_eq!(waiting.clone().or_more_urgent(blocked.clone()), blocked);
        assert_eq!(blocked.clone().or_more_urgent(waiting), blocked);
        assert_eq!(
            blocked.clone().or_more_urgent(Status::blocked("c")),
            blocked
        );
    }
}
