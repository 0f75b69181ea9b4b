//! `reported`: the mesh does not go off while calico-node reports that a session is not up that is to stand in for it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::members::{First, standing, wanted, wanted_peers, without};
use super::touched::{Touched, after, before, is_immediate, violation, writer};
use crate::model::UnitName;
use crate::plan::Live;
use crate::sim::history::reports::COMES_UP;
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "reported";

/// How long ago a hook may have read what it acts on.
const HOOK: Duration = Duration::from_secs(30);

/// Watches reports and the mesh.
#[derive(Default)]
pub struct Reported {
    first: First,
    /// When each report came, by its object.
    reported: BTreeMap<String, Duration>,
}

impl Reported {
    /// A session that a reflector waits for by a report that the hook must have read.
    fn awaited(&self, scene: &Scene<'_>, write: &Written) -> Option<String> {
        let there = standing(scene, &std::collections::BTreeSet::new());
        let wanted = wanted(scene, &write.options, there)?;
        let (peers, without) = (wanted_peers(&wanted), without(scene));
        for status in scene
            .server
            .objects("CalicoNodeStatus")
            .into_iter()
            .map(Live::new)
        {
            let known = self.reported.get(status.name());
            if known.is_none_or(|at| *at + HOOK > write.at) {
                continue;
            }
            let node = |name: &str| wanted.nodes.iter().find(|node| node.name == name);
            let reflector = node(status.spec_text("node"));
            let Some(reflector) = reflector.filter(|node| node.cluster_id.is_some()) else {
                continue;
            };
            let is_asked = |unit: &Option<UnitName>| {
                let unit = unit.as_ref().map(ToString::to_string);
                unit.is_some_and(|unit| !without.contains(&unit))
            };
            let bgp = &status.value()["status"]["bgp"];
            let listed = ["peersV4", "peersV6"].map(|field| bgp[field].as_array());
            for peer in listed.into_iter().flatten().flatten() {
                let ip = peer["peerIP"].as_str().and_then(|ip| ip.parse().ok());
                let other = wanted.nodes.iter().find(|node| {
                    let own = [node.v4, node.v6].into_iter().flatten();
                    own.map(|own| Some(own.ip)).any(|own| own == ip)
                });
                let Some(other) = other.filter(|_| peer["state"] == COMES_UP) else {
                    continue;
                };
                let joins = |one: &str, to: &crate::fabric::Node| {
                    let to = [to.v4, to.v6];
                    peers.iter().any(|peer| {
                        let mut own = to.into_iter().flatten();
                        peer.node == one && own.any(|own| own.ip == peer.address.ip())
                    })
                };
                let is_wanted = joins(&other.name, reflector) || joins(&reflector.name, other);
                if is_wanted && is_asked(&reflector.unit) && is_asked(&other.unit) {
                    return Some(format!("{} with {}", reflector.name, other.name));
                }
            }
        }
        None
    }
}

impl Watch for Reported {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        self.first.begin(scene);
        if let Touched::NodeStatus(name) = Touched::by(write) {
            if write.after.is_some() && writer(scene, write).is_none() {
                self.reported.insert(name.to_owned(), write.at);
            } else {
                self.reported.remove(name);
            }
        }
        let is_of_unit = writer(scene, write).is_some();
        if Touched::by(write) != Touched::Configuration("default") || !is_of_unit {
            return Vec::new();
        }
        let is_on = |live: Option<Live>| {
            let live = live?;
            Some(live.spec("nodeToNodeMeshEnabled") != Some(&Value::Bool(false)))
        };
        let goes_off = is_on(before(write)) == Some(true) && is_on(after(write)) == Some(false);
        if !goes_off || self.first.allows(write) || is_immediate(&write.options) {
            return Vec::new();
        }
        let awaited = self.awaited(scene, write).into_iter();
        awaited
            .map(|session| {
                let message = format!("turns the mesh off before the session of {session} is up");
                violation(NAME, write, message)
            })
            .collect()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        self.first.told(scene, told);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{REFLECTOR, Stage};
    use serde_json::json;

    /// What calico-node on the reflector says of its session with unit 1.
    fn report(stage: &Stage, told: &str) -> Written {
        let peers = json!([{"peerIP": "10.0.0.11", "type": "NodePeer", "state": told}]);
        let mut write = stage.insert(
            "calico-node",
            json!({
                "apiVersion": "crd.projectcalico.org/v1", "kind": "CalicoNodeStatus",
                "metadata": {"name": "calico-0"},
                "spec": {"node": "node-0", "classes": ["BGP"], "updatePeriodSeconds": 5},
                "status": {"lastUpdated": "now", "bgp": {"peersV4": peers}},
            }),
        );
        write.path = "/apis/crd.projectcalico.org/v1/caliconodestatuses/calico-0".to_owned();
        write
    }

    #[test]
    fn the_mesh_waits_for_a_session_that_is_known_to_be_down() {
        for (state, seconds, found) in [(COMES_UP, 60, 1), (COMES_UP, 1, 0), ("Established", 60, 0)]
        {
            let stage = Stage::new(2);
            stage.pod(1);
            stage.configure("calico/0", true);
            stage.peer(1, 0, 64512);
            stage.cluster_id(0, Some("1.0.0.1"));
            let mut reported = Reported::default();
            let told = reported.written(&stage.scene(), &report(&stage, state));
            assert_eq!(told, []);
            let mut write = Stage::of(stage.configure("calico/0", false), &REFLECTOR);
            write.at += Duration::from_secs(seconds);
            let told = reported.written(&stage.scene(), &write);
            assert_eq!(told.len(), found, "{state} {seconds}: {told:?}");
        }
    }
}
