//! What can be wrong with a fabric: one function a group of findings, each adding what it sees.

mod addresses;
mod as_numbers;
mod clusters;
pub(super) mod dataplane;
mod entries;
mod hairpins;
mod links;
mod mesh;
mod nodes;
mod objects;
mod options;
mod propagation;
mod redundancy;
mod reflectors;
mod sessions;
mod slips;
#[cfg(test)]
mod tests;
mod unmodelled;
pub(super) mod wording;

use super::facts::Facts;
use super::finding::{Code, Finding};

/// A rule: adds its findings.
type Rule = fn(&Facts<'_>, &mut Vec<Finding>);

/// The rules, in the catalogue's order.
const RULES: &[Rule] = &[
    options::idle_entries,
    options::unset_cluster_ids,
    options::own_addresses,
    as_numbers::of_known_speakers,
    as_numbers::of_other_routers,
    sessions::family_gaps,
    sessions::distant_routers,
    objects::clashes,
    sessions::between_nodes,
    nodes::router_ids,
    sessions::without_bird,
    objects::missing_filters,
    objects::foreign_peers,
    nodes::shared_addresses,
    mesh::no_sessions,
    reflectors::reflection,
    mesh::large,
    mesh::partial_as_numbers,
    mesh::across_as_numbers,
    hairpins::hairpins,
    propagation::hidden_pools,
    redundancy::single_sessions,
    propagation::no_way_out,
    propagation::other_local_as,
    propagation::by_default_route,
    dataplane::stretched_subnets,
    dataplane::needless_mesh,
    dataplane::mtu,
    addresses::overlaps,
    addresses::too_few_blocks,
    addresses::families,
    addresses::foreign_services,
    redundancy::single_points,
    unmodelled::left_out,
];

/// Everything that the rules find, in their order.
pub(super) fn findings(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rule in RULES {
        rule(facts, &mut found);
    }
    found
}

/// Whether a finding is about addresses, which no session mends.
pub(super) fn is_about_addresses(code: Code) -> bool {
    (81..=94).contains(&code.0)
}
