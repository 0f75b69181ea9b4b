//! Small fabrics before and after a change.

use super::*;
use crate::fabric::fixtures::fabric;
use crate::fabric::{Budget, Topology, check};

const THREE: &[&str] = &["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24"];
const FIVE: &[&str] = &[
    "10.0.0.2/24",
    "10.0.0.3/24",
    "10.0.0.4/24",
    "10.0.0.5/24",
    "10.0.0.6/24",
];
const NO_MESH: (&str, &str) = ("node-to-node-mesh", "false");
/// All peer with the first unit.
const HUB: (&str, &str) = (
    "global-bgp-peers",
    "[{address: 10.0.0.2, as-number: 64512}]",
);
const REFLECTS: (&str, &str) = ("route-reflector-cluster-ids", "{0: 1.0.0.1}");

fn change(there: &Topology, wanted: &Topology) -> Difference {
    let there = check(there, Budget::COMMAND);
    let wanted = check(wanted, Budget::COMMAND);
    compare(&there, &wanted)
}

/// Kept, restarted, lost, gained; pairs lost and gained; codes.
fn outcome(difference: &Difference) -> ([u64; 4], (u64, u64), Vec<u16>) {
    let totals = difference.sessions;
    let codes = difference.findings.iter().map(|finding| finding.code.0);
    (
        [totals.kept, totals.restarted, totals.lost, totals.gained],
        difference.pairs(),
        codes.collect(),
    )
}

fn effects(difference: &Difference) -> Vec<(Effect, u64)> {
    let changed = difference.changed.iter();
    changed.map(|one| (one.effect, one.sessions)).collect()
}

#[test]
fn the_same_fabric_is_no_change() {
    for options in [&[][..], &[HUB], &[NO_MESH, HUB, REFLECTS]] {
        let fabric = fabric(options, FIVE);
        let same = change(&fabric, &fabric);
        let up = same.sessions.kept;
        assert!(up > 0, "{options:?}");
        assert_eq!(
            outcome(&same),
            ([up, 0, 0, 0], (0, 0), vec![]),
            "{options:?}"
        );
        assert_eq!((same.changed, same.reach), (vec![], Some(vec![])));
    }
}

#[test]
fn a_mesh_that_goes_takes_its_sessions_and_their_pairs_along() {
    let difference = change(&fabric(&[], FIVE), &fabric(&[NO_MESH], FIVE));
    assert_eq!(outcome(&difference), ([0, 0, 10, 0], (20, 0), vec![102]));
    let [lost] = difference.changed.as_slice() else {
        panic!("{:?}", difference.changed);
    };
    assert_eq!((lost.before, lost.after), (Some(Kind::Mesh), None));
    let five: Vec<String> = (0..5).map(|number| format!("calico/{number}")).collect();
    assert_eq!((&lost.near, lost.far.len()), (&five, 0));
    let [pairs] = difference.reach.as_deref().unwrap() else {
        panic!("{:?}", difference.reach);
    };
    assert_eq!(
        (&pairs.from, &pairs.to, pairs.fate),
        (&five, &five, Fate::NoRoute)
    );
    let back = change(&fabric(&[NO_MESH], FIVE), &fabric(&[], FIVE));
    assert_eq!(outcome(&back), ([0, 0, 0, 10], (0, 20), vec![]));
}

#[test]
fn a_mesh_replaced_by_a_reflector_restarts_some_and_loses_others() {
    // The reflector's four sessions swap the mesh for a peer; the other six of the mesh go.
    let wanted = fabric(&[NO_MESH, HUB, REFLECTS], FIVE);
    let difference = change(&fabric(&[], FIVE), &wanted);
    assert_eq!(outcome(&difference), ([0, 4, 6, 0], (0, 0), vec![101]));
    assert_eq!(
        effects(&difference),
        [(Effect::Lost, 6), (Effect::Restarted(Reason::Kind), 4)]
    );
    let restarted = &difference.changed[1];
    assert_eq!(
        (restarted.before, restarted.after),
        (Some(Kind::Mesh), Some(Kind::Peer))
    );
    let mut ends = [restarted.near.len(), restarted.far.len()];
    ends.sort_unstable();
    assert_eq!(ends, [1, 4]);
}

#[test]
fn sessions_to_a_new_node_replace_the_mesh_too_late() {
    // Of six units the last is new: the others' sessions with it cannot be up before the mesh has gone.
    let six: Vec<&str> = FIVE.iter().copied().chain(["10.0.0.7/24"]).collect();
    let options = [
        NO_MESH,
        (
            "global-bgp-peers",
            "[{address: 10.0.0.7, as-number: 64512}]",
        ),
        ("route-reflector-cluster-ids", "{5: 1.0.0.1}"),
    ];
    let difference = change(&fabric(&[], FIVE), &fabric(&options, &six));
    // The new node's pairs are gained, none is lost.
    assert_eq!(outcome(&difference), ([0, 0, 10, 5], (0, 10), vec![100]));
    let finding = &difference.findings[0];
    assert_eq!(
        finding.command.as_deref(),
        Some("juju config calico node-to-node-mesh=true")
    );
    assert_eq!(finding.origin.to_string(), "node-to-node-mesh");
    // With the mesh kept for now nothing goes.
    let staged = change(&fabric(&[], FIVE), &fabric(&options[1..], &six));
    assert_eq!(outcome(&staged), ([10, 0, 0, 5], (0, 10), vec![]));
}

#[test]
fn a_cluster_id_restarts_what_is_reflected() {
    let there = fabric(&[NO_MESH, HUB, REFLECTS], THREE);
    let other = ("route-reflector-cluster-ids", "{0: 1.0.0.2}");
    let difference = change(&there, &fabric(&[NO_MESH, HUB, other], THREE));
    assert_eq!(outcome(&difference), ([0, 2, 0, 0], (0, 0), vec![101]));
    let restarted = Effect::Restarted(Reason::Reflection);
    assert_eq!(effects(&difference), [(restarted, 2)]);
    let origin = difference.findings[0].origin.to_string();
    assert_eq!(origin, "route-reflector-cluster-ids");
}

#[test]
fn as_numbers_that_move_restart_everything() {
    let there = fabric(&[], THREE);
    let all = change(&there, &fabric(&[("global-as-number", "64513")], THREE));
    assert_eq!(outcome(&all), ([0, 3, 0, 0], (0, 0), vec![105]));
    assert_eq!(effects(&all), [(Effect::Restarted(Reason::AsNumber), 3)]);
    assert_eq!(all.findings[0].origin.to_string(), "global-as-number");
    assert_eq!(all.findings[0].units.len(), 3);
    // One machine alone is no reason to go rack by rack.
    let one = [("unit-as-numbers", "{1: 64513}")];
    let one = change(&there, &fabric(&one, THREE));
    assert_eq!(outcome(&one), ([1, 2, 0, 0], (0, 0), vec![101]));
    assert_eq!(one.findings[0].origin.to_string(), "unit-as-numbers: 1");
}

#[test]
fn a_tunnel_that_changes_cuts_pods_off() {
    let codes = |before: &[(&str, &str)], after: &[(&str, &str)]| {
        outcome(&change(&fabric(before, THREE), &fabric(after, THREE))).2
    };
    let (ipip, vxlan) = (("ipip", "Always"), ("vxlan", "Always"));
    let elsewhere = ("cidr", "10.1.0.0/16");
    for (before, after, expected) in [
        (&[ipip][..], &[vxlan][..], vec![110]),
        (&[], &[ipip], vec![110]),
        (&[vxlan], &[], vec![110]),
        (&[ipip], &[("ipip", "CrossSubnet")], vec![]),
        (&[ipip], &[ipip], vec![]),
        // The old pool keeps its tunnel.
        (&[ipip], &[vxlan, elsewhere], vec![]),
    ] {
        assert_eq!(codes(before, after), expected, "{before:?} {after:?}");
    }
    let difference = change(&fabric(&[ipip], THREE), &fabric(&[vxlan], THREE));
    let finding = &difference.findings[0];
    assert_eq!(finding.origin.to_string(), "vxlan");
    assert!(
        finding
            .message
            .contains("192.168.0.0/16 from IPIP to VXLAN"),
        "{finding}"
    );
}

#[test]
fn the_last_reflector_is_missed() {
    let there = fabric(&[NO_MESH, HUB, REFLECTS], FIVE);
    let mut wanted = fabric(&[NO_MESH, HUB], FIVE);
    let difference = change(&there, &wanted);
    let (_, (lost, _), codes) = outcome(&difference);
    assert!(lost > 0);
    assert_eq!(codes, [103, 101]);
    let finding = &difference.findings[0];
    assert!(
        finding.message.starts_with("calico/0 reflects no longer"),
        "{finding}"
    );
    assert_eq!(finding.units.len(), 4);
    // The same where its unit goes.
    wanted.nodes.remove(0);
    wanted.peerings.clear();
    let gone = change(&there, &wanted);
    assert_eq!(outcome(&gone).2, [103]);
    // Another one has taken over, or the mesh is on again.
    let two = ("route-reflector-cluster-ids", "{1: 1.0.0.1}");
    let peers = (
        "global-bgp-peers",
        "[{address: 10.0.0.3, as-number: 64512}]",
    );
    for options in [&[NO_MESH, peers, two][..], &[]] {
        let (.., codes) = outcome(&change(&there, &fabric(options, FIVE)));
        assert!(!codes.contains(&103), "{options:?} {codes:?}");
    }
}

#[test]
fn routers_are_known_by_their_addresses() {
    let peers = |text| [("global-bgp-peers", text)];
    let there = fabric(&peers("[{address: 10.0.0.1, as-number: 64600}]"), THREE);
    let moved = fabric(&peers("[{address: 10.0.0.9, as-number: 64600}]"), THREE);
    assert_eq!(outcome(&change(&there, &moved)).0, [3, 0, 3, 3]);
    let renumbered = fabric(&peers("[{address: 10.0.0.1, as-number: 64601}]"), THREE);
    let difference = change(&there, &renumbered);
    assert_eq!(outcome(&difference).0, [3, 3, 0, 0]);
    let [row] = difference.changed.as_slice() else {
        panic!("{:?}", difference.changed);
    };
    assert!(
        row.near
            .iter()
            .chain(&row.far)
            .any(|end| end.contains("10.0.0.1")),
        "{row:?}"
    );
}

#[test]
fn nodes_that_come_are_gained_and_nodes_that_go_are_no_loss() {
    let (three, five) = (fabric(&[], THREE), fabric(&[], FIVE));
    assert_eq!(
        outcome(&change(&three, &five)),
        ([3, 0, 0, 7], (0, 14), vec![])
    );
    assert_eq!(
        outcome(&change(&five, &three)),
        ([3, 0, 7, 0], (0, 0), vec![])
    );
}

/// Sessions counted pair after pair, as nobody could for a thousand nodes.
fn counted_by_pairs(there: &Checked<'_>, wanted: &Checked<'_>) -> SessionTotals {
    use super::side::{End, Ends, Fabric};
    use std::collections::BTreeSet;
    let (now, then) = (Fabric::new(there), Fabric::new(wanted));
    let mut all: BTreeSet<Ends<'_>> = now
        .sessions
        .keys()
        .chain(then.sessions.keys())
        .copied()
        .collect();
    let names: BTreeSet<&str> = now
        .speakers
        .keys()
        .chain(then.speakers.keys())
        .copied()
        .collect();
    for one in &names {
        for other in names.range(*one..).skip(1) {
            for family in [Family::V4, Family::V6] {
                all.insert((family, End::Node(one), End::Node(other)));
            }
        }
    }
    let mut totals = SessionTotals::default();
    for ends in &all {
        match (now.up(ends), then.up(ends)) {
            (None, None) => {}
            (Some(_), None) => totals.lost += 1,
            (None, Some(_)) => totals.gained += 1,
            (Some(before), Some(after)) if before == after => totals.kept += 1,
            (Some(_), Some(_)) => totals.restarted += 1,
        }
    }
    totals
}

/// Pairs that reach each other, node by node.
fn reached(checked: &Checked<'_>) -> Vec<(String, String)> {
    let mut reached = Vec::new();
    for (origin, to) in (0..).zip(&checked.topology.nodes) {
        for (at, from) in (0..).zip(&checked.topology.nodes) {
            let (origin, at) = (checked.classes.of(origin), checked.classes.of(at));
            let mut planes = checked.planes.iter();
            if from != to && planes.all(|plane| plane.fate(origin, at).arrives()) {
                reached.push((from.name.clone(), to.name.clone()));
            }
        }
    }
    reached
}

#[test]
fn counting_by_kinds_is_counting_pair_by_pair() {
    use crate::fabric::{Classes, check_by_classes, derive};
    let units = [
        "10.0.0.2/24",
        "10.0.0.3/24",
        "10.0.0.4/24",
        "10.0.1.2/24",
        "10.0.1.3/24",
        "10.0.1.4/24",
    ];
    let choices: &[&[(&str, &str)]] = &[
        &[],
        &[NO_MESH],
        &[HUB],
        &[HUB, REFLECTS],
        &[("subnet-as-numbers", "{10.0.1.0/24: 64513}")],
        &[("unit-as-numbers", "{1: 64513, 4: 64514}"), HUB],
        &[(
            "unit-bgp-peers",
            "{1: [{address: 10.0.1.2, as-number: 64512}]}",
        )],
        &[("global-as-number", "64600"), ("vxlan", "Always")],
        &[
            NO_MESH,
            HUB,
            ("route-reflector-cluster-ids", "{0: 0.0.0.0, 1: 1.0.0.1}"),
        ],
    ];
    let fabrics = choices.iter().flat_map(|options| {
        let all = fabric(options, &units);
        let fewer = fabric(options, &units[..4]);
        [all, fewer]
    });
    let fabrics: Vec<Topology> = fabrics.collect();
    for there in &fabrics {
        for wanted in &fabrics {
            let difference = change(there, wanted);
            let discrete = |topology| {
                let sessions = derive(topology);
                let classes = Classes::discrete(&sessions);
                check_by_classes(topology, sessions, classes, Budget::COMMAND)
            };
            let (there, wanted) = (discrete(there), discrete(wanted));
            assert_eq!(difference.sessions, counted_by_pairs(&there, &wanted));
            let (before, after) = (reached(&there), reached(&wanted));
            let of_nodes = |gained: bool| -> u64 {
                let changes = difference.reach.iter().flatten();
                let changes = changes.filter(|one| one.gained == gained);
                let changes = changes.filter(|one| !one.from[0].starts_with("router"));
                changes.map(|one| one.pairs).sum()
            };
            let stays = |name: &String| wanted.topology.nodes.iter().any(|node| node.name == *name);
            let lost = before.iter().filter(|pair| !after.contains(pair));
            let lost = lost.filter(|(from, to)| stays(from) && stays(to)).count();
            let gained = after.iter().filter(|pair| !before.contains(pair)).count();
            assert_eq!(
                (of_nodes(false), of_nodes(true)),
                (lost as u64, gained as u64)
            );
        }
    }
}
