//! Edited documents on a real API server, and definitions that grow there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use calico_charm::cluster::Kubernetes;
use calico_charm::manifests::{Document, Stage, widened};
use serde_json::Value;

use crate::support::control_plane::{ControlPlane, blocking, skip_note};
use crate::support::crds;
use crate::table::{CASES, Case, Source, edit, embedded, genuine};

#[test]
fn the_api_server_takes_every_release_on_top_of_the_one_before() {
    const TEST: &str = "the_api_server_takes_every_release_on_top_of_the_one_before";
    let Some(plane) = ControlPlane::start_or_skip(TEST) else {
        return;
    };
    let mut sources = genuine(TEST).unwrap_or_default();
    sources.retain(|source| !source.name.contains("native"));
    // Last, on what upstream's own have left; and before, where there are none.
    sources.insert(0, embedded());
    sources.push(embedded());
    for source in &sources {
        for case in &CASES {
            let documents = edited_for_api(source, case);
            let stored = apply(&plane, &documents);
            let again = apply(&plane, &documents);
            assert_eq!(
                stored, again,
                "{}, {}: a second apply changes nothing",
                source.name, case.name
            );
        }
    }
}

#[test]
fn definitions_only_grow_whoever_comes_after_whom() {
    const TEST: &str = "definitions_only_grow_whoever_comes_after_whom";
    let Some(files) = crds::genuine() else {
        return skip_note(TEST, "CALICO_CRDS is not set");
    };
    let read = |file: &PathBuf| (file.display().to_string(), definitions(file));
    let mut sets: Vec<(String, Vec<Document>)> = files.iter().map(read).collect();
    sets.push((
        "embedded".to_owned(),
        definitions_of(edit(&embedded(), &CASES[0])),
    ));
    for (earlier, there) in &sets {
        for (later, wanted) in &sets {
            for wanted in wanted {
                let Some(live) = there.iter().find(|live| live.id() == wanted.id()) else {
                    continue;
                };
                let what = format!("{} of {later} after {earlier}", wanted.name());
                let grown = widened(live.value(), wanted);
                let grown = grown.as_ref().unwrap_or(live);
                assert_eq!(widened(grown.value(), wanted), None, "{what}: done at once");
                let fields = fields_of(grown);
                for field in fields_of(live).iter().chain(&fields_of(wanted)) {
                    assert!(fields.contains(field), "{what}: {field} is lost");
                }
            }
        }
    }
}

#[test]
fn the_api_server_takes_definitions_that_have_grown() {
    const TEST: &str = "the_api_server_takes_definitions_that_have_grown";
    let Some(files) = crds::genuine() else {
        return skip_note(TEST, "CALICO_CRDS is not set");
    };
    let Some(plane) = ControlPlane::start_or_skip(TEST) else {
        return;
    };
    let newest_first = files
        .iter()
        .rev()
        .filter(|file| file.ends_with("crds.yaml"));
    for file in newest_first.chain(&files) {
        apply(&plane, &definitions(file));
        apply(&plane, &definitions_of(edit(&embedded(), &CASES[0])));
    }
}

/// The definitions of a file that holds nothing else.
fn definitions(file: &Path) -> Vec<Document> {
    let values = crds::documents(&fs::read_to_string(file).unwrap()).unwrap();
    definitions_of(
        values
            .into_iter()
            .map(|value| Document::new(value).unwrap())
            .collect(),
    )
}

/// Those of Calico: native ones come with the operator's, which the charm has nothing to do with.
fn definitions_of(mut documents: Vec<Document>) -> Vec<Document> {
    documents.retain(|one| {
        one.stage() == Stage::Definitions && one.name().ends_with("projectcalico.org")
    });
    documents
}

/// Every field of a definition's versions.
fn fields_of(definition: &Document) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    for version in definition.value()["spec"]["versions"].as_array().unwrap() {
        let name = version["name"].as_str().unwrap();
        collect(name, &version["schema"]["openAPIV3Schema"], &mut fields);
    }
    fields
}

fn collect(path: &str, schema: &Value, fields: &mut BTreeSet<String>) {
    fields.insert(path.to_owned());
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        collect(&format!("{path}.{name}"), field, fields);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(inner) {
            collect(&format!("{path}[]"), schema, fields);
        }
    }
}

#[test]
fn the_api_server_takes_native_definitions() {
    const TEST: &str = "the_api_server_takes_native_definitions";
    let Some(sources) = genuine(TEST) else { return };
    let Some(plane) = ControlPlane::start_or_skip(TEST) else {
        return;
    };
    for source in sources
        .iter()
        .filter(|source| source.name.contains("native"))
    {
        for case in &CASES {
            let documents = edited_for_api(source, case);
            let stored = apply(&plane, &documents);
            assert_eq!(
                stored,
                apply(&plane, &documents),
                "{}: a second apply changes nothing",
                case.name
            );
        }
    }
}

/// What a case makes of documents; definitions, which no setting changes, in the first case alone.
fn edited_for_api(source: &Source, case: &Case) -> Vec<Document> {
    let mut documents = edit(source, case);
    if case.name != CASES[0].name {
        documents.retain(|document| document.stage() != Stage::Definitions);
    }
    documents.into_iter().map(of_served_version).collect()
}

/// Upstream's mutating policies are of a version that is served on demand only; the one that is served has the same fields.
fn of_served_version(document: Document) -> Document {
    let mut value = document.into_value();
    if value["apiVersion"] == "admissionregistration.k8s.io/v1beta1" {
        value["apiVersion"] = "admissionregistration.k8s.io/v1".into();
    }
    Document::new(value).unwrap()
}

/// Applies documents in order, definitions only where they grow; each object's version.
fn apply(plane: &ControlPlane, documents: &[Document]) -> BTreeMap<String, String> {
    let mut documents: Vec<&Document> = documents.iter().collect();
    documents.sort_by_key(|document| document.stage());
    blocking(async {
        let kubernetes = Kubernetes::new(plane.client().await);
        let mut versions = BTreeMap::new();
        for document in documents {
            let (path, id) = (document.path(), document.id().to_string());
            let live = kubernetes.get(&path).await.unwrap();
            let is_definition = document.stage() == Stage::Definitions;
            let stored = match live.filter(|_| is_definition) {
                None => kubernetes.apply(&path, document.value()).await,
                Some(live) => match widened(&live, document) {
                    None => Ok(live),
                    Some(grown) => {
                        let stored = kubernetes.apply(&path, grown.value()).await;
                        let rest = stored
                            .as_ref()
                            .ok()
                            .and_then(|stored| widened(stored, document));
                        assert_eq!(rest, None, "{id} has grown as far as it goes");
                        stored
                    }
                },
            };
            let stored = stored.unwrap_or_else(|error| panic!("{id}: {error}"));
            // Controllers write the status of a new definition.
            let field = if is_definition {
                "generation"
            } else {
                "resourceVersion"
            };
            versions.insert(id, stored["metadata"][field].to_string());
        }
        versions
    })
}
