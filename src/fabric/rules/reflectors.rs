//! Route reflectors and their clients: F041, F042, F046, F047, F051. Shared cluster IDs are in `clusters`.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::entries::{peers_of, setting_of_global_peers};
use super::links::{Link, Links, between, is_lost, is_reflector, is_unknown, reflectors, samples};
use super::slips::misspelt;
use super::wording::{counted, few, speaker, speakers};
use crate::fabric::finding::{Code, Finding};
use crate::fabric::session::Speaker;
use crate::fabric::topology::{Backend, Origin, Topology};

/// Where a reflector's cluster ID was written.
pub(super) fn id_origin(topology: &Topology, reflector: Speaker) -> Origin {
    topology.nodes[reflector as usize]
        .cluster_id
        .as_ref()
        .map_or_else(
            || Origin::option("route-reflector-cluster-ids"),
            |told| told.origin.clone(),
        )
}

/// The rules here that look at sessions by speaker.
pub(super) fn reflection(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    if facts.topology.backend != Backend::Bird {
        return;
    }
    let links = Links::new(facts);
    isolated(facts, &links, found);
    unserved(facts, &links, found);
    super::clusters::shared_ids(facts, &links, found);
    super::clusters::apart(facts, &links, found);
    single(facts, &links, found);
    silent_routers(facts, &links, found);
    external_clients(facts, &links, found);
}

/// F041: a node with a cluster ID is out of the mesh (S2), and nobody peers with it.
fn isolated(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if found.iter().any(|finding| finding.code == Code(40)) {
        return;
    }
    let everybody: BTreeSet<Speaker> = (0..).take(topology.nodes.len()).collect();
    let alone: Vec<Speaker> = reflectors(topology)
        .filter(|one| links.of(*one).is_empty())
        .filter(|one| between(facts, &BTreeSet::from([*one]), &everybody, is_lost))
        .collect();
    let Some(first) = alone.first() else {
        return;
    };
    let units = speakers(topology, facts.sessions, alone.iter().copied());
    let (makes, them) = match units.as_slice() {
        [one] => (format!("makes {one} a reflector"), "it"),
        all => (format!("makes {} reflectors", few(all)), "them"),
    };
    let leaves = if topology.mesh.value {
        format!(", which takes {them} out of the mesh,")
    } else {
        String::new()
    };
    let message =
        format!("{makes}{leaves} and nobody peers with {them}: the pods there are cut off");
    let finding = Finding::new(41, id_origin(topology, *first), message).units(units);
    let slip = alone
        .iter()
        .find_map(|one| misspelt(facts, &everybody, *one));
    if let Some(slip) = slip {
        found.push(finding.remedy(format!(
            "write {} in {}: {} is nobody's address",
            slip.right, slip.origin, slip.wrong
        )));
        return;
    }
    let finding = finding.remedy(format!(
        "peer the other units with {them}: add {} to global-bgp-peers or subnet-bgp-peers",
        few(&peers_of(topology, &alone))
    ));
    found.push(match setting_of_global_peers(topology, &alone) {
        Some(command) => finding.command(command),
        None => finding,
    });
}

/// F042: reflectors are not in the mesh, so a node without a session to any of them does not hear of their pods.
fn unserved(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let serving: Vec<Speaker> = reflectors(topology)
        .filter(|one| !links.of(*one).is_empty())
        .collect();
    let (Some(first), true) = (serving.first(), topology.mesh.value) else {
        return;
    };
    let meets_one = |node: &Speaker| {
        links
            .of(*node)
            .iter()
            .any(|link| is_reflector(topology, link.to))
    };
    let of_serving = samples(facts, serving.iter().copied());
    let unserved: Vec<Speaker> = (0..)
        .take(topology.nodes.len())
        .filter(|node| !is_reflector(topology, *node) && !meets_one(node))
        .filter(|node| of_serving.iter().any(|one| is_lost(facts, *one, *node)))
        .collect();
    if unserved.is_empty() {
        return;
    }
    let units = speakers(topology, facts.sessions, unserved.iter().copied());
    let who = speakers(topology, facts.sessions, serving.iter().copied());
    let takes = if who.len() == 1 {
        "takes"
    } else {
        "takes each of"
    };
    let message = format!(
        "{takes} {} out of the mesh, and {} without a session to a reflector: pods on reflectors are cut off from {}",
        few(&who),
        match units.len() {
            1 => "1 node is".to_owned(),
            more => format!("{more} nodes are"),
        },
        few(&units)
    );
    let mut finding = Finding::new(42, id_origin(topology, *first), message)
        .other(
            topology.mesh.origin.clone(),
            "is on, and reflectors are not in it",
        )
        .remedy(format!(
            "peer every unit with the reflectors: {} in global-bgp-peers",
            few(&peers_of(topology, &serving))
        ))
        .units(units);
    if let Some(command) = setting_of_global_peers(topology, &serving) {
        finding = finding.command(command);
    }
    found.push(finding);
}

/// F046: nodes that depend on one reflector, or on several in one zone while they are in more. A session that does not
/// come up counts: what is wrong with it is said elsewhere.
fn single(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    if topology.mesh.value {
        return;
    }
    let mut groups: BTreeMap<BTreeSet<Speaker>, Vec<Speaker>> = BTreeMap::new();
    for node in (0..)
        .take(topology.nodes.len())
        .filter(|node| !is_reflector(topology, *node))
    {
        let links = links.of(node);
        let of: BTreeSet<Speaker> = links
            .iter()
            .map(|link| link.to)
            .filter(|one| is_reflector(topology, *one))
            .collect();
        // A node with a router of its own does not depend on reflectors.
        if !of.is_empty() && links.iter().all(|link| link.to < facts.sessions.nodes) {
            groups.entry(of).or_default().push(node);
        }
    }
    let (alone, several): (Vec<_>, Vec<_>) = groups.iter().partition(|(of, _)| of.len() == 1);
    found.extend(only_reflector(facts, &alone));
    for (of, clients) in several {
        found.extend(all_in_one_zone(facts, of, clients));
    }
}

type Group<'g> = (&'g BTreeSet<Speaker>, &'g Vec<Speaker>);

fn only_reflector(facts: &Facts<'_>, groups: &[Group<'_>]) -> Option<Finding> {
    let topology = facts.topology;
    let (of, clients) = groups.first()?;
    let reflector = *of.first()?;
    let more = match groups.len() - 1 {
        0 => String::new(),
        more => format!("; {} like this", counted(more as u64, "more group")),
    };
    let message = format!(
        "makes {} the only reflector of {}: while it is down they are cut off{more}",
        speaker(topology, facts.sessions, reflector),
        counted(clients.len() as u64, "node"),
    );
    let zone = &topology.nodes[reflector as usize].zone;
    let second = match zone {
        Some(zone)
            if topology
                .nodes
                .iter()
                .any(|node| node.zone.as_ref().is_some_and(|other| other != zone)) =>
        {
            "a unit in another zone"
        }
        _ => "a second unit",
    };
    let units = groups
        .iter()
        .flat_map(|(_, clients)| clients.iter().copied());
    Some(
        Finding::new(46, id_origin(topology, reflector), message)
            .remedy(format!(
                "let {second} reflect too, with a cluster ID of its own, and peer these units with it"
            ))
            .units(speakers(topology, facts.sessions, units)),
    )
}

fn all_in_one_zone(
    facts: &Facts<'_>,
    of: &BTreeSet<Speaker>,
    clients: &[Speaker],
) -> Option<Finding> {
    let topology = facts.topology;
    let zone = |node: &Speaker| topology.nodes[*node as usize].zone.as_deref();
    let first = of.first()?;
    let one = zone(first)?;
    let is_elsewhere = |node: &Speaker| zone(node) != Some(one);
    if of.iter().any(is_elsewhere) || !clients.iter().any(is_elsewhere) {
        return None;
    }
    let message = format!(
        "has all reflectors of {} in zone {one}, and some of those nodes are in other zones",
        counted(clients.len() as u64, "node"),
    );
    Some(
        Finding::new(46, id_origin(topology, *first), message)
            .remedy("let a unit in another zone reflect in place of one of them")
            .units(speakers(topology, facts.sessions, clients.iter().copied())),
    )
}

/// F047: nodes whose only peer is a router of their own AS that is not known to reflect.
fn silent_routers(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let (topology, sessions) = (facts.topology, facts.sessions);
    if topology.mesh.value {
        return;
    }
    let mut groups: BTreeMap<Speaker, Vec<Speaker>> = BTreeMap::new();
    for node in (0..)
        .take(topology.nodes.len())
        .filter(|node| !is_reflector(topology, *node))
    {
        let mut routers = BTreeSet::new();
        let silent = links.of(node).iter().all(|link| {
            let router = link
                .to
                .checked_sub(sessions.nodes)
                .map(|index| &sessions.routers[index as usize]);
            routers.insert(link.to);
            link.up && link.internal && router.is_some_and(|router| !router.route_reflector)
        });
        if let Some(first) = routers.first().filter(|_| silent) {
            groups.entry(*first).or_default().push(node);
        }
    }
    for (router, nodes) in groups {
        let all: BTreeSet<Speaker> = nodes.iter().copied().collect();
        if !between(facts, &all, &all, is_unknown) {
            continue;
        }
        let origin = sessions.sessions.iter().find_map(|session| {
            let peering = session
                .near
                .cause
                .peering()
                .filter(|_| session.far.speaker == router)?;
            Some(topology.peerings[peering as usize].origin.clone())
        });
        let Some(origin) = origin else {
            continue;
        };
        let units = speakers(topology, sessions, nodes.iter().copied());
        let number = topology.as_number_of(&topology.nodes[nodes[0] as usize]);
        let name = speaker(topology, sessions, router);
        let message = format!(
            "is all that {} peer with: {name} has their AS number {number} and is not known to reflect, so they do not \
             learn each other's routes",
            counted(units.len() as u64, "node")
        );
        found.push(
            Finding::new(47, origin, message)
                .other(topology.mesh.origin.clone(), "is off")
                .remedy(
                    "if it reflects, say route-reflector: true under routers: in the fabric file; if not, let two units \
                     reflect, or turn the mesh on",
                )
                .units(units),
        );
    }
}

/// F051: a client of another AS number: the session is eBGP and nothing is reflected over it.
fn external_clients(facts: &Facts<'_>, links: &Links, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    let mut groups: BTreeMap<&Origin, BTreeMap<Speaker, Speaker>> = BTreeMap::new();
    for node in (0..)
        .take(topology.nodes.len())
        .filter(|node| !is_reflector(topology, *node))
    {
        let of: Vec<&Link> = links
            .of(node)
            .iter()
            .filter(|link| is_reflector(topology, link.to))
            .collect();
        let external = of.iter().all(|link| link.up && !link.internal);
        let Some(link) = of.first().filter(|_| external) else {
            continue;
        };
        let near: BTreeSet<Speaker> = of
            .iter()
            .flat_map(|link| {
                links
                    .of(link.to)
                    .iter()
                    .map(|next| next.to)
                    .chain([link.to])
            })
            .filter(|near| *near < facts.sessions.nodes && *near != node)
            .collect();
        if between(facts, &BTreeSet::from([node]), &near, is_lost) {
            let origin = topology.as_number_origin(&topology.nodes[node as usize]);
            groups.entry(origin).or_default().insert(node, link.to);
        }
    }
    for (origin, clients) in groups {
        let Some((client, reflector)) = clients.first_key_value() else {
            continue;
        };
        let (client, reflector) = (
            &topology.nodes[*client as usize],
            &topology.nodes[*reflector as usize],
        );
        let theirs = topology.as_number_origin(reflector);
        // Where the number itself was found to be wrong, that is all there is to say.
        if found
            .iter()
            .any(|one| one.code == Code(20) && (one.origin == *origin || one.origin == *theirs))
        {
            continue;
        }
        let units = speakers(topology, facts.sessions, clients.keys().copied());
        let names: BTreeSet<Speaker> = clients.values().copied().collect();
        let message = format!(
            "gives {} AS number {}, and {} that they peer with is in {}: these sessions are eBGP, and nothing is \
             reflected",
            few(&units),
            topology.as_number_of(client),
            few(&speakers(topology, facts.sessions, names)),
            topology.as_number_of(reflector),
        );
        found.push(
            Finding::new(51, origin.clone(), message)
                .other(
                    theirs.clone(),
                    format!("gives the reflector {}", topology.as_number_of(reflector)),
                )
                .value(topology.as_number_of(client))
                .remedy(format!(
                    "write {} as well, or give these units reflectors of their own AS number",
                    topology.as_number_of(reflector)
                ))
                .units(units),
        );
    }
}
