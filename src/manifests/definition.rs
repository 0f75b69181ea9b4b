//! CustomResourceDefinitions: they only grow, and AS numbers in them have 32 bits without a sign.

mod schema;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::Document;

const DEFINITION: &str = "CustomResourceDefinition";
/// The largest AS number (RFC 6793).
const LARGEST_AS_NUMBER: u64 = 4_294_967_295;

/// Lets the AS numbers of a definition be as large as AS numbers are: Calico's definitions call them `int32`, and
/// Kubernetes enforces that from 1.36 (kubernetes/kubernetes 136582).
pub(super) fn widen_as_numbers(document: &mut Document) {
    if document.kind() == DEFINITION
        && let Some(versions) = document.value_mut().pointer_mut("/spec/versions")
    {
        widen(versions);
    }
}

/// The places of AS numbers, by name: `BGPConfiguration` and `BGPPeer` have the first two, `BGPFilter` the others.
fn widen(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(widen),
        Value::Object(fields) => {
            for (name, field) in fields {
                let number = match name.as_str() {
                    "asNumber" | "localASNumber" => "",
                    "asPathPrefix" => "/items",
                    "prependASPath" => "/properties/prefix/items",
                    _ => {
                        widen(field);
                        continue;
                    }
                };
                if let Some(Value::Object(schema)) = field.pointer_mut(number) {
                    widen_number(schema);
                }
            }
        }
        _ => {}
    }
}

fn widen_number(schema: &mut Map<String, Value>) {
    if schema.get("format").is_some_and(|format| format == "int32") {
        schema.remove("format");
        schema.insert("maximum".to_owned(), LARGEST_AS_NUMBER.into());
    }
}

/// The definition that takes everything that `live` or `wanted` takes: fields, enum values and versions of both. `None`
/// when `live` has all of that, so that nothing is written.
///
/// Where a version of `wanted` brings anything that the live one lacks, rules that are neither (patterns, limits,
/// CEL, descriptions) are those of `wanted` for all it knows: they were written to go together, and Kubernetes
/// estimates the cost of a rule from the limits below it.
#[must_use]
pub fn widened(live: &Value, wanted: &Document) -> Option<Document> {
    let mut wanted = wanted.clone();
    widen_as_numbers(&mut wanted);
    let mut there = versions(live).to_vec();
    there.iter_mut().for_each(widen);
    let mut has_grown = there != versions(live);

    let mut merged: Vec<Value> = Vec::new();
    for version in versions(wanted.value()) {
        match there.iter().position(|one| one["name"] == version["name"]) {
            None => {
                merged.push(version.clone());
                has_grown = true;
            }
            Some(index) => {
                let live = there.remove(index);
                let grows = version_adds(&live, version);
                has_grown |= grows;
                merged.push(if grows {
                    version_union(&live, version)
                } else {
                    live
                });
            }
        }
    }
    // What only the live one has stays served, but only one version can be the stored one.
    let stored = merged.iter().any(|version| version["storage"] == true);
    for mut version in there {
        if stored && let Some(fields) = version.as_object_mut() {
            fields.insert("storage".to_owned(), false.into());
        }
        merged.push(version);
    }

    let mut names = wanted.value()["spec"]["names"].clone();
    for list in ["shortNames", "categories"] {
        let live = &live["spec"]["names"][list];
        has_grown |= list_adds(live, &names[list]);
        let union = list_union(live, &names[list]);
        set(&mut names, list, union);
    }
    if !has_grown {
        return None;
    }
    if let Some(Value::Object(spec)) = wanted.value_mut().get_mut("spec") {
        spec.insert("versions".to_owned(), merged.into());
        spec.insert("names".to_owned(), names);
        // Somebody's conversion webhook: left out, it stays.
        if live["spec"]["conversion"]["strategy"] == "Webhook" {
            spec.remove("conversion");
        }
    }
    Some(wanted)
}

fn versions(definition: &Value) -> &[Value] {
    definition["spec"]["versions"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

/// Lists of a version by the field that tells their items apart.
const LISTS: [(&str, &str); 2] = [
    ("additionalPrinterColumns", "name"),
    ("selectableFields", "jsonPath"),
];
const SUBRESOURCES: &str = "subresources";

fn version_adds(live: &Value, wanted: &Value) -> bool {
    let becomes = |flag: &str| wanted[flag] == true && live[flag] != true;
    let has_more = |(list, key): (&str, &str)| keyed_adds(&live[list], &wanted[list], key);
    let subresources = wanted[SUBRESOURCES].as_object().into_iter().flatten();
    becomes("served")
        || becomes("storage")
        || LISTS.into_iter().any(has_more)
        || subresources
            .into_iter()
            .any(|(name, _)| live[SUBRESOURCES].get(name).is_none())
        || schema::adds(schema_of(live), schema_of(wanted))
}

fn version_union(live: &Value, wanted: &Value) -> Value {
    let mut union = wanted.clone();
    set(
        &mut union,
        "served",
        Some((live["served"] == true || wanted["served"] == true).into()),
    );
    for (list, key) in LISTS {
        set(
            &mut union,
            list,
            keyed_union(&live[list], &wanted[list], key),
        );
    }
    let mut subresources = live[SUBRESOURCES].as_object().cloned().unwrap_or_default();
    subresources.extend(
        wanted[SUBRESOURCES]
            .as_object()
            .cloned()
            .unwrap_or_default(),
    );
    let subresources = Some(subresources).filter(|all| !all.is_empty());
    set(&mut union, SUBRESOURCES, subresources.map(Value::Object));
    let root = schema::union(schema_of(live), schema_of(wanted));
    set(
        &mut union,
        "schema",
        Some(serde_json::json!({"openAPIV3Schema": root})),
    );
    union
}

fn schema_of(version: &Value) -> &Value {
    &version["schema"]["openAPIV3Schema"]
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(field.to_owned(), value);
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn list_adds(live: &Value, wanted: &Value) -> bool {
    items(wanted).iter().any(|item| !items(live).contains(item))
}

fn list_union(live: &Value, wanted: &Value) -> Option<Value> {
    let mut union = items(live).to_vec();
    let new = items(wanted)
        .iter()
        .filter(|item| !items(live).contains(item));
    union.extend(new.cloned());
    (!union.is_empty()).then(|| union.into())
}

fn keyed_adds(live: &Value, wanted: &Value, key: &str) -> bool {
    let has = |item: &Value| items(live).iter().any(|one| one[key] == item[key]);
    items(wanted).iter().any(|item| !has(item))
}

fn keyed_union(live: &Value, wanted: &Value, key: &str) -> Option<Value> {
    let has = |item: &Value| items(wanted).iter().any(|one| one[key] == item[key]);
    let mut union = items(wanted).to_vec();
    union.extend(items(live).iter().filter(|item| !has(item)).cloned());
    (!union.is_empty()).then(|| union.into())
}
