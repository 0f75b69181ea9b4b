//! The BGPPeers of one unit, and the grammar of their names.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{Desired, Kind, Owner};
use crate::model::{AsNumber, Intent, NodeName, PeerAddress, UnitName};

/// The fields of `BGPPeer` that options name (`projectcalico/v3/bgppeer.go`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BgpPeerSpec {
    node: String,
    #[serde(rename = "peerIP")]
    peer_ip: String,
    as_number: AsNumber,
}

/// The BGPPeers that this unit should have, in the order of their addresses.
#[must_use]
pub fn bgp_peers(intent: &Intent, owner: &Owner, node: &NodeName) -> Vec<Desired> {
    intent
        .peers()
        .iter()
        .map(|(address, as_number)| {
            let spec = BgpPeerSpec {
                node: node.to_string(),
                peer_ip: address.to_string(),
                as_number: as_number.value,
            };
            let name = BgpPeerName::new(intent.unit(), *address).to_string();
            Desired::new(Kind::BgpPeer, name, owner.unit_labels(intent.unit()), &spec)
                .because("asNumber", &as_number.place)
                .because("peerIP", &as_number.place)
                .because("node", &as_number.place)
        })
        .collect()
}

/// `<application>-<unit number>-<address>[-<port>]`, an IPv6 address fully written out so that two spellings of one
/// address give one name.
///
/// The AS number is not part of it: a change of AS is an update in place, never a second peer for one address, which
/// Calico would resolve at random (`confd/pkg/backends/calico/client.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BgpPeerName {
    application: String,
    unit_number: u32,
    ip: IpAddr,
    port: Option<u16>,
}

impl BgpPeerName {
    /// The name of `unit`'s peer at `address`.
    #[must_use]
    pub fn new(unit: &UnitName, address: PeerAddress) -> Self {
        Self {
            application: unit.application().to_owned(),
            unit_number: unit.number(),
            ip: address.ip(),
            port: address.port(),
        }
    }

    /// Reads a name of `application`'s; `None` for any other name, however similar: `calico-1-2-10.0.0.1` is unit 2 of
    /// the application `calico-1`, and nothing of `calico`.
    #[must_use]
    pub fn parse(name: &str, application: &str) -> Option<Self> {
        let rest = name.strip_prefix(application)?.strip_prefix('-')?;
        let (number, address) = rest.split_once('-')?;
        let (ip, port) = parse_address(address)?;
        let parsed = Self {
            application: application.to_owned(),
            unit_number: number.parse().ok()?,
            ip,
            port,
        };
        (parsed.to_string() == name).then_some(parsed)
    }

    /// Number of the unit the name belongs to.
    #[must_use]
    pub fn unit_number(&self) -> u32 {
        self.unit_number
    }
}

impl std::fmt::Display for BgpPeerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}-", self.application, self.unit_number)?;
        match self.ip {
            IpAddr::V4(ip) => write!(formatter, "{ip}")?,
            IpAddr::V6(ip) => formatter.write_str(&expanded(ip))?,
        }
        match self.port {
            Some(port) => write!(formatter, "-{port}"),
            None => Ok(()),
        }
    }
}

fn expanded(ip: Ipv6Addr) -> String {
    let mut text = String::with_capacity(39);
    for (index, segment) in ip.segments().into_iter().enumerate() {
        let separator = if index == 0 { "" } else { "-" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{segment:04x}");
    }
    text
}

fn parse_address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let parts: Vec<&str> = text.split('-').collect();
    let (ip, port) = match parts.as_slice() {
        [ip] => (ip.parse::<Ipv4Addr>().ok()?.into(), None),
        [ip, port] => (ip.parse::<Ipv4Addr>().ok()?.into(), Some(*port)),
        [segments @ .., port] if segments.len() == 8 => (
            segments.join(":").parse::<Ipv6Addr>().ok()?.into(),
            Some(*port),
        ),
        segments if segments.len() == 8 => {
            (segments.join(":").parse::<Ipv6Addr>().ok()?.into(), None)
        }
        _ => return None,
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    Some((ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(unit: &str, address: &str) -> String {
        BgpPeerName::new(&unit.parse().unwrap(), address.parse().unwrap()).to_string()
    }

    #[test]
    fn names_are_one_for_each_unit_address_and_port() {
        for (unit, address, expected) in [
            ("calico/0", "10.0.0.1", "calico-0-10.0.0.1"),
            ("calico/12", "10.0.0.1:1179", "calico-12-10.0.0.1-1179"),
            (
                "calico/0",
                "fd00::1",
                "calico-0-fd00-0000-0000-0000-0000-0000-0000-0001",
            ),
            (
                "calico/0",
                "FD00:0:0::1",
                "calico-0-fd00-0000-0000-0000-0000-0000-0000-0001",
            ),
            (
                "calico/0",
                "[fd00::1]:1179",
                "calico-0-fd00-0000-0000-0000-0000-0000-0000-0001-1179",
            ),
        ] {
            assert_eq!(name(unit, address), expected);
            let parsed = BgpPeerName::parse(expected, "calico").unwrap();
            assert_eq!(parsed.to_string(), expected);
        }
    }

    #[test]
    fn other_names_are_not_ours() {
        for other in [
            "calico-1-2-10.0.0.1",
            "calico-0",
            "calico-0-",
            "calico-00-10.0.0.1",
            "calico-0-10.0.0.1-64512-1",
            "calico-0-10.0.0.300",
            "calico-0-fd00--1",
            "calico-x-10.0.0.1",
            "calico0-10.0.0.1",
            "my-peer",
            "",
        ] {
            assert_eq!(BgpPeerName::parse(other, "calico"), None, "{other}");
        }
        assert_eq!(
            BgpPeerName::parse("calico-1-2-10.0.0.1", "calico-1").map(|name| name.unit_number()),
            Some(2)
        );
    }
}
