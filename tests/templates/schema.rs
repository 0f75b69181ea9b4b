//! Schemas of two definitions, side by side.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

/// A schema by the paths of its fields (`spec.prefixAdvertisements[].cidr`).
pub type Schema = BTreeMap<String, Map<String, Value>>;

pub fn schema(crd: &Value) -> Schema {
    let mut fields = Schema::new();
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    flatten(root, String::new(), &mut fields);
    // The API server knows these of every object.
    for path in ["apiVersion", "kind", "metadata"] {
        fields.remove(path);
    }
    fields
}

fn flatten(node: &Value, path: String, fields: &mut Schema) {
    let mut keywords = node.as_object().cloned().unwrap_or_default();
    keywords.remove("description");
    if let Some(properties) = keywords.remove("properties") {
        for (name, property) in properties.as_object().expect("properties") {
            let dot = if path.is_empty() { "" } else { "." };
            flatten(property, format!("{path}{dot}{name}"), fields);
        }
    }
    for (keyword, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(node) = keywords.remove(keyword) {
            flatten(&node, format!("{path}{mark}"), fields);
        }
    }
    // The same list of values, twice.
    if let Some(all) = keywords.remove("allOf") {
        keywords.insert("enum".to_owned(), all[0]["enum"].clone());
    }
    // Rules are written anew, one for each; what they refuse is tried on a real API server.
    if let Some(rules) = keywords.get_mut("x-kubernetes-validations") {
        *rules = json!(rules.as_array().map(Vec::len));
    }
    // Escaped once too often, which refuses 0.5s.
    if let Some(Value::String(pattern)) = keywords.get_mut("pattern") {
        *pattern = pattern.replace(r"\\.", r"\.");
    }
    fields.insert(path, keywords);
}

/// Path, keyword, and what it is here and there.
pub fn differences(ours: &Schema, theirs: &Schema) -> Vec<(String, String, String)> {
    let paths: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut differences = Vec::new();
    for path in paths {
        let (Some(ours), Some(theirs)) = (ours.get(path), theirs.get(path)) else {
            let where_ = if ours.contains_key(path) {
                "ours"
            } else {
                "theirs"
            };
            differences.push((
                path.clone(),
                "field".to_owned(),
                format!("only in {where_}"),
            ));
            continue;
        };
        let keywords: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for keyword in keywords {
            let (ours, theirs) = (sorted(ours.get(keyword)), sorted(theirs.get(keyword)));
            if ours != theirs {
                let what = format!("{ours}, genuine {theirs}");
                differences.push((path.clone(), keyword.clone(), what));
            }
        }
    }
    differences
}

fn sorted(value: Option<&Value>) -> Value {
    let mut value = value.cloned().unwrap_or_default();
    if let Value::Array(list) = &mut value {
        list.sort_by_key(Value::to_string);
    }
    value
}

/// What an open schema has to have: whatever is in a spec is kept, and defaults are set as the genuine one sets them.
pub fn open(kind: &str, ours: &Schema, theirs: &Schema) -> Vec<String> {
    let mut wrong = Vec::new();
    for part in theirs
        .keys()
        .filter(|path| ["spec", "status"].contains(&path.as_str()))
    {
        let open = |fields: &Map<String, Value>| {
            fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true))
        };
        if !ours.get(part).is_some_and(open) {
            wrong.push(format!("{kind}: {part} is not open"));
        }
    }
    for (path, fields) in ours {
        let genuine = theirs.get(path);
        for keyword in ["type", "default", "enum", "required"] {
            let theirs = genuine.and_then(|fields| fields.get(keyword));
            // `metadata` is there in any case.
            let theirs = sorted(theirs).to_string().replace("\"metadata\",", "");
            let ours = sorted(fields.get(keyword)).to_string();
            if ours != theirs && path != "status" {
                wrong.push(format!("{kind} {path}: {keyword} {ours}, genuine {theirs}"));
            }
        }
    }
    for (path, fields) in theirs {
        if fields.contains_key("default") && !ours.contains_key(path) {
            wrong.push(format!("{kind} {path} has no default"));
        }
    }
    wrong
}
