//! Whether the reflectors' sessions are up before the mesh goes off. Performs IO: it asks for what calico-node reports, and
//! waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use super::{Ahead, Claims, LOOK, PATIENCE, applied_after, mesh_is_on};
use crate::charm::API_DEADLINE;
use crate::charm::fabric::unit_on;
use crate::charm::observe::Observed;
use crate::charm::reconcile::Work;
use crate::cluster::kubernetes::SIDE_BY_SIDE;
use crate::cluster::{ApiError, Kubernetes, Mode, node_status};
use crate::fabric::{Backend, FabricFacts, Objects, live, merge, topology};
use crate::host::Host;
use crate::juju::{Hook, HookTools};
use crate::model::{Release, Rollout, UnitName};
use crate::plan::{Live, Plan, Step};
use crate::render::{ANNOTATION_CLUSTER_ID, Kind};
use crate::rollout::{Decision, Expected, Missing, Record, RolloutStep, SessionReport, SessionsUp};

/// How long what stands in place of the mesh has to come up where nothing reports of it. BIRD keeps a session idle while the
/// mesh has one with the same node, and has it up some two seconds after (measured with BIRD 1.6); a router's comes up as
/// fast.
const COME_UP: Duration = Duration::from_secs(5);
/// What has to be left of a hook's time for its writes.
const RESERVE: Duration = Duration::from_secs(5);

/// Which sessions of reflectors are asked for, and where each tells of them.
pub(super) struct Asked {
    expected: Expected,
    /// The Nodes that have a cluster ID, by unit.
    nodes: BTreeMap<UnitName, String>,
    without: BTreeSet<UnitName>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Whether a decision takes the mesh off.
    pub(super) fn takes_mesh_off(&self, configuration: Option<&Live>, decision: &Decision) -> bool {
        self.config.rollout == Rollout::Safe
            && decision.record.step >= RolloutStep::Unset
            && mesh_is_on(configuration)
            && !self.config.node_to_node_mesh
    }

    /// The sessions that have to be up before the mesh goes off: those of the application's own units by its own options.
    /// What other people's peers make of them shows in the reports.
    pub(super) fn asked(
        &self,
        claims: &Claims<'_>,
        configuration: Option<&Live>,
        record: &Record,
    ) -> Asked {
        let members = self.members(claims).unwrap_or_default();
        let claimed: Vec<(&UnitName, &Live)> = claims
            .nodes()
            .filter(|(unit, _)| members.contains(unit))
            .collect();
        let reflecting = claimed
            .iter()
            .filter(|(_, node)| node.annotation(ANNOTATION_CLUSTER_ID).is_some());
        Asked {
            nodes: reflecting
                .map(|(unit, node)| ((*unit).clone(), node.name().to_owned()))
                .collect(),
            expected: self.expected(&claimed, configuration),
            without: record.without.clone(),
        }
    }

    fn expected(&self, claimed: &[(&UnitName, &Live)], configuration: Option<&Live>) -> Expected {
        let units = claimed.iter().filter_map(|(_, node)| unit_on(node));
        let facts = FabricFacts {
            units: units.filter(|unit| !unit.addresses.is_empty()).collect(),
            ..FabricFacts::default()
        };
        let Ok(wanted) = topology(self.config, &facts) else {
            return Expected::default();
        };
        let nodes: Vec<Live> = claimed.iter().map(|(_, node)| (*node).clone()).collect();
        let configurations: Vec<Live> = configuration.into_iter().cloned().collect();
        let mut wanted = merge(
            wanted,
            live(&Objects {
                nodes: &nodes,
                configurations: &configurations,
                peers: &[],
                filters: &[],
                pools: &[],
                backend: Backend::Bird,
                release: Release::default(),
                service_cidrs: &[],
                places: &BTreeMap::new(),
            }),
        );
        // Where BIRD does not run, nothing is reported either.
        wanted.backend = Backend::Bird;
        Expected::new(&wanted)
    }

    /// Asks for the reports, and what they say of the sessions; `None` where there is none.
    pub(super) async fn sessions_up(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        asked: &Asked,
    ) -> Result<Option<SessionsUp>, ApiError> {
        let reflectors = asked.expected.reflectors();
        let told = reflectors.filter(|unit| !asked.without.contains(*unit));
        let reading = told.filter_map(|unit| {
            let node = asked.nodes.get(unit)?;
            Some(report(kubernetes, mode, unit, node))
        });
        let reports: Vec<Option<(UnitName, SessionReport)>> = stream::iter(reading)
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let reports: BTreeMap<UnitName, SessionReport> = reports.into_iter().flatten().collect();
        let up = || SessionsUp::new(&asked.expected, &reports, &asked.without);
        Ok((!reports.is_empty()).then(up))
    }

    /// Where the mesh is about to go off, finds out which of the reflectors' sessions are not up, and lets them come up as
    /// long as a hook may wait. An action does not wait.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(in crate::charm) async fn let_sessions_come_up(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        nodes: &[Live],
        observed: &Observed,
        unit_plan: &Plan,
        ahead: &mut Ahead,
    ) -> Result<(), ApiError> {
        let configuration = observed.configuration.as_ref();
        let claims = Claims::read(nodes, &self.identity.owner);
        let mut applied = self.applied(&claims);
        let own = applied_after(unit_plan, &observed.node);
        applied.extend(own.map(|own| (self.identity.unit.clone(), own)));
        let members = self.members(&claims);
        let decision = self.decision(ahead, members.as_ref().ok(), &applied);
        if ahead.is_fresh || !self.takes_mesh_off(configuration, &decision) {
            return Ok(());
        }
        if makes_reflector(unit_plan) {
            ahead.missing = self.own_sessions();
            return Ok(());
        }
        let asked = self.asked(&claims, configuration, &decision.record);
        let began = Instant::now();
        ahead.missing = loop {
            let up = self.sessions_up(kubernetes, mode, &asked).await?;
            let up = up.as_ref();
            if up.is_some_and(|up| up.all) {
                break BTreeMap::new();
            }
            let missing = up.map(|up| up.missing.clone()).unwrap_or_default();
            let left = self.patience(!missing.is_empty(), began.elapsed());
            if left.is_zero() {
                break missing;
            }
            sleep(if up.is_some() { left.min(LOOK) } else { left }).await;
        };
        Ok(())
    }

    /// How long a hook still waits for sessions that are missing, or of which nothing is reported. In `update-status` what a
    /// change waits for has had its time.
    fn patience(&self, is_missing: bool, waited: Duration) -> Duration {
        let most = match self.hook {
            None => Duration::ZERO,
            Some(Hook::UpdateStatus) => COME_UP,
            Some(_) if is_missing => PATIENCE,
            Some(_) => COME_UP,
        };
        let hook = API_DEADLINE.saturating_sub(self.juju.asked.elapsed());
        let left = most.saturating_sub(waited);
        left.min(hook.saturating_sub(RESERVE))
    }

    /// This unit becomes a reflector by its own plan: its sessions come up after that.
    fn own_sessions(&self) -> BTreeMap<UnitName, Missing> {
        let missing = Missing {
            nodes: BTreeSet::new(),
            has_others: false,
        };
        BTreeMap::from([(self.identity.unit.clone(), missing)])
    }
}

/// Whether a plan gives a Node its cluster ID, or another one.
pub(super) fn makes_reflector(plan: &Plan) -> bool {
    plan.steps().any(|step| match step {
        Step::Annotate { annotations, .. } => annotations
            .get(ANNOTATION_CLUSTER_ID)
            .is_some_and(Option::is_some),
        _ => false,
    })
}

/// What a reflector's calico-node has said.
async fn report(
    kubernetes: &Kubernetes,
    mode: Mode,
    unit: &UnitName,
    node: &str,
) -> Result<Option<(UnitName, SessionReport)>, ApiError> {
    let path = Kind::CalicoNodeStatus.object_path(mode.group, &unit.dashed());
    let status = node_status::read(kubernetes, &path).await?;
    let report = status.and_then(|status| SessionReport::read(&status, node));
    Ok(report.map(|report| (unit.clone(), report)))
}
