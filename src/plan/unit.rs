//! What one unit writes: its BGPPeers and the annotations of its own Node.

use std::collections::{BTreeMap, BTreeSet};

use super::{Blocked, FieldChange, Live, Plan, Step, plan_apply};
use crate::model::{Intent, UnitName};
use crate::render::{
    ANNOTATION_APPLICATION, ANNOTATION_APPLIED, ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID,
    ANNOTATION_MODEL, ANNOTATION_PRINCIPAL, ANNOTATION_UNIT, BgpPeerName, Desired, DesiredNode,
    FIELD_MANAGER, Kind, OWN_ANNOTATIONS, Owner,
};

#[cfg(test)]
mod tests;

/// Whose Node it is, by the annotations under the charm's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeClaim {
    /// This unit's.
    Ours,
    /// Nobody's yet.
    Free,
    /// Another unit's of this application, which may or may not still exist.
    Sibling {
        /// That unit.
        unit: String,
        /// Its principal, empty when it recorded none.
        principal: String,
    },
    /// A unit's of another application or model.
    Foreign {
        /// That unit.
        unit: String,
        /// Its application.
        application: String,
        /// UUID of its model.
        model: String,
    },
}

/// Reads the claim on a Node.
#[must_use]
pub fn claim(node: &Live, unit: &UnitName, owner: &Owner) -> NodeClaim {
    let text = |key| node.annotation(key).unwrap_or_default().to_owned();
    let claimed_by = text(ANNOTATION_UNIT);
    if claimed_by.is_empty() {
        return NodeClaim::Free;
    }
    let (application, model) = (text(ANNOTATION_APPLICATION), text(ANNOTATION_MODEL));
    if application != owner.application || model != owner.model {
        return NodeClaim::Foreign {
            unit: claimed_by,
            application,
            model,
        };
    }
    if claimed_by == unit.to_string() {
        return NodeClaim::Ours;
    }
    NodeClaim::Sibling {
        unit: claimed_by,
        principal: text(ANNOTATION_PRINCIPAL),
    }
}

/// The waves of one unit, in the order that keeps sessions up: claim the Node, write the peers, then AS number,
/// cluster ID and the record of both in one patch, and take away what is no longer wanted last. A reflector is so
/// annotated only when the peers towards it stand: Calico takes it out of the mesh at that moment.
///
/// `peers` are the live BGPPeers that carry this unit's label or one of the wanted names, and those of the unit that
/// had the Node before, `predecessor`, where there was one.
///
/// # Errors
/// When a wanted name is held by a BGPPeer that this charm did not make.
pub fn plan_unit(
    intent: &Intent,
    owner: &Owner,
    desired_node: &DesiredNode,
    desired_peers: Vec<Desired>,
    node: &Live,
    peers: &[Live],
    predecessor: Option<&UnitName>,
) -> Result<Plan, Blocked> {
    let mut plan = Plan::default();
    plan.push(claim_step(desired_node, node).into_iter().collect());
    let wanted: BTreeSet<String> = desired_peers.iter().map(|peer| peer.name.clone()).collect();
    let mut applies = Vec::new();
    for desired in desired_peers {
        let live = peers.iter().find(|live| live.name() == desired.name);
        if let Some(live) = live.filter(|live| !is_ours(live, owner)) {
            return Err(foreign_peer(live.name()));
        }
        applies.extend(plan_apply(desired, live));
    }
    plan.push(applies);
    plan.push(settings_step(desired_node, node).into_iter().collect());
    let stale_of = |unit: &UnitName, because: &str| -> Vec<Step> {
        peers
            .iter()
            .filter(|live| !wanted.contains(live.name()) && !live.is_deleting())
            .filter(|live| is_peer_of(live, unit, owner, desired_node.name.as_str()))
            .map(|live| delete_step(live, because))
            .collect()
    };
    let mut stale = stale_of(intent.unit(), "no option asks for it any more");
    if let Some(before) = predecessor {
        let because = format!("{before} is gone and {} has its Node", intent.unit());
        stale.extend(stale_of(before, &because));
    }
    plan.push(stale);
    Ok(plan)
}

fn foreign_peer(name: &str) -> Blocked {
    Blocked {
        message: format!("BGPPeer {name} exists and is not this charm's"),
        remedy: format!(
            "this unit needs that name and touches nobody else's objects: rename it, or delete it with `calicoctl delete bgppeer {name}`",
        ),
    }
}

fn is_ours(live: &Live, owner: &Owner) -> bool {
    match live.owner() {
        Some(found) => found == *owner,
        None => live.is_applied_by_charm(),
    }
}

/// Name grammar, `spec.node`, and manager or label: all three, never the name alone.
#[must_use]
pub fn is_peer_of(live: &Live, unit: &UnitName, owner: &Owner, node: &str) -> bool {
    let named = BgpPeerName::parse(live.name(), unit.application())
        .is_some_and(|name| name.unit_number() == unit.number());
    named && live.spec_text("node") == node && is_ours(live, owner)
}

/// The deletion of exactly the BGPPeer that was seen.
#[must_use]
pub fn delete_step(live: &Live, because: &str) -> Step {
    Step::Delete {
        kind: Kind::BgpPeer,
        name: live.name().to_owned(),
        uid: live.uid().to_owned(),
        resource_version: live.resource_version().to_owned(),
        because: because.to_owned(),
    }
}

fn claim_step(desired: &DesiredNode, node: &Live) -> Option<Step> {
    let changes: Vec<FieldChange> = desired
        .claim
        .iter()
        .filter_map(|(key, wanted)| annotation_change(node, key, Some(wanted), None))
        .collect();
    annotate(node, changes, true)
}

/// Whether a setting on a Node is this charm's to remove: its field manager wrote it, or nobody is recorded for it on a
/// Node that was this application's before.
fn is_own_annotation(node: &Live, key: &str, claimed: bool) -> bool {
    let managers = node.managers_of_annotation(key);
    managers.contains(&FIELD_MANAGER) || (managers.is_empty() && claimed)
}

fn settings_step(desired: &DesiredNode, node: &Live) -> Option<Step> {
    let claimed = node.annotation(ANNOTATION_UNIT).is_some();
    let mut changes: Vec<FieldChange> = desired
        .settings
        .iter()
        .filter(|(key, wanted)| wanted.is_some() || is_own_annotation(node, key, claimed))
        .filter_map(|(key, wanted)| {
            annotation_change(node, key, wanted.as_ref(), desired.reasons.get(key))
        })
        .collect();
    changes.extend(annotation_change(
        node,
        ANNOTATION_APPLIED,
        Some(&desired.applied),
        None,
    ));
    annotate(node, changes, false)
}

fn annotation_change(
    node: &Live,
    key: &str,
    wanted: Option<&String>,
    because: Option<&String>,
) -> Option<FieldChange> {
    let present = node.annotation(key);
    if present == wanted.map(String::as_str) {
        return None;
    }
    Some(FieldChange {
        field: key.to_owned(),
        from: present.map(str::to_owned),
        to: wanted.cloned(),
        because: because.cloned(),
        taken_from: node
            .managers_of_annotation(key)
            .into_iter()
            .filter(|manager| *manager != FIELD_MANAGER)
            .map(str::to_owned)
            .collect(),
    })
}

fn annotate(node: &Live, changes: Vec<FieldChange>, guarded: bool) -> Option<Step> {
    if changes.is_empty() {
        return None;
    }
    let annotations: BTreeMap<String, Option<String>> = changes
        .iter()
        .map(|change| (change.field.clone(), change.to.clone()))
        .collect();
    Some(Step::Annotate {
        node: node.name().to_owned(),
        annotations,
        resource_version: guarded.then(|| node.resource_version().to_owned()),
        changes,
    })
}

/// The waves that take a unit's things away from its Node: what Calico reads first (a reflector rejoins the mesh),
/// then the BGPPeers, then the charm's own record, so that a crash in between leaves evidence for the leader.
#[must_use]
pub fn plan_release(node: &Live, unit: &UnitName, owner: &Owner, peers: &[Live]) -> Plan {
    let mut plan = Plan::default();
    let settings = [ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID]
        .into_iter()
        .filter(|key| is_own_annotation(node, key, true));
    plan.push(removal(node, settings).into_iter().collect());
    let own = peers
        .iter()
        .filter(|live| !live.is_deleting() && is_peer_of(live, unit, owner, node.name()));
    plan.push(
        own.map(|live| delete_step(live, "its unit is going"))
            .collect(),
    );
    plan.push(
        removal(node, OWN_ANNOTATIONS.into_iter())
            .into_iter()
            .collect(),
    );
    plan
}

fn removal<'a>(node: &Live, keys: impl Iterator<Item = &'a str>) -> Option<Step> {
    let changes: Vec<FieldChange> = keys
        .filter_map(|key| annotation_change(node, key, None, None))
        .collect();
    annotate(node, changes, false)
}
