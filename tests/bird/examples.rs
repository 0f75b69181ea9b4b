//! The fabrics of `examples/`, as the charm would configure them.

use std::path::Path;

use calico_charm::config::{CharmConfig, RawConfig};
use calico_charm::fabric::{Address, FabricFacts, Gateway, Router, Topology, UnitOnNode, topology};
use calico_charm::model::{AsNumber, UnitAddress};
use serde_json::Value;

/// The fabric that a file describes.
pub fn read(name: &str) -> Topology {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    let text = std::fs::read_to_string(path).expect("an example");
    let file: Value = serde_yaml::from_str(&text).expect("YAML");
    let config = CharmConfig::parse_strict(&options(&file["options"]), "calico");
    let facts = FabricFacts {
        units: entries(&file["units"], unit),
        routers: entries(&file["routers"], router),
        release: "3.32.1".parse().expect("a release"),
        ..FabricFacts::default()
    };
    topology(&config.expect("options of an example"), &facts).expect("units of an example")
}

/// Options as Juju has them: a value with a structure is text.
fn options(given: &Value) -> RawConfig {
    let as_juju = |value: &Value| match value {
        Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
        scalar => scalar.clone(),
    };
    let options = given.as_object().into_iter().flatten();
    let options = options.map(|(name, value)| (name.clone(), as_juju(value)));
    RawConfig::from_json(&Value::Object(options.collect())).expect("a mapping")
}

fn entries<T>(given: &Value, read: impl Fn(&str, &Value) -> T) -> Vec<T> {
    let entries = given.as_object().into_iter().flatten();
    entries.map(|(name, value)| read(name, value)).collect()
}

fn unit(name: &str, given: &Value) -> UnitOnNode {
    UnitOnNode {
        unit: name.parse().expect("a unit"),
        node: given["node"].as_str().expect("a name").to_owned(),
        addresses: addresses(&given["addresses"]),
        zone: None,
        gateway: Gateway::Unknown,
    }
}

fn router(name: &str, given: &Value) -> Router {
    let number = given["as-number"].as_i64().expect("a number");
    let addresses = addresses(&given["addresses"]).into_iter();
    Router {
        name: name.to_owned(),
        addresses: addresses
            .map(|UnitAddress { ip, subnet, .. }| Address { ip, subnet })
            .collect(),
        as_number: AsNumber::from_integer(number).expect("an AS number"),
        route_reflector: given["route-reflector"].as_bool().unwrap_or(false),
        known: true,
    }
}

fn addresses(given: &Value) -> Vec<UnitAddress> {
    let texts = given.as_array().expect("a list").iter();
    texts
        .map(|text| {
            text.as_str()
                .and_then(UnitAddress::read)
                .expect("an address")
        })
        .collect()
}
