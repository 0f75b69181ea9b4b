//! The leader's clean-up after units that are gone. Performs IO.

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use super::{Identity, Report};
use crate::cluster::kubernetes::SIDE_BY_SIDE;
use crate::cluster::node_status::optional;
use crate::cluster::{ApiError, Kubernetes, Mode, get_all, node_path, runs_pods};
use crate::model::{NodeName, UnitName};
use crate::plan::{
    Live, Membership, NodeClaim, Orphan, Plan, Step, claim, delete_step, is_peer_of, orphans,
    plan_release, remove_status, unit_of_status,
};
use crate::render::{
    ANNOTATION_CLUSTER_ID, BGP_ANNOTATIONS, BgpPeerName, Kind, LABEL_ZONE, OWN_ANNOTATIONS,
};

/// Every Node and every BGPPeer of the application, metadata alone: where what is left behind is looked for.
pub struct Seen<'a> {
    /// [`nodes`].
    pub nodes: &'a [Live],
    /// [`peers`].
    pub peers: &'a [Live],
    /// Whether others still need the reflector that a unit, by its name, has been.
    pub need: &'a dyn Fn(&str) -> Need,
}

/// How long others need a reflector whose unit is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// No longer.
    None,
    /// Until every unit has what comes in its place.
    DuringTheChange,
    /// Until the options name others.
    WhileNamed,
}

impl Need {
    /// What stands beside `Ready` for as long: who deletes such a Node takes the others' routes with it.
    fn note(self, node: &str, unit: &str) -> Option<String> {
        Some(match self {
            Self::None => return None,
            Self::DuringTheChange => {
                format!("Node {node} of {unit}, which is gone, reflects until the change is done")
            }
            Self::WhileNamed => format!(
                "route-reflector-cluster-ids: name others than {unit}, which is gone, then delete its Node {node}"
            ),
        })
    }
}

/// Every Node's name, and the charm's record on it. Listed before the hook's own writes, as [`peers`] are: an API server
/// that lists from its cache first waits for the cache to have seen every write so far, which takes up to 100 ms
/// (`apiserver/pkg/storage/cacher`).
///
/// # Errors
/// When they cannot be listed.
pub async fn nodes(kubernetes: &Kubernetes) -> Result<Vec<Live>, ApiError> {
    let keep = |node: Value| Some(claim_on(&node));
    kubernetes.list_metadata("/api/v1/nodes", keep).await
}

/// Every BGPPeer, those that have a name of this application's with what says whose they are.
///
/// # Errors
/// When they cannot be listed.
pub async fn peers(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
) -> Result<Peers, ApiError> {
    let path = Kind::BgpPeer.path(mode.group);
    let keep = |peer| Some(ownership_of(peer, &identity.owner.application));
    let mut found = Peers::default();
    for peer in kubernetes.list_metadata(&path, keep).await? {
        match peer {
            Ok(own) => found.own.push(own),
            Err(other) => found.others.push(other),
        }
    }
    Ok(found)
}

/// The removal of what units that are gone have asked calico-node to report.
///
/// # Errors
/// When the objects cannot be listed; where there can be none there is nothing to do.
pub async fn statuses(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    membership: &Membership,
) -> Result<Plan, ApiError> {
    let owner = &identity.owner;
    let keep = |status| unit_of_status(&Live::new(status), owner);
    let path = Kind::CalicoNodeStatus.path(mode.group);
    let units = optional(kubernetes.list_metadata(&path, keep).await)?.unwrap_or_default();
    let gone = units
        .iter()
        .filter(|unit| !membership.units.contains(&unit.to_string()));
    let mut plan = Plan::default();
    plan.push(gone.map(|unit| remove_status(unit, owner, None)).collect());
    Ok(plan)
}

/// The BGPPeers of a cluster.
#[derive(Debug, Default)]
pub struct Peers {
    /// Those that have a name of this application's.
    pub own: Vec<Live>,
    /// The names of all others.
    pub others: Vec<String>,
}

/// Of a Node its name, the charm's record on it, and what Calico makes a BGP speaker of.
pub fn claim_on(node: &Value) -> Live {
    let metadata = &node["metadata"];
    let record: Map<String, Value> = OWN_ANNOTATIONS
        .iter()
        .chain(&BGP_ANNOTATIONS)
        .filter_map(|key| Some(((*key).to_owned(), metadata["annotations"].get(key)?.clone())))
        .collect();
    let mut kept = json!({"name": metadata["name"], "annotations": record});
    if let Some(zone) = metadata["labels"].get(LABEL_ZONE) {
        kept["labels"] = json!({LABEL_ZONE: zone});
    }
    Live::new(json!({"metadata": kept}))
}

/// Of a BGPPeer that has a name of this application's what says whose it is: all but who wrote which field; of any other
/// its name.
fn ownership_of(mut peer: Value, application: &str) -> Result<Live, String> {
    let metadata = &mut peer["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    if BgpPeerName::parse(name, application).is_none() {
        return Err(name.to_owned());
    }
    let entries = metadata["managedFields"].as_array_mut();
    let entries = entries
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut);
    for entry in entries {
        entry.remove("fieldsV1");
    }
    Ok(Live::new(peer))
}

/// What is to be cleared up, every item confirmed against the API: a BGPPeer only once its Node is gone, a Node only
/// once it runs no pod that needs its routes. `done` is what this hook has written since they were listed.
///
/// # Errors
/// When the API cannot be asked.
pub async fn plan(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    membership: &Membership,
    Seen { nodes, peers, need }: &Seen<'_>,
    done: &Plan,
    report: &mut Report,
) -> Result<Plan, ApiError> {
    let (mut plan, mut labels, mut forsaken) = (Plan::default(), Vec::new(), Vec::new());
    for orphan in orphans(&identity.unit, &identity.owner, membership, nodes, peers) {
        match orphan {
            Orphan::Unlabelled { name, .. } if done.steps().any(|step| step.is_of_peer(&name)) => {}
            Orphan::Unlabelled {
                name,
                unit,
                resource_version,
            } => labels.push(Step::Relabel {
                kind: Kind::BgpPeer,
                name,
                labels: identity.owner.unit_labels(&unit),
                resource_version,
            }),
            Orphan::Peer { name } => forsaken.push(name),
            Orphan::Node { name, unit, peers } => {
                let reflects = |node: &Live| {
                    node.name() == name && node.annotation(ANNOTATION_CLUSTER_ID).is_some()
                };
                let needed = nodes.iter().any(reflects).then(|| need(&unit));
                if let Some(note) = needed.and_then(|need| need.note(&name, &unit)) {
                    report.note(note);
                } else if runs_pods(kubernetes, &name).await? {
                    report.note(format!(
                        "Node {name} of {unit}, which is gone, still runs pods: drain or delete it"
                    ));
                } else if let Ok(unit) = unit.parse() {
                    plan.append(released(kubernetes, mode, identity, &name, &unit, &peers).await?);
                }
            }
        }
    }
    plan.push(labels);
    let looking = forsaken
        .iter()
        .map(|name| forsaken_peer(kubernetes, mode, identity, name, nodes));
    let gone: Vec<Option<Step>> = stream::iter(looking)
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    plan.push(gone.into_iter().flatten().collect());
    Ok(plan)
}

/// A BGPPeer goes when the Node it is for does not exist.
async fn forsaken_peer(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    name: &str,
    nodes: &[Live],
) -> Result<Option<Step>, ApiError> {
    let path = Kind::BgpPeer.object_path(mode.group, name);
    let Some(peer) = kubernetes.get(&path).await?.map(Live::new) else {
        return Ok(None);
    };
    let node = peer.spec_text("node");
    let unit = BgpPeerName::parse(name, &identity.owner.application).and_then(|name| {
        let unit = format!("{}/{}", identity.owner.application, name.unit_number());
        unit.parse::<UnitName>().ok()
    });
    let ours = unit.is_some_and(|unit| is_peer_of(&peer, &unit, &identity.owner, node));
    let listed = nodes.iter().any(|live| live.name() == node);
    // What is no Node name must not become part of a path.
    if !ours || listed || node.parse::<NodeName>().is_err() {
        return Ok(None);
    }
    if kubernetes.get(&node_path(node)).await?.is_some() {
        return Ok(None);
    }
    Ok(Some(delete_step(
        &peer,
        &format!("its Node {node} is gone"),
    )))
}

async fn released(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    node: &str,
    unit: &UnitName,
    peers: &[String],
) -> Result<Plan, ApiError> {
    let live = kubernetes.get(&node_path(node)).await?.map(Live::new);
    // Another unit may have taken it over since.
    let claimed = |live: &Live| claim(live, unit, &identity.owner) == NodeClaim::Ours;
    let Some(live) = live.filter(claimed) else {
        return Ok(Plan::default());
    };
    let paths: Vec<String> = peers
        .iter()
        .map(|name| Kind::BgpPeer.object_path(mode.group, name))
        .collect();
    let peers = get_all(kubernetes, &paths).await?;
    let peers: Vec<Live> = peers.into_iter().map(Live::new).collect();
    Ok(plan_release(&live, unit, &identity.owner, &peers))
}
