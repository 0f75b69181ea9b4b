//! What stands in the way, in one sentence and with the way out. Pure.

use std::fmt;

use serde_json::{Value, json};

use crate::charm::reconcile::Stop;
use crate::charm::{API_DEADLINE, Unreachable, disposition};
use crate::cluster::{ApiError, Failure};
use crate::config::Problem;
use crate::plan::Blocked;
use crate::status::{Status, StatusKind};

/// Something in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    /// Whether the operator has to do something, or the next hook goes on by itself.
    pub(super) kind: StatusKind,
    pub(super) message: String,
    /// The way out, where there is one to tell.
    pub(super) remedy: Option<String>,
    /// The option at fault and the path inside it.
    pub(super) place: Option<(String, String)>,
}

impl Reason {
    pub(super) fn waiting(message: impl fmt::Display) -> Self {
        Self::new(StatusKind::Waiting, message, None)
    }

    fn new(kind: StatusKind, message: impl fmt::Display, remedy: Option<String>) -> Self {
        Self {
            kind,
            message: message.to_string(),
            remedy,
            place: None,
        }
    }

    /// The API took longer than a hook may wait for it.
    pub(super) fn deadline() -> Self {
        let seconds = API_DEADLINE.as_secs();
        Self::waiting(format!("Kubernetes API: not done within {seconds} s"))
    }

    fn api(error: &ApiError) -> Self {
        let kind = disposition::api_error(error).kind();
        let message = match &error.failure {
            Failure::Unavailable(text) => format!("Kubernetes API: {text}"),
            _ => format!("Kubernetes API: {error}"),
        };
        Self::new(kind, message, None)
    }

    fn unreachable(unreachable: &Unreachable) -> Self {
        match unreachable {
            Unreachable::NoKubeconfig => Self::new(
                StatusKind::Waiting,
                "Kubernetes API: there is no kubeconfig yet",
                Some("the principal's charm writes it once the cluster is up".to_owned()),
            ),
            Unreachable::Unusable(error) => Self::new(
                StatusKind::Waiting,
                format!("Kubernetes API: {error}"),
                Some("kubectl --kubeconfig with that file says why".to_owned()),
            ),
        }
    }

    /// As JSON, with the fields that the commands give a problem.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({"message": self.message});
        if let Some(remedy) = &self.remedy {
            json["remedy"] = remedy.as_str().into();
        }
        if let Some((option, path)) = &self.place {
            json["option"] = option.as_str().into();
            json["path"] = path.as_str().into();
        }
        json
    }
}

impl From<ApiError> for Reason {
    fn from(error: ApiError) -> Self {
        Self::api(&error)
    }
}

impl From<Blocked> for Reason {
    fn from(blocked: Blocked) -> Self {
        Self::new(StatusKind::Blocked, blocked.message, Some(blocked.remedy))
    }
}

impl From<Status> for Reason {
    fn from(status: Status) -> Self {
        Self::new(status.kind(), status.message(), None)
    }
}

impl From<&Problem> for Reason {
    fn from(problem: &Problem) -> Self {
        Self {
            place: Some((problem.option.clone(), problem.path.clone())),
            ..Self::new(
                StatusKind::Blocked,
                problem.headline(),
                problem.remedy.clone(),
            )
        }
    }
}

impl From<Stop> for Reason {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Api(error) => Self::api(&error),
            Stop::Unreachable(unreachable) => Self::unreachable(&unreachable),
            Stop::Obstacle(obstacle) => {
                let (status, explanation) = disposition::obstacle(&obstacle);
                Self::new(
                    status.kind(),
                    status.message(),
                    Some(explanation.to_owned()),
                )
            }
            Stop::Blocked(blocked) => blocked.into(),
            Stop::Status(status) | Stop::Again(status) => status.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.remedy {
            Some(remedy) => write!(formatter, "; {remedy}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Obstacle;

    #[test]
    fn every_reason_says_what_and_what_then() {
        let api = |failure| {
            Stop::Api(ApiError {
                verb: "GET",
                path: "/apis".to_owned(),
                failure,
            })
        };
        for (stop, expected) in [
            (
                api(Failure::Unavailable("Connection refused".into())),
                "Kubernetes API: Connection refused",
            ),
            (
                api(Failure::Forbidden("no".into())),
                "Kubernetes API: GET /apis: no",
            ),
            (
                Stop::Unreachable(Unreachable::NoKubeconfig),
                "Kubernetes API: there is no kubeconfig yet; the principal's charm writes it once the cluster is up",
            ),
            (
                Stop::Obstacle(Obstacle::Migrating),
                "Waiting for Calico's datastore migration to end; a DatastoreMigration exists: nothing is written until it \
                 is complete and deleted",
            ),
            (
                Stop::Blocked(Blocked {
                    message: "a".into(),
                    remedy: "b".into(),
                }),
                "a; b",
            ),
            (Stop::Status(Status::waiting("c")), "c"),
        ] {
            assert_eq!(Reason::from(stop).to_string(), expected);
        }
    }
}
