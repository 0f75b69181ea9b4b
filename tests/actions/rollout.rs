//! `rollout-status` and `resume`: a change that a silent unit holds.

use serde_json::json;

use crate::support::site::Site;
use crate::{act, document, failure, lines, succeeded, text};

#[test]
fn a_change_that_a_silent_unit_holds_goes_on_without_it() {
    let Some(site) = Site::start_or_skip("a_change_that_a_silent_unit_holds_goes_on_without_it")
    else {
        return;
    };
    site.rest();
    let before = site.state();
    let status = act(&site, "calico/1", "rollout-status", &json!({}));
    succeeded(&status);
    assert_eq!(lines(&status, "rollout")[0], "no change is under way");
    let resumed = act(&site, "calico/0", "resume", &json!({}));
    assert_eq!(
        text(&resumed, "resume"),
        "no change is under way; nothing was written"
    );
    site.assert_untouched_since(&before);

    site.configure(&[
        ("node-to-node-mesh", "false"),
        (
            "global-bgp-peers",
            "[{address: 10.0.9.1, as-number: 64501}]",
        ),
    ]);
    site.run("calico/0", "config-changed");
    site.run("calico/1", "config-changed");
    site.run("calico/0", "update-status");
    assert_eq!(
        site.status("calico/0"),
        "waiting: mesh stays on until calico/2 has its peers"
    );
    let before = site.state();
    let status = act(
        &site,
        "calico/2",
        "rollout-status",
        &json!({"format": "json"}),
    );
    let status = document(&status, "rollout");
    assert_eq!(
        (&status["phase"], &status["step"]),
        (&json!("under-way"), &json!("add"))
    );
    let written = status["written"].as_str().unwrap_or_default();
    assert!(written.ends_with('Z'), "the API server says when: {status}");
    let waited_for: Vec<&str> = status["units"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|unit| unit["waited_for"] == true)
        .filter_map(|unit| unit["unit"].as_str())
        .collect();
    assert_eq!(waited_for, ["calico/2"]);
    let refused = act(&site, "calico/1", "resume", &json!({}));
    assert_eq!(
        failure(&refused),
        "calico/1 is not the leader: juju run calico/leader resume"
    );
    let asked = act(&site, "calico/0", "resume", &json!({}));
    succeeded(&asked);
    assert_eq!(
        text(&asked, "next"),
        "juju run calico/leader resume units=calico/2"
    );
    site.assert_untouched_since(&before);

    let named = json!({"units": "calico/2"});
    let resumed = act(&site, "calico/0", "resume", &named);
    succeeded(&resumed);
    assert_eq!(text(&resumed, "without"), "calico/2");
    assert!(text(&resumed, "may-be-cut").starts_with("calico/2: may lack BGPPeers"));
    assert!(
        text(&resumed, "status").starts_with("active: Ready"),
        "{resumed:?}"
    );
    let configuration = site.cluster.object("BGPConfiguration", "default");
    assert_eq!(configuration["spec"]["nodeToNodeMeshEnabled"], false);
    let record = &configuration["metadata"]["annotations"]["calico.juju.is/rollout"];
    let record = record.as_str().unwrap_or_default();
    assert!(
        record.contains(" remove ") && record.ends_with(" without calico/2"),
        "{record}"
    );

    site.run("calico/2", "config-changed");
    let status = act(&site, "calico/0", "rollout-status", &json!({}));
    assert_eq!(lines(&status, "rollout")[0], "no change is under way");
}

/// calico-node on the reflector's machine says how its sessions are.
fn report(site: &Site, with_unit_2: &str) {
    let path = site.cluster.path("CalicoNodeStatus", "calico-1");
    let peer = |ip: &str, state: &str| json!({"peerIP": ip, "type": "NodePeer", "state": state});
    let peers = [
        peer("10.0.0.5", "Established"),
        peer("10.0.2.5", with_unit_2),
    ];
    let status = json!({"lastUpdated": "2026-01-01T00:00:00Z", "bgp": {
        "numberEstablishedV4": 1, "numberNotEstablishedV4": 1, "numberEstablishedV6": 0, "numberNotEstablishedV6": 0,
        "peersV4": peers,
    }});
    let body = json!({"status": status});
    site.cluster
        .write("PATCH", &path, "calico-node", Some("merge"), body);
}

#[test]
fn sessions_that_do_not_come_up_hold_the_mesh_until_they_are_passed_over() {
    let test = "sessions_that_do_not_come_up_hold_the_mesh_until_they_are_passed_over";
    let Some(site) = Site::start_or_skip(test) else {
        return;
    };
    site.rest();
    let foreign = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "CalicoNodeStatus", "metadata": {"name": "calico-2"},
        "spec": {"node": "node-0", "classes": ["Agent"], "updatePeriodSeconds": 0},
    });
    let collection = site.cluster.collection("caliconodestatuses");
    site.cluster
        .write("POST", &collection, "kubectl", Some("json"), foreign);
    let foreign = site.cluster.object("CalicoNodeStatus", "calico-2");
    site.configure(&[
        ("node-to-node-mesh", "false"),
        ("route-reflector-cluster-ids", "{1: 1.0.0.1, 2: 1.0.0.1}"),
        (
            "global-bgp-peers",
            "[{address: 10.0.1.5, as-number: 64512}, {address: 10.0.2.5, as-number: 64512}]",
        ),
    ]);
    for unit in ["calico/0", "calico/1", "calico/2"] {
        site.run(unit, "config-changed");
    }
    site.run("calico/0", "update-status");
    site.run("calico/1", "update-status");
    let asked = site.cluster.object("CalicoNodeStatus", "calico-1");
    let spec = json!({"node": "node-1", "classes": ["BGP"], "updatePeriodSeconds": 5});
    assert_eq!(asked["spec"], spec);
    report(&site, "Active");
    site.run("calico/2", "update-status");
    assert_eq!(site.cluster.object("CalicoNodeStatus", "calico-2"), foreign);

    site.run("calico/0", "update-status");
    let waits = "waiting: mesh stays on until calico/1 has a session with calico/2";
    assert_eq!(site.status("calico/0"), waits);
    let status = act(&site, "calico/0", "rollout-status", &json!({}));
    let told = lines(&status, "rollout");
    let line = "waits for   calico/1: no session with calico/2";
    assert!(told.contains(&line), "{told:?}");
    let status = act(
        &site,
        "calico/1",
        "rollout-status",
        &json!({"format": "json"}),
    );
    let status = document(&status, "rollout");
    assert_eq!(status["waits_for"], "sessions");
    assert_eq!(
        status["sessions"],
        json!([{"unit": "calico/1", "without": ["calico/2"], "has_others": true}])
    );

    let asked = act(&site, "calico/0", "resume", &json!({}));
    let next = "juju run calico/leader resume units=calico/2";
    assert_eq!(text(&asked, "next"), next);
    let resumed = act(&site, "calico/0", "resume", &json!({"units": "calico/2"}));
    succeeded(&resumed);
    assert_eq!(text(&resumed, "without"), "calico/2");
    assert!(text(&resumed, "may-be-cut").starts_with("calico/2: sessions between"));
    let configuration = site.cluster.object("BGPConfiguration", "default");
    assert_eq!(configuration["spec"]["nodeToNodeMeshEnabled"], false);

    site.configure(&[
        ("node-to-node-mesh", "true"),
        ("route-reflector-cluster-ids", "{}"),
        ("global-bgp-peers", "[]"),
    ]);
    site.rest();
    assert!(
        site.cluster
            .object("CalicoNodeStatus", "calico-1")
            .is_null()
    );
    assert_eq!(site.cluster.object("CalicoNodeStatus", "calico-2"), foreign);
}
