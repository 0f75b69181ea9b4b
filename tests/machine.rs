//! What the charm does on its machine: calicoctl comes with the unit, and what Calico keeps there goes with it, unless
//! pods still need it.
#![allow(
    clippy::unwrap_used,
    reason = "clippy exempts test functions, not their helpers"
)]

mod support;

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use calico_charm::charm::{Access, Report, Surroundings, run_hook};

use calico_charm::host::{Cleared, Host, Traces, calicoctl};
use calico_charm::juju::tools::LogLevel;
use calico_charm::juju::{Hook, JujuContext};
use calico_charm::sim::api::{ApiServer, Mode};
use calico_charm::sim::juju::ModelTools;
use serde_json::{Value, json};
use support::juju_driver::{HookRun, JujuDriver, three_units};

const UNIT: &str = "calico/1";
const PRINCIPAL: &str = "kubernetes-worker/0";
const NETWORK: &str = "network";
const CALICOCTL: &str = "calicoctl";

/// A machine that remembers what was taken from it.
#[derive(Default)]
struct Remembering {
    taken: Mutex<Vec<&'static str>>,
    traces: Traces,
}

impl Remembering {
    fn take(&self, what: &'static str) -> Cleared {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.push(what);
        Cleared {
            removed: vec![what.to_owned()],
            left: Vec::new(),
        }
    }
}

impl Host for Remembering {
    fn hostname(&self) -> String {
        "Node-1".to_owned()
    }

    async fn fqdn(&self) -> Option<String> {
        Some("Node-1.example".to_owned())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        ["127.0.0.1", "10.0.1.5"]
            .map(|text| text.parse().unwrap())
            .to_vec()
    }

    fn rp_filter(&self) -> Option<u8> {
        None
    }

    async fn disable_tx_checksumming(&self, _: &str) -> Result<bool, String> {
        Ok(false)
    }

    fn remove_calicoctl(&self) -> Cleared {
        self.take(CALICOCTL)
    }

    fn traces(&self) -> Traces {
        self.traces
    }

    fn network_files(&self) -> Vec<String> {
        vec!["/etc/cni/net.d/10-calico.conflist".to_owned()]
    }

    async fn remove_network(&self) -> Cleared {
        self.take(NETWORK)
    }
}

fn node(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    })
}

fn pod(node: &str, labels: &Value, host_network: bool, phase: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "kube-system", "labels": labels},
        "spec": {"nodeName": node, "hostNetwork": host_network, "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": phase},
    })
}

/// The API as the objects are when the unit goes.
async fn with(objects: &[Value], host: &Remembering) -> String {
    let server = ApiServer::new(Mode::CrdV1);
    for object in objects {
        server.insert("kubelet", object.clone()).unwrap();
    }
    removed(&Access::Client(server.client_as(UNIT)), host).await
}

/// Removes the principal and runs the unit's hooks; what was taken, and the warnings of `remove`.
async fn removed(access: &Access, host: &Remembering) -> String {
    let mut model = three_units();
    model.settle();
    model.remove_unit(PRINCIPAL).unwrap();
    let model = Arc::new(Mutex::new(model));
    let mut last = Report::default();
    loop {
        let due = model.lock().unwrap().due(UNIT);
        let Some(due) = due else { break };
        let hook = due.name().parse::<Hook>();
        let tools = ModelTools::begin(&model, UNIT, due).unwrap();
        if let Ok(hook) = hook {
            let taken = host.taken.lock().unwrap().clone();
            assert!(taken.is_empty(), "{hook}: {taken:?} was taken before");
            let context = JujuContext::from_variables(tools.environment()).unwrap();
            let surroundings = Surroundings {
                context: &context,
                tools: &tools,
                host,
                access,
            };
            last = Box::pin(run_hook(hook, &surroundings)).await.unwrap();
        }
        tools.commit().unwrap();
    }
    let warnings = last
        .lines()
        .iter()
        .filter(|(level, _)| *level == LogLevel::Warning);
    let warnings: Vec<&str> = warnings.map(|(_, line)| line.as_str()).collect();
    let taken = host.taken.lock().unwrap().join(" ");
    format!("{taken}: {}", warnings.join(" | "))
}

#[tokio::test]
async fn the_network_goes_when_no_pod_needs_it() {
    let none = json!({});
    let agent = json!({"k8s-app": "calico-node"});
    let others = || node("node-2", "10.0.2.5");
    for (what, objects) in [
        (
            "no Node",
            vec![others(), pod("node-2", &none, false, "Running")],
        ),
        (
            "no pod",
            vec![
                node("node-1", "10.0.1.5"),
                pod("node-2", &agent, true, "Running"),
            ],
        ),
        (
            "a pod of the host",
            vec![
                node("node-1", "10.0.1.5"),
                pod("node-1", &none, true, "Running"),
            ],
        ),
        (
            "one that ended",
            vec![
                node("node-1", "10.0.1.5"),
                pod("node-1", &none, false, "Succeeded"),
            ],
        ),
        (
            "calico-node that ended",
            vec![
                node("node-1", "10.0.1.5"),
                pod("node-1", &agent, true, "Failed"),
            ],
        ),
    ] {
        let host = Remembering::default();
        assert_eq!(with(&objects, &host).await, "calicoctl network: ", "{what}");
    }
}

#[tokio::test]
async fn the_network_stays_while_the_node_needs_it() {
    let none = json!({});
    let agent = json!({"k8s-app": "calico-node"});
    for (name, address) in [
        ("node-1", "10.0.1.5"),
        // Another address, as after a move: what is called like the machine still counts.
        ("node-1", "10.0.9.9"),
        // As kubelet registers on AWS.
        ("node-1.example", "10.0.9.9"),
        ("ip-10-0-1-5", "10.0.1.5"),
    ] {
        for (running, says) in [
            (pod(name, &none, false, "Running"), "still runs pods"),
            (pod(name, &none, false, "Pending"), "still runs pods"),
            (pod(name, &agent, true, "Running"), "would put it back"),
        ] {
            let host = Remembering::default();
            let told = with(&[node(name, address), running], &host).await;
            assert!(told.starts_with("calicoctl: "), "{told}");
            assert!(
                told.contains(says) && told.contains(&format!("Node {name} ")),
                "{told}"
            );
            assert!(told.contains("Calico's network stays"), "{told}");
            assert!(told.contains("/etc/cni/net.d/10-calico.conflist"), "{told}");
        }
    }
}

#[tokio::test]
async fn without_the_api_the_machine_itself_decides() {
    let nowhere = Access::Kubeconfig("/nonexistent/kubeconfig".into());
    let left_behind = "BGPPeers and annotations of this unit stay";
    let host = Remembering::default();
    let told = removed(&nowhere, &host).await;
    assert!(
        told.starts_with(&format!("calicoctl network: {left_behind}")),
        "{told}"
    );
    for traces in [(true, false), (false, true)] {
        let host = Remembering {
            traces: Traces {
                agent: traces.0,
                pods: traces.1,
                bird: false,
            },
            ..Remembering::default()
        };
        let told = removed(&nowhere, &host).await;
        assert!(
            told.starts_with(&format!("calicoctl: {left_behind}")),
            "{told}"
        );
        assert!(told.contains("Calico's network stays"), "{told}");
    }
}

#[tokio::test]
async fn calico_node_that_is_still_ending_is_told() {
    let host = Remembering {
        traces: Traces {
            agent: true,
            ..Traces::default()
        },
        ..Remembering::default()
    };
    let told = with(&[], &host).await;
    assert!(
        told.starts_with("calicoctl network: calico-node has not ended yet"),
        "{told}"
    );
}

/// Units whose programs lie where Juju puts them, in a file system of the test's.
fn machines(test: &str) -> Option<JujuDriver> {
    JujuDriver::start_or_skip(test, three_units()).map(JujuDriver::on_machines)
}

/// A resource with a program that says who it is.
fn attach(driver: &JujuDriver, seed: u8) {
    let (name, machine) = calicoctl::resource().unwrap();
    let folder = driver.root().join("resource");
    fs::create_dir_all(&folder).unwrap();
    let mut program = vec![0; 20];
    program[..4].copy_from_slice(b"\x7fELF");
    program[18..].copy_from_slice(&machine.to_le_bytes());
    let mut state = u32::from(seed);
    program.extend((0..1_200_000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    }));
    fs::write(folder.join("calicoctl"), program).unwrap();
    let archive = driver.root().join("calico.tar.gz");
    let packed = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder)
        .arg("calicoctl")
        .status();
    assert!(packed.unwrap().success());
    attach_file(driver, name, &archive);
}

fn attach_file(driver: &JujuDriver, name: &str, archive: &Path) {
    let path = archive.display().to_string();
    driver
        .model(|model| model.attach_resource("calico", name, &path))
        .unwrap();
}

fn installed(driver: &JujuDriver) -> Option<Vec<u8>> {
    let program = fs::read(driver.root().join("opt/calicoctl/calicoctl")).ok()?;
    assert!(driver.root().join("usr/local/bin/calicoctl").exists());
    Some(program)
}

fn asked(run: &HookRun) -> bool {
    run.calls
        .iter()
        .any(|call| call.tool == "resource-get" && call.args[0].starts_with("calico"))
}

fn said(runs: &[HookRun], text: &str) -> bool {
    let mut lines = runs.iter().flat_map(|run| &run.logs);
    lines.any(|line| line.message.contains(text))
}

#[test]
fn calicoctl_comes_and_goes_with_the_unit() {
    let Some(driver) = machines("calicoctl_comes_and_goes_with_the_unit") else {
        return;
    };
    driver.play("calico/0");
    attach(&driver, 1);
    let first = driver.play("calico/0");
    assert!(first.iter().filter(|run| run.ran()).all(HookRun::succeeded));
    assert!(said(&first, "calicoctl installed from resource calico"));
    let program = installed(&driver).unwrap();
    let quiet = driver.run("calico/0", "update-status");
    assert!(quiet.succeeded() && !asked(&quiet));
    attach(&driver, 2);
    let second = driver.play("calico/0");
    assert!(second.iter().any(asked));
    assert_ne!(installed(&driver).unwrap(), program);
    fs::remove_dir_all(driver.root().join("opt")).unwrap();
    let mended = driver.run("calico/0", "update-status");
    assert!(mended.succeeded() && asked(&mended));
    assert!(installed(&driver).is_some());
    let network = driver.root().join("etc/cni/net.d");
    fs::create_dir_all(&network).unwrap();
    for name in [
        "10-calico.conflist",
        "calico-kubeconfig",
        "10-other.conflist",
    ] {
        fs::write(network.join(name), "text").unwrap();
    }
    driver
        .model(|model| model.remove_unit("kubernetes-control-plane/0"))
        .unwrap();
    let last = driver.play("calico/0");
    assert!(last.iter().all(|run| !run.ran() || run.succeeded()));
    assert!(said(&last, "removed (nothing needs Calico's network here)"));
    let left: Vec<_> = fs::read_dir(&network)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["10-other.conflist"]);
    assert_eq!(installed(&driver), None);
    assert!(!driver.root().join("usr/local/bin/calicoctl").exists());
}

#[test]
fn a_bad_resource_fails_no_hook() {
    let Some(driver) = machines("a_bad_resource_fails_no_hook") else {
        return;
    };
    let (name, _) = calicoctl::resource().unwrap();
    driver.play("calico/0");
    let archive = driver.root().join("bad.tar.gz");
    for (content, says) in [
        (
            vec![0; 100],
            "is a placeholder of 100 bytes; juju attach-resource calico",
        ),
        (
            vec![7; 2_000_000],
            "calicoctl cannot be installed: the resource cannot be unpacked",
        ),
    ] {
        fs::write(&archive, &content).unwrap();
        attach_file(&driver, name, &archive);
        let runs = driver.play("calico/0");
        assert!(runs.iter().all(|run| !run.ran() || run.succeeded()));
        assert!(said(&runs, says), "{says}");
        assert_eq!(installed(&driver), None);
    }
}

#[test]
fn what_an_etcd_based_release_left_is_closed_and_goes_at_last() {
    let Some(driver) = machines("what_an_etcd_based_release_left_is_closed_and_goes_at_last")
    else {
        return;
    };
    let key = driver.root().join("opt/calicoctl/etcd-key");
    fs::create_dir_all(key.parent().unwrap()).unwrap();
    fs::write(&key, "secret").unwrap();
    let runs = driver.play("calico/0");
    assert!(said(&runs, "access to ") && !said(&runs, "secret"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&key).unwrap().permissions());
    // Nothing is known of the cluster yet, which may still be on etcd.
    assert_eq!(mode & 0o777, 0o600);
    driver
        .model(|model| model.remove_unit("kubernetes-control-plane/0"))
        .unwrap();
    driver.play("calico/0");
    assert!(!key.exists());
}
