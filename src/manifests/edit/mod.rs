//! The edits, one module a concern. Each finds what it changes or says what is not there.

mod backend;
mod conflist;
mod container;
mod cursor;
mod datastore;
mod images;
mod labels;
mod node;
mod placeholders;
#[cfg(test)]
mod tests;
mod typha;
mod webhooks;

use super::{Document, DocumentId, Settings, definition};

const CALICO_NODE: &str = "calico-node";
const CALICO_CONFIG: &str = "calico-config";
const KUBE_CONTROLLERS: &str = "calico-kube-controllers";
const CALICO_TYPHA: &str = "calico-typha";

/// An edit that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{document}{}{path} {problem}", if path.is_empty() { "" } else { ": " })]
pub struct EditError {
    /// In which document.
    pub document: Box<DocumentId>,
    /// Where in it: `spec.template.spec.containers[calico-node].env[IP]`; empty for the document itself.
    pub path: String,
    /// What is wrong there.
    pub problem: EditProblem,
}

/// What is wrong with the target of an edit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum EditProblem {
    /// It does not exist.
    #[error("is not there")]
    Missing,
    /// It is something else than a text.
    #[error("is not a text")]
    NoText,
    /// It is something else than a list.
    #[error("is not a list")]
    NoList,
    /// It is something else than a map.
    #[error("is not a map")]
    NoObject,
    /// It is a text, but not JSON once its placeholders are filled.
    #[error("is not JSON: {0}")]
    NoJson(String),
    /// It has a value this charm cannot work with.
    #[error("is {found:?}: {reason}")]
    Unfit {
        /// The value.
        found: String,
        /// Why not.
        reason: &'static str,
    },
}

type Edit = fn(&mut [Document], &Settings) -> Result<(), EditError>;

/// Edits a release's documents to what the options ask.
///
/// # Errors
/// Every [`EditError`], one a concern.
pub fn edited(
    mut documents: Vec<Document>,
    settings: &Settings,
) -> Result<Vec<Document>, Vec<EditError>> {
    typha::leave_out(&mut documents, settings);
    let edits: [Edit; 7] = [
        datastore::check,
        typha::edit,
        images::edit,
        node::edit,
        conflist::edit,
        backend::edit,
        webhooks::edit,
    ];
    let mut errors: Vec<EditError> = edits
        .into_iter()
        .filter_map(|edit| edit(&mut documents, settings).err())
        .collect();
    // The digests are of what the edits above have made.
    labels::set(&mut documents, settings);
    for document in &mut documents {
        definition::widen_as_numbers(document);
    }
    if errors.is_empty() {
        return Ok(documents);
    }
    errors.sort();
    errors.dedup();
    Err(errors)
}
