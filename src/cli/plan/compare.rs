//! Everything that all units would write, against what is there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::cluster::Observed;
use super::effects::effects;
use super::lookup::{Nodes, PeersByUnit};
use super::waves::{Planned, planned};
use crate::cli::fabric::{Fabric, FabricUnit};
use crate::cluster::Obstacle;
use crate::config::CharmConfig;
use crate::fabric::Difference;
use crate::model::{ClusterIntent, Intent, Rollout, UnrecognizedPools};
use crate::plan::{
    Allowance, Blocked, DoomedPool, FoundOfUnit, Live, Membership, NodeClaim, Orphan, Step,
    WantedOfUnit, change, claim, delete_step, doomed_pools, object, orphans, plan_apply,
    plan_pools, plan_unit, refuse_unrecognized, seen,
};
use crate::render::{
    ANNOTATION_APPLICATION, ANNOTATION_MODEL, Desired, LABEL_MODEL, Owner, bgp_configuration,
    bgp_peers, node,
};
use crate::rollout::{Declared, Record, permission};

/// The outcome.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// The changes by wave.
    pub(super) changes: Vec<Planned>,
    pub(super) blocked: Vec<Blocked>,
    /// Pools that nobody asks for and that pods still have addresses of.
    pub(super) doomed: Vec<DoomedPool>,
    /// What the changes do to sessions and reach; `None` where something is in the way of all of them.
    pub(super) effects: Option<Difference>,
    /// What no order of the changes can spare the traffic.
    pub(super) cuts: Vec<Declared>,
    /// Whether units wait for each other.
    pub(super) rollout: Rollout,
    /// Whether the mesh is to be on.
    pub(super) mesh: bool,
    /// What the digest is made of: every write and the version it was planned from.
    pub(super) seen: BTreeSet<String>,
    /// Objects on which nothing changes but the charm's own labels and annotations, by kind and name.
    pub(super) records: BTreeSet<String>,
}

impl Comparison {
    /// Whether the cluster is as the options ask.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.blocked.is_empty() && self.doomed.is_empty()
    }

    fn block(&mut self, message: impl Into<String>, remedy: impl Into<String>) {
        self.blocked.push(Blocked {
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    fn add(&mut self, step: &Step, unit: &FabricUnit) {
        self.seen.insert(seen(step));
        match change(step, &unit.unit.to_string()) {
            Some(change) => self.changes.extend(planned(change, step, self.mesh)),
            None => {
                self.records.insert(object(step));
            }
        }
    }
}

/// What the units of `fabric` would write.
///
/// # Errors
/// When an option cannot be applied to a unit, which [`Fabric::config`] has ruled out.
pub(super) fn compare(
    fabric: &Fabric,
    config: &CharmConfig,
    observed: &Observed,
) -> Result<Comparison, String> {
    let mut comparison = Comparison {
        rollout: config.rollout,
        mesh: config.node_to_node_mesh,
        ..Comparison::default()
    };
    if let Some(obstacle) = &observed.obstacle {
        let (message, remedy) = obstacle_text(obstacle);
        comparison.block(message, remedy);
        if *obstacle == Obstacle::NoCrds {
            return Ok(comparison);
        }
    }
    let owner = owner(fabric, observed);
    let configured_by = observed.configuration.as_ref().and_then(Live::owner);
    if let Some(other) = configured_by.filter(|found| *found != owner) {
        comparison.block(
            format!(
                "this cluster's Calico is configured by application {} of model {}",
                other.application, other.model
            ),
            "one cluster takes one application of this charm",
        );
        return Ok(comparison);
    }
    cluster_objects(fabric, config, observed, &owner, &mut comparison);
    let peers = PeersByUnit::new(&observed.peers, &fabric.application);
    let nodes = Nodes::new(&observed.nodes);
    let record = observed.configuration.as_ref().and_then(Live::record);
    for unit in &fabric.units {
        unit_objects(
            unit,
            config,
            &nodes,
            &peers,
            &owner,
            record.as_ref(),
            &mut comparison,
        )?;
    }
    left_behind(fabric, observed, &owner, &mut comparison);
    comparison.changes.sort_by_key(|planned| planned.wave);
    if let Some(effects) = effects(fabric, observed, &owner, config.rollout) {
        comparison.effects = Some(effects.difference);
        comparison.cuts = effects.cuts;
    }
    let changed = comparison
        .changes
        .iter()
        .map(|Planned { change, .. }| format!("{} {}", change.kind, change.name));
    let changed: BTreeSet<String> = changed.collect();
    comparison
        .records
        .retain(|record| !changed.contains(record));
    Ok(comparison)
}

fn obstacle_text(obstacle: &Obstacle) -> (&'static str, &'static str) {
    match obstacle {
        Obstacle::NoCrds => (
            "Calico's CRDs are not there",
            "install Calico with the Kubernetes datastore",
        ),
        Obstacle::Migrating => (
            "Calico migrates its datastore",
            "the charm waits until the DatastoreMigration is deleted",
        ),
        Obstacle::DatastoreLocked => (
            "Calico's datastore is locked",
            "`calicoctl datastore migrate unlock` ends it; the charm waits until then",
        ),
        Obstacle::EtcdDatastore => (
            "calico-node keeps its configuration in etcd",
            "migrate to the Kubernetes datastore: what is written here would never be seen",
        ),
    }
}

/// The model's UUID is not in the files: it is what the application's objects in the cluster say, and unknown before
/// the charm's first hook.
fn owner(fabric: &Fabric, observed: &Observed) -> Owner {
    let application = &fabric.application;
    let labelled = observed.configuration.iter().chain(&observed.peers);
    let by_label = labelled
        .filter_map(Live::owner)
        .find(|owner| owner.application == *application);
    let by_claim = || {
        let ours = |node: &&Live| node.annotation(ANNOTATION_APPLICATION) == Some(application);
        let node = observed.nodes.iter().find(ours)?;
        node.annotation(ANNOTATION_MODEL).map(str::to_owned)
    };
    let model = by_label.map(|owner| owner.model).or_else(by_claim);
    Owner {
        model: model.unwrap_or_default(),
        application: application.clone(),
    }
}

/// A desired object without the label whose value is not known.
fn known(mut desired: Desired, owner: &Owner) -> Desired {
    if owner.model.is_empty() {
        desired.labels.remove(LABEL_MODEL);
    }
    desired
}

fn cluster_objects(
    fabric: &Fabric,
    config: &CharmConfig,
    observed: &Observed,
    owner: &Owner,
    comparison: &mut Comparison,
) {
    let leader = fabric.leader();
    let intent = ClusterIntent::new(config);
    let desired = known(bgp_configuration(&intent, owner), owner);
    if let Some(step) = plan_apply(desired, observed.configuration.as_ref()) {
        comparison.add(&step, leader);
    }
    let Some(intents) = intent.pools() else {
        return;
    };
    if config.unrecognized_pools == UnrecognizedPools::Block
        && let Some(blocked) = refuse_unrecognized(intents, &observed.pools)
    {
        comparison.blocked.push(blocked);
        return;
    }
    match plan_pools(intents, owner, &observed.pools, &observed.blocks) {
        Ok(steps) => {
            for step in steps {
                comparison.add(&without_unknown_model(step, owner), leader);
            }
        }
        Err(blocked) => comparison.blocked.push(blocked),
    }
    if config.unrecognized_pools == UnrecognizedPools::Ignore {
        return;
    }
    let (disable, remove, stay) =
        doomed_pools(intents, &observed.pools, &observed.blocks, &observed.pods);
    let removed: BTreeSet<&str> = remove.iter().filter_map(pool_name).collect();
    for step in disable
        .iter()
        .filter(|step| pool_name(step).is_none_or(|name| !removed.contains(name)))
    {
        comparison.add(step, leader);
    }
    for step in &remove {
        comparison.add(step, leader);
    }
    comparison.doomed = stay;
}

fn without_unknown_model(step: Step, owner: &Owner) -> Step {
    match step {
        Step::Apply {
            desired,
            create,
            resource_version,
            seen,
            mut changes,
        } if owner.model.is_empty() => {
            let field = format!("label {LABEL_MODEL}");
            changes.retain(|change| change.field != field);
            Step::Apply {
                desired: known(desired, owner),
                create,
                resource_version,
                seen,
                changes,
            }
        }
        step => step,
    }
}

fn pool_name(step: &Step) -> Option<&str> {
    match step {
        Step::DisablePool { name, .. } | Step::RemovePool { name, .. } => Some(name),
        _ => None,
    }
}

fn unit_objects(
    unit: &FabricUnit,
    config: &CharmConfig,
    nodes: &Nodes<'_>,
    peers: &PeersByUnit<'_>,
    owner: &Owner,
    record: Option<&Record>,
    comparison: &mut Comparison,
) -> Result<(), String> {
    let intent =
        Intent::new(config, &unit.facts(&owner.model)).map_err(|problems| problems.to_string())?;
    let Some(live) = nodes.of(unit) else {
        comparison.block(
            format!(
                "{} waits: no Node is called {} and has an address of it",
                unit.unit, unit.node
            ),
            "start kubelet on the machine, or correct the unit's name and addresses in FABRIC",
        );
        return Ok(());
    };
    if let NodeClaim::Foreign {
        unit: other, model, ..
    } = claim(live, &unit.unit, owner)
    {
        comparison.block(
            format!(
                "Node {} is looked after by {other} of model {model}",
                live.name()
            ),
            "one cluster takes one application of this charm",
        );
        return Ok(());
    }
    let name = live
        .name()
        .parse()
        .map_err(|error| format!("Node {}: {error}", live.name()))?;
    let desired_peers = bgp_peers(&intent, owner, &name);
    let desired_peers = desired_peers
        .into_iter()
        .map(|peer| known(peer, owner))
        .collect();
    let desired_node = node(&intent, owner, None, name);
    let peers = peers.of(unit);
    // The plan is of the whole change: every unit's part in it, allowed by now or not.
    let allowance = Allowance {
        permission: permission(record, intent.order_digest(), Rollout::Immediate),
        as_number: config.global_as_number,
    };
    let wanted = WantedOfUnit {
        intent: &intent,
        node: &desired_node,
        peers: desired_peers,
    };
    let found = FoundOfUnit {
        node: live,
        peers: &peers,
        predecessor: None,
    };
    match plan_unit(wanted, &found, owner, &allowance) {
        Ok(plan) => {
            for step in plan.steps() {
                comparison.add(step, unit);
            }
        }
        Err(blocked) => comparison.blocked.push(blocked),
    }
    Ok(())
}

/// What the leader clears up once FABRIC's units are all there are.
fn left_behind(fabric: &Fabric, observed: &Observed, owner: &Owner, comparison: &mut Comparison) {
    let leader = fabric.leader();
    let membership = Membership {
        units: fabric
            .units
            .iter()
            .map(|unit| unit.unit.to_string())
            .collect(),
        principals: fabric
            .units
            .iter()
            .map(|unit| unit.principal.to_string())
            .collect(),
        own_principal: leader.principal.to_string(),
    };
    let nodes: BTreeSet<&str> = observed.nodes.iter().map(Live::name).collect();
    let peers: BTreeMap<&str, &Live> = observed
        .peers
        .iter()
        .map(|peer| (peer.name(), peer))
        .collect();
    let mut delete = |name: &str, because: String| {
        if let Some(peer) = peers.get(name) {
            comparison.add(&delete_step(peer, &because), leader);
        }
    };
    for orphan in orphans(
        &leader.unit,
        owner,
        &membership,
        &observed.nodes,
        &observed.peers,
    ) {
        match orphan {
            Orphan::Peer { name } => {
                let node = peers
                    .get(name.as_str())
                    .map_or("", |peer| peer.spec_text("node"));
                if !node.is_empty() && !nodes.contains(node) {
                    delete(&name, format!("its Node {node} is gone"));
                }
            }
            Orphan::Node {
                name,
                unit,
                peers: own,
            } => {
                let is_there = |own: &&String| {
                    let peer = peers.get(own.as_str());
                    peer.is_some_and(|peer| peer.spec_text("node") == name)
                };
                for peer in own.iter().filter(is_there) {
                    delete(
                        peer,
                        format!("{unit} is gone; once Node {name} runs no pods"),
                    );
                }
            }
            Orphan::Unlabelled { .. } => {}
        }
    }
}
