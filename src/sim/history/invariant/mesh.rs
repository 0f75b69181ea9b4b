//! `mesh`: the mesh goes off only when every member has what replaces it, and does not come on because a unit lags.

use std::collections::BTreeSet;

use super::members::{First, Meddled, Newcomers, standing, wanted, wanted_peers, without};
use super::touched::{Touched, after, before, config, is_immediate, violation, writer};
use crate::plan::Live;
use crate::render::BgpPeerName;
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "mesh";

/// Watches the mesh.
#[derive(Default)]
pub struct Mesh {
    newcomers: Newcomers,
    meddled: Meddled,
    first: First,
}

impl Mesh {
    /// The BGPPeers that stand in for the mesh and are not there.
    fn missing(&self, scene: &Scene<'_>, write: &Written) -> Vec<String> {
        let Some(wanted) = wanted(scene, &write.options, standing(scene, &BTreeSet::new())) else {
            return Vec::new();
        };
        let without = without(scene);
        let found = scene.server.objects("BGPPeer").into_iter();
        let found: Vec<Live> = found.map(Live::new).collect();
        let reflects = |node: &str| {
            let named = wanted.nodes.iter().find(|other| other.name == node);
            named.is_some_and(|node| node.cluster_id.is_some())
        };
        let peers = wanted_peers(&wanted).into_iter();
        peers
            .filter(|peer| !reflects(&peer.node) && !peer.stands(&found))
            .filter(|peer| !without.contains(&peer.unit.to_string()))
            .filter(|peer| !self.newcomers.has(&peer.unit, write))
            .map(|peer| BgpPeerName::new(&peer.unit, peer.address).to_string())
            .filter(|name| !self.meddled.has(name))
            .collect()
    }
}

impl Watch for Mesh {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        self.first.begin(scene);
        self.newcomers.written(write);
        let by_unit = writer(scene, write).is_some();
        self.meddled.written(write, by_unit);
        if Touched::by(write) != Touched::Configuration("default") || !by_unit {
            return Vec::new();
        }
        let (was, is) = (is_on(before(write).as_ref()), is_on(after(write).as_ref()));
        let wants = config(scene, &write.options).map(|config| config.node_to_node_mesh);
        if !was && is && wants == Some(false) {
            let message = "turns the mesh on, which the options want off";
            return vec![violation(NAME, write, message)];
        }
        if !was || is || self.first.allows(write) || is_immediate(&write.options) {
            return Vec::new();
        }
        if wants == Some(true) {
            let message = "turns the mesh off, which the options want on";
            return vec![violation(NAME, write, message)];
        }
        let missing = self.missing(scene, write);
        let found = missing.first().map(|first| {
            let message = format!(
                "turns the mesh off while BGPPeer {first} is missing ({} in all)",
                missing.len()
            );
            violation(NAME, write, message)
        });
        found.into_iter().collect()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        self.newcomers.told(told);
        self.first.told(scene, told);
        Vec::new()
    }
}

/// Whether a BGPConfiguration has the mesh on, which it is where nothing says otherwise.
fn is_on(configuration: Option<&Live>) -> bool {
    let flag = configuration.and_then(|live| live.spec("nodeToNodeMeshEnabled"));
    flag.is_none_or(|flag| flag != false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, REFLECTOR, Stage};

    #[test]
    fn the_mesh_waits_for_every_client() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", true);
        stage.peer(1, 0, 64512);
        let mut mesh = Mesh::default();
        let write = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
        let found = mesh.written(&stage.scene(), &write);
        assert!(
            found[0].message.contains("calico-2-10.0.0.10 is missing"),
            "{found:?}"
        );
        stage.configure("calico/0", true);
        stage.peer(2, 0, 64512);
        let write = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
        assert_eq!(mesh.written(&stage.scene(), &write), []);
        let write = Stage::of(stage.configure("calico/0", true), &REFLECTOR);
        assert_eq!(mesh.written(&stage.scene(), &write).len(), 1);
        let write = Stage::of(stage.configure("calico/0", false), &MESH);
        assert_eq!(mesh.written(&stage.scene(), &write).len(), 1);
    }

    #[test]
    fn a_unit_that_came_during_the_hook_is_not_waited_for() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", true);
        stage.peer(1, 0, 64512);
        let mut mesh = Mesh::default();
        mesh.told(&stage.scene(), &Told::UnitAdded("calico/2".to_owned()));
        let write = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
        assert_eq!(mesh.written(&stage.scene(), &write), []);
        stage.configure("calico/0", true);
        let mut later = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
        later.at += std::time::Duration::from_secs(100);
        later.asked_leader_at = Some(later.at);
        assert_eq!(mesh.written(&stage.scene(), &later).len(), 1);
    }

    #[test]
    fn a_unit_that_is_left_behind_is_not_waited_for() {
        let stage = Stage::new(3);
        stage.pod(1);
        stage.configure("calico/0", true);
        stage.peer(1, 0, 64512);
        stage.record("abc unset 7 without calico/2");
        let write = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
        assert_eq!(Mesh::default().written(&stage.scene(), &write), []);
    }
}
