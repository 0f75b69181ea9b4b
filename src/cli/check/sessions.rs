//! The sessions: how many come up, and each with its status word.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::report::speaker;
use crate::cli::counted;
use crate::fabric::{Checked, ClassId, Session, Side, Speaker, Status, mesh_totals};
use crate::model::{AsNumber, Family};

/// Above as many nodes, those that nothing tells apart share a line.
const FOLDED_ABOVE: usize = 60;

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Both ends are known and agree.
    pub(super) up: u64,
    /// The other end is a router that is taken to agree.
    pub(super) assumed: u64,
    /// The rest.
    pub(super) down: u64,
}

impl Counts {
    pub(super) fn of(checked: &Checked<'_>) -> Self {
        let mut counts = Self::default();
        for session in &checked.sessions.sessions {
            counts.add(session.status, 1);
        }
        for mesh in &checked.sessions.meshes {
            for (status, number) in mesh_totals(checked.topology, mesh) {
                counts.add(status, number);
            }
        }
        counts
    }

    fn add(&mut self, status: Status, number: u64) {
        match status {
            Status::External => self.assumed += number,
            _ if status.is_up() => self.up += number,
            _ => self.down += number,
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { up, assumed, down } = self;
        write!(formatter, "{up} up, {assumed} assumed, {down} down")
    }
}

/// One line a session, or a group of them.
pub(super) fn lines(checked: &Checked<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for mesh in &checked.sessions.meshes {
        for (status, number) in mesh_totals(checked.topology, mesh) {
            lines.push(format!(
                "{:<18} mesh of {} over {}: {}",
                status.as_str(),
                counted(mesh.members.len(), "node"),
                mesh.family,
                counted(usize::try_from(number).unwrap_or(usize::MAX), "session"),
            ));
        }
    }
    if checked.topology.nodes.len() > FOLDED_ABOVE {
        lines.extend(folded(checked));
    } else {
        let sessions = checked.sessions.sessions.iter();
        lines.extend(sessions.map(|session| line(checked, session)));
    }
    lines
}

fn line(checked: &Checked<'_>, session: &Session) -> String {
    let (near, far) = (session.near.local_as, far_as(session));
    let as_numbers = if near == far {
        format!("AS {near}")
    } else {
        format!("AS {near} and {far}")
    };
    format!(
        "{:<18} {} -- {}  {as_numbers}  ({})",
        session.status.as_str(),
        end(checked, &session.near),
        end(checked, &session.far),
        origin(checked, session),
    )
}

fn end(checked: &Checked<'_>, side: &Side) -> String {
    let node = checked.topology.nodes.get(side.speaker as usize);
    let unit = node.and_then(|node| node.unit.as_ref());
    let name = unit.map_or_else(|| speaker(checked, side.speaker), ToString::to_string);
    format!("{name} {}", side.ip)
}

/// The AS number that the far end has; of a router that nobody sees, the one it is expected to have.
fn far_as(session: &Session) -> AsNumber {
    if session.far_configured {
        session.far.local_as
    } else {
        session.near.remote_as
    }
}

/// What asked for the session.
fn origin(checked: &Checked<'_>, session: &Session) -> String {
    let sides = [session.near.cause, session.far.cause];
    let peering = sides.iter().find_map(|cause| cause.peering());
    peering
        .and_then(|index| checked.topology.peerings.get(index as usize))
        .map_or_else(
            || "node-to-node-mesh".to_owned(),
            |peering| peering.origin.to_string(),
        )
}

/// Sessions between the same classes with the same status, on one line.
fn folded(checked: &Checked<'_>) -> Vec<String> {
    let mut groups: BTreeMap<(ClassId, ClassId, Family, Status), usize> = BTreeMap::new();
    for session in &checked.sessions.sessions {
        let class = |speaker: Speaker| checked.classes.of(speaker);
        let (near, far) = (class(session.near.speaker), class(session.far.speaker));
        *groups
            .entry((near, far, session.family, session.status))
            .or_default() += 1;
    }
    groups
        .into_iter()
        .map(|((near, far, family, status), number)| {
            format!(
                "{:<18} {} -- {}  {family}, {}",
                status.as_str(),
                class_name(checked, near),
                class_name(checked, far),
                counted(number, "session"),
            )
        })
        .collect()
}

fn class_name(checked: &Checked<'_>, class: ClassId) -> String {
    match checked.classes.members(class) {
        [] => String::new(),
        [only] => speaker(checked, *only),
        [first, rest @ ..] => format!("{} and {} more", speaker(checked, *first), rest.len()),
    }
}

/// Every session that a peer makes, and the mesh by status.
pub(super) fn to_json(checked: &Checked<'_>) -> Value {
    let sessions = checked.sessions.sessions.iter().map(|session| {
        json!({
            "status": session.status.as_str(),
            "family": session.family.to_string(),
            "near": side_json(checked, &session.near, session.near.local_as),
            "far": side_json(checked, &session.far, far_as(session)),
            "origin": origin(checked, session),
        })
    });
    let meshes = checked.sessions.meshes.iter().map(|mesh| {
        let by_status = mesh_totals(checked.topology, mesh).into_iter();
        let by_status: serde_json::Map<String, Value> = by_status
            .map(|(status, number)| (status.as_str().to_owned(), number.into()))
            .collect();
        json!({
            "family": mesh.family.to_string(),
            "members": mesh.members.len(),
            "sessions": by_status,
        })
    });
    json!({"peers": sessions.collect::<Vec<_>>(), "meshes": meshes.collect::<Vec<_>>()})
}

fn side_json(checked: &Checked<'_>, side: &Side, as_number: AsNumber) -> Value {
    json!({
        "speaker": speaker(checked, side.speaker),
        "address": side.ip.to_string(),
        "as_number": as_number.value(),
    })
}
