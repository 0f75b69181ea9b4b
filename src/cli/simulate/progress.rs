//! A progress bar.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How long a simulation runs before its progress is shown.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar on standard error, only on a terminal and only when it takes long.
pub(super) struct ProgressBar {
    started: Instant,
    on_terminal: bool,
    shown_permille: Option<usize>,
}

impl ProgressBar {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            on_terminal: std::io::stderr().is_terminal(),
            shown_permille: None,
        }
    }

    pub(super) fn show(&mut self, done: usize, of: usize) {
        let permille = done * 1000 / of.max(1);
        if !self.on_terminal
            || self.shown_permille == Some(permille)
            || self.started.elapsed() < PATIENCE
        {
            return;
        }
        self.shown_permille = Some(permille);
        // A bar that cannot be drawn is no reason to stop.
        let _ = write!(std::io::stderr(), "\r{}", bar(done, of));
    }

    pub(super) fn clear(&self) {
        if self.shown_permille.is_some() {
            let _ = write!(std::io::stderr(), "\r{:60}\r", "");
        }
    }
}

fn bar(done: usize, of: usize) -> String {
    const WIDTH: usize = 30;
    let full = done * WIDTH / of.max(1);
    format!(
        "[{}{}] {done}/{of} hooks",
        "#".repeat(full),
        ".".repeat(WIDTH - full)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        assert_eq!(bar(0, 2), "[..............................] 0/2 hooks");
        assert_eq!(bar(1, 2), "[###############...............] 1/2 hooks");
        assert_eq!(bar(2, 2), "[##############################] 2/2 hooks");
        assert_eq!(bar(0, 0), "[..............................] 0/0 hooks");
    }
}
