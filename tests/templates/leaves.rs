//! Objects by the paths of what is in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The texts and numbers of an object by path; lists of named things by name, other lists sorted.
pub fn leaves(object: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    gather(object, String::new(), &mut found);
    // The default of a mount.
    found.retain(|path, value| !(path.ends_with(".readOnly") && *value == json!(false)));
    found
}

fn gather(value: &Value, path: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                gather(field, format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for item in items {
                let key = ["mountPath", "name"]
                    .iter()
                    .find_map(|key| item[*key].as_str());
                let key = key.map_or_else(|| item.to_string(), str::to_owned);
                gather(item, format!("{path}.{key}"), found);
            }
        }
        other => {
            found.insert(path, other.clone());
        }
    }
}
