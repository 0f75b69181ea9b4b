//! Speakers that nothing tells apart, put together: what is true of one member is true of all.
//!
//! Two nodes are one class when swapping them changes nothing: the same subnets, AS number, cluster ID, place in the mesh
//! and pools, and the same sessions to the same speakers. So a fabric of racks has a handful of classes a rack, however
//! many machines a rack has. Routers are classes of their own.

use std::collections::BTreeMap;

use super::session::{Session, Sessions, Side, Speaker};
use super::topology::{Gateway, Topology};
use crate::model::{Cidr, Family};

/// A class, by its place in [`Classes`].
pub type ClassId = u32;

/// Speakers that nothing tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The members in order; never empty.
    pub members: Vec<Speaker>,
    /// Whether it is a router.
    pub router: bool,
}

impl Class {
    /// The member that stands for all.
    #[must_use]
    pub fn first(&self) -> Speaker {
        self.members[0]
    }

    /// How many members there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len()
    }
}

/// All speakers by class. Classes of nodes come first, each in the order of its first member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    classes: Vec<Class>,
    of: Vec<ClassId>,
}

/// What tells nodes apart.
type Key = Vec<u64>;

impl Classes {
    /// The classes of a fabric.
    #[must_use]
    pub fn new(topology: &Topology, sessions: &Sessions) -> Self {
        let mut keys = own_keys(topology, sessions);
        for session in &sessions.sessions {
            for (here, there) in [(&session.near, &session.far), (&session.far, &session.near)] {
                if here.speaker < sessions.nodes {
                    keys[here.speaker as usize]
                        .1
                        .push(edge_key(topology, session, here, there));
                }
            }
        }
        let mut ids: BTreeMap<(Key, Vec<[u64; 5]>), ClassId> = BTreeMap::new();
        let mut classes: Vec<Class> = Vec::new();
        let mut of = Vec::with_capacity(keys.len() + sessions.routers.len());
        for (speaker, (own, mut edges)) in (0..).zip(keys) {
            edges.sort_unstable();
            let id = *ids.entry((own, edges)).or_insert_with(|| {
                classes.push(Class {
                    members: Vec::new(),
                    router: false,
                });
                id(classes.len() - 1)
            });
            classes[id as usize].members.push(speaker);
            of.push(id);
        }
        Self { classes, of }.with_routers(sessions)
    }

    /// Each speaker by itself: the full graph.
    #[must_use]
    pub fn discrete(sessions: &Sessions) -> Self {
        let classes = (0..sessions.nodes)
            .map(|speaker| Class {
                members: vec![speaker],
                router: false,
            })
            .collect();
        let of = (0..sessions.nodes).collect();
        Self { classes, of }.with_routers(sessions)
    }

    fn with_routers(mut self, sessions: &Sessions) -> Self {
        for speaker in (sessions.nodes..).take(sessions.routers.len()) {
            self.of.push(id(self.classes.len()));
            self.classes.push(Class {
                members: vec![speaker],
                router: true,
            });
        }
        self
    }

    /// The class of a speaker.
    ///
    /// # Panics
    /// For a speaker of another fabric.
    #[must_use]
    pub fn of(&self, speaker: Speaker) -> ClassId {
        self.of[speaker as usize]
    }

    /// A class.
    ///
    /// # Panics
    /// For a class of another fabric.
    #[must_use]
    pub fn class(&self, class: ClassId) -> &Class {
        &self.classes[class as usize]
    }

    /// The members of a class in order.
    ///
    /// # Panics
    /// For a class of another fabric.
    #[must_use]
    pub fn members(&self, class: ClassId) -> &[Speaker] {
        &self.class(class).members
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Every class with its place.
    pub fn iter(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        (0..).zip(&self.classes)
    }

    /// How many pairs of different speakers two classes make, one way.
    #[must_use]
    pub fn pairs(&self, one: ClassId, other: ClassId) -> u64 {
        let size = |class| self.class(class).size() as u64;
        size(one) * (size(other) - u64::from(one == other))
    }
}

fn id(index: usize) -> ClassId {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// What tells a node apart without its sessions.
fn own_keys(topology: &Topology, sessions: &Sessions) -> Vec<(Key, Vec<[u64; 5]>)> {
    let mut subnets: BTreeMap<Cidr, u64> = BTreeMap::new();
    let mut gateways: BTreeMap<Gateway, u64> = BTreeMap::new();
    let mut keys: Vec<(Key, Vec<[u64; 5]>)> = Vec::with_capacity(topology.nodes.len());
    for (index, node) in topology.nodes.iter().enumerate() {
        let mut key = Key::with_capacity(8);
        for family in [Family::V4, Family::V6] {
            key.push(node.address(family).map_or(u64::MAX, |address| {
                let next = subnets.len() as u64;
                *subnets.entry(address.subnet).or_insert(next)
            }));
        }
        let next = gateways.len() as u64;
        key.push(*gateways.entry(node.gateway).or_insert(next));
        key.push(u64::from(topology.as_number_of(node).value()));
        key.push(u64::from(node.as_number.is_some()));
        key.push(match &sessions.clusters[index] {
            None => u64::MAX,
            Some(cluster) => {
                // An ID of the node's own is nobody else's: the node is a class of its own.
                let effective = cluster
                    .effective
                    .map_or((1 << 33) + index as u64, |id| u64::from(id.to_bits()));
                (u64::from(cluster.configured.is_unspecified()) << 40) | effective
            }
        });
        // Who is in the mesh follows from the above, unless sessions are taken down on purpose.
        for mesh in &sessions.meshes {
            let member = Speaker::try_from(index).unwrap_or(Speaker::MAX);
            key.push(u64::from(mesh.members.binary_search(&member).is_ok()));
        }
        keys.push((key, Vec::new()));
    }
    for pool in &topology.pools {
        if let Some(nodes) = &pool.nodes {
            for (key, _) in &mut keys {
                key.push(0);
            }
            for node in nodes {
                if let Some(last) = keys[*node as usize].0.last_mut() {
                    *last = 1;
                }
            }
        }
    }
    keys
}

/// What tells a session of a node's apart.
fn edge_key(topology: &Topology, session: &Session, here: &Side, there: &Side) -> [u64; 5] {
    let ases =
        |side: &Side| (u64::from(side.local_as.value()) << 32) | u64::from(side.remote_as.value());
    let bits = |side: &Side| {
        u64::from(side.client)
            | (u64::from(side.passive) << 1)
            | ((side.next_hop as u64) << 2)
            | (u64::from(side.allowed_local_as) << 8)
    };
    let peering = |side: &Side| {
        // Peerings as options make them differ in nothing but what is in the key already.
        side.cause
            .peering()
            .filter(|index| topology.extra(*index).is_some())
            .map_or(0, |index| u64::from(index) + 1)
    };
    [
        (u64::from(there.speaker) << 8) | ((session.family as u64) << 4) | session.status as u64,
        ases(here),
        ases(there),
        (bits(here) << 32) | bits(there),
        (peering(here) << 32) | peering(there),
    ]
}
