//! Fabric files: `options:`, `units:`, `routers:`.

use std::net::IpAddr;

use super::Router;
use super::read::{Draft, Reading};
use super::yaml::{Node, Value};
use crate::fabric::Gateway;
use crate::model::{AsNumber, Cidr, Refusal, UnitAddress};

/// Reads one fabric file.
pub(super) fn read_fabric_file(document: &Node, reading: &mut Reading) {
    for (name, key, value) in reading.entries(document, "the file") {
        match name {
            "options" => {
                for (name, key, value) in reading.entries(value, "options") {
                    let file = reading.file;
                    reading.options.set(file, name, key, value);
                }
            }
            "units" => {
                for (name, key, value) in reading.entries(value, "units") {
                    read_unit(name, key, value, reading);
                }
            }
            "routers" => {
                for (name, key, value) in reading.entries(value, "routers") {
                    read_router(name, key, value, reading);
                }
            }
            _ => unknown(reading, key, "a fabric file", "options, units and routers"),
        }
    }
}

fn unknown(reading: &mut Reading, key: &Node, of: &str, known: &str) {
    let name = key.text().unwrap_or_default();
    let message = format!("{name} is nothing that {of} has");
    reading.refuse(key, message, &format!("it has {known}"));
}

fn read_unit(name: &str, key: &Node, value: &Node, reading: &mut Reading) {
    let before = reading.diagnostics.len();
    let Some(unit) = parsed(key, "the unit", reading) else {
        return;
    };
    let mut draft = Draft {
        unit,
        spot: reading.spot(key),
        node: None,
        addresses: Vec::new(),
        leader: false,
        zone: None,
        principal: None,
        gateway: Gateway::Unknown,
        unplaced: Vec::new(),
    };
    if reading.drafts.is_empty() {
        reading.name_application(draft.unit.application(), key);
    }
    for (field, key, value) in reading.entries(value, name) {
        match field {
            "node" => draft.node = parsed(value, "the Node", reading),
            "addresses" => draft.addresses = read_addresses(value, reading),
            "leader" => draft.leader = read_boolean(value, reading).unwrap_or_default(),
            "zone" => draft.zone = value.text().map(str::to_owned),
            "principal" => draft.principal = parsed(value, "the principal", reading),
            "gateway" => draft.gateway = read_gateway(value, reading),
            _ => unknown(
                reading,
                key,
                "a unit",
                "node, addresses, leader, zone, principal and gateway",
            ),
        }
    }
    let said = reading.diagnostics.len() > before;
    if draft.addresses.is_empty() && !said {
        let help = "write them with their prefix: addresses: [10.0.0.5/24]";
        reading.refuse(key, format!("{name} has no addresses"), help);
    }
    reading.add_unit(draft);
}

fn parsed<T>(node: &Node, what: &str, reading: &mut Reading) -> Option<T>
where
    T: std::str::FromStr<Err: Refusal>,
{
    let Some(text) = node.text() else {
        reading.refuse(
            node,
            format!("{what} is {} where a text is expected", node.shape()),
            "",
        );
        return None;
    };
    match text.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let help = error.remedy().unwrap_or_default();
            reading.refuse(node, format!("{what} {text:?} {error}"), &help);
            None
        }
    }
}

/// `none`, or the router that the default route leads to.
fn read_gateway(node: &Node, reading: &mut Reading) -> Gateway {
    let text = node.text().unwrap_or_default();
    if text == "none" {
        return Gateway::None;
    }
    if let Ok(ip) = text.parse() {
        return Gateway::At(ip);
    }
    let message = format!("{text:?} is neither an address nor none");
    let help = "write the router's address, e.g. 10.0.0.1, or none where there is no default route";
    reading.refuse(node, message, help);
    Gateway::Unknown
}

fn read_boolean(node: &Node, reading: &mut Reading) -> Option<bool> {
    match node.text() {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => {
            reading.refuse(node, "this is neither true nor false", "");
            None
        }
    }
}

fn read_addresses(node: &Node, reading: &mut Reading) -> Vec<UnitAddress> {
    read_networks(node, reading)
        .into_iter()
        .map(|(ip, subnet)| UnitAddress {
            ip,
            subnet,
            interface: "eth0".to_owned(),
        })
        .collect()
}

fn read_networks(node: &Node, reading: &mut Reading) -> Vec<(IpAddr, Cidr)> {
    let one = std::slice::from_ref(node);
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => one,
    };
    let mut found = Vec::new();
    for item in items {
        match item.text().map(parse_address) {
            Some(Some(address)) => found.push(address),
            Some(None) => {
                let message = format!(
                    "{:?} is not an address with its prefix",
                    item.text().unwrap_or_default()
                );
                reading.refuse(item, message, "write e.g. 10.0.0.5/24 or \"fd00::5/64\"");
            }
            None => reading.refuse(
                item,
                format!("an address is {}", item.shape()),
                "write e.g. [10.0.0.5/24]",
            ),
        }
    }
    found
}

/// `10.0.0.5/24` to the address and its network.
fn parse_address(text: &str) -> Option<(IpAddr, Cidr)> {
    let (ip, prefix) = text.split_once('/')?;
    let ip: IpAddr = ip.parse().ok()?;
    let prefix: u8 = prefix.parse().ok()?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let special = ip.is_unspecified() || ip.is_multicast() || ip.is_loopback();
    (prefix <= longest && !special).then(|| (ip, Cidr::network_of(ip, prefix)))
}

fn read_router(name: &str, key: &Node, value: &Node, reading: &mut Reading) {
    let mut router = Router {
        name: name.to_owned(),
        addresses: Vec::new(),
        as_number: AsNumber::DEFAULT,
        route_reflector: false,
        spot: reading.spot(key),
    };
    for (field, key, value) in reading.entries(value, name) {
        match field {
            "addresses" => router.addresses = read_networks(value, reading),
            "as-number" => {
                if let Some(number) = parsed(value, "the AS number", reading) {
                    router.as_number = number;
                }
            }
            "route-reflector" => {
                router.route_reflector = read_boolean(value, reading).unwrap_or_default();
            }
            _ => unknown(
                reading,
                key,
                "a router",
                "addresses, as-number and route-reflector",
            ),
        }
    }
    reading.routers.insert(name.to_owned(), router);
}

#[cfg(test)]
mod tests {
    use crate::cli::fabric::read::read_for_test;

    #[test]
    fn defaults_are_filled_in() {
        let text = "units:\n  calico/10: {addresses: 10.0.0.6/24}\n  calico/2: {addresses: [10.0.0.5/24, 'fd00::5/64'], zone: az1}\n";
        let fabric = read_for_test(&[text]).unwrap();
        let shown: Vec<String> = fabric
            .units
            .iter()
            .map(|unit| {
                format!(
                    "{} {} {} {}",
                    unit.unit, unit.node, unit.leader, unit.principal
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "calico/2 calico-2 true kubernetes-worker/2",
                "calico/10 calico-10 false kubernetes-worker/10"
            ]
        );
        assert_eq!(fabric.units[0].addresses[1].subnet.to_string(), "fd00::/64");
        assert_eq!(fabric.leader().unit.number(), 2);
    }

    /// The one mistake in a file, where it is and what it is.
    fn mistake(text: &str) -> String {
        let refused = read_for_test(&[text]).unwrap_err();
        assert_eq!(refused.diagnostics.len(), 1, "{:?}", refused.diagnostics);
        let first = &refused.diagnostics[0];
        let at = first.spot.unwrap().at;
        format!("{}:{} {}", at.line, at.column, first.message)
    }

    #[test]
    fn mistakes_of_one_unit_are_found_at_their_places() {
        for (unit, expected) in [
            ("{}", "2:3 calico/0 has no addresses"),
            ("{addresses: []}", "2:3 calico/0 has no addresses"),
            (
                "[10.0.0.5/24]",
                "2:13 calico/0 is a list where a map is expected",
            ),
            (
                "{addresses: 10.0.0.5}",
                "2:25 \"10.0.0.5\" is not an address with its prefix",
            ),
            (
                "{addresses: [127.0.0.1/8]}",
                "2:26 \"127.0.0.1/8\" is not an address with its prefix",
            ),
            (
                "{addresses: [10.0.0.5/33]}",
                "2:26 \"10.0.0.5/33\" is not an address with its prefix",
            ),
            ("{addresses: [{a: 1}]}", "2:26 an address is a map"),
            (
                "{node: A_b, addresses: 10.0.0.5/24}",
                "2:20 the Node \"A_b\"",
            ),
            (
                "{node: [], addresses: 10.0.0.5/24}",
                "2:20 the Node is a list",
            ),
            (
                "{addresses: 10.0.0.5/24, leader: yes}",
                "2:46 this is neither true nor false",
            ),
            (
                "{addresses: 10.0.0.5/24, ledaer: true}",
                "2:38 ledaer is nothing that a unit has",
            ),
            (
                "{addresses: 10.0.0.5/24, gateway: no}",
                "2:47 \"no\" is neither an address nor none",
            ),
            (
                "{addresses: 10.0.0.5/24, principal: x}",
                "2:49 the principal \"x\"",
            ),
        ] {
            let found = mistake(&format!("units:\n  calico/0: {unit}\n"));
            assert!(found.starts_with(expected), "{unit}: {found}");
        }
    }

    #[test]
    fn mistakes_of_the_file_are_found_at_their_places() {
        let unit = "units:\n  calico/0: {addresses: [10.0.0.5/24]}\n";
        for (more, expected) in [
            (
                "option: {}\n",
                "3:1 option is nothing that a fabric file has",
            ),
            (
                "  calico/0: {addresses: 10.0.0.6/24}\n",
                "3:3 units has calico/0 twice",
            ),
            (
                "  calico: {addresses: 10.0.0.6/24}\n",
                "3:3 the unit \"calico\" is not a unit name",
            ),
            (
                "  calico/1: {addresses: 10.0.0.5/24}\n",
                "3:3 calico/1 has address 10.0.0.5 of calico/0",
            ),
            (
                "  calico/1: {addresses: 10.0.0.6/24, node: calico-0}\n",
                "3:3 Node calico-0 is another unit's",
            ),
            (
                "  other/1: {addresses: 10.0.0.6/24}\n",
                "3:3 other/1 is no unit of application calico",
            ),
            (
                "  calico/1: {addresses: 10.0.0.6/24, leader: true}\n  calico/2: {addresses: 10.0.0.7/24, leader: true}\n",
                "4:3 calico/2 leads, and so does calico/1",
            ),
            (
                "options: [a]\n",
                "3:10 options is a list where a map is expected",
            ),
            (
                "options: {ipip: Never, ipip: Always}\n",
                "3:24 options has ipip twice",
            ),
            (
                "routers:\n  tor: {as-number: 0}\n",
                "4:20 the AS number \"0\"",
            ),
            (
                "routers:\n  tor: {as: 1}\n",
                "4:9 as is nothing that a router has",
            ),
        ] {
            let found = mistake(&format!("{unit}{more}"));
            assert!(found.starts_with(expected), "{more}: {found}");
        }
    }
}
