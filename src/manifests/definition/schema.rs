//! The union of two structural schemas (Kubernetes documentation, "Specifying a structural schema").
//!
//! What a schema takes grows by fields, enum values, unknown fields, and the end of an enum. Everything else about a
//! node is a rule, which does not make a union.

use serde_json::{Map, Value};

const PROPERTIES: &str = "properties";
const ADDITIONAL: &str = "additionalProperties";
const ENUM: &str = "enum";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
/// Keywords that hold the schema of everything inside.
const INNER: [&str; 2] = ["items", ADDITIONAL];

/// Whether `wanted` takes anything that `live` does not.
pub(super) fn adds(live: &Value, wanted: &Value) -> bool {
    let (live, wanted) = match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => (live, wanted),
        // Only `additionalProperties` can be without a schema; `true` takes all that any schema takes.
        (Value::Bool(true), _) | (_, Value::Null) => return false,
        (live, Value::Bool(wanted)) => return *wanted || live.is_null(),
        _ => return true,
    };
    if live.get("type") != wanted.get("type") {
        return !is_container(live) && !is_container(wanted) && !takes_both(live);
    }
    let fields = wanted.get(PROPERTIES).and_then(Value::as_object);
    let known = live.get(PROPERTIES);
    let field_adds =
        |(name, wanted): (&String, &Value)| match known.and_then(|known| known.get(name)) {
            Some(live) => adds(live, wanted),
            None => true,
        };
    is_true(wanted, PRESERVE) && !is_true(live, PRESERVE)
        || is_true(wanted, "nullable") && !is_true(live, "nullable")
        || enum_adds(live, wanted)
        || fields.is_some_and(|fields| fields.iter().any(field_adds))
        || INNER
            .into_iter()
            .any(|inner| match (live.get(inner), wanted.get(inner)) {
                (_, None) => false,
                (None, Some(_)) => !is_true(live, PRESERVE),
                (Some(live), Some(wanted)) => adds(live, wanted),
            })
}

/// What takes everything that `live` or `wanted` takes, with `wanted`'s rules where it has the node.
///
/// A node that is a list or a map in one and something else in the other stays what it is.
pub(super) fn union(live: &Value, wanted: &Value) -> Value {
    let (Some(before), Some(after)) = (live.as_object(), wanted.as_object()) else {
        return if adds(live, wanted) { wanted } else { live }.clone();
    };
    if before.get("type") != after.get("type") {
        let keeps = is_container(before) || is_container(after) || takes_both(before);
        return if keeps { live } else { wanted }.clone();
    }
    let mut union = after.clone();
    for flag in [PRESERVE, "nullable"] {
        if is_true(before, flag) {
            union.insert(flag.to_owned(), true.into());
        }
    }
    match enum_union(before, after) {
        Some(values) => union.insert(ENUM.to_owned(), values.into()),
        None => union.remove(ENUM),
    };
    for inner in INNER {
        if let Some(before) = before.get(inner) {
            let merged = self::union(before, after.get(inner).unwrap_or(&Value::Null));
            union.insert(inner.to_owned(), merged);
        }
    }
    if let Some(before) = before.get(PROPERTIES).and_then(Value::as_object) {
        let after = after.get(PROPERTIES).and_then(Value::as_object);
        let fields = fields_union(before, after.unwrap_or(&Map::new()));
        union.insert(PROPERTIES.to_owned(), Value::Object(fields));
    }
    // Kubernetes takes one of the two only.
    if union.contains_key(PROPERTIES) && union.remove(ADDITIONAL).is_some() {
        union.insert(PRESERVE.to_owned(), true.into());
    }
    Value::Object(union)
}

fn fields_union(before: &Map<String, Value>, after: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = after.clone();
    for (name, before) in before {
        let merged = union(before, after.get(name).unwrap_or(&Value::Null));
        fields.insert(name.clone(), merged);
    }
    fields
}

fn enum_union(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<Vec<Value>> {
    let (before, after) = (before.get(ENUM)?.as_array()?, after.get(ENUM)?.as_array()?);
    let mut values = before.clone();
    values.extend(
        after
            .iter()
            .filter(|value| !before.contains(value))
            .cloned(),
    );
    Some(values)
}

fn enum_adds(live: &Map<String, Value>, wanted: &Map<String, Value>) -> bool {
    match (live.get(ENUM), wanted.get(ENUM)) {
        (Some(Value::Array(live)), Some(Value::Array(wanted))) => {
            wanted.iter().any(|value| !live.contains(value))
        }
        (Some(_), None) => true,
        _ => false,
    }
}

fn is_true(schema: &Map<String, Value>, flag: &str) -> bool {
    schema.get(flag).is_some_and(|value| value == true)
}

fn is_container(schema: &Map<String, Value>) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    matches!(kind, Some("object" | "array"))
}

/// Numbers and texts, which has no `type` of its own.
fn takes_both(schema: &Map<String, Value>) -> bool {
    is_true(schema, INT_OR_STRING)
}
