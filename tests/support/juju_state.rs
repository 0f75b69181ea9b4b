//! A Juju model in a file: what a test and the hook tools it lets a hook run have in common.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use calico_charm::juju::tools::ToolOutput;
use calico_charm::sim::juju::{HookContext, JujuModel};
use serde::{Deserialize, Serialize};

/// The model and the hooks that are running, by `JUJU_CONTEXT_ID`.
#[derive(Debug, Serialize, Deserialize)]
pub struct JujuState {
    pub model: JujuModel,
    pub hooks: BTreeMap<String, HookContext>,
}

/// Where a state lies. Beside the file: `.lock`, `.calls` and, when tools are to be slow, `.delay`.
#[derive(Debug, Clone)]
pub struct JujuStateFile {
    path: PathBuf,
}

/// A call of a hook tool, as `.calls` lists them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    pub context: String,
    pub tool: String,
    pub args: Vec<String>,
    pub stdin: Option<String>,
    pub code: i32,
}

impl JujuStateFile {
    /// Puts a model into a file.
    pub fn create(path: &Path, model: JujuModel) -> io::Result<Self> {
        let file = Self {
            path: path.to_owned(),
        };
        let hooks = BTreeMap::new();
        file.write(&serde_json::to_string(&JujuState { model, hooks })?)?;
        Ok(file)
    }

    /// What `JUJU_AGENT_SOCKET_ADDRESS` says.
    pub fn address(&self) -> String {
        format!("@{}", self.path.display())
    }

    /// The file that `JUJU_AGENT_SOCKET_ADDRESS` names.
    pub fn at_address(address: &str) -> Option<Self> {
        let path = address.strip_prefix('@')?.into();
        Some(Self { path })
    }

    /// Reads the state, lets it change, and writes it back if it did, while nobody else does.
    pub fn change<T>(&self, change: impl FnOnce(&mut JujuState) -> T) -> io::Result<T> {
        let lock = self.lock()?;
        let before = fs::read_to_string(&self.path)?;
        let mut state: JujuState = serde_json::from_str(&before)?;
        let result = change(&mut state);
        let after = serde_json::to_string(&state)?;
        if after != before {
            self.write(&after)?;
        }
        lock.unlock()?;
        Ok(result)
    }

    /// Answers a call of a hook tool and logs it.
    pub fn call(&self, mut call: ToolCall) -> io::Result<ToolOutput> {
        if let Some(delay) = self.delay() {
            std::thread::sleep(delay);
        }
        let output = self.change(|state| {
            let JujuState { model, hooks } = state;
            match hooks.get_mut(&call.context) {
                Some(hook) => model.call(hook, &call.tool, &call.args, call.stdin.as_deref()),
                // As Juju says to the tools of a hook that has ended.
                None => ToolOutput {
                    code: 1,
                    stdout: String::new(),
                    stderr: format!(
                        "ERROR bad request: bad context: unknown context id {:?}\n",
                        call.context
                    ),
                },
            }
        })?;
        call.code = output.code;
        let line = serde_json::to_string(&call)? + "\n";
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.beside("calls"))?;
        log.write_all(line.as_bytes())?;
        Ok(output)
    }

    /// Every call so far.
    pub fn calls(&self) -> io::Result<Vec<ToolCall>> {
        let text = match fs::read_to_string(self.beside("calls")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        text.lines()
            .map(|line| serde_json::from_str(line).map_err(io::Error::from))
            .collect()
    }

    /// Lets every tool take that long.
    pub fn set_delay(&self, delay: Duration) -> io::Result<()> {
        fs::write(self.beside("delay"), delay.as_millis().to_string())
    }

    fn delay(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.beside("delay")).ok()?;
        text.trim().parse().ok().map(Duration::from_millis)
    }

    /// The kernel gives it up for a process that is killed.
    fn lock(&self) -> io::Result<File> {
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.beside("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    /// In one step, since the writer may be killed.
    fn write(&self, text: &str) -> io::Result<()> {
        let new = self.beside("new");
        fs::write(&new, text)?;
        fs::rename(&new, &self.path)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }
}
