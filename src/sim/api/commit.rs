//! Storing what a write came to: checks, system fields, versions and generations.

use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::{Stored, text_at};
use super::kubernetes;
use super::managed::{Managers, Writer};
use super::metadata::{
    check_metadata, check_metadata_update, drop_empty_metadata, has_finalizers, metadata,
    without_metadata,
};
use super::resource::{Counted, Origin};
use super::status_error::{FieldError, StatusError};
use super::validate;
use super::workload_rules;
use super::write::{Outcome, Write};

impl Write<'_> {
    /// Stores an object that was not there before.
    pub(super) fn commit_new(
        &mut self,
        mut object: Value,
        managers: Managers,
    ) -> Result<Outcome, StatusError> {
        if let Some(field) = self.resource.reset_field()
            && let Some(entries) = object.as_object_mut()
        {
            entries.remove(field);
        }
        self.complete(&mut object);
        let (uid, now) = (self.store.next_uid(), self.store.timestamp());
        let fresh = metadata(&mut object);
        fresh.insert("uid".to_owned(), uid.into());
        fresh.insert("creationTimestamp".to_owned(), now.into());
        if self.resource.counted == Counted::Nothing {
            fresh.remove("generation");
        } else {
            fresh.insert("generation".to_owned(), 1.into());
        }
        let name = text_at(&object, "/metadata/name").to_owned();
        if self.checks.is_some()
            && self.resource.namespaced
            && !self.store.has_namespace(self.namespace)
        {
            return Err(StatusError::namespace_not_found(self.namespace));
        }
        if self.resource.origin == Origin::BuiltIn {
            let made = self.store.objects_made();
            kubernetes::allocate(&self.resource.kind, &mut object, made);
        }
        let errors = self.check(&object, None);
        if !errors.is_empty() {
            return Err(StatusError::invalid(self.resource, &name, &errors));
        }
        let versioned = !text_at(&object, "/metadata/resourceVersion").is_empty();
        if versioned && !self.options.dry_run {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(StatusError::unexpected(message));
        }
        if let Some(existing) = self.store.find(self.resource, self.namespace, &name) {
            let deleting = !text_at(&existing.object, "/metadata/deletionTimestamp").is_empty();
            return Err(StatusError::already_exists(self.resource, &name, deleting));
        }
        let untidy = drop_empty_metadata(&mut object);
        let stored = Stored::new(object, managers, untidy);
        // The uid of a dry run is nobody else's either.
        self.store.use_uid();
        let stored = if self.options.dry_run {
            Arc::new(stored)
        } else {
            self.store.put(self.resource, stored)
        };
        Ok(Outcome {
            stored,
            created: true,
        })
    }

    /// Stores what an ordinary write made of an object: finds out who owns what first.
    pub(super) fn commit_changed(
        &mut self,
        existing: &Arc<Stored>,
        mut object: Value,
    ) -> Result<Outcome, StatusError> {
        self.see_as_stored(&mut object);
        let managers = match metadata(&mut object).remove("managedFields") {
            // One empty entry stops the tracking (`isResetManagedFields`); an empty list does where reading keeps it.
            Some(given) if given == json!([{}]) => Managers::default(),
            Some(given) if given == json!([]) && self.resource.origin == Origin::BuiltIn => {
                Managers::default()
            }
            Some(given) => match Managers::from_wire(&given) {
                Some(given) if !given.is_empty() => given,
                _ => existing.managers.clone(),
            },
            None => existing.managers.clone(),
        };
        let managers = if managers.is_empty() {
            managers
        } else {
            let now = self.store.timestamp();
            let api_version = self.resource.api_version();
            let writer = Writer {
                manager: self.manager,
                api_version: &api_version,
                now: &now,
            };
            let live = self.request_view(existing);
            managers.after_update(
                &self.resource.schema,
                &live,
                &object,
                &writer,
                self.resource.reset_field(),
            )
        };
        self.commit(existing, object, managers)
    }

    /// Stores a new state of an object, unless it is the old one.
    pub(super) fn commit(
        &mut self,
        existing: &Arc<Stored>,
        mut object: Value,
        mut managers: Managers,
    ) -> Result<Outcome, StatusError> {
        let name = existing.name().to_owned();
        self.check_version(existing, &mut object, &name)?;
        let old = self.request_view(existing);
        self.keep_system_fields(&old, &mut object);
        let errors = self.check(&object, Some(&old));
        if !errors.is_empty() {
            return Err(StatusError::invalid(self.resource, &name, &errors));
        }
        if object == old && managers.same_but_for_times(&existing.managers) {
            managers = existing.managers.clone();
        }
        if object == old && managers == existing.managers && !existing.untidy {
            return Ok(Outcome {
                stored: Arc::clone(existing),
                created: false,
            });
        }
        let deleting = !text_at(&object, "/metadata/deletionTimestamp").is_empty();
        let done = deleting && !has_finalizers(&object);
        object["apiVersion"] = existing.object["apiVersion"].clone();
        object["kind"] = existing.object["kind"].clone();
        let untidy = drop_empty_metadata(&mut object);
        let stored = Stored::new(object, managers, untidy);
        let stored = if self.options.dry_run {
            Arc::new(stored)
        } else if done {
            self.store.remove(self.resource, self.namespace, &name);
            Arc::new(stored)
        } else {
            self.store.put(self.resource, stored)
        };
        Ok(Outcome {
            stored,
            created: false,
        })
    }

    fn check(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let Some(checks) = self.checks else {
            return Vec::new();
        };
        let mut errors = Vec::new();
        if let Some(old) = old {
            errors.extend(check_metadata_update(object, old));
            if self.resource.origin != Origin::BuiltIn {
                // A custom resource's own validator looks at the same rules again.
                errors.extend(check_metadata_update(object, old));
            }
        }
        errors.extend(check_metadata(object));
        if self.resource.origin == Origin::BuiltIn {
            workload_rules::check(&self.resource.kind, object, old, &mut errors);
        }
        validate::check(&self.resource.schema, object, old, checks, &mut errors);
        errors
    }

    /// The optimistic lock. Without a version an update of a custom resource is refused.
    fn check_version(
        &self,
        existing: &Stored,
        object: &mut Value,
        name: &str,
    ) -> Result<(), StatusError> {
        let current = text_at(&existing.object, "/metadata/resourceVersion");
        let given = text_at(object, "/metadata/resourceVersion");
        if given.is_empty() {
            if self.resource.origin == Origin::BuiltIn {
                metadata(object).insert("resourceVersion".to_owned(), current.into());
                return Ok(());
            }
            let error = FieldError::invalid(
                "metadata.resourceVersion",
                &0.into(),
                "must be specified for an update",
            );
            let kind = self.resource.qualified();
            return Err(StatusError::invalid_kind(&kind, name, &[error]));
        }
        if given == current {
            Ok(())
        } else {
            Err(StatusError::stale(self.resource, name))
        }
    }

    /// What an update cannot change (`BeforeUpdate`), and the count of generations.
    fn keep_system_fields(&self, old: &Value, object: &mut Value) {
        if let (Some(field), Some(entries)) = (self.resource.reset_field(), object.as_object_mut())
        {
            match old.get(field) {
                Some(value) => entries.insert(field.to_owned(), value.clone()),
                None => entries.remove(field),
            };
        }
        let unchanged = match self.resource.counted {
            Counted::Nothing => true,
            Counted::Fields(names) => names.iter().all(|name| old.get(name) == object.get(name)),
            Counted::Content => without_metadata(old) == without_metadata(object),
        };
        let old = old.get("metadata").and_then(Value::as_object);
        let kept = |name: &str| old.and_then(|old| old.get(name)).cloned();
        let metadata = metadata(object);
        if metadata.get("uid").is_none_or(Value::is_null) {
            metadata.remove("uid");
            metadata.extend(kept("uid").map(|uid| ("uid".to_owned(), uid)));
        }
        for name in [
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ] {
            metadata.remove(name);
            metadata.extend(kept(name).map(|value| (name.to_owned(), value)));
        }
        if let Some(generation) = metadata
            .get("generation")
            .and_then(Value::as_u64)
            .filter(|_| !unchanged)
        {
            metadata.insert("generation".to_owned(), (generation + 1).into());
        }
    }
}
