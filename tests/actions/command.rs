//! The command `plan` beside the action of that name, on the same cluster.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::site::Site;
use crate::{act, lines};

const UNITS: &str = "units:\n\
    \x20 calico/0: {node: node-0, addresses: [10.0.0.5/24]}\n\
    \x20 calico/1: {node: node-1, addresses: [10.0.1.5/24]}\n\
    \x20 calico/2: {node: node-2, addresses: [10.0.2.5/24]}\n";

/// `calico-charm plan` with these options on the site's cluster.
fn plan(site: &Site, options: &str, more: &[&str]) -> Output {
    let kubeconfig = site.driver.kubeconfig_path();
    let fabric = kubeconfig.with_extension("plan.yaml");
    fs::write(&fabric, format!("{options}{UNITS}")).expect("a file beside the kubeconfig");
    Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .arg("plan")
        .arg(&fabric)
        .arg("--kubeconfig")
        .arg(&kubeconfig)
        .args(more)
        .output()
        .expect("the program has been built")
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

fn planned(site: &Site, options: &str, more: &[&str]) -> Value {
    let more: Vec<&str> = more.iter().copied().chain(["-o", "json"]).collect();
    let output = plan(site, options, &more);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_command_plans_what_all_units_would_do() {
    const NO_MESH: &str = "options:\n  node-to-node-mesh: false\n";
    let Some(site) = Site::start_or_skip("the_command_plans_what_all_units_would_do") else {
        return;
    };
    site.rest();
    let before = site.state();
    let settled = text(&plan(&site, "options: {}\n", &["--detailed-exitcode"]));
    assert!(
        settled.contains("\nThe cluster is as the options ask.\n"),
        "{settled}"
    );
    assert!(
        settled.starts_with(
            "calico, 3 units: 0 to create, 0 to change, 0 to delete; sessions: 3 kept, 0 restart, "
        ),
        "{settled}"
    );

    let output = plan(&site, NO_MESH, &["--detailed-exitcode"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let shown = text(&output);
    for part in [
        "\n6 unset: the mesh goes off, and cluster IDs that are no longer wanted\n",
        "\n- 3 of the mesh: among calico/0, calico/1, calico/2 (node-to-node-mesh)\n",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let json = planned(&site, NO_MESH, &[]);
    assert_eq!(
        (&json["sessions"]["lost"], &json["sessions"]["kept"]),
        (&json!(3), &json!(0))
    );
    let digest = json["digest"].as_str().expect("a digest").to_owned();
    assert_eq!(shown.lines().last(), Some(&*format!("digest {digest}")));

    // The leader's next hook only begins with it: the mesh stays until every unit has what replaces it.
    site.configure(&[("node-to-node-mesh", "false"), ("fabric-check", "off")]);
    let leader = act(&site, "calico/0", "plan", &json!({}));
    let leader = lines(&leader, "plan");
    let begins = ["BGPConfiguration default: rollout ", " add "];
    let begins = leader
        .iter()
        .any(|line| begins.iter().all(|part| line.contains(part)));
    assert!(begins, "{leader:?}");
    site.assert_untouched_since(&before);

    let expected = ["--expect", &digest];
    assert_eq!(plan(&site, NO_MESH, &expected).status.code(), Some(0));
    let path = "/apis/crd.projectcalico.org/v1/bgpconfigurations/default";
    let change = json!({"metadata": {"labels": {"touched": "1"}}});
    site.cluster
        .write("PATCH", path, "kubectl", Some("merge"), change);
    let output = plan(&site, NO_MESH, &expected);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "error: the cluster has changed since that plan\n");
    let json = planned(&site, NO_MESH, &expected);
    assert_eq!(json["stale"], "the cluster has changed since that plan");
    let output = plan(&site, NO_MESH, &["--expect", "1234"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}
