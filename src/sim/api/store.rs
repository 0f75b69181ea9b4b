//! The objects, one ordered map a kind, and what is counted over all of them: resource versions, uids, time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::collection::{Collection, Stored, text_at};
use super::journal::Journal;
use super::resource::{Resource, Word};

/// How many lists can be paged through at a time; older ones expire.
const SNAPSHOTS: usize = 32;

/// 2026-01-01T00:00:00Z.
const EPOCH: u64 = 1_767_225_600;

#[derive(Debug, Clone)]
pub(super) struct Store {
    collections: BTreeMap<Word, Arc<Collection>>,
    /// What lists that are being paged through saw, by place and resource version.
    snapshots: BTreeMap<(u64, Word), Arc<Collection>>,
    resource_version: u64,
    uids: u64,
    now: Duration,
    /// How far the clock moves with each request.
    pub(super) tick: Duration,
    pub(super) journal: Journal,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            collections: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            resource_version: 1,
            uids: 0,
            now: Duration::from_secs(EPOCH),
            tick: Duration::from_secs(1),
            journal: Journal::default(),
        }
    }

    pub(super) fn collection(&self, resource: &Resource) -> Arc<Collection> {
        self.collections
            .get(&*resource.storage)
            .cloned()
            .unwrap_or_default()
    }

    pub(super) fn find(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Stored>> {
        self.collections
            .get(&*resource.storage)?
            .get(&key(namespace, name))
            .cloned()
    }

    /// Keeps an object under the next resource version, which is written into it.
    pub(super) fn put(&mut self, resource: &Resource, mut stored: Stored) -> Arc<Stored> {
        self.resource_version += 1;
        stored.object["metadata"]["resourceVersion"] = self.resource_version.to_string().into();
        let key = key(
            text_at(&stored.object, "/metadata/namespace"),
            stored.name(),
        );
        let stored = Arc::new(stored);
        let collection = self
            .collections
            .entry(resource.storage.clone())
            .or_default();
        let before = collection.get(&key).cloned();
        self.journal
            .note(resource, &key, before.as_deref(), Some(&stored));
        Arc::make_mut(collection).insert(&key, Arc::clone(&stored));
        stored
    }

    /// Forgets an object; that too is a new resource version.
    pub(super) fn remove(
        &mut self,
        resource: &Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Stored>> {
        let collection = self.collections.get_mut(&*resource.storage)?;
        let key = key(namespace, name);
        let removed = Arc::make_mut(collection).remove(&key)?;
        self.resource_version += 1;
        self.journal.note(resource, &key, Some(&removed), None);
        Some(removed)
    }

    /// Whether there is a namespace of this name.
    pub(super) fn has_namespace(&self, name: &str) -> bool {
        let namespaces = self.collections.get("namespaces");
        namespaces.is_some_and(|namespaces| namespaces.get(name).is_some())
    }

    /// Forgets every object of a place.
    pub(super) fn clear(&mut self, place: &str) {
        if self.collections.remove(place).is_some() {
            self.resource_version += 1;
        }
    }

    /// Keeps what a list sees now, so that its next pages see the same.
    pub(super) fn keep_snapshot(
        &mut self,
        resource: &Resource,
        version: u64,
        seen: Arc<Collection>,
    ) {
        let place = (version, resource.storage.clone());
        self.snapshots.insert(place, seen);
        while self.snapshots.len() > SNAPSHOTS {
            self.snapshots.pop_first();
        }
    }

    pub(super) fn snapshot(&self, resource: &Resource, version: u64) -> Option<Arc<Collection>> {
        self.snapshots
            .get(&(version, resource.storage.clone()))
            .cloned()
    }

    pub(super) fn forget_snapshots(&mut self) {
        self.snapshots.clear();
    }

    pub(super) fn resource_version(&self) -> u64 {
        self.resource_version
    }

    /// The uid the next object gets.
    pub(super) fn next_uid(&self) -> String {
        format!("00000000-0000-4000-8000-{:012x}", self.uids + 1)
    }

    /// How many objects there have been so far.
    pub(super) fn objects_made(&self) -> u64 {
        self.uids
    }

    /// Uses up the uid of an object that was created, were it for a dry run.
    pub(super) fn use_uid(&mut self) {
        self.uids += 1;
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn set_now(&mut self, now: Duration) {
        self.now = now;
    }

    /// Lets the time of one request pass.
    pub(super) fn move_on(&mut self) {
        self.now += self.tick;
    }

    /// The time as objects carry it.
    pub(super) fn timestamp(&self) -> String {
        rfc3339(self.now.as_secs())
    }
}

pub(super) fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// Seconds since 1970 as `2026-01-01T00:00:00Z`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 0000-03-01, so that the leap day ends a year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (EPOCH, "2026-01-01T00:00:00Z"),
            (EPOCH + 59 * 86_400 + 3_661, "2026-03-01T01:01:01Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
