//! Routes that are held back, or count for less than they seem to.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::wording::{counted, few, members, speaker, speakers, subnets};
use crate::fabric::classes::ClassId;
use crate::fabric::filter::{Direction, passes};
use crate::fabric::finding::{Code, Finding};
use crate::fabric::reach::{Fate, Plane};
use crate::fabric::session::{Cause, Side, Speaker};
use crate::fabric::topology::{Gateway, Origin, Pool, Told};
use crate::model::Encapsulation;

/// Every session that is up, seen from both sides: the side, then the other one.
pub(super) fn sides<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (&'a Side, &'a Side)> {
    facts
        .sessions
        .sessions
        .iter()
        .filter(|session| session.status.is_up())
        .flat_map(|session| [(&session.near, &session.far), (&session.far, &session.near)])
}

/// The place of the peering that makes a side, or the other.
pub(super) fn origin_of(facts: &Facts<'_>, one: &Side, other: &Side) -> Option<Origin> {
    let index = one.cause.peering().or_else(|| other.cause.peering())?;
    Some(facts.topology.peerings.get(index as usize)?.origin.clone())
}

/// The classes of nodes that were computed.
pub(super) fn origins(facts: &Facts<'_>, plane: &Plane) -> impl Iterator<Item = ClassId> {
    let nodes = facts.classes.iter().filter(|(_, class)| !class.router);
    nodes
        .map(|(id, _)| id)
        .filter(|id| plane.is_computed(*id))
        .collect::<Vec<_>>()
        .into_iter()
}

pub(super) fn is_node(facts: &Facts<'_>, side: &Side) -> bool {
    side.speaker < facts.sessions.nodes
}

/// F065: blocks that BGP has to carry, and that something keeps it from carrying.
pub(super) fn hidden_pools(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    for (index, pool) in (0..).zip(&topology.pools) {
        let needs_bgp =
            !matches!(pool.encapsulation, Encapsulation::Vxlan(_)) && topology.nodes.len() > 1;
        if !needs_bgp {
            continue;
        }
        if pool.exported {
            let filtered = filtered(facts, pool);
            if !filtered.is_empty() && has_losses(facts, index) {
                found.extend(filtered);
            }
        } else {
            found.push(
                Finding::new(
                    65,
                    pool.origin.clone(),
                    format!(
                        "has disableBGPExport for {}, but without VXLAN only BGP tells nodes the way to its pods",
                        pool.cidr
                    ),
                )
                .value(pool.cidr)
                .remedy("take disableBGPExport out of the pool, or have it use VXLAN"),
            );
        }
    }
}

fn has_losses(facts: &Facts<'_>, pool: u32) -> bool {
    facts
        .planes
        .iter()
        .filter(|plane| plane.pools.contains(&pool))
        .any(|plane| {
            origins(facts, plane).any(|origin| {
                // A router that is not to hear of pods is somebody's wish.
                facts.classes.iter().any(|(at, class)| {
                    !class.router
                        && !plane.received(origin, at)
                        && facts.classes.pairs(origin, at) > 0
                })
            })
        })
}

/// The peerings whose filters hold a pool back: one finding each place.
fn filtered(facts: &Facts<'_>, pool: &Pool) -> Vec<Finding> {
    let topology = facts.topology;
    let mut places: BTreeMap<Origin, (&'static str, &[String])> = BTreeMap::new();
    for peering in &topology.peerings {
        let Some(extra) = peering
            .extra
            .as_deref()
            .filter(|extra| !extra.filters.is_empty())
        else {
            continue;
        };
        for (direction, word) in [(Direction::Export, "export"), (Direction::Import, "import")] {
            let family = pool.cidr.family();
            if passes(topology, &extra.filters, direction, family, pool) == Some(false) {
                places
                    .entry(peering.origin.clone())
                    .or_insert((word, &extra.filters));
            }
        }
    }
    places
        .into_iter()
        .map(|(origin, (word, filters))| {
            Finding::new(
                65,
                origin,
                format!(
                    "has BGPFilter {} hold back all blocks of pool {} on {word}",
                    few(filters),
                    pool.cidr
                ),
            )
            .other(pool.origin.clone(), "the pool")
            .remedy(format!(
                "accept {} in an earlier rule of the filter",
                pool.cidr
            ))
        })
        .collect()
}

/// F068: Calico passes on the pools' routes alone, so what a router tells a reflector stays there (P1).
pub(super) fn no_way_out(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let (topology, sessions) = (facts.topology, facts.sessions);
    let with_router: BTreeSet<Speaker> = sides(facts)
        .filter(|(_, other)| !is_node(facts, other))
        .map(|(side, _)| side.speaker)
        .collect();
    let mut clients: BTreeSet<Speaker> = BTreeSet::new();
    let mut by: Option<&Told<_>> = None;
    for (side, other) in sides(facts).filter(|(side, other)| side.client && is_node(facts, other)) {
        let Some(node) = topology.nodes.get(other.speaker as usize) else {
            continue;
        };
        if with_router.contains(&side.speaker)
            && !with_router.contains(&other.speaker)
            && node.gateway == Gateway::None
        {
            clients.insert(other.speaker);
            let reflector = topology.nodes.get(side.speaker as usize);
            by = by.or_else(|| reflector?.cluster_id.as_ref());
        }
    }
    let Some(cluster) = by else {
        return;
    };
    let units = speakers(topology, sessions, clients);
    found.push(
        Finding::new(
            68,
            cluster.origin.clone(),
            format!(
                "makes a reflector that hears a router, but Calico passes on none of the router's routes: {} without \
                 a default route {} no way out of the cluster",
                few(&units),
                if units.len() == 1 { "has" } else { "have" },
            ),
        )
        .remedy("give these machines a default route, or peer their units with the router")
        .units(units),
    );
}

/// F069: a session under another AS number is an outer one.
pub(super) fn other_local_as(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let mut told: BTreeSet<Origin> = BTreeSet::new();
    for (side, other) in sides(facts).filter(|(side, _)| is_node(facts, side)) {
        let Some(node) = facts.topology.nodes.get(side.speaker as usize) else {
            continue;
        };
        let usual = facts.topology.as_number_of(node);
        let Some(origin) = origin_of(facts, side, other).filter(|_| side.local_as != usual) else {
            continue;
        };
        if !told.insert(origin.clone()) {
            continue;
        }
        let kind = if side.is_internal() {
            "an inner"
        } else {
            "an outer"
        };
        found.push(
            Finding::new(
                69,
                origin,
                format!(
                    "has localASNumber {} where the node has {usual}, which makes it {kind} session: next hop and AS \
                     path follow from that",
                    side.local_as
                ),
            )
            .value(side.local_as)
            .remedy(format!("leave localASNumber out unless the peer cannot be told {usual}")),
        );
    }
}

/// F047 where no peering shows it: nodes of one subnet that hear nothing of each other, and only get through because
/// the subnet's router happens to know.
pub(super) fn by_default_route(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if found.iter().any(|finding| finding.code == Code(47)) {
        return;
    }
    let topology = facts.topology;
    for plane in facts.planes.iter().filter(|plane| !facts.is_vxlan(plane)) {
        let subnet = |class: ClassId| {
            let first = facts.classes.class(class).first() as usize;
            Some(topology.nodes.get(first)?.address(plane.family)?.subnet)
        };
        // The first class of each subnet stands for the others: a mistake of this kind is the whole subnet's.
        let mut affected: BTreeSet<ClassId> = BTreeSet::new();
        let mut of_subnet: BTreeMap<_, Vec<ClassId>> = BTreeMap::new();
        for class in origins(facts, plane) {
            of_subnet.entry(subnet(class)).or_default().push(class);
        }
        for classes in of_subnet.values() {
            for (origin, at) in classes
                .iter()
                .flat_map(|one| classes.iter().map(move |two| (*one, *two)))
            {
                if facts.classes.pairs(origin, at) > 0
                    && plane.fate(origin, at) == Fate::ByDefaultRoute
                {
                    affected.insert(at);
                }
            }
        }
        if affected.is_empty() {
            continue;
        }
        let nodes = members(facts.classes, affected);
        let inside = subnets(topology, plane.family, nodes.iter().copied());
        let units = speakers(topology, facts.sessions, nodes);
        let (origin, fault) = fault(facts);
        found.push(
            Finding::new(
                47,
                origin,
                format!(
                    "{fault}, and {} in {} {} no route to pods on machines of the same subnet: packets go by the \
                     default gateway, which has to know",
                    counted(units.len() as u64, "node"),
                    few(&inside),
                    if units.len() == 1 { "learns" } else { "learn" },
                ),
            )
            .remedy(
                "give two units a cluster ID in route-reflector-cluster-ids and peer the others with them, or have the \
                 router reflect routes, or leave it so if the detour is wanted",
            )
            .units(units),
        );
        return;
    }
}

/// What leaves nodes without routes: peers that are no reflectors, else that there is no mesh.
fn fault(facts: &Facts<'_>) -> (Origin, String) {
    let topology = facts.topology;
    let reflects = |side: &Side| {
        let node = topology.nodes.get(side.speaker as usize);
        node.is_some_and(|node| node.cluster_id.is_some())
    };
    let idle_hub = sides(facts)
        .filter(|(side, other)| is_node(facts, side) && is_node(facts, other) && side.is_internal())
        .filter(|(side, other)| !reflects(side) && !reflects(other))
        .filter(|(side, _)| matches!(side.cause, Cause::Peering(_)))
        .find_map(|(side, other)| Some((origin_of(facts, side, other)?, other)));
    match idle_hub {
        Some((origin, other)) => {
            let hub = speaker(topology, facts.sessions, other.speaker);
            (
                origin,
                format!("names {hub}, which has no cluster ID and passes nothing on"),
            )
        }
        None => (
            topology.mesh.origin.clone(),
            format!("is {}", topology.mesh.value),
        ),
    }
}
