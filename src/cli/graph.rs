//! `graph FABRIC`: the fabric as a picture.

use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::check::wanted;
use super::{FabricArguments, Failed, fail, print, refuse, wrong_usage};
use crate::fabric::draw::{self, draw};
use crate::fabric::{Budget, check};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    fabric: FabricArguments,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format [default: by the file's ending (.svg, .dot, .gv, .mmd, .txt); else text on a terminal and svg elsewhere]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A drawing for browsers and paper
    Svg,
    /// For Graphviz
    Dot,
    /// For Mermaid, which wikis and code hosts draw
    Mermaid,
    /// For a terminal of 100 columns
    Text,
}

impl Format {
    /// The format that a file's ending names.
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "svg" => Some(Self::Svg),
            "dot" | "gv" => Some(Self::Dot),
            "mmd" | "mermaid" => Some(Self::Mermaid),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

impl From<Format> for draw::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Svg => Self::Svg,
            Format::Dot => Self::Dot,
            Format::Mermaid => Self::Mermaid,
            Format::Text => Self::Text,
        }
    }
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let format = format(arguments)?;
    let fabric = arguments.fabric.read(false)?;
    let topology = wanted(&fabric).map_err(|problems| refuse(&fabric.files, &problems, false))?;
    let checked = check(&topology, Budget::COMMAND);
    let picture = draw(&checked, &fabric.application, format.into());
    match &arguments.output {
        None => print(&picture)?,
        Some(path) => fs::write(path, picture)
            .map_err(|error| fail(&format!("cannot write {}: {error}", path.display()), false))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn format(arguments: &Arguments) -> Result<Format, Failed> {
    if let Some(format) = arguments.format {
        return Ok(format);
    }
    match &arguments.output {
        Some(path) => Format::of(path).ok_or_else(|| {
            wrong_usage(&format!(
                "{} has no ending that names a format; add --format svg, dot, mermaid or text",
                path.display()
            ))
        }),
        None if std::io::stdout().is_terminal() => Ok(Format::Text),
        None => Ok(Format::Svg),
    }
}
