//! Who is there: the application's units with their Nodes, and what the options want of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::promise::same;
use super::touched::{Touched, config};
use crate::config::OPTIONS;
use crate::fabric::{
    FabricFacts, Gateway, Objects, Origin, Scope, Target, Topology, UnitOnNode, backend, live,
    merge, topology,
};
use crate::manifests::Catalogue;
use crate::model::{AsNumber, PeerAddress, Release, UnitAddress, UnitName};
use crate::plan::{Live, usage};
use crate::render::{ANNOTATION_APPLIED, ANNOTATION_ROLLOUT, Owner};
use crate::sim::history::scene::{Scene, Told, Written};
use crate::sim::juju::Machine;

/// How long a hook may have been at work when it writes, where nothing tells when it began.
const HOOK: Duration = Duration::from_mins(1);

/// The application as labels name it.
pub(super) fn owner(scene: &Scene<'_>) -> Owner {
    Owner {
        model: scene.model.uuid().to_owned(),
        application: scene.application.to_owned(),
    }
}

/// The options as the model has them now, defaults included.
pub(super) fn options(scene: &Scene<'_>) -> Vec<(String, String)> {
    let Ok(application) = scene.model.application(scene.application) else {
        return Vec::new();
    };
    let options = OPTIONS.iter().map(|option| option.name);
    let set = options.filter_map(|name| {
        let text = match application.option(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some((name.to_owned(), text))
    });
    set.collect()
}

/// The Node of each unit that was ever there.
#[derive(Debug, Default)]
pub(super) struct Homes(BTreeMap<UnitName, String>);

impl Homes {
    /// Looks who is there now.
    pub(super) fn look(&mut self, scene: &Scene<'_>) {
        for unit in scene.model.units_of(scene.application) {
            if let (Ok(name), Ok(machine)) = (unit.parse(), scene.model.machine_of(unit)) {
                self.0.insert(name, machine.hostname.to_lowercase());
            }
        }
    }

    /// Looks around where a unit is not known yet.
    pub(super) fn meet(&mut self, scene: &Scene<'_>, unit: &UnitName) {
        if !self.0.contains_key(unit) {
            self.look(scene);
        }
    }

    /// The Node of a unit.
    pub(super) fn of(&self, unit: &UnitName) -> Option<&str> {
        self.0.get(unit).map(String::as_str)
    }

    /// The units that have or had a Node.
    pub(super) fn on(&self, node: &str) -> impl Iterator<Item = &UnitName> {
        let homes = self.0.iter().filter(move |(_, home)| *home == node);
        homes.map(|(unit, _)| unit)
    }
}

/// The units that are there to stay, with the Nodes and addresses of their machines.
pub(super) fn members(scene: &Scene<'_>) -> Vec<UnitOnNode> {
    let units = scene.model.units_of(scene.application);
    let mut members: Vec<UnitOnNode> = units
        .filter(|unit| {
            let unit = scene.model.unit(unit);
            unit.is_ok_and(|unit| !unit.is_dying())
        })
        .filter_map(|unit| {
            let machine = scene.model.machine_of(unit).ok()?;
            Some(UnitOnNode {
                unit: unit.parse().ok()?,
                node: machine.hostname.to_lowercase(),
                addresses: addresses(machine),
                zone: Some(machine.zone.clone()).filter(|zone| !zone.is_empty()),
                gateway: Gateway::Unknown,
            })
        })
        .collect();
    members.sort_by(|one, other| one.unit.cmp(&other.unit));
    members
}

fn addresses(machine: &Machine) -> Vec<UnitAddress> {
    let interfaces = machine.interfaces.iter();
    interfaces
        .filter(|interface| !interface.name.starts_with("fan-"))
        .flat_map(|interface| &interface.addresses)
        .filter_map(|address| match address.cidr.rsplit_once('/') {
            Some((_, prefix)) => UnitAddress::read(&format!("{}/{prefix}", address.value)),
            None => UnitAddress::read(&address.value),
        })
        .collect()
}

/// The objects that a fabric is made of, as they were read last.
#[derive(Default)]
pub(super) struct Kept {
    nodes: Vec<Live>,
    configurations: Vec<Live>,
    peers: Vec<Live>,
    filters: Vec<Live>,
    pools: Vec<Live>,
    daemon_set: Option<Live>,
    calico_config: Option<Live>,
}

impl Kept {
    /// Reads everything.
    pub(super) fn read(scene: &Scene<'_>) -> Self {
        let mut kept = Self {
            nodes: objects(scene, "Node"),
            configurations: objects(scene, "BGPConfiguration"),
            peers: objects(scene, "BGPPeer"),
            filters: objects(scene, "BGPFilter"),
            pools: objects(scene, "IPPool"),
            ..Self::default()
        };
        kept.read_backend(scene);
        kept
    }

    fn read_backend(&mut self, scene: &Scene<'_>) {
        let object = |kind, name| scene.server.object(kind, name).map(Live::new);
        self.daemon_set = object("DaemonSet", "kube-system/calico-node");
        self.calico_config = object("ConfigMap", "kube-system/calico-config");
    }

    /// Reads again what a write was to.
    pub(super) fn read_again(&mut self, scene: &Scene<'_>, write: &Written) {
        match Touched::by(write) {
            Touched::Node(_) => self.nodes = objects(scene, "Node"),
            Touched::Configuration(_) => self.configurations = objects(scene, "BGPConfiguration"),
            Touched::Peer(_) => self.peers = objects(scene, "BGPPeer"),
            Touched::Pool(_) => self.pools = objects(scene, "IPPool"),
            Touched::Other("bgpfilters", _) => self.filters = objects(scene, "BGPFilter"),
            Touched::Other(_, "calico-node" | "calico-config") => self.read_backend(scene),
            _ => {}
        }
    }

    /// The fabric that they make.
    pub(super) fn fabric(&self, scene: &Scene<'_>) -> Topology {
        let mut fabric = live(&Objects {
            nodes: &self.nodes,
            configurations: &self.configurations,
            peers: &self.peers,
            filters: &self.filters,
            pools: &self.pools,
            backend: backend(self.daemon_set.as_ref(), self.calico_config.as_ref()),
            release: release(),
            service_cidrs: &[],
            places: &BTreeMap::new(),
        });
        fabric.routers = scene.routers.to_vec();
        fabric
    }
}

fn objects(scene: &Scene<'_>, kind: &str) -> Vec<Live> {
    let found = scene.server.objects(kind).into_iter();
    found.map(Live::new).collect()
}

/// The fabric that the objects of the cluster make, without the Nodes that are `left_out`.
pub(super) fn standing(scene: &Scene<'_>, left_out: &BTreeSet<String>) -> Topology {
    let mut kept = Kept::read(scene);
    kept.nodes.retain(|node| !left_out.contains(node.name()));
    kept.fabric(scene)
}

/// The fabric that options make of the members, with what stays of the one that stands; `None` where the options, or what
/// they mean for a unit, are refused.
pub(super) fn wanted(
    scene: &Scene<'_>,
    options: &[(String, String)],
    standing: Topology,
) -> Option<Topology> {
    let there: BTreeSet<String> = standing
        .nodes
        .iter()
        .map(|node| node.name.clone())
        .collect();
    let mut units = members(scene);
    units.retain(|unit| there.contains(&unit.node));
    let facts = FabricFacts {
        units,
        routers: scene.routers.to_vec(),
        release: release(),
        service_cidrs: Vec::new(),
    };
    let config = config(scene, options)?;
    let wanted = topology(&config, &facts).ok()?;
    let backend = standing.backend;
    let mut wanted = merge(wanted, standing);
    let installed_by_others = scene
        .server
        .object("DaemonSet", "kube-system/calico-node")
        .is_some_and(|set| Live::new(set).owner().is_none());
    if installed_by_others {
        wanted.backend = backend;
    }
    Some(wanted)
}

fn release() -> Release {
    Catalogue::embedded().preferred()
}

/// A BGPPeer that the options want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedPeer {
    /// Whose it is.
    pub(super) unit: UnitName,
    /// Its Node.
    pub(super) node: String,
    /// Where it points to.
    pub(super) address: PeerAddress,
    /// With which AS number.
    pub(super) as_number: AsNumber,
}

impl WantedPeer {
    /// Whether it is among these BGPPeers, with any AS number.
    pub(super) fn stands(&self, peers: &[Live]) -> bool {
        peers.iter().any(|peer| {
            !peer.is_deleting()
                && peer.spec_text("node") == self.node
                && peer.spec_text("peerIP").parse() == Ok(self.address)
        })
    }
}

/// The BGPPeers that a wanted fabric asks its units for.
pub(super) fn wanted_peers(wanted: &Topology) -> Vec<WantedPeer> {
    let peerings = wanted.peerings.iter();
    peerings
        .filter_map(|peering| {
            let (Origin::Option(_), Target::Address(address), Scope::Node(node)) =
                (&peering.origin, &peering.target, &peering.scope)
            else {
                return None;
            };
            let node = &wanted.nodes[*node as usize];
            let own = [node.v4, node.v6].into_iter().flatten();
            // A unit does not peer with itself.
            if own.map(|own| own.ip).any(|own| own == address.ip()) {
                return None;
            }
            Some(WantedPeer {
                unit: node.unit.clone()?,
                node: node.name.clone(),
                address: *address,
                as_number: peering.as_number?,
            })
        })
        .collect()
}

/// The units that an operator has let the change go on without.
pub(super) fn without(scene: &Scene<'_>) -> BTreeSet<String> {
    let configuration = scene.server.object("BGPConfiguration", "default");
    let record = configuration.map(Live::new);
    let record = record
        .as_ref()
        .and_then(|live| live.annotation(ANNOTATION_ROLLOUT))
        .unwrap_or_default();
    let units = record
        .split_once(" without ")
        .map_or("", |(_, units)| units);
    let units = units.split(',').map(str::trim);
    units
        .filter(|unit| !unit.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether this is the first deployment, and no pod has an address: then everything may happen at once. It is the first
/// until all is quiet, whatever else is asked for meanwhile.
#[derive(Debug, Default)]
pub(super) struct First {
    begun: bool,
    is_now: bool,
    /// Options that were set while it was: a hook that read them goes on with what it was allowed then.
    allowed: Vec<Vec<(String, String)>>,
}

impl First {
    /// Looks what stands when the history begins.
    pub(super) fn begin(&mut self, scene: &Scene<'_>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let nodes = objects(scene, "Node");
        let mut applied = nodes.iter().map(|node| node.annotation(ANNOTATION_APPLIED));
        self.is_now = applied.all(|applied| applied.is_none()) && !has_workloads(scene);
    }

    pub(super) fn told(&mut self, scene: &Scene<'_>, told: &Told) {
        self.begin(scene);
        match told {
            Told::ConfigSet { options } => {
                self.is_now = self.is_now && !has_workloads(scene);
                if self.is_now {
                    self.allowed.push(options.clone());
                }
            }
            Told::Quiet => {
                self.is_now = false;
                self.allowed.clear();
            }
            _ => {}
        }
    }

    /// Whether it is.
    pub(super) fn is_now(&self) -> bool {
        self.is_now
    }

    /// Whether it is, or was when the options of a write were set.
    pub(super) fn allows(&self, write: &Written) -> bool {
        let was = |options: &Vec<(String, String)>| same(&write.options, options);
        self.is_now || self.allowed.iter().any(was)
    }
}

fn has_workloads(scene: &Scene<'_>) -> bool {
    let blocks = objects(scene, "IPAMBlock");
    ["0.0.0.0/0", "::/0"].iter().any(|all| {
        let all = all.parse();
        all.is_ok_and(|all| usage(all, &blocks).workloads > 0)
    })
}

/// Units that came so lately that a hook at work need not know of them.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    just_came: Vec<String>,
    known_at: BTreeMap<String, Duration>,
}

impl Newcomers {
    pub(super) fn told(&mut self, told: &Told) {
        if let Told::UnitAdded(unit) = told {
            self.just_came.push(unit.clone());
        }
    }

    /// Notes the time. The first write after a unit came is the latest moment at which it can have come.
    pub(super) fn written(&mut self, write: &Written) {
        for unit in self.just_came.drain(..) {
            self.known_at.insert(unit, write.at);
        }
    }

    /// Whether the hook that writes may have begun before the unit came.
    pub(super) fn has(&self, unit: &UnitName, write: &Written) -> bool {
        let began = write
            .asked_leader_at
            .unwrap_or_else(|| write.at.saturating_sub(HOOK));
        let known = self.known_at.get(&unit.to_string());
        known.is_some_and(|known| began <= *known)
    }
}

/// BGPPeers and Nodes that somebody else has meddled with since a unit wrote them last.
#[derive(Debug, Default)]
pub(super) struct Meddled(BTreeSet<String>);

impl Meddled {
    /// Notes who wrote an object last.
    pub(super) fn written(&mut self, write: &Written, by_unit: bool) {
        let name = write.path.rsplit('/').next().unwrap_or_default();
        if by_unit {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned());
        }
    }

    /// Whether somebody else wrote or deleted an object of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}
