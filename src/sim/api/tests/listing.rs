//! Lists: selectors, pages, metadata only.

use kube::api::ListParams;

use super::*;

fn fleet(count: usize) -> (ApiServer, Caller) {
    let server = ApiServer::new(Mode::CrdV1);
    let kind = Caller::v1(&server, "BGPPeer");
    for index in 0..count {
        let mut body = kind.body(
            &format!("peer-{index:02}"),
            &json!({"node": format!("n{index}")}),
        );
        body["metadata"]["labels"] =
            json!({"parity": (if index % 2 == 0 { "even" } else { "odd" })});
        server.insert("fleet", body).expect("a peer");
    }
    (server, kind)
}

fn names(list: &kube::core::ObjectList<DynamicObject>) -> Vec<String> {
    list.items
        .iter()
        .map(|item| item.metadata.name.clone().expect("a name"))
        .collect()
}

#[tokio::test]
async fn pages_show_one_moment_in_name_order() {
    let (server, kind) = fleet(5);
    let first = kind
        .api
        .list(&ListParams::default().limit(2))
        .await
        .expect("a page");
    assert_eq!(names(&first), ["peer-00", "peer-01"]);
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    server.remove("BGPPeer", "peer-03").expect("it was there");
    server
        .insert("late", kind.body("peer-02a", &json!({})))
        .expect("a peer");
    let token = first.metadata.continue_.clone().expect("more");
    let second = kind
        .api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .expect("a page");
    assert_eq!(names(&second), ["peer-02", "peer-03"], "as it was");
    assert_eq!(
        second.metadata.resource_version,
        first.metadata.resource_version
    );
    let token = second.metadata.continue_.expect("more");
    let third = kind
        .api
        .list(&ListParams::default().limit(2).continue_token(&token))
        .await
        .expect("a page");
    assert_eq!(names(&third), ["peer-04"]);
    assert_eq!(third.metadata.continue_.as_deref(), Some(""));
    let now = kind.api.list(&ListParams::default()).await.expect("a list");
    assert_eq!(
        names(&now),
        ["peer-00", "peer-01", "peer-02", "peer-02a", "peer-04"]
    );
    assert_eq!(
        now.metadata.resource_version,
        Some(server.resource_version().to_string())
    );
    server.expire_pages();
    let expired = kind
        .api
        .list(&ListParams::default().continue_token(&token))
        .await
        .map_err(refusal)
        .expect_err("old");
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
    let nonsense = kind
        .api
        .list(&ListParams::default().continue_token("x"))
        .await
        .map_err(refusal)
        .expect_err("bad");
    assert_eq!(nonsense.code, 400);
}

#[tokio::test]
async fn selectors_choose_and_pages_of_them_count_no_rest() {
    let (_, kind) = fleet(6);
    for (labels, fields, expected) in [
        ("parity=odd", "", vec!["peer-01", "peer-03", "peer-05"]),
        ("parity", "metadata.name=peer-02", vec!["peer-02"]),
        ("!parity", "", vec![]),
        (
            "parity!=odd",
            "metadata.name!=peer-00",
            vec!["peer-02", "peer-04"],
        ),
        (
            "parity in (even)",
            "",
            vec!["peer-00", "peer-02", "peer-04"],
        ),
    ] {
        let list = kind
            .api
            .list(&ListParams::default().labels(labels).fields(fields))
            .await
            .expect(labels);
        assert_eq!(names(&list), expected, "{labels} {fields}");
    }
    let page = kind
        .api
        .list(&ListParams::default().labels("parity=odd").limit(1))
        .await
        .expect("a page");
    assert_eq!(
        (names(&page), page.metadata.remaining_item_count),
        (vec!["peer-01".to_owned()], None)
    );
    let token = page.metadata.continue_.expect("more");
    let rest = kind
        .api
        .list(
            &ListParams::default()
                .labels("parity=odd")
                .continue_token(&token),
        )
        .await
        .expect("the rest");
    assert_eq!(names(&rest), ["peer-03", "peer-05"]);
    for (labels, fields) in [("=x", ""), ("", "spec.node=n1")] {
        let bad = kind
            .api
            .list(&ListParams::default().labels(labels).fields(fields))
            .await
            .map_err(refusal);
        assert_eq!(bad.expect_err("no selector").code, 400, "{labels} {fields}");
    }
}

#[tokio::test]
async fn selectors_follow_labels_that_change() {
    let (server, kind) = fleet(4);
    let odd = async || {
        let list = kind
            .api
            .list(&ListParams::default().labels("parity=odd"))
            .await;
        names(&list.expect("a list"))
    };
    kind.merge(
        "m",
        "peer-01",
        json!({"metadata": {"labels": {"parity": "even"}}}),
    )
    .await
    .expect("another label");
    assert_eq!(odd().await, ["peer-03"]);
    kind.merge(
        "m",
        "peer-00",
        json!({"metadata": {"labels": {"parity": "odd"}}}),
    )
    .await
    .expect("another label");
    assert_eq!(odd().await, ["peer-00", "peer-03"]);
    server.remove("BGPPeer", "peer-03");
    assert_eq!(odd().await, ["peer-00"]);
    kind.merge("m", "peer-00", json!({"metadata": {"labels": null}}))
        .await
        .expect("no label");
    assert!(odd().await.is_empty());
}

#[tokio::test]
async fn pods_are_chosen_by_node() {
    let server = ApiServer::new(Mode::CrdV1);
    for (namespace, name, node) in [("a", "p", "n1"), ("b", "p", "n2"), ("b", "q", "n1")] {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
                         "spec": {"nodeName": node}});
        server.insert("scheduler", pod).expect("a pod");
    }
    let pods: Api<DynamicObject> = Caller::of(&server, "", "v1", "Pod", "pods").api;
    let found = pods
        .list(&ListParams::default().fields("spec.nodeName=n1"))
        .await
        .expect("pods");
    let found: Vec<_> = found
        .items
        .iter()
        .map(|pod| pod.metadata.namespace.clone().expect("a namespace"))
        .collect();
    assert_eq!(found, ["a", "b"]);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
    let in_b: Api<DynamicObject> = Api::namespaced_with(server.client(), "b", &resource);
    assert_eq!(
        in_b.list(&ListParams::default())
            .await
            .expect("pods")
            .items
            .len(),
        2
    );
    assert!(in_b.get("p").await.is_ok());
    assert_eq!(
        server.object("Pod", "b/q").expect("a pod")["spec"]["nodeName"],
        "n1"
    );
}

#[tokio::test]
async fn metadata_comes_without_the_rest() {
    let (server, kind) = fleet(3);
    let one = kind.api.get_metadata("peer-01").await.expect("metadata");
    assert_eq!(
        one.types.as_ref().map(|types| types.kind.as_str()),
        Some("PartialObjectMetadata")
    );
    assert_eq!(one.metadata.labels.expect("labels")["parity"], "odd");
    let list = kind
        .api
        .list_metadata(&ListParams::default().labels("parity=even"))
        .await
        .expect("metadata");
    assert_eq!(list.items.len(), 2);
    let raw: Value = server
        .client()
        .request(
            http::Request::get("/apis/crd.projectcalico.org/v1/bgppeers?limit=1")
                .header(
                    "accept",
                    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
                )
                .body(Vec::new())
                .expect("a request"),
        )
        .await
        .expect("a list");
    assert_eq!(
        (raw["kind"].as_str(), raw["items"][0].get("spec")),
        (Some("PartialObjectMetadataList"), None)
    );
    let patched = kind
        .api
        .patch_metadata("peer-01", &PatchParams::default(), &Patch::Merge(json!({})))
        .await;
    assert_eq!(
        patched.expect("metadata").metadata.name.as_deref(),
        Some("peer-01")
    );
}
