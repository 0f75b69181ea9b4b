//! Repairs worth trying for a loss.

mod peers;
mod settings;

use std::collections::BTreeSet;

use super::super::classes::ClassId;
use super::super::facts::Facts;
use super::super::reach::{Fate, Plane};
use super::super::rules::wording::{setting, speaker};
use super::super::session::Speaker;
use super::super::topology::{Node, Origin, Router};
use super::edit::Edit;
use super::loss::{Kind, Loss};
use crate::model::{AsNumber, Cidr};

/// A change of the options, or of what is around them, that may bring routes back.
#[derive(Debug, Clone)]
pub(super) struct Repair {
    /// The change.
    pub edits: Vec<Edit>,
    /// Where it would be written.
    pub origin: Origin,
    /// What is wrong there now: goes on after the place.
    pub fault: String,
    /// What to do.
    pub remedy: String,
    /// The same as a line to paste.
    pub command: Option<String>,
    /// The nodes it is about.
    pub nodes: Vec<Speaker>,
    /// Whether the fault says by itself why packets do not arrive.
    pub explains: bool,
}

impl Repair {
    pub(super) fn new(
        edit: Edit,
        origin: Origin,
        fault: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            edits: vec![edit],
            origin,
            fault: fault.into(),
            remedy: remedy.into(),
            command: None,
            nodes: Vec::new(),
            explains: false,
        }
    }

    pub(super) fn command(self, option: &str, value: &str) -> Self {
        Self {
            command: Some(setting(option, value)),
            ..self
        }
    }

    pub(super) fn nodes(self, nodes: Vec<Speaker>) -> Self {
        Self { nodes, ..self }
    }

    pub(super) fn explaining(self) -> Self {
        Self {
            explains: true,
            ..self
        }
    }
}

/// What candidates are made from.
pub(super) struct Candidates<'a> {
    facts: Facts<'a>,
    plane: &'a Plane,
    loss: Loss,
    /// Which classes have a session with each other, up or not.
    joined: BTreeSet<(ClassId, ClassId)>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(facts: Facts<'a>, loss: Loss) -> Self {
        let plane = &facts.planes[loss.plane];
        let of = |speaker: Speaker| facts.classes.of(speaker);
        let joined = facts
            .sessions
            .sessions
            .iter()
            .filter(|session| session.family == plane.family)
            .flat_map(|session| {
                let (near, far) = (of(session.near.speaker), of(session.far.speaker));
                [(near, far), (far, near)]
            })
            .collect();
        Self {
            facts,
            plane,
            loss,
            joined,
        }
    }

    /// The repairs for this kind of loss, the likeliest first.
    pub(super) fn all(&self, kind: Kind) -> Vec<Repair> {
        let mut found = Vec::new();
        if matches!(kind, Kind::Unrouted | Kind::Unresolved)
            || self.loss.fate == Fate::TunnelToRouter
        {
            self.default_route(&mut found);
            self.encapsulation(&mut found);
        }
        if kind == Kind::Loop {
            self.mesh_off(&mut found);
            self.encapsulation(&mut found);
        }
        if kind == Kind::Unrouted {
            return found;
        }
        if kind == Kind::AsLoop {
            self.other_as(&mut found);
        }
        self.sessions(&mut found);
        self.hubs(&mut found);
        self.peers(&mut found);
        self.reflecting_router(&mut found);
        self.mesh(&mut found);
        self.one_as(&mut found);
        found
    }

    fn node(&self, class: ClassId) -> Option<&'a Node> {
        let first = self.facts.classes.class(class).first();
        self.facts.topology.nodes.get(first as usize)
    }

    fn router(&self, class: ClassId) -> Option<&'a Router> {
        let first = self.facts.classes.class(class).first();
        let index = first.checked_sub(self.facts.sessions.nodes)?;
        self.facts.sessions.routers.get(index as usize)
    }

    fn subnet(&self, class: ClassId) -> Option<Cidr> {
        Some(self.node(class)?.address(self.plane.family)?.subnet)
    }

    fn name(&self, class: ClassId) -> String {
        let first = self.facts.classes.class(class).first();
        speaker(self.facts.topology, self.facts.sessions, first)
    }

    fn as_number(&self, class: ClassId) -> Option<AsNumber> {
        match self.node(class) {
            Some(node) => Some(self.facts.topology.as_number_of(node)),
            None => self.router(class).map(|router| router.as_number),
        }
    }

    fn is_reflector(&self, class: ClassId) -> bool {
        self.node(class)
            .is_some_and(|node| node.cluster_id.is_some())
    }

    fn holds(&self, class: ClassId) -> bool {
        class == self.loss.origin || self.plane.received(self.loss.origin, class)
    }
}
