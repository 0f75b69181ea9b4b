//! The objects of one kind in name order, and which of them carry a label or run on a node.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::Value;

use super::managed::Managers;
use super::resource::Resource;

/// One stored object; its managers are kept beside it and joined when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub(super) object: Value,
    pub(super) managers: Managers,
    /// `managers` as they are sent.
    managed_fields: Value,
    /// Whether what is kept holds empty metadata that reading it drops: then the next write, whatever it does, makes a
    /// new version.
    pub(super) untidy: bool,
}

impl Stored {
    pub(super) fn new(object: Value, managers: Managers, untidy: bool) -> Self {
        let managed_fields = managers.to_wire();
        Self {
            object,
            managers,
            managed_fields,
            untidy,
        }
    }

    pub(super) fn name(&self) -> &str {
        text_at(&self.object, "/metadata/name")
    }

    /// The object as clients of `resource` see it.
    pub(super) fn seen_as(&self, resource: &Resource) -> Value {
        let mut object = self.object.clone();
        object["apiVersion"] = resource.api_version().into();
        object["kind"] = (*resource.kind).into();
        self.finish_metadata(resource, &mut object["metadata"]);
        object
    }

    /// Only its metadata, as `PartialObjectMetadata`.
    pub(super) fn metadata_as(&self, resource: &Resource) -> Value {
        let mut metadata = self.object.get("metadata").cloned().unwrap_or_default();
        self.finish_metadata(resource, &mut metadata);
        serde_json::json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
    }

    fn finish_metadata(&self, resource: &Resource, metadata: &mut Value) {
        if !self.managers.is_empty() {
            metadata["managedFields"] = self.managed_fields.clone();
        }
        let seen = metadata
            .get("uid")
            .and_then(Value::as_str)
            .map(|uid| resource.seen_uid(uid));
        if let Some(uid) = seen {
            metadata["uid"] = uid.into();
        }
    }

    fn tags(&self) -> BTreeSet<Tag> {
        let labels = at(&self.object, "/metadata/labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        let mut tags: BTreeSet<Tag> = labels
            .filter_map(|(key, value)| value.as_str().map(|value| Tag::label(key, value)))
            .collect();
        let node = text_at(&self.object, "/spec/nodeName");
        if !node.is_empty() {
            tags.insert(Tag::node(node));
        }
        tags
    }
}

/// The value at a path like `/metadata/name`; no field on the way has a slash in its name.
pub(super) fn at<'v>(object: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('/')
        .skip(1)
        .try_fold(object, |value, name| value.get(name))
}

/// The text at such a path, empty when there is none.
pub(super) fn text_at<'v>(object: &'v Value, path: &str) -> &'v str {
    at(object, path).and_then(Value::as_str).unwrap_or_default()
}

/// Something objects are looked up by: a label with its value, or the node of a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tag(String, String);

impl Tag {
    pub(super) fn label(key: &str, value: &str) -> Self {
        Self(key.to_owned(), value.to_owned())
    }

    /// No label is called like a field of the spec with a dot in front.
    pub(super) fn node(name: &str) -> Self {
        Self(".spec.nodeName".to_owned(), name.to_owned())
    }
}

/// All objects of one place, by name, or by namespace and name.
#[derive(Debug, Clone, Default)]
pub(super) struct Collection {
    objects: BTreeMap<String, Arc<Stored>>,
    tagged: BTreeMap<Tag, BTreeSet<String>>,
}

impl Collection {
    pub(super) fn get(&self, key: &str) -> Option<&Arc<Stored>> {
        self.objects.get(key)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.objects.values()
    }

    pub(super) fn insert(&mut self, key: &str, stored: Arc<Stored>) {
        let tags = stored.tags();
        let old = self
            .objects
            .insert(key.to_owned(), stored)
            .map(|old| old.tags())
            .unwrap_or_default();
        self.untag(key, old.difference(&tags));
        for tag in tags {
            self.tagged.entry(tag).or_default().insert(key.to_owned());
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Arc<Stored>> {
        let removed = self.objects.remove(key)?;
        self.untag(key, removed.tags().iter());
        Some(removed)
    }

    fn untag<'t>(&mut self, key: &str, tags: impl Iterator<Item = &'t Tag>) {
        for tag in tags {
            if let Some(keys) = self.tagged.get_mut(tag) {
                keys.remove(key);
                if keys.is_empty() {
                    self.tagged.remove(tag);
                }
            }
        }
    }

    /// The objects after `start` in name order; with `tags` only those that carry one of a set of them, whichever set
    /// the fewest objects do: a unit's selector names the whole application first.
    pub(super) fn after<'c>(
        &'c self,
        start: Option<&str>,
        tags: &[Vec<Tag>],
    ) -> Box<dyn Iterator<Item = (&'c String, &'c Arc<Stored>)> + 'c> {
        let start = start.map_or(Bound::Unbounded, Bound::Excluded);
        let carrying = |tag: &Tag| self.tagged.get(tag).map_or(0, BTreeSet::len);
        let count = |set: &&Vec<Tag>| set.iter().map(carrying).sum::<usize>();
        let Some(tags) = tags.iter().min_by_key(count) else {
            return Box::new(self.objects.range::<str, _>((start, Bound::Unbounded)));
        };
        let keys: BTreeSet<&String> = tags
            .iter()
            .filter_map(|tag| self.tagged.get(tag))
            .flat_map(|keys| keys.range::<str, _>((start, Bound::Unbounded)))
            .collect();
        Box::new(
            keys.into_iter()
                .filter_map(|key| self.objects.get_key_value(key)),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tags_lead_to_what_carries_them_now() {
        let labelled = |value: &str| {
            let object = json!({"metadata": {"name": "n", "labels": {"l": value}}, "spec": {"nodeName": "m"}});
            Arc::new(Stored::new(object, Managers::default(), false))
        };
        let mut collection = Collection::default();
        let found =
            |collection: &Collection, tag: Tag| collection.after(None, &[vec![tag]]).count();
        collection.insert("n", labelled("old"));
        collection.insert("n", labelled("new"));
        assert_eq!(collection.tagged.len(), 2, "the old label is forgotten");
        for (tag, count) in [
            (Tag::label("l", "old"), 0),
            (Tag::label("l", "new"), 1),
            (Tag::node("m"), 1),
        ] {
            assert_eq!(found(&collection, tag.clone()), count, "{tag:?}");
        }
        assert!(
            collection
                .after(Some("n"), &[vec![Tag::node("m")]])
                .next()
                .is_none()
        );
        collection.remove("n").expect("it was there");
        assert!(collection.tagged.is_empty());
    }

    #[test]
    fn the_rarest_tags_lead() {
        let mut collection = Collection::default();
        for name in ["a", "b", "c"] {
            let object = json!({"metadata": {"name": name, "labels": {"all": "x", "one": name}}});
            collection.insert(
                name,
                Arc::new(Stored::new(object, Managers::default(), false)),
            );
        }
        let tags = [vec![Tag::label("all", "x")], vec![Tag::label("one", "b")]];
        let found: Vec<&String> = collection.after(None, &tags).map(|(key, _)| key).collect();
        assert_eq!(found, ["b"]);
        assert_eq!(collection.after(None, &tags[..1]).count(), 3);
    }
}
