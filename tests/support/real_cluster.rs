//! What is in the cluster of a real API server, and writing there as somebody else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use calico_charm::cluster::connect;
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, blocking};
use super::exchange::{Exchange, Normaliser, Reply};

/// Everything a hook may write, by plural: the objects two clusters are compared by.
pub const WRITTEN: [&str; 9] = [
    "bgpconfigurations",
    "bgppeers",
    "caliconodestatuses",
    "ippools",
    "ipamblocks",
    "blockaffinities",
    "clusterinformations",
    "nodes",
    "configmaps",
];

/// The cluster of a real API server, emptied.
#[derive(Clone)]
pub struct RealCluster {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Group and version Calico's kinds are served in.
    group: &'static str,
}

impl RealCluster {
    /// Takes the cluster over: whatever an earlier scenario left is deleted.
    pub fn emptied(plane: &ControlPlane, group: &'static str) -> Self {
        let kubeconfig = plane.kubeconfig_path();
        let cluster = Self { kubeconfig, group };
        for plural in WRITTEN
            .into_iter()
            .chain(["pods", "daemonsets", "deployments"])
        {
            for object in cluster.list(plural) {
                cluster.delete(&cluster.object_path(plural, &object));
            }
        }
        cluster
    }

    /// The resource version of every object a hook may write.
    pub fn versions(&self) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        for plural in WRITTEN {
            for object in self.list(plural) {
                let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
                let name = format!("{plural} {}", text("name"));
                versions.insert(name, text("resourceVersion").to_owned());
            }
        }
        versions
    }

    /// The objects a hook may write, normalised, by plural and name.
    pub fn objects(&self) -> Value {
        normalised(WRITTEN.map(|plural| (plural, self.list(plural))))
    }

    /// One object, or null.
    pub fn object(&self, kind: &str, name: &str) -> Value {
        let reply = self.send(&Exchange::get(&self.path(kind, name)));
        if reply.status == 404 {
            Value::Null
        } else {
            accepted(reply)
        }
    }

    /// All objects of a kind that tests or hooks made, by name.
    pub fn list(&self, plural: &str) -> Vec<Value> {
        let mut list = accepted(self.send(&Exchange::get(&self.collection(plural))));
        let items = list["items"].as_array_mut().expect("a list has items");
        items.retain(|object| !is_kubernetes_own(object));
        std::mem::take(items)
    }

    /// A request that has to succeed.
    pub fn write(
        &self,
        method: &str,
        path: &str,
        manager: &str,
        content: Option<&str>,
        body: Value,
    ) -> Value {
        let path = format!("{path}?fieldManager={manager}");
        accepted(self.send(&Exchange::new(method, &path, content, body)))
    }

    /// The pod of calico-node on a Node, ready; kubelets and controllers do that elsewhere.
    pub fn add_agent(&self, node: &str) {
        let name = format!("calico-node-{node}");
        if !self.object("Pod", &format!("kube-system/{name}")).is_null() {
            return;
        }
        let pods = "/api/v1/namespaces/kube-system/pods";
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system", "labels": {"k8s-app": "calico-node"}},
            "spec": {
                "nodeName": node, "hostNetwork": true,
                "containers": [{"name": "calico-node", "image": "registry.example.com/none"}],
            },
        });
        self.write("POST", pods, "kubectl", Some("json"), pod);
        let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let path = format!("{pods}/{name}/status");
        self.write("PATCH", &path, "kubelet", Some("merge"), ready);
    }

    /// Deletes an object at once.
    pub fn delete(&self, path: &str) {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        accepted(self.send(&Exchange::new("DELETE", path, Some("json"), options)));
    }

    /// Sends a request as the administrator, again while the API server asks for it: it does for a moment after a
    /// definition has changed ("storage is (re)initializing").
    pub fn send(&self, exchange: &Exchange) -> Reply {
        const TRIES: u32 = 50;
        let sent = async {
            let client = connect(&self.kubeconfig).await;
            let client = client.map_err(|error| error.to_string())?;
            let mut reply = exchange.sent(&client).await?;
            for _ in 1..TRIES {
                if reply.status != 429 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
                reply = exchange.sent(&client).await?;
            }
            Ok::<_, String>(reply)
        };
        blocking(sent).unwrap_or_else(|error| panic!("{}: {error}", exchange.send))
    }

    /// What the API server answers at a path that serves text.
    pub fn text(&self, path: &str) -> String {
        let reply = self.send(&Exchange {
            accept: Some("*/*".to_owned()),
            ..Exchange::get(path)
        });
        match accepted(reply) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Path of an object; a namespace goes before a slash.
    pub fn path(&self, kind: &str, name: &str) -> String {
        let plural = match kind {
            "BlockAffinity" => "blockaffinities".to_owned(),
            "CalicoNodeStatus" => "caliconodestatuses".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let metadata = match name.split_once('/') {
            Some((namespace, name)) => json!({"name": name, "namespace": namespace}),
            None => json!({"name": name}),
        };
        self.object_path(&plural, &json!({"metadata": metadata}))
    }

    fn object_path(&self, plural: &str, object: &Value) -> String {
        let text = |key: &str| object["metadata"][key].as_str();
        let name = text("name").expect("a name");
        match text("namespace") {
            Some(namespace) => {
                format!(
                    "{}/namespaces/{namespace}/{plural}/{name}",
                    self.version_path(plural)
                )
            }
            None => format!("{}/{plural}/{name}", self.version_path(plural)),
        }
    }

    /// Path of all objects of a kind.
    pub fn collection(&self, plural: &str) -> String {
        format!("{}/{plural}", self.version_path(plural))
    }

    fn version_path(&self, plural: &str) -> String {
        match plural {
            "nodes" | "pods" | "configmaps" => "/api/v1".to_owned(),
            "daemonsets" | "deployments" => "/apis/apps/v1".to_owned(),
            _ => format!("/apis/{}", self.group),
        }
    }
}

/// Lists of [`WRITTEN`] in a form in which two clusters can be compared, by plural and name.
pub fn normalised(lists: [(&str, Vec<Value>); WRITTEN.len()]) -> Value {
    let mut normaliser = Normaliser::default();
    let by_plural = lists.into_iter().map(|(plural, objects)| {
        // The charm's record of what it found right names uids and versions.
        let compared = objects
            .iter()
            .filter(|object| object["metadata"]["name"] != "calico-charm-manifests");
        let by_name = compared.map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let mut object = normaliser.value(object);
            reduce(&mut object, plural);
            (name.to_owned(), object)
        });
        (plural.to_owned(), by_name.collect::<Value>())
    });
    by_plural.collect()
}

/// Takes away what differs for reasons that are no hook's.
fn reduce(object: &mut Value, plural: &str) {
    // Ordinals depend on what other objects there are.
    for key in ["uid", "resourceVersion"] {
        object["metadata"][key] = Value::Null;
    }
    let fields = object.as_object_mut().expect("an object");
    // Lists of built-in kinds leave both out.
    fields.remove("apiVersion");
    fields.remove("kind");
    if plural == "nodes" {
        // Admission adds a taint and empty sections, and the API server tracks no status that a Node was created with.
        fields.remove("spec");
        fields.remove("status");
        let entries = object["metadata"]["managedFields"].as_array_mut();
        for entry in entries.into_iter().flatten() {
            entry["fieldsV1"]["f:status"] = Value::Null;
        }
    }
}

fn is_kubernetes_own(object: &Value) -> bool {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    name == "extension-apiserver-authentication"
        || name.starts_with("kube-")
        || name == "cluster-info"
}

fn accepted(reply: Reply) -> Value {
    assert!(reply.status < 300, "{} {}", reply.status, reply.body);
    reply.body
}
