//! How far a change may go: what the record allows this unit, and what the leader writes there. Performs IO only to ask
//! for IPAM blocks and pods before a first configuration, and for the other units' Nodes while it waits for them.

mod look;
mod members;
mod progress;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::observe::Observed;
use super::reconcile::{Stop, Work};
use super::{API_DEADLINE, Report, sweep};
use crate::cluster::{ApiError, Kubernetes, Mode, has_workloads};
use crate::host::Host;
use crate::juju::HookTools;
use crate::juju::tools::is_leader;
use crate::model::{AsNumber, ClusterIntent, Intent, Rollout, UnitName};
use crate::plan::{Allowance, Live, Plan, Step, plan_apply};
use crate::render::{ANNOTATION_APPLIED, Desired, bgp_configuration};
use crate::rollout::{
    Applied, Decision, Missing, Permission, Record, RolloutStep, Situation, Wait, decide,
    is_at_rest, permission,
};
use crate::status::Status;

pub(super) use look::{Passed, Refused, Seen};
pub(super) use members::Claims;
use progress::Company;
pub(super) use progress::tell;
pub use progress::{MeshOnItsWay, Progress};
use sessions::makes_reflector;

/// How long the leader's hook waits for the others: Juju runs one hook at a time on a machine, and the principal's must
/// not stall.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at the others' Nodes.
const LOOK: Duration = Duration::from_secs(1);
/// What is left of a hook's time when it stops waiting: enough to let sessions come up and write the next step.
const RESERVE: Duration = Duration::from_secs(10);

/// Whether options ask for a change that is not recorded yet, where something stands already.
pub(super) fn begins(configuration: Option<&Live>, intent: &Intent) -> bool {
    let record = configuration.and_then(Live::record);
    configuration.is_some() && record.is_none_or(|record| record.digest != intent.order_digest())
}

/// Whether the mesh is on: Calico's default without the field, and without the object
/// (`confd/pkg/backends/calico/client.go`).
pub(super) fn mesh_is_on(configuration: Option<&Live>) -> bool {
    let field = configuration.and_then(|live| live.spec("nodeToNodeMeshEnabled"));
    field.and_then(Value::as_bool) != Some(false)
}

/// AS number of the nodes that have none of their own; Calico's default where nothing says.
fn as_number_in_effect(configuration: Option<&Live>) -> AsNumber {
    let field = configuration.and_then(|live| live.spec("asNumber"));
    let number = field.and_then(Value::as_i64);
    let number = number.and_then(|number| AsNumber::from_integer(number).ok());
    number.unwrap_or(AsNumber::DEFAULT)
}

/// What a hook knows of a change before it plans.
pub(super) struct Ahead {
    /// The record as it stands.
    record: Option<Record>,
    /// A generation that no record has had.
    generation: String,
    /// Whether there is no traffic yet that could be cut.
    is_fresh: bool,
    /// The reflectors that have not all their sessions, where the mesh is about to go off.
    missing: BTreeMap<UnitName, Missing>,
    /// Pools whose pods need the routes that are to go, each as what is waited for.
    on_bgp: BTreeSet<String>,
    /// How far this unit may go.
    pub(super) allowance: Allowance,
}

/// BGPConfiguration's write, before the unit's own or after them.
pub(super) struct ConfigurationSteps {
    pub(super) early: Option<Step>,
    pub(super) late: Option<Step>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// How far a change may go, and this unit with it. A leader that begins a change writes its record before anything
    /// else, so its own part counts from there.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(super) async fn ahead(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        observed: &Observed,
    ) -> Result<Ahead, Stop> {
        let configuration = observed.configuration.as_ref();
        let generation = configuration.map_or_else(
            || format!("n{}", observed.node.resource_version()),
            |live| live.resource_version().to_owned(),
        );
        let is_fresh = self.juju.leader && self.is_fresh(kubernetes, mode, configuration).await?;
        let record = configuration.and_then(Live::record);
        let pools = observed.pools.as_deref().filter(|_| self.juju.leader);
        let mut ahead = Ahead {
            on_bgp: self
                .on_bgp(kubernetes, mode, record.as_ref(), pools)
                .await?,
            record,
            generation,
            is_fresh,
            missing: BTreeMap::new(),
            allowance: Allowance {
                permission: Permission::all(),
                as_number: as_number_in_effect(configuration),
            },
        };
        let digest = self.intent.order_digest();
        let record = if self.juju.leader {
            Some(self.decision(&ahead, None, &BTreeMap::new()).record)
        } else {
            ahead.record.clone()
        };
        ahead.allowance.permission = permission(record.as_ref(), digest, self.config.rollout);
        Ok(ahead)
    }

    /// Pools that keep a change from taking routes away; one that a write of this hook gives VXLAN does not.
    async fn on_bgp(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        record: Option<&Record>,
        pools: Option<&[Live]>,
    ) -> Result<BTreeSet<String>, ApiError> {
        let digest = self.intent.order_digest();
        let is_gone = record
            .is_some_and(|record| record.digest == digest && record.step >= RolloutStep::Unset);
        let (Some(pools), false) = (pools, is_gone) else {
            return Ok(BTreeSet::new());
        };
        let on_bgp = self.pools_on_bgp(kubernetes, mode, pools).await?;
        let staying = on_bgp.iter().filter(|pool| !pool.is_wanted);
        Ok(staying.map(ToString::to_string).collect())
    }

    /// Whether nothing has been configured and no pod has an address yet, so that there is nothing to cut.
    async fn is_fresh(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        configuration: Option<&Live>,
    ) -> Result<bool, ApiError> {
        if configuration.is_some() {
            return Ok(false);
        }
        Ok(!has_workloads(kubernetes, mode).await?)
    }

    /// What the leader writes to BGPConfiguration, with the record of how far the change may go.
    pub(super) fn configuration_steps(
        &self,
        observed: &Observed,
        nodes: &[Live],
        unit_plan: &Plan,
        ahead: &Ahead,
        report: &mut Report,
    ) -> ConfigurationSteps {
        let live = observed.configuration.as_ref();
        let own = applied_after(unit_plan, &observed.node);
        let claims = Claims::read(nodes, &self.identity.owner);
        let others = self.applied(&claims);
        let mut applied = others.clone();
        applied.extend(own.clone().map(|own| (self.identity.unit.clone(), own)));
        let members = self.members(&claims);
        let decision = self.decision(ahead, members.as_ref().ok(), &applied);
        let mesh_is_on = mesh_is_on(live);
        let step = decision.record.step;
        let (desired, mesh) = self.configuration(live, &decision.record);
        let advances = ahead.record.as_ref().is_some_and(|record| {
            record.digest == decision.record.digest && record.step < decision.record.step
        });
        let record = &decision.record;
        let own_part_is_due = own.is_some_and(|own| {
            // Once every step is allowed nobody waits for an answer, and none is written.
            let is_unheard = step < RolloutStep::Remove && own.generation != record.generation;
            is_unheard || own.left.iter().any(|left| *left <= step)
        });
        // Its own sessions come up once the cluster ID is written, and are looked at then.
        let own_part_is_due = own_part_is_due
            || makes_reflector(unit_plan) && matches!(decision.wait, Some(Wait::Sessions(_)));
        let is_news = ahead.record.as_ref() != Some(record);
        let units = members.as_ref().ok();
        let is_at_rest = !is_news && units.is_some_and(|units| is_at_rest(record, units, &applied));
        let goes_off = mesh_is_on && !mesh;
        let under_traffic = !ahead.is_fresh && self.config.rollout == Rollout::Safe;
        let on_its_way = match (mesh && !self.config.node_to_node_mesh, goes_off) {
            (true, _) => MeshOnItsWay::Stays,
            (false, true) if under_traffic => MeshOnItsWay::GoesOff,
            _ => MeshOnItsWay::AsWanted,
        };
        report.rollout = Some(Progress {
            mesh: on_its_way,
            is_news,
            own_part_is_due,
            is_at_rest,
            company: Company {
                unseen: members.err().unwrap_or_default(),
                doubled: claims.doubled(),
                applied: others,
            },
            decision,
        });
        let write = plan_apply(desired, live);
        let (early, late) = if advances || goes_off {
            (None, write)
        } else {
            (write, None)
        };
        ConfigurationSteps { early, late }
    }

    /// BGPConfiguration as far as a record allows it, and whether the mesh is on then.
    fn configuration(&self, live: Option<&Live>, record: &Record) -> (Desired, bool) {
        let intent = ClusterIntent::new(self.config);
        let still_needed = mesh_is_on(live) && record.step < RolloutStep::Unset;
        let mesh = intent.node_to_node_mesh() || still_needed;
        let as_number = if record.step < RolloutStep::Renumber {
            as_number_in_effect(live)
        } else {
            intent.as_number()
        };
        let desired = bgp_configuration(&intent, &self.identity.owner);
        (desired.on_the_way(mesh, as_number, record), mesh)
    }

    fn decision(
        &self,
        ahead: &Ahead,
        members: Option<&BTreeSet<UnitName>>,
        applied: &BTreeMap<UnitName, Applied>,
    ) -> Decision {
        decide(&Situation {
            digest: self.intent.order_digest(),
            rollout: self.config.rollout,
            record: ahead.record.as_ref(),
            generation: &ahead.generation,
            is_fresh: ahead.is_fresh,
            members,
            applied,
            missing: &ahead.missing,
            on_bgp: &ahead.on_bgp,
        })
    }

    /// Waits for units that have not done the present step, as long as a hook may.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(super) async fn wait_for_units(
        &self,
        kubernetes: &Kubernetes,
        progress: &Progress,
    ) -> Result<bool, ApiError> {
        let Some(Wait::Units(lagging)) = &progress.decision.wait else {
            return Ok(false);
        };
        let record = &progress.decision.record;
        let ends = tokio::time::Instant::now() + PATIENCE;
        let has_time = || {
            let hook = API_DEADLINE.saturating_sub(self.juju.asked.elapsed());
            hook > RESERVE && tokio::time::Instant::now() < ends
        };
        while has_time() {
            tokio::time::sleep(LOOK).await;
            let nodes = sweep::nodes(kubernetes).await?;
            let applied = self.applied(&Claims::read(&nodes, &self.identity.owner));
            let has_done = |unit: &UnitName| {
                let done = |applied: &Applied| {
                    applied.has_done(&record.digest, &record.generation, record.step)
                };
                applied.get(unit).is_some_and(done)
            };
            if lagging.iter().all(has_done) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where the mesh is about to go off, what the others have said must still stand after the wait for sessions: a unit may
    /// have been told to go, or to change again, and has relied on the mesh that it saw.
    ///
    /// # Errors
    /// When the API cannot be asked, or a unit has taken back what it said.
    pub(super) async fn hear_again(
        &self,
        kubernetes: &Kubernetes,
        report: &Report,
    ) -> Result<(), Stop> {
        let progress = report.rollout.as_ref();
        let Some(progress) = progress.filter(|progress| progress.mesh == MeshOnItsWay::GoesOff)
        else {
            return Ok(());
        };
        let nodes = sweep::nodes(kubernetes).await?;
        let now = self.applied(&Claims::read(&nodes, &self.identity.owner));
        let others = progress.company.applied.iter();
        let mut others = others.filter(|(unit, _)| **unit != self.identity.unit);
        let stands = |unit: &UnitName, told: &Applied| {
            let now = now.get(unit);
            now.is_some_and(|now| now.has_done(&told.digest, &told.generation, told.step))
        };
        match others.find(|(unit, told)| !stands(unit, told)) {
            Some((unit, _)) => Err(Stop::Again(Status::waiting(format!(
                "mesh stays on: {unit} has taken back what it had done"
            )))),
            None => Ok(()),
        }
    }

    /// Asks again whether this unit leads. What a hook writes for all units carries the versions it has read; asked after
    /// the reading, Juju's answer, which is good for 30 s, is newer than whatever an earlier leader wrote, and a later
    /// leader's write makes this one's fail.
    ///
    /// # Errors
    /// When another unit leads by now.
    pub(super) async fn still_leads(&self) -> Result<(), Stop> {
        match is_leader(self.surroundings.tools).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Stop::Status(Status::waiting(
                "Waiting: another unit leads by now",
            ))),
            Err(error) => Err(Stop::Status(Status::waiting(format!(
                "Waiting for Juju: {error}"
            )))),
        }
    }
}

/// Whether a change waits until no pod needs BGP any more.
pub(super) fn waits_for_pools(report: &Report) -> bool {
    let wait = report
        .rollout
        .as_ref()
        .map(|progress| &progress.decision.wait);
    matches!(wait, Some(Some(Wait::Pools(_))))
}

fn applied_on(node: &Live) -> Option<Applied> {
    node.annotation(ANNOTATION_APPLIED)?.parse().ok()
}

/// How far this unit will be once its plan is carried out on its Node.
fn applied_after(plan: &Plan, node: &Live) -> Option<Applied> {
    applied_by(plan).or_else(|| applied_on(node))
}

/// How far a plan takes this unit.
fn applied_by(plan: &Plan) -> Option<Applied> {
    let told = plan.steps().find_map(|step| match step {
        Step::Annotate { annotations, .. } => annotations.get(ANNOTATION_APPLIED)?.clone(),
        _ => None,
    });
    told?.parse().ok()
}
