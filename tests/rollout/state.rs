//! What is in the cluster at one moment, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use calico_charm::fabric::{
    Backend, Budget, Classes, Objects, Topology, check_by_classes, derive, live,
};
use calico_charm::manifests::Catalogue;
use calico_charm::model::{AsNumber, Family};
use calico_charm::plan::Live;
use calico_charm::render::{ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID};
use calico_charm::rollout::Record;

use crate::watch::Event;

/// A node whose pods send, and one whose pods receive.
pub type Pair = (String, String);

/// Every watched object.
#[derive(Debug, Clone, Default)]
pub struct State {
    objects: BTreeMap<(&'static str, String), Live>,
}

/// A session as one end asks for it: Node, address, AS number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    pub node: String,
    pub address: String,
    pub as_number: String,
}

impl State {
    /// What these events come to.
    pub fn after<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// The next moment.
    pub fn apply(&mut self, event: &Event) {
        let key = (event.plural, event.name.clone());
        match &event.object {
            Some(object) => self.objects.insert(key, Live::new(object.clone())),
            None => self.objects.remove(&key),
        };
    }

    /// One object.
    pub fn object(&self, plural: &'static str, name: &str) -> Option<&Live> {
        self.objects.get(&(plural, name.to_owned()))
    }

    /// All objects of a kind by name.
    pub fn all(&self, plural: &'static str) -> impl Iterator<Item = &Live> {
        let of_kind = self.objects.iter().filter(move |(key, _)| key.0 == plural);
        of_kind.map(|(_, live)| live)
    }

    /// Whether the mesh is on.
    pub fn mesh(&self) -> bool {
        let configuration = self.object("bgpconfigurations", "default");
        let field = configuration.and_then(|live| live.spec("nodeToNodeMeshEnabled"));
        field.and_then(serde_json::Value::as_bool) != Some(false)
    }

    /// AS number of the nodes without one of their own.
    pub fn as_number(&self) -> String {
        let configuration = self.object("bgpconfigurations", "default");
        let field = configuration.and_then(|live| live.spec("asNumber"));
        field.map_or_else(|| AsNumber::DEFAULT.to_string(), ToString::to_string)
    }

    /// AS number that each node has.
    pub fn as_numbers(&self) -> BTreeMap<String, String> {
        let nodes = self.all("nodes").map(|node| {
            let own = node.annotation(ANNOTATION_AS_NUMBER).map(str::to_owned);
            (
                node.name().to_owned(),
                own.unwrap_or_else(|| self.as_number()),
            )
        });
        nodes.collect()
    }

    /// Whether all nodes have the same AS number.
    pub fn has_one_number(&self) -> bool {
        let numbers: BTreeSet<String> = self.as_numbers().into_values().collect();
        numbers.len() < 2
    }

    /// Cluster ID of each reflector.
    pub fn cluster_ids(&self) -> BTreeMap<String, String> {
        let nodes = self.all("nodes").filter_map(|node| {
            let id = node.annotation(ANNOTATION_CLUSTER_ID)?;
            Some((node.name().to_owned(), id.to_owned()))
        });
        nodes.collect()
    }

    /// The BGPPeers of single nodes, by name.
    pub fn peers(&self) -> BTreeMap<String, Peer> {
        let peers = self.all("bgppeers").map(|peer| {
            let as_number = peer.spec("asNumber").map(ToString::to_string);
            let session = Peer {
                node: peer.spec_text("node").to_owned(),
                address: peer.spec_text("peerIP").to_owned(),
                as_number: as_number.unwrap_or_default(),
            };
            (peer.name().to_owned(), session)
        });
        peers.filter(|(_, peer)| !peer.node.is_empty()).collect()
    }

    /// How far the leader has allowed the change to go.
    pub fn record(&self) -> Option<Record> {
        let configuration = self.object("bgpconfigurations", "default")?;
        let text = configuration.annotation(calico_charm::render::ANNOTATION_ROLLOUT)?;
        Some(text.parse().unwrap_or_else(|_| panic!("{text}: no record")))
    }

    /// Whether a pool holds an address of a pod.
    pub fn holds_workloads(&self, pool: &Live) -> bool {
        let network = |text: &str| text.parse::<calico_charm::model::Cidr>().ok();
        let Some(pool) = network(pool.spec_text("cidr")) else {
            return true;
        };
        self.all("ipamblocks").any(|block| {
            let cidr = network(block.spec_text("cidr"));
            cidr.is_some_and(|cidr| pool.overlaps(&cidr)) && pods_in(block) > 0
        })
    }

    /// The fabric that all this makes.
    pub fn fabric(&self) -> Topology {
        let all = |plural| self.all(plural).cloned().collect::<Vec<_>>();
        live(&Objects {
            nodes: &all("nodes"),
            configurations: &all("bgpconfigurations"),
            peers: &all("bgppeers"),
            filters: &[],
            pools: &all("ippools"),
            backend: Backend::Bird,
            release: Catalogue::embedded().preferred(),
            service_cidrs: &[],
            places: &BTreeMap::new(),
        })
    }

    /// The state in lines: what the options ask for, without what is only on the way.
    pub fn told(&self) -> Vec<String> {
        let mesh = if self.mesh() { "on" } else { "off" };
        let mut told = vec![format!("mesh {mesh}, AS {}", self.as_number())];
        let ids = self.cluster_ids();
        for node in self.all("nodes") {
            let number = node.annotation(ANNOTATION_AS_NUMBER).unwrap_or("-");
            let id = ids.get(node.name()).map_or("-", String::as_str);
            told.push(format!("{} AS {number} ID {id}", node.name()));
        }
        for (name, peer) in self.peers() {
            told.push(format!("{name} on {} AS {}", peer.node, peer.as_number));
        }
        for pool in self.all("ippools") {
            let disabled = pool.spec("disabled").cloned().unwrap_or_default();
            let cidr = pool.spec_text("cidr");
            told.push(format!("{} {cidr} disabled: {disabled}", pool.name()));
        }
        told
    }
}

/// How many addresses of a block are in use by others than tunnels.
fn pods_in(block: &Live) -> usize {
    let spec = &block.value()["spec"];
    let allocations = spec["allocations"].as_array().into_iter().flatten();
    let used = allocations.filter_map(serde_json::Value::as_u64);
    let attribute = |index| &spec["attributes"][usize::try_from(index).expect("a small block")];
    used.filter(|index| attribute(*index)["secondary"]["type"].is_null())
        .count()
}

/// Whose pods' packets arrive at whose, each node for itself.
pub fn connected(topology: &Topology) -> BTreeSet<Pair> {
    let sessions = derive(topology);
    let classes = Classes::discrete(&sessions);
    let checked = check_by_classes(topology, sessions, classes, Budget::HOOK);
    let nodes = || checked.classes.iter().filter(|(_, class)| !class.router);
    let mut planes = checked.planes.iter();
    assert!(
        planes.all(|plane| plane.family == Family::V4),
        "IPv4 is all there is"
    );
    let arrives = |origin, at| {
        let mut planes = checked
            .planes
            .iter()
            .filter(|plane| plane.has_blocks(origin));
        planes.all(|plane| plane.is_computed(origin) && plane.fate(origin, at).arrives())
    };
    let name = |member: u32| topology.nodes[member as usize].name.clone();
    let mut found = BTreeSet::new();
    for (origin, receivers) in nodes() {
        for (at, senders) in nodes() {
            if origin != at && !checked.planes.is_empty() && arrives(origin, at) {
                found.insert((name(senders.first()), name(receivers.first())));
            }
        }
    }
    found
}
