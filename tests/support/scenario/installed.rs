//! What of Calico is in the cluster before the first hook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use calico_charm::config::{CharmConfig, RawConfig};
use calico_charm::manifests::{Autodetection, Catalogue, Document, Settings, edited};
use calico_charm::model::Cidr;
use calico_charm::plan::stamped;
use calico_charm::render::{FIELD_MANAGER, Owner};
use calico_charm::sim::api::{ApiServer, Mode};
use serde_json::{Value, json};

use super::input::{Calico, Observed, Scenario, Unit};
use super::juju::MODEL;
use super::{World, runtime};

/// A server with what of Calico is there before the first hook. One like it is made once.
pub fn server(scenario: &Scenario, mode: Option<Mode>) -> ApiServer {
    static MADE: Mutex<BTreeMap<String, ApiServer>> = Mutex::new(BTreeMap::new());
    let installed = scenario.calico == Calico::Installed;
    let settings = installed.then(|| settings(scenario));
    let like = format!(
        "{mode:?} {} {} {settings:?}",
        scenario.int32, scenario.recorded
    );
    let mut servers = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    servers
        .entry(like)
        .or_insert_with(|| {
            let server = ApiServer::bare();
            if let Some(mode) = mode {
                server.install(mode);
            }
            server.set_enforce_int32(scenario.int32);
            if installed {
                let applied = async { apply(&server.client(), &documents(scenario)).await };
                runtime(false).block_on(applied);
                if scenario.recorded {
                    add_record(&server, scenario);
                }
            }
            server
        })
        .copy()
}

/// Adds the record that a leader leaves when it has found everything right: that of a leader in a copy of the cluster.
fn add_record(server: &ApiServer, scenario: &Scenario) {
    const RECORD: &str = "calico-charm-manifests";
    let Some((leader, _)) = scenario.units.iter().find(|(_, unit)| unit.leader) else {
        return;
    };
    let mut world = World::on(server.copy(), scenario, None);
    world.run(leader, "config-changed");
    let written = world
        .server
        .object("ConfigMap", &format!("kube-system/{RECORD}"));
    let Some(Value::Object(mut record)) = written else {
        return;
    };
    let labels = record["metadata"]["labels"].clone();
    let metadata = json!({"name": RECORD, "namespace": "kube-system", "labels": labels});
    record.insert("metadata".to_owned(), metadata);
    let document = Document::new(Value::Object(record)).expect("a ConfigMap");
    let applied = async { apply(&server.client(), &[document]).await };
    runtime(false).block_on(applied);
}

/// The documents this charm would have applied for a scenario: its options, and the subnets of all its units.
pub fn documents(scenario: &Scenario) -> Vec<Document> {
    let mut documents = edited(embedded(), &settings(scenario)).unwrap_or_else(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}", all.join("\n"))
    });
    documents.sort_by_key(Document::stage);
    documents.into_iter().map(stamped).collect()
}

/// The newest release's documents, read once.
fn embedded() -> Vec<Document> {
    static DOCUMENTS: OnceLock<Vec<Document>> = OnceLock::new();
    let read = || {
        let catalogue = Catalogue::embedded();
        let documents = catalogue.documents(catalogue.preferred());
        documents.expect("the charm's own documents can be read")
    };
    DOCUMENTS.get_or_init(read).clone()
}

fn settings(scenario: &Scenario) -> Settings {
    let options: Value = json!(scenario.options);
    let raw = RawConfig::from_json(&options).expect("a map of options");
    // Options that are wrong were right before.
    let config = CharmConfig::parse(&raw, "calico")
        .or_else(|_| CharmConfig::parse(&RawConfig::default(), "calico"))
        .expect("the defaults");
    let owner = Owner {
        model: MODEL.to_owned(),
        application: "calico".to_owned(),
    };
    let release = Catalogue::embedded().preferred();
    Settings::new(&config, release, owner, autodetection(&scenario.units))
}

/// What the leader finds once every unit has told its subnets.
fn autodetection(units: &BTreeMap<String, Unit>) -> Autodetection {
    let addresses = units.values().flat_map(|unit| &unit.addresses);
    let subnets: BTreeSet<Cidr> = addresses
        .filter_map(|address| {
            let (ip, prefix) = address.split_once('/')?;
            Some(Cidr::network_of(ip.parse().ok()?, prefix.parse().ok()?))
        })
        .collect();
    if subnets.is_empty() {
        Autodetection::InternalIp
    } else {
        Autodetection::Cidrs(subnets.into_iter().collect())
    }
}

/// What others than this charm have put there.
pub fn of_others(calico: Calico) -> Vec<Observed> {
    let observed = |manager: &str, object: Value| Observed {
        manager: manager.to_owned(),
        object,
    };
    match calico {
        Calico::Installed | Calico::Absent => Vec::new(),
        Calico::Foreign => vec![
            observed("kubectl", workload("DaemonSet", "calico-node")),
            observed("kubectl", workload("Deployment", "calico-kube-controllers")),
        ],
        Calico::Operator => vec![
            observed("operator", installations()),
            observed(
                "operator",
                json!({"apiVersion": "operator.tigera.io/v1", "kind": "Installation", "metadata": {"name": "default"}}),
            ),
        ],
    }
}

fn workload(kind: &str, name: &str) -> Value {
    let labels = json!({"k8s-app": name});
    let env = json!([{"name": "DATASTORE_TYPE", "value": "kubernetes"}]);
    let container =
        json!({"name": name, "image": format!("registry.example.com/{name}:v3.31.0"), "env": env});
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"hostNetwork": true, "containers": [container]}},
        },
    })
}

fn installations() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "installations.operator.tigera.io"},
        "spec": {
            "group": "operator.tigera.io", "scope": "Cluster",
            "names": {"kind": "Installation", "plural": "installations"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// Applies documents as this charm does.
pub async fn apply(client: &kube::Client, documents: &[Document]) {
    for document in documents {
        let query = format!("fieldManager={FIELD_MANAGER}&force=true&fieldValidation=Strict");
        let request = http::Request::patch(format!("{}?{query}", document.path()))
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(document.value().to_string().into_bytes())
            .expect("a path of the API");
        let applied = client.request::<Value>(request).await;
        applied.unwrap_or_else(|error| panic!("{}: {error}", document.id()));
    }
}
