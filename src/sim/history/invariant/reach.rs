//! `reach`: nobody who reaches a node before a change and after it loses it in between, declared cuts aside.
//!
//! Judged on the stored objects by the model of the fabric, with [`Promises`].

use std::collections::BTreeSet;

use super::pairs::{Pair, connected};
use super::promise::{Bond, Promises};
use crate::fabric::Topology;
use crate::rollout::Declared;

#[cfg(test)]
mod tests;

/// The invariant's name.
pub const NAME: &str = "reach";

/// Watches who reaches whom.
pub type Reach = Promises<Pair>;

impl Bond for Pair {
    const NAME: &'static str = NAME;
    const LOSES: &'static str = "cuts";

    fn standing(fabric: &Topology) -> BTreeSet<Self> {
        connected(fabric)
    }

    fn has(&self, node: &str) -> bool {
        self.from == node || self.to == node
    }

    fn is_covered(&self, declared: &Declared) -> bool {
        declared.covers(&self.from, &self.to)
    }
}
