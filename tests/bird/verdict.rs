//! What the check says against what BIRD and the kernel do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Error;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use calico_charm::fabric::{Budget, Checked, Topology, check};

use super::lab::Lab;
use super::probe::{FLOWS, Heard};
use super::wiring::Wiring;

/// A session that should stay down is watched for that long.
const DOWN_FOR: Duration = Duration::from_secs(6);
/// Nothing may change for that long.
const STEADY_FOR: Duration = Duration::from_secs(1);
/// Then the disagreement is real.
const GIVE_UP_AFTER: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(200);
/// A busy machine drops packets.
const TRIES: u32 = 3;

/// What is so, in one family of a fabric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// The sessions that are up.
    pub sessions: BTreeSet<usize>,
    /// Origin of a block, and who was told of it by BGP.
    pub learned: BTreeSet<(usize, usize)>,
    /// Origin of a block, and from where packets for it arrive.
    pub arrives: BTreeSet<(usize, usize)>,
}

/// Of how many, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub sessions: (usize, usize),
    /// Between nodes; those that routers learned are compared too, but not counted.
    pub learned: (usize, usize),
    pub arrives: (usize, usize),
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "sessions {}/{}, learned {}/{}, arrives {}/{}",
            self.sessions.0,
            self.sessions.1,
            self.learned.0,
            self.learned.1,
            self.arrives.0,
            self.arrives.1
        )
    }
}

/// Runs every family of a fabric, and counts what is so where the check and BIRD agree.
///
/// # Panics
/// Where they do not.
pub fn agree(test: &str, topology: &Topology, programs: &Path) -> Vec<Count> {
    let checked = check(topology, Budget::COMMAND);
    let families = topology.families();
    assert!(!families.is_empty(), "nothing to compare");
    let counts = families.into_iter().map(|family| {
        let wiring = Wiring::new(topology, &checked.sessions, family);
        let expected = expected(&checked, &wiring);
        let lab = Lab::start(&wiring, topology.listen_port, programs)
            .unwrap_or_else(|error| panic!("{error}"));
        let seen = watch(test, &lab, &wiring, &expected).unwrap_or_else(|error| panic!("{error}"));
        if let Err(message) = compare(&wiring, &expected, &seen) {
            panic!("{message}{}", details(&lab, &wiring, &seen));
        }
        count(&wiring, topology.nodes.len(), &expected)
    });
    counts.collect()
}

fn expected(checked: &Checked<'_>, wiring: &Wiring) -> Picture {
    let classes = &checked.classes;
    let plane = checked
        .planes
        .iter()
        .find(|plane| plane.family == wiring.family);
    let plane = plane.expect("a plane for each family");
    let mut picture = Picture {
        sessions: (0..wiring.links.len())
            .filter(|link| wiring.links[*link].up)
            .collect(),
        ..Picture::default()
    };
    for (origin, at) in pairs(wiring) {
        let class = |machine: usize| classes.of(u32::try_from(machine).expect("few machines"));
        if plane.received(class(origin), class(at)) {
            picture.learned.insert((origin, at));
        }
        if plane.fate(class(origin), class(at)).arrives() {
            picture.arrives.insert((origin, at));
        }
    }
    picture
}

/// Machines with a block, and all others.
fn pairs(wiring: &Wiring) -> impl Iterator<Item = (usize, usize)> {
    let machines = &wiring.machines;
    let origins = (0..machines.len()).filter(|origin| machines[*origin].block.is_some());
    origins.flat_map(|origin| {
        (0..machines.len())
            .filter(move |at| *at != origin)
            .map(move |at| (origin, at))
    })
}

/// What is seen, with the whole of it once it is as expected or cannot be any more.
struct Seen {
    picture: Picture,
    states: BTreeMap<(usize, String), String>,
    heard: Heard,
}

fn watch(test: &str, lab: &Lab, wiring: &Wiring, expected: &Picture) -> Result<Seen, Error> {
    let start = Instant::now();
    let down = wiring.links.iter().any(|link| !link.up);
    let mut steady_since = start;
    let mut seen = bgp(lab, wiring)?;
    loop {
        thread::sleep(POLL);
        let now = bgp(lab, wiring)?;
        if now.picture != seen.picture {
            steady_since = Instant::now();
        }
        seen = now;
        let right =
            seen.picture.sessions == expected.sessions && seen.picture.learned == expected.learned;
        let watched = !down || start.elapsed() >= DOWN_FOR;
        if right && watched && steady_since.elapsed() >= STEADY_FOR {
            break;
        }
        if start.elapsed() >= GIVE_UP_AFTER {
            break;
        }
    }
    for _ in 0..TRIES {
        seen.heard = lab.packets(test)?;
        let all = u32::from(FLOWS);
        let whole = seen.heard.iter().filter(|(_, flows)| **flows == all);
        seen.picture.arrives = whole
            .map(|((to, from), _)| (usize::from(*to), usize::from(*from)))
            .collect();
        if seen.picture.arrives == expected.arrives {
            break;
        }
    }
    Ok(seen)
}

/// What BGP did so far.
fn bgp(lab: &Lab, wiring: &Wiring) -> Result<Seen, Error> {
    let states = lab.sessions()?;
    let up = |end: &(usize, String)| {
        states
            .get(end)
            .is_some_and(|state| state.starts_with("Established"))
    };
    let sessions = (0..)
        .zip(&wiring.links)
        .filter(|(_, link)| link.ends.iter().all(up));
    Ok(Seen {
        picture: Picture {
            sessions: sessions.map(|(index, _)| index).collect(),
            learned: lab.learned()?.into_iter().collect(),
            arrives: BTreeSet::new(),
        },
        states,
        heard: Heard::new(),
    })
}

/// Says where they differ.
fn compare(wiring: &Wiring, expected: &Picture, seen: &Seen) -> Result<(), String> {
    let name = |machine: usize| wiring.machines[machine].name.as_str();
    let mut lines = Vec::new();
    for index in expected
        .sessions
        .symmetric_difference(&seen.picture.sessions)
    {
        let link = &wiring.links[*index];
        let states: Vec<&str> = link
            .ends
            .iter()
            .map(|end| seen.states.get(end).map_or("not there", String::as_str))
            .collect();
        let said = if link.up { "up" } else { "down" };
        lines.push(format!(
            "{}: the check says {said}, BIRD says {states:?}",
            link.shown
        ));
    }
    for (origin, at) in expected.learned.symmetric_difference(&seen.picture.learned) {
        let said = if expected.learned.contains(&(*origin, *at)) {
            "yes"
        } else {
            "no"
        };
        lines.push(format!(
            "{} learns the block of {}: the check says {said}",
            name(*at),
            name(*origin)
        ));
    }
    for (origin, at) in expected.arrives.symmetric_difference(&seen.picture.arrives) {
        let said = if expected.arrives.contains(&(*origin, *at)) {
            "all"
        } else {
            "not all"
        };
        let key = (
            u8::try_from(*origin).unwrap_or(u8::MAX),
            u8::try_from(*at).unwrap_or(u8::MAX),
        );
        let flows = seen.heard.get(&key).copied().unwrap_or(0);
        lines.push(format!(
            "packets from {} to {}: the check says {said} arrive, {flows} of {FLOWS} do",
            name(*at),
            name(*origin)
        ));
    }
    if lines.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n", lines.join("\n")))
}

/// Tables and configuration of every machine: what somebody needs who has only the log of a failed run.
fn details(lab: &Lab, wiring: &Wiring, seen: &Seen) -> String {
    let name = |machine: usize| &wiring.machines[machine].name;
    let mut parts: Vec<String> = seen
        .states
        .iter()
        .map(|((machine, protocol), state)| format!("{} {protocol}: {state}\n", name(*machine)))
        .collect();
    for machine in 0..wiring.machines.len() {
        parts.push(lab.tables(machine));
        parts.push(lab.configuration(machine));
    }
    parts.concat()
}

fn count(wiring: &Wiring, nodes: usize, picture: &Picture) -> Count {
    let between_nodes =
        |pairs: &BTreeSet<(usize, usize)>| pairs.iter().filter(|(_, at)| *at < nodes).count();
    let all = nodes * (nodes - 1);
    Count {
        sessions: (picture.sessions.len(), wiring.links.len()),
        learned: (between_nodes(&picture.learned), all),
        arrives: (between_nodes(&picture.arrives), all),
    }
}
