//! The networks of units that only `juju status` tells of, which has addresses without prefix lengths.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cli::fabric::FabricUnit;
use crate::model::{Cidr, Family, UnitAddress};

/// The longest prefix that is guessed: what networks of machines commonly have.
fn usual_prefix(family: Family) -> u8 {
    match family {
        Family::V4 => 24,
        Family::V6 => 64,
    }
}

/// A network for each address that the files name none for. Addresses that share a gateway share a network, which is
/// the smallest that holds them and the gateway, and at least as large as networks usually are.
pub(super) fn guessed(units: &[FabricUnit]) -> BTreeMap<IpAddr, Cidr> {
    let mut by_gateway: BTreeMap<IpAddr, Vec<IpAddr>> = BTreeMap::new();
    let mut networks = BTreeMap::new();
    for (ip, gateway) in units.iter().flat_map(|unit| &unit.unplaced) {
        if let Some(gateway) = gateway {
            by_gateway.entry(*gateway).or_default().push(*ip);
        } else {
            let network = Cidr::network_of(*ip, usual_prefix(Family::of(*ip)));
            networks.insert(*ip, network);
        }
    }
    for (gateway, ips) in by_gateway {
        let holds_all = |network: Cidr| ips.iter().all(|ip| network.contains(*ip));
        let network = (0..=usual_prefix(Family::of(gateway)))
            .rev()
            .map(|prefix| Cidr::network_of(gateway, prefix))
            .find(|network| holds_all(*network));
        let network = network.unwrap_or(Cidr::network_of(gateway, 0));
        networks.extend(ips.into_iter().map(|ip| (ip, network)));
    }
    networks
}

/// The addresses with the networks guessed for them.
pub(super) fn placed(
    addresses: &[UnitAddress],
    networks: &BTreeMap<IpAddr, Cidr>,
) -> Vec<UnitAddress> {
    let placed = addresses.iter().map(|address| UnitAddress {
        subnet: networks.get(&address.ip).copied().unwrap_or(address.subnet),
        ..address.clone()
    });
    placed.collect()
}
