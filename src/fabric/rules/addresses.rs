//! Whether the pools fit the addresses around them, and the nodes that take blocks from them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Facts;
use super::wording::{counted, few, grouped, setting, speakers, subnets};
use crate::fabric::finding::Finding;
use crate::fabric::session::{Sessions, Speaker};
use crate::fabric::topology::{Origin, Peering, Pool, Target, Topology};
use crate::model::{Cidr, Family};

/// F090: an address that is both a pod's and something else's is answered by whoever is asked first.
pub(super) fn overlaps(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    for (index, pool) in facts.topology.pools.iter().enumerate() {
        let all = others(facts.topology, facts.sessions, index);
        let Some(first) = all.first() else {
            continue;
        };
        let more = match all.len() - 1 {
            0 => String::new(),
            more => format!(", and {} more", grouped(more as u64)),
        };
        let mut finding = Finding::new(
            90,
            pool.origin.clone(),
            format!("{} overlaps {}{more}", pool.cidr, first.what),
        )
        .value(pool.cidr)
        .remedy(
            "choose a pod network apart from the machines' subnets, the routers, the services and the other pools",
        );
        if let Some(origin) = first.origin.clone().filter(|origin| *origin != pool.origin) {
            finding = finding.other(origin, "the other network");
        }
        found.push(finding);
    }
}

/// Something that a pool has addresses in common with.
struct Overlap {
    what: String,
    origin: Option<Origin>,
}

fn others(topology: &Topology, sessions: &Sessions, index: usize) -> Vec<Overlap> {
    let pool = &topology.pools[index];
    let mut found = Vec::new();
    let mut push = |what: String, origin: Option<&Origin>| {
        found.push(Overlap {
            what,
            origin: origin.cloned(),
        });
    };
    for other in &topology.pools[..index] {
        if other.cidr.overlaps(&pool.cidr) {
            push(format!("pool {}", other.cidr), Some(&other.origin));
        }
    }
    for service in &topology.service_cidrs {
        if service.overlaps(&pool.cidr) {
            push(format!("the cluster's service network {service}"), None);
        }
    }
    for service in &topology.services {
        // A pool that somebody made for these addresses is no overlap.
        let own = matches!(pool.origin, Origin::Object { .. }) && pool.cidr == service.value;
        if service.value.overlaps(&pool.cidr) && !own {
            push(
                format!("the services' network {}", service.value),
                Some(&service.origin),
            );
        }
    }
    for subnet in subnets(topology, pool.cidr.family(), all_nodes(topology)) {
        if subnet.overlaps(&pool.cidr) {
            push(format!("{subnet}, where machines have addresses"), None);
        }
    }
    let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
    for (ip, origin) in peers(topology, sessions) {
        if pool.cidr.contains(ip) && seen.insert(ip) {
            push(format!("{ip}, the address of a peer"), origin);
        }
    }
    found
}

/// The addresses that nodes speak BGP with: where a peering names one, with its place.
fn peers<'a>(
    topology: &'a Topology,
    sessions: &'a Sessions,
) -> impl Iterator<Item = (IpAddr, Option<&'a Origin>)> {
    let of_peerings =
        topology
            .peerings
            .iter()
            .filter_map(|peering: &Peering| match &peering.target {
                Target::Address(address) => Some((address.ip(), Some(&peering.origin))),
                Target::Nodes(_) => None,
            });
    let of_routers = sessions
        .routers
        .iter()
        .flat_map(|router| &router.addresses)
        .map(|address| (address.ip, None));
    of_peerings.chain(of_routers)
}

fn all_nodes(topology: &Topology) -> impl Iterator<Item = Speaker> + use<> {
    0..u32::try_from(topology.nodes.len()).unwrap_or(u32::MAX)
}

/// F091: a node takes its addresses from blocks of its own (`libcalico-go/lib/ipam/ipam.go`, `autoAssign`).
pub(super) fn too_few_blocks(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    for family in [Family::V4, Family::V6] {
        let pools: Vec<&Pool> = topology
            .pools
            .iter()
            .filter(|pool| pool.cidr.family() == family && !pool.disabled)
            .collect();
        // Pools for some nodes only are somebody's own plan, which takes more than counting.
        let Some(widest) = pools.iter().min_by_key(|pool| pool.cidr.prefix()) else {
            continue;
        };
        if pools.iter().any(|pool| pool.nodes.is_some()) {
            continue;
        }
        let nodes = topology.nodes.len() as u64;
        let blocks = pools
            .iter()
            .fold(0_u64, |sum, pool| sum.saturating_add(blocks(pool)));
        if blocks < nodes {
            found.push(too_few(topology, widest, nodes, blocks));
        }
    }
}

fn blocks(pool: &Pool) -> u64 {
    let bits = pool.block_size.saturating_sub(pool.cidr.prefix());
    1_u64.checked_shl(u32::from(bits)).unwrap_or(u64::MAX)
}

fn too_few(topology: &Topology, pool: &Pool, nodes: u64, blocks: u64) -> Finding {
    // One block each at least; the next power of two above the number of nodes.
    let bits = u8::try_from(nodes.next_power_of_two().trailing_zeros()).unwrap_or(u8::MAX);
    let prefix = pool.block_size.saturating_sub(bits);
    let finding = Finding::new(
        91,
        pool.origin.clone(),
        format!(
            "{} has {} of /{}, and there are {}: {} without a block, and pods there borrow single addresses \
             from others' blocks or get none",
            pool.cidr,
            counted(blocks, "block"),
            pool.block_size,
            counted(nodes, "node"),
            match nodes - blocks {
                1 => "1 is".to_owned(),
                left => format!("{} are", grouped(left)),
            },
        ),
    )
    .value(pool.cidr)
    .remedy(format!("choose a network of /{prefix} or wider for the pods"));
    let wider = Cidr::network_of(pool.cidr.network(), prefix);
    match cidr_with(topology, pool, Some(wider)) {
        Some(value) if is_free(topology, &wider) => finding.command(setting("cidr", value)),
        _ => finding,
    }
}

/// The value of `cidr` with another network in a pool's place, or without it; `None` where the pool is not of `cidr`.
fn cidr_with(topology: &Topology, pool: &Pool, instead: Option<Cidr>) -> Option<String> {
    let of_option = |pool: &Pool| {
        pool.origin
            .place()
            .is_some_and(|place| place.option == "cidr")
    };
    if !of_option(pool) {
        return None;
    }
    let networks: Vec<String> = topology
        .pools
        .iter()
        .filter(|one| of_option(one))
        .filter_map(|one| {
            if one.cidr == pool.cidr {
                instead
            } else {
                Some(one.cidr)
            }
        })
        .map(|cidr| cidr.to_string())
        .collect();
    (!networks.is_empty()).then(|| networks.join(","))
}

fn is_free(topology: &Topology, cidr: &Cidr) -> bool {
    let services = topology.services.iter().map(|told| &told.value);
    let mut taken = topology.service_cidrs.iter().chain(services);
    cidr.unusable_range().is_none()
        && !taken.any(|other| other.overlaps(cidr))
        && !subnets(topology, cidr.family(), all_nodes(topology))
            .iter()
            .any(|subnet| subnet.overlaps(cidr))
}

/// F092: pods get an address of each pool's family, and only a node with one of that family can carry it.
pub(super) fn families(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let topology = facts.topology;
    for family in [Family::V4, Family::V6] {
        let Some(pool) = topology
            .pools
            .iter()
            .find(|pool| pool.cidr.family() == family && !pool.disabled)
        else {
            continue;
        };
        let without: Vec<Speaker> = all_nodes(topology)
            .filter(|node| topology.nodes[*node as usize].address(family).is_none())
            .filter(|node| pool.nodes.as_ref().is_none_or(|nodes| nodes.contains(node)))
            .collect();
        if without.is_empty() {
            continue;
        }
        let units = speakers(topology, facts.sessions, without.iter().copied());
        let mut finding = Finding::new(
            92,
            pool.origin.clone(),
            format!(
                "{} gives pods {family} addresses, but {} {} no {family} address: {}",
                pool.cidr,
                counted(without.len() as u64, "node"),
                if without.len() == 1 { "has" } else { "have" },
                few(&units),
            ),
        )
        .value(pool.cidr)
        .remedy(format!(
            "give these machines an {family} address in the space that endpoint `cni` is bound to, or leave the \
             network out"
        ));
        if without.len() == topology.nodes.len()
            && let Some(rest) = cidr_with(topology, pool, None)
        {
            finding = finding.command(setting("cidr", rest));
        }
        found.push(finding.units(units));
    }
}

/// F093: kube-proxy answers only for addresses inside the cluster's own service networks.
pub(super) fn foreign_services(facts: &Facts<'_>, found: &mut Vec<Finding>) {
    let own = &facts.topology.service_cidrs;
    for service in &facts.topology.services {
        // External and load balancer addresses are chosen freely.
        let is_cluster = service
            .origin
            .place()
            .is_some_and(|place| place.option == "bgp-service-cluster-ips");
        let family: Vec<&Cidr> = own
            .iter()
            .filter(|cidr| cidr.family() == service.value.family())
            .collect();
        if !is_cluster
            || family.is_empty()
            || family.iter().any(|cidr| cidr.contains_cidr(&service.value))
        {
            continue;
        }
        let known = few(&family);
        found.push(
            Finding::new(
                93,
                service.origin.clone(),
                format!(
                    "announces {}, but the cluster's service network is {known}: packets for the rest have \
                     nowhere to go",
                    service.value
                ),
            )
            .value(service.value)
            .remedy(format!("write {known}, the service-cidr of kubernetes-control-plane")),
        );
    }
}
