//! What differs between a desired object and the live one, field by field.

use std::fmt;

use serde_json::Value;

use super::Live;
use crate::render::{Desired, Kind};

/// One field that a write changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldChange {
    /// The field, without `spec.`; an annotation's key for Nodes.
    pub field: String,
    /// What stands there, `None` for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it becomes, `None` for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The option (and the place in it) that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Field managers that lose the field by the forced apply.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taken_from: Vec<String>,
}

impl FieldChange {
    /// A change that no single option asks for.
    #[must_use]
    pub fn of(field: &str, from: Option<&str>, to: Option<&str>) -> Self {
        Self {
            field: field.to_owned(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            because: None,
            taken_from: Vec::new(),
        }
    }

    fn write_value(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = shown_field(&self.field);
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(formatter, "{field} {from} → {to}"),
            (None, Some(to)) => write!(formatter, "{field} {to}"),
            (Some(from), None) => write!(formatter, "{field} {from} removed"),
            (None, None) => write!(formatter, "{field} set"),
        }
    }

    fn write_reason(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(because) = &self.because {
            write!(formatter, " ({because})")?;
        }
        if !self.taken_from.is_empty() {
            write!(formatter, ", taken from {}", self.taken_from.join(", "))?;
        }
        Ok(())
    }

    fn shares_reason(&self, other: &Self) -> bool {
        self.because == other.because && self.taken_from == other.taken_from
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_value(formatter)?;
        self.write_reason(formatter)
    }
}

/// Several changes of one object in one line, neighbours with one reason under it together:
/// `asNumber 64512, peerIP 10.0.0.1 (unit-bgp-peers: 0[0])`.
pub struct Changes<'a>(pub &'a [FieldChange]);

impl fmt::Display for Changes<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, change) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            formatter.write_str(separator)?;
            change.write_value(formatter)?;
            if !self
                .0
                .get(index + 1)
                .is_some_and(|next| next.shares_reason(change))
            {
                change.write_reason(formatter)?;
            }
        }
        Ok(())
    }
}

/// Annotations are known by the last part of their key: `ASNumber`, `applied`.
fn shown_field(field: &str) -> &str {
    field.rsplit_once('/').map_or(field, |(_, name)| name)
}

/// What Calico assumes where a field is absent or empty (`libcalico-go/lib/clientv3/ippool.go`): writing it would
/// change nothing. `blockSize` is not among them, see [`crate::render::ip_pool`].
fn assumed(kind: Kind, field: &str) -> Option<Value> {
    match (kind, field) {
        (Kind::IpPool, "ipipMode" | "vxlanMode") => Some("Never".into()),
        (Kind::IpPool, "nodeSelector") => Some("all()".into()),
        (Kind::IpPool, "disabled" | "natOutgoing") => Some(false.into()),
        _ => None,
    }
}

/// The fields an apply of `desired` would change on `live`: differing values, missing labels, and fields that this
/// charm applied earlier and no longer wants. Empty means that a write would be for nothing.
#[must_use]
pub fn differences(desired: &Desired, live: &Live) -> Vec<FieldChange> {
    let mut changes: Vec<FieldChange> = desired
        .spec
        .iter()
        .filter_map(|(field, wanted)| changed_field(desired, live, field, wanted))
        .collect();
    let section = desired.kind.section();
    for field in live.charm_fields(section) {
        if !desired.spec.contains_key(field) && is_to_go(desired, live, field) {
            changes.push(FieldChange {
                field: field.to_owned(),
                from: live.field(section, field).map(shown),
                to: None,
                because: desired.reasons.get(field).cloned(),
                taken_from: Vec::new(),
            });
        }
    }
    for (key, wanted) in &desired.labels {
        if live.label(key) != Some(wanted) {
            changes.push(FieldChange {
                field: format!("label {key}"),
                from: live.label(key).map(str::to_owned),
                to: Some(wanted.clone()),
                because: None,
                taken_from: Vec::new(),
            });
        }
    }
    for (key, wanted) in &desired.annotations {
        if live.annotation(key) != Some(wanted) {
            changes.push(FieldChange {
                field: format!("annotation {key}"),
                from: live.annotation(key).map(str::to_owned),
                to: Some(wanted.clone()),
                because: None,
                taken_from: Vec::new(),
            });
        }
    }
    changes
}

/// Whether a field that this charm wrote and no longer wants has to be removed. An apply owns just what it sent; what
/// else it wrote (3.32.0's BGPConfiguration, by create and merge patch) includes the API server's defaults, which come
/// back when they are removed, and fields that others have taken as their own since.
fn is_to_go(desired: &Desired, live: &Live, field: &str) -> bool {
    let section = desired.kind.section();
    let named_by_an_option = desired.reasons.contains_key(field);
    live.applied_fields(section).contains(field)
        || named_by_an_option && live.other_managers_of(section, field).is_empty()
}

fn changed_field(
    desired: &Desired,
    live: &Live,
    field: &str,
    wanted: &Value,
) -> Option<FieldChange> {
    let section = desired.kind.section();
    let present = live
        .field(section, field)
        .filter(|value| !matches!(value, Value::Null) && value.as_str() != Some(""));
    let effective = present.cloned().or_else(|| assumed(desired.kind, field));
    if effective.as_ref() == Some(wanted) {
        return None;
    }
    Some(FieldChange {
        field: field.to_owned(),
        from: present.map(shown),
        to: Some(shown(wanted)),
        because: desired.reasons.get(field).cloned(),
        taken_from: live
            .other_managers_of(section, field)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

/// The fields of an object that is new, for its log line: those that say more than Calico's default.
#[must_use]
pub fn initial(desired: &Desired) -> Vec<FieldChange> {
    desired
        .spec
        .iter()
        .filter(|(field, value)| assumed(desired.kind, field).as_ref() != Some(value))
        .map(|(field, value)| FieldChange {
            field: field.clone(),
            from: None,
            to: Some(shown(value)),
            because: desired.reasons.get(field).cloned(),
            taken_from: Vec::new(),
        })
        .collect()
}

/// A value for people: text without quotes, a list of `{cidr}` as the CIDRs alone.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.get("cidr").map_or_else(|| shown(item), shown))
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn pool(spec: &Value) -> Desired {
        Desired {
            kind: Kind::IpPool,
            name: "ipv4".into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            spec: spec.as_object().cloned().unwrap(),
            reasons: BTreeMap::from([("ipipMode".to_owned(), "ipip".to_owned())]),
        }
    }

    fn lines(desired: &Desired, live: Value) -> Vec<String> {
        differences(desired, &Live::new(live))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn equal_values_need_no_write_whoever_wrote_them() {
        let desired = pool(
            &json!({"cidr": "192.168.0.0/16", "disabled": false, "ipipMode": "Never", "nodeSelector": "all()"}),
        );
        for live in [
            json!({"spec": {"cidr": "192.168.0.0/16"}}),
            json!({"spec": {"cidr": "192.168.0.0/16", "disabled": false, "ipipMode": "", "nodeSelector": ""}}),
            json!({"spec": {"cidr": "192.168.0.0/16", "vxlanMode": "Always"}}),
        ] {
            assert_eq!(lines(&desired, live), [] as [String; 0]);
        }
    }

    #[test]
    fn a_change_says_from_what_to_what_why_and_from_whom() {
        let desired = pool(&json!({"ipipMode": "Always"}));
        let live = json!({
            "metadata": {"managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {"f:ipipMode": {}}}}]},
            "spec": {"ipipMode": "CrossSubnet"},
        });
        assert_eq!(
            lines(&desired, live),
            ["ipipMode CrossSubnet → Always (ipip), taken from kubectl"]
        );
    }

    #[test]
    fn fields_this_charm_applied_and_no_longer_wants_are_removed() {
        let desired = pool(&json!({}));
        let live = json!({
            "metadata": {"managedFields": [{"manager": "calico-charm", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ipipMode": {}}}}]},
            "spec": {"ipipMode": "Always", "vxlanMode": "Never"},
        });
        assert_eq!(lines(&desired, live), ["ipipMode Always removed (ipip)"]);
    }

    #[test]
    fn defaults_that_came_with_a_create_are_nobodys_to_remove() {
        let desired = pool(&json!({}));
        let entry = |manager: &str, operation: &str, field: &str| json!({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {field: {}}}});
        let ours = "calico-charm";
        for (entries, removed) in [
            (vec![entry(ours, "Update", "f:assignmentMode")], 0),
            (vec![entry(ours, "Update", "f:ipipMode")], 1),
            (
                vec![
                    entry(ours, "Update", "f:ipipMode"),
                    entry("kubectl", "Update", "f:ipipMode"),
                ],
                0,
            ),
            (vec![entry(ours, "Apply", "f:assignmentMode")], 1),
            (
                vec![
                    entry(ours, "Apply", "f:ipipMode"),
                    entry("kubectl", "Update", "f:ipipMode"),
                ],
                1,
            ),
        ] {
            let live = json!({"metadata": {"managedFields": entries}, "spec": {"ipipMode": "Always", "assignmentMode": "Automatic"}});
            assert_eq!(lines(&desired, live).len(), removed, "{entries:?}");
        }
    }

    #[test]
    fn block_size_is_written_even_where_it_is_the_default() {
        let desired = pool(&json!({"blockSize": 26}));
        assert_eq!(lines(&desired, json!({"spec": {}})), ["blockSize 26"]);
    }
}
