//! What becomes of a unit's `CalicoNodeStatus`, in which calico-node tells of a reflector's sessions.
//!
//! It is there before the Node has a cluster ID and goes before that does, so that a hook that is killed in between does
//! both again; and a hook that changes neither makes no request for it.

use super::{Live, Step, plan_apply};
use crate::model::{NodeName, UnitName};
use crate::render::{ANNOTATION_CLUSTER_ID, Owner, node_status};

/// What goes with a write to a unit's Node.
pub(super) fn with_settings(
    settings: Option<&Step>,
    unit: &UnitName,
    owner: &Owner,
    node: &NodeName,
) -> Option<Step> {
    let Some(Step::Annotate { annotations, .. }) = settings else {
        return None;
    };
    match annotations.get(ANNOTATION_CLUSTER_ID)? {
        Some(_) => plan_apply(node_status(unit, owner, node), None),
        None => Some(remove_status(unit, owner, Some(node.as_str()))),
    }
}

/// The removal of a unit's `CalicoNodeStatus`, wherever there is one; with a Node, only if it is for that one.
#[must_use]
pub fn remove_status(unit: &UnitName, owner: &Owner, node: Option<&str>) -> Step {
    Step::RemoveStatus {
        unit: unit.clone(),
        owner: owner.clone(),
        node: node.map(str::to_owned),
    }
}

/// Whether a `CalicoNodeStatus` is a unit's: name, labels, and the Node where it is given.
#[must_use]
pub fn is_status_of(live: &Live, unit: &UnitName, owner: &Owner, node: Option<&str>) -> bool {
    live.name() == unit.dashed()
        && live.owner().as_ref() == Some(owner)
        && node.is_none_or(|node| live.spec_text("node") == node)
}

/// The unit that a `CalicoNodeStatus` of the application is for.
#[must_use]
pub fn unit_of_status(live: &Live, owner: &Owner) -> Option<UnitName> {
    let number = live.name().strip_prefix(&owner.application)?;
    let number = number.strip_prefix('-')?;
    let unit: UnitName = format!("{}/{number}", owner.application).parse().ok()?;
    is_status_of(live, &unit, owner, None).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn owner() -> Owner {
        Owner {
            model: "m".into(),
            application: "calico".into(),
        }
    }

    fn live(name: &str, model: &str) -> Live {
        Live::new(json!({
            "metadata": {"name": name, "labels": {
                "app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": model,
                "calico.juju.is/application": "calico",
            }},
            "spec": {"node": "node-a"},
        }))
    }

    #[test]
    fn only_the_units_own_is_its_own() {
        let unit: UnitName = "calico/3".parse().unwrap();
        let is_own = |live: &Live, node| is_status_of(live, &unit, &owner(), node);
        let own = live("calico-3", "m");
        assert!(is_own(&own, None) && is_own(&own, Some("node-a")));
        assert!(!is_own(&own, Some("node-b")), "for another Node");
        assert!(!is_own(&live("calico-4", "m"), None), "another unit's");
        assert!(!is_own(&live("calico-3", "x"), None), "another model's");
        let unlabelled = json!({"metadata": {"name": "calico-3"}, "spec": {"node": "node-a"}});
        assert!(!is_own(&Live::new(unlabelled), None), "somebody else's");
    }

    #[test]
    fn the_name_tells_the_unit() {
        let unit = |name| unit_of_status(&live(name, "m"), &owner()).map(|unit| unit.to_string());
        assert_eq!(unit("calico-13").as_deref(), Some("calico/13"));
        for name in [
            "calico-013",
            "calico-",
            "calico-x-1",
            "node-a",
            "calico-1-2",
        ] {
            assert_eq!(unit(name), None, "{name}");
        }
    }
}
