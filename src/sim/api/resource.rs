//! The kinds the server serves, and where each is kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::builtin;
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
    /// A `CustomResourceDefinition`: generations are counted, an update must say which version it is of.
    Custom,
    /// Calico's aggregated server over the objects of [`CRD_GROUP`]: as a custom resource, with other uids.
    Aggregated,
}

/// One resource of one group and version.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) namespaced: bool,
    pub(super) origin: Origin,
    /// Where the objects are kept. Two resources may share a place.
    pub(super) storage: &'static str,
    /// Whether `status` is out of reach for writes to the object itself.
    pub(super) status_subresource: bool,
    pub(super) schema: Arc<Schema>,
}

impl Resource {
    /// `apiVersion` of its objects.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
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
        self.qualify(self.plural)
    }

    /// The fields a `fieldSelector` may use.
    pub(super) fn selectable_fields(&self) -> &'static [&'static str] {
        match (self.plural, self.namespaced) {
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

/// Every resource served.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog(BTreeMap<(&'static str, &'static str), Arc<Resource>>);

/// What the catalog of a deployment mode is made from.
const BUILT_IN: [(&str, &str, &str, &str, bool); 8] = [
    ("", "v1", "ConfigMap", "configmaps", true),
    ("", "v1", "Namespace", "namespaces", false),
    ("", "v1", "Node", "nodes", false),
    ("", "v1", "Pod", "pods", true),
    ("", "v1", "Secret", "secrets", true),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    ),
    (
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        false,
    ),
    ("apps", "v1", "DaemonSet", "daemonsets", true),
];

/// Calico's kinds: kind, plural, place, and whether the aggregated server has it (the IPAM kinds are not its own;
/// BlockAffinity it converts, which is not done here).
const CALICO: [(&str, &str, &str, bool); 10] = [
    (
        "BGPConfiguration",
        "bgpconfigurations",
        "calico/bgpconfigurations",
        true,
    ),
    ("BGPFilter", "bgpfilters", "calico/bgpfilters", true),
    ("BGPPeer", "bgppeers", "calico/bgppeers", true),
    (
        "BlockAffinity",
        "blockaffinities",
        "calico/blockaffinities",
        false,
    ),
    (
        "CalicoNodeStatus",
        "caliconodestatuses",
        "calico/caliconodestatuses",
        true,
    ),
    (
        "ClusterInformation",
        "clusterinformations",
        "calico/clusterinformations",
        true,
    ),
    (
        "FelixConfiguration",
        "felixconfigurations",
        "calico/felixconfigurations",
        true,
    ),
    ("IPAMBlock", "ipamblocks", "calico/ipamblocks", false),
    ("IPAMHandle", "ipamhandles", "calico/ipamhandles", false),
    ("IPPool", "ippools", "calico/ippools", true),
];

/// Where native v3 objects are kept while both groups have definitions of their own.
const MIGRATED: [&str; 10] = [
    "calico-v3/bgpconfigurations",
    "calico-v3/bgpfilters",
    "calico-v3/bgppeers",
    "calico-v3/blockaffinities",
    "calico-v3/caliconodestatuses",
    "calico-v3/clusterinformations",
    "calico-v3/felixconfigurations",
    "calico-v3/ipamblocks",
    "calico-v3/ipamhandles",
    "calico-v3/ippools",
];

impl Catalog {
    /// Kubernetes' own kinds.
    pub(super) fn kubernetes() -> Self {
        let mut catalog = Self::default();
        for (group, version, kind, plural, namespaced) in BUILT_IN {
            catalog.add(Resource {
                group,
                version,
                kind,
                plural,
                namespaced,
                origin: Origin::BuiltIn,
                storage: plural,
                status_subresource: matches!(
                    plural,
                    "nodes" | "pods" | "daemonsets" | "namespaces"
                ),
                schema: Arc::new(builtin::kubernetes_schema(kind)),
            });
        }
        catalog
    }

    fn add(&mut self, resource: Resource) {
        self.0
            .insert((resource.group, resource.plural), Arc::new(resource));
    }

    /// Adds Calico's definitions in `crd.projectcalico.org/v1`.
    pub(super) fn add_crd_group(&mut self) {
        for (kind, plural, storage, _) in CALICO {
            self.add(calico(
                CRD_GROUP,
                "v1",
                kind,
                plural,
                storage,
                Origin::Custom,
            ));
        }
    }

    /// Adds the aggregated server's view of the same objects.
    pub(super) fn add_aggregated_group(&mut self) {
        for (kind, plural, storage, _) in CALICO.into_iter().filter(|(.., aggregated)| *aggregated)
        {
            self.add(calico(
                V3_GROUP,
                "v3",
                kind,
                plural,
                storage,
                Origin::Aggregated,
            ));
        }
    }

    /// Adds native definitions in `projectcalico.org/v3`; `apart` keeps their objects apart from those of the v1 group.
    pub(super) fn add_native_group(&mut self, apart: bool) {
        for ((kind, plural, storage, _), own) in CALICO.into_iter().zip(MIGRATED) {
            let storage = if apart { own } else { storage };
            let resource = calico(V3_GROUP, "v3", kind, plural, storage, Origin::Custom);
            self.add(resource);
        }
    }

    /// Adds DatastoreMigration.
    pub(super) fn add_migration_group(&mut self) {
        let plural = "datastoremigrations";
        let migration = calico(
            MIGRATION_GROUP,
            "v1beta1",
            "DatastoreMigration",
            plural,
            plural,
            Origin::Custom,
        );
        self.add(migration);
    }

    /// Replaces the schema of a resource.
    pub(super) fn set_schema(
        &mut self,
        group: &str,
        plural: &str,
        schema: Schema,
        status_subresource: bool,
    ) -> bool {
        let found = self
            .0
            .values_mut()
            .find(|resource| resource.group == group && resource.plural == plural);
        let Some(resource) = found else { return false };
        let resource = Arc::make_mut(resource);
        resource.schema = Arc::new(schema);
        resource.status_subresource = status_subresource;
        true
    }

    pub(super) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.iter().find(|found| {
            found.group == group && found.version == version && found.plural == plural
        })
    }

    /// The resource an object belongs to.
    pub(super) fn of_object(&self, object: &Value) -> Option<&Arc<Resource>> {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        self.iter()
            .find(|found| found.kind == kind && found.api_version() == api_version)
    }

    /// The resource with this kind or plural; of two groups the one objects are stored for.
    pub(super) fn of_kind(&self, kind: &str) -> Option<&Arc<Resource>> {
        let mut named = self
            .iter()
            .filter(|found| found.kind == kind || found.plural == kind);
        let first = named.next()?;
        Some(
            named
                .find(|other| {
                    first.origin == Origin::Aggregated && other.origin != Origin::Aggregated
                })
                .unwrap_or(first),
        )
    }

    /// Whether a group is served at all.
    pub(super) fn has_group(&self, group: &str) -> bool {
        self.iter().any(|resource| resource.group == group)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.0.values()
    }
}

fn calico(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    storage: &'static str,
    origin: Origin,
) -> Resource {
    // Of Calico's own kinds written here only native IPPools have a status, as a subresource.
    let status_subresource = matches!((group, kind), (V3_GROUP, "IPPool") | (MIGRATION_GROUP, _))
        && origin == Origin::Custom;
    let schema = Schema::of_custom_resource(&builtin::open_api(kind, status_subresource));
    Resource {
        group,
        version,
        kind,
        plural,
        namespaced: false,
        origin,
        storage,
        status_subresource,
        schema: Arc::new(schema),
    }
}
