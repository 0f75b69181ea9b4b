//! `list-versions`: the releases that `release` can be set to. Performs IO.

use super::answer::Answer;
use super::reason::Reason;
use crate::charm::Report;
use crate::charm::install::{RESOURCE, catalogue, read_resource};
use crate::juju::HookTools;
use crate::juju::tools::{ToolError, resource_get};

/// Lists them, newest first. The cluster is not asked, so that it works before there is one.
///
/// # Errors
/// When a hook tool fails.
pub(super) async fn list<T: HookTools>(tools: &T) -> Result<Answer, ToolError> {
    let mut report = Report::default();
    let resource = resource_get(tools, RESOURCE).await?;
    let bytes = resource.and_then(|path| read_resource(&path, &mut report));
    let answer = match catalogue(bytes.as_deref()) {
        Ok(catalogue) => Answer::default().with_list("calico-versions", &catalogue.releases()),
        Err(blocked) => Answer::failed(Reason::from(blocked)),
    };
    Ok(answer.with_list("notes", report.notes()))
}
