//! Makes and removes the objects in which calico-node tells of a reflector's sessions. They help and are never needed: where
//! the API does not serve them or does not let the charm have them, nothing is done. Performs IO.

use super::kubernetes::{ApiError, Failure};
use super::{Kubernetes, Mode};
use crate::model::UnitName;
use crate::plan::{Live, is_status_of};
use crate::render::{Desired, Kind, Owner};

/// How often a removal is tried.
const TRIES: usize = 3;

/// Makes one; `false` where there is one already, or there can be none. One of the same unit that is for another Node is
/// replaced.
pub(super) async fn create(
    kubernetes: &Kubernetes,
    mode: Mode,
    desired: &Desired,
) -> Result<bool, ApiError> {
    let kind = Kind::CalicoNodeStatus;
    let (collection, path) = (
        kind.path(mode.group),
        kind.object_path(mode.group, &desired.name),
    );
    let body = desired.manifest(mode.group);
    let conflict = match optional(kubernetes.create(&collection, &body).await) {
        Err(error) if matches!(error.failure, Failure::Conflict(_)) => error,
        answer => return answer.map(|stored| stored.is_some()),
    };
    let Some(there) = kubernetes.get(&path).await?.map(Live::new) else {
        return Err(conflict);
    };
    let wanted = Live::new(body.clone());
    if there.owner().is_none() || there.owner() != wanted.owner() {
        return Ok(false);
    }
    if there.spec_text("node") == wanted.spec_text("node") {
        return Ok(false);
    }
    let seen = Some(there.resource_version());
    kubernetes.delete(&path, there.uid(), seen).await?;
    kubernetes.create(&collection, &body).await.map(|_| true)
}

/// Removes a unit's, if it is that; `false` where there is none. calico-node writes it whenever a session changes, so it is
/// looked at again where that came in between.
pub(super) async fn remove(
    kubernetes: &Kubernetes,
    mode: Mode,
    unit: &UnitName,
    owner: &Owner,
    node: Option<&str>,
) -> Result<bool, ApiError> {
    let path = Kind::CalicoNodeStatus.object_path(mode.group, &unit.dashed());
    let mut conflict = None;
    for _ in 0..TRIES {
        let Some(live) = read(kubernetes, &path).await? else {
            return Ok(false);
        };
        if !is_status_of(&live, unit, owner, node) {
            return Ok(false);
        }
        let seen = Some(live.resource_version());
        match optional(kubernetes.delete(&path, live.uid(), seen).await) {
            Err(error) if matches!(error.failure, Failure::Conflict(_)) => conflict = Some(error),
            deleted => return deleted.map(|deleted| deleted.is_some()),
        }
    }
    conflict.map_or(Ok(false), Err)
}

/// One of them, where the API gives it.
///
/// # Errors
/// When the API cannot be asked.
pub async fn read(kubernetes: &Kubernetes, path: &str) -> Result<Option<Live>, ApiError> {
    let found = optional(kubernetes.get(path).await)?;
    Ok(found.flatten().map(Live::new))
}

/// What came of a request whose refusal is no error: nothing where the kind is not served, not allowed or another one.
///
/// # Errors
/// When it failed otherwise.
pub fn optional<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.failure {
            Failure::NotFound | Failure::Forbidden(_) | Failure::Invalid { .. } => {
                tracing::debug!(%error, "no CalicoNodeStatus");
                Ok(None)
            }
            _ => Err(error),
        },
    }
}
