//! `explain F043`: what a finding means.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;

use super::{Failed, fail, print};
use crate::fabric::Code;
use crate::fabric::catalogue::{ENTRIES, Entry, entry, group};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Code of the finding, for example F043; without one, all are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let Some(asked) = &arguments.code else {
        print(&list())?;
        return Ok(ExitCode::SUCCESS);
    };
    let number = number(asked);
    let Some(entry) = number.and_then(|number| entry(Code(number))) else {
        return Err(fail(&unknown(asked, number), false));
    };
    print(&page(entry))?;
    Ok(ExitCode::SUCCESS)
}

/// The number of `F043`, `f43` or `43`.
fn number(code: &str) -> Option<u16> {
    let digits = code.trim_start_matches(['F', 'f']);
    digits.parse().ok()
}

fn unknown(asked: &str, number: Option<u16>) -> String {
    let nearest = number.and_then(|number| {
        ENTRIES
            .iter()
            .min_by_key(|entry| entry.code.0.abs_diff(number))
    });
    match nearest {
        Some(entry) => format!(
            "there is no finding {asked}; the nearest is {}, {}. `explain` alone lists all",
            entry.code, entry.title
        ),
        None => format!("{asked} is no code of a finding; `explain` alone lists all"),
    }
}

fn page(entry: &Entry) -> String {
    let mut page = format!(
        "{} ({}): {}\n\n{}",
        entry.code,
        entry.severity.as_str(),
        entry.title,
        entry.explanation
    );
    if let Some(option) = entry.option_to_come {
        page.push_str(&to_come(option));
    }
    page
}

/// What there is to say where no option of this release makes the finding.
fn to_come(option: &str) -> String {
    format!(
        "\nThis charm has no option for this yet (to come: {option}). The check finds it\nin objects that others made.\n"
    )
}

fn list() -> String {
    let mut text = String::new();
    for of_group in ENTRIES.chunk_by(|one, next| group(one.code) == group(next.code)) {
        if let Some(first) = of_group.first() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(group(first.code));
            text.push('\n');
        }
        for entry in of_group {
            let severity = entry.severity.as_str();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {}  {severity:<7}  {}", entry.code, entry.title);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        for (asked, expected) in [
            ("F043", Some(43)),
            ("f43", Some(43)),
            ("43", Some(43)),
            ("F", None),
            ("F-1", None),
            ("mesh", None),
        ] {
            assert_eq!(number(asked), expected, "{asked}");
        }
    }

    #[test]
    fn the_nearest_is_named() {
        let message = unknown("F111", Some(111));
        assert!(message.contains("the nearest is F110"), "{message}");
        assert!(!unknown("mesh", None).contains("nearest"));
    }

    #[test]
    fn all_are_listed() {
        let list = list();
        for entry in ENTRIES {
            assert!(
                list.contains(&format!("  {}  ", entry.code)),
                "{}",
                entry.code
            );
        }
    }
}
