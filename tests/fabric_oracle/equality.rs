//! The engine's planes are what the simulator writes down, for every node and every speaker.

use std::cell::Cell;
use std::fmt::Write as _;

use calico_charm::fabric::{Budget, Checked, Classes, Plane, Topology, check_by_classes, derive};
use calico_charm::model::{Encapsulation, Family};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::fabrics::{Draft, draft};
use crate::links::speaker_of;
use crate::simulation::simulate;

pub fn by_classes(topology: &Topology) -> Checked<'_> {
    let sessions = derive(topology);
    let classes = Classes::new(topology, &sessions);
    check_by_classes(topology, sessions, classes, Budget::COMMAND)
}

pub fn encapsulation(checked: &Checked<'_>, plane: &Plane) -> Encapsulation {
    plane.pools.first().map_or(Encapsulation::None, |pool| {
        checked.topology.pools[*pool as usize].encapsulation
    })
}

/// Holds every plane to the simulator; the error has the fabric and every difference. `false` where there are too many
/// routes to write down.
fn compare(draft: &Draft) -> Result<bool, TestCaseError> {
    let topology = draft.topology();
    let checked = by_classes(&topology);
    for plane in &checked.planes {
        let Some(outcome) = simulate(
            &topology,
            &checked.sessions,
            plane.family,
            encapsulation(&checked, plane),
        ) else {
            return Ok(false);
        };
        let mut wrong = String::new();
        for origin in 0..checked.sessions.nodes {
            let of = checked.classes.of(origin);
            if !plane.has_blocks(of) {
                continue;
            }
            if !plane.is_computed(of) {
                return Ok(false);
            }
            for at in 0..speaker_of(outcome.fates[origin as usize].len()) {
                if at == origin {
                    continue;
                }
                let class = checked.classes.of(at);
                let (received, fate) = (plane.received(of, class), plane.fate(of, class));
                let should = outcome.received[origin as usize][at as usize];
                let fates = &outcome.fates[origin as usize][at as usize];
                if received != should || !fates.contains(&fate) {
                    let _ = writeln!(
                        wrong,
                        "  block of {origin} at {at}: {received} {fate:?}, should be {should} {fates:?}"
                    );
                }
            }
        }
        if !wrong.is_empty() {
            let wrong: Vec<&str> = wrong.lines().take(6).collect();
            let wrong = wrong.join("\n");
            return Err(TestCaseError::fail(format!(
                "{:?} {:?}\n{wrong}\n{}",
                plane.family,
                encapsulation(&checked, plane),
                describe(&checked, plane.family),
            )));
        }
    }
    Ok(true)
}

/// The fabric in lines.
fn describe(checked: &Checked<'_>, family: Family) -> String {
    let (topology, sessions) = (checked.topology, &checked.sessions);
    let mut text = String::new();
    for (speaker, node) in topology.nodes.iter().enumerate() {
        // Of a class, its first two.
        let class = checked.classes.of(speaker_of(speaker));
        if !checked.classes.members(class)[..]
            .iter()
            .take(2)
            .any(|one| *one == speaker_of(speaker))
        {
            continue;
        }
        let _ = writeln!(
            text,
            "  {speaker}: node {:?} AS {} ({}) cluster {:?} gateway {:?} class {}",
            node.address(family).map(|address| address.ip),
            topology.as_number_of(node),
            if node.as_number.is_some() {
                "annotated"
            } else {
                "global"
            },
            sessions.clusters[speaker]
                .map(|cluster| (cluster.configured.ipv4(), cluster.effective)),
            node.gateway,
            class,
        );
    }
    for (index, router) in sessions.routers.iter().enumerate() {
        let addresses: Vec<_> = router.addresses.iter().map(|address| address.ip).collect();
        let _ = writeln!(
            text,
            "  {}: router {addresses:?} AS {} reflects {} known {}",
            topology.nodes.len() + index,
            router.as_number,
            router.route_reflector,
            router.known,
        );
    }
    let shown = |speaker| {
        let members = checked.classes.members(checked.classes.of(speaker));
        members.iter().take(2).any(|one| *one == speaker)
    };
    for session in sessions.sessions.iter().filter(|one| one.family == family) {
        if !shown(session.near.speaker) || !shown(session.far.speaker) {
            continue;
        }
        let _ = writeln!(
            text,
            "  session {} {}: client {} {}, {:?} {:?}, AS {} {}",
            session.near.speaker,
            session.far.speaker,
            session.near.client,
            session.far.client,
            session.status,
            session.near.next_hop,
            session.near.local_as,
            session.far.local_as,
        );
    }
    let _ = writeln!(
        text,
        "  mesh {}, release {}",
        topology.mesh.value, topology.release
    );
    text
}

/// As many cases as that many times `PROPTEST_CASES` by 256, of which most have to be small enough to write down.
fn run(cases: u32, drafts: impl Strategy<Value = Draft>) {
    let cases = (cases * ProptestConfig::default().cases / 256).max(1);
    let left_out = Cell::new(0);
    let config = ProptestConfig {
        cases,
        max_shrink_iters: 600,
        max_shrink_time: 10_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&drafts, |draft| {
        let compared = compare(&draft)?;
        left_out.set(left_out.get() + u32::from(!compared));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    let left_out = left_out.get();
    assert!(
        left_out * 2 <= cases,
        "{left_out} of {cases} fabrics have too many routes"
    );
}

#[test]
fn small_fabrics_are_what_the_simulator_says() {
    run(3000, draft(5, 2, 5));
}

#[test]
fn medium_fabrics_are_what_the_simulator_says() {
    run(600, draft(14, 3, 8));
}

#[test]
fn large_fabrics_are_what_the_simulator_says() {
    run(40, draft(60, 4, 14));
}
