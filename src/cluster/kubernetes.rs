//! The few requests this charm makes of the Kubernetes API, each with a deadline. Performs IO.

use std::fmt::{self, Write};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use http::{Method, Request, StatusCode, header};
use kube::core::Status;
use serde_json::{Value, json};

use crate::render::FIELD_MANAGER;

/// Longest time one request may take; the hook as a whole has its own, longer deadline.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of a request that the server put off (429, 503, 504), the first included.
const TRIES: u32 = 4;
/// Objects a page of a LIST.
const PAGE: u32 = 500;
/// Requests at one time: each takes a connection of its own.
pub const SIDE_BY_SIDE: usize = 16;

/// What went wrong with a request, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No answer, or one that asks to come back later: connection refused, deadline, 429, 5xx.
    Unavailable(String),
    /// 401 or 403: the kubeconfig's user may not do this.
    Forbidden(String),
    /// 404 where the object was expected.
    NotFound,
    /// 409: somebody else wrote in between, or a precondition did not hold.
    Conflict(String),
    /// 400 or 422: the API server refuses the object.
    Invalid {
        /// The server's sentence.
        message: String,
        /// `spec.asNumber`-like paths and what is wrong there.
        causes: Vec<(String, String)>,
    },
    /// Anything else.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(text)
            | Self::Forbidden(text)
            | Self::Conflict(text)
            | Self::Other(text) => formatter.write_str(text),
            Self::NotFound => formatter.write_str("not found"),
            Self::Invalid { message, .. } => formatter.write_str(message),
        }
    }
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{verb} {path}: {failure}")]
pub struct ApiError {
    /// HTTP method, or `LIST`.
    pub verb: &'static str,
    /// Path without the query.
    pub path: String,
    /// What went wrong.
    pub failure: Failure,
}

impl ApiError {
    /// Whether there is no such object, or no such kind.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.failure == Failure::NotFound
    }
}

/// The Kubernetes API as this charm uses it: objects are JSON values, paths are spelled out.
#[derive(Clone)]
pub struct Kubernetes {
    client: kube::Client,
}

impl Kubernetes {
    /// Wraps a client; see [`connect`](super::connect()) for the one hooks use.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// GET; `None` when there is no such object.
    ///
    /// # Errors
    /// When the request fails otherwise.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.send(Method::GET, path, "", None, None).await {
            Ok(value) => Ok(Some(value)),
            Err(ApiError {
                failure: Failure::NotFound,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// LIST in pages. `query` is a selector such as `labelSelector=a%3Db`, or empty.
    ///
    /// # Errors
    /// When a page cannot be read; a page whose continuation expired (410) starts the listing again, once.
    pub async fn list(&self, path: &str, query: &str) -> Result<Vec<Value>, ApiError> {
        self.list_as(path, query, None, &Some).await
    }

    /// [`list`](Self::list), of which `keep` keeps what is of use: a cluster has thousands of pods, and a hook little
    /// memory.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn list_kept<T>(
        &self,
        path: &str,
        keep: impl Fn(Value) -> Option<T> + Sync,
    ) -> Result<Vec<T>, ApiError> {
        self.list_as(path, "", None, &keep).await
    }

    /// LIST in pages, metadata only (`PartialObjectMetadataList`), of which `keep` keeps what is of use: a cluster has
    /// thousands of Nodes and BGPPeers, and a hook little memory.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn list_metadata<T>(
        &self,
        path: &str,
        keep: impl Fn(Value) -> Option<T> + Sync,
    ) -> Result<Vec<T>, ApiError> {
        self.list_metadata_of(path, "", keep).await
    }

    /// [`list_metadata`](Self::list_metadata) of what a selector finds.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn list_metadata_of<T>(
        &self,
        path: &str,
        query: &str,
        keep: impl Fn(Value) -> Option<T> + Sync,
    ) -> Result<Vec<T>, ApiError> {
        const ACCEPT: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        self.list_as(path, query, Some(ACCEPT), &keep).await
    }

    async fn list_as<T>(
        &self,
        path: &str,
        query: &str,
        accept: Option<&'static str>,
        keep: &(impl Fn(Value) -> Option<T> + Sync),
    ) -> Result<Vec<T>, ApiError> {
        match self.pages(path, query, accept, keep).await {
            Err(ApiError {
                failure: Failure::Other(text),
                ..
            }) if text.starts_with("410") => self.pages(path, query, accept, keep).await,
            answer => answer,
        }
    }

    async fn pages<T>(
        &self,
        path: &str,
        query: &str,
        accept: Option<&'static str>,
        keep: &(impl Fn(Value) -> Option<T> + Sync),
    ) -> Result<Vec<T>, ApiError> {
        let mut items = Vec::new();
        let mut token = String::new();
        loop {
            let mut page_query = format!("limit={PAGE}");
            if !query.is_empty() {
                page_query.push('&');
                page_query.push_str(query);
            }
            if !token.is_empty() {
                page_query.push_str("&continue=");
                page_query.push_str(&escape(&token));
            }
            let mut page = self
                .send(Method::GET, path, &page_query, accept, None)
                .await
                .map_err(|error| ApiError {
                    verb: "LIST",
                    ..error
                })?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found.into_iter().filter_map(keep));
            }
            match page["metadata"]["continue"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut token),
                _ => return Ok(items),
            }
        }
    }

    /// Server-side apply by [`FIELD_MANAGER`], forced, with strict field validation; answers with the stored object.
    ///
    /// Forced, because the options are the truth for the fields they name; what that takes from another manager is
    /// logged by the caller, who saw it in the plan.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let query = format!("fieldManager={FIELD_MANAGER}&force=true&fieldValidation=Strict");
        let content = Some(("application/apply-patch+yaml", object));
        self.send(Method::PATCH, path, &query, None, content).await
    }

    /// POST of a new object by [`FIELD_MANAGER`].
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let query = format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        let content = Some(("application/json", object));
        self.send(Method::POST, path, &query, None, content).await
    }

    /// POST that is made once: where a refusal for now is an answer like any other.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn post_once(&self, path: &str, object: &Value) -> Result<Value, ApiError> {
        let content = Some(("application/json", object));
        Box::pin(self.send_tries(1, Method::POST, path, "", None, content)).await
    }

    /// JSON merge patch by [`FIELD_MANAGER`]; `null` removes a key.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn merge_patch(&self, path: &str, changes: &Value) -> Result<Value, ApiError> {
        let query = format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        let content = Some(("application/merge-patch+json", changes));
        self.send(Method::PATCH, path, &query, None, content).await
    }

    /// Strategic merge patch by [`FIELD_MANAGER`], which Kubernetes' own kinds take: items of lists are told apart by name, and
    /// `$patch: delete` removes one.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn strategic_patch(&self, path: &str, changes: &Value) -> Result<Value, ApiError> {
        let query = format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        let content = Some(("application/strategic-merge-patch+json", changes));
        self.send(Method::PATCH, path, &query, None, content).await
    }

    /// DELETE of exactly the object that was seen: `uid` and `resource_version` are preconditions.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached; an object already gone is no error.
    pub async fn delete(
        &self,
        path: &str,
        uid: &str,
        resource_version: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut preconditions = json!({"uid": uid});
        if let Some(version) = resource_version {
            preconditions["resourceVersion"] = version.into();
        }
        let options =
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions});
        let content = Some(("application/json", &options));
        match self.send(Method::DELETE, path, "", None, content).await {
            Err(ApiError {
                failure: Failure::NotFound,
                ..
            }) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &str,
        accept: Option<&'static str>,
        content: Option<(&'static str, &Value)>,
    ) -> Result<Value, ApiError> {
        // On the heap, where it does not add to every future above it.
        Box::pin(self.send_tries(TRIES, method, path, query, accept, content)).await
    }

    async fn send_tries(
        &self,
        tries: u32,
        method: Method,
        path: &str,
        query: &str,
        accept: Option<&'static str>,
        content: Option<(&'static str, &Value)>,
    ) -> Result<Value, ApiError> {
        let verb = verb(&method);
        let error = |failure| ApiError {
            verb,
            path: path.to_owned(),
            failure,
        };
        let uri = if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        };
        let body = content.map(|(_, value)| value.to_string().into_bytes());
        let mut pause = Duration::from_millis(100);
        for attempt in 1.. {
            let mut request = Request::builder().method(method.clone()).uri(&uri);
            request = request.header(header::ACCEPT, accept.unwrap_or("application/json"));
            if let Some((kind, _)) = content {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            let request = request
                .body(body.clone().unwrap_or_default())
                .map_err(|source| error(Failure::Other(source.to_string())))?;
            let failure = match self.once(request).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if attempt == tries || !put_off(&failure) {
                return Err(error(failure));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(error(Failure::Unavailable("no attempt was made".into())))
    }

    async fn once(&self, request: Request<Vec<u8>>) -> Result<Value, Failure> {
        match tokio::time::timeout(REQUEST_TIMEOUT, self.client.request::<Value>(request)).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Unavailable(format!(
                "no answer within {} s",
                REQUEST_TIMEOUT.as_secs()
            ))),
        }
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::POST => "POST",
        _ => "request",
    }
}

/// Whether the server itself asked to come back later; a refused connection or a deadline is not tried again here,
/// since the next hook does that.
fn put_off(failure: &Failure) -> bool {
    matches!(failure, Failure::Unavailable(text) if ["429", "503", "504"].iter().any(|code| text.starts_with(code)))
}

/// Sorts kube's errors by what the caller can do; only the server's own sentence is kept, never a request or a header.
fn failure(error: &kube::Error) -> Failure {
    let kube::Error::Api(status) = error else {
        return Failure::Unavailable(cause(error));
    };
    let text = sentence(status);
    match StatusCode::from_u16(status.code) {
        Ok(StatusCode::NOT_FOUND) => Failure::NotFound,
        Ok(StatusCode::CONFLICT) => Failure::Conflict(text),
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Failure::Forbidden(text),
        Ok(StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) => Failure::Invalid {
            message: text,
            causes: causes(status),
        },
        // A field the schema does not know: an apply answers 500 to it (kube-apiserver 1.36, structured merge).
        Ok(StatusCode::INTERNAL_SERVER_ERROR) if text.contains("field not declared in schema") => {
            Failure::Invalid {
                message: text,
                causes: causes(status),
            }
        }
        // What a disruption budget needs stands in the causes.
        Ok(StatusCode::TOO_MANY_REQUESTS) => {
            let causes = causes(status).into_iter().map(|(_, cause)| cause);
            let all: Vec<String> = std::iter::once(text).chain(causes).collect();
            Failure::Unavailable(format!("{} {}", status.code, all.join(" ")))
        }
        Ok(code) if code.is_server_error() => {
            Failure::Unavailable(format!("{} {text}", status.code))
        }
        _ => Failure::Other(format!("{} {text}", status.code)),
    }
}

fn sentence(status: &Status) -> String {
    const LONGEST: usize = 1_000;
    let text = if status.message.is_empty() {
        &status.reason
    } else {
        &status.message
    };
    text.chars().take(LONGEST).collect()
}

fn causes(status: &Status) -> Vec<(String, String)> {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .map(|cause| (cause.field.clone(), cause.message.clone()))
        .collect()
}

/// The innermost reason of a transport error, which is the one an operator understands ("Connection refused").
fn cause(error: &kube::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Reads the objects at `paths`, some at a time; those that do not exist are left out.
///
/// # Errors
/// When one cannot be read.
pub async fn get_all(kubernetes: &Kubernetes, paths: &[String]) -> Result<Vec<Value>, ApiError> {
    let found: Vec<Option<Value>> = stream::iter(paths.iter().map(|path| kubernetes.get(path)))
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// Percent-encodes a query value.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_escaped() {
        assert_eq!(escape("a/b=c,d e"), "a%2Fb%3Dc%2Cd%20e");
        assert_eq!(escape("calico-0_x.y~z"), "calico-0_x.y~z");
    }

    #[test]
    fn failures_are_sorted_by_what_can_be_done() {
        let api = |code: u16, message: &str| {
            failure(&kube::Error::Api(
                Status::failure(message, "Reason").with_code(code).boxed(),
            ))
        };
        assert_eq!(api(404, "x"), Failure::NotFound);
        assert_eq!(api(409, "x"), Failure::Conflict("x".into()));
        assert_eq!(api(403, "no"), Failure::Forbidden("no".into()));
        assert_eq!(api(401, ""), Failure::Forbidden("Reason".into()));
        assert_eq!(api(503, "busy"), Failure::Unavailable("503 busy".into()));
        assert_eq!(api(429, "slow"), Failure::Unavailable("429 slow".into()));
        assert_eq!(api(410, "gone"), Failure::Other("410 gone".into()));
        assert!(matches!(api(422, "bad"), Failure::Invalid { .. }));
    }
}
