//! What a change of the pools' encapsulation does to pods that run.

use serde_json::Value;

use super::gives_workload_addresses;
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

/// Whether a write makes a pool without VXLAN, or takes VXLAN from one. Its pods have routes by BGP alone: Felix programs those
/// of VXLAN pools (`felix/dataplane/linux/vxlan_mgr.go`).
#[must_use]
pub fn needs_bird(step: &Step) -> bool {
    match step {
        Step::Apply {
            desired,
            create: true,
            ..
        } => {
            let mode = desired.spec.get("vxlanMode").and_then(Value::as_str);
            desired.kind == Kind::IpPool && !mode.is_some_and(is_tunnel)
        }
        Step::Apply { changes, .. } => changes.iter().any(|change| {
            let is_on = |mode: &Option<String>| mode.as_deref().is_some_and(is_tunnel);
            change.field == "vxlanMode" && is_on(&change.from) && !is_on(&change.to)
        }),
        _ => false,
    }
}

/// Whether a pool with VXLAN gives addresses to pods, so that the cluster may do without BIRD.
#[must_use]
pub fn is_on_vxlan(pools: &[Live]) -> bool {
    pools
        .iter()
        .any(|pool| is_tunnel(pool.spec_text("vxlanMode")) && gives_workload_addresses(pool))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CharmConfig, RawConfig};
    use crate::model::{ClusterIntent, PoolIntent};
    use crate::plan::plan_pools;
    use crate::render::Owner;
    use serde_json::json;

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
    fn vxlan_is_left_by_what_is_written_alone() {
        let owner = Owner {
            model: "m".into(),
            application: "calico".into(),
        };
        let vxlan = json!({"cidr": "192.168.0.0/16", "vxlanMode": "Always", "natOutgoing": true});
        let ipip = json!({"cidr": "192.168.0.0/16", "ipipMode": "Always", "natOutgoing": true});
        for (options, live, expected) in [
            (json!({}), &vxlan, true),
            (
                json!({"ipip": "Always", "cidr": "10.1.0.0/16"}),
                &vxlan,
                true,
            ),
            (
                json!({"vxlan": "Always", "cidr": "10.1.0.0/16"}),
                &vxlan,
                false,
            ),
            (json!({"vxlan": "CrossSubnet"}), &vxlan, false),
            // Somebody's VXLAN pool beside it has nothing to do with that.
            (
                json!({"ipip": "Always", "nat-outgoing": false}),
                &ipip,
                false,
            ),
            (json!({}), &ipip, false),
        ] {
            let steps = plan_pools(&intents(&options), &owner, &[pool(live)], &[]).unwrap();
            assert_eq!(steps.iter().any(needs_bird), expected, "{options}");
        }
        let mut off = vxlan.clone();
        off["disabled"] = true.into();
        for (live, expected) in [(&vxlan, true), (&off, false), (&ipip, false)] {
            assert_eq!(is_on_vxlan(&[pool(live)]), expected, "{live}");
        }
    }
}
