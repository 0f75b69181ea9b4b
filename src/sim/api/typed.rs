//! The structural operations of server-side apply on typed values: field set, comparison, merge, removal.
//!
//! Behaviour after structured-merge-diff v6's `typed` package, oddities included: an absent map whose keys appear counts
//! as an added field itself, an empty list of a set owns nothing, a `null` map in a configuration changes nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fields::{Element, FieldSet, Path};
use super::schema::{ANY, Form, ListForm, ListKind, MapForm, Schema};

/// How a value is taken apart.
pub(super) enum Shape<'s> {
    Scalar,
    /// A map; without a form every key is undeclared.
    Map(Option<&'s MapForm>),
    /// A list; without a form it is atomic.
    List(Option<&'s ListForm>),
}

pub(super) fn shape<'s>(schema: &'s Schema, value: &Value) -> Shape<'s> {
    match (&schema.form, value) {
        (Form::Map(map), _) => Shape::Map(Some(map)),
        (Form::List(list), _) => Shape::List(Some(list)),
        (Form::Any, Value::Object(_)) => Shape::Map(None),
        (Form::Any, Value::Array(_)) => Shape::List(None),
        _ => Shape::Scalar,
    }
}

pub(super) fn child<'s>(form: Option<&'s MapForm>, key: &str) -> (&'s Schema, bool) {
    form.map_or((&ANY, false), |map| map.child(key).unwrap_or((&ANY, false)))
}

pub(super) fn is_atomic_map(form: Option<&MapForm>) -> bool {
    form.is_some_and(|map| map.atomic)
}

/// The form of a list whose items have owners of their own.
pub(super) fn associative(form: Option<&ListForm>) -> Option<&ListForm> {
    form.filter(|list| list.kind != ListKind::Atomic)
}

pub(super) fn element_of(list: &ListForm, item: &Value) -> Element {
    match &list.kind {
        ListKind::Keyed(keys) => Element::Key(
            keys.iter()
                .filter_map(|key| {
                    let value = item.get(key).or_else(|| list.items.default_of(key))?;
                    Some((key.clone(), value.to_string()))
                })
                .collect(),
        ),
        ListKind::Set | ListKind::Atomic => Element::Item(item.to_string()),
    }
}

/// The entries of a map, none when it is no map.
pub(super) fn entries(value: Option<&Value>) -> BTreeMap<&String, &Value> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .collect()
}

/// The paths a configuration holds: what its applier will own.
pub(super) fn field_set(schema: &Schema, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    collect(schema, value, &mut Path::new(), &mut set);
    set
}

fn collect(schema: &Schema, value: &Value, path: &mut Path, set: &mut FieldSet) {
    match shape(schema, value) {
        Shape::Scalar => set.insert(path.clone()),
        Shape::Map(form) if is_atomic_map(form) => set.insert(path.clone()),
        Shape::Map(form) => {
            for (key, item) in value.as_object().into_iter().flatten() {
                let (inner, declared) = child(form, key);
                path.push(Element::field(key));
                collect(inner, item, path, set);
                if !declared || item.is_null() || item.as_object().is_some_and(Map::is_empty) {
                    set.insert(path.clone());
                }
                path.pop();
            }
        }
        Shape::List(form) => match associative(form) {
            None => set.insert(path.clone()),
            Some(list) => {
                for item in value.as_array().into_iter().flatten() {
                    path.push(element_of(list, item));
                    collect(&list.items, item, path, set);
                    set.insert(path.clone());
                    path.pop();
                }
            }
        },
    }
}

/// `value` without what stands at the members of `set`. What is emptied on the way becomes null.
pub(super) fn remove(schema: &Schema, value: &Value, set: &FieldSet) -> Value {
    remove_below(schema, value, set, &mut Path::new())
}

fn remove_below(schema: &Schema, value: &Value, set: &FieldSet, path: &mut Path) -> Value {
    match shape(schema, value) {
        Shape::Scalar => value.clone(),
        Shape::Map(form) => {
            if is_atomic_map(form) {
                return Value::Null;
            }
            let mut kept = Map::new();
            for (key, item) in value.as_object().into_iter().flatten() {
                path.push(Element::field(key));
                if !set.contains(path) {
                    let (inner, _) = child(form, key);
                    kept.insert(key.clone(), pruned_item(inner, item, set, path));
                }
                path.pop();
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
        Shape::List(form) => {
            let Some(list) = associative(form) else {
                return Value::Null;
            };
            let mut kept = Vec::new();
            for item in value.as_array().into_iter().flatten() {
                path.push(element_of(list, item));
                if !set.contains(path) {
                    kept.push(pruned_item(&list.items, item, set, path));
                }
                path.pop();
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
    }
}

fn pruned_item(schema: &Schema, item: &Value, set: &FieldSet, path: &mut Path) -> Value {
    if set.reaches_below(path) {
        remove_below(schema, item, set, path)
    } else {
        item.clone()
    }
}

/// `set` and, for each member, the declared fields on the way to it.
pub(super) fn with_named_parents(schema: &Schema, set: &FieldSet) -> FieldSet {
    let mut extended = set.clone();
    for path in set.iter() {
        let mut schema = schema;
        for (depth, element) in path.iter().enumerate() {
            let (inner, declared) = match (&schema.form, element) {
                (Form::Map(map), Element::Field(name)) => child(Some(map), name),
                (Form::List(list), _) => (&*list.items, false),
                _ => (&ANY, false),
            };
            if declared && depth + 1 < path.len() {
                extended.insert(path.iter().take(depth + 1).cloned().collect());
            }
            schema = inner;
        }
    }
    extended
}
