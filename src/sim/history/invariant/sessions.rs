//! `sessions`: a session that stands before a change and after it, with the same settings, stands all the while.
//!
//! BIRD restarts a session when its neighbour goes and comes back, as it does with a BGPPeer that is made anew under another
//! name, and when anything of its configuration but filters changes (`proto/bgp/bgp.c`, `bgp_reconfigure`). Whoever is
//! reached another way meanwhile is not cut, so `reach` does not see it; routes travel through the fabric all the same.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::promise::{Bond, Promises};
use crate::fabric::{
    Cause, NextHop, Sessions as Derived, Side, Topology, derive, mesh_side, mesh_status,
};
use crate::model::{AsNumber, Family};
use crate::rollout::{Declared, DeclaredKind};

/// The invariant's name.
pub const NAME: &str = "sessions";

/// Watches sessions.
pub type Sessions = Promises<Link>;

/// A session that is up, with all that BIRD restarts it for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Link {
    family: Family,
    near: End,
    far: End,
}

/// One end of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    /// The node or router.
    name: String,
    ip: IpAddr,
    /// Whether it is the mesh's: BIRD names its neighbours otherwise than those of BGPPeers.
    is_mesh: bool,
    as_numbers: (AsNumber, AsNumber),
    port: u16,
    passive: bool,
    client: bool,
    /// The cluster ID of a node that reflects.
    cluster: Option<Ipv4Addr>,
    next_hop: NextHop,
    allowed_local_as: u8,
}

impl End {
    fn new(fabric: &Topology, derived: &Derived, side: &Side) -> Self {
        let place = side.speaker as usize;
        let cluster = derived.clusters.get(place).copied().flatten();
        let name = match fabric.nodes.get(place) {
            Some(node) => node.name.clone(),
            None => side.ip.to_string(),
        };
        Self {
            name,
            ip: side.ip,
            is_mesh: side.cause == Cause::Mesh,
            as_numbers: (side.local_as, side.remote_as),
            port: side.port,
            passive: side.passive,
            client: side.client,
            cluster: cluster.and_then(|cluster| cluster.effective),
            next_hop: side.next_hop,
            allowed_local_as: side.allowed_local_as,
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (near, far) = (&self.near.name, &self.far.name);
        write!(
            formatter,
            "the session of {near} and {far} ({})",
            self.family
        )
    }
}

impl Bond for Link {
    const NAME: &'static str = NAME;
    const LOSES: &'static str = "restarts";

    fn standing(fabric: &Topology) -> BTreeSet<Self> {
        let derived = derive(fabric);
        let up = derived.sessions.iter().filter(|one| one.status.is_up());
        let mut found: BTreeSet<Self> = up
            .map(|session| Self {
                family: session.family,
                near: End::new(fabric, &derived, &session.near),
                far: End::new(fabric, &derived, &session.far),
            })
            .collect();
        for mesh in &derived.meshes {
            for (index, near) in mesh.members.iter().enumerate() {
                for far in &mesh.members[index + 1..] {
                    found.extend(meshed(fabric, &derived, mesh.family, (*near, *far)));
                }
            }
        }
        found
    }

    fn has(&self, node: &str) -> bool {
        self.near.name == node || self.far.name == node
    }

    fn is_covered(&self, declared: &Declared) -> bool {
        declared.kind == DeclaredKind::AsNumbers && declared.covers(&self.near.name, &self.far.name)
    }
}

/// The mesh's session of two members, if it is up.
fn meshed(
    fabric: &Topology,
    derived: &Derived,
    family: Family,
    (near, far): (u32, u32),
) -> Option<Link> {
    let (one, other) = (&fabric.nodes[near as usize], &fabric.nodes[far as usize]);
    let end = |speaker, towards| {
        let side = mesh_side(fabric, family, speaker, towards)?;
        Some(End::new(fabric, derived, &side))
    };
    let link = Link {
        family,
        near: end(near, other)?,
        far: end(far, one)?,
    };
    mesh_status(fabric, family, one, other)
        .is_up()
        .then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{self, MESH, REFLECTOR, Stage};
    use crate::sim::history::scene::{Told, Violation, Watch as _, Written};

    /// Two clients of the reflector on the first node, and another change that is no matter of theirs.
    fn begun() -> (Stage, Sessions) {
        let stage = Stage::new(3);
        stage.configure("calico/0", false);
        stage.pod(1);
        for unit in [1, 2] {
            stage.peer(unit, 0, 64512);
        }
        stage.cluster_id(0, Some("224.0.0.1"));
        let mut sessions = Sessions::default();
        set(&mut sessions, &stage, &REFLECTOR);
        assert_eq!(sessions.required.len(), 2, "{:?}", sessions.required);
        (stage, sessions)
    }

    fn set(sessions: &mut Sessions, stage: &Stage, given: &[(&str, &str)]) {
        let told = Told::ConfigSet {
            options: stage::options(given),
        };
        assert_eq!(sessions.told(&stage.scene(), &told), []);
    }

    fn look(stage: &Stage, sessions: &mut Sessions, write: Written) -> Vec<Violation> {
        sessions.written(&stage.scene(), &Stage::of(write, &REFLECTOR))
    }

    #[test]
    fn what_is_added_restarts_nobody() {
        let (stage, mut sessions) = begun();
        let write = stage.towards(1, "10.0.0.1", 64512);
        assert_eq!(look(&stage, &mut sessions, write), []);
        // A BGPPeer that says the same under another name, before the first one goes.
        let mut other = stage
            .server
            .object("BGPPeer", "calico-1-10.0.0.10")
            .unwrap();
        other["metadata"] =
            serde_json::json!({"name": "calico-1-again", "labels": other["metadata"]["labels"]});
        let write = stage.insert("calico/1", other);
        assert_eq!(look(&stage, &mut sessions, write), []);
        let write = stage.delete("calico/1", "BGPPeer", "calico-1-10.0.0.10");
        assert_eq!(look(&stage, &mut sessions, write), []);
    }

    #[test]
    fn a_peer_that_goes_and_comes_back_is_seen() {
        let (stage, mut sessions) = begun();
        let write = stage.delete("calico/1", "BGPPeer", "calico-1-10.0.0.10");
        let found = look(&stage, &mut sessions, write);
        assert!(
            found[0]
                .message
                .contains("restarts the session of node-0 and node-1"),
            "{found:?}"
        );
    }

    #[test]
    fn another_cluster_id_restarts_the_clients() {
        let (stage, mut sessions) = begun();
        let write = stage.cluster_id(0, Some("224.0.0.2"));
        let found = look(&stage, &mut sessions, write);
        assert!(found[0].message.contains("(2 in all)"), "{found:?}");
    }

    #[test]
    fn the_mesh_of_those_that_stay_in_it_stands() {
        let stage = Stage::new(3);
        stage.configure("calico/0", true);
        stage.pod(1);
        let mut sessions = Sessions::default();
        set(&mut sessions, &stage, &MESH);
        let mut numbered = MESH.to_vec();
        numbered.push(("unit-as-numbers", "{2: 64600}"));
        set(&mut sessions, &stage, &numbered);
        assert_eq!(sessions.required.len(), 1, "{:?}", sessions.required);
        let patch = serde_json::json!({"metadata": {"annotations": {"projectcalico.org/ASNumber": "64600"}}});
        let write = Stage::of(stage.merge("calico/2", "Node", "node-2", &patch), &numbered);
        assert_eq!(sessions.written(&stage.scene(), &write), []);
        let write = Stage::of(stage.configure("calico/0", false), &numbered);
        assert_eq!(sessions.written(&stage.scene(), &write).len(), 1);
    }
}
