//! What Juju tells a unit about itself.

use std::net::IpAddr;

use super::{Cidr, Family, UnitName};

/// One address of the unit on its `cni` binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitAddress {
    /// The address.
    pub ip: IpAddr,
    /// Its subnet, the address alone where Juju names none.
    pub subnet: Cidr,
    /// The network interface, may be empty.
    pub interface: String,
}

impl UnitAddress {
    /// An address as units tell it each other: with its prefix length, `10.0.0.2/24`, or alone.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?),
            None => (text.parse().ok()?, u8::MAX),
        };
        let bits = Family::of(ip).bits();
        (prefix <= bits || prefix == u8::MAX).then(|| Self {
            ip,
            subnet: Cidr::network_of(ip, prefix.min(bits)),
            interface: String::new(),
        })
    }
}

/// What the options are applied to: this unit, as `network-get`, `is-leader`, the hook's environment and the machine
/// describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFacts {
    /// This unit.
    pub unit: UnitName,
    /// The unit it is subordinate to, e.g. `kubernetes-worker/0`.
    pub principal: Option<String>,
    /// UUID of the model.
    pub model: String,
    /// Every address of the `cni` binding, without those of `fan-*` interfaces.
    pub addresses: Vec<UnitAddress>,
    /// Whether the unit is its application's leader.
    pub leader: bool,
    /// The machine's host name.
    pub hostname: String,
    /// The machine's fully qualified name, where it has one.
    pub fqdn: Option<String>,
    /// Availability zone, where the cloud has them.
    pub zone: Option<String>,
    /// Service networks that the `cni` relation names; may be empty.
    pub service_cidrs: Vec<Cidr>,
}
