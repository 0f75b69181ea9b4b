//! What became of taking things away.

use std::error::Error;
use std::io;
use std::path::Path;

use super::commands::CommandError;
use super::in_one_line;

/// What is gone, and what is not. What was not there is in neither.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Cleared {
    /// What is gone.
    pub removed: Vec<String>,
    /// What is left, each with the reason.
    pub left: Vec<String>,
}

impl Cleared {
    /// A step is done, or why it is not.
    pub(super) fn say<E: Error>(&mut self, what: String, done: Result<(), E>) {
        match done {
            Ok(()) => self.removed.push(what),
            Err(error) => self.left.push(format!("{what}: {}", in_one_line(&error))),
        }
    }

    /// A file or folder is removed, unless there was none.
    pub(super) fn file(&mut self, path: &Path, removed: io::Result<()>) {
        let absent = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        if !removed.as_ref().is_err_and(absent) {
            self.say(path.display().to_string(), removed);
        }
    }

    /// A step that says itself what it removed; without its program there is nothing to remove.
    pub(super) fn unless_absent(&mut self, what: &str, done: Result<(), CommandError>) {
        match done {
            Ok(()) | Err(CommandError::Absent(_)) => {}
            Err(error) => self.left.push(format!("{what}: {}", in_one_line(&error))),
        }
    }
}
