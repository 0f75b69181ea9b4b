//! The subresource `eviction` of a pod (`pkg/registry/core/pod/storage/eviction.go`): a delete that a
//! `PodDisruptionBudget` may refuse. No controller counts healthy pods here: a budget's status is what somebody has put there.

use std::sync::Arc;

use serde_json::{Value, json};

use super::State;
use super::collection::{Stored, text_at};
use super::request::{Address, DeleteOptions, Options};
use super::resource::Resource;
use super::route::{Incoming, Reply};
use super::selector::LabelSelector;
use super::status_error::StatusError;
use super::write::Deleted;

const BUDGETS: &str = "poddisruptionbudgets";
const SEVERAL: &str = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";

impl State {
    /// Evicts a pod, if its budget allows it.
    pub(super) fn evict(
        &mut self,
        incoming: &Incoming,
        address: &Address,
        pods: &Resource,
    ) -> Result<Reply, StatusError> {
        let (namespace, name) = (address.namespace.as_str(), address.name.as_str());
        let options = Options::of_query(&incoming.query, incoming.verb)?;
        let body: Value = serde_json::from_slice(&incoming.body)
            .map_err(|error| StatusError::bad_request(error.to_string()))?;
        if text_at(&body, "/metadata/name") != name {
            return Err(StatusError::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let pod = self
            .store
            .find(pods, namespace, name)
            .ok_or_else(|| StatusError::not_found(pods, name))?;
        let asked = body.get("deleteOptions").unwrap_or(&Value::Null);
        let asked = if asked.is_null() {
            Vec::new()
        } else {
            asked.to_string().into_bytes()
        };
        let delete = DeleteOptions::of_body(&asked, &options)?;
        let budget = match self.budgets_of(namespace, &pod).as_slice() {
            _ if is_idle(&pod.object) => None,
            [] => None,
            [only] => Some(Arc::clone(only)),
            _ => return Err(StatusError::unexpected(SEVERAL)),
        };
        if let Some(budget) = &budget {
            refuse(&budget.object)?;
        }
        // Before the delete, so that one that fails has used the budget up too.
        if let Some(budget) = budget.filter(|_| !delete.dry_run) {
            self.use_up(&budget)?;
        }
        let mut write = self.write(incoming, address, pods, &options);
        if let Deleted::Gone { stored, .. } = write.delete(name, &delete)?
            && !delete.dry_run
        {
            self.follow_removal(pods, &stored);
        }
        let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
        Ok(Reply::json(201, &done))
    }

    fn budgets_of(&self, namespace: &str, pod: &Stored) -> Vec<Arc<Stored>> {
        let all = self.all(BUDGETS).into_iter().map(|(_, budget)| budget);
        all.filter(|budget| text_at(&budget.object, "/metadata/namespace") == namespace)
            .filter(|budget| selects(&budget.object["spec"]["selector"], &pod.object))
            .collect()
    }

    fn use_up(&mut self, budget: &Stored) -> Result<(), StatusError> {
        let mut object = budget.object.clone();
        let left = allowed(&object) - 1;
        object["status"]["disruptionsAllowed"] = left.into();
        let resource = self.resource_of_kind(BUDGETS)?;
        self.store_unchecked(&resource, "kube-apiserver", object)?;
        Ok(())
    }
}

/// Pods that do not run, or are on their way already, need nobody's leave.
fn is_idle(pod: &Value) -> bool {
    !text_at(pod, "/metadata/deletionTimestamp").is_empty()
        || matches!(
            text_at(pod, "/status/phase"),
            "Succeeded" | "Failed" | "Pending"
        )
}

fn allowed(budget: &Value) -> i64 {
    budget["status"]["disruptionsAllowed"]
        .as_i64()
        .unwrap_or_default()
}

fn refuse(budget: &Value) -> Result<(), StatusError> {
    let status = |key: &str| budget["status"][key].as_i64().unwrap_or_default();
    let generation = budget["metadata"]["generation"]
        .as_i64()
        .unwrap_or_default();
    let name = text_at(budget, "/metadata/name");
    let refusal = |message: String, seconds| {
        let cause = json!({"reason": "DisruptionBudget", "message": message});
        StatusError::new(
            429,
            "TooManyRequests",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        )
        .with_retry_after(seconds)
        .with_causes(vec![cause])
    };
    if status("observedGeneration") < generation {
        let message =
            format!("The disruption budget {name} is still being processed by the server.");
        return Err(refusal(message, 10));
    }
    if allowed(budget) > 0 {
        return Ok(());
    }
    let (wanted, healthy) = (status("desiredHealthy"), status("currentHealthy"));
    let message = format!(
        "The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
    );
    Err(refusal(message, 0))
}

/// The empty selector takes every pod, and none at all takes none.
fn selects(selector: &Value, pod: &Value) -> bool {
    let Some(selector) = selector.as_object() else {
        return false;
    };
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let equal = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    let text: Vec<String> = equal
        .chain(expressions.into_iter().flatten().map(requirement))
        .collect();
    LabelSelector::parse(&text.join(",")).is_ok_and(|parsed| parsed.matches(pod))
}

fn requirement(expression: &Value) -> String {
    let key = text_at(expression, "/key");
    let values = expression["values"].as_array().into_iter().flatten();
    let values: Vec<&str> = values.filter_map(Value::as_str).collect();
    let values = values.join(",");
    match text_at(expression, "/operator") {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.to_owned(),
    }
}
