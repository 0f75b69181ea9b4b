use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn definition(versions: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "bgppeers.crd.projectcalico.org"},
        "spec": {
            "group": "crd.projectcalico.org", "scope": "Cluster",
            "names": {"kind": "BGPPeer", "listKind": "BGPPeerList", "plural": "bgppeers", "singular": "bgppeer"},
            "versions": versions,
        },
    })
}

fn version(name: &str, schema: &Value) -> Value {
    json!({"name": name, "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}})
}

fn one(schema: &Value) -> Value {
    definition(&json!([version("v1", schema)]))
}

fn document(value: Value) -> Document {
    Document::new(value).unwrap()
}

fn schema(document: &Document) -> &Value {
    &document.value()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

fn fields(fields: &Value) -> Value {
    json!({"type": "object", "properties": fields})
}

#[test]
fn a_definition_grows_by_what_it_lacks() {
    let text = json!({"type": "string"});
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for (live, wanted, union) in [
        (
            fields(&json!({"a": text})),
            fields(&json!({"b": text})),
            fields(&json!({"a": text, "b": text})),
        ),
        (
            json!({"type": "string", "enum": ["A", "B"]}),
            json!({"type": "string", "enum": ["B", "C"]}),
            json!({"type": "string", "enum": ["A", "B", "C"]}),
        ),
        (
            json!({"type": "string", "enum": ["A"]}),
            text.clone(),
            text.clone(),
        ),
        (
            fields(&json!({"a": text})),
            open.clone(),
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": text}}),
        ),
        (
            open,
            fields(&json!({"a": text})),
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": text}}),
        ),
        (
            json!({"type": "array", "items": fields(&json!({"a": text})), "maxItems": 2}),
            json!({"type": "array", "items": fields(&json!({"b": text})), "maxItems": 1}),
            json!({"type": "array", "items": fields(&json!({"a": text, "b": text})), "maxItems": 1}),
        ),
        (
            json!({"type": "object", "additionalProperties": text}),
            fields(&json!({"a": text})),
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": text}}),
        ),
        (
            json!({"type": "object", "additionalProperties": text}),
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "additionalProperties": true}),
        ),
        (
            json!({"type": "integer"}),
            json!({"x-kubernetes-int-or-string": true}),
            json!({"x-kubernetes-int-or-string": true}),
        ),
    ] {
        let wanted = document(one(&wanted));
        let grown = widened(&one(&live), &wanted).unwrap_or_else(|| panic!("{live}"));
        assert_eq!(schema(&grown), &union, "{live}");
        assert_eq!(widened(grown.value(), &wanted), None, "{live}");
    }
}

#[test]
fn a_definition_that_has_everything_is_left_alone() {
    let text = json!({"type": "string"});
    for (live, wanted) in [
        (
            fields(&json!({"a": text, "b": text})),
            fields(&json!({"a": text})),
        ),
        (
            text.clone(),
            json!({"type": "string", "enum": ["A"], "pattern": "x"}),
        ),
        (
            json!({"type": "string", "description": "ours", "pattern": "a"}),
            json!({"type": "string", "description": "theirs", "pattern": "b"}),
        ),
        (
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "additionalProperties": text}),
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!({"type": "integer"}),
        ),
        (fields(&json!({})), text.clone()),
        (text, fields(&json!({"a": {"type": "string"}}))),
    ] {
        let mut live = one(&live);
        live["spec"]["conversion"] = json!({"strategy": "None"});
        live["status"] = json!({"storedVersions": ["v1"]});
        assert_eq!(widened(&live, &document(one(&wanted))), None, "{live}");
    }
}

#[test]
fn versions_and_names_stay_too() {
    let empty = json!({"type": "object"});
    let mut old = version("v1", &empty);
    old["subresources"] = json!({"status": {}});
    old["additionalPrinterColumns"] = json!([{"name": "Old", "type": "string", "jsonPath": ".x"}]);
    let mut live = definition(&json!([old, version("v0", &empty)]));
    live["spec"]["versions"][1]["storage"] = false.into();
    live["spec"]["names"]["shortNames"] = json!(["peer"]);
    live["spec"]["conversion"] = json!({"strategy": "Webhook", "webhook": {}});
    let mut wanted = definition(&json!([version("v1", &empty), version("v2", &empty)]));
    wanted["spec"]["versions"][0]["storage"] = false.into();
    wanted["spec"]["names"]["shortNames"] = json!(["bgppeer"]);
    wanted["spec"]["conversion"] = json!({"strategy": "None"});
    let wanted = document(wanted);
    let grown = widened(&live, &wanted).unwrap();
    let spec = &grown.value()["spec"];
    let names: Vec<&str> = spec["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["v1", "v2", "v0"]);
    assert_eq!(spec["versions"][0]["subresources"], json!({"status": {}}));
    assert_eq!(
        spec["versions"][0]["additionalPrinterColumns"][0]["name"],
        "Old"
    );
    let stored = |index: usize| spec["versions"][index]["storage"] == true;
    assert_eq!([0, 1, 2].map(stored), [true, true, false]);
    assert_eq!(spec["names"]["shortNames"], json!(["peer", "bgppeer"]));
    assert_eq!(spec.get("conversion"), None);
}

#[test]
fn as_numbers_have_no_sign() {
    let number = json!({"type": "integer", "format": "int32"});
    let numbers = json!({"type": "array", "items": number});
    let live = one(&fields(&json!({
        "asNumber": number, "localASNumber": number, "numAllowedLocalASNumbers": number, "asPathPrefix": numbers,
        "prependASPath": fields(&json!({"prefix": numbers})),
    })));
    let wanted = document(live.clone());
    let grown = widened(&live, &wanted).unwrap();
    let widest = json!({"type": "integer", "maximum": 4_294_967_295_u64});
    for (path, expected) in [
        ("/asNumber", &widest),
        ("/localASNumber", &widest),
        ("/asPathPrefix/items", &widest),
        ("/prependASPath/properties/prefix/items", &widest),
        ("/numAllowedLocalASNumbers", &number),
    ] {
        assert_eq!(
            schema(&grown)["properties"].pointer(path),
            Some(expected),
            "{path}"
        );
    }
    assert_eq!(widened(grown.value(), &wanted), None);
    // A rule of a newer definition is not lost because of it.
    let mut newer = live;
    newer["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] =
        json!([{"rule": "true"}]);
    let grown = widened(&newer, &wanted).unwrap();
    assert_eq!(
        schema(&grown)["x-kubernetes-validations"][0]["rule"],
        "true"
    );
}

#[test]
fn odd_definitions_stop_nobody() {
    for odd in [
        json!(null),
        json!({}),
        json!({"spec": 1}),
        json!({"spec": {"versions": {"a": 1}}}),
        json!({"spec": {"versions": [1, null]}}),
    ] {
        let mut wanted = one(&fields(
            &json!({"asPathPrefix": true, "asNumber": 1, "prependASPath": []}),
        ));
        assert!(widened(&odd, &document(wanted.clone())).is_some());
        wanted["spec"] = odd["spec"].clone();
        let _ = widened(&odd, &document(wanted));
    }
}

/// Everything a schema takes, as texts: fields, enum values or `*` for any, `?` for unknown fields.
fn takes(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        found.insert(format!("{path}?"));
    }
    match schema["enum"].as_array() {
        Some(values) => found.extend(values.iter().map(|value| format!("{path}={value}"))),
        None => drop(found.insert(format!("{path}=*"))),
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        takes(&format!("{path}/{name}"), inner, found);
    }
    if let Some(items) = schema.get("items") {
        takes(&format!("{path}/[]"), items, found);
    }
    if let Some(inner) = schema.get("additionalProperties") {
        takes(&format!("{path}/{{}}"), inner, found);
    }
}

fn lost(from: &Value, in_union: &Value) -> Vec<String> {
    let (mut had, mut has) = (BTreeSet::new(), BTreeSet::new());
    takes("", from, &mut had);
    takes("", in_union, &mut has);
    had.retain(|fact| {
        let any = fact.split_once('=').map(|(path, _)| format!("{path}=*"));
        let unknown = fact.split_once("/{}").map(|(path, _)| format!("{path}?"));
        ![Some(fact.clone()), any, unknown]
            .into_iter()
            .flatten()
            .any(|fact| has.contains(&fact))
    });
    had.into_iter().collect()
}

/// Schemas in which a field's name tells its type, as between releases of one API.
fn schemas() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(json!({"type": "string"})),
        prop::collection::btree_set("[A-D]", 1..4)
            .prop_map(|values| json!({"type": "string", "enum": values})),
    ];
    let object = prop_oneof![
        Just(json!({"type": "object"})),
        Just(json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})),
        text.clone()
            .prop_map(|text| json!({"type": "object", "additionalProperties": text})),
    ];
    object.prop_recursive(4, 24, 4, move |inner| {
        let named = (
            text.clone(),
            inner.clone(),
            inner.clone(),
            inner,
            any::<[bool; 5]>(),
        );
        named.prop_map(|(text, one, other, item, [a, b, c, d, open])| {
            let mut schema = fields(&json!({}));
            let all = [
                ("text", text.clone(), a),
                ("number", json!({"type": "integer"}), a ^ b),
                ("one", one, b),
                ("other", other, c),
                ("list", json!({"type": "array", "items": item}), d),
            ];
            for (name, inner, _) in all.into_iter().filter(|(_, _, is_there)| *is_there) {
                schema["properties"][name] = inner;
            }
            if open {
                schema["x-kubernetes-preserve-unknown-fields"] = true.into();
            }
            schema
        })
    })
}

proptest! {
    #[test]
    fn a_union_takes_what_both_take(live in schemas(), wanted in schemas()) {
        let document = document(one(&wanted));
        match widened(&one(&live), &document) {
            None => prop_assert_eq!(lost(&wanted, &live), [] as [&str; 0]),
            Some(grown) => {
                prop_assert_eq!(lost(&live, schema(&grown)), [] as [&str; 0]);
                prop_assert_eq!(lost(&wanted, schema(&grown)), [] as [&str; 0]);
                prop_assert_eq!(widened(grown.value(), &document), None);
            }
        }
    }
}
