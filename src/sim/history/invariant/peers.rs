//! `peers`: one BGPPeer a node, address and port, of one unit, which writes nothing of anybody else's; on a Node only the
//! charm's own annotations.
//!
//! Of two BGPPeers for one node and address Calico takes one at random (`confd/pkg/backends/calico/client.go`). Only while
//! a unit takes over the Node of one that is gone may both units' peers stand, and then with the same settings. One that
//! the operator made beside the charm's is the operator's affair.

use serde_json::Value;

use super::members::{Homes, members, owner};
use super::touched::{Touched, after, before, violation, writer};
use crate::model::{PeerAddress, UnitName};
use crate::plan::Live;
use crate::render::{ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID, BgpPeerName, LABEL_UNIT};
use crate::sim::api::Verb;
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "peers";

/// Prefix of the charm's own annotations.
const PREFIX: &str = "calico.juju.is/";

/// Watches BGPPeers and Nodes.
#[derive(Default)]
pub struct Peers {
    /// The Node of each unit, also of those that are gone.
    homes: Homes,
}

impl Peers {
    fn peer(&self, scene: &Scene<'_>, write: &Written, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let (was, is) = (before(write), after(write));
        let unit_of = |live: &Option<Live>| {
            let labels = live.as_ref().map(Live::labels);
            labels.and_then(|labels| labels.get(LABEL_UNIT).cloned())
        };
        if let (Some(one), Some(other)) = (unit_of(&was), unit_of(&is))
            && one != other
        {
            found.push(format!("goes from {one} to {other}"));
        }
        let Some(live) = is else {
            return found;
        };
        let Some(named) = BgpPeerName::parse(name, scene.application) else {
            found.push("has no name of this application's".to_owned());
            return found;
        };
        let dashed = format!("{}-{}", scene.application, named.unit_number());
        if live.unit_label() != Some(dashed.as_str()) {
            found.push(format!("is not labelled as {dashed}'s"));
        }
        let unit: Option<UnitName> = format!("{}/{}", scene.application, named.unit_number())
            .parse()
            .ok();
        let node = unit.as_ref().and_then(|unit| self.homes.of(unit));
        let labels_alone = was.is_some_and(|was| was.value()["spec"] == live.value()["spec"]);
        if !labels_alone && node.is_some_and(|node| live.spec_text("node") != node) {
            found.push(format!("is for Node {}", live.spec_text("node")));
        }
        found.extend(double(scene, &live));
        found
    }

    fn node(&self, scene: &Scene<'_>, write: &Written, name: &str, unit: &UnitName) -> Vec<String> {
        let (Some(was), Some(is)) = (&write.before, &write.after) else {
            return vec!["makes or deletes a Node".to_owned()];
        };
        let mut found = Vec::new();
        if without_own(was) != without_own(is) {
            found.push("changes more than the charm's own annotations".to_owned());
        }
        let own = self.homes.of(unit) == Some(name);
        let mut claims = self.homes.on(name).filter(|other| {
            let there = scene.model.unit(&other.to_string());
            there.is_ok_and(|unit| !unit.is_dying())
        });
        if let Some(other) = claims.next().filter(|_| !own) {
            found.push(format!("is the Node of {other}"));
        }
        found
    }
}

/// Another BGPPeer of the charm's for the same node, address and port with other settings.
fn double(scene: &Scene<'_>, live: &Live) -> Option<String> {
    let endpoint = |live: &Live| {
        let address: PeerAddress = live.spec_text("peerIP").parse().ok()?;
        Some((live.spec_text("node").to_owned(), address.endpoint()))
    };
    let own = endpoint(live)?;
    let ours = owner(scene);
    let peers = scene.server.objects("BGPPeer").into_iter().map(Live::new);
    let mut others = peers.filter(|other| {
        other.name() != live.name()
            && !other.is_deleting()
            && endpoint(other).as_ref() == Some(&own)
            && other.owner() == Some(ours.clone())
    });
    let other = others.find(|other| {
        let gone = BgpPeerName::parse(other.name(), scene.application).is_some_and(|name| {
            let unit = format!("{}/{}", scene.application, name.unit_number());
            scene.model.unit(&unit).is_err()
        });
        !gone || other.spec("asNumber") != live.spec("asNumber")
    })?;
    Some(format!(
        "is for the same node and address as BGPPeer {}",
        other.name()
    ))
}

/// A Node without what the charm may write there and without what every write changes.
fn without_own(node: &Value) -> Value {
    let mut node = node.clone();
    if let Some(metadata) = node["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
        metadata.remove("managedFields");
        let annotations = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut);
        if let Some(annotations) = annotations {
            annotations.retain(|key, _| {
                !key.starts_with(PREFIX)
                    && key != ANNOTATION_AS_NUMBER
                    && key != ANNOTATION_CLUSTER_ID
            });
        }
        let empty = metadata.get("annotations").and_then(Value::as_object);
        if empty.is_some_and(serde_json::Map::is_empty) {
            metadata.remove("annotations");
        }
    }
    node
}

impl Watch for Peers {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let Some(unit) = writer(scene, write) else {
            return Vec::new();
        };
        self.homes.meet(scene, &unit);
        let messages = match Touched::by(write) {
            Touched::Peer(name) => self.peer(scene, write, name),
            Touched::Node(name) => self.node(scene, write, name, &unit),
            _ => Vec::new(),
        };
        let mut found: Vec<Violation> = messages
            .into_iter()
            .map(|message| violation(NAME, write, message))
            .collect();
        if let Touched::Peer(name) = Touched::by(write)
            && write.verb == Verb::Delete
            && is_wanted_elsewhere(scene, name, &unit)
        {
            found.push(violation(NAME, write, "deletes another unit's BGPPeer"));
        }
        found
    }

    fn told(&mut self, scene: &Scene<'_>, _: &Told) -> Vec<Violation> {
        self.homes.look(scene);
        Vec::new()
    }
}

/// Whether a BGPPeer is another unit's that is there to stay, and whose Node is.
fn is_wanted_elsewhere(scene: &Scene<'_>, name: &str, unit: &UnitName) -> bool {
    let named = BgpPeerName::parse(name, scene.application);
    let other = named.filter(|name| name.unit_number() != unit.number());
    other.is_some_and(|name| {
        members(scene).iter().any(|member| {
            member.unit.number() == name.unit_number()
                && scene.server.object("Node", &member.node).is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    fn found(stage: &Stage, write: Written) -> Vec<Violation> {
        let mut peers = Peers::default();
        peers.told(&stage.scene(), &Told::Healed);
        peers.written(&stage.scene(), &Stage::of(write, &MESH))
    }

    #[test]
    fn one_peer_an_address() {
        let stage = Stage::new(2);
        assert_eq!(found(&stage, stage.peer(1, 0, 64512)), []);
        assert_eq!(found(&stage, stage.peer(1, 0, 64513)), []);
        let object = stage
            .server
            .object("BGPPeer", "calico-1-10.0.0.10")
            .unwrap();
        let mut double = object.clone();
        double["metadata"] =
            json!({"name": "calico-1-10.0.0.10-179", "labels": object["metadata"]["labels"]});
        let write = stage.insert("calico/1", double);
        let seen = found(&stage, write);
        assert!(
            seen[0].message.contains("same node and address"),
            "{seen:?}"
        );
    }

    #[test]
    fn a_peer_keeps_its_unit_and_its_node() {
        let stage = Stage::new(2);
        stage.peer(1, 0, 64512);
        for (patch, said) in [
            (
                json!({"metadata": {"labels": {"calico.juju.is/unit": "calico-0"}}}),
                "goes from calico-1 to calico-0",
            ),
            (json!({"spec": {"node": "node-0"}}), "is for Node node-0"),
        ] {
            let write = stage.merge("calico/1", "BGPPeer", "calico-1-10.0.0.10", &patch);
            let seen = found(&stage, write);
            assert!(
                seen.iter().any(|one| one.message.contains(said)),
                "{seen:?}"
            );
        }
    }

    #[test]
    fn a_node_is_its_own_units() {
        let stage = Stage::new(2);
        assert_eq!(found(&stage, stage.cluster_id(0, Some("224.0.0.1"))), []);
        let patch = json!({"metadata": {"annotations": {"calico.juju.is/applied": "x settled"}}});
        let write = stage.merge("calico/1", "Node", "node-0", &patch);
        let seen = found(&stage, write);
        assert!(
            seen[0].message.contains("is the Node of calico/0"),
            "{seen:?}"
        );
        for patch in [
            json!({"metadata": {"annotations": {"node.alpha.kubernetes.io/ttl": "7"}}}),
            json!({"metadata": {"labels": {"calico.juju.is/unit": "calico-0"}}}),
            json!({"spec": {"unschedulable": true}}),
        ] {
            let write = stage.merge("calico/0", "Node", "node-0", &patch);
            let seen = found(&stage, write);
            assert!(seen[0].message.contains("more than"), "{seen:?}");
        }
    }

    #[test]
    fn another_units_peers_stay() {
        let stage = Stage::new(2);
        stage.peer(1, 0, 64512);
        let write = stage.delete("calico/0", "BGPPeer", "calico-1-10.0.0.10");
        let seen = found(&stage, write);
        assert!(seen[0].message.contains("another unit's"), "{seen:?}");
    }
}
