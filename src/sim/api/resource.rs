//! One kind the server serves.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use super::schema::Schema;

/// Calico's API group of the original definitions.
pub(super) const CRD_GROUP: &str = "crd.projectcalico.org";
/// Calico's API group of the aggregated server, and of the native definitions.
pub(super) const V3_GROUP: &str = "projectcalico.org";
/// The group of the migration from one to the other.
pub(super) const MIGRATION_GROUP: &str = "migration.projectcalico.org";

/// Who serves a resource; it decides on metadata and on updates without a resource version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A type of Kubernetes itself.
    BuiltIn,
    /// A `CustomResourceDefinition`: an update must say which version it is of.
    Custom,
    /// Calico's aggregated server over the objects of [`CRD_GROUP`]: as a custom resource, with other uids.
    Aggregated,
}

/// Which changes `metadata.generation` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// None: the kind has no generation.
    Nothing,
    /// Those of these fields.
    Fields(&'static [&'static str]),
    /// All but those of the metadata, and of the status where it is a subresource.
    Content,
}

/// A word of a resource: the server's own, or one of a definition that somebody wrote.
pub(super) type Word = Cow<'static, str>;

/// One resource of one group and version.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) group: Word,
    pub(super) version: Word,
    pub(super) kind: Word,
    pub(super) plural: Word,
    pub(super) namespaced: bool,
    pub(super) origin: Origin,
    /// Where the objects are kept. Two resources may share a place.
    pub(super) storage: Word,
    /// Whether `status` is out of reach for writes to the object itself.
    pub(super) status_subresource: bool,
    pub(super) counted: Counted,
    pub(super) schema: Arc<Schema>,
}

impl Resource {
    /// `apiVersion` of its objects.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `word.group`, or the bare word in the core group.
    pub(super) fn qualify(&self, word: &str) -> String {
        if self.group.is_empty() {
            word.to_owned()
        } else {
            format!("{word}.{}", self.group)
        }
    }

    /// The resource's name with its group, as error texts give it.
    pub(super) fn qualified(&self) -> String {
        self.qualify(&self.plural)
    }

    /// The fields a `fieldSelector` may use.
    pub(super) fn selectable_fields(&self) -> &'static [&'static str] {
        match (&*self.plural, self.namespaced) {
            ("pods", _) => &[
                "metadata.name",
                "metadata.namespace",
                "spec.nodeName",
                "status.phase",
            ],
            (_, true) => &["metadata.name", "metadata.namespace"],
            (_, false) => &["metadata.name"],
        }
    }

    /// The field a write to the object itself cannot touch.
    pub(super) fn reset_field(&self) -> Option<&'static str> {
        self.status_subresource.then_some("status")
    }

    /// The uid its clients see. Calico's aggregated server reverses the bits of each byte but two, so that the objects
    /// of the two groups differ (`calico-datamodel`: v3 conversion); it is its own inverse.
    pub(super) fn seen_uid(&self, uid: &str) -> String {
        if self.origin != Origin::Aggregated {
            return uid.to_owned();
        }
        let digits: Vec<u8> = uid
            .chars()
            .filter_map(|c| c.to_digit(16))
            .filter_map(|d| u8::try_from(d).ok())
            .collect();
        let bytes = digits.chunks(2).enumerate().map(|(index, pair)| {
            let byte = pair.iter().fold(0_u8, |byte, digit| byte << 4 | digit);
            if matches!(index, 6 | 8) {
                byte
            } else {
                byte.reverse_bits()
            }
        });
        let mut text = String::new();
        for (index, byte) in bytes.enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            let _infallible = write!(text, "{byte:02x}");
        }
        text
    }
}
