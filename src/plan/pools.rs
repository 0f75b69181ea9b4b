//! IPPools: adopt by CIDR, create what is missing, and see pools that nobody asked for off without a packet lost.

mod bgp;
mod encapsulation;
mod extent;
mod retire;
mod usage;

use std::net::IpAddr;

use serde_json::Value;

use super::{Blocked, Live, Step, plan_apply};
use crate::model::{Cidr, Family, PoolIntent};
use crate::render::{Owner, ip_pool};

pub use bgp::{PoolOnBgp, pools_on_bgp, without_vxlan};
pub use encapsulation::{changed_tunnels, is_on_vxlan, needs_bird};
pub use extent::Extent;
pub use retire::{
    DoomedPool, PoolRole, doomed_pools, gives_workload_addresses, not_in_blocks, pool_role,
    refuse_unrecognized, unrecognized_pools,
};
pub use usage::{PoolUsage, allocations, holds_workloads, is_windows_reserve, pool_usage, usage};

#[cfg(test)]
mod tests;

/// Label value of pools that the tigera operator looks after.
const OPERATOR: &str = "tigera-operator";

/// The network of a pool or block as Calico reads it: with Go's `net.ParseCIDR`, which masks host bits.
#[must_use]
pub fn network(live: &Live) -> Option<Cidr> {
    let (ip, prefix) = live.spec_text("cidr").split_once('/')?;
    let (ip, prefix): (IpAddr, u8) = (ip.parse().ok()?, prefix.parse().ok()?);
    (prefix <= Family::of(ip).bits()).then(|| Cidr::network_of(ip, prefix))
}

/// Pools that are never this charm's to touch: for LoadBalancer addresses, or looked after by the tigera operator.
fn is_off_limits(pool: &Live) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    let for_load_balancers = uses.is_some_and(|uses| uses.iter().any(|one| one == "LoadBalancer"));
    let by_operator = pool
        .labels()
        .get("app.kubernetes.io/managed-by")
        .is_some_and(|by| by == OPERATOR);
    for_load_balancers || by_operator
}

/// The applies that make the wanted pools: a pool with the same CIDR is adopted whatever its name, a missing one is
/// created as `ipv4` or `ipv6`.
///
/// # Errors
/// When a wanted CIDR overlaps another pool's, belongs to a pool that is off limits, or holds blocks of another size.
pub fn plan_pools(
    intents: &[PoolIntent],
    owner: &Owner,
    pools: &[Live],
    blocks: &[Live],
) -> Result<Vec<Step>, Blocked> {
    let mut steps = Vec::new();
    for intent in intents {
        match pool_of(intent, pools) {
            Some(pool) if is_off_limits(pool) => return Err(off_limits(intent, pool)),
            Some(pool) if pool.is_deleting() => return Err(going(intent, pool)),
            Some(pool) => steps.extend(adopt(intent, owner, pool)),
            None => {
                refuse_overlap(intent, pools)?;
                refuse_block_size(intent, blocks)?;
                let name = free_name(intent, pools);
                let size = intent.default_block_size();
                steps.extend(plan_apply(ip_pool(intent, &name, size, owner), None));
            }
        }
    }
    Ok(steps)
}

/// An adopted pool keeps its block size, which cannot change while the pool lives, and the spelling of its CIDR, which
/// CRDs of Calico 3.32 and later refuse to change.
fn adopt(intent: &PoolIntent, owner: &Owner, pool: &Live) -> Option<Step> {
    let size = pool
        .spec("blockSize")
        .and_then(Value::as_u64)
        .and_then(|size| u8::try_from(size).ok())
        .filter(|size| *size != 0)
        .unwrap_or(match intent.family() {
            Family::V4 => 26,
            Family::V6 => 122,
        });
    let mut desired = ip_pool(intent, pool.name(), size, owner);
    desired
        .spec
        .insert("cidr".to_owned(), pool.spec_text("cidr").into());
    plan_apply(desired, Some(pool))
}

/// `ipv4`, or `ipv4-10-1-0-0-16` where that is another pool's name; an apply to a name in use would change that pool.
fn free_name(intent: &PoolIntent, pools: &[Live]) -> String {
    let base = match intent.family() {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let slug = intent.cidr().to_string().replace(['.', ':', '/'], "-");
    let long = format!("{base}-{slug}");
    let numbered = (2..).map(|number| format!("{long}-{number}"));
    [base.to_owned(), long.clone()]
        .into_iter()
        .chain(numbered)
        .find(|name| pools.iter().all(|pool| pool.name() != name))
        .unwrap_or(long)
}

fn going(intent: &PoolIntent, pool: &Live) -> Blocked {
    Blocked {
        message: format!("cidr: IPPool {} {} is being deleted", pool.name(), intent.cidr()),
        remedy: "a new pool can be made once it is gone, which takes until no pod holds an address of it".to_owned(),
    }
}

fn off_limits(intent: &PoolIntent, pool: &Live) -> Blocked {
    Blocked {
        message: format!(
            "cidr: {} is IPPool {}, which is not this charm's",
            intent.cidr(),
            pool.name()
        ),
        remedy: "the pool is the tigera operator's or for LoadBalancer addresses: choose another `cidr`, or set manage-pools=false".to_owned(),
    }
}

fn refuse_overlap(intent: &PoolIntent, pools: &[Live]) -> Result<(), Blocked> {
    let wanted = intent.cidr();
    let overlapping = pools
        .iter()
        .find(|pool| network(pool).is_some_and(|other| other.overlaps(&wanted)));
    let Some(pool) = overlapping else {
        return Ok(());
    };
    Err(Blocked {
        message: format!(
            "cidr: {wanted} overlaps IPPool {} ({})",
            pool.name(),
            pool.spec_text("cidr")
        ),
        remedy: format!(
            "two pools must not share addresses: set `cidr` to a range outside {} first, wait until the old pool is gone, then set it to {wanted}",
            pool.spec_text("cidr")
        ),
    })
}

/// Blocks that an earlier pool left behind must have the new pool's size (`libcalico-go/lib/clientv3/ippool.go`).
fn refuse_block_size(intent: &PoolIntent, blocks: &[Live]) -> Result<(), Blocked> {
    let other_size = blocks.iter().find(|block| {
        network(block).is_some_and(|block| {
            intent.cidr().overlaps(&block) && block.prefix() != intent.default_block_size()
        })
    });
    let Some(block) = other_size else {
        return Ok(());
    };
    Err(Blocked {
        message: format!(
            "cidr: {} still holds block {} of another size",
            intent.cidr(),
            block.spec_text("cidr")
        ),
        remedy: "an earlier pool left its blocks behind: remove the pods that use them, then the block, or choose another `cidr`".to_owned(),
    })
}

/// Whether the plan depends on who uses which address: a pool is to be made, or one is to be seen off.
#[must_use]
pub fn needs_blocks(intents: &[PoolIntent], pools: &[Live], drain: bool) -> bool {
    !intents
        .iter()
        .all(|intent| pool_of(intent, pools).is_some())
        || (drain && !unrecognized_pools(intents, pools).is_empty())
}

/// The pools that have wanted CIDRs.
pub fn wanted_pools<'a>(
    intents: &'a [PoolIntent],
    pools: &'a [Live],
) -> impl Iterator<Item = &'a Live> {
    intents.iter().filter_map(|intent| pool_of(intent, pools))
}

/// The pool that has the wanted CIDR.
fn pool_of<'a>(intent: &PoolIntent, pools: &'a [Live]) -> Option<&'a Live> {
    pools
        .iter()
        .find(|pool| network(pool) == Some(intent.cidr()))
}
