//! Every finding of the catalogue is found where it should be, and nowhere else.
//!
//! `tests/findings/F043/failing.yaml` is a small fabric with that mistake and no other, `fixed.yaml` the same fabric
//! after the remedy. What a fabric file cannot hold is in [`ELSEWHERE`] with the test that proves it.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use calico_charm::fabric::catalogue::ENTRIES;
use serde_json::Value;

/// Where a finding without fixtures is proven.
#[derive(Debug, Clone, Copy)]
enum Elsewhere {
    /// Only objects in a cluster, or the change from one fabric to another, show it: this test has both cases.
    Test(&'static str),
    /// The charm meets it in a cluster: the golden case that blocks and the one that does not.
    Golden(&'static str, &'static str),
    /// Nothing shows it yet: why.
    ToCome(&'static str),
}
use Elsewhere::{Golden, Test, ToCome};

#[rustfmt::skip] // a table, one row a finding
const ELSEWHERE: &[(u16, Elsewhere)] = &[
    (5, Golden("as-4200000101-blocked", "as-4200000101-by-annotation")),
    (11, ToCome("no option asks for a field that a supported release lacks")),
    (24, Test("two_peers_for_one_address")),
    (25, Test("a_global_peer_hides_one_of_a_node")),
    (26, Test("ports_that_nobody_listens_on")),
    (27, Test("passwords_of_one_end")),
    (28, Test("ttl_security_of_one_end")),
    (29, Test("nobody_peers_back")),
    (30, Test("router_ids_from_names_that_are_the_same")),
    (31, Test("peers_without_bird")),
    (33, Test("filters_that_do_not_exist")),
    (34, Test("peers_that_no_option_asks_for")),
    (49, Test("as_numbers_on_some_nodes_of_a_mesh")),
    (65, Test("blocks_that_are_held_back")),
    (69, Test("sessions_under_another_number")),
    (82, ToCome("nothing tells of which kind the cloud is")),
    (84, ToCome("the FelixConfiguration is not read yet")),
    (93, Test("announced_services_outside_the_cluster")),
    (94, ToCome("the charm keeps such a pool until no pod is left in it, and its status counts them")),
    (100, Test("sessions_to_a_new_node_replace_the_mesh_too_late")),
    (101, Test("a_cluster_id_restarts_what_is_reflected")),
    (103, Test("the_last_reflector_is_missed")),
    (104, Golden("block-size-left-behind", "pool-adopted-by-cidr")),
    (105, Test("as_numbers_that_move_restart_everything")),
    (107, Golden("pool-of-the-operator-blocks", "pool-adopted-by-cidr")),
    (108, Test("what_is_not_modelled_is_a_note")),
    (109, ToCome("the live sessions are not read yet")),
    (110, Test("a_tunnel_that_changes_cuts_pods_off")),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder(code: impl std::fmt::Display) -> PathBuf {
    root().join(format!("tests/findings/{code}"))
}

/// The text of every source file below a folder.
fn read_sources(folder: &Path, found: &mut Vec<String>) {
    for file in fs::read_dir(folder).expect("the folder is part of the project") {
        let path = file.expect("it can be read").path();
        if path.is_dir() {
            read_sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.extend(fs::read_to_string(&path));
        }
    }
}

/// What the check found.
#[derive(Debug)]
struct Found {
    /// Codes of errors.
    errors: BTreeSet<String>,
    /// All codes.
    codes: BTreeSet<String>,
    /// The whole answer.
    answer: Value,
}

/// Runs `check` on files, which must come to a result.
fn check(files: &[&Path]) -> Found {
    let output = Command::new(env!("CARGO_BIN_EXE_calico-charm"))
        .arg("check")
        .args(files)
        .args(["-o", "json"])
        .output()
        .expect("the binary was built");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.is_empty(), "{files:?}: {stderr}");
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{files:?}: {error}: {output:?}"));
    // Files that cannot be read have problems in place of findings.
    let listed = ["findings", "problems"]
        .into_iter()
        .find_map(|key| answer[key].as_array())
        .unwrap_or_else(|| panic!("{files:?}: {answer}"));
    let codes = |only: Option<&str>| {
        listed
            .iter()
            .filter(|finding| only.is_none_or(|severity| finding["severity"] == severity))
            .map(|finding| finding["code"].as_str().unwrap_or("none").to_owned())
            .collect::<BTreeSet<String>>()
    };
    let found = Found {
        errors: codes(Some("error")),
        codes: codes(None),
        answer: answer.clone(),
    };
    let refuted = ["nodes", "routers"]
        .iter()
        .any(|property| answer["verdicts"][property]["verdict"] == "refuted");
    let failed = !found.errors.is_empty() || refuted;
    assert_eq!(output.status.code(), Some(i32::from(failed)), "{files:?}");
    found
}

#[test]
fn every_finding_has_a_failing_and_a_fixed_fabric_or_a_test() {
    let mut missing = Vec::new();
    let mut sources = Vec::new();
    read_sources(&root().join("src"), &mut sources);
    for entry in ENTRIES {
        let files =
            ["failing", "fixed"].map(|name| folder(entry.code).join(name).with_extension("yaml"));
        let has_files = files.iter().all(|file| file.is_file());
        let elsewhere = ELSEWHERE.iter().find(|(code, _)| *code == entry.code.0);
        match elsewhere {
            Some(_) if has_files => missing.push(format!("{} is listed and has files", entry.code)),
            None if !has_files => {
                missing.push(format!("{} ({}) has no files", entry.code, entry.title));
            }
            Some((_, Test(name))) => {
                let proof = sources.iter().find_map(|text| {
                    let (_, rest) = text.split_once(&format!("fn {name}("))?;
                    rest.split("#[test]").next()
                });
                if proof.is_none_or(|proof| !proof.contains(&entry.code.0.to_string())) {
                    missing.push(format!("{}: no test {name} proves it", entry.code));
                }
            }
            Some((_, Golden(failing, fixed))) => {
                let cases = [(failing, true), (fixed, false)];
                missing.extend(
                    cases
                        .iter()
                        .filter(|(case, blocks)| {
                            let status = root().join(format!("tests/golden/{case}/status.txt"));
                            let status = fs::read_to_string(status).unwrap_or_default();
                            status.is_empty() || status.contains(": blocked: ") != *blocks
                        })
                        .map(|(case, _)| {
                            format!("{}: golden case {case} does not show it", entry.code)
                        }),
                );
            }
            Some((_, ToCome(why))) => assert!(!why.is_empty(), "{}", entry.code),
            None => {}
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn nothing_is_proven_that_the_catalogue_lacks() {
    let known: BTreeSet<String> = ENTRIES.iter().map(|entry| entry.code.to_string()).collect();
    for file in
        fs::read_dir(root().join("tests/findings")).expect("the folder is part of the project")
    {
        let name = file.expect("it can be read").file_name();
        let name = name.to_string_lossy();
        assert!(name == "seeds" || known.contains(name.as_ref()), "{name}");
    }
    for (code, _) in ELSEWHERE {
        assert!(
            ENTRIES.iter().any(|entry| entry.code.0 == *code),
            "F{code:03}"
        );
    }
}

#[test]
fn each_mistake_is_found_by_its_code_alone_and_its_repair_is_clean() {
    let mut wrong = Vec::new();
    for entry in ENTRIES {
        let code = entry.code.to_string();
        let failing = folder(&code).join("failing.yaml");
        if !failing.is_file() {
            continue;
        }
        let found = check(&[&failing]);
        let others: Vec<&String> = found
            .errors
            .iter()
            .filter(|error| **error != code)
            .collect();
        if !found.codes.contains(&code) || !others.is_empty() {
            wrong.push(format!("{code} failing: found {:?}", found.codes));
        }
        if found.errors.contains(&code) != (entry.severity.as_str() == "error") {
            wrong.push(format!(
                "{code} failing: not of severity {}",
                entry.severity.as_str()
            ));
        }
        for finding in found.answer["findings"].as_array().into_iter().flatten() {
            if finding["code"] == code.as_str() && finding["remedy"].is_null() {
                wrong.push(format!("{code} failing: no remedy in {finding}"));
            }
        }
        let fixed = check(&[&folder(&code).join("fixed.yaml")]);
        if fixed.codes.contains(&code) || !fixed.errors.is_empty() {
            wrong.push(format!("{code} fixed: found {:?}", fixed.codes));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first line of a fixture says what is wrong with it.
#[test]
fn each_fixture_says_what_it_is() {
    for entry in ENTRIES {
        for name in ["failing.yaml", "fixed.yaml"] {
            let Ok(text) = fs::read_to_string(folder(entry.code).join(name)) else {
                continue;
            };
            assert!(text.starts_with("# "), "{} {name}", entry.code);
        }
    }
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(root().join(folder)).expect("the folder is part of the project");
    let paths = files.map(|file| file.expect("it can be read").path());
    let mut yaml: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    yaml.sort();
    assert!(!yaml.is_empty(), "{folder}");
    yaml
}

#[test]
fn examples_and_the_documentations_blocks_have_no_error() {
    for folder in ["examples", "tests/findings/seeds"] {
        for file in yaml_files(folder) {
            let found = check(&[&file]);
            assert_eq!(
                found.errors,
                BTreeSet::new(),
                "{}: {:#}",
                file.display(),
                found.answer
            );
            let verdict = &found.answer["verdicts"]["nodes"]["verdict"];
            assert!(
                verdict == "proved" || verdict == "proved-if",
                "{}: {verdict}",
                file.display()
            );
        }
    }
}

#[test]
fn bundles_have_no_error_with_units_of_a_status_or_of_a_file() {
    let status = root().join("tests/cli/input/status.json");
    let units = root().join("tests/cli/input/dual-stack-units.yaml");
    for overlay in yaml_files("examples/bundles") {
        let dual = overlay.ends_with("dual-stack.yaml");
        for units in [&units, &status] {
            if dual && *units == status {
                // The machines of that status have IPv4 addresses alone, and the overlay says that they need both.
                continue;
            }
            let found = check(&[&overlay, units]);
            assert_eq!(
                found.errors,
                BTreeSet::new(),
                "{}: {:#}",
                overlay.display(),
                found.answer
            );
        }
    }
}
