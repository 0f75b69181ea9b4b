//! `network-get` and `unit-get`.

use serde_json::{Map, Value, json};

use super::{Answer, Invocation, Refusal};
use crate::sim::juju::machine::{ALPHA_SPACE, Interface, InterfaceAddress, single_address_subnet};
use crate::sim::juju::{Machine, NetworkSpelling};

/// The addresses in the space an endpoint is bound to (Juju's `params.NetworkInfoResult`).
pub(super) fn get(call: &mut Invocation<'_>) -> Answer {
    let binding = match call.arguments.at_most(1)?.first() {
        None => return Err(Refusal::usage("no arguments specified")),
        Some(binding) if binding.is_empty() => {
            return Err(Refusal::usage("no binding name specified"));
        }
        Some(binding) => binding.clone(),
    };
    if call.arguments.value("r").is_some() {
        call.relation()?;
    }
    let none = || Refusal::runtime(format!("no network config found for binding {binding:?}"));
    let application = call
        .model
        .application(call.hook.application())
        .map_err(|_| none())?;
    if !application.charm.endpoints.contains_key(&binding) {
        return Err(none());
    }
    let space = application
        .bindings
        .get(&binding)
        .map_or(ALPHA_SPACE, String::as_str);
    let machine = machine(call)?;
    let interfaces: Vec<&Interface> = machine
        .interfaces
        .iter()
        .filter(|interface| interface.space == space)
        .collect();
    let first = interfaces
        .iter()
        .find(|interface| !interface.name.starts_with("fan-"))
        .or(interfaces.first())
        .ok_or_else(none)?;
    let Some(first) = first.addresses.first() else {
        return Err(Refusal::runtime(format!(
            "no addresses attached to space for binding {binding:?}"
        )));
    };
    let bind = interfaces
        .iter()
        .find_map(|interface| interface.addresses.first())
        .unwrap_or(first);
    let egress = single_address_subnet(&first.value);
    if call.arguments.is_set("primary-address") {
        return call.print(&json!(bind.value));
    }
    let mut asked = Map::new();
    for (name, value) in [
        ("bind-address", json!(bind.value)),
        ("ingress-address", json!(first.value)),
        ("egress-subnets", json!([egress])),
    ] {
        if call.arguments.is_set(name) {
            asked.insert(name.to_owned(), value);
        }
    }
    match asked.len() {
        0 => {}
        1 => return call.print(&asked.into_values().next().unwrap_or_default()),
        _ => return call.print(&Value::Object(asked)),
    }
    let spelling = call.model.network_spelling;
    let shown: Vec<Value> = interfaces
        .iter()
        .map(|interface| interface_json(interface, spelling))
        .collect();
    call.print(&json!({
        "bind-addresses": shown,
        "egress-subnets": [egress],
        "ingress-addresses": [first.value],
    }))
}

fn interface_json(interface: &Interface, spelling: NetworkSpelling) -> Value {
    let addresses: Vec<Value> = interface
        .addresses
        .iter()
        .map(|address| address_json(address, spelling))
        .collect();
    let mut shown = json!({
        "mac-address": interface.mac_address,
        "interface-name": interface.name,
        "addresses": addresses,
    });
    if spelling == NetworkSpelling::Both {
        shown["macaddress"] = json!(interface.mac_address);
        shown["interfacename"] = json!(interface.name);
    }
    shown
}

fn address_json(address: &InterfaceAddress, spelling: NetworkSpelling) -> Value {
    let mut shown = json!({
        "hostname": "",
        "value": address.value,
        "cidr": address.cidr,
    });
    if spelling == NetworkSpelling::Both {
        shown["address"] = json!(address.value);
    }
    shown
}

/// `private-address` or `public-address`.
pub(super) fn unit_get(call: &mut Invocation<'_>) -> Answer {
    let setting = call
        .arguments
        .at_most(1)?
        .first()
        .ok_or_else(|| Refusal::usage("no setting specified"))?;
    if !["private-address", "public-address"].contains(&setting.as_str()) {
        return Err(Refusal::usage(format!("unknown setting {setting:?}")));
    }
    match machine(call)?.private_address() {
        Some(address) => call.print(&json!(address)),
        None => Err(Refusal::runtime(format!("{setting} not set"))),
    }
}

fn machine<'a>(call: &'a Invocation<'_>) -> Result<&'a Machine, Refusal> {
    call.model
        .machine_of(&call.hook.unit)
        .map_err(|error| Refusal::runtime(error.to_string()))
}
