//! The cluster's state without what two ways to it may differ in.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::render::FIELD_MANAGER;
use crate::sim::api::ApiServer;

/// Annotations of the rollout; their third word is the generation, which is new with each change.
const RECORDS: [&str; 2] = ["calico.juju.is/rollout", "calico.juju.is/applied"];

/// ConfigMap in which the charm records what it has installed.
const RECORD: &str = "calico-charm-manifests";

/// One object as two ways to it have it in common: without uid, versions, times and what controllers and kubelets say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Normal {
    object: Value,
    /// The fields that the charm owns: no more than it has to, for what somebody else has written as it should be, it
    /// leaves alone.
    owned: BTreeSet<String>,
}

/// By kind and name, every object that a user can see.
pub(super) fn normal(server: &ApiServer) -> BTreeMap<String, Normal> {
    let objects = server.dump().into_iter();
    objects
        .filter(|object| object["kind"] != "Pod" && object["kind"] != "BlockAffinity")
        .map(|mut object| {
            let name = format!(
                "{} {}",
                object["kind"].as_str().unwrap_or_default(),
                object["metadata"]["name"].as_str().unwrap_or_default()
            );
            let owned = owned(&object);
            strip(&mut object);
            (name, Normal { object, owned })
        })
        .collect()
}

fn strip(object: &mut Value) {
    if let Some(object) = object.as_object_mut() {
        object.remove("status");
    }
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return;
    };
    for field in ["uid", "resourceVersion", "creationTimestamp", "generation"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        for record in RECORDS {
            if let Some(Value::String(text)) = annotations.get_mut(record) {
                *text = without_generation(text);
            }
        }
    }
    if let Some(entries) = metadata
        .get_mut("managedFields")
        .and_then(Value::as_array_mut)
    {
        *entries = Vec::new();
    }
    if object["metadata"]["name"] == RECORD {
        without_versions(&mut object["data"]);
    }
}

/// The fields that the charm owns, by whatever operation; of the status it owns none.
fn owned(object: &Value) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let entries = object["metadata"]["managedFields"].as_array();
    for entry in entries.into_iter().flatten() {
        if entry["manager"] == FIELD_MANAGER {
            leaves("", &entry["fieldsV1"], &mut paths);
        }
    }
    paths
}

fn leaves(place: &str, fields: &Value, paths: &mut BTreeSet<String>) {
    match fields.as_object().filter(|fields| !fields.is_empty()) {
        None => {
            paths.insert(place.to_owned());
        }
        Some(fields) => {
            // The point is the map itself, which whoever puts the first entry into it owns too.
            for (field, below) in fields.iter().filter(|(field, _)| *field != ".") {
                leaves(&format!("{place} {field}"), below, paths);
            }
        }
    }
}

/// The record of an installation names each object with its uid, and its version or generation: words of a line after
/// the first.
fn without_versions(data: &mut Value) {
    for text in data
        .as_object_mut()
        .into_iter()
        .flat_map(|data| data.values_mut())
    {
        let Some(lines) = text.as_str() else { continue };
        let names = lines
            .lines()
            .map(|line| line.split(' ').next().unwrap_or_default());
        *text = names.collect::<Vec<_>>().join("\n").into();
    }
}

fn without_generation(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    let is_generation = |word: &str| {
        let digits = word.strip_prefix('n').unwrap_or(word);
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    };
    if let Some(generation) = words.get_mut(2)
        && is_generation(generation)
    {
        *generation = "-";
    }
    words.join(" ")
}

/// What differs, one line an object, the state that is wanted last.
pub(super) fn differences(
    found: &BTreeMap<String, Normal>,
    wanted: &BTreeMap<String, Normal>,
) -> Vec<String> {
    let mut lines = Vec::new();
    // What calico-node is asked to report is a help, and nothing depends on it: a killed hook may leave it where the options
    // have gone back since, and that of a unit that is gone goes when a leader hears of it or with the Node.
    let counts = |name: &str| !name.starts_with("CalicoNodeStatus ");
    for (name, wanted) in wanted.iter().filter(|(name, _)| counts(name)) {
        let Some(found) = found.get(name) else {
            lines.push(format!("{name} is missing"));
            continue;
        };
        if found.object != wanted.object {
            differing(name, &found.object, &wanted.object, &mut lines);
        }
        for field in found.owned.difference(&wanted.owned) {
            lines.push(format!("{name}:{field} should not be the charm's own"));
        }
    }
    let extra = found
        .keys()
        .filter(|name| !wanted.contains_key(*name) && counts(name));
    lines.extend(extra.map(|name| format!("{name} should not be there")));
    lines
}

/// The fields that differ, as deep as both have them.
fn differing(place: &str, found: &Value, wanted: &Value, lines: &mut Vec<String>) {
    if let (Value::Object(one), Value::Object(other)) = (found, wanted) {
        let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            let (found, wanted) = (&found[key], &wanted[key]);
            if found != wanted {
                differing(&format!("{place} {key}"), found, wanted, lines);
            }
        }
        return;
    }
    lines.push(format!("{place}: {found}, should be {wanted}"));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn generations_do_not_count() {
        for (text, normal) in [
            ("a1b2 set 17", "a1b2 set -"),
            (
                "a1b2 set 17 without calico/1",
                "a1b2 set - without calico/1",
            ),
            ("a1b2 settled n17", "a1b2 settled -"),
            ("a1b2 settled", "a1b2 settled"),
            ("a1b2 set x", "a1b2 set x"),
        ] {
            assert_eq!(without_generation(text), normal);
        }
    }

    #[test]
    fn differences_name_the_field() {
        let of = |object: Value, owned: &[&str]| {
            let owned = owned.iter().map(|path| (*path).to_owned()).collect();
            BTreeMap::from([("Node a".to_owned(), Normal { object, owned })])
        };
        let found = of(json!({"spec": {"x": 1, "y": 2}}), &[" f:spec f:x"]);
        let wanted = of(json!({"spec": {"x": 1, "y": 3}}), &[" f:spec f:y"]);
        assert_eq!(
            differences(&found, &wanted),
            [
                "Node a spec y: 2, should be 3",
                "Node a: f:spec f:x should not be the charm's own"
            ]
        );
        assert_eq!(
            differences(&BTreeMap::new(), &wanted),
            ["Node a is missing"]
        );
        assert_eq!(
            differences(&found, &BTreeMap::new()),
            ["Node a should not be there"]
        );
    }

    #[test]
    fn the_charm_owns_leaves() {
        let entry = |manager: &str, fields: Value| json!({"manager": manager, "fieldsV1": fields});
        let object = json!({"metadata": {"managedFields": [
            entry("calico-charm", json!({"f:spec": {"f:x": {}, "f:y": {}}})),
            entry("kubectl", json!({"f:spec": {"f:z": {}}})),
        ]}});
        let owned: Vec<String> = owned(&object).into_iter().collect();
        assert_eq!(owned, [" f:spec f:x", " f:spec f:y"]);
    }
}
