//! The path every hook takes: options, intent, what is there, the plan, the writes. Performs IO.
//!
//! Nothing is written unless every option is valid and nothing in the cluster forbids the plan.

use super::facts::JujuFacts;
use super::observe::{FirstLook, first_look};
use super::publish::Published;
use super::{
    API_DEADLINE, Identity, Report, Surroundings, Unreachable, disposition, machine, sweep,
};
use crate::cluster::mode::uses_etcd;
use crate::cluster::{ApiError, Failure, Kubernetes, Mode, Obstacle, apply_wave, mode};
use crate::config::{CharmConfig, Problems};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::{Intent, UnitFacts};
use crate::plan::{Blocked, Plan};
use crate::status::Status;

/// How often a reconcile is tried when somebody else's write comes in between.
const ATTEMPTS: u32 = 3;

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
    };
    match tokio::time::timeout(API_DEADLINE, work.reconcile(looking, report)).await {
        Ok(Ok(())) => notes(&config, &intent, juju, report),
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
fn no_relation(principal: Option<&str>) -> Status {
    match principal {
        Some(principal) => Status::waiting(format!("Waiting for the cni relation to {principal}")),
        None => Status::blocked(
            "integrate with kubernetes-control-plane or kubernetes-worker (endpoint cni)",
        ),
    }
}

fn unit_facts<T: HookTools, H: Host>(
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

fn options(juju: &JujuFacts, facts: &UnitFacts) -> Result<(CharmConfig, Intent), Problems> {
    let config = CharmConfig::parse(&juju.raw, facts.unit.application())?;
    let intent = Intent::new(&config, facts)?;
    Ok((config, intent))
}

fn published(config: &CharmConfig, facts: &UnitFacts) -> Published {
    let joined = |texts: Vec<String>| texts.join(",");
    Published {
        cidr: joined(config.cidr.iter().map(ToString::to_string).collect()),
        addresses: joined(
            facts
                .addresses
                .iter()
                .map(|address| format!("{}/{}", address.ip, address.subnet.prefix()))
                .collect(),
        ),
    }
}

/// What is allowed and still no good idea, beside `Ready`: the fabric as a whole is not judged here.
fn notes(config: &CharmConfig, intent: &Intent, juju: &JujuFacts, report: &mut Report) {
    let alone = intent.peers().is_empty() && config.vxlan.is_none();
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
        .filter(|members| members.is_complete());
    for place in members
        .map(|members| config.strangers(&members.units))
        .unwrap_or_default()
    {
        report.warning(format!("{place}: there is no such unit"));
        report.note(format!("{place}: there is no such unit"));
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
        Stop::Status(status) => report.status(status),
    }
}

/// One reconcile: what it works with.
pub struct Work<'a, T, H> {
    pub(super) surroundings: &'a Surroundings<'a, T, H>,
    pub(super) identity: &'a Identity,
    pub(super) juju: &'a JujuFacts,
    pub(super) config: &'a CharmConfig,
    pub(super) intent: &'a Intent,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Reconciles, and looks again at once when somebody else wrote in between: a Node's own agent does all the time.
    async fn reconcile(
        &self,
        looking: impl Future<Output = Result<FirstLook, Stop>>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let mut look = looking.await?;
        for _ in 1..ATTEMPTS {
            match self.attempt(look, report).await {
                Err(Stop::Api(error)) if matches!(error.failure, Failure::Conflict(_)) => {
                    tracing::debug!(%error, "looking again");
                }
                outcome => return outcome,
            }
            look = first_look(self.surroundings).await?;
        }
        self.attempt(look, report).await
    }

    async fn attempt(&self, look: FirstLook, report: &mut Report) -> Result<(), Stop> {
        report.forget_notes();
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
        } = look;
        if uses_etcd(daemon_set.as_ref()) {
            return Err(Stop::Obstacle(Obstacle::EtcdDatastore));
        }
        let mode = mode(&kubernetes, &groups.unwrap_or_default())
            .await?
            .map_err(Stop::Obstacle)?;
        let mut observed = self.observe(&kubernetes, mode, named, report).await?;
        let everybody = observed.everybody.take();
        report.node = Some(observed.node.name().to_owned());
        let mode = mode.with_version(report.version.as_deref());
        let plan = self.plan(&kubernetes, mode, observed, report).await?;
        self.carry_out(&kubernetes, mode, &plan, report).await?;
        if let (Some(seen), Some(membership)) = (&everybody, &self.juju.membership) {
            let (identity, done) = (self.identity, &plan);
            let plan =
                sweep::plan(&kubernetes, mode, identity, membership, seen, done, report).await?;
            self.carry_out(&kubernetes, mode, &plan, report).await?;
        }
        Ok(())
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
