//! The charm's hook tools, answered by a model.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::hook::{Change, HookContext, Rejected};
use super::hook_tools::TOOLS;
use super::model::JujuModel;
use super::{Event, Impossible};
use crate::juju::HookTools;
use crate::juju::tools::ToolOutput;

/// One call of a hook tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub args: Vec<String>,
}

/// The hook tools of one hook over a model that several hooks share.
#[derive(Debug)]
pub struct ModelTools {
    model: Arc<Mutex<JujuModel>>,
    hook: Mutex<HookContext>,
    calls: Mutex<Vec<Call>>,
}

impl ModelTools {
    /// Begins a hook on a unit.
    ///
    /// # Errors
    /// Juju would not run it now.
    pub fn begin(
        model: &Arc<Mutex<JujuModel>>,
        unit: &str,
        event: Event,
    ) -> Result<Self, Impossible> {
        let hook = lock(model).begin(unit, event)?;
        Ok(Self::new(Arc::clone(model), hook))
    }

    /// The tools of a hook that has begun.
    #[must_use]
    pub fn new(model: Arc<Mutex<JujuModel>>, hook: HookContext) -> Self {
        Self {
            model,
            hook: Mutex::new(hook),
            calls: Mutex::new(Vec::new()),
        }
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// The hook's environment.
    #[must_use]
    pub fn environment(&self) -> std::collections::BTreeMap<String, String> {
        lock(&self.model).environment(&lock(&self.hook))
    }

    /// The hook exited with 0: see [`JujuModel::commit`].
    ///
    /// # Errors
    /// Juju refuses what the hook has written.
    pub fn commit(self) -> Result<Vec<Change>, Rejected> {
        let hook = self
            .hook
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        lock(&self.model).commit(hook)
    }

    /// The hook failed or was killed: see [`JujuModel::rollback`].
    pub fn rollback(self) {
        let hook = self
            .hook
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        lock(&self.model).rollback(hook);
    }
}

impl HookTools for ModelTools {
    async fn run(
        &self,
        tool: &'static str,
        args: Vec<String>,
        stdin: Option<String>,
    ) -> io::Result<ToolOutput> {
        if !TOOLS.iter().any(|known| known.name() == tool) {
            return Err(io::Error::new(io::ErrorKind::NotFound, tool));
        }
        let output = lock(&self.model).call(&mut lock(&self.hook), tool, &args, stdin.as_deref());
        lock(&self.calls).push(Call {
            tool: tool.to_owned(),
            args,
        });
        Ok(output)
    }
}

/// A panic elsewhere is that test's failure, not this one's.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hook tool's answer, kept for [`JujuModel::fail_next`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    code: i32,
    stdout: String,
    stderr: String,
}

impl From<&ToolOutput> for Answer {
    fn from(output: &ToolOutput) -> Self {
        Self {
            code: output.code,
            stdout: output.stdout.clone(),
            stderr: output.stderr.clone(),
        }
    }
}

impl From<Answer> for ToolOutput {
    fn from(answer: Answer) -> Self {
        Self {
            code: answer.code,
            stdout: answer.stdout,
            stderr: answer.stderr,
        }
    }
}
