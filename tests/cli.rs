//! The command line as an operator meets it: what each command prints and how it ends.
//!
//! `tests/cli/<case>.txt` holds a case's command line, its output and its exit status. `UPDATE_GOLDEN=1` rewrites them;
//! read what changed as an operator would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Name of a case and its arguments; files are named from the repository's root.
const CASES: &[(&str, &str)] = &[
    ("simulate-default", "simulate examples/default.yaml"),
    (
        "simulate-two-subnets-router",
        "simulate examples/two-subnets-router.yaml",
    ),
    (
        "simulate-route-reflectors",
        "simulate examples/route-reflectors.yaml",
    ),
    ("simulate-as-per-rack", "simulate examples/as-per-rack.yaml"),
    ("simulate-dual-stack", "simulate examples/dual-stack.yaml"),
    (
        "simulate-as-4200000101",
        "simulate examples/as-4200000101.yaml",
    ),
    ("simulate-fleet-200", "simulate examples/fleet-200.yaml"),
    (
        "simulate-fleet-200-unit",
        "simulate examples/fleet-200.yaml --unit calico/42",
    ),
    ("simulate-blocked", "simulate tests/cli/input/blocked.yaml"),
    (
        "simulate-model",
        "simulate tests/cli/input/config.yaml tests/cli/input/status.json",
    ),
    (
        "render-unit",
        "render examples/as-per-rack.yaml --unit calico/2",
    ),
    (
        "render-leader",
        "render examples/as-per-rack.yaml --unit calico/0",
    ),
    (
        "render-v3",
        "render examples/dual-stack.yaml --api-version v3",
    ),
    ("render-json", "render examples/default.yaml -o json"),
    (
        "render-bundle",
        "render tests/cli/input/bundle.yaml tests/cli/input/overlay.yaml tests/cli/input/status.json --unit calico/1",
    ),
    ("problems", "render tests/cli/input/broken.yaml"),
    (
        "problems-json",
        "simulate tests/cli/input/broken.yaml -o json",
    ),
    ("problems-of-a-unit", "simulate tests/cli/input/torn.yaml"),
    ("problems-many", "render tests/cli/input/many.yaml"),
    (
        "problems-in-config",
        "render tests/cli/input/wrong-config.json tests/cli/input/status.json",
    ),
    ("no-units", "simulate tests/cli/input/bundle.yaml"),
    ("no-yaml", "simulate tests/cli/input/no-yaml.yaml"),
    (
        "no-fabric",
        "simulate Cargo.toml tests/cli/input/nothing.yaml",
    ),
    ("no-file", "render nowhere.yaml"),
    (
        "no-such-unit",
        "render examples/default.yaml --unit calico/9",
    ),
    (
        "no-kubeconfig",
        "plan examples/default.yaml --kubeconfig nowhere",
    ),
    (
        "no-api",
        "plan examples/default.yaml --kubeconfig tests/cli/input/kubeconfig.yaml",
    ),
    ("usage-nothing", ""),
    ("usage-no-fabric", "simulate"),
    ("usage-option", "plan examples/default.yaml --detailed-exit"),
    ("usage-format", "simulate examples/default.yaml -o yaml"),
    ("check-default", "check examples/default.yaml"),
    ("check-as-per-rack", "check examples/as-per-rack.yaml"),
    ("check-as-4200000101", "check examples/as-4200000101.yaml"),
    (
        "check-fleet-200",
        "check examples/fleet-200.yaml --sessions",
    ),
    (
        "check-sessions",
        "check examples/two-subnets-router.yaml --sessions",
    ),
    (
        "check-sessions-json",
        "check examples/two-subnets-router.yaml --sessions -o json",
    ),
    (
        "check-split-clients",
        "check tests/findings/F043/failing.yaml",
    ),
    (
        "check-json",
        "check tests/findings/F020/failing.yaml -o json",
    ),
    (
        "check-model",
        "check tests/cli/input/config.yaml tests/cli/input/status.json",
    ),
    ("check-problems", "check tests/cli/input/broken.yaml"),
    (
        "check-problems-json",
        "check tests/findings/F002/failing.yaml -o json",
    ),
    (
        "check-one-address",
        "check tests/findings/F035/failing.yaml",
    ),
    ("explain", "explain F043"),
    ("explain-to-come", "explain f27"),
    ("explain-list", "explain"),
    ("explain-unknown", "explain F013"),
    ("help", "--help"),
    ("help-check", "check --help"),
    ("help-plan", "plan --help"),
];

#[test]
fn every_command_prints_what_it_should() {
    let mut failed = Vec::new();
    for (name, arguments) in CASES {
        let found = transcript(arguments);
        let path = golden(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &found).expect("the folder of the cases is part of the project");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            failed.push(format!(
                "{name}\n--- expected\n{expected}\n--- found\n{found}"
            ));
        }
    }
    assert!(
        failed.is_empty(),
        "{} differ:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

#[test]
fn no_expectation_is_left_without_its_case() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let files = fs::read_dir(folder).expect("the folder of the cases is part of the project");
    let names = files.map(|file| {
        file.expect("a folder that can be read lists its entries")
            .path()
    });
    for path in names.filter(|path| path.is_file()) {
        assert!(
            CASES.iter().any(|(name, _)| golden(name) == path),
            "{}",
            path.display()
        );
    }
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/cli/{name}.txt"))
}

/// Runs the program from the repository's root, without the caller's environment.
fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the program has been built")
}

fn transcript(arguments: &str) -> String {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let output = run(&words);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
    let mut transcript = format!(
        "$ calico-charm {arguments}\n{}",
        without_time(&text(&output.stdout))
    );
    if !output.stderr.is_empty() {
        transcript.push_str("[standard error]\n");
        transcript.push_str(&text(&output.stderr));
    }
    let code = output.status.code().expect("nothing has killed it");
    transcript + &format!("[exit status {code}]\n")
}

/// The time a simulation took is different each time.
fn without_time(text: &str) -> String {
    let lines = text
        .split_inclusive('\n')
        .map(|line| match line.rsplit_once(" hook tools in ") {
            Some((before, _)) => format!("{before} hook tools in a moment\n"),
            None => line.to_owned(),
        });
    lines.collect()
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

#[test]
fn simulations_as_json_say_how_each_unit_ended() {
    let found = json(&["simulate", "examples/as-per-rack.yaml", "-o", "json"]);
    assert_eq!(found["format_version"], 1);
    assert_eq!(found["good"], true);
    let units = found["units"].as_array().expect("a list of units");
    assert_eq!(units.len(), 8);
    for unit in units {
        assert_eq!(unit["status"], "active");
        let message = unit["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("Ready"), "{message}");
        assert_eq!(unit["second_round"]["writes"], 0);
        assert!(unit["first_round"]["writes"].as_u64() > Some(0));
    }
    let objects = found["objects"].as_array().expect("a list of objects");
    let peers = objects
        .iter()
        .filter(|object| object["kind"] == "BGPPeer")
        .count();
    assert_eq!(peers, 16);
}

#[test]
fn what_is_rendered_reads_back_as_kubernetes_objects() {
    let output = run(&["render", "examples/as-per-rack.yaml"]);
    let text = String::from_utf8(output.stdout).expect("output is UTF-8");
    let listed = json(&["render", "examples/as-per-rack.yaml", "-o", "json"]);
    let listed = listed["items"].as_array().expect("a list of objects");
    let documents: Vec<serde_json::Value> = text
        .split("---\n")
        .skip(1)
        .map(|document| serde_yaml::from_str(document).expect("every document is YAML"))
        .collect();
    assert_eq!(&documents, listed);
    for object in &documents {
        assert!(object["metadata"]["name"].is_string(), "{object}");
    }
}

#[test]
fn standard_input_is_a_file_too() {
    use std::io::Write;
    let mut child = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .args(["render", "-", "tests/cli/input/status.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program has been built");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(b"options: {global-as-number: 64999}\n")
        .expect("the program reads it");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stdout).contains("asNumber: 64999"));
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success() && text.contains("simulate"),
            "{shell}"
        );
    }
    assert_eq!(run(&["completions", "cmd"]).status.code(), Some(64));
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .args(["render", "examples/fleet-200.yaml"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program has been built");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
