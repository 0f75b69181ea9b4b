//! How routes travel (P1 to P8), for many origins at once.
//!
//! BIRD 1.6 (`proto/bgp/attrs.c`) and Calico's configuration of it: between nodes every path is passed on (`add paths`),
//! so a speaker holds a set of variants and not one best route. A variant that another one makes useless is dropped:
//! what the better one may do, the worse one may not more.
//!
//! Origins of one AS number travel together, 64 at a time, as bits of one word: beyond their own AS their routes differ
//! in nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::classes::ClassId;
use super::graph::{Edge, Graph};
use super::topology::NextHop;

/// How a speaker came to a route, worst first: the better one may be passed on wherever the worse one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// From a neighbour of the same AS.
    FromNonClient,
    /// From a client of this reflector.
    FromClient,
    /// From another AS.
    FromEbgp,
    /// Its own.
    Local,
}

/// Where a route's packets go next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Via {
    /// To the node that has the block.
    Origin,
    /// To a member of a class.
    Class(ClassId),
    /// To a router, by the address that it gave.
    Router(ClassId, IpAddr),
}

impl Via {
    /// The class it leads to; `None` for the origin.
    pub(super) fn class(self) -> Option<ClassId> {
        match self {
            Self::Origin => None,
            Self::Class(class) | Self::Router(class, _) => Some(class),
        }
    }
}

/// A list in an [`Arena`]; 0 is the empty one.
type ListId = u32;

/// One way a route is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Variant {
    /// How the speaker came to it.
    pub kind: Kind,
    /// AS path.
    path: ListId,
    /// How long it is.
    pub length: u16,
    /// Cluster list.
    clusters: ListId,
    /// Next hop.
    pub next_hop: Via,
    /// Who sent it.
    pub from: Via,
    /// The speaker's AS number on the session it came by.
    local_as: u32,
    /// Whether it came from another router over the uplink.
    uplink: bool,
}

/// Lists that share their tails, each kept once.
#[derive(Debug, Default)]
struct Arena {
    nodes: Vec<(ListId, u64)>,
    ids: BTreeMap<(ListId, u64), ListId>,
}

impl Arena {
    fn prepend(&mut self, list: ListId, item: u64) -> ListId {
        let next = u32::try_from(self.nodes.len() + 1).unwrap_or(u32::MAX);
        let nodes = &mut self.nodes;
        *self.ids.entry((list, item)).or_insert_with(|| {
            nodes.push((list, item));
            next
        })
    }

    fn items(&self, mut list: ListId) -> impl Iterator<Item = u64> + '_ {
        std::iter::from_fn(move || {
            let (next, item) = *self.nodes.get((list as usize).checked_sub(1)?)?;
            list = next;
            Some(item)
        })
    }

    fn count(&self, list: ListId, item: u64) -> usize {
        self.items(list).filter(|one| *one == item).count()
    }

    /// Whether `list` has everything of `part`, as often.
    fn contains_all(&self, list: ListId, part: ListId) -> bool {
        part == 0
            || part == list
            || self
                .items(part)
                .all(|item| self.count(list, item) >= self.count(part, item))
    }
}

/// How much may be done before the rest is left out: routes handed from one class to another, and compared with those
/// that are known there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(u64);

impl Budget {
    /// What a command takes: about a second.
    pub const COMMAND: Self = Self(40_000_000);
    /// What a hook takes: a few tenths of a second. A fabric of 5,000 machines in racks needs a tenth of it.
    pub const HOOK: Self = Self(10_000_000);
    /// What the way of one packet takes.
    pub(super) const WAY: Self = Self(2_000_000);

    /// That many.
    #[must_use]
    pub fn of(routes: u64) -> Self {
        Self(routes)
    }

    fn spend(&mut self, work: u64) {
        self.0 = self.0.saturating_sub(work);
    }

    /// How much of it is gone when so much is left.
    pub(super) fn work_until(self, left: Self) -> u64 {
        self.0.saturating_sub(left.0)
    }

    /// How often work of this size can be done, beside what was done once.
    pub(super) fn repeats(self, work: u64) -> u64 {
        self.0.saturating_sub(work) / work.max(1)
    }

    fn is_spent(self) -> bool {
        self.0 == 0
    }
}

/// The variants of one batch of origins at every class.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The origins, at most 64, by bit.
    pub origins: Vec<ClassId>,
    /// By class: each variant with the origins it is for.
    pub variants: Vec<Vec<(Variant, u64)>>,
    paths: Arena,
    lists: Arena,
    work: VecDeque<(ClassId, Variant, u64)>,
}

impl Routes {
    /// Lets the routes of `origins` travel until nothing changes; none where the pool is not exported (P1). `false` when
    /// the budget ran out.
    pub(super) fn run(
        &mut self,
        graph: &Graph<'_>,
        origins: &[ClassId],
        budget: &mut Budget,
    ) -> bool {
        self.origins.clear();
        self.origins.extend_from_slice(origins);
        self.variants.resize(graph.classes.len(), Vec::new());
        self.variants.iter_mut().for_each(Vec::clear);
        self.work.clear();
        if !graph.is_exported() {
            return true;
        }
        for (bit, origin) in origins.iter().enumerate() {
            let Some(node) = graph.node(*origin) else {
                continue;
            };
            if node.address(graph.family).is_none() {
                continue;
            }
            let local = Variant {
                kind: Kind::Local,
                path: 0,
                length: 0,
                clusters: 0,
                next_hop: Via::Origin,
                from: Via::Origin,
                local_as: 0,
                uplink: false,
            };
            if !self.send(graph, *origin, local, 1 << bit, budget) {
                return false;
            }
        }
        while let Some((class, variant, origins)) = self.work.pop_front() {
            if !self.send(graph, class, variant, origins, budget) {
                return false;
            }
        }
        true
    }

    /// Hands a variant to every neighbour that may have it.
    fn send(
        &mut self,
        graph: &Graph<'_>,
        class: ClassId,
        variant: Variant,
        origins: u64,
        budget: &mut Budget,
    ) -> bool {
        // A route that came by a session under another AS number counts as an outside one (P2).
        let inner =
            variant.kind == Kind::FromNonClient && Some(variant.local_as) == graph.as_number(class);
        // What came over the uplink is known to every router already.
        graph.ways(class, inner, !variant.uplink, |edge| {
            if budget.is_spent() {
                return;
            }
            budget.spend(1);
            let origins = origins & self.eligible(graph, &variant, edge);
            if origins != 0
                && let Some(received) = self.pass(graph, class, &variant, edge)
            {
                self.keep(edge.to, received, origins, budget);
            }
        });
        !budget.is_spent()
    }

    /// For which origins a route may go this way: never back on the session it came by, and to the origin's class only
    /// where it has other members.
    fn eligible(&self, graph: &Graph<'_>, variant: &Variant, edge: &Edge) -> u64 {
        let size = graph.classes.class(edge.to).size();
        let back = variant.from == Via::Class(edge.to);
        if back && size < 2 {
            return 0;
        }
        let others = if back { 2 } else { 1 };
        match self.origins.iter().position(|origin| *origin == edge.to) {
            Some(bit) if size - 1 < others => !(1 << bit),
            _ => u64::MAX,
        }
    }

    /// The route as the receiver takes it, if it is sent and taken.
    fn pass(
        &mut self,
        graph: &Graph<'_>,
        class: ClassId,
        variant: &Variant,
        edge: &Edge,
    ) -> Option<Variant> {
        let mut next = *variant;
        let inner = matches!(variant.kind, Kind::FromClient | Kind::FromNonClient)
            && variant.local_as == edge.sender_as;
        if edge.is_internal() {
            if inner {
                if variant.kind == Kind::FromNonClient && !edge.to_client {
                    return None;
                }
                let id = graph.clusters[class as usize];
                if edge.to_client && self.lists.count(variant.clusters, id) > 0 {
                    return None;
                }
                next.clusters = self.lists.prepend(variant.clusters, id);
            }
            if edge.next_hop == NextHop::Own && variant.kind != Kind::Local {
                next.next_hop = edge.own_next_hop(class);
            }
        } else {
            next.clusters = 0;
            next.path = self.paths.prepend(variant.path, u64::from(edge.sender_as));
            next.length = variant.length.saturating_add(1);
            if edge.next_hop != NextHop::Keep && variant.kind != Kind::Local {
                next.next_hop = edge.own_next_hop(class);
            }
        }
        let own = self.paths.count(next.path, u64::from(edge.receiver_as));
        if own > usize::from(edge.allowed) {
            return None;
        }
        let id = graph.clusters[edge.to as usize];
        if edge.from_client && self.lists.count(next.clusters, id) > 0 {
            return None;
        }
        // A next hop that is the receiver itself is unreachable (`nest/rt-table.c`, `rt_update_hostentry`).
        if next.next_hop.class() == Some(edge.to) && graph.classes.class(edge.to).size() == 1 {
            return None;
        }
        next.kind = match (edge.is_internal(), edge.from_client) {
            (false, _) => Kind::FromEbgp,
            (true, true) => Kind::FromClient,
            (true, false) => Kind::FromNonClient,
        };
        next.from = match variant.kind {
            Kind::Local => Via::Origin,
            _ => Via::Class(class),
        };
        next.local_as = edge.receiver_as;
        next.uplink = edge.uplink;
        Some(next)
    }

    /// Keeps a variant for those origins that nothing better is known of.
    fn keep(&mut self, class: ClassId, variant: Variant, mut origins: u64, budget: &mut Budget) {
        let known = self.variants[class as usize].len() as u64;
        budget.spend(known * (1 + u64::from(variant.length)));
        for (known, of) in &self.variants[class as usize] {
            if origins & of != 0 && self.covers(known, &variant) {
                origins &= !of;
            }
        }
        if origins == 0 {
            return;
        }
        let variants = &mut self.variants[class as usize];
        match variants.iter_mut().find(|(known, _)| *known == variant) {
            Some((_, of)) => *of |= origins,
            None => variants.push((variant, origins)),
        }
        self.work.push_back((class, variant, origins));
    }

    /// Whether whatever `other` may do, `known` may do as well, packets' ways included.
    fn covers(&self, known: &Variant, other: &Variant) -> bool {
        // Whoever hears of both prefers the shorter path; of equally long ones another speaker may choose differently.
        let preferred = known.length < other.length;
        known.kind >= other.kind
            && known.length <= other.length
            && (known.next_hop == other.next_hop || preferred)
            && (known.local_as == other.local_as || known.kind == Kind::FromEbgp)
            && (!known.uplink || other.uplink)
            && self.paths.contains_all(other.path, known.path)
            && self.lists.contains_all(other.clusters, known.clusters)
    }
}

/// What BIRD prefers, smallest first: the shorter path, then routes from outside (`proto/bgp/attrs.c`,
/// `bgp_rte_better`).
pub(super) fn preference(variant: &Variant) -> (u16, bool) {
    (variant.length, variant.kind < Kind::FromEbgp)
}
