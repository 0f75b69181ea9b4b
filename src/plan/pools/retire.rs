//! The end of pools that no option asks for: no new addresses, then none in use, then gone.

use serde_json::Value;

use super::{Extent, PoolUsage, is_off_limits, network, pool_of, pool_usage};
use crate::model::{Cidr, Family, PoolIntent};
use crate::plan::{Blocked, HeldAddress, Live, Step};

/// A pool that no option asks for and that cannot go yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoomedPool {
    /// The pool.
    pub name: String,
    /// Its CIDR.
    pub cidr: String,
    /// What still uses it.
    pub usage: PoolUsage,
    /// Whether it has to keep giving out tunnel addresses, being the last of its encapsulation.
    pub held: bool,
    /// Whether only BGP brings its routes, as with everything but VXLAN.
    pub needs_bgp: bool,
}

/// The pools that no option asks for and that are this charm's to see off. One whose CIDR does not parse is not among
/// them: nothing can be said about who uses it.
#[must_use]
pub fn unrecognized_pools<'a>(intents: &[PoolIntent], pools: &'a [Live]) -> Vec<(&'a Live, Cidr)> {
    pools
        .iter()
        .filter(|pool| pool_role(intents, pool) == PoolRole::Unrecognized)
        .filter_map(|pool| network(pool).map(|cidr| (pool, cidr)))
        .collect()
}

/// What a pool is to this charm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolRole {
    /// `cidr` names it.
    Wanted,
    /// No option asks for it.
    Unrecognized,
    /// It is for LoadBalancer addresses, or the tigera operator's.
    OffLimits,
    /// It is being deleted.
    Going,
    /// Its CIDR cannot be read.
    Unreadable,
}

/// What a pool is to this charm.
#[must_use]
pub fn pool_role(intents: &[PoolIntent], pool: &Live) -> PoolRole {
    let Some(cidr) = network(pool) else {
        return PoolRole::Unreadable;
    };
    if is_off_limits(pool) {
        PoolRole::OffLimits
    } else if pool.is_deleting() {
        PoolRole::Going
    } else if intents.iter().any(|intent| intent.cidr() == cidr) {
        PoolRole::Wanted
    } else {
        PoolRole::Unrecognized
    }
}

/// Why no pool is changed while `unrecognized-pools` is `block`, if there is a reason.
#[must_use]
pub fn refuse_unrecognized(intents: &[PoolIntent], pools: &[Live]) -> Option<Blocked> {
    let found = unrecognized_pools(intents, pools);
    let (first, cidr) = found.first()?;
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" (+{more} more)"),
    };
    Some(Blocked {
        message: format!(
            "unrecognized-pools: IPPool {} {cidr} is not in cidr{more}",
            first.name()
        ),
        remedy: "no pool is made or changed until `cidr` names it or somebody deletes it; unrecognized-pools=drain sees it \
                 off once no pod uses it, unrecognized-pools=ignore leaves it as it is"
            .to_owned(),
    })
}

/// The unrecognised pools in which no block knows a workload. With host-local IPAM there are no blocks at all, so before such
/// a pool goes the pods have to be asked.
#[must_use]
pub fn not_in_blocks(intents: &[PoolIntent], pools: &[Live], blocks: &[Live]) -> Vec<Extent> {
    unrecognized_pools(intents, pools)
        .into_iter()
        .map(|(_, cidr)| Extent::new(cidr, pools))
        .filter(|pool| pool_usage(pool, blocks).workloads == 0)
        .collect()
}

/// The waves that see unrecognised pools off, and those that have to stay for now.
///
/// Disabled first, deleted once no workload address is left. A disabled pool takes the nodes' tunnel addresses in it away
/// (`node/pkg/allocateip/allocateip.go`), so the last pool of an encapsulation is kept for tunnel addresses alone until
/// the last workload is gone; as nothing else comes into it, the step that deletes it can disable it then.
///
/// `pods` are the addresses in pools that are [`not_in_blocks`]. A pool that has some stays as it is: disabling it keeps no
/// other IPAM from giving out more.
#[must_use]
pub fn doomed_pools(
    intents: &[PoolIntent],
    pools: &[Live],
    blocks: &[Live],
    pods: &[HeldAddress],
) -> (Vec<Step>, Vec<Step>, Vec<DoomedPool>) {
    let (mut disable, mut remove, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    for (pool, cidr) in unrecognized_pools(intents, pools) {
        let extent = Extent::new(cidr, pools);
        let used = pool_usage(&extent, blocks).or_of_pods(&extent, pods);
        let held = is_last_of_its_encapsulation(pool, used.tunnels, intents, pools, blocks);
        let (name, cidr) = (pool.name().to_owned(), cidr.to_string());
        if !used.is_outside_ipam && !is_out_of_use(pool, held, &used) {
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
                needs_bgp: matches!(pool.spec_text("vxlanMode"), "" | "Never"),
            });
        }
    }
    (disable, remove, stay)
}

/// Whether the pool already gives out no more than it has to. One that this charm has disabled while another pool had the
/// same encapsulation is taken back into use for tunnels when that other pool has it no longer.
fn is_out_of_use(pool: &Live, held: bool, used: &PoolUsage) -> bool {
    if is_disabled(pool) {
        let by_charm = pool.charm_fields("spec").contains("disabled");
        return !(held && by_charm && used.workloads > 0);
    }
    held && is_for_tunnels_alone(pool)
}

/// Whether pods may get addresses of the pool (`libcalico-go/lib/ipam/pools.go`).
#[must_use]
pub fn gives_workload_addresses(pool: &Live) -> bool {
    is_allowed(pool, "Workload") && !is_disabled(pool) && !pool.is_deleting() && !is_refused(pool)
}

fn is_allowed(pool: &Live, what: &str) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    uses.is_none_or(|uses| uses.is_empty() || uses.iter().any(|one| one == what))
}

fn is_disabled(pool: &Live) -> bool {
    pool.spec("disabled").and_then(Value::as_bool) == Some(true)
}

/// Whether Calico's controller of native pools keeps it from giving out addresses.
fn is_refused(pool: &Live) -> bool {
    let conditions = pool.field("status", "conditions").and_then(Value::as_array);
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|one| one["type"] == "Allocatable" && one["status"] == "False")
    })
}

/// Whether the pool gives out tunnel addresses and nothing else.
fn is_for_tunnels_alone(pool: &Live) -> bool {
    let uses = pool.spec("allowedUses").and_then(Value::as_array);
    uses.is_some_and(|uses| uses.len() == 1 && uses[0] == "Tunnel")
}

/// Whether nodes would find no other pool for the tunnel addresses that they have in this one.
fn is_last_of_its_encapsulation(
    pool: &Live,
    tunnels: usize,
    intents: &[PoolIntent],
    pools: &[Live],
    blocks: &[Live],
) -> bool {
    let on = |mode: &str| !mode.is_empty() && mode != "Never";
    let family = network(pool).map(|cidr| cidr.family());
    let replaced = |needs: &dyn Fn(&PoolIntent) -> bool| {
        intents.iter().any(|intent| {
            Some(intent.family()) == family
                && needs(intent)
                && takes_tunnels(intent, tunnels, pools, blocks)
        })
    };
    let ipip = on(pool.spec_text("ipipMode"))
        && !replaced(&|intent| intent.encapsulation().ipip_mode() != "Never");
    let vxlan = on(pool.spec_text("vxlanMode"))
        && !replaced(&|intent| intent.encapsulation().vxlan_mode() != "Never");
    ipip || vxlan
}

/// Whether a wanted pool has room for so many tunnel addresses and may give them out. One that is not there yet is made
/// before another one is disabled.
fn takes_tunnels(intent: &PoolIntent, tunnels: usize, pools: &[Live], blocks: &[Live]) -> bool {
    let used = pool_usage(&Extent::new(intent.cidr(), pools), blocks);
    let host_bits = u32::from(match intent.family() {
        Family::V4 => 32 - intent.cidr().prefix(),
        Family::V6 => 128 - intent.cidr().prefix(),
    });
    let room = 1_usize.checked_shl(host_bits).unwrap_or(usize::MAX);
    let fits = room.saturating_sub(used.workloads + used.tunnels) >= tunnels;
    fits && pool_of(intent, pools).is_none_or(may_give_tunnels)
}

/// Whether the pool gives out tunnel addresses once an apply has enabled it for all nodes, which leaves everything else as it
/// is.
fn may_give_tunnels(pool: &Live) -> bool {
    let refused = is_refused(pool) && !is_disabled(pool);
    is_allowed(pool, "Tunnel") && !pool.is_deleting() && !refused
}
