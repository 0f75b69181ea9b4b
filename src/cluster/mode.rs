//! Which API group holds Calico's objects in this cluster, and whether they may be written now.
//!
//! Rules: `libcalico-go/lib/backend/k8s/resources/apigroups.go` and the DatastoreMigration controller
//! (`kube-controllers/pkg/controllers/migration`).

use serde_json::Value;

use super::Kubernetes;
use super::kubernetes::ApiError;
use crate::render::{Group, Kind};

/// What keeps this unit from writing Calico's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Neither group is served: Calico's CRDs are not installed yet.
    NoCrds,
    /// Calico moves its objects to native v3 CRDs; what is written meanwhile may be lost.
    Migrating,
    /// ClusterInformation says that the datastore is locked (`datastoreReady: false`).
    DatastoreLocked,
    /// calico-node keeps its configuration in etcd, where this charm's objects would never be seen.
    EtcdDatastore,
}

/// Where Calico's objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The group to read and write.
    pub group: Group,
    /// Group of the IPAM objects, which the aggregated API server does not serve.
    pub ipam: Group,
    /// Whether Calico's own API server stands before the CRDs, and does a deletion's clean-up itself.
    pub aggregated: bool,
    /// Whether BGPConfiguration cannot be applied: the CRD of Calico 3.32.0 declares its lists of objects as sets, which
    /// server-side apply rejects (mended in 3.32.1).
    pub configuration_by_merge: bool,
}

/// The one release whose BGPConfiguration cannot be applied.
const UNAPPLIABLE: &str = "v3.32.0";

impl Mode {
    /// Plain `crd.projectcalico.org/v1` CRDs.
    pub const V1: Self = Self {
        group: Group::V1,
        ipam: Group::V1,
        aggregated: false,
        configuration_by_merge: false,
    };

    /// The mode with what Calico's version adds to it.
    #[must_use]
    pub fn with_version(self, version: Option<&str>) -> Self {
        Self {
            configuration_by_merge: version == Some(UNAPPLIABLE),
            ..self
        }
    }
}

const V1_GROUP: &str = "crd.projectcalico.org";
const V3_GROUP: &str = "projectcalico.org";
const MIGRATION_GROUP: &str = "migration.projectcalico.org";

/// Chooses the group from the API's list of groups.
///
/// # Errors
/// When the API cannot be asked.
pub async fn mode(
    kubernetes: &Kubernetes,
    groups: &Value,
) -> Result<Result<Mode, Obstacle>, ApiError> {
    let served = |wanted: &str| {
        groups["groups"]
            .as_array()
            .is_some_and(|groups| groups.iter().any(|group| group["name"] == wanted))
    };
    if served(MIGRATION_GROUP) && is_migrating(kubernetes).await? {
        return Ok(Err(Obstacle::Migrating));
    }
    let plain = |group| Mode {
        group,
        ipam: group,
        aggregated: false,
        configuration_by_merge: false,
    };
    Ok(match (served(V3_GROUP), served(V1_GROUP)) {
        (false, false) => Err(Obstacle::NoCrds),
        (true, false) => Ok(plain(Group::V3)),
        (true, true) if aggregated_api_is_available(kubernetes).await? => Ok(Mode {
            group: Group::V3,
            ipam: Group::V1,
            aggregated: true,
            configuration_by_merge: false,
        }),
        (_, true) => Ok(plain(Group::V1)),
    })
}

async fn is_migrating(kubernetes: &Kubernetes) -> Result<bool, ApiError> {
    let path = "/apis/migration.projectcalico.org/v1beta1/datastoremigrations";
    Ok(!kubernetes.list(path, "").await?.is_empty())
}

/// The APIService of the aggregated API server names a Service; the one of native CRDs does not.
async fn aggregated_api_is_available(kubernetes: &Kubernetes) -> Result<bool, ApiError> {
    let path = "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org";
    let Some(service) = kubernetes.get(path).await? else {
        return Ok(false);
    };
    let available = service["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|one| one["type"] == "Available" && one["status"] == "True")
        });
    Ok(available && !service["spec"]["service"].is_null())
}

/// Whether ClusterInformation forbids writing, and Calico's version where it is known (`v3.32.1`).
#[must_use]
pub fn cluster_information(object: Option<&Value>) -> (Option<Obstacle>, Option<String>) {
    let spec = object.map(|object| &object["spec"]);
    let locked = spec.is_some_and(|spec| spec["datastoreReady"] == false);
    let version = spec
        .and_then(|spec| spec["calicoVersion"].as_str())
        .map(str::to_owned);
    (locked.then_some(Obstacle::DatastoreLocked), version)
}

/// Whether the calico-node DaemonSet keeps its configuration in etcd: `DATASTORE_TYPE` decides, and where it is not
/// set Calico's default is etcd as soon as endpoints are given.
#[must_use]
pub fn uses_etcd(daemon_set: Option<&Value>) -> bool {
    let containers = daemon_set
        .and_then(|set| set["spec"]["template"]["spec"]["containers"].as_array())
        .into_iter()
        .flatten();
    let variables: Vec<&Value> = containers
        .filter_map(|container| container["env"].as_array())
        .flatten()
        .collect();
    let find = |name: &str| variables.iter().find(|variable| variable["name"] == name);
    match find("DATASTORE_TYPE").and_then(|variable| variable["value"].as_str()) {
        Some(datastore) => datastore.starts_with("etcd"),
        None => find("ETCD_ENDPOINTS").is_some(),
    }
}

/// Path of ClusterInformation in `group`.
#[must_use]
pub fn cluster_information_path(group: Group) -> String {
    Kind::ClusterInformation.object_path(group, "default")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn daemon_set(env: &Value) -> Value {
        json!({"spec": {"template": {"spec": {"containers": [{"name": "calico-node", "env": env}]}}}})
    }

    #[test]
    fn etcd_is_recognised_by_the_daemon_set() {
        for (env, expected) in [
            (
                json!([{"name": "ETCD_ENDPOINTS", "value": "https://10.0.0.1:2379"}]),
                true,
            ),
            (json!([{"name": "DATASTORE_TYPE", "value": "etcdv3"}]), true),
            (
                json!([{"name": "DATASTORE_TYPE", "value": "kubernetes"}, {"name": "ETCD_ENDPOINTS", "value": "x"}]),
                false,
            ),
            (
                json!([{"name": "DATASTORE_TYPE", "value": "kubernetes"}]),
                false,
            ),
            (json!([]), false),
        ] {
            assert_eq!(uses_etcd(Some(&daemon_set(&env))), expected, "{env}");
        }
        assert!(!uses_etcd(None));
    }

    #[test]
    fn a_locked_datastore_is_an_obstacle() {
        let object = json!({"spec": {"datastoreReady": false, "calicoVersion": "v3.32.1"}});
        assert_eq!(
            cluster_information(Some(&object)),
            (Some(Obstacle::DatastoreLocked), Some("v3.32.1".into()))
        );
        assert_eq!(cluster_information(None), (None, None));
        assert_eq!(
            cluster_information(Some(&json!({"spec": {}}))),
            (None, None)
        );
    }
}
