use super::sessions::Counts;
use super::{Sources, report, to_json, wanted};
use crate::cli::diagnostics::listed;
use crate::cli::fabric::{Fabric, read_for_test};
use crate::fabric::{Budget, Code, Finding, Origin, Topology, Unmodelled, Verdict, check};
use crate::model::Place;

const FABRIC: &str = "\
options:
  node-to-node-mesh: false
  subnet-as-numbers: |
    10.0.30.0/24: 64513
  unit-bgp-peers:
    1:
    - {address: 10.0.0.1, as-number: 64513}
units:
  calico/0: {addresses: [10.0.0.2/24]}
  calico/1: {addresses: [10.0.0.3/24], gateway: none}
routers:
  tor: {addresses: [10.0.0.1/24], as-number: 64512}
";

fn fabric() -> Fabric {
    read_for_test(&[FABRIC]).unwrap()
}

fn option(option: &str, path: &str) -> Origin {
    Origin::Option(Place {
        option: option.into(),
        path: path.into(),
    })
}

/// The finding as the user sees it.
fn shown(finding: &Finding) -> String {
    let fabric = fabric();
    let sources = Sources::of(&fabric);
    listed(sources.files(), &[sources.diagnostic(finding)], false)
}

#[test]
fn an_error_points_at_the_value_and_at_the_other_place() {
    let folded = Finding::new(60, Origin::option("cidr"), "does not reach calico/1");
    let mut finding = Finding::new(
        20,
        option("unit-bgp-peers", "1[0]"),
        "gives 10.0.0.1 AS number 64513, and router tor has 64512",
    )
    .value(64513)
    .other(Origin::Router("tor".into()), "has 64512")
    .remedy("write 64512")
    .command("juju config calico unit-bgp-peers=\"{1: [{address: 10.0.0.1, as-number: 64512}]}\"");
    finding.folded = vec![folded; 6];
    assert_eq!(
        shown(&finding),
        r#"error[F020]: unit-bgp-peers: 1[0]: gives 10.0.0.1 AS number 64513, and router tor has 64512
  --> 0.yaml:7:38
   |
 7 |     - {address: 10.0.0.1, as-number: 64513}
   |                                      ^^^^^
   |
  ::: 0.yaml:12:3
   |
12 |   tor: {addresses: [10.0.0.1/24], as-number: 64512}
   |   --- has 64512
   |
   = note: so cidr: does not reach calico/1 (F060)
   = note: so cidr: does not reach calico/1 (F060)
   = note: so cidr: does not reach calico/1 (F060)
   = note: so cidr: does not reach calico/1 (F060)
   = note: so 2 more of the kind
   = help: write 64512
           juju config calico unit-bgp-peers="{1: [{address: 10.0.0.1, as-number: 64512}]}"

"#
    );
}

#[test]
fn a_warning_points_at_a_key() {
    let finding = Finding::new(
        6,
        option("subnet-as-numbers", "10.0.30.0/24"),
        "matches no unit",
    )
    .value("10.0.30.0/24")
    .other(Origin::option("node-to-node-mesh"), "is off");
    assert_eq!(
        shown(&finding),
        "\
warning[F006]: subnet-as-numbers: 10.0.30.0/24: matches no unit
 --> 0.yaml:4:5
  |
4 |     10.0.30.0/24: 64513
  |     ^^^^^^^^^^^^
  |
 ::: 0.yaml:2:22
  |
2 |   node-to-node-mesh: false
  |                      ----- is off

"
    );
}

#[test]
fn an_option_of_many_entries_is_pointed_at_by_its_name() {
    let finding = Finding::new(
        60,
        Origin::option("unit-bgp-peers"),
        "does not peer calico/0",
    );
    assert!(
        shown(&finding).contains("5 |   unit-bgp-peers:\n  |   ^^^^^^^^^^^^^^"),
        "{}",
        shown(&finding)
    );
    let finding = Finding::new(40, Origin::option("node-to-node-mesh"), "is false");
    assert!(
        shown(&finding).contains("0.yaml:2:22"),
        "{}",
        shown(&finding)
    );
}

#[test]
fn what_is_not_modelled_is_a_note() {
    let fabric = fabric();
    let mut topology = wanted(&fabric).unwrap();
    let notes = |topology: &Topology| {
        let found = check(topology, Budget::COMMAND).findings;
        found
            .iter()
            .filter(|finding| finding.code == Code(108))
            .map(shown)
            .collect::<Vec<_>>()
    };
    assert_eq!(notes(&topology), Vec::<String>::new());
    topology.unmodelled.push(Unmodelled {
        origin: Origin::Object {
            kind: "BGPFilter",
            name: "edge".into(),
        },
        feature: "communities".into(),
    });
    let notes = notes(&topology);
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].starts_with("note[F108]: BGPFilter edge: "),
        "{}",
        notes[0]
    );
}

/// The report and the JSON of a fabric without its findings.
fn verdict(text: &str) -> (String, serde_json::Value) {
    let fabric = read_for_test(&[text]).unwrap();
    let topology = wanted(&fabric).unwrap();
    let mut checked = check(&topology, Budget::COMMAND);
    checked.findings.clear();
    let sources = Sources::of(&fabric);
    (
        report::text(&checked, &sources, true, false),
        to_json::document(&checked, &sources, true),
    )
}

#[test]
fn what_is_proved_and_what_is_assumed_are_told_apart() {
    let units =
        "units:\n  calico/0: {addresses: [10.0.0.2/24]}\n  calico/1: {addresses: [10.0.0.3/24]}\n";
    let (text, json) = verdict(units);
    assert!(
        text.contains("pods to pods      Proved, 2 of 2 pairs\n"),
        "{text}"
    );
    assert_eq!(json["verdicts"]["nodes"]["verdict"], "proved");
    assert_eq!(json["verdicts"]["routers"], serde_json::Value::Null);
    let peer = "options: {global-bgp-peers: [{address: 10.0.0.1, as-number: 64512}]}\n";
    let (text, json) = verdict(&format!("{peer}{units}"));
    assert!(!text.contains("Proved,"), "{text}");
    assert!(
        text.contains("  - the routers accept the pools' routes\n"),
        "{text}"
    );
    assert_eq!(json["verdicts"]["nodes"]["verdict"], "proved-if");
    assert_eq!(json["verdicts"]["nodes"]["if"][1], "router-accepts");
    assert_eq!(json["sessions"]["assumed"], 2);
    assert_eq!(json["assumptions"][1]["name"], "router-accepts");
}

#[test]
fn what_is_refuted_has_its_way() {
    let (text, json) = verdict(
        "options: {node-to-node-mesh: false}\nunits:\n  calico/0: {addresses: [10.0.0.2/24]}\n  calico/1: {addresses: [10.0.0.3/24]}\n",
    );
    assert!(
        text.contains(
            "Refuted, 0 of 2 pairs\n    from calico/1 (calico-1) to a pod on calico/0 (calico-0)"
        ),
        "{text}"
    );
    assert!(text.contains("    way: calico/1 (calico-1)\n"), "{text}");
    let nodes = &json["verdicts"]["nodes"];
    assert_eq!(
        (&nodes["fate"], &nodes["way"][0]),
        (&"no-route".into(), &"calico/1 (calico-1)".into())
    );
}

#[test]
fn sessions_are_listed_and_counted() {
    let (text, json) = verdict(FABRIC);
    assert!(
        text.starts_with(
            "EXTERNAL_ASSUMED   calico/1 10.0.0.3 -- tor 10.0.0.1  AS 64512 and 64513  (unit-bgp-peers: 1[0])\n"
        ) || text.starts_with("AS_MISMATCH        calico/1 10.0.0.3 -- tor 10.0.0.1"),
        "{text}"
    );
    assert_eq!(json["session_list"]["peers"][0]["near"]["as_number"], 64512);
}

#[test]
fn names_forge_no_colours_lines_or_order() {
    let evil = r#"options: {global-bgp-peers: [{address: 10.0.0.1, as-number: 64513}], node-to-node-mesh: false}
units:
  calico/0: {addresses: [10.0.0.2/24]}
routers:
  "tor\e[31m\u202eevil\nx": {addresses: [10.0.0.1/24], as-number: 64512}
"#;
    let fabric = read_for_test(&[evil]).unwrap();
    let topology = wanted(&fabric).unwrap();
    let name = "tor\u{1b}[31m\u{202e}evil\nx";
    assert_eq!(topology.routers[0].name, name);
    let checked = check(&topology, Budget::COMMAND);
    assert!(!checked.findings.is_empty());
    let sources = Sources::of(&fabric);
    let text = report::text(&checked, &sources, true, false);
    assert!(
        text.contains(r"-- tor\u{1b}[31m\u{202e}evil\nx 10.0.0.1"),
        "{text}"
    );
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with('x')), "{text}");
    let json = to_json::document(&checked, &sources, true);
    assert_eq!(json["session_list"]["peers"][0]["far"]["speaker"], name);
}

/// The mesh is counted by kinds of nodes; pair by pair it comes to the same.
#[test]
fn mesh_sessions_are_counted_without_listing_them() {
    let unit = |number: u32, subnet: u32| {
        format!(
            "  calico/{number}: {{addresses: [10.0.{subnet}.{}/24]}}\n",
            number + 2
        )
    };
    let units: String = (0..7).map(|number| unit(number, number % 2)).collect();
    let as_numbers = "options: {subnet-as-numbers: {10.0.1.0/24: 64513}}\n";
    for (options, up, down) in [("", 21, 0), (as_numbers, 6 + 3, 12)] {
        let fabric = read_for_test(&[&format!("{options}units:\n{units}")]).unwrap();
        let topology = wanted(&fabric).unwrap();
        let checked = check(&topology, Budget::COMMAND);
        let expected = Counts {
            up,
            assumed: 0,
            down,
        };
        assert_eq!(Counts::of(&checked), expected, "{options}");
    }
}

#[test]
fn networks_are_guessed_where_a_status_tells_none() {
    let status = |gateway: &str| {
        format!(
            r#"{{"model": {{"name": "m", "controller": "c"}}, "machines": {{
  "0": {{"hostname": "a", "network-interfaces": {{"eth0": {{"ip-addresses": ["10.0.0.5"], "space": "alpha"{gateway}}}}}}},
  "1": {{"hostname": "b", "network-interfaces": {{"eth0": {{"ip-addresses": ["10.0.2.6"], "space": "alpha"{gateway}}}}}}}}},
 "applications": {{"calico": {{"charm": "calico", "application-status": {{}}}},
  "kubernetes-worker": {{"units": {{
   "kubernetes-worker/0": {{"machine": "0", "subordinates": {{"calico/0": {{}}}}}},
   "kubernetes-worker/1": {{"machine": "1", "subordinates": {{"calico/1": {{}}}}}}}}}}}}}}"#
        )
    };
    for (gateway, networks) in [
        ("", ["10.0.0.0/24", "10.0.2.0/24"]),
        (r#", "gateway": "10.0.0.1""#, ["10.0.0.0/22", "10.0.0.0/22"]),
    ] {
        let fabric = read_for_test(&[&status(gateway)]).unwrap();
        let topology = wanted(&fabric).unwrap();
        let found: Vec<String> = topology
            .nodes
            .iter()
            .filter_map(|node| Some(node.v4?.subnet.to_string()))
            .collect();
        assert_eq!(found, networks);
        let checked = check(&topology, Budget::COMMAND);
        assert_ne!(checked.reach.nodes, Verdict::Proved);
    }
}
