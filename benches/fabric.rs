//! The check of a whole fabric, AS per rack: what a command and a leader's hook spend on it.
//!
//! Rack: two subnets of 20 machines, the first of each a route reflector, one router. `quotient` puts machines that
//! nothing tells apart together, `full` works on each by itself; their ratio is what the classes are worth.

use std::fmt::Write;
use std::hint::black_box;

use calico_charm::config::{CharmConfig, RawConfig};
use calico_charm::fabric::{
    Budget, Classes, FabricFacts, Gateway, Topology, UnitOnNode, check, check_by_classes, derive,
    topology,
};
use calico_charm::model::{Cidr, UnitAddress};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serde_json::json;

const MACHINES_OF_A_SUBNET: u32 = 20;

fn subnet_text(subnet: u32) -> String {
    format!("10.{}.{}", subnet / 256, subnet % 256)
}

/// The options of `racks` racks, as `examples/generate-fleet` writes them.
fn options(racks: u32) -> CharmConfig {
    let (mut numbers, mut reflectors) = (String::new(), String::new());
    let (mut routers, mut clusters) = (String::new(), String::new());
    for subnet in 0..2 * racks {
        let (rack, network) = (subnet / 2, subnet_text(subnet));
        let as_number = 64512 + rack;
        let unit = subnet * MACHINES_OF_A_SUBNET;
        // Writing to a String cannot fail.
        let _ = writeln!(numbers, "{network}.0/24: {as_number}");
        let _ = writeln!(reflectors, "{network}.0/24:");
        for near in [subnet & !1, subnet | 1] {
            let address = subnet_text(near);
            let _ = writeln!(
                reflectors,
                "- {{address: {address}.2, as-number: {as_number}}}"
            );
        }
        let _ = writeln!(
            routers,
            "{unit}: [{{address: {network}.1, as-number: {as_number}}}]"
        );
        let _ = writeln!(clusters, "{unit}: 1.0.{}.{}", rack / 256, rack % 256);
    }
    let raw = json!({
        "cidr": "172.16.0.0/12", "node-to-node-mesh": false, "subnet-as-numbers": numbers,
        "subnet-bgp-peers": reflectors, "unit-bgp-peers": routers,
        "route-reflector-cluster-ids": clusters,
    });
    let raw = RawConfig::from_json(&raw).expect("a map of options");
    CharmConfig::parse(&raw, "calico").expect("options that are right")
}

fn unit(number: u32, ip: &str) -> UnitOnNode {
    let ip = ip.parse().expect("an address");
    UnitOnNode {
        unit: format!("calico/{number}").parse().expect("a unit"),
        node: format!("node-{number}"),
        addresses: vec![UnitAddress {
            ip,
            subnet: Cidr::network_of(ip, 24),
            interface: String::new(),
        }],
        zone: None,
        gateway: Gateway::Unknown,
    }
}

fn facts(units: Vec<UnitOnNode>) -> FabricFacts {
    FabricFacts {
        units,
        release: "v3.32.1".parse().expect("a release"),
        ..FabricFacts::default()
    }
}

fn racks(racks: u32) -> (CharmConfig, FabricFacts) {
    let units = (0..racks * 2 * MACHINES_OF_A_SUBNET).map(|number| {
        let network = subnet_text(number / MACHINES_OF_A_SUBNET);
        unit(
            number,
            &format!("{network}.{}", 2 + number % MACHINES_OF_A_SUBNET),
        )
    });
    (options(racks), facts(units.collect()))
}

/// A fabric in which no two machines are alike: each peers with the next few by itself.
fn classless(machines: u32) -> Topology {
    let mut peers = String::new();
    for number in 0..machines {
        let _ = write!(peers, "{number}: [");
        for step in [1, 7, 31] {
            let other = (number + step) % machines;
            let _ = write!(
                peers,
                "{{address: {}.{}, as-number: 64512}}, ",
                subnet_text(other / 200),
                2 + other % 200
            );
        }
        let _ = writeln!(peers, "]");
    }
    let clusters: String = (0..machines).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{number}: 1.0.{}.{}", number / 256, number % 256);
        text
    });
    let raw = json!({
        "node-to-node-mesh": false, "unit-bgp-peers": peers, "route-reflector-cluster-ids": clusters,
        "cidr": "172.16.0.0/12",
    });
    let raw = RawConfig::from_json(&raw).expect("a map of options");
    let config = CharmConfig::parse(&raw, "calico").expect("options that are right");
    let units = (0..machines).map(|number| {
        unit(
            number,
            &format!("{}.{}", subnet_text(number / 200), 2 + number % 200),
        )
    });
    topology(&config, &facts(units.collect())).expect("options that fit")
}

fn fabrics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fabric");
    group.sample_size(10);
    for machines in [200, 625, 1000, 2500, 5000] {
        let (config, facts) = racks(machines / 40);
        group.bench_function(BenchmarkId::new("topology", machines), |bencher| {
            bencher.iter(|| topology(black_box(&config), &facts));
        });
        let fabric = topology(&config, &facts).expect("options that fit");
        group.bench_function(BenchmarkId::new("derive", machines), |bencher| {
            bencher.iter(|| derive(black_box(&fabric)));
        });
        group.bench_function(BenchmarkId::new("quotient", machines), |bencher| {
            bencher.iter(|| check(black_box(&fabric), Budget::COMMAND));
        });
        if machines <= 1000 {
            group.bench_function(BenchmarkId::new("full", machines), |bencher| {
                bencher.iter(|| {
                    let sessions = derive(&fabric);
                    let classes = Classes::discrete(&sessions);
                    check_by_classes(black_box(&fabric), sessions, classes, Budget::COMMAND)
                });
            });
        }
    }
    let fabric = classless(1000);
    group.bench_function(BenchmarkId::new("classless", 1000), |bencher| {
        bencher.iter(|| check(black_box(&fabric), Budget::COMMAND));
    });
    group.finish();
}

criterion_group!(benches, fabrics);
criterion_main!(benches);
