//! The environment of calico-node: pools, addresses, families (`node/pkg/lifecycle/startup/startup.go`).

use super::container::Container;
use super::cursor::find;
use super::{CALICO_NODE, EditError};
use crate::manifests::{Autodetection, Document, Settings};
use crate::model::Family;

pub(super) fn edit(documents: &mut [Document], settings: &Settings) -> Result<(), EditError> {
    let daemon_set = find(documents, "DaemonSet", CALICO_NODE)?;
    let node = &mut Container::of(daemon_set, "containers", CALICO_NODE)?;
    pools(node, settings)?;
    addresses(node, settings)?;
    // It would overwrite every Node's own AS number at each start.
    node.remove(|name| name == "AS")
}

/// The charm makes the pools, so calico-node makes none; it does not start when it is told about a pool all the same.
fn pools(node: &mut Container<'_>, settings: &Settings) -> Result<(), EditError> {
    const POOLS: [&str; 2] = ["CALICO_IPV4POOL_", "CALICO_IPV6POOL_"];
    if !settings.manage_pools {
        return Ok(());
    }
    node.remove(|name| POOLS.iter().any(|prefix| name.starts_with(prefix)))?;
    node.set("NO_DEFAULT_POOLS", "true")
}

fn addresses(node: &mut Container<'_>, settings: &Settings) -> Result<(), EditError> {
    for (family, variable, has) in [
        (Family::V4, "IP", settings.ipv4),
        (Family::V6, "IP6", settings.ipv6),
    ] {
        node.set(variable, if has { "autodetect" } else { "none" })?;
        let method = settings.autodetection.method(family).filter(|_| has);
        node.set_or_remove(Autodetection::variable(family), method.as_deref())?;
    }
    node.set("FELIX_IPV6SUPPORT", &settings.ipv6.to_string())?;
    if settings.ipv6 && !settings.ipv4 {
        // BIRD's router ID is an IPv4 address, and such a node has none.
        node.set("CALICO_ROUTER_ID", "hash")?;
    }
    Ok(())
}
