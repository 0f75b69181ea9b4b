use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;
use crate::config::{CharmConfig, RawConfig};
use crate::model::{Cidr, UnitAddress, UnitFacts};
use crate::render;

fn owner() -> Owner {
    Owner {
        model: "m".into(),
        application: "calico".into(),
    }
}

fn unit() -> UnitName {
    "calico/0".parse().unwrap()
}

fn intent(options: &Value) -> Intent {
    let config = CharmConfig::parse(&RawConfig::from_json(options).unwrap(), "calico").unwrap();
    let ip: IpAddr = "10.0.0.5".parse().unwrap();
    let facts = UnitFacts {
        unit: unit(),
        principal: Some("worker/0".into()),
        model: "m".into(),
        addresses: vec![UnitAddress {
            ip,
            subnet: Cidr::network_of(ip, 24),
            interface: "ens3".into(),
        }],
        leader: true,
        hostname: "node-a".into(),
        fqdn: None,
        zone: None,
        service_cidrs: vec![],
    };
    Intent::new(&config, &facts).unwrap()
}

fn planned(options: &Value, node: &Live, peers: &[Live]) -> Result<Plan, Blocked> {
    planned_after(options, node, peers, None)
}

fn planned_after(
    options: &Value,
    node: &Live,
    peers: &[Live],
    predecessor: Option<&UnitName>,
) -> Result<Plan, Blocked> {
    let found = FoundOfUnit {
        node,
        peers,
        predecessor,
    };
    planned_as_far_as(RolloutStep::Remove, options, &found)
}

fn planned_as_far_as(
    step: RolloutStep,
    options: &Value,
    found: &FoundOfUnit<'_>,
) -> Result<Plan, Blocked> {
    let intent = intent(options);
    let name: crate::model::NodeName = "node-a".parse().unwrap();
    let desired_node = render::node(&intent, &owner(), Some("worker/0"), name.clone());
    let wanted = WantedOfUnit {
        intent: &intent,
        node: &desired_node,
        peers: render::bgp_peers(&intent, &owner(), &name),
    };
    let permission = Permission {
        step,
        generation: "7".to_owned(),
    };
    let allowance = Allowance {
        permission,
        as_number: AsNumber::DEFAULT,
    };
    plan_unit(wanted, found, &owner(), &allowance)
}

/// The plan in short, a list a wave; the digest, which is no matter here, left out.
fn shown(plan: &Plan) -> Vec<Vec<String>> {
    let waves = plan.waves().iter();
    waves
        .map(|wave| wave.iter().map(shown_step).collect())
        .collect()
}

fn shown_step(step: &Step) -> String {
    match step {
        Step::Apply {
            desired,
            create,
            changes,
            ..
        } => {
            let verb = if *create { "create" } else { "change" };
            format!("{verb} {}: {}", desired.name, fields(changes))
        }
        Step::Annotate { changes, .. } => format!("annotate: {}", fields(changes)),
        Step::Delete { name, because, .. } => format!("delete {name}: {because}"),
        Step::RemoveStatus { unit, .. } => format!("remove the status of {unit}"),
        other => panic!("{other:?}"),
    }
}

fn fields(changes: &[FieldChange]) -> String {
    let field = |change: &FieldChange| {
        let key = change.field.trim_start_matches("calico.juju.is/");
        format!("{key}={}", change.to.as_deref().unwrap_or("-"))
    };
    let wanted = changes
        .iter()
        .filter(|change| change.field != ANNOTATION_APPLIED);
    wanted.map(field).collect::<Vec<_>>().join(" ")
}

fn wave_of<'a>(lines: &'a [Vec<String>], text: &str) -> Option<(usize, &'a str)> {
    lines.iter().enumerate().find_map(|(index, wave)| {
        let line = wave.iter().find(|line| line.contains(text))?;
        Some((index, line.as_str()))
    })
}

/// A Node with annotations; the charm's field manager holds those named apart, kubectl the others.
fn node(annotations: &Value, held: &[&str]) -> Live {
    let (mut ours, mut others) = (json!({}), json!({}));
    for key in annotations.as_object().unwrap().keys() {
        let fields = if held.contains(&key.as_str()) {
            &mut ours
        } else {
            &mut others
        };
        fields[format!("f:{key}")] = json!({});
    }
    let entry = |manager: &str, fields: &Value| json!({"manager": manager, "operation": "Update", "fieldsV1": {"f:metadata": {"f:annotations": fields}}});
    Live::new(json!({"metadata": {
        "name": "node-a", "resourceVersion": "7", "annotations": annotations,
        "managedFields": [entry("calico-charm", &ours), entry("kubectl", &others)],
    }}))
}

fn unrecorded(node: &Live) -> Live {
    let mut object = node.value().clone();
    object["metadata"]["managedFields"] = json!([]);
    Live::new(object)
}

fn claimed_by(unit: &str, principal: &str, application: &str, model: &str) -> Live {
    node(
        &json!({
            ANNOTATION_UNIT: unit, ANNOTATION_PRINCIPAL: principal,
            ANNOTATION_APPLICATION: application, ANNOTATION_MODEL: model,
        }),
        &[],
    )
}

fn ours() -> Live {
    claimed_by("calico/0", "worker/0", "calico", "m")
}

fn peer(name: &str, node: &str, as_number: u32) -> Live {
    labelled(name, node, as_number, &json!(owner().unit_labels(&unit())))
}

fn labelled(name: &str, node: &str, as_number: u32, labels: &Value) -> Live {
    let address = name.rsplit('-').next().unwrap_or_default();
    Live::new(json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "9", "labels": labels},
        "spec": {"node": node, "peerIP": address, "asNumber": as_number},
    }))
}

fn peers_option(entries: &str) -> Value {
    json!({ "global-bgp-peers": entries })
}

#[test]
fn whose_node_it_is() {
    let foreign = |application: &str, model: &str| NodeClaim::Foreign {
        unit: "calico/0".into(),
        application: application.into(),
        model: model.into(),
    };
    for (node, expected) in [
        (node(&json!({}), &[]), NodeClaim::Free),
        (node(&json!({ANNOTATION_UNIT: ""}), &[]), NodeClaim::Free),
        (ours(), NodeClaim::Ours),
        (
            claimed_by("calico/0", "worker/9", "calico", "m"),
            NodeClaim::Ours,
        ),
        (
            claimed_by("calico/1", "worker/1", "calico", "m"),
            NodeClaim::Sibling {
                unit: "calico/1".into(),
                principal: "worker/1".into(),
            },
        ),
        (
            claimed_by("calico/0", "worker/0", "calico", "other"),
            foreign("calico", "other"),
        ),
        (
            claimed_by("calico/0", "worker/0", "net", "m"),
            foreign("net", "m"),
        ),
        (
            node(&json!({ANNOTATION_UNIT: "calico/0"}), &[]),
            foreign("", ""),
        ),
    ] {
        assert_eq!(
            claim(&node, &unit(), &owner()),
            expected,
            "{:?}",
            node.value()
        );
    }
}

#[test]
fn a_first_hook_claims_then_peers_then_settles() {
    let options = json!({
        "global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]",
        "unit-as-numbers": "{0: 65001}",
        "route-reflector-cluster-ids": "{0: 224.0.0.1}",
    });
    let plan = planned(&options, &node(&json!({}), &[]), &[]).unwrap();
    let lines = shown(&plan);
    assert_eq!(
        lines,
        [
            vec![
                "annotate: addresses=10.0.0.5/24 application=calico model=m principal=worker/0 unit=calico/0"
            ],
            vec!["create calico-0-10.0.0.1: asNumber=64512 node=node-a peerIP=10.0.0.1"],
            vec!["create calico-0: classes=BGP node=node-a updatePeriodSeconds=5"],
            vec![
                "annotate: projectcalico.org/ASNumber=65001 projectcalico.org/RouteReflectorClusterID=224.0.0.1"
            ],
        ]
    );
    let versions: Vec<_> = plan
        .steps()
        .filter_map(|step| match step {
            Step::Annotate {
                resource_version, ..
            } => Some(resource_version.as_deref()),
            _ => None,
        })
        .collect();
    assert_eq!(
        versions,
        [Some("7"), None],
        "a lost race for the Node must be noticed"
    );
}

#[test]
fn peers_are_changed_in_place_and_removed_last() {
    let options =
        peers_option("[{address: 10.0.0.1, as-number: 64513}, {address: 10.0.0.3, as-number: 1}]");
    let live = [
        peer("calico-0-10.0.0.1", "node-a", 64512),
        peer("calico-0-10.0.0.2", "node-a", 64512),
    ];
    let lines = shown(&planned(&options, &ours(), &live).unwrap());
    let (changed, update) = wave_of(&lines, "calico-0-10.0.0.1").unwrap();
    assert_eq!(update, "change calico-0-10.0.0.1: asNumber=64513");
    let (created, _) = wave_of(&lines, "create calico-0-10.0.0.3").unwrap();
    let (removed, deletion) = wave_of(&lines, "calico-0-10.0.0.2").unwrap();
    assert_eq!(
        deletion,
        "delete calico-0-10.0.0.2: no option asks for it any more"
    );
    assert!(
        changed == created && created < removed && removed == lines.len() - 1,
        "{lines:?}"
    );
}

#[test]
fn a_state_that_is_right_costs_no_write() {
    let options = json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]", "unit-as-numbers": "{0: 65001}"});
    let intent = intent(&options);
    let desired = render::node(
        &intent,
        &owner(),
        Some("worker/0"),
        "node-a".parse().unwrap(),
    );
    let mut annotations = json!(desired.claim);
    annotations[ANNOTATION_AS_NUMBER] = "65001".into();
    annotations[ANNOTATION_APPLIED] = format!("{} settled 7", intent.order_digest()).into();
    annotations["foreign"] = "x".into();
    let live = node(&annotations, &[ANNOTATION_AS_NUMBER]);
    let plan = planned(
        &options,
        &live,
        &[peer("calico-0-10.0.0.1", "node-a", 64512)],
    )
    .unwrap();
    assert!(plan.is_empty(), "{:?}", shown(&plan));
}

#[test]
fn annotations_are_removed_not_emptied_and_only_the_charms_own() {
    let set = json!({ANNOTATION_AS_NUMBER: "65001", ANNOTATION_CLUSTER_ID: "224.0.0.1"});
    let claimed = json!({ANNOTATION_AS_NUMBER: "65001", ANNOTATION_UNIT: "calico/0"});
    let (number, id) = (ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID);
    for (what, node, removed) in [
        ("kubectl's", node(&set, &[]), vec![]),
        ("one of them", node(&set, &[number]), vec![number]),
        ("both", node(&set, &[number, id]), vec![number, id]),
        (
            "nobody's, never claimed",
            unrecorded(&node(&set, &[])),
            vec![],
        ),
        (
            "nobody's, claimed before",
            unrecorded(&node(&claimed, &[])),
            vec![number],
        ),
    ] {
        let plan = planned(&json!({}), &node, &[]).unwrap();
        let nulls: Vec<&str> = plan
            .steps()
            .filter_map(|step| match step {
                Step::Annotate { annotations, .. } => Some(annotations),
                _ => None,
            })
            .flatten()
            .filter_map(|(key, value)| value.is_none().then_some(key.as_str()))
            .collect();
        assert_eq!(nulls, removed, "{what}");
    }
}

#[test]
fn a_peer_is_this_units_by_name_and_node_and_label_or_manager() {
    let applied = json!([{"manager": "calico-charm", "operation": "Apply"}]);
    let by_manager = |manager: &str| {
        let mut object = labelled("calico-0-10.0.0.9", "node-a", 1, &json!({}))
            .value()
            .clone();
        object["metadata"]["managedFields"] = applied.clone();
        object["metadata"]["managedFields"][0]["manager"] = manager.into();
        Live::new(object)
    };
    let mut other_model = owner();
    other_model.model = "other".into();
    for (what, live, expected) in [
        ("all three", peer("calico-0-10.0.0.9", "node-a", 1), true),
        (
            "labels dropped, manager left",
            by_manager("calico-charm"),
            true,
        ),
        ("neither label nor manager", by_manager("kubectl"), false),
        (
            "another model's",
            labelled(
                "calico-0-10.0.0.9",
                "node-a",
                1,
                &json!(other_model.unit_labels(&unit())),
            ),
            false,
        ),
        (
            "another Node",
            peer("calico-0-10.0.0.9", "node-b", 1),
            false,
        ),
        (
            "another unit's name",
            peer("calico-1-10.0.0.9", "node-a", 1),
            false,
        ),
        (
            "an application called calico-0",
            peer("calico-0-0-10.0.0.9", "node-a", 1),
            false,
        ),
        (
            "a name of another grammar",
            peer("calico-0-tor", "node-a", 1),
            false,
        ),
    ] {
        assert_eq!(
            is_peer_of(&live, &unit(), &owner(), "node-a"),
            expected,
            "{what}"
        );
        let lines = shown(&planned(&json!({}), &ours(), &[live]).unwrap());
        assert_eq!(
            wave_of(&lines, "delete ").is_some(),
            expected,
            "{what}: {lines:?}"
        );
    }
}

#[test]
fn a_peer_that_is_being_deleted_is_not_deleted_again() {
    let mut object = peer("calico-0-10.0.0.9", "node-a", 1).value().clone();
    object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    let lines = shown(&planned(&json!({}), &ours(), &[Live::new(object)]).unwrap());
    assert_eq!(wave_of(&lines, "delete "), None);
}

#[test]
fn a_wanted_name_that_somebody_else_holds_blocks_the_unit() {
    let options = peers_option("[{address: 10.0.0.1, as-number: 64512}]");
    let foreign = labelled(
        "calico-0-10.0.0.1",
        "node-a",
        64512,
        &json!({"made-by": "hand"}),
    );
    let blocked = planned(&options, &ours(), &[foreign]).unwrap_err();
    assert_eq!(
        blocked.message,
        "BGPPeer calico-0-10.0.0.1 exists and is not this charm's"
    );
    assert!(
        blocked
            .remedy
            .contains("calicoctl delete bgppeer calico-0-10.0.0.1")
    );
}

#[test]
fn the_peers_of_the_unit_before_go_after_the_new_ones_stand() {
    let options = peers_option("[{address: 10.0.0.1, as-number: 64512}]");
    let before: UnitName = "calico/7".parse().unwrap();
    let old = labelled(
        "calico-7-10.0.0.1",
        "node-a",
        64512,
        &json!(owner().unit_labels(&before)),
    );
    let node = claimed_by("calico/7", "worker/7", "calico", "m");
    let plan = planned_after(&options, &node, std::slice::from_ref(&old), Some(&before)).unwrap();
    let lines = shown(&plan);
    let created = wave_of(&lines, "create calico-0-10.0.0.1").unwrap().0;
    assert!(created < wave_of(&lines, "delete calico-7-10.0.0.1").unwrap().0);
    assert!(lines[0][0].ends_with("unit=calico/0"), "{lines:?}");
    let lines = shown(&planned(&options, &ours(), &[old]).unwrap());
    assert_eq!(wave_of(&lines, "delete "), None, "only of a predecessor");
}

#[test]
fn a_unit_that_goes_takes_its_own_things_and_its_record_last() {
    let mut annotations = ours().value()["metadata"]["annotations"].clone();
    annotations[ANNOTATION_AS_NUMBER] = "65001".into();
    annotations[ANNOTATION_CLUSTER_ID] = "224.0.0.1".into();
    annotations["projectcalico.org/IPv4Address"] = "10.0.0.5/24".into();
    let live = node(&annotations, &[ANNOTATION_CLUSTER_ID]);
    let peers = [
        peer("calico-0-10.0.0.1", "node-a", 1),
        peer("calico-1-10.0.0.1", "node-b", 1),
    ];
    let lines = shown(&plan_release(&live, &unit(), &owner(), &peers));
    assert_eq!(
        lines,
        [
            vec!["remove the status of calico/0"],
            vec!["annotate: projectcalico.org/RouteReflectorClusterID=-"],
            vec!["delete calico-0-10.0.0.1: its unit is going"],
            vec!["annotate: unit=- application=- model=- principal=-"],
        ]
    );
    assert!(plan_release(&node(&json!({}), &[]), &unit(), &owner(), &[]).is_empty());
}

#[test]
fn the_first_write_of_a_release_is_refused_where_the_node_has_changed() {
    let record = ours().value()["metadata"]["annotations"].clone();
    let mut reflector = record.clone();
    reflector[ANNOTATION_CLUSTER_ID] = "224.0.0.1".into();
    for (annotations, expected) in [(record, vec![true]), (reflector, vec![true, false])] {
        let live = node(&annotations, &[ANNOTATION_CLUSTER_ID]);
        let plan = plan_release(&live, &unit(), &owner(), &[]);
        let guarded: Vec<bool> = plan
            .steps()
            .filter_map(|step| match step {
                Step::Annotate {
                    resource_version, ..
                } => Some(resource_version.as_deref() == Some("7")),
                _ => None,
            })
            .collect();
        assert_eq!(guarded, expected);
    }
}

/// From which step on what is done, and what is left then; what is said in between is said again.
type Steps<'a> = &'a [(RolloutStep, &'a str, &'a str)];

/// What a unit does in each step, and what it says of itself then: from the old settings and peers to the new ones, on one
/// and the same Node and peers, as if every step were the first.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_step_does_its_part_and_says_what_is_left() {
    use RolloutStep::{Add, Reflect, Rejoin, Remove, Renumber, Unset};
    const PEERS: &str =
        "[{address: 10.0.0.1, as-number: 65001}, {address: 10.0.0.2, as-number: 65001}]";
    let with = |more: Value| {
        let mut options = json!({"global-bgp-peers": PEERS});
        let more = more.as_object().unwrap().clone();
        options.as_object_mut().unwrap().extend(more);
        options
    };
    let (number, id) = (ANNOTATION_AS_NUMBER, ANNOTATION_CLUSTER_ID);
    let was_reflector = json!({number: "65009", id: "1.0.0.1"});
    let cases: [(&str, Value, Value, Steps<'_>); 8] = [
        (
            "peers",
            json!({}),
            json!({}),
            &[
                (Add, "create 2", "renumber,remove"),
                (Renumber, "change 1, create 2", "remove"),
                (Remove, "change 1, create 2, delete 9", ""),
            ],
        ),
        (
            "a number, where there is none",
            json!({"unit-as-numbers": "{0: 65001}"}),
            json!({}),
            &[
                (Add, "create 2, ASNumber=64512", "renumber,remove"),
                (Renumber, "change 1, create 2, ASNumber=65001", "remove"),
                (Remove, "change 1, create 2, ASNumber=65001, delete 9", ""),
            ],
        ),
        (
            "a number of its own, and a reflector",
            json!({"unit-as-numbers": "{0: 65001}", "route-reflector-cluster-ids": "{0: 1.0.0.2}"}),
            json!({number: "65009"}),
            &[
                (Add, "create 2", "renumber,remove"),
                (
                    Renumber,
                    "change 1, create 2, ASNumber=65001 RouteReflectorClusterID=1.0.0.2",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, ASNumber=65001 RouteReflectorClusterID=1.0.0.2, delete 9",
                    "",
                ),
            ],
        ),
        (
            "another number of all, and a reflector",
            json!({"unit-as-numbers": "{0: 65001}", "global-as-number": 65001, "route-reflector-cluster-ids": "{0: 1.0.0.2}"}),
            json!({number: "65009"}),
            &[
                (Add, "create 2", "renumber,reflect,remove"),
                (
                    Renumber,
                    "change 1, create 2, ASNumber=65001",
                    "reflect,remove",
                ),
                (
                    Reflect,
                    "change 1, create 2, ASNumber=65001 RouteReflectorClusterID=1.0.0.2",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, ASNumber=65001 RouteReflectorClusterID=1.0.0.2, delete 9",
                    "",
                ),
            ],
        ),
        (
            "no reflector in a mesh",
            json!({}),
            json!({id: "1.0.0.1"}),
            &[
                (Add, "create 2", "rejoin,renumber,remove"),
                (
                    Rejoin,
                    "create 2, RouteReflectorClusterID=-",
                    "renumber,remove",
                ),
                (
                    Renumber,
                    "change 1, create 2, RouteReflectorClusterID=-",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, RouteReflectorClusterID=-, delete 9",
                    "",
                ),
            ],
        ),
        (
            "no number of its own any more, and no reflector in a mesh",
            json!({}),
            was_reflector.clone(),
            &[
                (Add, "create 2", "renumber,remove"),
                (
                    Renumber,
                    "change 1, create 2, ASNumber=64512 RouteReflectorClusterID=-",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, ASNumber=- RouteReflectorClusterID=-, delete 9",
                    "",
                ),
            ],
        ),
        (
            "no number any more, and no reflector without a mesh",
            json!({"node-to-node-mesh": false}),
            was_reflector,
            &[
                (Add, "create 2", "renumber,unset,remove"),
                (
                    Renumber,
                    "change 1, create 2, ASNumber=64512",
                    "unset,remove",
                ),
                (
                    Unset,
                    "change 1, create 2, ASNumber=64512 RouteReflectorClusterID=-",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, ASNumber=- RouteReflectorClusterID=-, delete 9",
                    "",
                ),
            ],
        ),
        (
            "a reflector by another ID",
            json!({"route-reflector-cluster-ids": "{0: 1.0.0.2}"}),
            json!({id: "1.0.0.1"}),
            &[
                (Add, "create 2", "renumber,reflect,remove"),
                (Renumber, "change 1, create 2", "reflect,remove"),
                (
                    Reflect,
                    "change 1, create 2, RouteReflectorClusterID=1.0.0.2",
                    "remove",
                ),
                (
                    Remove,
                    "change 1, create 2, RouteReflectorClusterID=1.0.0.2, delete 9",
                    "",
                ),
            ],
        ),
    ];
    for (what, more, annotations, steps) in cases {
        let node = node(&annotations, &[number, id]);
        let peers =
            ["1", "9"].map(|last| peer(&format!("calico-0-10.0.0.{last}"), "node-a", 64512));
        let found = FoundOfUnit {
            node: &node,
            peers: &peers,
            predecessor: None,
        };
        let options = with(more);
        let digest = intent(&options).order_digest().to_owned();
        for step in RolloutStep::ALL {
            let expected = steps.iter().rfind(|(from, ..)| *from <= step);
            let (_, done, left) = *expected.expect("every case says what add does");
            let said = if left.is_empty() {
                "settled 7".to_owned()
            } else {
                format!("{step} 7 left {left}")
            };
            let plan = planned_as_far_as(step, &options, &found).unwrap();
            let shown = in_short(&plan).replace("10.0.0.", "");
            assert_eq!(shown, done, "{what}: {step}");
            assert_eq!(
                applied_in(&plan),
                format!("{digest} {said}"),
                "{what}: {step}"
            );
        }
    }
}

/// What concerns Calico: `create 10.0.0.2, ASNumber=64512`.
fn in_short(plan: &Plan) -> String {
    let steps = plan.steps().filter_map(|step| match step {
        Step::RemoveStatus { .. } => None,
        Step::Apply { desired, .. } if desired.kind == Kind::CalicoNodeStatus => None,
        Step::Apply {
            desired, create, ..
        } => {
            let verb = if *create { "create" } else { "change" };
            Some(format!(
                "{verb} {}",
                desired.name.trim_start_matches("calico-0-")
            ))
        }
        Step::Delete { name, .. } => {
            Some(format!("delete {}", name.trim_start_matches("calico-0-")))
        }
        Step::Annotate { changes, .. } => {
            let of_calico = changes
                .iter()
                .filter(|change| change.field.starts_with("projectcalico.org/"));
            let fields: Vec<String> = of_calico
                .map(|change| {
                    format!(
                        "{}={}",
                        change.field.trim_start_matches("projectcalico.org/"),
                        change.to.as_deref().unwrap_or("-")
                    )
                })
                .collect();
            (!fields.is_empty()).then(|| fields.join(" "))
        }
        other => panic!("{other:?}"),
    });
    steps.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_a_reflector_reports_comes_and_goes_before_its_cluster_id() {
    let reflects = json!({"route-reflector-cluster-ids": "{0: 1.0.0.1}"});
    let settled = |options: &Value, id: Option<&str>| {
        let digest = intent(options).order_digest().to_owned();
        let mut annotations = json!({ANNOTATION_APPLIED: format!("{digest} settled 7")});
        if let Some(id) = id {
            annotations[ANNOTATION_CLUSTER_ID] = id.into();
        }
        node(&annotations, &[ANNOTATION_CLUSTER_ID])
    };
    let lines = |options: &Value, node: &Live| shown(&planned(options, node, &[]).unwrap());
    let ends = |lines: &[Vec<String>], status: &str, id: &str| {
        let wanted = [
            vec![status.to_owned()],
            vec![format!("annotate: projectcalico.org/{id}")],
        ];
        lines.ends_with(&wanted)
    };
    let comes = lines(&reflects, &settled(&reflects, None));
    let made = "create calico-0: classes=BGP node=node-a updatePeriodSeconds=5";
    assert!(
        ends(&comes, made, "RouteReflectorClusterID=1.0.0.1"),
        "{comes:?}"
    );
    let goes = lines(&json!({}), &settled(&json!({}), Some("1.0.0.1")));
    let gone = "remove the status of calico/0";
    assert!(ends(&goes, gone, "RouteReflectorClusterID=-"), "{goes:?}");
    for (options, id) in [(&reflects, Some("1.0.0.1")), (&json!({}), None)] {
        let stays = lines(options, &settled(options, id)).concat();
        assert!(
            !stays
                .iter()
                .any(|line| line.contains("classes") || line == gone),
            "{stays:?}"
        );
    }
}

fn applied_in(plan: &Plan) -> String {
    let told = plan.steps().find_map(|step| match step {
        Step::Annotate { annotations, .. } => annotations.get(ANNOTATION_APPLIED)?.clone(),
        _ => None,
    });
    told.expect("every change is recorded")
}

#[test]
fn two_peers_for_one_session_never_wait_for_each_other() {
    let options = json!({"global-bgp-peers": "[{address: 10.0.0.1, as-number: 64512}]"});
    let node = claimed_by("calico/9", "worker/0", "calico", "m");
    let peers = [
        peer("calico-9-10.0.0.1", "node-a", 64512),
        peer("calico-9-10.0.0.7", "node-a", 64512),
    ];
    let before: UnitName = "calico/9".parse().unwrap();
    let found = FoundOfUnit {
        node: &node,
        peers: &peers,
        predecessor: Some(&before),
    };
    let plan = planned_as_far_as(RolloutStep::Add, &options, &found).unwrap();
    assert_eq!(in_short(&plan), "create 10.0.0.1, delete calico-9-10.0.0.1");
    assert!(applied_in(&plan).ends_with("add 7 left remove"));
}
