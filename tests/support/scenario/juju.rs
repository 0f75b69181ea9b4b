//! The Juju side of a scenario, over [`JujuModel`], which refuses what Juju would not do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use calico_charm::juju::Hook;
use calico_charm::juju::tools::ToolOutput;
use calico_charm::sim::juju::{Charm, Event, JujuModel, Machine, ModelTools, Relation};
use serde_json::Value;

use super::input::Unit;

/// UUID of every scenario's model.
pub const MODEL: &str = "cdac5656-0423-4388-8f30-41854b4cca7d";
const APPLICATION: &str = "calico";

/// The model, and what it does not hold.
pub struct Juju {
    model: Arc<Mutex<JujuModel>>,
    /// What network-get is to answer, by unit.
    network_get: BTreeMap<String, Value>,
}

/// What a hook wrote into its relations: `cni: cidr 192.168.0.0/16`.
type Databags = BTreeMap<String, BTreeMap<String, String>>;

/// A hook that is running.
pub struct Running {
    pub tools: ModelTools,
    unit: String,
    databags: Databags,
}

impl Juju {
    /// A model with the application and no units.
    pub fn new() -> Self {
        let mut model = JujuModel::new("k8s", MODEL);
        possible(model.deploy(APPLICATION, Charm::calico()));
        possible(model.deploy("etcd", Charm::etcd()));
        possible(model.relate("calico:etcd", "etcd:db"));
        Self {
            model: Arc::new(Mutex::new(model)),
            network_get: BTreeMap::new(),
        }
    }

    /// The model.
    pub fn model(&self) -> MutexGuard<'_, JujuModel> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `juju config`, null resets.
    pub fn set_options<'a>(&self, options: impl IntoIterator<Item = (&'a String, &'a Value)>) {
        let mut model = self.model();
        for (name, value) in options {
            let done = match value {
                Value::Null => model.reset_option(APPLICATION, name),
                Value::String(text) => {
                    model.set_options(APPLICATION, [(name.as_str(), text.as_str())])
                }
                other => {
                    model.set_options(APPLICATION, [(name.as_str(), other.to_string().as_str())])
                }
            };
            possible(done);
        }
    }

    /// A unit comes with its principal and machine.
    pub fn add_unit(&mut self, name: &str, unit: &Unit, hostname: &str) {
        let number = number(name);
        let principal = unit.principal.clone();
        let principal = principal.unwrap_or_else(|| format!("kubernetes-worker/{number}"));
        let charm = principal.split('/').next().unwrap_or_default().to_owned();
        let mut machine = Machine::new(hostname);
        for address in &unit.addresses {
            machine = machine.with_address("ens3", address);
        }
        let mut model = self.model();
        if model.application(&charm).is_err() {
            possible(model.deploy(&charm, Charm::kubernetes()));
            possible(model.relate("calico:cni", &format!("{charm}:cni")));
        }
        possible(model.number_next_unit(APPLICATION, number));
        possible(model.number_next_unit(&charm, self::number(&principal)));
        let machine = model.add_machine(machine);
        assert_eq!(possible(model.add_unit(&charm, machine)), principal);
        assert_eq!(model.subordinate(&principal, APPLICATION), Some(name));
        let cni = cni_of(&model, &charm);
        let data = unit
            .principal_data
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()));
        possible(model.write_databag(cni, &principal, data));
        if unit.leader {
            possible(model.set_leader(APPLICATION, Some(name)));
        }
        drop(model);
        if let Some(answer) = &unit.network_get {
            self.network_get.insert(name.to_owned(), answer.clone());
        }
    }

    /// Every hook that is due has run: a model at rest.
    pub fn settle(&self) {
        self.model().settle();
    }

    /// The units, the leader first.
    pub fn units(&self) -> Vec<String> {
        let model = self.model();
        let leader = model
            .application(APPLICATION)
            .ok()
            .and_then(|known| known.leader());
        let mut units: Vec<String> = model.units_of(APPLICATION).map(str::to_owned).collect();
        units.sort_by_key(|unit| (leader != Some(unit), number(unit)));
        units
    }

    /// Leadership moves.
    pub fn elect(&self, unit: &str) {
        possible(self.model().set_leader(APPLICATION, Some(unit)));
    }

    /// `juju remove-unit` of the principal; the unit's hooks follow.
    pub fn remove_principal(&self, unit: &str) {
        let mut model = self.model();
        let principal = principal(&model, unit);
        possible(model.remove_unit(&principal));
    }

    /// `juju remove-unit --force` of the principal: no hook runs.
    pub fn force_remove_principal(&self, unit: &str) {
        let mut model = self.model();
        let principal = principal(&model, unit);
        possible(model.force_remove_unit(&principal));
    }

    /// Passes over the hooks that are due on a unit and that the charm has no program for; says which is due then.
    pub fn next(&self, unit: &str) -> Option<String> {
        loop {
            let due = self.model().due(unit)?;
            if due.name().parse::<Hook>().is_ok() {
                return Some(due.name());
            }
            let skipped = possible(ModelTools::begin(&self.model, unit, due));
            possible(skipped.commit());
        }
    }

    /// Starts a hook.
    pub fn begin(&self, unit: &str, hook: &str) -> Running {
        if self.model().event(unit, hook).is_err() || self.comes_first(unit) {
            self.next(unit);
        }
        let event: Event = possible(self.model().event(unit, hook));
        let asks = asks_for_its_network(&event);
        let tools = possible(ModelTools::begin(&self.model, unit, event));
        if let Some(answer) = self.network_get.get(unit).filter(|_| asks) {
            let output = ToolOutput {
                code: 0,
                stdout: answer.to_string(),
                stderr: String::new(),
            };
            self.model().fail_next("network-get", &output);
        }
        Running {
            tools,
            unit: unit.to_owned(),
            databags: databags(&self.model(), unit),
        }
    }

    /// Whether Juju would run something first that the charm has no program for.
    fn comes_first(&self, unit: &str) -> bool {
        self.model()
            .due(unit)
            .is_some_and(|due| due.name().parse::<Hook>().is_err())
    }

    /// Ends a hook; gives what it logged, and what it wrote into its relations.
    pub fn end(&self, running: Running, succeeded: bool) -> Vec<String> {
        let Running {
            tools,
            unit,
            databags: before,
        } = running;
        if succeeded {
            possible(tools.commit());
        } else {
            tools.rollback();
        }
        let mut model = self.model();
        let mut said: Vec<String> = model
            .take_logs()
            .iter()
            .flat_map(|line| {
                let lines = line
                    .message
                    .lines()
                    .map(|text| format!("{} {text}", line.level));
                lines.collect::<Vec<_>>()
            })
            .collect();
        for (relation, data) in databags(&model, &unit) {
            let known = before.get(&relation);
            let written: Vec<String> = data
                .iter()
                .filter(|(key, value)| known.and_then(|known| known.get(*key)) != Some(value))
                .map(|(key, value)| format!("{key} {value}"))
                .collect();
            if !written.is_empty() {
                said.push(format!("RELATION {relation}: {}", written.join(", ")));
            }
        }
        said
    }

    /// `active: Ready`.
    pub fn status(&self, unit: &str) -> String {
        let model = self.model();
        let Ok(unit) = model.unit(unit) else {
            return "gone".to_owned();
        };
        let status = unit.status();
        format!("{}: {}", status.status, status.message)
    }
}

fn possible<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

fn number(unit: &str) -> u32 {
    let number = unit
        .split('/')
        .nth(1)
        .and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{unit} is no unit"))
}

fn principal(model: &JujuModel, unit: &str) -> String {
    let principal = possible(model.unit(unit)).principal();
    principal
        .unwrap_or_else(|| panic!("{unit} has no principal"))
        .to_owned()
}

fn cni_of(model: &JujuModel, charm: &str) -> u32 {
    let cni = model
        .relations()
        .find(|relation| relation.end(charm).is_some());
    cni.map_or_else(|| panic!("{charm} is not related"), Relation::id)
}

/// What a unit has set in each of its relations, but for what Juju itself sets.
fn databags(model: &JujuModel, unit: &str) -> Databags {
    let own = |relation: &Relation| {
        let mut data = relation.unit_settings(unit)?.clone();
        data.retain(|key, _| {
            !matches!(
                key.as_str(),
                "private-address" | "ingress-address" | "egress-subnets"
            )
        });
        let endpoint = relation.end(APPLICATION)?.endpoint.clone();
        (!data.is_empty()).then_some((endpoint, data))
    };
    model.relations().filter_map(own).collect()
}

/// Whether the hook looks for the unit's addresses.
fn asks_for_its_network(event: &Event) -> bool {
    let of_another_unit =
        matches!(event, Event::Relation { endpoint, remote: Some(_), .. } if endpoint == "fabric");
    let teardown = event.name().parse().is_ok_and(Hook::is_teardown);
    !teardown && !of_another_unit
}
