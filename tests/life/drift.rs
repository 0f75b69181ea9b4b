//! What is put right when somebody has changed it.

use serde_json::json;

use crate::support::settlement::{AGENTS, DAEMON_SET, RECORD, Settlement, with_variable, writes};
use crate::{METHOD, NODE_ROLE, assert_installed};

/// What the next hook of the leader writes, and its log.
fn repair(site: &Settlement) -> (Vec<String>, String) {
    let mut log = String::new();
    let requests = site.requests_of(|| log = site.run("calico/0", "update-status").debug_log());
    let written = writes(&requests).into_iter().map(|request| {
        let (rest, _) = request.split_once('?').expect("writes have a manager");
        rest.to_owned()
    });
    (written.collect(), log)
}

#[test]
fn what_somebody_has_changed_is_put_right() {
    let test = "what_somebody_has_changed_is_put_right";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    // What others add stays, what they change does not.
    site.patch(
        DAEMON_SET,
        json!({"metadata": {"annotations": {"example.com/note": "mine"}}}),
    );
    site.patch(
        DAEMON_SET,
        with_variable(&site.daemon_set(), "OF_THE_SITE", "1"),
    );
    site.come_up();
    site.patch(
        DAEMON_SET,
        with_variable(&site.daemon_set(), "DATASTORE_TYPE", "other"),
    );
    let (written, log) = repair(&site);
    assert_eq!(
        written,
        [format!("patch {DAEMON_SET}"), format!("patch {RECORD}")]
    );
    let line = "DaemonSet/kube-system/calico-node: spec.template.spec.containers[calico-node].env[DATASTORE_TYPE].value \
                other → kubernetes";
    assert!(log.contains(line), "{log}");
    assert_eq!(site.variable("DATASTORE_TYPE"), "kubernetes");
    assert_eq!(site.variable("OF_THE_SITE"), "1");
    let annotations = site.daemon_set()["metadata"]["annotations"].clone();
    assert_eq!(annotations["example.com/note"], "mine");
    site.come_up();

    site.patch(
        NODE_ROLE,
        json!({"metadata": {"labels": {"juju.io/manifest": null}}}),
    );
    let (written, log) = repair(&site);
    assert_eq!(
        written,
        [format!("patch {NODE_ROLE}"), format!("patch {RECORD}")]
    );
    assert!(log.contains("ClusterRole/calico-node: "), "{log}");

    site.workloads.delete(NODE_ROLE);
    let (written, log) = repair(&site);
    assert_eq!(
        written,
        [format!("patch {NODE_ROLE}"), format!("patch {RECORD}")]
    );
    assert!(log.contains("ClusterRole/calico-node: installed"), "{log}");

    site.workloads.delete(DAEMON_SET);
    site.workloads.wait_for("no pod", || {
        site.workloads.pods(AGENTS).is_empty().then_some(())
    });
    site.run("calico/1", "update-status");
    assert_eq!(
        site.status("calico/1"),
        "waiting: Waiting for the leader to install Calico"
    );
    let (written, log) = repair(&site);
    assert_eq!(
        written,
        [format!("patch {DAEMON_SET}"), format!("patch {RECORD}")]
    );
    assert!(
        log.contains("DaemonSet/kube-system/calico-node: installed"),
        "{log}"
    );
    site.come_up();
    assert_eq!(
        site.variable(METHOD),
        "cidr=10.0.0.0/24,10.0.1.0/24,10.0.2.0/24"
    );
    assert_installed(&site);

    // The record is a shortcut: without it everything is compared, and found right.
    site.workloads.delete(RECORD);
    let (written, _) = repair(&site);
    assert_eq!(written, [format!("patch {RECORD}")]);
    site.assert_at_rest();
}
