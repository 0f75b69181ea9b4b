//! One Kubernetes object of an install document.

use std::fmt;

use serde_json::{Map, Value};

use super::kinds::{self, Installable, Stage};

/// What the API server keeps about an object and nobody applies; exported objects have it.
const SERVER_METADATA: [&str; 6] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "creationTimestamp",
    "generation",
    "selfLink",
];

/// One Kubernetes object, of a kind that Calico's manifests hold, with a name that is fit for a URL.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    value: Value,
    entry: &'static Installable,
}

/// Which object a document is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentId {
    /// Its kind.
    pub kind: String,
    /// Its namespace, where the kind has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Why a JSON value is not a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not an object, or without one of the texts that tell which.
    #[error("is not a Kubernetes object: it has no {0}")]
    Incomplete(&'static str),
    /// A kind that Calico's manifests do not hold.
    #[error("{0} of {1} is not a kind that Calico's install manifests hold")]
    Kind(DocumentId, String),
    /// A name or namespace that no object has.
    #[error("{0:?} is not a name of a Kubernetes object")]
    Name(String),
    /// A namespaced object without namespace.
    #[error("{0} has no namespace")]
    NoNamespace(DocumentId),
}

impl fmt::Display for DocumentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "/{namespace}")?;
        }
        write!(formatter, "/{}", self.name)
    }
}

impl DocumentId {
    pub(super) fn namespaced(kind: &str, name: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: Some(super::NAMESPACE.to_owned()),
            name: name.to_owned(),
        }
    }

    /// Which object `name` of a collection is, by the collection's path (`/apis/apps/v1/namespaces/kube-system/daemonsets`);
    /// `None` when no document is of such a kind.
    #[must_use]
    pub fn of_collection(collection: &str, namespace: Option<&str>, name: &str) -> Option<Self> {
        let mut parts = collection.trim_start_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let entry = kinds::of_plural(group, collection.rsplit('/').next()?)?;
        Some(Self {
            kind: entry.kind.to_owned(),
            namespace: namespace.filter(|_| entry.is_namespaced).map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl Document {
    /// Takes an object as a file has it. What only the API server writes is left out.
    ///
    /// # Errors
    /// [`DocumentError`] when it is no object that may be installed.
    pub fn new(mut value: Value) -> Result<Self, DocumentError> {
        let api_version = text(&value, &["apiVersion"], "apiVersion")?;
        let kind = text(&value, &["kind"], "kind")?;
        let name = text(&value, &["metadata", "name"], "metadata.name")?;
        let namespace = value["metadata"]["namespace"].as_str().map(str::to_owned);
        let mut id = DocumentId {
            kind,
            namespace,
            name,
        };
        let entry = kinds::installable(group_of(&api_version), &id.kind)
            .ok_or_else(|| DocumentError::Kind(id.clone(), api_version.clone()))?;
        if !entry.is_namespaced {
            id.namespace = None;
        }
        if !is_name(&id.name, 253) {
            return Err(DocumentError::Name(id.name));
        }
        match &id.namespace {
            None if entry.is_namespaced => return Err(DocumentError::NoNamespace(id)),
            Some(namespace) if !is_name(namespace, 63) => {
                return Err(DocumentError::Name(namespace.clone()));
            }
            _ => {}
        }
        if !is_name(version_of(&api_version), 63) {
            return Err(DocumentError::Incomplete("apiVersion"));
        }
        if let Some(object) = value.as_object_mut() {
            object.remove("status");
        }
        if let Some(metadata) = value["metadata"].as_object_mut() {
            for key in SERVER_METADATA {
                metadata.remove(key);
            }
            if !entry.is_namespaced {
                metadata.remove("namespace");
            }
        }
        Ok(Self { value, entry })
    }

    /// Which object this is.
    #[must_use]
    pub fn id(&self) -> DocumentId {
        DocumentId {
            kind: self.kind().to_owned(),
            namespace: self.namespace().map(str::to_owned),
            name: self.name().to_owned(),
        }
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.entry.kind
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.value["apiVersion"].as_str().unwrap_or_default()
    }

    /// `metadata.namespace`; `None` for kinds that have none.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.value["metadata"]["namespace"].as_str()
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// The whole object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    pub(super) fn value_mut(&mut self) -> &mut Value {
        &mut self.value
    }

    /// The whole object.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// When it is applied.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.entry.stage
    }

    /// Its URL path: `/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.collection_path(), self.name())
    }

    /// The URL path of the objects of its kind in its namespace.
    #[must_use]
    pub fn collection_path(&self) -> String {
        let root = if self.entry.group.is_empty() {
            "api"
        } else {
            "apis"
        };
        let api_version = self.api_version();
        let plural = self.entry.plural;
        match self.namespace() {
            Some(namespace) => format!("/{root}/{api_version}/namespaces/{namespace}/{plural}"),
            None => format!("/{root}/{api_version}/{plural}"),
        }
    }

    /// The same with an annotation more.
    #[must_use]
    pub fn with_annotation(mut self, key: &str, value: &str) -> Self {
        set_metadata(&mut self.value, "annotations", key, value);
        self
    }

    pub(super) fn set_label(&mut self, key: &str, value: &str) {
        set_metadata(&mut self.value, "labels", key, value);
    }
}

/// Sets a label or an annotation of an object or of a pod template. Whatever has no place for it is left alone.
pub(super) fn set_metadata(object: &mut Value, section: &str, key: &str, value: &str) {
    let mut place = Some(object);
    for field in ["metadata", section] {
        place = place.and_then(Value::as_object_mut).map(|fields| {
            let inner = fields.entry(field).or_insert(Value::Null);
            if inner.is_null() {
                *inner = Value::Object(Map::new());
            }
            inner
        });
    }
    if let Some(Value::Object(fields)) = place {
        fields.insert(key.to_owned(), value.into());
    }
}

fn text(value: &Value, path: &[&str], name: &'static str) -> Result<String, DocumentError> {
    let mut value = value;
    for key in path {
        value = value.get(key).unwrap_or(&Value::Null);
    }
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(DocumentError::Incomplete(name)),
    }
}

fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn version_of(api_version: &str) -> &str {
    api_version
        .split_once('/')
        .map_or(api_version, |(_, version)| version)
}

/// A name that is one segment of a URL path, looser than Kubernetes' own rules, which the API server applies.
fn is_name(text: &str, longest: usize) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-".contains(&byte);
    let dots = text.bytes().all(|byte| byte == b'.');
    !dots && text.len() <= longest && text.bytes().all(allowed)
}
