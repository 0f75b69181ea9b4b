//! What units that are gone have left behind, on evidence and never on absence: a new leader's first hooks see no
//! other unit at all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Live, NodeClaim, claim};
use crate::model::UnitName;
use crate::render::{ANNOTATION_PRINCIPAL, ANNOTATION_UNIT, BgpPeerName, Owner};

/// Who belongs to the application, as Juju says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// This unit, and the units that `relation-list` names.
    pub units: BTreeSet<String>,
    /// The principal units that `goal-state` names for the `cni` relation.
    pub principals: BTreeSet<String>,
    /// This unit's principal.
    pub own_principal: String,
}

impl Membership {
    /// Whether Juju has told this unit of every unit there is to be. Until then nothing may be concluded from a unit
    /// not being seen.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.principals.contains(&self.own_principal) && self.units.len() >= self.principals.len()
    }

    /// Whether a unit and its principal are both gone.
    fn lacks(&self, unit: &str, principal: &str) -> bool {
        self.is_complete()
            && !principal.is_empty()
            && !self.units.contains(unit)
            && !self.principals.contains(principal)
    }
}

/// Something that may have been left behind; the caller confirms it against the API before it deletes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orphan {
    /// A BGPPeer of this application whose unit no Node names: gone once its own Node is found to be gone (404).
    Peer {
        /// The BGPPeer.
        name: String,
    },
    /// A Node whose unit and principal are gone, with that unit's BGPPeers: they go once the Node runs no pod that
    /// needs them.
    Node {
        /// The Node.
        name: String,
        /// The unit that claimed it.
        unit: String,
        /// That unit's BGPPeers.
        peers: Vec<String>,
    },
    /// A BGPPeer of a unit that exists, without the label its unit finds it by.
    Unlabelled {
        /// The BGPPeer.
        name: String,
        /// Its unit.
        unit: UnitName,
        /// The version that was seen.
        resource_version: String,
    },
}

/// Compares all Nodes and all BGPPeers (metadata is enough) with who belongs to the application.
#[must_use]
pub fn orphans(
    unit: &UnitName,
    owner: &Owner,
    membership: &Membership,
    nodes: &[Live],
    peers: &[Live],
) -> Vec<Orphan> {
    let mut peers_of: BTreeMap<u32, Vec<&Live>> = BTreeMap::new();
    for live in peers.iter().filter(|live| !live.is_deleting()) {
        if let Some(number) = unit_number(live, owner) {
            peers_of.entry(number).or_default().push(live);
        }
    }
    let (mut found, mut claimed) = (Vec::new(), BTreeSet::new());
    for node in nodes {
        let claimed_by: Option<UnitName> = match claim(node, unit, owner) {
            NodeClaim::Ours => Some(unit.clone()),
            NodeClaim::Sibling { unit, .. } => unit.parse().ok(),
            NodeClaim::Free | NodeClaim::Foreign { .. } => None,
        };
        // Whoever may write to a Node may write any unit there.
        let ours = |unit: &UnitName| unit.application() == owner.application;
        let Some(claimed_by) = claimed_by.filter(ours) else {
            continue;
        };
        // A second Node of one unit takes nothing from the first: which of the peers are for which, their spec tells.
        claimed.insert(claimed_by.number());
        let own = peers_of.get(&claimed_by.number());
        let own = own.map(Vec::as_slice).unwrap_or_default();
        let principal = node.annotation(ANNOTATION_PRINCIPAL).unwrap_or_default();
        let by = node.annotation(ANNOTATION_UNIT).unwrap_or_default();
        if membership.lacks(by, principal) {
            found.push(Orphan::Node {
                name: node.name().to_owned(),
                unit: by.to_owned(),
                peers: own.iter().map(|live| live.name().to_owned()).collect(),
            });
        } else {
            let unlabelled = own.iter().filter(|live| live.unit_label().is_none());
            let unlabelled = unlabelled.map(|live| Orphan::Unlabelled {
                name: live.name().to_owned(),
                unit: claimed_by.clone(),
                resource_version: live.resource_version().to_owned(),
            });
            for orphan in unlabelled {
                if !found.contains(&orphan) {
                    found.push(orphan);
                }
            }
        }
    }
    peers_of.retain(|number, _| !claimed.contains(number));
    found.extend(peers_of.into_values().flatten().map(|live| Orphan::Peer {
        name: live.name().to_owned(),
    }));
    found
}

/// The unit a BGPPeer belongs to: name grammar, and label or field manager.
fn unit_number(live: &Live, owner: &Owner) -> Option<u32> {
    let name = BgpPeerName::parse(live.name(), &owner.application)?;
    let ours = match live.owner() {
        Some(found) => found == *owner,
        None => live.is_applied_by_charm(),
    };
    ours.then(|| name.unit_number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn owner() -> Owner {
        Owner {
            model: "m".into(),
            application: "calico".into(),
        }
    }

    fn membership(units: &[&str], principals: &[&str]) -> Membership {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Membership {
            units: set(units),
            principals: set(principals),
            own_principal: "worker/0".into(),
        }
    }

    fn node(name: &str, unit: &str, principal: &str) -> Live {
        Live::new(json!({"metadata": {"name": name, "annotations": {
            "calico.juju.is/unit": unit, "calico.juju.is/application": "calico",
            "calico.juju.is/model": "m", "calico.juju.is/principal": principal,
        }}}))
    }

    fn peer(name: &str, labels: &Value) -> Live {
        Live::new(
            json!({"metadata": {"name": name, "labels": labels, "managedFields": [{"manager": "calico-charm", "operation": "Apply"}]}}),
        )
    }

    fn labelled() -> Value {
        json!({"calico.juju.is/unit": "calico-0", "app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": "m", "calico.juju.is/application": "calico"})
    }

    fn found(membership: &Membership, nodes: &[Live], peers: &[Live]) -> Vec<Orphan> {
        orphans(
            &"calico/0".parse().unwrap(),
            &owner(),
            membership,
            nodes,
            peers,
        )
    }

    #[test]
    fn a_leader_that_sees_nobody_yet_concludes_nothing() {
        let nodes = [
            node("a", "calico/0", "worker/0"),
            node("b", "calico/1", "worker/1"),
        ];
        let peers = [peer("calico-1-10.0.0.1", &labelled())];
        for seen in [
            membership(&["calico/0"], &["worker/0", "worker/1"]),
            membership(&["calico/0"], &["worker/0", "worker/2"]),
            membership(&["calico/0"], &[]),
            membership(&["calico/0", "calico/1"], &["worker/0"]),
        ] {
            assert_eq!(found(&seen, &nodes, &peers), [], "{seen:?}");
        }
    }

    #[test]
    fn a_unit_whose_principal_is_gone_leaves_a_node_behind() {
        let nodes = [
            node("a", "calico/0", "worker/0"),
            node("b", "calico/1", "worker/1"),
        ];
        let peers = [
            peer("calico-1-10.0.0.1", &labelled()),
            peer("calico-0-10.0.0.1", &labelled()),
        ];
        let seen = membership(&["calico/0"], &["worker/0"]);
        assert_eq!(
            found(&seen, &nodes, &peers),
            [Orphan::Node {
                name: "b".into(),
                unit: "calico/1".into(),
                peers: vec!["calico-1-10.0.0.1".into()]
            }]
        );
    }

    #[test]
    fn peers_of_a_node_that_nobody_claims_are_looked_at() {
        let nodes = [node("a", "calico/0", "worker/0")];
        let seen = membership(&["calico/0"], &["worker/0", "worker/9"]);
        let peers = [
            peer("calico-7-10.0.0.1", &labelled()),
            peer("calico-1-7-10.0.0.1", &labelled()),
            peer(
                "calico-8-10.0.0.1",
                &json!({"app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": "other", "calico.juju.is/application": "calico"}),
            ),
        ];
        assert_eq!(
            found(&seen, &nodes, &peers),
            [Orphan::Peer {
                name: "calico-7-10.0.0.1".into()
            }]
        );
    }

    #[test]
    fn a_peer_that_lost_its_labels_gets_them_back() {
        let nodes = [node("a", "calico/0", "worker/0")];
        let peers = [peer("calico-0-10.0.0.1", &json!({}))];
        assert_eq!(
            found(&membership(&["calico/0"], &["worker/0"]), &nodes, &peers),
            [Orphan::Unlabelled {
                name: "calico-0-10.0.0.1".into(),
                unit: "calico/0".parse().unwrap(),
                resource_version: String::new(),
            }]
        );
    }

    #[test]
    fn a_node_that_claims_another_applications_unit_takes_no_peers() {
        let nodes = [
            node("a", "other/0", "worker/9"),
            node("b", "calico/0", "worker/0"),
        ];
        let seen = membership(&["calico/0"], &["worker/0"]);
        let [labelled, unlabelled] =
            [labelled(), json!({})].map(|labels| [peer("calico-0-10.0.0.1", &labels)]);
        assert_eq!(found(&seen, &nodes, &labelled), []);
        let found = found(&seen, &nodes, &unlabelled);
        let units: Vec<String> = found
            .iter()
            .map(|orphan| match orphan {
                Orphan::Unlabelled { unit, .. } => unit.to_string(),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(units, ["calico/0"]);
    }

    #[test]
    fn each_of_two_nodes_that_claim_one_unit_is_looked_at_with_its_peers() {
        let nodes = [
            node("a", "calico/1", "worker/1"),
            node("b", "calico/1", "worker/1"),
        ];
        let seen = membership(&["calico/0"], &["worker/0"]);
        let peers = [peer("calico-1-10.0.0.1", &labelled())];
        for (orphan, node) in found(&seen, &nodes, &peers).iter().zip(["a", "b"]) {
            let expected = Orphan::Node {
                name: node.into(),
                unit: "calico/1".into(),
                peers: vec!["calico-1-10.0.0.1".into()],
            };
            assert_eq!(*orphan, expected);
        }
    }
}
