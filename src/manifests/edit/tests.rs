use serde_json::{Value, json};

use super::*;
use crate::manifests::{Autodetection, Backend, Catalogue};
use crate::model::Release;
use crate::render::Owner;

const NODE: &str = "DaemonSet/kube-system/calico-node";
const CONFIG: &str = "ConfigMap/kube-system/calico-config";
const CONTAINERS: &str = "/spec/template/spec/containers";

fn settings() -> Settings {
    Settings {
        release: Release::new(3, 32, 1),
        owner: Owner {
            model: "model".to_owned(),
            application: "calico".to_owned(),
        },
        registry: Some("registry.example.com".to_owned()),
        node_image: Some("node".to_owned()),
        policy_image: Some("policy".to_owned()),
        ipv4: true,
        ipv6: true,
        backend: Backend::Vxlan,
        workload_mtu: Some(1400),
        manage_pools: true,
        autodetection: Autodetection::InternalIp,
        typha_replicas: 3,
    }
}

fn documents() -> Vec<Document> {
    let catalogue = Catalogue::embedded();
    catalogue.documents(catalogue.preferred()).unwrap()
}

/// Edits documents of which one is changed before; the errors.
fn errors(id: &str, change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut documents = documents();
    let document = documents
        .iter_mut()
        .find(|document| document.id().to_string() == id);
    change(document.unwrap().value_mut());
    let errors = edited(documents, &settings()).map(drop).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn only(id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut errors = errors(id, change);
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0)
}

#[test]
fn a_missing_target_is_named() {
    const IN_NODE: &str = "spec.template.spec.containers[calico-node]";
    fn take(value: &mut Value, pointer: &str) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap();
        parent.as_object_mut().unwrap().remove(name).unwrap();
    }
    for (id, pointer, message) in [
        (
            NODE,
            "/spec/template/spec/containers/0/livenessProbe",
            format!("{NODE}: {IN_NODE}.livenessProbe is not there"),
        ),
        (
            NODE,
            "/spec/template/spec/containers/0/image",
            format!("{NODE}: {IN_NODE}.image is not there"),
        ),
        (
            NODE,
            "/spec/template/spec/initContainers",
            format!("{NODE}: spec.template.spec.initContainers is not there"),
        ),
        (
            CONFIG,
            "/data/veth_mtu",
            format!("{CONFIG}: data.veth_mtu is not there"),
        ),
        (
            CONFIG,
            "/data/calico_backend",
            format!("{CONFIG}: data.calico_backend is not there"),
        ),
        (
            CONFIG,
            "/data/typha_service_name",
            format!("{CONFIG}: data.typha_service_name is not there"),
        ),
        (
            CONFIG,
            "/data/cni_network_config",
            format!("{CONFIG}: data.cni_network_config is not there"),
        ),
        (
            "Deployment/kube-system/calico-typha",
            "/spec",
            "Deployment/kube-system/calico-typha: spec is not there".to_owned(),
        ),
    ] {
        let errors = errors(id, |value| take(value, pointer));
        assert!(errors.contains(&message), "{pointer}: {errors:?}");
    }
}

#[test]
fn a_missing_document_is_named() {
    for (name, message) in [
        (
            "calico-node",
            "DaemonSet/kube-system/calico-node is not there",
        ),
        (
            "calico-config",
            "ConfigMap/kube-system/calico-config is not there",
        ),
        (
            "calico-kube-controllers",
            "Deployment/kube-system/calico-kube-controllers is not there",
        ),
        (
            "calico-typha",
            "Service/kube-system/calico-typha is not there",
        ),
    ] {
        let mut documents = documents();
        documents.retain(|document| document.name() != name);
        let errors = edited(documents, &settings()).map(drop).unwrap_err();
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [message]
        );
    }
}

#[test]
fn a_set_for_another_datastore_is_refused() {
    let variable = |value: &mut Value, name: &str, replacement: Value| {
        let env = value.pointer_mut(CONTAINERS).unwrap()[0]["env"]
            .as_array_mut()
            .unwrap();
        *env.iter_mut().find(|one| one["name"] == name).unwrap() = replacement;
    };
    let etcd = json!({"name": "DATASTORE_TYPE", "value": "etcdv3"});
    let reason = "this charm keeps Calico's data in Kubernetes; take the release's manifest for that datastore";
    let path = "spec.template.spec.containers[calico-node].env[DATASTORE_TYPE]";
    assert_eq!(
        only(NODE, |value| variable(value, "DATASTORE_TYPE", etcd)),
        format!("{NODE}: {path} is \"etcdv3\": {reason}")
    );
    assert_eq!(
        only(NODE, |value| variable(
            value,
            "DATASTORE_TYPE",
            json!({"name": "x"})
        )),
        format!("{NODE}: {path} is not there")
    );
    assert_eq!(
        only(CONFIG, |value| value["data"]["etcd_endpoints"] =
            "https://x".into()),
        format!("{CONFIG}: data.etcd_endpoints is \"https://x\": {reason}")
    );
    assert_eq!(
        only(CONFIG, |value| {
            let conflist = value["data"]["cni_network_config"].as_str().unwrap();
            value["data"]["cni_network_config"] =
                conflist.replace("\"kubernetes\",", "\"etcdv3\",").into();
        }),
        format!(
            "{CONFIG}: data.cni_network_config.plugins[calico].datastore_type is \"etcdv3\": {reason}"
        )
    );
}

#[test]
fn a_setting_nobody_would_read_is_an_error() {
    for (list, index, name, key) in [
        ("initContainers", 0, "CNI_MTU", "veth_mtu"),
        (
            "initContainers",
            0,
            "CNI_NETWORK_CONFIG",
            "cni_network_config",
        ),
        (
            "containers",
            0,
            "CALICO_NETWORKING_BACKEND",
            "calico_backend",
        ),
    ] {
        let error = only(NODE, |value| {
            let containers = &mut value["spec"]["template"]["spec"][list];
            let env = containers[index]["env"].as_array_mut().unwrap();
            let variable = env.iter_mut().find(|one| one["name"] == name).unwrap();
            *variable = json!({"name": name, "value": "fixed"});
        });
        let expected = format!(
            "env[{name}].valueFrom.configMapKeyRef of calico-config, key {key}, is not there"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn a_conflist_that_cannot_be_edited_is_refused() {
    for (text, expected) in [
        (
            "{",
            "data.cni_network_config is not JSON: EOF while parsing",
        ),
        ("{}", "data.cni_network_config.plugins is not there"),
        (
            "{\"plugins\": [1]}",
            "data.cni_network_config.plugins[calico] is not there",
        ),
        (
            "{\"plugins\": [{\"type\": \"calico\", \"datastore_type\": \"kubernetes\", \"ipam\": {\"type\": \"host-local\"}}]}",
            "data.cni_network_config.plugins[calico].ipam.type is \"host-local\": the charm's pools are for calico-ipam",
        ),
    ] {
        let errors = errors(CONFIG, |value| {
            value["data"]["cni_network_config"] = text.into();
        });
        let prefix = format!("{CONFIG}: {expected}");
        assert!(errors[0].starts_with(&prefix), "{text}: {errors:?}");
    }
}

#[test]
fn odd_documents_stop_nobody() {
    let odd = [
        json!(null),
        json!(1),
        json!("x"),
        json!([]),
        json!([1]),
        json!({}),
        json!({"x": []}),
    ];
    let pointers = [
        "/spec",
        "/spec/template",
        "/spec/template/metadata",
        "/spec/template/spec",
        CONTAINERS,
        "/spec/template/spec/containers/0",
        "/spec/template/spec/containers/0/env",
        "/spec/template/spec/containers/0/env/0",
        "/spec/template/spec/containers/0/image",
        "/spec/template/spec/containers/0/readinessProbe",
        "/metadata/labels",
        "/data",
        "/data/veth_mtu",
        "/spec/versions",
        "/spec/versions/0",
        "/spec/names",
    ];
    for pointer in pointers {
        for odd in &odd {
            let mut documents = documents();
            for document in &mut documents {
                if let Some(place) = document.value_mut().pointer_mut(pointer) {
                    *place = odd.clone();
                }
            }
            let _ = edited(documents, &settings());
        }
    }
}

#[test]
fn pods_restart_when_what_they_read_changes() {
    let hash = |settings: &Settings, name: &str| {
        let documents = edited(documents(), settings).unwrap();
        let document = documents
            .iter()
            .find(|one| one.name() == name && one.value()["spec"]["template"].is_object());
        document.unwrap().value()["spec"]["template"]["metadata"]["annotations"]["juju.is/manifest-hash"].clone()
    };
    let before = settings();
    let mut after = settings();
    after.workload_mtu = Some(1450);
    assert_ne!(hash(&before, "calico-node"), hash(&after, "calico-node"));
    after = settings();
    after.release = Release::new(3, 32, 2);
    after.registry = None;
    assert_eq!(hash(&before, "calico-node"), hash(&after, "calico-node"));
    assert_eq!(
        hash(&before, "calico-kube-controllers"),
        Value::Null,
        "it reads no ConfigMap of ours"
    );
}
