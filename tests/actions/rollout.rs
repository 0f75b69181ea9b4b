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
