//! `action NAME`: what the files in `actions/` run.

use std::process::ExitCode;

use super::USAGE;
use super::hook::{chain, in_context};
use crate::charm::{Access, Surroundings, run_action};
use crate::host::Machine;
use crate::juju::{Action, JujuContext, ProcessTools};

/// Runs an action. The exit status is 0 whenever Juju has been told the outcome, a failure included. Nothing is printed
/// but what could not be told: Juju puts both streams among the action's results.
pub fn run(name: &str) -> ExitCode {
    match name.parse::<Action>() {
        Ok(action) => in_context(async |context| run_in(action, &context).await),
        Err(unknown) => {
            eprintln!("error: {unknown}");
            ExitCode::from(USAGE)
        }
    }
}

async fn run_in(action: Action, context: &JujuContext) -> ExitCode {
    let access = Access::of_hooks(std::env::var("KUBECONFIG").ok());
    let surroundings = Surroundings {
        context,
        tools: &ProcessTools,
        host: &Machine::here(),
        access: &access,
    };
    match Box::pin(run_action(action, &surroundings)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}
