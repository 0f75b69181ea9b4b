//! What tests make small fabrics of.

use super::{Address, FabricFacts, Gateway, Router, Topology, UnitOnNode, topology};
use crate::config::{CharmConfig, RawConfig, RawValue};
use crate::model::{AsNumber, Cidr, UnitAddress};

/// `10.0.0.2/24`, and the subnet it is in.
pub(crate) fn address(text: &str) -> Address {
    let (ip, prefix) = text.split_once('/').unwrap();
    let ip = ip.parse().unwrap();
    Address {
        ip,
        subnet: Cidr::network_of(ip, prefix.parse().unwrap()),
    }
}

/// Units `calico/0`, `calico/1`, … on `node-0`, `node-1`, … with one address each.
pub(crate) fn facts(units: &[&str]) -> FabricFacts {
    let units = (0_u32..).zip(units).map(|(number, text)| {
        let Address { ip, subnet } = address(text);
        UnitOnNode {
            unit: format!("calico/{number}").parse().unwrap(),
            node: format!("node-{number}"),
            addresses: vec![UnitAddress {
                ip,
                subnet,
                interface: String::new(),
            }],
            zone: None,
            gateway: Gateway::Unknown,
        }
    });
    FabricFacts {
        units: units.collect(),
        release: "v3.32.1".parse().unwrap(),
        ..FabricFacts::default()
    }
}

/// The fabric of options and facts.
pub(crate) fn fabric_of(options: &[(&str, &str)], facts: &FabricFacts) -> Topology {
    let mut raw = RawConfig::default();
    for (name, value) in options {
        raw.insert(*name, RawValue::Text((*value).to_owned()));
    }
    topology(&CharmConfig::parse(&raw, "calico").unwrap(), facts).unwrap()
}

/// The fabric of options and the units' addresses.
pub(crate) fn fabric(options: &[(&str, &str)], units: &[&str]) -> Topology {
    fabric_of(options, &facts(units))
}

/// A router that a file names.
pub(crate) fn router(name: &str, addresses: &[&str], as_number: u32) -> Router {
    Router {
        name: name.to_owned(),
        addresses: addresses.iter().map(|text| address(text)).collect(),
        as_number: AsNumber::new(as_number).unwrap(),
        route_reflector: false,
        known: true,
    }
}
