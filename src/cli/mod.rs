//! The commands. Performs IO.

mod hook;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

/// Exit status of wrong usage (`EX_USAGE`): clap's own 2 would read as "there are changes".
const USAGE: u8 = 64;

/// Configures Calico networking on Charmed Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "calico-charm", version, about)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one Juju hook; Juju does this, through the files in hooks/
    Hook {
        /// The hook's name, for example config-changed
        name: String,
    },
}

/// Parses the command line and runs one command.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to be done when even the message cannot be printed.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
                _ => ExitCode::from(USAGE),
            };
        }
    };
    match arguments.command {
        Command::Hook { name } => hook::run(&name),
    }
}
