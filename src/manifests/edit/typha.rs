//! Typha, which stands between the API server and many calico-nodes.

use super::conflist::set_key;
use super::container::Container;
use super::cursor::find;
use super::{CALICO_NODE, CALICO_TYPHA, EditError};
use crate::manifests::{Document, Settings};

const KEY: &str = "typha_service_name";
/// The value of [`KEY`] that means no Typha.
const NONE: &str = "none";
const VARIABLE: &str = "FELIX_TYPHAK8SSERVICENAME";

/// Leaves Typha's documents out where there is to be none.
pub(super) fn leave_out(documents: &mut Vec<Document>, settings: &Settings) {
    documents.retain(|document| settings.typha_replicas > 0 || document.name() != CALICO_TYPHA);
}

pub(super) fn edit(documents: &mut [Document], settings: &Settings) -> Result<(), EditError> {
    if settings.typha_replicas == 0 {
        set_key(documents, KEY, NONE)?;
        return node(documents)?.remove(|name| name == VARIABLE);
    }
    find(documents, "Service", CALICO_TYPHA)?;
    let mut spec = find(documents, "Deployment", CALICO_TYPHA)?.field(&["spec"])?;
    let spec = spec.object()?;
    spec.insert("replicas".to_owned(), settings.typha_replicas.into());
    set_key(documents, KEY, CALICO_TYPHA)?;
    node(documents)?.refer(VARIABLE, KEY)
}

fn node(documents: &mut [Document]) -> Result<Container<'_>, EditError> {
    let daemon_set = find(documents, "DaemonSet", CALICO_NODE)?;
    Container::of(daemon_set, "containers", CALICO_NODE)
}
