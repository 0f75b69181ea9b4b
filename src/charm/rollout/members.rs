//! Who takes part in a change: by Juju, and by what each unit has written on its Node. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::applied_on;
use crate::charm::reconcile::Work;
use crate::host::Host;
use crate::juju::HookTools;
use crate::model::UnitName;
use crate::plan::Live;
use crate::render::{
    ANNOTATION_APPLICATION, ANNOTATION_CLUSTER_ID, ANNOTATION_MODEL, ANNOTATION_PRINCIPAL,
    ANNOTATION_UNIT, Owner,
};
use crate::rollout::{Applied, RolloutStep};

/// The application's units, each with the Nodes that say they are its. One Node alone speaks for a unit: of two, one is left
/// over from before a machine got another name, or lies.
pub(in crate::charm) struct Claims<'n>(BTreeMap<UnitName, Vec<&'n Live>>);

impl<'n> Claims<'n> {
    /// Reads the claims of an application's units.
    pub(in crate::charm) fn read(nodes: &'n [Live], owner: &Owner) -> Self {
        let mut claims: BTreeMap<UnitName, Vec<&Live>> = BTreeMap::new();
        for node in nodes {
            let ours = node.annotation(ANNOTATION_APPLICATION) == Some(&owner.application)
                && node.annotation(ANNOTATION_MODEL) == Some(&owner.model);
            let unit = node.annotation(ANNOTATION_UNIT).filter(|_| ours);
            let unit = unit.and_then(|unit| unit.parse::<UnitName>().ok());
            if let Some(unit) = unit.filter(|unit| unit.application() == owner.application) {
                claims.entry(unit).or_default().push(node);
            }
        }
        Self(claims)
    }

    /// The units, whether one Node says so or several.
    pub(super) fn units(&self) -> BTreeSet<UnitName> {
        self.0.keys().cloned().collect()
    }

    /// The units with the one Node of each.
    pub(in crate::charm) fn nodes(&self) -> impl Iterator<Item = (&UnitName, &'n Live)> {
        self.0.iter().filter_map(|(unit, nodes)| match &**nodes {
            [node] => Some((unit, *node)),
            _ => None,
        })
    }

    /// The units that several Nodes say they are, and those Nodes by name.
    pub(in crate::charm) fn doubled(&self) -> BTreeMap<UnitName, Vec<String>> {
        let several = self.0.iter().filter(|(_, nodes)| nodes.len() > 1);
        let names = |nodes: &[&Live]| nodes.iter().map(|node| node.name().to_owned()).collect();
        several
            .map(|(unit, nodes)| (unit.clone(), names(nodes)))
            .collect()
    }

    fn principals(&self) -> BTreeSet<&'n str> {
        let nodes = self.0.values().flatten();
        nodes
            .filter_map(|node| node.annotation(ANNOTATION_PRINCIPAL))
            .collect()
    }
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Every unit there is, once Juju has told of all; before that the principals whose units are not known.
    ///
    /// # Errors
    /// The principals, as far as Juju has told of those.
    pub(super) fn members(
        &self,
        claims: &Claims<'_>,
    ) -> Result<BTreeSet<UnitName>, BTreeSet<String>> {
        let Some(membership) = &self.juju.membership else {
            return Err(BTreeSet::new());
        };
        let seen = claims.principals();
        let unseen = membership
            .principals
            .iter()
            .filter(|principal| !seen.contains(principal.as_str()));
        let unseen: BTreeSet<String> = unseen.cloned().collect();
        let units = membership.units.iter();
        let units: BTreeSet<UnitName> = units.filter_map(|unit| unit.parse().ok()).collect();
        // As many as principals is not enough: one of them may be going while another has yet to come.
        let without_node = units.iter().filter(|unit| !claims.0.contains_key(unit));
        if membership.is_complete() && unseen.len() <= without_node.count() {
            Ok(units)
        } else {
            Err(unseen)
        }
    }

    /// How far the units are: what each says on its one Node, as long as that Node does not show otherwise.
    pub(super) fn applied(&self, claims: &Claims<'_>) -> BTreeMap<UnitName, Applied> {
        claims
            .nodes()
            .filter_map(|(unit, node)| Some((unit, node, applied_on(node)?)))
            .filter(|(unit, node, applied)| !self.is_refuted(unit, node, applied))
            .map(|(unit, _, applied)| (unit.clone(), applied))
            .collect()
    }

    /// Whether a unit says that it reflects and its Node has no such cluster ID (any more): somebody may have removed it.
    fn is_refuted(&self, unit: &UnitName, node: &Live, applied: &Applied) -> bool {
        let wanted = self.config.route_reflector_cluster_ids.get(&unit.number());
        let reflects = applied.digest == self.intent.order_digest()
            && applied.step >= RolloutStep::Reflect
            && !applied.left.contains(&RolloutStep::Reflect);
        let present = node.annotation(ANNOTATION_CLUSTER_ID);
        wanted.is_some_and(|wanted| reflects && present != Some(&*wanted.value.to_string()))
    }
}
