//! The pools that pods and namespaces ask for by annotations. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::model::{Cidr, Family};
use crate::plan::{Live, gives_workload_addresses, network};

/// What Calico's CNI plugin reads of a pod (`cni-plugin/internal/pkg/utils`, `cni-plugin/pkg/k8s/k8s.go`): addresses of its
/// own, which no other pool has.
const ADDRESSES: [&str; 2] = [
    "cni.projectcalico.org/ipAddrs",
    "cni.projectcalico.org/ipAddrsNoIpam",
];

/// Where restarted pods can get addresses.
#[derive(Debug, Clone, Default)]
pub struct Openings {
    /// Pools that give out addresses.
    pools: Vec<(String, Option<Cidr>)>,
    /// Annotations of the namespaces that name pools.
    namespaces: BTreeMap<String, Value>,
}

impl Openings {
    /// Those that the pools offer, with the namespaces that [`asking`] has found.
    #[must_use]
    pub fn new(pools: &[Live], namespaces: Vec<(String, Value)>) -> Self {
        let open = pools.iter().filter(|pool| gives_workload_addresses(pool));
        Self {
            pools: open
                .map(|pool| (pool.name().to_owned(), network(pool)))
                .collect(),
            namespaces: namespaces.into_iter().collect(),
        }
    }

    /// The annotation by which the successor of a pod, which has `held` of pools that retire, would get no address.
    pub(super) fn closed_to(&self, metadata: &Value, held: &[IpAddr]) -> Option<String> {
        let own = &metadata["annotations"];
        let asked = |key: &str| own[key].as_str().filter(|text| !text.is_empty());
        if let Some(key) = ADDRESSES.into_iter().find(|key| asked(key).is_some()) {
            return Some(shown(key, asked(key).unwrap_or_default(), ""));
        }
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        let around = self.namespaces.get(namespace).unwrap_or(&Value::Null);
        held.iter().find_map(|ip| {
            let key = key(Family::of(*ip));
            // The pod's own goes first.
            let (text, whose) = match asked(key) {
                Some(text) => (text, ""),
                None => (around[key].as_str()?, " of its namespace"),
            };
            (!self.has(text)).then(|| shown(key, text, whose))
        })
    }

    /// Whether all pools that an annotation names are there: one that is not is an error of the whole request
    /// (`libcalico-go/lib/ipam/ipam.go`, `determinePools`).
    fn has(&self, names: &str) -> bool {
        let names: Vec<String> = serde_json::from_str(names).unwrap_or_default();
        let is_open = |asked: &String| {
            let cidr: Option<Cidr> = asked.parse().ok();
            let mut pools = self.pools.iter();
            pools.any(|(name, network)| name == asked || (cidr.is_some() && *network == cidr))
        };
        !names.is_empty() && names.iter().all(is_open)
    }
}

fn key(family: Family) -> &'static str {
    match family {
        Family::V4 => "cni.projectcalico.org/ipv4pools",
        Family::V6 => "cni.projectcalico.org/ipv6pools",
    }
}

fn shown(key: &str, text: &str, whose: &str) -> String {
    format!("{key}{whose}: {text}")
}

/// A namespace that names pools, with its annotations.
#[must_use]
pub fn asking(namespace: &Value) -> Option<(String, Value)> {
    let metadata = &namespace["metadata"];
    let annotations = &metadata["annotations"];
    let names = |family| annotations[key(family)].is_string();
    let asks = names(Family::V4) || names(Family::V6);
    asks.then(|| Some((metadata["name"].as_str()?.to_owned(), annotations.clone())))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_annotation_closes_what_it_does_not_name() {
        let pool = |name: &str, cidr: &str, disabled: bool| {
            Live::new(
                json!({"metadata": {"name": name}, "spec": {"cidr": cidr, "disabled": disabled}}),
            )
        };
        let pools = [
            pool("old", "10.9.0.0/16", true),
            pool("new", "10.1.0.0/16", false),
        ];
        let namespace = |name: &str, pools: &str| {
            let annotations = json!({"cni.projectcalico.org/ipv4pools": pools});
            asking(&json!({"metadata": {"name": name, "annotations": annotations}})).unwrap()
        };
        let namespaces = vec![
            namespace("bound", r#"["old"]"#),
            namespace("moved", r#"["new"]"#),
        ];
        let openings = Openings::new(&pools, namespaces);
        let (v4, v6) = (
            "cni.projectcalico.org/ipv4pools",
            "cni.projectcalico.org/ipv6pools",
        );
        for (namespace, annotations, closed) in [
            ("web", json!({}), false),
            ("web", json!({v4: r#"["old"]"#}), true),
            ("web", json!({v4: r#"["new", "old"]"#}), true),
            ("web", json!({v4: r#"["new"]"#}), false),
            ("web", json!({v4: r#"["10.1.0.0/16"]"#}), false),
            ("web", json!({v4: r#"["10.9.0.0/16"]"#}), true),
            ("web", json!({v4: "old"}), true),
            ("web", json!({v6: r#"["six"]"#}), false),
            (
                "web",
                json!({"cni.projectcalico.org/ipAddrs": r#"["10.9.0.7"]"#}),
                true,
            ),
            (
                "web",
                json!({"cni.projectcalico.org/ipAddrsNoIpam": r#"["10.9.0.7"]"#}),
                true,
            ),
            ("bound", json!({}), true),
            ("bound", json!({v4: r#"["new"]"#}), false),
            ("moved", json!({}), false),
        ] {
            let metadata = json!({"namespace": namespace, "annotations": annotations});
            let found = openings.closed_to(&metadata, &[[10, 9, 0, 7].into()]);
            assert_eq!(found.is_some(), closed, "{metadata} {found:?}");
        }
        assert_eq!(asking(&json!({"metadata": {"name": "web"}})), None);
    }
}
