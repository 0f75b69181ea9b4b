//! Which releases there are documents of, and those documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::archive::{Contents, File, ResourceError, contents};
use super::{Document, DocumentError, DocumentId, embedded, fingerprint};
use crate::config::yaml;
use crate::model::Release;

/// The releases whose documents the charm has: its own, and those of the resource `manifests`.
#[derive(Debug)]
pub struct Catalogue {
    sources: BTreeMap<Release, Vec<File>>,
    attached: Option<Release>,
}

/// Why there are no documents; a message continues the sentence that names the resource or the release.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The resource cannot be read.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// No documents of this release.
    #[error("{0} is not a release the charm has documents of")]
    UnknownRelease(Release),
    /// A file without the container whose image tells the release.
    #[error("has no DaemonSet kube-system/calico-node with a container of that name")]
    NoCalicoNode,
    /// An image that does not tell the release.
    #[error("does not tell its release: calico-node's image is {0:?}")]
    NoRelease(String),
    /// A folder that says another release than the image in it.
    #[error("{folder} holds the documents of {image}")]
    OtherRelease {
        /// The folder's release.
        folder: Release,
        /// calico-node's.
        image: Release,
    },
    /// A file that is not YAML.
    #[error("{file}: {problem}")]
    Yaml {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        problem: yaml::DocumentsError,
    },
    /// A document that is not an object to install.
    #[error("{file}, line {line}: {problem}")]
    Document {
        /// The file's name.
        file: String,
        /// Where the document starts.
        line: usize,
        /// What is wrong with it.
        problem: Box<DocumentError>,
    },
    /// The same object twice.
    #[error("{file}, line {line}: a second {id}")]
    Duplicate {
        /// The file's name.
        file: String,
        /// Where the second one starts.
        line: usize,
        /// The object.
        id: DocumentId,
    },
}

impl CatalogueError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownRelease(_) => {
                "set another release, or attach that release's calico.yaml as resource manifests"
            }
            Self::NoRelease(_) => {
                "attach an archive with the file as <release>/calico.yaml, e.g. v3.31.7/calico.yaml"
            }
            Self::Document { problem, .. } if matches!(**problem, DocumentError::Kind(..)) => {
                "attach the release's calico.yaml for the Kubernetes datastore, and apply other objects yourself"
            }
            _ => {
                "attach a release's own calico.yaml, gzipped, as resource manifests, or a .tar.gz of <release>/calico.yaml"
            }
        }
    }
}

impl Catalogue {
    /// The charm's own documents alone.
    #[must_use]
    pub fn embedded() -> Self {
        let files = embedded::FILES.map(|(name, text)| (name.into(), text.into()));
        Self {
            sources: BTreeMap::from([(embedded::RELEASE, files.into())]),
            attached: None,
        }
    }

    /// The charm's own documents, and those of the resource: a release's file, or a tar archive, gzipped or not, of
    /// `<release>/calico.yaml`. Where both have a release, the resource's count.
    ///
    /// # Errors
    /// [`CatalogueError`] when the resource is neither.
    pub fn with_resource(bytes: &[u8]) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::embedded();
        match contents(bytes)? {
            Contents::Releases(releases) => {
                catalogue.attached = releases.last_key_value().map(|(release, _)| *release);
                catalogue.sources.extend(releases);
            }
            Contents::Plain(file) => {
                let release = release_of(&parsed(std::slice::from_ref(&file))?)?;
                catalogue.attached = Some(release);
                catalogue.sources.insert(release, vec![file]);
            }
        }
        Ok(catalogue)
    }

    /// The releases, newest first.
    #[must_use]
    pub fn releases(&self) -> Vec<Release> {
        self.sources.keys().rev().copied().collect()
    }

    /// The release to run where none is chosen: the newest of the resource, which somebody attached for a reason, else the
    /// charm's own.
    #[must_use]
    pub fn preferred(&self) -> Release {
        self.attached.unwrap_or(embedded::RELEASE)
    }

    /// Digest of the charm's own documents: one revision of the charm is told from another by it.
    #[must_use]
    pub fn digest(&self) -> String {
        let own = embedded::FILES.map(|(_, text)| text);
        fingerprint(&format!(
            "{} {}",
            env!("CARGO_PKG_VERSION"),
            own.join("\n---\n")
        ))
    }

    /// Digest of the files a release's documents come from: 16 hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self, release: Release) -> Option<String> {
        let files = self.sources.get(&release)?;
        let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_ref()).collect();
        Some(fingerprint(&texts.join("\n---\n")))
    }

    /// A release's documents as they stand in the files.
    ///
    /// # Errors
    /// [`CatalogueError`] when there are none, or one is not fit to be applied.
    pub fn documents(&self, release: Release) -> Result<Vec<Document>, CatalogueError> {
        let files = self.sources.get(&release);
        let documents = parsed(files.ok_or(CatalogueError::UnknownRelease(release))?)?;
        // An image may have a tag of the site's own; one that is another release would pass for a downgrade.
        match release_of(&documents) {
            Ok(image) if image != release => Err(CatalogueError::OtherRelease {
                folder: release,
                image,
            }),
            _ => Ok(documents),
        }
    }
}

fn parsed(files: &[File]) -> Result<Vec<Document>, CatalogueError> {
    let mut documents = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in files {
        let file = || name.clone().into_owned();
        let values = yaml::documents(text).map_err(|problem| CatalogueError::Yaml {
            file: file(),
            problem,
        })?;
        for (line, value) in values {
            for value in unfolded(value) {
                let document =
                    Document::new(value).map_err(|problem| CatalogueError::Document {
                        file: file(),
                        line,
                        problem: Box::new(problem),
                    })?;
                if !seen.insert(document.id()) {
                    return Err(CatalogueError::Duplicate {
                        file: file(),
                        line,
                        id: document.id(),
                    });
                }
                documents.push(document);
            }
        }
    }
    Ok(documents)
}

/// The objects of a `List` that is written as one object, as `kubectl get -o yaml` does.
fn unfolded(value: Value) -> Vec<Value> {
    match value {
        Value::Object(mut object) if object.get("kind") == Some(&"List".into()) => {
            match object.remove("items") {
                Some(Value::Array(items)) => items.into_iter().flat_map(unfolded).collect(),
                _ => Vec::new(),
            }
        }
        value => vec![value],
    }
}

/// The release of a file: the tag of calico-node's image.
fn release_of(documents: &[Document]) -> Result<Release, CatalogueError> {
    let id = DocumentId::namespaced("DaemonSet", "calico-node");
    let daemon_set = documents.iter().find(|document| document.id() == id);
    let image = daemon_set
        .and_then(|document| {
            let containers =
                document.value()["spec"]["template"]["spec"]["containers"].as_array()?;
            let node = containers.iter().find(|one| one["name"] == "calico-node")?;
            node["image"].as_str()
        })
        .ok_or(CatalogueError::NoCalicoNode)?;
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    name.rsplit_once(':')
        .and_then(|(_, tag)| tag.parse().ok())
        .ok_or_else(|| CatalogueError::NoRelease(image.to_owned()))
}

#[cfg(test)]
mod tests;
