//! Sessions that do not come up, or twice: F022, F023, F026 to F029, F031, F032.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Facts;
use super::wording::{counted, few, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::{Cause, Session, Side, Speaker, Status};
use crate::fabric::topology::{Backend, Origin, Peering, Target};
use crate::model::Family;

/// F022: a peer of a family that the nodes have no address of.
pub(super) fn family_gaps(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let mut gaps: BTreeMap<(&Origin, IpAddr), BTreeSet<Speaker>> = BTreeMap::new();
    for (peering, node) in &facts.sessions.family_gaps {
        let peering = &topology.peerings[*peering as usize];
        // A selector makes sessions in the families that both ends have; only an address insists on one.
        if let Target::Address(address) = &peering.target {
            gaps.entry((&peering.origin, address.ip()))
                .or_default()
                .insert(*node);
        }
    }
    for ((origin, ip), nodes) in gaps {
        let family = Family::of(ip);
        let units = speakers(topology, facts.sessions, nodes);
        let message = format!(
            "names {ip}, and {} no {family} address: there is no such session",
            has(&units),
        );
        found.push(
            Finding::new(22, origin.clone(), message)
                .value(ip)
                .remedy(format!(
                    "give the peer to units with {family} addresses only, by subnet-bgp-peers or unit-bgp-peers, or \
                     bind the charm's cni endpoint to a space with {family}"
                ))
                .units(units),
        );
    }
}

/// `calico/0 has`, `calico/0 and calico/1 have`.
pub(super) fn has(units: &[String]) -> String {
    let verb = if units.len() == 1 { "has" } else { "have" };
    format!("{} {verb}", few(units))
}

/// F023: an eBGP peer beyond the nodes' own subnets. Calico's side is multihop; a router's is not unless it is told.
pub(super) fn distant_routers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let nodes: BTreeSet<IpAddr> = topology
        .nodes
        .iter()
        .flat_map(|node| [node.v4, node.v6])
        .flatten()
        .map(|address| address.ip)
        .collect();
    let mut distant: BTreeMap<(&Origin, IpAddr), BTreeSet<Speaker>> = BTreeMap::new();
    for peering in &topology.peerings {
        let Target::Address(address) = &peering.target else {
            continue;
        };
        let reachable_by = peering.extra.as_ref().and_then(|extra| extra.reachable_by);
        if reachable_by.is_some() || nodes.contains(&address.ip()) {
            continue;
        }
        let family = address.family();
        for node in peering.scope.nodes(topology) {
            let here = &topology.nodes[node as usize];
            let local = peering
                .extra
                .as_ref()
                .and_then(|extra| extra.local_as_number);
            let local = local.unwrap_or_else(|| topology.as_number_of(here));
            let off_link = here.address(family).is_some_and(|own| {
                own.subnet.prefix() < family.bits() && !own.subnet.contains(address.ip())
            });
            if off_link && peering.as_number != Some(local) {
                distant
                    .entry((&peering.origin, address.ip()))
                    .or_default()
                    .insert(node);
            }
        }
    }
    for ((origin, ip), nodes) in distant {
        let units = speakers(topology, facts.sessions, nodes);
        let message = format!(
            "names {ip}, which is in no subnet of {}: the router has to allow eBGP over several hops",
            few(&units)
        );
        found.push(
            Finding::new(23, origin.clone(), message)
                .value(ip)
                .remedy("turn multihop on for these neighbours on the router, or write its address in the units' own subnet")
                .units(units),
        );
    }
}

/// F026 to F029 and F032: sessions between nodes by what is wrong with them, one finding an entry.
pub(super) fn between_nodes(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut groups: BTreeMap<(u16, &Origin), Group<'_>> = BTreeMap::new();
    for session in &facts.sessions.sessions {
        let Some((side, peering)) = asking(facts, session) else {
            continue;
        };
        let Some(code) = code(session.status, peering) else {
            continue;
        };
        let group = groups
            .entry((code, &peering.origin))
            .or_insert_with(|| Group {
                first: session,
                ip: other(session, side).ip,
                at: BTreeSet::new(),
                others: BTreeSet::new(),
            });
        group.at.insert(side.speaker);
        group.others.insert(other(session, side).speaker);
    }
    for ((code, origin), group) in groups {
        found.push(group.finding(facts, code, origin));
    }
}

/// The sessions that one entry makes and one thing is wrong with.
struct Group<'s> {
    first: &'s Session,
    ip: IpAddr,
    at: BTreeSet<Speaker>,
    others: BTreeSet<Speaker>,
}

/// The side whose own BGPPeer asks for the session, where it has one.
fn asking<'s>(facts: &Facts<'s>, session: &'s Session) -> Option<(&'s Side, &'s Peering)> {
    [&session.near, &session.far]
        .into_iter()
        .find_map(|side| match side.cause {
            Cause::Peering(index) => Some((side, &facts.topology.peerings[index as usize])),
            _ => None,
        })
}

fn other<'s>(session: &'s Session, side: &Side) -> &'s Side {
    if side.speaker == session.near.speaker {
        &session.far
    } else {
        &session.near
    }
}

fn code(status: Status, peering: &Peering) -> Option<u16> {
    match status {
        Status::BothPassive | Status::PortMismatch => Some(26),
        // Calico makes the way back itself, unless it is told not to or the port is not the nodes' (S4).
        Status::NoReverse if peering.reverse() => Some(26),
        Status::NoReverse => Some(29),
        Status::PasswordMismatch => Some(27),
        Status::TtlMismatch => Some(28),
        Status::Shadowed => Some(32),
        _ => None,
    }
}

impl Group<'_> {
    fn finding(&self, facts: &Facts<'_>, code: u16, origin: &Origin) -> Finding {
        let name = |nodes: &BTreeSet<Speaker>| {
            speakers(facts.topology, facts.sessions, nodes.iter().copied())
        };
        let (units, others) = (name(&self.at), name(&self.others));
        let listens = facts.topology.listen_port;
        let (message, remedy) = match code {
            26 if self.first.status == Status::BothPassive => (
                format!(
                    "makes both ends of the session with {} wait to be connected to",
                    self.ip
                ),
                "name the peers node by node: only peers of all nodes wait".to_owned(),
            ),
            26 => (
                format!(
                    "reaches {} at a port that the nodes do not listen on, which is {listens}",
                    self.ip
                ),
                format!("leave the port out, or write {listens}"),
            ),
            27 => (
                format!(
                    "has another password than the way back from {}, or one of the two has none: the session stays down",
                    few(&others)
                ),
                "give the BGPPeers of both ends the same Secret and key".to_owned(),
            ),
            28 => (
                format!(
                    "and the way back from {} differ in TTL security, which one has and the other has not: the session \
                     stays down",
                    few(&others)
                ),
                "set ttlSecurity in the BGPPeers of both ends, or in neither".to_owned(),
            ),
            29 => (
                format!(
                    "has reversePeering: Manual, and nothing peers back from {}: the session stays down",
                    few(&others)
                ),
                "leave reversePeering at Auto, or make a BGPPeer for the other end too".to_owned(),
            ),
            _ => (
                format!(
                    "peers {} with {}, and the mesh does so already: the second session stays idle",
                    few(&units),
                    if others.len() == 1 {
                        few(&others)
                    } else {
                        counted(others.len() as u64, "node")
                    },
                ),
                format!(
                    "leave the peer out, or give {} a cluster ID in route-reflector-cluster-ids if it is to reflect",
                    few(&others)
                ),
            ),
        };
        Finding::new(code, origin.clone(), message)
            .value(self.ip)
            .remedy(remedy)
            .units(units)
    }
}

/// F031: peers, and no BIRD to talk to them.
pub(super) fn without_bird(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let backend = match facts.topology.backend {
        Backend::Bird => return,
        Backend::Vxlan => "vxlan",
        Backend::None => "none",
    };
    let origins: BTreeSet<&Origin> = facts
        .topology
        .peerings
        .iter()
        .map(|one| &one.origin)
        .collect();
    let Some(first) = origins.first() else {
        return;
    };
    let message = format!(
        "asks for a session, and calico-node runs without BIRD (calico_backend is {backend}): {} come to nothing",
        counted(facts.topology.peerings.len() as u64, "peer"),
    );
    found.push(Finding::new(31, (*first).clone(), message).remedy(
        "set calico_backend to bird in ConfigMap kube-system/calico-config and restart calico-node, or leave the peers out",
    ));
}
