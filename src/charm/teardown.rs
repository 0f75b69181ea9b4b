//! The principal or the unit is going: its own BGPPeers and annotations go, nothing else. Performs IO.

use futures::try_join;

use super::{API_DEADLINE, Identity, Report, Surroundings, reach};
use crate::cluster::{ApiError, Kubernetes, apply_wave, escape, mode, node_path, runs_pods};
use crate::host::Host;
use crate::juju::HookTools;
use crate::plan::{Live, NodeClaim, claim, plan_release};
use crate::render::Kind;

/// Takes this unit's things away. Whatever keeps it from doing so is only logged: the unit goes all the same, and the
/// leader clears up once the Node is gone or empty.
pub async fn run<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    identity: &Identity,
    report: &mut Report,
) {
    let kubernetes = match reach(surroundings.access).await {
        Ok(kubernetes) => kubernetes,
        Err(unreachable) => return left_behind(report, &unreachable),
    };
    let hostname = surroundings.host.hostname().to_lowercase();
    let releasing = release(&kubernetes, identity, &hostname, report);
    match tokio::time::timeout(API_DEADLINE, releasing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => left_behind(report, &error),
        Err(_) => left_behind(report, &"the Kubernetes API took too long"),
    }
}

fn left_behind(report: &mut Report, reason: &dyn std::fmt::Display) {
    report.warning(format!(
        "BGPPeers and annotations of this unit stay for now, the leader removes them: {reason}"
    ));
}

async fn release(
    kubernetes: &Kubernetes,
    identity: &Identity,
    hostname: &str,
    report: &mut Report,
) -> Result<(), ApiError> {
    let by_hostname = node_path(hostname);
    let (groups, named) = try_join!(kubernetes.get("/apis"), kubernetes.get(&by_hostname))?;
    let Ok(mode) = mode(kubernetes, &groups.unwrap_or_default()).await? else {
        left_behind(report, &"Calico's objects cannot be written now");
        return Ok(());
    };
    let Some(node) = own_node(kubernetes, identity, named).await? else {
        return Ok(());
    };
    if runs_pods(kubernetes, node.name()).await? {
        left_behind(report, &format!("Node {} still runs pods", node.name()));
        return Ok(());
    }
    let selector = identity.owner.unit_selector(&identity.unit);
    let query = format!("labelSelector={}", escape(&selector));
    let peers = kubernetes
        .list(&Kind::BgpPeer.path(mode.group), &query)
        .await?;
    let peers: Vec<Live> = peers.into_iter().map(Live::new).collect();
    let plan = plan_release(&node, &identity.unit, &identity.owner, &peers);
    for wave in plan.waves() {
        report.done(apply_wave(kubernetes, mode, wave).await)?;
    }
    Ok(())
}

/// The Node that this unit has claimed: the one called like the machine, else whichever carries the claim.
async fn own_node(
    kubernetes: &Kubernetes,
    identity: &Identity,
    named: Option<serde_json::Value>,
) -> Result<Option<Live>, ApiError> {
    let claimed = |node: &Live| claim(node, &identity.unit, &identity.owner) == NodeClaim::Ours;
    if let Some(node) = named.map(Live::new).filter(claimed) {
        return Ok(Some(node));
    }
    let keep = |node| Some(Live::new(node)).filter(claimed);
    let nodes = kubernetes.list_metadata("/api/v1/nodes", keep).await?;
    let Some(found) = nodes.first() else {
        return Ok(None);
    };
    let node = kubernetes.get(&node_path(found.name())).await?;
    Ok(node.map(Live::new))
}
