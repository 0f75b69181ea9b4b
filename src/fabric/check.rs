//! The whole check: sessions, classes, planes, verdicts, findings.

use super::blame::blame;
use super::classes::{ClassId, Classes};
use super::derive::derive;
use super::facts::{Doubt, Facts, Outcome, PeeringRouters};
use super::finding::{Code, Finding, Severity};
use super::forward::{Best, Forwarding, Gateways, Next, best};
use super::graph::Graph;
use super::propagate::{Budget, Routes};
use super::reach::{Assumption, Fate, Hop, Plane, Reach, Verdict};
use super::rules;
use super::session::{Sessions, Speaker, Status};
use super::topology::{Backend, Peering, Pool, Topology};
use crate::model::Family;

/// How many origins travel together.
const BATCH: usize = 64;

/// How many failing pairs are walked to find the shortest counter-example.
const WALKED: usize = 8;

/// A fabric, and all that is known of it.
#[derive(Debug, Clone)]
pub struct Checked<'t> {
    /// What was told.
    pub topology: &'t Topology,
    /// The sessions it makes.
    pub sessions: Sessions,
    /// Its speakers, put together.
    pub classes: Classes,
    /// Routes and packets, one plane a family and way of encapsulation.
    pub planes: Vec<Plane>,
    /// What the verdicts rest on.
    pub assumptions: Vec<Assumption>,
    /// The verdicts.
    pub reach: Reach,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
    /// How much of the budget it took.
    work: u64,
}

/// Checks a fabric.
#[must_use]
pub fn check(topology: &Topology, budget: Budget) -> Checked<'_> {
    let sessions = derive(topology);
    let classes = Classes::new(topology, &sessions);
    let mut checked = check_by_classes(topology, sessions, classes, budget);
    let facts = checked.facts();
    let mut findings = rules::findings(&facts);
    let repeats = u32::try_from(budget.repeats(checked.work)).unwrap_or(u32::MAX);
    blame(&facts, &mut findings, repeats);
    if topology.guessed.contains(&Assumption::SubnetsUnknown) {
        doubt_subnets(&mut findings);
    }
    findings.sort_by_key(|finding| (finding.severity(), finding.code));
    checked.findings = findings;
    checked
}

/// Packets between subnets may be at fault only because the subnets are guessed: says how to tell.
fn doubt_subnets(findings: &mut [Finding]) {
    const HOW: &str = "if the machines share one network, say so: the networks here are guessed, and a fabric file has \
                       them (units: addresses: [10.0.0.2/16])";
    for finding in findings.iter_mut().filter(|one| one.code == Code(80)) {
        finding.remedy = Some(match finding.remedy.take() {
            Some(remedy) => format!("{remedy}; or, {HOW}"),
            None => HOW.to_owned(),
        });
    }
}

/// Sessions, routes and verdicts by given classes; without findings.
#[must_use]
pub fn check_by_classes(
    topology: &Topology,
    sessions: Sessions,
    classes: Classes,
    budget: Budget,
) -> Checked<'_> {
    let mut left = budget;
    let (mut planes, mut took_gateway) = (Vec::new(), false);
    for (family, pools) in planes_of(topology) {
        let (plane, gateway) = plane(topology, &sessions, &classes, family, pools, &mut left);
        planes.push(plane);
        took_gateway |= gateway;
    }
    let assumptions = assumptions(topology, &sessions, took_gateway);
    let mut checked = Checked {
        topology,
        reach: Reach {
            nodes: Verdict::Proved,
            routers: None,
            node_pairs: (0, 0),
            router_pairs: (0, 0),
        },
        sessions,
        classes,
        planes,
        assumptions,
        findings: Vec::new(),
        work: budget.work_until(left),
    };
    checked.reach = checked.judge();
    checked
}

/// Pools that packets and routes treat alike, by family.
fn planes_of(topology: &Topology) -> Vec<(Family, Vec<u32>)> {
    if topology.pools.is_empty() {
        return topology
            .families()
            .into_iter()
            .map(|family| (family, Vec::new()))
            .collect();
    }
    let filters = |peering: &Peering| {
        let extra = peering.extra.as_ref();
        extra.is_some_and(|extra| !extra.filters.is_empty())
    };
    // A filter may tell any two pools apart.
    let filtered = topology.peerings.iter().any(filters);
    let mut planes: Vec<(Family, Vec<u32>)> = Vec::new();
    for (index, pool) in (0..).zip(&topology.pools) {
        let alike = |other: &Pool| {
            !filtered
                && pool.cidr.family() == other.cidr.family()
                && pool.encapsulation == other.encapsulation
                && pool.exported == other.exported
                && pool.nodes == other.nodes
        };
        let found = planes
            .iter_mut()
            .find(|(_, pools)| alike(&topology.pools[pools[0] as usize]));
        match found {
            Some((_, pools)) => pools.push(index),
            None => planes.push((pool.cidr.family(), vec![index])),
        }
    }
    planes
}

/// The routes and packets of one plane, and whether packets took a default route.
fn plane(
    topology: &Topology,
    sessions: &Sessions,
    classes: &Classes,
    family: Family,
    pools: Vec<u32>,
    budget: &mut Budget,
) -> (Plane, bool) {
    let pool = pools.first().map(|index| &topology.pools[*index as usize]);
    let graph = Graph::new(topology, sessions, classes, family, pool);
    let gateways = Gateways::new(&graph);
    let mut plane = Plane::new(family, pools, blocks(&graph, pool));
    let mut forwarding = Forwarding::new(&graph, &gateways);
    let mut origins: Vec<ClassId> = classes
        .iter()
        .filter(|(class, _)| plane.has_blocks(*class))
        .map(|(class, _)| class)
        .collect();
    // Origins of one AS travel the same ways.
    origins.sort_by_key(|class| (graph.as_number(*class), *class));
    let (mut routes, mut bests) = (Routes::default(), Vec::new());
    let of_one_as = origins.chunk_by(|one, other| graph.as_number(*one) == graph.as_number(*other));
    for batch in of_one_as.flat_map(|origins| origins.chunks(BATCH)) {
        let done = routes.run(&graph, batch, budget);
        if !done {
            break;
        }
        best(&routes, &mut bests);
        for (origin, best) in batch.iter().zip(&bests) {
            forwarding.turn_to(*origin);
            plane.computed[*origin as usize] = true;
            fill(&mut plane, &mut forwarding, best, *origin);
        }
    }
    let took_gateway = forwarding.took_gateway.get();
    (plane, took_gateway)
}

fn fill(plane: &mut Plane, forwarding: &mut Forwarding<'_>, best: &Best, origin: ClassId) {
    let graph = forwarding.graph;
    for (at, class) in graph.classes.iter() {
        if at == origin && class.size() < 2 {
            continue;
        }
        let node = graph.node(at);
        let fate = if node.is_some_and(|node| node.address(graph.family).is_none()) {
            Fate::NoAddress
        } else {
            forwarding.fate(best, at)
        };
        plane.set(origin, at, !best.hops(at).is_empty(), fate);
    }
}

/// Which classes get blocks of the pool: of a family that the node has no address of, none are reached.
fn blocks(graph: &Graph<'_>, pool: Option<&Pool>) -> Vec<bool> {
    let selected = |class: ClassId| {
        let first = graph.classes.class(class).first();
        pool.and_then(|pool| pool.nodes.as_ref())
            .is_none_or(|nodes| nodes.contains(&first))
    };
    graph
        .classes
        .iter()
        .map(|(class, _)| {
            graph
                .node(class)
                .is_some_and(|node| node.address(graph.family).is_some())
                && selected(class)
        })
        .collect()
}

fn assumptions(topology: &Topology, sessions: &Sessions, took_gateway: bool) -> Vec<Assumption> {
    let routers = &sessions.routers;
    let external = sessions
        .sessions
        .iter()
        .any(|session| session.status == Status::External);
    let several_subnets = [Family::V4, Family::V6].into_iter().any(|family| {
        let mut subnets = topology
            .nodes
            .iter()
            .filter_map(|node| Some(node.address(family)?.subnet));
        subnets
            .next()
            .is_some_and(|first| subnets.any(|subnet| subnet != first))
    });
    Assumption::ALL
        .into_iter()
        .filter(|assumption| match assumption {
            Assumption::RouterHasNeighbour
            | Assumption::RouterAccepts
            | Assumption::RouterPassesOn => external,
            Assumption::RoutersExchange => external && routers.len() > 1,
            Assumption::DefaultRoute => took_gateway,
            Assumption::NodesReachable => several_subnets,
            Assumption::OneRouterPerAs => routers
                .iter()
                .any(|router| !router.known && router.addresses.len() > 1),
            Assumption::PoolsUnknown => topology.pools.is_empty(),
            Assumption::FirstAddress | Assumption::SubnetsUnknown => {
                topology.guessed.contains(assumption)
            }
        })
        .collect()
}

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
    /// All that is known, for those who look at it further.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            topology: self.topology,
            sessions: &self.sessions,
            classes: &self.classes,
            planes: &self.planes,
        }
    }

    fn judge(&self) -> Reach {
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

    /// The way of a packet from a member of `at` to a block of a member of `origin`, as far as it gets. Where routes are
    /// equally good, the one that does not arrive; empty where it takes too long to find.
    #[must_use]
    pub fn way(&self, plane: &Plane, origin: ClassId, at: ClassId) -> Vec<Hop> {
        way(&self.facts(), plane, origin, at)
    }

    /// Whether every session is listed and every node's blocks were computed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let whole = |plane: &Plane| {
            let (computed, all) = plane.progress();
            computed == all
        };
        !self.sessions.truncated && self.planes.iter().all(whole)
    }

    /// The findings of one severity.
    pub fn of_severity(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.severity() == severity)
    }
}

/// As [`Checked::way`].
pub(super) fn way(facts: &Facts<'_>, plane: &Plane, origin: ClassId, at: ClassId) -> Vec<Hop> {
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
