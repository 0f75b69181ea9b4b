//! The charm whole: its real hooks and binary, as Juju runs them, on three machines and one real API server.

#[path = "charm/changes.rs"]
mod changes;
#[path = "charm/disturbances.rs"]
mod disturbances;
#[path = "charm/leaving.rs"]
mod leaving;
mod support;
#[path = "charm/waiting.rs"]
mod waiting;

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::juju_driver::HookRun;
use support::site::{Site, UNITS};

/// A rack and a router each, and the first unit as reflector.
const RACKS: &[(&str, &str)] = &[
    ("node-to-node-mesh", "false"),
    (
        "subnet-as-numbers",
        "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513, 10.0.2.0/24: 64514}",
    ),
    ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
    (
        "subnet-bgp-peers",
        "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 64500}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 64501}], \
         10.0.2.0/24: [{address: 10.0.2.1, as-number: 64502}]}",
    ),
    (
        "unit-bgp-peers",
        "{1: [{address: 10.0.0.5, as-number: 64512}], 2: [{address: 10.0.0.5, as-number: 64512}]}",
    ),
];

const RACKS_CONFIGURATION: &str = r#"bgpconfigurations default {"asNumber":64512,"logSeverityScreen":"Info","nodeToNodeMeshEnabled":false,"serviceLoadBalancerAggregation":"Enabled"}
"#;
const RACKS_UNIT_0: &str = r#"bgppeers calico-0-10.0.0.1 {"asNumber":64500,"node":"node-0","peerIP":"10.0.0.1"}
"#;
const RACKS_UNIT_1: &str = r#"bgppeers calico-1-10.0.0.5 {"asNumber":64512,"node":"node-1","peerIP":"10.0.0.5"}
bgppeers calico-1-10.0.1.1 {"asNumber":64501,"node":"node-1","peerIP":"10.0.1.1"}
"#;
const RACKS_UNIT_2: &str = r#"bgppeers calico-2-10.0.0.5 {"asNumber":64512,"node":"node-2","peerIP":"10.0.0.5"}
bgppeers calico-2-10.0.2.1 {"asNumber":64502,"node":"node-2","peerIP":"10.0.2.1"}
"#;
const RACKS_REPORT: &str = r#"caliconodestatuses calico-0 {"classes":["BGP"],"node":"node-0","updatePeriodSeconds":5}
"#;
const POOL: &str = r#"ippools ipv4 {"assignmentMode":"Automatic","blockSize":26,"cidr":"192.168.0.0/16","disabled":false,"ipipMode":"Never","natOutgoing":true,"nodeSelector":"all()","vxlanMode":"Never"}
"#;
const RACKS_NODE_0: &str = r#"nodes node-0 {"calico.juju.is/principal":"kubernetes-control-plane/0","calico.juju.is/unit":"calico/0","projectcalico.org/ASNumber":"64512","projectcalico.org/RouteReflectorClusterID":"1.0.0.1"}
"#;
const RACKS_NODE_1: &str = r#"nodes node-1 {"calico.juju.is/principal":"kubernetes-worker/0","calico.juju.is/unit":"calico/1","projectcalico.org/ASNumber":"64513"}
"#;
const RACKS_NODE_2: &str = r#"nodes node-2 {"calico.juju.is/principal":"kubernetes-worker/1","calico.juju.is/unit":"calico/2","projectcalico.org/ASNumber":"64514"}
"#;

/// What [`RACKS`] comes to.
fn racks() -> String {
    [
        RACKS_CONFIGURATION,
        RACKS_UNIT_0,
        RACKS_UNIT_1,
        RACKS_UNIT_2,
        RACKS_REPORT,
        POOL,
        RACKS_NODE_0,
        RACKS_NODE_1,
        RACKS_NODE_2,
    ]
    .concat()
}

/// Three units that have been there for a while, with [`RACKS`].
fn racked(test: &str) -> Option<Site> {
    let site = Site::start_or_skip(test)?;
    site.configure(RACKS);
    site.rest();
    assert_eq!(site.shown(), racks());
    Some(site)
}

fn ready(site: &Site) {
    for unit in site.driver.model(|model| model.charm_units()) {
        assert_eq!(site.status(&unit), "active: Ready", "{unit}");
    }
}

fn names(runs: &[HookRun]) -> Vec<String> {
    // Hooks that another unit's first data brings about, and bells, come in between.
    let of_others = |run: &&HookRun| run.event.name() != "fabric-relation-changed";
    let programs = runs.iter().filter(|run| run.ran()).filter(of_others);
    programs
        .map(|run| format!("{} {}", run.unit, run.event.name()))
        .collect()
}

fn logs(runs: &[HookRun]) -> String {
    let logs: Vec<String> = runs.iter().map(HookRun::debug_log).collect();
    logs.join("\n")
}
