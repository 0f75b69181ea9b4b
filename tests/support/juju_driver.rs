//! Runs the real hooks as Juju does: a charm folder for each unit, its programs from `hooks/`, hook tools on `PATH`, an
//! environment built from nothing, and changes that are kept only when the hook exits with 0.
//!
//! Each hook gets a host name of its own, in a UTS namespace; that takes root.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use calico_charm::sim::juju::{
    Change, Event, HookContext, Impossible, JujuModel, LogLine, Machine, Rejected, TOOLS,
};
use tempfile::TempDir;

use super::control_plane::skip_note;
use super::juju_state::{JujuState, JujuStateFile, ToolCall};

/// Set to a reason, it skips the tests that need more than an ordinary process.
const SKIP: &str = "CALICO_CHARM_SKIP_CLUSTER";
/// Sets the host name of its namespace, then becomes the hook.
const IN_NAMESPACE: &str = r#"printf %s "$1" >/proc/sys/kernel/hostname && exec "$2""#;
/// Where Juju keeps its agents.
const INSTALLED: &str = "var/lib/juju/agents";
/// More hooks one after another than any sequence of these tests has.
const ENDLESS: usize = 500;

/// A model whose units are driven by running their hooks.
pub struct JujuDriver {
    folder: TempDir,
    state: JujuStateFile,
    /// Where agents are, in the folder.
    agents: &'static str,
}

/// A hook that has ended.
#[derive(Debug)]
pub struct HookRun {
    pub unit: String,
    pub event: Event,
    /// `None` for a hook the charm has no program for: Juju passes over it.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
    pub calls: Vec<ToolCall>,
    pub logs: Vec<LogLine>,
    /// The databags that changed, or why Juju took none of it.
    pub changes: Result<Vec<Change>, Rejected>,
    pub took: Duration,
}

/// A hook that is running.
pub struct RunningHook<'a> {
    driver: &'a JujuDriver,
    unit: String,
    event: Event,
    context: String,
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    started: Instant,
}

/// calico/0 on kubernetes-control-plane/0 in zone az1, calico/1 and calico/2 on kubernetes-worker/0 and /1 in az2; hosts
/// `node-0` to `node-2`. No hook has run.
pub fn three_units() -> JujuModel {
    let machine = |number: u8, zone: &str| {
        Machine::new(format!("node-{number}"))
            .in_zone(zone)
            .with_address("ens3", &format!("10.0.{number}.5/24"))
    };
    let mut model = JujuModel::charmed_kubernetes(
        vec![machine(0, "az1")],
        vec![machine(1, "az2"), machine(2, "az2")],
    )
    .expect("three machines of their own");
    // Three subnets without a tunnel or a router are nothing to prove; the tests of the check switch it on.
    let off = model.set_options("calico", [("fabric-check", "off")]);
    off.expect("an option of the charm");
    model
}

impl JujuDriver {
    /// Lays out the agents of a model, or `None` when such tests are skipped on purpose.
    pub fn start_or_skip(test: &str, model: JujuModel) -> Option<Self> {
        let reason = std::env::var(SKIP).unwrap_or_default();
        if !reason.is_empty() {
            skip_note(test, &reason);
            return None;
        }
        let unshared = Command::new("unshare").args(["--uts", "true"]).output();
        match unshared {
            Ok(output) if output.status.success() => {}
            Ok(output) => panic!(
                "SKIPPED {test}: host names of their own take root (or {SKIP}=REASON): {}",
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            Err(error) => panic!("SKIPPED {test}: cannot run unshare (or {SKIP}=REASON): {error}"),
        }
        Some(Self::start(model).unwrap_or_else(|error| panic!("{test}: {error}")))
    }

    fn start(model: JujuModel) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("calico-charm-juju-")
            .tempdir()?;
        let tools = folder.path().join("tools");
        fs::create_dir(&tools)?;
        let program = hook_tool()?;
        for tool in TOOLS {
            symlink(&program, tools.join(tool.name()))?;
        }
        let state = JujuStateFile::create(&folder.path().join("state.json"), model)?;
        Ok(Self {
            folder,
            state,
            agents: "agents",
        })
    }

    /// Charms lie where Juju unpacks them, below [`root`](Self::root): there their programs look after the machine's files.
    pub fn on_machines(mut self) -> Self {
        self.agents = INSTALLED;
        self
    }

    /// What stands for `/` on every machine after [`on_machines`](Self::on_machines).
    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Where the hooks look for the kubeconfig; there is none until a test writes it or links one here.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Lets the hooks use a kubeconfig, such as that of a control plane.
    pub fn use_kubeconfig(&self, path: &Path) {
        let link = self.kubeconfig_path();
        let _there_was_none = fs::remove_file(&link);
        symlink(path, link).expect("the folder is ours");
    }

    /// Reads the model, or changes it as an operator does.
    pub fn model<T>(&self, change: impl FnOnce(&mut JujuModel) -> T) -> T {
        self.change(|state| change(&mut state.model))
    }

    /// Lets every hook tool take that long.
    pub fn delay_tools(&self, delay: Duration) {
        self.state.set_delay(delay).expect("the folder is ours");
    }

    /// Every call of a hook tool so far.
    pub fn calls(&self) -> Vec<ToolCall> {
        self.state.calls().expect("the folder is ours")
    }

    /// Runs a hook by its name to its end.
    pub fn run(&self, unit: &str, hook: &str) -> HookRun {
        let event = self
            .model(|model| model.event(unit, hook))
            .unwrap_or_else(|error| panic!("{error}"));
        self.run_event(unit, event)
    }

    /// Runs a hook to its end.
    pub fn run_event(&self, unit: &str, event: Event) -> HookRun {
        match self.begin(unit, event) {
            Ok(running) => running.wait(),
            Err(passed_over) => *passed_over,
        }
    }

    /// Starts a hook and does not wait for it; it must be one the charm has a program for.
    pub fn spawn(&self, unit: &str, hook: &str) -> RunningHook<'_> {
        let event = self
            .model(|model| model.event(unit, hook))
            .unwrap_or_else(|error| panic!("{error}"));
        self.begin(unit, event)
            .unwrap_or_else(|_| panic!("there is no program for {hook}"))
    }

    /// Runs the hooks that are due on a unit until none is, or one fails.
    pub fn play(&self, unit: &str) -> Vec<HookRun> {
        self.play_while(unit, |_| true)
    }

    fn play_while(&self, unit: &str, wanted: impl Fn(&Event) -> bool) -> Vec<HookRun> {
        let mut runs = Vec::new();
        while let Some(event) = self.model(|model| model.due(unit)).filter(&wanted) {
            assert!(
                runs.len() < ENDLESS,
                "{unit}: {event} after {ENDLESS} others"
            );
            runs.push(self.run_event(unit, event));
            if runs.last().is_some_and(|run| !run.succeeded()) {
                break;
            }
        }
        runs
    }

    /// Runs what is due on all units, one unit after another, until nothing is due anywhere or a hook fails. A hook in
    /// which a leader waits for the others comes when nothing is due on them.
    pub fn play_all(&self) -> Vec<HookRun> {
        let mut runs: Vec<HookRun> = Vec::new();
        loop {
            let before = runs.len();
            let units = self.model(|model| model.charm_units());
            for unit in &units {
                runs.extend(self.play_while(unit, |event| !is_bell(event)));
                if runs.last().is_some_and(|run| !run.succeeded()) {
                    return runs;
                }
            }
            if runs.len() > before {
                continue;
            }
            let (leaders, others): (Vec<&String>, Vec<&String>) =
                units.iter().partition(|unit| self.leads(unit));
            for unit in others.into_iter().chain(leaders) {
                let due = self.model(|model| model.due(unit));
                runs.extend(due.map(|event| self.run_event(unit, event)));
                if runs.last().is_some_and(|run| !run.succeeded()) {
                    return runs;
                }
            }
            if runs.len() == before {
                return runs;
            }
        }
    }

    fn leads(&self, unit: &str) -> bool {
        let application = unit.split('/').next().unwrap_or_default();
        self.model(|model| {
            let known = model.application(application);
            known.is_ok_and(|known| known.leader() == Some(unit))
        })
    }

    /// The command of a hook that has begun, for callers that measure it themselves: environment and folder set, without
    /// a host name of its own.
    pub fn command(&self, program: &Path, hook: &HookContext) -> Command {
        let mut environment = self.model(|model| model.environment(hook));
        let charm = self.charm_folder(hook.unit());
        let tools = self.folder.path().join("tools");
        for name in ["JUJU_CHARM_DIR", "CHARM_DIR"] {
            environment.insert(name.to_owned(), charm.display().to_string());
        }
        environment.insert("JUJU_AGENT_SOCKET_ADDRESS".to_owned(), self.state.address());
        // Juju's tools come first in it.
        let path = environment["PATH"]
            .split_once(':')
            .map_or("", |(_, rest)| rest);
        let path = format!("{}:{path}", tools.display());
        environment.insert("PATH".to_owned(), path);
        let kubeconfig = self.kubeconfig_path().display().to_string();
        environment.insert("KUBECONFIG".to_owned(), kubeconfig);
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(environment)
            .current_dir(charm)
            .stdin(Stdio::null());
        command
    }

    /// Begins a hook by its name without running it, for [`command`](Self::command); [`end`](Self::end) ends it.
    pub fn begin_only(&self, unit: &str, hook: &str) -> Result<HookContext, Impossible> {
        self.change(|state| {
            let hook = state.model.begin_hook(unit, hook)?;
            state.hooks.insert(hook.id().to_owned(), hook.clone());
            Ok(hook)
        })
    }

    /// Ends a hook as Juju does after its program: with its changes, or without them.
    pub fn end(&self, context: &str, success: bool) -> Result<Vec<Change>, Rejected> {
        self.change(|state| {
            let hook = state.hooks.remove(context).expect("the hook is running");
            if success {
                state.model.commit(hook)
            } else {
                state.model.rollback(hook);
                Ok(Vec::new())
            }
        })
    }

    /// Starts a hook and does not wait for it; one the charm has no program for has ended.
    ///
    /// # Errors
    /// With the hook that Juju passes over.
    pub fn begin(&self, unit: &str, event: Event) -> Result<RunningHook<'_>, Box<HookRun>> {
        let hook = self.change(|state| {
            let hook = state
                .model
                .begin(unit, event.clone())
                .unwrap_or_else(|error| panic!("{error}"));
            state.hooks.insert(hook.id().to_owned(), hook.clone());
            hook
        });
        let program = self.charm_folder(unit).join(event.path());
        if !program.exists() {
            return Err(Box::new(HookRun {
                unit: unit.to_owned(),
                event,
                status: None,
                stdout: String::new(),
                stderr: String::new(),
                calls: Vec::new(),
                logs: Vec::new(),
                changes: self.end(hook.id(), true),
                took: Duration::ZERO,
            }));
        }
        let hostname = self.model(|model| {
            let machine = model.machine_of(unit).expect("a unit is on a machine");
            machine.hostname.clone()
        });
        let started = Instant::now();
        let mut child = self
            .command(Path::new("unshare"), &hook)
            .args(["--uts", "sh", "-c", IN_NAMESPACE, "sh", &hostname])
            .arg(program)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare was there before");
        Ok(RunningHook {
            driver: self,
            unit: unit.to_owned(),
            event,
            context: hook.id().to_owned(),
            stdout: reader(child.stdout.take()),
            stderr: reader(child.stderr.take()),
            child,
            started,
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut JujuState) -> T) -> T {
        self.state.change(change).expect("the folder is ours")
    }

    /// Unpacked when first asked for, as Juju unpacks a charm for each unit.
    fn charm_folder(&self, unit: &str) -> PathBuf {
        let agent = format!("{}/unit-{}", self.agents, unit.replace('/', "-"));
        let charm = self.folder.path().join(agent).join("charm");
        if !charm.exists() {
            unpack(&charm, self.agents == INSTALLED)
                .unwrap_or_else(|error| panic!("{}: {error}", charm.display()));
        }
        charm
    }
}

impl RunningHook<'_> {
    /// The process of the hook itself: the shell and `unshare` before it have become it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("the child is ours");
        status.is_some()
    }

    /// Ends it as `kill -9` does; what it has buffered is lost.
    pub fn kill(mut self) -> HookRun {
        self.child.kill().expect("the child is ours");
        self.wait()
    }

    /// Waits for its end and lets Juju draw its conclusions from the exit status.
    pub fn wait(mut self) -> HookRun {
        let status = self.child.wait().expect("the child is ours");
        let took = self.started.elapsed();
        let changes = self.driver.end(&self.context, status.success());
        let logs = self.driver.model(|model| model.take_logs_of(&self.unit));
        let mut calls = self.driver.calls();
        calls.retain(|call| call.context == self.context);
        let text = |reader: JoinHandle<String>| reader.join().expect("the reader does not panic");
        HookRun {
            unit: self.unit,
            event: self.event,
            status: Some(status),
            stdout: text(self.stdout),
            stderr: text(self.stderr),
            calls,
            logs,
            changes,
            took,
        }
    }
}

impl HookRun {
    /// Whether Juju goes on: no program, or one that exited with 0 and whose changes Juju took.
    pub fn succeeded(&self) -> bool {
        self.status.is_none_or(|status| status.success()) && self.changes.is_ok()
    }

    /// Whether there was a program to run.
    pub fn ran(&self) -> bool {
        self.status.is_some()
    }

    /// What `juju debug-log` shows of it.
    pub fn debug_log(&self) -> String {
        let name = self.event.name();
        let mut lines: Vec<String> = self
            .logs
            .iter()
            .map(|line| {
                format!(
                    "unit.{}.juju-log {} {}",
                    line.unit, line.level, line.message
                )
            })
            .collect();
        for (level, text) in [("DEBUG", &self.stdout), ("WARNING", &self.stderr)] {
            let texts = text.lines();
            lines.extend(texts.map(|text| format!("unit.{}.{name} {level} {text}", self.unit)));
        }
        lines.join("\n")
    }
}

/// Reads a stream beside the hook, which would wait once a pipe is full.
fn reader(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut stream) = stream {
            // What a killed hook's children still hold open ends with them.
            let _broken = stream.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

fn unpack(charm: &Path, installed: bool) -> io::Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(charm.join("bin"))?;
    let (built, program) = (
        env!("CARGO_BIN_EXE_calico-charm"),
        charm.join("bin/calico-charm"),
    );
    if installed {
        // The program goes by its own path, which a link would not be.
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop))?;
    } else {
        symlink(built, &program)?;
    }
    for name in ["metadata.yaml", "config.yaml"] {
        fs::copy(source.join(name), charm.join(name))?;
    }
    for folder in ["hooks", "actions"] {
        let Ok(entries) = fs::read_dir(source.join(folder)) else {
            continue;
        };
        fs::create_dir(charm.join(folder))?;
        for entry in entries {
            let entry = entry?;
            fs::copy(entry.path(), charm.join(folder).join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// The example `hook-tool`, which cargo builds beside the test programs.
fn hook_tool() -> io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let built = test
        .ancestors()
        .nth(2)
        .map(|folder| folder.join("examples/hook-tool"));
    built.filter(|program| program.exists()).ok_or_else(|| {
        io::Error::other("no hook-tool beside the tests: cargo build --example hook-tool")
    })
}

/// Whether a leader has rung: the hook in which it waits for the others itself.
fn is_bell(event: &Event) -> bool {
    event.name() == "fabric-relation-changed"
        && matches!(event, Event::Relation { remote: None, .. })
}
