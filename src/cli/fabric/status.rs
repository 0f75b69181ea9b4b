//! The output of `juju status` in YAML or JSON: units, machines, addresses; no options.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::read::{Draft, Reading};
use super::yaml::{Node, Value};
use crate::fabric::Gateway;
use crate::model::{Cidr, UnitAddress};

/// Interfaces that Juju reports and no unit is reached by (Calico's own, container bridges, fan networks).
const NOT_OURS: [&str; 9] = [
    "lo",
    "fan-",
    "docker",
    "lxdbr",
    "virbr",
    "cali",
    "vxlan",
    "tunl",
    "wireguard",
];

/// Whether the document is a status rather than a bundle, which has `applications:` and maybe `machines:` as well.
pub(super) fn is_status(document: &Node) -> bool {
    let model = document
        .get("model")
        .is_some_and(|model| model.get("controller").is_some());
    let applications = document
        .get("applications")
        .map(Node::entries)
        .unwrap_or_default();
    let mut known = applications.iter().map(|(_, application)| application);
    model || known.any(|application| application.get("application-status").is_some())
}

/// Reads the units of the calico application: they stand below the units of their principals.
pub(super) fn read_status(document: &Node, reading: &mut Reading) {
    let applications = document
        .get("applications")
        .map(Node::entries)
        .unwrap_or_default();
    let Some((name, calico)) = calico_application(applications) else {
        reading.refuse(
            document,
            "this status has no application with charm calico",
            "",
        );
        return;
    };
    if let Some(text) = name.text() {
        reading.name_application(text, name);
    }
    let space = cni_space(calico);
    for (_, application) in applications {
        for (principal, unit) in application
            .get("units")
            .map(Node::entries)
            .unwrap_or_default()
        {
            let subordinates = unit
                .get("subordinates")
                .map(Node::entries)
                .unwrap_or_default();
            let ours = |key: &&(Node, Node)| {
                let application = key.0.text().and_then(|text| text.split_once('/'));
                application.is_some_and(|(application, _)| Some(application) == name.text())
            };
            for (key, subordinate) in subordinates.iter().filter(ours) {
                read_unit(
                    document,
                    (key, subordinate),
                    (principal, unit),
                    space,
                    reading,
                );
            }
        }
    }
}

fn calico_application(applications: &[(Node, Node)]) -> Option<(&Node, &Node)> {
    let by_name = applications
        .iter()
        .find(|(name, _)| name.text() == Some("calico"));
    let by_charm = || {
        applications.iter().find(|(_, application)| {
            let charm = application
                .get("charm-name")
                .or_else(|| application.get("charm"));
            charm.and_then(Node::text) == Some("calico")
        })
    };
    by_name
        .or_else(by_charm)
        .map(|(name, application)| (name, application))
}

/// The space that the `cni` endpoint is bound to.
fn cni_space(calico: &Node) -> Option<&str> {
    let bindings = calico.get("endpoint-bindings")?;
    bindings.get("cni").or_else(|| bindings.get(""))?.text()
}

fn read_unit(
    document: &Node,
    (key, subordinate): (&Node, &Node),
    (principal, principal_unit): (&Node, &Node),
    space: Option<&str>,
    reading: &mut Reading,
) {
    let Some(Ok(unit)) = key.text().map(str::parse) else {
        reading.refuse(key, "this is no unit name", "");
        return;
    };
    let machine_name = principal_unit
        .get("machine")
        .and_then(Node::text)
        .unwrap_or_default();
    let machine = machine(document, machine_name);
    let addresses = machine
        .map(|machine| addresses(machine, space))
        .unwrap_or_default();
    if addresses.is_empty() {
        let message =
            format!("{unit} has no address: machine {machine_name:?} has none in this status");
        reading.refuse(
            key,
            message,
            "wait until the machine is up, or describe the unit in a fabric file",
        );
    }
    let unplaced = addresses
        .iter()
        .map(|address| {
            (
                address.ip,
                machine.and_then(|machine| gateway(machine, address)),
            )
        })
        .collect();
    let hostname = machine.and_then(|machine| machine.get("hostname")?.text());
    let draft = Draft {
        unit,
        spot: reading.spot(key),
        node: hostname.and_then(|name| name.to_lowercase().parse().ok()),
        addresses,
        leader: subordinate.get("leader").and_then(Node::text) == Some("true"),
        zone: machine.and_then(zone),
        principal: principal.text().and_then(|text| text.parse().ok()),
        gateway: Gateway::Unknown,
        unplaced,
    };
    reading.add_unit(draft);
}

/// `0`, or `0/lxd/1` below it.
fn machine<'a>(document: &'a Node, name: &str) -> Option<&'a Node> {
    let mut parts = name.split('/');
    let mut path = parts.next()?.to_owned();
    let mut machine = document.get("machines")?.get(&path)?;
    while let (Some(kind), Some(number)) = (parts.next(), parts.next()) {
        path = format!("{path}/{kind}/{number}");
        machine = machine.get("containers")?.get(&path)?;
    }
    Some(machine)
}

/// A status has no prefix lengths; each address counts as its own network, which is all that options look at.
fn addresses(machine: &Node, space: Option<&str>) -> Vec<UnitAddress> {
    let interfaces = machine
        .get("network-interfaces")
        .map(Node::entries)
        .unwrap_or_default();
    let usable: Vec<(&str, &Node)> = interfaces
        .iter()
        .filter_map(|(name, interface)| Some((name.text()?, interface)))
        .filter(|(name, _)| !NOT_OURS.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    let in_space = |interface: &Node| interface.get("space").and_then(Node::text) == space;
    let any_in_space = usable.iter().any(|(_, interface)| in_space(interface));
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (name, interface) in usable {
        if any_in_space && !in_space(interface) {
            continue;
        }
        for ip in ips(interface).filter(|ip| seen.insert(*ip)) {
            found.push(unit_address(ip, name));
        }
    }
    if found.is_empty() {
        found.extend(
            ips(machine)
                .filter(|ip| seen.insert(*ip))
                .map(|ip| unit_address(ip, "")),
        );
    }
    found
}

/// The gateway of the interface that has the address.
fn gateway(machine: &Node, address: &UnitAddress) -> Option<IpAddr> {
    let interfaces = machine.get("network-interfaces")?;
    let gateway = interfaces.get(&address.interface)?.get("gateway")?;
    let gateway: IpAddr = gateway.text()?.parse().ok()?;
    (gateway.is_ipv4() == address.ip.is_ipv4()).then_some(gateway)
}

fn ips(node: &Node) -> impl Iterator<Item = IpAddr> {
    let items = match node.get("ip-addresses").map(|list| &list.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    items
        .iter()
        .filter_map(|item| item.text()?.parse().ok())
        .filter(|ip: &IpAddr| match ip {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
        })
}

fn unit_address(ip: IpAddr, interface: &str) -> UnitAddress {
    UnitAddress {
        ip,
        subnet: Cidr::network_of(ip, u8::MAX),
        interface: interface.to_owned(),
    }
}

/// From `arch=amd64 cores=4 availability-zone=az1`.
fn zone(machine: &Node) -> Option<String> {
    let hardware = machine.get("hardware")?.text()?;
    let found = hardware
        .split_whitespace()
        .find_map(|word| word.strip_prefix("availability-zone="));
    found.filter(|zone| !zone.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::cli::fabric::read::read_for_test;

    const STATUS: &str = r#"{
 "model": {"name": "k8s", "controller": "c"},
 "machines": {
  "0": {"hostname": "Juju-A", "hardware": "arch=amd64 availability-zone=az1", "ip-addresses": ["10.0.0.5"],
   "network-interfaces": {
    "eth0": {"ip-addresses": ["10.0.0.5", "fe80::1"], "space": "alpha"},
    "eth1": {"ip-addresses": ["10.9.0.5"], "space": "storage"},
    "fan-252": {"ip-addresses": ["252.0.0.1"], "space": "alpha"}}},
  "1": {"containers": {"1/lxd/0": {"hostname": "b", "ip-addresses": ["10.0.0.6", "fd00::6"]}}}},
 "applications": {
  "calico": {"charm": "calico", "endpoint-bindings": {"": "alpha", "cni": "alpha"}, "application-status": {}, "units": null},
  "kubernetes-control-plane": {"units": {"kubernetes-control-plane/0": {"machine": "0",
   "subordinates": {"calico/1": {"leader": true}, "ntp/0": {}}}}},
  "kubernetes-worker": {"units": {"kubernetes-worker/3": {"machine": "1/lxd/0", "subordinates": {"calico/0": {}}}}}}}"#;

    #[test]
    fn units_are_found_below_their_principals() {
        let fabric = read_for_test(&[STATUS]).unwrap();
        let shown: Vec<String> = fabric
            .units
            .iter()
            .map(|unit| {
                let ips: Vec<String> = unit
                    .addresses
                    .iter()
                    .map(|address| address.ip.to_string())
                    .collect();
                format!(
                    "{} on {} of {}: {} {:?} {}",
                    unit.unit,
                    unit.node,
                    unit.principal,
                    ips.join(" "),
                    unit.zone,
                    unit.leader
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "calico/0 on b of kubernetes-worker/3: 10.0.0.6 fd00::6 None false",
                "calico/1 on juju-a of kubernetes-control-plane/0: 10.0.0.5 Some(\"az1\") true",
            ]
        );
    }

    #[test]
    fn a_status_without_what_is_needed_is_refused() {
        let machine_down =
            STATUS.replace("\"ip-addresses\": [\"10.0.0.6\", \"fd00::6\"]", "\"x\": 1");
        let other = STATUS.replace("\"calico\"", "\"flannel\"");
        for (status, message) in [
            (machine_down, "calico/0 has no address"),
            (other, "no application with charm calico"),
        ] {
            let refused = read_for_test(&[&status]).unwrap_err();
            assert!(
                refused.diagnostics[0].message.contains(message),
                "{:?}",
                refused.diagnostics
            );
        }
    }
}
