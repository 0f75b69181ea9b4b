//! Cause to status: the one place that decides what an operator reads when something is in the way. Pure.

use crate::cluster::{ApiError, Failure, Obstacle};
use crate::config::Problems;
use crate::status::Status;

/// Options that do not parse or contradict each other: the first problem, and how many more the log has.
#[must_use]
pub fn problems(problems: &Problems) -> Status {
    Status::blocked_by(&problems.first().headline(), problems.len() - 1)
}

/// A request that failed. What the next hook can mend is waiting; what only the operator can is blocked.
#[must_use]
pub fn api_error(error: &ApiError) -> Status {
    let ApiError {
        verb,
        path,
        failure,
    } = error;
    let object = short_path(path);
    match failure {
        Failure::Unavailable(reason) => {
            Status::waiting(format!("Waiting for Kubernetes API: {reason}"))
        }
        Failure::Forbidden(reason) => {
            Status::blocked(format!("{verb} {object} is forbidden: {reason}"))
        }
        Failure::Invalid { message, causes } => Status::blocked(refused(object, message, causes)),
        Failure::Conflict(_) => {
            Status::waiting(format!("{object} changed meanwhile, the next hook goes on"))
        }
        Failure::NotFound => Status::waiting(format!("{object} is gone, the next hook goes on")),
        Failure::Other(reason) => Status::waiting(format!("{verb} {object}: {reason}")),
    }
}

fn refused(object: &str, message: &str, causes: &[(String, String)]) -> String {
    let int32 = causes
        .iter()
        .any(|(field, text)| field.ends_with("asNumber") && text.contains("int32"));
    if int32 || (message.contains("asNumber") && message.contains("int32")) {
        return int32_status("an AS number");
    }
    match causes.first() {
        Some((field, text)) => format!("API server refuses {object}: {field}: {text}"),
        None => format!("API server refuses {object}: {message}"),
    }
}

/// The status when Calico's CRDs cannot hold an AS number: Kubernetes 1.36 and later enforce their `int32` format.
#[must_use]
pub fn int32_status(number: &str) -> String {
    format!("{number} is above 2147483647, which Calico's CRDs refuse on Kubernetes 1.36+")
}

/// What keeps every unit from writing.
#[must_use]
pub fn obstacle(obstacle: &Obstacle) -> (Status, &'static str) {
    match obstacle {
        Obstacle::NoCrds => (
            Status::waiting("Waiting for the leader to install Calico"),
            "neither projectcalico.org nor crd.projectcalico.org is served: the leader brings Calico's definitions, see its status",
        ),
        Obstacle::Migrating => (
            Status::waiting("Waiting for Calico's datastore migration to end"),
            "a DatastoreMigration exists: nothing is written until it is complete and deleted",
        ),
        Obstacle::DatastoreLocked => (
            Status::waiting("Waiting for Calico's datastore to be unlocked"),
            "ClusterInformation default has datastoreReady: false; `calicoctl datastore migrate unlock` ends it",
        ),
        Obstacle::EtcdDatastore => (
            Status::blocked(
                "calico-node uses etcd: migrate to the Kubernetes datastore, see juju debug-log",
            ),
            "what is written to the Kubernetes API would never be seen. Migrate with calicoctl: `datastore migrate lock`, \
             `datastore migrate export > etcd-data` (etcd settings), `datastore migrate import -f etcd-data` (Kubernetes settings), \
             roll out a calico-node with DATASTORE_TYPE=kubernetes, then `datastore migrate unlock`",
        ),
    }
}

/// `/apis/projectcalico.org/v3/ippools/ipv4` as `ippools/ipv4`.
fn short_path(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/');
    slashes.next();
    slashes.next().map_or(path, |(index, _)| &path[index + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(failure: Failure) -> String {
        api_error(&ApiError {
            verb: "PATCH",
            path: "/apis/crd.projectcalico.org/v1/bgppeers/calico-0-10.0.0.1".to_owned(),
            failure,
        })
        .to_string()
    }

    #[test]
    fn every_cause_has_its_status() {
        for (failure, expected) in [
            (
                Failure::Unavailable("Connection refused".into()),
                "waiting: Waiting for Kubernetes API: Connection refused",
            ),
            (
                Failure::Forbidden("no".into()),
                "blocked: PATCH bgppeers/calico-0-10.0.0.1 is forbidden: no",
            ),
            (
                Failure::Conflict("x".into()),
                "waiting: bgppeers/calico-0-10.0.0.1 changed meanwhile, the next hook goes on",
            ),
            (
                Failure::NotFound,
                "waiting: bgppeers/calico-0-10.0.0.1 is gone, the next hook goes on",
            ),
            (
                Failure::Other("418 tea".into()),
                "waiting: PATCH bgppeers/calico-0-10.0.0.1: 418 tea",
            ),
            (
                Failure::Invalid {
                    message: "bad".into(),
                    causes: vec![("spec.node".into(), "too long".into())],
                },
                "blocked: API server refuses bgppeers/calico-0-10.0.0.1: spec.node: too long",
            ),
        ] {
            assert_eq!(status(failure), expected);
        }
    }

    #[test]
    fn the_int32_limit_is_said_in_plain_words() {
        let message = "BGPPeer is invalid: spec.asNumber: Invalid value: 4200000101: must be of type integer with format int32";
        let shown = status(Failure::Invalid {
            message: message.into(),
            causes: vec![],
        });
        assert!(
            shown.starts_with("blocked: an AS number is above 2147483647"),
            "{shown}"
        );
    }
}
