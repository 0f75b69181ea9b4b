//! Reflectors beside each other: F043 and F045 where they share a cluster ID, F044 where they have no session.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::Facts;
use super::entries::{free_cluster_ids, peers_of, setting_of_cluster_ids};
use super::links::{Links, between, is_reflector, is_unknown, reflectors};
use super::reflectors::id_origin;
use super::slips::{Misspelt, misspelt};
use super::wording::{counted, few, speakers};
use crate::fabric::finding::Finding;
use crate::fabric::session::Speaker;
use crate::model::AsNumber;

/// More reflectors with one ID than this are not compared in pairs.
const MOST: usize = 64;

/// Reflectors of one cluster whose clients are not the same.
struct Split {
    one: Speaker,
    other: Speaker,
    /// Clients of the first that the second has not, and the other way round.
    only: [BTreeSet<Speaker>; 2],
    lost: bool,
}

/// F043: a reflector drops routes whose cluster list has its own ID (P4), so what one reflects does not get through the
/// other. F045: the same, where nothing is lost yet.
pub(super) fn shared_ids(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let mut clusters: BTreeMap<(AsNumber, Ipv4Addr), Vec<Speaker>> = BTreeMap::new();
    for reflector in reflectors(topology) {
        let number = topology.as_number_of(&topology.nodes[reflector as usize]);
        let cluster = facts.sessions.clusters[reflector as usize];
        if let Some(id) = cluster.and_then(|cluster| cluster.effective) {
            clusters.entry((number, id)).or_default().push(reflector);
        }
    }
    clusters.retain(|_, members| members.len() > 1);
    if clusters.is_empty() {
        return;
    }
    let groups = Groups::new(facts, links);
    for ((_, id), members) in clusters {
        if let Some(split) = worst_split(facts, links, &groups, &members) {
            found.push(split.finding(facts, id));
        }
    }
}

/// The pair that loses routes, else the first that could.
fn worst_split(
    facts: &Facts<'_>,
    links: &Links,
    groups: &Groups,
    members: &[Speaker],
) -> Option<Split> {
    let served: Vec<(Speaker, Vec<Speaker>)> = members
        .iter()
        .take(MOST)
        .map(|one| (*one, clients(facts, links, *one)))
        .collect();
    let mut harmless = None;
    for (index, one) in served.iter().enumerate() {
        for other in &served[index + 1..] {
            if one.1 == other.1 || groups.of(one.0) != groups.of(other.0) {
                continue;
            }
            let Some(split) = split(facts, links, one, other) else {
                continue;
            };
            if split.lost {
                return Some(split);
            }
            harmless = harmless.or(Some(split));
        }
    }
    harmless
}

/// The nodes that a reflector serves, sorted.
fn clients(facts: &Facts<'_>, links: &Links, reflector: Speaker) -> Vec<Speaker> {
    let mut clients: Vec<Speaker> = links
        .of(reflector)
        .iter()
        .filter(|link| link.internal && link.to < facts.sessions.nodes)
        .map(|link| link.to)
        .filter(|one| !is_reflector(facts.topology, *one))
        .collect();
    clients.sort_unstable();
    clients.dedup();
    clients
}

fn split(
    facts: &Facts<'_>,
    links: &Links,
    (one, ones): &(Speaker, Vec<Speaker>),
    (other, others): &(Speaker, Vec<Speaker>),
) -> Option<Split> {
    let without = |these: &[Speaker], those: &[Speaker]| -> BTreeSet<Speaker> {
        let missing = |node: &&Speaker| those.binary_search(node).is_err();
        these.iter().filter(missing).copied().collect()
    };
    let only = [without(ones, others), without(others, ones)];
    let with = |set: &BTreeSet<Speaker>, more: Speaker| -> BTreeSet<Speaker> {
        set | &BTreeSet::from([more])
    };
    let lost = between(facts, &only[0], &with(&only[1], *other), is_unknown)
        || between(facts, &only[1], &with(&only[0], *one), is_unknown);
    let by_address = links
        .of(*one)
        .iter()
        .any(|link| link.to == *other && link.a_client);
    (lost || by_address).then_some(Split {
        one: *one,
        other: *other,
        only,
        lost,
    })
}

impl Split {
    fn finding(&self, facts: &Facts<'_>, id: Ipv4Addr) -> Finding {
        let topology = facts.topology;
        let name = |one: Speaker| speakers(topology, facts.sessions, [one]).concat();
        let (one, other) = (name(self.one), name(self.other));
        let parts: Vec<String> = [(&self.only[0], &one), (&self.only[1], &other)]
            .into_iter()
            .filter(|(clients, _)| !clients.is_empty())
            .map(|(clients, whose)| format!("{} only with {whose}", peer(clients.len())))
            .collect();
        let (code, so) = if self.lost {
            (
                43,
                "each drops what the other reflects, and routes are lost",
            )
        } else {
            (
                45,
                "each drops what the other reflects; nothing is lost as long as there are other ways",
            )
        };
        let message = format!(
            "gives {other} the cluster ID {id} that {one} has too, and their clients differ ({}): {so}",
            parts.join(", ")
        );
        let clients = self.only[0].union(&self.only[1]).copied();
        let free = free_cluster_ids(topology).next();
        let mut finding = Finding::new(code, id_origin(topology, self.other), message)
            .other(
                id_origin(topology, self.one),
                format!("gives {one} {id} too"),
            )
            .value(id)
            .units(speakers(topology, facts.sessions, clients));
        finding = match free {
            Some(free) => finding.remedy(format!(
                "give {other} an ID of its own, e.g. {free}, or peer every client with both"
            )),
            None => finding
                .remedy("give each reflector an ID of its own, or peer every client with both"),
        };
        if let Some(slip) = self.misspelt(facts) {
            return finding.remedy(format!(
                "write {} in {}: {} is nobody's address",
                slip.right, slip.origin, slip.wrong
            ));
        }
        let changed = free.map(|free| BTreeMap::from([(self.other, free)]));
        match changed.and_then(|changed| setting_of_cluster_ids(topology, &changed)) {
            Some(command) => finding.command(command),
            None => finding,
        }
    }
}

impl Split {
    /// The entry that was to make clients of one reflector clients of the other too.
    fn misspelt<'t>(&self, facts: &Facts<'t>) -> Option<Misspelt<'t>> {
        misspelt(facts, &self.only[0], self.other)
            .or_else(|| misspelt(facts, &self.only[1], self.one))
    }
}

/// `1 unit peers`, `3 units peer`.
fn peer(units: usize) -> String {
    let verb = if units == 1 { "peers" } else { "peer" };
    format!("{} {verb}", counted(units as u64, "unit"))
}

/// Reflectors, and routers that reflect, by who hears of whom through iBGP among them.
pub(super) struct Groups {
    parent: Vec<Speaker>,
}

impl Groups {
    pub(super) fn new(facts: &Facts<'_>, links: &Links) -> Self {
        let routers = (facts.sessions.nodes..).zip(&facts.sessions.routers);
        let reflecting: BTreeSet<Speaker> = routers
            .filter(|(_, router)| router.route_reflector)
            .map(|(speaker, _)| speaker)
            .chain(reflectors(facts.topology))
            .collect();
        let count = facts.topology.nodes.len() + facts.sessions.routers.len();
        let mut groups = Self {
            parent: (0..).take(count).collect(),
        };
        for one in &reflecting {
            for link in links.of(*one).iter().filter(|link| link.internal) {
                if reflecting.contains(&link.to) {
                    let (from, to) = (groups.of(*one), groups.of(link.to));
                    groups.parent[from.max(to) as usize] = from.min(to);
                }
            }
        }
        groups
    }

    /// The first of a speaker's group.
    pub(super) fn of(&self, speaker: Speaker) -> Speaker {
        let mut at = speaker;
        while self.parent[at as usize] != at {
            at = self.parent[at as usize];
        }
        at
    }
}

/// F044: reflectors of one AS in groups without a session between them, each group's nodes unknown to the other's.
pub(super) fn apart(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let groups = Groups::new(facts, links);
    let mut by_number: BTreeMap<AsNumber, BTreeMap<Speaker, Vec<Speaker>>> = BTreeMap::new();
    // One without any session is F041's.
    for reflector in reflectors(topology).filter(|one| !links.of(*one).is_empty()) {
        let number = topology.as_number_of(&topology.nodes[reflector as usize]);
        let group = groups.of(reflector);
        by_number
            .entry(number)
            .or_default()
            .entry(group)
            .or_default()
            .push(reflector);
    }
    for (number, groups) in by_number {
        let mut groups = groups.into_values();
        let Some(first) = groups.next() else {
            continue;
        };
        let served_by_first = served(facts, links, &first);
        let lost: Vec<Vec<Speaker>> = groups
            .filter(|other| {
                // Where both meet routers of other AS numbers, the AS path is what keeps them apart (F061).
                !(meets_others(links, &first) && meets_others(links, other))
                    && between(
                        facts,
                        &served_by_first,
                        &served(facts, links, other),
                        is_unknown,
                    )
            })
            .collect();
        if let Some(second) = lost.first() {
            found.push(no_session(facts, number, &first, second, lost.len()));
        }
    }
}

fn meets_others(links: &Links, group: &[Speaker]) -> bool {
    group
        .iter()
        .any(|one| links.of(*one).iter().any(|link| link.up && !link.internal))
}

/// Reflectors and their clients.
fn served(facts: &Facts<'_>, links: &Links, group: &[Speaker]) -> BTreeSet<Speaker> {
    let clients = group
        .iter()
        .flat_map(|one| links.of(*one).iter().filter(|link| link.internal))
        .map(|link| link.to)
        .filter(|one| *one < facts.sessions.nodes);
    clients.chain(group.iter().copied()).collect()
}

fn no_session(
    facts: &Facts<'_>,
    number: AsNumber,
    first: &[Speaker],
    second: &[Speaker],
    groups: usize,
) -> Finding {
    let topology = facts.topology;
    let name = |group: &[Speaker]| few(&speakers(topology, facts.sessions, group.iter().copied()));
    let more = match groups {
        1 => String::new(),
        all => format!("; {} like this", counted(all as u64, "group")),
    };
    let message = format!(
        "makes {} a reflector in AS {number} without a session to {}: what one group's nodes announce does not reach the \
         other's{more}",
        name(&second[..1]),
        name(first),
    );
    let unit = topology.nodes[second[0] as usize].unit.as_ref();
    let key = unit.map_or_else(String::new, |unit| format!("{}: ", unit.number()));
    let effective = |one: Speaker| facts.sessions.clusters[one as usize]?.effective;
    let also = match free_cluster_ids(topology).next() {
        Some(free) if effective(first[0]) == effective(second[0]) => {
            format!(", and give one group another cluster ID, e.g. {free}")
        }
        _ => String::new(),
    };
    Finding::new(44, id_origin(topology, second[0]), message)
        .other(
            id_origin(topology, first[0]),
            format!("has {} reflect", name(&first[..1])),
        )
        .remedy(format!(
            "peer the reflectors with each other, in unit-bgp-peers: {key}[{}]{also}",
            peers_of(topology, first).join(", ")
        ))
        .units(speakers(topology, facts.sessions, second.iter().copied()))
}
