//! The object in which calico-node tells of a reflector's sessions.

use serde::Serialize;

use super::{Desired, Kind, Owner};
use crate::model::{NodeName, UnitName};

/// How often calico-node looks at BIRD's sessions, in seconds; it writes only what has changed. Short, for a mesh that is
/// about to go off waits for it, and not shorter, since it asks BIRD once for each session.
const PERIOD: u32 = 5;

/// The fields of `CalicoNodeStatus` (`projectcalico/v3/nodestatus.go`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatusSpec {
    node: String,
    classes: [&'static str; 1],
    update_period_seconds: u32,
}

/// What asks calico-node on a unit's Node for its BGP sessions; its name is the unit's.
///
/// calico-node up to 3.32 ignores changes of the specification once it has reported
/// (`node/pkg/status/nodestatus.go`): it is made and deleted, never changed.
#[must_use]
pub fn node_status(unit: &UnitName, owner: &Owner, node: &NodeName) -> Desired {
    let spec = NodeStatusSpec {
        node: node.to_string(),
        classes: ["BGP"],
        update_period_seconds: PERIOD,
    };
    Desired::new(
        Kind::CalicoNodeStatus,
        unit.dashed(),
        owner.unit_labels(unit),
        &spec,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Group;
    use serde_json::json;

    #[test]
    fn it_is_called_like_the_unit_and_asks_for_sessions_alone() {
        let owner = Owner {
            model: "m".into(),
            application: "calico".into(),
        };
        let unit = "calico/3".parse().unwrap();
        let node = "node-3".parse().unwrap();
        assert_eq!(
            node_status(&unit, &owner, &node).manifest(Group::V1),
            json!({
                "apiVersion": "crd.projectcalico.org/v1", "kind": "CalicoNodeStatus",
                "metadata": {"name": "calico-3", "labels": {
                    "app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": "m",
                    "calico.juju.is/application": "calico", "calico.juju.is/unit": "calico-3",
                }},
                "spec": {"node": "node-3", "classes": ["BGP"], "updatePeriodSeconds": 5},
            })
        );
    }
}
