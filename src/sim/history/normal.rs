//! The cluster's state without what two ways to it may differ in.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sim::api::ApiServer;

/// Annotations of the rollout; their third word is the generation, which is new with each change.
const RECORDS: [&str; 2] = ["calico.juju.is/rollout", "calico.juju.is/applied"];

/// ConfigMap in which the charm records what it has installed.
const RECORD: &str = "calico-charm-manifests";

/// By kind and name, every object that a user can see, without uids, versions, generations and times, and without what
/// controllers and kubelets say.
pub(super) fn normal(server: &ApiServer) -> BTreeMap<String, Value> {
    let objects = server.dump().into_iter();
    objects
        .filter(|object| object["kind"] != "Pod" && object["kind"] != "BlockAffinity")
        .map(|mut object| {
            let name = format!(
                "{} {}",
                object["kind"].as_str().unwrap_or_default(),
                object["metadata"]["name"].as_str().unwrap_or_default()
            );
            strip(&mut object);
            (name, object)
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
        *entries = by_manager(entries);
    }
    if object["metadata"]["name"] == RECORD {
        without_versions(&mut object["data"]);
    }
}

/// What each manager owns, by whatever operation: a label that was put back by hand is owned twice. Of the status
/// nobody does.
fn by_manager(entries: &[Value]) -> Vec<Value> {
    let mut owned: BTreeMap<String, Value> = BTreeMap::new();
    for entry in entries {
        let mut fields = entry["fieldsV1"].clone();
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("f:status");
        }
        let manager = entry["manager"].as_str().unwrap_or_default().to_owned();
        unite(owned.entry(manager).or_insert_with(|| json!({})), fields);
    }
    owned
        .into_iter()
        .map(|(manager, fields)| json!({"manager": manager, "fields": fields}))
        .collect()
}

fn unite(one: &mut Value, other: Value) {
    let (Value::Object(fields), Value::Object(more)) = (&mut *one, other) else {
        return;
    };
    for (field, value) in more {
        unite(fields.entry(field).or_insert_with(|| json!({})), value);
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
    if let Some(generation) = words.get_mut(2)
        && generation.chars().all(|c| c.is_ascii_digit())
    {
        *generation = "-";
    }
    words.join(" ")
}

/// What differs, one line an object, the state that is wanted last.
pub(super) fn differences(
    found: &BTreeMap<String, Value>,
    wanted: &BTreeMap<String, Value>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, wanted) in wanted {
        match found.get(name) {
            None => lines.push(format!("{name} is missing")),
            Some(found) if found != wanted => {
                differing(name, found, wanted, &mut lines);
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|name| !wanted.contains_key(*name));
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
    use super::*;

    #[test]
    fn generations_do_not_count() {
        for (text, normal) in [
            ("a1b2 set 17", "a1b2 set -"),
            (
                "a1b2 set 17 without calico/1",
                "a1b2 set - without calico/1",
            ),
            ("a1b2 settled", "a1b2 settled"),
            ("a1b2 set x", "a1b2 set x"),
        ] {
            assert_eq!(without_generation(text), normal);
        }
    }

    #[test]
    fn differences_name_the_field() {
        let of = |value: Value| BTreeMap::from([("Node a".to_owned(), value)]);
        let found = of(json!({"spec": {"x": 1, "y": 2}}));
        let wanted = of(json!({"spec": {"x": 1, "y": 3}}));
        assert_eq!(
            differences(&found, &wanted),
            ["Node a spec y: 2, should be 3"]
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
}
