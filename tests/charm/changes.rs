//! From a first start through changes of options.

use super::*;

#[test]
fn a_first_start_brings_the_defaults() {
    let Some(site) = Site::start_or_skip("a_first_start_brings_the_defaults") else {
        return;
    };
    let runs = site.settle();
    let own = |name: &String| name.starts_with("calico/0 ");
    let first: Vec<String> = names(&runs).into_iter().filter(own).take(6).collect();
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
    let log = logs(&runs);
    let line = "Node node-1: ASNumber 64513 → 64999 (subnet-as-numbers: 10.0.1.0/24)";
    assert!(log.contains(line), "{log}");
    let after = site.cluster.versions();
    let same = |key: &String| before.get(key) == after.get(key);
    // The digest of the options is on every Node, so all of them change.
    // How far the change may go stands on the configuration.
    let kept = |key: &&String| !key.starts_with("nodes ") && *key != "bgpconfigurations default";
    for key in before.keys().filter(kept) {
        assert!(same(key), "{key}");
    }
    site.assert_nothing_is_written_by(&["config-changed"]);

    site.configure(&[(
        "unit-bgp-peers",
        "{1: [{address: 10.0.0.5, as-number: 64512}]}",
    )]);
    let runs = site.settle();
    let log = logs(&runs);
    assert!(log.contains("BGPPeer calico-2-10.0.0.5: deleted"), "{log}");
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
