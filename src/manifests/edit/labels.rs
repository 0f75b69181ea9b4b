//! What tells whose an object is, and when pods have to start again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::manifests::document::set_metadata;
use crate::manifests::{
    ANNOTATION_MANIFEST_HASH, Document, LABEL_JUJU_APPLICATION, LABEL_MANIFEST,
    LABEL_MANIFEST_VERSION, LABEL_RESTART_ON_CA_CHANGE, MANIFEST, Settings, fingerprint,
};

/// Labels every object, and marks pods with a digest of what they read only when they start.
pub(super) fn set(documents: &mut [Document], settings: &Settings) {
    let mut labels = settings.owner.labels();
    labels.extend([
        (
            LABEL_JUJU_APPLICATION.to_owned(),
            settings.owner.application.clone(),
        ),
        (LABEL_MANIFEST.to_owned(), MANIFEST.to_owned()),
        (
            LABEL_MANIFEST_VERSION.to_owned(),
            format!("{MANIFEST}-{}", settings.release),
        ),
    ]);
    let config_maps: Vec<(String, String)> = documents
        .iter()
        .filter(|document| document.kind() == "ConfigMap")
        .map(|document| {
            (
                document.name().to_owned(),
                document.value()["data"].to_string(),
            )
        })
        .collect();
    for document in documents {
        for (key, value) in &labels {
            document.set_label(key, value);
        }
        if !matches!(document.kind(), "DaemonSet" | "Deployment") {
            continue;
        }
        document.set_label(LABEL_RESTART_ON_CA_CHANGE, "true");
        let Some(template) = document.value_mut().pointer_mut("/spec/template") else {
            continue;
        };
        let names = config_maps_of(template);
        let data: Vec<&str> = config_maps
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(_, data)| data.as_str())
            .collect();
        if !data.is_empty() {
            let digest = fingerprint(&data.join("\n"));
            set_metadata(template, "annotations", ANNOTATION_MANIFEST_HASH, &digest);
        }
    }
}

/// The ConfigMaps that containers of a pod template take their environment from: they read them when they start, and
/// never again.
fn config_maps_of(template: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for containers in ["initContainers", "containers"] {
        for container in items(&template["spec"][containers]) {
            let single = items(&container["env"]).map(|one| &one["valueFrom"]["configMapKeyRef"]);
            let whole = items(&container["envFrom"]).map(|all| &all["configMapRef"]);
            let found = single
                .chain(whole)
                .filter_map(|source| source["name"].as_str());
            names.extend(found.map(str::to_owned));
        }
    }
    names
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
