//! Server-side apply, and what other writes do to the owners of fields.

use super::*;

fn server() -> ApiServer {
    ApiServer::new(Mode::CrdV1)
}

fn config(server: &ApiServer) -> Caller {
    Caller::v1(server, "BGPConfiguration")
}

#[tokio::test]
async fn an_applier_owns_the_leaves_of_what_it_sends() {
    let kind = config(&server());
    let spec = json!({
        "asNumber": 64512,
        "serviceClusterIPs": [{"cidr": "10.152.183.0/24"}],
        "ignoredInterfaces": ["eth1"],
        "nodeMeshPassword": {"secretKeyRef": {"name": "bgp", "key": "password"}},
    });
    let mut body = kind.body("default", &spec);
    body["metadata"]["labels"] = json!({"a.b/c": "d"});
    let made = kind
        .apply_body(&PatchParams::apply("charm"), "default", &body)
        .await
        .expect("a new object");
    assert_eq!(
        owners(&made),
        [(
            "charm Apply".to_owned(),
            json!({
                "f:metadata": {"f:labels": {"f:a.b/c": {}}},
                "f:spec": {
                    "f:asNumber": {},
                    "f:ignoredInterfaces": {"v:\"eth1\"": {}},
                    "f:nodeMeshPassword": {"f:secretKeyRef": {}},
                    "f:serviceClusterIPs": {},
                },
            }),
        )]
        .into()
    );
    assert_eq!(made["metadata"]["generation"], 1);
    // A default is filled in and belongs to nobody.
    assert_eq!(made["spec"]["logSeverityScreen"], "Info");
}

#[tokio::test]
async fn another_ones_field_is_a_conflict_until_forced() {
    let kind = config(&server());
    kind.create(
        "kubectl",
        &kind.body("default", &json!({"asNumber": 64512, "listenPort": 179})),
    )
    .await
    .expect("a new object");
    let refused = kind
        .apply("charm", "default", json!({"asNumber": 64513}))
        .await
        .expect_err("kubectl owns it");
    assert_eq!(
        refused,
        Refusal {
            code: 409,
            reason: "Conflict".to_owned(),
            message: "Apply failed with 1 conflict: conflict with \"kubectl\" using crd.projectcalico.org/v1: .spec.asNumber"
                .to_owned(),
            causes: vec![(
                ".spec.asNumber".to_owned(),
                "conflict with \"kubectl\" using crd.projectcalico.org/v1".to_owned()
            )],
        }
    );
    let forced = kind
        .force("charm", "default", json!({"asNumber": 64513}))
        .await
        .expect("forced");
    assert_eq!(forced["spec"]["asNumber"], 64513);
    assert_eq!(forced["metadata"]["generation"], 2);
    let owners = owners(&forced);
    assert_eq!(owners["charm Apply"], json!({"f:spec": {"f:asNumber": {}}}));
    // Creation owns the containers it brought, and what the defaults added.
    assert_eq!(
        owners["kubectl Update"],
        json!({"f:spec": {".": {}, "f:listenPort": {}, "f:logSeverityScreen": {}, "f:serviceLoadBalancerAggregation": {}}})
    );
}

#[tokio::test]
async fn every_conflict_is_listed_by_manager() {
    let kind = config(&server());
    kind.apply(
        "beta",
        "default",
        json!({"listenPort": 179, "asNumber": 64512}),
    )
    .await
    .expect("beta's");
    kind.apply("alpha", "default", json!({"bindMode": "None"}))
        .await
        .expect("alpha's");
    let wanted = json!({"listenPort": 180, "asNumber": 64513, "bindMode": "NodeIP"});
    let refused = kind
        .apply("charm", "default", wanted)
        .await
        .expect_err("three fields of others");
    assert_eq!(
        refused.message,
        "Apply failed with 3 conflicts: conflicts with \"alpha\":\n- .spec.bindMode\nconflicts with \"beta\":\n\
         - .spec.asNumber\n- .spec.listenPort"
    );
    assert_eq!(refused.causes.len(), 3);
}

#[tokio::test]
async fn an_equal_value_is_shared_and_outlives_one_owner() {
    let kind = config(&server());
    kind.apply("one", "default", json!({"asNumber": 64512}))
        .await
        .expect("one's");
    let shared = kind
        .apply(
            "two",
            "default",
            json!({"asNumber": 64512, "listenPort": 179}),
        )
        .await
        .expect("no conflict");
    assert_eq!(
        owners(&shared)["one Apply"],
        owners(
            &kind
                .apply("one", "default", json!({"asNumber": 64512}))
                .await
                .expect("same")
        )["one Apply"]
    );
    let left = kind
        .apply("one", "default", json!({"bindMode": "None"}))
        .await
        .expect("one lets go");
    assert_eq!(left["spec"]["asNumber"], 64512, "two still holds it");
    let gone = kind
        .apply("two", "default", json!({"listenPort": 179}))
        .await
        .expect("two lets go");
    assert_eq!(gone["spec"].get("asNumber"), None);
    assert_eq!(gone["spec"]["bindMode"], "None");
}

#[tokio::test]
async fn what_an_applier_drops_goes_and_what_is_foreign_stays() {
    let kind = config(&server());
    let mut body = kind.body(
        "default",
        &json!({"asNumber": 64512, "serviceClusterIPs": [{"cidr": "10.0.0.0/24"}]}),
    );
    body["metadata"]["labels"] = json!({"mine": "1"});
    body["metadata"]["annotations"] = json!({"mine": "1"});
    let params = PatchParams::apply("charm");
    kind.apply_body(&params, "default", &body)
        .await
        .expect("a new object");
    kind.merge(
        "kubectl",
        "default",
        json!({"metadata": {"annotations": {"theirs": "2"}}, "spec": {"listenPort": 179}}),
    )
    .await
    .expect("an edit");
    let after = kind
        .apply("charm", "default", json!({"asNumber": 64512}))
        .await
        .expect("less");
    assert_eq!(after["spec"].get("serviceClusterIPs"), None);
    assert_eq!(
        after["metadata"].get("labels"),
        None,
        "an emptied map goes too"
    );
    assert_eq!(after["metadata"]["annotations"], json!({"theirs": "2"}));
    assert_eq!(after["spec"]["listenPort"], 179);
    assert_eq!(
        owners(&after)["charm Apply"],
        json!({"f:spec": {"f:asNumber": {}}})
    );
}

#[tokio::test]
async fn an_apply_that_changes_nothing_leaves_no_trace() {
    let server = server();
    let kind = config(&server);
    let spec = json!({"asNumber": 64512, "serviceClusterIPs": [{"cidr": "10.0.0.0/24"}]});
    let first = kind
        .apply("charm", "default", spec.clone())
        .await
        .expect("a new object");
    let before = server.resource_version();
    server.advance(std::time::Duration::from_hours(1));
    for second in [
        kind.apply("charm", "default", spec.clone())
            .await
            .expect("the same"),
        kind.force("charm", "default", spec)
            .await
            .expect("the same, forced"),
        kind.merge("other", "default", json!({"spec": {"asNumber": 64512}}))
            .await
            .expect("the same, merged"),
    ] {
        assert_eq!(
            first, second,
            "resource version, generation and times included"
        );
    }
    assert_eq!(server.resource_version(), before);
    assert_eq!(server.write_count(), 4);
}

#[tokio::test]
async fn sharing_without_a_change_is_a_new_version_without_a_new_generation() {
    let kind = config(&server());
    let first = kind
        .apply("one", "default", json!({"asNumber": 64512}))
        .await
        .expect("one's");
    let second = kind
        .apply("two", "default", json!({"asNumber": 64512}))
        .await
        .expect("shared");
    assert!(version(&second) > version(&first));
    assert_eq!(second["metadata"]["generation"], 1);
    assert_eq!(owners(&second).len(), 2);
}

#[tokio::test]
async fn appliers_and_updaters_of_one_name_are_two() {
    let kind = config(&server());
    kind.create(
        "charm",
        &kind.body("default", &json!({"asNumber": 64512, "listenPort": 179})),
    )
    .await
    .expect("created");
    let refused = kind
        .apply("charm", "default", json!({"asNumber": 1}))
        .await
        .expect_err("the updater owns it");
    assert_eq!(refused.code, 409);
    let kept = kind
        .force("charm", "default", json!({"asNumber": 1}))
        .await
        .expect("forced");
    assert_eq!(kept["spec"]["listenPort"], 179, "the updater's stays");
    assert_eq!(
        owners(&kept).keys().collect::<Vec<_>>(),
        ["charm Apply", "charm Update"]
    );
}

#[tokio::test]
async fn objects_without_owners_get_one_before_the_first_apply() {
    let kind = config(&server());
    kind.create(
        "kubectl",
        &kind.body("default", &json!({"asNumber": 64512})),
    )
    .await
    .expect("created");
    let reset = kind
        .merge(
            "kubectl",
            "default",
            json!({"metadata": {"managedFields": [{}]}}),
        )
        .await
        .expect("reset");
    assert_eq!(reset["metadata"].get("managedFields"), None);
    let refused = kind
        .apply("charm", "default", json!({"asNumber": 1}))
        .await
        .expect_err("somebody wrote it");
    assert_eq!(
        refused.causes[0].1,
        "conflict with \"before-first-apply\" using crd.projectcalico.org/v1"
    );
    let applied = kind
        .apply("charm", "default", json!({"listenPort": 179}))
        .await
        .expect("a new field");
    assert_eq!(
        owners(&applied).keys().collect::<Vec<_>>(),
        ["before-first-apply Update", "charm Apply"]
    );
}

#[tokio::test]
async fn sets_are_united_in_the_appliers_order() {
    for (live, config, united) in [
        (json!(["a", "b"]), json!(["b", "a"]), json!(["b", "a"])),
        (json!(["a", "b"]), json!(["c"]), json!(["a", "b", "c"])),
        (
            json!(["a", "b", "c"]),
            json!(["c", "x", "a"]),
            json!(["b", "c", "x", "a"]),
        ),
        (json!(["a"]), json!([]), json!(["a"])),
        (json!(["x", "a"]), json!(["a", "y"]), json!(["x", "a", "y"])),
    ] {
        let kind = super::applying::config(&server());
        kind.apply("one", "default", json!({"ignoredInterfaces": live}))
            .await
            .expect("one's");
        let merged = kind
            .apply("two", "default", json!({"ignoredInterfaces": config}))
            .await
            .expect("no conflict in sets");
        assert_eq!(
            merged["spec"]["ignoredInterfaces"], united,
            "{live} and {config}"
        );
    }
}

#[tokio::test]
async fn items_of_a_set_have_owners() {
    let kind = config(&server());
    kind.apply("one", "default", json!({"ignoredInterfaces": ["a", "b"]}))
        .await
        .expect("one's");
    kind.apply("two", "default", json!({"ignoredInterfaces": ["b", "c"]}))
        .await
        .expect("two's");
    let less = kind
        .apply("one", "default", json!({"asNumber": 1}))
        .await
        .expect("one lets go");
    assert_eq!(less["spec"]["ignoredInterfaces"], json!(["b", "c"]));
}

#[tokio::test]
async fn a_set_takes_nothing_twice() {
    let kind = config(&server());
    let refused = kind
        .apply("one", "default", json!({"ignoredInterfaces": ["a", "a"]}))
        .await
        .expect_err("twice");
    assert_eq!((refused.code, refused.reason.as_str()), (500, ""));
    assert!(
        refused
            .message
            .contains("duplicate entries for key [=\"a\"]"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn atomic_lists_and_maps_are_replaced_whole() {
    let kind = config(&server());
    let spec = json!({
        "serviceClusterIPs": [{"cidr": "10.0.0.0/24"}, {"cidr": "10.0.1.0/24"}],
        "nodeMeshPassword": {"secretKeyRef": {"name": "a", "key": "k", "optional": true}},
    });
    kind.apply("one", "default", spec).await.expect("one's");
    let refused = kind
        .apply(
            "two",
            "default",
            json!({"serviceClusterIPs": [{"cidr": "10.0.2.0/24"}]}),
        )
        .await
        .expect_err("another list");
    assert_eq!(refused.causes[0].0, ".spec.serviceClusterIPs");
    let wanted = json!({
        "serviceClusterIPs": [{"cidr": "10.0.2.0/24"}],
        "nodeMeshPassword": {"secretKeyRef": {"name": "b", "key": "k"}},
    });
    let forced = kind
        .force("two", "default", wanted.clone())
        .await
        .expect("forced");
    for (field, value) in wanted.as_object().expect("a map") {
        assert_eq!(forced["spec"][field], *value);
    }
    assert!(
        !owners(&forced).contains_key("one Apply"),
        "nothing is left to one"
    );
}

#[tokio::test]
async fn merge_patches_take_fields_and_null_removes_them() {
    let server = server();
    let node = Caller::of(&server, "", "v1", "Node", "nodes");
    server
        .insert(
            "kubelet",
            json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"l": "1"}},
                   "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]}}),
        )
        .expect("a node");
    let patch = json!({"metadata": {"annotations": {"a/x": "1", "a/y": "2"}}});
    let patched = node.merge("charm", "n", patch).await.expect("patched");
    assert_eq!(
        owners(&patched)["charm Update"],
        json!({"f:metadata": {"f:annotations": {".": {}, "f:a/x": {}, "f:a/y": {}}}})
    );
    assert_eq!(patched["status"]["addresses"][0]["address"], "10.0.0.5");
    assert_eq!(
        patched["metadata"].get("generation"),
        None,
        "nodes count no generations"
    );
    let less = node
        .merge(
            "charm",
            "n",
            json!({"metadata": {"annotations": {"a/x": null}}}),
        )
        .await
        .expect("less");
    assert_eq!(less["metadata"]["annotations"], json!({"a/y": "2"}));
    assert_eq!(
        owners(&less)["charm Update"],
        json!({"f:metadata": {"f:annotations": {".": {}, "f:a/y": {}}}})
    );
    // Taking a field over by merging changes its owner without a word.
    let taken = node
        .merge(
            "thief",
            "n",
            json!({"metadata": {"annotations": {"a/y": "3"}}}),
        )
        .await
        .expect("taken");
    assert_eq!(
        owners(&taken)["thief Update"],
        json!({"f:metadata": {"f:annotations": {"f:a/y": {}}}})
    );
    assert_eq!(
        owners(&taken)["charm Update"],
        json!({"f:metadata": {"f:annotations": {}}})
    );
    let before = server.resource_version();
    node.merge(
        "charm",
        "n",
        json!({"metadata": {"annotations": {"gone": null}}}),
    )
    .await
    .expect("nothing to remove");
    assert_eq!(server.resource_version(), before);
}

#[tokio::test]
async fn an_applied_configuration_is_checked_first() {
    let kind = config(&server());
    let params = PatchParams::apply("charm");
    let mut managed = kind.body("default", &json!({}));
    managed["metadata"]["managedFields"] = json!([]);
    let mut other_kind = kind.body("default", &json!({}));
    other_kind["kind"] = "BGPPeer".into();
    let mut other_version = kind.body("default", &json!({}));
    other_version["apiVersion"] = "projectcalico.org/v3".into();
    for (body, code, message) in [
        (managed, 400, "metadata.managedFields must be nil"),
        (
            other_kind,
            400,
            "invalid object type: crd.projectcalico.org/v1, Kind=BGPPeer",
        ),
        (
            other_version,
            400,
            "invalid object type: projectcalico.org/v3, Kind=BGPConfiguration",
        ),
        (
            kind.body("other", &json!({})),
            400,
            "the name of the object (other) does not match the name on the URL (default)",
        ),
        (
            kind.body("default", &json!({"asNumbr": 1})),
            500,
            "failed to create typed patch object (/default; crd.projectcalico.org/v1, Kind=BGPConfiguration): \
             .spec.asNumbr: field not declared in schema",
        ),
        (
            kind.body("default", &json!({"asNumber": "1"})),
            500,
            "failed to create typed patch object (/default; crd.projectcalico.org/v1, Kind=BGPConfiguration): \
             .spec.asNumber: expected numeric (int or float), got string",
        ),
    ] {
        let refused = kind
            .apply_body(&params, "default", &body)
            .await
            .expect_err(message);
        assert_eq!((refused.code, refused.message.as_str()), (code, message));
    }
    let nobody = PatchParams {
        field_manager: Some(String::new()),
        ..PatchParams::apply("")
    };
    let refused = kind
        .apply_body(&nobody, "default", &kind.body("default", &json!({})))
        .await
        .expect_err("no manager");
    assert_eq!(
        (refused.code, refused.causes[0].0.as_str()),
        (422, "fieldManager")
    );
}

#[tokio::test]
async fn an_applied_version_or_uid_must_be_the_current_one() {
    let kind = config(&server());
    let made = kind
        .apply("charm", "default", json!({"asNumber": 1}))
        .await
        .expect("a new object");
    let params = PatchParams::apply("charm");
    let with = |field: &str, value: Value| {
        let mut body = kind.body("default", &json!({"asNumber": 2}));
        body["metadata"][field] = value;
        body
    };
    let stale = kind
        .apply_body(&params, "default", &with("resourceVersion", "1".into()))
        .await
        .expect_err("stale");
    assert_eq!(stale.code, 409);
    assert!(
        stale.message.contains("the object has been modified"),
        "{}",
        stale.message
    );
    let other = kind
        .apply_body(&params, "default", &with("uid", "x".into()))
        .await
        .expect_err("another uid");
    assert_eq!(
        (other.code, other.causes[0].0.as_str()),
        (422, "metadata.uid")
    );
    for (field, value) in [(
        "resourceVersion",
        made["metadata"]["resourceVersion"].clone(),
    )] {
        kind.apply_body(&params, "default", &with(field, value))
            .await
            .expect("the current one");
    }
    let mut elsewhere = with("uid", "x".into());
    elsewhere["metadata"]["name"] = "absent".into();
    let absent = kind
        .apply_body(&params, "absent", &elsewhere)
        .await
        .expect_err("a uid without an object");
    assert_eq!(absent.code, 409);
    let mut elsewhere = with("resourceVersion", "1".into());
    elsewhere["metadata"]["name"] = "absent".into();
    kind.apply_body(&params, "absent", &elsewhere)
        .await
        .expect("a version is no precondition on nothing");
}

#[tokio::test]
async fn finalizers_are_a_set_and_labels_a_map() {
    let kind = config(&server());
    let apply = async |manager: &str, metadata: Value| {
        let body = json!({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata});
        kind.apply_body(&PatchParams::apply(manager), "default", &body)
            .await
            .expect("applied")
    };
    apply(
        "one",
        json!({"name": "default", "labels": {"a": "1"}, "finalizers": ["x.io/one"]}),
    )
    .await;
    let both = apply(
        "two",
        json!({"name": "default", "labels": {"b": "2"}, "finalizers": ["x.io/two"]}),
    )
    .await;
    assert_eq!(both["metadata"]["labels"], json!({"a": "1", "b": "2"}));
    assert_eq!(
        both["metadata"]["finalizers"],
        json!(["x.io/one", "x.io/two"])
    );
    let one = apply("one", json!({"name": "default"})).await;
    assert_eq!(one["metadata"]["labels"], json!({"b": "2"}));
    assert_eq!(one["metadata"]["finalizers"], json!(["x.io/two"]));
    assert_eq!(
        owners(&one).keys().collect::<Vec<_>>(),
        ["two Apply"],
        "who owns nothing is not listed"
    );
}

#[tokio::test]
async fn a_nested_field_that_is_dropped_takes_its_empty_parents_along() {
    let kind = config(&server());
    let password = json!({"secretKeyRef": {"name": "a", "key": "k"}});
    kind.apply(
        "one",
        "default",
        json!({"asNumber": 1, "nodeMeshPassword": password}),
    )
    .await
    .expect("one's");
    let less = kind
        .apply("one", "default", json!({"asNumber": 1}))
        .await
        .expect("less");
    assert_eq!(less["spec"].get("nodeMeshPassword"), None);
}

#[tokio::test]
async fn in_open_schemas_every_map_has_an_owner() {
    let server = server();
    let kind = Caller::v1(&server, "FelixConfiguration");
    let spec = json!({"a": {"b": 1}, "list": [{"c": 2}]});
    let made = kind
        .apply("one", "default", spec)
        .await
        .expect("kept as it is");
    assert_eq!(
        owners(&made)["one Apply"],
        json!({"f:spec": {"f:a": {".": {}, "f:b": {}}, "f:list": {}}})
    );
}

#[tokio::test]
async fn an_updater_left_with_nothing_is_gone() {
    let kind = config(&server());
    kind.apply("one", "default", json!({"asNumber": 1}))
        .await
        .expect("one's");
    kind.merge("two", "default", json!({"spec": {"asNumber": 2}}))
        .await
        .expect("two's");
    let three = kind
        .merge("three", "default", json!({"spec": {"asNumber": 3}}))
        .await
        .expect("three's");
    assert_eq!(owners(&three).keys().collect::<Vec<_>>(), ["three Update"]);
}

#[tokio::test]
async fn a_change_that_defaults_undo_is_none() {
    let server = server();
    let kind = config(&server);
    let spec = json!({"logSeverityScreen": null});
    kind.apply("one", "default", spec.clone())
        .await
        .expect("the default");
    let first = kind
        .apply("one", "default", spec.clone())
        .await
        .expect("the default");
    assert_eq!(first["spec"]["logSeverityScreen"], "Info");
    assert_eq!(
        kind.apply("one", "default", spec)
            .await
            .expect("the default"),
        first
    );
}
