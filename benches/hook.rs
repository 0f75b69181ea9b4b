//! Whole hooks of the real binary, with stub hook tools, against a real kube-apiserver on loopback; beside each in the
//! same round, the same work by `curl`. Prints medians and ratios; asserts nothing, since machines differ.
//!
//! `make bench` runs it. It needs root (each unit has a host name of its own), `curl` and `unshare`.
#![allow(clippy::print_stdout, reason = "a bench has no other way to speak")]
#![allow(clippy::panic, reason = "clippy exempts test functions, not benches")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use calico_charm::cluster::Kubernetes;
use futures::future::join_all;
use serde_json::{Value, json};
use support::control_plane::{ControlPlane, blocking};
use support::crds;
use support::juju_driver::{JujuDriver, three_units};

/// Rounds of each measurement; the median counts.
const ROUNDS: usize = 25;
const LEADER: &str = "calico/0";
const MEMBER: &str = "calico/1";
const V1: &str = "/apis/crd.projectcalico.org/v1";

fn main() {
    // `cargo bench` hands its own arguments on; `cargo test` runs benches with none of them.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("hook: run by cargo bench");
        return;
    }
    let plane = ControlPlane::start().unwrap_or_else(|error| panic!("{error}"));
    plane
        .apply_crds(&crds::own("v1"))
        .unwrap_or_else(|error| panic!("{error}"));
    let bench = Bench::new(&plane);
    bench.first_hook();
    bench.hook_with_nothing_to_change("hook of a member, nothing to change", MEMBER);
    bench.hook_with_nothing_to_change("hook of the leader, nothing to change", LEADER);
    bench.slow_tools();
    bench.foreign_peers();
}

struct Bench<'a> {
    plane: &'a ControlPlane,
    driver: JujuDriver,
    token: String,
}

/// What one run cost.
struct Run {
    took: Duration,
    peak_kib: u64,
}

impl<'a> Bench<'a> {
    fn new(plane: &'a ControlPlane) -> Self {
        let driver = JujuDriver::start_or_skip("bench", three_units());
        let driver = driver.unwrap_or_else(|| panic!("the bench needs its control plane"));
        driver.use_kubeconfig(&plane.kubeconfig_path());
        let options = [
            ("node-to-node-mesh", "false"),
            ("subnet-as-numbers", "{10.0.0.0/16: 64512}"),
            ("route-reflector-cluster-ids", "{0: 1.0.0.1}"),
            (
                "global-bgp-peers",
                "[{address: 10.0.9.1, as-number: 64512}, {address: 10.0.9.2, as-number: 64512}]",
            ),
        ];
        driver
            .model(|model| model.set_options("calico", options))
            .expect("options of the charm");
        let bench = Self {
            plane,
            token: token(&plane.kubeconfig_path()),
            driver,
        };
        for number in 0..3 {
            let name = format!("node-{number}");
            bench.create("/api/v1/nodes", &json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.{number}.5")}]},
            }));
        }
        for run in bench.driver.play_all() {
            assert!(run.succeeded(), "{}", run.debug_log());
        }
        bench
    }

    /// Runs `update-status` of a unit as Juju does, under the machine's own host name.
    fn hook(&self, unit: &str) -> Run {
        let number = unit.rsplit('/').next().unwrap_or_default();
        let context = self
            .driver
            .begin_only(unit, "update-status")
            .expect("the unit is settled");
        let probe = self.driver.command(Path::new("sh"), &context);
        let charm = probe.get_current_dir().expect("hooks have a folder");
        let shim = charm.join("hooks/update-status");
        // The name is set before the clock starts: the shell waits for a line.
        let script = format!(
            "hostname node-{number}; echo; read -r _; exec {}",
            shim.display()
        );
        let environment = self.driver.command(Path::new("unshare"), &context);
        let mut command = environment;
        command.args(["--uts", "sh", "-c", &script]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let run = measured(&mut command);
        self.driver
            .end(context.id(), true)
            .expect("the hook succeeded");
        run
    }

    fn hook_with_nothing_to_change(&self, name: &str, unit: &str) {
        let before = self.versions();
        let calls = self.driver.calls().len();
        let _warm_up = self.hook(unit);
        let tools = self.driver.calls().len() - calls;
        let (mut hooks, mut gets, mut peak) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let run = self.hook(unit);
            peak = peak.max(run.peak_kib);
            hooks.push(run.took);
            gets.push(self.curl(&[("GET", "/api/v1/nodes/node-0".to_owned(), None)]));
        }
        assert!(self.versions() == before, "{name}: something was written");
        report(name, "one TLS GET by curl", hooks, gets);
        println!(
            "    {tools} hook tools, peak memory {:.1} MiB, no write",
            mib(peak)
        );
    }

    /// The first hook of a cluster against the same six writes by one curl.
    fn first_hook(&self) {
        let (mut hooks, mut patches) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            self.forget();
            hooks.push(self.hook(LEADER).took);
            let objects = self.six_objects();
            self.forget();
            let requests: Vec<_> = objects
                .into_iter()
                .map(|(path, body)| ("PATCH", path, Some(body)))
                .collect();
            patches.push(self.curl(&requests));
        }
        self.forget();
        let _everything_stands_again = self.hook(LEADER);
        report(
            "first hook of the leader",
            "its objects by one curl, one PATCH each",
            hooks,
            patches,
        );
    }

    fn slow_tools(&self) {
        self.driver.delay_tools(Duration::from_millis(10));
        for (name, unit) in [("member", MEMBER), ("leader", LEADER)] {
            let hooks = (0..ROUNDS).map(|_| self.hook(unit).took).collect();
            println!(
                "hook of a {name}, hook tools that take 10 ms each: {:.1} ms",
                median(hooks)
            );
        }
        self.driver.delay_tools(Duration::ZERO);
    }

    /// Other people's BGPPeers must not cost a unit anything.
    fn foreign_peers(&self) {
        let mut present = 0;
        for wanted in [10, 1_000, 10_000] {
            let names: Vec<usize> = (present..wanted).collect();
            for some in names.chunks(100) {
                let kubernetes = self.kubernetes();
                let created = blocking(join_all(some.iter().map(|number| {
                    let peer = json!({
                        "apiVersion": "crd.projectcalico.org/v1", "kind": "BGPPeer",
                        "metadata": {"name": format!("foreign-{number}"), "labels": {"team": "other"}},
                        "spec": {"node": "elsewhere", "peerIP": "10.9.9.9", "asNumber": 64999},
                    });
                    let kubernetes = &kubernetes;
                    async move { kubernetes.create(&format!("{V1}/bgppeers"), &peer).await }
                })));
                for peer in created {
                    peer.expect("a foreign peer");
                }
            }
            present = wanted;
            for (name, unit) in [("member", MEMBER), ("leader, sweep included", LEADER)] {
                let (mut hooks, mut peak) = (Vec::new(), 0);
                for _ in 0..ROUNDS / 2 {
                    let run = self.hook(unit);
                    peak = peak.max(run.peak_kib);
                    hooks.push(run.took);
                }
                println!(
                    "{wanted} foreign BGPPeers, hook of a {name}: {:.1} ms, peak memory {:.1} MiB",
                    median(hooks),
                    mib(peak)
                );
            }
        }
    }

    fn kubernetes(&self) -> Kubernetes {
        let path = self.plane.kubeconfig_path();
        Kubernetes::new(blocking(calico_charm::cluster::connect(&path)).expect("a kubeconfig"))
    }

    fn create(&self, path: &str, object: &Value) {
        let kubernetes = self.kubernetes();
        blocking(kubernetes.create(path, object)).expect("the object is new");
    }

    /// Takes away what the leader's first hook makes.
    fn forget(&self) {
        let kubernetes = self.kubernetes();
        blocking(async {
            for (path, object) in self.leader_objects(&kubernetes).await {
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
                kubernetes.delete(&path, uid, None).await.expect("deleted");
            }
            let node = "/api/v1/nodes/node-0";
            let kept = kubernetes
                .get(node)
                .await
                .expect("readable")
                .unwrap_or_default();
            let removal: Value = kept["metadata"]["annotations"]
                .as_object()
                .into_iter()
                .flat_map(|annotations| annotations.keys())
                .map(|key| (key.clone(), Value::Null))
                .collect();
            let patch = json!({"metadata": {"annotations": removal}});
            kubernetes.merge_patch(node, &patch).await.expect("patched");
        });
    }

    async fn leader_objects(&self, kubernetes: &Kubernetes) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        for plural in ["bgpconfigurations", "ippools", "bgppeers"] {
            let path = format!("{V1}/{plural}");
            for object in kubernetes.list(&path, "").await.expect("readable") {
                let name = object["metadata"]["name"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                if plural != "bgppeers" || name.starts_with("calico-0-") {
                    found.push((format!("{path}/{name}"), object));
                }
            }
        }
        found
    }

    /// What the leader's first hook wrote, as bodies of apply requests.
    fn six_objects(&self) -> Vec<(String, String)> {
        let kubernetes = self.kubernetes();
        blocking(async {
            let mut bodies = Vec::new();
            for (path, object) in self.leader_objects(&kubernetes).await {
                let body = json!({
                    "apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
                    "metadata": {"name": object["metadata"]["name"], "labels": object["metadata"]["labels"]},
                });
                bodies.push((path, body.to_string()));
            }
            let node = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": "node-0", "annotations": {"projectcalico.org/ASNumber": "64512"}},
            });
            bodies.push(("/api/v1/nodes/node-0".to_owned(), node.to_string()));
            bodies
        })
    }

    /// Requests of one curl, one after the other over one connection.
    fn curl(&self, requests: &[(&str, String, Option<String>)]) -> Duration {
        let mut command = Command::new("curl");
        for (index, (method, path, body)) in requests.iter().enumerate() {
            if index > 0 {
                command.arg("--next");
            }
            command.args(["-s", "-k", "-o", "/dev/null", "-X", method]);
            command.args(["-H", &format!("Authorization: Bearer {}", self.token)]);
            let mut url = format!("{}{path}", self.plane.url());
            if let Some(body) = body {
                command.args([
                    "-H",
                    "Content-Type: application/apply-patch+yaml",
                    "--data-binary",
                    body,
                ]);
                url.push_str("?fieldManager=curl&force=true");
            }
            command.arg(url);
        }
        let start = Instant::now();
        let status = command
            .status()
            .unwrap_or_else(|error| panic!("curl: {error}"));
        assert!(status.success(), "curl: {status}");
        start.elapsed()
    }

    fn versions(&self) -> Vec<String> {
        let kubernetes = self.kubernetes();
        blocking(async {
            let mut found = Vec::new();
            for path in [
                "/api/v1/nodes",
                &format!("{V1}/bgppeers"),
                &format!("{V1}/ippools"),
                &format!("{V1}/bgpconfigurations"),
            ] {
                for object in kubernetes.list(path, "").await.expect("readable") {
                    found.push(object["metadata"]["resourceVersion"].to_string());
                }
            }
            found
        })
    }
}

/// From the line that lets the program go to its end; its peak memory is read while it runs.
fn measured(command: &mut Command) -> Run {
    use std::io::{BufRead, BufReader, Write};
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("unshare: {error}"));
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output
        .read_line(&mut line)
        .expect("the shell says that it is ready");
    let status = format!("/proc/{}/status", child.id());
    let start = Instant::now();
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(b"\n")
        .expect("the shell reads it");
    let mut peak_kib = 0;
    let took = loop {
        if let Some(now) = peak(&status) {
            peak_kib = peak_kib.max(now);
        }
        if let Some(ended) = child.try_wait().expect("our own child") {
            assert!(ended.success(), "the hook failed: {ended}");
            break start.elapsed();
        }
        std::thread::sleep(Duration::from_micros(200));
    };
    Run { took, peak_kib }
}

fn peak(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn token(kubeconfig: &Path) -> String {
    let text = fs::read_to_string(kubeconfig).expect("the control plane's own file");
    let line = text.lines().find_map(|line| line.split("token:").nth(1));
    line.expect("a token")
        .trim()
        .trim_matches(['"', '}', ' '])
        .to_owned()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

fn report(name: &str, beside: &str, ours: Vec<Duration>, theirs: Vec<Duration>) {
    let (ours, theirs) = (median(ours), median(theirs));
    println!(
        "{name}: {ours:.1} ms; {beside}: {theirs:.1} ms; ratio {:.2}",
        ours / theirs
    );
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand, for people")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
