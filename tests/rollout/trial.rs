//! One change, back and forth between two configurations, until enough hooks have been killed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Instant;

use calico_charm::sim::juju::{JujuModel, Machine};
use serde_json::{Value, json};

use crate::fleet::{Chore, Fleet};
use crate::judge::{FOREIGN_FIELD, Judge, NOTE};
use crate::state::{State, connected};
use crate::support::real_cluster::RealCluster;
use crate::support::site::Site;
use crate::watch::{Event, Stream};

/// Sets the seed.
const SEED: &str = "ROLLOUT_SEED";
const DEFAULT_SEED: u64 = 6;
/// How many hooks of a change are killed.
const KILLS: usize = 50;
/// How many changes are overtaken by others at least.
const OVERTAKEN: usize = 4;
/// More rounds than kills would be a driver that kills nobody.
const ROUNDS: u8 = 15;
/// How much of what led to a broken rule is shown.
const SHOWN: usize = 25;
const GROUP: &str = "crd.projectcalico.org/v1";

/// A change of options, and what comes of it.
pub struct Change {
    /// Options before.
    pub old: &'static [(&'static str, &'static str)],
    /// Options after.
    pub new: &'static [(&'static str, &'static str)],
    /// What the pools' addresses begin with, where the change replaces the pool: before and after.
    pub drained: Option<[&'static str; 2]>,
    /// The state that the new options ask for ([`State::told`]).
    pub becomes: &'static [&'static str],
}

/// A change of options under which another one follows.
pub struct Overtaken {
    /// Options before.
    pub old: &'static [(&'static str, &'static str)],
    /// Options of the first change.
    pub first: &'static [(&'static str, &'static str)],
    /// Options of the second.
    pub second: &'static [(&'static str, &'static str)],
    /// The second comes after fewer changes of the cluster than these.
    pub changes: u32,
}

/// Five units and what watches them.
pub struct Trial {
    test: &'static str,
    seed: u64,
    site: Site,
}

/// calico/0 on the control plane, the others on workers.
fn five_units(addresses: &[&str; 5]) -> JujuModel {
    let machine = |(number, address): (usize, &&str)| {
        Machine::new(format!("node-{number}")).with_address("ens3", address)
    };
    let mut machines: Vec<Machine> = addresses.iter().enumerate().map(machine).collect();
    let workers = machines.split_off(1);
    JujuModel::charmed_kubernetes(machines, workers).expect("five machines of their own")
}

impl Trial {
    /// Five units at rest with the charm's defaults, in a cluster where others have written too. `None` when such tests
    /// are skipped on purpose.
    pub fn start_or_skip(test: &'static str, addresses: &[&str; 5]) -> Option<Self> {
        let site = Site::of_machines_or_skip(test, five_units(addresses), addresses)?;
        let given = std::env::var(SEED).ok();
        let seed = given.map_or(DEFAULT_SEED, |text| text.parse().expect("a number"));
        meddle(&site.cluster, addresses);
        site.driver.model(JujuModel::settle);
        Some(Self { test, seed, site })
    }

    /// Changes the options to and fro, each time to rest, and judges every write.
    pub fn run(&self, change: &Change) {
        let stream = Stream::begin(&self.site.cluster);
        let mut fleet = Fleet::new(&self.site, &stream, self.seed);
        self.site.configure(change.old);
        fleet.rest();
        let old = State::after(&stream.events()).told();
        all_connected(&stream);
        let begun = Instant::now();
        fleet.kill(KILLS);
        let mut rounds = 0_u8;
        loop {
            assert!(rounds < ROUNDS, "{} kills left", fleet.kills_left());
            let forth = rounds.is_multiple_of(2);
            if let Some([before, after]) = change.drained {
                fleet.meanwhile(self.pods(if forth { before } else { after }, rounds));
            }
            let from = stream.now();
            let options = if forth { change.new } else { change.old };
            self.site.configure(options);
            fleet.tell(format!("round {rounds}"));
            fleet.rest();
            self.judge(&stream.events(), from, None, &fleet);
            let told = State::after(&stream.events()).told();
            let expected = if forth {
                change.becomes.to_vec()
            } else {
                old.iter().map(String::as_str).collect()
            };
            assert_eq!(told, expected, "round {rounds}, {}", self.seed_note());
            rounds += 1;
            if forth && fleet.kills_left() == 0 {
                break;
            }
        }
        self.say(&format!(
            "{rounds} changes there and back, {}, {} events, {:?}",
            fleet.counts(),
            stream.count(),
            begun.elapsed()
        ));
        all_connected(&stream);
        for unit in self.site.driver.model(|model| model.charm_units()) {
            let status = self.site.status(&unit);
            assert!(status.starts_with("active: "), "{unit} {status}");
        }
        self.site.assert_nothing_is_written_by(&["update-status"]);
    }

    /// Changes the options, and changes them again before everybody has followed: again and again, back in between, each time
    /// to rest. Judges every write.
    pub fn run_overtaken(&self, change: &Overtaken) {
        let stream = Stream::begin(&self.site.cluster);
        let mut fleet = Fleet::new(&self.site, &stream, self.seed);
        let mut settle = |options| {
            let from = stream.now();
            self.site.configure(options);
            fleet.rest();
            self.judge(&stream.events(), from, None, &fleet);
            all_connected(&stream);
            State::after(&stream.events())
        };
        settle(change.old);
        let first = settle(change.first);
        let second = settle(change.second).told();
        let old = settle(change.old).told();
        let told = first.told();
        assert!(told != second && told != old);
        let begun = Instant::now();
        fleet.kill(KILLS / 2);
        let (mut rounds, mut overtaken) = (0_u8, 0);
        while fleet.kills_left() > 0 || overtaken < OVERTAKEN {
            assert!(
                rounds < ROUNDS,
                "{} kills left, {overtaken} overtaken",
                fleet.kills_left()
            );
            let from = stream.now();
            self.site.configure(change.first);
            let wanted = 1 + fleet.draw(change.changes);
            fleet.tell(format!("round {rounds}, for {wanted} changes"));
            let seen = fleet.go_on_until(wanted);
            let at = stream.now();
            self.site.configure(change.second);
            fleet.tell(format!("overtaken after {seen} changes"));
            fleet.rest();
            let events = stream.events();
            let by_then = events.iter().filter(|event| event.version <= at);
            overtaken += usize::from(State::after(by_then).told() != told);
            self.judge(&events, from, Some(&first), &fleet);
            self.assert_state(&stream, &second, rounds);
            let from = stream.now();
            self.site.configure(change.old);
            fleet.tell("back".to_owned());
            fleet.rest();
            self.judge(&stream.events(), from, None, &fleet);
            self.assert_state(&stream, &old, rounds);
            rounds += 1;
        }
        self.say(&format!(
            "{rounds} changes, {overtaken} of them overtaken, {}, {} events, {:?}",
            fleet.counts(),
            stream.count(),
            begun.elapsed()
        ));
        self.site.assert_nothing_is_written_by(&["update-status"]);
    }

    fn assert_state(&self, stream: &Stream, expected: &[String], round: u8) {
        let told = State::after(&stream.events()).told();
        assert_eq!(told, expected, "round {round}, {}", self.seed_note());
    }

    /// Judges a round, which began at a resource version; `overtaken` as in [`Judge::judge`].
    fn judge(&self, events: &[Event], from: u64, overtaken: Option<&State>, fleet: &Fleet<'_>) {
        let from = events.partition_point(|event| event.version <= from);
        let start = State::after(&events[..from]);
        let Err(found) = Judge::judge(start, overtaken, &events[from..]) else {
            return;
        };
        let at = from + found.event;
        panic!(
            "{}resource version {}: {}\n{}",
            history(&events[at.saturating_sub(SHOWN)..=at], fleet),
            events[at].version,
            found.message,
            self.seed_note()
        );
    }

    /// A block of a pool on each machine with a pod's address in it, and one chore for each that empties it.
    fn pods(&self, network: &str, round: u8) -> Vec<Chore<'_>> {
        let cluster = &self.site.cluster;
        let mut chores: Vec<Chore<'_>> = Vec::new();
        for number in 0..5_u8 {
            let (node, subnet) = (format!("node-{number}"), u16::from(number) * 64);
            // A block with a tunnel's address stays where it is.
            let (third, fourth) = (u16::from(round) * 2 + subnet / 256, subnet % 256);
            let cidr = format!("{network}.{third}.{fourth}/26");
            let name = cidr.replace(['.', '/'], "-");
            let tunnel = json!({"handle_id": format!("ipip-tunnel-addr-{node}"), "secondary": {"node": node, "type": "ipipTunnelAddress"}});
            let pod = json!({"handle_id": "k8s-pod-network.aa", "secondary": {"node": node, "namespace": "default", "pod": "web"}});
            let spec = |allocations: Value, attributes: Value| json!({"cidr": cidr, "affinity": format!("host:{node}"), "allocations": allocations, "attributes": attributes, "unallocated": [2], "strictAffinity": false});
            let full = spec(json!([0, 1, null]), json!([tunnel, pod]));
            let empty = spec(json!([0, null, null]), json!([tunnel]));
            make(cluster, "ipamblocks", &object("IPAMBlock", &name, &full));
            let affinity =
                json!({"cidr": cidr, "node": node, "state": "confirmed", "deleted": "false"});
            let affinity = object("BlockAffinity", &format!("{node}-{name}"), &affinity);
            make(cluster, "blockaffinities", &affinity);
            chores.push(Box::new(move || {
                let path = format!("/apis/{GROUP}/ipamblocks/{name}");
                let change = json!({"spec": empty});
                cluster.write("PATCH", &path, "calico-node", Some("merge"), change);
            }));
        }
        chores
    }

    fn seed_note(&self) -> String {
        format!("{SEED}={}", self.seed)
    }

    /// Written past the test harness, which hides what passing tests print.
    fn say(&self, text: &str) {
        let line = format!("{}: {text} ({})\n", self.test, self.seed_note());
        let _closed_stderr = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Everybody reaches everybody, else there would be nothing to lose.
fn all_connected(stream: &Stream) {
    let state = State::after(&stream.events());
    let pairs = connected(&state.fabric());
    assert_eq!(pairs.len(), 20, "{pairs:#?}\n{:#?}", state.told());
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn make(cluster: &RealCluster, plural: &str, object: &Value) {
    let path = format!("/apis/{GROUP}/{plural}");
    cluster.write("POST", &path, "calico-node", Some("json"), object.clone());
}

/// What others have in the cluster: nobody may touch it, and it makes no session that matters.
fn meddle(cluster: &RealCluster, addresses: &[&str; 5]) {
    let stranger =
        json!({"peerIP": "10.9.9.9", "asNumber": 65009, "nodeSelector": "has(example.com/none)"});
    let router = json!({"peerIP": "10.9.9.8", "asNumber": 65008, "node": "node-0"});
    let services =
        json!({"cidr": "172.30.0.0/24", "allowedUses": ["LoadBalancer"], "blockSize": 26});
    for (plural, object) in [
        ("bgppeers", object("BGPPeer", "my-peer", &stranger)),
        ("bgppeers", object("BGPPeer", "calico-0-router", &router)),
        ("ippools", object("IPPool", "services", &services)),
        (
            "bgpconfigurations",
            object(
                "BGPConfiguration",
                "node.node-0",
                &json!({"logSeverityScreen": "Debug"}),
            ),
        ),
    ] {
        make(cluster, plural, &object);
    }
    let mut shared = object("BGPConfiguration", "default", &json!({FOREIGN_FIELD: 1000}));
    shared["metadata"]["annotations"] = json!({NOTE: "mine"});
    make(cluster, "bgpconfigurations", &shared);
    for (number, address) in addresses.iter().enumerate() {
        let annotations = json!({NOTE: "mine", "projectcalico.org/IPv4Address": address});
        let change = json!({"metadata": {"annotations": annotations}});
        let path = format!("/api/v1/nodes/node-{number}");
        cluster.write("PATCH", &path, "calico-node", Some("merge"), change);
    }
}

/// Events, and what the hooks did between them.
fn history(events: &[Event], fleet: &Fleet<'_>) -> String {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return String::new();
    };
    let mut lines: Vec<(Instant, String)> = fleet
        .told()
        .iter()
        .filter(|(at, _)| (first.seen..=last.seen).contains(at))
        .map(|(at, text)| (*at, format!("    {text}")))
        .collect();
    lines.extend(events.iter().map(|event| (event.seen, line(event))));
    lines.sort_by_key(|(at, _)| *at);
    let mut text = String::new();
    for (at, line) in lines {
        let after = at.duration_since(first.seen);
        let _ = writeln!(text, "{after:>10.3?} {line}");
    }
    text
}

fn line(event: &Event) -> String {
    let Event {
        version,
        plural,
        name,
        object,
        ..
    } = event;
    let Some(object) = object else {
        return format!("{version} {plural} {name} deleted");
    };
    let annotations = object["metadata"]["annotations"].as_object();
    let annotations: String = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| {
            ["applied", "rollout", "ASNumber", "RouteReflectorClusterID"]
                .iter()
                .any(|known| key.ends_with(known))
        })
        .fold(String::new(), |mut text, (key, value)| {
            let _ = write!(text, " {}={value}", key.rsplit('/').next().unwrap_or(key));
            text
        });
    let spec = if *plural == "nodes" {
        &Value::Null
    } else {
        &object["spec"]
    };
    format!("{version} {plural} {name}{annotations} {spec}")
}
