//! Behaviour, case by case: `tests/golden/<case>/input.yaml` played through the whole hook path, and what came of it.
//!
//! `expected.yaml` is what the cluster holds at the end, `status.txt` what each hook said. `UPDATE_GOLDEN=1` rewrites
//! both; read what changed, it is a claim about behaviour. `GOLDEN=<case>` plays one case.

#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "support/scenario/mod.rs"]
mod scenario;

use scenario::World;
use scenario::input::Scenario;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let only = std::env::var("GOLDEN").ok();
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of the cases is part of the project")
        .map(|entry| {
            entry
                .expect("a folder that can be read lists its entries")
                .path()
        })
        .filter(|path| path.is_dir())
        .filter(|path| only.as_ref().is_none_or(|only| path.ends_with(only)))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_case_ends_as_expected() {
    let cases = cases();
    assert!(!cases.is_empty(), "no case");
    let failed: Vec<String> = cases.iter().filter_map(|case| play(case)).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

/// Plays a case; says what is not as expected.
fn play(case: &Path) -> Option<String> {
    let input = read(&case.join("input.yaml"));
    let scenario = Scenario::parse(&input);
    let mut world = World::played(&scenario);
    let objects = world.objects();
    let story = std::mem::take(&mut world.story);
    let mut wrong = String::new();
    for (file, found) in [("expected.yaml", objects), ("status.txt", story)] {
        wrong.push_str(&compare(&case.join(file), &found));
    }
    let written = world.writes_of_another_round();
    if written.is_empty() != scenario.converges {
        let _ = writeln!(
            wrong,
            "another round wrote {written:?}, converges: {}",
            scenario.converges
        );
    }
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    (!wrong.is_empty()).then(|| format!("== {name}\n{wrong}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines that differ, or nothing.
fn compare(path: &Path, found: &str) -> String {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return String::new();
    }
    let expected = read(path);
    if expected == found {
        return String::new();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut shown = format!("{name}: - expected, + found\n");
    for (sign, lines, others) in [("-", &*expected, found), ("+", found, &*expected)] {
        for line in lines
            .lines()
            .filter(|line| !others.lines().any(|other| other == *line))
        {
            let _ = writeln!(shown, "{sign} {line}");
        }
    }
    shown
}
