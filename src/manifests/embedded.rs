//! The charm's own documents, compiled into the program.

use crate::model::Release;

/// The release they are for.
pub(super) const RELEASE: Release = Release::new(3, 32, 1);

macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../templates/", $name)))),+]
    };
}

/// Each file's name and text.
pub(super) const FILES: [(&str, &str); 10] = templates![
    "calico-config.yaml",
    "calico-kube-controllers.yaml",
    "calico-node.yaml",
    "calico-typha.yaml",
    "definitions/bgp.yaml",
    "definitions/cluster.yaml",
    "definitions/felix.yaml",
    "definitions/ipam.yaml",
    "definitions/policy.yaml",
    "rights.yaml",
];
