//! `check`: what is wrong with the fabric as a whole.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::site::Site;
use crate::{act, document, failure, lines, succeeded, text};

#[test]
fn a_check_shows_what_is_wrong_with_the_fabric() {
    let Some(site) = Site::start_or_skip("a_check_shows_what_is_wrong_with_the_fabric") else {
        return;
    };
    site.rest();
    let before = site.state();
    site.configure(&[("fabric-check", "warn"), ("node-to-node-mesh", "false")]);
    let leader = act(&site, "calico/0", "check", &json!({}));
    succeeded(&leader);
    assert_eq!(text(&leader, "check"), "nothing is in the way");
    let findings = lines(&leader, "findings");
    assert!(
        findings[0].starts_with("error: F040 node-to-node-mesh: is false"),
        "{findings:?}"
    );
    assert!(
        findings[1].ends_with("juju config calico node-to-node-mesh=true"),
        "{findings:?}"
    );
    assert!(
        !text(&leader, "notes").contains("no BGP session"),
        "{leader:?}"
    );
    let json = |unit: &str| {
        document(
            &act(&site, unit, "check", &json!({"format": "json"})),
            "check",
        )
    };
    let of_leader = json("calico/0");
    assert_eq!(of_leader["findings"][0]["code"], "F040");
    assert_eq!(of_leader["findings"][0]["option"], "node-to-node-mesh");
    // The others know only themselves.
    assert!(json("calico/1")["findings"].is_null());

    site.configure(&[("fabric-check", "block")]);
    let leader = act(&site, "calico/0", "check", &json!({}));
    assert_eq!(failure(&leader), "1 problem");
    assert!(
        text(&leader, "check").starts_with("blocked (fabric): F040 node-to-node-mesh: is false"),
        "{leader:?}"
    );
    let plan = act(&site, "calico/0", "plan", &json!({}));
    assert!(failure(&plan).contains("F040"), "{plan:?}");
    site.assert_untouched_since(&before);
}

/// Runs `check` on the command line; what it found, by code.
fn codes_of_command(arguments: &[&str]) -> BTreeSet<String> {
    let run = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .arg("check")
        .args(arguments)
        .args(["-o", "json"])
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&run.stderr);
    let document: Value = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {stderr}"));
    codes(&document["findings"])
}

fn codes(findings: &Value) -> BTreeSet<String> {
    let findings = findings.as_array().expect("a list");
    findings
        .iter()
        .filter_map(|finding| Some(finding["code"].as_str()?.to_owned()))
        .collect()
}

#[test]
fn the_command_finds_in_a_cluster_what_the_leader_finds() {
    let Some(site) = Site::start_or_skip("the_command_finds_in_a_cluster_what_the_leader_finds")
    else {
        return;
    };
    site.configure(&[("fabric-check", "warn")]);
    site.rest();
    let peer = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer", "metadata": {"name": "tor"},
        "spec": {
            "nodeSelector": "kubernetes.io/hostname == 'node-1'", "peerIP": "10.0.1.254", "asNumber": 65000,
            "filters": ["none-of-this-name"], "sourceAddress": "None",
        },
    });
    let peers = "/apis/crd.projectcalico.org/v1/bgppeers";
    site.cluster
        .write("POST", peers, "kubectl", Some("json"), peer);
    let json = document(
        &act(&site, "calico/0", "check", &json!({"format": "json"})),
        "check",
    );
    let by_leader = codes(&json["findings"]);
    for code in ["F033", "F034", "F108"] {
        assert!(by_leader.contains(code), "{by_leader:?}");
    }
    let kubeconfig = site.driver.kubeconfig_path();
    let kubeconfig = kubeconfig.to_str().expect("a path in UTF-8");
    let fabric = site.driver.kubeconfig_path().with_extension("fabric.yaml");
    let text = "units:\n\
                \x20 calico/0: {node: node-0, addresses: [10.0.0.5/24]}\n\
                \x20 calico/1: {node: node-1, addresses: [10.0.1.5/24]}\n\
                \x20 calico/2: {node: node-2, addresses: [10.0.2.5/24]}\n";
    fs::write(&fabric, text).expect("a file beside the kubeconfig");
    let fabric = fabric.to_str().expect("a path in UTF-8");
    let with_options = codes_of_command(&[fabric, "--kubeconfig", kubeconfig]);
    assert_eq!(with_options, by_leader);
    let as_it_is = codes_of_command(&["--kubeconfig", kubeconfig]);
    assert_eq!(as_it_is, by_leader);
    // Without the cluster nobody knows of the other peer.
    let by_options = codes_of_command(&[fabric]);
    assert!(!by_options.contains("F034"), "{by_options:?}");
}
