//! BGPConfigurations (`projectcalico/v3/bgpconfig.go`), and what runs beside Felix.

use serde_json::Value;

use super::{Number, Reading, default_as_number, network, number, object};
use crate::fabric::topology::{Backend, Origin, Told};
use crate::model::{AsNumber, Cidr};
use crate::plan::Live;

/// Fields that are read below, and those that change no session and no route.
const KNOWN: [&str; 18] = [
    "logSeverityScreen",
    "nodeToNodeMeshEnabled",
    "asNumber",
    "serviceClusterIPs",
    "serviceExternalIPs",
    "serviceLoadBalancerIPs",
    "serviceLoadBalancerAggregation",
    "communities",
    "prefixAdvertisements",
    "listenPort",
    "nodeMeshPassword",
    "nodeMeshMaxRestartTime",
    "bindMode",
    "ignoredInterfaces",
    "localWorkloadPeeringIPV4",
    "localWorkloadPeeringIPV6",
    "ipv4NormalRoutePriority",
    "ipv6NormalRoutePriority",
];

/// What holds for every node.
pub(super) struct Configuration {
    pub(super) as_number: Told<AsNumber>,
    pub(super) mesh: Told<bool>,
    pub(super) listen_port: u16,
    pub(super) services: Vec<Told<Cidr>>,
}

pub(super) fn of(configurations: &[Live], reading: &mut Reading) -> Configuration {
    let default = configurations.iter().find(|live| live.name() == "default");
    for live in configurations
        .iter()
        .filter(|live| live.name().starts_with("node."))
    {
        let origin = object("BGPConfiguration", live);
        let known: Vec<&str> = KNOWN
            .into_iter()
            .filter(|field| *field != "listenPort")
            .collect();
        reading.unknown_fields(&origin, &live.value()["spec"], &known);
    }
    let Some(live) = default else {
        return Configuration {
            as_number: default_as_number(),
            mesh: Told::by_option(true, "node-to-node-mesh"),
            listen_port: 179,
            services: Vec::new(),
        };
    };
    let (ours, here) = (live.owner().is_some(), object("BGPConfiguration", live));
    // The charm writes a field for each of these options; where it has not been here, the object speaks for itself.
    let origin = |option: &str| {
        if ours {
            Origin::option(option)
        } else {
            here.clone()
        }
    };
    reading.unknown_fields(&here, &live.value()["spec"], &known(live));
    let as_number = match number(live.spec("asNumber")) {
        Number::Some(value) => Told {
            value,
            origin: origin("global-as-number"),
        },
        Number::None => default_as_number(),
        Number::Odd(text) => {
            reading.unmodelled(&here, format!("asNumber {text}"));
            default_as_number()
        }
    };
    let mesh = live.spec("nodeToNodeMeshEnabled").and_then(Value::as_bool);
    let port = live.spec("listenPort").and_then(Value::as_u64);
    Configuration {
        as_number,
        mesh: Told {
            value: mesh.unwrap_or(true),
            origin: origin("node-to-node-mesh"),
        },
        listen_port: port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0)
            .unwrap_or(179),
        services: services(live, origin),
    }
}

/// BIRD programs the nodes' routes unless told otherwise (`programClusterRoutes`, Calico 3.32 and later).
fn known(live: &Live) -> Vec<&'static str> {
    let mut known = KNOWN.to_vec();
    if live.spec_text("programClusterRoutes") == "Enabled" {
        known.push("programClusterRoutes");
    }
    known
}

fn services(live: &Live, origin: impl Fn(&str) -> Origin) -> Vec<Told<Cidr>> {
    let mut found = Vec::new();
    for (field, option) in [
        ("serviceClusterIPs", "bgp-service-cluster-ips"),
        ("serviceExternalIPs", "bgp-service-external-ips"),
        ("serviceLoadBalancerIPs", "bgp-service-loadbalancer-ips"),
    ] {
        let list = live.spec(field).and_then(Value::as_array);
        let cidrs = list
            .into_iter()
            .flatten()
            .filter_map(|entry| network(entry["cidr"].as_str()?));
        found.extend(cidrs.map(|value| Told {
            value,
            origin: origin(option),
        }));
    }
    found
}

/// What moves packets and routes: `CALICO_NETWORKING_BACKEND` of calico-node, which the install manifests take from the
/// ConfigMap (`node/pkg/lifecycle/startup`); BIRD where nothing is said.
#[must_use]
pub fn backend(daemon_set: Option<&Live>, calico_config: Option<&Live>) -> Backend {
    let containers = daemon_set.and_then(|set| {
        set.spec("template")?
            .get("spec")?
            .get("containers")?
            .as_array()
    });
    let variable = containers
        .into_iter()
        .flatten()
        .filter_map(|container| container["env"].as_array())
        .flatten()
        .find(|variable| variable["name"] == "CALICO_NETWORKING_BACKEND");
    let written = variable.and_then(|variable| variable["value"].as_str());
    let in_config = || calico_config?.field("data", "calico_backend")?.as_str();
    match written.or_else(in_config) {
        Some("vxlan") => Backend::Vxlan,
        Some("none") => Backend::None,
        _ => Backend::Bird,
    }
}
