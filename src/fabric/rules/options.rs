//! Entries of options that do nothing, or not what they say: F006, F008, F010.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::entries::{cluster_ids, free_cluster_ids, setting_of_cluster_ids};
use super::slips::{is_slip, likeness};
use super::wording::{few, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::{Cause, Speaker};
use crate::fabric::topology::{Idle, IdleKey, Origin, Target, Topology};
use crate::model::{Cidr, ClusterId, UnitName};

/// What entries could have been meant for.
struct Present<'t> {
    units: Vec<&'t UnitName>,
    subnets: BTreeSet<Cidr>,
    /// The keys that options have entries for which some node uses: option and key.
    used: BTreeSet<(&'t str, &'t str)>,
}

impl<'t> Present<'t> {
    fn new(topology: &'t Topology) -> Self {
        let nodes = topology.nodes.iter();
        let addresses = nodes.clone().flat_map(|node| [node.v4, node.v6]).flatten();
        let origins = topology.peerings.iter().map(|peering| &peering.origin);
        let numbers = nodes.clone().map(|node| topology.as_number_origin(node));
        let used = origins
            .chain(numbers)
            .filter_map(Origin::place)
            .map(|place| {
                let key = place
                    .path
                    .split_once('[')
                    .map_or(place.path.as_str(), |(key, _)| key);
                (place.option.as_str(), key)
            });
        Self {
            units: nodes.filter_map(|node| node.unit.as_ref()).collect(),
            subnets: addresses.map(|address| address.subnet).collect(),
            used: used.collect(),
        }
    }

    /// The subnet that an entry of an option for another one was probably meant for: one without an entry rather than
    /// one with, and the one that is most like it.
    fn meant(&self, entry: &Origin, subnet: Cidr) -> Option<Cidr> {
        let option = entry.place().map_or("", |place| place.option.as_str());
        let written = subnet.to_string();
        let slips = self.subnets.iter().filter(|other| is_slip(subnet, **other));
        let best = slips.max_by_key(|other| {
            let text = other.to_string();
            let free = !self.used.contains(&(option, text.as_str()));
            (free, likeness(&written, &text))
        });
        best.copied()
    }
}

/// F006: entries that are for no unit.
pub(super) fn idle_entries(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.topology.idle.is_empty() {
        return;
    }
    let present = Present::new(facts.topology);
    found.extend(facts.topology.idle.iter().map(|entry| match entry.key {
        IdleKey::Subnet(subnet) => idle_subnet(&present, entry, subnet),
        IdleKey::Unit(number) => idle_unit(&present, entry, number),
    }));
}

fn idle_subnet(present: &Present<'_>, entry: &Idle, subnet: Cidr) -> Finding {
    let finding = Finding::new(
        6,
        entry.origin.clone(),
        "matches no unit: none has an address in it",
    )
    .value(subnet);
    let alike: Vec<Cidr> = present
        .subnets
        .iter()
        .filter(|other| other.family() == subnet.family())
        .copied()
        .collect();
    match present.meant(&entry.origin, subnet) {
        Some(other) => finding.remedy(format!(
            "write {other} if that is the subnet meant, or leave the entry out"
        )),
        None if alike.is_empty() => finding.remedy("leave the entry out"),
        None => finding.remedy(format!(
            "leave the entry out, or write a subnet that units are in: {}",
            few(&alike)
        )),
    }
}

fn idle_unit(present: &Present<'_>, entry: &Idle, number: u32) -> Finding {
    let name = present.units.first().map_or_else(
        || format!("unit {number}"),
        |unit| format!("{}/{number}", unit.application()),
    );
    let finding = Finding::new(
        6,
        entry.origin.clone(),
        format!("matches no unit: there is no {name}"),
    )
    .value(number);
    if present.units.is_empty() {
        return finding.remedy("leave the entry out");
    }
    finding.remedy(format!(
        "leave the entry out, or write the number of a unit that is there: {}",
        few(&present.units)
    ))
}

/// F008: BIRD takes the cluster ID 0.0.0.0 for "not set" (`proto/bgp/bgp.c`) and uses the router ID.
pub(super) fn unset_cluster_ids(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let ids = cluster_ids(topology);
    let zeros: Vec<(Speaker, &Origin)> = ids
        .iter()
        .filter(|(_, told)| told.value.is_unspecified())
        .map(|(node, told)| (*node, &told.origin))
        .collect();
    let Some((_, origin)) = zeros.first() else {
        return;
    };
    let units = speakers(
        topology,
        facts.sessions,
        zeros.iter().map(|(node, _)| *node),
    );
    let message = match units.as_slice() {
        [_] => {
            "is 0.0.0.0, which BIRD takes for unset: the unit uses its router ID instead".to_owned()
        }
        all => format!(
            "is 0.0.0.0 for {}: BIRD takes it for unset, and each uses its own router ID instead",
            few(all)
        ),
    };
    // One each is what BIRD makes of zeros, so nothing changes but the numbers.
    let replaced: BTreeMap<Speaker, ClusterId> = zeros
        .iter()
        .map(|(node, _)| *node)
        .zip(free_cluster_ids(topology))
        .collect();
    let examples: Vec<ClusterId> = replaced.values().copied().collect();
    let mut finding = Finding::new(8, (*origin).clone(), message)
        .value("0.0.0.0")
        .remedy(match examples.as_slice() {
            [one] => format!("write an ID that is not zero, e.g. {one}"),
            all => format!("write an ID for each that is not zero, e.g. {}", few(all)),
        })
        .units(units);
    if let Some(command) = setting_of_cluster_ids(topology, &replaced) {
        finding = finding.command(command);
    }
    found.push(finding);
}

/// F010: a peer that is the unit itself. Lists that several units share hold their own addresses on purpose: the charm's
/// documentation peers reflectors so. What is left are lists of one unit, and lists whose address nobody peers with.
pub(super) fn own_addresses(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (topology, sessions) = (facts.topology, facts.sessions);
    let mut own: BTreeMap<&Origin, (u32, Speaker)> = BTreeMap::new();
    for (peering, node) in &sessions.own {
        let origin = &topology.peerings[*peering as usize].origin;
        if origin.place().is_some() {
            own.entry(origin).or_insert((*peering, *node));
        }
    }
    if own.is_empty() {
        return;
    }
    let met = met_nodes(facts);
    for (origin, (peering, node)) in own {
        let of_one_unit = origin
            .place()
            .is_some_and(|place| place.option == "unit-bgp-peers");
        let Target::Address(address) = topology.peerings[peering as usize].target else {
            continue;
        };
        if !of_one_unit && met.contains(&node) {
            continue;
        }
        let units = speakers(topology, sessions, [node]);
        let message = format!(
            "names {}, an address of {} itself: the unit leaves it out",
            address.ip(),
            few(&units)
        );
        found.push(
            Finding::new(10, origin.clone(), message)
                .value(address)
                .remedy("leave it out, or write the address of the neighbour that was meant")
                .units(units),
        );
    }
}

/// The nodes that other nodes name as peers.
fn met_nodes(facts: &Facts<'_>) -> BTreeSet<Speaker> {
    let mut met = BTreeSet::new();
    for session in &facts.sessions.sessions {
        for (here, there) in [(session.near, session.far), (session.far, session.near)] {
            if matches!(here.cause, Cause::Peering(_)) {
                met.insert(there.speaker);
            }
        }
    }
    met
}
