//! What is served in which mode, the server's own objects, faults, and direct access.

use std::time::Duration;

use kube::api::ListParams;

use super::*;

async fn raw(server: &ApiServer, path: &str) -> Result<Value, Refusal> {
    let request = http::Request::get(path)
        .body(Vec::new())
        .expect("a request");
    server.client().request(request).await.map_err(refusal)
}

async fn groups(server: &ApiServer) -> Vec<String> {
    let groups = server.client().list_api_groups().await.expect("groups");
    groups
        .groups
        .into_iter()
        .map(|group| group.name)
        .filter(|name| name.contains("calico"))
        .collect()
}

#[tokio::test]
async fn each_mode_serves_its_groups() {
    for (mode, expected) in [
        (Mode::CrdV1, vec!["crd.projectcalico.org"]),
        (
            Mode::Aggregated,
            vec!["crd.projectcalico.org", "projectcalico.org"],
        ),
        (Mode::NativeV3, vec!["projectcalico.org"]),
    ] {
        let server = ApiServer::new(mode);
        assert_eq!(groups(&server).await, expected, "{mode:?}");
        let v3 = raw(&server, "/apis/projectcalico.org/v3").await;
        let plurals: Vec<String> = v3
            .iter()
            .flat_map(|list| list["resources"].as_array().expect("rows"))
            .map(|row| row["name"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(
            plurals.contains(&"bgppeers".to_owned()),
            mode != Mode::CrdV1,
            "{mode:?}"
        );
        assert_eq!(
            plurals.contains(&"ipamblocks".to_owned()),
            mode == Mode::NativeV3,
            "{mode:?}"
        );
        let absent = raw(&server, "/apis/nobody.io/v1/things")
            .await
            .expect_err("not served");
        assert_eq!(absent.code, 404, "{absent:?}");
    }
}

#[tokio::test]
async fn discovery_and_version_are_understood() {
    let server = ApiServer::new(Mode::CrdV1);
    let version = server
        .client()
        .apiserver_version()
        .await
        .expect("a version");
    assert_eq!(
        (version.git_version.as_str(), version.minor.as_str()),
        ("v1.36.3", "36")
    );
    let discovery = kube::discovery::Discovery::new(server.client())
        .run()
        .await
        .expect("everything served");
    let gvk = GroupVersionKind::gvk("crd.projectcalico.org", "v1", "IPPool");
    let (resource, capabilities) = discovery.resolve_gvk(&gvk).expect("pools are served");
    assert_eq!(resource.plural, "ippools");
    assert_eq!(capabilities.scope, kube::discovery::Scope::Cluster);
    assert_eq!(
        raw(&server, "/api/v1/nothings")
            .await
            .expect_err("unknown")
            .code,
        404
    );
}

#[tokio::test]
async fn both_groups_of_an_aggregated_server_show_the_same_objects() {
    let server = ApiServer::new(Mode::Aggregated);
    let old = Caller::v1(&server, "BGPPeer");
    let new = Caller::of(&server, "projectcalico.org", "v3", "BGPPeer", "bgppeers");
    let made = new
        .apply("charm", "p", json!({"peerIP": "10.0.0.1"}))
        .await
        .expect("new");
    let seen = old.get("p").await.expect("the same");
    assert_eq!(seen["spec"], made["spec"]);
    assert_eq!(seen["apiVersion"], "crd.projectcalico.org/v1");
    assert_eq!(version(&seen), version(&made));
    let (own, other) = (&seen["metadata"]["uid"], &made["metadata"]["uid"]);
    assert_ne!(own, other, "each group has its own uids");
    let uid = other.as_str().map(str::to_owned);
    let params = kube::api::DeleteParams {
        preconditions: Some(kube::api::Preconditions {
            uid,
            resource_version: None,
        }),
        ..Default::default()
    };
    new.api
        .delete("p", &params)
        .await
        .expect("its own uid is the right one");
    assert!(server.dump().is_empty());
}

#[test]
fn uids_are_converted_as_calico_does() {
    let catalog = {
        let mut catalog = Catalog::default();
        catalog.add_aggregated_group();
        catalog
    };
    let resource = catalog.iter().next().expect("a resource");
    let uid = "00000000-0000-4000-8000-000000000001";
    assert_eq!(
        resource.seen_uid(uid),
        "00000000-0000-4000-8000-000000000080"
    );
    let uid = "12345678-9abc-4def-8123-456789abcdef";
    assert_eq!(
        resource.seen_uid(uid),
        "482c6a1e-593d-4df7-81c4-a2e691d5b3f7"
    );
    assert_eq!(resource.seen_uid(&resource.seen_uid(uid)), uid);
}

#[tokio::test]
async fn an_aggregated_server_can_be_away() {
    let server = ApiServer::new(Mode::Aggregated);
    let available = async || {
        let service = raw(
            &server,
            "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org",
        )
        .await
        .expect("one");
        assert!(service["spec"]["service"].is_object());
        service["status"]["conditions"][0]["status"].clone()
    };
    assert_eq!(available().await, "True");
    server.set_aggregated_available(false);
    assert_eq!(available().await, "False");
    for path in [
        "/apis/projectcalico.org/v3",
        "/apis/projectcalico.org/v3/bgppeers",
    ] {
        assert_eq!(
            raw(&server, path).await.expect_err("away").code,
            503,
            "{path}"
        );
    }
    raw(&server, "/apis/crd.projectcalico.org/v1/bgppeers")
        .await
        .expect("the definitions stay");
    let native = ApiServer::new(Mode::NativeV3);
    let service = raw(
        &native,
        "/apis/apiregistration.k8s.io/v1/apiservices/v3.projectcalico.org",
    )
    .await
    .expect("one");
    assert_eq!(service["spec"].get("service"), None);
}

#[tokio::test]
async fn definitions_show_their_schema() {
    let server = ApiServer::new(Mode::CrdV1);
    let path =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.crd.projectcalico.org";
    let definition = raw(&server, path).await.expect("a definition");
    let number =
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/asNumber/format";
    assert_eq!(definition.pointer(number), Some(&json!("int32")));
}

#[tokio::test]
async fn installed_definitions_are_what_is_checked() {
    let server = ApiServer::new(Mode::CrdV1);
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"cidr": {"type": "string", "enum": ["10.0.0.0/8"]}}},
    }});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "ippools.crd.projectcalico.org"},
        "spec": {"group": "crd.projectcalico.org", "names": {"kind": "IPPool", "plural": "ippools"},
                 "versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]},
    });
    assert_eq!(server.install_definitions(&[definition, json!({})]), Ok(1));
    let kind = Caller::v1(&server, "IPPool");
    kind.apply("m", "a", json!({"cidr": "10.0.0.0/8"}))
        .await
        .expect("the one word");
    assert_eq!(
        kind.apply("m", "b", json!({"cidr": "10.0.0.0/9"}))
            .await
            .expect_err("no other")
            .code,
        422
    );
    assert_eq!(
        kind.apply("m", "b", json!({"ipipMode": "Never"}))
            .await
            .expect_err("no other field")
            .code,
        500
    );
    let path =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ippools.crd.projectcalico.org";
    let published = raw(&server, path).await.expect("a definition");
    assert_eq!(
        published["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        schema
    );
}

#[tokio::test]
async fn a_migration_serves_both_groups_apart() {
    let server = ApiServer::new(Mode::CrdV1);
    let path = "/apis/migration.projectcalico.org/v1beta1/datastoremigrations";
    assert_eq!(raw(&server, path).await.expect_err("not served").code, 404);
    server.serve_migration();
    let migration = json!({"apiVersion": "migration.projectcalico.org/v1beta1", "kind": "DatastoreMigration",
                           "metadata": {"name": "v1-to-v3"}, "status": {"phase": "Migrating"}});
    server.insert("operator", migration).expect("a migration");
    let list = raw(&server, path).await.expect("served now");
    assert_eq!(list["items"][0]["status"]["phase"], "Migrating");
    let (old, new) = (
        Caller::v1(&server, "BGPPeer"),
        Caller::of(&server, "projectcalico.org", "v3", "BGPPeer", "bgppeers"),
    );
    old.apply("m", "p", json!({})).await.expect("an old one");
    assert_eq!(new.get("p").await.expect_err("not migrated").code, 404);
}

#[tokio::test]
async fn a_gate_makes_requests_fail() {
    let server = ApiServer::new(Mode::CrdV1);
    let kind = Caller::v1(&server, "BGPPeer");
    for (fault, code, landed) in [
        (
            Fault::Status {
                code: 429,
                reason: "TooManyRequests".to_owned(),
                retry_after: Some(2),
            },
            429,
            false,
        ),
        (Fault::Refuse, 0, false),
        (Fault::DropReplyAfterEffect, 0, true),
    ] {
        let gate = fault.clone();
        server.set_gate(move |request| request.verb.writes().then(|| gate.clone()));
        let refused = kind.apply("m", "p", json!({})).await.expect_err("a fault");
        assert_eq!(refused.code, code, "{fault:?}");
        assert_eq!(server.object("BGPPeer", "p").is_some(), landed, "{fault:?}");
        kind.api
            .list(&ListParams::default())
            .await
            .expect("reads pass");
    }
    let away = server.clone();
    server.set_gate(move |request| {
        // The gate may use the server: here another writer comes first.
        (request.verb == Verb::Delete).then(|| away.remove("BGPPeer", "p"));
        None
    });
    let raced = kind
        .api
        .delete("p", &kube::api::DeleteParams::default())
        .await
        .map_err(refusal)
        .expect_err("raced");
    assert_eq!(raced.code, 404);
    server.set_gate(|_| Some(Fault::Delay(Duration::from_millis(1))));
    kind.api.list(&ListParams::default()).await.expect("late");
    server.clear_gate();
    kind.api
        .list(&ListParams::default())
        .await
        .expect("in time");
}

#[tokio::test]
async fn requests_are_recorded() {
    let server = ApiServer::new(Mode::CrdV1);
    let kind = Caller::v1(&server, "BGPPeer");
    kind.apply("m", "p", json!({})).await.expect("new");
    kind.get("q").await.expect_err("nothing");
    let records = server.take_requests();
    let seen: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record.caller.as_str(),
                record.verb.to_string(),
                record.status,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("BGPPeer", "apply".to_owned(), 201),
            ("BGPPeer", "get".to_owned(), 404)
        ]
    );
    assert_eq!(records[1].path, "/apis/crd.projectcalico.org/v1/bgppeers/q");
    assert!(records[0].query.contains("fieldManager=m"));
    assert!(server.requests().is_empty());
    assert_eq!(server.write_count(), 1);
}

#[tokio::test]
async fn direct_access_goes_around_the_gate_and_the_checks() {
    let server = ApiServer::new(Mode::CrdV1);
    let body = |number: i64| {
        json!({"apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer",
                                    "metadata": {"name": "p"}, "spec": {"asNumber": number}})
    };
    let made = server
        .insert("kubectl", body(9_999_999_999))
        .expect("unchecked");
    assert!(owners(&made).contains_key("kubectl Update"));
    let again = server.insert("kubectl", body(2)).expect("replaced");
    assert!(version(&again) > version(&made));
    assert_eq!(again["metadata"]["uid"], made["metadata"]["uid"]);
    let merged = server
        .merge("other", "BGPPeer", "p", &json!({"spec": {"asNumber": 3}}))
        .expect("merged");
    assert!(owners(&merged).contains_key("other Update"));
    assert_eq!(server.objects("bgppeers").len(), 1);
    assert!(server.requests().is_empty());
    assert!(
        server
            .insert("x", json!({"apiVersion": "v9", "kind": "None"}))
            .is_err()
    );
    assert_eq!(
        server.remove("BGPPeer", "p").expect("it was there")["spec"]["asNumber"],
        3
    );
    assert!(server.dump().is_empty());
}

#[tokio::test]
async fn the_same_requests_give_the_same_bytes() {
    let run = async || {
        let server = ApiServer::new(Mode::Aggregated);
        let kind = Caller::v1(&server, "BGPPeer");
        for index in 0..20 {
            let name = format!("p{}", index % 7);
            kind.force("m", &name, json!({"asNumber": index}))
                .await
                .expect("applied");
        }
        serde_json::to_string(&server.dump()).expect("JSON")
    };
    assert_eq!(run().await, run().await);
}
