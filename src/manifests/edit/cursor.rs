//! A place in a document that knows its path, so that whatever is not there can be named.

use serde_json::{Map, Value};

use super::{EditError, EditProblem};
use crate::manifests::{Document, DocumentId};

/// A place in a document.
pub(super) struct Cursor<'a> {
    document: DocumentId,
    path: String,
    value: &'a mut Value,
}

/// The document of a kind and name in Calico's namespace.
pub(super) fn find<'a>(
    documents: &'a mut [Document],
    kind: &str,
    name: &str,
) -> Result<Cursor<'a>, EditError> {
    let id = DocumentId::namespaced(kind, name);
    let found = documents.iter_mut().find(|document| document.id() == id);
    match found {
        Some(document) => Ok(Cursor::new(document)),
        None => Err(missing(id, String::new())),
    }
}

fn missing(document: DocumentId, path: String) -> EditError {
    EditError {
        document: Box::new(document),
        path,
        problem: EditProblem::Missing,
    }
}

impl<'a> Cursor<'a> {
    pub(super) fn new(document: &'a mut Document) -> Self {
        Self {
            document: document.id(),
            path: String::new(),
            value: document.value_mut(),
        }
    }

    /// The start of JSON that stands as a text at this place.
    pub(super) fn inside<'b>(&self, value: &'b mut Value) -> Cursor<'b> {
        Cursor {
            document: self.document.clone(),
            path: self.path.clone(),
            value,
        }
    }

    /// The field that one name after the other leads to.
    pub(super) fn field(self, names: &[&str]) -> Result<Self, EditError> {
        names.iter().try_fold(self, |place, name| {
            let dot = if place.path.is_empty() { "" } else { "." };
            let path = format!("{}{dot}{name}", place.path);
            place.moved(path, |value| value.get_mut(*name))
        })
    }

    /// The item of a list that has this name.
    pub(super) fn item(self, name: &str) -> Result<Self, EditError> {
        self.item_with("name", name)
    }

    /// The item of a list whose field has this value.
    pub(super) fn item_with(self, field: &str, wanted: &str) -> Result<Self, EditError> {
        let path = format!("{}[{wanted}]", self.path);
        self.moved(path, |value| {
            let mut items = value.as_array_mut()?.iter_mut();
            items.find(|item| item[field] == wanted)
        })
    }

    fn moved(
        self,
        path: String,
        step: impl FnOnce(&'a mut Value) -> Option<&'a mut Value>,
    ) -> Result<Self, EditError> {
        match step(self.value) {
            Some(value) => Ok(Self {
                document: self.document,
                path,
                value,
            }),
            None => Err(missing(self.document, path)),
        }
    }

    /// Every item of a list; none when this is no list.
    pub(super) fn items(self) -> impl Iterator<Item = Cursor<'a>> {
        let Self {
            document,
            path,
            value,
        } = self;
        let items = value.as_array_mut().into_iter().flatten();
        items.enumerate().map(move |(index, value)| {
            let name = value["name"].as_str();
            let name = name.map_or_else(|| index.to_string(), str::to_owned);
            Cursor {
                document: document.clone(),
                path: format!("{path}[{name}]"),
                value,
            }
        })
    }

    pub(super) fn value(&self) -> &Value {
        self.value
    }

    pub(super) fn set(self, value: impl Into<Value>) {
        *self.value = value.into();
    }

    /// The text here.
    pub(super) fn text(&self) -> Result<&str, EditError> {
        self.value
            .as_str()
            .ok_or_else(|| self.error("", EditProblem::NoText))
    }

    /// The list here.
    pub(super) fn list(&mut self) -> Result<&mut Vec<Value>, EditError> {
        let error = self.error("", EditProblem::NoList);
        self.value.as_array_mut().ok_or(error)
    }

    /// The fields here.
    pub(super) fn object(&mut self) -> Result<&mut Map<String, Value>, EditError> {
        let error = self.error("", EditProblem::NoObject);
        self.value.as_object_mut().ok_or(error)
    }

    /// An error at this place, or at a place below it.
    pub(super) fn error(&self, below: &str, problem: EditProblem) -> EditError {
        EditError {
            document: Box::new(self.document.clone()),
            path: format!("{}{below}", self.path),
            problem,
        }
    }
}
