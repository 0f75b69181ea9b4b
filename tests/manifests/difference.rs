//! What differs between documents, path by path.

use std::collections::BTreeMap;

use calico_charm::manifests::Document;
use serde_json::Value;

/// What a change leads to: a value, or nothing.
pub type Changes = BTreeMap<String, Value>;

/// What differs between two sets of documents, as path to new value, null for what is gone.
pub fn changes(before: &[Document], after: &[Document]) -> Changes {
    let by_id = |documents: &[Document]| -> BTreeMap<String, Value> {
        documents
            .iter()
            .map(|one| (one.id().to_string(), one.value().clone()))
            .collect()
    };
    let (before, after) = (by_id(before), by_id(after));
    let mut changes = Changes::new();
    for id in before
        .keys()
        .chain(after.keys().filter(|id| !before.contains_key(*id)))
    {
        let (before, after) = (
            before.get(id).unwrap_or(&Value::Null),
            after.get(id).unwrap_or(&Value::Null),
        );
        let mut found = Changes::new();
        compare("", &readable(before), &readable(after), &mut found);
        changes.extend(
            found
                .into_iter()
                .map(|(path, value)| (format!("{id}: {path}"), value)),
        );
    }
    changes
}

/// The CNI configuration as JSON, and no digest, so that a difference can be told by its path.
fn readable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(text) = object["data"]["cni_network_config"].as_str() {
        let filled = text.replace(": __CNI_MTU__", ": 4711");
        object["data"]["cni_network_config"] =
            serde_json::from_str(&filled).expect("JSON with one placeholder that is a number");
    }
    if let Some(Value::Object(annotations)) =
        object.pointer_mut("/spec/template/metadata/annotations")
        && let Some(hash) = annotations.get_mut("juju.is/manifest-hash")
    {
        assert_eq!(hash.as_str().map(str::len), Some(16));
        *hash = "<digest>".into();
    }
    object
}

fn compare(path: &str, before: &Value, after: &Value, changes: &mut Changes) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(_) | Value::Null, Value::Object(fields))
            if !path.ends_with(']') || before.is_object() =>
        {
            let none = serde_json::Map::new();
            let before = before.as_object().unwrap_or(&none);
            for name in before
                .keys()
                .chain(fields.keys().filter(|name| !before.contains_key(*name)))
            {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                compare(
                    &path,
                    before.get(name).unwrap_or(&Value::Null),
                    fields.get(name).unwrap_or(&Value::Null),
                    changes,
                );
            }
        }
        (Value::Array(before), Value::Array(after))
            if before.iter().chain(after).all(Value::is_object) =>
        {
            let named = |items: &[Value]| -> BTreeMap<String, Value> {
                let name = |(index, item): (usize, &Value)| {
                    let name = item["name"].as_str().map(str::to_owned);
                    (name.unwrap_or_else(|| index.to_string()), item.clone())
                };
                items.iter().enumerate().map(name).collect()
            };
            let (before, after) = (named(before), named(after));
            for name in before
                .keys()
                .chain(after.keys().filter(|name| !before.contains_key(*name)))
            {
                compare(
                    &format!("{path}[{name}]"),
                    before.get(name).unwrap_or(&Value::Null),
                    after.get(name).unwrap_or(&Value::Null),
                    changes,
                );
            }
        }
        _ => drop(changes.insert(path.to_owned(), after.clone())),
    }
}

/// Every scalar of a value by its path.
pub fn flatten(path: &str, value: &Value, leaves: &mut Changes) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = item["name"]
                    .as_str()
                    .map_or_else(|| index.to_string(), str::to_owned);
                flatten(&format!("{path}[{name}]"), item, leaves);
            }
        }
        scalar => drop(leaves.insert(path.to_owned(), scalar.clone())),
    }
}
