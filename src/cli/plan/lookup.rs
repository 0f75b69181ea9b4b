//! A cluster's Nodes and BGPPeers by the unit they are for, so that a plan grows with the units and not with their square.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::cli::fabric::FabricUnit;
use crate::plan::Live;
use crate::render::BgpPeerName;

/// All Nodes, by name and by address.
pub(super) struct Nodes<'a> {
    by_name: BTreeMap<&'a str, &'a Live>,
    by_ip: BTreeMap<IpAddr, &'a Live>,
}

impl<'a> Nodes<'a> {
    pub(super) fn new(nodes: &'a [Live]) -> Self {
        let addresses = nodes
            .iter()
            .flat_map(|node| internal_ips(node).into_iter().map(move |ip| (ip, node)));
        Self {
            by_name: nodes.iter().map(|node| (node.name(), node)).collect(),
            by_ip: addresses.collect(),
        }
    }

    /// As the hooks find it ([`crate::cluster::find_node`]): by name, then by InternalIP, which is looked at either way.
    pub(super) fn of(&self, unit: &FabricUnit) -> Option<&'a Live> {
        let own = |ip: &IpAddr| unit.addresses.iter().any(|address| address.ip == *ip);
        let named = self.by_name.get(unit.node.as_str()).copied();
        let named = named.filter(|node| {
            let ips = internal_ips(node);
            ips.is_empty() || ips.iter().any(own)
        });
        let by_ip = || {
            unit.addresses
                .iter()
                .find_map(|address| self.by_ip.get(&address.ip).copied())
        };
        named.or_else(by_ip)
    }
}

fn internal_ips(node: &Live) -> Vec<IpAddr> {
    let addresses = node.value()["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten();
    addresses
        .filter(|address| address["type"] == "InternalIP")
        .filter_map(|address| address["address"].as_str()?.parse().ok())
        .collect()
}

/// The application's BGPPeers by unit number.
pub(super) struct PeersByUnit<'a>(BTreeMap<u32, Vec<&'a Live>>);

impl<'a> PeersByUnit<'a> {
    pub(super) fn new(peers: &'a [Live], application: &str) -> Self {
        let mut by_unit: BTreeMap<u32, Vec<&Live>> = BTreeMap::new();
        for peer in peers {
            if let Some(name) = BgpPeerName::parse(peer.name(), application) {
                by_unit.entry(name.unit_number()).or_default().push(peer);
            }
        }
        Self(by_unit)
    }

    pub(super) fn of(&self, unit: &FabricUnit) -> Vec<Live> {
        let found = self.0.get(&unit.unit.number()).into_iter().flatten();
        found.map(|peer| (*peer).clone()).collect()
    }
}
