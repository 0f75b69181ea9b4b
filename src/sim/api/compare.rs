//! What differs between two typed values, path by path.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{Element, FieldSet, Path};
use super::schema::{ListForm, Schema};
use super::typed::{Shape, associative, child, element_of, entries, is_atomic_map, shape};

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

type Groups<'v> = BTreeMap<Element, Vec<&'v Value>>;

fn grouped<'v>(list: &ListForm, value: Option<&'v Value>) -> Groups<'v> {
    let mut groups = Groups::new();
    for item in value.and_then(Value::as_array).into_iter().flatten() {
        groups.entry(element_of(list, item)).or_default().push(item);
    }
    groups
}
