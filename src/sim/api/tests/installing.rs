//! Definitions, workloads, and the pods that follow from them.

use kube::api::ListParams;

use super::super::workloads::Trouble;
use super::*;

fn definition(group: &str, kind: &str, field: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {field: {"type": "string"}}},
    }});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "scope": "Cluster", "names": {"kind": kind, "plural": plural},
            "versions": [
                {"name": "v1beta1", "served": true, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}},
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}},
            ],
        },
    })
}

fn definitions(server: &ApiServer) -> Caller {
    Caller::of(
        server,
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    )
}

async fn put(caller: &Caller, body: &Value) -> Result<Value, Refusal> {
    let name = body["metadata"]["name"].as_str().expect("a name");
    let params = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply("charm").force()
    };
    caller.apply_body(&params, name, body).await
}

fn established(server: &ApiServer, name: &str) -> bool {
    let object = server.object("CustomResourceDefinition", name);
    let conditions = object.map(|object| object["status"]["conditions"].clone());
    conditions.is_some_and(|conditions| conditions[1]["type"] == "Established")
}

#[tokio::test]
async fn a_definition_is_served_and_checked_until_it_is_deleted() {
    let server = ApiServer::bare();
    let things = Caller::of(&server, "example.com", "v1", "Thing", "things");
    assert_eq!(things.get("a").await.expect_err("not served").code, 404);
    let body = definition("example.com", "Thing", "size");
    put(&definitions(&server), &body).await.expect("defined");
    assert!(established(&server, "things.example.com"));
    assert!(server.object("APIService", "v1.example.com").is_some());
    things
        .apply("m", "a", json!({"size": "1"}))
        .await
        .expect("served");
    let refused = things.apply("m", "b", json!({"colour": "red"})).await;
    assert_eq!(refused.expect_err("not in the schema").code, 500);
    let grown = definition("example.com", "Thing", "colour");
    put(&definitions(&server), &grown).await.expect("redefined");
    things
        .apply("m", "b", json!({"colour": "red"}))
        .await
        .expect("in the new schema");
    definitions(&server)
        .api
        .delete("things.example.com", &kube::api::DeleteParams::default())
        .await
        .map_err(refusal)
        .expect("deleted");
    assert_eq!(things.get("a").await.expect_err("not served").code, 404);
    assert!(server.object("APIService", "v1.example.com").is_none());
    put(&definitions(&server), &body).await.expect("again");
    assert!(server.objects("Thing").is_empty());
}

#[tokio::test]
async fn a_definition_can_wait_to_be_established() {
    let server = ApiServer::bare();
    server.set_establish_definitions(false);
    let body = definition("example.com", "Thing", "size");
    put(&definitions(&server), &body).await.expect("defined");
    assert!(!established(&server, "things.example.com"));
    let things = Caller::of(&server, "example.com", "v1", "Thing", "things");
    assert_eq!(things.get("a").await.expect_err("not yet").code, 404);
    server.set_establish_definitions(true);
    assert!(established(&server, "things.example.com"));
    things.apply("m", "a", json!({})).await.expect("served");
}

#[tokio::test]
async fn calicos_own_definitions_keep_their_objects() {
    let server = ApiServer::new(Mode::Aggregated);
    let pools = Caller::v1(&server, "IPPool");
    pools
        .apply("m", "a", json!({"cidr": "10.0.0.0/8"}))
        .await
        .expect("a pool");
    let mut body = definition("crd.projectcalico.org", "IPPool", "cidr");
    body["spec"]["names"]["plural"] = "ippools".into();
    put(&definitions(&server), &body).await.expect("redefined");
    pools.get("a").await.expect("still there");
    let other = Caller::of(&server, "projectcalico.org", "v3", "IPPool", "ippools");
    other.get("a").await.expect("and in the other group");
}

fn node(name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": ip}]},
    })
}

fn workload(kind: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "agent", "namespace": "kube-system"},
        "spec": {
            "selector": {"matchLabels": {"k8s-app": "agent"}},
            "template": {
                "metadata": {"labels": {"k8s-app": "agent"}},
                "spec": {"hostNetwork": true, "containers": [{"name": "agent", "image": image}]},
            },
        },
    })
}

/// A server with three Nodes and a `DaemonSet`.
async fn rolled_out() -> (ApiServer, Caller) {
    let server = ApiServer::bare();
    for (name, ip) in [("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")] {
        server.insert("kubelet", node(name, ip)).expect("a node");
    }
    let sets = in_kube_system(&server, "DaemonSet");
    put(&sets, &workload("DaemonSet", "agent:1"))
        .await
        .expect("installed");
    (server, sets)
}

fn in_kube_system(server: &ApiServer, kind: &str) -> Caller {
    let gvk = GroupVersionKind::gvk("apps", "v1", kind);
    let resource = ApiResource::from_gvk(&gvk);
    Caller {
        api: Api::namespaced_with(server.client_as(kind), "kube-system", &resource),
        api_version: "apps/v1".to_owned(),
        kind: kind.to_owned(),
    }
}

/// Desired, updated and ready pods, and whether the newest template is the one counted.
fn numbers(server: &ApiServer) -> (u64, u64, u64, bool) {
    let set = server
        .object("DaemonSet", "kube-system/agent")
        .expect("it was installed");
    let number = |field: &str| set["status"][field].as_u64().unwrap_or_default();
    (
        number("desiredNumberScheduled"),
        number("updatedNumberScheduled"),
        number("numberReady"),
        set["status"]["observedGeneration"] == set["metadata"]["generation"],
    )
}

async fn pods_on(server: &ApiServer, node: &str) -> Vec<Value> {
    let gvk = GroupVersionKind::gvk("", "v1", "Pod");
    let resource = ApiResource::from_gvk(&gvk);
    let api: Api<DynamicObject> = Api::namespaced_with(server.client(), "kube-system", &resource);
    let chosen = ListParams::default()
        .labels("k8s-app=agent")
        .fields(&format!("spec.nodeName={node}"));
    let list = api.list(&chosen).await.expect("pods can be listed");
    list.items
        .into_iter()
        .map(|pod| serde_json::to_value(pod).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_daemon_set_gets_a_pod_on_every_node() {
    let (server, sets) = rolled_out().await;
    assert_eq!(numbers(&server), (3, 3, 3, true));
    let pods = pods_on(&server, "b").await;
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["status"]["podIP"], "10.0.0.2");
    assert_eq!(pods[0]["spec"]["hostNetwork"], true);
    server
        .insert("kubelet", node("d", "10.0.0.4"))
        .expect("a node");
    assert_eq!(numbers(&server), (4, 4, 4, true));
    server.remove("Node", "d");
    assert_eq!(numbers(&server), (3, 3, 3, true));
    let pod = pods[0]["metadata"]["name"].as_str().expect("a name");
    server.remove("Pod", &format!("kube-system/{pod}"));
    assert_eq!(pods_on(&server, "b").await.len(), 1, "a new one comes");
    let writes = server.write_count();
    assert_eq!(writes, 1, "what controllers do is nobody's request");
    sets.api
        .delete("agent", &kube::api::DeleteParams::default())
        .await
        .map_err(refusal)
        .expect("deleted");
    assert!(server.objects("Pod").is_empty());
}

#[tokio::test]
async fn what_is_settled_stays_as_it_is() {
    let (server, sets) = rolled_out().await;
    let version = server.resource_version();
    put(&sets, &workload("DaemonSet", "agent:1"))
        .await
        .expect("the same again");
    assert_eq!(server.resource_version(), version);
}

#[tokio::test]
async fn a_new_template_replaces_the_pods_but_for_those_that_lag() {
    let (server, sets) = rolled_out().await;
    server.set_trouble("b", Some(Trouble::Lagging));
    put(&sets, &workload("DaemonSet", "agent:2"))
        .await
        .expect("changed");
    assert_eq!(numbers(&server), (3, 2, 3, true));
    let image = |pods: &[Value]| pods[0]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image(&pods_on(&server, "a").await), "agent:2");
    assert_eq!(image(&pods_on(&server, "b").await), "agent:1");
    server.set_trouble("b", None);
    assert_eq!(numbers(&server), (3, 3, 3, true));
    assert_eq!(image(&pods_on(&server, "b").await), "agent:2");
}

#[tokio::test]
async fn a_pod_can_be_made_to_fail() {
    let (server, _) = rolled_out().await;
    for (reason, phase) in [
        ("ImagePullBackOff", "Pending"),
        ("CrashLoopBackOff", "Running"),
    ] {
        let trouble = Trouble::Waiting {
            reason: reason.to_owned(),
            message: "why".to_owned(),
        };
        server.set_trouble("b", Some(trouble));
        assert_eq!(numbers(&server), (3, 3, 2, true), "{reason}");
        let pod = &pods_on(&server, "b").await[0];
        let container = &pod["status"]["containerStatuses"][0];
        assert_eq!(container["state"]["waiting"]["reason"], reason);
        assert_eq!(container["state"]["waiting"]["message"], "why");
        assert_eq!(pod["status"]["phase"], phase);
    }
    server.set_trouble("b", None);
    assert_eq!(numbers(&server), (3, 3, 3, true));
}

#[tokio::test]
async fn a_deployment_is_available_unless_it_has_trouble() {
    let server = ApiServer::bare();
    let deployments = in_kube_system(&server, "Deployment");
    put(&deployments, &workload("Deployment", "agent:1"))
        .await
        .expect("installed");
    let status = || {
        let object = server.object("Deployment", "kube-system/agent");
        object.expect("it was installed")["status"].clone()
    };
    assert_eq!(status()["availableReplicas"], 1);
    assert_eq!(status()["conditions"][0]["status"], "True");
    server.set_trouble("agent", Some(Trouble::Lagging));
    assert_eq!(status()["availableReplicas"], Value::Null);
    assert_eq!(status()["conditions"][0]["status"], "False");
    server.set_trouble("agent", None);
    assert_eq!(status()["availableReplicas"], 1);
}

#[tokio::test]
async fn controllers_can_be_off() {
    let server = ApiServer::bare();
    server.set_controllers(false);
    server
        .insert("kubelet", node("a", "10.0.0.1"))
        .expect("a node");
    server
        .insert("kubectl", workload("DaemonSet", "agent:1"))
        .expect("installed");
    assert!(server.objects("Pod").is_empty());
    server.set_controllers(true);
    assert_eq!(numbers(&server), (1, 1, 1, true));
}

#[tokio::test]
async fn generations_count_what_each_kind_counts() {
    let (server, sets) = rolled_out().await;
    let generation = |object: &Value| object["metadata"]["generation"].as_u64();
    let labelled = sets
        .merge("m", "agent", json!({"metadata": {"labels": {"x": "y"}}}))
        .await
        .expect("labelled");
    assert_eq!(generation(&labelled), Some(1));
    let changed = put(&sets, &workload("DaemonSet", "agent:2"))
        .await
        .expect("changed");
    assert_eq!(generation(&changed), Some(2));
    let maps = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}});
    let made = server.insert("m", maps).expect("made");
    assert_eq!(generation(&made), None);
    let defined = definition("example.com", "Thing", "size");
    let defined = put(&definitions(&server), &defined).await.expect("defined");
    assert_eq!(generation(&defined), Some(1));
    let again = server.object("CustomResourceDefinition", "things.example.com");
    assert_eq!(
        again.as_ref().and_then(generation),
        Some(1),
        "a status counts nothing"
    );
}

#[tokio::test]
async fn what_would_never_run_is_refused() {
    let (_, sets) = rolled_out().await;
    let with = |pointer: &str, value: Value| {
        let mut body = workload("DaemonSet", "agent:1");
        *body.pointer_mut(pointer).expect("a field") = value;
        body
    };
    let labels = "/spec/template/metadata/labels";
    let container = "/spec/template/spec/containers/0";
    let mounted =
        json!({"name": "agent", "image": "a", "volumeMounts": [{"name": "v", "mountPath": "/v"}]});
    for (body, code, field) in [
        (
            with(labels, json!({"k8s-app": "other"})),
            422,
            "spec.template.metadata.labels",
        ),
        (
            with(container, json!({"name": "agent"})),
            422,
            "spec.template.spec.containers[0].image",
        ),
        (
            with(container, mounted),
            422,
            "spec.template.spec.containers[0].volumeMounts[0].name",
        ),
        (
            with(container, json!({"name": "agent", "picture": "a"})),
            500,
            "",
        ),
    ] {
        let refused = put(&sets, &body).await.expect_err(field);
        assert_eq!(refused.code, code, "{refused:?}");
        let found = refused.causes.iter().any(|(place, _)| place == field);
        assert_eq!(found, !field.is_empty(), "{refused:?}");
    }
}
