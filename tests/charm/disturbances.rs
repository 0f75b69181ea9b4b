//! Hooks that are cut off, and others who write.

use super::*;

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

    // A reflector without a mesh would stay: others have their routes from it.
    site.configure(&[("node-to-node-mesh", "true")]);
    site.settle();
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
