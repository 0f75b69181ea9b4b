//! What the options, the relations and the Nodes make of the documents.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::CharmConfig;
use crate::model::{Cidr, Family, Release};
use crate::plan::Live;
use crate::render::Owner;

/// Everything that decides how documents are edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The release the documents are of.
    pub release: Release,
    /// Whose objects they become.
    pub owner: Owner,
    /// In place of the registry that images name, with or without a path: `registry.example.com:5000/mirror`.
    pub registry: Option<String>,
    /// In place of the image of calico-node.
    pub node_image: Option<String>,
    /// In place of the image of calico-kube-controllers.
    pub policy_image: Option<String>,
    /// Whether pods have IPv4 addresses.
    pub ipv4: bool,
    /// Whether pods have IPv6 addresses.
    pub ipv6: bool,
    /// What exchanges routes between nodes.
    pub backend: Backend,
    /// MTU of the pods' interfaces; `None` for Calico's own detection.
    pub workload_mtu: Option<u32>,
    /// Whether the charm makes the pools, so that calico-node must not.
    pub manage_pools: bool,
    /// How calico-node finds its machine's address.
    pub autodetection: Autodetection,
    /// Replicas of Typha; 0 for no Typha.
    pub typha_replicas: u32,
}

impl Settings {
    /// What the options ask of a release's documents.
    #[must_use]
    pub fn new(
        config: &CharmConfig,
        release: Release,
        owner: Owner,
        autodetection: Autodetection,
    ) -> Self {
        let has = |family| config.cidr.iter().any(|cidr| cidr.family() == family);
        Self {
            release,
            owner,
            registry: config.image_registry.clone(),
            node_image: config.calico_node_image.clone(),
            policy_image: config.calico_policy_image.clone(),
            ipv4: has(Family::V4),
            ipv6: has(Family::V6),
            backend: Backend::of(config),
            workload_mtu: config.workload_mtu().map(u32::from),
            manage_pools: config.manage_pools,
            autodetection,
            typha_replicas: u32::from(config.typha_replicas),
        }
    }
}

/// Calico's networking backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// BGP by BIRD, whatever the encapsulation.
    Bird,
    /// Felix's own VXLAN routes, without BGP.
    Vxlan,
}

impl Backend {
    /// BIRD runs unless everything goes by VXLAN and nothing asks for a session: the mesh, which is on unless switched off,
    /// counts as asking.
    fn of(config: &CharmConfig) -> Self {
        if config.manage_pools && config.vxlan.is_some() && !config.speaks_bgp() {
            Self::Vxlan
        } else {
            Self::Bird
        }
    }

    /// As Calico spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bird => "bird",
            Self::Vxlan => "vxlan",
        }
    }
}

/// How calico-node finds its machine's address (`node/pkg/lifecycle/startup/autodetection`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Autodetection {
    /// The Node's `InternalIP`.
    InternalIp,
    /// The first address in one of these networks.
    Cidrs(Vec<Cidr>),
}

const INTERNAL_IP: &str = "kubernetes-internal-ip";
const CIDR: &str = "cidr=";

impl Autodetection {
    /// The environment variable of a family.
    pub(super) fn variable(family: Family) -> &'static str {
        match family {
            Family::V4 => "IP_AUTODETECTION_METHOD",
            Family::V6 => "IP6_AUTODETECTION_METHOD",
        }
    }

    /// The variable's value, sorted so that one set of networks is one text; `None` where Calico's own default has to do.
    pub(super) fn method(&self, family: Family) -> Option<String> {
        let cidrs = match self {
            Self::InternalIp => return Some(INTERNAL_IP.to_owned()),
            Self::Cidrs(cidrs) => cidrs,
        };
        let sorted: BTreeSet<&Cidr> = cidrs
            .iter()
            .filter(|cidr| cidr.family() == family)
            .collect();
        let texts: Vec<String> = sorted.into_iter().map(ToString::to_string).collect();
        (!texts.is_empty()).then(|| format!("{CIDR}{}", texts.join(",")))
    }

    /// What the live DaemonSet calico-node does; `None` when that is neither of the two.
    #[must_use]
    pub fn of(daemon_set: &Live) -> Option<Self> {
        let containers = daemon_set.value()["spec"]["template"]["spec"]["containers"].as_array()?;
        let container = containers
            .iter()
            .find(|container| container["name"] == "calico-node")?;
        let methods: Vec<&str> = [Family::V4, Family::V6]
            .into_iter()
            .filter_map(|family| value_of(container, Self::variable(family)))
            .collect();
        let cidrs: BTreeSet<Cidr> = methods
            .iter()
            .filter_map(|method| method.strip_prefix(CIDR))
            .flat_map(|list| list.split(','))
            .filter_map(|cidr| cidr.trim().parse().ok())
            .collect();
        if !cidrs.is_empty() {
            return Some(Self::Cidrs(cidrs.into_iter().collect()));
        }
        methods.contains(&INTERNAL_IP).then_some(Self::InternalIp)
    }
}

fn value_of<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let env = container["env"].as_array()?;
    env.iter().find(|item| item["name"] == name)?["value"].as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_daemon_set_does_is_read_back() {
        let cidrs = |texts: &[&str]| {
            let cidrs = texts.iter().map(|text| text.parse().unwrap());
            Some(Autodetection::Cidrs(cidrs.collect()))
        };
        for (v4, v6, found) in [
            (
                Some("kubernetes-internal-ip"),
                None,
                Some(Autodetection::InternalIp),
            ),
            (
                None,
                Some("kubernetes-internal-ip"),
                Some(Autodetection::InternalIp),
            ),
            (
                Some("cidr=10.0.1.0/24,10.0.0.0/24"),
                None,
                cidrs(&["10.0.0.0/24", "10.0.1.0/24"]),
            ),
            (
                Some("cidr=10.0.0.0/24"),
                Some("cidr=fd00::/64"),
                cidrs(&["10.0.0.0/24", "fd00::/64"]),
            ),
            (
                Some("cidr=10.0.0.0/24, x"),
                Some("kubernetes-internal-ip"),
                cidrs(&["10.0.0.0/24"]),
            ),
            (Some("first-found"), None, None),
            (Some("cidr="), None, None),
            (None, None, None),
        ] {
            let variables = [
                ("IP_AUTODETECTION_METHOD", v4),
                ("IP6_AUTODETECTION_METHOD", v6),
            ];
            let env: Vec<Value> = variables
                .iter()
                .filter_map(|(name, value)| Some(json!({"name": name, "value": (*value)?})))
                .collect();
            let containers = json!([{"name": "other"}, {"name": "calico-node", "env": env}]);
            let daemon_set = json!({"spec": {"template": {"spec": {"containers": containers}}}});
            assert_eq!(
                Autodetection::of(&Live::new(daemon_set)),
                found,
                "{v4:?} {v6:?}"
            );
        }
        assert_eq!(Autodetection::of(&Live::new(json!({}))), None);
    }
}
