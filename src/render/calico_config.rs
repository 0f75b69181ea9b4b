//! The pod MTU in the ConfigMap `calico-config`, which calico-node and the CNI plugin take it from.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::{Desired, Kind};
use crate::model::ClusterIntent;

/// Name of the ConfigMap in Calico's install manifests.
pub const CALICO_CONFIG: &str = "calico-config";
/// Its key for the MTU of the pods' interfaces, as text; `0` lets Calico find it.
pub const VETH_MTU: &str = "veth_mtu";

/// The one key this charm has a say in. It is never removed: calico-node's environment refers to it, and its pods would
/// not start without it.
#[must_use]
pub fn calico_config(intent: &ClusterIntent) -> Desired {
    let mtu = intent.workload_mtu().unwrap_or_default();
    Desired {
        kind: Kind::CalicoConfig,
        name: CALICO_CONFIG.to_owned(),
        labels: BTreeMap::new(),
        spec: Map::from_iter([(VETH_MTU.to_owned(), json!(mtu.to_string()))]),
        annotations: BTreeMap::new(),
        reasons: BTreeMap::from([(VETH_MTU.to_owned(), "veth-mtu".to_owned())]),
    }
}
