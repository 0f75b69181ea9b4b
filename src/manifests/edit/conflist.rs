//! The ConfigMap `calico-config`: MTU, and the CNI configuration that `install-cni` writes on every machine.

use serde_json::Value;

use super::container::Container;
use super::cursor::{Cursor, find};
use super::{CALICO_CONFIG, CALICO_NODE, EditError, EditProblem, placeholders};
use crate::manifests::{Document, Settings};

const CONFLIST: &str = "cni_network_config";
const VETH_MTU: &str = "veth_mtu";
/// Calico's plugin detects the MTU itself when it is told this one.
const DETECTED: &str = "0";
const IPAM: &str = "calico-ipam";

/// Sets a key of `calico-config` that is there.
pub(super) fn set_key(documents: &mut [Document], key: &str, value: &str) -> Result<(), EditError> {
    find(documents, "ConfigMap", CALICO_CONFIG)?
        .field(&["data", key])?
        .set(value);
    Ok(())
}

/// A CNI network configuration list, taken out of its ConfigMap.
pub(super) struct Conflist<'a> {
    place: Cursor<'a>,
    value: Value,
}

impl<'a> Conflist<'a> {
    pub(super) fn read(documents: &'a mut [Document]) -> Result<Self, EditError> {
        let place = find(documents, "ConfigMap", CALICO_CONFIG)?.field(&["data", CONFLIST])?;
        match placeholders::from_text(place.text()?) {
            Ok(value) => Ok(Self { place, value }),
            Err(error) => Err(place.error("", EditProblem::NoJson(error.to_string()))),
        }
    }

    /// The plugin of a type.
    pub(super) fn plugin(&mut self, name: &str) -> Result<Cursor<'_>, EditError> {
        let inside = self.place.inside(&mut self.value);
        inside.field(&["plugins"])?.item_with("type", name)
    }

    fn write(self) {
        let text = placeholders::to_text(&self.value);
        self.place.set(text);
    }
}

/// Sets the MTU of pods' interfaces and the families pods get addresses of.
pub(super) fn edit(documents: &mut [Document], settings: &Settings) -> Result<(), EditError> {
    let installer = find(documents, "DaemonSet", CALICO_NODE)?;
    let installer = Container::of(installer, "initContainers", "install-cni")?;
    installer.refers("CNI_NETWORK_CONFIG", CONFLIST)?;
    installer.refers("CNI_MTU", VETH_MTU)?;
    let mtu = settings.workload_mtu.map(|mtu| mtu.to_string());
    set_key(documents, VETH_MTU, mtu.as_deref().unwrap_or(DETECTED))?;

    let mut conflist = Conflist::read(documents)?;
    let mut ipam = conflist.plugin("calico")?.field(&["ipam"])?;
    let kind = ipam.value()["type"].as_str().unwrap_or_default();
    if kind != IPAM {
        let found = kind.to_owned();
        let reason = "the charm's pools are for calico-ipam";
        return Err(ipam.error(".type", EditProblem::Unfit { found, reason }));
    }
    // Texts, as the plugin declares them (`cni-plugin/pkg/types/types.go`).
    let ipam = ipam.object()?;
    ipam.insert("assign_ipv4".to_owned(), settings.ipv4.to_string().into());
    ipam.insert("assign_ipv6".to_owned(), settings.ipv6.to_string().into());
    conflist.write();
    Ok(())
}
