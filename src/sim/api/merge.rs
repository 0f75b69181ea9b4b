//! Merging a configuration into a live object, and RFC 7386.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::fields::Element;
use super::schema::{ListForm, Schema};
use super::typed::{Shape, associative, child, element_of, entries, is_atomic_map, shape};

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

/// RFC 7386.
pub(super) fn merge_json(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(entries) = target.as_object_mut() else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            entries.remove(name);
        } else {
            merge_json(entries.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}
