//! Which nodes are drawn together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::check::Checked;
use super::super::session::Speaker;
use super::super::topology::Node;
use super::measure::listed;
use crate::model::{AsNumber, Family};
use crate::printable::printable_line;

/// More racks than this are put together, or the picture would hold frames and nothing else.
const MOST_RACKS: usize = 250;

/// More classes than this in one rack are put together, or the picture would hold every node.
const MOST_CLASSES: usize = 48;

/// The same for all racks.
const MOST_ITEMS: usize = 1_500;

/// The nodes of a rack.
#[derive(Debug)]
pub(super) struct Group {
    /// Its zone, or its subnet.
    pub name: String,
    pub nodes: Vec<Speaker>,
}

/// The nodes by AS number and then by zone, or by subnet where not all zones are known; each in the order of its first
/// node. Where these are too many, by AS number, and at last all in one.
pub(super) fn groups(checked: &Checked<'_>) -> Vec<Group> {
    let topology = &checked.topology;
    let zones = topology.nodes.iter().all(|node| node.zone.is_some());
    let by_place = by(checked, |node| place(node, zones));
    if by_place.len() <= MOST_RACKS {
        return by_place;
    }
    let by_number = by(checked, |node| {
        format!("AS {}", topology.as_number_of(node))
    });
    if by_number.len() <= MOST_RACKS {
        return by_number;
    }
    vec![Group {
        name: "all nodes".to_owned(),
        nodes: (0..).take(topology.nodes.len()).collect(),
    }]
}

fn by(checked: &Checked<'_>, name: impl Fn(&Node) -> String) -> Vec<Group> {
    let mut order: BTreeMap<AsNumber, usize> = BTreeMap::new();
    let mut index: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let mut found: Vec<(usize, Group)> = Vec::new();
    for (speaker, node) in (0..).zip(&checked.topology.nodes) {
        let next = order.len();
        let number = *order
            .entry(checked.topology.as_number_of(node))
            .or_insert(next);
        let name = name(node);
        let group = *index.entry((number, name.clone())).or_insert_with(|| {
            let nodes = Vec::new();
            found.push((number, Group { name, nodes }));
            found.len() - 1
        });
        found[group].1.nodes.push(speaker);
    }
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, group)| group).collect()
}

fn place(node: &Node, zones: bool) -> String {
    match (&node.zone, node.v4.or(node.v6)) {
        (Some(zone), _) if zones => printable_line(zone),
        (_, Some(address)) => address.subnet.to_string(),
        (_, None) => "no address".to_owned(),
    }
}

impl Group {
    /// Its AS numbers and subnets.
    pub fn detail(&self, checked: &Checked<'_>) -> String {
        let topology = &checked.topology;
        let nodes = || {
            self.nodes
                .iter()
                .map(|node| &topology.nodes[*node as usize])
        };
        let mut numbers = Unique::default();
        for node in nodes() {
            numbers.add(format!("AS {}", topology.as_number_of(node)), &self.name);
        }
        let mut subnets = Unique::default();
        for family in [Family::V4, Family::V6] {
            for address in nodes().filter_map(|node| node.address(family)) {
                subnets.add(address.subnet.to_string(), &self.name);
            }
        }
        let parts = [listed(&numbers.texts, 2), listed(&subnets.texts, 3)];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    /// Its nodes as items: each by itself, or those that nothing tells apart; where these are too many, those of a subnet,
    /// and at last all of one role.
    pub fn items(&self, checked: &Checked<'_>, folded: bool) -> Vec<Vec<Speaker>> {
        if !folded {
            return self.nodes.iter().map(|node| vec![*node]).collect();
        }
        if checked.classes.len() <= MOST_ITEMS {
            let by_class = self.split(|node| u64::from(checked.classes.of(node)));
            if by_class.len() <= MOST_CLASSES {
                return by_class;
            }
        }
        let mut subnets: BTreeMap<_, u64> = BTreeMap::new();
        let role = |speaker: Speaker| {
            let node = &checked.topology.nodes[speaker as usize];
            (node, u64::from(node.cluster_id.is_some()))
        };
        let by_subnet = self.split(|speaker| {
            let (node, role) = role(speaker);
            let key = (node.v4.map(|a| a.subnet), node.v6.map(|a| a.subnet));
            let next = subnets.len() as u64;
            2 * *subnets.entry(key).or_insert(next) + role
        });
        if by_subnet.len() <= MOST_CLASSES {
            return by_subnet;
        }
        self.split(|speaker| role(speaker).1)
    }

    /// The nodes by a key, in the order of each key's first node.
    fn split(&self, mut key: impl FnMut(Speaker) -> u64) -> Vec<Vec<Speaker>> {
        let mut index: BTreeMap<u64, usize> = BTreeMap::new();
        let mut parts: Vec<Vec<Speaker>> = Vec::new();
        for node in &self.nodes {
            let part = *index.entry(key(*node)).or_insert_with(|| {
                parts.push(Vec::new());
                parts.len() - 1
            });
            parts[part].push(*node);
        }
        parts
    }
}

/// Texts without repetition, in order.
#[derive(Default)]
struct Unique {
    seen: BTreeSet<String>,
    texts: Vec<String>,
}

impl Unique {
    fn add(&mut self, text: String, but: &str) {
        if text != but && self.seen.insert(text.clone()) {
            self.texts.push(text);
        }
    }
}
