//! Every unit's hooks against a Kubernetes API in this process: what `simulate` shows.
//!
//! The deployment is at rest, as `juju deploy` leaves it once all agents have settled, and the cluster holds a Node a
//! unit and nothing of Calico. Two rounds follow, each with the leader first: `config-changed`, which installs Calico
//! and writes everything, then `update-status`, which must find nothing left to write. To the first round belongs one
//! more hook of the leader's, who learns of the others' subnets from what they wrote.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::api::ApiServer;
use super::host::SimulatedHost;
use super::juju::{Charm, Impossible, JujuModel, Machine, ModelTools, UnitHook};
use crate::charm::{Access, HookError, Surroundings, run_hook};
use crate::juju::context::MissingVariable;
use crate::juju::tools::LogLevel;
use crate::juju::{Hook, JujuContext};
use crate::model::{NodeName, UnitAddress, UnitName};
use crate::status::Status;

/// UUID of the simulated model.
pub(super) const MODEL_UUID: &str = "00000000-0000-4000-8000-000000000000";

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The application.
    pub application: String,
    /// The options that are set, as `juju config` takes them.
    pub options: Vec<(String, String)>,
    /// The units in the order of their numbers; one leads.
    pub units: Vec<ScenarioUnit>,
}

/// One unit and its machine.
#[derive(Debug, Clone)]
pub struct ScenarioUnit {
    /// The unit.
    pub unit: UnitName,
    /// Its principal. Juju numbers units in the order they come; a number that is already passed is replaced.
    pub principal: UnitName,
    /// The machine's host name, and its Node.
    pub node: NodeName,
    /// The machine's addresses.
    pub addresses: Vec<UnitAddress>,
    /// Whether it leads.
    pub leader: bool,
    /// Its availability zone.
    pub zone: Option<String>,
}

/// What came of it.
pub struct Outcome {
    /// By unit, in the scenario's order.
    pub units: Vec<UnitOutcome>,
    /// The cluster as it is at the end.
    pub server: ApiServer,
}

/// What one unit did.
#[derive(Debug)]
pub struct UnitOutcome {
    /// The unit.
    pub unit: UnitName,
    /// What its first round logged.
    pub lines: Vec<(LogLevel, String)>,
    /// Its status at the end.
    pub status: Status,
    /// The first round.
    pub first: Effort,
    /// The second round.
    pub second: Effort,
}

/// What a hook cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Requests to the Kubernetes API.
    pub requests: usize,
    /// Those of them that write.
    pub writes: usize,
    /// Hook tools.
    pub tools: usize,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// Juju would not take the options or the units.
    #[error("Juju refuses this")]
    Juju(#[from] Impossible),
    /// A hook failed, which no user's mistake may cause.
    #[error("a hook of {unit} failed")]
    Hook {
        /// The unit.
        unit: UnitName,
        /// Why.
        source: HookError,
    },
    /// The hook's environment lacks a variable.
    #[error("the simulated Juju gives no proper environment")]
    Environment(#[from] MissingVariable),
    /// The simulation's API or its Juju does not hold together.
    #[error("the simulation is at fault: {0}")]
    Broken(String),
}

impl Outcome {
    /// Whether every unit ended active and the second round wrote nothing.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.units.iter().all(UnitOutcome::is_good)
    }
}

impl UnitOutcome {
    /// Whether the unit ended active and wrote nothing in the second round.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.is_active() && self.second.writes == 0
    }

    /// Whether the unit ended active.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status.kind() == crate::status::StatusKind::Active
    }
}

/// Runs a scenario; `progress` is told how many hooks have run and how many there are.
///
/// # Errors
/// When the scenario is one Juju would not have, or a hook fails.
pub async fn run(
    scenario: &Scenario,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Outcome, SimulationError> {
    let server = server(scenario)?;
    let stage = Stage {
        scenario,
        model: Arc::new(Mutex::new(model(scenario)?)),
        access: Access::Client(server.client()),
        server,
    };
    let leaders = scenario.units.iter().filter(|unit| unit.leader).count();
    let hooks = 2 * scenario.units.len() + leaders;
    let mut done = 0;
    let mut ran = || {
        done += 1;
        progress(done, hooks);
    };
    let mut first = stage.round(UnitHook::ConfigChanged, &mut ran).await?;
    for (unit, deed) in scenario.units.iter().zip(&mut first) {
        if unit.leader {
            deed.extend(stage.run_hook(unit, UnitHook::UpdateStatus).await?);
            ran();
        }
    }
    let second = stage.round(UnitHook::UpdateStatus, &mut ran).await?;
    let both = first.into_iter().zip(second);
    let units = scenario
        .units
        .iter()
        .zip(both)
        .map(|(unit, (first, second))| UnitOutcome {
            unit: unit.unit.clone(),
            lines: first.lines,
            status: second.status,
            first: first.effort,
            second: second.effort,
        });
    Ok(Outcome {
        units: units.collect(),
        server: stage.server,
    })
}

fn leader_first(scenario: &Scenario) -> impl Iterator<Item = usize> {
    let leads = |wanted: bool| {
        let units = scenario.units.iter().enumerate();
        units
            .filter(move |(_, unit)| unit.leader == wanted)
            .map(|(index, _)| index)
    };
    leads(true).chain(leads(false))
}

/// Juju and Kubernetes.
struct Stage<'s> {
    scenario: &'s Scenario,
    model: Arc<Mutex<JujuModel>>,
    server: ApiServer,
    access: Access,
}

/// What a unit's hooks did.
struct Deed {
    lines: Vec<(LogLevel, String)>,
    status: Status,
    effort: Effort,
}

impl Deed {
    /// Adds what a later hook did; what it says again is said already.
    fn extend(&mut self, mut later: Self) {
        later.lines.retain(|line| !self.lines.contains(line));
        self.lines.extend(later.lines);
        self.status = later.status;
        self.effort.requests += later.effort.requests;
        self.effort.writes += later.effort.writes;
        self.effort.tools += later.effort.tools;
    }
}

impl Stage<'_> {
    /// One hook on every unit, the leader first; in the order of the units.
    async fn round(
        &self,
        hook: UnitHook,
        ran: &mut dyn FnMut(),
    ) -> Result<Vec<Deed>, SimulationError> {
        let units = &self.scenario.units;
        let mut deeds: Vec<Option<Deed>> = Vec::new();
        deeds.resize_with(units.len(), || None);
        for index in leader_first(self.scenario) {
            deeds[index] = Some(self.run_hook(&units[index], hook).await?);
            ran();
        }
        Ok(deeds.into_iter().flatten().collect())
    }

    async fn run_hook(&self, unit: &ScenarioUnit, hook: UnitHook) -> Result<Deed, SimulationError> {
        let tools = ModelTools::begin(&self.model, &unit.unit.to_string(), hook.into())?;
        let context = JujuContext::from_variables(tools.environment())?;
        let name = hook.name();
        let hook: Hook = name
            .parse()
            .map_err(|_| SimulationError::Broken(format!("the charm has no hook {name}")))?;
        self.server.take_requests();
        let surroundings = Surroundings {
            context: &context,
            tools: &tools,
            host: &host(unit),
            access: &self.access,
        };
        let report = Box::pin(run_hook(hook, &surroundings))
            .await
            .map_err(|source| SimulationError::Hook {
                unit: unit.unit.clone(),
                source,
            })?;
        let requests = self.server.take_requests();
        let effort = Effort {
            requests: requests.len(),
            writes: requests.iter().filter(|request| request.writes()).count(),
            tools: tools.calls().len(),
        };
        tools
            .commit()
            .map_err(|rejected| SimulationError::Broken(rejected.to_string()))?;
        self.model
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_logs();
        Ok(Deed {
            lines: report.lines().to_vec(),
            status: report.final_status(),
            effort,
        })
    }
}

/// The model: the principals' applications, calico beside them, and everybody at rest.
pub(super) fn model(scenario: &Scenario) -> Result<JujuModel, Impossible> {
    let application = scenario.application.as_str();
    let mut model = JujuModel::new("simulation", MODEL_UUID);
    model.deploy(application, Charm::calico())?;
    let options = scenario.options.iter();
    model.set_options(
        application,
        options.map(|(name, text)| (name.as_str(), text.as_str())),
    )?;
    let mut principals: Vec<&str> = scenario
        .units
        .iter()
        .map(|unit| unit.principal.application())
        .collect();
    principals.sort_unstable();
    principals.dedup();
    for principal in principals {
        model.deploy(principal, Charm::kubernetes())?;
        model.relate(&format!("{application}:cni"), &format!("{principal}:cni"))?;
    }
    for unit in &scenario.units {
        let machine = model.add_machine(machine(unit));
        model.number_next_unit(application, unit.unit.number())?;
        // Only the charm's own unit is looked at, and a principal by another number does as well.
        let _ = model.number_next_unit(unit.principal.application(), unit.principal.number());
        model.add_unit(unit.principal.application(), machine)?;
        if unit.leader {
            model.set_leader(application, Some(&unit.unit.to_string()))?;
        }
    }
    model.settle();
    Ok(model)
}

fn host(unit: &ScenarioUnit) -> SimulatedHost {
    SimulatedHost {
        hostname: unit.node.to_string(),
        addresses: unit.addresses.iter().map(|address| address.ip).collect(),
    }
}

pub(super) fn machine(unit: &ScenarioUnit) -> Machine {
    let mut machine =
        Machine::new(unit.node.to_string()).in_zone(unit.zone.clone().unwrap_or_default());
    for address in &unit.addresses {
        let text = format!("{}/{}", address.ip, address.subnet.prefix());
        machine = machine.with_address(&address.interface, &text);
    }
    machine
}

/// The API without Calico, and a Node for every unit as its kubelet would register it.
fn server(scenario: &Scenario) -> Result<ApiServer, SimulationError> {
    let server = ApiServer::bare();
    for unit in &scenario.units {
        let first = |v4| {
            unit.addresses
                .iter()
                .find(|address| address.ip.is_ipv4() == v4)
        };
        let ips: Vec<Value> = [first(true), first(false)]
            .into_iter()
            .flatten()
            .map(|address| json!({"type": "InternalIP", "address": address.ip.to_string()}))
            .collect();
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": unit.node.to_string()},
            "status": {"addresses": ips},
        });
        server
            .insert("kubelet", node)
            .map_err(|error| SimulationError::Broken(error.to_string()))?;
    }
    Ok(server)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::model::Cidr;

    /// Units of principals with these numbers, in one subnet.
    fn scenario(principals: &[u32], options: &[(&str, &str)]) -> Scenario {
        let unit = |(index, principal): (usize, &u32)| {
            let ip: IpAddr = format!("10.0.{}.{}", index / 200, index % 200 + 2)
                .parse()
                .unwrap();
            ScenarioUnit {
                unit: format!("calico/{index}").parse().unwrap(),
                principal: format!("kubernetes-worker/{principal}").parse().unwrap(),
                node: format!("node-{index}").parse().unwrap(),
                addresses: vec![UnitAddress {
                    ip,
                    subnet: Cidr::network_of(ip, 16),
                    interface: "eth0".to_owned(),
                }],
                leader: index == principals.len() - 1,
                zone: None,
            }
        };
        let options = options
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Scenario {
            application: "calico".to_owned(),
            options: options.collect(),
            units: principals.iter().enumerate().map(unit).collect(),
        }
    }

    async fn outcome(principals: &[u32], options: &[(&str, &str)]) -> Outcome {
        run(&scenario(principals, options), &mut |_, _| {})
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_second_round_writes_nothing() {
        let peers = (
            "global-bgp-peers",
            "[{address: 10.0.0.1, as-number: 64513}]",
        );
        let outcome = outcome(
            &[4, 2, 7],
            &[peers, ("subnet-as-numbers", "{10.0.0.0/16: 64513}")],
        )
        .await;
        assert!(outcome.is_good());
        for unit in &outcome.units {
            assert!(unit.first.writes > 0, "{unit:?}");
            assert_eq!(unit.second.writes, 0, "{unit:?}");
            assert_eq!(unit.status.message(), "Ready");
        }
        assert_eq!(outcome.server.objects("BGPPeer").len(), 3);
        assert!(outcome.server.object("IPPool", "ipv4").is_some());
        let pods = outcome.server.objects("Pod");
        assert_eq!(pods.len(), 3, "calico-node runs on every Node");
    }

    #[tokio::test]
    async fn what_a_unit_costs_does_not_grow_with_the_units() {
        let peers = [(
            "global-bgp-peers",
            "[{address: 10.0.0.1, as-number: 64512}]",
        )];
        let few = outcome(&[0, 1], &peers).await;
        let many: Vec<u32> = (0..40).collect();
        let many = outcome(&many, &peers).await;
        for unit in &many.units[..39] {
            assert_eq!(
                (unit.first, unit.second),
                (few.units[0].first, few.units[0].second)
            );
        }
    }

    #[tokio::test]
    async fn every_hook_is_told_of() {
        let mut told = Vec::new();
        let scenario = scenario(&[0, 1], &[]);
        run(&scenario, &mut |done, of| told.push((done, of)))
            .await
            .unwrap();
        assert_eq!(told, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    }

    #[tokio::test]
    async fn a_unit_that_is_blocked_is_not_good() {
        let outcome = outcome(&[0], &[("cidr", "10.0.0.0/33")]).await;
        assert!(!outcome.is_good());
        assert!(!outcome.units[0].is_active());
        assert_eq!(outcome.units[0].first.writes, 0);
    }

    #[tokio::test]
    async fn options_that_juju_refuses_are_refused() {
        let scenario = scenario(&[0], &[("global-as-number", "1.10")]);
        let error = run(&scenario, &mut |_, _| {})
            .await
            .map(|_| ())
            .unwrap_err();
        assert!(matches!(error, SimulationError::Juju(_)), "{error}");
    }
}
