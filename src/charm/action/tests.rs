//! Actions against the API and the Juju model of this process.

mod pools;
mod rollout;

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::run_action;
use crate::charm::{Access, Report, Surroundings, run_hook};
use crate::host::Host;
use crate::juju::{Action, JujuContext};
use crate::sim::api::{ApiServer, Fault};
use crate::sim::juju::{ActionResult, Event, JujuModel, Machine, ModelTools, UnitHook};

/// A machine that is its Node: `node-0` has 10.0.0.5.
struct Named(u8);

impl Host for Named {
    fn hostname(&self) -> String {
        format!("node-{}", self.0)
    }

    async fn fqdn(&self) -> Option<String> {
        None
    }

    fn addresses(&self) -> Vec<IpAddr> {
        vec![[10, 0, self.0, 5].into()]
    }

    fn rp_filter(&self) -> Option<u8> {
        Some(1)
    }

    async fn disable_tx_checksumming(&self, _interface: &str) -> Result<bool, String> {
        Ok(false)
    }
}

/// Two machines, calico/0 leading, and a cluster that knows nothing of Calico.
struct Bench {
    model: Arc<Mutex<JujuModel>>,
    server: ApiServer,
}

impl Bench {
    fn new() -> Self {
        let machine = |number: u8| {
            let address = format!("10.0.{number}.5/24");
            Machine::new(format!("node-{number}")).with_address("ens3", &address)
        };
        let mut model = JujuModel::charmed_kubernetes(vec![machine(0)], vec![machine(1)]).unwrap();
        model.settle();
        let server = ApiServer::bare();
        for number in 0..2 {
            let node = json!({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{number}")},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.{number}.5")}]},
            });
            server.insert("kubelet", node).unwrap();
        }
        Self {
            model: Arc::new(Mutex::new(model)),
            server,
        }
    }

    async fn act(&self, unit: u8, action: Action, parameters: Value) -> ActionResult {
        let event = Event::Action {
            name: action.name().to_owned(),
            id: 1,
            parameters,
        };
        let begun = self.begin(unit, event);
        let surroundings = begun.surroundings();
        Box::pin(run_action(action, &surroundings)).await.unwrap();
        begun.tools.commit().unwrap();
        self.model.lock().unwrap().actions().last().unwrap().clone()
    }

    /// Runs a hook that Juju has no reason for; answers with its status.
    async fn hook(&self, unit: u8, hook: UnitHook) -> String {
        self.reported(unit, hook).await.final_status().to_string()
    }

    /// The same; answers with what it logs.
    async fn logged(&self, unit: u8, hook: UnitHook) -> Vec<String> {
        let report = self.reported(unit, hook).await;
        report
            .lines()
            .iter()
            .map(|(_, line)| line.clone())
            .collect()
    }

    async fn reported(&self, unit: u8, hook: UnitHook) -> Report {
        let begun = self.begin(unit, hook.into());
        let surroundings = begun.surroundings();
        let name = hook.name().parse().unwrap();
        let report = Box::pin(run_hook(name, &surroundings)).await.unwrap();
        begun.tools.commit().unwrap();
        report
    }

    fn configure(&self, options: &[(&str, &str)]) {
        let mut model = self.model.lock().unwrap();
        model
            .set_options("calico", options.iter().copied())
            .unwrap();
    }

    fn begin(&self, unit: u8, event: Event) -> Begun {
        let tools = ModelTools::begin(&self.model, &format!("calico/{unit}"), event).unwrap();
        Begun {
            context: JujuContext::from_variables(tools.environment()).unwrap(),
            tools,
            host: Named(unit),
            access: Access::Client(self.server.client()),
        }
    }

    /// An action that only looks.
    async fn looked(&self, unit: u8, action: Action, parameters: Value) -> ActionResult {
        let before = self.server.write_count();
        let result = self.act(unit, action, parameters).await;
        assert_eq!(self.server.write_count(), before, "{result:?}");
        result
    }
}

/// A hook or action that runs.
struct Begun {
    context: JujuContext,
    tools: ModelTools,
    host: Named,
    access: Access,
}

impl Begun {
    fn surroundings(&self) -> Surroundings<'_, ModelTools, Named> {
        Surroundings {
            context: &self.context,
            tools: &self.tools,
            host: &self.host,
            access: &self.access,
        }
    }
}

fn text<'a>(result: &'a ActionResult, key: &str) -> &'a str {
    result.results[key].as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_leader_plans_to_install_calico_and_the_others_wait_for_it() {
    let bench = Bench::new();
    let plan = bench.looked(0, Action::Plan, json!({})).await;
    assert_eq!(plan.failure, None);
    let steps: Vec<&str> = text(&plan, "plan").lines().collect();
    let first = "1. CustomResourceDefinition/bgpconfigurations.crd.projectcalico.org: installed";
    assert!(steps.contains(&first), "{steps:?}");
    assert!(
        steps.last().unwrap().contains(". DaemonSet/kube-system/"),
        "{steps:?}"
    );
    assert!(
        !steps.iter().any(|step| step.contains("IPPool ")),
        "{steps:?}"
    );
    assert!(text(&plan, "notes").starts_with("Calico's own objects are planned once"));
    let plan = bench
        .looked(0, Action::Plan, json!({"format": "json"}))
        .await;
    let plan: Value = serde_json::from_str(text(&plan, "plan")).unwrap();
    let last = plan["changes"].as_array().unwrap().last().unwrap();
    assert_eq!(last["kind"], "DaemonSet");
    assert_eq!(last["name"], "kube-system/calico-node");
    assert_eq!(last["action"], "create");

    let check = bench.looked(0, Action::Check, json!({})).await;
    assert_eq!(check.failure, None, "{check:?}");
    assert_eq!(
        text(&check, "notes"),
        "Calico is not installed yet: the next hook does it"
    );
    let plan = bench.looked(1, Action::Plan, json!({})).await;
    assert!(
        plan.failure
            .unwrap()
            .starts_with("Waiting for the leader to install Calico")
    );
    let check = bench.looked(1, Action::Check, json!({})).await;
    assert_eq!(check.failure.as_deref(), Some("1 problem"));
    assert!(
        text(&check, "check")
            .starts_with("waiting (cluster): Waiting for the leader to install Calico")
    );
}

#[tokio::test]
async fn resources_of_some_kinds_are_synced_by_themselves() {
    let bench = Bench::new();
    let rights = json!({"resources": "ServiceAccount ClusterRole"});
    let synced = bench.act(0, Action::SyncResources, rights).await;
    assert_eq!(synced.failure, None);
    assert_eq!(synced.results.get("calico-missing"), None);
    assert_eq!(synced.results.get("status"), None, "no hook followed");
    assert!(text(&synced, "calico-correct").contains("ClusterRole/calico-node\n"));
    assert_eq!(
        bench.server.object("DaemonSet", "kube-system/calico-node"),
        None
    );

    let synced = bench.act(0, Action::SyncResources, json!({})).await;
    assert_eq!(synced.failure, None);
    assert_eq!(text(&synced, "status"), "active: Ready");
    assert_eq!(synced.results.get("calico-missing"), None);
    assert_eq!(synced.results.get("calico-conflicting"), None);
    assert!(bench.server.object("IPPool", "ipv4").is_some());
    let check = bench.looked(1, Action::Check, json!({})).await;
    assert_eq!(text(&check, "check"), "nothing is in the way");
}

#[tokio::test]
async fn the_operators_calico_is_left_alone() {
    let bench = Bench::new();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "installations.operator.tigera.io"},
        "spec": {
            "group": "operator.tigera.io", "names": {"kind": "Installation", "plural": "installations"}, "scope": "Cluster",
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    bench.server.insert("helm", definition).unwrap();
    let installation = json!({
        "apiVersion": "operator.tigera.io/v1", "kind": "Installation", "metadata": {"name": "default"},
    });
    bench.server.insert("helm", installation).unwrap();
    let refused = bench.looked(0, Action::SyncResources, json!({})).await;
    assert!(refused.failure.unwrap().contains("tigera operator"));
}

#[tokio::test]
async fn what_the_api_says_is_the_reason() {
    let bench = Bench::new();
    for (fault, reason) in [
        (Fault::Refuse, "Kubernetes API: "),
        (
            Fault::Status {
                code: 403,
                reason: "Forbidden".to_owned(),
                retry_after: None,
            },
            "Kubernetes API: GET ",
        ),
    ] {
        bench.server.set_gate(move |_| Some(fault.clone()));
        for action in Action::ALL {
            let given = json!({"digest": "a2345678b2345678"});
            let result = bench.looked(0, action, given).await;
            match action {
                Action::ListVersions => assert_eq!(result.failure, None),
                Action::Check => assert_eq!(result.failure.as_deref(), Some("1 problem")),
                _ => assert!(result.failure.unwrap().starts_with(reason), "{action}"),
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_the_reason() {
    let bench = Bench::new();
    let wrong = bench
        .looked(0, Action::Show, json!({"format": "xml"}))
        .await;
    assert_eq!(
        wrong.failure.as_deref(),
        Some("format is \"xml\", and can be text or json")
    );
}
