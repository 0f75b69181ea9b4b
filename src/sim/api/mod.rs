//! A Kubernetes API in this process: what a kube-apiserver 1.36 does, as far as this charm uses it.
//!
//! ```text
//! kube::Client ─► service ─► gate (faults) ─► request ─► read | write | discovery ─► store
//!                                                         │
//!                                                         └─ managed (who owns what) ─ typed ─ schema
//! ```
//!
//! Served: the kinds of Kubernetes' own that an installation of Calico consists of (`kubernetes.rs`), Calico's kinds in
//! the groups of the deployment [`Mode`], and the kinds of every `CustomResourceDefinition` that is written; get, list
//! (paged, selectors), create, update, merge patch, server-side apply and delete, each also as a dry run; whole objects or
//! metadata only. Not served: watch, delete of collections, JSON and strategic patches, subresources, `generateName`, YAML
//! bodies, `pattern` in schemas, a second version of one kind. An aggregated server shows the objects of the v1 group as
//! they are: what libcalico does to their metadata is not done.
//!
//! Controllers act at once and are nobody's requests: definitions are established (`definitions.rs`), a `DaemonSet` gets
//! its pods, and workloads their status (`workloads.rs`).
//!
//! Everything is counted, nothing is drawn: uids and resource versions come from counters, the clock is set and moves
//! with each request.

mod builtin;
mod catalog;
mod collection;
mod commit;
mod compare;
mod control;
mod definitions;
mod discovery;
mod eviction;
mod fault;
mod fields;
mod fit;
mod journal;
mod kubernetes;
mod managed;
mod merge;
mod metadata;
mod pods;
mod quantity;
mod read;
mod request;
mod resource;
mod route;
mod rules;
mod schema;
mod selector;
mod service;
mod status_error;
mod store;
mod typed;
mod types;
mod validate;
mod workload_rules;
mod workloads;
mod write;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

pub use fault::{Fault, Gate, Passage, Preconditions, RequestRecord, Turnstile};
pub use journal::Change;
pub use request::Verb;
pub use status_error::StatusError;
pub use workloads::Trouble;

use catalog::Catalog;
use collection::{Stored, text_at};
use journal::Journal;
use merge::merge_json;
use request::Options;
use resource::{Origin, Resource};
use store::Store;
use workloads::Controllers;
use write::{Outcome, Write};

/// How Calico's kinds are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Definitions in `crd.projectcalico.org/v1` only.
    CrdV1,
    /// These, and Calico's API server with `projectcalico.org/v3` over the same objects.
    Aggregated,
    /// Definitions in `projectcalico.org/v3` only.
    NativeV3,
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
    gate: Arc<Mutex<Option<Gate>>>,
    turnstile: Arc<Mutex<Option<Turnstile>>>,
}

#[derive(Clone)]
struct State {
    catalog: Catalog,
    store: Store,
    requests: Vec<RequestRecord>,
    writes: usize,
    int32: bool,
    /// Whether the aggregated server answers.
    aggregated_available: bool,
    /// Whether definitions are established once they are written.
    establish: bool,
    controllers: Controllers,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer")
            .field("resource_version", &self.resource_version())
            .finish_non_exhaustive()
    }
}

impl ApiServer {
    /// A server with no nodes and no Calico objects.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        let server = Self::bare();
        server.install(mode);
        server
    }

    /// A server that knows nothing of Calico.
    #[must_use]
    pub fn bare() -> Self {
        let mut state = State {
            catalog: Catalog::kubernetes(),
            store: Store::new(),
            requests: Vec::new(),
            writes: 0,
            int32: true,
            aggregated_available: true,
            establish: true,
            controllers: Controllers::default(),
        };
        for name in kubernetes::NAMESPACES {
            state.publish(kubernetes::namespace(name));
        }
        Self {
            state: Arc::new(Mutex::new(state)),
            gate: Arc::new(Mutex::new(None)),
            turnstile: Arc::new(Mutex::new(None)),
        }
    }

    /// Another server that holds the same objects and serves the same kinds; nobody has asked it anything, and no gate
    /// stands before it.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        let mut copy = State {
            requests: Vec::new(),
            writes: 0,
            ..state.clone()
        };
        copy.store.journal = Journal::default();
        Self {
            state: Arc::new(Mutex::new(copy)),
            gate: Arc::new(Mutex::new(None)),
            turnstile: Arc::new(Mutex::new(None)),
        }
    }

    /// Serves Calico's kinds from now on; for a [`ApiServer::bare`] server.
    pub fn install(&self, mode: Mode) {
        let mut state = self.state();
        match mode {
            Mode::CrdV1 => state.catalog.add_crd_group(),
            Mode::Aggregated => {
                state.catalog.add_crd_group();
                state.catalog.add_aggregated_group();
            }
            Mode::NativeV3 => state.catalog.add_native_group(false),
        }
        state.publish_definitions();
    }

    /// A client of this server. It needs a tokio runtime, here and later.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client_as("")
    }

    /// A client whose requests are recorded under this name.
    #[must_use]
    pub fn client_as(&self, caller: &str) -> kube::Client {
        service::client(self.clone(), caller.to_owned())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates an object, or replaces the one of the same name, as `manager` would through the API, but unchecked: it
    /// may be what an older definition let in.
    ///
    /// # Errors
    /// When the kind is not served.
    pub fn insert(&self, manager: &str, object: Value) -> Result<Value, StatusError> {
        let mut state = self.state();
        state.store.move_on();
        let resource = state.resource_of(&object)?;
        state.store_unchecked(&resource, manager, object)
    }

    /// Merges a patch (RFC 7386) into an object as `manager`, unchecked.
    ///
    /// # Errors
    /// When the kind is not served, or there is no such object.
    pub fn merge(
        &self,
        manager: &str,
        kind: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, StatusError> {
        let mut state = self.state();
        state.store.move_on();
        let resource = state.resource_of_kind(kind)?;
        let stored = state
            .find(&resource, name)
            .ok_or_else(|| StatusError::not_found(&resource, name))?;
        let mut object = stored.object.clone();
        merge_json(&mut object, patch);
        state.store_unchecked(&resource, manager, object)
    }

    /// Takes an object away, finalizers or not.
    #[expect(
        clippy::must_use_candidate,
        reason = "what was there is seldom of interest"
    )]
    pub fn remove(&self, kind: &str, name: &str) -> Option<Value> {
        let mut state = self.state();
        let resource = state.resource_of_kind(kind).ok()?;
        let (namespace, name) = name.rsplit_once('/').unwrap_or(("", name));
        let removed = state.store.remove(&resource, namespace, name)?;
        state.follow_removal(&resource, &removed);
        Some(removed.seen_as(&resource))
    }

    /// The object of this kind (`BGPPeer` or `bgppeers`) and name (with its namespace before a slash, if it has one).
    #[must_use]
    pub fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let state = self.state();
        let resource = state.resource_of_kind(kind).ok()?;
        state
            .find(&resource, name)
            .map(|stored| stored.seen_as(&resource))
    }

    /// All objects of a kind, by name.
    #[must_use]
    pub fn objects(&self, kind: &str) -> Vec<Value> {
        let state = self.state();
        let Ok(resource) = state.resource_of_kind(kind) else {
            return Vec::new();
        };
        state
            .store
            .collection(&resource)
            .values()
            .map(|stored| stored.seen_as(&resource))
            .collect()
    }

    /// Every object but definitions, `APIService`s and namespaces, in one order: by group, kind and name.
    #[must_use]
    pub fn dump(&self) -> Vec<Value> {
        let state = self.state();
        let own = ["customresourcedefinitions", "apiservices", "namespaces"];
        let resources = state
            .catalog
            .iter()
            .filter(|resource| resource.origin != Origin::Aggregated);
        resources
            .filter(|resource| !own.contains(&&*resource.plural))
            .flat_map(|resource| {
                let objects = state.store.collection(resource);
                objects
                    .values()
                    .map(|stored| stored.seen_as(resource))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state().requests.clone()
    }

    /// The requests since they were last taken.
    #[expect(
        clippy::must_use_candidate,
        reason = "taking them is also how they are forgotten"
    )]
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut self.state().requests)
    }

    /// How many writing requests there were in all, dry runs apart, whether they changed something or not.
    #[must_use]
    pub fn write_count(&self) -> usize {
        self.state().writes
    }

    /// The newest resource version: it stays as long as nothing changes.
    #[must_use]
    pub fn resource_version(&self) -> u64 {
        self.state().store.resource_version()
    }
}

impl State {
    /// Does what controllers do once an object was written.
    fn follow(&mut self, resource: &Resource, stored: &Arc<Stored>) {
        if resource.plural == "customresourcedefinitions" {
            self.follow_definition(stored.name());
        }
        self.settle_workload(resource, stored);
    }

    /// Does what controllers do once an object is gone.
    fn follow_removal(&mut self, resource: &Resource, removed: &Stored) {
        if resource.plural == "customresourcedefinitions" {
            self.forget_definition(&removed.object);
        }
        self.settle_removal(resource, removed);
    }

    fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, StatusError> {
        let found = self.catalog.of_object(object).cloned();
        found.ok_or_else(|| {
            let (version, kind) = (text_at(object, "/apiVersion"), text_at(object, "/kind"));
            StatusError::bad_request(format!(
                "no matches for kind \"{kind}\" in version \"{version}\""
            ))
        })
    }

    fn resource_of_kind(&self, kind: &str) -> Result<Arc<Resource>, StatusError> {
        let found = self.catalog.of_kind(kind).cloned();
        found.ok_or_else(|| StatusError::bad_request(format!("no matches for kind \"{kind}\"")))
    }

    fn find(&self, resource: &Resource, name: &str) -> Option<Arc<Stored>> {
        let (namespace, name) = name.rsplit_once('/').unwrap_or(("", name));
        self.store.find(resource, namespace, name)
    }

    /// Creates or replaces an object without validation; `status` is written too.
    fn store_unchecked(
        &mut self,
        resource: &Resource,
        manager: &str,
        object: Value,
    ) -> Result<Value, StatusError> {
        let stored = self.store_unchecked_alone(resource, manager, object)?;
        self.follow(resource, &stored);
        Ok(stored.seen_as(resource))
    }

    /// [`store_unchecked`](Self::store_unchecked) that no controller sees.
    fn store_unchecked_alone(
        &mut self,
        resource: &Resource,
        manager: &str,
        object: Value,
    ) -> Result<Arc<Stored>, StatusError> {
        let namespace = text_at(&object, "/metadata/namespace").to_owned();
        let name = text_at(&object, "/metadata/name").to_owned();
        let unchecked = Resource {
            status_subresource: false,
            ..resource.clone()
        };
        let options = Options::default();
        let mut write = Write {
            store: &mut self.store,
            resource: &unchecked,
            namespace: &namespace,
            options: &options,
            manager,
            checks: None,
            warnings: Vec::new(),
        };
        let Outcome { stored, .. } = write.put_directly(&name, object)?;
        Ok(stored)
    }
}
