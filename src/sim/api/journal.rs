//! Every change of the store as it happens, with who made it.

use serde_json::Value;

use super::collection::Stored;
use super::fault::RequestRecord;
use super::resource::Resource;
use super::store::Store;
use super::{ApiServer, State, Verb};

/// One object that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Who sent the request; empty for what controllers did, or a test without a request.
    pub caller: String,
    /// What the request did; [`Verb::Other`] where there was none.
    pub verb: Verb,
    /// The field manager of the request.
    pub manager: String,
    /// The object's path.
    pub path: String,
    /// The object before.
    pub before: Option<Value>,
    /// The object after.
    pub after: Option<Value>,
}

/// What one store has noted since it was last asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Journal {
    on: bool,
    changes: Vec<Change>,
}

impl Journal {
    /// Notes a change, where notes are kept.
    pub(super) fn note(
        &mut self,
        resource: &Resource,
        key: &str,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) {
        if !self.on {
            return;
        }
        let seen = |stored: &Stored| stored.seen_as(resource);
        self.changes.push(Change {
            caller: String::new(),
            verb: Verb::Other,
            manager: String::new(),
            path: path(resource, key),
            before: before.map(seen),
            after: after.map(seen),
        });
    }
}

/// The path of an object whose key is its name, or its namespace and name.
fn path(resource: &Resource, key: &str) -> String {
    let root = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    match key.split_once('/') {
        Some((namespace, name)) => {
            format!("{root}/namespaces/{namespace}/{}/{name}", resource.plural)
        }
        None => format!("{root}/{}/{key}", resource.plural),
    }
}

impl Store {
    pub(super) fn changes(&mut self) -> &mut Vec<Change> {
        &mut self.journal.changes
    }
}

impl State {
    /// Says whose request the changes since `noted` come from: the first one is what it asked for, and what follows is
    /// the controllers' answer to it.
    pub(super) fn sign(&mut self, noted: usize, record: &RequestRecord, manager: &str) {
        if let Some(change) = self.store.changes().get_mut(noted) {
            change.caller.clone_from(&record.caller);
            change.verb = record.verb;
            manager.clone_into(&mut change.manager);
        }
    }
}

impl ApiServer {
    /// Whether every change of the store is kept for [`take_changes`](Self::take_changes); none is at first.
    pub fn keep_journal(&self, on: bool) {
        let journal = &mut self.state().store.journal;
        journal.on = on;
        journal.changes.clear();
    }

    /// The changes since they were last taken, in order.
    #[expect(
        clippy::must_use_candidate,
        reason = "taking them is also how they are forgotten"
    )]
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(self.state().store.changes())
    }
}
