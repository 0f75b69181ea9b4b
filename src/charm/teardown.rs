//! The principal or the unit is going: its own BGPPeers and annotations go, and with the unit what is on the machine.
//! Performs IO.

use futures::try_join;

use super::reconcile::ATTEMPTS;
use super::rollout::mesh_is_on;
use super::{API_DEADLINE, Identity, Report, Surroundings, machine, reach};
use crate::cluster::{
    ApiError, Failure, Kubernetes, Mode, apply_wave, escape, internal_ips, mode, node_path,
    running, runs_pods,
};
use crate::host::{Host, NodeSeen};
use crate::juju::{Hook, HookTools};
use crate::plan::{Live, NodeClaim, claim, plan_release};
use crate::render::{ANNOTATION_CLUSTER_ID, Kind};

/// Takes this unit's things away: in the cluster in both hooks, on the machine in `remove`, which is a unit's last hook
/// (a principal has drained its Node and deleted it by then, if it ever does). Whatever keeps it from doing so is only
/// logged: the unit goes all the same, and the leader clears up once the Node is gone or empty.
pub async fn run<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    hook: Hook,
    identity: &Identity,
    report: &mut Report,
) {
    let removes = hook == Hook::Remove;
    let node = in_cluster(surroundings, removes, identity, report).await;
    if removes {
        machine::footprint(surroundings.host, &node, report).await;
    }
}

/// Releases the Node, and looks whether the machine still needs Calico's network where that matters.
async fn in_cluster<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    looks: bool,
    identity: &Identity,
    report: &mut Report,
) -> NodeSeen {
    let kubernetes = match reach(surroundings.access).await {
        Ok(kubernetes) => kubernetes,
        Err(unreachable) => {
            left_behind(report, &unreachable);
            return NodeSeen::Unknown;
        }
    };
    let hostname = surroundings.host.hostname().to_lowercase();
    let mut seen = NodeSeen::Unknown;
    let work = async {
        if looks {
            seen = node_seen(&kubernetes, surroundings.host, &hostname).await?;
        }
        insist(&kubernetes, identity, &hostname, report).await
    };
    match tokio::time::timeout(API_DEADLINE, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => left_behind(report, &error),
        Err(_) => left_behind(report, &"the Kubernetes API took too long"),
    }
    seen
}

/// What the cluster says of the machine's Node. More counts as this machine's here than where a Node is to be written
/// to: to leave the network of a stranger's Node alone is a smaller mistake than to cut a Node off.
async fn node_seen<H: Host>(
    kubernetes: &Kubernetes,
    host: &H,
    hostname: &str,
) -> Result<NodeSeen, ApiError> {
    let Some(name) = node_of_machine(kubernetes, host, hostname).await? else {
        return Ok(NodeSeen::Gone);
    };
    let running = running(kubernetes, &name).await?;
    Ok(match (running.pods, running.agent) {
        (true, _) => NodeSeen::Busy(name),
        (false, true) => NodeSeen::Served(name),
        (false, false) => NodeSeen::Idle(name),
    })
}

/// The Node called like the machine, or with one of its addresses.
async fn node_of_machine<H: Host>(
    kubernetes: &Kubernetes,
    host: &H,
    hostname: &str,
) -> Result<Option<String>, ApiError> {
    if kubernetes.get(&node_path(hostname)).await?.is_some() {
        return Ok(Some(hostname.to_owned()));
    }
    let addresses = host.addresses();
    let fqdn = host.fqdn().await.map(|name| name.to_lowercase());
    let nodes = kubernetes.list("/api/v1/nodes", "").await?;
    let found = nodes.into_iter().map(Live::new).find(|node| {
        fqdn.as_deref() == Some(node.name())
            || internal_ips(node.value()).any(|address| addresses.contains(&address))
    });
    Ok(found.map(|node| node.name().to_owned()))
}

fn left_behind(report: &mut Report, reason: &dyn std::fmt::Display) {
    report.warning(format!(
        "BGPPeers and annotations of this unit stay for now, the leader removes them: {reason}"
    ));
}

/// Releases, and looks again when somebody else wrote in between, as a Node's own agent does all the time.
async fn insist(
    kubernetes: &Kubernetes,
    identity: &Identity,
    hostname: &str,
    report: &mut Report,
) -> Result<(), ApiError> {
    for _ in 1..ATTEMPTS {
        match release(kubernetes, identity, hostname, report).await {
            Err(error) if matches!(error.failure, Failure::Conflict(_)) => {
                tracing::debug!(%error, "looking again");
            }
            outcome => return outcome,
        }
    }
    release(kubernetes, identity, hostname, report).await
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
    if is_needed(kubernetes, mode, &node).await? {
        let why = format!(
            "Node {} reflects for others, and the mesh is off",
            node.name()
        );
        left_behind(report, &why);
        return Ok(());
    }
    let plan = plan_release(&node, &identity.unit, &identity.owner, &peers);
    for wave in plan.waves() {
        report.done(apply_wave(kubernetes, mode, wave).await)?;
    }
    Ok(())
}

/// Whether other nodes have their routes from this one: a reflector without a mesh. It goes on until its Node is gone, or
/// until the options have put others in its place (`sweep.rs`).
async fn is_needed(kubernetes: &Kubernetes, mode: Mode, node: &Live) -> Result<bool, ApiError> {
    if node.annotation(ANNOTATION_CLUSTER_ID).is_none() {
        return Ok(false);
    }
    let path = Kind::BgpConfiguration.object_path(mode.group, "default");
    let configuration = kubernetes.get(&path).await?.map(Live::new);
    Ok(!mesh_is_on(configuration.as_ref()))
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
    Ok(node.map(Live::new).filter(claimed))
}
