//! The kinds the server serves: Kubernetes' own, and those of definitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::builtin;
use super::collection::text_at;
use super::kubernetes;
use super::resource::{CRD_GROUP, Counted, MIGRATION_GROUP, Origin, Resource, V3_GROUP, Word};
use super::schema::Schema;

/// Every resource served.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog(BTreeMap<(Word, Word), Arc<Resource>>);

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
        for resource in kubernetes::resources() {
            catalog.add(resource);
        }
        catalog
    }

    fn add(&mut self, resource: Resource) {
        let key = (resource.group.clone(), resource.plural.clone());
        self.0.insert(key, Arc::new(resource));
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

    /// Serves the kind of a `CustomResourceDefinition`, in the version its objects are stored in; returns whether the
    /// kind is new. A definition without a version that is served changes nothing.
    pub(super) fn define(&mut self, definition: &Value) -> bool {
        let Some(resource) = self.defined(definition) else {
            return false;
        };
        let key = (resource.group.clone(), resource.plural.clone());
        self.0.insert(key, Arc::new(resource)).is_none()
    }

    fn defined(&self, definition: &Value) -> Option<Resource> {
        let text = |path: &str| text_at(definition, path).to_owned();
        let versions = definition.pointer("/spec/versions")?.as_array()?;
        let version = versions
            .iter()
            .find(|version| version["storage"] == true && version["served"] == true)?;
        let (group, plural) = (text("/spec/group"), text("/spec/names/plural"));
        let schema = version.pointer("/schema/openAPIV3Schema").map_or_else(
            || Schema::object(BTreeMap::new(), Vec::new(), true),
            Schema::of_custom_resource,
        );
        Some(Resource {
            storage: self.place(&group, &plural),
            group: group.into(),
            version: text_at(version, "/name").to_owned().into(),
            kind: text("/spec/names/kind").into(),
            plural: plural.into(),
            namespaced: text("/spec/scope") == "Namespaced",
            origin: Origin::Custom,
            status_subresource: version.pointer("/subresources/status").is_some(),
            counted: Counted::Content,
            schema: Arc::new(schema),
        })
    }

    /// Where the objects of a definition are kept: where they are already, in Calico's places, which the aggregated
    /// server looks at, or under a name of their own.
    fn place(&self, group: &str, plural: &str) -> Word {
        let served = self
            .iter()
            .find(|known| known.group == group && known.plural == plural);
        if let Some(known) = served {
            return known.storage.clone();
        }
        let calico = CALICO
            .iter()
            .find(|(_, known, ..)| *known == plural && (group == CRD_GROUP || group == V3_GROUP));
        match calico {
            Some((_, _, place, _)) if !self.iter().any(|known| known.storage == *place) => {
                Word::Borrowed(*place)
            }
            _ => Word::Owned(format!("{plural}.{group}")),
        }
    }

    /// Serves the kind of a definition no more; returns what it was.
    pub(super) fn forget(&mut self, definition: &Value) -> Option<Arc<Resource>> {
        let text = |path: &str| Word::Owned(text_at(definition, path).to_owned());
        let key = (text("/spec/group"), text("/spec/names/plural"));
        self.0.remove(&key)
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
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        namespaced: false,
        origin,
        storage: storage.into(),
        status_subresource,
        counted: Counted::Content,
        schema: Arc::new(schema),
    }
}
