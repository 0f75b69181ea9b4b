//! Runs a test in namespaces of its own, which end with it: networks, mounts and processes.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use super::probe;

/// Which part of a test this process is to play.
const STAGE: &str = "CALICO_CHARM_BIRD_STAGE";
/// Set to a reason, it skips these tests.
const SKIP: &str = "CALICO_CHARM_SKIP_BIRD";
const CASE: &str = "CALICO_CHARM_BIRD_CASE";
const AT_ONCE: usize = 4;
/// The private file system that everything a test writes is on.
pub const FOLDER: &str = "/run";
/// Gives the rest of the arguments an empty `/run`, where `ip netns` keeps its names.
const PRIVATE_RUN: &str = "mount -t tmpfs tmpfs /run && exec \"$@\"";

/// Runs `body` with BIRD's folder, inside new namespaces; says so where that cannot be.
///
/// # Panics
/// When the test fails in there.
pub fn inside(test: &str, body: impl FnOnce(&Path)) {
    inside_each(test, &[0], |bird, _| body(bird));
}

/// [`inside`] for each case of a test, some of them at a time: what takes time is waiting.
pub fn inside_each(test: &str, cases: &[u64], body: impl FnOnce(&Path, u64)) {
    match env::var(STAGE).as_deref() {
        Ok("lab") => {
            let bird = programs().expect("found before this process was started");
            let case = env::var(CASE).ok().and_then(|case| case.parse().ok());
            body(&bird, case.expect("one of the test's cases"));
        }
        Ok("probe") => probe::run(),
        _ => match possible() {
            Ok(bird) => outside(test, bird, cases),
            Err(reason) => skip(test, reason),
        },
    }
}

/// This program once more, as one test in another stage.
pub fn again(test: &str, stage: &str) -> Vec<String> {
    let program = env::current_exe().expect("a running program has a path");
    let program = program.to_string_lossy().into_owned();
    let stage = format!("{STAGE}={stage}");
    ["env", &stage, &program, test, "--exact", "--nocapture"]
        .map(ToOwned::to_owned)
        .to_vec()
}

fn outside(test: &str, bird: &Path, cases: &[u64]) {
    let mut failures = Vec::new();
    for some in cases.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let start = |case: &u64| {
                let case = *case;
                scope.spawn(move || one(test, bird, case))
            };
            let running: Vec<_> = some.iter().map(start).collect();
            for case in running {
                failures.extend(case.join().expect("nothing in there panics").err());
            }
        });
    }
    assert!(failures.is_empty(), "{}", failures.concat());
}

/// Runs one case; the error is what it printed.
fn one(test: &str, bird: &Path, case: u64) -> Result<(), String> {
    let output = namespaces()
        .args(["sh", "-c", PRIVATE_RUN, "sh"])
        .args(again(test, "lab"))
        .env("CALICO_CHARM_BIRD", bird)
        .env(CASE, case.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare does not run: {error}"))?;
    // Of a test by a wrong name none passes, and none fails.
    let ran = String::from_utf8_lossy(&output.stdout).contains(" 1 passed");
    if output.status.success() && ran {
        return Ok(());
    }
    Err(format!(
        "case {case}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A command that runs its arguments in new namespaces. Whatever they leave running ends with them.
fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--net",
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        "--",
    ]);
    command
}

/// BIRD's folder, or why the tests cannot run here.
fn possible() -> Result<&'static Path, &'static str> {
    static POSSIBLE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    POSSIBLE
        .get_or_init(|| {
            match env::var(SKIP) {
                Ok(reason) if !reason.is_empty() => return Err(reason),
                _ => {}
            }
            may_make_namespaces()?;
            programs()
        })
        .as_deref()
        .map_err(String::as_str)
}

fn may_make_namespaces() -> Result<(), String> {
    const TRIAL: &str =
        "ip link add name one type veth peer name two && ip link add name three type bridge";
    let output = namespaces()
        .args(["sh", "-c", PRIVATE_RUN, "sh", "sh", "-c", TRIAL])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("unshare does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let said = error.lines().next_back().unwrap_or("nothing said");
    Err(format!(
        "network namespaces need root and iproute2 ({said})"
    ))
}

fn programs() -> Result<PathBuf, String> {
    let fetch = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bird/fetch");
    let output = Command::new(&fetch)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", fetch.display()))?;
    if output.status.success() {
        let folder = String::from_utf8_lossy(&output.stdout);
        return Ok(PathBuf::from(folder.trim()));
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(error
        .lines()
        .next_back()
        .unwrap_or("tests/bird/fetch failed")
        .to_owned())
}

/// Written past the test harness, which hides what passing tests print, and in one piece.
fn skip(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: real BIRD: {reason}\n");
    let _closed_stderr = std::io::stderr().write_all(line.as_bytes());
}
