//! What others keep in the cluster: Nodes, Calico where somebody else installed it, pods and their addresses.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::model::Cidr;
use crate::render::LABEL_ZONE;
use crate::sim::api::{ApiServer, Mode, StatusError};
use crate::sim::run::ScenarioUnit;

/// Field manager of what calico-node writes.
pub(super) const CALICO_NODE: &str = "calico-node";

/// A cluster in which nothing runs yet.
///
/// # Errors
/// When the server does not take an object.
pub(super) fn server(installed: bool) -> Result<ApiServer, StatusError> {
    if !installed {
        return Ok(ApiServer::bare());
    }
    let server = ApiServer::new(Mode::CrdV1);
    server.insert(
        CALICO_NODE,
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "ClusterInformation", "metadata": {"name": "default"},
            "spec": {"datastoreReady": true, "calicoVersion": "v3.31.0", "clusterType": "k8s,bgp"},
        }),
    )?;
    server.insert("kubectl", workload("DaemonSet", "calico-node"))?;
    server.insert("kubectl", workload("Deployment", "calico-kube-controllers"))?;
    Ok(server)
}

fn workload(kind: &str, name: &str) -> Value {
    let labels = json!({"k8s-app": name});
    let container = json!({
        "name": name, "image": format!("registry.example.com/{name}:v3.31.0"),
        "env": [{"name": "DATASTORE_TYPE", "value": "kubernetes"}],
    });
    json!({
        "apiVersion": "apps/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"hostNetwork": true, "containers": [container]}},
        },
    })
}

/// A machine's Node, as its kubelet registers it and calico-node annotates it.
///
/// # Errors
/// When the server does not take it.
pub(super) fn add_node(server: &ApiServer, unit: &ScenarioUnit) -> Result<(), StatusError> {
    let first = |v4| {
        let of_family = |address: &&crate::model::UnitAddress| address.ip.is_ipv4() == v4;
        unit.addresses.iter().find(of_family)
    };
    let families = [(first(true), "4"), (first(false), "6")];
    let mut ips = Vec::new();
    let mut annotations = json!({});
    for (address, family) in families {
        let Some(address) = address else { continue };
        ips.push(json!({"type": "InternalIP", "address": address.ip.to_string()}));
        let own = format!("{}/{}", address.ip, address.subnet.prefix());
        annotations[format!("projectcalico.org/IPv{family}Address")] = own.into();
    }
    let name = unit.node.to_string();
    let mut labels = json!({"kubernetes.io/hostname": name});
    if let Some(zone) = &unit.zone {
        labels[LABEL_ZONE] = zone.as_str().into();
    }
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "status": {"addresses": ips},
    });
    server.insert("kubelet", node)?;
    server.merge(
        CALICO_NODE,
        "Node",
        &name,
        &json!({"metadata": {"annotations": annotations}, "status": {"conditions": network_is_up("")}}),
    )?;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod(&name), "namespace": "default"},
        "spec": {"nodeName": name, "containers": [{"name": "web", "image": "registry.example.com/web"}]},
        "status": {"phase": "Running"},
    });
    server.insert("kubelet", pod).map(drop)
}

/// The condition that calico-node sets on its Node.
pub(super) fn network_is_up(message: &str) -> Value {
    json!([{"type": "NetworkUnavailable", "status": "False", "reason": "CalicoIsUp", "message": message}])
}

fn pod(node: &str) -> String {
    format!("web-{node}")
}

/// A Node goes with its pods and their addresses.
pub(super) fn remove_node(server: &ApiServer, name: &str) {
    drain_node(server, name);
    server.remove("Node", name);
}

/// The workloads leave a Node.
pub(super) fn drain_node(server: &ApiServer, name: &str) {
    server.remove("Pod", &format!("default/{}", pod(name)));
    for block in blocks(server) {
        if block["spec"]["affinity"] == affinity(name) {
            remove_block(server, &block);
        }
    }
}

/// Lets every workload have an address of a pool that takes new ones, as a restart of all of them does: Calico's IPAM
/// assigns from enabled pools, and its controller releases blocks that are empty.
///
/// # Errors
/// When the server does not take an object.
pub(super) fn restart_workloads(server: &ApiServer) -> Result<(), StatusError> {
    let pools = server.objects("IPPool");
    let usable = |pool: &&Value| {
        let tunnel_only = pool["spec"]["allowedUses"]
            .as_array()
            .is_some_and(|uses| !uses.contains(&json!("Workload")));
        pool["spec"]["disabled"] != json!(true) && !tunnel_only
    };
    let network = |pool: &Value| pool["spec"]["cidr"].as_str()?.parse::<Cidr>().ok();
    let is_v4 =
        |cidr: &Cidr| cidr.contains(IpAddr::V4(first_of(*cidr).unwrap_or(Ipv4Addr::UNSPECIFIED)));
    let open: Vec<Cidr> = pools
        .iter()
        .filter(usable)
        .filter_map(network)
        .filter(is_v4)
        .collect();
    let Some(pool) = open.first() else {
        return Ok(());
    };
    let mut settled = Vec::new();
    for block in blocks(server) {
        let address = block["spec"]["cidr"]
            .as_str()
            .and_then(|cidr| cidr.split('/').next());
        let address: Option<IpAddr> = address.and_then(|address| address.parse().ok());
        let stays = address.is_some_and(|address| open.iter().any(|pool| pool.contains(address)));
        if stays {
            settled.push(block["spec"]["affinity"].clone());
        } else {
            remove_block(server, &block);
        }
    }
    for node in server.objects("Node") {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let runs = server
            .object("Pod", &format!("default/{}", pod(name)))
            .is_some();
        if runs && !settled.contains(&affinity(name)) {
            add_block(server, *pool, &node)?;
        }
    }
    Ok(())
}

fn affinity(node: &str) -> Value {
    format!("host:{node}").into()
}

fn blocks(server: &ApiServer) -> Vec<Value> {
    server.objects("IPAMBlock")
}

fn remove_block(server: &ApiServer, block: &Value) {
    let name = block["metadata"]["name"].as_str().unwrap_or_default();
    server.remove("IPAMBlock", name);
    let node = block["spec"]["affinity"].as_str().unwrap_or_default();
    let node = node.trim_start_matches("host:");
    server.remove("BlockAffinity", &format!("{node}-{name}"));
}

fn first_of(cidr: Cidr) -> Option<Ipv4Addr> {
    let text = cidr.to_string();
    text.split('/').next()?.parse().ok()
}

/// A block of 64 addresses of a pool for a Node, with one pod in it; each Node has its place in every pool.
fn add_block(server: &ApiServer, pool: Cidr, node: &Value) -> Result<(), StatusError> {
    const BLOCK: u32 = 64;
    let name = node["metadata"]["name"].as_str().unwrap_or_default();
    let own = node["status"]["addresses"][0]["address"].as_str();
    let own: Option<Ipv4Addr> = own.and_then(|own| own.parse().ok());
    let (Some(first), Some(own)) = (first_of(pool), own) else {
        return Ok(());
    };
    let size = 1_u32
        .checked_shl(u32::from(32 - pool.prefix()))
        .unwrap_or(u32::MAX);
    let place = u32::from(own) % 4096 % (size / BLOCK).max(1);
    let start = Ipv4Addr::from(u32::from(first) + place * BLOCK);
    let cidr = format!("{start}/26");
    let block = cidr.replace(['.', '/'], "-");
    let mut allocations = vec![Value::Null; BLOCK as usize];
    allocations[0] = 0.into();
    server.insert(
        CALICO_NODE,
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity",
            "metadata": {"name": format!("{name}-{block}")},
            "spec": {"cidr": cidr, "node": name, "state": "confirmed", "deleted": "false"},
        }),
    )?;
    let handle = format!("k8s-pod-network.{name}");
    let unallocated: Vec<u32> = (1..BLOCK).collect();
    server.insert(
        CALICO_NODE,
        json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock", "metadata": {"name": block},
            "spec": {
                "cidr": cidr, "affinity": affinity(name), "strictAffinity": false, "deleted": false,
                "allocations": allocations, "unallocated": unallocated,
                "attributes": [{
                    "handle_id": handle,
                    "secondary": {"node": name, "pod": pod(name), "namespace": "default"},
                }],
            },
        }),
    )?;
    Ok(())
}
