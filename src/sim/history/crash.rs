//! One crash at one point: every point of a story, one after the other.

use std::collections::BTreeSet;

use super::play::{Play, Stop, TICK};

/// Where a hook is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    /// The step, counted from the beginning.
    step: usize,
    /// Whether it is killed before the step is let through; else once its effect is there.
    before: bool,
}

/// Which points of a story are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// Where each hook begins, and after every step that changes the cluster or a status. In between a crash leaves
    /// the same state behind, only at another moment.
    Effects,
    /// Before the first step of each hook, and after every step.
    All,
}

/// A crash that is to come, and the points there have been.
#[derive(Debug, Default)]
pub(super) struct Crash {
    at: Option<Point>,
    passed: usize,
    begun: BTreeSet<u64>,
    /// Every point so far, with whether [`Points::Effects`] has it.
    seen: Vec<(Point, bool)>,
}

impl Crash {
    pub(super) fn at(point: Point) -> Self {
        Self {
            at: Some(point),
            ..Self::default()
        }
    }

    /// The points that there were.
    pub(super) fn seen(&self, points: Points) -> Vec<Point> {
        let wanted = |effect: &bool| *effect || points == Points::All;
        let seen = self.seen.iter().filter(|(_, effect)| wanted(effect));
        seen.map(|(point, _)| *point).collect()
    }
}

impl Play<'_> {
    /// Lets the step through that has waited longest, unless its hook is killed at this point.
    pub(super) async fn pass_towards_crash(&mut self) -> Result<bool, Stop> {
        let waiting = self.world.shared.desk.waiting();
        let (Some(step), Some(crash)) = (waiting.first(), &mut self.crash) else {
            return Ok(false);
        };
        let point = |before| Point {
            step: crash.passed,
            before,
        };
        let (before, after) = (point(true), point(false));
        crash.passed += 1;
        if crash.begun.insert(step.hook) {
            crash.seen.push((before, true));
        }
        crash.seen.push((after, step.writes));
        let at = crash.at;
        if at == Some(before) {
            self.kill(step.hook).await;
            return Ok(true);
        }
        self.pass(step.number, None);
        if at == Some(after) {
            self.settle(TICK).await?;
            self.kill(step.hook).await;
        }
        Ok(true)
    }
}
