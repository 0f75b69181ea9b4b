//! What operators do, and what a model refuses.

use super::*;

#[test]
fn a_principal_has_one_subordinate_of_each_application() {
    let mut model = settled();
    model.deploy("second", Charm::calico()).unwrap();
    model.relate("second:cni", "kubernetes-worker:cni").unwrap();
    let units = model.charm_units();
    assert_eq!(
        units,
        ["calico/0", "calico/1", "calico/2", "second/0", "second/1"]
    );
    assert_eq!(
        model.subordinate("kubernetes-worker/1", "second"),
        Some("second/1")
    );
    assert_eq!(play(&mut model, "calico/1"), [] as [&str; 0]);
}

#[test]
fn the_bundle_has_the_relations_of_the_documentation() {
    let model = fresh();
    let keys: Vec<(u32, String)> = model
        .relations()
        .map(|relation| (relation.id(), relation.key()))
        .collect();
    assert_eq!(
        keys,
        [
            (0, "calico:fabric".to_owned()),
            (3, "calico:etcd etcd:db".to_owned()),
            (4, "calico:cni kubernetes-control-plane:cni".to_owned()),
            (5, "calico:cni kubernetes-worker:cni".to_owned()),
        ]
    );
    assert_eq!(model.charm_units(), ["calico/0", "calico/1", "calico/2"]);
    let principals: Vec<&str> = ["calico/0", "calico/1", "calico/2"]
        .iter()
        .filter_map(|unit| model.unit(unit).unwrap().principal())
        .collect();
    assert_eq!(
        principals,
        [
            "kubernetes-control-plane/0",
            "kubernetes-worker/0",
            "kubernetes-worker/1"
        ]
    );
    assert_eq!(
        model.application("calico").unwrap().leader(),
        Some("calico/0")
    );
    assert_eq!(model.machine_of("calico/2").unwrap().hostname, "node-c");
}

#[test]
fn operation_brings_the_hooks_juju_runs() {
    let mut model = settled();
    for unit in model.charm_units() {
        assert_eq!(model.due(&unit), None);
    }
    model.set_options("calico", [("vxlan", "Always")]).unwrap();
    model.set_options("calico", [("vxlan", "Always")]).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["config-changed"]);
    model.refresh("calico").unwrap();
    assert_eq!(
        play(&mut model, "calico/0"),
        ["upgrade-charm", "config-changed", "start"]
    );
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "upgrade-charm",
            "config-changed",
            "leader-settings-changed",
            "start"
        ]
    );
    let number = model.unit("calico/1").unwrap().machine();
    model.reboot(number).unwrap();
    assert_eq!(play(&mut model, "calico/1"), ["start", "config-changed"]);
    model
        .change_machine(number, |machine| {
            *machine = self::machine("node-b", "10.0.0.66/24");
        })
        .unwrap();
    assert_eq!(
        play(&mut model, "calico/1"),
        [
            "config-changed",
            "cni-relation-changed (5, kubernetes-worker/0)"
        ]
    );
    assert_eq!(
        model
            .relation(0)
            .unwrap()
            .unit_settings("calico/1")
            .unwrap()["egress-subnets"],
        "10.0.0.66/32"
    );
}

#[test]
fn a_thousand_units_are_built_and_run_in_no_time() {
    let started = std::time::Instant::now();
    let workers = (0..1000u32)
        .map(|index| {
            machine(
                &format!("n{index}"),
                &format!("10.{}.{}.5/24", index / 250, index % 250),
            )
        })
        .collect();
    let mut model = JujuModel::charmed_kubernetes(Vec::new(), workers).unwrap();
    model.settle();
    for unit in model.charm_units() {
        let mut hook = model.begin_hook(&unit, "config-changed").unwrap();
        call(&mut model, &mut hook, "relation-set -r fabric:0 a=1");
        assert_eq!(model.commit(hook).unwrap().len(), 1);
    }
    // A fraction of a second; quadratic or worse would be minutes.
    let took = started.elapsed();
    assert!(took < std::time::Duration::from_secs(20), "{took:?}");
}

#[test]
fn unit_numbers_are_never_used_again() {
    let mut model = settled();
    model.force_remove_unit("kubernetes-worker/1").unwrap();
    let number = model.add_machine(machine("node-d", "10.0.1.8/24"));
    assert_eq!(
        model.add_unit("kubernetes-worker", number).unwrap(),
        "kubernetes-worker/2"
    );
    assert_eq!(model.charm_units(), ["calico/0", "calico/1", "calico/3"]);
    assert!(model.number_next_unit("calico", 3).is_err());
    model.number_next_unit("calico", 12).unwrap();
    let number = model.add_machine(machine("node-e", "10.0.1.9/24"));
    let principal = model.add_unit("kubernetes-worker", number).unwrap();
    assert_eq!(model.subordinate(&principal, "calico"), Some("calico/12"));
    assert_eq!(
        model.charm_units().last().map(String::as_str),
        Some("calico/12")
    );
}

#[test]
fn options_and_relations_that_do_not_fit_are_refused() {
    let mut model = settled();
    for (name, text) in [
        ("no-such", "x"),
        ("veth-mtu", "big"),
        ("manage-pools", "yes"),
    ] {
        assert!(
            model
                .set_options("calico", [("vxlan", "Always"), (name, text)])
                .is_err(),
            "{name}"
        );
    }
    assert_eq!(
        model.application("calico").unwrap().option("vxlan"),
        Some(&json!("Never"))
    );
    for (first, second) in [
        ("calico:cni", "etcd:db"),
        ("calico:cni", "calico:cni"),
        ("calico:nothing", "etcd:db"),
        ("calico", "etcd"),
        ("calico:cni", "kubernetes-worker:cni"),
        ("kubernetes-worker:cni", "calico:cni"),
    ] {
        assert!(model.relate(first, second).is_err(), "{first} {second}");
    }
    assert!(model.deploy("calico", Charm::calico()).is_err());
    assert!(model.add_unit("calico", 0).is_err());
    assert!(model.add_unit("kubernetes-worker", 99).is_err());
    assert!(model.remove_unit("calico/1").is_err());
    assert!(
        model
            .write_databag(5, "kubernetes-control-plane/0", [("a", "b")])
            .is_err()
    );
}

#[test]
fn a_later_relation_adds_subordinates_and_their_hooks() {
    let mut model = settled();
    model.deploy("gpu-worker", Charm::kubernetes()).unwrap();
    let number = model.add_machine(machine("node-g", "10.0.2.5/24"));
    model.add_unit("gpu-worker", number).unwrap();
    assert_eq!(model.charm_units().len(), 3);
    model.relate("gpu-worker:cni", "calico:cni").unwrap();
    assert_eq!(model.charm_units().len(), 4);
    assert_eq!(play(&mut model, "calico/0"), [] as [&str; 0]);
    assert_eq!(
        play(&mut model, "calico/3").last().map(String::as_str),
        Some("cni-relation-changed (6, gpu-worker/0)")
    );
    assert_eq!(play(&mut model, "calico/0").len(), 2);
}

#[test]
fn a_model_survives_being_saved_in_the_middle_of_a_hook() {
    let mut model = settled();
    let mut hook = model
        .begin_hook("calico/1", "cni-relation-changed")
        .unwrap();
    call(&mut model, &mut hook, "relation-set a=1");
    let saved = serde_json::to_string(&(&model, &hook)).unwrap();
    let (mut loaded, mut loaded_hook): (JujuModel, HookContext) =
        serde_json::from_str(&saved).unwrap();
    assert_eq!((&loaded, &loaded_hook), (&model, &hook));
    assert_eq!(
        call(&mut loaded, &mut loaded_hook, "relation-get a calico/1"),
        "1\n"
    );
    loaded.commit(loaded_hook).unwrap();
    assert_eq!(
        loaded
            .relation(5)
            .unwrap()
            .unit_settings("calico/1")
            .unwrap()["a"],
        "1"
    );
}

#[test]
fn a_settled_model_grows_with_its_units_only() {
    let size = |count: u32| {
        let workers = (0..count)
            .map(|index| machine(&format!("n{index}"), &format!("10.0.{index}.5/24")))
            .collect();
        let mut model = JujuModel::charmed_kubernetes(Vec::new(), workers).unwrap();
        model.settle();
        serde_json::to_string(&model).unwrap().len()
    };
    assert!(size(80) < 5 * size(20), "{} {}", size(20), size(80));
}
