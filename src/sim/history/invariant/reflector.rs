//! `reflector`: a Node becomes a reflector when its clients' BGPPeers stand, and stays one as long as anybody needs it.
//!
//! Calico takes a node out of the mesh the moment it has a cluster ID, and a client's session counts as one only while
//! the other end has one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::members::{First, Meddled, Newcomers, members, standing, wanted, wanted_peers, without};
use super::touched::{Touched, after, before, is_immediate, violation, writer};
use crate::fabric::{Node, Scope, Target, Topology};
use crate::plan::Live;
use crate::render::{ANNOTATION_CLUSTER_ID, BgpPeerName};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "reflector";

/// Watches cluster IDs.
#[derive(Default)]
pub struct Reflector {
    newcomers: Newcomers,
    meddled: Meddled,
    first: First,
}

impl Reflector {
    /// The clients' BGPPeers that are missing although the reflector leaves the mesh.
    fn missing(&self, scene: &Scene<'_>, write: &Written, node: &str) -> Vec<String> {
        let standing = standing(scene, &BTreeSet::new());
        if !standing.mesh.value {
            // There is no mesh to leave: what sessions are lost is for `reach` to say.
            return Vec::new();
        }
        let Some(wanted) = wanted(scene, &write.options, standing) else {
            return Vec::new();
        };
        let own = addresses(&wanted, node);
        let without = without(scene);
        let found = scene.server.objects("BGPPeer").into_iter();
        let found: Vec<Live> = found.map(Live::new).collect();
        let peers = wanted_peers(&wanted).into_iter();
        peers
            .filter(|peer| own.contains(&peer.address.ip()) && !peer.stands(&found))
            .filter(|peer| !without.contains(&peer.unit.to_string()))
            .filter(|peer| !self.newcomers.has(&peer.unit, write))
            .map(|peer| BgpPeerName::new(&peer.unit, peer.address).to_string())
            .filter(|name| !self.meddled.has(name))
            .collect()
    }

    /// The nodes that have no other way than this reflector, while there is no mesh.
    fn orphaned(scene: &Scene<'_>, write: &Written, node: &str) -> Vec<String> {
        let standing = standing(scene, &BTreeSet::new());
        let left_behind = without(scene);
        let staying: BTreeSet<String> = members(scene)
            .into_iter()
            .filter(|member| !left_behind.contains(&member.unit.to_string()))
            .map(|member| member.node)
            .collect();
        if standing.mesh.value || !staying.contains(node) {
            // A unit that goes takes its reflector with it, whoever needs it.
            return Vec::new();
        }
        let Some(wanted) = wanted(scene, &write.options, standing.clone()) else {
            return Vec::new();
        };
        // Options that put a unit that is gone in its place connect nobody.
        let leads_on = |ip: IpAddr| {
            let reflector = wanted.nodes.iter().find(|node| has(node, ip));
            let stranger = || !standing.nodes.iter().any(|node| has(node, ip));
            reflector.map_or_else(stranger, |node| node.cluster_id.is_some())
        };
        let is_wanted = |name: &str| {
            let peers = wanted_peers(&wanted);
            let mut own = peers.iter().filter(|peer| peer.node == name);
            wanted.mesh.value || own.any(|peer| leads_on(peer.address.ip()))
        };
        let own = addresses(&standing, node);
        let nodes = standing.nodes.iter();
        nodes
            .filter(|other| other.name != node && other.cluster_id.is_none())
            .filter(|other| staying.contains(&other.name) && is_wanted(&other.name))
            .filter(|other| {
                let targets = targets(&standing, other);
                let reflects = |ip: &IpAddr| {
                    let mut nodes = standing.nodes.iter();
                    nodes.any(|node| node.cluster_id.is_some() && has(node, *ip))
                };
                let routers = |ip: &IpAddr| !standing.nodes.iter().any(|node| has(node, *ip));
                targets.iter().any(|ip| own.contains(ip))
                    && !targets.iter().any(|ip| reflects(ip) || routers(ip))
            })
            .map(|other| other.name.clone())
            .collect()
    }
}

fn addresses(fabric: &Topology, node: &str) -> BTreeSet<IpAddr> {
    let named = fabric.nodes.iter().find(|other| other.name == node);
    let addresses = named.into_iter().flat_map(|node| [node.v4, node.v6]);
    addresses.flatten().map(|address| address.ip).collect()
}

fn has(node: &Node, ip: IpAddr) -> bool {
    let own = [node.v4, node.v6].into_iter().flatten();
    own.map(|address| address.ip).any(|own| own == ip)
}

/// Where the BGPPeers of a node point to.
fn targets(fabric: &Topology, node: &Node) -> BTreeSet<IpAddr> {
    let place = (0..)
        .zip(&fabric.nodes)
        .find(|(_, other)| other.name == node.name);
    let Some((place, _)) = place else {
        return BTreeSet::new();
    };
    let peerings = fabric.peerings.iter();
    peerings
        .filter(|peering| {
            matches!(
                peering.scope,
                Scope::Node(_) | Scope::Selected(_) | Scope::Global
            ) && peering.scope.has(place)
        })
        .filter_map(|peering| match &peering.target {
            Target::Address(address) => Some(address.ip()),
            Target::Nodes(_) => None,
        })
        .collect()
}

impl Watch for Reflector {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        self.first.begin(scene);
        self.newcomers.written(write);
        let by_unit = writer(scene, write).is_some();
        self.meddled.written(write, by_unit);
        let Touched::Node(node) = Touched::by(write) else {
            return Vec::new();
        };
        let of = |live: Option<Live>| {
            live.and_then(|live| live.annotation(ANNOTATION_CLUSTER_ID).map(str::to_owned))
        };
        let (was, is) = (of(before(write)), of(after(write)));
        if !by_unit || self.first.allows(write) || is_immediate(&write.options) {
            return Vec::new();
        }
        let message = match (was, is) {
            (None, Some(_)) => {
                let missing = self.missing(scene, write, node);
                missing.first().map(|first| {
                    format!(
                        "takes {node} out of the mesh while BGPPeer {first} towards it is missing ({} in all)",
                        missing.len()
                    )
                })
            }
            (Some(_), None) => {
                let orphaned = Self::orphaned(scene, write, node);
                orphaned
                    .first()
                    .map(|first| format!("{first} has no other reflector, and there is no mesh"))
            }
            _ => None,
        };
        let found = message.map(|message| violation(NAME, write, message));
        found.into_iter().collect()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        self.newcomers.told(told);
        self.first.told(scene, told);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, REFLECTOR, Stage};

    #[test]
    fn clients_come_first() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", true);
        stage.peer(1, 0, 64512);
        let mut reflector = Reflector::default();
        let write = Stage::of(stage.cluster_id(0, Some("224.0.0.1")), &REFLECTOR);
        let found = reflector.written(&stage.scene(), &write);
        assert!(
            found[0].message.contains("calico-2-10.0.0.10 towards it"),
            "{found:?}"
        );
        stage.cluster_id(0, None);
        stage.peer(2, 0, 64512);
        let write = Stage::of(stage.cluster_id(0, Some("224.0.0.1")), &REFLECTOR);
        assert_eq!(reflector.written(&stage.scene(), &write), []);
    }

    #[test]
    fn without_a_mesh_nobody_leaves_it() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", false);
        let write = Stage::of(stage.cluster_id(0, Some("224.0.0.1")), &REFLECTOR);
        assert_eq!(Reflector::default().written(&stage.scene(), &write), []);
    }

    #[test]
    fn who_is_needed_stays() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", false);
        stage.cluster_id(0, Some("224.0.0.1"));
        stage.peer(1, 0, 64512);
        let mut reflector = Reflector::default();
        let write = Stage::of(stage.cluster_id(0, None), &MESH);
        let found = reflector.written(&stage.scene(), &write);
        assert!(
            found[0].message.contains("node-1 has no other reflector"),
            "{found:?}"
        );
        stage.cluster_id(0, Some("224.0.0.1"));
        stage.configure("calico/0", true);
        let write = Stage::of(stage.cluster_id(0, None), &MESH);
        assert_eq!(reflector.written(&stage.scene(), &write), []);
    }
}
