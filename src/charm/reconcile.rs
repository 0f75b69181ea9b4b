//! The path every hook takes: options, intent, what is there, the plan, the writes. Performs IO.
//!
//! Nothing is written unless every option is valid and nothing in the cluster forbids the plan.

use futures::try_join;
use serde_json::Value;

use super::facts::JujuFacts;
use super::install::{Found, Install, Installation, established, installation};
use super::observe::{FirstLook, agent, first_look};
use super::publish::{self, Published};
use super::rollout::Progress;
use super::sweep::Need;
use super::{
    API_DEADLINE, Identity, Report, Surroundings, Unreachable, disposition, machine, rollout, sweep,
};
use crate::cluster::mode::uses_etcd;
use crate::cluster::{ApiError, Failure, Kubernetes, Mode, Obstacle, apply_wave, mode};
use crate::config::{CharmConfig, Problems};
use crate::host::Host;
use crate::juju::{Hook, HookTools};
use crate::model::{Intent, UnitFacts, UnitName};
use crate::plan::{Blocked, Live, Plan, Step};
use crate::render::{Kind, listed};
use crate::rollout::RolloutStep;
use crate::status::Status;

/// How often a reconcile is tried when somebody else's write comes in between.
pub(super) const ATTEMPTS: u32 = 3;

/// What stops a reconcile half-way.
pub(super) enum Stop {
    /// A request failed.
    Api(ApiError),
    /// There is no API.
    Unreachable(Unreachable),
    /// Something in the cluster is in the way.
    Obstacle(Obstacle),
    /// The plan is not allowed.
    Blocked(Blocked),
    /// A status of its own.
    Status(Status),
    /// What the plan was made of has changed meanwhile: worth another look at once, else a status of its own.
    Again(Status),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Unreachable> for Stop {
    fn from(unreachable: Unreachable) -> Self {
        Self::Unreachable(unreachable)
    }
}

impl From<Blocked> for Stop {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

/// Brings the cluster to what the options ask of this unit; answers with what may be published once they are valid.
pub async fn run<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    hook: Hook,
    identity: &Identity,
    juju: &JujuFacts,
    looking: impl Future<Output = Result<FirstLook, Stop>>,
    report: &mut Report,
) -> Option<Published> {
    if juju.cni.is_empty() {
        report.status(no_relation(surroundings.context.principal.as_deref()));
        return None;
    }
    let facts = unit_facts(surroundings, identity, juju);
    let (config, intent) = match options(juju, &facts) {
        Ok(valid) => valid,
        Err(problems) => {
            for problem in &problems {
                report.error(problem);
            }
            report.status(disposition::problems(&problems));
            return None;
        }
    };
    let work = Work {
        surroundings,
        identity,
        juju,
        config: &config,
        intent: &intent,
        hook: Some(hook),
    };
    let left = API_DEADLINE.saturating_sub(juju.asked.elapsed());
    match tokio::time::timeout(left, work.reconcile(hook, looking, report)).await {
        Ok(Ok(())) => {
            let application = &identity.owner.application;
            rollout::tell(report, application, hook == Hook::UpdateStatus);
            notes(&config, &intent, juju, report);
        }
        Ok(Err(stop)) => explain(stop, report),
        Err(_) => report.status(Status::waiting(format!(
            "Waiting for Kubernetes API: not done within {} s",
            API_DEADLINE.as_secs()
        ))),
    }
    machine::rp_filter(surroundings.host, &config, report);
    machine::vxlan_checksums(surroundings.host, &config, report).await;
    Some(published(&config, &facts))
}

/// A subordinate exists by its relation, which Juju tells it of only after `install`, and which is taken away last.
pub(super) fn no_relation(principal: Option<&str>) -> Status {
    match principal {
        Some(principal) => Status::waiting(format!("Waiting for the cni relation to {principal}")),
        None => Status::blocked(
            "integrate with kubernetes-control-plane or kubernetes-worker (endpoint cni)",
        ),
    }
}

/// What is known of this unit before the cluster is asked.
pub(super) fn unit_facts<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    identity: &Identity,
    juju: &JujuFacts,
) -> UnitFacts {
    UnitFacts {
        unit: identity.unit.clone(),
        principal: surroundings.context.principal.clone(),
        model: identity.owner.model.clone(),
        addresses: juju.addresses.clone(),
        leader: juju.leader,
        hostname: surroundings.host.hostname(),
        fqdn: None,
        zone: surroundings.context.zone.clone(),
        service_cidrs: juju.service_cidrs(),
    }
}

/// The options, and what they ask of this unit.
///
/// # Errors
/// Every problem there is.
pub(super) fn options(
    juju: &JujuFacts,
    facts: &UnitFacts,
) -> Result<(CharmConfig, Intent), Problems> {
    let config = CharmConfig::parse(&juju.raw, facts.unit.application())?;
    let intent = Intent::new(&config, facts)?;
    Ok((config, intent))
}

fn published(config: &CharmConfig, facts: &UnitFacts) -> Published {
    let cidrs: Vec<String> = config.cidr.iter().map(ToString::to_string).collect();
    Published {
        cidr: cidrs.join(","),
        addresses: listed(&facts.addresses),
    }
}

/// What is allowed and still no good idea, beside `Ready`: the fabric as a whole is judged in [`Work::prove`].
pub(super) fn notes(config: &CharmConfig, intent: &Intent, juju: &JujuFacts, report: &mut Report) {
    // The leader has said what is wrong with the fabric as a whole, and where.
    let judged = report.fabric.is_some();
    // Where a list names the unit itself, the others that it is for peer with it.
    let peers = intent.peers().len() + intent.skipped_own().len();
    let alone = !judged && peers == 0 && config.vxlan.is_none();
    if alone && !config.node_to_node_mesh {
        report.note(
            "no BGP session: node-to-node-mesh is off and no peer is for this unit".to_owned(),
        );
    } else if alone && intent.cluster_id().is_some() {
        report.note("a reflector leaves the mesh and no peer is for this unit".to_owned());
    }
    let members = juju
        .membership
        .as_ref()
        .filter(|members| members.is_complete() && !judged);
    for place in members
        .map(|members| config.strangers(&members.units))
        .unwrap_or_default()
    {
        report.warning(format!("{place}: there is no such unit"));
        report.note(format!("{place}: there is no such unit"));
    }
}

/// Who is to bring Calico's definitions, for those who only wait for them.
fn without_definitions(installation: Installation) -> Stop {
    match installation {
        Installation::Operator => Stop::Status(Status::waiting(
            "Waiting for the tigera operator to install Calico",
        )),
        Installation::Elsewhere => Stop::Status(Status::waiting("Waiting for Calico's CRDs")),
        Installation::Absent | Installation::Ours => Stop::Obstacle(Obstacle::NoCrds),
    }
}

fn explain(stop: Stop, report: &mut Report) {
    match stop {
        Stop::Api(error) => {
            report.error(&error);
            report.status(disposition::api_error(&error));
        }
        Stop::Unreachable(unreachable) => {
            if let Unreachable::Unusable(error) = &unreachable {
                report.warning(format!(
                    "{error}; kubectl --kubeconfig with that file says why"
                ));
            }
            report.status(Status::waiting(unreachable));
        }
        Stop::Obstacle(obstacle) => {
            let (status, explanation) = disposition::obstacle(&obstacle);
            report.warning(explanation);
            report.status(status);
        }
        Stop::Blocked(blocked) => {
            report.error(format!("{}; {}", blocked.message, blocked.remedy));
            report.status(Status::blocked(&blocked.message));
        }
        Stop::Status(status) | Stop::Again(status) => report.status(status),
    }
}

/// One reconcile: what it works with.
pub struct Work<'a, T, H> {
    pub(super) surroundings: &'a Surroundings<'a, T, H>,
    pub(super) identity: &'a Identity,
    pub(super) juju: &'a JujuFacts,
    pub(super) config: &'a CharmConfig,
    pub(super) intent: &'a Intent,
    /// The hook; `None` in an action, which waits for nothing.
    pub(super) hook: Option<Hook>,
}

/// Says why nothing is installed.
fn left_alone(installation: Installation, report: &mut Report) {
    if installation == Installation::Operator {
        report.note("Calico is installed by the tigera operator".to_owned());
    } else {
        tracing::debug!("calico-node is not this charm's: sync-resources takes it over");
    }
}

/// Whether the hook is about to write what only a leader may.
fn writes_for_all(survey: &Survey, foreseen: &Result<Foreseen, Stop>) -> bool {
    let plan = foreseen.as_ref().map(|foreseen| &foreseen.plan);
    !survey.install.is_empty() || plan.is_ok_and(|plan| plan.steps().any(Step::is_of_the_cluster))
}

/// Whether the mesh is off once this is written.
fn turns_the_mesh_off(step: &Step) -> bool {
    let Step::Apply { desired, .. } = step else {
        return false;
    };
    desired.kind == Kind::BgpConfiguration
        && desired.spec.get("nodeToNodeMeshEnabled") == Some(&Value::Bool(false))
}

/// The cluster as a hook finds it, and what has to be installed there.
pub(super) struct Survey {
    pub(super) kubernetes: Kubernetes,
    /// Where Calico's objects are; `None` before its definitions are.
    pub(super) served: Option<Mode>,
    pub(super) installation: Installation,
    pub(super) daemon_set: Option<Live>,
    pub(super) install: Install,
    /// The Node called like the machine.
    pub(super) named: Option<Value>,
    /// Every Node with the charm's record on it, for the leader.
    pub(super) nodes: Vec<Live>,
}

/// What a hook is about to write to Calico's own objects.
pub(super) struct Foreseen {
    pub(super) mode: Mode,
    pub(super) plan: Plan,
    /// Whether the mesh is on as it stands, and stays on: what was taken away a moment ago cannot be relied on, nor what
    /// comes only now.
    mesh_is_on: bool,
    /// The application's BGPPeers, which the leader's clean-up is planned from.
    peers: Option<Vec<Live>>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Reconciles. A leader that has allowed a step does its own part of it at once; one that was woken by its own bell
    /// waits for the others first, as long as it may.
    async fn reconcile(
        &self,
        hook: Hook,
        looking: impl Future<Output = Result<FirstLook, Stop>>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let kubernetes = self.settle(looking, report).await?;
        if self.juju.leader && matches!(hook, Hook::FabricRelationDeparted | Hook::LeaderElected) {
            self.sweep_statuses(&kubernetes, report).await?;
        }
        if hook == Hook::FabricRelationChanged
            && !report.has_allowed
            && let Some(progress) = report.rollout.clone()
            && self.has_rung(&progress).await
            && self.wait_for_units(&kubernetes, &progress).await?
        {
            self.settle(first_look(self.surroundings), report).await?;
        }
        Ok(())
    }

    /// Whether the others have heard of what is allowed: a hook that was killed between its write and its end has rung
    /// nobody, and whoever was not woken would be waited for in vain.
    async fn has_rung(&self, progress: &Progress) -> bool {
        let Some(fabric) = &self.juju.fabric else {
            return false;
        };
        let record = progress.decision.record.to_string();
        let rung = publish::has_rung(self.surroundings, fabric, &record).await;
        // A hook tool that fails does so again when the bell is to be rung.
        rung.unwrap_or_default()
    }

    /// Attempts until there is nothing more to do now.
    async fn settle(
        &self,
        looking: impl Future<Output = Result<FirstLook, Stop>>,
        report: &mut Report,
    ) -> Result<Kubernetes, Stop> {
        let mut kubernetes = self.insist(looking, report).await?;
        for _ in RolloutStep::ALL {
            let further = report
                .rollout
                .as_ref()
                .is_some_and(|progress| progress.own_part_is_due);
            if !further {
                break;
            }
            kubernetes = self.insist(first_look(self.surroundings), report).await?;
        }
        Ok(kubernetes)
    }

    /// Attempts, and looks again at once when somebody else wrote in between: a Node's own agent does all the time.
    async fn insist(
        &self,
        looking: impl Future<Output = Result<FirstLook, Stop>>,
        report: &mut Report,
    ) -> Result<Kubernetes, Stop> {
        let mut look = looking.await?;
        for _ in 1..ATTEMPTS {
            let kubernetes = look.kubernetes.clone();
            match self.attempt(look, report).await {
                Err(Stop::Api(error)) if matches!(error.failure, Failure::Conflict(_)) => {
                    tracing::debug!(%error, "looking again");
                }
                Err(Stop::Again(status)) => tracing::debug!(%status, "looking again"),
                outcome => return outcome.map(|()| kubernetes),
            }
            look = first_look(self.surroundings).await?;
        }
        let kubernetes = look.kubernetes.clone();
        self.attempt(look, report).await.map(|()| kubernetes)
    }

    async fn attempt(&self, look: FirstLook, report: &mut Report) -> Result<(), Stop> {
        report.forget_attempt();
        let mut survey = self.survey(look, report).await?;
        let mode = self.define(&survey, report).await?;
        let foreseen = self.foresee(&mut survey, mode, report).await;
        if self.juju.leader && writes_for_all(&survey, &foreseen) {
            self.hear_again(&survey.kubernetes, report).await?;
            self.still_leads().await?;
        }
        let changed = match &foreseen {
            // Calico comes to the cluster even while this unit's own Node is awaited.
            Ok(Foreseen { mode, .. }) => self.carry_out_install(&survey, *mode, report).await?,
            Err(Stop::Status(_)) => self.carry_out_install(&survey, mode, report).await?,
            // What forbids the plan, or keeps it from being made, forbids this too.
            Err(_) => false,
        };
        let foreseen = foreseen?;
        report.tell_cuts();
        let kubernetes = &survey.kubernetes;
        self.carry_out(kubernetes, foreseen.mode, &foreseen.plan, report)
            .await?;
        report.has_allowed |= report
            .rollout
            .as_ref()
            .is_some_and(|progress| progress.is_news);
        let bell = report
            .rollout
            .as_ref()
            .filter(|progress| !progress.is_at_rest);
        report.bell = bell.map(|progress| progress.decision.record.to_string());
        self.sweep(&survey, &foreseen, report).await?;
        if changed {
            survey.daemon_set = agent(kubernetes).await?;
        }
        self.health(&survey, report).await
    }

    /// Reads what the cluster has of Calico, and finds what has to be installed; writes nothing.
    ///
    /// # Errors
    /// When the API cannot be asked, or something in the cluster is in the way.
    pub(super) async fn survey(
        &self,
        look: FirstLook,
        report: &mut Report,
    ) -> Result<Survey, Stop> {
        if self.juju.addresses.is_empty() {
            return Err(Stop::Status(Status::waiting(
                "Waiting for an address of endpoint cni",
            )));
        }
        let FirstLook {
            kubernetes,
            groups,
            named,
            daemon_set,
            operator,
        } = look;
        if uses_etcd(daemon_set.as_ref().map(Live::value)) {
            return Err(Stop::Obstacle(Obstacle::EtcdDatastore));
        }
        let installation = installation(daemon_set.as_ref(), operator, &self.identity.owner)?;
        let served = match mode(&kubernetes, &groups.unwrap_or_default()).await? {
            Err(obstacle) if obstacle != Obstacle::NoCrds => return Err(Stop::Obstacle(obstacle)),
            served => served.ok(),
        };
        let (mut nodes, mut install) = (Vec::new(), Install::default());
        if self.juju.leader {
            let ours = matches!(installation, Installation::Absent | Installation::Ours);
            let daemon_set = daemon_set.as_ref();
            let (found, seen) = try_join!(
                self.found(&kubernetes, ours, served, daemon_set),
                sweep::nodes(&kubernetes)
            )?;
            nodes = seen;
            if let Some(found) = found {
                install = self
                    .install(&kubernetes, &found, daemon_set, &nodes, report)
                    .await?;
            } else {
                left_alone(installation, report);
            }
        }
        Ok(Survey {
            kubernetes,
            served,
            installation,
            daemon_set,
            install,
            named,
            nodes,
        })
    }

    /// What is installed, where that is this application's business.
    async fn found(
        &self,
        kubernetes: &Kubernetes,
        ours: bool,
        served: Option<Mode>,
        daemon_set: Option<&Live>,
    ) -> Result<Option<Found>, ApiError> {
        if !ours {
            return Ok(None);
        }
        let (mut found, keeps_bird) = try_join!(
            Found::read(kubernetes, &self.identity.owner),
            self.keeps_bird(kubernetes, served, daemon_set),
        )?;
        found.keeps_bird = keeps_bird;
        Ok(Some(found))
    }

    /// Brings new and grown definitions, which only ever add and without which nothing of Calico can be asked, and
    /// tells where Calico's objects are then.
    ///
    /// # Errors
    /// When they cannot be brought, or are not served for too long.
    pub(super) async fn define(&self, survey: &Survey, report: &mut Report) -> Result<Mode, Stop> {
        let (kubernetes, steps) = (&survey.kubernetes, &survey.install.definitions);
        if steps.is_empty() {
            return survey
                .served
                .ok_or_else(|| without_definitions(survey.installation));
        }
        report
            .done(apply_wave(kubernetes, Mode::V1, steps).await)
            .map_err(Stop::Api)?;
        established(kubernetes, steps).await?;
        let groups = kubernetes.get("/apis").await?.unwrap_or_default();
        mode(kubernetes, &groups).await?.map_err(Stop::Obstacle)
    }

    /// The plan of this hook for Calico's own objects; writes nothing.
    ///
    /// # Errors
    /// When there is no plan, or it is not allowed.
    pub(super) async fn foresee(
        &self,
        survey: &mut Survey,
        mode: Mode,
        report: &mut Report,
    ) -> Result<Foreseen, Stop> {
        let named = survey.named.take();
        let kubernetes = &survey.kubernetes;
        let mut observed = self.observe(kubernetes, mode, named, report).await?;
        report.node = Some(observed.node.name().to_owned());
        let mode = mode.with_version(report.version.as_deref());
        self.prove(survey, mode, &observed, report).await?;
        let peers = observed.all_peers.take();
        let mesh_is_on = rollout::mesh_is_on(observed.configuration.as_ref());
        let plan = self
            .plan(kubernetes, mode, survey, observed, report)
            .await?;
        let mesh_is_on = mesh_is_on && !plan.steps().any(turns_the_mesh_off);
        Ok(Foreseen {
            mode,
            plan,
            mesh_is_on,
            peers,
        })
    }

    /// Installs what is missing, clears what is left over once nothing needs it, and records that all is right. Answers
    /// whether anything was written.
    ///
    /// # Errors
    /// When a write fails.
    pub(super) async fn carry_out_install(
        &self,
        survey: &Survey,
        mode: Mode,
        report: &mut Report,
    ) -> Result<bool, Stop> {
        let (kubernetes, install) = (&survey.kubernetes, &survey.install);
        let clear = install.may_clear(survey.daemon_set.as_ref());
        let leftovers = Some(&install.leftovers).filter(|_| clear);
        for wave in install.waves.iter().chain(leftovers) {
            report
                .done(apply_wave(kubernetes, mode, wave).await)
                .map_err(Stop::Api)?;
        }
        let done = clear || install.leftovers.is_empty();
        if let Some(due) = install.record.as_ref().filter(|_| done) {
            due.write(kubernetes, self.identity).await?;
            report.writes += 1;
        }
        Ok(!install.is_empty())
    }

    /// Clears up after units that are gone.
    async fn sweep(
        &self,
        survey: &Survey,
        foreseen: &Foreseen,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let plan = self.sweep_plan(survey, foreseen, report).await?;
        self.carry_out(&survey.kubernetes, foreseen.mode, &plan, report)
            .await
    }

    /// What the leader has to clear up after units that are gone; writes nothing.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(super) async fn sweep_plan(
        &self,
        survey: &Survey,
        foreseen: &Foreseen,
        report: &mut Report,
    ) -> Result<Plan, Stop> {
        let (Some(peers), Some(membership)) = (&foreseen.peers, &self.juju.membership) else {
            return Ok(Plan::default());
        };
        let (kubernetes, mode) = (&survey.kubernetes, foreseen.mode);
        // Without the mesh a reflector is needed until the options have put another in its place, everywhere.
        let moving = report
            .rollout
            .as_ref()
            .is_none_or(|progress| !progress.is_at_rest);
        let need = |unit: &str| {
            let number = unit.parse().map(|unit: UnitName| unit.number());
            let ids = &self.config.route_reflector_cluster_ids;
            let named = number.is_ok_and(|number| ids.contains_key(&number));
            if foreseen.mesh_is_on || !(named || moving) {
                Need::None
            } else if named {
                Need::WhileNamed
            } else {
                Need::DuringTheChange
            }
        };
        let seen = sweep::Seen {
            nodes: &survey.nodes,
            peers,
            need: &need,
        };
        let done = &foreseen.plan;
        let identity = self.identity;
        Ok(sweep::plan(kubernetes, mode, identity, membership, &seen, done, report).await?)
    }

    /// Clears up what calico-node was asked to report by units that are gone. Nothing else leads to it where a Node went
    /// with its unit, and it is listed in the hooks alone that come when one has gone, or may have.
    async fn sweep_statuses(
        &self,
        kubernetes: &Kubernetes,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let membership = self.juju.membership.as_ref();
        let Some(members) = membership.filter(|members| members.is_complete()) else {
            return Ok(());
        };
        let groups = kubernetes.get("/apis").await?.unwrap_or_default();
        let mode = mode(kubernetes, &groups).await?.map_err(Stop::Obstacle)?;
        let plan = sweep::statuses(kubernetes, mode, self.identity, members).await?;
        self.carry_out(kubernetes, mode, &plan, report).await
    }

    async fn carry_out(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        plan: &Plan,
        report: &mut Report,
    ) -> Result<(), Stop> {
        for wave in plan.waves() {
            let done = apply_wave(kubernetes, mode, wave).await;
            report.done(done).map_err(Stop::Api)?;
        }
        Ok(())
    }
}
