//! The writes: create, replace, apply, merge patch, delete.
//!
//! The order of checks is that of `apiserver/pkg/endpoints/handlers` and `registry/generic/registry/store.go`: what is
//! wrong with the request, who owns the fields, which version it is of, what the object looks like.

use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::{Stored, text_at};
use super::kubernetes;
use super::managed::{Managers, Writer};
use super::merge::merge_json;
use super::metadata::{check_name, drop_empty_metadata, has_finalizers, metadata};
use super::request::{DeleteOptions, FieldValidation, Options};
use super::resource::{Origin, Resource};
use super::status_error::{FieldError, StatusError};
use super::store::Store;
use super::validate::{self, Checks};

/// One write to one place.
pub(super) struct Write<'w> {
    pub(super) store: &'w mut Store,
    pub(super) resource: &'w Resource,
    pub(super) namespace: &'w str,
    pub(super) options: &'w Options,
    pub(super) manager: &'w str,
    /// Nothing to store an object whatever it looks like.
    pub(super) checks: Option<Checks>,
    /// Unknown fields that were dropped, for `Warning` headers.
    pub(super) warnings: Vec<String>,
}

/// What a write left, and whether it made the object.
pub(super) struct Outcome {
    pub(super) stored: Arc<Stored>,
    pub(super) created: bool,
}

/// How a delete ended.
pub(super) enum Deleted {
    /// It is gone; its uid, and what it was.
    Gone { uid: String, stored: Arc<Stored> },
    /// Finalizers keep it.
    Held(Arc<Stored>),
}

impl Write<'_> {
    /// POST.
    pub(super) fn create(&mut self, body: &[u8]) -> Result<Outcome, StatusError> {
        let object = self.decode(body)?;
        self.create_object(object)
    }

    /// Creates or replaces an object, whichever version it is of.
    pub(super) fn put_directly(
        &mut self,
        name: &str,
        mut object: Value,
    ) -> Result<Outcome, StatusError> {
        if name.is_empty() {
            return Err(StatusError::bad_request("name must be provided"));
        }
        self.complete(&mut object);
        match self.store.find(self.resource, self.namespace, name) {
            None => {
                metadata(&mut object).remove("resourceVersion");
                self.create_object(object)
            }
            Some(existing) => {
                let version = text_at(&existing.object, "/metadata/resourceVersion");
                metadata(&mut object).insert("resourceVersion".to_owned(), version.into());
                self.commit_changed(&existing, object)
            }
        }
    }

    fn create_object(&mut self, mut object: Value) -> Result<Outcome, StatusError> {
        for name in [
            "creationTimestamp",
            "uid",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata(&mut object).remove(name);
        }
        self.place_in_namespace(&mut object)?;
        let given = metadata(&mut object).remove("managedFields");
        let known = given
            .as_ref()
            .and_then(Managers::from_wire)
            .unwrap_or_default();
        let now = self.store.timestamp();
        let api_version = self.resource.api_version();
        let writer = Writer {
            manager: self.manager,
            api_version: &api_version,
            now: &now,
        };
        let mut before = self.bare_object();
        kubernetes::add_structs(&self.resource.schema, &mut before);
        let managers = known.after_update(
            &self.resource.schema,
            &before,
            &object,
            &writer,
            self.resource.reset_field(),
        );
        self.commit_new(object, managers)
    }

    /// PUT.
    pub(super) fn replace(&mut self, name: &str, body: &[u8]) -> Result<Outcome, StatusError> {
        let mut object = self.decode(body)?;
        self.place_in_namespace(&mut object)?;
        check_name(&object, name)?;
        let existing = self.existing(name)?;
        let live_uid = self
            .resource
            .seen_uid(text_at(&existing.object, "/metadata/uid"));
        let given = text_at(&object, "/metadata/uid");
        if !given.is_empty() && given != live_uid {
            let (group, plural) = (&self.resource.group, &self.resource.plural);
            let root = if self.options.dry_run {
                ""
            } else {
                "/registry"
            };
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {root}/{group}/{plural}/{name}, ResourceVersion: 0, \
                 AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, UID in object meta: {live_uid}"
            );
            return Err(StatusError::conflict(self.resource, name, &why));
        }
        self.commit_changed(&existing, object)
    }

    /// PATCH with `application/merge-patch+json` (RFC 7386).
    pub(super) fn merge_patch(&mut self, name: &str, body: &[u8]) -> Result<Outcome, StatusError> {
        let patch: Value = serde_json::from_slice(body)
            .map_err(|error| StatusError::bad_request(format!("error decoding patch: {error}")))?;
        let existing = self.existing(name)?;
        let mut object = existing.seen_as(self.resource);
        merge_json(&mut object, &patch);
        if !object.is_object() {
            return Err(StatusError::bad_request(
                "error decoding patch: it is not an object",
            ));
        }
        let text = object.to_string();
        let unknown = validate::prune_unknown(&self.resource.schema, &mut object);
        if let Some(problem) = self.judge_unknown(&unknown) {
            let error = FieldError::invalid("patch", &text.into(), &problem);
            return Err(StatusError::invalid_kind("", "", &[error]));
        }
        validate::drop_nulls(&self.resource.schema, &mut object);
        self.complete(&mut object);
        drop_empty_metadata(&mut object);
        self.place_in_namespace(&mut object)?;
        check_name(&object, name)?;
        self.commit_changed(&existing, object)
    }

    /// PATCH with `application/apply-patch+yaml`; the body must be JSON.
    pub(super) fn apply(&mut self, name: &str, body: &[u8]) -> Result<Outcome, StatusError> {
        let mut config: Value = serde_json::from_slice(body)
            .map_err(|error| StatusError::bad_request(format!("error decoding YAML: {error}")))?;
        self.check_configuration(&config)?;
        self.see_as_stored(&mut config);
        let existing = self.store.find(self.resource, self.namespace, name);
        let (live, managers) = match &existing {
            Some(stored) => (self.request_view(stored), stored.managers.clone()),
            None => (self.bare_object(), Managers::default()),
        };
        let now = self.store.timestamp();
        let api_version = self.resource.api_version();
        let writer = Writer {
            manager: self.manager,
            api_version: &api_version,
            now: &now,
        };
        let force = self.options.force.unwrap_or(false);
        let schema = Arc::clone(&self.resource.schema);
        let applied = managers.apply(
            &schema,
            &live,
            &config,
            &writer,
            force,
            self.resource.reset_field(),
        )?;
        let mut object = applied.object.unwrap_or(live);
        self.complete(&mut object);
        self.place_in_namespace(&mut object)?;
        if let Some(stored) = existing {
            check_name(&object, name)?;
            return self.commit(&stored, object, applied.managers);
        }
        let uid = text_at(&object, "/metadata/uid");
        if !uid.is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(StatusError::conflict(self.resource, name, &why));
        }
        check_name(&object, name)?;
        // A resource version is no precondition here: the object is made all the same.
        if !self.options.dry_run {
            metadata(&mut object).remove("resourceVersion");
        }
        self.commit_new(object, applied.managers)
    }

    /// DELETE.
    pub(super) fn delete(
        &mut self,
        name: &str,
        options: &DeleteOptions,
    ) -> Result<Deleted, StatusError> {
        let existing = self.existing(name)?;
        let uid = self
            .resource
            .seen_uid(text_at(&existing.object, "/metadata/uid"));
        if let Some(given) = options.uid.as_ref().filter(|given| **given != uid) {
            let why = format!(
                "the UID in the precondition ({given}) does not match the UID in record ({uid}). The object might have been \
                 deleted and then recreated"
            );
            return Err(StatusError::delete_conflict(self.resource, name, &why));
        }
        let version = text_at(&existing.object, "/metadata/resourceVersion");
        if let Some(given) = options
            .resource_version
            .as_ref()
            .filter(|given| *given != version)
        {
            let why = format!(
                "the ResourceVersion in the precondition ({given}) does not match the ResourceVersion in record ({version}). \
                 The object might have been modified"
            );
            return Err(StatusError::delete_conflict(self.resource, name, &why));
        }
        if has_finalizers(&existing.object) {
            return Ok(Deleted::Held(
                self.mark_deleting(&existing, options.dry_run),
            ));
        }
        let mut last = Stored::clone(&existing);
        if !options.dry_run {
            self.store.remove(self.resource, self.namespace, name);
            let version = self.store.resource_version().to_string();
            last.object["metadata"]["resourceVersion"] = version.into();
        }
        Ok(Deleted::Gone {
            uid,
            stored: Arc::new(last),
        })
    }

    fn mark_deleting(&mut self, existing: &Arc<Stored>, dry_run: bool) -> Arc<Stored> {
        if !text_at(&existing.object, "/metadata/deletionTimestamp").is_empty() {
            return Arc::clone(existing);
        }
        let mut marked = Stored::new(existing.object.clone(), existing.managers.clone(), false);
        let now = self.store.timestamp();
        let metadata = metadata(&mut marked.object);
        metadata.insert("deletionTimestamp".to_owned(), now.into());
        metadata.insert("deletionGracePeriodSeconds".to_owned(), 0.into());
        if let Some(generation) = metadata.get("generation").and_then(Value::as_u64) {
            metadata.insert("generation".to_owned(), (generation + 1).into());
        }
        if dry_run {
            Arc::new(marked)
        } else {
            self.store.put(self.resource, marked)
        }
    }

    fn existing(&self, name: &str) -> Result<Arc<Stored>, StatusError> {
        let found = self.store.find(self.resource, self.namespace, name);
        found.ok_or_else(|| StatusError::not_found(self.resource, name))
    }

    /// Adds what the server adds to every object before it looks at it.
    pub(super) fn complete(&self, object: &mut Value) {
        let (kind, schema) = (&self.resource.kind, &self.resource.schema);
        if self.resource.origin == Origin::BuiltIn {
            kubernetes::complete(kind, schema, object);
        } else {
            validate::fill_defaults(schema, object);
        }
    }

    /// The body of a POST or PUT as an object of this kind: known fields only, defaults filled in.
    fn decode(&mut self, body: &[u8]) -> Result<Value, StatusError> {
        let (kind, version) = (&*self.resource.kind, &*self.resource.version);
        let mut object: Value = serde_json::from_slice(body).map_err(|error| {
            StatusError::bad_request(format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
            ))
        })?;
        let Some(entries) = object.as_object_mut() else {
            let message = format!(
                "{kind} in version \"{version}\" cannot be handled as a {kind}: not an object"
            );
            return Err(StatusError::bad_request(message));
        };
        let expected = self.resource.api_version();
        let given = entries
            .entry("apiVersion")
            .or_insert_with(|| expected.as_str().into());
        if *given != *expected {
            let given = given.as_str().unwrap_or_default();
            let message = format!(
                "the API version in the data ({given}) does not match the expected API version ({expected})"
            );
            return Err(StatusError::bad_request(message));
        }
        let given = entries.entry("kind").or_insert_with(|| kind.into());
        if *given != *kind {
            return Err(self.wrong_kind(&object));
        }
        let unknown = validate::prune_unknown(&self.resource.schema, &mut object);
        if let Some(problem) = self.judge_unknown(&unknown) {
            let message =
                format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {problem}");
            return Err(StatusError::bad_request(message));
        }
        validate::drop_nulls(&self.resource.schema, &mut object);
        self.complete(&mut object);
        drop_empty_metadata(&mut object);
        Ok(object)
    }

    /// The validation of a custom resource's kind, which comes before all other (`ValidateTypeMeta`).
    fn wrong_kind(&self, object: &Value) -> StatusError {
        let (given, kind) = (text_at(object, "/kind"), &*self.resource.kind);
        if self.resource.origin == Origin::BuiltIn {
            let version = &self.resource.version;
            let message = format!("{given} in version \"{version}\" cannot be handled as a {kind}");
            return StatusError::bad_request(message);
        }
        let error = FieldError::invalid("kind", &given.into(), &format!("must be {kind}"));
        let name = text_at(object, "/metadata/name");
        StatusError::invalid_kind(&self.resource.qualify(given), name, &[error])
    }

    /// What strict validation says to unknown fields; otherwise they become warnings.
    fn judge_unknown(&mut self, unknown: &[String]) -> Option<String> {
        let texts: Vec<String> = unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""))
            .collect();
        match self.options.validation {
            _ if texts.is_empty() => None,
            FieldValidation::Ignore => None,
            FieldValidation::Warn => {
                self.warnings.extend(texts);
                None
            }
            FieldValidation::Strict => Some(format!("strict decoding error: {}", texts.join(", "))),
        }
    }

    /// The checks on an applied configuration before anything is merged.
    fn check_configuration(&self, config: &Value) -> Result<(), StatusError> {
        let (given_version, given_kind) =
            (text_at(config, "/apiVersion"), text_at(config, "/kind"));
        if given_version != self.resource.api_version() || given_kind != self.resource.kind {
            let version = if given_version.is_empty() {
                "/"
            } else {
                given_version
            };
            let message = format!("invalid object type: {version}, Kind={given_kind}");
            return Err(StatusError::bad_request(message));
        }
        if config
            .pointer("/metadata/managedFields")
            .is_some_and(|fields| !fields.is_null())
        {
            return Err(StatusError::bad_request(
                "metadata.managedFields must be nil",
            ));
        }
        if let Some(problem) = super::fit::misfit(&self.resource.schema, config, true) {
            let (namespace, name) = (
                text_at(config, "/metadata/namespace"),
                text_at(config, "/metadata/name"),
            );
            let group = &self.resource.group;
            let version = &self.resource.version;
            let message = format!(
                "failed to create typed patch object ({namespace}/{name}; {group}/{version}, Kind={given_kind}): {problem}"
            );
            return Err(StatusError::unexpected(message));
        }
        Ok(())
    }

    /// An object of this kind with nothing in it.
    fn bare_object(&self) -> Value {
        json!({"apiVersion": self.resource.api_version(), "kind": self.resource.kind})
    }

    /// A stored object under this resource's name, its uid as stored.
    pub(super) fn request_view(&self, stored: &Stored) -> Value {
        let mut object = stored.object.clone();
        object["apiVersion"] = self.resource.api_version().into();
        object["kind"] = (*self.resource.kind).into();
        object
    }

    /// Turns the uid its sender saw into the one that is stored.
    pub(super) fn see_as_stored(&self, object: &mut Value) {
        let stored = object
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .map(|uid| self.resource.seen_uid(uid));
        if let Some(uid) = stored {
            object["metadata"]["uid"] = uid.into();
        }
    }

    /// `EnsureObjectNamespaceMatchesRequestNamespace` (`registry/rest/meta.go`).
    fn place_in_namespace(&self, object: &mut Value) -> Result<(), StatusError> {
        let metadata = metadata(object);
        let given = metadata
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if self.resource.namespaced && !given.is_empty() && given != self.namespace {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(StatusError::bad_request(message));
        }
        if self.resource.namespaced {
            metadata.insert("namespace".to_owned(), self.namespace.into());
        } else {
            metadata.remove("namespace");
        }
        Ok(())
    }
}
