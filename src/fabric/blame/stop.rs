//! Where a route stops, and by which rule.

use std::collections::VecDeque;

use super::super::check::way;
use super::super::classes::ClassId;
use super::super::facts::Facts;
use super::super::mesh::mesh_status;
use super::super::reach::{Fate, Plane};
use super::super::rules::wording::speaker;
use super::super::session::{Session, Status};
use super::super::topology::Node;
use super::loss::Loss;

/// What joins two classes.
#[derive(Debug, Clone, Copy)]
enum Link<'a> {
    Session(&'a Session),
    Mesh,
    Uplink,
}

/// The neighbours of every class, sessions that are down included.
fn links<'a>(facts: &Facts<'a>, plane: &Plane) -> Vec<Vec<(ClassId, Link<'a>)>> {
    let mut links: Vec<Vec<(ClassId, Link<'a>)>> = vec![Vec::new(); facts.classes.len()];
    for session in facts
        .sessions
        .sessions
        .iter()
        .filter(|one| one.family == plane.family)
    {
        let near = facts.classes.of(session.near.speaker);
        let far = facts.classes.of(session.far.speaker);
        links[near as usize].push((far, Link::Session(session)));
        links[far as usize].push((near, Link::Session(session)));
    }
    links
}

/// Why the packets of a loss do not arrive, to follow a colon.
pub(super) fn reason(facts: &Facts<'_>, loss: &Loss) -> String {
    let plane = &facts.planes[loss.plane];
    match loss.fate {
        Fate::Loop => return circle(facts, loss),
        Fate::Unresolved => {
            return "the route's next hop is on another subnet, and there is no default route to it".to_owned();
        }
        Fate::TunnelToRouter => {
            return "the route's next hop is a router, which takes no packets out of the IPIP tunnel".to_owned();
        }
        _ => {}
    }
    if plane.received(loss.origin, loss.at) {
        return "the default gateway has no route to the pods".to_owned();
    }
    boundary(facts, plane, loss).unwrap_or_else(|| "no session leads there".to_owned())
}

/// Where packets go round.
fn circle(facts: &Facts<'_>, loss: &Loss) -> String {
    let plane = &facts.planes[loss.plane];
    let hops = way(facts, plane, loss.origin, loss.at);
    let names: Vec<String> = hops
        .iter()
        .map(|hop| {
            speaker(
                facts.topology,
                facts.sessions,
                facts.classes.class(hop.at).first(),
            )
        })
        .collect();
    match names.len() {
        0..=1 => "they go round in circles".to_owned(),
        _ => format!("they go round in circles ({})", names.join(" > ")),
    }
}

/// The last speaker on the way that has the route, and why the next one has it not.
fn boundary(facts: &Facts<'_>, plane: &Plane, loss: &Loss) -> Option<String> {
    let links = links(facts, plane);
    let count = facts.classes.len();
    let has = |class: ClassId| class == loss.origin || plane.received(loss.origin, class);
    // From the loss back to the nearest that has the route: the first step over is where it stops.
    let mut toward: Vec<Option<(ClassId, Link<'_>)>> = vec![None; count];
    let mut queue = VecDeque::from([loss.at]);
    let mut seen = vec![false; count];
    seen[loss.at as usize] = true;
    let in_mesh =
        |class: ClassId| {
            let first = facts.classes.class(class).first();
            facts.sessions.meshes.iter().any(|mesh| {
                mesh.family == plane.family && mesh.members.binary_search(&first).is_ok()
            })
        };
    while let Some(at) = queue.pop_front() {
        let here = facts.classes.class(at);
        let hub: Vec<(ClassId, Link<'_>)> = facts
            .classes
            .iter()
            .filter(|(id, _)| *id != at)
            .filter_map(|(id, other)| {
                if here.router && other.router {
                    Some((id, Link::Uplink))
                } else if !here.router && !other.router && in_mesh(at) && in_mesh(id) {
                    Some((id, Link::Mesh))
                } else {
                    None
                }
            })
            .collect();
        for (next, link) in links[at as usize].iter().copied().chain(hub) {
            if std::mem::replace(&mut seen[next as usize], true) {
                continue;
            }
            toward[next as usize] = Some((at, link));
            if has(next) {
                return Some(why(facts, plane, loss, next, at, link));
            }
            queue.push_back(next);
        }
    }
    None
}

fn why(
    facts: &Facts<'_>,
    plane: &Plane,
    loss: &Loss,
    from: ClassId,
    to: ClassId,
    link: Link<'_>,
) -> String {
    let name = |class: ClassId| {
        speaker(
            facts.topology,
            facts.sessions,
            facts.classes.class(class).first(),
        )
    };
    let (one, other) = (name(from), name(to));
    match link {
        Link::Session(session) if !session.status.is_up() => {
            format!(
                "the session between {one} and {other} {}",
                down(session.status)
            )
        }
        Link::Session(session) => {
            let from_near = facts.classes.of(session.near.speaker) == from;
            let (sender, receiver) = if from_near {
                (session.near, session.far)
            } else {
                (session.far, session.near)
            };
            if !sender.is_internal() {
                format!(
                    "{other} drops the route, because its own AS number {} is in the AS path",
                    receiver.local_as
                )
            } else if sender.client {
                format!(
                    "{one} does not send it to {other}, because the route has been through its cluster ID"
                )
            } else if facts.classes.class(from).router {
                format!(
                    "{one} passes on nothing inside its AS: it is not said to be a route reflector"
                )
            } else if from == loss.origin {
                format!("{one} holds it back from {other}")
            } else {
                format!(
                    "{one} passes on nothing to {other} that it has from its own AS: it is no route reflector for it"
                )
            }
        }
        Link::Mesh => mesh(facts, plane, from, to, &one, &other),
        Link::Uplink => uplink(facts, from, to, &one, &other),
    }
}

fn uplink(facts: &Facts<'_>, from: ClassId, to: ClassId, one: &str, other: &str) -> String {
    let router = |class: ClassId| {
        let index = facts.classes.class(class).first() - facts.sessions.nodes;
        facts.sessions.routers.get(index as usize)
    };
    match (router(from), router(to)) {
        (Some(from), Some(to)) if from.as_number != to.as_number => {
            format!(
                "{other} drops the route, because its own AS number {} is in the AS path",
                to.as_number
            )
        }
        _ => format!("{one} passes on nothing to {other} that it has from their common AS"),
    }
}

fn mesh(
    facts: &Facts<'_>,
    plane: &Plane,
    from: ClassId,
    to: ClassId,
    one: &str,
    other: &str,
) -> String {
    let node = |class: ClassId| -> Option<&Node> {
        let first = facts.classes.class(class).first();
        facts.topology.nodes.get(first as usize)
    };
    let status = match (node(from), node(to)) {
        (Some(from), Some(to)) => mesh_status(facts.topology, plane.family, from, to),
        _ => Status::NoReverse,
    };
    if status.is_up() {
        format!("{one} passes on nothing that it has from the mesh")
    } else {
        format!(
            "the mesh's session between {one} and {other} {}",
            down(status)
        )
    }
}

/// Why a session is not up, as a predicate.
fn down(status: Status) -> &'static str {
    match status {
        Status::Established | Status::External => "is up",
        Status::AsMismatch => "stays down, because the sides expect other AS numbers",
        Status::NoReverse => "stays down, because the other side has no such peer",
        Status::BothPassive => "stays down, because both sides wait for the other",
        Status::PortMismatch => "stays down, because nobody listens on the port",
        Status::PasswordMismatch => "stays down, because the sides have different passwords",
        Status::TtlMismatch => "stays down, because one side alone has TTL security",
        Status::NotMultihop => {
            "stays down, because it is between two AS numbers and crosses subnets"
        }
        Status::RouterIdClash => "stays down, because both sides have one router ID",
        Status::Shadowed => "stays idle behind the mesh's",
        Status::NoBird => "stays down, because BIRD does not run",
    }
}
