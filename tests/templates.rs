//! The install documents in `templates/`: against those of the genuine release, where `CALICO_CRDS` has it, and on a
//! real API server.

#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

mod support;

#[path = "templates/applied.rs"]
mod applied;
#[path = "templates/known.rs"]
mod known;
#[path = "templates/leaves.rs"]
mod leaves;
#[path = "templates/rights.rs"]
mod rights;
#[path = "templates/schema.rs"]
mod schema;
#[path = "templates/specs.rs"]
mod specs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use applied::{Applied, golden_objects, path};
use known::{ADDED, LEFT_OUT, NAMED, SCHEMAS, WORKLOADS};
use leaves::leaves;
use rights::{Excuses, rights};
use serde_json::{Map, Value, json};
use specs::specs;
use support::control_plane::{ControlPlane, skip_note};
use support::crds;
use support::exchange::Exchange;

const RELEASE: &str = "v3.32.1";
/// Kinds whose CRD has all fields; those of the others are open.
const WITH_FIELDS: [&str; 13] = [
    "BGPConfiguration",
    "BGPFilter",
    "BGPPeer",
    "BlockAffinity",
    "CalicoNodeStatus",
    "ClusterInformation",
    "FelixConfiguration",
    "IPAMBlock",
    "IPAMConfig",
    "IPAMHandle",
    "IPPool",
    "IPReservation",
    "KubeControllersConfiguration",
];

#[test]
fn objects_are_those_of_the_genuine_release() {
    let Some(genuine) = genuine("objects_are_those_of_the_genuine_release") else {
        return;
    };
    let mut ours = names(&templates());
    ours.retain(|name| !name.ends_with("/calico-typha"));
    assert_eq!(ours, names(&genuine));
}

#[test]
fn every_image_is_of_one_release() {
    let mut images = BTreeSet::new();
    for document in templates() {
        let template = &document["spec"]["template"]["spec"];
        for list in ["initContainers", "containers"] {
            for container in template[list].as_array().into_iter().flatten() {
                images.insert(container["image"].as_str().expect("an image").to_owned());
            }
        }
    }
    let wanted = ["cni", "kube-controllers", "node", "typha"]
        .map(|name| format!("quay.io/calico/{name}:{RELEASE}"));
    assert_eq!(images, BTreeSet::from(wanted));
}

#[test]
fn cni_configuration_is_json_once_it_is_filled() {
    let documents = templates();
    let config = find(&documents, "ConfigMap", "calico-config");
    let text = config["data"]["cni_network_config"]
        .as_str()
        .expect("a text");
    // What install-cni replaces (cni-plugin/pkg/install/install.go); the MTU is a number.
    let filled = text
        .replace("__CNI_MTU__", "1440")
        .replace("__KUBERNETES_NODE_NAME__", "node-a")
        .replace(
            "__KUBECONFIG_FILEPATH__",
            "/etc/cni/net.d/calico-kubeconfig",
        );
    let conflist: Value = serde_json::from_str(&filled).expect("JSON");
    assert!(!filled.contains("__"), "{filled}");
    assert_eq!(conflist["plugins"][0]["mtu"], 1440);
    let Some(genuine) = genuine("cni_configuration_is_json_once_it_is_filled") else {
        return;
    };
    let theirs = &find(&genuine, "ConfigMap", "calico-config")["data"];
    let mut keys = json!({});
    for key in ["calico_backend", "typha_service_name", "veth_mtu"] {
        keys[key] = theirs[key].clone();
        assert_eq!(config["data"][key], theirs[key], "{key}");
    }
    assert_eq!(
        theirs.as_object().map(Map::len),
        config["data"].as_object().map(Map::len)
    );
    let theirs = theirs["cni_network_config"].as_str().expect("a text");
    let marked = |text: &str| -> Value {
        serde_json::from_str(&text.replace("__CNI_MTU__", "-1")).expect("JSON")
    };
    assert_eq!(marked(text), marked(theirs));
}

#[test]
fn definitions_are_served_as_the_genuine_ones() {
    let Some(genuine) = genuine("definitions_are_served_as_the_genuine_ones") else {
        return;
    };
    // All but the schema, which the next test compares.
    let served = |crd: &Value| {
        let mut spec = crd["spec"].clone();
        let spec_fields = spec.as_object_mut().expect("an object");
        spec_fields.remove("preserveUnknownFields"); // false is the default
        let version = spec["versions"][0].as_object_mut().expect("a version");
        version.remove("schema");
        spec
    };
    let ours = definitions(&templates());
    for (name, theirs) in definitions(&genuine) {
        assert_eq!(served(&ours[&name]), served(&theirs), "{name}");
        let approved = "api-approved.kubernetes.io";
        let approval = |crd: &Value| crd["metadata"]["annotations"][approved].clone();
        assert_eq!(approval(&ours[&name]), approval(&theirs), "{name}");
    }
}

#[test]
fn fields_are_those_of_the_genuine_definitions() {
    let Some(genuine) = genuine("fields_are_those_of_the_genuine_definitions") else {
        return;
    };
    let ours = definitions(&templates());
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, theirs) in definitions(&genuine) {
        let kind = theirs["spec"]["names"]["kind"].as_str().expect("a kind");
        let (ours, theirs) = (schema::schema(&ours[&name]), schema::schema(&theirs));
        if !WITH_FIELDS.contains(&kind) {
            wrong.extend(schema::open(kind, &ours, &theirs));
            continue;
        }
        for (path, keyword, what) in schema::differences(&ours, &theirs) {
            let excuse = SCHEMAS.iter().position(|known| {
                known.kind == kind
                    && path.ends_with(known.path)
                    && known.keywords.contains(&&*keyword)
            });
            match excuse {
                Some(index) => {
                    used.insert(index);
                }
                None => wrong.push(format!("{kind} {path}: {keyword} {what}")),
            }
        }
    }
    for (index, known) in SCHEMAS.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!(
                "{} {} does not differ any more ({})",
                known.kind, known.path, known.because
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rights_are_the_genuine_ones_but_for_known_reasons() {
    let Some(genuine) = genuine("rights_are_the_genuine_ones_but_for_known_reasons") else {
        return;
    };
    let (ours, theirs) = (rights(&templates()), rights(&genuine));
    let mut excuses = Excuses::default();
    let mut wrong = Vec::new();
    for (right, named) in &ours {
        let granted = match theirs.get(right) {
            Some(names) if names == named => true,
            Some(names) => names.is_empty() && excuses.has("NAMED", NAMED, right),
            None => excuses.has("ADDED", ADDED, right),
        };
        if !granted {
            wrong.push(format!("more than the genuine one: {right:?} {named:?}"));
        }
    }
    for right in theirs.keys().filter(|right| !ours.contains_key(*right)) {
        if !excuses.has("LEFT_OUT", LEFT_OUT, right) {
            wrong.push(format!("left out without a reason: {right:?}"));
        }
    }
    for (name, table) in [("NAMED", NAMED), ("ADDED", ADDED), ("LEFT_OUT", LEFT_OUT)] {
        for (index, right) in table.iter().enumerate() {
            if !excuses.0.contains(&(name, index)) {
                wrong.push(format!(
                    "{name}: {} {:?} excuses nothing ({})",
                    right.role, right.resources, right.because
                ));
            }
        }
    }
    let bound = |documents: &[Value]| -> BTreeMap<String, Value> {
        let bindings = documents
            .iter()
            .filter(|document| document["kind"] == "ClusterRoleBinding");
        bindings
            .map(|binding| {
                let parts = json!([binding["roleRef"], binding["subjects"]]);
                (id(binding), parts)
            })
            .collect()
    };
    assert_eq!(bound(&templates()), bound(&genuine));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn workloads_are_the_genuine_ones_but_for_known_reasons() {
    let Some(genuine) = genuine("workloads_are_the_genuine_ones_but_for_known_reasons") else {
        return;
    };
    let ours = templates();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for (kind, name) in [
        ("DaemonSet", "calico-node"),
        ("Deployment", "calico-kube-controllers"),
        ("PodDisruptionBudget", "calico-kube-controllers"),
    ] {
        let ours = leaves(find(&ours, kind, name));
        let theirs = leaves(find(&genuine, kind, name));
        let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for path in paths {
            if ours.get(path) == theirs.get(path) {
                continue;
            }
            let excuse = WORKLOADS
                .iter()
                .position(|(of, part, _)| *of == kind && path.contains(part));
            match excuse {
                Some(index) => {
                    used.insert(index);
                }
                None => wrong.push(format!(
                    "{kind} {path}: {:?}, genuine {:?}",
                    ours.get(path),
                    theirs.get(path)
                )),
            }
        }
    }
    for (index, (kind, part, because)) in WORKLOADS.iter().enumerate() {
        if !used.contains(&index) {
            wrong.push(format!(
                "{kind} {part} does not differ any more ({because})"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_real_api_server_takes_them_and_what_they_define() {
    let test = "a_real_api_server_takes_them_and_what_they_define";
    let Some(plane) = ControlPlane::start_or_skip(test) else {
        return;
    };
    let cluster = Applied::to(&plane);
    for object in golden_objects() {
        let reply = cluster.apply(object.clone());
        assert_eq!(reply.status, 201, "{object:#}\n{:#}", reply.body);
        // The next case has one of the same name.
        let path = path(&object);
        let reply = cluster.send(&Exchange::new("DELETE", &path, None, Value::Null));
        assert_eq!(reply.status, 200, "{path} {:#}", reply.body);
    }
    for (what, kind, spec, verdict) in specs() {
        let reply = cluster.create(kind, what, &spec);
        let refused = (reply.status == 422).then(|| reply.body["message"].to_string());
        match (verdict, refused) {
            (None, None) if reply.status == 201 => {}
            (Some(words), Some(message)) if message.contains(words) => {}
            _ => panic!("{what}: {verdict:?}, but {} {:#}", reply.status, reply.body),
        }
    }
    cluster.keeps_the_cidr_and_block_size_of_a_pool();
    cluster.is_left_alone_by_a_second_apply();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a folder below `templates/`, folders in it left out.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(root().join("templates").join(folder)).expect("the folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    paths.sort();
    assert!(!paths.is_empty(), "no document in templates/{folder}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a file that was listed");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

fn templates() -> Vec<Value> {
    let mut documents = Vec::new();
    for (path, text) in files("definitions").into_iter().chain(files("")) {
        let read = crds::documents(&text);
        documents.extend(read.unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    }
    documents
}

/// The release's own manifest, or a note that it is not there.
fn genuine(test_name: &str) -> Option<Vec<Value>> {
    let Some(folder) = std::env::var_os("CALICO_CRDS") else {
        skip_note(test_name, "CALICO_CRDS is not set");
        return None;
    };
    let path = Path::new(&folder).join(RELEASE).join("calico.yaml");
    let Ok(text) = fs::read_to_string(&path) else {
        skip_note(test_name, &format!("no {}", path.display()));
        return None;
    };
    Some(crds::documents(&text).expect("YAML"))
}

fn id(document: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}",
        text(&document["kind"]),
        text(&document["metadata"]["name"])
    )
}

fn names(documents: &[Value]) -> BTreeSet<String> {
    let names: BTreeSet<String> = documents.iter().map(id).collect();
    assert_eq!(names.len(), documents.len(), "an object twice");
    names
}

fn find<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let wanted = format!("{kind}/{name}");
    let found = documents.iter().find(|document| id(document) == wanted);
    found.unwrap_or_else(|| panic!("no {wanted}"))
}

fn definitions(documents: &[Value]) -> BTreeMap<String, Value> {
    let crds = documents
        .iter()
        .filter(|document| document["kind"] == "CustomResourceDefinition");
    crds.map(|crd| (id(crd), crd.clone())).collect()
}
