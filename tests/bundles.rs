//! The overlays in `examples/bundles/` do what their names say, on top of a bundle like `charmed-kubernetes`.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;
use serde_yaml::Value;

const OVERLAYS: [&str; 3] = ["bgp", "dual-stack", "vxlan"];

/// What the overlays lie over: the parts of charmed-kubernetes that matter here.
const BASE: &str = "\
default-base: ubuntu@24.04
applications:
  calico: {charm: calico, channel: latest/stable, options: {vxlan: Always}}
  etcd: {charm: etcd, num_units: 1, to: ['0']}
  kubernetes-control-plane: {charm: kubernetes-control-plane, num_units: 1, to: ['0']}
  kubernetes-worker: {charm: kubernetes-worker, num_units: 1, to: ['1']}
machines: {'0': {}, '1': {}}
relations:
- [calico:etcd, etcd:db]
- [calico:cni, kubernetes-control-plane:cni]
- [calico:cni, kubernetes-worker:cni]
";

const UNITS: &str = "\
units:
  calico/0: {node: control-plane-0, addresses: [10.0.0.10/24, 'fd00:a::10/64'], leader: true}
  calico/1: {node: worker-0, addresses: [10.0.0.11/24, 'fd00:a::11/64']}
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn overlay(name: &str) -> PathBuf {
    root().join(format!("examples/bundles/{name}.yaml"))
}

fn yaml(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A command over base, overlay and units, with the answer as JSON.
fn run(command: &str, overlay: &Path) -> Json {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (base, units) = (folder.path().join("base"), folder.path().join("units"));
    fs::write(&base, BASE).expect("the folder is writable");
    fs::write(&units, UNITS).expect("the folder is writable");
    let output: Output = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .arg(command)
        .args([&base, overlay, &units])
        .args(["-o", "json"])
        .env_clear()
        .output()
        .expect("the program has been built");
    assert!(
        output.status.success(),
        "{command} {}: {}{}",
        overlay.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

fn of_kind<'a>(simulated: &'a Json, kind: &str) -> Vec<&'a Json> {
    let objects = simulated["objects"].as_array().expect("a list of objects");
    let found = objects.iter().filter(|object| object["kind"] == kind);
    found.map(|object| &object["spec"]).collect()
}

#[test]
fn every_overlay_is_tested() {
    let entries = fs::read_dir(root().join("examples/bundles")).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| path.file_stem().unwrap_or_default().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, OVERLAYS);
}

#[test]
fn overlays_set_options_there_are_and_nothing_else() {
    let known = yaml(&root().join("config.yaml"));
    for name in OVERLAYS {
        let bundle = yaml(&overlay(name));
        let keys: Vec<&Value> = bundle.as_mapping().expect("a map").keys().collect();
        assert_eq!(keys, [&Value::from("applications")], "{name}");
        let calico = &bundle["applications"]["calico"];
        // Juju resolves it from the overlay's own folder (Juju's bundle reference).
        assert_eq!(calico["charm"], "../../calico_amd64.charm", "{name}");
        let options = calico["options"].as_mapping().expect("options");
        for (option, value) in options {
            let kind = known["options"][option]["type"].as_str();
            let fits = match value {
                Value::String(_) => kind == Some("string"),
                Value::Number(_) => kind == Some("int"),
                Value::Bool(_) => kind == Some("boolean"),
                _ => false,
            };
            assert!(fits, "{name}: {option:?} is {value:?}, {kind:?}");
        }
    }
}

#[test]
fn every_unit_comes_to_rest_under_an_overlay() {
    for name in OVERLAYS {
        let simulated = run("simulate", &overlay(name));
        assert_eq!(simulated["good"], true, "{name}: {simulated:#}");
        for unit in simulated["units"].as_array().expect("units") {
            assert_eq!(unit["status"], "active", "{name}: {unit:#}");
            assert_eq!(unit["second_round"]["writes"], 0, "{name}: {unit:#}");
        }
    }
}

#[test]
fn overlays_do_what_their_names_say() {
    for (name, cidrs, vxlan) in [
        ("bgp", vec!["192.168.0.0/16"], "Never"),
        ("vxlan", vec!["192.168.0.0/16"], "Always"),
        (
            "dual-stack",
            vec!["192.168.0.0/16", "fd00:c00b:1::/112"],
            "Always",
        ),
    ] {
        let simulated = run("simulate", &overlay(name));
        let pools = of_kind(&simulated, "IPPool");
        let found: Vec<&Json> = pools.iter().map(|pool| &pool["cidr"]).collect();
        assert_eq!(found, cidrs, "{name}");
        for pool in pools {
            // Absent is Calico's default, Never.
            let mode = pool["vxlanMode"].as_str().unwrap_or("Never");
            assert_eq!(mode, vxlan, "{name}: {pool}");
        }
    }
    let simulated = run("simulate", &overlay("bgp"));
    let [configuration] = of_kind(&simulated, "BGPConfiguration")[..] else {
        panic!("{simulated:#}");
    };
    assert_eq!(
        configuration["serviceClusterIPs"][0]["cidr"],
        "10.152.183.0/24"
    );
}

#[test]
fn overlays_render() {
    for name in OVERLAYS {
        let rendered = run("render", &overlay(name)).to_string();
        assert!(rendered.contains("IPPool"), "{name}: {rendered}");
    }
}
