//! `show-pools`: what becomes of each pool, and who holds addresses of it. Reads only.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Answer, LONGEST_LIST, document, listed};
use super::parameters::{Format, Parameters};
use super::reason::Reason;
use super::show::{Pool, pool, pool_text};
use crate::charm::reconcile::{Stop, Work};
use crate::charm::report::counted;
use crate::cluster::{Kubernetes, Mode, list_blocks};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::{ClusterIntent, PoolIntent, UnrecognizedPools};
use crate::plan::{
    Extent, Live, PoolRole, PoolUsage, gives_workload_addresses, network, pool_role, pool_usage,
};
use crate::printable::printable_line;
use crate::render::Kind;

/// A pool, its fate and its use.
#[derive(Debug, Serialize)]
struct View {
    #[serde(flatten)]
    pool: Pool,
    /// What becomes of it, with the option that decides.
    state: &'static str,
    /// Whether pods may get addresses of it.
    gives_addresses: bool,
    /// Addresses that pods hold.
    addresses: usize,
    /// Addresses of the Nodes' tunnels.
    tunnels: usize,
    nodes: Holders,
    namespaces: Holders,
    /// Nodes and namespaces for which there was no room.
    #[serde(skip_serializing_if = "is_zero")]
    left_out_nodes: usize,
    #[serde(skip_serializing_if = "is_zero")]
    left_out_namespaces: usize,
}

/// Names, and how many addresses each holds.
type Holders = BTreeMap<String, usize>;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// How many nodes and namespaces of each pool are shown where there is no room for all: what a pool is and what becomes of
/// it comes first.
const SHORTER: [usize; 6] = [1000, 300, 100, 30, 10, 0];

/// The pools with as many of their holders as there is room for, those with most addresses first.
fn shortened(mut views: Vec<View>, length: impl Fn(&[View]) -> usize) -> Vec<View> {
    for limit in SHORTER {
        if length(&views) <= LONGEST_LIST {
            break;
        }
        for view in &mut views {
            view.left_out_nodes += cut(&mut view.nodes, limit);
            view.left_out_namespaces += cut(&mut view.namespaces, limit);
        }
    }
    views
}

/// Keeps the largest; answers how many went.
fn cut(holders: &mut Holders, limit: usize) -> usize {
    let mut all: Vec<(String, usize)> = std::mem::take(holders).into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let left_out = all.len().saturating_sub(limit);
    all.truncate(limit);
    holders.extend(all);
    left_out
}

/// Shows them.
pub(super) async fn show<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    let views = match look(work).await {
        Ok(views) => views,
        Err(stop) => return Answer::failed(Reason::from(stop)),
    };
    let text = match parameters.format {
        Format::Json => {
            let length = |views: &[View]| document_of(views).to_string().len();
            document(document_of(&shortened(views, length)), "pools")
        }
        Format::Text if views.is_empty() => "there is no pool".to_owned(),
        Format::Text => {
            let all = |views: &[View]| views.iter().flat_map(lines).collect::<Vec<String>>();
            let length = |views: &[View]| all(views).iter().map(|line| line.len() + 1).sum();
            listed(&all(&shortened(views, length)))
        }
    };
    Answer::default().with("pools", text)
}

fn document_of(views: &[View]) -> Value {
    json!({"pools": views})
}

/// All pools, and all blocks.
///
/// # Errors
/// When they cannot be listed.
pub(super) async fn pools_and_blocks(
    kubernetes: &Kubernetes,
    mode: Mode,
) -> Result<(Vec<Live>, Vec<Live>), Stop> {
    let pools = kubernetes.list(&Kind::IpPool.path(mode.group), "").await?;
    let blocks = list_blocks(kubernetes, mode).await?;
    Ok((pools.into_iter().map(Live::new).collect(), blocks))
}

async fn look<T: HookTools, H: Host>(work: &Work<'_, T, H>) -> Result<Vec<View>, Stop> {
    let (kubernetes, mode) = work.api().await?;
    let (pools, blocks) = pools_and_blocks(&kubernetes, mode).await?;
    let intent = ClusterIntent::new(work.config);
    let policy = work.config.unrecognized_pools;
    let views = pools.iter().map(|live| {
        let used = network(live).map_or_else(PoolUsage::default, |cidr| {
            pool_usage(&Extent::new(cidr, &pools), &blocks)
        });
        View {
            pool: pool(live),
            state: state(intent.pools(), policy, live),
            gives_addresses: gives_workload_addresses(live),
            addresses: used.workloads,
            tunnels: used.tunnels,
            nodes: used.nodes,
            namespaces: used.namespaces,
            left_out_nodes: 0,
            left_out_namespaces: 0,
        }
    });
    Ok(views.collect())
}

fn state(intents: Option<&[PoolIntent]>, policy: UnrecognizedPools, pool: &Live) -> &'static str {
    let Some(intents) = intents else {
        return "not the charm's (manage-pools)";
    };
    match (pool_role(intents, pool), policy) {
        (PoolRole::Wanted, _) => "as the options ask (cidr)",
        (PoolRole::Unrecognized, UnrecognizedPools::Drain) => "retires (unrecognized-pools)",
        (PoolRole::Unrecognized, UnrecognizedPools::Ignore) => "left alone (unrecognized-pools)",
        (PoolRole::Unrecognized, UnrecognizedPools::Block) => "in the way (unrecognized-pools)",
        (PoolRole::OffLimits, _) => {
            "left alone: for LoadBalancer addresses or the tigera operator's"
        }
        (PoolRole::Going, _) => "being deleted",
        (PoolRole::Unreadable, _) => "left alone: its cidr cannot be read",
    }
}

fn lines(view: &View) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", pool_text(&view.pool), view.state)];
    // What is disabled says so by itself.
    let shut = !view.gives_addresses && !view.pool.disabled;
    let none = if shut { ", no new ones for pods" } else { "" };
    lines.push(format!(
        "    {} of pods, {} of tunnels{none}",
        counted(view.addresses, "address"),
        view.tunnels
    ));
    for (name, counts, left_out) in [
        ("nodes", &view.nodes, view.left_out_nodes),
        ("namespaces", &view.namespaces, view.left_out_namespaces),
    ] {
        if !counts.is_empty() || left_out > 0 {
            let mut counts: Vec<String> = counts
                .iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            counts.extend((left_out > 0).then(|| format!("and {left_out} more")));
            lines.push(format!("    {name}: {}", counts.join(", ")));
        }
    }
    lines.iter().map(|line| printable_line(line)).collect()
}
