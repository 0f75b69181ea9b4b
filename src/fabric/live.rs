//! The fabric that is there: from the objects of a cluster as the API holds them. Lenient where Calico is: what Calico
//! ignores is ignored, and what the model leaves out is said ([`Unmodelled`]) and never an error.

use std::collections::BTreeMap;

use serde_json::Value;

use super::selector::Selector;
use super::topology::{Backend, DEFAULT_AS_NUMBER, Origin, Told, Topology, Unmodelled};
use crate::model::{AsNumber, Cidr, Place, Release, UnitAddress, UnitName};
use crate::plan::Live;
use crate::render::ANNOTATION_UNIT;

mod compare;
mod configuration;
mod filter;
mod merge;
mod node;
mod peer;
mod pool;
#[cfg(test)]
mod tests;

pub use compare::improves;
pub use configuration::backend;
pub use merge::merge;

/// What a cluster holds that has to do with routes.
#[derive(Debug, Clone, Copy)]
pub struct Objects<'a> {
    /// The Nodes; metadata is enough where Calico has annotated its addresses.
    pub nodes: &'a [Live],
    /// The BGPConfigurations.
    pub configurations: &'a [Live],
    /// The BGPPeers.
    pub peers: &'a [Live],
    /// The BGPFilters.
    pub filters: &'a [Live],
    /// The IPPools.
    pub pools: &'a [Live],
    /// What moves packets and routes ([`backend`]).
    pub backend: Backend,
    /// Release of Calico that runs.
    pub release: Release,
    /// The cluster's own service networks, where known.
    pub service_cidrs: &'a [Cidr],
    /// The place in the options that asks for a BGPPeer of the charm's, by the object's name.
    pub places: &'a BTreeMap<String, Place>,
}

/// The fabric that these objects make.
#[must_use]
pub fn live(objects: &Objects<'_>) -> Topology {
    let mut reading = Reading::new(objects.nodes);
    let configuration = configuration::of(objects.configurations, &mut reading);
    let peerings = objects
        .peers
        .iter()
        .filter(|peer| !peer.is_deleting())
        .filter_map(|peer| peer::peering(peer, objects.places, &mut reading))
        .collect();
    let filters = objects
        .filters
        .iter()
        .map(|found| filter::filter(found, &mut reading))
        .collect();
    let pools = objects
        .pools
        .iter()
        .filter_map(|found| pool::pool(found, &mut reading))
        .collect();
    Topology {
        nodes: objects.nodes.iter().map(node::node).collect(),
        routers: Vec::new(),
        peerings,
        filters,
        pools,
        services: configuration.services,
        service_cidrs: objects.service_cidrs.to_vec(),
        mesh: configuration.mesh,
        as_number: configuration.as_number,
        listen_port: configuration.listen_port,
        backend: objects.backend,
        release: objects.release,
        host_mtu: None,
        idle: Vec::new(),
        unmodelled: reading.unmodelled,
        guessed: Vec::new(),
    }
}

/// What objects of all kinds are read with.
struct Reading {
    /// The place of each Node by its name.
    places: BTreeMap<String, u32>,
    /// The unit on each Node that has one, by the Node's name.
    units: BTreeMap<String, UnitName>,
    /// The labels of each Node, as selectors see them.
    labels: Vec<BTreeMap<String, String>>,
    unmodelled: Vec<Unmodelled>,
}

impl Reading {
    fn new(nodes: &[Live]) -> Self {
        let names = nodes.iter().map(|node| node.name().to_owned());
        Self {
            places: names.zip(0..).collect(),
            units: nodes.iter().filter_map(unit).collect(),
            labels: nodes.iter().map(node::labels).collect(),
            unmodelled: Vec::new(),
        }
    }

    fn unmodelled(&mut self, origin: &Origin, feature: impl Into<String>) {
        self.unmodelled.push(Unmodelled {
            origin: origin.clone(),
            feature: feature.into(),
        });
    }

    /// Says of every field that is set and neither known nor without influence that it is left out.
    fn unknown_fields(&mut self, origin: &Origin, object: &Value, known: &[&str]) {
        for (field, value) in object.as_object().into_iter().flatten() {
            if !known.contains(&field.as_str()) && is_set(value) {
                self.unmodelled(origin, field.as_str());
            }
        }
    }

    /// The Nodes that a selector chooses; `None` where it is none, which Calico refuses or takes for nothing.
    fn chosen(&mut self, origin: &Origin, field: &str, text: &str) -> Option<Vec<u32>> {
        match Selector::parse(text) {
            Ok(selector) => Some(selector.choose(&self.labels)),
            Err(error) => {
                self.unmodelled(origin, format!("{field}, which {error}"));
                None
            }
        }
    }
}

fn unit(node: &Live) -> Option<(String, UnitName)> {
    let unit = node.annotation(ANNOTATION_UNIT)?.parse().ok()?;
    Some((node.name().to_owned(), unit))
}

/// Whether a field says anything: an empty one is as good as none.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn object(kind: &'static str, live: &Live) -> Origin {
    Origin::Object {
        kind,
        name: live.name().to_owned(),
    }
}

/// An AS number as an object holds it. 0 is as good as none (`confd/pkg/backends/calico/client.go`).
enum Number {
    None,
    Some(AsNumber),
    /// One that Calico does not take, or no router may have.
    Odd(String),
}

fn number(value: Option<&Value>) -> Number {
    match value {
        None | Some(Value::Null) => Number::None,
        Some(value) if value.as_i64() == Some(0) => Number::None,
        Some(value) => {
            let number = value.as_i64().map(AsNumber::from_integer);
            match number {
                Some(Ok(number)) => Number::Some(number),
                _ => Number::Odd(value.to_string()),
            }
        }
    }
}

/// Calico's AS number where none is configured.
fn default_as_number() -> Told<AsNumber> {
    debug_assert_eq!(AsNumber::DEFAULT.value(), DEFAULT_AS_NUMBER);
    Told::by_option(AsNumber::DEFAULT, "global-as-number")
}

/// A network as Calico reads it: with Go's `net.ParseCIDR`, which masks host bits; a bare address is a network of its own.
fn network(text: &str) -> Option<Cidr> {
    UnitAddress::read(text).map(|address| address.subnet)
}
