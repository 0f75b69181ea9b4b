//! The commands. Performs IO.

mod action;
mod check;
pub mod diagnostics;
mod explain;
pub mod fabric;
mod fold;
mod graph;
mod hook;
mod plan;
mod render;
mod simulate;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::charm::FORMAT_VERSION;
use diagnostics::Diagnostic;
use fabric::{Fabric, Refused, SourceFile};

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
    /// Run every unit's hooks against a Kubernetes API in this process, and show what comes of it
    Simulate(simulate::Arguments),
    /// Print the objects that the options ask for, for `kubectl apply`
    Render(render::Arguments),
    /// Work out every session and every route before anything is applied, and name the options at fault
    Check(check::Arguments),
    /// Print what a finding means and what to do about it
    Explain(explain::Arguments),
    /// Compare the objects that the options ask for with a live cluster; changes nothing
    Plan(plan::Arguments),
    /// Draw the fabric: racks, reflectors, routers and sessions, with what is wrong in red
    Graph(graph::Arguments),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run one Juju hook; Juju does this, through the files in hooks/
    Hook {
        /// The hook's name, for example config-changed
        name: String,
    },
    /// Run one Juju action; Juju does this, through the files in actions/
    Action {
        /// The action's name, for example list-versions
        name: String,
    },
}

/// The files that every command but `hook` and `action` works on.
#[derive(Debug, Args)]
struct FabricArguments {
    /// Options and units: fabric files, Juju bundles, the output of `juju config calico` and of `juju status
    /// --format=json`; `-` is standard input. They complete each other, the later one counts
    #[arg(value_name = "FABRIC", required = true)]
    files: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs: one document with a `format_version`
    Json,
}

/// Why a command ends without its result; what there is to say has been said.
type Failed = ExitCode;

impl FabricArguments {
    /// Reads the files.
    fn read(&self, json: bool) -> Result<Fabric, Failed> {
        fabric::read(&self.files)
            .map_err(|Refused { files, diagnostics }| refuse(&files, &diagnostics, json))
    }
}

/// Shows what is wrong, as JSON on standard output or for people on standard error.
fn refuse(files: &[SourceFile], diagnostics: &[Diagnostic], json: bool) -> Failed {
    if json {
        return match print_json(&diagnostics::to_json(files, diagnostics)) {
            Ok(()) => ExitCode::FAILURE,
            Err(failed) => failed,
        };
    }
    eprint!("{}", diagnostics::to_text(files, diagnostics));
    ExitCode::FAILURE
}

/// Shows one error that is about no file.
fn fail(message: &str, json: bool) -> Failed {
    refuse(&[], &[Diagnostic::new(message, None)], json)
}

/// Wrong usage that only shows with the files read.
fn wrong_usage(message: &str) -> Failed {
    eprintln!("error: {message}");
    ExitCode::from(USAGE)
}

/// Prints to standard output. A reader that has gone away (`| head`) ends the command without a word.
fn print(text: &str) -> Result<(), Failed> {
    let mut stdout = std::io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|_| ExitCode::FAILURE)
}

fn print_json(document: &Value) -> Result<(), Failed> {
    print(&format!("{document:#}\n"))
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
    let result = match arguments.command {
        Command::Hook { name } => return hook::run(&name),
        Command::Action { name } => return action::run(&name),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Render(arguments) => render::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Completions { shell } => completions(shell),
    };
    result.unwrap_or_else(|failed| failed)
}

fn completions(shell: clap_complete::Shell) -> Result<ExitCode, Failed> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "calico-charm", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// A runtime for the commands that talk to an API, a real one or this process's own.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| fail(&format!("cannot start: {error}"), false))
}

/// `1 object`, `2 objects`.
fn counted(number: usize, noun: &str) -> String {
    let plural = match (number, noun.ends_with('y')) {
        (1, _) | (_, true) => "",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}

/// A JSON document of a command, with its version.
fn document(mut fields: Value) -> Value {
    let mut document = json!({"format_version": FORMAT_VERSION});
    if let (Some(document), Some(fields)) = (document.as_object_mut(), fields.as_object_mut()) {
        document.append(fields);
    }
    document
}
