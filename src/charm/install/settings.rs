//! What the options, the relations and the Nodes make of the documents.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, read_resource};
use crate::charm::Report;
use crate::charm::reconcile::Work;
use crate::config::CharmConfig;
use crate::host::Host;
use crate::juju::HookTools;
use crate::manifests::{Autodetection, Backend, Settings};
use crate::model::{Cidr, Family, Release};
use crate::plan::Live;
use crate::render::{ANNOTATION_SUBNETS, ANNOTATION_UNIT};

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// The resource's bytes, where it is attached.
    pub fn resource(&self, report: &mut Report) -> Option<Vec<u8>> {
        read_resource(self.juju.manifests.as_ref()?, report)
    }

    /// What the options, the relations and the Nodes make of the documents.
    pub fn settings(
        &self,
        release: Release,
        found: &Found,
        daemon_set: Option<&Live>,
        nodes: &[Live],
    ) -> Settings {
        let config = self.config;
        let has = |family| config.cidr.iter().any(|cidr| cidr.family() == family);
        Settings {
            release,
            owner: self.identity.owner.clone(),
            registry: self
                .config
                .image_registry
                .clone()
                .or_else(|| self.told_registry(found)),
            node_image: config.calico_node_image.clone(),
            policy_image: config.calico_policy_image.clone(),
            ipv4: has(Family::V4),
            ipv6: has(Family::V6),
            backend: backend(config),
            workload_mtu: config.workload_mtu().map(u32::from),
            manage_pools: config.manage_pools,
            autodetection: self.autodetection(daemon_set, nodes),
            typha_replicas: u32::from(config.typha_replicas),
        }
    }

    /// Whether what runs may have come from a resource that is not to be had now. Juju cannot detach one.
    pub fn lacks_resource(&self, found: &Found) -> bool {
        self.juju.manifests.is_none() && !found.recorded("resource").is_empty()
    }

    /// The principal's registry, for a site that sets no `image-registry`. The registry that Charmed Kubernetes has by default holds the images of
    /// its own Calico releases only, and is not taken from there. A principal that says nothing yet, as a worker does
    /// until the control plane has told it, changes nothing.
    pub(super) fn told_registry(&self, found: &Found) -> Option<String> {
        const OF_CHARMED_KUBERNETES: &str = "rocks.canonical.com:443/cdk";
        let told = self
            .juju
            .cni
            .iter()
            .filter_map(|relation| relation.principal.get("image-registry"))
            .map(|registry| registry.trim())
            .find(|registry| !registry.is_empty());
        let registry = told.unwrap_or_else(|| found.recorded("registry"));
        let is_usable = !registry.is_empty() && registry != OF_CHARMED_KUBERNETES;
        is_usable.then(|| registry.to_owned())
    }

    /// One value for the cluster, which only ever grows and only changes when every unit has told its subnets: each
    /// change restarts calico-node everywhere. Until the first time, each Node's InternalIP serves, which needs no list.
    fn autodetection(&self, daemon_set: Option<&Live>, nodes: &[Live]) -> Autodetection {
        let before = daemon_set.and_then(Autodetection::of);
        let mut told: BTreeMap<&str, &str> = nodes
            .iter()
            .filter(|node| {
                node.annotation(crate::render::ANNOTATION_APPLICATION)
                    == Some(&self.identity.owner.application)
            })
            .filter_map(|node| {
                let unit = node.annotation(ANNOTATION_UNIT)?;
                Some((unit, node.annotation(ANNOTATION_SUBNETS)?))
            })
            .collect();
        let own: Vec<String> = self
            .intent
            .subnets()
            .iter()
            .map(ToString::to_string)
            .collect();
        let (own, unit) = (own.join(","), self.identity.unit.to_string());
        told.insert(&unit, &own);
        let complete = self.juju.membership.as_ref().is_some_and(|members| {
            members.is_complete()
                && members
                    .units
                    .iter()
                    .all(|unit| told.contains_key(unit.as_str()))
        });
        if !complete {
            return before.unwrap_or(Autodetection::InternalIp);
        }
        // The DaemonSet shows those of the pods' families alone, and what it shows must not seem to be something else.
        let of_pods = |cidr: &Cidr| {
            let pods = &self.config.cidr;
            pods.iter().any(|pods| pods.family() == cidr.family())
        };
        let mut cidrs: BTreeSet<Cidr> = told
            .values()
            .flat_map(|list| list.split(','))
            .filter_map(|cidr| cidr.parse().ok())
            .filter(of_pods)
            .collect();
        if let Some(Autodetection::Cidrs(before)) = before {
            cidrs.extend(before);
        }
        Autodetection::Cidrs(cidrs.into_iter().collect())
    }
}

/// BIRD runs unless everything goes by VXLAN and nothing asks for a session: the mesh, which is on unless switched off,
/// counts as asking.
fn backend(config: &CharmConfig) -> Backend {
    if config.manage_pools && config.vxlan.is_some() && !config.speaks_bgp() {
        Backend::Vxlan
    } else {
        Backend::Bird
    }
}
