//! Tests that change a kernel run again in namespaces of their own.

use std::process::Command;

/// Set where a test runs again inside namespaces of its own.
const INSIDE: &str = "CALICO_CHARM_INSIDE_NAMESPACES";

/// Runs the test of this name again in network and mount namespaces of its own; `false` inside them, where it goes on.
pub fn ran_in_namespaces(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = ["--net", "--mount", "--propagation", "private"];
    let may = Command::new("unshare").args(unshare).arg("true").output();
    if !may.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED {test}: namespaces take root");
        return true;
    }
    let output = Command::new("unshare")
        .args(unshare)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Runs lines of shell; `false` when one of them fails.
pub fn shell(lines: &str) -> bool {
    let status = Command::new("sh").args(["-ec", lines]).status();
    status.unwrap().success()
}
