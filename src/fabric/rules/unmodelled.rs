//! F108: what the check leaves out.

use super::Facts;
use crate::fabric::finding::Finding;

/// F108: settings of objects that no rule of the model takes into account.
pub(super) fn left_out(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut left_out = facts.topology.unmodelled.clone();
    left_out.sort();
    left_out.dedup();
    found.extend(left_out.into_iter().map(|one| {
        let message = format!("has {}: the check leaves it out", one.feature);
        Finding::new(108, one.origin, message).remedy(
            "judge by hand what it changes; everything else is checked as if it were not set",
        )
    }));
}
