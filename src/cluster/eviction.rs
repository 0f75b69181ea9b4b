//! Asks for single pods to be evicted. Performs IO.

use serde_json::json;

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
        Ok(_) => Ok(Eviction::Evicted),
        Err(error) => read(error),
    }
}

/// What a failure says of the pod, or the failure where it says nothing: a pod with two budgets is answered with 500.
fn read(error: ApiError) -> Result<Eviction, ApiError> {
    let refused = |code: &str, text: &str| {
        let text = text.strip_prefix(code)?.trim_start();
        Some(Eviction::Refused(text.to_owned()))
    };
    let eviction = match &error.failure {
        Failure::NotFound | Failure::Conflict(_) => Some(Eviction::Gone),
        Failure::Unavailable(text) if text.contains("more than one PodDisruptionBudget") => {
            refused("500", text)
        }
        Failure::Unavailable(text) => refused("429", text),
        _ => None,
    };
    eviction.ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_speak_of_the_pod_are_no_failures() {
        let read = |failure: Failure| {
            read(ApiError {
                verb: "POST",
                path: String::new(),
                failure,
            })
        };
        let unavailable = |text: &str| read(Failure::Unavailable(text.to_owned()));
        let refused = |text: &str| Ok(Eviction::Refused(text.to_owned()));
        let two = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        assert_eq!(unavailable("429 no"), refused("no"));
        assert_eq!(unavailable(&format!("500 {two}")), refused(two));
        assert_eq!(read(Failure::NotFound), Ok(Eviction::Gone));
        assert_eq!(read(Failure::Conflict("x".into())), Ok(Eviction::Gone));
        assert!(unavailable("500 oops").is_err());
        assert!(unavailable("Connection refused").is_err());
        assert!(read(Failure::Forbidden("no".into())).is_err());
    }
}
