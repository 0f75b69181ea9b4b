//! The datastore: Kubernetes, or not at all.

use super::conflist::Conflist;
use super::container::Container;
use super::cursor::find;
use super::{CALICO_CONFIG, CALICO_NODE, EditError, EditProblem, KUBE_CONTROLLERS};
use crate::manifests::{Document, Settings};

const KUBERNETES: &str = "kubernetes";
const REASON: &str =
    "this charm keeps Calico's data in Kubernetes; take the release's manifest for that datastore";

/// Checks that documents are for the datastore this charm writes to. One set for etcd would start with an empty
/// configuration beside the one there is.
pub(super) fn check(documents: &mut [Document], _: &Settings) -> Result<(), EditError> {
    for (kind, name) in [("DaemonSet", CALICO_NODE), ("Deployment", KUBE_CONTROLLERS)] {
        let container = Container::of(find(documents, kind, name)?, "containers", name)?;
        container.require("DATASTORE_TYPE", KUBERNETES, REASON)?;
    }
    let data = find(documents, "ConfigMap", CALICO_CONFIG)?.field(&["data"])?;
    if let Some(endpoints) = data.value().get("etcd_endpoints") {
        let found = endpoints.as_str().unwrap_or_default().to_owned();
        let reason = REASON;
        return Err(data.error(".etcd_endpoints", EditProblem::Unfit { found, reason }));
    }
    let mut conflist = Conflist::read(documents)?;
    let plugin = conflist.plugin("calico")?.field(&["datastore_type"])?;
    let found = plugin.text()?;
    if found == KUBERNETES {
        return Ok(());
    }
    let found = found.to_owned();
    let reason = REASON;
    Err(plugin.error("", EditProblem::Unfit { found, reason }))
}
