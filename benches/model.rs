//! From options to a plan, without any IO: one unit of a fabric of 5,000 machines, an AS per rack.

use std::fmt::Write;
use std::hint::black_box;

use calico_charm::config::{CharmConfig, RawConfig};
use calico_charm::juju::network::unit_addresses;
use calico_charm::model::{Intent, UnitFacts};
use calico_charm::plan::{Allowance, FoundOfUnit, Live, Plan, WantedOfUnit, plan_unit};
use calico_charm::render::{Owner, bgp_peers, node};
use calico_charm::rollout::Permission;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

/// Racks of two subnets with 20 machines each: 5,000 machines.
const RACKS: u32 = 125;
const SUBNETS: u32 = 2 * RACKS;
const MACHINES_OF_A_SUBNET: u32 = 20;

/// Everything a fabric of racks sets: AS numbers and reflectors by subnet, the reflectors' routers and cluster IDs by
/// unit. The first machine of each subnet reflects routes.
fn options() -> Value {
    let (mut numbers, mut reflectors) = (String::new(), String::new());
    let (mut routers, mut clusters) = (String::new(), String::new());
    for subnet in 0..SUBNETS {
        let (rack, other) = (subnet / 2, subnet ^ 1);
        let as_number = 64512 + rack;
        let unit = subnet * MACHINES_OF_A_SUBNET;
        // Writing to a String cannot fail.
        let _ = writeln!(numbers, "10.0.{subnet}.0/24: {as_number}");
        let _ = writeln!(reflectors, "10.0.{subnet}.0/24:");
        for near in [subnet, other] {
            let _ = writeln!(
                reflectors,
                "- {{address: 10.0.{near}.2, as-number: {as_number}}}"
            );
        }
        let _ = writeln!(
            routers,
            "{unit}:\n- {{address: 10.0.{subnet}.1, as-number: {as_number}}}"
        );
        let _ = writeln!(clusters, "{unit}: 1.0.{rack}.1");
    }
    json!({
        "node-to-node-mesh": false, "subnet-as-numbers": numbers, "subnet-bgp-peers": reflectors,
        "unit-bgp-peers": routers, "route-reflector-cluster-ids": clusters,
    })
}

/// A reflector in the middle of the fabric.
fn facts() -> UnitFacts {
    let network = json!({"bind-addresses": [{"interface-name": "ens3", "addresses": [{"value": "10.0.124.2", "cidr": "10.0.124.0/24"}]}]});
    UnitFacts {
        unit: "calico/2480".parse().expect("a unit"),
        principal: Some("kubernetes-worker/2480".to_owned()),
        model: "cdac5656-0423-4388-8f30-41854b4cca7d".to_owned(),
        addresses: unit_addresses(&network),
        leader: false,
        hostname: "node-2480".to_owned(),
        fqdn: None,
        zone: None,
        service_cidrs: Vec::new(),
    }
}

/// What a hook does between reading and writing.
fn plan(options: &Value, facts: &UnitFacts, owner: &Owner, live: &Live) -> Plan {
    let raw = RawConfig::from_json(options).expect("a map of options");
    let config = CharmConfig::parse(&raw, "calico").expect("options that are right");
    let intent = Intent::new(&config, facts).expect("options that fit the unit");
    let name = "node-2480".parse().expect("a name of a Node");
    let peers = bgp_peers(&intent, owner, &name);
    let desired = node(&intent, owner, facts.principal.as_deref(), name);
    let wanted = WantedOfUnit {
        intent: &intent,
        node: &desired,
        peers,
    };
    let found = FoundOfUnit {
        node: live,
        peers: &[],
        predecessor: None,
    };
    let allowance = Allowance {
        permission: Permission::all(),
        as_number: config.global_as_number,
    };
    plan_unit(wanted, &found, owner, &allowance).expect("nothing is in the way")
}

fn one_unit(criterion: &mut Criterion) {
    let (options, facts) = (options(), facts());
    let owner = Owner {
        model: facts.model.clone(),
        application: "calico".to_owned(),
    };
    let live = Live::new(json!({"metadata": {"name": "node-2480", "resourceVersion": "1"}}));
    let texts = options.as_object().into_iter().flatten();
    let bytes: usize = texts
        .filter_map(|(_, text)| Some(text.as_str()?.len()))
        .sum();
    let steps = plan(&options, &facts, &owner, &live).steps().count();
    let id = format!(
        "options to plan, 5000 units, {} KB of YAML, {steps} writes",
        bytes / 1000
    );
    criterion.bench_function(&id, |bencher| {
        bencher.iter(|| plan(black_box(&options), &facts, &owner, &live));
    });
}

criterion_group!(benches, one_unit);
criterion_main!(benches);
