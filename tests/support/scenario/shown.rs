//! What a cluster holds, in a form that people review and `kubectl apply` takes.

use std::fmt::Write;

use calico_charm::manifests::LABEL_MANIFEST;
use calico_charm::sim::api::ApiServer;
use serde_json::{Map, Value, json};

use super::input::Show;

/// ConfigMap in which the charm records what it found right: uids and versions.
const RECORD: &str = "calico-charm-manifests";

/// Calico's objects and every Node's annotations, as YAML documents in one order.
pub fn objects(server: &ApiServer, show: Show) -> String {
    let mut documents = String::new();
    if show == Show::Manifests {
        documents.push_str(&installed(server));
    }
    for object in server.dump().iter().filter(|object| is_shown(object)) {
        let text = serde_yaml::to_string(&reduced(object));
        documents.push_str("---\n");
        documents.push_str(&text.expect("JSON values have a YAML form"));
    }
    documents
}

fn is_shown(object: &Value) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let kind = object["kind"].as_str().unwrap_or_default();
    let calico = version.contains("projectcalico.org/");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    calico && kind != "DatastoreMigration"
        || kind == "Node"
        || kind == "ConfigMap" && name != RECORD && !is_installed(object)
}

/// Whether this charm installed it.
fn is_installed(object: &Value) -> bool {
    object["metadata"]["labels"][LABEL_MANIFEST].is_string()
}

/// Every installed object in one line, and of the workloads images and environment. Of definitions there are many.
fn installed(server: &ApiServer) -> String {
    let definitions = server.objects("CustomResourceDefinition");
    let count = definitions.iter().filter(|object| is_installed(object));
    let mut lines = format!("# {} CustomResourceDefinitions\n", count.count());
    for object in server.dump().iter().filter(|object| is_installed(object)) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let _ = writeln!(lines, "# {kind} {name}");
        let data = object["data"].as_object().into_iter().flatten();
        for (key, value) in data.filter(|(_, value)| !text(value).contains('\n')) {
            let _ = writeln!(lines, "#   {key}={}", text(value));
        }
        for list in ["initContainers", "containers"] {
            let containers = object["spec"]["template"]["spec"][list].as_array();
            for container in containers.into_iter().flatten() {
                let _ = writeln!(
                    lines,
                    "#   {}: {}",
                    text(&container["name"]),
                    text(&container["image"])
                );
                let env = container["env"].as_array().into_iter().flatten();
                for variable in env.filter(|variable| variable["value"].is_string()) {
                    let (name, value) = (text(&variable["name"]), text(&variable["value"]));
                    let _ = writeln!(lines, "#     {name}={value}");
                }
            }
        }
    }
    lines
}

/// Only what a reader of the case has to judge: no uid, no version, no managers, of a Node its annotations alone.
fn reduced(object: &Value) -> Value {
    let mut metadata = Map::new();
    for key in ["namespace", "name", "labels", "annotations"] {
        let value = &object["metadata"][key];
        let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        let foreign = key == "labels" && object["kind"] == "Node";
        if !empty && !foreign {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let mut shown = json!({
        "apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata,
    });
    if object["kind"] != "Node" {
        for section in ["spec", "data"] {
            if let Some(value) = object.get(section) {
                shown[section] = value.clone();
            }
        }
    }
    shown
}
