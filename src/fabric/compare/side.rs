//! What is up in one fabric, and how it is configured.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Kind, Reason};
use crate::fabric::check::Checked;
use crate::fabric::mesh::{mesh_side, mesh_status};
use crate::fabric::session::{Cause, Session, Side, Speaker};
use crate::fabric::topology::{NextHop, Node, Origin, Scope};
use crate::model::{AsNumber, Cidr, ClusterId, Family};

/// One end of a session, whichever fabric it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End<'a> {
    Node(&'a str),
    Router(IpAddr),
}

/// Both ends in order.
pub(super) type Ends<'a> = (Family, End<'a>, End<'a>);

/// All of one side that BIRD compares when it is configured anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Half {
    ip: IpAddr,
    kind: Kind,
    as_numbers: (AsNumber, AsNumber),
    /// The cluster ID of a reflector that takes the other end for a client.
    cluster: Option<ClusterId>,
    port: u16,
    passive: bool,
    next_hop: NextHop,
    allowed_local_as: u8,
    password: Option<String>,
    ttl_security: u8,
}

/// A session that is up: its ends' configurations, `None` for a router's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape([Option<Half>; 2]);

impl Shape {
    pub(super) fn kind(&self) -> Kind {
        let kinds = self.0.iter().flatten().map(|half| half.kind);
        kinds.min().unwrap_or(Kind::Peer)
    }

    /// Why BIRD closes the session and opens it anew.
    pub(super) fn reason(&self, after: &Self) -> Reason {
        let differs = |part: fn(&Half) -> String| {
            let parts = |shape: &Shape| {
                let halves = shape.0.iter();
                halves
                    .map(|half| half.as_ref().map(part))
                    .collect::<Vec<_>>()
            };
            parts(self) != parts(after)
        };
        if differs(|half| format!("{:?}", half.as_numbers)) {
            Reason::AsNumber
        } else if differs(|half| format!("{:?}", half.kind)) {
            Reason::Kind
        } else if differs(|half| format!("{:?}", half.cluster)) {
            Reason::Reflection
        } else {
            Reason::Setting
        }
    }
}

/// What tells members of a mesh apart; `None` for no member.
pub(super) type MeshKind = Option<(Option<AsNumber>, AsNumber, Cidr)>;

/// One of the two fabrics.
pub(super) struct Fabric<'a> {
    pub(super) checked: &'a Checked<'a>,
    pub(super) speakers: BTreeMap<&'a str, Speaker>,
    pub(super) sessions: BTreeMap<Ends<'a>, Shape>,
    /// The peering behind each of them.
    peerings: BTreeMap<Ends<'a>, u32>,
}

impl<'a> Fabric<'a> {
    pub(super) fn new(checked: &'a Checked<'a>) -> Self {
        let names = checked.topology.nodes.iter().map(|node| node.name.as_str());
        let mut fabric = Self {
            checked,
            speakers: names.zip(0..).collect(),
            sessions: BTreeMap::new(),
            peerings: BTreeMap::new(),
        };
        let up = checked.sessions.sessions.iter();
        for session in up.filter(|session| session.status.is_up()) {
            let (ends, shape) = fabric.of_peer(session);
            let mut causes = [session.near.cause, session.far.cause].into_iter();
            let peering = causes.find_map(Cause::peering);
            fabric.peerings.extend(peering.map(|index| (ends, index)));
            fabric.sessions.insert(ends, shape);
        }
        fabric
    }

    fn of_peer(&self, session: &'a Session) -> (Ends<'a>, Shape) {
        let near = session.near_configured.then(|| self.half(&session.near));
        let far = session.far_configured.then(|| self.half(&session.far));
        let (one, other) = (self.end(&session.near), self.end(&session.far));
        if one <= other {
            ((session.family, one, other), Shape([near, far]))
        } else {
            ((session.family, other, one), Shape([far, near]))
        }
    }

    fn end(&self, side: &Side) -> End<'a> {
        let node = self.checked.topology.nodes.get(side.speaker as usize);
        node.map_or(End::Router(side.ip), |node| End::Node(&node.name))
    }

    fn half(&self, side: &Side) -> Half {
        let peering = side.cause.peering();
        let peering = peering.and_then(|index| self.checked.topology.peerings.get(index as usize));
        let extra = peering.and_then(|peering| peering.extra.as_deref());
        let kind = match (side.cause, peering.map(|peering| &peering.scope)) {
            (Cause::Mesh, _) => Kind::Mesh,
            (Cause::Peering(_), Some(Scope::Global)) => Kind::GlobalPeer,
            _ => Kind::Peer,
        };
        let cluster = self.checked.sessions.clusters.get(side.speaker as usize);
        let cluster = cluster.copied().flatten().filter(|_| side.client);
        Half {
            ip: side.ip,
            kind,
            as_numbers: (side.local_as, side.remote_as),
            cluster: cluster.map(|cluster| cluster.configured),
            port: side.port,
            passive: side.passive,
            next_hop: side.next_hop,
            allowed_local_as: side.allowed_local_as,
            password: extra.and_then(|extra| extra.password.clone()),
            ttl_security: extra.map_or(0, |extra| extra.ttl_security),
        }
    }

    pub(super) fn node(&self, name: &str) -> Option<(Speaker, &'a Node)> {
        let speaker = *self.speakers.get(name)?;
        Some((speaker, self.checked.topology.nodes.get(speaker as usize)?))
    }

    pub(super) fn mesh_kind(&self, family: Family, name: &str) -> MeshKind {
        let (speaker, node) = self.node(name)?;
        let meshes = &self.checked.sessions.meshes;
        let mesh = meshes.iter().find(|mesh| mesh.family == family)?;
        mesh.members.binary_search(&speaker).ok()?;
        let told = node.as_number.as_ref().map(|told| told.value);
        let number = self.checked.topology.as_number_of(node);
        Some((told, number, node.address(family)?.subnet))
    }

    /// The mesh's session between two nodes, where there is one and it is up.
    pub(super) fn mesh(&self, family: Family, one: &str, other: &str) -> Option<Shape> {
        self.mesh_kind(family, one)?;
        self.mesh_kind(family, other)?;
        let topology = self.checked.topology;
        let ((one_speaker, one), (other_speaker, other)) = (self.node(one)?, self.node(other)?);
        if !mesh_status(topology, family, one, other).is_up() {
            return None;
        }
        let near = mesh_side(topology, family, one_speaker, other)?;
        let far = mesh_side(topology, family, other_speaker, one)?;
        Some(Shape([Some(self.half(&near)), Some(self.half(&far))]))
    }

    /// What asks for what is up between two ends.
    pub(super) fn origin(&self, ends: &Ends<'_>) -> Origin {
        let topology = self.checked.topology;
        let peering = self
            .peerings
            .get(ends)
            .and_then(|index| topology.peerings.get(*index as usize));
        peering.map_or_else(
            || topology.mesh.origin.clone(),
            |peering| peering.origin.clone(),
        )
    }

    /// What is up between two ends: a peer's session, else the mesh's.
    pub(super) fn up(&self, ends: &Ends<'_>) -> Option<Shape> {
        let (family, one, other) = *ends;
        let found = self.sessions.get(ends).cloned();
        match (found, one, other) {
            (None, End::Node(one), End::Node(other)) => self.mesh(family, one, other),
            (found, ..) => found,
        }
    }
}
