//! What the options, the relations and the Nodes make of the documents.

use std::collections::{BTreeMap, BTreeSet};

use super::source::not_withheld;
use super::{Found, read_resource};
use crate::charm::reconcile::{Stop, Work};
use crate::host::Host;
use crate::juju::HookTools;
use crate::manifests::{Autodetection, Backend, Settings};
use crate::model::{Cidr, Release, UnitAddress};
use crate::plan::Live;
use crate::render::{ANNOTATION_ADDRESSES, ANNOTATION_APPLICATION, ANNOTATION_UNIT, listed};

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// The resource's bytes, where it is attached.
    ///
    /// # Errors
    /// When it is not to be had now, so that nothing may be made of the documents there are.
    pub fn resource(&self, found: &Found) -> Result<Option<Vec<u8>>, Stop> {
        let path = self.juju.manifests.as_deref();
        not_withheld(path, found.recorded("resource"))?;
        path.map_or(Ok(None), read_resource)
    }

    /// What the options, the relations and the Nodes make of the documents.
    pub fn settings(
        &self,
        release: Release,
        found: &Found,
        daemon_set: Option<&Live>,
        nodes: &[Live],
    ) -> Settings {
        let owner = self.identity.owner.clone();
        let autodetection = self.autodetection(daemon_set, nodes);
        let mut settings = Settings {
            registry: self.registry(found),
            ..Settings::new(self.config, release, owner, autodetection)
        };
        if found.keeps_bird {
            settings.backend = Backend::Bird;
        }
        settings
    }

    /// The site's registry: the option, else the principal's.
    fn registry(&self, found: &Found) -> Option<String> {
        let option = self.config.image_registry.clone();
        option.or_else(|| self.told_registry(found))
    }

    /// The principal's registry, for a site that sets no `image-registry`.
    pub(super) fn told_registry(&self, found: &Found) -> Option<String> {
        let relations = self.juju.cni.iter();
        let told = relations.filter_map(|relation| relation.principal.get("image-registry"));
        principals_registry(told.map(String::as_str), found.recorded("registry"))
    }

    /// One value for the cluster, which only ever grows and only changes when every unit has told its addresses: each
    /// change restarts calico-node everywhere. Until the first time, each Node's InternalIP serves, which needs no list.
    fn autodetection(&self, daemon_set: Option<&Live>, nodes: &[Live]) -> Autodetection {
        let before = daemon_set.and_then(Autodetection::of);
        let mut told: BTreeMap<&str, &str> = nodes
            .iter()
            .filter(|node| {
                node.annotation(ANNOTATION_APPLICATION) == Some(&self.identity.owner.application)
            })
            .filter_map(|node| {
                let unit = node.annotation(ANNOTATION_UNIT)?;
                Some((unit, node.annotation(ANNOTATION_ADDRESSES)?))
            })
            .collect();
        let own = listed(self.intent.addresses());
        let unit = self.identity.unit.to_string();
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
            .filter_map(UnitAddress::read)
            .map(|address| address.subnet)
            .filter(of_pods)
            .collect();
        if let Some(Autodetection::Cidrs(before)) = before {
            cidrs.extend(before);
        }
        Autodetection::Cidrs(cidrs.into_iter().collect())
    }
}

/// What a principal says of its registry, else what one said before: a worker says nothing until the control plane has
/// told it. The registry that Charmed Kubernetes has by default holds the images of its own Calico releases only, and is
/// not taken.
fn principals_registry<'a>(
    told: impl IntoIterator<Item = &'a str>,
    recorded: &'a str,
) -> Option<String> {
    const OF_CHARMED_KUBERNETES: &str = "rocks.canonical.com:443/cdk";
    let mut told = told.into_iter().map(str::trim);
    let registry = told.find(|registry| !registry.is_empty());
    let registry = registry.unwrap_or(recorded);
    let is_usable = !registry.is_empty() && registry != OF_CHARMED_KUBERNETES;
    is_usable.then(|| registry.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_kept_while_the_principal_says_nothing() {
        const CDK: &str = "rocks.canonical.com:443/cdk";
        for (told, recorded, registry) in [
            (&[][..], "", None),
            (&[" "][..], "", None),
            (&["a.example.com"][..], "", Some("a.example.com")),
            (
                &[" a.example.com "][..],
                "b.example.com",
                Some("a.example.com"),
            ),
            (
                &["", "a.example.com"][..],
                "b.example.com",
                Some("a.example.com"),
            ),
            (&[][..], "b.example.com", Some("b.example.com")),
            (&[""][..], "b.example.com", Some("b.example.com")),
            (&[CDK][..], "b.example.com", None),
            (&[][..], CDK, None),
        ] {
            let found = principals_registry(told.iter().copied(), recorded);
            assert_eq!(found.as_deref(), registry, "{told:?} {recorded:?}");
        }
    }
}
