//! Routes by message passing: each speaker holds every variant that it was sent and took, each with its whole AS path
//! and cluster list, and sends each on to everybody it may (BIRD's `proto/bgp/attrs.c`, with add-path everywhere).

use std::collections::BTreeSet;

use calico_charm::fabric::{NextHop, Sessions, Speaker, Topology};

use crate::links::{End, Identity, Link};

/// Where packets of a route go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Via {
    pub speaker: Speaker,
    /// Its address; `None` where a router named itself to another router.
    pub ip: Option<std::net::IpAddr>,
}

/// One route to the block, as a speaker holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variant {
    /// The session it came by and this speaker's end of it; `None` for the owner's own route.
    pub came: Option<(usize, usize)>,
    /// AS path. Sorted: nothing here looks at the order, only at the length and at what occurs in it.
    pub path: Vec<u32>,
    /// Cluster list, sorted for the same reason.
    pub clusters: Vec<Identity>,
    pub originator: Option<Identity>,
    pub via: Via,
}

impl Variant {
    /// The end it came in by.
    fn source<'l>(&self, links: &'l [Link]) -> Option<&'l End> {
        self.came.map(|(link, end)| &links[link].ends[end])
    }

    /// Local, then the shortest path, then outer sessions before inner ones (BIRD's `bgp_rte_better`).
    pub fn rank(&self, links: &[Link]) -> (bool, usize, bool) {
        let internal = self.source(links).is_some_and(End::is_internal);
        (self.came.is_some(), self.path.len(), internal)
    }
}

/// What stands in a speaker's configuration besides its sessions.
pub struct Network<'a> {
    pub topology: &'a Topology,
    pub sessions: &'a Sessions,
    pub links: Vec<Link>,
    /// For each speaker the links it has an end of, and which end.
    at: Vec<Vec<(usize, usize)>>,
}

/// More routes than this for one block, and the fabric is given up.
const MOST_VARIANTS: usize = 4_000;

impl<'a> Network<'a> {
    pub fn new(topology: &'a Topology, sessions: &'a Sessions, links: Vec<Link>) -> Self {
        let mut at = vec![Vec::new(); topology.nodes.len() + sessions.routers.len()];
        for (index, link) in links.iter().enumerate() {
            for (side, end) in link.ends.iter().enumerate() {
                at[end.speaker as usize].push((index, side));
            }
        }
        Self {
            topology,
            sessions,
            links,
            at,
        }
    }

    pub fn speakers(&self) -> usize {
        self.at.len()
    }

    pub fn is_node(&self, speaker: Speaker) -> bool {
        speaker < self.sessions.nodes
    }

    /// The routes for a block of `origin` that each speaker holds; `None` where there are too many to write down.
    pub fn routes(&self, origin: Speaker) -> Option<Vec<BTreeSet<Variant>>> {
        let mut held = vec![BTreeSet::new(); self.speakers()];
        let own = Variant {
            came: None,
            path: Vec::new(),
            clusters: Vec::new(),
            originator: None,
            via: Via {
                speaker: origin,
                ip: None,
            },
        };
        held[origin as usize].insert(own.clone());
        let mut fresh = vec![(origin, own)];
        let mut count = 0;
        while let Some((speaker, variant)) = fresh.pop() {
            for (link, side) in &self.at[speaker as usize] {
                let Some(received) = self
                    .export(&variant, *link, *side)
                    .and_then(|sent| self.import(sent, *link, 1 - side))
                else {
                    continue;
                };
                let to = self.links[*link].ends[1 - side].speaker;
                // Copies of a block that come back to its owner are of no use to anybody.
                if to == origin {
                    continue;
                }
                if held[to as usize].insert(received.clone()) {
                    count += 1;
                    if count > MOST_VARIANTS {
                        return None;
                    }
                    fresh.push((to, received));
                }
            }
        }
        Some(held)
    }

    /// What goes out by one end of a link.
    fn export(&self, variant: &Variant, link: usize, side: usize) -> Option<Variant> {
        let me = &self.links[link].ends[side];
        if variant.came.is_some_and(|(came, _)| came == link) {
            return None;
        }
        // Each router hears each other one itself, so none passes on what another one told it: in truth it would send
        // its best route alone, and that is never a copy of what the sender told everybody.
        if variant.came.is_some_and(|(came, _)| self.is_uplink(came)) && self.is_uplink(link) {
            return None;
        }
        let mut sent = variant.clone();
        let source = variant.source(&self.links);
        if me.client && variant.clusters.contains(&self.cluster(me.speaker)) {
            return None;
        }
        let inner = source.filter(|source| {
            source.is_internal() && me.is_internal() && source.local_as == me.local_as
        });
        if let Some(source) = inner {
            if !source.client && !me.client {
                return None;
            }
            let (came, end) = variant
                .came
                .expect("a route with a source came from somewhere");
            let sender = self.links[came].ends[1 - end].speaker;
            sent.originator = Some(variant.originator.unwrap_or(self.router_id(sender)));
            sent.clusters.push(self.cluster(me.speaker));
            sent.clusters.sort_unstable();
        }
        if !me.is_internal() {
            sent.path.push(me.local_as);
            sent.path.sort_unstable();
            // Attributes of reflection do not leave the AS (`allow_in_ebgp` in BIRD's table of attributes).
            sent.clusters.clear();
            sent.originator = None;
        }
        let keeps = match me.next_hop {
            NextHop::Own => false,
            NextHop::Keep => true,
            NextHop::Auto => me.is_internal(),
        };
        if source.is_none() || !keeps {
            sent.via = Via {
                speaker: me.speaker,
                ip: me.ip,
            };
        }
        Some(sent)
    }

    fn is_uplink(&self, link: usize) -> bool {
        let ends = &self.links[link].ends;
        ends.iter().all(|end| !self.is_node(end.speaker))
    }

    /// What is left of it at the other end.
    fn import(&self, sent: Variant, link: usize, side: usize) -> Option<Variant> {
        let me = &self.links[link].ends[side];
        let occurs = sent
            .path
            .iter()
            .filter(|number| **number == me.local_as)
            .count();
        if occurs > me.allowed_local_as
            || sent.originator == Some(self.router_id(me.speaker))
            || (sent.via.speaker == me.speaker && self.is_node(me.speaker))
            || (me.client && sent.clusters.contains(&self.cluster(me.speaker)))
        {
            return None;
        }
        Some(Variant {
            came: Some((link, side)),
            ..sent
        })
    }

    /// The cluster ID that BIRD uses (S6); a router's is its own.
    fn cluster(&self, speaker: Speaker) -> Identity {
        let Some(node) = self.topology.nodes.get(speaker as usize) else {
            return Identity::Own(speaker);
        };
        match &node.cluster_id {
            Some(told) if !told.value.is_unspecified() => Identity::Ip(told.value.ipv4()),
            _ => self.router_id(speaker),
        }
    }

    fn router_id(&self, speaker: Speaker) -> Identity {
        self.topology
            .nodes
            .get(speaker as usize)
            .and_then(calico_charm::fabric::Node::router_id)
            .map_or(Identity::Own(speaker), Identity::Ip)
    }
}
