//! The API server's own event stream: what happened to every object that matters, in the order in which it happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use calico_charm::cluster::connect;
use futures::future::join_all;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::exchange::Exchange;
use crate::support::real_cluster::RealCluster;

/// What is watched, by plural.
pub const WATCHED: [&str; 5] = [
    "bgpconfigurations",
    "bgppeers",
    "ippools",
    "nodes",
    "ipamblocks",
];
/// Events come at once; a busy machine is given time.
const CAUGHT_UP_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// One change of one object.
#[derive(Debug, Clone)]
pub struct Event {
    /// The resource version it made: one sequence for all kinds, since etcd counts its writes.
    pub version: u64,
    /// Plural of the kind.
    pub plural: &'static str,
    /// The object's name.
    pub name: String,
    /// The object from now on, `None` when it is gone.
    pub object: Option<Value>,
    /// When it arrived here.
    pub seen: Instant,
}

/// Watches until it is asked for what it has seen.
pub struct Stream {
    cluster: RealCluster,
    events: Arc<Mutex<Vec<Event>>>,
    stop: watch::Sender<bool>,
    watcher: Option<JoinHandle<()>>,
}

impl Stream {
    /// Begins with what there is.
    pub fn begin(cluster: &RealCluster) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = watch::channel(false);
        let (to, from) = (Arc::clone(&events), cluster.clone());
        let watcher = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .expect("a runtime needs a few file descriptors only")
                .block_on(follow(&from, &to, stopped));
        });
        Self {
            cluster: cluster.clone(),
            events,
            stop,
            watcher: Some(watcher),
        }
    }

    /// How many changes have been seen.
    pub fn count(&self) -> usize {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The resource version at which the cluster is.
    pub fn now(&self) -> u64 {
        let list = self
            .cluster
            .send(&Exchange::get("/api/v1/nodes?limit=1"))
            .body;
        version(&list)
    }

    /// Every change in order, once all that has happened so far has been seen.
    pub fn events(&self) -> Vec<Event> {
        let deadline = Instant::now() + CAUGHT_UP_WITHIN;
        let there = self.there();
        loop {
            let mut events = self
                .events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            events.sort_by_key(|event| event.version);
            if held(&events) == there {
                return events;
            }
            assert!(
                Instant::now() < deadline
                    && self
                        .watcher
                        .as_ref()
                        .is_some_and(|watcher| !watcher.is_finished()),
                "the watches do not come to {there:?}, but to {:?}",
                held(&events)
            );
            thread::sleep(POLL);
        }
    }

    /// Version of every watched object, as lists show them.
    fn there(&self) -> BTreeMap<(&'static str, String), u64> {
        let mut there = BTreeMap::new();
        for plural in WATCHED {
            for object in self.cluster.list(plural) {
                there.insert((plural, name(&object)), version(&object));
            }
        }
        there
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ended_already = self.stop.send(true);
        if let Some(watcher) = self.watcher.take() {
            let _panicked = watcher.join();
        }
    }
}

/// Version of every object that is left after these events.
fn held(events: &[Event]) -> BTreeMap<(&'static str, String), u64> {
    let mut held = BTreeMap::new();
    for event in events {
        let key = (event.plural, event.name.clone());
        match event.object {
            Some(_) => held.insert(key, event.version),
            None => held.remove(&key),
        };
    }
    held
}

async fn follow(cluster: &RealCluster, events: &Mutex<Vec<Event>>, stopped: watch::Receiver<bool>) {
    let client = connect(&cluster.kubeconfig)
        .await
        .expect("the kubeconfig was written here");
    let watches = WATCHED.map(|plural| {
        let (client, mut stopped) = (client.clone(), stopped.clone());
        async move {
            let path = cluster.collection(plural);
            tokio::select! {
                () = follow_kind(&client, &path, plural, events) => {}
                _ = stopped.changed() => {}
            }
        }
    });
    join_all(watches).await;
}

/// Lists a kind, then watches from there, again and again: the API server ends a watch when it likes.
async fn follow_kind(
    client: &Client,
    path: &str,
    plural: &'static str,
    events: &Mutex<Vec<Event>>,
) {
    let note = |object: Value, gone: bool| {
        let event = Event {
            version: version(&object),
            plural,
            name: name(&object),
            object: (!gone).then_some(object),
            seen: Instant::now(),
        };
        let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event);
    };
    let reply = Exchange::get(path).sent(client).await;
    let mut list = reply.unwrap_or_else(|error| panic!("{path}: {error}")).body;
    let mut from = version(&list);
    let items = list["items"].as_array_mut().map(std::mem::take);
    for object in items.into_iter().flatten() {
        note(object, false);
    }
    loop {
        let watching = format!("{path}?watch=1&resourceVersion={from}");
        let request = Request::get(watching).body(Body::empty());
        let request = request.expect("a path of the API server");
        let reply = client.send(request).await;
        let reply = reply.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        let (mut body, mut text) = (reply.into_body(), Vec::new());
        while let Some(Ok(frame)) = body.frame().await {
            text.extend(frame.into_data().unwrap_or_default());
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let mut event: Value =
                    serde_json::from_slice(&line).expect("the API server writes JSON");
                let object = event["object"].take();
                let verb = event["type"].as_str().unwrap_or_default();
                assert!(
                    ["ADDED", "MODIFIED", "DELETED"].contains(&verb),
                    "{path}: {verb} {object}"
                );
                from = version(&object);
                note(object, verb == "DELETED");
            }
        }
    }
}

fn version(object: &Value) -> u64 {
    let text = object["metadata"]["resourceVersion"].as_str();
    let version = text.and_then(|text| text.parse().ok());
    version.unwrap_or_else(|| panic!("no resource version: {object}"))
}

fn name(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}
