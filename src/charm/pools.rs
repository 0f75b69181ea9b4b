//! The leader's part of the plan that is about IPPools, and what it says of those that retire. Performs IO only to ask
//! for IPAM blocks.

use super::Report;
use super::observe::Observed;
use super::reconcile::{Stop, Work};
use super::report::counted;
use crate::cluster::{Kubernetes, Mode};
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::ClusterIntent;
use crate::plan::{DoomedPool, Step, doomed_pools, plan_pools};

/// The steps for the pools, by the place they have in the plan.
#[derive(Default)]
pub(super) struct PoolSteps {
    /// Pools that are made, or brought to what the options ask.
    pub(super) make: Vec<Step>,
    /// Pools that give out no more addresses.
    pub(super) disable: Vec<Step>,
    /// Pools that go.
    pub(super) remove: Vec<Step>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// What is to be done to the pools; nothing where they are not the charm's to manage.
    ///
    /// # Errors
    /// When the options ask for a pool that is not allowed, or the API cannot be asked.
    pub(super) async fn pool_steps(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        intent: &ClusterIntent,
        observed: &Observed,
        report: &mut Report,
    ) -> Result<PoolSteps, Stop> {
        let (Some(intents), Some(pools)) = (intent.pools(), &observed.pools) else {
            return Ok(PoolSteps::default());
        };
        let blocks = self
            .blocks_if_needed(kubernetes, mode, intents, pools)
            .await?;
        let make = plan_pools(intents, &self.identity.owner, pools, &blocks)?;
        let (disable, remove, stay) = doomed_pools(intents, pools, &blocks);
        for pool in &stay {
            let note = stays(pool);
            if !disable.is_empty() {
                report.info(format!(
                    "{note}: restart the pods that hold them (manage-pools)"
                ));
            }
            report.note(note);
        }
        Ok(PoolSteps {
            make,
            disable,
            remove,
        })
    }
}

/// What status and log say of a pool that cannot go yet.
fn stays(pool: &DoomedPool) -> String {
    let addresses = counted(pool.usage.workloads, "address");
    let nodes: Vec<&str> = pool.usage.nodes.iter().map(String::as_str).collect();
    let on = if nodes.is_empty() { "" } else { " on " };
    let nodes = nodes.join(", ");
    format!(
        "IPPool {} {} retires, {addresses} left{on}{nodes}",
        pool.name, pool.cidr
    )
}
