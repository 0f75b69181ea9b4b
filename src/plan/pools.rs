//! IPPools: adopt by CIDR, create what is missing, and see pools that nobody asked for off without a packet lost.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::{Blocked, Live, Step, plan_apply};
use crate::model::{Cidr, Family, PoolIntent};
use crate::render::{Owner, ip_pool};

#[cfg(test)]
mod tests;

/// Label value of pools that the tigera operator looks after.
const OPERATOR: &str = "tigera-operator";

/// Types of IPAM allocations that are a node's own tunnel addresses (`libcalico-go/lib/ipam/ipam.go`).
const TUNNEL_TYPES: [&str; 5] = [
    "ipipTunnelAddress",
    "vxlanTunnelAddress",
    "vxlanV6TunnelAddress",
    "wireguardTunnelAddress",
    "wireguardV6TunnelAddress",
];

/// Addresses in use in one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolUsage {
    /// Addresses of pods and everything else that is not a tunnel.
    pub workloads: usize,
    /// Nodes that hold them.
    pub nodes: BTreeSet<String>,
}

/// A pool that no option asks for and that cannot go yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoomedPool {
    /// The pool.
    pub name: String,
    /// Its CIDR.
    pub cidr: String,
    /// What still uses it.
    pub usage: PoolUsage,
    /// Whether it has to keep giving out addresses, being the last of its encapsulation.
    pub held: bool,
}

/// Counts a pool's addresses in IPAM blocks (`libcalico-go/lib/apis/internalapi/ipam_block.go`): entries of
/// `allocations` that are not null, not Windows' reserved ones and not in cooldown.
#[must_use]
pub fn usage(cidr: Cidr, blocks: &[Live]) -> PoolUsage {
    let mut found = PoolUsage::default();
    for block in blocks {
        let inside = parsed(block).is_some_and(|block| cidr.contains_cidr(&block));
        let deleted = block.spec("deleted").and_then(Value::as_bool) == Some(true);
        if inside && !deleted {
            count_block(block, &mut found);
        }
    }
    found
}

/// Whether a block holds an address of a workload, in whatever pool.
#[must_use]
pub fn holds_workloads(block: &Live) -> bool {
    let mut found = PoolUsage::default();
    count_block(block, &mut found);
    found.workloads > 0
}

fn count_block(block: &Live, found: &mut PoolUsage) {
    let list = |field| {
        block
            .spec(field)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice)
    };
    let attributes = list("attributes");
    for index in list("allocations").iter().filter_map(Value::as_u64) {
        let attribute = usize::try_from(index)
            .ok()
            .and_then(|index| attributes.get(index));
        if attribute.is_some_and(is_no_workload) {
            continue;
        }
        found.workloads += 1;
        let node = attribute.and_then(|attribute| attribute["secondary"]["node"].as_str());
        found.nodes.extend(node.map(str::to_owned));
    }
}

fn is_no_workload(attribute: &Value) -> bool {
    let handle = attribute["handle_id"].as_str().unwrap_or_default();
    let kind = attribute["secondary"]["type"].as_str().unwrap_or_default();
    TUNNEL_TYPES.contains(&kind)
        || handle.eq_ignore_ascii_case("windows-reserved-ipam-handle")
        || !attribute["releasedAt"].is_null()
}

/// The network of a pool or block as Calico reads it: with Go's `net.ParseCIDR`, which masks host bits.
fn parsed(live: &Live) -> Option<Cidr> {
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
        let same = |pool: &&Live| parsed(pool) == Some(intent.cidr());
        let adopted = pools.iter().find(same);
        match adopted {
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
        .find(|pool| parsed(pool).is_some_and(|other| other.overlaps(&wanted)));
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
        parsed(block).is_some_and(|block| {
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

/// The waves that see unrecognised pools off, and those that have to stay for now: disabled first, deleted once no
/// workload address is left. The last pool of an encapsulation keeps giving out tunnel addresses while workloads use it,
/// which nodes would lose with a disabled one (`node/pkg/allocateip/allocateip.go`), and no others.
#[must_use]
pub fn doomed_pools(
    intents: &[PoolIntent],
    pools: &[Live],
    blocks: &[Live],
) -> (Vec<Step>, Vec<Step>, Vec<DoomedPool>) {
    let (mut disable, mut remove, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    for pool in pools {
        // Nothing can be said about who uses a pool whose CIDR does not parse: it stays.
        let Some(network) = parsed(pool) else {
            continue;
        };
        let wanted = intents.iter().any(|intent| intent.cidr() == network);
        if wanted || is_off_limits(pool) || pool.is_deleting() {
            continue;
        }
        let used = usage(network, blocks);
        let held = used.workloads > 0 && is_last_of_its_encapsulation(pool, intents);
        let (name, cidr) = (pool.name().to_owned(), network.to_string());
        let disabled = pool.spec("disabled").and_then(Value::as_bool) == Some(true);
        let done = disabled || (held && is_for_tunnels_alone(pool));
        if !done {
            disable.push(Step::DisablePool {
                name: name.clone(),
                cidr: cidr.clone(),
                resource_version: pool.resource_version().to_owned(),
                keep_tunnels: held,
            });
        }
        if used.workloads == 0 {
            remove.push(Step::RemovePool {
                name,
                uid: pool.uid().to_owned(),
                cidr,
            });
        } else {
            stay.push(DoomedPool {
                name,
                cidr,
                usage: used,
                held,
            });
        }
    }
    (disable, remove, stay)
}

fn is_for_tunnels_alone(pool: &Live) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    uses.is_some_and(|uses| uses.len() == 1 && uses[0] == "Tunnel")
}

/// Whether the plan depends on who uses which address: a pool is to be made, or one is to go.
#[must_use]
pub fn needs_blocks(intents: &[PoolIntent], pools: &[Live]) -> bool {
    let is_wanted = |cidr: Cidr| intents.iter().any(|intent| intent.cidr() == cidr);
    let stands = |intent: &PoolIntent| pools.iter().any(|pool| parsed(pool) == Some(intent.cidr()));
    let goes = |pool: &Live| {
        !is_off_limits(pool)
            && !pool.is_deleting()
            && parsed(pool).is_some_and(|cidr| !is_wanted(cidr))
    };
    !intents.iter().all(stands) || pools.iter().any(goes)
}

fn is_last_of_its_encapsulation(pool: &Live, intents: &[PoolIntent]) -> bool {
    let on = |mode: &str| !mode.is_empty() && mode != "Never";
    let family = parsed(pool).map(|cidr| cidr.family());
    let replaced = |needs: &dyn Fn(&PoolIntent) -> bool| {
        intents
            .iter()
            .any(|intent| Some(intent.family()) == family && needs(intent))
    };
    let ipip = on(pool.spec_text("ipipMode"))
        && !replaced(&|intent| intent.encapsulation().ipip_mode() != "Never");
    let vxlan = on(pool.spec_text("vxlanMode"))
        && !replaced(&|intent| intent.encapsulation().vxlan_mode() != "Never");
    ipip || vxlan
}
