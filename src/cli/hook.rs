//! `hook NAME`: what the files in `hooks/` run.

use std::error::Error;
use std::process::ExitCode;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::USAGE;
use crate::charm::{Access, Surroundings, run_hook};
use crate::host::Machine;
use crate::juju::tools::{LogLevel, juju_log};
use crate::juju::{Hook, JujuContext, ProcessTools};

/// Runs a hook. The exit status is 0 whatever the user configured and wherever the API is; 1 makes Juju run the hook
/// again, and only a failed hook tool does that.
pub fn run(name: &str) -> ExitCode {
    let Ok(hook) = name.parse::<Hook>() else {
        return ExitCode::SUCCESS;
    };
    log_to_stdout();
    in_context(async |context| run_in(hook, &context).await)
}

/// Runs what Juju has started, on this thread; wrong usage where it was not Juju.
pub(super) fn in_context(run: impl AsyncFnOnce(JujuContext) -> ExitCode) -> ExitCode {
    let context = match JujuContext::from_variables(variables()) {
        Ok(context) => context,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(context));
    // A name that never resolves must not hold the machine's lock.
    runtime.shutdown_background();
    code
}

/// The environment, without what is no text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

async fn run_in(hook: Hook, context: &JujuContext) -> ExitCode {
    let access = Access::of_hooks(std::env::var("KUBECONFIG").ok());
    let surroundings = Surroundings {
        context,
        tools: &ProcessTools,
        host: &Machine::here(),
        access: &access,
    };
    match Box::pin(run_hook(hook, &surroundings)).await {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let text = chain(&error);
            if juju_log(&ProcessTools, LogLevel::Error, &text)
                .await
                .is_err()
            {
                eprintln!("error: {text}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Standard output is what Juju records at DEBUG, without a process a line.
fn log_to_stdout() {
    let only_ours = Targets::new().with_target("calico_charm", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false)
        .with_target(false);
    // A second subscriber cannot exist: this runs once a process.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(only_ours)
        .try_init();
}

/// An error and its sources in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Some libraries say their source themselves.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
