//! What the changes do to sessions and to who reaches whom. Pure.

use super::cluster::Observed;
use crate::cli::check;
use crate::cli::check::live::places;
use crate::cli::fabric::Fabric;
use crate::fabric::{
    Address, Backend, Budget, Code, Difference, Node, Objects, Topology, backend, compare, live,
    merge,
};
use crate::manifests::Catalogue;
use crate::model::{Family, Rollout};
use crate::plan::Live;
use crate::render::{BgpPeerName, Owner};
use crate::rollout::{Declared, DeclaredKind, declared};

/// Sessions that the mesh has to wait for, which units that wait for each other do.
const REPLACEMENTS_COME_LATER: Code = Code(100);

/// What a change of encapsulation cuts, which is declared as well.
const ANOTHER_TUNNEL: Code = Code(110);

/// What a change does.
pub(super) struct Effects {
    pub(super) difference: Difference,
    /// What no order of its steps avoids.
    pub(super) cuts: Vec<Declared>,
}

/// Compares the fabric that is there with the one that the options want; `None` where the options do not fit the units,
/// which [`Fabric::config`] has ruled out.
pub(super) fn effects(
    fabric: &Fabric,
    observed: &Observed,
    owner: &Owner,
    rollout: Rollout,
) -> Option<Effects> {
    let wanted = check::wanted(fabric).ok()?;
    let places = places(&wanted);
    let release = observed
        .version
        .as_deref()
        .and_then(|version| version.parse().ok());
    let of_peers = |peers: &[Live]| {
        live(&Objects {
            nodes: &observed.nodes,
            configurations: &observed.configurations,
            peers,
            filters: &observed.filters,
            pools: &observed.pools,
            backend: there(observed),
            release: release.unwrap_or_else(|| Catalogue::embedded().preferred()),
            service_cidrs: &[],
            places: &places,
        })
    };
    let mut there = of_peers(&observed.peers);
    let is_of_others =
        |peer: &&Live| BgpPeerName::parse(peer.name(), &fabric.application).is_none();
    let others: Vec<Live> = observed
        .peers
        .iter()
        .filter(is_of_others)
        .cloned()
        .collect();
    let mut wanted = merge(wanted, of_peers(&others));
    if is_elsewhere(observed, owner) {
        wanted.backend = there.backend;
        wanted.release = there.release;
    }
    see_the_same(&mut there, &wanted);
    let mut cuts = declared(&there, &wanted);
    let (there, wanted) = (
        crate::fabric::check(&there, Budget::COMMAND),
        crate::fabric::check(&wanted, Budget::COMMAND),
    );
    let mut difference = compare(&there, &wanted);
    if rollout == Rollout::Safe {
        let findings = &mut difference.findings;
        findings.retain(|finding| finding.code != REPLACEMENTS_COME_LATER);
    }
    let is_tunnel = |cut: &Declared| cut.kind == DeclaredKind::Encapsulation;
    let found = difference.findings.iter();
    if found
        .map(|finding| finding.code)
        .any(|code| code == ANOTHER_TUNNEL)
    {
        cuts.retain(|cut| !is_tunnel(cut));
    }
    Some(Effects { difference, cuts })
}

/// What moves packets now: nothing before Calico is installed.
fn there(observed: &Observed) -> Backend {
    match &observed.daemon_set {
        None => Backend::None,
        set => backend(set.as_ref(), observed.calico_config.as_ref()),
    }
}

/// Whether somebody else has installed Calico, so that the charm does not choose its backend and release.
fn is_elsewhere(observed: &Observed, owner: &Owner) -> bool {
    let set = observed.daemon_set.as_ref();
    set.is_some_and(|set| {
        set.owner()
            .is_none_or(|found| found.application != owner.application)
    })
}

/// What is no object in the cluster is the same before and after: routers, default routes, and the networks of addresses
/// that calico-node has not written down yet.
fn see_the_same(there: &mut Topology, wanted: &Topology) {
    there.routers.clone_from(&wanted.routers);
    for node in &mut there.nodes {
        let Some(known) = wanted.nodes.iter().find(|known| known.name == node.name) else {
            continue;
        };
        node.gateway = known.gateway;
        node.unit.clone_from(&known.unit);
        for family in [Family::V4, Family::V6] {
            if let (Some(found), Some(known)) = (address(node, family), known.address(family))
                && found.ip == known.ip
            {
                *found = known;
            }
        }
    }
}

fn address(node: &mut Node, family: Family) -> Option<&mut Address> {
    match family {
        Family::V4 => node.v4.as_mut(),
        Family::V6 => node.v6.as_mut(),
    }
}
