//! Entries of options that no unit of the fabric has anything from.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::from_options::UnitOnNode;
use super::topology::{Gives, Idle, IdleKey, Origin};
use crate::config::CharmConfig;
use crate::model::{AsNumber, Cidr, ClusterId, Family, Peer, Place, Sourced};

/// The entries by subnet or unit that are for none of `units`.
pub(super) fn idle(config: &CharmConfig, units: &[UnitOnNode]) -> Vec<Idle> {
    let numbers: BTreeSet<u32> = units.iter().map(|unit| unit.unit.number()).collect();
    let addresses: BTreeSet<IpAddr> = units
        .iter()
        .flat_map(|unit| &unit.addresses)
        .map(|address| address.ip)
        .collect();
    let mut found = Vec::new();
    for (subnet, number) in without(&config.subnet_as_numbers, |subnet| {
        holds(subnet, &addresses)
    }) {
        found.push(of_number(IdleKey::Subnet(*subnet), number));
    }
    for (unit, number) in without(&config.unit_as_numbers, |unit| numbers.contains(unit)) {
        found.push(of_number(IdleKey::Unit(*unit), number));
    }
    for (subnet, peers) in without(&config.subnet_bgp_peers, |subnet| holds(subnet, &addresses)) {
        let key = IdleKey::Subnet(*subnet);
        found.push(of_peers("subnet-bgp-peers", key, subnet.to_string(), peers));
    }
    for (unit, peers) in without(&config.unit_bgp_peers, |unit| numbers.contains(unit)) {
        let key = IdleKey::Unit(*unit);
        found.push(of_peers("unit-bgp-peers", key, unit.to_string(), peers));
    }
    for (unit, id) in without(&config.route_reflector_cluster_ids, |unit| {
        numbers.contains(unit)
    }) {
        found.push(of_id(IdleKey::Unit(*unit), id));
    }
    found
}

fn without<'m, K: Ord, T>(
    map: &'m BTreeMap<K, T>,
    known: impl Fn(&K) -> bool + 'm,
) -> impl Iterator<Item = (&'m K, &'m T)> {
    map.iter().filter(move |(key, _)| !known(key))
}

/// Whether one of the sorted addresses is in the subnet: the first from its own on decides.
fn holds(subnet: &Cidr, addresses: &BTreeSet<IpAddr>) -> bool {
    addresses
        .range(subnet.network()..)
        .next()
        .is_some_and(|ip| Family::of(*ip) == subnet.family() && subnet.contains(*ip))
}

fn of_number(key: IdleKey, number: &Sourced<AsNumber>) -> Idle {
    Idle {
        origin: Origin::Option(number.place.clone()),
        key,
        gives: Gives::AsNumber(number.value),
    }
}

fn of_id(key: IdleKey, id: &Sourced<ClusterId>) -> Idle {
    Idle {
        origin: Origin::Option(id.place.clone()),
        key,
        gives: Gives::ClusterId(id.value),
    }
}

/// The key stands as the user wrote it in the places of its peers; without a peer its own spelling has to do.
fn of_peers(option: &str, key: IdleKey, spelling: String, peers: &[Sourced<Peer>]) -> Idle {
    let written = peers
        .first()
        .and_then(|peer| peer.place.path.rsplit_once('['))
        .map_or(spelling, |(key, _)| key.to_owned());
    let gives = peers
        .iter()
        .map(|peer| (Origin::Option(peer.place.clone()), peer.value))
        .collect();
    Idle {
        origin: Origin::Option(Place {
            option: option.to_owned(),
            path: written,
        }),
        key,
        gives: Gives::Peers(gives),
    }
}
