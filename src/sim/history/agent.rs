//! One running hook: the charm's own code, with a desk between it and everything it touches.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::desk::{Desk, Step};
use crate::charm::{Access, HookError, Report, Surroundings, run_hook};
use crate::juju::context::MissingVariable;
use crate::juju::tools::ToolOutput;
use crate::juju::{Hook, HookTools, JujuContext};
use crate::sim::api::Fault;
use crate::sim::host::SimulatedHost;
use crate::sim::juju::{HookContext, JujuModel};

/// The options that are set.
pub(super) type Options = Arc<Vec<(String, String)>>;

/// What all hooks of one history share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) model: Arc<Mutex<JujuModel>>,
    pub(super) desk: Desk,
    /// The options as `juju config` shows them now.
    pub(super) options: Arc<Mutex<Options>>,
    pub(super) clock: Clock,
}

/// Simulated time since the history began, on tokio's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) since: tokio::time::Instant,
    /// What had passed by then.
    pub(super) before: Duration,
}

impl Clock {
    pub(super) fn now(&self) -> Duration {
        self.before + self.since.elapsed()
    }
}

/// What a hook was told.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    /// When `is-leader` answered that it leads.
    pub(super) asked_leader_at: Option<Duration>,
    /// What `config-get` gave.
    pub(super) options: Options,
}

/// The hook tools of one hook.
struct Tools {
    hook: u64,
    shared: Shared,
    context: Arc<Mutex<HookContext>>,
    notes: Arc<Mutex<Notes>>,
}

impl HookTools for Tools {
    async fn run(
        &self,
        tool: &'static str,
        args: Vec<String>,
        stdin: Option<String>,
    ) -> io::Result<ToolOutput> {
        let call = spoken(tool, &args);
        let desk = &self.shared.desk;
        if let Some(fault) = desk.wait(self.hook, Step::Tool(call.clone())).await {
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(time).await;
            } else {
                return Ok(ToolOutput {
                    code: 1,
                    stdout: String::new(),
                    stderr: "ERROR connection is shut down".to_owned(),
                });
            }
        }
        let output = self.answer(tool, &args, stdin.as_deref());
        // The fault of an answer is its delay.
        if let Some(Fault::Delay(time)) = desk.wait(self.hook, Step::ToolAnswer(call)).await {
            tokio::time::sleep(time).await;
        }
        Ok(output)
    }
}

impl Tools {
    fn answer(&self, tool: &str, args: &[String], stdin: Option<&str>) -> ToolOutput {
        let output = lock(&self.shared.model).call(&mut lock(&self.context), tool, args, stdin);
        let mut notes = lock(&self.notes);
        match tool {
            "is-leader" if output.stdout.trim() == "true" => {
                notes.asked_leader_at = Some(self.shared.clock.now());
            }
            "config-get" => notes.options = lock(&self.shared.options).clone(),
            _ => {}
        }
        output
    }
}

/// A call as a happening names it: without the long texts of logs and statuses.
fn spoken(tool: &str, args: &[String]) -> String {
    let words: Vec<&str> = args
        .iter()
        .map(String::as_str)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let mut text = format!("{tool} {}", words.join(" "));
    if let Some((end, _)) = text.char_indices().nth(60) {
        text.truncate(end);
        text.push('…');
    }
    text.replace('\n', " ").trim_end().to_owned()
}

/// A hook that has begun and not ended.
pub(super) struct Running {
    pub(super) unit: String,
    pub(super) hook: String,
    pub(super) begun: Duration,
    /// Writes so far that changed the store.
    pub(super) writes: usize,
    context: Arc<Mutex<HookContext>>,
    notes: Arc<Mutex<Notes>>,
    task: JoinHandle<Result<Report, HookError>>,
}

/// How a hook has ended.
pub(super) struct Ended {
    /// Why it failed: then Juju runs it again.
    pub(super) failure: Option<String>,
    /// Whether the charm was content, and Juju would not keep what it had said: another unit leads by now.
    pub(super) is_refused: bool,
}

impl Running {
    /// Starts the charm's code for a hook that the model has begun.
    ///
    /// # Errors
    /// The environment is none of a hook's.
    pub(super) fn start(
        id: u64,
        hook: Hook,
        context: HookContext,
        shared: &Shared,
        host: SimulatedHost,
        client: kube::Client,
    ) -> Result<Self, MissingVariable> {
        let environment = lock(&shared.model).environment(&context);
        let variables = JujuContext::from_variables(environment)?;
        let name = context.event().name();
        let (unit, begun) = (context.unit().to_owned(), shared.clock.now());
        let context = Arc::new(Mutex::new(context));
        let notes = Arc::new(Mutex::new(Notes::default()));
        let tools = Tools {
            hook: id,
            shared: shared.clone(),
            context: Arc::clone(&context),
            notes: Arc::clone(&notes),
        };
        let task = tokio::task::spawn_local(async move {
            let access = Access::Client(client);
            let surroundings = Surroundings {
                context: &variables,
                tools: &tools,
                host: &host,
                access: &access,
            };
            let report = Box::pin(run_hook(hook, &surroundings)).await;
            tools.shared.desk.wait(id, Step::Exit).await;
            report
        });
        Ok(Self {
            unit,
            hook: name,
            begun,
            writes: 0,
            context,
            notes,
            task,
        })
    }

    /// What it was told so far.
    pub(super) fn notes(&self) -> Notes {
        lock(&self.notes).clone()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends a hook that [is finished](Self::is_finished): Juju keeps what it has buffered, or forgets it.
    pub(super) async fn end(self, model: &Mutex<JujuModel>) -> Ended {
        let failure = match self.task.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("panicked: {panic}")),
        };
        let context = lock(&self.context).clone();
        if failure.is_some() {
            lock(model).rollback(context);
            return Ended {
                failure,
                is_refused: false,
            };
        }
        let refused = lock(model).commit(context).err();
        Ended {
            is_refused: refused.is_some(),
            failure: refused.map(|rejected| rejected.to_string()),
        }
    }

    /// Kills a hook: what it has written stays, what Juju has buffered is lost.
    pub(super) async fn kill(self, model: &Mutex<JujuModel>) {
        self.task.abort();
        // It is over, by its end or by this.
        let _ = self.task.await;
        let context = lock(&self.context).clone();
        lock(model).rollback(context);
    }
}

/// A panic elsewhere is that hook's failure, not this one's.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
