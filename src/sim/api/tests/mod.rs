//! The rules of the server, each through the HTTP service as a client meets it.

mod applying;
mod installing;
mod listing;
mod objects;
mod serving;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::*;

/// A client of a server and one of its kinds.
struct Caller {
    api: Api<DynamicObject>,
    api_version: String,
    kind: String,
}

impl Caller {
    fn of(server: &ApiServer, group: &str, version: &str, kind: &str, plural: &str) -> Self {
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        Self {
            api_version: resource.api_version.clone(),
            api: Api::all_with(server.client_as(kind), &resource),
            kind: kind.to_owned(),
        }
    }

    fn v1(server: &ApiServer, kind: &str) -> Self {
        Self::of(
            server,
            "crd.projectcalico.org",
            "v1",
            kind,
            &format!("{}s", kind.to_lowercase()),
        )
    }

    fn body(&self, name: &str, spec: &Value) -> Value {
        json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": name}, "spec": spec})
    }

    /// Applies a spec as `manager`.
    async fn apply(&self, manager: &str, name: &str, spec: Value) -> Result<Value, Refusal> {
        self.apply_body(&PatchParams::apply(manager), name, &self.body(name, &spec))
            .await
    }

    async fn force(&self, manager: &str, name: &str, spec: Value) -> Result<Value, Refusal> {
        self.apply_body(
            &PatchParams::apply(manager).force(),
            name,
            &self.body(name, &spec),
        )
        .await
    }

    async fn apply_body(
        &self,
        params: &PatchParams,
        name: &str,
        body: &Value,
    ) -> Result<Value, Refusal> {
        whole(self.api.patch(name, params, &Patch::Apply(body)).await)
    }

    async fn merge(&self, manager: &str, name: &str, patch: Value) -> Result<Value, Refusal> {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        whole(self.api.patch(name, &params, &Patch::Merge(patch)).await)
    }

    async fn create(&self, manager: &str, body: &Value) -> Result<Value, Refusal> {
        let params = kube::api::PostParams {
            field_manager: Some(manager.to_owned()),
            ..Default::default()
        };
        whole(self.api.create(&params, &object(body)).await)
    }

    async fn get(&self, name: &str) -> Result<Value, Refusal> {
        whole(self.api.get(name).await)
    }
}

fn object(body: &Value) -> DynamicObject {
    serde_json::from_value(body.clone()).expect("the body of an object")
}

/// What a refused client sees.
#[derive(Debug, PartialEq)]
struct Refusal {
    code: u16,
    reason: String,
    message: String,
    /// Field and message of each cause.
    causes: Vec<(String, String)>,
}

fn refusal(error: kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) => Refusal {
            code: status.code,
            reason: status.reason.clone(),
            message: status.message.clone(),
            causes: status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .map(|cause| (cause.field.clone(), cause.message.clone()))
                .collect(),
        },
        other => Refusal {
            code: 0,
            reason: String::new(),
            message: format!("{other:?}"),
            causes: Vec::new(),
        },
    }
}

fn whole(answer: kube::Result<DynamicObject>) -> Result<Value, Refusal> {
    answer
        .map(|object| serde_json::to_value(object).expect("an object is JSON"))
        .map_err(refusal)
}

/// The owners of an object as `manager operation -> fieldsV1`.
fn owners(object: &Value) -> std::collections::BTreeMap<String, Value> {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().expect("every entry has it").to_owned();
            (
                format!("{} {}", text("manager"), text("operation")),
                entry["fieldsV1"].clone(),
            )
        })
        .collect()
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("a resource version")
}
