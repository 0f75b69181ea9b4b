//! The way of one packet, hop by hop.

use crate::fabric::classes::ClassId;
use crate::fabric::facts::Facts;
use crate::fabric::forward::{Best, Forwarding, Gateways, Next, best};
use crate::fabric::graph::Graph;
use crate::fabric::propagate::{Budget, Routes};
use crate::fabric::reach::{Hop, Plane};

/// As [`Checked::way`](super::Checked::way).
pub(in crate::fabric) fn way(
    facts: &Facts<'_>,
    plane: &Plane,
    origin: ClassId,
    at: ClassId,
) -> Vec<Hop> {
    let (topology, sessions, classes) = (facts.topology, facts.sessions, facts.classes);
    let pool = plane
        .pools
        .first()
        .map(|index| &topology.pools[*index as usize]);
    let graph = Graph::new(topology, sessions, classes, plane.family, pool);
    let gateways = Gateways::new(&graph);
    let (mut routes, mut bests) = (Routes::default(), Vec::new());
    let mut budget = Budget::WAY;
    if !routes.run(&graph, &[origin], &mut budget) {
        return Vec::new();
    }
    best(&routes, &mut bests);
    let mut forwarding = Forwarding::new(&graph, &gateways);
    forwarding.turn_to(origin);
    walk(&mut forwarding, &bests[0], at)
}

fn walk(forwarding: &mut Forwarding<'_>, best: &Best, from: ClassId) -> Vec<Hop> {
    let mut hops = vec![Hop {
        at: from,
        by_default: false,
    }];
    let mut at = from;
    loop {
        let by_default = best.hops(at).is_empty();
        let mut nexts: Vec<Next> = Vec::new();
        forwarding.nexts(best, at, |next| nexts.push(next));
        let fails = |next: &Next, forwarding: &mut Forwarding<'_>| match next {
            Next::Arrives => false,
            Next::Ends(_) => true,
            Next::On(class) => !forwarding.fate(best, *class).arrives(),
        };
        let chosen = nexts
            .iter()
            .find(|next| fails(next, forwarding))
            .or(nexts.first());
        let next = match chosen {
            Some(Next::On(class)) => *class,
            Some(Next::Arrives) => forwarding.origin,
            _ => return hops,
        };
        let seen = hops.iter().any(|hop| hop.at == next);
        hops.push(Hop {
            at: next,
            by_default,
        });
        if seen || matches!(chosen, Some(Next::Arrives)) {
            return hops;
        }
        at = next;
    }
}
