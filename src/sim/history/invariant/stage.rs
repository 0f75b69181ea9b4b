//! A small cluster and model for the invariants' own tests: nodes `node-0`, `node-1` … with the addresses 10.0.0.10,
//! 10.0.0.11 …, a unit on each, and one pool.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fabric::{Address, Router};
use crate::model::{AsNumber, Cidr};
use crate::plan::Live;
use crate::render::{ANNOTATION_CLUSTER_ID, FIELD_MANAGER};
use crate::sim::api::{ApiServer, Mode, Verb};
use crate::sim::history::scene::{Scene, Written};
use crate::sim::juju::{Charm, JujuModel, Machine, UnitHook};

const UUID: &str = "00000000-0000-4000-8000-000000000000";

/// Everybody in the mesh.
pub const MESH: [(&str, &str); 3] = [
    ("cidr", "192.168.0.0/16"),
    ("ipip", "Always"),
    ("node-to-node-mesh", "true"),
];

/// The first node reflects for the second and the third.
pub const REFLECTOR: [(&str, &str); 5] = [
    ("cidr", "192.168.0.0/16"),
    ("ipip", "Always"),
    ("node-to-node-mesh", "false"),
    ("route-reflector-cluster-ids", "{0: 224.0.0.1}"),
    (
        "unit-bgp-peers",
        "{1: [{address: 10.0.0.10, as-number: 64512}], 2: [{address: 10.0.0.10, as-number: 64512}]}",
    ),
];

/// Options as a scene holds them.
pub fn options(given: &[(&str, &str)]) -> Vec<(String, String)> {
    let given = given.iter();
    given
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

/// The cluster and the model.
pub struct Stage {
    pub server: ApiServer,
    model: JujuModel,
    routers: Vec<Router>,
}

impl Stage {
    /// So many units on as many nodes.
    pub fn new(units: usize) -> Self {
        let mut model = JujuModel::new("test", UUID);
        model.deploy("calico", Charm::calico()).unwrap();
        model.deploy("worker", Charm::kubernetes()).unwrap();
        model.relate("calico:cni", "worker:cni").unwrap();
        let server = ApiServer::new(Mode::CrdV1);
        for index in 0..units {
            let name = format!("node-{index}");
            let address = format!("10.0.0.1{index}/24");
            let machine = Machine::new(name.as_str()).with_address("eth0", &address);
            let machine = model.add_machine(machine);
            model.add_unit("worker", machine).unwrap();
            let node = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "annotations": {
                    "projectcalico.org/IPv4Address": address, "node.alpha.kubernetes.io/ttl": "0",
                }},
            });
            server.insert("kubelet", node).unwrap();
        }
        model.settle();
        let stage = Self {
            server,
            model,
            routers: Vec::new(),
        };
        stage.insert(
            "calico/0",
            json!({
                "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool",
                "metadata": {"name": "ipv4", "labels": labels(None)},
                "spec": {"cidr": "192.168.0.0/16", "ipipMode": "Always", "vxlanMode": "Never", "blockSize": 26},
            }),
        );
        stage
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            server: &self.server,
            model: &self.model,
            application: "calico",
            routers: &self.routers,
        }
    }

    /// A write of a hook that was given these options.
    pub fn of(write: Written, given: &[(&str, &str)]) -> Written {
        Written {
            options: Arc::new(options(given)),
            ..write
        }
    }

    /// Creates or replaces an object.
    pub fn insert(&self, writer: &str, object: Value) -> Written {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let kind = object["kind"].as_str().unwrap().to_owned();
        self.note(writer, &kind, &name, Verb::Apply, |server, manager| {
            server.insert(manager, object).unwrap();
        })
    }

    /// Merges a patch into an object.
    pub fn merge(&self, writer: &str, kind: &str, name: &str, patch: &Value) -> Written {
        self.note(writer, kind, name, Verb::Patch, |server, manager| {
            server.merge(manager, kind, name, patch).unwrap();
        })
    }

    /// Takes an object away.
    pub fn delete(&self, writer: &str, kind: &str, name: &str) -> Written {
        self.note(writer, kind, name, Verb::Delete, |server, _| {
            assert!(server.remove(kind, name).is_some());
        })
    }

    /// Writes BGPConfiguration `default`.
    pub fn configure(&self, writer: &str, mesh: bool) -> Written {
        let labels = if writer.contains('/') {
            labels(None)
        } else {
            json!({})
        };
        let object = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPConfiguration",
            "metadata": {"name": "default", "labels": labels},
            "spec": {"asNumber": 64512, "nodeToNodeMeshEnabled": mesh},
        });
        match self.server.object("BGPConfiguration", "default") {
            Some(_) => self.merge(writer, "BGPConfiguration", "default", &object),
            None => self.insert(writer, object),
        }
    }

    /// Records how far a change is.
    pub fn record(&self, text: &str) -> Written {
        let patch = json!({"metadata": {"annotations": {"calico.juju.is/rollout": text}}});
        self.merge("calico/0", "BGPConfiguration", "default", &patch)
    }

    /// A unit's BGPPeer towards another unit's node.
    pub fn peer(&self, unit: usize, towards: usize, as_number: u32) -> Written {
        self.towards(unit, &format!("10.0.0.1{towards}"), as_number)
    }

    /// A unit's BGPPeer towards an address.
    pub fn towards(&self, unit: usize, address: &str, as_number: u32) -> Written {
        self.insert(
            &format!("calico/{unit}"),
            json!({
                "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer",
                "metadata": {"name": format!("calico-{unit}-{address}"), "labels": labels(Some(unit))},
                "spec": {"node": format!("node-{unit}"), "peerIP": address, "asNumber": as_number},
            }),
        )
    }

    /// A unit's own Node becomes a reflector, or is one no longer.
    pub fn cluster_id(&self, unit: usize, id: Option<&str>) -> Written {
        let patch = json!({"metadata": {"annotations": {ANNOTATION_CLUSTER_ID: id}}});
        let writer = format!("calico/{unit}");
        self.merge(&writer, "Node", &format!("node-{unit}"), &patch)
    }

    /// Pods with so many addresses of the pool.
    pub fn pod(&self, addresses: usize) {
        let block = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock",
            "metadata": {"name": "192-168-0-0-26"},
            "spec": {
                "cidr": "192.168.0.0/26", "affinity": "host:node-1", "strictAffinity": false,
                "allocations": vec![0; addresses], "unallocated": [],
                "attributes": [{"handle_id": "k8s-pod-network.x", "secondary": {"node": "node-1"}}],
            },
        });
        self.insert("calico-node", block);
    }

    /// A router on the nodes' network.
    pub fn router(&mut self, address: &str, as_number: u32) {
        let ip: std::net::IpAddr = address.parse().unwrap();
        self.routers.push(Router {
            name: "router".to_owned(),
            addresses: vec![Address {
                ip,
                subnet: Cidr::network_of(ip, 24),
            }],
            as_number: AsNumber::from_integer(as_number.into()).unwrap(),
            route_reflector: true,
            known: true,
        });
    }

    /// A unit goes without a hook.
    pub fn remove_unit(&mut self, unit: usize) {
        let principal = format!("worker/{unit}");
        self.model.force_remove_unit(&principal).unwrap();
    }

    /// A hook of a unit says something.
    pub fn log(&mut self, unit: &str, text: &str) {
        let event = UnitHook::UpdateStatus.into();
        let mut hook = self.model.begin(unit, event).unwrap();
        let said = self
            .model
            .call(&mut hook, "juju-log", &[text.to_owned()], None);
        assert_eq!(said.code, 0, "{}", said.stderr);
        self.model.commit(hook).unwrap();
    }

    /// Takes what hooks have said so far.
    pub fn take_logs(&mut self) {
        self.model.take_logs();
    }

    fn note(
        &self,
        writer: &str,
        kind: &str,
        name: &str,
        verb: Verb,
        write: impl FnOnce(&ApiServer, &str),
    ) -> Written {
        let manager = if writer.contains('/') {
            FIELD_MANAGER
        } else {
            writer
        };
        let before = self.server.object(kind, name);
        write(&self.server, manager);
        let group = if kind == "Node" {
            "/api/v1"
        } else {
            "/apis/crd.projectcalico.org/v1"
        };
        Written {
            unit: writer.to_owned(),
            hook: "config-changed".to_owned(),
            verb,
            path: format!("{group}/{}s/{name}", kind.to_lowercase()),
            manager: manager.to_owned(),
            before,
            after: self.server.object(kind, name),
            at: Duration::from_secs(1),
            asked_leader_at: None,
            options: Arc::default(),
        }
    }
}

fn labels(unit: Option<usize>) -> Value {
    let mut labels = json!({
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        "calico.juju.is/model": UUID,
        "calico.juju.is/application": "calico",
    });
    if let Some(unit) = unit {
        labels["calico.juju.is/unit"] = format!("calico-{unit}").into();
    }
    labels
}

#[test]
fn the_stage_is_set() {
    let stage = Stage::new(2);
    stage.peer(1, 0, 64512);
    let peer = Live::new(
        stage
            .server
            .object("BGPPeer", "calico-1-10.0.0.10")
            .unwrap(),
    );
    assert!(peer.owner().is_some());
    let units: Vec<&str> = stage.scene().model.units_of("calico").collect();
    assert_eq!(units, ["calico/0", "calico/1"]);
}
