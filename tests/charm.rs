//! The charm whole: its real hooks and binary, as Juju runs them, on three machines and one real API server.

mod support;

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::juju_driver::HookRun;
use support::site::{Site, UNITS};

/// A rack and a router each, and the first unit as reflector.
const RACKS: &[(&str, &str)] = &[
    ("node-to-node-mesh", "false"),
    (
        "subnet-as-numbers",
        "{10.0.0.0/24: 64512, 10.0.1.0/24: 64513, 10.0.2.0/24: 64514}",
    ),
    ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
    (
        "subnet-bgp-peers",
        "{10.0.0.0/24: [{address: 10.0.0.1, as-number: 64500}], 10.0.1.0/24: [{address: 10.0.1.1, as-number: 64501}], \
         10.0.2.0/24: [{address: 10.0.2.1, as-number: 64502}]}",
    ),
    (
        "unit-bgp-peers",
        "{1: [{address: 10.0.0.5, as-number: 64512}], 2: [{address: 10.0.0.5, as-number: 64512}]}",
    ),
];

const RACKS_CONFIGURATION: &str = r#"bgpconfigurations default {"asNumber":64512,"logSeverityScreen":"Info","nodeToNodeMeshEnabled":false,"serviceLoadBalancerAggregation":"Enabled"}
"#;
const RACKS_UNIT_0: &str = r#"bgppeers calico-0-10.0.0.1 {"asNumber":64500,"node":"node-0","peerIP":"10.0.0.1"}
"#;
const RACKS_UNIT_1: &str = r#"bgppeers calico-1-10.0.0.5 {"asNumber":64512,"node":"node-1","peerIP":"10.0.0.5"}
bgppeers calico-1-10.0.1.1 {"asNumber":64501,"node":"node-1","peerIP":"10.0.1.1"}
"#;
const RACKS_UNIT_2: &str = r#"bgppeers calico-2-10.0.0.5 {"asNumber":64512,"node":"node-2","peerIP":"10.0.0.5"}
bgppeers calico-2-10.0.2.1 {"asNumber":64502,"node":"node-2","peerIP":"10.0.2.1"}
"#;
const POOL: &str = r#"ippools ipv4 {"assignmentMode":"Automatic","blockSize":26,"cidr":"192.168.0.0/16","disabled":false,"ipipMode":"Never","natOutgoing":true,"nodeSelector":"all()","vxlanMode":"Never"}
"#;
const RACKS_NODE_0: &str = r#"nodes node-0 {"calico.juju.is/principal":"kubernetes-control-plane/0","calico.juju.is/unit":"calico/0","projectcalico.org/ASNumber":"64512","projectcalico.org/RouteReflectorClusterID":"1.0.0.1"}
"#;
const RACKS_NODE_1: &str = r#"nodes node-1 {"calico.juju.is/principal":"kubernetes-worker/0","calico.juju.is/unit":"calico/1","projectcalico.org/ASNumber":"64513"}
"#;
const RACKS_NODE_2: &str = r#"nodes node-2 {"calico.juju.is/principal":"kubernetes-worker/1","calico.juju.is/unit":"calico/2","projectcalico.org/ASNumber":"64514"}
"#;

/// What [`RACKS`] comes to.
fn racks() -> String {
    [
        RACKS_CONFIGURATION,
        RACKS_UNIT_0,
        RACKS_UNIT_1,
        RACKS_UNIT_2,
        POOL,
        RACKS_NODE_0,
        RACKS_NODE_1,
        RACKS_NODE_2,
    ]
    .concat()
}

/// [`RACKS`] once unit 2 has gone.
fn racks_without_unit_2() -> String {
    let rest = racks().replace(RACKS_UNIT_2, "");
    rest.replace(RACKS_NODE_2, "nodes node-2 {}\n")
}

/// Three units that have been there for a while, with [`RACKS`].
fn racked(test: &str) -> Option<Site> {
    let site = Site::start_or_skip(test)?;
    site.configure(RACKS);
    site.rest();
    assert_eq!(site.shown(), racks());
    Some(site)
}

fn ready(site: &Site) {
    for unit in site.driver.model(|model| model.charm_units()) {
        assert_eq!(site.status(&unit), "active: Ready", "{unit}");
    }
}

fn names(runs: &[HookRun]) -> Vec<String> {
    let programs = runs.iter().filter(|run| run.ran());
    programs
        .map(|run| format!("{} {}", run.unit, run.event.name()))
        .collect()
}

#[test]
fn a_first_start_brings_the_defaults() {
    let Some(site) = Site::start_or_skip("a_first_start_brings_the_defaults") else {
        return;
    };
    let runs = site.settle();
    let first: Vec<String> = names(&runs).into_iter().take(6).collect();
    let order = [
        "install",
        "leader-elected",
        "config-changed",
        "start",
        "cni-relation-joined",
        "cni-relation-changed",
    ];
    assert_eq!(first, order.map(|hook| format!("calico/0 {hook}")));
    ready(&site);
    let node = |number: u8, principal: &str| {
        format!(
            "nodes node-{number} {{\"calico.juju.is/principal\":\"{principal}\",\"calico.juju.is/unit\":\"calico/{number}\"}}\n"
        )
    };
    let expected = [
        RACKS_CONFIGURATION.replace("false", "true"),
        POOL.to_owned(),
        node(0, "kubernetes-control-plane/0"),
        node(1, "kubernetes-worker/0"),
        node(2, "kubernetes-worker/1"),
    ];
    assert_eq!(site.shown(), expected.concat());
    let cni = site
        .driver
        .model(|model| model.relation(5).expect("cni of the workers").clone());
    for unit in ["calico/1", "calico/2"] {
        let settings = cni.unit_settings(unit).expect("a unit of it");
        assert_eq!(settings["cidr"], "192.168.0.0/16");
        assert_eq!(settings["cni-conf-file"], "10-calico.conflist");
    }
    site.assert_nothing_is_written_by(&[
        "config-changed",
        "update-status",
        "start",
        "upgrade-charm",
    ]);
}

#[test]
fn a_fabric_of_racks_is_written_once() {
    let Some(site) = Site::start_or_skip("a_fabric_of_racks_is_written_once") else {
        return;
    };
    site.configure(RACKS);
    site.settle();
    assert_eq!(site.shown(), racks());
    ready(&site);
    site.assert_nothing_is_written_by(&[
        "config-changed",
        "update-status",
        "start",
        "upgrade-charm",
    ]);
    let run = site.run("calico/0", "update-status");
    assert!(run.calls.len() <= 12, "{:#?}", run.calls);
    assert!(run.logs.is_empty(), "{}", run.debug_log());
}

#[test]
fn a_change_of_options_writes_what_changed_and_says_so() {
    let Some(site) = racked("a_change_of_options_writes_what_changed_and_says_so") else {
        return;
    };
    let before = site.cluster.versions();
    site.configure(&[(
        "subnet-as-numbers",
        "{10.0.0.0/24: 64512, 10.0.1.0/24: 64999, 10.0.2.0/24: 64514}",
    )]);
    let runs = site.settle();
    assert_eq!(
        names(&runs),
        UNITS.map(|unit| format!("{unit} config-changed"))
    );
    assert_eq!(site.shown(), racks().replace("64513", "64999"));
    let log = runs[1].debug_log();
    let line = "Node node-1: ASNumber 64513 → 64999 (subnet-as-numbers: 10.0.1.0/24)";
    assert!(log.contains(line), "{log}");
    let after = site.cluster.versions();
    let same = |key: &String| before.get(key) == after.get(key);
    // The digest of the options is on every Node, so all of them change.
    for key in before.keys().filter(|key| !key.starts_with("nodes ")) {
        assert!(same(key), "{key}");
    }
    site.assert_nothing_is_written_by(&["config-changed"]);

    site.configure(&[(
        "unit-bgp-peers",
        "{1: [{address: 10.0.0.5, as-number: 64512}]}",
    )]);
    let runs = site.settle();
    assert!(
        runs[2]
            .debug_log()
            .contains("BGPPeer calico-2-10.0.0.5: deleted"),
        "{}",
        runs[2].debug_log()
    );
    assert!(!site.shown().contains("calico-2-10.0.0.5"));
    site.configure(RACKS);
    site.settle();
    assert_eq!(site.shown(), racks());
    ready(&site);
}

#[test]
fn wrong_options_write_nothing_and_are_all_named() {
    let Some(site) = racked("wrong_options_write_nothing_and_are_all_named") else {
        return;
    };
    let before = site.state();
    site.configure(&[
        ("vxlan", "always"),
        ("cidr", "10.1.0.1/16"),
        ("global-bgp-peers", "[{address: 10.0.0}]"),
    ]);
    let runs = site.settle();
    site.assert_untouched_since(&before);
    for unit in UNITS {
        assert!(
            site.status(unit).starts_with("blocked: "),
            "{}",
            site.status(unit)
        );
        assert!(
            site.status(unit).ends_with("more)"),
            "{}",
            site.status(unit)
        );
    }
    let log = runs[0].debug_log();
    for option in ["vxlan", "cidr", "global-bgp-peers"] {
        let named =
            log.contains(&format!("{option}: \"")) || log.contains(&format!("{option}: [0]"));
        assert!(named, "{option}: {log}");
    }
}

#[test]
fn a_new_leader_goes_on_where_the_former_stopped() {
    let Some(site) = racked("a_new_leader_goes_on_where_the_former_stopped") else {
        return;
    };
    let before = site.state();
    let elected = |model: &mut calico_charm::sim::juju::JujuModel| {
        model.set_leader("calico", Some("calico/1"))
    };
    site.driver.model(elected).expect("a unit");
    let runs = site.settle();
    assert!(
        names(&runs).contains(&"calico/1 leader-elected".to_owned()),
        "{:?}",
        names(&runs)
    );
    site.assert_untouched_since(&before);
    site.configure(&[("global-as-number", "65100"), ("nat-outgoing", "false")]);
    let run = site.run("calico/0", "config-changed");
    assert!(
        !run.debug_log().contains("BGPConfiguration"),
        "{}",
        run.debug_log()
    );
    site.settle();
    let expected = racks().replace("\"asNumber\":64512,\"log", "\"asNumber\":65100,\"log");
    assert_eq!(
        site.shown(),
        expected.replace("\"natOutgoing\":true", "\"natOutgoing\":false")
    );
    ready(&site);
}

#[test]
fn a_unit_that_goes_takes_its_own_along() {
    let Some(site) = racked("a_unit_that_goes_takes_its_own_along") else {
        return;
    };
    site.add_pod("calico-node", 2, true);
    site.driver
        .model(|model| model.remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    let runs = site.settle();
    let names = names(&runs);
    assert!(
        names.contains(&"calico/2 cni-relation-broken".to_owned()),
        "{names:?}"
    );
    assert!(names.contains(&"calico/2 remove".to_owned()), "{names:?}");
    assert!(
        names.contains(&"calico/0 fabric-relation-departed".to_owned()),
        "{names:?}"
    );
    assert_eq!(site.shown(), racks_without_unit_2());
    ready(&site);
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn a_unit_whose_node_runs_pods_leaves_its_routes_until_they_are_gone() {
    let Some(site) = racked("a_unit_whose_node_runs_pods_leaves_its_routes_until_they_are_gone")
    else {
        return;
    };
    site.add_pod("web", 2, false);
    site.driver
        .model(|model| model.remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    let runs = site.settle();
    let broken = runs
        .iter()
        .find(|run| run.event.name() == "cni-relation-broken")
        .expect("it ran");
    assert!(
        broken.debug_log().contains("still runs pods"),
        "{}",
        broken.debug_log()
    );
    assert_eq!(site.shown(), racks());
    site.remove_pod("web");
    site.run("calico/0", "update-status");
    assert_eq!(site.shown(), racks_without_unit_2());
}

#[test]
fn the_leader_clears_up_after_a_unit_that_was_removed_by_force() {
    let Some(site) = racked("the_leader_clears_up_after_a_unit_that_was_removed_by_force") else {
        return;
    };
    site.driver
        .model(|model| model.force_remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    assert_eq!(site.shown(), racks());
    let runs = site.settle();
    assert_eq!(
        names(&runs),
        [
            "calico/0 fabric-relation-departed",
            "calico/1 fabric-relation-departed"
        ]
    );
    assert_eq!(site.shown(), racks_without_unit_2());
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn the_leader_clears_up_after_a_unit_whose_machine_is_gone() {
    let Some(site) = racked("the_leader_clears_up_after_a_unit_whose_machine_is_gone") else {
        return;
    };
    site.driver
        .model(|model| model.force_remove_unit("kubernetes-worker/1"))
        .expect("a principal");
    site.cluster.delete("/api/v1/nodes/node-2");
    site.settle();
    assert_eq!(
        site.shown(),
        racks_without_unit_2().replace("nodes node-2 {}\n", "")
    );
    site.assert_nothing_is_written_by(&["update-status"]);
}

#[test]
fn a_leader_that_does_not_know_everybody_clears_up_after_nobody() {
    let Some(site) = racked("a_leader_that_does_not_know_everybody_clears_up_after_nobody") else {
        return;
    };
    let unit = site.add_worker(3);
    site.add_node(3);
    site.driver
        .model(|model| {
            model.force_remove_unit("kubernetes-worker/1")?;
            model.set_leader("calico", Some(&unit))
        })
        .expect("a principal and a unit");
    let mut hooks = Vec::new();
    while let Some(event) = site.driver.model(|model| model.due(&unit)) {
        if event.name().starts_with("fabric-relation-joined") {
            break;
        }
        hooks.push(event.name());
        let run = site.driver.run_event(&unit, event);
        assert!(run.succeeded(), "{}", run.debug_log());
        assert!(
            site.shown().contains(RACKS_UNIT_2),
            "{hooks:?}: {}",
            site.shown()
        );
        assert!(
            site.shown().contains(RACKS_NODE_2),
            "{hooks:?}: {}",
            site.shown()
        );
    }
    assert!(hooks.contains(&"leader-elected".to_owned()), "{hooks:?}");
    assert!(hooks.contains(&"config-changed".to_owned()), "{hooks:?}");
    site.settle();
    site.run(&unit, "update-status");
    assert!(!site.shown().contains("calico-2-"), "{}", site.shown());
    assert!(
        site.shown().contains("nodes node-2 {}\n"),
        "{}",
        site.shown()
    );
    assert!(site.shown().contains(RACKS_NODE_1), "{}", site.shown());
}

#[test]
fn units_go_with_the_relation_to_their_principals() {
    let Some(site) = racked("units_go_with_the_relation_to_their_principals") else {
        return;
    };
    site.driver
        .model(|model| model.remove_relation(5))
        .expect("cni of the workers");
    site.settle();
    assert_eq!(site.driver.model(|model| model.charm_units()), ["calico/0"]);
    let shown = site.shown();
    for line in [
        RACKS_CONFIGURATION,
        POOL,
        RACKS_UNIT_0,
        RACKS_NODE_0,
        "nodes node-1 {}\n",
        "nodes node-2 {}\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
    assert_eq!(shown.matches("bgppeers").count(), 1, "{shown}");
}

#[test]
fn a_refresh_and_a_reboot_write_nothing() {
    let Some(site) = racked("a_refresh_and_a_reboot_write_nothing") else {
        return;
    };
    let before = site.state();
    site.driver
        .model(|model| model.refresh("calico"))
        .expect("the application");
    let runs = site.settle();
    assert!(
        names(&runs).contains(&"calico/2 upgrade-charm".to_owned()),
        "{:?}",
        names(&runs)
    );
    site.driver
        .model(|model| model.reboot(1))
        .expect("a machine");
    let runs = site.settle();
    assert!(
        names(&runs).contains(&"calico/1 start".to_owned()),
        "{:?}",
        names(&runs)
    );
    site.assert_untouched_since(&before);
    ready(&site);
}

#[test]
fn a_hook_that_is_killed_anywhere_converges() {
    let Some(site) = Site::start_or_skip("a_hook_that_is_killed_anywhere_converges") else {
        return;
    };
    site.rest();
    // So slow that the kills fall into every part of the hook.
    site.driver.delay_tools(Duration::from_millis(20));
    let mut killed = 0;
    for round in 0..14_u64 {
        let options = if round % 2 == 0 {
            RACKS.to_vec()
        } else {
            reset()
        };
        site.configure(&options);
        let unit = UNITS[usize::try_from(round % 3).expect("small")];
        let running = site.driver.spawn(unit, "config-changed");
        std::thread::sleep(Duration::from_millis(15 + 18 * round));
        killed += usize::from(!running.kill().succeeded());
        site.settle();
        let expected = if round % 2 == 0 { racks() } else { plain() };
        assert_eq!(site.shown(), expected, "killed in round {round}");
    }
    assert!(killed >= 5, "only {killed} kills came in time");
    site.assert_nothing_is_written_by(&["update-status"]);
}

/// [`RACKS`] taken back.
fn reset() -> Vec<(&'static str, &'static str)> {
    let back = |name: &'static str| {
        (
            name,
            if name == "node-to-node-mesh" {
                "true"
            } else {
                ""
            },
        )
    };
    RACKS.iter().map(|(name, _)| back(name)).collect()
}

/// What the defaults come to.
fn plain() -> String {
    let node = |text: &str| match text.split_once(",\"projectcalico.org") {
        Some((kept, _)) => format!("{kept}}}\n"),
        None => text.to_owned(),
    };
    let configuration = RACKS_CONFIGURATION.replace("false", "true");
    [
        configuration,
        POOL.to_owned(),
        node(RACKS_NODE_0),
        node(RACKS_NODE_1),
        node(RACKS_NODE_2),
    ]
    .concat()
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn what_others_wrote_survives() {
    let Some(site) = Site::start_or_skip("what_others_wrote_survives") else {
        return;
    };
    let group = "crd.projectcalico.org/v1";
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec});
    let create = |plural: &str, body: Value| {
        site.cluster.write(
            "POST",
            &format!("/apis/{group}/{plural}"),
            "kubectl",
            Some("json"),
            body,
        );
    };
    create(
        "bgppeers",
        object(
            "BGPPeer",
            "my-peer",
            json!({"peerIP": "10.9.9.9", "asNumber": 65009}),
        ),
    );
    create(
        "bgppeers",
        object(
            "BGPPeer",
            "calico-0-router",
            json!({"peerIP": "10.9.9.8", "asNumber": 65008, "node": "node-0"}),
        ),
    );
    let alike = json!({"peerIP": "10.7.7.7", "asNumber": 65007, "node": "node-0"});
    create("bgppeers", object("BGPPeer", "calico-0-10.7.7.7", alike));
    let services = object(
        "IPPool",
        "services",
        json!({"cidr": "172.30.0.0/24", "allowedUses": ["LoadBalancer"], "blockSize": 26}),
    );
    create("ippools", services);
    create(
        "bgpconfigurations",
        object(
            "BGPConfiguration",
            "default",
            json!({"listenPort": 1790, "asNumber": 64000}),
        ),
    );
    create(
        "bgpconfigurations",
        object(
            "BGPConfiguration",
            "node.node-0",
            json!({"listenPort": 1791}),
        ),
    );
    let foreign = [
        "bgppeers my-peer",
        "bgppeers calico-0-router",
        "bgppeers calico-0-10.7.7.7",
        "ippools services",
        "bgpconfigurations node.node-0",
    ];
    let versions = site.cluster.versions();
    let before: Vec<&String> = foreign.iter().map(|key| &versions[*key]).collect();
    site.cluster.write(
        "PATCH",
        "/api/v1/nodes/node-0",
        "kubectl",
        Some("merge"),
        json!({"metadata": {"annotations": {"example.com/note": "mine"}}}),
    );

    site.configure(RACKS);
    let runs = site.settle();
    let log: Vec<String> = runs.iter().map(HookRun::debug_log).collect();
    assert!(
        log.concat().contains("asNumber 64000 → 64512"),
        "{}",
        log.concat()
    );
    let password = json!({"spec": {"password": {"secretKeyRef": {"name": "bgp", "key": "tor"}}}});
    let peer = format!("/apis/{group}/bgppeers/calico-0-10.0.0.1");
    site.cluster
        .write("PATCH", &peer, "kubectl", Some("merge"), password.clone());
    let stray = json!({"spec": {"asNumber": 1}});
    site.cluster
        .write("PATCH", &peer, "kubectl", Some("merge"), stray);
    site.configure(&[("global-as-number", "64600")]);
    site.settle();
    let peer = site.cluster.object("BGPPeer", "calico-0-10.0.0.1");
    assert_eq!(peer["spec"]["password"], password["spec"]["password"]);
    assert_eq!(peer["spec"]["asNumber"], 64500);
    let configuration = site.cluster.object("BGPConfiguration", "default");
    for (field, value) in [
        ("listenPort", json!(1790)),
        ("asNumber", json!(64600)),
        ("nodeToNodeMeshEnabled", json!(false)),
    ] {
        assert_eq!(configuration["spec"][field], value, "{field}");
    }

    site.driver
        .model(|model| model.remove_unit("kubernetes-control-plane/0"))
        .expect("a principal");
    site.settle();
    let node = site.cluster.object("Node", "node-0");
    assert_eq!(
        node["metadata"]["annotations"],
        json!({"example.com/note": "mine"})
    );
    let versions = site.cluster.versions();
    let after: Vec<&String> = foreign.iter().map(|key| &versions[*key]).collect();
    assert_eq!(before, after);
}

#[test]
fn hooks_that_mean_nothing_here_succeed_in_silence() {
    let Some(site) = Site::start_or_skip("hooks_that_mean_nothing_here_succeed_in_silence") else {
        return;
    };
    site.rest();
    for hook in [
        "collect-metrics",
        "meter-status-changed",
        "leader-settings-changed",
    ] {
        let context = site
            .driver
            .begin_only("calico/1", hook)
            .expect("a hook of Juju's");
        let calls = site.driver.calls().len();
        let output = site
            .driver
            .command(env!("CARGO_BIN_EXE_calico-charm").as_ref(), &context)
            .args(["hook", hook])
            .output()
            .expect("the binary");
        site.driver
            .end(context.id(), true)
            .expect("nothing was buffered");
        assert_eq!(output.status.code(), Some(0), "{hook}");
        assert_eq!((output.stdout.len(), output.stderr.len()), (0, 0), "{hook}");
        assert_eq!(site.driver.calls().len(), calls, "{hook}");
    }
}

#[test]
fn hooks_wait_for_what_is_not_there_yet() {
    let Some(site) = Site::start_or_skip("hooks_wait_for_what_is_not_there_yet") else {
        return;
    };
    fs::remove_file(site.driver.kubeconfig_path()).expect("a link of the driver's");
    site.cluster.delete("/api/v1/nodes/node-1");
    site.configure(&[("cidr", "10.1.0.0/16")]);
    site.settle();
    for unit in UNITS {
        assert_eq!(site.status(unit), "waiting: Waiting for Kubernetes config.");
    }
    let cni = site
        .driver
        .model(|model| model.relation(5).expect("cni of the workers").clone());
    assert_eq!(
        cni.unit_settings("calico/1").expect("a unit of it")["cidr"],
        "10.1.0.0/16"
    );
    site.driver.use_kubeconfig(&site.cluster.kubeconfig);
    for unit in UNITS {
        site.run(unit, "update-status");
    }
    assert_eq!(site.status("calico/0"), "active: Ready");
    assert_eq!(
        site.status("calico/1"),
        "waiting: Waiting for a Node called node-1 with an address of this machine"
    );
    site.add_node(1);
    site.run("calico/1", "update-status");
    ready(&site);
}

/// A kubeconfig as the control plane's, with another server or another token.
fn kubeconfig(site: &Site, server: Option<String>, token: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(&site.cluster.kubeconfig).expect("its kubeconfig");
    let mut config: Value = serde_json::from_str(&text).expect("JSON");
    if let Some(server) = server {
        config["clusters"][0]["cluster"]["server"] = server.into();
    }
    config["users"][0]["user"]["token"] = token.into();
    let path = site.driver.kubeconfig_path().with_extension("other");
    fs::write(&path, config.to_string()).expect("the folder is ours");
    path
}

#[test]
fn hooks_wait_for_an_api_that_does_not_answer_and_end_in_time() {
    let Some(site) =
        Site::start_or_skip("hooks_wait_for_an_api_that_does_not_answer_and_end_in_time")
    else {
        return;
    };
    site.rest();
    let before = site.state();
    let address = |listener: &TcpListener| {
        let port = listener.local_addr().expect("it is bound").port();
        format!("https://127.0.0.1:{port}")
    };
    let refused = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        address(&listener)
    };
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    for (server, longest, hook) in [
        (refused.clone(), 5, "config-changed"),
        (refused, 5, "update-status"),
        (address(&silent), 20, "update-status"),
    ] {
        site.driver
            .use_kubeconfig(&kubeconfig(&site, Some(server), "none"));
        let started = Instant::now();
        site.run("calico/0", hook);
        let took = started.elapsed();
        assert!(took < Duration::from_secs(longest), "{took:?}");
        let status = site.status("calico/0");
        assert!(
            status.starts_with("waiting: Waiting for Kubernetes API"),
            "{status}"
        );
    }
    site.driver.use_kubeconfig(&site.cluster.kubeconfig);
    site.run("calico/0", "update-status");
    site.assert_untouched_since(&before);
    ready(&site);
}

#[test]
fn the_token_is_shown_nowhere() {
    let Some(site) = Site::start_or_skip("the_token_is_shown_nowhere") else {
        return;
    };
    let text = fs::read_to_string(&site.cluster.kubeconfig).expect("its kubeconfig");
    let config: Value = serde_json::from_str(&text).expect("JSON");
    let token = config["users"][0]["user"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    site.configure(RACKS);
    let mut runs = site.rest();
    let wrong = "a-token-that-nobody-knows";
    site.driver.use_kubeconfig(&kubeconfig(&site, None, wrong));
    runs.push(site.run("calico/0", "update-status"));
    assert!(
        site.status("calico/0").starts_with("blocked: "),
        "{}",
        site.status("calico/0")
    );
    site.driver.use_kubeconfig(&kubeconfig(
        &site,
        Some("https://127.0.0.1:1".to_owned()),
        wrong,
    ));
    runs.push(site.run("calico/0", "update-status"));
    let broken = site.driver.kubeconfig_path().with_extension("broken");
    fs::write(&broken, text.replace("\"users\":[", "\"users\":[{")).expect("the folder is ours");
    site.driver.use_kubeconfig(&broken);
    runs.push(site.run("calico/0", "update-status"));
    assert!(
        site.status("calico/0").starts_with("waiting: "),
        "{}",
        site.status("calico/0")
    );
    let state = site
        .driver
        .model(|model| serde_json::to_string(model).expect("a model"));
    let mut told = vec![state];
    for run in &runs {
        told.extend([
            run.stdout.clone(),
            run.stderr.clone(),
            run.debug_log(),
            format!("{:?}", run.calls),
        ]);
    }
    for secret in [token.as_str(), wrong] {
        let leak = told.iter().find(|text| text.contains(secret));
        assert_eq!(leak, None);
    }
}
