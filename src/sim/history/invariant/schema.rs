//! `schema`: what a unit writes is what Calico can read: types that Go decodes, values that Calico takes, nothing that the
//! fabric's model has to leave out.

use serde_json::Value;

use super::touched::{Touched, violation, writer};
use crate::fabric::{Backend, Objects, live};
use crate::model::{AsNumber, Cidr, ClusterId, Release, UnitAddress};
use crate::plan::Live;
use crate::render::{
    ANNOTATION_ADDRESSES, ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID, ANNOTATION_UNIT,
};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "schema";

/// What Go decodes a field into.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Flag,
    /// `uint32`, which an AS number is.
    Number,
    /// A list of `{cidr}`.
    Cidrs,
}

/// The fields that the charm writes (`projectcalico/v3/{bgpconfig,bgppeer,ippool}.go`).
const FIELDS: [(&str, Type); 15] = [
    ("asNumber", Type::Number),
    ("nodeToNodeMeshEnabled", Type::Flag),
    ("serviceClusterIPs", Type::Cidrs),
    ("serviceExternalIPs", Type::Cidrs),
    ("serviceLoadBalancerIPs", Type::Cidrs),
    ("node", Type::Text),
    ("peerIP", Type::Text),
    ("cidr", Type::Text),
    ("ipipMode", Type::Text),
    ("vxlanMode", Type::Text),
    ("natOutgoing", Type::Flag),
    ("blockSize", Type::Number),
    ("nodeSelector", Type::Text),
    ("disabled", Type::Flag),
    ("namespaceSelector", Type::Text),
];

/// Watches what is stored.
pub struct Schema;

impl Watch for Schema {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let Some(after) = write.after.as_ref() else {
            return Vec::new();
        };
        if writer(scene, write).is_none() {
            return Vec::new();
        }
        let messages = match Touched::by(write) {
            Touched::Node(_) => annotations(after),
            Touched::Peer(_) | Touched::Configuration(_) | Touched::Pool(_) => {
                let mut found = undecodable(&after["spec"]);
                found.extend(left_out(scene, write, after));
                found
            }
            _ => Vec::new(),
        };
        messages
            .into_iter()
            .map(|message| violation(NAME, write, message))
            .collect()
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }
}

fn undecodable(spec: &Value) -> Vec<String> {
    let fields = spec.as_object().into_iter().flatten();
    fields
        .filter(|(field, value)| {
            let known = FIELDS.iter().find(|(name, _)| name == field);
            known.is_some_and(|(_, kind)| !decodes(*kind, value))
        })
        .map(|(field, value)| format!("{field}: {value} is nothing that Go would decode"))
        .collect()
}

fn decodes(kind: Type, value: &Value) -> bool {
    match kind {
        Type::Text => value.is_string(),
        Type::Flag => value.is_boolean(),
        Type::Number => value
            .as_u64()
            .is_some_and(|number| u32::try_from(number).is_ok()),
        Type::Cidrs => value.as_array().is_some_and(|entries| {
            let cidr = |entry: &Value| entry["cidr"].as_str()?.parse::<Cidr>().ok();
            entries.iter().all(|entry| cidr(entry).is_some())
        }),
    }
}

/// What the model of the fabric cannot make sense of, in the fields that the write changed.
fn left_out(scene: &Scene<'_>, write: &Written, after: &Value) -> Vec<String> {
    if Live::new(after.clone()).is_deleting() {
        return Vec::new();
    }
    let features = |object: &Value| {
        let (peer, configuration, pool) = match Touched::by(write) {
            Touched::Peer(_) => (vec![Live::new(object.clone())], Vec::new(), Vec::new()),
            Touched::Configuration(_) => (Vec::new(), vec![Live::new(object.clone())], Vec::new()),
            _ => (Vec::new(), Vec::new(), vec![Live::new(object.clone())]),
        };
        let node = after["spec"]["node"].as_str().unwrap_or_default();
        let nodes: Vec<Live> = scene
            .server
            .object("Node", node)
            .map(Live::new)
            .into_iter()
            .collect();
        let fabric = live(&Objects {
            nodes: &nodes,
            configurations: &configuration,
            peers: &peer,
            filters: &[],
            pools: &pool,
            backend: Backend::Bird,
            release: Release::default(),
            service_cidrs: &[],
            places: &std::collections::BTreeMap::new(),
        });
        let found = fabric.unmodelled.into_iter().map(|one| one.feature);
        found.collect::<Vec<String>>()
    };
    // What was there before is whoever's it was.
    let known = write.before.as_ref().map(features).unwrap_or_default();
    let found = features(after).into_iter();
    found
        .filter(|feature| !known.contains(feature))
        .map(|feature| format!("Calico makes nothing of {feature}"))
        .collect()
}

/// Whether a text is one that its reader takes.
type Reads = fn(&str) -> bool;

fn annotations(node: &Value) -> Vec<String> {
    let live = Live::new(node.clone());
    let reads: [(&str, Reads); 4] = [
        (ANNOTATION_AS_NUMBER, |text| {
            text.parse::<AsNumber>().is_ok()
        }),
        (ANNOTATION_CLUSTER_ID, |text| {
            text.parse::<ClusterId>().is_ok()
        }),
        (ANNOTATION_UNIT, |text| {
            text.parse::<crate::model::UnitName>().is_ok()
        }),
        (ANNOTATION_ADDRESSES, |text| {
            text.split(',').all(|one| UnitAddress::read(one).is_some())
        }),
    ];
    let wrong = reads.into_iter().filter_map(|(key, reads)| {
        let text = live.annotation(key).filter(|text| !reads(text))?;
        Some(format!(
            "{key}: {text:?} is nothing that Calico or the charm reads"
        ))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    #[test]
    fn what_calico_reads_is_taken() {
        let stage = Stage::new(2);
        for write in [
            stage.peer(1, 0, 64512),
            stage.cluster_id(0, Some("224.0.0.1")),
            stage.configure("calico/0", false),
        ] {
            let write = Stage::of(write, &MESH);
            assert_eq!(Schema.written(&stage.scene(), &write), []);
        }
    }

    #[test]
    fn what_calico_does_not_read_is_seen() {
        let stage = Stage::new(2);
        stage.peer(1, 0, 64512);
        stage.configure("calico/0", false);
        for (kind, name, patch) in [
            (
                "BGPPeer",
                "calico-1-10.0.0.10",
                json!({"spec": {"asNumber": "64512"}}),
            ),
            (
                "BGPPeer",
                "calico-1-10.0.0.10",
                json!({"spec": {"asNumber": 0}}),
            ),
            (
                "BGPPeer",
                "calico-1-10.0.0.10",
                json!({"spec": {"asNumber": 64512, "peerIP": "ten"}}),
            ),
            (
                "BGPConfiguration",
                "default",
                json!({"spec": {"nodeToNodeMeshEnabled": "false"}}),
            ),
            (
                "BGPConfiguration",
                "default",
                json!({"spec": {"nodeToNodeMeshEnabled": true, "serviceClusterIPs": [{"cidr": "ten"}]}}),
            ),
            ("IPPool", "ipv4", json!({"spec": {"blockSize": -1}})),
            (
                "Node",
                "node-0",
                json!({"metadata": {"annotations": {"projectcalico.org/ASNumber": "many"}}}),
            ),
            (
                "Node",
                "node-0",
                json!({"metadata": {"annotations": {"projectcalico.org/ASNumber": null, "projectcalico.org/RouteReflectorClusterID": "7"}}}),
            ),
        ] {
            let write = Stage::of(stage.merge("calico/1", kind, name, &patch), &MESH);
            assert_ne!(Schema.written(&stage.scene(), &write), [], "{patch}");
        }
    }
}
