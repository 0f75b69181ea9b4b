//! An object as the API server holds it, read leniently: an odd foreign object must not stop anybody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::render::{
    ANNOTATION_ROLLOUT, FIELD_MANAGER, LABEL_APPLICATION, LABEL_MANAGED_BY, LABEL_MODEL,
    LABEL_UNIT, Owner,
};
use crate::rollout::Record;

/// libcalico keeps the labels of an object it rewrites in this annotation, as JSON, and drops most of them from the
/// object itself (`libcalico-go/lib/backend/k8s/resources/resources.go`).
const ANNOTATION_METADATA: &str = "projectcalico.org/metadata";

/// A JSON object with Kubernetes metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Live(Value);

impl Live {
    /// Wraps an object of the API.
    #[must_use]
    pub fn new(object: Value) -> Self {
        Self(object)
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata("name")
    }

    /// `metadata.uid`.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.metadata("uid")
    }

    /// `metadata.resourceVersion`.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.metadata("resourceVersion")
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_deleting(&self) -> bool {
        !self.metadata("deletionTimestamp").is_empty()
    }

    fn metadata(&self, key: &str) -> &str {
        self.0["metadata"][key].as_str().unwrap_or_default()
    }

    /// One field of `spec`.
    #[must_use]
    pub fn spec(&self, field: &str) -> Option<&Value> {
        self.field("spec", field)
    }

    /// One field of a section, `spec` for all kinds but the ConfigMap ([`crate::render::Kind::section`]).
    #[must_use]
    pub fn field(&self, section: &str, field: &str) -> Option<&Value> {
        self.0.get(section)?.get(field)
    }

    /// A text field of `spec`, empty when it is not there.
    #[must_use]
    pub fn spec_text(&self, field: &str) -> &str {
        self.spec(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// One annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0["metadata"]["annotations"].get(key)?.as_str()
    }

    /// How far a change may go, as it stands on BGPConfiguration itself. libcalico moves annotations away when it writes,
    /// and keeps them for ever (`libcalico-go/lib/backend/k8s/resources/resources.go`): a record that is found there alone
    /// may be of a change long past, and allows nothing.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        self.annotation(ANNOTATION_ROLLOUT)?.parse().ok()
    }

    /// What libcalico has moved into its annotation.
    fn moved(&self) -> Value {
        self.annotation(ANNOTATION_METADATA)
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// One label on the object itself.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.0["metadata"]["labels"].get(key)?.as_str()
    }

    /// Labels on the object, and those libcalico has moved into its annotation.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let moved = self.moved();
        [&moved["labels"], &self.0["metadata"]["labels"]]
            .into_iter()
            .filter_map(Value::as_object)
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    /// Who the labels say the object belongs to; `None` when this charm did not label it.
    #[must_use]
    pub fn owner(&self) -> Option<Owner> {
        let mut labels = self.labels();
        if labels.get(LABEL_MANAGED_BY).map(String::as_str) != Some(FIELD_MANAGER) {
            return None;
        }
        Some(Owner {
            model: labels.remove(LABEL_MODEL)?,
            application: labels.remove(LABEL_APPLICATION)?,
        })
    }

    /// The unit label, where the object itself still carries the charm's labels: what a unit's selector finds.
    #[must_use]
    pub fn unit_label(&self) -> Option<&str> {
        self.label(LABEL_MANAGED_BY)
            .filter(|by| *by == FIELD_MANAGER)?;
        self.label(LABEL_UNIT)
    }

    /// Whether this charm's field manager has applied the object: proof of ownership where labels were dropped.
    #[must_use]
    pub fn is_applied_by_charm(&self) -> bool {
        self.entries()
            .any(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply")
    }

    /// Fields of a section that this charm wrote, in whatever way.
    #[must_use]
    pub fn charm_fields(&self, section: &str) -> BTreeSet<&str> {
        self.fields_of_entries(section, |_| true)
    }

    /// Fields of a section that this charm applied.
    #[must_use]
    pub fn applied_fields(&self, section: &str) -> BTreeSet<&str> {
        self.fields_of_entries(section, |entry| entry["operation"] == "Apply")
    }

    fn fields_of_entries(&self, section: &str, wanted: fn(&Value) -> bool) -> BTreeSet<&str> {
        let section = format!("f:{section}");
        self.entries()
            .filter(|entry| entry["manager"] == FIELD_MANAGER && wanted(entry))
            .filter_map(|entry| entry["fieldsV1"].get(&section)?.as_object())
            .flat_map(|fields| fields.keys())
            .filter_map(|key| key.strip_prefix("f:"))
            .collect()
    }

    /// The other managers that hold a field of a section.
    #[must_use]
    pub fn other_managers_of(&self, section: &str, field: &str) -> Vec<&str> {
        let (section, key) = (format!("f:{section}"), format!("f:{field}"));
        self.entries()
            .filter(|entry| entry["manager"] != FIELD_MANAGER)
            .filter(|entry| entry["fieldsV1"][&section].get(&key).is_some())
            .filter_map(|entry| entry["manager"].as_str())
            .collect()
    }

    /// The field managers recorded for an annotation; none where the API server tracks none for the object, as it
    /// does for one that was created without any field.
    #[must_use]
    pub fn managers_of_annotation(&self, annotation: &str) -> Vec<&str> {
        let key = format!("f:{annotation}");
        self.entries()
            .filter(|entry| {
                entry["fieldsV1"]["f:metadata"]["f:annotations"]
                    .get(&key)
                    .is_some()
            })
            .filter_map(|entry| entry["manager"].as_str())
            .collect()
    }

    /// When this charm last changed an object that carries one of its annotations, as the API server says it.
    #[must_use]
    pub fn written_with(&self, annotation: &str) -> Option<&str> {
        let key = format!("f:{annotation}");
        let mut entries = self.entries();
        let entry = entries.find(|entry| {
            entry["manager"] == FIELD_MANAGER
                && entry["fieldsV1"]["f:metadata"]["f:annotations"]
                    .get(&key)
                    .is_some()
        })?;
        entry["time"].as_str()
    }

    fn entries(&self) -> impl Iterator<Item = &Value> {
        self.0["metadata"]["managedFields"]
            .as_array()
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_that_libcalico_moved_still_count() {
        let moved = json!({"labels": {"app.kubernetes.io/managed-by": "calico-charm", "calico.juju.is/model": "m", "calico.juju.is/application": "calico"}});
        let live = Live::new(
            json!({"metadata": {"name": "x", "annotations": {"projectcalico.org/metadata": moved.to_string()}}}),
        );
        let owner = live.owner().unwrap();
        assert_eq!(
            (owner.model.as_str(), owner.application.as_str()),
            ("m", "calico")
        );
        assert_eq!(live.label("calico.juju.is/model"), None);
    }

    #[test]
    fn an_object_without_metadata_is_nobodys() {
        for odd in [
            json!(null),
            json!({}),
            json!({"metadata": {"annotations": {"projectcalico.org/metadata": "{"}}}),
        ] {
            let live = Live::new(odd);
            assert_eq!(live.owner(), None);
            assert_eq!(live.name(), "");
            assert!(!live.is_applied_by_charm());
        }
    }

    #[test]
    fn field_managers_are_told_apart() {
        let live = Live::new(json!({"metadata": {"managedFields": [
            {"manager": "calico-charm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:asNumber": {}}}},
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:asNumber": {}, "f:listenPort": {}}}},
            {"manager": "calico-charm", "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": {"f:projectcalico.org/ASNumber": {}}}}},
        ]}}));
        assert_eq!(live.charm_fields("spec"), BTreeSet::from(["asNumber"]));
        assert_eq!(live.other_managers_of("spec", "asNumber"), ["kubectl"]);
        assert_eq!(live.other_managers_of("spec", "cidr"), [] as [&str; 0]);
        assert_eq!(
            live.managers_of_annotation("projectcalico.org/ASNumber"),
            ["calico-charm"]
        );
        assert!(
            live.managers_of_annotation("projectcalico.org/RouteReflectorClusterID")
                .is_empty()
        );
    }
}
