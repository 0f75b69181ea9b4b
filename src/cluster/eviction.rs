//! Asks for single pods to be evicted. Performs IO.

use serde_json::{Value, json};

use super::Kubernetes;
use super::kubernetes::{ApiError, Failure};

/// What became of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Eviction {
    /// It goes.
    Evicted,
    /// It was gone already, or another one has its name by now.
    Gone,
    /// A disruption budget does not allow it now; the server's words.
    Refused(String),
}

/// Evicts exactly the pod that was seen: the API server holds the disruption budgets against it, which a deletion would
/// pass by (`pkg/registry/core/pod/storage/eviction.go`).
///
/// # Errors
/// When the server cannot be reached, or lets this user evict nothing.
pub async fn evict(
    kubernetes: &Kubernetes,
    namespace: &str,
    name: &str,
    uid: &str,
) -> Result<Eviction, ApiError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction");
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    match kubernetes.post_once(&path, &body).await {
        Ok(answer) => Ok(read(&answer)),
        Err(error) => match error.failure {
            Failure::NotFound | Failure::Conflict(_) => Ok(Eviction::Gone),
            Failure::Unavailable(text) if text.starts_with("429 ") => {
                Ok(Eviction::Refused(text.replacen("429 ", "", 1)))
            }
            failure => Err(ApiError { failure, ..error }),
        },
    }
}

/// A pod with two budgets is refused by a `Status` that came as a success.
fn read(answer: &Value) -> Eviction {
    if answer["status"] == "Failure" {
        let message = answer["message"].as_str().unwrap_or_default();
        return Eviction::Refused(message.to_owned());
    }
    Eviction::Evicted
}
