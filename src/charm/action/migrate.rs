//! `migrate-pool`: restarts the pods that hold addresses of a pool that retires. Performs IO.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::leader_alone;
use super::parameters::Parameters;
use super::pools::pools_and_blocks;
use super::reason::Reason;
use crate::charm::reconcile::{Stop, Work};
use crate::charm::report::counted;
use crate::cluster::{Eviction, Kubernetes, evict};
use crate::host::Host;
use crate::juju::{Action, HookTools};
use crate::model::{Cidr, ClusterIntent, PoolIntent};
use crate::plan::{
    Blocked, Extent, Live, Openings, Origin, PoolPod, PoolRole, Restarts, asking,
    gives_workload_addresses, network, pool_role, pool_usage, restarts, seen_pod,
    unrecognized_pools, wanted_pools,
};

/// After this time no further pod is tried: what was done has to be told before the action's own time is up.
const TRIES_END: Duration = Duration::from_secs(12);

const PODS: &str = "/api/v1/pods";
const NAMESPACES: &str = "/api/v1/namespaces";

/// What became of the pods of one run.
#[derive(Debug, Default)]
struct Done {
    evicted: Vec<PoolPod>,
    refused: Vec<String>,
    /// The API could not be asked any more.
    failure: Option<Reason>,
}

/// Evicts pods where `drain` asks for it, and says which ones it would otherwise.
pub(super) async fn migrate<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Answer {
    if let Err(reason) = leader_alone(work, Action::MigratePool) {
        return Answer::failed(reason);
    }
    match run(work, parameters).await {
        Ok(answer) => answer,
        Err(stop) => Answer::failed(Reason::from(stop)),
    }
}

async fn run<T: HookTools, H: Host>(
    work: &Work<'_, T, H>,
    parameters: &Parameters,
) -> Result<Answer, Stop> {
    let started = Instant::now();
    let (kubernetes, mode) = work.api().await?;
    let (pools, blocks) = pools_and_blocks(&kubernetes, mode).await?;
    let intent = ClusterIntent::new(work.config);
    let targets = targets(intent.pools(), &pools, parameters.pool.as_deref())?;
    if targets.is_empty() {
        return Ok(Answer::default().with("left", "no pool retires"));
    }
    let extents: Vec<Extent> = targets
        .iter()
        .map(|(_, cidr)| Extent::new(*cidr, &pools))
        .collect();
    let namespaces = kubernetes
        .list_metadata(NAMESPACES, |namespace| asking(&namespace))
        .await?;
    let openings = Openings::new(&pools, namespaces);
    let seen = kubernetes
        .list_kept(PODS, |pod: Value| seen_pod(&pod, &extents, &openings))
        .await?;
    let found = restarts(seen, parameters.limit);
    refuse_outside_ipam(&targets, &extents, &blocks, &found)?;
    let (key, done) = if parameters.drain {
        ("evicted", evictions(&kubernetes, &found, started).await)
    } else {
        let evicted = found.evict.clone();
        let done = Done {
            evicted,
            ..Done::default()
        };
        ("would-evict", done)
    };
    let left: Vec<String> = targets
        .iter()
        .zip(&extents)
        .map(|((pool, _), extent)| {
            let used = pool_usage(extent, &blocks).workloads;
            left(pool.name(), extent, used, &done.evicted, &found)
        })
        .collect();
    Ok(answer(key, done, &found, &left))
}

/// Pods with addresses that Calico's IPAM does not know would come back to the pool.
fn refuse_outside_ipam(
    targets: &[(&Live, Cidr)],
    extents: &[Extent],
    blocks: &[Live],
    found: &Restarts,
) -> Result<(), Blocked> {
    let has_pods = |pool: &Extent| {
        let mut held = found.pods().flat_map(|pod| &pod.addresses);
        held.any(|ip| pool.holds(*ip))
    };
    let mut outside = targets
        .iter()
        .zip(extents)
        .filter(|(_, pool)| pool_usage(pool, blocks).workloads == 0 && has_pods(pool));
    match outside.next() {
        Some(((pool, _), _)) => Err(blocked(
            &format!(
                "IPPool {}: Calico's IPAM does not know the addresses of its pods: they would come back to it",
                pool.name()
            ),
            "another IPAM gives them out (host-local): set cidr to what it gives out, or name another pool with pool=",
        )),
        None => Ok(()),
    }
}

/// What a pool has left once the evicted pods are gone, and how many addresses no pod explains.
fn left(name: &str, pool: &Extent, used: usize, evicted: &[PoolPod], found: &Restarts) -> String {
    let held = |pods: &mut dyn Iterator<Item = &PoolPod>| -> usize {
        let addresses = pods.flat_map(|pod| &pod.addresses);
        addresses.filter(|ip| pool.holds(**ip)).count()
    };
    let of_pods = held(&mut found.pods());
    let cidr = pool.cidr();
    let left = counted(used.saturating_sub(held(&mut evicted.iter())), "address");
    match used.saturating_sub(of_pods) {
        0 => format!("IPPool {name} {cidr}: {left}"),
        lost => format!(
            "IPPool {name} {cidr}: {left}, {lost} of no pod: kube-controllers frees leaked ones"
        ),
    }
}

async fn evictions(kubernetes: &Kubernetes, found: &Restarts, started: Instant) -> Done {
    let mut done = Done::default();
    for pod in &found.evict {
        if started.elapsed() > TRIES_END {
            done.refused
                .push(format!("{pod}: not tried, time was up: run again"));
            continue;
        }
        match evict(kubernetes, &pod.namespace, &pod.name, &pod.uid).await {
            Ok(Eviction::Evicted) => done.evicted.push(pod.clone()),
            Ok(Eviction::Gone) => {}
            Ok(Eviction::Refused(why)) => done.refused.push(format!("{pod}: {why}")),
            Err(error) => {
                done.failure = Some(Reason::from(error));
                break;
            }
        }
    }
    done
}

fn answer(key: &'static str, done: Done, found: &Restarts, left: &[String]) -> Answer {
    let by_hand: Vec<String> = found.by_hand.iter().map(by_hand).collect();
    let answer = Answer::default()
        .with_list(key, &done.evicted)
        .with_list("refused", &done.refused)
        .with_list("later", &found.later)
        .with_list("on-their-way", &found.going)
        .with_list("by-hand", &by_hand)
        .with_list("left", left);
    match done.failure {
        Some(reason) => answer.fail(reason),
        None => answer,
    }
}

fn by_hand(pod: &PoolPod) -> String {
    if pod.origin == Origin::File {
        return format!("{pod}: made from a file on {}: restart it there", pod.node);
    }
    if let Some(bound) = &pod.bound {
        return format!(
            "{pod}: another one would get no address: annotation {bound}: name an IPPool of cidr there, then restart it"
        );
    }
    format!(
        "{pod}: no controller makes another one: kubectl -n {} delete pod {}",
        pod.namespace, pod.name
    )
}

/// The pools whose pods are to go: pods that are restarted must not come back to them, and have to find another one.
fn targets<'a>(
    intents: Option<&[PoolIntent]>,
    pools: &'a [Live],
    name: Option<&str>,
) -> Result<Vec<(&'a Live, Cidr)>, Blocked> {
    let Some(intents) = intents else {
        return Err(blocked(
            "manage-pools is false: no pool retires",
            "take the pool out of use and restart its pods by hand",
        ));
    };
    let found = match name {
        Some(name) => vec![named(intents, pools, name)?],
        None => unrecognized_pools(intents, pools),
    };
    if found.is_empty() {
        return Ok(found);
    }
    if let Some((pool, _)) = found
        .iter()
        .find(|(pool, _)| gives_workload_addresses(pool))
    {
        return Err(blocked(
            &format!(
                "IPPool {} still gives out addresses: pods would come back to it",
                pool.name()
            ),
            "with unrecognized-pools=drain the leader's next hook takes it out of use; another pool can be named with pool=",
        ));
    }
    let ready = |pool: &&Live| gives_workload_addresses(pool);
    if wanted_pools(intents, pools).filter(ready).count() < intents.len() {
        return Err(blocked(
            "not every pool of cidr gives out addresses: pods that go would not come back",
            "the unit's status says why; run this again when it is Ready",
        ));
    }
    Ok(found)
}

fn named<'a>(
    intents: &[PoolIntent],
    pools: &'a [Live],
    name: &str,
) -> Result<(&'a Live, Cidr), Blocked> {
    let found = pools.iter().find(|pool| pool.name() == name);
    let Some(pool) = found else {
        return Err(blocked(
            &format!("pool: there is no IPPool {name}"),
            "show-pools lists them",
        ));
    };
    let stays = |why: &str| {
        blocked(
            &format!("pool: IPPool {name} {why}"),
            "show-pools lists those that retire",
        )
    };
    match (pool_role(intents, pool), network(pool)) {
        (PoolRole::Unrecognized | PoolRole::Going, Some(cidr)) => Ok((pool, cidr)),
        (PoolRole::Wanted, _) => Err(stays("is in cidr and stays")),
        (PoolRole::OffLimits, _) => Err(stays(
            "is for LoadBalancer addresses or the tigera operator's",
        )),
        _ => Err(stays("has a cidr that cannot be read")),
    }
}

fn blocked(message: &str, remedy: &str) -> Blocked {
    Blocked {
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    }
}
