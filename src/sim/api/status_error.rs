//! Refusals, as the `Status` objects the API server sends (`apimachinery/pkg/api/errors`).

use std::fmt;

use serde_json::{Map, Value, json};

use super::resource::Resource;

/// A request that failed, with all its `Status` says.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct StatusError {
    /// The HTTP status.
    pub code: u16,
    /// The machine-readable reason; empty when the server has none.
    pub reason: String,
    /// The text for people.
    pub message: String,
    pub(super) details: Map<String, Value>,
}

impl StatusError {
    pub(super) fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: Map::new(),
        }
    }

    fn about(mut self, resource: &Resource, kind: &str, name: &str) -> Self {
        self.details.insert("name".to_owned(), name.into());
        if !resource.group.is_empty() {
            self.details
                .insert("group".to_owned(), (*resource.group).into());
        }
        self.details.insert("kind".to_owned(), kind.into());
        self
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// An error the server did not expect: no reason, the bare text.
    pub(super) fn unexpected(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(
            404,
            "NotFound",
            format!("{} \"{name}\" not found", resource.qualified()),
        )
        .about(resource, &resource.plural, name)
    }

    /// Nothing can be made in a namespace that is not there.
    pub(super) fn namespace_not_found(namespace: &str) -> Self {
        let mut error = Self::new(
            404,
            "NotFound",
            format!("namespaces \"{namespace}\" not found"),
        );
        for (key, value) in [("name", namespace), ("kind", "namespaces")] {
            error.details.insert(key.to_owned(), value.into());
        }
        error
    }

    pub(super) fn already_exists(resource: &Resource, name: &str, deleting: bool) -> Self {
        let prefix = if deleting {
            "object is being deleted: "
        } else {
            ""
        };
        Self::new(
            409,
            "AlreadyExists",
            format!("{prefix}{} \"{name}\" already exists", resource.qualified()),
        )
        .about(resource, &resource.plural, name)
    }

    pub(super) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            resource.qualified()
        );
        Self::new(409, "Conflict", message).about(resource, &resource.plural, name)
    }

    /// The form in which a delete's own check of its preconditions answers: with the kind where others have the resource.
    pub(super) fn delete_conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let qualified = resource.qualify(&resource.kind);
        let message = format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(resource, &resource.kind, name)
    }

    /// The resource version given is not the current one.
    pub(super) fn stale(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub(super) fn unsupported_media_type(accepted: &str) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    /// Fields with unfit values in an object of this resource.
    pub(super) fn invalid(resource: &Resource, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_kind(&resource.qualify(&resource.kind), name, errors)
    }

    /// Fields with unfit values in something of this `Kind.group`, such as the options of a request.
    pub(super) fn invalid_kind(kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let mut texts: Vec<String> = Vec::new();
        for error in errors {
            let text = error.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let aggregate = match texts.as_slice() {
            [only] => only.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let mut error = Self::new(
            422,
            "Invalid",
            format!("{kind} \"{name}\" is invalid: {aggregate}"),
        );
        error = error.with_causes(errors.iter().map(FieldError::cause).collect());
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        for (key, value) in [("group", group), ("kind", kind), ("name", name)] {
            if !value.is_empty() {
                error.details.insert(key.to_owned(), value.into());
            }
        }
        error
    }

    pub(super) fn with_causes(mut self, causes: Vec<Value>) -> Self {
        self.details
            .insert("causes".to_owned(), Value::Array(causes));
        self
    }

    pub(super) fn with_retry_after(mut self, seconds: u32) -> Self {
        self.details
            .insert("retryAfterSeconds".to_owned(), seconds.into());
        self
    }

    pub(super) fn retry_after(&self) -> Option<u64> {
        self.details
            .get("retryAfterSeconds")
            .and_then(Value::as_u64)
    }

    /// The `Status` object.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if let Some(body) = body.as_object_mut() {
            if !self.reason.is_empty() {
                body.insert("reason".to_owned(), self.reason.as_str().into());
            }
            if !self.details.is_empty() {
                body.insert("details".to_owned(), self.details.clone().into());
            }
        }
        body
    }
}

/// One field that is not as it must be (`apimachinery/pkg/util/validation/field`).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldError {
    field: String,
    /// The machine-readable type of the cause.
    kind: &'static str,
    body: String,
}

impl FieldError {
    fn new(field: &str, kind: &'static str, head: &str, detail: &str) -> Self {
        let body = if detail.is_empty() {
            head.to_owned()
        } else {
            format!("{head}: {detail}")
        };
        Self {
            field: field.to_owned(),
            kind,
            body,
        }
    }

    pub(super) fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self::new(
            field,
            "FieldValueInvalid",
            &format!("Invalid value: {value}"),
            detail,
        )
    }

    /// Like `invalid`, for values too large to print.
    pub(super) fn invalid_whole(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", "Invalid value", detail)
    }

    pub(super) fn wrong_type(field: &str, value: &str, detail: &str) -> Self {
        let head = format!("Invalid value: {}", Value::from(value));
        Self::new(field, "FieldValueTypeInvalid", &head, detail)
    }

    pub(super) fn required(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueRequired", "Required value", detail)
    }

    pub(super) fn forbidden(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", "Forbidden", detail)
    }

    pub(super) fn duplicate(field: &str, value: &Value) -> Self {
        Self::new(
            field,
            "FieldValueDuplicate",
            &format!("Duplicate value: {value}"),
            "",
        )
    }

    /// Nothing there that the value names.
    pub(super) fn not_found(field: &str, value: &Value) -> Self {
        Self::new(
            field,
            "FieldValueNotFound",
            &format!("Not found: {value}"),
            "",
        )
    }

    pub(super) fn not_supported(field: &str, value: &Value, words: &[String]) -> Self {
        let words: Vec<String> = words
            .iter()
            .map(|word| Value::from(word.as_str()).to_string())
            .collect();
        let detail = format!("supported values: {}", words.join(", "));
        Self::new(
            field,
            "FieldValueNotSupported",
            &format!("Unsupported value: {value}"),
            &detail,
        )
    }

    pub(super) fn too_long(field: &str, limit: u64) -> Self {
        let unit = if limit == 1 { "byte" } else { "bytes" };
        Self::new(
            field,
            "FieldValueTooLong",
            "Too long",
            &format!("may not be more than {limit} {unit}"),
        )
    }

    pub(super) fn too_many(field: &str, count: usize, limit: u64) -> Self {
        let unit = if limit == 1 { "item" } else { "items" };
        let head = format!("Too many: {count}");
        Self::new(
            field,
            "FieldValueTooMany",
            &head,
            &format!("must have at most {limit} {unit}"),
        )
    }

    /// Whether the server skips its rules (CEL) because of it.
    pub(super) fn blocks_rules(&self) -> bool {
        matches!(
            self.kind,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    }

    fn cause(&self) -> Value {
        json!({"reason": self.kind, "message": self.body, "field": self.field})
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body)
    }
}
