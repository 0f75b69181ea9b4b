//! The table of settings, and the sources of documents it is applied to.

use std::fs;
use std::path::PathBuf;

use calico_charm::manifests::{Autodetection, Backend, Catalogue, Document, Settings, edited};
use calico_charm::model::Release;
use calico_charm::render::Owner;

use crate::support::control_plane::skip_note;
use crate::support::crds;

pub const REGISTRY: &str = "mirror.example.com:5000/calico-mirror";
pub const NODE_IMAGE: &str = "other.example.com/calico/node:v3.32.1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
pub const POLICY_IMAGE: &str = "other.example.com/policy:1";
pub struct Case {
    pub name: &'static str,
    pub settings: fn(&mut Settings),
    /// Paths in calico-node's environment, beyond or in place of those of [`default_environment`].
    pub environment: &'static [(&'static str, Option<&'static str>)],
    /// Keys and plugin fields of the ConfigMap, likewise.
    pub config: &'static [(&'static str, &'static str)],
}

pub const CASES: [Case; 9] = [
    Case {
        name: "default",
        settings: |_| {},
        environment: &[],
        config: &[],
    },
    Case {
        name: "images",
        settings: |settings| {
            settings.registry = Some(REGISTRY.to_owned());
            settings.node_image = Some(NODE_IMAGE.to_owned());
            settings.policy_image = Some(POLICY_IMAGE.to_owned());
        },
        environment: &[],
        config: &[],
    },
    Case {
        name: "dual-stack",
        settings: |settings| settings.ipv6 = true,
        environment: &[
            ("IP6", Some("autodetect")),
            ("IP6_AUTODETECTION_METHOD", Some("kubernetes-internal-ip")),
            ("FELIX_IPV6SUPPORT", Some("true")),
        ],
        config: &[("assign_ipv6", "true")],
    },
    Case {
        name: "ipv6",
        settings: |settings| {
            settings.ipv4 = false;
            settings.ipv6 = true;
        },
        environment: &[
            ("IP", Some("none")),
            ("IP_AUTODETECTION_METHOD", None),
            ("IP6", Some("autodetect")),
            ("IP6_AUTODETECTION_METHOD", Some("kubernetes-internal-ip")),
            ("FELIX_IPV6SUPPORT", Some("true")),
            ("CALICO_ROUTER_ID", Some("hash")),
        ],
        config: &[("assign_ipv4", "false"), ("assign_ipv6", "true")],
    },
    Case {
        name: "vxlan",
        settings: |settings| settings.backend = Backend::Vxlan,
        environment: &[("CLUSTER_TYPE", Some("k8s"))],
        config: &[("calico_backend", "vxlan")],
    },
    Case {
        name: "own-pools",
        settings: |settings| settings.manage_pools = false,
        environment: &[
            ("NO_DEFAULT_POOLS", None),
            // As they were.
            ("CALICO_IPV4POOL_IPIP", Some("Always")),
            ("CALICO_IPV4POOL_VXLAN", Some("Never")),
            ("CALICO_IPV6POOL_VXLAN", Some("Never")),
        ],
        config: &[],
    },
    Case {
        name: "mtu",
        settings: |settings| settings.workload_mtu = Some(1430),
        environment: &[],
        config: &[("veth_mtu", "1430")],
    },
    Case {
        name: "subnets",
        settings: |settings| {
            let cidrs = ["10.1.0.0/24", "fd00:1::/64", "10.0.0.0/24", "10.1.0.0/24"];
            let cidrs = cidrs.map(|cidr| cidr.parse().unwrap());
            settings.autodetection = Autodetection::Cidrs(cidrs.into());
            settings.ipv6 = true;
        },
        environment: &[
            (
                "IP_AUTODETECTION_METHOD",
                Some("cidr=10.0.0.0/24,10.1.0.0/24"),
            ),
            ("IP6", Some("autodetect")),
            ("IP6_AUTODETECTION_METHOD", Some("cidr=fd00:1::/64")),
            ("FELIX_IPV6SUPPORT", Some("true")),
        ],
        config: &[("assign_ipv6", "true")],
    },
    Case {
        name: "subnets-of-one-family",
        settings: |settings| {
            let cidr = "10.0.0.0/24".parse().unwrap();
            settings.autodetection = Autodetection::Cidrs(vec![cidr]);
            settings.ipv6 = true;
        },
        environment: &[
            ("IP_AUTODETECTION_METHOD", Some("cidr=10.0.0.0/24")),
            ("IP6", Some("autodetect")),
            ("FELIX_IPV6SUPPORT", Some("true")),
        ],
        config: &[("assign_ipv6", "true")],
    },
];

impl Case {
    /// What the case is about, and all else as it is by default.
    pub fn settings(&self, release: Release) -> Settings {
        let mut settings = Settings {
            release,
            owner: Owner {
                model: "4f6e5b0c-0000-4000-8000-000000000001".to_owned(),
                application: "calico".to_owned(),
            },
            registry: None,
            node_image: None,
            policy_image: None,
            ipv4: true,
            ipv6: false,
            backend: Backend::Bird,
            workload_mtu: None,
            manage_pools: true,
            autodetection: Autodetection::InternalIp,
            typha_replicas: 0,
        };
        (self.settings)(&mut settings);
        settings
    }
}

/// A release's documents, and where they come from.
pub struct Source {
    pub name: String,
    pub release: Release,
    pub documents: Vec<Document>,
}

pub fn embedded() -> Source {
    let catalogue = Catalogue::embedded();
    let release = catalogue.preferred();
    Source {
        name: "embedded".to_owned(),
        release,
        documents: catalogue.documents(release).unwrap(),
    }
}

/// Every genuine install document, oldest first; `None` when there is none to be had.
pub fn genuine(test: &str) -> Option<Vec<Source>> {
    let Some(files) = crds::genuine_documents() else {
        skip_note(test, "CALICO_CRDS names no folder with a calico.yaml");
        return None;
    };
    let source = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap();
        let catalogue = Catalogue::with_resource(&bytes).unwrap();
        let folder = file.parent().unwrap().file_name().unwrap();
        let release: Release = folder.to_str().unwrap().parse().unwrap();
        Source {
            name: format!("{release} {}", file.file_name().unwrap().display()),
            release,
            documents: catalogue.documents(release).unwrap(),
        }
    };
    let mut sources: Vec<Source> = files.iter().map(source).collect();
    sources.sort_by_key(|source| source.release);
    Some(sources)
}

pub fn edit(source: &Source, case: &Case) -> Vec<Document> {
    let result = edited(source.documents.clone(), &case.settings(source.release));
    result.unwrap_or_else(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("{}, {}: {}", source.name, case.name, errors.join("\n"))
    })
}
