//! Hook tools as Juju offers them on `PATH`: one typed function a tool over one seam, [`HookTools`]. Performs IO.
//!
//! Sources: Juju's hook tool reference and `jujuc`; exit status 2 is a usage error, 1 a runtime error, and every value
//! comes as JSON when `--format=json` is given.

pub mod action;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::printable::{printable, printable_line};

/// What a hook tool answered: exit status and both streams, uninterpreted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolOutput {
    /// Exit status; 0 is success, 1 a runtime error, 2 wrong usage.
    pub code: i32,
    /// Standard output, usually JSON and a newline.
    pub stdout: String,
    /// Standard error, `ERROR <text>` on failure.
    pub stderr: String,
}

/// The seam to Juju: runs one hook tool with its arguments and, where given, standard input.
///
/// Two implementations exist: [`ProcessTools`] runs the programs that Juju puts on `PATH`; the simulation's Juju model
/// interprets the same arguments in this process.
pub trait HookTools: Send + Sync {
    /// Runs `tool` with `args`.
    ///
    /// # Errors
    /// Fails when the tool cannot be run at all; a tool that ran and refused is an `Ok` with a non-zero `code`.
    fn run(
        &self,
        tool: &'static str,
        args: Vec<String>,
        stdin: Option<String>,
    ) -> impl Future<Output = std::io::Result<ToolOutput>> + Send;
}

/// A hook tool did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The program is not there or could not be started.
    #[error("cannot run {tool}")]
    Start {
        /// The tool's name.
        tool: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and ended with a non-zero status.
    #[error("{tool} failed with status {code}: {message}")]
    Refused {
        /// The tool's name.
        tool: &'static str,
        /// 1 for a runtime error, 2 for wrong usage.
        code: i32,
        /// Its standard error.
        message: String,
    },
    /// It succeeded, and its answer is not what Juju documents.
    #[error("{tool} answered with something that is not the expected JSON")]
    Answer {
        /// The tool's name.
        tool: &'static str,
        /// Where the JSON went wrong.
        source: serde_json::Error,
    },
}

/// Longest time one hook tool may take: it talks to the unit's own agent.
const TOOL_TIMEOUT: Duration = Duration::from_secs(15);

/// The hook tools on `PATH`.
#[derive(Debug, Default, Clone, Copy)]
pub struct ProcessTools;

impl HookTools for ProcessTools {
    async fn run(
        &self,
        tool: &'static str,
        args: Vec<String>,
        stdin: Option<String>,
    ) -> std::io::Result<ToolOutput> {
        let running = run_process(tool, args, stdin);
        match tokio::time::timeout(TOOL_TIMEOUT, running).await {
            Ok(output) => output,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn run_process(
    tool: &'static str,
    args: Vec<String>,
    stdin: Option<String>,
) -> std::io::Result<ToolOutput> {
    use std::process::Stdio;
    use tokio::io::AsyncWriteExt;

    let mut child = tokio::process::Command::new(tool)
        .args(args)
        .stdin(if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let (Some(text), Some(mut pipe)) = (stdin, child.stdin.take()) {
        match pipe.write_all(text.as_bytes()).await {
            // A tool that ends without reading says why by its exit status.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let output = child.wait_with_output().await?;
    Ok(ToolOutput {
        code: output.status.code().unwrap_or(1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Severity of a `juju-log` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Something changed, or the hook's summary.
    Info,
    /// The operator should look at it.
    Warning,
    /// The hook could not do its work.
    Error,
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

async fn call<T: HookTools>(
    tools: &T,
    tool: &'static str,
    args: Vec<String>,
    stdin: Option<String>,
) -> Result<String, ToolError> {
    let output = tools
        .run(tool, args, stdin)
        .await
        .map_err(|source| ToolError::Start { tool, source })?;
    if output.code == 0 {
        return Ok(output.stdout);
    }
    Err(ToolError::Refused {
        tool,
        code: output.code,
        message: output.stderr.trim().trim_start_matches("ERROR ").to_owned(),
    })
}

async fn call_json<T: HookTools, A: DeserializeOwned>(
    tools: &T,
    tool: &'static str,
    args: Vec<String>,
) -> Result<A, ToolError> {
    let stdout = call(tools, tool, args, None).await?;
    serde_json::from_str(&stdout).map_err(|source| ToolError::Answer { tool, source })
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

/// `config-get --format=json`: all options that are set or have a default.
///
/// # Errors
/// When the tool fails.
pub async fn config_get<T: HookTools>(tools: &T) -> Result<Value, ToolError> {
    call_json(tools, "config-get", words(&["--format=json"])).await
}

/// `network-get --format=json ENDPOINT`; `None` when Juju has no network for the endpoint yet (exit status 1).
///
/// # Errors
/// When the tool fails otherwise.
pub async fn network_get<T: HookTools>(
    tools: &T,
    endpoint: &str,
) -> Result<Option<Value>, ToolError> {
    match call_json(tools, "network-get", words(&["--format=json", endpoint])).await {
        Ok(answer) => Ok(Some(answer)),
        Err(ToolError::Refused { code: 1, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `is-leader --format=json`; an unknown leadership (exit status 1) counts as not leading.
///
/// # Errors
/// When the tool fails otherwise.
pub async fn is_leader<T: HookTools>(tools: &T) -> Result<bool, ToolError> {
    match call_json(tools, "is-leader", words(&["--format=json"])).await {
        Err(ToolError::Refused { code: 1, .. }) => Ok(false),
        answer => answer,
    }
}

/// `relation-ids --format=json ENDPOINT`.
///
/// # Errors
/// When the tool fails.
pub async fn relation_ids<T: HookTools>(
    tools: &T,
    endpoint: &str,
) -> Result<Vec<String>, ToolError> {
    call_json(tools, "relation-ids", words(&["--format=json", endpoint])).await
}

/// `relation-list --format=json -r ID`: the remote units whose joined hook has run.
///
/// # Errors
/// When the tool fails.
pub async fn relation_list<T: HookTools>(tools: &T, id: &str) -> Result<Vec<String>, ToolError> {
    call_json(tools, "relation-list", words(&["--format=json", "-r", id])).await
}

/// `relation-get --format=json -r ID - UNIT`: all that `unit` has set; empty when it is not (or no longer) in the relation.
///
/// # Errors
/// When the tool fails otherwise.
pub async fn relation_get<T: HookTools>(
    tools: &T,
    id: &str,
    unit: &str,
) -> Result<BTreeMap<String, String>, ToolError> {
    let args = words(&["--format=json", "-r", id, "-", unit]);
    match call_json::<T, Option<BTreeMap<String, String>>>(tools, "relation-get", args).await {
        Ok(data) => Ok(data.unwrap_or_default()),
        Err(ToolError::Refused { code: 1, .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// `relation-get --format=json --app -r ID - APPLICATION`: all that an application's leader has set.
///
/// # Errors
/// When the tool fails otherwise than for want of the relation.
pub async fn relation_get_application<T: HookTools>(
    tools: &T,
    id: &str,
    application: &str,
) -> Result<BTreeMap<String, String>, ToolError> {
    let args = words(&["--format=json", "--app", "-r", id, "-", application]);
    match call_json::<T, Option<BTreeMap<String, String>>>(tools, "relation-get", args).await {
        Ok(data) => Ok(data.unwrap_or_default()),
        Err(ToolError::Refused { code: 1, .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// `resource-get NAME`: where the resource's file lies, downloaded first if need be; `None` when there is none, or it
/// cannot be had now.
///
/// # Errors
/// When the tool cannot be run.
pub async fn resource_get<T: HookTools>(
    tools: &T,
    name: &str,
) -> Result<Option<PathBuf>, ToolError> {
    match call(tools, "resource-get", words(&[name]), None).await {
        Ok(path) => Ok(Some(PathBuf::from(path.trim_end_matches('\n')))
            .filter(|path| !path.as_os_str().is_empty())),
        Err(ToolError::Refused { code: 1, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `relation-set -r ID --file -`: merges `data` into this unit's databag; Juju keeps it only if the hook exits 0.
///
/// # Errors
/// When the tool fails.
pub async fn relation_set<T: HookTools>(
    tools: &T,
    id: &str,
    data: &BTreeMap<String, String>,
) -> Result<(), ToolError> {
    set_relation(tools, &["-r", id, "--file", "-"], data).await
}

/// `relation-set -r ID --app --file -`: merges `data` into the application's databag, which wakes every unit; Juju keeps it
/// only if the hook exits 0 and the unit still leads then.
///
/// # Errors
/// When the tool fails.
pub async fn relation_set_application<T: HookTools>(
    tools: &T,
    id: &str,
    data: &BTreeMap<String, String>,
) -> Result<(), ToolError> {
    set_relation(tools, &["-r", id, "--app", "--file", "-"], data).await
}

async fn set_relation<T: HookTools>(
    tools: &T,
    args: &[&str],
    data: &BTreeMap<String, String>,
) -> Result<(), ToolError> {
    let body = serde_json::to_string(data).map_err(|source| ToolError::Answer {
        tool: "relation-set",
        source,
    })?;
    call(tools, "relation-set", words(args), Some(body))
        .await
        .map(drop)
}

/// The names in `goal-state`'s relations of one endpoint: units only, applications left out.
///
/// # Errors
/// When the tool fails.
pub async fn goal_state_units<T: HookTools>(
    tools: &T,
    endpoint: &str,
) -> Result<Vec<String>, ToolError> {
    let goal: Value = call_json(tools, "goal-state", words(&["--format=json"])).await?;
    let names = goal
        .get("relations")
        .and_then(|relations| relations.get(endpoint))
        .and_then(Value::as_object);
    Ok(names
        .into_iter()
        .flat_map(|names| names.keys())
        .filter(|name| name.contains('/'))
        .cloned()
        .collect())
}

/// `status-set KIND -- MESSAGE`; takes effect at once.
///
/// # Errors
/// When the tool fails.
pub async fn status_set<T: HookTools>(
    tools: &T,
    kind: &str,
    message: &str,
) -> Result<(), ToolError> {
    let message = printable_line(message);
    call(tools, "status-set", words(&[kind, "--", &message]), None)
        .await
        .map(drop)
}

/// `application-version-set -- VERSION`.
///
/// # Errors
/// When the tool fails.
pub async fn application_version_set<T: HookTools>(
    tools: &T,
    version: &str,
) -> Result<(), ToolError> {
    call(
        tools,
        "application-version-set",
        words(&["--", version]),
        None,
    )
    .await
    .map(drop)
}

/// `juju-log -l LEVEL -- MESSAGE`, cut to what one argument may hold (131,072 bytes on Linux, `MAX_ARG_STRLEN`).
///
/// # Errors
/// When the tool fails.
pub async fn juju_log<T: HookTools>(
    tools: &T,
    level: LogLevel,
    message: &str,
) -> Result<(), ToolError> {
    const LONGEST: usize = 100_000;
    let message = printable(message);
    let mut end = message.len().min(LONGEST);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let args = words(&["-l", level.as_str(), "--", &message[..end]]);
    call(tools, "juju-log", args, None).await.map(drop)
}
