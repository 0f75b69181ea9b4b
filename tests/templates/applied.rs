//! A real API server that has every document.

use std::collections::BTreeSet;
use std::fs;

use calico_charm::manifests::Document;
use serde_json::{Value, json};

use super::support::control_plane::{ControlPlane, blocking};
use super::support::crds;
use super::support::exchange::{Exchange, Reply};
use super::{definitions, files, root, templates};

/// A cluster that has every document.
pub struct Applied<'a> {
    plane: &'a ControlPlane,
    documents: Vec<Document>,
}

impl<'a> Applied<'a> {
    pub fn to(plane: &'a ControlPlane) -> Self {
        let documents = templates().into_iter().map(Document::new);
        let mut documents: Vec<Document> = documents
            .collect::<Result<_, _>>()
            .expect("documents that may be installed");
        documents.sort_by_key(Document::stage);
        let applied = Self { plane, documents };
        for document in &applied.documents {
            let reply = applied.apply(document.value().clone());
            assert!(
                matches!(reply.status, 200 | 201),
                "{}: {:#}",
                document.id(),
                reply.body
            );
            assert_eq!(reply.warnings, Vec::<String>::new(), "{}", document.id());
        }
        for (_, text) in files("definitions") {
            plane.apply_crds_text(&text).expect("CRDs that are served");
        }
        applied
    }

    /// Applied as the charm does it: nothing unknown, nothing doubled.
    pub fn apply(&self, object: Value) -> Reply {
        let path = path(&object);
        let query = "fieldManager=calico-charm&force=true&fieldValidation=Strict";
        self.send(&Exchange::new(
            "PATCH",
            &format!("{path}?{query}"),
            Some("apply"),
            object,
        ))
    }

    pub fn create(&self, kind: &str, name: &str, spec: &Value) -> Reply {
        let object = json!({
            "apiVersion": "crd.projectcalico.org/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        });
        let path = path(&object);
        let (collection, _) = path.rsplit_once('/').expect("a path of an object");
        let query = "fieldValidation=Strict";
        self.send(&Exchange::new(
            "POST",
            &format!("{collection}?{query}"),
            Some("json"),
            object,
        ))
    }

    pub fn send(&self, exchange: &Exchange) -> Reply {
        blocking(async { exchange.sent(&self.plane.client().await).await })
            .unwrap_or_else(|error| panic!("{}: {error}", exchange.send))
    }

    pub fn keeps_the_cidr_and_block_size_of_a_pool(&self) {
        for spec in [json!({"cidr": "10.8.0.0/16"}), json!({"blockSize": 28})] {
            let pool = "/apis/crd.projectcalico.org/v1/ippools/pool";
            let body = json!({ "spec": spec });
            let reply = self.send(&Exchange::new("PATCH", pool, Some("merge"), body));
            assert_eq!(reply.status, 422, "{spec} {:#}", reply.body);
            let message = reply.body["message"].to_string();
            assert!(message.contains("so make another"), "{message}");
        }
    }

    pub fn is_left_alone_by_a_second_apply(&self) {
        for document in &self.documents {
            let before = self.send(&Exchange::get(&document.path())).body;
            let after = self.apply(document.value().clone()).body;
            let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
            assert_eq!(version(&before), version(&after), "{}", document.id());
        }
    }
}

/// Objects of the golden cases: what the charm writes in the group these definitions serve.
pub fn golden_objects() -> Vec<Value> {
    let mut objects = Vec::new();
    for case in [
        "dual-stack-vxlan",
        "ipv6-peers",
        "pool-last-of-its-encapsulation",
        "route-reflectors",
        "service-lists",
    ] {
        let path = root().join("tests/golden").join(case).join("expected.yaml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{case}: {error}"));
        objects.extend(crds::documents(&text).expect("YAML"));
    }
    objects.retain(|object| object["apiVersion"] == "crd.projectcalico.org/v1");
    let kinds: BTreeSet<&str> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert!(kinds.len() >= 3, "the golden cases have changed: {kinds:?}");
    objects
}

/// Where an object is: the documents' own kinds, and those they define.
pub fn path(object: &Value) -> String {
    if let Ok(document) = Document::new(object.clone()) {
        return document.path();
    }
    let crds = definitions(&templates());
    let of_kind = |crd: &&Value| crd["spec"]["names"]["kind"] == object["kind"];
    let crd = crds.values().find(of_kind).expect("a kind that is defined");
    let plural = crd["spec"]["names"]["plural"].as_str().expect("a plural");
    let version = object["apiVersion"].as_str().expect("a version");
    let name = object["metadata"]["name"].as_str().expect("a name");
    format!("/apis/{version}/{plural}/{name}")
}
