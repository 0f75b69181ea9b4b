//! A cluster, a Juju model and the hooks of its units in this process: what `tests/golden` and the tests of single
//! defects run on.
#![allow(
    dead_code,
    reason = "each test program uses its own part of this module"
)]
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

pub mod input;
pub mod installed;
pub mod juju;
mod machine;
mod shown;

use std::collections::BTreeMap;
use std::fmt::Write;

use calico_charm::charm::{Access, Surroundings, run_hook};
use calico_charm::host::Host;
use calico_charm::juju::JujuContext;
use calico_charm::manifests::Document;
use calico_charm::sim::api::{self, ApiServer, Mode};
use calico_charm::sim::juju::Call;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use input::{Calico, Observed, Scenario, Served, Show, Step, Unit};
use juju::Juju;
use machine::SimulatedMachine;

/// A scenario while it runs.
pub struct World {
    /// The cluster.
    pub server: ApiServer,
    /// The model.
    pub juju: Juju,
    machines: BTreeMap<String, SimulatedMachine>,
    runtime: Runtime,
    /// One paragraph a hook: its status, and what it logged.
    pub story: String,
    /// Hooks that have run, those included that had nothing to say.
    pub hooks: usize,
    /// Calls of hook tools so far; those of `relation-set` by whose databag they write: `relation-set fabric --app`.
    pub tools: BTreeMap<String, usize>,
    show: Show,
    /// The cluster in place of `server`, which then stays empty.
    elsewhere: Option<Box<dyn Cluster>>,
}

/// A cluster outside of this process, which a scenario can be played in.
pub trait Cluster {
    /// How hooks get there.
    fn access(&self) -> Access;
    /// Whether it has an object; a namespace goes before a slash.
    fn has(&self, kind: &str, name: &str) -> bool;
    /// Creates or replaces an object as `manager`.
    fn insert(&self, manager: &str, object: &Value);
    /// Merges a patch into an object as `manager`.
    fn merge(&self, manager: &str, kind: &str, name: &str, patch: &Value);
    /// Takes an object away.
    fn remove(&self, kind: &str, name: &str);
    /// Applies documents as this charm does.
    fn apply(&self, documents: &[Document]);
    /// Does what the controllers of workloads do, where there are none.
    fn settle(&self);
}

/// What a hook left behind.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `active: Ready`.
    pub status: String,
    /// `INFO BGPPeer …`, one a line.
    pub log: Vec<String>,
    /// The hook tools it called.
    pub calls: Vec<Call>,
    /// Requests that wrote.
    pub writes: usize,
}

impl World {
    /// Sets a scenario up; no hook has run yet.
    pub fn new(scenario: &Scenario) -> Self {
        Self::new_in(scenario, None)
    }

    /// Sets a scenario up in a cluster of its own, or elsewhere.
    pub fn new_in(scenario: &Scenario, elsewhere: Option<Box<dyn Cluster>>) -> Self {
        let server = match &elsewhere {
            Some(_) => ApiServer::bare(),
            None => installed::server(scenario, api_mode(scenario.mode)),
        };
        let world = Self::on(server, scenario, elsewhere);
        if let Some(cluster) = &world.elsewhere
            && scenario.calico == Calico::Installed
        {
            cluster.apply(&installed::documents(scenario));
        }
        world.observe(&installed::of_others(scenario.calico));
        world.observe(&scenario.observed);
        world
    }

    /// The units of a scenario, with this server or elsewhere; what else is there is as it is.
    fn on(server: ApiServer, scenario: &Scenario, elsewhere: Option<Box<dyn Cluster>>) -> Self {
        let mut world = Self {
            juju: Juju::new(),
            server,
            machines: BTreeMap::new(),
            runtime: runtime(elsewhere.is_some()),
            story: String::new(),
            hooks: 0,
            tools: BTreeMap::new(),
            show: scenario.show,
            elsewhere,
        };
        world.juju.set_options(&scenario.options);
        world.add_units(&scenario.units);
        let from_the_start = scenario
            .hooks
            .iter()
            .flatten()
            .any(|line| line.ends_with(" install"));
        if !from_the_start {
            world.juju.settle();
        }
        world
    }

    /// Sets the scenario of this text up.
    pub fn parse(text: &str) -> Self {
        Self::new(&Scenario::parse(text))
    }

    /// Sets a scenario up and plays it to its end.
    pub fn played(scenario: &Scenario) -> Self {
        Self::played_in(scenario, None)
    }

    /// Sets a scenario up in a cluster of its own, or elsewhere, and plays it to its end.
    pub fn played_in(scenario: &Scenario, elsewhere: Option<Box<dyn Cluster>>) -> Self {
        let mut world = Self::new_in(scenario, elsewhere);
        let hooks = scenario
            .hooks
            .clone()
            .unwrap_or_else(|| world.on_all("config-changed"));
        world.run_all(&hooks);
        if scenario.hooks.is_none() {
            world.answer_bells();
        }
        for step in &scenario.then {
            world.step(step);
        }
        world
    }

    /// Lets something happen and runs the hooks after it.
    pub fn step(&mut self, step: &Step) {
        let _ = writeln!(self.story, "\n# {}", step.what);
        self.juju.set_options(&step.options);
        for edit in &step.edit {
            if let Some(cluster) = &self.elsewhere {
                cluster.merge(&edit.manager, &edit.kind, &edit.name, &edit.merge);
                continue;
            }
            let done = self
                .server
                .merge(&edit.manager, &edit.kind, &edit.name, &edit.merge);
            done.unwrap_or_else(|error| panic!("{}: {error:?}", edit.name));
        }
        for gone in &step.delete {
            if let Some(cluster) = &self.elsewhere {
                cluster.remove(&gone.kind, &gone.name);
                continue;
            }
            let removed = self.server.remove(&gone.kind, &gone.name);
            assert!(
                removed.is_some(),
                "no {} {} to delete",
                gone.kind,
                gone.name
            );
        }
        if let Some(mode) = step.serves.and_then(api_mode) {
            self.server.install(mode);
        }
        if let Some(available) = step.aggregated_available {
            self.server.set_aggregated_available(available);
        }
        if step.migration {
            self.server.serve_migration();
        }
        for (place, trouble) in &step.trouble {
            let trouble = trouble.as_deref().map(api_trouble);
            self.server.set_trouble(place, trouble);
        }
        self.observe(&step.observed);
        if let Some(leader) = &step.leader {
            self.juju.elect(leader);
        }
        for unit in &step.departs {
            self.juju.remove_principal(unit);
            self.run_due(unit);
        }
        for unit in &step.vanishes {
            self.juju.force_remove_principal(unit);
        }
        self.add_units(&step.joins);
        let comes_or_goes = step.departs.len() + step.vanishes.len() + step.joins.len() > 0;
        for unit in self.juju.units().into_iter().filter(|_| comes_or_goes) {
            self.run_due(&unit);
        }
        let hook = if step.options.is_empty() {
            "update-status"
        } else {
            "config-changed"
        };
        let hooks = step.hooks.clone().unwrap_or_else(|| self.on_all(hook));
        self.run_all(&hooks);
        if step.hooks.is_none() {
            self.answer_bells();
        }
    }

    /// Runs the hooks that the leader has woken the units for, until nobody is woken any more. The leader's own hook, in
    /// which it waits for the others, comes when they are done.
    pub fn answer_bells(&mut self) {
        let units = self.juju.units();
        let Some((leader, others)) = units.split_first() else {
            return;
        };
        loop {
            for unit in others {
                while let Some(hook) = self.juju.next(unit) {
                    self.run(unit, &hook);
                }
            }
            let Some(hook) = self.juju.next(leader) else {
                break;
            };
            self.run(leader, &hook);
        }
    }

    /// One hook on every unit, the leader first.
    pub fn on_all(&self, hook: &str) -> Vec<String> {
        let line = |unit: String| format!("{unit} {hook}");
        self.juju.units().into_iter().map(line).collect()
    }

    fn run_all(&mut self, hooks: &[String]) {
        for line in hooks {
            let (unit, hook) = line
                .split_once(' ')
                .unwrap_or_else(|| panic!("no hook: {line}"));
            self.run(unit, hook);
        }
    }

    /// The time that hooks see, which passes only when they wait.
    pub fn now(&self) -> tokio::time::Instant {
        self.runtime.block_on(async { tokio::time::Instant::now() })
    }

    /// Runs every hook that is due on a unit, until it rests or is gone.
    pub fn run_due(&mut self, unit: &str) {
        while let Some(hook) = self.juju.next(unit) {
            self.run(unit, &hook);
        }
    }

    /// Runs one hook as Juju would, and waits for its end.
    pub fn run(&mut self, unit: &str, hook: &str) -> Outcome {
        let access = if let Some(cluster) = &self.elsewhere {
            cluster.access()
        } else {
            let _inside = self.runtime.enter();
            Access::Client(self.server.client_as(unit))
        };
        self.run_with(unit, hook, &access)
    }

    /// Runs one hook with this way to the Kubernetes API.
    pub fn run_with(&mut self, unit: &str, hook: &str, access: &Access) -> Outcome {
        if let Some(cluster) = &self.elsewhere {
            cluster.settle();
        }
        let writes = self.server.write_count();
        let running = self.juju.begin(unit, hook);
        let context = JujuContext::from_variables(running.tools.environment());
        let context = context.unwrap_or_else(|error| panic!("{unit} {hook}: {error}"));
        let surroundings = Surroundings {
            context: &context,
            tools: &running.tools,
            host: &self.machines[unit],
            access,
        };
        self.hooks += 1;
        let hook_kind = hook.parse().unwrap_or_else(|error| panic!("{error}"));
        let result = self
            .runtime
            .block_on(Box::pin(run_hook(hook_kind, &surroundings)));
        let succeeded = result.is_ok();
        let before = self.juju.status(unit);
        let calls = running.tools.calls();
        for call in &calls {
            *self.tools.entry(written_to(call)).or_default() += 1;
        }
        let log = self.juju.end(running, succeeded);
        let status = match result {
            Ok(_) => self.juju.status(unit),
            Err(error) => format!("FAILED: {error}"),
        };
        let status = if status == "gone" { before } else { status };
        // A bell that changed nothing: there is one for each unit and step.
        let is_nothing = hook == "fabric-relation-changed" && log.is_empty();
        if !is_nothing {
            let _ = writeln!(self.story, "{unit} {hook}: {status}");
        }
        for line in &log {
            let _ = writeln!(self.story, "  {line}");
        }
        Outcome {
            status,
            log,
            calls,
            writes: self.server.write_count() - writes,
        }
    }

    /// Runs update-status on every unit and says what wrote, into the cluster or into a relation.
    pub fn writes_of_another_round(&mut self) -> Vec<String> {
        let version = self.server.resource_version();
        let _ = self.server.take_requests();
        let mut told = Vec::new();
        for unit in self.juju.units() {
            let calls = self.run(&unit, "update-status").calls;
            told.extend(calls.into_iter().filter(|call| call.tool == "relation-set"));
        }
        let mut written: Vec<String> = self
            .server
            .take_requests()
            .iter()
            .filter(|request| request.writes())
            .map(|request| format!("{} {:?} {}", request.caller, request.verb, request.path))
            .collect();
        assert!(!written.is_empty() || self.server.resource_version() == version);
        written.extend(
            told.iter()
                .map(|call| format!("{} {:?}", call.tool, call.args)),
        );
        written
    }

    /// The objects at this moment.
    pub fn objects(&self) -> String {
        shown::objects(&self.server, self.show)
    }

    /// One field of `spec`.
    pub fn spec(&self, kind: &str, name: &str, field: &str) -> Value {
        self.server
            .object(kind, name)
            .map_or(Value::Null, |object| object["spec"][field].clone())
    }

    /// One annotation of a Node.
    pub fn annotation(&self, node: &str, key: &str) -> Option<String> {
        let node = self.server.object("Node", node)?;
        node["metadata"]["annotations"][key]
            .as_str()
            .map(str::to_owned)
    }

    /// Names of all objects of a kind.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let objects = self.server.objects(kind);
        objects
            .iter()
            .filter_map(|object| Some(object["metadata"]["name"].as_str()?.to_owned()))
            .collect()
    }

    /// Puts objects of other writers into the cluster.
    pub fn observe(&self, observed: &[Observed]) {
        for Observed { manager, object } in observed {
            if let Some(cluster) = &self.elsewhere {
                cluster.insert(manager, object);
                continue;
            }
            let done = self.server.insert(manager, object.clone());
            done.unwrap_or_else(|error| panic!("{object}: {error:?}"));
        }
    }

    fn has_node(&self, name: &str) -> bool {
        match &self.elsewhere {
            Some(cluster) => cluster.has("Node", name),
            None => self.server.object("Node", name).is_some(),
        }
    }

    /// Units come, the lower numbers first, and with them their Nodes.
    pub fn add_units(&mut self, units: &BTreeMap<String, Unit>) {
        let mut units: Vec<(&String, &Unit)> = units.iter().collect();
        units.sort_by_key(|(name, _)| (name.len(), name.as_str()));
        for (name, unit) in units {
            let machine = SimulatedMachine::new(name, unit);
            self.juju.add_unit(name, unit, &machine.hostname());
            self.machines.insert(name.clone(), machine);
            if let Some(node) = &unit.node
                && !self.has_node(node)
            {
                let node = node_object(node, &unit.addresses);
                self.observe(&[Observed {
                    manager: "kubelet".into(),
                    object: node,
                }]);
            }
        }
    }
}

/// A hook tool, and the databag where it writes one.
fn written_to(call: &Call) -> String {
    let Call { tool, args } = call;
    let endpoint = args.get(1).and_then(|id| id.split(':').next());
    match endpoint.filter(|_| tool == "relation-set") {
        None => tool.clone(),
        Some(endpoint) if args.iter().any(|word| word == "--app") => {
            format!("{tool} {endpoint} --app")
        }
        Some(endpoint) => format!("{tool} {endpoint}"),
    }
}

/// In this process time passes only when everybody waits; a real cluster takes its own.
fn runtime(is_real: bool) -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .start_paused(!is_real)
        .build()
        .expect("a runtime needs no more than the process has")
}

fn api_trouble(reason: &str) -> api::Trouble {
    match reason {
        "lagging" => api::Trouble::Lagging,
        reason => api::Trouble::Waiting {
            reason: reason.to_owned(),
            message: format!("the kubelet's sentence on {reason}"),
        },
    }
}

fn api_mode(served: Served) -> Option<Mode> {
    match served {
        Served::NoCrds => None,
        Served::CrdV1 => Some(Mode::CrdV1),
        Served::Aggregated => Some(Mode::Aggregated),
        Served::NativeV3 => Some(Mode::NativeV3),
    }
}

fn node_object(name: &str, addresses: &[String]) -> Value {
    let mut listed: Vec<Value> = addresses
        .iter()
        .filter_map(|address| address.split('/').next())
        .map(|ip| json!({"type": "InternalIP", "address": ip}))
        .collect();
    listed.push(json!({"type": "Hostname", "address": name}));
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"addresses": listed},
    })
}
