//! The repairs that findings already stand for.

use super::super::facts::Facts;
use super::super::finding::{Code, Finding};
use super::super::session::{Speaker, Status};
use super::super::topology::Origin;
use super::candidates::Repair;
use super::edit::Edit;
use crate::model::ClusterId;

/// How many units of a finding are tried one by one.
const UNITS: usize = 4;

/// Whether missing or broken sessions may be what the finding is about.
pub(super) fn is_about_sessions(code: Code) -> bool {
    (20..=51).contains(&code.0)
}

/// The changes that mend what a finding names.
pub(super) fn repairs(facts: &Facts<'_>, finding: &Finding) -> Vec<Repair> {
    let topology = facts.topology;
    let make = |edits: Vec<Edit>| {
        let mut repair = Repair::new(Edit::Mesh, finding.origin.clone(), "", "");
        repair.edits = edits;
        repair
    };
    let places: Vec<Origin> = [
        Some(&finding.origin),
        finding.other.as_ref().map(|(origin, _)| origin),
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect();
    match finding.code.0 {
        40 => vec![make(vec![Edit::Mesh])],
        49 => vec![make(vec![Edit::Annotate])],
        31 => vec![make(vec![Edit::Bird])],
        65 => vec![make(vec![Edit::Announce])],
        41 => {
            let plain = |node| Edit::Cluster(node, None);
            let all = nodes(facts, finding);
            let together = make(all.iter().copied().map(plain).collect());
            let each = all
                .into_iter()
                .take(UNITS)
                .map(|node| make(vec![plain(node)]));
            let mesh = make(vec![Edit::Mesh]);
            [together].into_iter().chain(each).chain([mesh]).collect()
        }
        43 | 45 => vec![make(distinct_ids(facts))],
        51 => vec![make(reflectors_number(facts, finding))],
        code if is_about_sessions(Code(code)) => {
            let of_place = |origin: &Origin| {
                topology
                    .peerings
                    .iter()
                    .any(|peering| peering.origin == *origin)
            };
            let heals: Vec<Edit> = places
                .into_iter()
                .filter(of_place)
                .map(Edit::Heal)
                .collect();
            let numbers = expected_numbers(facts, &finding.origin);
            let of_units = places_of(facts, &nodes(facts, finding))
                .into_iter()
                .map(Edit::Heal)
                .collect();
            [numbers, heals, of_units]
                .into_iter()
                .filter(|edits| !edits.is_empty())
                .map(make)
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Where nodes have their AS number from the place: the one that others expect of them, for all of them.
fn expected_numbers(facts: &Facts<'_>, place: &Origin) -> Vec<Edit> {
    let topology = facts.topology;
    let nodes: Vec<Speaker> = (0..)
        .zip(&topology.nodes)
        .filter(|(_, node)| topology.as_number_origin(node) == place)
        .map(|(speaker, _)| speaker)
        .collect();
    let sessions = &facts.sessions.sessions;
    let down = sessions
        .iter()
        .filter(|session| session.status == Status::AsMismatch);
    let expected = down
        .flat_map(|session| [(&session.near, &session.far), (&session.far, &session.near)])
        .find(|(side, other)| {
            nodes.binary_search(&side.speaker).is_ok() && other.remote_as != side.local_as
        });
    match expected {
        Some((_, other)) => vec![Edit::Annotated(nodes, other.remote_as)],
        None => Vec::new(),
    }
}

/// The places of the peers whose sessions with these nodes stay down.
fn places_of(facts: &Facts<'_>, nodes: &[Speaker]) -> Vec<Origin> {
    let concerns = |speaker: Speaker| nodes.binary_search(&speaker).is_ok();
    let mut places: Vec<Origin> = facts
        .sessions
        .sessions
        .iter()
        .filter(|session| !session.status.is_up())
        .filter(|session| concerns(session.near.speaker) || concerns(session.far.speaker))
        .flat_map(|session| [session.near.cause, session.far.cause])
        .filter_map(|cause| facts.topology.peerings.get(cause.peering()? as usize))
        .map(|peering| peering.origin.clone())
        .collect();
    places.sort();
    places.dedup();
    places
}

/// Clients in another AS get the number of their reflector.
fn reflectors_number(facts: &Facts<'_>, finding: &Finding) -> Vec<Edit> {
    let topology = facts.topology;
    let with_number_from = |place: &Origin| -> Vec<Speaker> {
        (0..)
            .zip(&topology.nodes)
            .filter(|(_, node)| topology.as_number_origin(node) == place)
            .map(|(speaker, _)| speaker)
            .collect()
    };
    let reflectors = finding
        .other
        .as_ref()
        .map(|(place, _)| with_number_from(place));
    let Some(reflector) = reflectors.and_then(|nodes| nodes.first().copied()) else {
        return Vec::new();
    };
    let number = topology.as_number_of(&topology.nodes[reflector as usize]);
    vec![Edit::Annotated(with_number_from(&finding.origin), number)]
}

/// The nodes whose units a finding names.
fn nodes(facts: &Facts<'_>, finding: &Finding) -> Vec<Speaker> {
    (0..)
        .zip(&facts.topology.nodes)
        .filter(|(_, node)| {
            let name = node
                .unit
                .as_ref()
                .map_or_else(|| node.name.clone(), ToString::to_string);
            finding.units.contains(&name)
        })
        .map(|(speaker, _)| speaker)
        .collect()
}

/// A cluster ID of its own for every reflector.
fn distinct_ids(facts: &Facts<'_>) -> Vec<Edit> {
    (0..)
        .zip(&facts.topology.nodes)
        .filter(|(_, node)| node.cluster_id.is_some())
        .filter_map(|(speaker, _): (Speaker, _)| {
            // 224.x is nobody's router ID.
            let id: ClusterId = std::net::Ipv4Addr::from(0xE000_0001 + speaker)
                .to_string()
                .parse()
                .ok()?;
            Some(Edit::Cluster(speaker, Some(id)))
        })
        .collect()
}
