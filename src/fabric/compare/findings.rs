//! What is wrong with a change as such: F100 to F105, and F110. What is wrong with the fabric it leads to, the check says.

use std::collections::BTreeSet;

use super::{Effect, Kind, ReachChange, Reason, SessionChange};
use crate::fabric::check::Checked;
use crate::fabric::finding::Finding;
use crate::fabric::rules::wording::{counted, few, setting, speaker};
use crate::fabric::session::{Session, Speaker};
use crate::fabric::topology::{Node, Origin, Pool};
use crate::model::Encapsulation;

/// A change, as far as the rules look at it.
pub(super) struct Change<'a> {
    pub(super) there: &'a Checked<'a>,
    pub(super) wanted: &'a Checked<'a>,
    pub(super) changed: &'a [SessionChange],
    /// Pairs that reach each other no longer.
    pub(super) lost: &'a [&'a ReachChange],
}

/// The findings, worst first.
pub(super) fn findings(change: &Change<'_>) -> Vec<Finding> {
    let rules = [
        replacements_come_later,
        sessions_restart,
        mesh_isolates,
        last_reflector,
        as_numbers_move,
        encapsulation_changes,
    ];
    let mut found: Vec<Finding> = rules.iter().filter_map(|rule| rule(change)).collect();
    found.sort_by_key(|finding| (finding.severity(), finding.code));
    found
}

impl Change<'_> {
    fn mesh_goes(&self) -> bool {
        self.there.topology.mesh.value && !self.wanted.topology.mesh.value
    }

    /// Nodes in both fabrics that a test tells apart, by their speakers then.
    fn nodes_where(&self, differs: impl Fn(&Node, &Node) -> bool) -> Vec<Speaker> {
        let nodes = (0..).zip(&self.wanted.topology.nodes);
        nodes
            .filter(|(_, then)| {
                let now = self.there.topology.nodes.iter();
                let mut now = now.filter(|now| now.name == then.name);
                now.any(|now| differs(now, then))
            })
            .map(|(speaker, _)| speaker)
            .collect()
    }

    fn sessions_of(&self, is_one: impl Fn(&SessionChange) -> bool) -> u64 {
        let changed = self.changed.iter().filter(|change| is_one(change));
        changed.map(|change| change.sessions).sum()
    }

    fn name(&self, one: Speaker) -> String {
        speaker(self.wanted.topology, &self.wanted.sessions, one)
    }
}

/// F100: nobody waits for the new sessions before the mesh's old ones go.
fn replacements_come_later(change: &Change<'_>) -> Option<Finding> {
    let of_mesh =
        |one: &SessionChange| one.effect == Effect::Lost && one.before == Some(Kind::Mesh);
    let lost: Vec<&SessionChange> = change.changed.iter().filter(|one| of_mesh(one)).collect();
    let losing: BTreeSet<&String> = lost
        .iter()
        .flat_map(|one| one.near.iter().chain(&one.far))
        .collect();
    let replaces = |one: &SessionChange| {
        let mut ends = one.near.iter().chain(&one.far);
        one.effect == Effect::Gained && ends.any(|end| losing.contains(end))
    };
    let new = change.sessions_of(replaces);
    let old: u64 = lost.iter().map(|one| one.sessions).sum();
    if old == 0 || new == 0 {
        return None;
    }
    let (sessions, instead) = (counted(old, "session"), counted(new, "new session"));
    let units = losing.into_iter().cloned();
    Some(if change.mesh_goes() {
        let message = format!(
            "takes {sessions} of the mesh away, which nobody holds up until the {instead} are up"
        );
        Finding::new(100, change.wanted.topology.mesh.origin.clone(), message)
            .remedy("keep the mesh until the new sessions are up, then switch it off")
            .command(setting("node-to-node-mesh", true))
            .units(units)
    } else {
        let message = format!(
            "takes reflectors out of the mesh and {sessions} with them, which nobody holds up until the {instead} are up"
        );
        Finding::new(100, Origin::option("route-reflector-cluster-ids"), message)
            .remedy("set the peers first, and the cluster IDs once their sessions are up")
            .units(units)
    })
}

/// F101: sessions whose ends stay and that go down for a moment.
fn sessions_restart(change: &Change<'_>) -> Option<Finding> {
    let restarts = |reason: Reason| {
        let number = change.sessions_of(|one| one.effect == Effect::Restarted(reason));
        (number > 0).then_some((number, reason))
    };
    let several = moved_as_numbers(change).len() > 1;
    let reasons = [
        Reason::Kind,
        Reason::AsNumber,
        Reason::Reflection,
        Reason::Setting,
    ];
    let found: Vec<(u64, Reason)> = reasons
        .into_iter()
        // F105 tells of AS numbers that move on many nodes.
        .filter(|reason| !(several && *reason == Reason::AsNumber))
        .filter_map(restarts)
        .collect();
    let (_, reason) = found.first()?;
    let number = found.iter().map(|(number, _)| number).sum();
    let causes: Vec<&str> = found.iter().map(|(_, reason)| reason.as_str()).collect();
    let message = format!(
        "restarts {} ({}): a pair that has no other way is cut off for about two seconds",
        counted(number, "session"),
        causes.join(", ")
    );
    let moved = moved_as_numbers(change);
    let first = || {
        let mut changed = change.changed.iter();
        let of_reason = changed.find(|one| one.effect == Effect::Restarted(*reason));
        of_reason.map_or_else(
            || Origin::option("global-bgp-peers"),
            |one| one.origin.clone(),
        )
    };
    let origin = match (reason, moved.first()) {
        (Reason::Kind, _) if change.mesh_goes() => change.wanted.topology.mesh.origin.clone(),
        (Reason::AsNumber, Some(node)) => as_origin(change, *node),
        (Reason::Reflection, _) => Origin::option("route-reflector-cluster-ids"),
        _ => first(),
    };
    Some(Finding::new(101, origin, message).remedy("choose a quiet time for it"))
}

/// F102: what F060 would say after the change.
fn mesh_isolates(change: &Change<'_>) -> Option<Finding> {
    if !change.mesh_goes() || change.lost.is_empty() {
        return None;
    }
    let names: BTreeSet<&String> = change.lost.iter().flat_map(|one| &one.from).collect();
    let names: Vec<&String> = names.into_iter().collect();
    let pairs = change.lost.iter().map(|one| one.pairs).sum();
    let message = format!(
        "without the mesh, {} lose {} that they reach now",
        few(&names),
        counted(pairs, "pair")
    );
    let mesh = &change.wanted.topology.mesh;
    Some(
        Finding::new(102, mesh.origin.clone(), message)
            .remedy("keep the mesh until every node has a peer that knows the others' routes; `check` says when")
            .command(setting("node-to-node-mesh", true))
            .units(names.into_iter().cloned()),
    )
}

/// F103: a reflector goes, and some of its clients have none then and are in no mesh.
fn last_reflector(change: &Change<'_>) -> Option<Finding> {
    let (there, wanted) = (change.there, change.wanted);
    let then = |name: &str| {
        let place = wanted
            .topology
            .nodes
            .iter()
            .position(|node| node.name == name)?;
        u32::try_from(place).ok()
    };
    let served: BTreeSet<Speaker> = clients(wanted).map(|(_, client)| client).collect();
    let in_mesh = |one: Speaker| {
        let mut meshes = wanted.sessions.meshes.iter();
        meshes.any(|mesh| mesh.members.binary_search(&one).is_ok())
    };
    for (reflector, node) in (0..).zip(&there.topology.nodes) {
        let stays = then(&node.name)
            .is_some_and(|one| wanted.topology.nodes[one as usize].cluster_id.is_some());
        if node.cluster_id.is_none() || stays {
            continue;
        }
        let mut left: Vec<Speaker> = clients(there)
            .filter(|(of, _)| *of == reflector)
            .filter_map(|(_, client)| then(&there.topology.nodes[client as usize].name))
            .filter(|client| !served.contains(client) && !in_mesh(*client))
            .filter(|client| wanted.topology.nodes[*client as usize].cluster_id.is_none())
            .collect();
        left.sort_unstable();
        left.dedup();
        if left.is_empty() {
            continue;
        }
        let name = speaker(there.topology, &there.sessions, reflector);
        let units: Vec<String> = left.iter().map(|one| change.name(*one)).collect();
        let message = format!(
            "{name} reflects no longer, and was the last reflector of {}",
            few(&units)
        );
        let origin = node.cluster_id.as_ref().map(|told| told.origin.clone());
        let origin = origin.filter(|origin| origin.place().is_some());
        let origin = origin.unwrap_or_else(|| Origin::option("route-reflector-cluster-ids"));
        return Some(
            Finding::new(103, origin, message)
                .remedy("give another unit a cluster ID and peer the others with it first")
                .units(units),
        );
    }
    None
}

/// Reflectors with their clients among the nodes, from sessions that are up.
fn clients<'a>(checked: &'a Checked<'_>) -> impl Iterator<Item = (Speaker, Speaker)> + 'a {
    let up =
        |session: &&Session| session.status.is_up() && session.far.speaker < checked.sessions.nodes;
    let sessions = checked.sessions.sessions.iter().filter(up);
    sessions.flat_map(|session| {
        let sides = [(&session.near, &session.far), (&session.far, &session.near)];
        let reflecting = sides.into_iter().filter(|(one, _)| one.client);
        reflecting.map(|(one, other)| (one.speaker, other.speaker))
    })
}

fn moved_as_numbers(change: &Change<'_>) -> Vec<Speaker> {
    let (there, wanted) = (change.there.topology, change.wanted.topology);
    change.nodes_where(|now, then| there.as_number_of(now) != wanted.as_number_of(then))
}

fn as_origin(change: &Change<'_>, one: Speaker) -> Origin {
    let topology = change.wanted.topology;
    topology
        .as_number_origin(&topology.nodes[one as usize])
        .clone()
}

/// F105: all sessions of many nodes restart, and stay down towards whoever expects the old number.
fn as_numbers_move(change: &Change<'_>) -> Option<Finding> {
    let moved = moved_as_numbers(change);
    let restarted = change.sessions_of(|one| one.effect == Effect::Restarted(Reason::AsNumber));
    let ([first, _, ..], true) = (moved.as_slice(), restarted > 0) else {
        return None;
    };
    let units: Vec<String> = moved.iter().map(|one| change.name(*one)).collect();
    let message = format!(
        "changes the AS number of {}: {} restart, and stay down until both ends have the new number",
        few(&units),
        counted(restarted, "session")
    );
    Some(
        Finding::new(105, as_origin(change, *first), message)
            .remedy("change one subnet of subnet-as-numbers at a time, and the routers' neighbours with it")
            .units(units),
    )
}

/// F110: nodes follow one after the other, and one with the new tunnel and one with the old do not understand each other.
fn encapsulation_changes(change: &Change<'_>) -> Option<Finding> {
    let (there, wanted) = (change.there.topology, change.wanted.topology);
    let before = |pool: &Pool| there.pools.iter().find(|now| now.cidr == pool.cidr);
    let mut changed = wanted
        .pools
        .iter()
        .filter_map(|pool| Some((before(pool)?, pool)))
        .filter(|(now, then)| !now.encapsulation.has_tunnel_of(then.encapsulation));
    let (now, then) = changed.next()?;
    let others = match changed.count() {
        0 => String::new(),
        more => format!(", and of {} more", counted(more as u64, "pool")),
    };
    let option = match (then.encapsulation, now.encapsulation) {
        (Encapsulation::Vxlan(_), _) | (Encapsulation::None, Encapsulation::Vxlan(_)) => "vxlan",
        _ => "ipip",
    };
    let message = format!(
        "changes the tunnel of pool {}{others} from {} to {}: pods on different nodes cannot reach each other until \
         every node has followed",
        then.cidr,
        tunnel(now.encapsulation),
        tunnel(then.encapsulation),
    );
    Some(Finding::new(110, Origin::option(option), message).remedy(
        "change cidr with it: the old pool keeps its tunnel, and migrate-pool moves its pods to the new one",
    ))
}

fn tunnel(encapsulation: Encapsulation) -> &'static str {
    match encapsulation {
        Encapsulation::None => "none",
        Encapsulation::Ipip(_) => "IPIP",
        Encapsulation::Vxlan(_) => "VXLAN",
    }
}
