//! The documented changes as stories, and random ones.

use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;

use super::story::{Change, Story, owned};
use crate::fabric::{Address, Router};
use crate::model::{AsNumber, Cidr, UnitAddress, UnitName};
use crate::sim::run::ScenarioUnit;

/// The router every machine can reach; the first rack's, where there are racks.
const ROUTER_A: &str = "10.0.0.1";
/// Another one beside it.
const ROUTER_B: &str = "10.0.0.254";

/// How machines stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// All in one subnet.
    Flat,
    /// Every other one in a second subnet.
    Racks,
}

fn address(layout: Layout, index: u8) -> Ipv4Addr {
    match layout {
        Layout::Flat => Ipv4Addr::new(10, 0, 0, 10 + index),
        Layout::Racks => Ipv4Addr::new(10, 0, index % 2, 10 + index),
    }
}

fn named(application: &str, number: u32) -> UnitName {
    format!("{application}/{number}")
        .parse()
        .expect("a word, a slash and a number are a unit's name")
}

fn unit(layout: Layout, index: u8) -> ScenarioUnit {
    let ip = IpAddr::V4(address(layout, index));
    ScenarioUnit {
        unit: named("calico", u32::from(index)),
        principal: named("kubernetes-worker", u32::from(index)),
        node: format!("node-{index}")
            .parse()
            .expect("a word and a number are a node's name"),
        addresses: vec![UnitAddress {
            ip,
            subnet: Cidr::network_of(ip, 24),
            interface: "eth0".to_owned(),
        }],
        leader: index == 0,
        zone: (layout == Layout::Racks).then(|| format!("rack{}", index % 2)),
    }
}

fn routers(layout: Layout) -> Vec<Router> {
    let router = |name: &str, addresses: &[&str]| Router {
        name: name.to_owned(),
        addresses: addresses
            .iter()
            .filter_map(|text| text.parse().ok())
            .map(|ip| Address {
                ip,
                subnet: Cidr::network_of(ip, 24),
            })
            .collect(),
        as_number: AsNumber::DEFAULT,
        route_reflector: true,
        known: true,
    };
    match layout {
        Layout::Flat => vec![router("tor-a", &[ROUTER_A]), router("tor-b", &[ROUTER_B])],
        Layout::Racks => vec![router("spine", &[ROUTER_A, "10.0.1.1"])],
    }
}

fn story(
    name: &str,
    layout: Layout,
    units: u8,
    options: &[(&str, &str)],
    steps: Vec<Change>,
) -> Story {
    Story {
        name: name.to_owned(),
        application: "calico".to_owned(),
        units: (0..units).map(|index| unit(layout, index)).collect(),
        routers: routers(layout),
        installed: true,
        options: owned(options),
        settled: true,
        steps,
    }
}

/// `node-to-node-mesh`, `route-reflector-cluster-ids` and `global-bgp-peers` for these reflectors.
fn reflectors(layout: Layout, of: &[u8], cluster: &str) -> Vec<(String, String)> {
    let ids: Vec<String> = of.iter().map(|unit| format!("{unit}: {cluster}")).collect();
    let peers: Vec<String> = of
        .iter()
        .map(|unit| format!("{{address: {}, as-number: 64512}}", address(layout, *unit)))
        .collect();
    vec![
        ("node-to-node-mesh".to_owned(), "false".to_owned()),
        (
            "route-reflector-cluster-ids".to_owned(),
            format!("{{{}}}", ids.join(", ")),
        ),
        (
            "global-bgp-peers".to_owned(),
            format!("[{}]", peers.join(", ")),
        ),
    ]
}

fn peers(routers: &[&str]) -> String {
    let peers: Vec<String> = routers
        .iter()
        .map(|router| format!("{{address: {router}, as-number: 64512}}"))
        .collect();
    format!("[{}]", peers.join(", "))
}

fn set(options: Vec<(String, String)>) -> Change {
    Change::Config {
        set: options,
        reset: Vec::new(),
    }
}

/// Back to the mesh alone.
fn mesh() -> Change {
    Change::reset(&[
        "node-to-node-mesh",
        "route-reflector-cluster-ids",
        "global-bgp-peers",
    ])
}

fn remove(unit: u32, forced: bool) -> Change {
    Change::RemoveUnit {
        unit: named("calico", unit),
        forced,
    }
}

const AS_PER_RACK: (&str, &str) = (
    "subnet-as-numbers",
    "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513}",
);

fn as_texts(options: &[(String, String)]) -> Vec<(&str, &str)> {
    let texts = options.iter();
    texts
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect()
}

/// Every documented change, on this many units.
#[must_use]
pub fn documented(units: u8) -> Vec<Story> {
    let mut stories = of_reflectors(units);
    stories.extend(of_members(units));
    stories.extend(of_settings(units));
    stories.extend(first_deployments(units));
    stories
}

/// From the mesh to reflectors, between them, and back.
fn of_reflectors(units: u8) -> Vec<Story> {
    let flat = Layout::Flat;
    let told = |name, options: &[(String, String)], steps| {
        story(name, flat, units, &as_texts(options), steps)
    };
    let two = reflectors(flat, &[0, 1], "1.0.0.1");
    let [off, ids, globals] = [0, 1, 2].map(|index| set(vec![two[index].clone()]));
    vec![
        told("mesh to reflectors", &[], vec![set(two.clone())]),
        told(
            "mesh to reflectors in three calls",
            &[],
            vec![ids, Change::Hooks, globals, Change::Hooks, off],
        ),
        told("reflectors to mesh", &two, vec![mesh()]),
        told(
            "reflector moved",
            &reflectors(flat, &[0], "1.0.0.1"),
            vec![set(reflectors(flat, &[1], "1.0.0.1"))],
        ),
        told(
            "cluster ID changed",
            &two,
            vec![set(reflectors(flat, &[0, 1], "1.0.0.2"))],
        ),
        told(
            "a second change under the first",
            &[],
            vec![set(two.clone()), set(reflectors(flat, &[1, 2], "1.0.0.1"))],
        ),
    ]
}

/// Units come and go between reflectors.
fn of_members(units: u8) -> Vec<Story> {
    let flat = Layout::Flat;
    let two = reflectors(flat, &[0, 1], "1.0.0.1");
    let told = |name, step| story(name, flat, units, &as_texts(&two), vec![step]);
    vec![
        told("unit added", Change::AddUnit(unit(flat, units))),
        told("unit removed", remove(u32::from(units) - 1, false)),
        told("reflector removed", remove(1, false)),
    ]
}

/// Other peers, AS numbers and pools.
fn of_settings(units: u8) -> Vec<Story> {
    let [before, after] = [ROUTER_A, ROUTER_B].map(|router| peers(&[router]));
    vec![
        story(
            "peers replaced",
            Layout::Flat,
            units,
            &[("global-bgp-peers", &before)],
            vec![Change::set(&[("global-bgp-peers", &after)])],
        ),
        story(
            "AS number of a peer mended",
            Layout::Flat,
            units,
            &[(
                "global-bgp-peers",
                "[{address: 10.0.0.1, as-number: 64513}]",
            )],
            vec![Change::set(&[("global-bgp-peers", &before)])],
        ),
        story(
            "AS number for each rack, and back",
            Layout::Racks,
            units,
            &[],
            vec![
                Change::set(&[AS_PER_RACK]),
                Change::Hooks,
                Change::reset(&[AS_PER_RACK.0]),
            ],
        ),
        story(
            "cidr changed",
            Layout::Flat,
            units,
            &[],
            vec![Change::set(&[("cidr", "10.200.0.0/16")])],
        ),
    ]
}

/// Everything is set before there is any traffic.
fn first_deployments(units: u8) -> Vec<Story> {
    let told = |name, installed| Story {
        settled: false,
        installed,
        ..story(
            name,
            Layout::Flat,
            units,
            &[],
            vec![set(reflectors(Layout::Flat, &[0, 1], "1.0.0.1"))],
        )
    };
    vec![
        told("first deployment", true),
        told("first deployment, Calico too", false),
    ]
}

/// A story made up from a seed: one to three changes on three to six units.
#[must_use]
pub fn random(seed: u64) -> Story {
    let mut rng = Rng::with_seed(seed);
    let layout = if rng.bool() {
        Layout::Flat
    } else {
        Layout::Racks
    };
    let units = rng.u8(3..6);
    let start = configuration(layout, units, &mut rng);
    let steps = (0..rng.usize(1..4))
        .map(|_| match rng.u8(..8) {
            0 => Change::AddUnit(unit(layout, 50 + rng.u8(..40))),
            1 => remove(u32::from(rng.u8(..units)), rng.bool()),
            2 => Change::Hooks,
            _ => {
                let next = configuration(layout, units, &mut rng);
                let left = |name: &&str| next.iter().all(|(other, _)| other != name);
                Change::Config {
                    reset: DRAWN.into_iter().filter(left).map(str::to_owned).collect(),
                    set: next,
                }
            }
        })
        .collect();
    Story {
        options: start,
        ..story(&format!("random {seed}"), layout, units, &[], steps)
    }
}

/// The options that [`configuration`] sets.
const DRAWN: [&str; 5] = [
    "node-to-node-mesh",
    "route-reflector-cluster-ids",
    "global-bgp-peers",
    "subnet-as-numbers",
    "cidr",
];

/// Options that go well together.
fn configuration(layout: Layout, units: u8, rng: &mut Rng) -> Vec<(String, String)> {
    let mut options = match rng.u8(..4) {
        0 => Vec::new(),
        1 => owned(&[(
            "global-bgp-peers",
            &peers(&[*rng.choice([ROUTER_A, ROUTER_B].iter()).unwrap_or(&ROUTER_A)]),
        )]),
        _ => {
            let first = rng.u8(..units);
            let second = (first + 1) % units;
            let of: &[u8] = if rng.bool() {
                &[first, second]
            } else {
                &[first]
            };
            reflectors(layout, of, if rng.bool() { "1.0.0.1" } else { "1.0.0.2" })
        }
    };
    if layout == Layout::Racks && options.is_empty() && rng.bool() {
        options.extend(owned(&[AS_PER_RACK]));
    }
    if rng.u8(..4) == 0 {
        options.extend(owned(&[("cidr", "10.200.0.0/16")]));
    }
    options
}
