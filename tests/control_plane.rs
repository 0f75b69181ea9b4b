//! The control plane that other tests build on: it starts, ends, and serves Calico's CRDs as Kubernetes does.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::client::Body;
use serde_json::{Value, json};

use support::control_plane::{ControlPlane, skip_note};
use support::crds;

/// Makes a test process of this program start a control plane and end without any clean-up.
const ABORT: &str = "CALICO_CHARM_TEST_ABORT";
const V1: &str = "crd.projectcalico.org/v1";
const V3: &str = "projectcalico.org/v3";
/// Above what a signed 32 bit integer holds, as every private four byte AS number is.
const FOUR_BYTE_AS: u32 = 4_200_000_101;

fn api(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').expect("group/version");
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let mut resource = ApiResource::from_gvk(&gvk);
    // The guess is BlockAffinitys.
    if kind == "BlockAffinity" {
        "blockaffinities".clone_into(&mut resource.plural);
    }
    Api::all_with(client.clone(), &resource)
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let value = json!({
        "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    serde_json::from_value(value).expect("an object")
}

/// Creates and removes an object, and returns what the API server made of its spec, or its refusal.
async fn tried(
    client: &Client,
    api_version: &str,
    kind: &str,
    spec: &Value,
) -> Result<Value, String> {
    let api = api(client, api_version, kind);
    let object = object(api_version, kind, "tried", spec);
    let created = api.create(&PostParams::default(), &object).await;
    let created = created.map_err(|error| error.to_string())?;
    api.delete("tried", &kube::api::DeleteParams::default())
        .await
        .expect("what was created can be deleted");
    Ok(created.data["spec"].clone())
}

async fn refused(client: &Client, api_version: &str, kind: &str, spec: Value, because: &str) {
    match tried(client, api_version, kind, &spec).await {
        Ok(_) => panic!("{api_version} {kind} took {spec}"),
        Err(error) => assert!(
            error.contains(because),
            "{api_version} {kind} {spec}: {error}"
        ),
    }
}

/// Whether the server checks `format: int32`, which Kubernetes does from 1.36 on.
async fn checks_int32(client: &Client) -> bool {
    let version = client.apiserver_version().await.expect("its version");
    let minor = version.minor.trim_end_matches('+').parse::<u32>();
    minor.expect("a number") >= 36
}

#[tokio::test]
async fn own_crds_keep_calicos_rules() {
    let Some(plane) = ControlPlane::shared_or_skip("own_crds_keep_calicos_rules") else {
        return;
    };
    for (file, api_version) in [("v1", V1), ("v3", V3)] {
        plane
            .apply_crds(&crds::own(file))
            .expect("own CRDs are served");
        let client = plane.client().await;
        pool_is_stored(&client, api_version).await;
        for (kind, spec, because) in bad_specs() {
            refused(&client, api_version, kind, spec, because).await;
        }
        for (kind, spec) in good_specs() {
            let stored = tried(&client, api_version, kind, &spec).await;
            stored.unwrap_or_else(|error| panic!("{api_version} {kind} {spec}: {error}"));
        }
        if checks_int32(&client).await {
            let spec = json!({ "asNumber": FOUR_BYTE_AS, "peerIP": "192.0.2.1" });
            refused(&client, api_version, "BGPPeer", spec, "int32").await;
            let spec = json!({ "asNumber": FOUR_BYTE_AS });
            refused(&client, api_version, "BGPConfiguration", spec, "int32").await;
        }
    }
}

/// Creates a pool, reads it back, and finds out that its prefix stays.
async fn pool_is_stored(client: &Client, api_version: &str) {
    let pools = api(client, api_version, "IPPool");
    let spec = json!({ "blockSize": 26, "cidr": "10.1.0.0/16", "vxlanMode": "CrossSubnet" });
    let pool = object(api_version, "IPPool", "stored", &spec);
    pools
        .create(&PostParams::default(), &pool)
        .await
        .expect("a pool");
    let mut stored = pools.get("stored").await.expect("the pool just created");
    let mut expected = spec;
    expected["assignmentMode"] = json!("Automatic");
    assert_eq!(stored.data["spec"], expected, "{api_version}");
    stored.data["spec"]["cidr"] = json!("10.2.0.0/16");
    let refusal = pools
        .replace("stored", &PostParams::default(), &stored)
        .await;
    let refusal = refusal.expect_err("a changed cidr").to_string();
    assert!(refusal.contains("never changes"), "{refusal}");
}

fn good_specs() -> Vec<(&'static str, Value)> {
    vec![
        (
            "IPPool",
            json!({ "cidr": "fd00::/48", "blockSize": 122, "vxlanMode": "Always" }),
        ),
        (
            "IPPool",
            json!({ "cidr": "10.3.0.0/24", "allowedUses": ["LoadBalancer"] }),
        ),
        (
            "BGPPeer",
            json!({ "peerIP": "192.0.2.1:179", "asNumber": i32::MAX, "node": "a" }),
        ),
        (
            "BGPPeer",
            json!({ "peerSelector": "has(rr)", "nodeSelector": "all()" }),
        ),
        (
            "BGPConfiguration",
            json!({ "serviceClusterIPs": [{ "cidr": "10.4.0.0/24" }], "nodeToNodeMeshEnabled": false }),
        ),
        (
            "BGPConfiguration",
            json!({ "nodeMeshPassword": { "secretKeyRef": { "name": "a", "key": "b" } } }),
        ),
        ("FelixConfiguration", json!({ "ignoreLooseRPF": true })),
        (
            "CalicoNodeStatus",
            json!({ "node": "a", "classes": ["BGP"] }),
        ),
    ]
}

fn bad_specs() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("IPPool", json!({ "blockSize": 26 }), "spec.cidr: Required"),
        ("IPPool", json!({ "cidr": "10.1.0.0" }), "spec.cidr"),
        (
            "IPPool",
            json!({ "cidr": "10.1.0.0/16", "vxlanMode": "" }),
            "Unsupported value",
        ),
        (
            "IPPool",
            json!({ "cidr": "10.1.0.0/16", "ipipMode": "Always", "vxlanMode": "Always" }),
            "not by both",
        ),
        (
            "IPPool",
            json!({ "cidr": "fd00::/48", "ipipMode": "Always" }),
            "no IPv6",
        ),
        (
            "IPPool",
            json!({ "cidr": "10.3.0.0/24", "allowedUses": ["LoadBalancer", "Tunnel"] }),
            "no other use",
        ),
        (
            "BGPPeer",
            json!({ "asNumber": "65000" }),
            "must be of type integer",
        ),
        (
            "BGPPeer",
            json!({ "node": "a", "nodeSelector": "all()" }),
            "node or a nodeSelector",
        ),
        (
            "BGPPeer",
            json!({ "peerIP": "192.0.2.1", "peerSelector": "all()" }),
            "peerIP or a peerSelector",
        ),
        (
            "BGPPeer",
            json!({ "peerSelector": "all()", "asNumber": 65000 }),
            "from the selected nodes",
        ),
        (
            "BGPPeer",
            json!({ "localWorkloadSelector": "all()", "asNumber": 65000, "peerIP": "192.0.2.1" }),
            "neither peerIP nor",
        ),
        (
            "BGPPeer",
            json!({ "localWorkloadSelector": "all()" }),
            "needs an asNumber",
        ),
        (
            "BGPConfiguration",
            json!({ "nodeToNodeMeshEnabled": false, "nodeMeshMaxRestartTime": "9s" }),
            "no restart time",
        ),
        (
            "BGPConfiguration",
            json!({ "nodeToNodeMeshEnabled": false, "nodeMeshPassword": {} }),
            "no password",
        ),
        (
            "BGPConfiguration",
            json!({ "serviceExternalIPs": [{ "cidr": "10.4.0.1" }] }),
            "cidr",
        ),
        (
            "BGPConfiguration",
            json!({ "logSeverityScreen": "Loud" }),
            "should match",
        ),
    ]
}

#[tokio::test]
async fn a_block_affinity_says_deleted_as_text_or_as_boolean() {
    let Some(plane) =
        ControlPlane::shared_or_skip("a_block_affinity_says_deleted_as_text_or_as_boolean")
    else {
        return;
    };
    let client = plane.client().await;
    let spec = |deleted: Value| json!({ "cidr": "10.1.0.0/26", "deleted": deleted, "node": "a", "state": "confirmed" });
    let forms = [(json!("true"), "boolean"), (json!(true), "string")];
    for (file, api_version, own, other) in [("v1", V1, 0, 1), ("v3", V3, 1, 0)] {
        plane
            .apply_crds(&crds::own(file))
            .expect("own CRDs are served");
        tried(
            &client,
            api_version,
            "BlockAffinity",
            &spec(forms[own].0.clone()),
        )
        .await
        .expect("its own form");
        let (form, wanted) = &forms[other];
        refused(
            &client,
            api_version,
            "BlockAffinity",
            spec(form.clone()),
            wanted,
        )
        .await;
    }
}

#[tokio::test]
async fn genuine_crds_are_served_and_take_a_pool() {
    let name = "genuine_crds_are_served_and_take_a_pool";
    let Some(files) = crds::genuine() else {
        return skip_note(name, "CALICO_CRDS names no folder");
    };
    for file in files {
        let Some(plane) = ControlPlane::start_or_skip(name) else {
            return;
        };
        plane.apply_crds(&file).expect("genuine CRDs are served");
        let client = plane.client().await;
        let api_version = if file.ends_with("crds.yaml") { V1 } else { V3 };
        let shown = file.display();
        let pool = json!({ "blockSize": 26, "cidr": "10.1.0.0/16", "natOutgoing": true });
        let stored = tried(&client, api_version, "IPPool", &pool).await;
        let stored = stored.unwrap_or_else(|error| panic!("{shown}: {error}"));
        for (field, value) in pool.as_object().expect("an object") {
            assert_eq!(&stored[field], value, "{shown}: {field}");
        }
        let peer = json!({ "asNumber": FOUR_BYTE_AS, "peerIP": "192.0.2.1" });
        let taken = tried(&client, api_version, "BGPPeer", &peer).await;
        let limited = declares_int32(&client, api_version).await && checks_int32(&client).await;
        assert_eq!(taken.is_err(), limited, "{shown}: {taken:?}");
    }
}

/// Whether the installed CRD of BGPPeer limits AS numbers to `format: int32`.
async fn declares_int32(client: &Client, api_version: &str) -> bool {
    let (group, _) = api_version.split_once('/').expect("group/version");
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.{group}");
    let crd = crds::get(client, &path).await.expect("the CRD of BGPPeer");
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["asNumber"]["format"] == "int32"
}

#[tokio::test]
async fn the_ordinary_user_may_do_nothing() {
    let Some(plane) = ControlPlane::shared_or_skip("the_ordinary_user_may_do_nothing") else {
        return;
    };
    let nodes = "/api/v1/nodes";
    crds::get(&plane.client().await, nodes)
        .await
        .expect("the administrator may");
    let refusal = crds::get(&plane.ordinary_client().await, nodes).await;
    let refusal = refusal.expect_err("no right to list nodes").to_string();
    assert!(
        refusal.contains(r#"User "ordinary" cannot list"#),
        "{refusal}"
    );
}

/// One connection for all requests that run side by side.
#[tokio::test]
async fn requests_go_over_http_2() {
    let Some(plane) = ControlPlane::shared_or_skip("requests_go_over_http_2") else {
        return;
    };
    let request = http::Request::get("/version").body(Body::empty());
    let answer = plane
        .client()
        .await
        .send(request.expect("a path"))
        .await
        .expect("it is up");
    assert_eq!(answer.version(), http::Version::HTTP_2);
}

#[tokio::test]
async fn only_crds_are_applied() {
    let Some(plane) = ControlPlane::shared_or_skip("only_crds_are_applied") else {
        return;
    };
    for (text, because) in [
        ("---\n", "no CRD in it"),
        ("kind: ConfigMap\nmetadata: { name: a }", "is no CRD"),
        ("metadata: { name: a }", "without /kind"),
        ("a: [", "no YAML"),
    ] {
        let error = plane.apply_crds_text(text).expect_err(text);
        assert!(error.contains(because), "{error}");
    }
}

#[test]
fn own_crds_of_both_groups_are_the_same_but_for_what_calico_changed() {
    let read = |file: &str| {
        let text = std::fs::read_to_string(crds::own(file)).expect("a file of the project");
        crds::documents(&text).expect("YAML")
    };
    let mut old = read("v1");
    let new = read("v3");
    for crd in &mut old {
        let (name, group) = ("/metadata/name", "/spec/group");
        for (pointer, from, to) in [(name, ".crd.", "."), (group, "crd.", "")] {
            let text = crd.pointer_mut(pointer).expect("a name and a group");
            *text = json!(text.as_str().expect("text").replacen(from, to, 1));
        }
        let kind = crd["spec"]["names"]["kind"].clone();
        let version = &mut crd["spec"]["versions"][0];
        version["name"] = json!("v3");
        let properties = &mut version["schema"]["openAPIV3Schema"]["properties"];
        if kind == "BlockAffinity" {
            properties["spec"]["properties"]["deleted"]["type"] = json!("boolean");
        }
        if kind == "IPPool" {
            properties["status"] =
                json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
            version["subresources"] = json!({ "status": {} });
        }
    }
    assert_eq!(old, new);
}

#[test]
fn a_dropped_control_plane_leaves_nothing_behind() {
    let Some(plane) = ControlPlane::start_or_skip("a_dropped_control_plane_leaves_nothing_behind")
    else {
        return;
    };
    let mode = plane.kubeconfig_path().metadata().expect("a kubeconfig");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    let (ids, folder) = (plane.process_ids(), plane.folder().to_owned());
    assert!(ids.len() == 2 && ids.iter().all(|id| runs(*id)), "{ids:?}");
    drop(plane);
    assert!(!ids.iter().any(|id| runs(*id)), "{ids:?}");
    assert!(!folder.exists(), "{}", folder.display());
}

#[test]
fn an_aborted_test_process_leaves_nothing_behind() {
    let name = "an_aborted_test_process_leaves_nothing_behind";
    if std::env::var_os(ABORT).is_some() {
        let plane = ControlPlane::shared().expect("a control plane");
        let ids = plane.process_ids();
        println!("\n{} {} {}", plane.folder().display(), ids[0], ids[1]);
        std::process::abort();
    }
    // Built here rather than under the other process, whose output is read.
    if ControlPlane::shared_or_skip(name).is_none() {
        return;
    }
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ABORT, "1")
        .stderr(Stdio::null())
        .output()
        .expect("this program runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find(|line| line.starts_with('/'));
    let line = line.unwrap_or_else(|| panic!("no control plane: {text}"));
    let mut words = line.split(' ');
    let folder = Path::new(words.next().expect("a folder"));
    let ids: Vec<u32> = words.map(|id| id.parse().expect("an id")).collect();
    assert_eq!(ids.len(), 2, "{line}");
    let deadline = Instant::now() + Duration::from_secs(10);
    while folder.exists() || ids.iter().any(|id| runs(*id)) {
        assert!(Instant::now() < deadline, "still there: {line}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the process runs; one that ended and waits for its parent does not (proc(5), field 3 of `stat`).
fn runs(id: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
        return false;
    };
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}
