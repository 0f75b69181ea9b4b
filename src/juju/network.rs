//! `network-get`'s answer to the unit's addresses. Pure.
//!
//! Juju 2.9 and later spell the keys differently, and answers seen in the field lack parts
//! (Juju's `params.NetworkInfoResult`): everything is optional here and what cannot be used is left out.

use std::net::IpAddr;

use serde_json::Value;

use crate::model::{Cidr, UnitAddress};

/// Every usable address of a binding, in Juju's order: `fan-*` interfaces, host names, loopback and link-local ones are
/// left out, an address without a subnet counts as its own.
#[must_use]
pub fn unit_addresses(network: &Value) -> Vec<UnitAddress> {
    let mut found: Vec<UnitAddress> = Vec::new();
    for interface in items(network, "bind-addresses") {
        let name = text(interface, &["interface-name", "interfacename"]).unwrap_or_default();
        if name.starts_with("fan-") {
            continue;
        }
        for address in items(interface, "addresses") {
            let Some(address) = unit_address(address, name) else {
                continue;
            };
            if !found.iter().any(|other| other.ip == address.ip) {
                found.push(address);
            }
        }
    }
    found
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a str> {
    keys.iter()
        .filter_map(|key| value.get(*key).and_then(Value::as_str))
        .find(|text| !text.is_empty())
}

fn unit_address(address: &Value, interface: &str) -> Option<UnitAddress> {
    let ip: IpAddr = text(address, &["value", "address"])?.parse().ok()?;
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if ip.is_loopback() || ip.is_unspecified() || link_local {
        return None;
    }
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = text(address, &["cidr"])
        .and_then(|cidr| cidr.rsplit_once('/'))
        .and_then(|(_, prefix)| prefix.parse().ok())
        .filter(|prefix| *prefix <= whole)
        .unwrap_or(whole);
    Some(UnitAddress {
        ip,
        subnet: Cidr::network_of(ip, prefix),
        interface: interface.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(network: &Value) -> Vec<String> {
        unit_addresses(network)
            .iter()
            .map(|address| {
                format!(
                    "{} in {} on {}",
                    address.ip, address.subnet, address.interface
                )
            })
            .collect()
    }

    #[test]
    fn both_spellings_are_read() {
        let old = json!({"bind-addresses": [{"interface-name": "ens3", "addresses": [{"value": "10.0.0.5", "cidr": "10.0.0.0/24"}]}]});
        let new = json!({"bind-addresses": [{"interfacename": "ens3", "addresses": [{"address": "10.0.0.5", "cidr": "10.0.0.0/24"}]}]});
        assert_eq!(shown(&old), ["10.0.0.5 in 10.0.0.0/24 on ens3"]);
        assert_eq!(shown(&old), shown(&new));
    }

    #[test]
    fn odd_answers_are_survived() {
        for (network, expected) in [
            (json!({}), vec![]),
            (json!({"bind-addresses": null}), vec![]),
            (
                json!({"bind-addresses": [{"addresses": null}, {"addresses": [{}]}]}),
                vec![],
            ),
            (
                json!({"bind-addresses": [{"addresses": [{"value": "node-a.maas"}]}]}),
                vec![],
            ),
            (
                json!({"bind-addresses": [{"addresses": [{"value": "10.20.1.42", "cidr": "10.20.1.42/24"}]}]}),
                vec!["10.20.1.42 in 10.20.1.0/24 on "],
            ),
            (
                json!({"bind-addresses": [{"addresses": [{"value": "fd00::5", "cidr": ""}]}]}),
                vec!["fd00::5 in fd00::5/128 on "],
            ),
            (
                json!({"bind-addresses": [{"interface-name": "fan-252", "addresses": [{"value": "252.0.0.1", "cidr": "252.0.0.0/8"}]}]}),
                vec![],
            ),
            (
                json!({"bind-addresses": [{"addresses": [{"value": "fe80::1", "cidr": "fe80::/64"}, {"value": "10.0.0.5", "cidr": "10.0.0.0/99"}]}]}),
                vec!["10.0.0.5 in 10.0.0.5/32 on "],
            ),
        ] {
            assert_eq!(shown(&network), expected, "{network}");
        }
    }
}
