//! What differs on purpose between the project's install documents and Calico's own, each with its reason.
//!
//! An entry that nothing needs any more fails the tests as well.

/// A field of a CRD whose schema is another one.
pub struct Schema {
    pub kind: &'static str,
    /// End of the path of every field this is about.
    pub path: &'static str,
    /// Keywords of the field's schema that differ.
    pub keywords: &'static [&'static str],
    pub because: &'static str,
}

const AS_NUMBER: &str =
    "32 bits without sign: int32 ends at 2147483647, and a negative number breaks Calico's lists";
const RANGE: &[&str] = &["format", "minimum", "maximum"];

pub const SCHEMAS: &[Schema] = &[
    Schema {
        kind: "BGPConfiguration",
        path: "spec.asNumber",
        keywords: RANGE,
        because: AS_NUMBER,
    },
    Schema {
        kind: "BGPPeer",
        path: "spec.asNumber",
        keywords: RANGE,
        because: AS_NUMBER,
    },
    Schema {
        kind: "BGPPeer",
        path: "spec.localASNumber",
        keywords: RANGE,
        because: AS_NUMBER,
    },
    Schema {
        kind: "BGPFilter",
        path: "[].asPathPrefix[]",
        keywords: RANGE,
        because: AS_NUMBER,
    },
    Schema {
        kind: "BGPFilter",
        path: "[].prependASPath.prefix[]",
        keywords: RANGE,
        because: AS_NUMBER,
    },
    Schema {
        kind: "BGPFilter",
        path: "[].communities.values[]",
        keywords: &["pattern"],
        because: "the same texts in fewer letters; tests/templates.rs tries both ends of each range",
    },
    Schema {
        kind: "BGPFilter",
        path: "[].addCommunity.value",
        keywords: &["pattern"],
        because: "as communities.values",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.iptablesMarkMask",
        keywords: RANGE,
        because: "32 bits without sign; Felix's own default, 0xffff0000, is no int32",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.nftablesMarkMask",
        keywords: RANGE,
        because: "as iptablesMarkMask",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.bpfPSNATPorts",
        keywords: &["pattern"],
        because: "any text matches Calico's",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.istioDSCPMark",
        keywords: &["pattern"],
        because: "any text matches Calico's",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.kubeNodePortRanges[]",
        keywords: &["pattern"],
        because: "any text matches Calico's",
    },
    Schema {
        kind: "FelixConfiguration",
        path: "spec.natPortRange",
        keywords: &["pattern"],
        because: "any text matches Calico's",
    },
    Schema {
        kind: "IPReservation",
        path: "spec.reservedCIDRs",
        keywords: &["format"],
        because: "a list has no format",
    },
];

/// A right of Calico's own manifest that is not given, or given for named objects alone.
pub struct Right {
    pub role: &'static str,
    pub group: &'static str,
    /// `*` stands for every resource of the group.
    pub resources: &'static [&'static str],
    /// Empty: every verb.
    pub verbs: &'static [&'static str],
    pub because: &'static str,
}

const NATIVE: &str = "served only where Calico's CRDs are native ones or its API server runs; libcalico asks discovery";
const MIGRATION: &str =
    "the datastore migration makes Calico's CRDs native ones; this charm does not";
const ANY: &[&str] = &[];
const WRITES: &[&str] = &["create", "update", "delete"];

pub const LEFT_OUT: &[Right] = &[
    Right {
        role: "calico-node",
        group: "projectcalico.org",
        resources: &["*"],
        verbs: ANY,
        because: NATIVE,
    },
    Right {
        role: "calico-node",
        group: "crd.projectcalico.org",
        resources: &["ipamconfigurations"],
        verbs: ANY,
        because: "the name in the other group",
    },
    Right {
        role: "calico-node",
        group: "crd.projectcalico.org",
        resources: &["globalbgpconfigs", "globalfelixconfigs"],
        verbs: ANY,
        because: "kinds of Calico 2",
    },
    Right {
        role: "calico-node",
        group: "crd.projectcalico.org",
        resources: &["bgppeers"],
        verbs: WRITES,
        because: "for the upgrade from Calico 2.6",
    },
    Right {
        role: "calico-node",
        group: "apps",
        resources: &["daemonsets"],
        verbs: ANY,
        because: "for upgrade-ipam, the conversion of host-local IPAM, which is not run",
    },
    Right {
        role: "calico-node",
        group: "",
        resources: &["pods/status"],
        verbs: ANY,
        because: "the CNI plugin writes it, with the account calico-cni-plugin",
    },
    Right {
        role: "calico-cni-plugin",
        group: "projectcalico.org",
        resources: &["*"],
        verbs: ANY,
        because: NATIVE,
    },
    Right {
        role: "calico-cni-plugin",
        group: "crd.projectcalico.org",
        resources: &["ipamconfigurations"],
        verbs: ANY,
        because: "the name in the other group",
    },
    Right {
        role: "calico-cni-plugin",
        group: "crd.projectcalico.org",
        resources: &["clusterinformations", "ippools", "ipreservations"],
        verbs: WRITES,
        because: "IPAM only reads them, and every machine has this account's token",
    },
    Right {
        role: "calico-cni-plugin",
        group: "crd.projectcalico.org",
        resources: &["ipamconfigs"],
        verbs: &["update", "delete"],
        because: "IPAM makes it where it is missing, no more",
    },
    Right {
        role: "calico-kube-controllers",
        group: "projectcalico.org",
        resources: &["*"],
        verbs: ANY,
        because: NATIVE,
    },
    Right {
        role: "calico-kube-controllers",
        group: "crd.projectcalico.org",
        resources: &["ipamconfigurations"],
        verbs: ANY,
        because: "the name in the other group",
    },
    Right {
        role: "calico-kube-controllers",
        group: "crd.projectcalico.org",
        resources: &["*"],
        verbs: &["get", "list", "watch"],
        because: MIGRATION,
    },
    Right {
        role: "calico-kube-controllers",
        group: "migration.projectcalico.org",
        resources: &["*"],
        verbs: ANY,
        because: MIGRATION,
    },
    Right {
        role: "calico-kube-controllers",
        group: "apiregistration.k8s.io",
        resources: &["apiservices"],
        verbs: ANY,
        because: MIGRATION,
    },
    Right {
        role: "calico-kube-controllers",
        group: "apiextensions.k8s.io",
        resources: &["customresourcedefinitions"],
        verbs: &["delete"],
        because: MIGRATION,
    },
    Right {
        role: "calico-kube-controllers",
        group: "apps",
        resources: &["deployments"],
        verbs: ANY,
        because: MIGRATION,
    },
    Right {
        role: "calico-kube-controllers",
        group: "apps",
        resources: &["daemonsets"],
        verbs: &["list", "watch"],
        because: MIGRATION,
    },
];

/// Rights for named objects where Calico's own manifest names none.
pub const NAMED: &[Right] = &[
    Right {
        role: "calico-node",
        group: "",
        resources: &["configmaps"],
        verbs: &["get"],
        because: "calico-node reads these two (node/pkg/lifecycle/startup/startup.go)",
    },
    Right {
        role: "calico-kube-controllers",
        group: "apps",
        resources: &["daemonsets"],
        verbs: &["get"],
        because: "renaming policies waits for this one (policy_name_migrator.go)",
    },
];

/// Rights that Calico's own manifest lacks.
pub const ADDED: &[Right] = &[Right {
    role: "calico-node",
    group: "crd.projectcalico.org",
    resources: &["caliconodestatuses/status"],
    verbs: &["update"],
    because: "from 3.33 on the status is a subresource, and a CRD that has it is not narrowed",
}];

/// A part of a workload that differs: kind, path in the object with lists keyed by name, and why.
pub const WORKLOADS: &[(&str, &str, &str)] = &[
    (
        "DaemonSet",
        "initContainers.upgrade-ipam",
        "converts host-local IPAM, which this charm never installed",
    ),
    (
        "DaemonSet",
        "volumes.host-local-net-dir",
        "for upgrade-ipam alone",
    ),
    (
        "Deployment",
        "template.metadata.name",
        "name and namespace of a pod come from its ReplicaSet",
    ),
    (
        "Deployment",
        "\"node-role.kubernetes.io/",
        "tolerated whatever value a site gave the taint",
    ),
];
