//! Which nodes and routers reach which nodes.

use std::collections::BTreeSet;

use crate::fabric::{
    Budget, Checked, Classes, Router, Speaker, Topology, check_by_classes, derive,
};
use crate::model::Family;

/// A sender, the node whose pods receive, and the family.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// The node or router that sends. A router that nobody has named goes by its addresses.
    pub from: String,
    /// The node whose pods receive.
    pub to: String,
    /// IPv4 or IPv6.
    pub family: Family,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} to {} ({})", self.from, self.to, self.family)
    }
}

/// The pairs whose packets arrive.
pub(super) fn connected(topology: &Topology) -> BTreeSet<Pair> {
    let sessions = derive(topology);
    // Each node for itself: pairs are told by name.
    let classes = Classes::discrete(&sessions);
    let checked = check_by_classes(topology, sessions, classes, Budget::HOOK);
    let classes = &checked.classes;
    let mut found = BTreeSet::new();
    for family in [Family::V4, Family::V6] {
        for (origin, receivers) in classes.iter().filter(|(_, class)| !class.router) {
            for (at, senders) in classes.iter() {
                if origin == at || !arrives(&checked, family, origin, at) {
                    continue;
                }
                let to = &topology.nodes[receivers.first() as usize].name;
                let names = names(&checked, senders.first()).into_iter();
                found.extend(names.map(|from| Pair {
                    from,
                    to: to.clone(),
                    family,
                }));
            }
        }
    }
    found
}

fn arrives(checked: &Checked<'_>, family: Family, origin: u32, at: u32) -> bool {
    let planes = checked.planes.iter();
    let mut planes = planes
        .filter(|plane| plane.family == family && plane.has_blocks(origin))
        .peekable();
    planes.peek().is_some()
        && planes.all(|plane| plane.is_computed(origin) && plane.fate(origin, at).arrives())
}

fn names(checked: &Checked<'_>, speaker: Speaker) -> Vec<String> {
    if let Some(node) = checked.topology.nodes.get(speaker as usize) {
        return vec![node.name.clone()];
    }
    let router = (speaker - checked.sessions.nodes) as usize;
    router_names(&checked.sessions.routers[router])
}

fn router_names(router: &Router) -> Vec<String> {
    if router.known {
        return vec![router.name.clone()];
    }
    let addresses = router.addresses.iter();
    addresses.map(|address| address.ip.to_string()).collect()
}
