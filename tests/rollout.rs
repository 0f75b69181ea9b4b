//! Changes of a whole fabric on the real thing: the binaries of five units side by side against a real API server, killed
//! at random again and again, and judged from the API server's own event stream.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

#[path = "rollout/fleet.rs"]
mod fleet;
#[path = "rollout/judge.rs"]
mod judge;
#[path = "rollout/state.rs"]
mod state;
mod support;
#[path = "rollout/trial.rs"]
mod trial;
#[path = "rollout/watch.rs"]
mod watch;

use trial::{Change, Overtaken, Trial};

type Options = &'static [(&'static str, &'static str)];

/// Five machines in one network.
const FLAT: [&str; 5] = [
    "10.0.0.5/24",
    "10.0.0.6/24",
    "10.0.0.7/24",
    "10.0.0.8/24",
    "10.0.0.9/24",
];
/// A rack of three machines and one of two, a subnet each.
const RACKS: [&str; 5] = [
    "10.0.0.5/24",
    "10.0.0.6/24",
    "10.0.0.7/24",
    "10.0.1.5/24",
    "10.0.1.6/24",
];

const MESH: Options = &[
    ("node-to-node-mesh", "true"),
    ("route-reflector-cluster-ids", "{}"),
    ("global-bgp-peers", "[]"),
];
const REFLECTORS: Options = &[
    ("node-to-node-mesh", "false"),
    ("route-reflector-cluster-ids", "{1: 1.0.0.1, 2: 1.0.0.1}"),
    (
        "global-bgp-peers",
        "[{address: 10.0.0.6, as-number: 64512}, {address: 10.0.0.7, as-number: 64512}]",
    ),
];

/// One AS for all.
const ONE_AS: Options = &[
    ("ipip", "CrossSubnet"),
    ("node-to-node-mesh", "true"),
    ("subnet-as-numbers", "{}"),
    ("route-reflector-cluster-ids", "{}"),
    ("unit-bgp-peers", "{}"),
    ("subnet-bgp-peers", "{}"),
];
/// An AS a rack with a reflector each, which have a session with each other.
const AS_PER_RACK: Options = &[
    ("ipip", "CrossSubnet"),
    ("node-to-node-mesh", "false"),
    (
        "subnet-as-numbers",
        "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
    ),
    ("route-reflector-cluster-ids", "{0: 1.0.0.1, 3: 1.0.0.2}"),
    (
        "unit-bgp-peers",
        "{0: [{address: 10.0.1.5, as-number: 64513}], 3: [{address: 10.0.0.5, as-number: 64512}]}",
    ),
    (
        "subnet-bgp-peers",
        "{10.0.0.0/24: [{address: 10.0.0.5, as-number: 64512}], 10.0.1.0/24: [{address: 10.0.1.5, as-number: 64513}]}",
    ),
];

/// The same with another AS number for the second rack.
const OTHER_NUMBERS: Options = &[
    ("ipip", "CrossSubnet"),
    ("node-to-node-mesh", "false"),
    (
        "subnet-as-numbers",
        "{10.0.0.0/24: 64512, 10.0.1.0/24: 64514}",
    ),
    ("route-reflector-cluster-ids", "{0: 1.0.0.1, 3: 1.0.0.2}"),
    (
        "unit-bgp-peers",
        "{0: [{address: 10.0.1.5, as-number: 64514}], 3: [{address: 10.0.0.5, as-number: 64512}]}",
    ),
    (
        "subnet-bgp-peers",
        "{10.0.0.0/24: [{address: 10.0.0.5, as-number: 64512}], 10.0.1.0/24: [{address: 10.0.1.5, as-number: 64514}]}",
    ),
];

#[test]
fn mesh_to_reflectors() {
    let test = "mesh_to_reflectors";
    let Some(trial) = Trial::start_or_skip(test, &FLAT) else {
        return;
    };
    trial.run(&Change {
        old: MESH,
        new: REFLECTORS,
        drained: None,
        becomes: &[
            "mesh off, AS 64512",
            "node-0 AS - ID -",
            "node-1 AS - ID 1.0.0.1",
            "node-2 AS - ID 1.0.0.1",
            "node-3 AS - ID -",
            "node-4 AS - ID -",
            "calico-0-10.0.0.6 on node-0 AS 64512",
            "calico-0-10.0.0.7 on node-0 AS 64512",
            "calico-0-router on node-0 AS 65008",
            "calico-1-10.0.0.7 on node-1 AS 64512",
            "calico-2-10.0.0.6 on node-2 AS 64512",
            "calico-3-10.0.0.6 on node-3 AS 64512",
            "calico-3-10.0.0.7 on node-3 AS 64512",
            "calico-4-10.0.0.6 on node-4 AS 64512",
            "calico-4-10.0.0.7 on node-4 AS 64512",
            "ipv4 192.168.0.0/16 disabled: false",
            "services 172.30.0.0/24 disabled: null",
        ],
    });
}

#[test]
fn as_per_rack() {
    let test = "as_per_rack";
    let Some(trial) = Trial::start_or_skip(test, &RACKS) else {
        return;
    };
    trial.run(&Change {
        old: ONE_AS,
        new: AS_PER_RACK,
        drained: None,
        becomes: &[
            "mesh off, AS 64512",
            "node-0 AS 64512 ID 1.0.0.1",
            "node-1 AS 64512 ID -",
            "node-2 AS 64512 ID -",
            "node-3 AS 64513 ID 1.0.0.2",
            "node-4 AS 64513 ID -",
            "calico-0-10.0.1.5 on node-0 AS 64513",
            "calico-0-router on node-0 AS 65008",
            "calico-1-10.0.0.5 on node-1 AS 64512",
            "calico-2-10.0.0.5 on node-2 AS 64512",
            "calico-3-10.0.0.5 on node-3 AS 64512",
            "calico-4-10.0.1.5 on node-4 AS 64513",
            "ipv4 192.168.0.0/16 disabled: false",
            "services 172.30.0.0/24 disabled: null",
        ],
    });
}

#[test]
fn reflectors_withdrawn_half_way() {
    let test = "reflectors_withdrawn_half_way";
    let Some(trial) = Trial::start_or_skip(test, &FLAT) else {
        return;
    };
    trial.run_overtaken(&Overtaken {
        old: MESH,
        first: REFLECTORS,
        second: MESH,
        changes: 16,
    });
}

#[test]
fn other_numbers_half_way() {
    let test = "other_numbers_half_way";
    let Some(trial) = Trial::start_or_skip(test, &RACKS) else {
        return;
    };
    trial.run_overtaken(&Overtaken {
        old: ONE_AS,
        first: AS_PER_RACK,
        second: OTHER_NUMBERS,
        changes: 24,
    });
}

#[test]
fn cidr() {
    let test = "cidr";
    let Some(trial) = Trial::start_or_skip(test, &FLAT) else {
        return;
    };
    trial.run(&Change {
        old: &[("cidr", "192.168.0.0/16")],
        new: &[("cidr", "10.1.0.0/16")],
        drained: Some(["192.168", "10.1"]),
        becomes: &[
            "mesh on, AS 64512",
            "node-0 AS - ID -",
            "node-1 AS - ID -",
            "node-2 AS - ID -",
            "node-3 AS - ID -",
            "node-4 AS - ID -",
            "calico-0-router on node-0 AS 65008",
            "ipv4-10-1-0-0-16 10.1.0.0/16 disabled: false",
            "services 172.30.0.0/24 disabled: null",
        ],
    });
}
