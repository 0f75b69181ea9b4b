//! A control plane in which pods appear: the controllers and the scheduler of Kubernetes, and kwok in place of the
//! kubelets. What kwok does is in `tests/control-plane/stages.yaml`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use calico_charm::cluster::connect;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::control_plane::{self, Beside, ControlPlane, blocking, skip_note};
use super::exchange::{Exchange, Reply};
use super::processes::Processes;

/// What is needed beside etcd and kube-apiserver.
const PROGRAMS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kwok"];
/// Those that install, roll out and remove workloads, and the one that frees new Nodes of their taint.
const CONTROLLERS: &str = "daemonset-controller,deployment-controller,disruption-controller,\
                           garbage-collector-controller,node-lifecycle-controller,replicaset-controller,\
                           serviceaccount-controller";
/// A Node with this label has lost its kubelet.
const SILENT: &str = "test.calico-charm/silent";
/// A pod with this annotation fails, for the reason in it.
const FAILS: &str = "test.calico-charm/fails";
/// A roll-out over three Nodes takes seconds; a busy machine is given time.
const DONE_WITHIN: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// A control plane of its own with everything that makes pods run, and no Node yet.
pub struct Workloads {
    processes: Mutex<Processes>,
    plane: ControlPlane,
    _folder: TempDir,
}

impl Workloads {
    /// Starts everything, or `None` when such tests are skipped on purpose or the programs are not all there.
    pub fn start_or_skip(test: &str) -> Option<Self> {
        let assets = assets_or_skip(test)?;
        let started = Self::start(&assets);
        Some(started.unwrap_or_else(|error| control_plane::missing(test, &error)))
    }

    /// [`start_or_skip`](Self::start_or_skip) once for the test program.
    pub fn shared_or_skip(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Workloads, String>> = OnceLock::new();
        let assets = assets_or_skip(test)?;
        let shared = SHARED.get_or_init(|| Self::start(&assets)).as_ref();
        Some(shared.unwrap_or_else(|error| control_plane::missing(test, error)))
    }

    fn start(assets: &Path) -> Result<Self, String> {
        let plane = ControlPlane::start_from(assets, Beside::Controllers)?;
        let folder = tempfile::Builder::new()
            .prefix("calico-charm-workloads-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let mut processes = Processes::in_folder(folder.path())?;
        let kubeconfig = format!("--kubeconfig={}", plane.kubeconfig_path().display());
        for (program, arguments) in PROGRAMS.into_iter().zip(arguments()) {
            let mut arguments: Vec<String> = arguments.into_iter().collect();
            arguments.push(kubeconfig.clone());
            processes.spawn(&assets.join(program), &arguments)?;
        }
        Ok(Self {
            processes: Mutex::new(processes),
            plane,
            _folder: folder,
        })
    }

    /// The API server all this works on.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// Process ids of the programs beside etcd and kube-apiserver.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().ids()
    }

    /// A Node as its kubelet registers it; it turns ready soon.
    pub fn add_node(&self, name: &str, internal_ip: &str) {
        let labels = json!({
            "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
        });
        let addresses = json!([
            {"type": "InternalIP", "address": internal_ip}, {"type": "Hostname", "address": name},
        ]);
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "status": {"addresses": addresses},
        });
        self.done(
            "POST",
            "/api/v1/nodes?fieldManager=kubelet",
            Some("json"),
            node,
        );
    }

    /// Takes a Node and its pods away, as node and pod garbage collection do a minute later.
    pub fn delete_node(&self, name: &str) {
        self.done("DELETE", &node(name), None, Value::Null);
        for pod in self.pods_on(name) {
            self.delete_pod(&pod);
        }
    }

    /// Ends a kubelet: its Node and pods stay, are not ready any more, and no pod starts or goes there. What the node
    /// lifecycle controller writes when heartbeats stop, without the wait.
    pub fn silence_node(&self, name: &str) {
        let label = json!({"metadata": {"labels": {SILENT: "true"}}});
        self.done("PATCH", &node(name), Some("merge"), label);
        let lost = json!({
            "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown",
            "message": "Kubelet stopped posting node status.",
        });
        self.set_condition(&node(name), &lost);
        for pod in self.pods_on(name) {
            let not_ready = json!({"type": "Ready", "status": "False"});
            self.set_condition(&pod_path(&pod), &not_ready);
        }
    }

    /// Lets every kubelet stand still: what is to start or to go waits for [`resume`](Self::resume).
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Lets a pod fail: `ImagePullBackOff` and its like as if it had never started, any other reason as if it had.
    pub fn fail(&self, pod: &Value, reason: &str) {
        self.annotate(pod, &json!(reason));
    }

    /// Lets a pod that [fails](Self::fail) recover.
    pub fn recover(&self, pod: &Value) {
        self.annotate(pod, &Value::Null);
    }

    /// Deletes a pod at once, whatever its kubelet says.
    pub fn delete_pod(&self, pod: &Value) {
        let now = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0});
        let reply = self.send("DELETE", &pod_path(pod), Some("json"), now);
        assert!(
            reply.status < 300 || reply.status == 404,
            "{} {}",
            reply.status,
            reply.body
        );
    }

    /// Applies an object as `manager`, with force.
    pub fn apply(&self, manager: &str, object: &Value) -> Value {
        let path = path_of(object);
        let query = format!("{path}?fieldManager={manager}&force=true&fieldValidation=Strict");
        self.done("PATCH", &query, Some("apply"), object.clone())
    }

    /// Merges a patch into an object as `manager`.
    pub fn merge(&self, manager: &str, path: &str, change: Value) -> Value {
        let query = format!("{path}?fieldManager={manager}");
        self.done("PATCH", &query, Some("merge"), change)
    }

    /// Deletes an object, if it is there.
    pub fn delete(&self, path: &str) {
        let reply = self.send("DELETE", path, None, Value::Null);
        let Reply { status, body, .. } = reply;
        assert!(status < 300 || status == 404, "{path}: {status} {body}");
    }

    /// What the API server has at a path, or null.
    pub fn at(&self, path: &str) -> Value {
        let ask = || self.send("GET", path, None, Value::Null);
        let mut reply = ask();
        // A kind that is new is not stored anywhere for a moment.
        while reply.status == 429 {
            thread::sleep(POLL);
            reply = ask();
        }
        if reply.status == 404 {
            return Value::Null;
        }
        assert!(
            reply.status < 300,
            "{path}: {} {}",
            reply.status,
            reply.body
        );
        reply.body
    }

    /// What the API server lists at a path.
    pub fn listed(&self, path: &str) -> Vec<Value> {
        let listed = self.try_listed(path);
        listed.unwrap_or_else(|| panic!("there is no {path}"))
    }

    /// What the API server lists at a path, if it serves that.
    pub fn try_listed(&self, path: &str) -> Option<Vec<Value>> {
        let mut list = self.at(path);
        if list.is_null() {
            return None;
        }
        let items = list["items"].as_array_mut().expect("a list has items");
        Some(std::mem::take(items))
    }

    /// The pods a label selector finds, those that are going left out, by Node.
    pub fn pods(&self, selector: &str) -> BTreeMap<String, Value> {
        let found = self.listed(&format!("/api/v1/pods?labelSelector={selector}"));
        let staying = found
            .into_iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let by_node = staying.map(|pod| (text(&pod["spec"]["nodeName"]).to_owned(), pod));
        by_node.collect()
    }

    /// Waits until the pods a selector finds are ready and there is one on each of these Nodes and on no other.
    pub fn wait_for_pods_on(&self, selector: &str, nodes: &[&str]) -> BTreeMap<String, Value> {
        self.wait_for(&format!("{selector} ready on {nodes:?}"), || {
            let pods = self.pods(selector);
            let there = pods.keys().map(String::as_str).eq(nodes.iter().copied());
            (there && pods.values().all(is_ready)).then_some(pods)
        })
    }

    /// Waits until a DaemonSet or a Deployment (its path) has rolled out its newest template everywhere.
    pub fn wait_for_rollout(&self, path: &str) -> Value {
        self.wait_for(&format!("the roll-out of {path}"), || {
            let workload = self.at(path);
            rolled_out(&workload).then_some(workload)
        })
    }

    /// Waits until a pod waits for this reason.
    pub fn wait_for_reason(&self, selector: &str, node: &str, reason: &str) -> Value {
        self.wait_for(&format!("{reason} of {selector} on {node}"), || {
            let pod = self.pods(selector).remove(node)?;
            let waits = waiting_reasons(&pod).iter().any(|shown| shown == reason);
            waits.then_some(pod)
        })
    }

    /// Waits until `answer` has one.
    pub fn wait_for<T>(&self, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + DONE_WITHIN;
        loop {
            if let Some(answer) = answer() {
                return answer;
            }
            let mut processes = self.processes();
            if let Some(ended) = processes.ended() {
                panic!("waiting for {what}: {ended}");
            }
            if Instant::now() > deadline {
                let tails = processes.tails();
                drop(processes);
                panic!("no {what} within {DONE_WITHIN:?}\n{}{tails}", self.shown());
            }
            drop(processes);
            thread::sleep(POLL);
        }
    }

    fn pods_on(&self, node: &str) -> Vec<Value> {
        self.listed(&format!("/api/v1/pods?fieldSelector=spec.nodeName={node}"))
    }

    fn annotate(&self, pod: &Value, reason: &Value) {
        let patch = json!({"metadata": {"annotations": {FAILS: reason}}});
        self.done("PATCH", &pod_path(pod), Some("merge"), patch);
    }

    fn set_condition(&self, path: &str, condition: &Value) {
        let status = json!({"status": {"conditions": [condition]}});
        // Merges conditions by type.
        let strategic = Some("application/strategic-merge-patch+json");
        self.done("PATCH", &format!("{path}/status"), strategic, status);
    }

    /// Every pod in a line, for messages.
    fn shown(&self) -> String {
        let mut shown = String::new();
        for pod in self.listed("/api/v1/pods") {
            let reasons = waiting_reasons(&pod).join(" ");
            let (name, node) = (&pod["metadata"]["name"], &pod["spec"]["nodeName"]);
            let (phase, ready) = (&pod["status"]["phase"], is_ready(&pod));
            let _ = writeln!(shown, "{name} on {node}: {phase}, ready: {ready} {reasons}");
        }
        shown
    }

    fn signal(&self, signal: &str) {
        let kwok = self.processes().id("kwok").expect("it was started");
        let sent = Command::new("kill")
            .args([signal, &kwok.to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    fn done(&self, method: &str, path: &str, content: Option<&str>, body: Value) -> Value {
        let reply = self.send(method, path, content, body);
        let Reply { status, body, .. } = reply;
        assert!(status < 300, "{method} {path}: {status} {body}");
        body
    }

    fn send(&self, method: &str, path: &str, content: Option<&str>, body: Value) -> Reply {
        let exchange = Exchange::new(method, path, content, body);
        let kubeconfig = self.plane.kubeconfig_path();
        let sent = async {
            let client = connect(&kubeconfig).await;
            exchange
                .sent(&client.map_err(|error| error.to_string())?)
                .await
        };
        blocking(sent).unwrap_or_else(|error| panic!("{}: {error}", exchange.send))
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Processes> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a DaemonSet or a Deployment has rolled out its newest template everywhere (`kubectl rollout status`).
pub fn rolled_out(workload: &Value) -> bool {
    let status = &workload["status"];
    let number = |key: &str| status[key].as_u64().unwrap_or_default();
    let (wanted, updated, available) = if workload["kind"] == "DaemonSet" {
        let wanted = number("desiredNumberScheduled");
        (
            wanted,
            number("updatedNumberScheduled"),
            number("numberAvailable"),
        )
    } else {
        let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
        let all = number("replicas") == wanted;
        let available = if all { number("availableReplicas") } else { 0 };
        (wanted, number("updatedReplicas"), available)
    };
    let seen = status["observedGeneration"] == workload["metadata"]["generation"];
    seen && wanted > 0 && updated == wanted && available == wanted
}

/// Why containers of a pod wait, init containers first.
pub fn waiting_reasons(pod: &Value) -> Vec<String> {
    let of = |key: &str| pod["status"][key].as_array().cloned().unwrap_or_default();
    let statuses = [of("initContainerStatuses"), of("containerStatuses")].concat();
    let reasons = statuses
        .iter()
        .filter_map(|status| status["state"]["waiting"]["reason"].as_str());
    reasons.map(str::to_owned).collect()
}

/// Whether a pod or a Node is ready.
pub fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Path of an object of a built-in kind, or of a CRD.
pub fn path_of(object: &Value) -> String {
    let version = text(&object["apiVersion"]);
    let root = if version == "v1" { "/api" } else { "/apis" };
    let kind = text(&object["kind"]).to_lowercase();
    let plural = match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with("ss") => format!("{kind}es"),
        None => format!("{kind}s"),
    };
    let metadata = &object["metadata"];
    let name = text(&metadata["name"]);
    match metadata["namespace"].as_str() {
        Some(namespace) => format!("{root}/{version}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{version}/{plural}/{name}"),
    }
}

fn pod_path(pod: &Value) -> String {
    let metadata = &pod["metadata"];
    let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
    format!("/api/v1/namespaces/{namespace}/pods/{name}")
}

fn node(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The folder with all programs; `None` when such tests are skipped, with the reason said.
fn assets_or_skip(test: &str) -> Option<PathBuf> {
    if control_plane::skipped(test) {
        return None;
    }
    let assets =
        control_plane::assets().unwrap_or_else(|error| control_plane::missing(test, &error));
    let absent = PROGRAMS.map(|program| (!assets.join(program).exists()).then_some(program));
    let absent: Vec<&str> = absent.into_iter().flatten().collect();
    if absent.is_empty() {
        return Some(assets);
    }
    let reason = format!("{} holds no {}", assets.display(), absent.join(", "));
    skip_note(test, &reason);
    None
}

/// Of [`PROGRAMS`], in their order. None of them listens anywhere; each does little at a time, since tests share the
/// machine's processors.
fn arguments() -> [Vec<String>; PROGRAMS.len()] {
    let own = |arguments: &[&str]| {
        arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect()
    };
    let stages = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/stages.yaml");
    let client = [
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ];
    let controllers = [
        &format!("--controllers={CONTROLLERS}"),
        "--concurrent-gc-syncs=2",
        "--concurrent-deployment-syncs=1",
        "--concurrent-replicaset-syncs=1",
        "--node-monitor-period=1s",
        // Whether a Node is ready is the test's to say: nobody sends heartbeats.
        "--node-monitor-grace-period=24h",
        "--node-startup-grace-period=24h",
    ];
    [
        own(&[&client[..], &controllers[..]].concat()),
        own(&client),
        own(&[
            &format!("--config={}", stages.display()),
            &format!("--manage-nodes-with-label-selector=!{SILENT}"),
            // No lease and so no traffic: the Node stage alone looks after Nodes.
            "--node-lease-duration-seconds=0",
            "--cidr=192.168.0.0/16",
        ]),
    ]
}
