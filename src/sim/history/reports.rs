//! What calico-node reports of sessions, in the objects that ask for it.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::cluster::CALICO_NODE;
use super::play::Play;
use super::world::Broken;
use crate::fabric::{Backend, Cause, Mesh, Objects, Side, Topology, derive, live};
use crate::model::{Family, Release};
use crate::plan::Live;

/// The state of a session that is up by what stands, and that has not come up yet. No other session is ever in it.
pub(in crate::sim::history) const COMES_UP: &str = "OpenSent";
/// How often calico-node reports where nothing goes wrong.
const PERIOD: Duration = Duration::from_secs(5);

/// What a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Report {
    /// Every session as what stands makes it.
    True,
    /// One session has not come up yet.
    Late,
    /// Nothing: a socket of BIRD is missing.
    Empty,
}

impl Play<'_> {
    /// calico-node reports, late or empty now and then; until it does again, its report is an old one. `false` where
    /// nobody has asked for a report.
    pub(super) fn some_report(&mut self, rng: &mut Rng) -> Result<bool, Broken> {
        let asked = self.world.server.objects("CalicoNodeStatus");
        let Some(status) = rng.choice(asked) else {
            return Ok(false);
        };
        let (what, report) = match rng.u8(..8) {
            0..=4 => ("calico-node reports", Report::True),
            5 | 6 => ("calico-node reports a session that is late", Report::Late),
            _ => ("calico-node reports nothing", Report::Empty),
        };
        self.coverage.count(what);
        self.report(&status, report)?;
        Ok(true)
    }

    /// Every calico-node reports what is, if it is time.
    pub(super) fn reports_in_time(&mut self) -> Result<(), Broken> {
        let now = self.world.now();
        if now < self.reported + PERIOD {
            return Ok(());
        }
        self.reported = now;
        for status in self.world.server.objects("CalicoNodeStatus") {
            self.report(&status, Report::True)?;
        }
        Ok(())
    }

    fn report(&mut self, status: &Value, report: Report) -> Result<(), Broken> {
        let text = |path| {
            status
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (name, node) = (text("/metadata/name"), text("/spec/node"));
        let fabric = self.fabric();
        let mut peers = match report {
            Report::Empty => BTreeMap::new(),
            Report::True | Report::Late => peers(&fabric, node),
        };
        if report == Report::Late
            && let Some((state, _)) = peers
                .values_mut()
                .find(|(state, kind)| *state == "Established" && *kind != "NodeMesh")
        {
            *state = COMES_UP;
        }
        let of = |v4: bool| -> Vec<Value> {
            let peers = peers.iter().filter(|((ip, _), _)| ip.is_ipv4() == v4);
            peers
                .map(|((ip, _), (state, kind))| json!({"peerIP": ip.to_string(), "type": kind, "state": state}))
                .collect()
        };
        let bgp = json!({
            "peersV4": of(true), "peersV6": of(false), "numberEstablishedV4": 0, "numberNotEstablishedV4": 0,
            "numberEstablishedV6": 0, "numberNotEstablishedV6": 0,
        });
        if status["status"]["bgp"] == bgp {
            return Ok(());
        }
        let at = format!("{:?}", self.world.now());
        let patch = json!({"status": {"lastUpdated": at, "bgp": bgp}});
        let merged = self
            .world
            .server
            .merge(CALICO_NODE, "CalicoNodeStatus", name, &patch);
        merged.map_err(Broken::from)?;
        self.say(format!(
            "calico-node reports in caliconodestatuses/{name}: {report:?}"
        ));
        self.look_at_other(CALICO_NODE);
        Ok(())
    }

    /// The fabric that stands.
    fn fabric(&self) -> Topology {
        let objects = |kind| -> Vec<Live> {
            let found = self.world.server.objects(kind).into_iter();
            found.map(Live::new).collect()
        };
        live(&Objects {
            nodes: &objects("Node"),
            configurations: &objects("BGPConfiguration"),
            peers: &objects("BGPPeer"),
            filters: &[],
            pools: &[],
            backend: Backend::Bird,
            release: Release::default(),
            service_cidrs: &[],
            places: &BTreeMap::new(),
        })
    }
}

/// By address and whether the mesh makes it, state and type of each peer of a node.
type Peers = BTreeMap<(std::net::IpAddr, bool), (&'static str, &'static str)>;

fn peers(fabric: &Topology, node: &str) -> Peers {
    let mut peers = Peers::new();
    let place = fabric.nodes.iter().position(|other| other.name == node);
    let Some(speaker) = place.and_then(|place| u32::try_from(place).ok()) else {
        return peers;
    };
    let sessions = derive(fabric);
    for session in &sessions.sessions {
        let (near, far) = (&session.near, &session.far);
        let state = if session.status.is_up() {
            "Established"
        } else {
            "Active"
        };
        let sides: [(&Side, &Side, bool); 2] = [
            (near, far, session.near_configured),
            (far, near, session.far_configured),
        ];
        for (own, other, configured) in sides {
            if own.speaker == speaker && configured && own.cause != Cause::Assumed {
                peers.insert((other.ip, false), (state, "NodePeer"));
            }
        }
    }
    let in_mesh = |mesh: &&Mesh| mesh.members.contains(&speaker);
    for Mesh { family, members } in sessions.meshes.iter().filter(in_mesh) {
        let others = members.iter().filter(|member| **member != speaker);
        for ip in others.filter_map(|other| address(fabric, *other, *family)) {
            peers.insert((ip, true), ("Established", "NodeMesh"));
        }
    }
    peers
}

fn address(fabric: &Topology, speaker: u32, family: Family) -> Option<std::net::IpAddr> {
    let node = fabric.nodes.get(speaker as usize)?;
    node.address(family).map(|address| address.ip)
}
