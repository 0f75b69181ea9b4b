//! Checks on a whole object, and what the server does to it before: unknown fields pruned, defaults filled in.
//!
//! Wording after kube-openapi's validators and `apiextensions-apiserver/pkg/registry/customresource`. On an update a
//! value that did not change is not checked again (ratcheting, `CRDValidationRatcheting`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::rules;
use super::schema::{Form, ListForm, ListKind, MapForm, NumberForm, Schema, TextForm};
use super::status_error::FieldError;

/// Which checks are on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// Whether `format: int32` bounds a number, as it does from Kubernetes 1.36 on.
    pub(super) int32: bool,
}

/// Takes out the fields a schema does not know; returns their paths, those of the metadata first.
pub(super) fn prune_unknown(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune(schema, object, "", &mut unknown);
    unknown.sort_by_key(|path: &String| !path.starts_with("metadata."));
    unknown
}

fn prune(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            let refused: Vec<String> = entries
                .keys()
                .filter(|key| map.child(key).is_none())
                .cloned()
                .collect();
            for key in refused {
                entries.remove(&key);
                unknown.push(joined(path, &key));
            }
            for (key, item) in entries.iter_mut() {
                if let Some((inner, _)) = map.child(key) {
                    prune(inner, item, &joined(path, key), unknown);
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&list.items, item, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Drops nulls where there may be none and no default replaces them: what reading a body does.
pub(super) fn drop_nulls(schema: &Schema, value: &mut Value) {
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            entries.retain(|key, item| {
                let field = map.child(key).map(|(inner, _)| inner);
                let stays = |field: &Schema| field.nullable || field.default.is_some();
                !item.is_null() || field.is_none_or(stays)
            });
            for (key, item) in entries.iter_mut() {
                if let Some((inner, _)) = map.child(key) {
                    drop_nulls(inner, item);
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            for item in items {
                drop_nulls(&list.items, item);
            }
        }
        _ => {}
    }
}

/// Fills in defaults, for missing fields and for nulls where there may be none.
pub(super) fn fill_defaults(schema: &Schema, value: &mut Value) {
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            for (name, field) in &map.fields {
                let Some(default) = &field.default else {
                    continue;
                };
                let entry = entries.entry(name.clone()).or_insert(Value::Null);
                if entry.is_null() {
                    *entry = default.clone();
                }
            }
            for (key, item) in entries.iter_mut() {
                if let Some((inner, _)) = map.child(key) {
                    fill_defaults(inner, item);
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            for item in items {
                fill_defaults(&list.items, item);
            }
        }
        _ => {}
    }
}

/// Adds to `errors` every field of `object` that is not as its schema wants it. `old` is the object before the update.
pub(super) fn check(
    schema: &Schema,
    object: &Value,
    old: Option<&Value>,
    checks: Checks,
    errors: &mut Vec<FieldError>,
) {
    check_value(schema, object, old, "", checks, errors);
    check_unique(schema, object, old, "", errors);
    if schema.has_rules() {
        if errors.iter().any(FieldError::blocks_rules) {
            errors.push(FieldError::invalid(
                "<nil>",
                &Value::Null,
                "some validation rules were not checked because the object was invalid; correct the existing errors to \
                 complete validation",
            ));
        } else {
            check_rules(schema, object, old, "", errors);
        }
    }
}

fn check_value(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    checks: Checks,
    errors: &mut Vec<FieldError>,
) {
    if old == Some(value) || (value.is_null() && schema.nullable) {
        return;
    }
    match (&schema.form, value) {
        (Form::Any | Form::Quantity, _) | (Form::Boolean, Value::Bool(_)) => {}
        (Form::Number(form), Value::Number(number)) => {
            if form.integer && is_fraction(number) {
                let format = form.format.as_deref();
                let (wanted, found) =
                    format.map_or(("integer", "number"), |format| (format, "float64"));
                errors.push(FieldError::wrong_type(
                    path,
                    found,
                    &type_detail(path, wanted, found),
                ));
            }
            check_number(form, value, path, checks, errors);
        }
        (Form::Text(form), Value::String(text)) => check_text(form, text, path, errors),
        (Form::Map(form), Value::Object(entries)) => {
            check_map(form, entries, old, path, checks, errors);
        }
        (Form::List(form), Value::Array(items)) => {
            check_list(form, items, old, path, checks, errors);
        }
        (form, other) => {
            let (wanted, found) = (type_name(form), json_type(other));
            errors.push(FieldError::wrong_type(
                path,
                found,
                &type_detail(path, wanted, found),
            ));
        }
    }
}

fn type_detail(path: &str, wanted: &str, found: &str) -> String {
    format!("{path} in body must be of type {wanted}: \"{found}\"")
}

fn is_fraction(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|number| number.fract() != 0.0)
}

fn check_number(
    form: &NumberForm,
    value: &Value,
    path: &str,
    checks: Checks,
    errors: &mut Vec<FieldError>,
) {
    let Some(number) = value.as_f64() else { return };
    let mut invalid = |detail: String| errors.push(FieldError::invalid(path, value, &detail));
    if let Some(maximum) = form.maximum.filter(|maximum| number > *maximum) {
        invalid(format!(
            "{path} in body should be less than or equal to {maximum}"
        ));
    }
    if let Some(minimum) = form.minimum.filter(|minimum| number < *minimum) {
        invalid(format!(
            "{path} in body should be greater than or equal to {minimum}"
        ));
    }
    let int32 = form.format.as_deref() == Some("int32") && form.integer && checks.int32;
    let fits =
        number >= f64::from(i32::MIN) && number <= f64::from(i32::MAX) && number.fract() == 0.0;
    if int32 && !fits {
        // The validator's plain error loses the field (`kubeOpenAPIResultToFieldErrors`).
        let detail = format!("Checked value must be of type integer with format int32 in {path}");
        errors.push(FieldError::invalid("<nil>", &Value::from(""), &detail));
    }
}

fn check_text(form: &TextForm, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let length = text.chars().count() as u64;
    if let Some(limit) = form.max_length.filter(|limit| length > *limit) {
        errors.push(FieldError::too_long(path, limit));
    }
    if let Some(limit) = form.min_length.filter(|limit| length < *limit) {
        let detail = format!("{path} in body should be at least {limit} chars long");
        errors.push(FieldError::invalid(path, &text.into(), &detail));
    }
    if let Some(format) = form
        .format
        .as_deref()
        .filter(|format| !has_format(format, text))
    {
        let detail = format!(
            "{path} in body must be of type {format}: {}",
            Value::from(text)
        );
        errors.push(FieldError::wrong_type(path, text, &detail));
    }
    if !form.words.is_empty() && !form.words.iter().any(|word| word == text) {
        errors.push(FieldError::not_supported(path, &text.into(), &form.words));
    }
}

/// Of the formats the server knows only `cidr` matters here; host bits are allowed, as `ParseCIDRSloppy` does.
fn has_format(format: &str, text: &str) -> bool {
    if format != "cidr" {
        return true;
    }
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let (Ok(address), Ok(length)) = (address.parse::<IpAddr>(), length.parse::<u8>()) else {
        return false;
    };
    length <= if address.is_ipv4() { 32 } else { 128 }
}

fn check_map(
    form: &MapForm,
    entries: &Map<String, Value>,
    old: Option<&Value>,
    path: &str,
    checks: Checks,
    errors: &mut Vec<FieldError>,
) {
    for (key, item) in entries {
        if let Some((inner, _)) = form.child(key) {
            check_value(
                inner,
                item,
                old.and_then(|old| old.get(key)),
                &joined(path, key),
                checks,
                errors,
            );
        }
    }
    for name in form
        .required
        .iter()
        .filter(|name| !entries.contains_key(*name))
    {
        errors.push(FieldError::required(&joined(path, name), ""));
    }
}

fn check_list(
    form: &ListForm,
    items: &[Value],
    old: Option<&Value>,
    path: &str,
    checks: Checks,
    errors: &mut Vec<FieldError>,
) {
    if let Some(limit) = form.max_items.filter(|limit| items.len() as u64 > *limit) {
        errors.push(FieldError::too_many(path, items.len(), limit));
    }
    if let Some(limit) = form.min_items.filter(|limit| (items.len() as u64) < *limit) {
        let detail = format!("{path} in body should have at least {limit} items");
        errors.push(FieldError::invalid(path, &items.len().into(), &detail));
    }
    let old_items = old.and_then(Value::as_array);
    for (index, item) in items.iter().enumerate() {
        // Only keyed items can be told to be the same as before.
        let before = match &form.kind {
            ListKind::Keyed(keys) => old_items.and_then(|old| {
                old.iter()
                    .find(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
            }),
            _ => None,
        };
        check_value(
            &form.items,
            item,
            before,
            &format!("{path}[{index}]"),
            checks,
            errors,
        );
    }
}

/// Sets and keyed lists hold nothing twice (`schema/listtype`).
fn check_unique(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if old == Some(value) {
        return;
    }
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            for (key, item) in entries
                .iter()
                .filter(|(key, _)| path.is_empty() && *key != "metadata" || !path.is_empty())
            {
                if let Some((inner, _)) = map.child(key) {
                    check_unique(
                        inner,
                        item,
                        old.and_then(|old| old.get(key)),
                        &joined(path, key),
                        errors,
                    );
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let at = format!("{path}[{index}]");
                let identity = match &list.kind {
                    ListKind::Atomic => None,
                    ListKind::Set => Some(item.clone()),
                    ListKind::Keyed(keys) => Some(
                        keys.iter()
                            .filter_map(|key| item.get(key).map(|part| (key.clone(), part.clone())))
                            .collect(),
                    ),
                };
                if let Some(identity) =
                    identity.filter(|identity| !seen.insert(identity.to_string()))
                {
                    errors.push(FieldError::duplicate(&at, &identity));
                }
                check_unique(&list.items, item, None, &at, errors);
            }
        }
        _ => {}
    }
}

fn check_rules(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if value.is_null() {
        return;
    }
    for rule in &schema.rules {
        if old == Some(value) || rules::holds(&rule.expression, value, old) != Some(false) {
            continue;
        }
        errors.push(match rule.reason.as_str() {
            "FieldValueForbidden" => FieldError::forbidden(path, &rule.message),
            "FieldValueRequired" => FieldError::required(path, &rule.message),
            "FieldValueDuplicate" => FieldError::duplicate(path, value),
            _ if value.is_object() || value.is_array() => {
                FieldError::invalid_whole(path, &rule.message)
            }
            _ => FieldError::invalid(path, value, &rule.message),
        });
    }
    match (&schema.form, value) {
        (Form::Map(map), Value::Object(entries)) => {
            for (key, item) in entries {
                if let Some((inner, _)) = map.child(key) {
                    check_rules(
                        inner,
                        item,
                        old.and_then(|old| old.get(key)),
                        &joined(path, key),
                        errors,
                    );
                }
            }
        }
        (Form::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                check_rules(&list.items, item, None, &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn type_name(form: &Form) -> &'static str {
    match form {
        Form::Any | Form::Quantity => "",
        Form::Boolean => "boolean",
        Form::Number(number) if number.integer => "integer",
        Form::Number(_) => "number",
        Form::Text(_) => "string",
        Form::Map(_) => "object",
        Form::List(_) => "array",
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
