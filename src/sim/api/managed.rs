//! Who owns which field: `metadata.managedFields`, and what each kind of write does to it.
//!
//! Behaviour after `apimachinery/pkg/util/managedfields` and structured-merge-diff's `merge/update.go`. Left out: the cap
//! on the number of Update entries, and the upgrade of kubectl's last-applied annotation.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::compare::Comparison;
use super::fields::{FieldSet, Path, display, field_path};
use super::merge::merge;
use super::schema::Schema;
use super::status_error::StatusError;
use super::typed;

/// The manager that owns what stood in an object without `managedFields` when the first apply came.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// What a manager did to come to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells two entries apart. An applier has one entry whatever API version it uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ManagerId {
    name: String,
    operation: Operation,
    api_version: Option<String>,
    subresource: String,
}

impl ManagerId {
    fn new(writer: &Writer<'_>, operation: Operation) -> Self {
        Self {
            name: if writer.manager.is_empty() {
                "unknown".to_owned()
            } else {
                writer.manager.to_owned()
            },
            operation,
            api_version: (operation == Operation::Update).then(|| writer.api_version.to_owned()),
            subresource: String::new(),
        }
    }

    /// How a conflict names the manager.
    fn describe(&self) -> String {
        let mut text = Value::from(self.name.as_str()).to_string();
        if !self.subresource.is_empty() {
            text = format!(
                "{text} with subresource {}",
                Value::from(self.subresource.as_str())
            );
        }
        match &self.api_version {
            Some(version) => format!("{text} using {version}"),
            None => text,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Holding {
    fields: FieldSet,
    api_version: String,
    time: Option<String>,
}

/// All managers of one object.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Managers(BTreeMap<ManagerId, Holding>);

/// Who writes, through which API version, when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'w> {
    pub(super) manager: &'w str,
    pub(super) api_version: &'w str,
    pub(super) now: &'w str,
}

/// What an apply comes to: the object unless it stays as it is, and its managers.
#[derive(Debug)]
pub(super) struct Applied {
    pub(super) object: Option<Value>,
    pub(super) managers: Managers,
}

impl Managers {
    /// Reads `managedFields`; nothing when an entry makes no sense.
    pub(super) fn from_wire(entries: &Value) -> Option<Self> {
        let mut managers = BTreeMap::new();
        for entry in entries.as_array()? {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let operation = match entry.get("operation").and_then(Value::as_str)? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            let api_version = text("apiVersion")?;
            let id = ManagerId {
                name: text("manager")?,
                operation,
                api_version: (operation == Operation::Update).then(|| api_version.clone()),
                subresource: text("subresource").unwrap_or_default(),
            };
            let fields = entry
                .get("fieldsV1")
                .map_or_else(|| Some(FieldSet::default()), FieldSet::from_wire)?;
            managers.insert(
                id,
                Holding {
                    fields,
                    api_version,
                    time: text("time"),
                },
            );
        }
        Some(Self(managers))
    }

    /// The wire form: appliers first, then by time and name.
    pub(super) fn to_wire(&self) -> Value {
        let mut entries: Vec<(&ManagerId, &Holding)> = self.0.iter().collect();
        entries.sort_by(|(left, left_held), (right, right_held)| {
            (
                left.operation,
                &left_held.time,
                &left.name,
                &left_held.api_version,
                &left.subresource,
            )
                .cmp(&(
                    right.operation,
                    &right_held.time,
                    &right.name,
                    &right_held.api_version,
                    &right.subresource,
                ))
        });
        entries
            .into_iter()
            .map(|(id, held)| entry_to_wire(id, held))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both name the same managers with the same fields; times do not count.
    pub(super) fn same_but_for_times(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .zip(&other.0)
                .all(|((left_id, left), (right_id, right))| {
                    left_id == right_id
                        && left.fields == right.fields
                        && left.api_version == right.api_version
                })
    }

    /// The managers after an ordinary write: the writer gets what it changed or added, everybody else loses that.
    /// `reset` is a top-level field the write cannot touch.
    pub(super) fn after_update(
        mut self,
        schema: &Schema,
        before: &Value,
        after: &Value,
        writer: &Writer<'_>,
        reset: Option<&str>,
    ) -> Self {
        let changes = Comparison::between(schema, before, after);
        let taken = changes.modified.union(&changes.added);
        for held in self.0.values_mut() {
            held.fields = held.fields.difference(&taken).difference(&changes.removed);
        }
        self.0.retain(|_, held| !held.fields.is_empty());
        let taken = without_reset(&without_system_fields(&taken), reset);
        if !taken.is_empty() {
            let held = self
                .0
                .entry(ManagerId::new(writer, Operation::Update))
                .or_insert_with(|| Holding {
                    fields: FieldSet::default(),
                    api_version: writer.api_version.to_owned(),
                    time: None,
                });
            held.fields = held.fields.union(&taken);
            held.time = Some(writer.now.to_owned());
        }
        self
    }

    /// What applying `config` over `live` comes to.
    ///
    /// # Errors
    /// 409 with every conflicting field when other managers hold fields it would change and `force` is not set.
    pub(super) fn apply(
        self,
        schema: &Schema,
        live: &Value,
        config: &Value,
        writer: &Writer<'_>,
        force: bool,
        reset: Option<&str>,
    ) -> Result<Applied, StatusError> {
        let mut managers = self;
        if managers.is_empty() {
            let empty = json!({"apiVersion": writer.api_version, "kind": config.get("kind")});
            let earlier = Writer {
                manager: BEFORE_FIRST_APPLY,
                ..*writer
            };
            managers = managers.after_update(schema, &empty, live, &earlier, reset);
        }
        let id = ManagerId::new(writer, Operation::Apply);
        let merged = merge(schema, live, config);
        let last = managers.0.remove(&id);
        let own = without_reset(&typed::field_set(schema, config), reset);
        let pruned = match last
            .as_ref()
            .map(|held| &held.fields)
            .filter(|fields| !fields.is_empty())
        {
            Some(last) => managers.prune(schema, merged, last, &own),
            None => merged,
        };
        let changes = Comparison::between(schema, live, &pruned);
        let written = changes.modified.union(&changes.added);
        let conflicts = managers.conflicts(&written);
        if !conflicts.is_empty() && !force {
            return Err(conflict_error(&conflicts));
        }
        for held in managers.0.values_mut() {
            held.fields = held
                .fields
                .difference(&written)
                .difference(&changes.removed);
        }
        let differs = pruned != *live;
        let time = if differs {
            Some(writer.now.to_owned())
        } else {
            last.and_then(|held| held.time)
        };
        let fields = without_system_fields(&own);
        managers.0.insert(
            id,
            Holding {
                fields,
                api_version: writer.api_version.to_owned(),
                time,
            },
        );
        managers.0.retain(|_, held| !held.fields.is_empty());
        Ok(Applied {
            object: differs.then_some(pruned),
            managers,
        })
    }

    /// Takes out of `merged` what its applier held `last` time, holds no more, and nobody else holds.
    fn prune(&self, schema: &Schema, merged: Value, last: &FieldSet, own: &FieldSet) -> Value {
        let named = |set: &FieldSet| typed::with_named_parents(schema, set);
        let last = named(last);
        let bare = typed::remove(schema, &merged, &last);
        let held = self
            .0
            .values()
            .fold(own.clone(), |all, held| all.union(&held.fields));
        let before = named(&typed::field_set(schema, &merged));
        // First what somebody owns comes back, then what the applier never owned.
        let surplus =
            before.difference(&named(&typed::field_set(schema, &bare)).union(&named(&held)));
        let owned = typed::remove(schema, &merged, &surplus);
        let surplus = before
            .difference(&named(&typed::field_set(schema, &owned)))
            .intersection(&last);
        if surplus.is_empty() {
            merged
        } else {
            typed::remove(schema, &merged, &surplus)
        }
    }

    fn conflicts(&self, written: &FieldSet) -> Vec<(String, Path)> {
        let mut conflicts = Vec::new();
        for (id, held) in &self.0 {
            let shared = held.fields.intersection(written);
            conflicts.extend(
                shared
                    .in_report_order()
                    .into_iter()
                    .map(|path| (id.describe(), path.clone())),
            );
        }
        conflicts
    }
}

fn entry_to_wire(id: &ManagerId, held: &Holding) -> Value {
    let mut entry = json!({
        "manager": id.name, "operation": id.operation.name(), "apiVersion": held.api_version,
        "fieldsType": "FieldsV1", "fieldsV1": held.fields.to_wire(),
    });
    if let Some(entry) = entry.as_object_mut() {
        if let Some(time) = &held.time {
            entry.insert("time".to_owned(), time.as_str().into());
        }
        if !id.subresource.is_empty() {
            entry.insert("subresource".to_owned(), id.subresource.as_str().into());
        }
    }
    entry
}

/// Takes out what no manager owns (`stripmeta.go`).
fn without_system_fields(set: &FieldSet) -> FieldSet {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let system = [&["apiVersion"][..], &["kind"], &["metadata"]]
        .into_iter()
        .map(field_path);
    let system: FieldSet = system
        .chain(metadata.iter().map(|name| field_path(&["metadata", name])))
        .collect();
    set.difference(&system)
}

fn without_reset(set: &FieldSet, reset: Option<&str>) -> FieldSet {
    reset.map_or_else(|| set.clone(), |field| set.outside(&field_path(&[field])))
}

/// The refusal, worded as in `internal/conflict.go`.
fn conflict_error(conflicts: &[(String, Path)]) -> StatusError {
    let causes = conflicts.iter().map(|(manager, path)| {
        json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": display(path)})
    });
    let message = match conflicts {
        [(manager, path)] => format!(
            "Apply failed with 1 conflict: conflict with {manager}: {}",
            display(path)
        ),
        several => {
            let mut lines: Vec<String> = Vec::new();
            let mut by_manager: BTreeMap<&String, Vec<&Path>> = BTreeMap::new();
            for (manager, path) in several {
                by_manager.entry(manager).or_default().push(path);
            }
            for (manager, paths) in by_manager {
                lines.push(format!("conflicts with {manager}:"));
                lines.extend(paths.into_iter().map(|path| format!("- {}", display(path))));
            }
            format!(
                "Apply failed with {} conflicts: {}",
                several.len(),
                lines.join("\n")
            )
        }
    };
    StatusError::new(409, "Conflict", message).with_causes(causes.collect())
}
