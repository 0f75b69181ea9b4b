//! What a test or the simulation does to the server beside requests: faults, time, what is served, what runs.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::collection::text_at;
use super::resource::V3_GROUP;
use super::{ApiServer, Fault, RequestRecord, StatusError, Trouble, Turnstile};

impl ApiServer {
    /// Has every request looked at first. The gate may use the server.
    pub fn set_gate(&self, gate: impl Fn(&RequestRecord) -> Option<Fault> + Send + Sync + 'static) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(gate));
    }

    /// Lets all requests pass again.
    pub fn clear_gate(&self) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Holds every request up before it is carried out, after the gate, and again before it is answered.
    pub fn set_turnstile(&self, turnstile: Turnstile) {
        *self
            .turnstile
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(turnstile);
    }

    /// The server's time since 1970.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.state().store.now()
    }

    /// Sets the time, since 1970.
    pub fn set_now(&self, now: Duration) {
        self.state().store.set_now(now);
    }

    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state();
        let now = state.store.now();
        state.store.set_now(now + by);
    }

    /// How far the time moves with each request; one second at first.
    pub fn set_tick(&self, tick: Duration) {
        self.state().store.tick = tick;
    }

    /// Whether `format: int32` bounds a number, as it does from Kubernetes 1.36 on.
    pub fn set_enforce_int32(&self, enforce: bool) {
        self.state().int32 = enforce;
    }

    /// Whether Calico's own API server answers, where there is one: when not, its group gives 503 and its APIService is
    /// not Available.
    pub fn set_aggregated_available(&self, available: bool) {
        let mut state = self.state();
        state.aggregated_available = available;
        state.publish_api_services();
    }

    /// Whether definitions are established, and their kinds served, once they are written. Those that wait are
    /// established when this is turned on.
    pub fn set_establish_definitions(&self, establish: bool) {
        let mut state = self.state();
        state.establish = establish;
        state.follow_definitions();
    }

    /// Whether workloads get their pods and their status; they do at first.
    pub fn set_controllers(&self, on: bool) {
        let mut state = self.state();
        state.controllers.off = !on;
        if on {
            state.settle_workloads();
        }
    }

    /// Lets the pods on a Node, or a Deployment of this name, have trouble from now on, or have none any more.
    pub fn set_trouble(&self, place: &str, trouble: Option<Trouble>) {
        let mut state = self.state();
        match trouble {
            Some(trouble) => state.controllers.troubles.insert(place.to_owned(), trouble),
            None => state.controllers.troubles.remove(place),
        };
        state.show_trouble(place);
    }

    /// Starts the migration to native v3 definitions: these are served beside the v1 ones, with objects of their own,
    /// and so is `DatastoreMigration`, of which there is none yet.
    pub fn serve_migration(&self) {
        let mut state = self.state();
        state.catalog.add_migration_group();
        if !state.catalog.has_group(V3_GROUP) {
            state.catalog.add_native_group(true);
        }
        state.publish_definitions();
    }

    /// Lets the lists that are being paged through expire: their next page gets 410.
    pub fn expire_pages(&self) {
        self.state().store.forget_snapshots();
    }

    /// Takes the schemas of these `CustomResourceDefinition`s in place of the built-in ones; definitions of kinds that
    /// are not served are passed over. Returns how many were taken.
    ///
    /// # Errors
    /// When a definition cannot be stored.
    pub fn install_definitions(&self, definitions: &[Value]) -> Result<usize, StatusError> {
        let mut state = self.state();
        let mut taken = 0;
        for definition in definitions {
            let (group, plural) = (
                text_at(definition, "/spec/group"),
                text_at(definition, "/spec/names/plural"),
            );
            let served = state
                .catalog
                .iter()
                .any(|resource| resource.group == group && resource.plural == plural);
            if !served {
                continue;
            }
            let mut definition = definition.clone();
            definition["spec"]["scope"] = "Cluster".into();
            definition["spec"]["versions"][0]["served"] = true.into();
            definition["spec"]["versions"][0]["storage"] = true.into();
            let resource = state.resource_of_kind("customresourcedefinitions")?;
            state.store_unchecked(&resource, "kube-apiserver", definition)?;
            taken += 1;
        }
        Ok(taken)
    }
}
