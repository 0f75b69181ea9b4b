//! Where packets go, given the routes, by the pool's way of encapsulation.

use std::cell::Cell;

use super::classes::ClassId;
use super::graph::Graph;
use super::propagate::{Routes, Variant, Via, preference};
use super::reach::Fate;
use super::topology::{Gateway, Router};
use crate::model::{Cidr, Encapsulation, TunnelMode};

/// Where a packet is sent next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To the node that has the block.
    Arrives,
    /// To another node or router.
    On(ClassId),
    /// Nowhere.
    Ends(Fate),
}

/// The gateways of each class of nodes, found once.
#[derive(Debug)]
pub(super) struct Gateways(Vec<Vec<ClassId>>);

impl Gateways {
    pub(super) fn new(graph: &Graph<'_>) -> Self {
        let gateways = |class: ClassId| {
            let node = graph.node(class)?;
            let subnet = node.address(graph.family)?.subnet;
            Some(match node.gateway {
                Gateway::None => Vec::new(),
                Gateway::At(ip) => routers(graph, |router| router.has(ip)),
                Gateway::Unknown => routers(graph, |router| router.is_on(subnet)),
            })
        };
        let classes = graph.classes.iter();
        Self(
            classes
                .map(|(class, _)| gateways(class).unwrap_or_default())
                .collect(),
        )
    }
}

/// The routers that fit. Where nothing says which of several is used, packets have to arrive by each.
fn routers(graph: &Graph<'_>, fits: impl Fn(&Router) -> bool) -> Vec<ClassId> {
    let found = graph
        .routers()
        .iter()
        .filter(|class| graph.router(**class).is_some_and(&fits));
    found.copied().collect()
}

/// The ways of packets for blocks of one origin.
pub(super) struct Forwarding<'a> {
    pub graph: &'a Graph<'a>,
    pub gateways: &'a Gateways,
    encapsulation: Encapsulation,
    /// The origin.
    pub origin: ClassId,
    /// What is known of each class: not looked at, being looked at, or its fate.
    state: Vec<State>,
    /// Whether a packet went by a default route that is only taken to be there.
    pub took_gateway: Cell<bool>,
}

/// A class on the way, and what is left to look at from there.
struct Stop {
    at: ClassId,
    first: Option<Next>,
    more: Vec<Next>,
    /// Where the packet is followed to.
    on: Option<ClassId>,
    worst: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unseen,
    Walking,
    Known(Fate),
}

impl<'a> Forwarding<'a> {
    pub(super) fn new(graph: &'a Graph<'a>, gateways: &'a Gateways) -> Self {
        Self {
            graph,
            gateways,
            encapsulation: graph.encapsulation(),
            origin: 0,
            state: vec![State::Unseen; graph.classes.len()],
            took_gateway: Cell::new(false),
        }
    }

    /// Turns to another origin.
    pub(super) fn turn_to(&mut self, origin: ClassId) {
        self.origin = origin;
        self.state.fill(State::Unseen);
    }

    /// What becomes of a packet at `at`, given the best variants of every class for this origin. Equally good routes
    /// share the packets: all have to arrive.
    pub(super) fn fate(&mut self, best: &Best, at: ClassId) -> Fate {
        let mut stack = Vec::new();
        let mut told = self.enter(best, at, &mut stack);
        // A way may lead through every class, so it is followed without recursion.
        while let Some(mut stop) = stack.pop() {
            if let (Some(fate), Some(on)) = (told.take(), stop.on.take()) {
                stop.worst = stop.worst.max(self.passed_on(stop.at, on, fate));
            }
            let Some(next) = stop.first.take().or_else(|| stop.more.pop()) else {
                let fate = self.arrived(best, &stop);
                self.state[stop.at as usize] = State::Known(fate);
                told = Some(fate);
                continue;
            };
            match next {
                Next::Arrives => {}
                Next::Ends(fate) => stop.worst = stop.worst.max(fate),
                Next::On(class) => stop.on = Some(class),
            }
            let on = stop.on;
            stack.push(stop);
            if let Some(class) = on {
                told = self.enter(best, class, &mut stack);
            }
        }
        told.unwrap_or(Fate::NoRoute)
    }

    /// The fate at a class where it is known; otherwise the class is the next to look at.
    fn enter(&mut self, best: &Best, at: ClassId, stack: &mut Vec<Stop>) -> Option<Fate> {
        match self.state[at as usize] {
            State::Known(fate) => return Some(fate),
            State::Walking => return Some(Fate::Loop),
            State::Unseen => {}
        }
        self.state[at as usize] = State::Walking;
        // Nearly every class has one way.
        let (mut first, mut more) = (None, Vec::new());
        self.nexts(best, at, |next| match first {
            None => first = Some(next),
            Some(_) => more.push(next),
        });
        stack.push(Stop {
            at,
            first,
            more,
            on: None,
            worst: Fate::Delivered,
        });
        None
    }

    /// Calls `visit` with each place that packets at `at` go to.
    pub(super) fn nexts(&self, best: &Best, at: ClassId, mut visit: impl FnMut(Next)) {
        let hops = best.hops(at);
        if hops.is_empty() {
            return self.without_route(at, &mut visit);
        }
        let near = hops.iter().any(|via| self.is_on_link(at, *via));
        for via in hops {
            if !near || self.is_on_link(at, *via) {
                self.next(at, *via, &mut visit);
            }
        }
    }

    /// What a fate at the next class means at this one.
    fn passed_on(&self, at: ClassId, on: ClassId, fate: Fate) -> Fate {
        if fate.arrives() && self.graph.node(on).is_some() && on != at {
            return Fate::Hairpin;
        }
        match fate {
            // What a gateway does without a route is nothing of the sender's.
            Fate::ByDefaultRoute => Fate::Delivered,
            fate => fate,
        }
    }

    fn arrived(&self, best: &Best, stop: &Stop) -> Fate {
        let learned = !best.hops(stop.at).is_empty() || self.is_vxlan();
        if stop.worst.arrives() && !learned && self.graph.node(stop.at).is_some() {
            Fate::ByDefaultRoute
        } else {
            stop.worst
        }
    }

    /// R5: what a node has no route for goes to its gateway; a router's own default route leads out of the fabric.
    fn without_route(&self, at: ClassId, visit: &mut impl FnMut(Next)) {
        match self.graph.node(at) {
            Some(_) if self.is_vxlan() => visit(Next::Arrives),
            Some(_) => self.by_gateway(at, Fate::NoRoute, visit),
            None => visit(Next::Ends(Fate::NoRoute)),
        }
    }

    /// To the node's gateways; `without` a default route that is what becomes of the packet.
    fn by_gateway(&self, at: ClassId, without: Fate, visit: &mut impl FnMut(Next)) {
        match self.graph.node(at).map(|node| node.gateway) {
            None | Some(Gateway::None) => return visit(Next::Ends(without)),
            Some(Gateway::Unknown) => self.took_gateway.set(true),
            Some(Gateway::At(_)) => {}
        }
        let gateways = &self.gateways.0[at as usize];
        if gateways.is_empty() {
            // A router that nobody here has a session with, and so one without a route.
            visit(Next::Ends(Fate::NoRoute));
        }
        for router in gateways {
            visit(Next::On(*router));
        }
    }

    /// Whether a next hop is on a subnet of `at`'s own. Of routes that are equal otherwise BIRD takes those: their IGP
    /// metric is 0, and unknown where the next hop is found by another route (`nest/rt-table.c`, `rt_get_igp_metric`).
    fn is_on_link(&self, at: ClassId, via: Via) -> bool {
        let target = via.class().unwrap_or(self.origin);
        match (self.subnet(at), self.graph.router(target)) {
            (Some(subnet), Some(router)) => match via {
                Via::Router(_, ip) => subnet.contains(ip),
                _ => router.is_on(subnet),
            },
            (Some(subnet), None) => self.subnet(target) == Some(subnet),
            (None, None) => {
                let router = self.graph.router(at);
                let subnet = self.subnet(target);
                router.is_some_and(|router| subnet.is_some_and(|subnet| router.is_on(subnet)))
            }
            // By the uplink.
            (None, Some(_)) => true,
        }
    }

    /// The subnet of a class of nodes.
    fn subnet(&self, class: ClassId) -> Option<Cidr> {
        let address = self.graph.node(class)?.address(self.graph.family)?;
        Some(address.subnet)
    }

    fn is_vxlan(&self) -> bool {
        matches!(self.encapsulation, Encapsulation::Vxlan(_))
    }

    /// Where a packet goes by a route with this next hop.
    fn next(&self, at: ClassId, via: Via, visit: &mut impl FnMut(Next)) {
        let target = via.class().unwrap_or(self.origin);
        let arrival = via.class().map_or(Next::Arrives, Next::On);
        let Some(node) = self.graph.node(at) else {
            return self.router_next(at, self.subnet(target), arrival, visit);
        };
        if self.is_vxlan() {
            // Felix has the routes between nodes, BIRD's do not count (`confd`, kernel filter of VXLAN pools).
            return visit(Next::Arrives);
        }
        let on_link = self.is_on_link(at, via);
        if !on_link && node.gateway == Gateway::None {
            // BIRD resolves the next hop first: without a way there the route is unreachable (P7).
            return visit(Next::Ends(Fate::Unresolved));
        }
        let tunnelled = match self.encapsulation {
            Encapsulation::Ipip(TunnelMode::Always) => true,
            Encapsulation::Ipip(TunnelMode::CrossSubnet) => !on_link,
            _ => false,
        };
        if tunnelled && self.graph.node(target).is_none() {
            visit(Next::Ends(Fate::TunnelToRouter));
        } else if tunnelled || on_link {
            visit(arrival);
        } else {
            self.by_gateway(at, Fate::Unresolved, visit);
        }
    }

    /// A router sends to a next hop of another subnet by the routers on that subnet, which have to know the block as well.
    fn router_next(
        &self,
        at: ClassId,
        subnet: Option<Cidr>,
        arrival: Next,
        visit: &mut impl FnMut(Next),
    ) {
        let here = self.graph.router(at);
        let Some(subnet) = subnet.filter(|subnet| !here.is_some_and(|here| here.is_on(*subnet)))
        else {
            return visit(arrival);
        };
        let mut known = false;
        for class in self.graph.routers() {
            if self
                .graph
                .router(*class)
                .is_some_and(|router| router.is_on(subnet))
            {
                known = true;
                visit(Next::On(*class));
            }
        }
        if !known {
            // Nothing is known of the subnet's own router (R6).
            visit(arrival);
        }
    }
}

/// The next hops of the best variants, by class, for one origin.
#[derive(Debug, Default)]
pub(super) struct Best {
    hops: Vec<Vec<Via>>,
}

impl Best {
    pub(super) fn hops(&self, at: ClassId) -> &[Via] {
        &self.hops[at as usize]
    }
}

/// The best variants of a batch of origins: by bit of the batch.
pub(super) fn best(routes: &Routes, into: &mut Vec<Best>) {
    let classes = routes.variants.len();
    into.resize_with(routes.origins.len().max(into.len()), Best::default);
    for best in into.iter_mut().take(routes.origins.len()) {
        best.hops.resize(classes, Vec::new());
        best.hops.iter_mut().for_each(Vec::clear);
    }
    let mut order: Vec<&(Variant, u64)> = Vec::new();
    for (class, variants) in routes.variants.iter().enumerate() {
        order.clear();
        order.extend(variants);
        order.sort_by_key(|(variant, _)| preference(variant));
        let mut done = 0u64;
        for group in order.chunk_by(|one, other| preference(&one.0) == preference(&other.0)) {
            let mut seen = 0u64;
            for (variant, origins) in group {
                let mut left = origins & !done;
                seen |= left;
                while left != 0 {
                    let bit = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let hops = &mut into[bit].hops[class];
                    if !hops.contains(&variant.next_hop) {
                        hops.push(variant.next_hop);
                    }
                }
            }
            done |= seen;
        }
    }
}
