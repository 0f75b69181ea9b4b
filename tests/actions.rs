//! The actions whole: real shims and binary, as Juju runs them, on three machines and one real API server.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

#[path = "actions/apply.rs"]
mod apply;
#[path = "actions/command.rs"]
mod command;
#[path = "actions/fabric.rs"]
mod fabric;
#[path = "actions/pools.rs"]
mod pools;
#[path = "actions/rollout.rs"]
mod rollout;
mod support;

use std::fs;
use std::path::Path;

use calico_charm::sim::juju::{ActionResult, Event};
use serde_json::{Map, Value, json};
use support::juju_driver::HookRun;
use support::site::{Site, UNITS};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const NODE: &str = "DaemonSet/kube-system/calico-node";
const CONFIG_MAPS: &str = "/api/v1/namespaces/kube-system/configmaps";

/// What Juju passes: the parameters that were given, and the defaults of the others.
fn parameters(action: &str, given: &Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("actions.yaml");
    let text = fs::read_to_string(path).expect("actions.yaml");
    let actions: Value = serde_yaml::from_str(&text).expect("YAML");
    let known = actions[action]["params"].as_object();
    let mut all: Map<String, Value> = known
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.clone(), schema["default"].clone()))
        .collect();
    for (name, value) in given.as_object().expect("a map") {
        assert!(all.contains_key(name), "{action} has no parameter {name}");
        all.insert(name.clone(), value.clone());
    }
    all.into()
}

/// Runs an action. Its program has to exit with 0 and say nothing, whatever comes of it.
fn act(site: &Site, unit: &str, action: &str, given: &Value) -> ActionResult {
    let event = Event::Action {
        name: action.to_owned(),
        id: 12,
        parameters: parameters(action, given),
    };
    let run: HookRun = site.driver.run_event(unit, event);
    assert!(
        run.ran() && run.succeeded(),
        "{unit} {action}\n{}",
        run.debug_log()
    );
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("", ""),
        "{action}"
    );
    let results = site.driver.model(|model| model.actions().to_vec());
    let mut result = results.last().expect("the action has ended").clone();
    let lines = result.log.iter().flat_map(|text| text.lines());
    result.log = lines.map(str::to_owned).collect();
    result
}

fn text<'a>(result: &'a ActionResult, key: &str) -> &'a str {
    let value = &result.results[key];
    value
        .as_str()
        .unwrap_or_else(|| panic!("{key}: {result:?}"))
}

fn lines<'a>(result: &'a ActionResult, key: &str) -> Vec<&'a str> {
    let value = result.results[key].as_str();
    value.unwrap_or_default().lines().collect()
}

fn succeeded(result: &ActionResult) {
    assert_eq!(result.failure, None, "{result:?}");
}

fn failure(result: &ActionResult) -> &str {
    let failure = result.failure.as_deref();
    failure.unwrap_or_else(|| panic!("{result:?}"))
}

fn document(result: &ActionResult, key: &str) -> Value {
    let document: Value = serde_json::from_str(text(result, key)).expect("JSON");
    assert_eq!(document["format_version"], 1);
    document
}

#[test]
fn the_plan_is_what_the_next_hook_does() {
    let Some(site) = Site::start_or_skip("the_plan_is_what_the_next_hook_does") else {
        return;
    };
    site.rest();
    let nothing = act(&site, "calico/0", "plan", &json!({}));
    succeeded(&nothing);
    assert_eq!(text(&nothing, "plan"), "nothing to write");
    assert_eq!(text(&nothing, "writes"), "0");

    site.configure(&[
        ("cidr", "192.168.0.0/16,fd00:1::/112"),
        (
            "global-bgp-peers",
            "[{address: 10.0.9.1, as-number: 64501}]",
        ),
        ("unit-as-numbers", "{0: 64512, 1: 64513, 2: 64514}"),
    ]);
    let before = site.state();
    let leader = act(&site, "calico/0", "plan", &json!({}));
    let other = act(&site, "calico/1", "plan", &json!({"format": "json"}));
    site.assert_untouched_since(&before);

    succeeded(&leader);
    let planned = lines(&leader, "plan");
    assert_eq!(text(&leader, "writes"), planned.len().to_string());
    for first in [
        "1. BGPConfiguration default: rollout ",
        "1. IPPool ipv6: created,",
    ] {
        let is_planned = planned.iter().any(|line| line.starts_with(first));
        assert!(is_planned, "{planned:?}");
    }
    let number = "Node node-0: ASNumber 64512 (unit-as-numbers: 0)";
    assert!(
        planned.iter().any(|line| line.contains(number)),
        "{planned:?}"
    );

    succeeded(&other);
    let document = document(&other, "plan");
    assert_eq!(document["unit"], "calico/1");
    assert_eq!(document["leader"], false);
    assert_eq!(document["blocked"], json!([]));
    let note = document["notes"][0].as_str().unwrap_or_default();
    assert!(note.ends_with("juju run calico/leader plan"), "{document}");
    let kinds: Vec<&str> = document["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|change| change["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["BGPPeer", "Node"], "{document}");
    assert_eq!(document["changes"][0]["action"], "create");
    assert_eq!(document["changes"][0]["name"], "calico-1-10.0.9.1");

    let run = site.run("calico/0", "config-changed");
    let log = run.debug_log();
    for line in planned {
        let (_, step) = line.split_once(". ").expect("a number before it");
        assert!(log.contains(step), "{step}\n{log}");
    }
    let nothing = act(&site, "calico/0", "plan", &json!({}));
    assert_eq!(text(&nothing, "plan"), "nothing to write");
}

#[test]
fn a_plan_that_is_not_allowed_fails_with_the_way_out() {
    let Some(site) = Site::start_or_skip("a_plan_that_is_not_allowed_fails_with_the_way_out")
    else {
        return;
    };
    site.rest();
    site.configure(&[("cidr", "192.168.0.0/17")]);
    let before = site.state();
    let refused = act(&site, "calico/0", "plan", &json!({}));
    let reason = failure(&refused).to_owned();
    assert!(
        reason.contains("192.168.0.0/17") && reason.contains("; "),
        "{reason}"
    );
    assert_eq!(refused.results, json!({}));
    let refused = act(&site, "calico/0", "plan", &json!({"format": "json"}));
    let blocked = &document(&refused, "plan")["blocked"][0];
    let joined = format!(
        "{}; {}",
        blocked["message"].as_str().unwrap_or_default(),
        blocked["remedy"].as_str().unwrap_or_default()
    );
    assert_eq!(joined, reason);

    site.configure(&[("cidr", "192.168.0.0/33"), ("ipip", "Sometimes")]);
    let refused = act(&site, "calico/1", "plan", &json!({}));
    let reason = failure(&refused);
    assert!(reason.starts_with("ipip: \"Sometimes\""), "{reason}");
    assert!(
        reason.ends_with("(+1 more: juju run calico/1 check)"),
        "{reason}"
    );
    site.assert_untouched_since(&before);
}

#[test]
fn a_check_finds_everything_at_once() {
    let Some(site) = Site::start_or_skip("a_check_finds_everything_at_once") else {
        return;
    };
    site.rest();
    for unit in UNITS {
        let good = act(&site, unit, "check", &json!({}));
        succeeded(&good);
        assert_eq!(text(&good, "check"), "nothing is in the way");
        assert_eq!(text(&good, "problems"), "0");
        assert!(text(&good, "notes").contains("sync-resources takes it over"));
    }

    site.configure(&[("cidr", "192.168.0.0/33"), ("ipip", "Sometimes")]);
    let kubeconfig = site.driver.kubeconfig_path();
    fs::remove_file(&kubeconfig).expect("there was one");
    let bad = act(&site, "calico/1", "check", &json!({}));
    assert_eq!(failure(&bad), "3 problems");
    let found: Vec<&str> = lines(&bad, "check")
        .into_iter()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(
        found[0].starts_with("blocked (options): ipip: \"Sometimes\""),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("blocked (options): cidr: "),
        "{found:?}"
    );
    assert_eq!(
        found[2],
        "waiting (cluster): Kubernetes API: there is no kubeconfig yet"
    );
    let document = document(
        &act(&site, "calico/1", "check", &json!({"format": "json"})),
        "check",
    );
    assert_eq!(document["problems"][0]["option"], "ipip");
    assert_eq!(document["problems"][2]["area"], "cluster");

    // What is refused in the cluster shows beside what is wrong on the unit's own part.
    site.driver.use_kubeconfig(&site.cluster.kubeconfig);
    site.configure(&[("cidr", "192.168.0.0/17"), ("ipip", "Never")]);
    site.cluster.delete("/api/v1/nodes/node-2");
    let before = site.state();
    let leader = act(&site, "calico/0", "check", &json!({}));
    assert!(
        text(&leader, "check").starts_with("blocked (plan): "),
        "{leader:?}"
    );
    let other = act(&site, "calico/2", "check", &json!({}));
    assert!(
        text(&other, "check").starts_with("waiting (cluster): Waiting for a Node called node-2"),
        "{other:?}"
    );
    site.assert_untouched_since(&before);
}

#[test]
fn a_unit_shows_what_it_is() {
    let Some(site) = Site::start_or_skip("a_unit_shows_what_it_is") else {
        return;
    };
    site.configure(&[
        (
            "subnet-as-numbers",
            "{10.0.0.0/23: 64512, 10.0.2.0/24: 64514}",
        ),
        (
            "global-bgp-peers",
            "[{address: 10.0.9.1, as-number: 64501}]",
        ),
        ("route-reflector-cluster-ids", "{1: 1.0.0.1}"),
        (
            "unit-bgp-peers",
            "{1: [{address: 10.0.1.5, as-number: 64512}]}",
        ),
    ]);
    site.rest();
    let shown = act(&site, "calico/1", "show", &json!({}));
    succeeded(&shown);
    assert_eq!(
        lines(&shown, "show"),
        [
            "unit        calico/1 on kubernetes-worker/0",
            "addresses   10.0.1.5/24",
            "node        node-1",
            "AS number   64512 (subnet-as-numbers: 10.0.0.0/23)",
            "cluster ID  1.0.0.1 (route-reflector-cluster-ids: 1)",
            "mesh        on (node-to-node-mesh)",
            "Calico      not known",
            "health      active: Ready",
            "session     10.0.9.1 AS 64501 (global-bgp-peers: [0])",
            "skipped     an address of its own (unit-bgp-peers: 1[0])",
            "pool        ipv4 192.168.0.0/16, no encapsulation, NAT",
        ]
    );
    let document = document(
        &act(&site, "calico/0", "show", &json!({"format": "json"})),
        "show",
    );
    assert_eq!(document["leader"], true);
    assert_eq!(document["cluster_id"], Value::Null);
    assert_eq!(document["sessions"][0]["written"], true);
    assert_eq!(document["sessions"][0]["object"], "calico-0-10.0.9.1");
    assert_eq!(document["pools"][0]["cidr"], "192.168.0.0/16");

    // What options and Juju say is shown without a cluster too.
    fs::remove_file(site.driver.kubeconfig_path()).expect("there was one");
    let partly = act(&site, "calico/1", "show", &json!({}));
    assert!(failure(&partly).starts_with("Kubernetes API: there is no kubeconfig yet"));
    assert!(
        lines(&partly, "show").contains(&"session     10.0.9.1 AS 64501 (global-bgp-peers: [0])")
    );
    assert!(lines(&partly, "show").contains(&"node        not known"));
}

#[test]
fn versions_are_listed_before_there_is_a_cluster() {
    let Some(site) = Site::start_or_skip("versions_are_listed_before_there_is_a_cluster") else {
        return;
    };
    site.rest();
    fs::remove_file(site.driver.kubeconfig_path()).expect("there was one");
    let listed = act(&site, "calico/1", "list-versions", &json!({}));
    succeeded(&listed);
    assert_eq!(lines(&listed, "calico-versions"), ["v3.32.1"]);

    let resource = site
        .driver
        .kubeconfig_path()
        .with_file_name("manifests.tar.gz");
    fs::write(&resource, "kind: [").expect("the folder is ours");
    let path = resource.to_str().expect("UTF-8").to_owned();
    let attach = |path: &str| {
        site.driver
            .model(|model| model.attach_resource("calico", "manifests", path))
            .expect("a resource of the charm");
    };
    attach(&path);
    let broken = act(&site, "calico/1", "list-versions", &json!({}));
    assert!(
        failure(&broken).starts_with("resource manifests: "),
        "{broken:?}"
    );
    // What charmcraft publishes where there is nothing to publish.
    fs::write(&resource, "\n").expect("the folder is ours");
    let listed = act(&site, "calico/1", "list-versions", &json!({}));
    assert_eq!(lines(&listed, "calico-versions"), ["v3.32.1"]);
}

/// What the DaemonSet's controller says once all pods are new.
fn roll_out(site: &Site) {
    let agent = site.cluster.object("DaemonSet", "kube-system/calico-node");
    let status = json!({
        "observedGeneration": agent["metadata"]["generation"], "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
        "updatedNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3, "numberMisscheduled": 0,
    });
    let path = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node/status";
    let body = json!({"status": status});
    site.cluster.write(
        "PATCH",
        path,
        "kube-controller-manager",
        Some("merge"),
        body,
    );
}

/// Looking changes nothing, and only the leader may do more.
fn list_somebody_elses(site: &Site) {
    let before = site.state();
    let listed = act(site, "calico/1", "list-resources", &json!({}));
    succeeded(&listed);
    assert!(
        lines(&listed, "calico-conflicting").contains(&NODE),
        "{listed:?}"
    );
    let missing = lines(&listed, "calico-missing");
    assert!(
        missing.contains(&"ServiceAccount/kube-system/calico-node"),
        "{listed:?}"
    );
    assert_eq!(listed.results.get("calico-extra"), None);
    let filtered = json!({"resources": "daemonset ServiceAccount"});
    let filtered = act(site, "calico/0", "list-resources", &filtered);
    assert_eq!(lines(&filtered, "calico-conflicting"), [NODE]);
    assert!(
        lines(&filtered, "calico-missing")
            .iter()
            .all(|id| id.starts_with("ServiceAccount/"))
    );
    let unknown = act(
        site,
        "calico/0",
        "list-resources",
        &json!({"resources": "Pot"}),
    );
    assert!(failure(&unknown).starts_with("resources: there is no pot among them"));
    for action in ["sync-resources", "scrub-resources"] {
        let refused = act(site, "calico/1", action, &json!({}));
        let reason = format!("calico/1 is not the leader: juju run calico/leader {action}");
        assert_eq!(failure(&refused), reason);
    }
    site.assert_untouched_since(&before);
}

/// A newer Calico is not taken over by an older one.
fn refuse_to_go_back(site: &Site) {
    let informations = "/apis/crd.projectcalico.org/v1/clusterinformations";
    let newer = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "ClusterInformation", "metadata": {"name": "default"},
        "spec": {"calicoVersion": "v3.99.0", "datastoreReady": true},
    });
    site.cluster
        .write("POST", informations, "calico-node", Some("json"), newer);
    let before = site.state();
    let refused = act(site, "calico/0", "sync-resources", &json!({}));
    assert!(
        failure(&refused).contains("Calico cannot go back"),
        "{refused:?}"
    );
    site.assert_untouched_since(&before);
    site.cluster.delete(&format!("{informations}/default"));
}

fn take_over(site: &Site) -> ActionResult {
    let synced = act(site, "calico/0", "sync-resources", &json!({}));
    succeeded(&synced);
    assert!(
        synced.log.contains(&format!("Changing {NODE}")),
        "{synced:?}"
    );
    assert!(
        synced
            .log
            .contains(&"Installing ServiceAccount/kube-system/calico-node".to_owned())
    );
    assert_eq!(lines(&synced, "calico-missing"), [] as [&str; 0]);
    assert_eq!(lines(&synced, "calico-conflicting"), [] as [&str; 0]);
    assert!(lines(&synced, "calico-correct").contains(&NODE));
    assert_eq!(text(&synced, "status"), site.status("calico/0"));
    let taken = site.cluster.object("DaemonSet", "kube-system/calico-node");
    let env = &taken["spec"]["template"]["spec"]["containers"][0]["env"];
    let has = |name: &str| {
        let mut variables = env.as_array().into_iter().flatten();
        variables.any(|variable| variable["name"] == name)
    };
    // The first two would overwrite every AS number, and keep calico-node from starting.
    assert!(!has("AS") && !has("CALICO_IPV4POOL_CIDR") && has("NO_DEFAULT_POOLS"));
    assert!(has("FELIX_LOGSEVERITYSCREEN"), "the site's own");
    let again = act(site, "calico/0", "sync-resources", &json!({}));
    assert_eq!(again.log, [] as [&str; 0], "nothing was left to do");
    synced
}

/// Objects as documents of another release had them. Calico's own objects carry the owner's labels too, and are none of
/// these.
fn leave_behind(site: &Site) {
    let labels =
        site.cluster.object("DaemonSet", "kube-system/calico-node")["metadata"]["labels"].clone();
    let extra = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "calico-of-old", "namespace": "kube-system", "labels": &labels},
    });
    site.cluster
        .write("POST", CONFIG_MAPS, "kubectl", Some("json"), extra);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "olds.crd.projectcalico.org", "labels": &labels},
        "spec": {
            "group": "crd.projectcalico.org", "names": {"kind": "Old", "plural": "olds"}, "scope": "Cluster",
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    site.cluster
        .write("POST", DEFINITIONS, "kubectl", Some("json"), definition);
}

/// Somebody else's Calico is taken over, and what earlier documents left is cleared.
#[test]
fn resources_are_listed_synced_and_scrubbed() {
    let Some(site) = Site::start_or_skip("resources_are_listed_synced_and_scrubbed") else {
        return;
    };
    site.rest();
    list_somebody_elses(&site);
    refuse_to_go_back(&site);
    let synced = take_over(&site);
    leave_behind(&site);
    let found = [
        "ConfigMap/kube-system/calico-of-old",
        "CustomResourceDefinition/olds.crd.projectcalico.org",
    ];
    let stays = format!("{} stays: with it all its objects would go", found[1]);
    let dry = act(
        &site,
        "calico/0",
        "scrub-resources",
        &json!({"dry-run": true}),
    );
    succeeded(&dry);
    assert_eq!(
        dry.log,
        [stays.clone(), format!("Would remove {}", found[0])]
    );
    assert_eq!(lines(&dry, "calico-extra"), found);
    let other = json!({"resources": "DaemonSet"});
    assert_eq!(
        act(&site, "calico/0", "scrub-resources", &other).log,
        [] as [&str; 0]
    );

    // No controller has made pods of what was installed: what is extra may still be in use.
    let rolling = act(&site, "calico/0", "scrub-resources", &json!({}));
    assert!(
        failure(&rolling).contains("calico-node is still restarting"),
        "{rolling:?}"
    );
    assert_eq!(lines(&rolling, "calico-extra"), found);
    roll_out(&site);
    let scrubbed = act(&site, "calico/0", "scrub-resources", &json!({}));
    succeeded(&scrubbed);
    assert_eq!(scrubbed.log, [stays, format!("Removing {}", found[0])]);
    assert_eq!(lines(&scrubbed, "calico-extra"), found[1..]);
    assert_eq!(
        text(&scrubbed, "calico-correct"),
        text(&synced, "calico-correct")
    );
    assert_eq!(
        site.cluster
            .object("ConfigMap", "kube-system/calico-of-old"),
        Value::Null
    );
    site.cluster
        .delete(&format!("{DEFINITIONS}/olds.crd.projectcalico.org"));
}
