//! One short text for all options whose change has to happen in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write};

use sha2::{Digest, Sha256};

use super::{Peer, Sourced};
use crate::config::CharmConfig;

/// 16 hexadecimal digits of the SHA-256 over the options that decide who peers with whom. Pools are the leader's alone:
/// no unit has to wait for another where they change.
///
/// Taken over parsed values, so neither spelling nor the order of keys and peers matters.
pub(super) fn order_digest(config: &CharmConfig) -> String {
    let mut hex = String::with_capacity(16);
    for byte in Sha256::digest(canonical(config)).iter().take(8) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

fn canonical(config: &CharmConfig) -> String {
    let mut text = String::new();
    line(&mut text, "global-as-number", config.global_as_number);
    line(&mut text, "node-to-node-mesh", config.node_to_node_mesh);
    map(&mut text, "subnet-as-numbers", &config.subnet_as_numbers);
    map(&mut text, "unit-as-numbers", &config.unit_as_numbers);
    map(
        &mut text,
        "route-reflector-cluster-ids",
        &config.route_reflector_cluster_ids,
    );
    peers(&mut text, "global-bgp-peers", &config.global_bgp_peers);
    for (subnet, of_subnet) in &config.subnet_bgp_peers {
        peers(&mut text, &format!("subnet-bgp-peers {subnet}"), of_subnet);
    }
    for (unit, of_unit) in &config.unit_bgp_peers {
        peers(&mut text, &format!("unit-bgp-peers {unit}"), of_unit);
    }
    text
}

fn line(text: &mut String, name: &str, value: impl Display) {
    let _ = writeln!(text, "{name} {value}");
}

fn map<K: Display, V: Display>(text: &mut String, name: &str, values: &BTreeMap<K, Sourced<V>>) {
    for (key, value) in values {
        let _ = writeln!(text, "{name} {key} {}", value.value);
    }
}

fn peers(text: &mut String, name: &str, peers: &[Sourced<Peer>]) {
    let sorted: BTreeSet<Peer> = peers.iter().map(|peer| peer.value).collect();
    for peer in sorted {
        let _ = writeln!(text, "{name} {} {}", peer.address(), peer.as_number());
    }
}
