//! A real etcd and kube-apiserver on loopback, for one test or for a whole test program.
//!
//! The programs come from the folder `KUBEBUILDER_ASSETS` names, or are built once by `tests/control-plane/build`.
//! A test that needs them fails without them, unless `CALICO_CHARM_SKIP_CLUSTER` says why they are left out.

use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use calico_charm::cluster::connect;
use kube::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::processes::Processes;
use super::users::{RECORDED_USER, Tokens, kubeconfig, write_private};

/// Set to a reason, it skips the tests that need a control plane.
const SKIP: &str = "CALICO_CHARM_SKIP_CLUSTER";
/// Ready 2.5 s after start on an idle machine; a busy one is given time.
const READY_WITHIN: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(25);
/// A free port can be taken before the program binds it.
const TRIES: u32 = 3;
/// Beside the other files of a control plane.
const AUDIT_POLICY: &str = "audit-policy.json";
const AUDIT_LOG: &str = "audit.log";
/// The range measured to work; no test reaches a Service.
const SERVICE_RANGE: &str = "10.152.183.0/24";

/// etcd and kube-apiserver, which end when this is dropped or the test process ends.
pub struct ControlPlane {
    processes: Mutex<Processes>,
    folder: TempDir,
    port: u16,
}

/// What is to run beside the API server; admission depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing. No service account `default` appears, so the plugin `ServiceAccount` would refuse every pod.
    Nothing,
    /// Controllers, so that a pod needs its service account as in any cluster.
    Controllers,
}

impl ControlPlane {
    /// Starts a control plane of the caller's own and waits until it is ready.
    ///
    /// # Errors
    /// When the programs are neither there nor can be built, or do not become ready.
    pub fn start() -> Result<Self, String> {
        Self::start_from(&assets()?, Beside::Nothing)
    }

    /// [`start`](Self::start) with the programs of a folder.
    ///
    /// # Errors
    /// When they do not become ready.
    pub fn start_from(assets: &Path, beside: Beside) -> Result<Self, String> {
        let mut tries = 1;
        loop {
            match Self::start_once(assets, beside) {
                Err(error) if tries < TRIES && error.contains("address already in use") => {
                    tries += 1;
                }
                result => return result,
            }
        }
    }

    /// The control plane all tests of this test program share; they must use different names in it.
    ///
    /// # Errors
    /// As [`start`](Self::start); every later call repeats the error of the first.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
        SHARED
            .get_or_init(Self::start)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// [`start`](Self::start), or `None` when cluster tests are skipped on purpose.
    pub fn start_or_skip(test: &str) -> Option<Self> {
        (!skipped(test)).then(|| Self::start().unwrap_or_else(|error| missing(test, &error)))
    }

    /// [`shared`](Self::shared), or `None` when cluster tests are skipped on purpose.
    pub fn shared_or_skip(test: &str) -> Option<&'static Self> {
        (!skipped(test)).then(|| Self::shared().unwrap_or_else(|error| missing(test, &error)))
    }

    /// Address of the API server.
    pub fn url(&self) -> String {
        format!("https://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// The administrator's kubeconfig (group `system:masters`), readable by its owner only.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.path().join("admin.conf")
    }

    /// The kubeconfig of [`ORDINARY_USER`](super::users::ORDINARY_USER).
    pub fn ordinary_kubeconfig_path(&self) -> PathBuf {
        self.folder.path().join("ordinary.conf")
    }

    /// The kubeconfig of [`RECORDED_USER`].
    pub fn recorded_kubeconfig_path(&self) -> PathBuf {
        self.folder.path().join("recorded.conf")
    }

    /// What [`RECORDED_USER`] has asked for since a place in the record that an earlier call gave, 0 for all of it:
    /// `list /api/v1/nodes?limit=500 200`. And the place where the record ends.
    pub fn recorded_since(&self, place: usize) -> (Vec<String>, usize) {
        let log = fs::read_to_string(self.folder.path().join(AUDIT_LOG)).unwrap_or_default();
        let new = log.get(place..).unwrap_or_default();
        // The last line may not be complete yet.
        let new = new.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let events = new.lines().filter_map(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let (verb, uri) = (event["verb"].as_str()?, event["requestURI"].as_str()?);
            Some(format!("{verb} {uri} {}", event["responseStatus"]["code"]))
        });
        let end = if new.is_empty() {
            place
        } else {
            place + new.len() + 1
        };
        (events.collect(), end)
    }

    /// An administrator's client for the calling runtime; a client does not outlive the runtime it was made in.
    pub async fn client(&self) -> Client {
        client(&self.kubeconfig_path()).await
    }

    /// A client with the rights of [`ORDINARY_USER`](super::users::ORDINARY_USER).
    pub async fn ordinary_client(&self) -> Client {
        client(&self.ordinary_kubeconfig_path()).await
    }

    /// Process ids of etcd and kube-apiserver.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().ids()
    }

    /// Where everything lies that this control plane writes, logs included.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn processes(&self) -> std::sync::MutexGuard<'_, Processes> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn start_once(assets: &Path, beside: Beside) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("calico-charm-control-plane-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let [client_port, peer_port, port] = free_ports()?;
        let tokens = Tokens::random()?;
        tokens.write(folder.path())?;
        write_private(&folder.path().join(AUDIT_POLICY), &audit_policy())?;
        let mut processes = Processes::in_folder(folder.path())?;
        processes.spawn(&assets.join("etcd"), &etcd(client_port, peer_port))?;
        processes.spawn(
            &assets.join("kube-apiserver"),
            &kube_apiserver(folder.path(), client_port, port, beside),
        )?;
        let plane = Self {
            processes: Mutex::new(processes),
            folder,
            port,
        };
        plane.wait_until_ready(&tokens)?;
        Ok(plane)
    }

    fn wait_until_ready(&self, tokens: &Tokens) -> Result<(), String> {
        let deadline = Instant::now() + READY_WITHIN;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        // It listens after it wrote its certificate, so the file is complete.
        while TcpStream::connect(address).is_err() {
            self.pause(deadline)?;
        }
        let certificate = fs::read(self.folder.path().join("apiserver.crt"))
            .map_err(|error| format!("no certificate of kube-apiserver: {error}"))?;
        let url = self.url();
        for (path, token) in [
            (self.kubeconfig_path(), &tokens.admin),
            (self.ordinary_kubeconfig_path(), &tokens.ordinary),
            (self.recorded_kubeconfig_path(), &tokens.recorded),
        ] {
            write_private(&path, &kubeconfig(&url, &certificate, token))?;
        }
        blocking(async {
            let client = self.client().await;
            let ready = || http::Request::get("/readyz").body(Vec::new());
            while client
                .request_text(ready().expect("a constant path"))
                .await
                .is_err()
            {
                self.pause(deadline)?;
            }
            Ok(())
        })
    }

    /// Waits a moment, or says why waiting is pointless.
    fn pause(&self, deadline: Instant) -> Result<(), String> {
        let mut processes = self.processes();
        if let Some(ended) = processes.ended() {
            return Err(ended);
        }
        if Instant::now() > deadline {
            return Err(format!(
                "not ready within {READY_WITHIN:?}:\n{}",
                processes.tails()
            ));
        }
        drop(processes);
        thread::sleep(POLL);
        Ok(())
    }
}

/// Runs a future to its end from synchronous and asynchronous tests alike.
///
/// A runtime cannot be entered from within another, so it gets a thread of its own.
pub fn blocking<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs a few file descriptors only")
            .block_on(work)
    };
    thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Whether cluster tests are skipped on purpose; says so.
pub fn skipped(test: &str) -> bool {
    let reason = std::env::var(SKIP).unwrap_or_default();
    if !reason.is_empty() {
        skip_note(test, &reason);
    }
    !reason.is_empty()
}

/// Says that a test did not run. Written past the test harness, which hides what passing tests print, and in one
/// piece, because the harness writes at the same time.
pub fn skip_note(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    let _closed_stderr = io::stderr().write_all(line.as_bytes());
}

/// Fails a test for want of a control plane.
pub fn missing(test: &str, error: &str) -> ! {
    panic!("{test} needs a control plane (or {SKIP}=REASON): {error}")
}

/// The folder with the programs.
///
/// # Errors
/// When there is none and none can be built.
pub fn assets() -> Result<PathBuf, String> {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane/build");
    let output = Command::new(&build)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", build.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last() {
        Some(folder) if output.status.success() => Ok(PathBuf::from(folder)),
        _ => Err(format!("{} failed ({})", build.display(), output.status)),
    }
}

/// Different free ports: all are held before the first is given up.
fn free_ports<const COUNT: usize>() -> Result<[u16; COUNT], String> {
    let mut ports = [0; COUNT];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(|error| format!("no free port on loopback: {error}"))?;
        *port = listener.local_addr().map_err(|e| e.to_string())?.port();
        held.push(listener);
    }
    Ok(ports)
}

fn etcd(client_port: u16, peer_port: u16) -> Vec<String> {
    let client = format!("http://127.0.0.1:{client_port}");
    let peer = format!("http://127.0.0.1:{peer_port}");
    vec![
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // Nothing here has to survive a power cut.
        "--unsafe-no-fsync".to_owned(),
    ]
}

fn kube_apiserver(folder: &Path, etcd_port: u16, port: u16, beside: Beside) -> Vec<String> {
    let folder = folder.display();
    let mut arguments = vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        format!("--cert-dir={folder}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        // No look at the machine's interfaces and routes: it may have none but loopback.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        format!("--service-account-issuer=https://127.0.0.1:{port}"),
        // The serving key, which it generates before it reads these, serves for service accounts too.
        format!("--service-account-signing-key-file={folder}/apiserver.key"),
        format!("--service-account-key-file={folder}/apiserver.key"),
        "--authorization-mode=RBAC".to_owned(),
        format!("--token-auth-file={folder}/tokens.csv"),
        // The calico-node DaemonSet is privileged.
        "--allow-privileged=true".to_owned(),
        format!("--audit-policy-file={folder}/{AUDIT_POLICY}"),
        format!("--audit-log-path={folder}/{AUDIT_LOG}"),
    ];
    if beside == Beside::Nothing {
        arguments.push("--disable-admission-plugins=ServiceAccount".to_owned());
    }
    arguments
}

/// Nobody's requests but those of [`RECORDED_USER`], each once it is answered.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "users": [RECORDED_USER]}, {"level": "None"}],
    })
    .to_string()
}

async fn client(kubeconfig: &Path) -> Client {
    connect(kubeconfig)
        .await
        .expect("the kubeconfig was written here")
}
