//! Install documents: Calico's Kubernetes objects as a release brings them, edited to what the options ask. Pure.
//!
//! There are two sources, the charm's own documents and those of the resource `manifests` ([`Catalogue`]), and one way
//! through: bytes, JSON trees, [`Document`]s, [`edited`] ones. An edit that does not find its target is an error that
//! names document and path.

mod archive;
mod catalogue;
mod definition;
mod document;
mod edit;
mod embedded;
mod fingerprint;
mod kinds;
mod settings;

pub use archive::ResourceError;
pub use catalogue::{Catalogue, CatalogueError};
pub use definition::widened;
pub use document::{Document, DocumentError, DocumentId};
pub use edit::{EditError, EditProblem, edited};
pub use fingerprint::{fingerprint, fingerprint_of};
pub use kinds::Stage;
pub use settings::{Autodetection, Backend, Settings};

/// Label of every installed object, as the charms of Canonical's manifest library set it: what it is part of.
pub const LABEL_MANIFEST: &str = "juju.io/manifest";
/// The value of [`LABEL_MANIFEST`].
pub const MANIFEST: &str = "calico";
/// Label of every installed object: `calico-<release>`.
pub const LABEL_MANIFEST_VERSION: &str = "juju.io/manifest-version";
/// Label of every installed object: the Juju application.
pub const LABEL_JUJU_APPLICATION: &str = "juju.io/application";
/// Label of workloads that Charmed Kubernetes restarts when the cluster's certificate authority changes.
pub const LABEL_RESTART_ON_CA_CHANGE: &str = "cdk-restart-on-ca-change";
/// Annotation of a pod template: digest of the ConfigMaps that its containers read when they start.
pub const ANNOTATION_MANIFEST_HASH: &str = "juju.is/manifest-hash";

/// Namespace of everything Calico installs by manifest.
const NAMESPACE: &str = "kube-system";
