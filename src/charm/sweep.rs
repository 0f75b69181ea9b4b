//! The leader's clean-up after units that are gone. Performs IO.

use futures::future::try_join_all;
use futures::try_join;

use super::Identity;
use crate::cluster::{ApiError, Kubernetes, Mode, node_path, runs_pods};
use crate::model::UnitName;
use crate::plan::{
    Live, Membership, Orphan, Plan, Step, delete_step, is_peer_of, orphans, plan_release,
};
use crate::render::Kind;

/// What is to be cleared up, every item confirmed against the API: a BGPPeer only once its Node is gone, a Node only
/// once it runs no pod that needs its routes.
///
/// # Errors
/// When the API cannot be asked.
pub async fn plan(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    membership: &Membership,
) -> Result<Plan, ApiError> {
    let peers_path = Kind::BgpPeer.path(mode.group);
    let (nodes, peers) = try_join!(
        kubernetes.list_metadata("/api/v1/nodes", ""),
        kubernetes.list_metadata(&peers_path, ""),
    )?;
    let live = |found: Vec<_>| found.into_iter().map(Live::new).collect::<Vec<_>>();
    let (nodes, peers) = (live(nodes), live(peers));
    let mut waves: Vec<Vec<Step>> = vec![Vec::new()];
    for orphan in orphans(&identity.unit, &identity.owner, membership, &nodes, &peers) {
        match orphan {
            Orphan::Unlabelled { name, unit } => waves[0].push(Step::Relabel {
                kind: Kind::BgpPeer,
                name,
                labels: identity.owner.unit_labels(&unit),
            }),
            Orphan::Peer { name } => {
                waves[0].extend(forsaken_peer(kubernetes, mode, identity, &name).await?);
            }
            Orphan::Node { name, unit, peers } => {
                if let Ok(unit) = unit.parse() {
                    let released =
                        released(kubernetes, mode, identity, &name, &unit, &peers).await?;
                    waves.extend(released.waves().iter().cloned());
                }
            }
        }
    }
    let mut plan = Plan::default();
    for wave in waves {
        plan.push(wave);
    }
    Ok(plan)
}

/// A BGPPeer goes when the Node it is for does not exist.
async fn forsaken_peer(
    kubernetes: &Kubernetes,
    mode: Mode,
    identity: &Identity,
    name: &str,
) -> Result<Option<Step>, ApiError> {
    let path = Kind::BgpPeer.object_path(mode.group, name);
    let Some(peer) = kubernetes.get(&path).await?.map(Live::new) else {
        return Ok(None);
    };
    let node = peer.spec_text("node");
    let unit =
        crate::render::BgpPeerName::parse(name, &identity.owner.application).and_then(|name| {
            let unit = format!("{}/{}", identity.owner.application, name.unit_number());
            unit.parse::<UnitName>().ok()
        });
    let ours = unit.is_some_and(|unit| is_peer_of(&peer, &unit, &identity.owner, node));
    if !ours || node.is_empty() || kubernetes.get(&node_path(node)).await?.is_some() {
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
    let Some(live) = kubernetes.get(&node_path(node)).await? else {
        return Ok(Plan::default());
    };
    if runs_pods(kubernetes, node).await? {
        return Ok(Plan::default());
    }
    let paths: Vec<String> = peers
        .iter()
        .map(|name| Kind::BgpPeer.object_path(mode.group, name))
        .collect();
    let peers = try_join_all(paths.iter().map(|path| kubernetes.get(path))).await?;
    let peers: Vec<Live> = peers.into_iter().flatten().map(Live::new).collect();
    Ok(plan_release(
        &Live::new(live),
        unit,
        &identity.owner,
        &peers,
    ))
}
