//! Packets, hop by hop, from a speaker to a node's block.

use std::collections::{BTreeMap, BTreeSet};

use calico_charm::fabric::{Fate, Gateway, Speaker};
use calico_charm::model::{Cidr, Encapsulation, Family, TunnelMode};

use crate::links::speaker_of;
use crate::routes::{Network, Variant, Via};

/// The next step of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    To(Speaker),
    /// In an IPIP tunnel, past everybody in between.
    Tunnel(Speaker),
    End(Fate),
}

/// Packets for one node's block.
pub struct Walk<'a> {
    pub network: &'a Network<'a>,
    pub family: Family,
    pub encapsulation: Encapsulation,
    pub origin: Speaker,
    pub held: &'a [BTreeSet<Variant>],
}

impl Walk<'_> {
    /// What becomes of a packet that `from` sends. Where routes are equally good all of them are used: the packet
    /// arrives if it does by each, and then there is one fate, else there are those of all ways that fail.
    pub fn fates(&self, from: Speaker) -> BTreeSet<Fate> {
        if !self.has_address(from) {
            return BTreeSet::from([Fate::NoAddress]);
        }
        let mut steps: BTreeMap<Speaker, BTreeSet<Step>> = BTreeMap::new();
        let mut ends = BTreeSet::new();
        let mut open = vec![from];
        while let Some(at) = open.pop() {
            if at == self.origin || steps.contains_key(&at) {
                continue;
            }
            let here = self.steps(at);
            for step in &here {
                match step {
                    Step::End(fate) => {
                        ends.insert(*fate);
                    }
                    Step::Tunnel(to) if !self.network.is_node(*to) => {
                        ends.insert(Fate::TunnelToRouter);
                    }
                    Step::To(to) | Step::Tunnel(to) => open.push(*to),
                }
            }
            steps.insert(at, here);
        }
        if self.goes_round(&steps) {
            ends.insert(Fate::Loop);
        }
        if !ends.is_empty() {
            return ends;
        }
        let hairpin = steps
            .keys()
            .any(|at| *at != from && self.network.is_node(*at));
        BTreeSet::from([if self.uses_default(from) {
            Fate::ByDefaultRoute
        } else if hairpin {
            Fate::Hairpin
        } else {
            Fate::Delivered
        }])
    }

    /// Whether there is a circle among the steps: what is left when those that only lead out are taken away.
    fn goes_round(&self, steps: &BTreeMap<Speaker, BTreeSet<Step>>) -> bool {
        let mut left: BTreeSet<Speaker> = steps.keys().copied().collect();
        loop {
            let stays = |at: &Speaker| {
                steps[at].iter().any(|step| match step {
                    Step::To(to) => left.contains(to),
                    Step::Tunnel(to) => self.network.is_node(*to) && left.contains(to),
                    Step::End(_) => false,
                })
            };
            let next: BTreeSet<Speaker> = left.iter().copied().filter(stays).collect();
            if next.len() == left.len() {
                return !left.is_empty();
            }
            left = next;
        }
    }

    fn has_address(&self, speaker: Speaker) -> bool {
        let node = self.network.topology.nodes.get(speaker as usize);
        node.is_none_or(|node| node.address(self.family).is_some())
    }

    fn router(&self, speaker: Speaker) -> &calico_charm::fabric::Router {
        &self.network.sessions.routers[(speaker - self.network.sessions.nodes) as usize]
    }

    /// Felix makes the routes between nodes where packets travel by VXLAN.
    fn by_felix(&self) -> bool {
        matches!(self.encapsulation, Encapsulation::Vxlan(_))
    }

    fn uses_default(&self, at: Speaker) -> bool {
        self.network.is_node(at) && !self.by_felix() && self.held[at as usize].is_empty()
    }

    fn steps(&self, at: Speaker) -> BTreeSet<Step> {
        if self.network.is_node(at) {
            if self.by_felix() {
                return BTreeSet::from([Step::To(self.origin)]);
            }
            if self.uses_default(at) {
                return self.by_gateway(at, Fate::NoRoute);
            }
            let best = self.best(at);
            return best
                .iter()
                .flat_map(|via| self.steps_of_node(at, *via))
                .collect();
        }
        let best = self.best(at);
        if best.is_empty() {
            return BTreeSet::from([Step::End(Fate::NoRoute)]);
        }
        best.iter()
            .flat_map(|via| self.steps_of_router(at, *via))
            .collect()
    }

    /// The next hops of the routes that are used. Of equal ones BIRD takes those whose next hop is on the speaker's own
    /// subnet: behind a router the metric is not known (`rt_get_igp_metric`).
    fn best(&self, at: Speaker) -> BTreeSet<Via> {
        let links = &self.network.links;
        let rank = |variant: &Variant| (variant.rank(links), !self.is_on_link(at, variant.via));
        let held = &self.held[at as usize];
        let best = held.iter().map(rank).min();
        held.iter()
            .filter(|variant| Some(rank(variant)) == best)
            .map(|variant| variant.via)
            .collect()
    }

    fn is_on_link(&self, at: Speaker, via: Via) -> bool {
        if self.network.is_node(at) {
            let subnet = self
                .subnet(at)
                .expect("only nodes of the family have routes");
            match via.ip {
                Some(ip) => subnet.contains(ip),
                None => self.network.is_node(via.speaker) || self.router(via.speaker).is_on(subnet),
            }
        } else if self.network.is_node(via.speaker) {
            self.subnet(via.speaker)
                .is_some_and(|subnet| self.router(at).is_on(subnet))
        } else {
            true
        }
    }

    fn subnet(&self, node: Speaker) -> Option<Cidr> {
        let node = self.network.topology.nodes.get(node as usize)?;
        Some(node.address(self.family)?.subnet)
    }

    fn steps_of_node(&self, at: Speaker, via: Via) -> BTreeSet<Step> {
        let node = &self.network.topology.nodes[at as usize];
        let on_link = self.is_on_link(at, via);
        match self.encapsulation {
            // BIRD resolves the next hop first: without a way to it, the route is unreachable.
            _ if !on_link && node.gateway == Gateway::None => {
                BTreeSet::from([Step::End(Fate::Unresolved)])
            }
            Encapsulation::Ipip(TunnelMode::Always) => BTreeSet::from([Step::Tunnel(via.speaker)]),
            _ if on_link => BTreeSet::from([Step::To(via.speaker)]),
            Encapsulation::Ipip(TunnelMode::CrossSubnet) => {
                BTreeSet::from([Step::Tunnel(via.speaker)])
            }
            _ => self.by_gateway(at, Fate::Unresolved),
        }
    }

    /// To the node's default gateway: by R5 a router of its subnet, and every one of them if nothing says which.
    fn by_gateway(&self, at: Speaker, without: Fate) -> BTreeSet<Step> {
        let node = &self.network.topology.nodes[at as usize];
        let subnet = node
            .address(self.family)
            .expect("only nodes with an address of the family send packets of it")
            .subnet;
        let routers: BTreeSet<Step> = match node.gateway {
            Gateway::None => return BTreeSet::from([Step::End(without)]),
            Gateway::Unknown => self.routers(|router| router.is_on(subnet)),
            Gateway::At(ip) => self.routers(|router| router.has(ip)),
        };
        if routers.is_empty() {
            // A router that has no sessions with anybody here, and so no route either.
            return BTreeSet::from([Step::End(Fate::NoRoute)]);
        }
        routers
    }

    fn routers(&self, matches: impl Fn(&calico_charm::fabric::Router) -> bool) -> BTreeSet<Step> {
        let nodes = self.network.sessions.nodes;
        (0..self.network.sessions.routers.len())
            .map(|index| nodes + speaker_of(index))
            .filter(|speaker| matches(self.router(*speaker)))
            .map(Step::To)
            .collect()
    }

    /// A router knows the way to every address (R6): on its own subnets, or by a router of the address's subnet.
    fn steps_of_router(&self, at: Speaker, via: Via) -> BTreeSet<Step> {
        let Some(node) = self.network.topology.nodes.get(via.speaker as usize) else {
            return BTreeSet::from([Step::To(via.speaker)]);
        };
        let Some(address) = node.address(self.family) else {
            return BTreeSet::from([Step::End(Fate::NoAddress)]);
        };
        if self.router(at).is_on(address.subnet) {
            return BTreeSet::from([Step::To(via.speaker)]);
        }
        let routers = self.routers(|router| router.is_on(address.subnet));
        if routers.is_empty() {
            BTreeSet::from([Step::To(via.speaker)])
        } else {
            routers
        }
    }
}
