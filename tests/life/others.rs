//! What others have installed, other applications, and what remains when the charm goes.

use calico_charm::manifests::Stage;
use calico_charm::sim::juju::JujuModel;
use serde_json::{Value, json};

use crate::support::settlement::{AGENTS, DAEMON_SET, RECORD, Settlement, with_variable, writes};
use crate::{CONTROLLER_PODS, NODES, UNITS, assert_installed, logs, statuses};

#[test]
fn what_somebody_else_installed_is_left_alone() {
    let test = "what_somebody_else_installed_is_left_alone";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.install_elsewhere();
    site.rolled_out();
    let before = site.installed_versions();
    site.settle();
    site.update();
    site.assert_ready();
    site.driver
        .model(|model| model.refresh("calico"))
        .expect("the application");
    // Options of Calico's own objects have their effect, those of its installation have none.
    site.configure(&[
        ("global-as-number", "64999"),
        ("image-registry", "absent.example.com"),
    ]);
    site.settle();
    site.update();
    site.assert_ready();
    let configuration = "/apis/crd.projectcalico.org/v1/bgpconfigurations/default";
    assert_eq!(site.workloads.at(configuration)["spec"]["asNumber"], 64999);
    assert_eq!(site.installed_versions(), before);
    assert_eq!(site.workloads.at(RECORD), Value::Null);
    site.assert_at_rest();
}

#[test]
fn a_second_application_is_refused_and_changes_nothing() {
    let test = "a_second_application_is_refused_and_changes_nothing";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let before = site.installed_versions();
    let nodes = || {
        NODES.map(|node| {
            site.workloads.at(&format!("/api/v1/nodes/{node}"))["metadata"]["annotations"].clone()
        })
    };
    let annotations = nodes();
    let relations = site.second_application();
    let requests = site.requests_of(|| {
        site.settle();
        site.update();
    });
    assert_eq!(writes(&requests), [] as [&str; 0]);
    let model = site.driver.model(|model| model.uuid().to_owned());
    let blocked = format!(
        "blocked: this cluster's Calico is configured by application calico of model {model}"
    );
    let second = ["calico-b/0", "calico-b/1", "calico-b/2"];
    let mut expected: Vec<String> = second.map(|unit| format!("{unit} {blocked}")).into();
    expected.extend(statuses(["active: Ready"; 3]));
    assert_eq!(site.statuses(), expected);
    // It goes as it came.
    for relation in relations {
        site.driver
            .model(|model| model.remove_relation(relation))
            .expect("a relation of its own");
    }
    let requests = site.requests_of(|| drop(site.settle()));
    assert_eq!(writes(&requests), [] as [&str; 0]);
    assert_eq!(site.units(), UNITS);
    assert_eq!((site.installed_versions(), nodes()), (before, annotations));
    site.assert_at_rest();
}

#[test]
fn another_application_may_come_once_the_first_is_forgotten() {
    let test = "another_application_may_come_once_the_first_is_forgotten";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    site.leave();
    site.second_application();
    // Three subnets without a tunnel or a router are nothing to prove.
    let off = |model: &mut JujuModel| model.set_options("calico-b", [("fabric-check", "off")]);
    site.driver.model(off).expect("an option of the charm");
    site.settle();
    let model = site.driver.model(|model| model.uuid().to_owned());
    let units = ["calico-b/0", "calico-b/1", "calico-b/2"];
    let all = |status: &str| units.map(|unit| format!("{unit} {status}"));
    let blocked = format!(
        "blocked: this cluster's Calico is configured by application calico of model {model}"
    );
    assert_eq!(site.statuses(), all(&blocked));
    let forgotten = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    let configuration = "/apis/crd.projectcalico.org/v1/bgpconfigurations/default";
    for path in [configuration, DAEMON_SET] {
        site.patch(path, forgotten.clone());
    }
    for node in NODES {
        let forgotten = json!({"metadata": {"annotations": {"calico.juju.is/unit": null}}});
        site.patch(&format!("/api/v1/nodes/{node}"), forgotten);
    }
    let before = site.installed_versions();
    site.update();
    // It looks after Calico's objects, and after the installation only when it is told to take that over.
    assert_eq!(site.statuses(), all("active: Ready"));
    assert_eq!(site.installed_versions(), before);
    // The one setting it would make where others installed Calico cannot be had from an apply of its own.
    let set = |model: &mut JujuModel| model.set_options("calico-b", [("veth-mtu", "9000")]);
    site.driver.model(set).expect("an option of the charm");
    site.settle();
    let note = "calico-b/0 active: Ready (veth-mtu has no effect before sync-resources)";
    assert_eq!(site.statuses()[0], note);
    assert_eq!(site.installed_versions(), before);
}

#[test]
fn calico_outlives_the_charm() {
    let test = "calico_outlives_the_charm";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let before = site.installed_versions();
    let record = |node: &str| {
        let node = site.workloads.at(&format!("/api/v1/nodes/{node}"));
        let annotations = node["metadata"]["annotations"].as_object().cloned();
        let keys = annotations.into_iter().flatten().map(|(key, _)| key);
        keys.filter(|key| key.starts_with("calico.juju.is/"))
            .count()
    };
    // The machine without the one pod that has an address of Calico's: that is what keeps a unit's things standing.
    let busy = site.workloads.pods(CONTROLLER_PODS);
    let (number, principal) = [(2, "kubernetes-worker/1"), (1, "kubernetes-worker/0")]
        .into_iter()
        .find(|(number, _)| !busy.contains_key(NODES[*number]))
        .expect("one pod is on one machine");
    assert_ne!(record(NODES[number]), 0);
    site.driver
        .model(|model| model.remove_unit(principal))
        .expect("a principal");
    site.settle();
    site.update();
    site.assert_ready();
    assert_eq!(record(NODES[number]), 0);
    site.workloads.wait_for_pods_on(AGENTS, &NODES);

    site.leave();
    assert_eq!(site.units(), [] as [&str; 0]);
    assert_eq!(site.installed_versions(), before);
    site.rolled_out();
    site.workloads.wait_for_pods_on(AGENTS, &NODES);
    assert_installed(&site);
}

#[test]
fn calico_on_etcd_stops_every_unit() {
    let test = "calico_on_etcd_stops_every_unit";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.install_elsewhere();
    let etcd = with_variable(&site.daemon_set(), "DATASTORE_TYPE", "etcdv3");
    site.patch(DAEMON_SET, etcd);
    site.rolled_out();
    let mut runs = Vec::new();
    let requests = site.requests_of(|| runs = site.settle());
    assert_eq!(writes(&requests), [] as [&str; 0]);
    let blocked =
        "blocked: calico-node uses etcd: migrate to the Kubernetes datastore, see juju debug-log";
    assert_eq!(site.statuses(), statuses([blocked; 3]));
    assert!(
        logs(&runs).contains("datastore migrate export"),
        "{}",
        logs(&runs)
    );
}

/// Calico's agent where the operator puts it.
fn operator_runs_calico(site: &Settlement) {
    let labels = json!({"k8s-app": "calico-node"});
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "calico-system"}});
    site.workloads.apply("operator", &namespace);
    let agent = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "calico-node", "namespace": "calico-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels},
            "spec": {"hostNetwork": true, "tolerations": [{"operator": "Exists"}],
                     "containers": [{"name": "calico-node", "image": "registry.example.com/calico/node"}]},
        }},
    });
    site.workloads.wait_for("an account for its pods", || {
        let path = "/api/v1/namespaces/calico-system/serviceaccounts";
        site.workloads
            .try_listed(path)
            .filter(|accounts| !accounts.is_empty())
    });
    site.workloads.apply("operator", &agent);
    site.workloads
        .wait_for_pods_on("k8s-app=calico-node", &["node-0", "node-1", "node-2"]);
}

#[test]
fn what_the_tigera_operator_installed_is_left_alone() {
    let test = "what_the_tigera_operator_installed_is_left_alone";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    let names =
        json!({"kind": "Installation", "plural": "installations", "singular": "installation"});
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    site.workloads.apply(
        "kubectl",
        &json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "installations.operator.tigera.io"},
            "spec": {
                "group": "operator.tigera.io", "names": names, "scope": "Cluster",
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        }),
    );
    let installation = json!({"apiVersion": "operator.tigera.io/v1", "kind": "Installation", "metadata": {"name": "default"}});
    site.workloads.wait_for("the operator's kind", || {
        let path = "/apis/operator.tigera.io/v1/installations";
        site.workloads.try_listed(path).map(drop)
    });
    site.workloads.apply("kubectl", &installation);
    site.settle();
    assert_eq!(
        site.statuses(),
        statuses(["waiting: Waiting for the tigera operator to install Calico"; 3])
    );
    let definitions = Settlement::documents();
    let definitions = definitions
        .iter()
        .filter(|document| document.stage() == Stage::Definitions);
    for definition in definitions {
        site.workloads.apply("kubectl", definition.value());
    }
    site.update();
    let down = |node: u8| format!("waiting: calico-node on node-{node}: no pod yet");
    assert_eq!(site.statuses(), statuses([&*down(0), &*down(1), &*down(2)]));
    operator_runs_calico(&site);
    let requests = site.requests_of(|| drop(site.update()));
    assert_eq!(
        site.statuses(),
        statuses([
            "active: Ready (Calico is installed by the tigera operator)",
            "active: Ready",
            "active: Ready"
        ])
    );
    assert_eq!(site.daemon_set(), Value::Null);
    let own = |request: &&str| request.contains("projectcalico.org") || request.contains("/nodes/");
    let others: Vec<&str> = writes(&requests)
        .into_iter()
        .filter(|one| !own(one))
        .collect();
    assert_eq!(others, [] as [&str; 0]);
}
