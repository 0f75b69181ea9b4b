//! Peers with the wrong AS number: F020, F021.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Facts;
use super::wording::{counted, few, setting, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::{Cause, Session, Side, Speaker, Status};
use crate::fabric::topology::{Origin, Target, Topology};
use crate::model::AsNumber;

/// A peer entry that expects another AS number than the other end has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wrong<'t> {
    origin: &'t Origin,
    ip: IpAddr,
    given: AsNumber,
    has: AsNumber,
    other: Speaker,
}

/// F020: the entry and the node, or the router that is named, disagree on the AS number; neither end takes the other
/// (`proto/bgp/packets.c`, "Bad peer AS"), and Calico adds no way back (S4).
pub(super) fn of_known_speakers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut wrong: BTreeMap<Wrong<'_>, BTreeSet<Speaker>> = BTreeMap::new();
    for session in &facts.sessions.sessions {
        if session.status == Status::AsMismatch {
            for (one, at) in mismatches(facts, session) {
                wrong.entry(one).or_default().insert(at);
            }
        }
    }
    if wrong.is_empty() {
        return;
    }
    let blamed = blamed_numbers(facts, &wrong);
    for (origin, given) in &blamed {
        found.push(number_at_fault(facts, origin, *given, &wrong));
    }
    for (one, units) in &wrong {
        let explained =
            number_origin(facts, one.other).is_some_and(|origin| blamed.contains_key(origin));
        if !explained {
            found.push(entry_at_fault(facts, one, units));
        }
    }
}

/// The sides of a session that expect the wrong number, each with the node it is on.
fn mismatches<'t>(facts: &Facts<'t>, session: &Session) -> Vec<(Wrong<'t>, Speaker)> {
    let is_implied = |speaker: Speaker| {
        speaker
            .checked_sub(facts.sessions.nodes)
            .is_some_and(|index| !facts.sessions.routers[index as usize].known)
    };
    let pairs: [(&Side, &Side); 2] = [(&session.near, &session.far), (&session.far, &session.near)];
    pairs
        .into_iter()
        .filter(|(here, there)| here.remote_as != there.local_as && !is_implied(there.speaker))
        .filter_map(|(here, there)| {
            let peering = &facts.topology.peerings[here.cause.peering()? as usize];
            let ip = match (&peering.target, here.cause) {
                (Target::Address(address), Cause::Peering(_)) => address.ip(),
                _ => there.ip,
            };
            let one = Wrong {
                origin: &peering.origin,
                ip,
                given: here.remote_as,
                has: there.local_as,
                other: there.speaker,
            };
            Some((one, here.speaker))
        })
        .collect()
}

/// Where a node's AS number was written; `None` for a router.
fn number_origin<'t>(facts: &Facts<'t>, speaker: Speaker) -> Option<&'t Origin> {
    let node = facts.topology.nodes.get(speaker as usize)?;
    Some(facts.topology.as_number_origin(node))
}

/// The places of AS numbers that are wrong themselves, with what they should be: two entries or more agree on another
/// number for the nodes that have it from there, and none agrees with the place.
fn blamed_numbers<'t>(
    facts: &Facts<'t>,
    wrong: &BTreeMap<Wrong<'t>, BTreeSet<Speaker>>,
) -> BTreeMap<&'t Origin, AsNumber> {
    let mut against: BTreeMap<&Origin, (BTreeSet<&Origin>, BTreeSet<AsNumber>)> = BTreeMap::new();
    for one in wrong.keys() {
        let own_number = facts
            .topology
            .nodes
            .get(one.other as usize)
            .is_some_and(|node| facts.topology.as_number_of(node) == one.has);
        if let Some(origin) = number_origin(facts, one.other).filter(|_| own_number) {
            let (places, numbers) = against.entry(origin).or_default();
            places.insert(one.origin);
            numbers.insert(one.given);
        }
    }
    against.retain(|origin, (places, numbers)| {
        origin.place().is_some() && places.len() > 1 && numbers.len() == 1
    });
    if against.is_empty() {
        return BTreeMap::new();
    }
    for session in &facts.sessions.sessions {
        for (here, there) in [(&session.near, &session.far), (&session.far, &session.near)] {
            if matches!(here.cause, Cause::Peering(_))
                && here.remote_as == there.local_as
                && let Some(origin) = number_origin(facts, there.speaker)
            {
                against.remove(origin);
            }
        }
    }
    against
        .into_iter()
        .filter_map(|(origin, (_, numbers))| Some((origin, numbers.into_iter().next()?)))
        .collect()
}

fn number_at_fault(
    facts: &Facts<'_>,
    origin: &Origin,
    given: AsNumber,
    wrong: &BTreeMap<Wrong<'_>, BTreeSet<Speaker>>,
) -> Finding {
    let of_place = |one: &&Wrong<'_>| number_origin(facts, one.other) == Some(origin);
    let all: Vec<&Wrong<'_>> = wrong.keys().filter(of_place).collect();
    let others: BTreeSet<Speaker> = all.iter().map(|one| one.other).collect();
    let entries: BTreeSet<&Origin> = all.iter().map(|one| one.origin).collect();
    let units = speakers(facts.topology, facts.sessions, others);
    let has = all.first().map_or(given, |one| one.has);
    let message = format!(
        "gives {} AS number {has}, but {} that point there say {given}: those sessions stay down",
        few(&units),
        counted_entries(entries.len()),
    );
    let mut finding = Finding::new(20, origin.clone(), message)
        .value(has)
        .remedy(format!("write {given}"))
        .units(units);
    if let Some(first) = entries.first() {
        finding = finding.other((*first).clone(), format!("says {given}"));
    }
    if origin
        .place()
        .is_some_and(|place| place.option == "global-as-number")
    {
        finding = finding.command(setting("global-as-number", given));
    }
    finding
}

fn counted_entries(number: usize) -> String {
    match number {
        1 => "1 peer entry".to_owned(),
        more => format!("{more} peer entries"),
    }
}

fn entry_at_fault(facts: &Facts<'_>, one: &Wrong<'_>, units: &BTreeSet<Speaker>) -> Finding {
    let (who, other) = owner(facts, one.other);
    let source = match &other {
        Origin::Router(_) => String::new(),
        place => format!(" (from {place})"),
    };
    let message = format!(
        "gives {} AS number {}, but {who} at that address has {}{source}: the session stays down",
        one.ip, one.given, one.has
    );
    let remedy = match one.origin {
        Origin::Object { .. } => format!("set asNumber to {} in {}", one.has, one.origin),
        _ => format!("write as-number: {} for {}", one.has, one.ip),
    };
    Finding::new(20, one.origin.clone(), message)
        .other(other, format!("gives it {}", one.has))
        .value(one.given)
        .remedy(remedy)
        .units(speakers(
            facts.topology,
            facts.sessions,
            units.iter().copied(),
        ))
}

/// A speaker in words, and where its AS number was written.
fn owner(facts: &Facts<'_>, speaker: Speaker) -> (String, Origin) {
    if let Some(node) = facts.topology.nodes.get(speaker as usize) {
        let name = node.unit.as_ref().map_or_else(
            || node.name.clone(),
            |unit| format!("{} ({unit})", node.name),
        );
        return (name, facts.topology.as_number_origin(node).clone());
    }
    let index = speaker.saturating_sub(facts.sessions.nodes) as usize;
    let name = &facts.sessions.routers[index].name;
    (format!("router {name}"), Origin::Router(name.clone()))
}

/// Who gives a router one of its AS numbers.
type Givers<'t> = (BTreeSet<&'t Origin>, BTreeSet<Speaker>);

/// F021: a router that nothing names is given two AS numbers; a router has one.
pub(super) fn of_other_routers(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    for ((ip, _), numbers) in numbers_of_routers(topology) {
        if numbers.len() < 2 {
            continue;
        }
        // The number that most units have counts as right; of equals the smallest.
        let Some((right, givers)) = numbers
            .iter()
            .max_by_key(|(number, (_, units))| (units.len(), std::cmp::Reverse(**number)))
        else {
            continue;
        };
        for (number, (origins, units)) in numbers.iter().filter(|(number, _)| *number != right) {
            let (Some(origin), Some(other)) = (origins.first(), givers.0.first()) else {
                continue;
            };
            let named = |units: &BTreeSet<Speaker>| {
                speakers(topology, facts.sessions, units.iter().copied())
            };
            let message = format!(
                "gives {ip} AS number {number} for {}, and {other} gives it {right} for {}: a router has one",
                few(&named(units)),
                counted(givers.1.len() as u64, "unit"),
            );
            found.push(
                Finding::new(21, (*origin).clone(), message)
                    .other((*other).clone(), format!("gives it {right}"))
                    .value(number)
                    .remedy(format!(
                        "write the router's own number in both, {right} if most entries are right"
                    ))
                    .units(named(units)),
            );
        }
    }
}

/// The AS numbers that peerings give to addresses that belong to nobody known.
fn numbers_of_routers(
    topology: &Topology,
) -> BTreeMap<(IpAddr, u16), BTreeMap<AsNumber, Givers<'_>>> {
    let known: BTreeSet<IpAddr> = topology
        .nodes
        .iter()
        .flat_map(|node| [node.v4, node.v6])
        .flatten()
        .chain(
            topology
                .routers
                .iter()
                .flat_map(|router| router.addresses.iter().copied()),
        )
        .map(|address| address.ip)
        .collect();
    let mut found: BTreeMap<_, BTreeMap<AsNumber, Givers<'_>>> = BTreeMap::new();
    for peering in &topology.peerings {
        let (Target::Address(address), Some(number)) = (&peering.target, peering.as_number) else {
            continue;
        };
        if known.contains(&address.ip()) {
            continue;
        }
        let (origins, units) = found
            .entry(address.endpoint())
            .or_default()
            .entry(number)
            .or_default();
        origins.insert(&peering.origin);
        units.extend(peering.scope.nodes(topology));
    }
    found
}
