//! The kinds that install documents may hold, and when each is applied.

/// When a document is applied, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// What makes Calico's own kinds known.
    Definitions,
    /// Accounts, and what they may do.
    Rights,
    /// What workloads read when they start, and what the API server decides by.
    Configuration,
    /// What runs, and what needs it to run.
    Workloads,
}

/// A kind that may be installed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Installable {
    pub(super) kind: &'static str,
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    pub(super) is_namespaced: bool,
    pub(super) stage: Stage,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// Everything that Calico's manifests hold from v3.29 to v3.32, in either API group (`manifests/calico*.yaml`). Secrets
/// come in none but those for Calico's own etcd.
const INSTALLABLE: [Installable; 14] = [
    cluster(
        "CustomResourceDefinition",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        Stage::Definitions,
    ),
    cluster("ClusterRole", RBAC, "clusterroles", Stage::Rights),
    cluster(
        "ClusterRoleBinding",
        RBAC,
        "clusterrolebindings",
        Stage::Rights,
    ),
    namespaced("ServiceAccount", "", "serviceaccounts", Stage::Rights),
    namespaced("ConfigMap", "", "configmaps", Stage::Configuration),
    namespaced("Service", "", "services", Stage::Configuration),
    cluster(
        "MutatingAdmissionPolicy",
        ADMISSION,
        "mutatingadmissionpolicies",
        Stage::Configuration,
    ),
    cluster(
        "MutatingAdmissionPolicyBinding",
        ADMISSION,
        "mutatingadmissionpolicybindings",
        Stage::Configuration,
    ),
    cluster(
        "ValidatingAdmissionPolicy",
        ADMISSION,
        "validatingadmissionpolicies",
        Stage::Configuration,
    ),
    cluster(
        "ValidatingAdmissionPolicyBinding",
        ADMISSION,
        "validatingadmissionpolicybindings",
        Stage::Configuration,
    ),
    namespaced(
        "PodDisruptionBudget",
        "policy",
        "poddisruptionbudgets",
        Stage::Workloads,
    ),
    namespaced("DaemonSet", "apps", "daemonsets", Stage::Workloads),
    namespaced("Deployment", "apps", "deployments", Stage::Workloads),
    // It fails closed, so that it must not come before what answers it.
    cluster(
        "ValidatingWebhookConfiguration",
        ADMISSION,
        "validatingwebhookconfigurations",
        Stage::Workloads,
    ),
];

const fn namespaced(
    kind: &'static str,
    group: &'static str,
    plural: &'static str,
    stage: Stage,
) -> Installable {
    Installable {
        kind,
        group,
        plural,
        is_namespaced: true,
        stage,
    }
}

const fn cluster(
    kind: &'static str,
    group: &'static str,
    plural: &'static str,
    stage: Stage,
) -> Installable {
    Installable {
        is_namespaced: false,
        ..namespaced(kind, group, plural, stage)
    }
}

/// The entry of a kind.
pub(super) fn installable(group: &str, kind: &str) -> Option<&'static Installable> {
    INSTALLABLE
        .iter()
        .find(|entry| entry.group == group && entry.kind == kind)
}

/// The entry of the kind whose objects a collection holds, by group and plural.
pub(super) fn of_plural(group: &str, plural: &str) -> Option<&'static Installable> {
    INSTALLABLE
        .iter()
        .find(|entry| entry.group == group && entry.plural == plural)
}
