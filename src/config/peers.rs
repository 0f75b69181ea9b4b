//! Lists of BGP peers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::node::{self, Node};
use super::problem::Problem;
use super::structure::{Shape, Structure};
use super::suggest;
use crate::model::{Peer, PeerAddress, Sourced};

const LIST: Shape = Shape {
    name: "a list of peers",
    example: "[{address: 10.0.0.1, as-number: 64512}]",
};
const PEER: Shape = Shape {
    name: "a map with address and as-number",
    example: "{address: 10.0.0.1, as-number: 64512}",
};
const ADDRESS: Shape = Shape {
    name: "an IP address",
    example: "10.0.0.1",
};

/// What `unit-bgp-peers` looks like.
pub(super) const PEERS_BY_UNIT: Shape = Shape {
    name: "a map from units to lists of peers",
    example: "{0: [{address: 10.0.0.1, as-number: 64512}]}",
};
/// What `subnet-bgp-peers` looks like.
pub(super) const PEERS_BY_SUBNET: Shape = Shape {
    name: "a map from subnets to lists of peers",
    example: "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 64512}]}",
};

const KEYS: [&str; 2] = ["address", "as-number"];

/// Other names for a peer's keys, as neighbouring tools have them, without `-` and `_`.
const OTHER_NAMES: [(&str, &str); 12] = [
    ("ip", "address"),
    ("addr", "address"),
    ("host", "address"),
    ("peer", "address"),
    ("peerip", "address"),
    ("peeraddress", "address"),
    ("neighbor", "address"),
    ("as", "as-number"),
    ("asn", "as-number"),
    ("asnum", "as-number"),
    ("remoteas", "as-number"),
    ("peeras", "as-number"),
];

/// The peers of the list at `path`, in its order. Of entries for one address and port with one AS number the first counts.
pub(super) fn peers(structure: &mut Structure<'_>, node: &Node, path: &str) -> Vec<Sourced<Peer>> {
    let mut found: Vec<Sourced<Peer>> = Vec::new();
    let mut first: BTreeMap<(IpAddr, u16), usize> = BTreeMap::new();
    for (index, item) in structure.items(node, path, LIST).iter().enumerate() {
        let path = node::item_path(path, index);
        let Some(value) = peer(structure, item, &path) else {
            continue;
        };
        let peer = Sourced {
            value,
            place: structure.place(&path),
        };
        let earlier = first
            .get(&value.address().endpoint())
            .and_then(|index| found.get(*index));
        match earlier {
            Some(earlier) if earlier.value.as_number() == value.as_number() => {}
            Some(earlier) => structure.report(contradiction(&peer, earlier).at(item.at)),
            None => {
                first.insert(value.address().endpoint(), found.len());
                found.push(peer);
            }
        }
    }
    found
}

/// Two entries that give one address and port different AS numbers.
pub(super) fn contradiction(later: &Sourced<Peer>, earlier: &Sourced<Peer>) -> Problem {
    let earlier = Sourced {
        value: earlier.value.as_number(),
        place: earlier.place.clone(),
    };
    Problem::two_as_numbers(later, &earlier)
}

fn peer(structure: &mut Structure<'_>, node: &Node, path: &str) -> Option<Peer> {
    let entries = structure.entries(node, path, PEER);
    if entries.is_empty() && node.shape() != "a map" {
        return None;
    }
    let mut seen: BTreeMap<&str, &Node> = BTreeMap::new();
    let mut misnamed = Vec::new();
    let mut address = None;
    let mut as_number = None;
    for (key, value) in entries {
        let Some(text) = structure.key(key, path) else {
            continue;
        };
        let value_path = node::key_path(path, text);
        if let Some(earlier) = seen.insert(text, key) {
            let rule = format!("is there twice, first at {}", earlier.at);
            let problem = structure
                .problem(path, key.at, rule)
                .code(3)
                .value(text)
                .remedy("keep one of them");
            structure.report(problem);
        }
        match text {
            "address" => address = parse_address(structure, value, &value_path),
            "as-number" => as_number = structure.as_number(value, &value_path),
            _ => misnamed.extend(unknown_key(structure, key, text, path)),
        }
    }
    for key in KEYS {
        if !seen.contains_key(key) && !misnamed.contains(&key) {
            report_missing(structure, node, path, key);
        }
    }
    Some(Peer::new(address?, as_number?))
}

fn report_missing(structure: &mut Structure<'_>, node: &Node, path: &str, key: &str) {
    let remedy = match key {
        "address" => "add the router's address, e.g. address: 10.0.0.1",
        _ => "add the router's AS number, e.g. as-number: 64512",
    };
    let problem = structure
        .problem(path, node.at, format!("has no {key}"))
        .remedy(remedy);
    structure.report(problem);
}

/// Reports a key no peer has; gives the key probably meant.
fn unknown_key(
    structure: &mut Structure<'_>,
    key: &Node,
    text: &str,
    path: &str,
) -> Option<&'static str> {
    let squeezed: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    let alias = OTHER_NAMES
        .iter()
        .find(|(name, _)| *name == squeezed)
        .map(|(_, meant)| *meant);
    let meant = alias.or_else(|| suggest::nearest(text, KEYS));
    let remedy = match (meant, squeezed.as_str()) {
        (Some(meant), _) => format!("write {meant}"),
        (None, "port" | "peerport") => {
            "write the port behind the address: 10.0.0.1:1179".to_owned()
        }
        (None, _) => "leave it out: a peer has address and as-number".to_owned(),
    };
    let problem = structure
        .problem(path, key.at, "is not a key of a peer")
        .value(text)
        .remedy(remedy);
    structure.report(problem);
    meant
}

fn parse_address(structure: &mut Structure<'_>, node: &Node, path: &str) -> Option<PeerAddress> {
    let text = match node.text() {
        Some(text) if !node.is_null() => text,
        _ => {
            structure.wrong_shape(node, path, ADDRESS);
            return None;
        }
    };
    match text.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            let option = structure.place(path).option;
            structure.report(Problem::refused(&option, path, text, &error).at(node.at));
            None
        }
    }
}

/// Contradictions between the global peers, which every unit has, and the peers of single units.
pub(super) fn check_units(
    global: &[Sourced<Peer>],
    by_unit: &BTreeMap<u32, Vec<Sourced<Peer>>>,
    problems: &mut Vec<Problem>,
) {
    let by_endpoint: BTreeMap<(IpAddr, u16), &Sourced<Peer>> = global
        .iter()
        .map(|peer| (peer.value.address().endpoint(), peer))
        .collect();
    for peer in by_unit.values().flatten() {
        let earlier = by_endpoint.get(&peer.value.address().endpoint());
        if let Some(earlier) =
            earlier.filter(|earlier| earlier.value.as_number() != peer.value.as_number())
        {
            problems.push(contradiction(peer, earlier));
        }
    }
}
