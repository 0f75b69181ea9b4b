//! Whether a configuration fits its schema in the eyes of server-side apply.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{Element, Path, display};
use super::schema::{Form, ListKind, Schema};
use super::typed::element_of;

/// What makes a value unfit for its schema in the eyes of server-side apply, nothing when it fits.
pub(super) fn misfit(schema: &Schema, value: &Value, refuse_duplicates: bool) -> Option<String> {
    let mut problems = Vec::new();
    find_misfits(
        schema,
        value,
        refuse_duplicates,
        &mut Path::new(),
        &mut problems,
    );
    match problems.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn find_misfits(
    schema: &Schema,
    value: &Value,
    refuse_duplicates: bool,
    path: &mut Path,
    problems: &mut Vec<String>,
) {
    let mut report = |path: &Path, text: &str| problems.push(format!("{}: {text}", display(path)));
    match (&schema.form, value) {
        (Form::Any | Form::Quantity, _)
        | (_, Value::Null)
        | (Form::Number(_), Value::Number(_))
        | (Form::Text(_), Value::String(_))
        | (Form::Boolean, Value::Bool(_)) => {}
        (Form::Map(map), Value::Object(entries)) => {
            for (key, item) in entries {
                path.push(Element::field(key));
                let Some((inner, _)) = map.child(key) else {
                    problems.push(format!("{}: field not declared in schema", display(path)));
                    path.pop();
                    break;
                };
                find_misfits(inner, item, refuse_duplicates, path, problems);
                path.pop();
            }
        }
        (Form::List(list), Value::Array(items)) => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let atomic = list.kind == ListKind::Atomic;
                let element = if atomic {
                    Element::Index(index)
                } else {
                    element_of(list, item)
                };
                path.push(element.clone());
                if !atomic && refuse_duplicates && !seen.insert(element.clone()) {
                    let parent: Path = path.iter().take(path.len() - 1).cloned().collect();
                    let duplicate = display(std::slice::from_ref(&element));
                    problems.push(format!(
                        "{}: duplicate entries for key {duplicate}",
                        display(&parent)
                    ));
                }
                find_misfits(&list.items, item, refuse_duplicates, path, problems);
                path.pop();
            }
        }
        (Form::Map(_), other) => report(path, &format!("expected map, got {}", printed(other))),
        (Form::List(_), other) => report(path, &format!("expected list, got {}", printed(other))),
        (Form::Number(_), other) => report(
            path,
            &format!("expected numeric (int or float), got {}", go_type(other)),
        ),
        (Form::Text(_), other) => report(path, &format!("expected string, got {}", printed(other))),
        (Form::Boolean, other) => {
            report(path, &format!("expected boolean, got {}", printed(other)));
        }
    }
}

fn printed(value: &Value) -> String {
    format!(
        "&{{{}}}",
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    )
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Null => "<nil>",
        Value::Number(_) => "int64",
    }
}
