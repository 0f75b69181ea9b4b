//! Calico's kinds and the two API groups that serve them. Pure.

use std::fmt;

/// The API group that Calico's objects are read from and written to in this cluster.
///
/// The two groups have equal specs for every kind here; only metadata is treated differently (see `docs/design.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `projectcalico.org/v3`, served by Calico's aggregated API server or by native v3 CRDs.
    V3,
    /// `crd.projectcalico.org/v1`, the CRDs behind everything else.
    V1,
}

impl Group {
    /// `<group>/<version>`.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V3 => "projectcalico.org/v3",
            Self::V1 => "crd.projectcalico.org/v1",
        }
    }
}

/// A kind the charm works with; all but the ConfigMap are Calico's own and cluster-scoped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `BGPConfiguration`.
    BgpConfiguration,
    /// `IPPool`.
    IpPool,
    /// `BGPPeer`.
    BgpPeer,
    /// `BGPFilter`, only read.
    BgpFilter,
    /// `CalicoNodeStatus`, in which calico-node reports.
    CalicoNodeStatus,
    /// `ClusterInformation`, only read.
    ClusterInformation,
    /// `IPAMBlock`, only touched to release the affinities of a doomed pool.
    IpamBlock,
    /// `BlockAffinity`, likewise.
    BlockAffinity,
    /// The ConfigMap in `kube-system` that Calico's install manifests read their settings from.
    CalicoConfig,
}

impl Kind {
    /// The kind as Calico spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BgpConfiguration => "BGPConfiguration",
            Self::IpPool => "IPPool",
            Self::BgpPeer => "BGPPeer",
            Self::BgpFilter => "BGPFilter",
            Self::CalicoNodeStatus => "CalicoNodeStatus",
            Self::ClusterInformation => "ClusterInformation",
            Self::IpamBlock => "IPAMBlock",
            Self::BlockAffinity => "BlockAffinity",
            Self::CalicoConfig => "ConfigMap",
        }
    }

    /// The resource name in paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::BgpConfiguration => "bgpconfigurations",
            Self::IpPool => "ippools",
            Self::BgpPeer => "bgppeers",
            Self::BgpFilter => "bgpfilters",
            Self::CalicoNodeStatus => "caliconodestatuses",
            Self::ClusterInformation => "clusterinformations",
            Self::IpamBlock => "ipamblocks",
            Self::BlockAffinity => "blockaffinities",
            Self::CalicoConfig => "configmaps",
        }
    }

    /// `apiVersion` of the kind where Calico's objects are in `group`.
    #[must_use]
    pub fn api_version(self, group: Group) -> &'static str {
        match self {
            Self::CalicoConfig => "v1",
            _ => group.api_version(),
        }
    }

    /// Namespace of the kind's objects, where they have one.
    #[must_use]
    pub fn namespace(self) -> Option<&'static str> {
        (self == Self::CalicoConfig).then_some("kube-system")
    }

    /// The part of an object that holds its settings.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::CalicoConfig => "data",
            _ => "spec",
        }
    }

    /// Path of the kind's collection.
    #[must_use]
    pub fn path(self, group: Group) -> String {
        match self.namespace() {
            Some(namespace) => format!("/api/v1/namespaces/{namespace}/{}", self.plural()),
            None => format!("/apis/{}/{}", group.api_version(), self.plural()),
        }
    }

    /// Path of one object.
    #[must_use]
    pub fn object_path(self, group: Group, name: &str) -> String {
        format!("{}/{name}", self.path(group))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
