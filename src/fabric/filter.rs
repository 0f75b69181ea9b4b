//! What BGPFilters do with a pool's blocks (P8).

use super::topology::{Filter, FilterAction, FilterRule, MatchOperator, Pool, Topology};
use crate::model::Family;

/// Into or out of the node that has the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// `importV4` and `importV6`.
    Import,
    /// `exportV4` and `exportV6`.
    Export,
}

/// Whether filters let the blocks of a pool pass: the first rule that matches decides, none lets them pass. `None` where
/// that depends on the block, or on something that is not modelled. A filter that does not exist filters nothing
/// (`bgp_processor.go`, `buildImportFilter`).
pub(super) fn passes(
    topology: &Topology,
    filters: &[String],
    direction: Direction,
    family: Family,
    pool: &Pool,
) -> Option<bool> {
    let rules = filters
        .iter()
        .filter_map(|name| topology.filters.iter().find(|filter| filter.name == *name))
        .flat_map(|filter| rules(filter, direction, family));
    for rule in rules {
        if matches(rule, pool)? {
            return Some(rule.action == FilterAction::Accept);
        }
    }
    Some(true)
}

fn rules(filter: &Filter, direction: Direction, family: Family) -> &[FilterRule] {
    let lists = match direction {
        Direction::Import => &filter.import,
        Direction::Export => &filter.export,
    };
    &lists[usize::from(family == Family::V6)]
}

/// Whether a rule is about every block of the pool, or about none.
fn matches(rule: &FilterRule, pool: &Pool) -> Option<bool> {
    if rule.unmodelled.is_some() {
        return None;
    }
    if let Some((least, most)) = rule.prefix_length
        && !(least..=most).contains(&pool.block_size)
    {
        return Some(false);
    }
    let Some((operator, network)) = rule.network else {
        return Some(true);
    };
    let inside = if network.contains_cidr(&pool.cidr) {
        Some(true)
    } else if network.overlaps(&pool.cidr) {
        None
    } else {
        Some(false)
    };
    let is_block = network == pool.cidr && network.prefix() == pool.block_size;
    match operator {
        MatchOperator::In => inside,
        MatchOperator::NotIn => inside.map(|inside| !inside),
        MatchOperator::Equal if is_block => Some(true),
        MatchOperator::NotEqual if is_block => Some(false),
        MatchOperator::Equal | MatchOperator::NotEqual => {
            let could_be = network.prefix() == pool.block_size && pool.cidr.contains_cidr(&network);
            if could_be {
                None
            } else {
                Some(operator == MatchOperator::NotEqual)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::Origin;
    use crate::model::Encapsulation;

    fn pool(cidr: &str) -> Pool {
        Pool {
            origin: Origin::option("cidr"),
            cidr: cidr.parse().unwrap(),
            encapsulation: Encapsulation::None,
            block_size: 26,
            disabled: false,
            exported: true,
            nodes: None,
        }
    }

    #[test]
    fn rules_match_all_blocks_or_none_or_it_depends() {
        use MatchOperator as M;
        let pool = pool("192.168.0.0/16");
        for (network, lengths, expected) in [
            (Some((M::In, "192.168.0.0/16")), None, Some(true)),
            (Some((M::In, "0.0.0.0/0")), None, Some(true)),
            (Some((M::In, "10.0.0.0/8")), None, Some(false)),
            (Some((M::In, "192.168.1.0/24")), None, None),
            (Some((M::NotIn, "10.0.0.0/8")), None, Some(true)),
            (Some((M::NotIn, "192.168.0.0/16")), None, Some(false)),
            (Some((M::Equal, "192.168.0.0/16")), None, Some(false)),
            (Some((M::Equal, "192.168.0.64/26")), None, None),
            (Some((M::NotEqual, "192.168.0.0/16")), None, Some(true)),
            (None, Some((26, 32)), Some(true)),
            (None, Some((27, 32)), Some(false)),
            (None, None, Some(true)),
        ] {
            let rule = FilterRule {
                action: FilterAction::Reject,
                network: network.map(|(operator, cidr)| (operator, cidr.parse().unwrap())),
                prefix_length: lengths,
                unmodelled: None,
            };
            assert_eq!(matches(&rule, &pool), expected, "{network:?} {lengths:?}");
        }
    }
}
