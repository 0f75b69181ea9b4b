//! BGPFilters, as far as they are modelled.

use crate::model::Cidr;

/// What a BGPFilter's rule does with a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterAction {
    /// Lets it pass.
    Accept,
    /// Holds it back.
    Reject,
}

/// How a rule compares a route with its network (`matchOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOperator {
    /// The same network.
    Equal,
    /// Another network.
    NotEqual,
    /// Inside it.
    In,
    /// Not inside it.
    NotIn,
}

/// One rule of a BGPFilter, as far as it is modelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// What happens to a route that matches.
    pub action: FilterAction,
    /// `cidr` and `matchOperator`; without them every route matches.
    pub network: Option<(MatchOperator, Cidr)>,
    /// `prefixLength`, from and to.
    pub prefix_length: Option<(u8, u8)>,
    /// A condition that is not modelled (`source`, `interface`, `communities`, …).
    pub unmodelled: Option<&'static str>,
}

/// A BGPFilter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Its name.
    pub name: String,
    /// `importV4` and `importV6`.
    pub import: [Vec<FilterRule>; 2],
    /// `exportV4` and `exportV6`.
    pub export: [Vec<FilterRule>; 2],
}
