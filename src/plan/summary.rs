//! What one step of a plan means to a reader: which object, and what becomes of it.

use super::{FieldChange, Step};
use crate::manifests::DocumentId;
use crate::render::{Kind, OWN_ANNOTATIONS};

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It comes.
    Create,
    /// It becomes another.
    Change,
    /// It goes.
    Delete,
}

impl Action {
    /// The sign at the start of a line.
    #[must_use]
    pub fn symbol(self) -> char {
        match self {
            Self::Create => '+',
            Self::Change => '~',
            Self::Delete => '-',
        }
    }

    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// One object that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What happens to it.
    pub action: Action,
    /// Its kind.
    pub kind: String,
    /// Its name, after its namespace where it has one: `kube-system/calico-node`.
    pub name: String,
    /// The unit that writes it.
    pub unit: Option<String>,
    /// What changes in it.
    pub fields: Vec<FieldChange>,
    /// Why, where no field says so.
    pub because: Option<String>,
}

/// The change a step makes to Calico; `None` when it is only the charm's own book-keeping.
#[must_use]
pub fn change(step: &Step, unit: &str) -> Option<Change> {
    let changed = |action, kind: &str, name: &str| Change {
        action,
        kind: kind.to_owned(),
        name: name.to_owned(),
        unit: Some(unit.to_owned()),
        fields: Vec::new(),
        because: None,
    };
    match step {
        // What calico-node reports changes nothing of Calico.
        Step::Apply { desired, .. } if desired.kind == Kind::CalicoNodeStatus => None,
        Step::Apply {
            desired,
            create,
            changes,
            ..
        } => {
            let action = if *create {
                Action::Create
            } else {
                Action::Change
            };
            let fields = visible(changes, |field| {
                field.starts_with("label ") || field.starts_with("annotation ")
            });
            let shown = Change {
                fields,
                ..changed(action, desired.kind.as_str(), &desired.name)
            };
            (*create || !shown.fields.is_empty()).then_some(shown)
        }
        Step::Annotate { node, changes, .. } => {
            let fields = visible(changes, |field| OWN_ANNOTATIONS.contains(&field));
            let shown = Change {
                fields,
                ..changed(Action::Change, "Node", node)
            };
            (!shown.fields.is_empty()).then_some(shown)
        }
        Step::Relabel { .. } | Step::RemoveStatus { .. } => None,
        Step::Install {
            document, changes, ..
        } => {
            let id = document.id();
            let action = if changes.is_empty() {
                Action::Create
            } else {
                Action::Change
            };
            Some(Change {
                fields: changes.clone(),
                ..changed(action, &id.kind, &placed(&id))
            })
        }
        Step::Uninstall { id, .. } => Some(Change {
            because: Some(told(step)),
            ..changed(Action::Delete, &id.kind, &placed(id))
        }),
        Step::DisablePool { name, .. } => Some(Change {
            because: Some(told(step)),
            ..changed(Action::Change, "IPPool", name)
        }),
        Step::RemovePool { name, .. } => Some(Change {
            because: Some(told(step)),
            ..changed(Action::Delete, "IPPool", name)
        }),
        Step::Delete {
            kind,
            name,
            because,
            ..
        } => Some(Change {
            because: Some(because.clone()),
            ..changed(Action::Delete, kind.as_str(), name)
        }),
    }
}

/// What the hooks' log says of a step, without the object.
fn told(step: &Step) -> String {
    let line = step.to_string();
    let told = line.split_once(": ").map(|(_, told)| told.to_owned());
    told.unwrap_or(line)
}

/// The object that a step writes.
#[must_use]
pub fn object(step: &Step) -> String {
    match step {
        Step::Apply { desired, .. } => format!("{} {}", desired.kind, desired.name),
        Step::Annotate { node, .. } => format!("Node {node}"),
        Step::Relabel { kind, name, .. } | Step::Delete { kind, name, .. } => {
            format!("{kind} {name}")
        }
        Step::RemoveStatus { unit, .. } => super::status_of(unit),
        Step::DisablePool { name, .. } | Step::RemovePool { name, .. } => format!("IPPool {name}"),
        Step::Install { document, .. } => document.id().to_string(),
        Step::Uninstall { id, .. } => id.to_string(),
    }
}

fn placed(id: &DocumentId) -> String {
    match &id.namespace {
        Some(namespace) => format!("{namespace}/{}", id.name),
        None => id.name.clone(),
    }
}

fn visible(changes: &[FieldChange], hidden: impl Fn(&str) -> bool) -> Vec<FieldChange> {
    changes
        .iter()
        .filter(|change| !hidden(&change.field))
        .cloned()
        .collect()
}
