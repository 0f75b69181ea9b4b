//! Whether Calico runs: on this unit's own node, and for the leader in the cluster. Performs IO.

use futures::try_join;

use super::Report;
use super::install::Installation;
use super::reconcile::{Stop, Survey, Work};
use crate::cluster::{ApiError, Kubernetes, escape};
use crate::host::Host;
use crate::juju::HookTools;
use crate::plan::{DaemonSetProgress, Live, is_available, pods_problem};
use crate::status::Status;

/// Deployment of Calico's controllers.
const CONTROLLERS: &str =
    "/apis/apps/v1/namespaces/kube-system/deployments/calico-kube-controllers";
const ALL_PODS: &str = "/api/v1/pods";
pub(super) const PODS: &str = "/api/v1/namespaces/kube-system/pods";

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Says what keeps Calico from running here. A unit answers for the pod on its own node; the leader also for the
    /// controllers, and tells how far a rollout is.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn health(&self, survey: &Survey, report: &mut Report) -> Result<(), Stop> {
        let Survey {
            kubernetes,
            installation,
            daemon_set,
            ..
        } = survey;
        let node = report.node.clone().unwrap_or_default();
        // The operator runs Calico in a namespace of its own, and reports on roll-outs itself (TigeraStatus).
        if *installation == Installation::Operator {
            let everywhere = pods(kubernetes, ALL_PODS, "calico-node", Some(&node)).await?;
            if let Some(problem) = pods_problem(&everywhere) {
                report.status(Status::waiting(format!("calico-node on {node}: {problem}")));
            }
            return Ok(());
        }
        let Some(daemon_set) = daemon_set else {
            report.status(Status::waiting("Waiting for the leader to install Calico"));
            return Ok(());
        };
        let rollout = DaemonSetProgress::of(daemon_set);
        let (agent, controllers) = try_join!(
            agent_problem(kubernetes, &node),
            self.controllers_problem(kubernetes)
        )?;
        let controllers = controllers.map(|problem| format!("calico-kube-controllers: {problem}"));
        if let Some(problem) = agent {
            report.status(Status::waiting(format!("calico-node on {node}: {problem}")));
        } else if self.juju.leader && rollout.is_rolling() {
            // A new release replaces the controllers too: that they are on their way must not hide how far it is.
            let updated = if rollout.observed { rollout.updated } else { 0 };
            let progress = format!("calico-node {updated} of {} updated", rollout.desired);
            let whole = [Some(progress), controllers];
            let whole: Vec<String> = whole.into_iter().flatten().collect();
            report.progress(Status::maintenance(whole.join("; ")));
        } else if let Some(problem) = controllers {
            report.status(Status::waiting(problem));
        }
        Ok(())
    }

    async fn controllers_problem(
        &self,
        kubernetes: &Kubernetes,
    ) -> Result<Option<String>, ApiError> {
        if !self.juju.leader {
            return Ok(None);
        }
        let deployment = kubernetes.get(CONTROLLERS).await?.map(Live::new);
        match deployment {
            None => Ok(Some("there is no such Deployment".to_owned())),
            Some(deployment) if is_available(&deployment) => Ok(None),
            Some(_) => {
                let pods = pods(kubernetes, PODS, "calico-kube-controllers", None).await?;
                Ok(Some(
                    pods_problem(&pods).unwrap_or_else(|| "not available".to_owned()),
                ))
            }
        }
    }
}

/// The pod itself is asked and not the DaemonSet: that counts the machines it is for, and may not have counted this one,
/// and its counts are as old as its controller is.
async fn agent_problem(kubernetes: &Kubernetes, node: &str) -> Result<Option<String>, ApiError> {
    let pods = pods(kubernetes, PODS, "calico-node", Some(node)).await?;
    Ok(pods_problem(&pods))
}

/// The pods of one of Calico's workloads, on one node where one is given.
pub(super) async fn pods(
    kubernetes: &Kubernetes,
    path: &str,
    app: &str,
    node: Option<&str>,
) -> Result<Vec<Live>, ApiError> {
    let mut query = format!("labelSelector={}", escape(&format!("k8s-app={app}")));
    if let Some(node) = node {
        query.push_str("&fieldSelector=");
        query.push_str(&escape(&format!("spec.nodeName={node}")));
    }
    let pods = kubernetes.list(path, &query).await?;
    Ok(pods.into_iter().map(Live::new).collect())
}
