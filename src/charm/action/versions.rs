//! `list-versions`: the releases that `release` can be set to. Performs IO.

use super::answer::Answer;
use super::reason::Reason;
use crate::charm::install::{RESOURCE, catalogue, read_resource};
use crate::juju::HookTools;
use crate::juju::tools::{ToolError, resource_get};

/// Lists them, newest first. The cluster is not asked, so that it works before there is one.
///
/// # Errors
/// When a hook tool fails.
pub(super) async fn list<T: HookTools>(tools: &T) -> Result<Answer, ToolError> {
    let resource = resource_get(tools, RESOURCE).await?;
    let bytes = resource.as_deref().map_or(Ok(None), read_resource);
    let known = bytes.and_then(|bytes| Ok(catalogue(bytes.as_deref())?));
    Ok(match known {
        Ok(catalogue) => Answer::default().with_list("calico-versions", &catalogue.releases()),
        Err(stop) => Answer::failed(Reason::from(stop)),
    })
}
