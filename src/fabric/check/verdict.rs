//! What reaches what, counted, and the verdict on it.

use super::Checked;
use crate::fabric::classes::ClassId;
use crate::fabric::facts::{Doubt, Outcome, PeeringRouters};
use crate::fabric::reach::{Reach, Verdict};
use crate::fabric::session::Speaker;
use crate::fabric::topology::Backend;

/// How many failing pairs are walked to find the shortest counter-example.
const WALKED: usize = 8;

/// What is counted of one property.
#[derive(Debug, Default)]
struct Tally {
    pairs: u64,
    good: u64,
    /// Failing cells: plane, origin, at.
    bad: Vec<(usize, ClassId, ClassId)>,
    /// Why some pairs may be failing or not.
    doubt: Option<Doubt>,
    left_out: Option<(usize, usize)>,
}

impl Tally {
    fn add(&mut self, cell: (usize, ClassId, ClassId), pairs: u64, outcome: Outcome) {
        match outcome {
            Outcome::NotDue => return,
            Outcome::Arrives => self.good += pairs,
            Outcome::Lost => self.bad.push(cell),
            Outcome::Open(doubt) => self.doubt = Some(doubt),
        }
        self.pairs += pairs;
    }
}

impl Checked<'_> {
    pub(super) fn judge(&self) -> Reach {
        let (nodes, routers) = self.tally();
        let mut far = self.sessions.sessions.iter().map(|one| one.far.speaker);
        let has_routers = far.any(|speaker| speaker >= self.sessions.nodes);
        Reach {
            node_pairs: (nodes.pairs, nodes.good),
            router_pairs: (routers.pairs, routers.good),
            nodes: self.verdict(&nodes, self.why_no_nodes()),
            routers: has_routers.then(|| self.verdict(&routers, Some(self.why_no_routers()))),
        }
    }

    /// Why there would be no pairs of nodes to judge; `None` where there are no two nodes.
    fn why_no_nodes(&self) -> Option<&'static str> {
        let two_have = |family| {
            let nodes = self.topology.nodes.iter();
            let having = nodes.filter(|node| node.address(family).is_some());
            having.count() > 1
        };
        let mut families = self.planes.iter().map(|plane| plane.family);
        (self.topology.nodes.len() > 1).then(|| {
            if families.any(two_have) {
                "no pool gives addresses to pods on these nodes"
            } else {
                "no two nodes have addresses of a pool's family"
            }
        })
    }

    /// Why there would be no pairs of a node and a router to judge.
    fn why_no_routers(&self) -> &'static str {
        let facts = self.facts();
        if self.planes.iter().any(|plane| !facts.is_vxlan(plane)) {
            "no router is peered with in a family that pods have addresses of"
        } else {
            "pods' packets travel in VXLAN, and nothing here says whether routers ought to know the way to pods"
        }
    }

    /// What reaches nodes, and what reaches routers.
    fn tally(&self) -> (Tally, Tally) {
        let facts = self.facts();
        let (mut nodes, mut routers) = (Tally::default(), Tally::default());
        for (index, plane) in self.planes.iter().enumerate() {
            let (computed, all) = plane.progress();
            if computed < all {
                nodes.left_out = Some((computed, all));
                routers.left_out = nodes.left_out;
            }
            let peering = PeeringRouters::new(&facts, plane.family);
            let origins = self.classes.iter().map(|(origin, _)| origin);
            for origin in origins.filter(|origin| plane.is_computed(*origin)) {
                for (at, pairs, outcome) in facts.outcomes(plane, origin, &peering) {
                    let tally = if self.classes.class(at).router {
                        &mut routers
                    } else {
                        &mut nodes
                    };
                    tally.add((index, origin, at), pairs, outcome);
                }
            }
        }
        (nodes, routers)
    }

    /// The verdict; `none` says why where there are no pairs though there are speakers for them.
    fn verdict(&self, tally: &Tally, none: Option<&str>) -> Verdict {
        if self.sessions.truncated {
            return Verdict::NotModelled("there are too many sessions to list".to_owned());
        }
        if self.topology.backend == Backend::None {
            return Verdict::NotModelled("Calico has no backend that moves packets".to_owned());
        }
        let unknown = self.topology.pools.is_empty();
        if unknown && tally.good < tally.pairs {
            return Verdict::NotModelled(Doubt::PoolsUnknown.sentence().to_owned());
        }
        let walked = tally.bad.iter().take(WALKED).map(|(plane, origin, at)| {
            let way = self.way(&self.planes[*plane], *origin, *at);
            (way.len(), *plane, *origin, *at, way)
        });
        let shortest = walked.min_by_key(|(length, ..)| *length);
        if let Some((_, plane, origin, at, way)) = shortest {
            let to = self.classes.class(origin).first();
            return Verdict::Refuted {
                from: self.another(at, to),
                to,
                fate: self.planes[plane].fate(origin, at),
                way: way.iter().map(|hop| self.another(hop.at, to)).collect(),
            };
        }
        if let Some((computed, all)) = tally.left_out {
            return Verdict::NotModelled(format!("checked {computed} of {all} classes of nodes"));
        }
        if let Some(doubt) = tally.doubt {
            return Verdict::NotModelled(doubt.sentence().to_owned());
        }
        if let Some(why) = none.filter(|_| tally.pairs == 0) {
            return Verdict::NotModelled(why.to_owned());
        }
        if self.assumptions.is_empty() {
            Verdict::Proved
        } else {
            Verdict::ProvedIf(self.assumptions.clone())
        }
    }

    /// A member of a class that is not this one, where there is another.
    fn another(&self, class: ClassId, not: Speaker) -> Speaker {
        let members = self.classes.members(class);
        let found = members.iter().find(|member| **member != not);
        *found.unwrap_or(&members[0])
    }
}
