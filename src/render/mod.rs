//! From an intent to typed Calico objects. Pure.
//!
//! Specs hold only the fields that options name: under server-side apply every field sent is a field owned, and other
//! people's fields stay theirs.

mod bgp_configuration;
mod bgp_peer;
mod calico_config;
mod ip_pool;
mod kind;
mod node;
mod node_status;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::model::UnitName;

pub use bgp_configuration::bgp_configuration;
pub use bgp_peer::{BgpPeerName, bgp_peers};
pub use calico_config::{CALICO_CONFIG, VETH_MTU, calico_config};
pub use ip_pool::ip_pool;
pub use kind::{Group, Kind};
pub use node::{DesiredNode, listed, node};
pub use node_status::node_status;

/// Field manager of every write, the same on every unit and for ever: a manager a unit would leave fields co-owned
/// after a change of leader (Kubernetes documentation, "Server-Side Apply").
pub const FIELD_MANAGER: &str = "calico-charm";

/// Label of every object this charm writes; its value is [`FIELD_MANAGER`].
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label: UUID of the Juju model.
pub const LABEL_MODEL: &str = "calico.juju.is/model";
/// Label: Juju application.
pub const LABEL_APPLICATION: &str = "calico.juju.is/application";
/// Label of what one unit writes: the unit as `calico-0`, since `/` is not allowed in label values.
pub const LABEL_UNIT: &str = "calico.juju.is/unit";

/// Node annotation Calico reads the AS number from (`libcalico-go/lib/backend/k8s/resources/node.go`).
pub const ANNOTATION_AS_NUMBER: &str = "projectcalico.org/ASNumber";
/// Node annotation Calico reads the route reflector cluster ID from (same file).
pub const ANNOTATION_CLUSTER_ID: &str = "projectcalico.org/RouteReflectorClusterID";
/// Node annotation: the unit that looks after this Node, `calico/0`.
pub const ANNOTATION_UNIT: &str = "calico.juju.is/unit";
/// Node annotation: that unit's application.
pub const ANNOTATION_APPLICATION: &str = "calico.juju.is/application";
/// Node annotation: UUID of that unit's model.
pub const ANNOTATION_MODEL: &str = "calico.juju.is/model";
/// Node annotation: the principal, `kubernetes-worker/0`.
pub const ANNOTATION_PRINCIPAL: &str = "calico.juju.is/principal";
/// Node annotation: the unit's addresses with their prefix lengths, from which the leader makes the one value of Calico's
/// address autodetection, and checks the fabric: `10.0.0.2/24,fd00::2/64`.
pub const ANNOTATION_ADDRESSES: &str = "calico.juju.is/addresses";
/// Node annotation: the address that calico-node uses, `10.0.0.2/24`; calico-node writes it.
pub const ANNOTATION_IPV4: &str = "projectcalico.org/IPv4Address";
/// The same for IPv6.
pub const ANNOTATION_IPV6: &str = "projectcalico.org/IPv6Address";
/// Node label: availability zone, where the cloud has them.
pub const LABEL_ZONE: &str = "topology.kubernetes.io/zone";
/// Node annotation: how far the unit is with the options it acted on ([`crate::rollout::Applied`]).
pub const ANNOTATION_APPLIED: &str = "calico.juju.is/applied";
/// Annotation of BGPConfiguration `default`: how far a change may go ([`crate::rollout::Record`]).
pub const ANNOTATION_ROLLOUT: &str = "calico.juju.is/rollout";

/// Node annotation in which Calico keeps labels that are not Kubernetes' own, as JSON.
pub const ANNOTATION_LABELS: &str = "projectcalico.org/labels";

/// The annotations that make a Node a BGP speaker.
pub const BGP_ANNOTATIONS: [&str; 4] = [
    ANNOTATION_IPV4,
    ANNOTATION_IPV6,
    ANNOTATION_AS_NUMBER,
    ANNOTATION_CLUSTER_ID,
];

/// Every annotation under the charm's own prefix.
pub const OWN_ANNOTATIONS: [&str; 6] = [
    ANNOTATION_UNIT,
    ANNOTATION_APPLICATION,
    ANNOTATION_MODEL,
    ANNOTATION_PRINCIPAL,
    ANNOTATION_ADDRESSES,
    ANNOTATION_APPLIED,
];

/// Whose objects these are: what the ownership labels say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// UUID of the Juju model.
    pub model: String,
    /// Juju application, usually `calico`.
    pub application: String,
}

impl Owner {
    /// Labels of an object that belongs to the application as a whole.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            (LABEL_MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned()),
            (LABEL_MODEL.to_owned(), self.model.clone()),
            (LABEL_APPLICATION.to_owned(), self.application.clone()),
        ])
    }

    /// Labels of an object that belongs to one unit.
    #[must_use]
    pub fn unit_labels(&self, unit: &UnitName) -> BTreeMap<String, String> {
        let mut labels = self.labels();
        labels.insert(LABEL_UNIT.to_owned(), unit.dashed());
        labels
    }

    /// The label selector that finds one unit's objects and no others.
    #[must_use]
    pub fn unit_selector(&self, unit: &UnitName) -> String {
        format!(
            "{LABEL_MANAGED_BY}={FIELD_MANAGER},{LABEL_MODEL}={},{LABEL_UNIT}={}",
            self.model,
            unit.dashed()
        )
    }
}

/// One Calico object as it should be: the fields this charm owns, and which option asked for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// The kind.
    pub kind: Kind,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`, only those of the charm.
    pub annotations: BTreeMap<String, String>,
    /// `spec` (`data` of the ConfigMap), only the fields options name.
    pub spec: Map<String, Value>,
    /// Field to the option (and the place in it) that asked for its value.
    pub reasons: BTreeMap<String, String>,
}

impl Desired {
    fn new(
        kind: Kind,
        name: String,
        labels: BTreeMap<String, String>,
        spec: &impl Serialize,
    ) -> Self {
        let spec = match serde_json::to_value(spec) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        Self {
            kind,
            name,
            labels,
            annotations: BTreeMap::new(),
            spec,
            reasons: BTreeMap::new(),
        }
    }

    fn because(mut self, field: &str, reason: impl std::fmt::Display) -> Self {
        self.reasons.insert(field.to_owned(), reason.to_string());
        self
    }

    /// The object as an apply sends it.
    #[must_use]
    pub fn manifest(&self, group: Group) -> Value {
        let mut metadata = json!({"name": self.name});
        if !self.labels.is_empty() {
            metadata["labels"] = json!(self.labels);
        }
        if !self.annotations.is_empty() {
            metadata["annotations"] = json!(self.annotations);
        }
        if let Some(namespace) = self.kind.namespace() {
            metadata["namespace"] = namespace.into();
        }
        json!({
            "apiVersion": self.kind.api_version(group),
            "kind": self.kind.as_str(),
            "metadata": metadata,
            self.kind.section(): self.spec,
        })
    }
}
