//! From what is there to the plan of this hook, or why there must be none. Performs IO only to ask what it needs to know.

use super::facts::CNI;
use super::install::Installation;
use super::observe::Observed;
use super::reconcile::{Stop, Survey, Work};
use super::rollout::{Ahead, ConfigurationSteps};
use super::{Report, int32};
use crate::cluster::{Kubernetes, Mode};
use crate::host::Host;
use crate::juju::HookTools;
use crate::juju::tools::goal_state_units;
use crate::model::{ClusterIntent, NodeName, UnitName};
use crate::plan::{
    Allowance, Blocked, FoundOfUnit, Live, NodeClaim, Plan, Step, WantedOfUnit, claim, plan_apply,
    plan_unit,
};
use crate::render::{Kind, VETH_MTU, bgp_peers, calico_config, node};
use crate::status::Status;

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// The whole plan of this hook. The mesh is turned off only after this unit's own sessions are written, and on
    /// before anything of them is taken away.
    ///
    /// # Errors
    /// When the plan is not allowed, or the API cannot be asked.
    pub async fn plan(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        survey: &Survey,
        mut observed: Observed,
        report: &mut Report,
    ) -> Result<Plan, Stop> {
        self.refuse_other_applications(observed.configuration.as_ref())?;
        let mut ahead = self.ahead(kubernetes, mode, &observed).await?;
        let unit_plan = self
            .own_plan(kubernetes, mode, &mut observed, &ahead.allowance)
            .await?;
        if !self.juju.leader {
            return Ok(unit_plan);
        }
        let nodes = &survey.nodes;
        self.let_sessions_come_up(kubernetes, mode, nodes, &observed, &unit_plan, &mut ahead)
            .await?;
        self.with_cluster(mode, survey, unit_plan, &observed, &ahead, report)
            .await
    }

    /// What this unit writes for itself, taking over from a unit that is gone where there is one.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn own_plan(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        observed: &mut Observed,
        allowance: &Allowance,
    ) -> Result<Plan, Stop> {
        let predecessor = self.predecessor(&observed.node).await?;
        if let Some(predecessor) = &predecessor {
            let peers = self.peers_of(kubernetes, mode, predecessor).await?;
            observed.peers.extend(peers);
        }
        let unit_plan = self
            .unit_plan(kubernetes, mode, observed, predecessor.as_ref(), allowance)
            .await?;
        let global = self.juju.leader.then_some(self.config.global_as_number);
        let configuration = observed.configuration.as_ref();
        int32::refuse(kubernetes, mode, &unit_plan, global, configuration).await?;
        Ok(unit_plan)
    }

    async fn unit_plan(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        observed: &mut Observed,
        predecessor: Option<&UnitName>,
        allowance: &Allowance,
    ) -> Result<Plan, Stop> {
        let owner = &self.identity.owner;
        let name: NodeName = observed.node.name().parse().map_err(|error| {
            Stop::Status(Status::waiting(format!("Node name is not usable: {error}")))
        })?;
        let desired_peers = bgp_peers(self.intent, owner, &name);
        self.fetch_unlabelled(kubernetes, mode, &desired_peers, &mut observed.peers)
            .await?;
        let principal = self.surroundings.context.principal.as_deref();
        let desired_node = node(self.intent, owner, principal, name);
        let wanted = WantedOfUnit {
            intent: self.intent,
            node: &desired_node,
            peers: desired_peers,
        };
        let found = FoundOfUnit {
            node: &observed.node,
            peers: &observed.peers,
            predecessor,
        };
        Ok(plan_unit(wanted, &found, owner, allowance)?)
    }

    /// The plan with what the leader writes for the cluster round it.
    ///
    /// # Errors
    /// As [`plan`](Self::plan).
    pub async fn with_cluster(
        &self,
        mode: Mode,
        survey: &Survey,
        unit_plan: Plan,
        observed: &Observed,
        ahead: &Ahead,
        report: &mut Report,
    ) -> Result<Plan, Stop> {
        let intent = ClusterIntent::new(self.config);
        let ConfigurationSteps { early, late } =
            self.configuration_steps(observed, &survey.nodes, &unit_plan, ahead, report);
        let mut first: Vec<Step> = early.into_iter().collect();
        if survey.installation == Installation::Elsewhere {
            first.extend(mtu_step(&intent, observed.calico_config.as_ref(), report));
        }
        let pools = self
            .pool_steps(&survey.kubernetes, mode, &intent, observed, report)
            .await?;
        first.extend(pools.make);
        let (unit_plan, deletes) = unit_plan.without_deletes();
        let mut plan = Plan::default();
        plan.push(first);
        plan.append(unit_plan);
        plan.push(late.into_iter().collect());
        plan.append(deletes);
        plan.push(pools.disable);
        plan.push(pools.remove);
        Ok(plan)
    }

    /// One cluster takes one application of this charm.
    ///
    /// # Errors
    /// When another one has configured it.
    pub fn refuse_other_applications(&self, configuration: Option<&Live>) -> Result<(), Blocked> {
        let other = configuration
            .and_then(Live::owner)
            .filter(|owner| *owner != self.identity.owner);
        match other {
            Some(other) => Err(two_applications(&other.application, &other.model)),
            None => Ok(()),
        }
    }

    /// The unit that had the Node before and is gone, if there is one.
    async fn predecessor(&self, node: &Live) -> Result<Option<UnitName>, Stop> {
        let (unit, principal) = match claim(node, &self.identity.unit, &self.identity.owner) {
            NodeClaim::Ours | NodeClaim::Free => return Ok(None),
            NodeClaim::Foreign {
                application, model, ..
            } => return Err(two_applications(&application, &model).into()),
            NodeClaim::Sibling { unit, principal } => (unit, principal),
        };
        let goal = goal_state_units(self.surroundings.tools, CNI)
            .await
            .map_err(|error| Stop::Status(Status::waiting(format!("Waiting for Juju: {error}"))))?;
        let own = self.surroundings.context.principal.as_ref();
        let same_principal = own == Some(&principal);
        let gone = own.is_some_and(|own| goal.contains(own)) && !goal.contains(&principal);
        if same_principal || gone {
            return Ok(unit.parse().ok());
        }
        Err(Stop::Blocked(Blocked {
            message: format!("Node {} is already looked after by {unit}", node.name()),
            remedy: format!(
                "two units have one Node name: give the machines of {unit} and {} different host names",
                self.identity.unit
            ),
        }))
    }
}

/// The pod MTU, where `veth-mtu` is set, or was and has to be taken back. Nothing is made where Calico was not installed
/// from manifests.
fn mtu_step(intent: &ClusterIntent, live: Option<&Live>, report: &mut Report) -> Option<Step> {
    let wanted = intent.workload_mtu().is_some();
    let Some(live) = live else {
        if wanted {
            report.note("veth-mtu has no effect: no ConfigMap calico-config".to_owned());
        }
        return None;
    };
    let section = Kind::CalicoConfig.section();
    if !wanted && !live.charm_fields(section).contains(VETH_MTU) {
        return None;
    }
    // Where this charm has installed the ConfigMap once, an apply of one key would take all the others away.
    let applied = live.applied_fields(section);
    if applied.iter().any(|key| *key != VETH_MTU) {
        if wanted {
            report.note("veth-mtu has no effect before sync-resources".to_owned());
        }
        return None;
    }
    plan_apply(calico_config(intent), Some(live))
}

pub(super) fn two_applications(application: &str, model: &str) -> Blocked {
    Blocked {
        message: format!(
            "this cluster's Calico is configured by application {application} of model {model}"
        ),
        remedy: "one cluster takes one application of this charm: remove one of the two. What a removed one left behind \
                 goes with: kubectl label bgpconfigurations.crd.projectcalico.org default app.kubernetes.io/managed-by- ; \
                 kubectl -n kube-system label daemonset calico-node app.kubernetes.io/managed-by- ; \
                 kubectl annotate nodes --all calico.juju.is/unit- ; juju run calico/leader sync-resources then takes Calico over"
            .to_owned(),
    }
}
