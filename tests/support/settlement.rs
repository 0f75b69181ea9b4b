//! A deployment from its first hook to its last, on a cluster in which pods run: what the charm installs comes to life.

use std::thread;
use std::time::{Duration, Instant};

use calico_charm::manifests::{Catalogue, Document};
use calico_charm::sim::juju::{Charm, Impossible, JujuModel, Machine};
use serde_json::{Value, json};

use super::juju_driver::{HookRun, JujuDriver, three_units};
use super::workloads::{Workloads, is_ready};

pub const DAEMON_SET: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";
pub const CONTROLLERS: &str =
    "/apis/apps/v1/namespaces/kube-system/deployments/calico-kube-controllers";
/// What the charm has found right.
pub const RECORD: &str = "/api/v1/namespaces/kube-system/configmaps/calico-charm-manifests";
/// The pods of the DaemonSet.
pub const AGENTS: &str = "k8s-app=calico-node";
/// Every installed object carries it.
pub const INSTALLED: &str = "juju.io/manifest=calico";
/// `calico:cni` to the control plane and to the workers.
const CNI: [u32; 2] = [4, 5];
/// Longer than the API server needs to log a request that it has answered.
const LOGGED_WITHIN: Duration = Duration::from_millis(100);
/// Longer than any hook runs.
const WRITTEN_WITHIN: Duration = Duration::from_mins(1);

/// Three units on an empty cluster of their own; unit N is on Node `node-N` in the subnet 10.0.N.0/24.
pub struct Settlement {
    /// Juju's side.
    pub driver: JujuDriver,
    /// The cluster's.
    pub workloads: Workloads,
}

impl Settlement {
    /// A cluster with nothing but its Nodes and three units of which no hook has run. `None` when such tests are
    /// skipped on purpose.
    pub fn start_or_skip(test: &str) -> Option<Self> {
        let site = Self::without_nodes_or_skip(test)?;
        for number in 0..3 {
            site.add_node(number);
        }
        site.workloads.wait_for("three ready Nodes", || {
            let nodes = site.workloads.listed("/api/v1/nodes");
            let quiet = |node: &Value| is_ready(node) && node["spec"]["taints"].is_null();
            nodes.iter().all(quiet).then_some(())
        });
        Some(site)
    }

    /// [`start_or_skip`](Self::start_or_skip) without Nodes.
    pub fn without_nodes_or_skip(test: &str) -> Option<Self> {
        let driver = JujuDriver::start_or_skip(test, three_units())?;
        let workloads = Workloads::start_or_skip(test)?;
        driver.use_kubeconfig(&workloads.plane().recorded_kubeconfig_path());
        Some(Self { driver, workloads })
    }

    /// [`start_or_skip`](Self::start_or_skip) and all that follows: everything runs, every unit says so.
    pub fn settled_or_skip(test: &str) -> Option<Self> {
        let site = Self::start_or_skip(test)?;
        site.settle();
        site.come_up();
        Some(site)
    }

    /// The Node of machine `number`.
    pub fn add_node(&self, number: u8) {
        self.workloads
            .add_node(&format!("node-{number}"), &format!("10.0.{number}.5"));
    }

    /// `juju config calico name=text …`.
    pub fn configure(&self, options: &[(&str, &str)]) {
        let set = |model: &mut JujuModel| model.set_options("calico", options.iter().copied());
        self.driver.model(set).expect("options of the charm");
    }

    /// `juju attach-resource calico manifests=…`.
    pub fn attach(&self, path: &std::path::Path) {
        let path = path.to_str().expect("a path of ours");
        self.driver
            .model(|model| model.attach_resource("calico", "manifests", path))
            .expect("a resource of the charm");
    }

    /// Another unit leads.
    pub fn elect(&self, unit: &str) {
        self.driver
            .model(|model| model.set_leader("calico", Some(unit)))
            .expect("a unit");
    }

    /// Another worker on a machine and a subnet of its own, and its calico unit; no Node yet.
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

    /// A second application of this charm beside the first, `calico-b`; its relations.
    pub fn second_application(&self) -> [u32; 2] {
        let related = self.driver.model(|model| {
            model.deploy("calico-b", Charm::calico())?;
            Ok::<_, Impossible>([
                model.relate("calico-b:cni", "kubernetes-control-plane:cni")?,
                model.relate("calico-b:cni", "kubernetes-worker:cni")?,
            ])
        });
        related.expect("endpoints that fit")
    }

    /// The application goes from all its principals.
    pub fn leave(&self) {
        for relation in CNI {
            self.driver
                .model(|model| model.remove_relation(relation))
                .expect("it is there");
        }
        self.settle();
    }

    /// Runs everything that is due; each hook has to succeed.
    pub fn settle(&self) -> Vec<HookRun> {
        let runs = self.driver.play_all();
        for run in &runs {
            succeeded(run);
        }
        runs
    }

    /// Runs a hook; it has to succeed.
    pub fn run(&self, unit: &str, hook: &str) -> HookRun {
        let run = self.driver.run(unit, hook);
        succeeded(&run);
        run
    }

    /// The units of every application of this charm, in order.
    pub fn units(&self) -> Vec<String> {
        let mut units = self.driver.model(|model| model.charm_units());
        units.sort();
        units
    }

    /// The periodic hook, once everywhere; what each unit logs.
    pub fn update(&self) -> String {
        let runs = self
            .units()
            .into_iter()
            .map(|unit| self.run(&unit, "update-status"));
        let logs: Vec<String> = runs.map(|run| run.debug_log()).collect();
        logs.join("\n")
    }

    /// `active: Ready`.
    pub fn status(&self, unit: &str) -> String {
        self.driver.model(|model| {
            let unit = model.unit(unit).expect("a unit of the model");
            format!("{}: {}", unit.status().status, unit.status().message)
        })
    }

    /// What every unit says: `calico/0 active: Ready`.
    pub fn statuses(&self) -> Vec<String> {
        let units = self.units().into_iter();
        units
            .map(|unit| format!("{unit} {}", self.status(&unit)))
            .collect()
    }

    /// Lets the periodic hook find what the cluster has become. The leader may have one more thing to do when the
    /// roll-out is over that its last hook began: three rounds are enough for whatever there is.
    pub fn come_up(&self) {
        for _ in 0..3 {
            self.rolled_out();
            self.update();
        }
        self.assert_ready();
    }

    /// Waits until Calico runs everywhere; no hook does.
    pub fn rolled_out(&self) {
        self.workloads.wait_for_rollout(DAEMON_SET);
        self.workloads.wait_for_rollout(CONTROLLERS);
    }

    /// Every unit is `active: Ready`.
    pub fn assert_ready(&self) {
        let ready: Vec<String> = self
            .units()
            .iter()
            .map(|unit| format!("{unit} active: Ready"))
            .collect();
        assert_eq!(self.statuses(), ready);
    }

    /// The leader's hooks and everybody's periodic one change nothing and try nothing.
    pub fn assert_at_rest(&self) {
        let before = self.installed_versions();
        let requests = self.requests_of(|| {
            for unit in self.units() {
                for hook in ["config-changed", "update-status", "start", "upgrade-charm"] {
                    let run = self.run(&unit, hook);
                    assert_eq!(run.changes, Ok(Vec::new()), "{unit} {hook}");
                }
            }
            self.settle();
        });
        assert_eq!(writes(&requests), [] as [&str; 0]);
        assert_eq!(self.installed_versions(), before);
        self.assert_ready();
    }

    /// What hooks ask of the API while `work` runs.
    pub fn requests_of(&self, work: impl FnOnce()) -> Vec<String> {
        let plane = self.workloads.plane();
        let (_, start) = plane.recorded_since(0);
        work();
        // A request is answered a moment before it is logged.
        thread::sleep(LOGGED_WITHIN);
        plane.recorded_since(start).0
    }

    /// Starts a hook and kills it as soon as the API server has answered so many of its writes.
    pub fn kill_after(&self, unit: &str, hook: &str, count: usize) -> HookRun {
        let plane = self.workloads.plane();
        let (_, start) = plane.recorded_since(0);
        let running = self.driver.spawn(unit, hook);
        let deadline = Instant::now() + WRITTEN_WITHIN;
        while writes(&plane.recorded_since(start).0).len() < count {
            assert!(Instant::now() < deadline, "no {count} writes of {hook}");
            thread::sleep(Duration::from_millis(1));
        }
        running.kill()
    }

    /// The documents that an installation without Typha consists of.
    pub fn documents() -> Vec<Document> {
        let catalogue = Catalogue::embedded();
        let documents = catalogue.documents(catalogue.preferred());
        let mut documents = documents.expect("the charm's own documents");
        documents.retain(|document| !document.name().contains("typha"));
        documents
    }

    /// Applies the charm's own documents as somebody else did: nothing of them says that they are this charm's.
    pub fn install_elsewhere(&self) {
        for document in Self::documents() {
            self.workloads.apply("kubectl", document.value());
        }
    }

    /// The DaemonSet calico-node.
    pub fn daemon_set(&self) -> Value {
        self.workloads.at(DAEMON_SET)
    }

    /// How many pod templates calico-node has had: each but the first was a roll-out.
    pub fn templates(&self) -> usize {
        let revisions = self.workloads.listed(&format!(
            "/apis/apps/v1/namespaces/kube-system/controllerrevisions?labelSelector={AGENTS}"
        ));
        revisions.len()
    }

    /// The text of an environment variable of calico-node, null where there is none.
    pub fn variable(&self, name: &str) -> Value {
        let set = self.daemon_set();
        let containers = set["spec"]["template"]["spec"]["containers"].as_array();
        let mut environment = containers.into_iter().flatten().flat_map(|container| {
            let environment = container["env"].as_array();
            environment.into_iter().flatten()
        });
        environment
            .find(|variable| variable["name"] == name)
            .map_or(Value::Null, |variable| variable["value"].clone())
    }

    /// Merges a patch into an object as somebody else.
    pub fn patch(&self, path: &str, change: Value) {
        self.workloads.merge("kubectl", path, change);
    }

    /// Path and resource version of every installed object without those whose status the controllers write, which are
    /// told by their generation.
    pub fn installed_versions(&self) -> Vec<String> {
        let mut paths: Vec<String> = Self::documents().iter().map(Document::path).collect();
        paths.push(RECORD.to_owned());
        let versions = paths.into_iter().map(|path| {
            let object = self.workloads.at(&path);
            let metadata = &object["metadata"];
            let version = match &metadata["generation"] {
                Value::Null => &metadata["resourceVersion"],
                generation => generation,
            };
            format!("{path} {} {version}", metadata["uid"])
        });
        versions.collect()
    }
}

/// The requests that write.
pub fn writes(requests: &[String]) -> Vec<&str> {
    let writes = requests.iter().map(String::as_str);
    writes
        .filter(|request| !request.starts_with("get ") && !request.starts_with("list "))
        .collect()
}

/// A merge patch that sets one environment variable of calico-node; lists are replaced whole, so it needs them all.
pub fn with_variable(daemon_set: &Value, name: &str, value: &str) -> Value {
    let mut containers = daemon_set["spec"]["template"]["spec"]["containers"].clone();
    let environment = containers[0]["env"].as_array_mut();
    let environment = environment.expect("calico-node has an environment");
    environment.retain(|variable| variable["name"] != name);
    environment.push(json!({"name": name, "value": value}));
    json!({"spec": {"template": {"spec": {"containers": containers}}}})
}

fn succeeded(run: &HookRun) {
    let HookRun { unit, event, .. } = run;
    assert!(run.succeeded(), "{unit} {event}\n{}", run.debug_log());
}
