//! Create, replace, delete and dry runs; what is checked and how it is refused.

use kube::api::{DeleteParams, PostParams, Preconditions};

use super::*;

fn server() -> ApiServer {
    ApiServer::new(Mode::CrdV1)
}

fn peer(server: &ApiServer) -> Caller {
    Caller::v1(server, "BGPPeer")
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = server();
    for (kind, message, group) in [
        (
            peer(&server),
            "bgppeers.crd.projectcalico.org \"x\" not found",
            "crd.projectcalico.org",
        ),
        (
            Caller::of(&server, "", "v1", "Node", "nodes"),
            "nodes \"x\" not found",
            "",
        ),
    ] {
        let Err(kube::Error::Api(status)) = kind.api.get("x").await else {
            panic!("there is nothing")
        };
        assert_eq!(
            (status.code, status.reason.as_str(), status.message.as_str()),
            (404, "NotFound", message)
        );
        let details = status.details.as_ref().expect("details");
        assert_eq!(
            (details.name.as_str(), details.group.as_str()),
            ("x", group)
        );
        assert_eq!(
            kind.merge("m", "x", json!({}))
                .await
                .expect_err("nothing to patch")
                .code,
            404
        );
        assert_eq!(
            refusal(
                kind.api
                    .delete("x", &DeleteParams::default())
                    .await
                    .expect_err("nothing")
            )
            .code,
            404
        );
    }
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let kind = peer(&server());
    let made = kind
        .create("m", &kind.body("p", &json!({"peerIP": "10.0.0.1"})))
        .await
        .expect("new");
    assert_eq!(
        made["metadata"]["creationTimestamp"],
        "2026-01-01T00:00:01Z"
    );
    let refused = kind
        .create("m", &kind.body("p", &json!({})))
        .await
        .expect_err("taken");
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (409, "AlreadyExists")
    );
    assert_eq!(
        refused.message,
        "bgppeers.crd.projectcalico.org \"p\" already exists"
    );
}

#[tokio::test]
async fn names_are_subdomains() {
    let kind = peer(&server());
    for (name, good) in [
        ("a", true),
        ("calico-0-10.0.0.1", true),
        ("0", true),
        ("A", false),
        ("-a", false),
        ("a-", false),
        ("a..b", false),
        ("a_b", false),
        ("fd00::1", false),
    ] {
        let answer = kind.create("m", &kind.body(name, &json!({}))).await;
        assert_eq!(answer.is_ok(), good, "{name}: {answer:?}");
        if let Err(refused) = answer {
            assert_eq!(
                (refused.code, refused.causes[0].0.as_str()),
                (422, "metadata.name"),
                "{name}"
            );
        }
    }
}

/// Kind, spec, and the field and the text of the first cause it is refused for.
fn bad_specs() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            "BGPPeer",
            json!({"asNumber": "x"}),
            "spec.asNumber",
            "must be of type integer: \"string\"",
        ),
        (
            "BGPPeer",
            json!({"asNumber": 4_200_000_101_i64}),
            "<nil>",
            "type integer with format int32 in spec.asNumber",
        ),
        (
            "BGPPeer",
            json!({"sourceAddress": "None "}),
            "spec.sourceAddress",
            "supported values: \"UseNodeIP\", \"None\"",
        ),
        (
            "BGPPeer",
            json!({"node": "a", "nodeSelector": "all()"}),
            "spec",
            "Forbidden: either node or nodeSelector",
        ),
        (
            "BGPPeer",
            json!({"node": "n".repeat(254)}),
            "spec.node",
            "Too long: may not be more than 253 bytes",
        ),
        (
            "BGPPeer",
            json!({"password": {"secretKeyRef": {}}}),
            "spec.password.secretKeyRef.key",
            "Required value",
        ),
        (
            "BGPConfiguration",
            json!({"listenPort": 0}),
            "spec.listenPort",
            "should be greater than or equal to 1",
        ),
        (
            "BGPConfiguration",
            json!({"listenPort": 65_536}),
            "spec.listenPort",
            "should be less than or equal to 65535",
        ),
        (
            "BGPConfiguration",
            json!({"nodeToNodeMeshEnabled": "true"}),
            "spec.nodeToNodeMeshEnabled",
            "type boolean",
        ),
        (
            "BGPConfiguration",
            json!({"ignoredInterfaces": ["a", "a"]}),
            "spec.ignoredInterfaces[1]",
            "Duplicate value: \"a\"",
        ),
        (
            "BGPConfiguration",
            json!({"serviceClusterIPs": [{"cidr": "10.0.0.0"}]}),
            "spec.serviceClusterIPs[0].cidr",
            "must be of type cidr: \"10.0.0.0\"",
        ),
        ("IPPool", json!({}), "spec.cidr", "Required value"),
        (
            "IPPool",
            json!({"cidr": "10.0.0.0/8", "ipipMode": "always"}),
            "spec.ipipMode",
            "Unsupported value: \"always\"",
        ),
        (
            "IPPool",
            json!({"cidr": "10.0.0.0/8", "ipipMode": "Always", "vxlanMode": "Always"}),
            "spec",
            "not both",
        ),
        (
            "IPPool",
            json!({"cidr": "fd00::/48", "ipipMode": "Always"}),
            "spec",
            "takes no ipipMode",
        ),
    ]
}

#[tokio::test]
async fn specs_are_checked_against_their_schema() {
    let server = server();
    for (kind, spec, field, text) in bad_specs() {
        let api = Caller::v1(&server, kind);
        let refused = api
            .create("m", &api.body("x", &spec))
            .await
            .expect_err(text);
        assert_eq!(
            (refused.code, refused.reason.as_str()),
            (422, "Invalid"),
            "{spec}"
        );
        assert_eq!(refused.causes[0].0, field, "{spec}");
        assert!(
            refused.causes[0].1.contains(text),
            "{spec}: {}",
            refused.causes[0].1
        );
        let start = format!("{kind}.crd.projectcalico.org \"x\" is invalid: ");
        assert!(refused.message.starts_with(&start), "{}", refused.message);
    }
    assert!(server.objects("BGPPeer").is_empty());
    server.set_enforce_int32(false);
    let kind = peer(&server);
    kind.apply("m", "x", json!({"asNumber": 4_200_000_101_i64}))
        .await
        .expect("as before Kubernetes 1.36");
}

#[tokio::test]
async fn unchanged_values_are_not_checked_again() {
    let server = server();
    let kind = peer(&server);
    server
        .insert(
            "old",
            kind.body("p", &json!({"asNumber": 4_200_000_101_i64})),
        )
        .expect("let in once");
    kind.merge("m", "p", json!({"spec": {"peerIP": "10.0.0.1"}}))
        .await
        .expect("the number is as it was");
    kind.merge("m", "p", json!({"spec": {"asNumber": 4_200_000_102_i64}}))
        .await
        .expect_err("another number is not");
}

#[tokio::test]
async fn the_cidr_and_block_size_of_a_pool_stay() {
    let server = server();
    let kind = Caller::v1(&server, "IPPool");
    kind.apply(
        "m",
        "pool",
        json!({"cidr": "10.0.0.0/16", "natOutgoing": true}),
    )
    .await
    .expect("new");
    kind.apply("m", "pool", json!({"cidr": "10.0.0.0/16", "blockSize": 26}))
        .await
        .expect("a size where there was none");
    for (spec, field) in [
        (json!({"cidr": "10.1.0.0/16", "blockSize": 26}), "spec.cidr"),
        (
            json!({"cidr": "10.0.0.0/16", "blockSize": 27}),
            "spec.blockSize",
        ),
    ] {
        let refused = kind.apply("m", "pool", spec).await.expect_err(field);
        assert_eq!((refused.code, refused.causes[0].0.as_str()), (422, field));
        assert!(
            refused.causes[0].1.contains("cannot be changed"),
            "{:?}",
            refused.causes
        );
    }
}

#[tokio::test]
async fn unknown_fields_are_dropped_or_refused() {
    let server = server();
    let kind = peer(&server);
    let body = kind.body("p", &json!({"foo": 1, "peerIP": "10.0.0.1"}));
    let made = kind.create("m", &body).await.expect("pruned");
    assert_eq!(made["spec"], json!({"peerIP": "10.0.0.1"}));
    let strict = |method: &str, path: &str, content_type: &str, body: &Value| {
        http::Request::builder()
            .method(method)
            .uri(format!("/apis/crd.projectcalico.org/v1/bgppeers{path}?fieldValidation=Strict&fieldManager=m"))
            .header("content-type", content_type)
            .body(body.to_string().into_bytes())
            .expect("a request")
    };
    let client = server.client();
    for (request, code, message) in [
        (
            strict(
                "POST",
                "",
                "application/json",
                &kind.body("q", &json!({"foo": 1})),
            ),
            400,
            "BGPPeer in version \"v1\" cannot be handled as a BGPPeer: strict decoding error: unknown field \"spec.foo\"",
        ),
        (
            strict(
                "PATCH",
                "/p",
                "application/merge-patch+json",
                &json!({"spec": {"foo": 1}, "metadata": {"bar": 2}}),
            ),
            422,
            "strict decoding error: unknown field \"metadata.bar\", unknown field \"spec.foo\"",
        ),
    ] {
        let refused = refusal(client.request::<Value>(request).await.expect_err(message));
        assert_eq!(refused.code, code);
        assert!(refused.message.contains(message), "{}", refused.message);
    }
}

#[tokio::test]
async fn dropped_fields_are_warned_of() {
    let server = server();
    let body = peer(&server).body("p", &json!({"foo": 1}));
    let request = http::Request::post("/apis/crd.projectcalico.org/v1/bgppeers")
        .header("content-type", "application/json")
        .body(body.to_string().into_bytes().into())
        .expect("a request");
    let response = server.client().send(request).await.expect("an answer");
    assert_eq!(response.status(), 201);
    assert_eq!(
        response.headers()["warning"],
        "299 - \"unknown field \\\"spec.foo\\\"\""
    );
}

#[tokio::test]
async fn an_update_says_which_version_it_is_of() {
    let server = server();
    let kind = peer(&server);
    let made = kind
        .create("one", &kind.body("p", &json!({"peerIP": "10.0.0.1"})))
        .await
        .expect("new");
    let replace = async |body: &Value| {
        let params = PostParams {
            field_manager: Some("two".to_owned()),
            ..PostParams::default()
        };
        whole(kind.api.replace("p", &params, &object(body)).await)
    };
    let none = replace(&kind.body("p", &json!({"peerIP": "10.0.0.2"})))
        .await
        .expect_err("no version");
    assert_eq!(
        (none.code, none.causes[0].0.as_str()),
        (422, "metadata.resourceVersion")
    );
    let mut body = made.clone();
    body["spec"]["peerIP"] = "10.0.0.2".into();
    let replaced = replace(&body).await.expect("the current version");
    assert_eq!(replaced["metadata"]["generation"], 2);
    assert_eq!(
        owners(&replaced)["two Update"],
        json!({"f:spec": {"f:peerIP": {}}})
    );
    let stale = replace(&body).await.expect_err("no longer current");
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on bgppeers.crd.projectcalico.org \"p\": the object has been modified; please apply \
         your changes to the latest version and try again"
    );
    let stale = kind
        .merge("m", "p", json!({"metadata": {"resourceVersion": "1"}}))
        .await
        .expect_err("stale");
    assert_eq!(stale.code, 409);
    let mut other = replaced;
    other["metadata"]["uid"] = "x".into();
    assert_eq!(replace(&other).await.expect_err("another object").code, 409);
}

#[tokio::test]
async fn system_fields_are_the_servers() {
    let server = server();
    let kind = peer(&server);
    let made = kind
        .create("m", &kind.body("p", &json!({})))
        .await
        .expect("new");
    let patch = json!({"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7, "labels": {"a": "b"}}});
    let patched = kind.merge("m", "p", patch).await.expect("patched");
    for field in ["creationTimestamp", "generation", "uid"] {
        assert_eq!(
            patched["metadata"][field], made["metadata"][field],
            "{field}"
        );
    }
    assert_eq!(patched["metadata"]["labels"], json!({"a": "b"}));
    let other = kind
        .merge("m", "p", json!({"metadata": {"uid": "x"}}))
        .await
        .expect_err("another uid");
    // Both validators of a custom resource find it; the message says it once.
    assert_eq!(
        other.message,
        "BGPPeer.crd.projectcalico.org \"p\" is invalid: metadata.uid: Invalid value: \"x\": field is immutable"
    );
    assert_eq!(other.causes.len(), 2);
}

#[tokio::test]
async fn deletes_keep_their_preconditions() {
    let server = server();
    let kind = peer(&server);
    let made = kind
        .create("m", &kind.body("p", &json!({})))
        .await
        .expect("new");
    let text = |field: &str| made["metadata"][field].as_str().map(str::to_owned);
    let delete = async |uid: Option<String>, resource_version: Option<String>| {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid,
                resource_version,
            }),
            ..Default::default()
        };
        kind.api.delete("p", &params).await.map_err(refusal)
    };
    let wrong = delete(Some("x".to_owned()), None)
        .await
        .expect_err("another uid");
    assert_eq!(wrong.code, 409);
    assert!(
        wrong
            .message
            .contains("the UID in the precondition (x) does not match the UID in record"),
        "{wrong:?}"
    );
    let wrong = delete(text("uid"), Some("1".to_owned()))
        .await
        .expect_err("an old version");
    assert!(
        wrong
            .message
            .contains("the ResourceVersion in the precondition (1) does not match"),
        "{wrong:?}"
    );
    let before = server.resource_version();
    let status = delete(text("uid"), text("resourceVersion"))
        .await
        .expect("the right one")
        .right()
        .expect("a status");
    assert_eq!(
        status
            .details
            .map(|details| (details.name, details.kind, details.uid)),
        Some((
            "p".to_owned(),
            "bgppeers".to_owned(),
            text("uid").expect("a uid")
        ))
    );
    assert_eq!(server.resource_version(), before + 1);
    assert_eq!(server.object("BGPPeer", "p"), None);
}

#[tokio::test]
async fn finalizers_hold_an_object_until_they_are_gone() {
    let server = server();
    let kind = peer(&server);
    let mut body = kind.body("p", &json!({}));
    body["metadata"]["finalizers"] = json!(["x.io/wait"]);
    kind.create("m", &body).await.expect("new");
    let held = kind
        .api
        .delete("p", &DeleteParams::default())
        .await
        .expect("marked")
        .left()
        .expect("the object");
    assert!(held.metadata.deletion_timestamp.is_some());
    assert_eq!(held.metadata.generation, Some(2));
    let before = server.resource_version();
    kind.api
        .delete("p", &DeleteParams::default())
        .await
        .expect("marked already");
    assert_eq!(server.resource_version(), before);
    let more = json!({"metadata": {"finalizers": ["x.io/wait", "x.io/more"]}});
    assert_eq!(
        kind.merge("m", "p", more).await.expect_err("too late").code,
        422
    );
    kind.merge("m", "p", json!({"metadata": {"finalizers": null}}))
        .await
        .expect("let go");
    assert_eq!(kind.get("p").await.expect_err("gone").code, 404);
}

#[tokio::test]
async fn dry_runs_answer_and_change_nothing() {
    let server = server();
    let kind = peer(&server);
    kind.create("m", &kind.body("p", &json!({"peerIP": "10.0.0.1"})))
        .await
        .expect("new");
    let (before, writes) = (server.dump(), server.write_count());
    let apply = PatchParams::apply("charm").force().dry_run();
    let seen = kind
        .apply_body(&apply, "p", &kind.body("p", &json!({"peerIP": "10.0.0.2"})))
        .await
        .expect("seen");
    assert_eq!(
        (&seen["spec"]["peerIP"], &seen["metadata"]["generation"]),
        (&json!("10.0.0.2"), &json!(2))
    );
    let seen = kind
        .apply_body(&apply, "q", &kind.body("q", &json!({})))
        .await
        .expect("seen");
    assert!(seen["metadata"]["uid"].is_string());
    assert_eq!(seen["metadata"].get("resourceVersion"), None);
    kind.apply_body(
        &apply,
        "p",
        &kind.body("p", &json!({"asNumber": -9_999_999_999_i64})),
    )
    .await
    .expect_err("checked");
    kind.api
        .delete("p", &DeleteParams::default().dry_run())
        .await
        .expect("it could");
    assert_eq!((server.dump(), server.write_count()), (before, writes));
}
