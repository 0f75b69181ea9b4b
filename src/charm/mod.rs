//! The only place that strings the parts together: one hook from Juju's facts to Juju's status. Performs IO.

mod action;
mod decide;
mod disposition;
mod fabric;
mod facts;
mod findings;
mod health;
mod install;
mod int32;
mod machine;
mod observe;
mod pools;
mod publish;
mod reconcile;
mod report;
mod rollout;
mod sweep;
mod teardown;

use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::future::{Either, MaybeDone, maybe_done, select};

use crate::cluster::{ConnectError, Kubernetes, connect};
use crate::config::RawConfigError;
use crate::host::Host;
use crate::juju::tools::ToolError;
use crate::juju::{Hook, HookTools, JujuContext};
use crate::model::{UnitName, UnitNameError};
use crate::render::Owner;

pub use action::{FORMAT_VERSION, run_action};
pub use report::Report;

/// How long a hook may spend on the Kubernetes API: Juju runs one hook at a time on a machine, and a slow one stalls
/// the principal's; and a leader's writes have to end within the 30 s for which `is-leader` holds.
const API_DEADLINE: Duration = Duration::from_secs(25);

/// Where the Kubernetes API is.
#[derive(Clone)]
pub enum Access {
    /// A kubeconfig file, which may not be there yet.
    Kubeconfig(PathBuf),
    /// A client that is ready, as the simulation has.
    Client(kube::Client),
}

impl Access {
    /// The kubeconfig hooks use: `KUBECONFIG` where it is set (Juju sets none), else root's, by its full path since hooks
    /// have no `HOME`.
    #[must_use]
    pub fn of_hooks(kubeconfig: Option<String>) -> Self {
        let path = kubeconfig.filter(|path| !path.is_empty());
        Self::Kubeconfig(path.map_or_else(|| Path::new("/root/.kube/config").into(), Into::into))
    }

    async fn kubernetes(&self) -> Result<Option<Kubernetes>, ConnectError> {
        match self {
            Self::Client(client) => Ok(Some(Kubernetes::new(client.clone()))),
            Self::Kubeconfig(path) if !path.exists() => Ok(None),
            Self::Kubeconfig(path) => connect(path)
                .await
                .map(|client| Some(Kubernetes::new(client))),
        }
    }
}

/// All a hook touches: Juju, the machine, the cluster.
pub struct Surroundings<'a, T, H> {
    /// What the hook's environment says.
    pub context: &'a JujuContext,
    /// The hook tools.
    pub tools: &'a T,
    /// The machine.
    pub host: &'a H,
    /// The Kubernetes API.
    pub access: &'a Access,
}

/// Why a hook has to fail, so that Juju runs it again: never for a user's mistake or an absent API.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// `JUJU_UNIT_NAME` is no unit name.
    #[error("JUJU_UNIT_NAME is not a unit name")]
    Unit(#[source] UnitNameError),
    /// `config-get` answered with something that is no map of options.
    #[error("config-get answered with something that is no map of options")]
    Options(#[source] RawConfigError),
    /// A hook tool failed.
    #[error("a hook tool failed")]
    Tool(#[from] ToolError),
}

/// Who this unit is.
struct Identity {
    unit: UnitName,
    owner: Owner,
}

impl Identity {
    fn new(context: &JujuContext) -> Result<Self, HookError> {
        let unit: UnitName = context.unit.parse().map_err(HookError::Unit)?;
        let owner = Owner {
            model: context.model_uuid.clone(),
            application: unit.application().to_owned(),
        };
        Ok(Self { unit, owner })
    }
}

/// Runs one hook to its end, status and log included.
///
/// # Errors
/// Only when a hook tool fails or Juju's environment makes no sense.
pub async fn run_hook<T: HookTools, H: Host>(
    hook: Hook,
    surroundings: &Surroundings<'_, T, H>,
) -> Result<Report, HookError> {
    let identity = Identity::new(surroundings.context)?;
    let mut report = Report::default();
    // Each unit's first data wakes every other one, and none of them needs it from there.
    if hook == Hook::FabricRelationChanged && surroundings.context.remote_unit.is_some() {
        return Ok(report);
    }
    if hook.is_teardown() {
        teardown::run(surroundings, hook, &identity, &mut report).await;
        publish::log(surroundings.tools, hook, &report).await?;
        return Ok(report);
    }
    let mut first_look = pin!(maybe_done(observe::first_look(surroundings)));
    let reading = pin!(facts::read(surroundings.tools, surroundings.context));
    let juju = match select(reading, first_look.as_mut()).await {
        Either::Left((juju, _)) => juju?,
        Either::Right(((), reading)) => reading.await?,
    };
    let published = reconcile::run(
        surroundings,
        hook,
        &identity,
        &juju,
        output(first_look),
        &mut report,
    )
    .await;
    report.tell_findings(matches!(
        hook,
        Hook::UpdateStatus | Hook::FabricRelationChanged
    ));
    machine::calicoctl(surroundings, hook, &mut report).await;
    publish::all(surroundings, hook, &juju, published.as_ref(), &report).await?;
    Ok(report)
}

/// What a future that may have run already has produced.
async fn output<F: Future>(mut running: Pin<&mut MaybeDone<F>>) -> F::Output {
    running.as_mut().await;
    let output = running.take_output();
    output.expect("MaybeDone holds its output once awaited, and this takes it once")
}

/// Why there is no Kubernetes API to talk to.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error("Waiting for Kubernetes config.")]
    NoKubeconfig,
    #[error(transparent)]
    Unusable(ConnectError),
}

/// The Kubernetes API, through a client that has not connected yet.
async fn reach(access: &Access) -> Result<Kubernetes, Unreachable> {
    let kubernetes = access.kubernetes().await.map_err(Unreachable::Unusable)?;
    kubernetes.ok_or(Unreachable::NoKubeconfig)
}
