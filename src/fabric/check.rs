//! The whole check: sessions, classes, planes, verdicts, findings.

mod verdict;
mod way;

use super::blame::blame;
use super::classes::{ClassId, Classes};
use super::derive::derive;
use super::facts::Facts;
use super::finding::{Code, Finding, Severity};
use super::forward::{Best, Forwarding, Gateways, best};
use super::graph::Graph;
use super::propagate::{Budget, Routes};
use super::reach::{Assumption, Fate, Hop, Plane, Reach, Verdict};
use super::rules;
use super::session::{Sessions, Status};
use super::topology::{Peering, Pool, Topology};
use crate::model::Family;

pub(super) use way::way;

/// How many origins travel together.
const BATCH: usize = 64;

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
