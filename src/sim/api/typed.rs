//! The structural operations of server-side apply on typed values: field set, comparison, merge, removal.
//!
//! Behaviour after structured-merge-diff v6's `typed` package, oddities included: an absent map whose keys appear counts
//! as an added field itself, an empty list of a set owns nothing, a `null` map in a configuration changes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::fields::{Element, FieldSet, Path, display};
use super::schema::{ANY, Form, ListForm, ListKind, MapForm, Schema};

/// How a value is taken apart.
enum Shape<'s> {
    Scalar,
    /// A map; without a form every key is undeclared.
    Map(Option<&'s MapForm>),
    /// A list; without a form it is atomic.
    List(Option<&'s ListForm>),
}

fn shape<'s>(schema: &'s Schema, value: &Value) -> Shape<'s> {
    match (&schema.form, value) {
        (Form::Map(map), _) => Shape::Map(Some(map)),
        (Form::List(list), _) => Shape::List(Some(list)),
        (Form::Any, Value::Object(_)) => Shape::Map(None),
        (Form::Any, Value::Array(_)) => Shape::List(None),
        _ => Shape::Scalar,
    }
}

fn child<'s>(form: Option<&'s MapForm>, key: &str) -> (&'s Schema, bool) {
    form.map_or((&ANY, false), |map| map.child(key).unwrap_or((&ANY, false)))
}

fn is_atomic_map(form: Option<&MapForm>) -> bool {
    form.is_some_and(|map| map.atomic)
}

/// The form of a list whose items have owners of their own.
fn associative(form: Option<&ListForm>) -> Option<&ListForm> {
    form.filter(|list| list.kind != ListKind::Atomic)
}

fn element_of(list: &ListForm, item: &Value) -> Element {
    match &list.kind {
        ListKind::Keyed(keys) => Element::Key(
            keys.iter()
                .filter_map(|key| item.get(key).map(|value| (key.clone(), value.to_string())))
                .collect(),
        ),
        ListKind::Set | ListKind::Atomic => Element::Item(item.to_string()),
    }
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

/// What differs between two versions of an object.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Comparison {
    pub(super) fn between(schema: &Schema, before: &Value, after: &Value) -> Self {
        let mut comparison = Self::default();
        comparison.walk(schema, Some(before), Some(after), &mut Path::new());
        comparison
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>, path: &Path) {
        match (before, after) {
            (None, _) => self.added.insert(path.clone()),
            (_, None) => self.removed.insert(path.clone()),
            (Some(before), Some(after)) if before != after => self.modified.insert(path.clone()),
            _ => {}
        }
    }

    fn walk(
        &mut self,
        schema: &Schema,
        before: Option<&Value>,
        after: Option<&Value>,
        path: &mut Path,
    ) {
        if before == after {
            return;
        }
        let model = after
            .filter(|value| !value.is_null())
            .or(before)
            .unwrap_or(&Value::Null);
        match shape(schema, model) {
            Shape::Map(form) if !is_atomic_map(form) => {
                let (old, new) = (entries(before), entries(after));
                if !old.is_empty() || !new.is_empty() {
                    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).copied().collect();
                    for key in keys {
                        path.push(Element::field(key));
                        let (inner, _) = child(form, key);
                        self.walk(inner, old.get(key).copied(), new.get(key).copied(), path);
                        path.pop();
                    }
                    return self.container(before, after, path);
                }
            }
            Shape::List(form) => {
                if let Some(list) = associative(form) {
                    let (old, new) = (grouped(list, before), grouped(list, after));
                    if !old.is_empty() || !new.is_empty() {
                        self.walk_items(list, &old, &new, path);
                        return self.container(before, after, path);
                    }
                }
            }
            _ => {}
        }
        self.leaf(before, after, path);
    }

    /// A map or list that appears or goes is itself a change, beside what is in it.
    fn container(&mut self, before: Option<&Value>, after: Option<&Value>, path: &Path) {
        if before.is_none() {
            self.added.insert(path.clone());
        } else if after.is_none() {
            self.removed.insert(path.clone());
        }
    }

    fn walk_items(&mut self, list: &ListForm, old: &Groups<'_>, new: &Groups<'_>, path: &mut Path) {
        let elements: BTreeSet<&Element> = old.keys().chain(new.keys()).collect();
        for element in elements {
            let before = old.get(element).map(Vec::as_slice).unwrap_or_default();
            let after = new.get(element).map(Vec::as_slice).unwrap_or_default();
            path.push(element.clone());
            match (before, after) {
                ([] | [_], [] | [_]) => {
                    self.walk(
                        &list.items,
                        before.first().copied(),
                        after.first().copied(),
                        path,
                    );
                }
                ([_, _, ..], [_, _, ..]) => {
                    if before != after {
                        self.modified.insert(path.clone());
                    }
                }
                ([_, _, ..], _) => {
                    if let Some(item) = after.first() {
                        self.walk(&list.items, None, Some(item), path);
                    }
                    self.removed.insert(path.clone());
                }
                (_, _) => {
                    if let Some(item) = before.first() {
                        self.walk(&list.items, Some(item), None, path);
                    }
                    self.added.insert(path.clone());
                }
            }
            path.pop();
        }
    }
}

fn entries(value: Option<&Value>) -> BTreeMap<&String, &Value> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .collect()
}

type Groups<'v> = BTreeMap<Element, Vec<&'v Value>>;

fn grouped<'v>(list: &ListForm, value: Option<&'v Value>) -> Groups<'v> {
    let mut groups = Groups::new();
    for item in value.and_then(Value::as_array).into_iter().flatten() {
        groups.entry(element_of(list, item)).or_default().push(item);
    }
    groups
}

/// `live` overlaid by `config`.
pub(super) fn merge(schema: &Schema, live: &Value, config: &Value) -> Value {
    merge_sides(schema, Some(live), Some(config)).unwrap_or(Value::Null)
}

fn merge_sides(schema: &Schema, live: Option<&Value>, config: Option<&Value>) -> Option<Value> {
    let overlay = || config.or(live).cloned();
    let model = config
        .filter(|value| !value.is_null())
        .or(live)
        .or(config)?;
    match shape(schema, model) {
        Shape::Map(form) if !is_atomic_map(form) => {
            let (old, new) = (entries(live), entries(config));
            if old.is_empty() && new.is_empty() {
                return overlay();
            }
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).copied().collect();
            let merged: Map<String, Value> = keys
                .into_iter()
                .filter_map(|key| {
                    let (inner, _) = child(form, key);
                    merge_sides(inner, old.get(key).copied(), new.get(key).copied())
                        .map(|value| (key.clone(), value))
                })
                .collect();
            Some(Value::Object(merged))
        }
        Shape::List(form) => match associative(form) {
            Some(list) => {
                let (old, new) = (items(live), items(config));
                if old.is_empty() && new.is_empty() {
                    return overlay();
                }
                Some(Value::Array(merge_items(list, old, new)))
            }
            None => overlay(),
        },
        _ => overlay(),
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Unites two associative lists. Items only in `live` keep their place before what follows them; items in both stand in
/// the order of `config`.
fn merge_items(list: &ListForm, live: &[Value], config: &[Value]) -> Vec<Value> {
    let live_elements: Vec<Element> = live.iter().map(|item| element_of(list, item)).collect();
    let config_elements: Vec<Element> = config.iter().map(|item| element_of(list, item)).collect();
    let in_config: BTreeMap<&Element, &Value> = config_elements.iter().zip(config).collect();
    let mut in_live: BTreeMap<&Element, Option<&Value>> = BTreeMap::new();
    for (element, item) in live_elements.iter().zip(live) {
        // What stands twice in the live list is not merged with.
        in_live
            .entry(element)
            .and_modify(|known| *known = None)
            .or_insert(Some(item));
    }
    let mut shared: VecDeque<&Element> = config_elements
        .iter()
        .filter(|element| in_live.contains_key(element))
        .collect();
    let mut next_shared = shared.pop_front();
    let mut done: BTreeSet<&Element> = BTreeSet::new();
    let mut merged = Vec::new();
    let mut take = |element: &Element, live_item: Option<&Value>, config_item: Option<&Value>| {
        debug_assert!(
            live_item.is_some() || config_item.is_some(),
            "{element:?} comes from a side"
        );
        merged.extend(merge_sides(&list.items, live_item, config_item));
    };
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < config.len() {
        let ours = live_elements.get(left);
        let theirs = config_elements.get(right);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            if ours == theirs {
                done.insert(theirs);
                take(
                    ours,
                    in_live.get(ours).copied().flatten(),
                    in_config.get(ours).copied(),
                );
                left += 1;
                right += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if in_config.contains_key(ours) && next_shared.is_some_and(|next| next != ours) {
                left += 1;
                continue;
            }
        }
        if let Some(ours) = ours {
            if !in_config.contains_key(ours) {
                take(ours, live.get(left), None);
                left += 1;
                continue;
            }
            if done.contains(ours) {
                left += 1;
            }
        }
        if let Some(theirs) = theirs {
            done.insert(theirs);
            take(
                theirs,
                in_live.get(theirs).copied().flatten(),
                in_config.get(theirs).copied(),
            );
            right += 1;
            if next_shared == Some(theirs) {
                next_shared = shared.pop_front();
            }
        }
    }
    merged
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
        (Form::Any, _)
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
            for item in items {
                path.push(element_of(list, item));
                let element = element_of(list, item);
                if list.kind != ListKind::Atomic
                    && refuse_duplicates
                    && !seen.insert(element.clone())
                {
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
