//! What a hook costs: the real binary with stub hook tools against a real API server on loopback, and beside it, in the
//! same rounds, the same requests by curl and kubectl.
//!
//! Prints tables; `docs/performance.md` keeps a copy. Takes root, for nothing but the test driver's host names.
#![allow(clippy::print_stdout, reason = "the tables are what this is for")]

#[path = "../tests/support/mod.rs"]
mod support;

#[path = "hook/rivals.rs"]
mod rivals;
#[path = "hook/table.rs"]
mod table;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use calico_charm::sim::juju::{JujuModel, Machine};
use futures::StreamExt as _;
use rivals::Rivals;
use serde_json::json;
use support::control_plane::{ControlPlane, blocking};
use support::crds;
use support::exchange::Exchange;
use support::juju_driver::JujuDriver;
use support::real_cluster::RealCluster;
use table::{Row, print};

const GROUP: &str = "crd.projectcalico.org/v1";
const LEADER: &str = "the leader";
const OTHER: &str = "another unit";
/// The unit that is measured; its machine has this machine's own host name.
const UNIT: &str = "calico/1";
/// Two peers: with the configuration, the pool and the two patches of the Node six writes.
const OPTIONS: [(&str, &str); 2] = [
    (
        "global-bgp-peers",
        "[{address: 10.0.0.1, as-number: 64512}, {address: 10.0.0.2, as-number: 64512}]",
    ),
    ("unit-as-numbers", "{1: 64601}"),
];

/// Where what is installed lies, definitions first.
const INSTALLED: [&str; 9] = [
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/api/v1/namespaces/kube-system/serviceaccounts",
    "/api/v1/namespaces/kube-system/configmaps",
    "/api/v1/namespaces/kube-system/services",
    "/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets",
    "/apis/apps/v1/namespaces/kube-system/deployments",
    "/apis/apps/v1/namespaces/kube-system/daemonsets",
];

/// A deployment of two units, one of which is measured.
struct Bench {
    driver: JujuDriver,
    cluster: RealCluster,
    hostname: String,
}

impl Bench {
    fn new(plane: &ControlPlane) -> Option<Self> {
        let hostname = fs::read_to_string("/proc/sys/kernel/hostname")
            .ok()?
            .trim()
            .to_lowercase();
        let machine = |name: &str, number: u8| {
            Machine::new(name).with_address("ens3", &format!("10.0.{number}.5/24"))
        };
        let model =
            JujuModel::charmed_kubernetes(vec![machine("other", 0)], vec![machine(&hostname, 1)]);
        let mut model = model.expect("two machines of their own");
        model
            .set_options("calico", OPTIONS)
            .expect("options of the charm");
        model.settle();
        let bench = Self {
            driver: JujuDriver::start_or_skip("bench", model)?,
            cluster: RealCluster::emptied(plane, GROUP),
            hostname,
        };
        bench.driver.use_kubeconfig(&plane.kubeconfig_path());
        for (name, number) in [("other", 0), (bench.hostname.as_str(), 1)] {
            let object = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.{number}.5")}]},
            });
            bench
                .cluster
                .write("POST", "/api/v1/nodes", "kubelet", Some("json"), object);
            bench.cluster.add_agent(name);
        }
        bench.elect(UNIT);
        bench.begin_and_end();
        bench.pods_are_ready();
        bench.hook();
        Some(bench)
    }

    /// Stands in for the controllers: every pod there should be runs and is ready.
    fn pods_are_ready(&self) {
        const APPS: &str = "/apis/apps/v1/namespaces/kube-system";
        let ready = json!({"status": {
            "observedGeneration": 9, "desiredNumberScheduled": 2, "currentNumberScheduled": 2, "updatedNumberScheduled": 2,
            "numberReady": 2, "numberAvailable": 2, "numberMisscheduled": 0,
        }});
        let available = json!({"status": {"observedGeneration": 9, "replicas": 1, "readyReplicas": 1, "availableReplicas": 1}});
        for (path, status) in [
            ("daemonsets/calico-node", ready),
            ("deployments/calico-kube-controllers", available),
        ] {
            let path = format!("{APPS}/{path}/status");
            self.cluster
                .write("PATCH", &path, "bench", Some("merge"), status);
        }
    }

    fn elect(&self, leader: &str) {
        let elected = |model: &mut JujuModel| {
            let done = model.set_leader("calico", Some(leader));
            model.settle();
            done
        };
        self.driver.model(elected).expect("a unit");
    }

    /// Makes the measured unit the leader, or not, and lets both come to rest.
    fn lead(&self, leads: bool) {
        self.elect(if leads { UNIT } else { "calico/0" });
        self.hook();
    }

    /// Runs the hook once; how long it took.
    fn hook(&self) -> Duration {
        self.measured(|mut command| {
            let started = Instant::now();
            let output = command.output().expect("the hook starts");
            (started.elapsed(), output.status.success())
        })
    }

    /// The most memory the hook had at a time, in KiB: what the kernel says shortly before its end.
    fn memory(&self) -> u64 {
        self.measured(|mut command| {
            let mut child = command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("it starts");
            let status = format!("/proc/{}/status", child.id());
            let mut peak = 0;
            loop {
                let text = fs::read_to_string(&status).unwrap_or_default();
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
                // Before that it is the shell of the hook's file.
                if field("Name:").is_some_and(|name| name.trim() == "calico-charm") {
                    let peak_now = field("VmHWM:")
                        .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
                    peak = peak.max(peak_now.unwrap_or_default());
                }
                if let Some(ended) = child.try_wait().expect("it is ours") {
                    return (peak, ended.success());
                }
            }
        })
    }

    fn measured<T>(&self, run: impl FnOnce(Command) -> (T, bool)) -> T {
        let measure = self.run(run);
        let status = self
            .driver
            .model(|model| model.unit(UNIT).map(|unit| unit.status().clone()));
        let status = status.expect("it is in the model");
        assert_eq!(
            (status.status.as_str(), status.message.as_str()),
            ("active", "Ready")
        );
        measure
    }

    /// Runs the hook once, whatever status comes of it; how long it took.
    fn begin_and_end(&self) -> Duration {
        self.run(|mut command| {
            let started = Instant::now();
            let output = command.output().expect("the hook starts");
            (started.elapsed(), output.status.success())
        })
    }

    fn run<T>(&self, run: impl FnOnce(Command) -> (T, bool)) -> T {
        let hook = self
            .driver
            .begin_only(UNIT, "update-status")
            .expect("at rest");
        let program = Path::new("./hooks/update-status");
        let (measure, succeeded) = run(self.driver.command(program, &hook));
        assert!(succeeded, "the hook failed");
        self.driver
            .end(hook.id(), true)
            .expect("nothing stands against it");
        measure
    }

    /// Takes away everything that is installed, definitions and all.
    fn uninstall(&self) {
        self.forget();
        for collection in INSTALLED {
            let mine = "?labelSelector=juju.io/manifest%3Dcalico";
            // Definitions were there before the charm; nobody else has any.
            let query = if collection == INSTALLED[0] { "" } else { mine };
            let reply = self
                .cluster
                .send(&Exchange::get(&format!("{collection}{query}")));
            for object in reply.body["items"].as_array().into_iter().flatten() {
                let name = object["metadata"]["name"].as_str().expect("a name");
                self.cluster.delete(&format!("{collection}/{name}"));
            }
        }
        // A definition is served until the last of its objects is gone.
        while self.definitions() > 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn definitions(&self) -> usize {
        let list = self.cluster.send(&Exchange::get(INSTALLED[0]));
        list.body["items"].as_array().map_or(0, Vec::len)
    }

    /// Takes away what the first hook writes.
    fn forget(&self) {
        for plural in ["bgppeers", "bgpconfigurations", "ippools"] {
            for object in self.cluster.list(plural) {
                let name = object["metadata"]["name"].as_str().expect("a name");
                self.cluster
                    .delete(&format!("/apis/{GROUP}/{plural}/{name}"));
            }
        }
        let node = format!("/api/v1/nodes/{}", self.hostname);
        let without = json!({"metadata": {"annotations": null}});
        self.cluster
            .write("PATCH", &node, "bench", Some("merge"), without);
        // A list waits until the API server's cache has seen all of that, which is no contender's fault.
        std::thread::sleep(Duration::from_millis(250));
    }

    /// Requests the API server has answered, for the kinds that hooks look at.
    fn requests(&self) -> u64 {
        const KINDS: [&str; 16] = [
            "bgppeers",
            "bgpconfigurations",
            "ippools",
            "clusterinformations",
            "ipamblocks",
            "nodes",
            "pods",
            "daemonsets",
            "configmaps",
            "deployments",
            "customresourcedefinitions",
            "clusterroles",
            "clusterrolebindings",
            "serviceaccounts",
            "services",
            "poddisruptionbudgets",
        ];
        let metrics = self.cluster.text("/metrics");
        let counters = metrics.lines().filter(|line| {
            let resource = line
                .split_once("resource=\"")
                .and_then(|(_, rest)| rest.split('"').next());
            let watched = line.contains("verb=\"WATCH\"");
            let kind = resource.is_some_and(|resource| KINDS.contains(&resource));
            line.starts_with("apiserver_request_total{") && kind && !watched
        });
        counters
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Creates other people's BGPPeers until there are so many.
    fn add_foreign_peers(&self, from: u32, to: u32) {
        blocking(async {
            let client = calico_charm::cluster::connect(&self.cluster.kubeconfig).await;
            let client = client.expect("the control plane's kubeconfig");
            let path = format!("/apis/{GROUP}/bgppeers?fieldManager=kubectl");
            let created = futures::stream::iter(from..to).map(|number| {
                let body = json!({
                    "apiVersion": GROUP, "kind": "BGPPeer", "metadata": {"name": format!("foreign-{number}")},
                    "spec": {"peerIP": "192.0.2.1", "asNumber": 65000, "node": format!("foreign-{number}")},
                });
                let exchange = Exchange::new("POST", &path, Some("json"), body);
                let client = client.clone();
                async move { exchange.sent(&client).await.map(|reply| reply.status) }
            });
            let statuses: Vec<_> = created.buffer_unordered(32).collect().await;
            assert!(
                statuses.iter().all(|status| *status == Ok(201)),
                "peers that were refused"
            );
        });
    }
}

fn main() {
    let Some(plane) = ControlPlane::start_or_skip("bench") else {
        return;
    };
    plane
        .apply_crds(&crds::own("v1"))
        .expect("own CRDs are served");
    let Some(bench) = Bench::new(&plane) else {
        return;
    };
    let rivals = Rivals::new(&plane, &bench.hostname);
    nothing_to_change(&bench, &rivals);
    first_hook(&bench, &rivals);
    many_peers(&bench);
    install(&bench);
}

/// Rounds in which every contender takes its turn, so that whatever disturbs the machine disturbs all alike.
fn rounds(count: usize, contenders: &mut [(Row, &mut dyn FnMut() -> Duration)]) {
    for round in 0..=count {
        for (row, run) in &mut *contenders {
            let took = run();
            // The first round warms caches.
            if round > 0 {
                row.times.push(took);
            }
        }
    }
}

fn nothing_to_change(bench: &Bench, rivals: &Rivals) {
    let mut get = [("GET of a Node by curl", rivals.get())];
    for (who, leads) in [(OTHER, false), (LEADER, true)] {
        bench.lead(leads);
        let calls = bench.driver.calls().len();
        bench.hook();
        let tools = bench.driver.calls().len() - calls;
        let before = bench.cluster.versions();
        let mut hook = || bench.hook();
        let (name, curl) = &mut get[0];
        let mut curl = || rivals::timed(curl);
        let mut contenders: [(Row, &mut dyn FnMut() -> Duration); 2] = [
            (Row::new(name), &mut curl),
            (
                Row::new(&format!("hook of {who}, {tools} hook tools")),
                &mut hook,
            ),
        ];
        rounds(60, &mut contenders);
        assert_eq!(bench.cluster.versions(), before, "it was to change nothing");
        print(
            &format!("Nothing to change, {who}"),
            contenders.map(|(row, _)| row),
        );

        bench.driver.delay_tools(Duration::from_millis(10));
        let mut row = Row::new(&format!("hook of {who}, each hook tool takes 10 ms more"));
        row.times = (0..20).map(|_| bench.hook()).collect();
        bench.driver.delay_tools(Duration::ZERO);
        print("Slow hook tools", [row]);
        let memory = (0..10).map(|_| bench.memory()).max().unwrap_or_default();
        println!("peak memory of a hook of {who}: {memory} KiB\n");
    }
}

/// Everything on an empty cluster, the pool and the configuration included: the first objects of a kind wait for their new
/// definition.
fn install(bench: &Bench) {
    bench.lead(true);
    let mut row = Row::new("hook that installs Calico on an empty cluster");
    for _ in 0..5 {
        bench.uninstall();
        row.times.push(bench.begin_and_end());
    }
    print("Installing", [row]);
}

fn first_hook(bench: &Bench, rivals: &Rivals) {
    bench.lead(true);
    let mut hook = || {
        bench.forget();
        bench.hook()
    };
    let mut patches = || {
        bench.forget();
        rivals::timed(&mut rivals.six_patches())
    };
    let mut kubectl = || {
        bench.forget();
        rivals
            .kubectl_apply()
            .map_or(Duration::ZERO, |mut apply| rivals::timed(&mut apply))
    };
    let mut contenders: [(Row, &mut dyn FnMut() -> Duration); 3] = [
        (Row::new("six PATCHes by one curl"), &mut patches),
        (Row::new("first hook, six writes"), &mut hook),
        (
            Row::new("kubectl apply --server-side of the same objects"),
            &mut kubectl,
        ),
    ];
    rounds(30, &mut contenders);
    let mut rows: Vec<Row> = contenders.map(|(row, _)| row).into();
    if rivals.kubectl_apply().is_none() {
        rows.pop();
        println!("kubectl: not on this machine, left out\n");
    }
    print("First hook", rows);
    bench.forget();
    bench.hook();
}

fn many_peers(bench: &Bench) {
    println!(
        "| foreign BGPPeers | unit | requests | median, ms | peak memory, KiB |\n|---|---|---|---|---|"
    );
    let mut there = 0;
    for count in [10, 1_000, 10_000] {
        bench.add_foreign_peers(there, count);
        there = count;
        for (who, leads) in [(OTHER, false), (LEADER, true)] {
            bench.lead(leads);
            let before = bench.requests();
            bench.hook();
            let requests = bench.requests() - before;
            let mut row = Row::new(who);
            row.times = (0..15).map(|_| bench.hook()).collect();
            let memory = (0..3).map(|_| bench.memory()).max().unwrap_or_default();
            println!(
                "| {count} | {who} | {requests} | {:.1} | {memory} |",
                row.median()
            );
        }
    }
    println!();
}
