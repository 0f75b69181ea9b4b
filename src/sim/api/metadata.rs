//! The metadata of an object: its rules, and what reading and writing it back does to it.

use serde_json::{Map, Value};

use super::collection::text_at;
use super::status_error::{FieldError, StatusError};

pub(super) fn without_metadata(object: &Value) -> Vec<(&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "metadata")
        .collect()
}

/// The metadata of an object, made when there is none.
pub(super) fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata
        .as_object_mut()
        .expect("it was made an object above")
}

/// Metadata is read into a struct and written back: what is empty does not come back. Returns whether there was any.
pub(super) fn drop_empty_metadata(object: &mut Value) -> bool {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    };
    let metadata = metadata(object);
    let before = metadata.len();
    // An empty `managedFields` may still say something.
    metadata.retain(|name, value| name == "managedFields" || !empty(value));
    metadata.len() < before
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array)
        .is_some_and(|all| !all.is_empty())
}

/// `checkName` (`handlers/rest.go`).
pub(super) fn check_name(object: &Value, name: &str) -> Result<(), StatusError> {
    let given = text_at(object, "/metadata/name");
    if given.is_empty() {
        let message = format!(
            "the name of the object ({name} based on URL) was undeterminable: name must be provided"
        );
        return Err(StatusError::bad_request(message));
    }
    if given != name {
        let message =
            format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(StatusError::bad_request(message));
    }
    Ok(())
}

/// The rules on a name: a DNS-1123 subdomain (`util/validation`).
pub(super) fn check_metadata(object: &Value) -> Vec<FieldError> {
    let name = text_at(object, "/metadata/name");
    let mut errors = Vec::new();
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
        return errors;
    }
    let value = Value::from(name);
    if name.len() > 253 {
        errors.push(FieldError::invalid(
            "metadata.name",
            &value,
            "must be no more than 253 bytes",
        ));
    }
    if !is_subdomain(name) {
        let detail = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
                      must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                      '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
        errors.push(FieldError::invalid("metadata.name", &value, detail));
    }
    errors.extend(check_labels(object));
    errors
}

/// The rules on the values of labels (`ValidateLabels`, `meta/v1/validation`).
fn check_labels(object: &Value) -> Vec<FieldError> {
    const PATTERN: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                           must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                           regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let labels = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let mut errors = Vec::new();
    for value in labels.into_iter().flat_map(Map::values) {
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            let detail = "must be no more than 63 bytes";
            errors.push(FieldError::invalid("metadata.labels", value, detail));
        }
        if !is_label_value(text) {
            errors.push(FieldError::invalid("metadata.labels", value, PATTERN));
        }
    }
    errors
}

fn is_label_value(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let inside = |c: char| alphanumeric(c) || matches!(c, '-' | '_' | '.');
    text.is_empty()
        || text.starts_with(alphanumeric)
            && text.ends_with(alphanumeric)
            && text.chars().all(inside)
}

fn is_subdomain(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.split('.').all(|label| {
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    })
}

pub(super) fn check_metadata_update(object: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let deleting = !text_at(old, "/metadata/deletionTimestamp").is_empty();
    let finalizers = |object: &Value| {
        object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let known = finalizers(old);
    let added: Vec<String> = finalizers(object)
        .iter()
        .filter(|one| !known.contains(one))
        .map(Value::to_string)
        .collect();
    if deleting && !added.is_empty() {
        let detail = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        );
        errors.push(FieldError::forbidden("metadata.finalizers", &detail));
    }
    for name in ["name", "namespace", "uid"] {
        let pointer = format!("/metadata/{name}");
        if object.pointer(&pointer) != old.pointer(&pointer) {
            let value = object
                .pointer(&pointer)
                .cloned()
                .unwrap_or_else(|| "".into());
            errors.push(FieldError::invalid(
                &format!("metadata.{name}"),
                &value,
                "field is immutable",
            ));
        }
    }
    errors
}
