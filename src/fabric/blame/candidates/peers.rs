//! Sessions that are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::super::edit::Edit;
use super::{Candidates, Repair};
use crate::fabric::classes::ClassId;
use crate::fabric::rules::wording::{few, speakers};
use crate::fabric::session::Speaker;
use crate::fabric::topology::Origin;
use crate::model::{AsNumber, Cidr, ClusterId, Family};

/// How many reflectors one repair peers a class with.
const REFLECTORS: usize = 4;

impl Candidates<'_> {
    /// Nodes that others of their AS peer with, and that pass nothing on because they have no cluster ID.
    pub(super) fn hubs(&self, found: &mut Vec<Repair>) {
        let inner = |class: ClassId| {
            let own = self.as_number(class);
            self.joined
                .range((class, 0)..=(class, ClassId::MAX))
                .map(|(_, other)| *other)
                .filter(move |other| self.node(*other).is_some() && self.as_number(*other) == own)
        };
        let ends: BTreeSet<ClassId> = [self.loss.at, self.loss.origin]
            .into_iter()
            .flat_map(|end| inner(end).chain([end]))
            .collect();
        let spokes = |class: ClassId| {
            inner(class)
                .map(|other| self.facts.classes.members(other).len())
                .sum::<usize>()
        };
        let hubs: Vec<ClassId> = ends
            .into_iter()
            .filter(|class| {
                self.node(*class)
                    .is_some_and(|node| node.cluster_id.is_none())
            })
            .filter(|class| spokes(*class) > 2 * self.facts.classes.members(*class).len())
            .collect();
        let nodes: Vec<Speaker> = hubs
            .iter()
            .flat_map(|class| self.facts.classes.members(*class))
            .copied()
            .take(REFLECTORS)
            .collect();
        if nodes.is_empty() {
            return;
        }
        let (topology, sessions) = (self.facts.topology, self.facts.sessions);
        let ids: Vec<ClusterId> = topology
            .nodes
            .iter()
            .filter_map(|node| node.cluster_id.as_ref())
            .map(|told| told.value)
            .collect();
        let free = (1..=254_u8)
            .filter_map(|last| format!("1.0.0.{last}").parse().ok())
            .find(|id| !ids.contains(id));
        let Some(id) = free else {
            return;
        };
        let units = speakers(topology, sessions, nodes.iter().copied());
        let entries: Vec<String> = nodes
            .iter()
            .filter_map(|node| topology.nodes.get(*node as usize)?.unit.as_ref())
            .map(|unit| format!("{}: {id}", unit.number()))
            .collect();
        let mut repair = Repair::new(
            Edit::Mesh,
            Origin::option("route-reflector-cluster-ids"),
            format!(
                "gives {} no cluster ID, though other nodes peer with {} in place of a mesh",
                few(&units),
                if units.len() == 1 { "it" } else { "them" }
            ),
            format!("write into route-reflector-cluster-ids: {}", few(&entries)),
        );
        repair.edits = nodes
            .iter()
            .map(|node| Edit::Cluster(*node, Some(id)))
            .collect();
        found.push(repair.nodes(nodes));
    }

    /// Sessions that are missing, from either end of the loss: a node with the reflectors of its AS or its router, a
    /// reflector next to it with its fellows or with the router.
    pub(super) fn peers(&self, found: &mut Vec<Repair>) {
        for end in [self.loss.at, self.loss.origin] {
            let mut starts = vec![end];
            let near = self.joined.range((end, 0)..=(end, ClassId::MAX));
            starts.extend(
                near.map(|(_, other)| *other)
                    .filter(|other| self.is_reflector(*other))
                    .take(REFLECTORS),
            );
            for start in starts {
                if self.node(start).is_some() {
                    self.with_reflectors(start, found);
                    self.with_router(start, found);
                } else {
                    self.router_with_nodes(start, found);
                }
            }
        }
    }

    fn with_reflectors(&self, start: ClassId, found: &mut Vec<Repair>) {
        let own = self.as_number(start);
        let reflectors: Vec<ClassId> = self
            .facts
            .classes
            .iter()
            .map(|(id, _)| id)
            .filter(|id| *id != start && self.is_reflector(*id) && self.as_number(*id) == own)
            .filter(|id| !self.joined.contains(&(start, *id)))
            .collect();
        let nearest = |class: &ClassId| (self.subnet(*class) != self.subnet(start), *class);
        let mut sorted = reflectors;
        sorted.sort_by_key(nearest);
        let targets: Vec<(IpAddr, AsNumber)> = sorted
            .iter()
            .take(REFLECTORS)
            .filter_map(|class| {
                Some((
                    self.node(*class)?.address(self.plane.family)?.ip,
                    self.as_number(*class)?,
                ))
            })
            .collect();
        let what = if self.is_reflector(start) {
            "the other reflectors"
        } else {
            "the route reflectors"
        };
        self.peer(start, &targets, what, found);
    }

    fn with_router(&self, start: ClassId, found: &mut Vec<Repair>) {
        let Some(subnet) = self.subnet(start) else {
            return;
        };
        for (id, class) in self.facts.classes.iter().filter(|(_, class)| class.router) {
            let Some(router) = self.router(id).filter(|router| router.is_on(subnet)) else {
                continue;
            };
            let ip = router
                .addresses
                .iter()
                .map(|one| one.ip)
                .find(|ip| subnet.contains(*ip));
            if self.joined.contains(&(start, id)) || class.members.is_empty() {
                continue;
            }
            let targets: Vec<_> = ip.into_iter().map(|ip| (ip, router.as_number)).collect();
            self.peer(start, &targets, "the router of the subnet", found);
        }
    }

    /// A router that lacks blocks: the nodes that have them peer with it.
    fn router_with_nodes(&self, router: ClassId, found: &mut Vec<Repair>) {
        let Some(known) = self.router(router) else {
            return;
        };
        let family = self.plane.family;
        let mut groups: BTreeMap<IpAddr, Vec<Speaker>> = BTreeMap::new();
        for (id, class) in self.facts.classes.iter().filter(|(_, class)| !class.router) {
            let has_way = self.plane.received(id, router) || self.joined.contains(&(id, router));
            let addresses: Vec<IpAddr> = known
                .addresses
                .iter()
                .map(|one| one.ip)
                .filter(|ip| Family::of(*ip) == family)
                .collect();
            let on_link = self
                .subnet(id)
                .and_then(|subnet| addresses.iter().find(|ip| subnet.contains(**ip)));
            if let Some(ip) = on_link.or_else(|| addresses.first()).filter(|_| !has_way) {
                groups.entry(*ip).or_default().extend(&class.members);
            }
        }
        if groups.is_empty() {
            return;
        }
        let mut edits = Vec::new();
        let mut entries = Vec::new();
        let mut nodes: Vec<Speaker> = Vec::new();
        for (ip, members) in groups {
            entries.push(format!("{{address: {ip}, as-number: {}}}", known.as_number));
            nodes.extend(&members);
            edits.push(Edit::Peer(members, ip, known.as_number));
        }
        nodes.sort_unstable();
        let units = speakers(
            self.facts.topology,
            self.facts.sessions,
            nodes.iter().copied(),
        );
        let (option, place) = self.place_of_peers(router);
        let mut repair = Repair::new(
            Edit::Mesh,
            place,
            format!(
                "gives {} no session with {}, which learns no way to their pods",
                few(&units),
                self.name(router)
            ),
            format!(
                "peer these units with the router as well, in {option}: {}",
                few(&entries)
            ),
        );
        repair.edits = edits;
        found.push(repair.nodes(nodes).explaining());
    }

    /// The option that peers with this router, and its first place.
    pub(super) fn place_of_peers(&self, router: ClassId) -> (String, Origin) {
        let first = self.facts.classes.class(router).first();
        let origin = self
            .facts
            .sessions
            .sessions
            .iter()
            .filter(|session| session.far.speaker == first)
            .filter_map(|session| session.near.cause.peering())
            .find_map(|index| self.facts.topology.peerings.get(index as usize))
            .map(|peering| peering.origin.clone());
        match origin {
            Some(origin) => {
                let option = origin
                    .place()
                    .map_or("a BGPPeer".to_owned(), |place| place.option.clone());
                // What is missing stands nowhere; the option as a whole is at fault.
                let whole = origin.place().map(|place| Origin::option(&place.option));
                (option, whole.unwrap_or(origin))
            }
            None => (
                "subnet-bgp-peers".to_owned(),
                Origin::option("subnet-bgp-peers"),
            ),
        }
    }

    fn peer(
        &self,
        start: ClassId,
        targets: &[(IpAddr, AsNumber)],
        what: &str,
        found: &mut Vec<Repair>,
    ) {
        if targets.is_empty() {
            return;
        }
        let topology = self.facts.topology;
        let members = self.facts.classes.members(start).to_vec();
        let units = speakers(topology, self.facts.sessions, members.iter().copied());
        let entries: Vec<String> = targets
            .iter()
            .map(|(ip, number)| format!("{{address: {}, as-number: {number}}}", quoted(*ip)))
            .collect();
        let list = format!("[{}]", entries.join(", "));
        let whole = self.whole_subnet(start);
        let unit = self.node(start).and_then(|node| node.unit.as_ref());
        let (option, key) = match (whole, unit) {
            (Some(subnet), _) => ("subnet-bgp-peers", subnet.to_string()),
            (None, Some(unit)) => ("unit-bgp-peers", unit.number().to_string()),
            (None, None) => ("unit-bgp-peers", "the number of the unit".to_owned()),
        };
        let also = match (whole, units.len()) {
            (None, more) if more > 1 => format!(", and the same for {}", few(&units[1..])),
            _ => String::new(),
        };
        let mut repair = Repair::new(
            Edit::Mesh,
            Origin::option(option),
            format!("does not peer {} with {what}", few(&units)),
            format!("write this entry into {option}: {key}: {list}{also}"),
        );
        repair.edits = targets
            .iter()
            .map(|(ip, number)| Edit::Peer(members.clone(), *ip, *number))
            .collect();
        found.push(repair.nodes(members));
    }

    /// The subnet, where the class is all of its nodes that do not reflect, and more than one.
    fn whole_subnet(&self, class: ClassId) -> Option<Cidr> {
        let subnet = self.subnet(class)?;
        let all = self
            .facts
            .topology
            .nodes
            .iter()
            .filter(|node| node.cluster_id.is_none())
            .filter(|node| {
                node.address(self.plane.family)
                    .is_some_and(|address| address.subnet == subnet)
            })
            .count();
        let members = self.facts.classes.members(class).len();
        (members > 1 && all == members && !self.is_reflector(class)).then_some(subnet)
    }
}

/// An address as YAML takes it inside braces.
fn quoted(ip: IpAddr) -> String {
    if ip.is_ipv6() {
        format!("\"{ip}\"")
    } else {
        ip.to_string()
    }
}
