//! Which of the options' entries apply to a unit, and whether they agree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{AsNumber, Cidr, ClusterId, Family, Peer, PeerAddress, Place, Sourced, UnitFacts};
use crate::config::{CharmConfig, Problem, Problems};

/// What the options give a unit for BGP.
pub(crate) struct UnitBgp {
    /// As [`Intent::as_number`](super::Intent::as_number).
    pub(crate) as_number: Option<Sourced<AsNumber>>,
    /// As [`Intent::peers`](super::Intent::peers).
    pub(crate) peers: BTreeMap<PeerAddress, Sourced<AsNumber>>,
    /// The peers of [`Intent::skipped_own`](super::Intent::skipped_own).
    pub(crate) skipped_own: Vec<Sourced<Peer>>,
    /// As [`Intent::cluster_id`](super::Intent::cluster_id).
    pub(crate) cluster_id: Option<Sourced<ClusterId>>,
}

impl UnitBgp {
    /// Applies the options to a unit.
    ///
    /// # Errors
    /// As [`Intent::new`](super::Intent::new).
    pub(crate) fn new(config: &CharmConfig, facts: &UnitFacts) -> Result<Self, Problems> {
        let mut problems = check_pools(config, facts);
        let as_number = as_number(config, facts, &mut problems);
        let peers = peers(config, facts, &mut problems);
        Problems::check(problems)?;
        let cluster_ids = &config.route_reflector_cluster_ids;
        Ok(Self {
            as_number,
            peers: peers.wanted,
            skipped_own: peers.skipped_own,
            cluster_id: cluster_ids.get(&facts.unit.number()).cloned(),
        })
    }
}

/// The peers of a unit.
#[derive(Default)]
struct UnitPeers {
    wanted: BTreeMap<PeerAddress, Sourced<AsNumber>>,
    skipped_own: Vec<Sourced<Peer>>,
    by_endpoint: BTreeMap<(IpAddr, u16), PeerAddress>,
}

/// Problems of the pools that show only with a unit's facts. Without `manage-pools` the charm answers for no pool.
fn check_pools(config: &CharmConfig, facts: &UnitFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    for cidr in config.cidr.iter().filter(|_| config.manage_pools) {
        if let Some(service) = facts
            .service_cidrs
            .iter()
            .find(|service| service.overlaps(cidr))
        {
            problems.push(
                Problem::new(
                    "cidr",
                    "",
                    format!("overlaps the cluster's service network {service}"),
                )
                .code(90)
                .value(cidr)
                .remedy(
                    "choose a pod network apart from the service-cidr of kubernetes-control-plane",
                ),
            );
        }
        if let Some(address) = facts
            .addresses
            .iter()
            .find(|address| cidr.contains(address.ip))
        {
            problems.push(
                Problem::new(
                    "cidr",
                    "",
                    format!(
                        "contains {}, an address of {} itself",
                        address.ip, facts.unit
                    ),
                )
                .code(90)
                .value(cidr)
                .remedy("choose a pod network that no machine has an address in"),
            );
        }
    }
    problems
}

/// Unit before most specific subnet before `global-as-number`; `None` when no option gives any unit a number.
fn as_number(
    config: &CharmConfig,
    facts: &UnitFacts,
    problems: &mut Vec<Problem>,
) -> Option<Sourced<AsNumber>> {
    if config.subnet_as_numbers.is_empty() && config.unit_as_numbers.is_empty() {
        return None;
    }
    if let Some(number) = config.unit_as_numbers.get(&facts.unit.number()) {
        return Some(number.clone());
    }
    let v4 = of_family(config, facts, Family::V4, problems);
    let v6 = of_family(config, facts, Family::V6, problems);
    if let (Some(v4), Some(v6)) = (v4, v6)
        && v4.value != v6.value
    {
        problems.push(torn(facts, v4, v6));
    }
    let global = || Sourced {
        value: config.global_as_number,
        place: Place::option("global-as-number"),
    };
    Some(v4.or(v6).cloned().unwrap_or_else(global))
}

/// The number of the longest prefix that holds an address of one family: prefixes of different families do not compare.
fn of_family<'a>(
    config: &'a CharmConfig,
    facts: &UnitFacts,
    family: Family,
    problems: &mut Vec<Problem>,
) -> Option<&'a Sourced<AsNumber>> {
    let mut best: Option<(u8, &Sourced<AsNumber>)> = None;
    for (_, number, prefix) in matching(&config.subnet_as_numbers, facts, family) {
        match best {
            Some((longest, _)) if longest > prefix => {}
            Some((longest, other)) if longest == prefix => {
                if other.value != number.value {
                    problems.push(torn(facts, other, number));
                }
            }
            _ => best = Some((prefix, number)),
        }
    }
    best.map(|(_, number)| number)
}

/// The entries whose subnet holds an address of the unit, in the order of subnets. Looked up by each prefix length that
/// occurs, so that a unit costs the same however many subnets there are.
fn matching<'a, T>(
    subnets: &'a BTreeMap<Cidr, T>,
    facts: &UnitFacts,
    family: Family,
) -> impl Iterator<Item = (Cidr, &'a T, u8)> {
    let lengths = lengths(subnets, family);
    let mut found: Vec<(Cidr, &T, u8)> = Vec::new();
    for address in &facts.addresses {
        if Family::of(address.ip) != family {
            continue;
        }
        for prefix in (0..=family.bits()).filter(|prefix| lengths[usize::from(*prefix)]) {
            let subnet = Cidr::network_of(address.ip, prefix);
            if let Some(value) = subnets.get(&subnet) {
                found.push((subnet, value, prefix));
            }
        }
    }
    found.sort_by_key(|(subnet, _, _)| *subnet);
    found.dedup_by_key(|(subnet, _, _)| *subnet);
    found.into_iter()
}

/// Which prefix lengths the subnets of a family have.
fn lengths<T>(subnets: &BTreeMap<Cidr, T>, family: Family) -> [bool; 129] {
    let mut lengths = [false; 129];
    for subnet in subnets.keys().filter(|subnet| subnet.family() == family) {
        lengths[usize::from(subnet.prefix())] = true;
    }
    lengths
}

fn torn(facts: &UnitFacts, first: &Sourced<AsNumber>, second: &Sourced<AsNumber>) -> Problem {
    let rule = format!(
        "gives {} AS number {}, and {} gives it {}: it has an address in both",
        facts.unit, second.value, first.place, first.value
    );
    Problem::at_place(&second.place, rule)
        .code(3)
        .remedy(format!(
            "give both the same, or say which in unit-as-numbers: {}: {}",
            facts.unit.number(),
            first.value
        ))
        .other(&first.place)
}

/// Global peers, those of every subnet the unit has an address in, and its own; the first place that names one counts.
fn peers(config: &CharmConfig, facts: &UnitFacts, problems: &mut Vec<Problem>) -> UnitPeers {
    let of_subnets = [Family::V4, Family::V6]
        .into_iter()
        .flat_map(|family| matching(&config.subnet_bgp_peers, facts, family))
        .flat_map(|(_, peers, _)| peers);
    let of_unit = config
        .unit_bgp_peers
        .get(&facts.unit.number())
        .into_iter()
        .flatten();
    let mut found = UnitPeers::default();
    for peer in config
        .global_bgp_peers
        .iter()
        .chain(of_subnets)
        .chain(of_unit)
    {
        if facts
            .addresses
            .iter()
            .any(|address| address.ip == peer.value.address().ip())
        {
            found.skipped_own.push(peer.clone());
        } else if let Some(problem) = found.add(peer) {
            problems.push(problem);
        }
    }
    found
}

impl UnitPeers {
    fn add(&mut self, peer: &Sourced<Peer>) -> Option<Problem> {
        let (address, as_number) = (peer.value.address(), peer.value.as_number());
        let earlier = self
            .by_endpoint
            .get(&address.endpoint())
            .and_then(|earlier| self.wanted.get(earlier));
        if let Some(earlier) = earlier {
            return (earlier.value != as_number).then(|| Problem::two_as_numbers(peer, earlier));
        }
        self.by_endpoint.insert(address.endpoint(), address);
        self.wanted.insert(
            address,
            Sourced {
                value: as_number,
                place: peer.place.clone(),
            },
        );
        None
    }
}
