//! What options may not be together.

use super::options::CharmConfig;
use super::peers;
use super::problem::Problem;
use crate::model::{Cidr, Family, Place};

/// The smallest MTU of a link that carries IPv6 (RFC 8200, 5).
const SMALLEST_IPV6: u16 = 1280;
/// The datagram every IPv4 host takes (RFC 791, 3.1).
const SMALLEST_IPV4: u16 = 576;

/// Checks options against each other.
pub(super) fn check(config: &CharmConfig, problems: &mut Vec<Problem>) {
    check_encapsulation(config, problems);
    check_mtu(config, problems);
    check_services(config, problems);
    peers::check_units(&config.global_bgp_peers, &config.unit_bgp_peers, problems);
}

/// Calico refuses both on one pool, and IPIP on IPv6 (`libcalico-go/lib/validator/v3/validator.go`, `validateIPPoolSpec`).
fn check_encapsulation(config: &CharmConfig, problems: &mut Vec<Problem>) {
    let Some(ipip) = config.ipip else {
        return;
    };
    if let Some(vxlan) = config.vxlan {
        let rule = format!("is in conflict with vxlan={vxlan}: a pool has one encapsulation");
        let problem = Problem::new("ipip", "", rule)
            .code(12)
            .value(ipip)
            .remedy("set ipip or vxlan to Never");
        problems.push(problem.other(&Place::option("vxlan")));
    }
    let families: Vec<Family> = config.cidr.iter().map(Cidr::family).collect();
    if families == [Family::V6] {
        let problem = Problem::new(
            "ipip",
            "",
            "does not carry IPv6, and cidr names no IPv4 network",
        )
        .value(ipip);
        problems.push(
            problem
                .code(12)
                .remedy("set ipip to Never, and vxlan if packets need a tunnel")
                .other(&Place::option("cidr")),
        );
    }
}

fn check_mtu(config: &CharmConfig, problems: &mut Vec<Problem>) {
    let Some(base) = config.veth_mtu else {
        return;
    };
    let overhead = config.mtu_overhead();
    let (smallest, family) = if config.cidr.iter().any(|cidr| cidr.family() == Family::V6) {
        (SMALLEST_IPV6, Family::V6)
    } else {
        (SMALLEST_IPV4, Family::V4)
    };
    let left = base.saturating_sub(overhead);
    if left < smallest {
        let rule = if overhead == 0 {
            format!("is below {smallest}, the least for {family}")
        } else {
            format!(
                "leaves {left} bytes inside the tunnel's {overhead} bytes of headers, below {smallest}, the least for {family}"
            )
        };
        let remedy = format!(
            "set the MTU of the machines' network, {} or more, or 0 for automatic",
            smallest + overhead
        );
        problems.push(
            Problem::new("veth-mtu", "", rule)
                .value(base)
                .remedy(remedy),
        );
    }
}

/// Pools and services share one address space: an address of both is answered by whoever is asked first. Without
/// `manage-pools` the charm makes no pool from `cidr`.
fn check_services(config: &CharmConfig, problems: &mut Vec<Problem>) {
    if !config.manage_pools {
        return;
    }
    for (option, services) in [
        ("bgp-service-cluster-ips", &config.bgp_service_cluster_ips),
        ("bgp-service-external-ips", &config.bgp_service_external_ips),
        (
            "bgp-service-loadbalancer-ips",
            &config.bgp_service_loadbalancer_ips,
        ),
    ] {
        for service in services {
            if let Some(pool) = config.cidr.iter().find(|pool| pool.overlaps(service)) {
                problems.push(
                    Problem::new(
                        option,
                        "",
                        format!("overlaps the pods' network {pool} of cidr"),
                    )
                    .code(90)
                    .value(service)
                    .remedy("name a network that only services have addresses in")
                    .other(&Place::option("cidr")),
                );
            }
        }
    }
}
