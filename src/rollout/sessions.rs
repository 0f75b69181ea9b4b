//! Whether the reflectors' sessions are up that are to carry what the mesh carries now: what the fabric asks for, held
//! against what calico-node has reported (`node/pkg/status/populators/peers.go`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::fabric::{Session, Side, Status, Topology, derive};
use crate::model::{Family, UnitName};
use crate::plan::Live;

/// Where a report lists the peers of each family.
const FAMILIES: [(Family, &str); 2] = [(Family::V4, "peersV4"), (Family::V6, "peersV6")];

/// The sessions that each reflector is to have with units' nodes, by the address that it knows the other end by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected(BTreeMap<UnitName, BTreeSet<(UnitName, IpAddr)>>);

impl Expected {
    /// Those that come up in the wanted fabric between a reflector and another unit's node. Of sessions with routers
    /// nobody here knows both ends, and a node without a unit could not be passed over.
    #[must_use]
    pub fn new(wanted: &Topology) -> Self {
        let sessions = derive(wanted).sessions.into_iter();
        let mut expected: BTreeMap<UnitName, BTreeSet<(UnitName, IpAddr)>> = BTreeMap::new();
        for session in sessions.filter(|session| session.status == Status::Established) {
            let Session { near, far, .. } = session;
            for (own, other) in [(near, far), (far, near)] {
                if let Some((reflector, unit)) = ends(wanted, &own, &other) {
                    let sessions = expected.entry(reflector).or_default();
                    sessions.insert((unit, other.ip));
                }
            }
        }
        Self(expected)
    }

    /// The reflectors that are to have sessions.
    pub fn reflectors(&self) -> impl Iterator<Item = &UnitName> {
        self.0.keys()
    }
}

/// The units at the ends of a session whose own end reflects.
fn ends(topology: &Topology, own: &Side, other: &Side) -> Option<(UnitName, UnitName)> {
    let node = |side: &Side| topology.nodes.get(side.speaker as usize);
    let reflector = node(own).filter(|node| node.cluster_id.is_some())?;
    Some((reflector.unit.clone()?, node(other)?.unit.clone()?))
}

/// What calico-node on a reflector's node has last said of BIRD's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionReport {
    /// The families in which it lists any peer: a socket of BIRD that is missing empties both.
    listed: BTreeSet<Family>,
    /// The addresses with which a session of a BGPPeer is up; those of the mesh are the ones that go.
    up: BTreeSet<IpAddr>,
}

impl SessionReport {
    /// Reads a `CalicoNodeStatus` that is for a Node; `None` where it says nothing. Its age does not matter, since
    /// calico-node writes only what has changed.
    #[must_use]
    pub fn read(status: &Live, node: &str) -> Option<Self> {
        let updated = status.field("status", "lastUpdated")?.as_str()?;
        if updated.is_empty() || status.spec_text("node") != node {
            return None;
        }
        let bgp = status.field("status", "bgp")?;
        let (mut listed, mut up) = (BTreeSet::new(), BTreeSet::new());
        for (family, field) in FAMILIES {
            let peers = bgp[field].as_array().into_iter().flatten();
            for peer in peers {
                listed.insert(family);
                up.extend(established(peer));
            }
        }
        (!listed.is_empty()).then_some(Self { listed, up })
    }

    /// Whether the session with an address is up; `None` where the report does not say.
    fn is_up(&self, address: IpAddr) -> Option<bool> {
        let says = self.listed.contains(&Family::of(address));
        says.then(|| self.up.contains(&address))
    }
}

/// The address of a peer of a BGPPeer whose session is up.
fn established(peer: &Value) -> Option<IpAddr> {
    let of_peer = peer["type"] == "NodePeer" || peer["type"] == "GlobalPeer";
    (of_peer && peer["state"] == "Established").then(|| peer["peerIP"].as_str()?.parse().ok())?
}

/// The sessions of one reflector that are not up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The units at their other ends.
    pub nodes: BTreeSet<UnitName>,
    /// Whether it has any other that is up.
    pub has_others: bool,
}

/// What the reports say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionsUp {
    /// The reflectors of which a report says that a session is not up.
    pub missing: BTreeMap<UnitName, Missing>,
    /// Whether reports say of every session, of at least one, that it is up.
    pub all: bool,
}

impl SessionsUp {
    /// Holds what is expected against the reports. Nothing is asked of units that are passed over, nor of sessions with
    /// them.
    #[must_use]
    pub fn new(
        expected: &Expected,
        reports: &BTreeMap<UnitName, SessionReport>,
        without: &BTreeSet<UnitName>,
    ) -> Self {
        let mut missing = BTreeMap::new();
        let (mut asked, mut up) = (0_usize, 0_usize);
        let reflectors = expected.0.iter();
        for (reflector, sessions) in reflectors.filter(|(unit, _)| !without.contains(unit)) {
            let report = reports.get(reflector);
            let (mut nodes, mut own) = (BTreeSet::new(), 0_usize);
            for (unit, address) in sessions.iter().filter(|(unit, _)| !without.contains(unit)) {
                asked += 1;
                match report.and_then(|report| report.is_up(*address)) {
                    Some(true) => own += 1,
                    Some(false) => {
                        nodes.insert(unit.clone());
                    }
                    None => {}
                }
            }
            up += own;
            if !nodes.is_empty() {
                let has_others = own > 0;
                missing.insert(reflector.clone(), Missing { nodes, has_others });
            }
        }
        Self {
            missing,
            all: asked > 0 && asked == up,
        }
    }
}

/// The units to go on without where sessions are missing: a reflector that has none, else the other ends.
#[must_use]
pub fn at_fault(missing: &BTreeMap<UnitName, Missing>) -> BTreeSet<UnitName> {
    let units = missing.iter().flat_map(|(reflector, missing)| {
        if missing.has_others {
            missing.nodes.clone()
        } else {
            BTreeSet::from([reflector.clone()])
        }
    });
    units.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::fixtures::fabric;
    use serde_json::json;

    const FOUR: &[&str] = &["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.5/24"];
    const NO_MESH: (&str, &str) = ("node-to-node-mesh", "false");
    const TWO: (&str, &str) = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.1}");
    const PEERS: (&str, &str) = (
        "global-bgp-peers",
        "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]",
    );

    fn unit(number: u32) -> UnitName {
        format!("calico/{number}").parse().unwrap()
    }

    fn units(numbers: &[u32]) -> BTreeSet<UnitName> {
        numbers.iter().map(|number| unit(*number)).collect()
    }

    fn status(peers: &[(&str, &str, &str)]) -> Live {
        let peers: Vec<Value> = peers
            .iter()
            .map(|(ip, kind, state)| json!({"peerIP": ip, "type": kind, "state": state}))
            .collect();
        Live::new(json!({
            "metadata": {"name": "calico-0"}, "spec": {"node": "node-0"},
            "status": {"lastUpdated": "2026-01-01T00:00:00Z", "bgp": {"peersV4": peers, "peersV6": []}},
        }))
    }

    fn report(peers: &[(&str, &str, &str)]) -> SessionReport {
        SessionReport::read(&status(peers), "node-0").expect("it says something")
    }

    const UP: [(&str, &str, &str); 3] = [
        ("10.0.0.3", "NodePeer", "Established"),
        ("10.0.0.4", "NodePeer", "Established"),
        ("10.0.0.5", "GlobalPeer", "Established"),
    ];

    fn up(reports: &[(u32, SessionReport)], without: &[u32]) -> SessionsUp {
        let expected = Expected::new(&fabric(&[NO_MESH, TWO, PEERS], FOUR));
        let reports = reports.iter().cloned();
        let reports = reports.map(|(number, report)| (unit(number), report));
        SessionsUp::new(&expected, &reports.collect(), &units(without))
    }

    fn lacks(missing: &SessionsUp) -> Vec<(String, String, bool)> {
        let names = |units: &BTreeSet<UnitName>| {
            let names: Vec<String> = units.iter().map(ToString::to_string).collect();
            names.join(",")
        };
        let missing = missing.missing.iter();
        missing
            .map(|(unit, one)| (unit.to_string(), names(&one.nodes), one.has_others))
            .collect()
    }

    #[test]
    fn a_reflector_is_to_have_its_clients_and_the_other_reflectors() {
        let expected = Expected::new(&fabric(&[NO_MESH, TWO, PEERS], FOUR));
        let of = |number: u32| -> Vec<String> {
            let sessions = expected.0.get(&unit(number)).into_iter().flatten();
            sessions.map(|(unit, ip)| format!("{unit} {ip}")).collect()
        };
        assert_eq!(
            of(0),
            [
                "calico/1 10.0.0.3",
                "calico/2 10.0.0.4",
                "calico/3 10.0.0.5"
            ]
        );
        assert_eq!(
            of(1),
            [
                "calico/0 10.0.0.2",
                "calico/2 10.0.0.4",
                "calico/3 10.0.0.5"
            ]
        );
        assert_eq!(expected.reflectors().count(), 2, "clients are not asked");
        let router = (
            "global-bgp-peers",
            "[{address: 10.0.0.9, as-number: 65000}]",
        );
        assert_eq!(
            Expected::new(&fabric(&[NO_MESH, TWO, router], FOUR)),
            Expected::default()
        );
        assert_eq!(Expected::new(&fabric(&[], FOUR)), Expected::default());
    }

    #[test]
    fn what_says_nothing_is_no_report() {
        let mut of_another = status(&UP);
        assert!(SessionReport::read(&of_another, "node-1").is_none());
        assert!(
            SessionReport::read(&status(&[]), "node-0").is_none(),
            "no peer at all"
        );
        for (path, value) in [
            ("lastUpdated", Value::Null),
            ("bgp", Value::Null),
            ("bgp", json!({})),
        ] {
            let mut object = status(&UP).value().clone();
            object["status"][path] = value;
            of_another = Live::new(object);
            assert!(
                SessionReport::read(&of_another, "node-0").is_none(),
                "{path}"
            );
        }
        let bare = json!({"metadata": {"name": "calico-0"}, "spec": {"node": "node-0"}});
        assert!(SessionReport::read(&Live::new(bare), "node-0").is_none());
    }

    #[test]
    fn only_sessions_that_a_report_knows_to_be_down_are_missing() {
        let second = || {
            report(&[
                ("10.0.0.2", "NodePeer", "Established"),
                ("10.0.0.4", "NodePeer", "Established"),
                ("10.0.0.5", "NodePeer", "Established"),
            ])
        };
        let none: [(String, String, bool); 0] = [];
        let whole = up(&[(0, report(&UP)), (1, second())], &[]);
        assert_eq!(
            (lacks(&whole).as_slice(), whole.all),
            (none.as_slice(), true)
        );
        let unknown = up(&[(0, report(&UP))], &[]);
        assert_eq!(
            (lacks(&unknown).as_slice(), unknown.all),
            (none.as_slice(), false)
        );
        assert_eq!(up(&[], &[]), SessionsUp::default());

        let mut down = UP;
        for (state, kind) in [
            ("Idle", "NodePeer"),
            ("", "NodePeer"),
            ("Established", "NodeMesh"),
        ] {
            down[1] = ("10.0.0.4", kind, state);
            let found = up(&[(0, report(&down)), (1, second())], &[]);
            assert_eq!(
                lacks(&found),
                [("calico/0".into(), "calico/2".into(), true)],
                "{state} {kind}"
            );
            assert!(!found.all);
            assert_eq!(at_fault(&found.missing), units(&[2]));
        }
        let unlisted = up(&[(0, report(&UP[..2])), (1, second())], &[]);
        assert_eq!(
            lacks(&unlisted),
            [("calico/0".into(), "calico/3".into(), true)]
        );
        assert!(
            up(&[(0, report(&UP[..2])), (1, second())], &[3]).all,
            "passed over"
        );
    }

    #[test]
    fn a_reflector_without_any_session_is_at_fault_itself() {
        let mesh = report(&[("10.0.0.4", "NodeMesh", "Established")]);
        let found = up(&[(0, mesh)], &[]);
        let all = "calico/1,calico/2,calico/3";
        assert_eq!(lacks(&found), [("calico/0".into(), all.into(), false)]);
        assert_eq!(at_fault(&found.missing), units(&[0]));
        let mesh = report(&[("10.0.0.4", "NodeMesh", "Established")]);
        assert_eq!(up(&[(0, mesh)], &[0]), SessionsUp::default());
    }

    #[test]
    fn a_family_that_a_report_does_not_list_says_nothing() {
        let dual = &["10.0.0.2/24", "10.0.0.3/24"];
        let mut wanted = fabric(
            &[
                NO_MESH,
                ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
                PEERS,
            ],
            dual,
        );
        for (node, address) in wanted.nodes.iter_mut().zip(["fd00::2/64", "fd00::3/64"]) {
            node.v6 = Some(crate::fabric::fixtures::address(address));
        }
        let more = fabric(
            &[(
                "global-bgp-peers",
                "[{address: 'fd00::2', as-number: 64512}]",
            )],
            dual,
        );
        wanted.peerings.extend(more.peerings);
        let expected = Expected::new(&wanted);
        let of_reflector = expected.0.get(&unit(0)).expect("it reflects");
        assert_eq!(of_reflector.len(), 2, "one a family: {of_reflector:?}");
        let reports = BTreeMap::from([(unit(0), report(&UP[..1]))]);
        let found = SessionsUp::new(&expected, &reports, &BTreeSet::new());
        assert_eq!((found.missing.len(), found.all), (0, false));
    }
}
