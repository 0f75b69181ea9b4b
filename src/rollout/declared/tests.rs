//! Small fabrics before and after a change.

use super::*;
use crate::fabric::fixtures::fabric;

const FOUR: &[&str] = &["10.0.0.2/24", "10.0.0.3/24", "10.0.0.4/24", "10.0.0.5/24"];
const NO_MESH: (&str, &str) = ("node-to-node-mesh", "false");
/// All peer with the first unit.
const HUB: (&str, &str) = (
    "global-bgp-peers",
    "[{address: 10.0.0.2, as-number: 64512}]",
);
const REFLECTS: (&str, &str) = ("route-reflector-cluster-ids", "{0: 1.0.0.1}");
/// The first two reflect; each of the others has one of them.
const ONE_EACH: (&str, &str) = (
    "unit-bgp-peers",
    "{1: [{address: 10.0.0.2, as-number: 64512}], 2: [{address: 10.0.0.2, as-number: 64512}], \
     3: [{address: 10.0.0.3, as-number: 64512}]}",
);

type Options = [(&'static str, &'static str)];

fn found(old: &Options, new: &Options) -> Vec<Declared> {
    declared(&fabric(old, FOUR), &fabric(new, FOUR))
}

fn kinds(declared: &[Declared]) -> Vec<(DeclaredKind, u64)> {
    declared.iter().map(|one| (one.kind, one.pairs)).collect()
}

/// Pairs of units that a cut covers.
fn covered(declared: &Declared) -> Vec<(usize, usize)> {
    let units = 0..FOUR.len();
    let pairs = units
        .clone()
        .flat_map(|one| units.clone().map(move |other| (one, other)));
    pairs
        .filter(|(one, other)| one < other)
        .filter(|(one, other)| declared.covers(&format!("node-{one}"), &format!("node-{other}")))
        .collect()
}

#[test]
fn what_changes_nothing_of_the_fabric_cuts_nobody() {
    for options in [&[][..], &[HUB], &[NO_MESH, HUB, REFLECTS]] {
        assert_eq!(found(options, options), [], "{options:?}");
    }
    let peers = (
        "global-bgp-peers",
        "[{address: 10.0.9.1, as-number: 64600}]",
    );
    assert_eq!(found(&[], &[peers]), [], "a router more");
}

#[test]
fn a_reflector_takes_over_from_the_mesh_by_swapping_its_own_sessions() {
    let there = found(&[], &[NO_MESH, HUB, REFLECTS]);
    assert_eq!(kinds(&there), [(DeclaredKind::Swap, 6)], "{there:?}");
    assert_eq!(covered(&there[0]), [(0, 1), (0, 2), (0, 3)]);
    assert_eq!(
        there[0].text,
        "sessions with calico/0 change between mesh and peer: down for about two seconds, 6 pairs"
    );
    let back = found(&[NO_MESH, HUB, REFLECTS], &[]);
    assert_eq!(kinds(&back), [(DeclaredKind::Swap, 6)], "{back:?}");
}

#[test]
fn an_as_number_cuts_its_own_node_alone() {
    let one = found(&[], &[("unit-as-numbers", "{2: 64600}")]);
    assert_eq!(kinds(&one), [(DeclaredKind::AsNumbers, 6)], "{one:?}");
    assert_eq!(covered(&one[0]), [(0, 2), (1, 2), (2, 3)]);
    assert_eq!(one[0].nodes, ["node-2".to_owned()].into());
    assert!(
        one[0].text.starts_with("AS numbers of calico/2 change: "),
        "{}",
        one[0].text
    );
    let all = found(&[], &[("global-as-number", "64600")]);
    assert_eq!(kinds(&all), [(DeclaredKind::AsNumbers, 12)], "{all:?}");
    // The same numbers, only written down.
    let same = ("subnet-as-numbers", "{10.0.0.0/24: 64512}");
    assert_eq!(found(&[], &[same]), []);
    assert_eq!(found(&[same], &[]), []);
}

#[test]
fn whoever_needs_a_node_that_moves_is_cut_with_it() {
    let of = |numbers, peers| {
        [
            NO_MESH,
            ("unit-as-numbers", numbers),
            ("global-bgp-peers", peers),
        ]
    };
    // The first passes on between the others, each in an AS of its own.
    let there = of(
        "{0: 64600, 1: 64601, 2: 64602, 3: 64603}",
        "[{address: 10.0.0.2, as-number: 64600}]",
    );
    let wanted = of(
        "{0: 64610, 1: 64601, 2: 64602, 3: 64603}",
        "[{address: 10.0.0.2, as-number: 64610}]",
    );
    let found = found(&there, &wanted);
    assert_eq!(kinds(&found), [(DeclaredKind::AsNumbers, 12)], "{found:?}");
    assert_eq!(covered(&found[0]).len(), 6);
}

#[test]
fn another_encapsulation_cuts_everybody() {
    let found = found(&[], &[("ipip", "Always"), ("vxlan", "Never")]);
    let Some(one) = found
        .iter()
        .find(|one| one.kind == DeclaredKind::Encapsulation)
    else {
        panic!("{found:?}");
    };
    assert_eq!((one.pairs, covered(one).len()), (12, 6));
    let mode = self::found(&[("vxlan", "Always")], &[("vxlan", "CrossSubnet")]);
    assert_eq!(mode, []);
    assert!(
        one.text
            .contains(" goes from no encapsulation to IPIP Always"),
        "{}",
        one.text
    );
}

#[test]
fn reflectors_that_change_together_cut_whoever_needs_both() {
    let both = ("route-reflector-cluster-ids", "{0: 1.0.0.1, 1: 1.0.0.2}");
    let wanted = &[NO_MESH, ONE_EACH, both];
    let there = found(&[], wanted);
    let Some(one) = there
        .iter()
        .find(|one| one.kind == DeclaredKind::Reflectors)
    else {
        panic!("{there:?}");
    };
    // The second reflector is in the mesh still, and passes on nothing of the first; and the other way round.
    assert!(
        one.covers("node-3", "node-0") && one.covers("node-2", "node-1"),
        "{one:?}"
    );
    assert!(!one.covers("node-0", "node-2"), "{one:?}");
    // With every client of both there is always a way.
    let clients = (
        "global-bgp-peers",
        "[{address: 10.0.0.2, as-number: 64512}, {address: 10.0.0.3, as-number: 64512}]",
    );
    let there = found(&[], &[NO_MESH, clients, both]);
    assert_eq!(kinds(&there).len(), 1, "{there:?}");
    assert_eq!(there[0].kind, DeclaredKind::Swap);
    // Two that take each other's ID have one in between.
    let swapped = ("route-reflector-cluster-ids", "{0: 1.0.0.2, 1: 1.0.0.1}");
    let swapped = found(wanted, &[NO_MESH, ONE_EACH, swapped]);
    assert_eq!(swapped.len(), 1, "{swapped:?}");
    assert_eq!(swapped[0].kind, DeclaredKind::Reflectors);
    assert!(swapped[0].covers("node-2", "node-3"));
}

#[test]
fn a_router_is_a_sender_by_its_address() {
    let peers = (
        "global-bgp-peers",
        "[{address: 10.0.0.1, as-number: 64600}]",
    );
    let renumbered = ("unit-as-numbers", "{2: 64601}");
    let found = found(&[peers], &[peers, renumbered]);
    assert!(found[0].covers("10.0.0.1", "node-2"), "{found:?}");
    assert!(!found[0].covers("10.0.0.1", "node-1"), "{found:?}");
}
