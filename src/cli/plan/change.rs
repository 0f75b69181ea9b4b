//! What one step of a plan means to a reader.

use crate::cli::fabric::FabricUnit;
use crate::plan::{FieldChange, Step};
use crate::render::OWN_ANNOTATIONS;

/// What happens to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Change,
    Delete,
}

impl Action {
    pub(super) fn symbol(self) -> char {
        match self {
            Self::Create => '+',
            Self::Change => '~',
            Self::Delete => '-',
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
        }
    }
}

/// One object that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) action: Action,
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The unit that writes it.
    pub(super) unit: Option<String>,
    pub(super) fields: Vec<FieldChange>,
    /// Why, where no field says so.
    pub(super) because: Option<String>,
}

/// The change a step makes to Calico; `None` when it is only the charm's own book-keeping.
pub(super) fn change(step: &Step, unit: &FabricUnit) -> Option<Change> {
    let changed = |action, kind, name: &String| Change {
        action,
        kind,
        name: name.clone(),
        unit: Some(unit.unit.to_string()),
        fields: Vec::new(),
        because: None,
    };
    match step {
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
            let fields = visible(changes, |field| field.starts_with("label "));
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
        Step::Relabel { .. } => None,
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
pub(super) fn object(step: &Step) -> String {
    match step {
        Step::Apply { desired, .. } => format!("{} {}", desired.kind, desired.name),
        Step::Annotate { node, .. } => format!("Node {node}"),
        Step::Relabel { kind, name, .. } | Step::Delete { kind, name, .. } => {
            format!("{kind} {name}")
        }
        Step::DisablePool { name, .. } | Step::RemovePool { name, .. } => format!("IPPool {name}"),
    }
}

fn visible(changes: &[FieldChange], hidden: impl Fn(&str) -> bool) -> Vec<FieldChange> {
    changes
        .iter()
        .filter(|change| !hidden(&change.field))
        .cloned()
        .collect()
}
