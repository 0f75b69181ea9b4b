//! The reads: one object, or a list chosen by selectors and cut into pages.

use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::{Collection, Stored, text_at};
use super::request::Options;
use super::resource::{Origin, Resource};
use super::selector::{FieldSelector, LabelSelector};
use super::status_error::StatusError;
use super::store::Store;

/// In which form objects are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
}

impl Form {
    /// What an `Accept` header asks for, of a list or of one object.
    ///
    /// # Errors
    /// 406 when it asks for the one of the other.
    pub(super) fn of_accept(accept: &str, list: bool) -> Result<Self, StatusError> {
        let wanted = accept
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix("as="));
        let message = match (wanted, list) {
            (Some("PartialObjectMetadata"), false) | (Some("PartialObjectMetadataList"), true) => {
                return Ok(Self::Metadata);
            }
            (Some("PartialObjectMetadata"), true) => {
                "you requested PartialObjectMetadata, but the requested object is a list (*unstructured.UnstructuredList)"
            }
            (Some("PartialObjectMetadataList"), false) => {
                "you requested PartialObjectMetadataList, but the requested object is not a list (*unstructured.Unstructured)"
            }
            _ => return Ok(Self::Whole),
        };
        Err(StatusError::new(406, "NotAcceptable", message))
    }

    /// One object in this form.
    pub(super) fn of(self, resource: &Resource, stored: &Stored) -> Value {
        match self {
            Self::Whole => stored.seen_as(resource),
            Self::Metadata => stored.metadata_as(resource),
        }
    }

    /// One item of a list. Items of Kubernetes' own kinds go without kind and version.
    fn of_item(self, resource: &Resource, stored: &Stored) -> Value {
        let mut item = self.of(resource, stored);
        if self == Self::Whole
            && resource.origin == Origin::BuiltIn
            && let Some(entries) = item.as_object_mut()
        {
            entries.remove("kind");
            entries.remove("apiVersion");
        }
        item
    }
}

/// GET of a collection.
pub(super) fn list(
    store: &mut Store,
    resource: &Resource,
    namespace: &str,
    options: &Options,
    accept: &str,
) -> Result<Value, StatusError> {
    let labels = LabelSelector::parse(&options.label_selector).map_err(StatusError::bad_request)?;
    let fields = FieldSelector::parse(&options.field_selector, resource.selectable_fields())
        .map_err(StatusError::bad_request)?;
    let form = Form::of_accept(accept, true)?;
    let (version, seen, start) = starting_point(store, resource, &options.continue_token)?;
    let chosen = |stored: &Stored| {
        (namespace.is_empty() || text_at(&stored.object, "/metadata/namespace") == namespace)
            && labels.matches(&stored.object)
            && fields.matches(&stored.object)
    };
    let mut tags = labels.tags();
    tags.extend(fields.tags());
    let mut rest = seen
        .after(start.as_deref(), &tags)
        .filter(|(_, stored)| chosen(stored));
    let limit = if options.limit == 0 {
        usize::MAX
    } else {
        options.limit
    };
    let mut items = Vec::new();
    let mut last = "";
    for (key, stored) in rest.by_ref().take(limit) {
        items.push(form.of_item(resource, stored));
        last = key;
    }
    let left = rest.count();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    // Lists of custom resources are no structs that leave it out (`unstructured.UnstructuredList`).
    if form == Form::Whole && resource.origin == Origin::Custom {
        metadata["continue"] = "".into();
    }
    if left > 0 {
        metadata["continue"] = format!("{version}/{last}").into();
        if labels.is_empty() && fields.is_empty() {
            metadata["remainingItemCount"] = left.into();
        }
        store.keep_snapshot(resource, version, Arc::clone(&seen));
    }
    let (kind, api_version) = match form {
        Form::Whole => (format!("{}List", resource.kind), resource.api_version()),
        Form::Metadata => (
            "PartialObjectMetadataList".to_owned(),
            "meta.k8s.io/v1".to_owned(),
        ),
    };
    Ok(json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items}))
}

/// The resource version a page is of, what there was then, and after which key the page starts.
fn starting_point(
    store: &Store,
    resource: &Resource,
    token: &str,
) -> Result<(u64, Arc<Collection>, Option<String>), StatusError> {
    if token.is_empty() {
        return Ok((store.resource_version(), store.collection(resource), None));
    }
    let parsed = token
        .split_once('/')
        .and_then(|(version, key)| Some((version.parse::<u64>().ok()?, key)));
    let (version, key) =
        parsed.ok_or_else(|| StatusError::bad_request("continue key is not valid"))?;
    let seen = store.snapshot(resource, version).ok_or_else(|| {
        let message =
            "The provided continue parameter is too old to display a consistent list result.";
        StatusError::new(410, "Expired", message)
    })?;
    Ok((version, seen, Some(key.to_owned())))
}
