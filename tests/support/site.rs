//! Three units, their hooks as Juju runs them, and a real API server: where the charm is tested whole.

use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use calico_charm::sim::juju::{JujuModel, Machine};
use serde_json::{Value, json};

use super::control_plane::ControlPlane;
use super::crds;
use super::juju_driver::{HookRun, JujuDriver, three_units};
use super::real_cluster::{RealCluster, WRITTEN};

/// The units of [`three_units`].
pub const UNITS: [&str; 3] = ["calico/0", "calico/1", "calico/2"];

/// A deployment whose hooks a test runs. The cluster is this test's alone while it lives.
pub struct Site {
    /// Juju's side.
    pub driver: JujuDriver,
    /// What is in the cluster.
    pub cluster: RealCluster,
    _alone: MutexGuard<'static, ()>,
}

impl Site {
    /// Empties the shared cluster, gives it a Node for each machine, and deploys three units of which no hook has run.
    /// `None` when such tests are skipped on purpose.
    pub fn start_or_skip(test: &str) -> Option<Self> {
        let addresses = ["10.0.0.5/24", "10.0.1.5/24", "10.0.2.5/24"];
        Self::of_machines_or_skip(test, three_units(), &addresses)
    }

    /// [`start_or_skip`](Self::start_or_skip) with a model of one's own: machine N is `node-N` and has the Nth address.
    pub fn of_machines_or_skip(test: &str, model: JujuModel, addresses: &[&str]) -> Option<Self> {
        static CLUSTER: Mutex<()> = Mutex::new(());
        static CRDS: OnceLock<()> = OnceLock::new();
        let plane = ControlPlane::shared_or_skip(test)?;
        let alone = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        CRDS.get_or_init(|| {
            plane
                .apply_crds(&crds::own("v1"))
                .expect("own CRDs are served");
        });
        let site = Self {
            driver: JujuDriver::start_or_skip(test, model)?,
            cluster: RealCluster::emptied(plane, "crd.projectcalico.org/v1"),
            _alone: alone,
        };
        site.driver.use_kubeconfig(&plane.kubeconfig_path());
        for (number, address) in addresses.iter().enumerate() {
            let ip = address.split('/').next().unwrap_or_default();
            site.register(&format!("node-{number}"), ip);
        }
        site.add_calico(addresses.len());
        Some(site)
    }

    /// Calico as somebody else has installed it, everything ready: what hooks find in most of these tests, since no
    /// controller makes pods of what they would install.
    fn add_calico(&self, nodes: usize) {
        let workload = |kind: &str, name: &str| {
            let labels = json!({"k8s-app": name});
            json!({
                "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "kube-system"},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [
                        {"name": name, "image": "registry.example.com/none", "env": [
                            {"name": "DATASTORE_TYPE", "value": "kubernetes"}, {"name": "AS", "value": "64999"},
                            {"name": "CALICO_IPV4POOL_CIDR", "value": "10.244.0.0/16"}, {"name": "FELIX_LOGSEVERITYSCREEN", "value": "Debug"},
                        ]},
                    ]}},
                },
            })
        };
        let apps = "/apis/apps/v1/namespaces/kube-system";
        let ready = json!({
            "observedGeneration": 1, "desiredNumberScheduled": nodes, "currentNumberScheduled": nodes,
            "updatedNumberScheduled": nodes, "numberReady": nodes, "numberAvailable": nodes, "numberMisscheduled": 0,
        });
        let available = json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1});
        for (kind, plural, name, status) in [
            ("DaemonSet", "daemonsets", "calico-node", ready),
            (
                "Deployment",
                "deployments",
                "calico-kube-controllers",
                available,
            ),
        ] {
            let collection = format!("{apps}/{plural}");
            self.cluster.write(
                "POST",
                &collection,
                "kubectl",
                Some("json"),
                workload(kind, name),
            );
            let path = format!("{collection}/{name}/status");
            self.cluster.write(
                "PATCH",
                &path,
                "kube-controller-manager",
                Some("merge"),
                json!({"status": status}),
            );
        }
    }

    /// The Node of machine `number`, as kubelet registers it, and the pod of calico-node that runs there.
    pub fn add_node(&self, number: u8) {
        self.register(&format!("node-{number}"), &format!("10.0.{number}.5"));
    }

    fn register(&self, name: &str, ip: &str) {
        let object = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "status": {"addresses": [{"type": "InternalIP", "address": ip}]},
        });
        self.cluster
            .write("POST", "/api/v1/nodes", "kubelet", Some("json"), object);
        self.cluster.add_agent(name);
    }

    /// A running pod on machine `number`.
    pub fn add_pod(&self, name: &str, number: u8, host_network: bool) {
        let node = format!("node-{number}");
        let object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": node, "hostNetwork": host_network,
                "containers": [{"name": "main", "image": "registry.example.com/none"}],
            },
        });
        let pods = "/api/v1/namespaces/default/pods";
        self.cluster
            .write("POST", pods, "kubectl", Some("json"), object);
    }

    /// Takes a pod away at once.
    pub fn remove_pod(&self, name: &str) {
        self.cluster
            .delete(&format!("/api/v1/namespaces/default/pods/{name}"));
    }

    /// `juju config calico name=text …`.
    pub fn configure(&self, options: &[(&str, &str)]) {
        let set = |model: &mut JujuModel| model.set_options("calico", options.iter().copied());
        self.driver.model(set).expect("options of the charm");
    }

    /// Another worker on a machine of its own, and its calico unit.
    pub fn add_worker(&self, number: u8) -> String {
        let machine = Machine::new(format!("node-{number}"))
            .in_zone("az2")
            .with_address("ens3", &format!("10.0.{number}.5/24"));
        self.driver.model(|model| {
            let machine = model.add_machine(machine);
            let principal = model.add_unit("kubernetes-worker", machine);
            let principal = principal.expect("a machine of its own");
            let unit = model.subordinate(&principal, "calico");
            unit.expect("it brings its subordinate").to_owned()
        })
    }

    /// Passes over the first start, runs config-changed everywhere, and whatever follows.
    pub fn rest(&self) -> Vec<HookRun> {
        self.driver.model(JujuModel::settle);
        let mut runs: Vec<HookRun> = UNITS
            .iter()
            .map(|unit| self.run(unit, "config-changed"))
            .collect();
        runs.extend(self.settle());
        runs
    }

    /// Runs everything that is due; each hook has to succeed.
    pub fn settle(&self) -> Vec<HookRun> {
        let runs = self.driver.play_all();
        for run in &runs {
            assert!(
                run.succeeded(),
                "{} {}\n{}",
                run.unit,
                run.event,
                run.debug_log()
            );
        }
        runs
    }

    /// Runs a hook; it has to succeed.
    pub fn run(&self, unit: &str, hook: &str) -> HookRun {
        let run = self.driver.run(unit, hook);
        assert!(run.succeeded(), "{unit} {hook}\n{}", run.debug_log());
        run
    }

    /// `active: Ready`.
    pub fn status(&self, unit: &str) -> String {
        self.driver.model(|model| {
            let unit = model.unit(unit).expect("a unit of the model");
            format!("{}: {}", unit.status().status, unit.status().message)
        })
    }

    /// Everything a hook may write, one object a line.
    pub fn shown(&self) -> String {
        let mut shown = String::new();
        for plural in WRITTEN {
            for object in self.cluster.list(plural) {
                let _ = writeln!(shown, "{}", line(plural, &object));
            }
        }
        shown
    }

    /// How many writing requests the API server has taken for objects that hooks write.
    pub fn write_requests(&self) -> u64 {
        let metrics = self.cluster.text("/metrics");
        let counters = metrics.lines().filter(|line| {
            let label = |name: &str| {
                let (_, rest) = line.split_once(&format!("{name}=\""))?;
                rest.split('"').next()
            };
            line.starts_with("apiserver_request_total{")
                && label("resource").is_some_and(|resource| WRITTEN.contains(&resource))
                && !matches!(label("verb"), Some("GET" | "LIST" | "WATCH"))
        });
        counters
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Runs these hooks on every unit and makes sure that nothing is written: no object, no request, no databag.
    pub fn assert_nothing_is_written_by(&self, hooks: &[&str]) {
        let before = (self.cluster.versions(), self.write_requests());
        let mut units = self.driver.model(|model| model.charm_units());
        units.sort();
        for unit in units {
            for hook in hooks {
                let run = self.run(&unit, hook);
                assert_eq!(run.changes, Ok(Vec::new()), "{unit} {hook}");
                let set = run.calls.iter().find(|call| call.tool == "relation-set");
                assert_eq!(set, None, "{unit} {hook}");
            }
        }
        self.assert_untouched_since(&before);
    }

    /// What [`assert_untouched_since`](Self::assert_untouched_since) compares with.
    pub fn state(&self) -> (std::collections::BTreeMap<String, String>, u64) {
        (self.cluster.versions(), self.write_requests())
    }

    /// Nothing has been written, and nobody has tried to, since [`state`](Self::state).
    pub fn assert_untouched_since(
        &self,
        before: &(std::collections::BTreeMap<String, String>, u64),
    ) {
        assert_eq!(self.cluster.versions(), before.0);
        assert_eq!(
            self.write_requests(),
            before.1,
            "requests that changed nothing"
        );
    }
}

/// `bgppeers calico-0-10.0.0.1 {"asNumber":64512,…}`; of a Node and of metadata only what the charm writes.
fn line(plural: &str, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let content = match plural {
        "nodes" => {
            let annotations = object["metadata"]["annotations"].as_object();
            let shown = annotations.into_iter().flatten();
            // A digest of the options and a constant, a UUID: no test is the wiser for them.
            let boring = [
                "calico.juju.is/applied",
                "calico.juju.is/model",
                "calico.juju.is/application",
                "calico.juju.is/addresses",
            ];
            let shown = shown.filter(|(key, _)| !boring.contains(&key.as_str()));
            shown
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        }
        "configmaps" => object["data"].clone(),
        _ => object["spec"].clone(),
    };
    format!("{plural} {name} {content}")
}
