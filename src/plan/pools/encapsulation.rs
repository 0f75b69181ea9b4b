//! What a change of the pools' encapsulation does to pods that run.

use super::gives_workload_addresses;
use crate::model::PoolIntent;
use crate::plan::{Changes, FieldChange, Live, Step};
use crate::render::Kind;

/// The pools whose packets get another tunnel, or none, or one at all: `IPPool ipv4: ipipMode Always → Never (vxlan)`. From
/// `Always` to `CrossSubnet` and back nothing is cut: nodes take both kinds of packets all the while.
#[must_use]
pub fn changed_tunnels(make: &[Step]) -> Vec<String> {
    make.iter().filter_map(changed_tunnel).collect()
}

fn changed_tunnel(step: &Step) -> Option<String> {
    let Step::Apply {
        desired,
        create: false,
        changes,
        ..
    } = step
    else {
        return None;
    };
    let changes: Vec<FieldChange> = changes
        .iter()
        .filter(|one| switches(one))
        .cloned()
        .collect();
    let is_pool = desired.kind == Kind::IpPool && !changes.is_empty();
    is_pool.then(|| format!("IPPool {}: {}", desired.name, Changes(&changes)))
}

fn switches(change: &FieldChange) -> bool {
    let is_on = |mode: &Option<String>| mode.as_deref().is_some_and(is_tunnel);
    matches!(change.field.as_str(), "ipipMode" | "vxlanMode")
        && is_on(&change.from) != is_on(&change.to)
}

fn is_tunnel(mode: &str) -> bool {
    !mode.is_empty() && mode != "Never"
}

/// Whether the pods live on VXLAN and the options ask for something else, which needs BIRD on every node: Felix programs
/// the routes of VXLAN pools alone (`felix/dataplane/linux/vxlan_mgr.go`).
#[must_use]
pub fn leaves_vxlan(intents: &[PoolIntent], pools: &[Live]) -> bool {
    let wants_bird = intents
        .iter()
        .any(|intent| intent.encapsulation().vxlan_mode() == "Never");
    let on_vxlan =
        |pool: &Live| is_tunnel(pool.spec_text("vxlanMode")) && gives_workload_addresses(pool);
    wants_bird && pools.iter().any(on_vxlan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CharmConfig, RawConfig};
    use crate::model::ClusterIntent;
    use crate::plan::plan_pools;
    use crate::render::Owner;
    use serde_json::{Value, json};

    fn intents(options: &Value) -> Vec<PoolIntent> {
        let raw = RawConfig::from_json(options).unwrap();
        let config = CharmConfig::parse(&raw, "calico").unwrap();
        ClusterIntent::new(&config).pools().unwrap().to_vec()
    }

    fn pool(spec: &Value) -> Live {
        Live::new(json!({"metadata": {"name": "a"}, "spec": spec}))
    }

    #[test]
    fn tunnels_that_come_or_go_are_named() {
        let owner = Owner {
            model: "m".into(),
            application: "calico".into(),
        };
        let cidr = "192.168.0.0/16";
        for (options, live, expected) in [
            (
                json!({"vxlan": "Always"}),
                json!({"cidr": cidr, "ipipMode": "Always"}),
                Some("IPPool a: ipipMode Always → Never, vxlanMode Always (vxlan)"),
            ),
            (
                json!({}),
                json!({"cidr": cidr, "vxlanMode": "CrossSubnet"}),
                Some("IPPool a: vxlanMode CrossSubnet → Never (ipip, vxlan)"),
            ),
            (
                json!({"ipip": "CrossSubnet"}),
                json!({"cidr": cidr, "ipipMode": "Always"}),
                None,
            ),
            (
                json!({"nat-outgoing": false}),
                json!({"cidr": cidr, "natOutgoing": true}),
                None,
            ),
            (
                json!({"ipip": "Always", "cidr": "10.1.0.0/16"}),
                json!({"cidr": cidr}),
                None,
            ),
        ] {
            let steps = plan_pools(&intents(&options), &owner, &[pool(&live)], &[]).unwrap();
            let found = changed_tunnels(&steps);
            assert_eq!(found.first().map(String::as_str), expected, "{options}");
        }
    }

    #[test]
    fn vxlan_is_left_only_by_pods_that_are_on_it() {
        let vxlan = json!({"cidr": "192.168.0.0/16", "vxlanMode": "Always"});
        let ipip = json!({"cidr": "192.168.0.0/16", "ipipMode": "Always"});
        let mut off = vxlan.clone();
        off["disabled"] = true.into();
        for (options, live, expected) in [
            (json!({}), vxlan.clone(), true),
            (
                json!({"ipip": "Always", "cidr": "10.1.0.0/16"}),
                vxlan.clone(),
                true,
            ),
            (json!({"vxlan": "CrossSubnet"}), vxlan, false),
            (json!({}), off, false),
            (json!({}), ipip, false),
        ] {
            let found = leaves_vxlan(&intents(&options), &[pool(&live)]);
            assert_eq!(found, expected, "{options}");
        }
    }
}
