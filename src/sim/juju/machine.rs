//! The machines of a model and the networks they are on.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::Cidr;

/// The space every endpoint is bound to unless it is bound to another one.
pub const ALPHA_SPACE: &str = "alpha";

/// A machine: a host name, a zone and the addresses Juju found on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's host name; Juju does not show it to charms.
    pub hostname: String,
    /// `JUJU_AVAILABILITY_ZONE`; may be empty.
    pub zone: String,
    /// In Juju's order: the first address of the first one is the machine's private address.
    pub interfaces: Vec<Interface>,
}

/// A network interface as `network-get` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `ens3`; bridges of the fan overlay are `fan-*`.
    pub name: String,
    /// `aa:bb:cc:00:00:01`.
    pub mac_address: String,
    /// The space its subnets belong to.
    pub space: String,
    /// Both families, in any order.
    pub addresses: Vec<InterfaceAddress>,
}

/// One address, both parts as Juju spells them: neither is sure to parse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceAddress {
    /// An IP address, seldom a host name.
    pub value: String,
    /// Its subnet; may be empty or have host bits.
    pub cidr: String,
}

impl InterfaceAddress {
    /// Reads `10.0.0.5/24` as an address and its subnet; a text without a prefix is taken as it is, without a subnet.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let ip: IpAddr = address.parse().ok()?;
            Some((address, Cidr::network_of(ip, prefix.parse().ok()?)))
        });
        match parsed {
            Some((address, subnet)) => Self {
                value: address.to_owned(),
                cidr: subnet.to_string(),
            },
            None => Self {
                value: text.to_owned(),
                cidr: String::new(),
            },
        }
    }
}

impl Machine {
    /// A machine without any address yet.
    #[must_use]
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            zone: String::new(),
            interfaces: Vec::new(),
        }
    }

    /// Puts the machine into an availability zone.
    #[must_use]
    pub fn in_zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = zone.into();
        self
    }

    /// Adds an address such as `10.0.0.5/24` to an interface, and the interface where there is none of that name.
    #[must_use]
    pub fn with_address(mut self, interface: &str, address: &str) -> Self {
        let address = InterfaceAddress::new(address);
        let known = self
            .interfaces
            .iter_mut()
            .find(|known| known.name == interface);
        if let Some(known) = known {
            known.addresses.push(address);
        } else {
            let number = self.interfaces.len() + 1;
            self.interfaces.push(Interface {
                name: interface.to_owned(),
                mac_address: format!("aa:bb:cc:00:00:{number:02x}"),
                space: ALPHA_SPACE.to_owned(),
                addresses: vec![address],
            });
        }
        self
    }

    /// The address other machines are told, `private-address`: the first that is not of the fan overlay.
    #[must_use]
    pub fn private_address(&self) -> Option<&str> {
        self.interfaces
            .iter()
            .filter(|interface| !interface.name.starts_with("fan-"))
            .flat_map(|interface| &interface.addresses)
            .map(|address| address.value.as_str())
            .next()
    }
}

/// The subnet a single address stands for, as `egress-subnets` lists it; empty for a host name.
#[must_use]
pub fn single_address_subnet(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => format!("{address}/32"),
        Ok(IpAddr::V6(_)) => format!("{address}/128"),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_split_from_their_subnet() {
        for (text, value, cidr) in [
            ("10.0.0.5/24", "10.0.0.5", "10.0.0.0/24"),
            ("fd00::5/64", "fd00::5", "fd00::/64"),
            ("10.0.0.5", "10.0.0.5", ""),
            ("node-a.maas", "node-a.maas", ""),
        ] {
            let address = InterfaceAddress::new(text);
            assert_eq!(
                (address.value.as_str(), address.cidr.as_str()),
                (value, cidr)
            );
        }
    }

    #[test]
    fn the_fan_is_no_private_address() {
        let machine = Machine::new("a")
            .with_address("fan-252", "252.0.0.1/8")
            .with_address("ens3", "fd00::5/64")
            .with_address("ens3", "10.0.0.5/24");
        assert_eq!(machine.private_address(), Some("fd00::5"));
        assert_eq!(machine.interfaces[1].addresses.len(), 2);
        assert_eq!(Machine::new("a").private_address(), None);
    }
}
