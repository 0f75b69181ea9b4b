//! `CustomResourceDefinition`s as what decides which kinds are served.
//!
//! A definition is established the moment it is written, unless that is put off
//! ([`super::ApiServer::set_establish_definitions`]); of a kind with several versions the one that is stored is served.

use std::sync::Arc;

use serde_json::{Value, json};

use super::collection::Stored;
use super::resource::{Origin, Resource};
use super::{State, discovery};

const PLURAL: &str = "customresourcedefinitions";
const MANAGER: &str = "kube-apiserver";

impl State {
    /// Serves what the definitions that were written ask for.
    pub(super) fn follow_definition(&mut self, name: &str) {
        if !self.establish {
            return;
        }
        let Some(stored) = self.definition(name) else {
            return;
        };
        if self.catalog.define(&stored.object) {
            self.publish_api_services();
        }
        let status = discovery::established(&stored.object, &self.store.timestamp());
        if conditions(&stored.object["status"]) != conditions(&status) {
            let mut object = stored.object.clone();
            object["status"] = status;
            self.publish(object);
        }
    }

    /// Serves every definition that still waits to be.
    pub(super) fn follow_definitions(&mut self) {
        let Ok(resource) = self.resource_of_kind(PLURAL) else {
            return;
        };
        let names: Vec<String> = self
            .store
            .collection(&resource)
            .values()
            .map(|stored| stored.name().to_owned())
            .collect();
        for name in names {
            self.follow_definition(&name);
        }
    }

    /// Takes away what a definition that was deleted served, objects and all.
    pub(super) fn forget_definition(&mut self, definition: &Value) {
        let Some(resource) = self.catalog.forget(definition) else {
            return;
        };
        let shared = self
            .catalog
            .iter()
            .any(|other| other.storage == resource.storage && other.origin == Origin::Custom);
        if !shared {
            self.store.clear(&resource.storage);
        }
        if !self.catalog.has_group(&resource.group)
            && let Ok(services) = self.resource_of_kind("apiservices")
        {
            let name = format!("{}.{}", resource.version, resource.group);
            self.store.remove(&services, "", &name);
        }
    }

    /// Makes the definitions of the kinds that are served, and their `APIService`s, objects of their own.
    pub(super) fn publish_definitions(&mut self) {
        let custom: Vec<Arc<Resource>> = self
            .catalog
            .iter()
            .filter(|resource| resource.origin == Origin::Custom)
            .cloned()
            .collect();
        for resource in custom {
            if self.definition(&resource.qualified()).is_none() {
                self.publish(discovery::definition(&resource));
            }
        }
        self.publish_api_services();
    }

    pub(super) fn publish_api_services(&mut self) {
        let mut groups: Vec<Arc<Resource>> = self
            .catalog
            .iter()
            .filter(|resource| resource.origin != Origin::BuiltIn)
            .cloned()
            .collect();
        groups.dedup_by(|next, first| next.group == first.group);
        for resource in groups {
            let available = resource.origin != Origin::Aggregated || self.aggregated_available;
            self.publish(discovery::api_service(&resource, available));
        }
    }

    /// Writes an object of the server's own.
    pub(super) fn publish(&mut self, object: Value) {
        if let Ok(resource) = self.resource_of(&object) {
            let stored = self.store_unchecked(&resource, MANAGER, object);
            debug_assert!(
                stored.is_ok(),
                "the server's own objects have names: {stored:?}"
            );
        }
    }

    fn definition(&self, name: &str) -> Option<Arc<Stored>> {
        let resource = self.resource_of_kind(PLURAL).ok()?;
        self.find(&resource, name)
    }
}

/// Type and status of each condition.
fn conditions(status: &Value) -> Value {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions
        .map(|condition| json!([condition["type"], condition["status"]]))
        .collect()
}
