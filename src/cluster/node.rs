//! Which Node this unit looks after. Performs IO.

use std::net::IpAddr;

use serde_json::Value;

use super::Kubernetes;
use super::kubernetes::ApiError;
use crate::host::Host;
use crate::model::NodeName;
use crate::plan::Live;

/// The Node called like the lower-cased host name, else like the fully qualified one (kubelet on AWS registers so),
/// else the only one that holds one of the unit's addresses (`binding`; the machine has others that say nothing, such as
/// 127.0.0.1). A Node whose InternalIP the machine does not have is never
/// taken, whatever its name. `None` when no Node matches yet.
///
/// # Errors
/// When the API cannot be asked.
pub async fn find_node<H: Host>(
    kubernetes: &Kubernetes,
    host: &H,
    by_hostname: Option<Value>,
    machine: &[IpAddr],
    binding: &[IpAddr],
) -> Result<Option<Live>, ApiError> {
    let ours = |node: &Value| holds_internal_ip(node, machine);
    if let Some(node) = by_hostname.filter(ours) {
        return Ok(Some(Live::new(node)));
    }
    let fqdn = host
        .fqdn()
        .await
        .and_then(|name| NodeName::of_host(&name).ok());
    if let Some(name) = fqdn
        && name.as_str() != host.hostname().to_lowercase()
        && let Some(node) = kubernetes
            .get(&node_path(name.as_str()))
            .await?
            .filter(ours)
    {
        return Ok(Some(Live::new(node)));
    }
    let nodes = kubernetes.list("/api/v1/nodes", "").await?;
    let mut found = nodes
        .into_iter()
        .filter(|node| internal_ips(node).any(|ip| binding.contains(&ip)));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(Some(Live::new(only))),
        _ => Ok(None),
    }
}

/// Path of one Node.
#[must_use]
pub fn node_path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

/// Whether the Node's InternalIP is one of the machine's addresses; a Node that has none yet contradicts nothing.
fn holds_internal_ip(node: &Value, addresses: &[IpAddr]) -> bool {
    let mut found = internal_ips(node).peekable();
    found.peek().is_none() || found.any(|ip| addresses.contains(&ip))
}

/// The addresses of type `InternalIP` of a Node.
pub fn internal_ips(node: &Value) -> impl Iterator<Item = IpAddr> {
    node["status"]["addresses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|address| address["type"] == "InternalIP")
        .filter_map(|address| address["address"].as_str()?.parse().ok())
}

/// What runs on a Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Running {
    /// Pods whose traffic depends on Calico: any that is not on the host's network and has not ended.
    pub pods: bool,
    /// calico-node, whoever installed it.
    pub agent: bool,
}

/// Looks at the pods of a Node.
///
/// # Errors
/// When the API cannot be asked.
pub async fn running(kubernetes: &Kubernetes, node: &str) -> Result<Running, ApiError> {
    let query = format!("fieldSelector=spec.nodeName%3D{node}");
    let pods = kubernetes.list("/api/v1/pods", &query).await?;
    let mut running = Running::default();
    for pod in pods.iter().filter(|pod| !has_ended(pod)) {
        running.pods |= pod["spec"]["hostNetwork"] != true;
        running.agent |= pod["metadata"]["labels"]["k8s-app"] == "calico-node";
    }
    Ok(running)
}

fn has_ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    )
}

/// Whether a Node runs pods whose traffic depends on Calico ([`Running::pods`]).
///
/// # Errors
/// When the API cannot be asked.
pub async fn runs_pods(kubernetes: &Kubernetes, node: &str) -> Result<bool, ApiError> {
    Ok(running(kubernetes, node).await?.pods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_internal_ip_decides() {
        let node = |ip: &str| json!({"status": {"addresses": [{"type": "Hostname", "address": "a"}, {"type": "InternalIP", "address": ip}]}});
        let ours: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap()];
        assert!(holds_internal_ip(&node("10.0.0.5"), &ours));
        assert!(!holds_internal_ip(&node("10.0.0.6"), &ours));
        assert!(holds_internal_ip(&json!({}), &ours));
    }
}
