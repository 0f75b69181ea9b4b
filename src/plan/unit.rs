//! What one unit writes: its BGPPeers and the annotations of its own Node.

use std::collections::{BTreeMap, BTreeSet};

use super::node_status::{remove_status, with_settings};
use super::{Blocked, FieldChange, Live, Plan, Step, plan_apply};
use crate::model::{AsNumber, Intent, UnitName};
use crate::render::{
    ANNOTATION_APPLICATION, ANNOTATION_APPLIED, ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID,
    ANNOTATION_MODEL, ANNOTATION_PRINCIPAL, ANNOTATION_UNIT, BgpPeerName, Desired, DesiredNode,
    FIELD_MANAGER, Kind, OWN_ANNOTATIONS, Owner,
};
use crate::rollout::{Applied, Permission, RolloutStep};

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

/// How far a unit may go, and what holds meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    /// What the leader allows.
    pub permission: Permission,
    /// AS number of a node that has none of its own, as it is in the cluster now.
    pub as_number: AsNumber,
}

/// What a unit should have.
pub struct WantedOfUnit<'a> {
    /// What the options make of it.
    pub intent: &'a Intent,
    /// The annotations of its Node.
    pub node: &'a DesiredNode,
    /// Its BGPPeers.
    pub peers: Vec<Desired>,
}

/// What there is of a unit.
pub struct FoundOfUnit<'a> {
    /// Its Node.
    pub node: &'a Live,
    /// The BGPPeers that carry its label or one of the wanted names, and those of `predecessor`.
    pub peers: &'a [Live],
    /// The unit that had the Node before and is gone, where there was one.
    pub predecessor: Option<&'a UnitName>,
}

/// The waves of one unit, in the order that keeps sessions up: claim the Node, write the peers, then AS number,
/// cluster ID and how far the unit is in one patch, and take away what is no longer wanted last. What is not allowed yet
/// is left for a later hook, and said in [`Applied`]. A reflector is annotated only when the peers towards it stand:
/// Calico takes it out of the mesh at that moment.
///
/// # Errors
/// When a wanted name is held by a BGPPeer that this charm did not make.
pub fn plan_unit(
    wanted: WantedOfUnit<'_>,
    found: &FoundOfUnit<'_>,
    owner: &Owner,
    allowance: &Allowance,
) -> Result<Plan, Blocked> {
    let mut plan = Plan::default();
    let mut left = BTreeSet::new();
    let step = allowance.permission.step;
    let (stale, later): (Vec<Stale>, Vec<Stale>) = stale_peers(&wanted, found, owner)
        .into_iter()
        .partition(|stale| stale.is_double || step == RolloutStep::Remove);
    if !later.is_empty() {
        left.insert(RolloutStep::Remove);
    }
    plan.push(claim_step(wanted.node, found.node).into_iter().collect());
    let peers = peer_steps(wanted.peers, owner, found.peers, step, &mut left)?;
    plan.push(peers);
    let settings = settings_step(wanted.intent, wanted.node, found.node, allowance, left);
    let unit = wanted.intent.unit();
    let status = with_settings(settings.as_ref(), unit, owner, &wanted.node.name);
    let before = found.predecessor;
    let of_before = before.map(|unit| remove_status(unit, owner, Some(found.node.name())));
    plan.push(status.into_iter().chain(of_before).collect());
    plan.push(settings.into_iter().collect());
    plan.push(stale.into_iter().map(|stale| stale.step).collect());
    Ok(plan)
}

/// The applies of the wanted peers. Another AS number restarts a session, and its other end has to change with it.
fn peer_steps(
    desired_peers: Vec<Desired>,
    owner: &Owner,
    peers: &[Live],
    step: RolloutStep,
    left: &mut BTreeSet<RolloutStep>,
) -> Result<Vec<Step>, Blocked> {
    let mut applies = Vec::new();
    for desired in desired_peers {
        let live = peers.iter().find(|live| live.name() == desired.name);
        if let Some(live) = live.filter(|live| !is_ours(live, owner)) {
            return Err(foreign_peer(live.name()));
        }
        let Some(apply) = plan_apply(desired, live) else {
            continue;
        };
        if live.is_some() && changes_as_number(&apply) && step < RolloutStep::Renumber {
            left.insert(RolloutStep::Renumber);
        } else {
            applies.push(apply);
        }
    }
    Ok(applies)
}

fn changes_as_number(step: &Step) -> bool {
    matches!(step, Step::Apply { changes, .. } if changes.iter().any(|change| change.field == "asNumber"))
}

/// A peer that no option asks for any more.
struct Stale {
    step: Step,
    /// Whether a wanted peer stands for the same session: Calico would take either of the two.
    is_double: bool,
}

fn stale_peers(wanted: &WantedOfUnit<'_>, found: &FoundOfUnit<'_>, owner: &Owner) -> Vec<Stale> {
    let named = |live: &Live| wanted.peers.iter().any(|peer| peer.name == live.name());
    let is_double = |live: &Live| {
        let address = live.spec("peerIP");
        address.is_some()
            && wanted
                .peers
                .iter()
                .any(|peer| peer.spec.get("peerIP") == address)
    };
    let stale_of = |unit: &UnitName, because: &str| -> Vec<Stale> {
        found
            .peers
            .iter()
            .filter(|live| !named(live) && !live.is_deleting())
            .filter(|live| is_peer_of(live, unit, owner, wanted.node.name.as_str()))
            .map(|live| Stale {
                step: delete_step(live, because),
                is_double: is_double(live),
            })
            .collect()
    };
    let unit = wanted.intent.unit();
    let mut stale = stale_of(unit, "no option asks for it any more");
    if let Some(before) = found.predecessor {
        let because = format!("{before} is gone and {unit} has its Node");
        stale.extend(stale_of(before, &because));
    }
    stale
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

/// AS number and cluster ID as far as they may change now, and how far the unit is with that.
fn settings_step(
    intent: &Intent,
    desired: &DesiredNode,
    node: &Live,
    allowance: &Allowance,
    mut left: BTreeSet<RolloutStep>,
) -> Option<Step> {
    let claimed = node.annotation(ANNOTATION_UNIT).is_some();
    let mut changes = Vec::new();
    for (key, wanted) in &desired.settings {
        if wanted.is_none() && !is_own_annotation(node, key, claimed) {
            continue;
        }
        let setting = Setting {
            wanted: wanted.as_deref(),
            present: node.annotation(key),
            step: allowance.permission.step,
        };
        let now = if *key == ANNOTATION_AS_NUMBER {
            let effective = allowance.as_number.to_string();
            let target = intent.session_as_number().to_string();
            setting.as_number(effective, target, &mut left)
        } else {
            let due = cluster_id_due(intent, desired, node, allowance);
            setting.cluster_id(due, &mut left)
        };
        let because = desired.reasons.get(key);
        changes.extend(annotation_change(node, key, now.as_ref(), because));
    }
    let applied = Applied::new(intent.order_digest(), &allowance.permission, left);
    if !is_known(node, &applied, &allowance.permission) {
        let told = applied.to_string();
        changes.extend(annotation_change(
            node,
            ANNOTATION_APPLIED,
            Some(&told),
            None,
        ));
    }
    annotate(node, changes, false)
}

/// The step in which a Node's cluster ID changes. Where the mesh is to be on it is so since the first step, and takes a
/// reflector back at once. A mesh of several AS numbers is none across subnets: the sessions between them have no multihop
/// ([`crate::fabric::Status::NotMultihop`]), and keep those of BGPPeers between the same two nodes idle. There
/// a node becomes a reflector with its new number, and ceases to be one with that of all.
fn cluster_id_due(
    intent: &Intent,
    desired: &DesiredNode,
    node: &Live,
    allowance: &Allowance,
) -> RolloutStep {
    let wanted = desired.settings.get(ANNOTATION_CLUSTER_ID);
    if wanted.is_some_and(Option::is_some) {
        return if intent.has_several_as_numbers() {
            RolloutStep::Renumber
        } else {
            RolloutStep::Reflect
        };
    }
    if !intent.node_to_node_mesh() {
        return RolloutStep::Unset;
    }
    let number = node.annotation(ANNOTATION_AS_NUMBER);
    let effective = allowance.as_number.to_string();
    if number.is_some_and(|number| number != effective) {
        RolloutStep::Renumber
    } else {
        RolloutStep::Rejoin
    }
}

/// Whether the Node says what the unit has to say: once everything is allowed nobody waits for an answer, and one of
/// another generation will do.
fn is_known(node: &Live, applied: &Applied, permission: &Permission) -> bool {
    let told: Option<Applied> = node
        .annotation(ANNOTATION_APPLIED)
        .and_then(|text| text.parse().ok());
    told.is_some_and(|told| {
        let settled = told.left.is_empty() && applied.left.is_empty();
        told == *applied
            || permission.step == RolloutStep::Remove && settled && told.digest == applied.digest
    })
}

/// One of the two settings that Calico reads from a Node, on its way from what is there to what is wanted.
struct Setting<'a> {
    wanted: Option<&'a str>,
    present: Option<&'a str>,
    step: RolloutStep,
}

impl Setting<'_> {
    /// The AS number to have now. With only some Nodes annotated, Calico 3.32 and later guesses the others' numbers
    /// wrongly (`confd/pkg/backends/calico/bgp_processor.go`) unless all are the same: so annotations come and go with
    /// the number that is in effect anyway, and numbers change while every Node has one.
    fn as_number(
        &self,
        effective: String,
        target: String,
        left: &mut BTreeSet<RolloutStep>,
    ) -> Option<String> {
        let present = self.present.map(str::to_owned);
        match (self.wanted, self.present) {
            (Some(wanted), present) if present == Some(wanted) => Some(target),
            (Some(_), _) if self.step >= RolloutStep::Renumber => Some(target),
            (Some(wanted), None) => {
                if wanted != effective {
                    left.insert(RolloutStep::Renumber);
                }
                Some(effective)
            }
            (Some(_), Some(_)) => {
                left.insert(RolloutStep::Renumber);
                present
            }
            (None, None) => None,
            (None, Some(_)) if self.step == RolloutStep::Remove => None,
            (None, Some(there)) => {
                left.insert(RolloutStep::Remove);
                if there == target || self.step >= RolloutStep::Renumber {
                    return Some(target);
                }
                left.insert(RolloutStep::Renumber);
                present
            }
        }
    }

    /// The cluster ID to have now, where it changes in a step.
    fn cluster_id(&self, due: RolloutStep, left: &mut BTreeSet<RolloutStep>) -> Option<String> {
        if self.wanted == self.present || self.step >= due {
            return self.wanted.map(str::to_owned);
        }
        left.insert(due);
        self.present.map(str::to_owned)
    }
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

/// The waves that take a unit's things away: the report of its sessions, what Calico reads of its Node (a reflector rejoins
/// the mesh), then the BGPPeers, then the charm's own record, so that a crash in between leaves evidence for the leader. The
/// first write to the Node is refused where somebody else wrote meanwhile: a new unit may have taken it over.
#[must_use]
pub fn plan_release(node: &Live, unit: &UnitName, owner: &Owner, peers: &[Live]) -> Plan {
    let mut plan = Plan::default();
    let settings = [ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID]
        .into_iter()
        .filter(|key| is_own_annotation(node, key, true));
    let claimed = node.annotation(ANNOTATION_UNIT).is_some();
    let status = claimed.then(|| remove_status(unit, owner, Some(node.name())));
    plan.push(status.into_iter().collect());
    let settings = removal(node, settings, true);
    let is_first = settings.is_none();
    plan.push(settings.into_iter().collect());
    let own = peers
        .iter()
        .filter(|live| !live.is_deleting() && is_peer_of(live, unit, owner, node.name()));
    plan.push(
        own.map(|live| delete_step(live, "its unit is going"))
            .collect(),
    );
    plan.push(
        removal(node, OWN_ANNOTATIONS.into_iter(), is_first)
            .into_iter()
            .collect(),
    );
    plan
}

fn removal<'a>(node: &Live, keys: impl Iterator<Item = &'a str>, guarded: bool) -> Option<Step> {
    let changes: Vec<FieldChange> = keys
        .filter_map(|key| annotation_change(node, key, None, None))
        .collect();
    annotate(node, changes, guarded)
}
