//! The stub hook tools and the driver, with the real binary and no cluster: what the tests of the charm stand on.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use calico_charm::sim::juju::{HookContext, JujuModel, TOOLS};
use support::juju_driver::{HookRun, JujuDriver, three_units};

fn driver(test: &str) -> Option<JujuDriver> {
    JujuDriver::start_or_skip(test, three_units())
}

fn settled(test: &str) -> Option<JujuDriver> {
    let driver = driver(test)?;
    driver.model(JujuModel::settle);
    Some(driver)
}

/// Runs a shell script in the place of a hook.
fn script(driver: &JujuDriver, hook: &HookContext, text: &str) -> (Option<i32>, String, String) {
    let output = driver
        .command("/bin/sh".as_ref(), hook)
        .args(["-c", text])
        .output()
        .expect("sh");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn names(runs: &[HookRun]) -> Vec<String> {
    runs.iter()
        .filter(|run| run.ran())
        .map(|run| run.event.name())
        .collect()
}

#[test]
fn tools_answer_like_jujus() {
    let Some(driver) = settled("tools_answer_like_jujus") else {
        return;
    };
    let hook = driver.begin_only("calico/1", "config-changed").unwrap();
    for (text, code, stdout, stderr) in [
        ("is-leader --format=json", 0, "false\n", ""),
        ("relation-ids cni --format=json", 0, "[\"cni:5\"]\n", ""),
        ("config-get vxlan", 0, "Never\n", ""),
        (
            "config-get a b",
            2,
            "",
            "ERROR unrecognized args: [\"b\"]\n",
        ),
        (
            "relation-set -r fabric:0 --app a=b",
            1,
            "",
            "ERROR cannot write relation settings\n",
        ),
        (
            "echo '{\"a\": \"1\"}' | relation-set -r fabric:0 --file -; relation-get -r fabric:0 a calico/1",
            0,
            "1\n",
            "",
        ),
        (
            "status-set blocked -- --why; status-get",
            0,
            "blocked\n",
            "",
        ),
        ("no-such-tool 2>/dev/null", 127, "", ""),
        (
            "JUJU_CONTEXT_ID=other is-leader",
            1,
            "",
            "ERROR bad request: bad context: unknown context id \"other\"\n",
        ),
    ] {
        let expected = (Some(code), stdout.to_owned(), stderr.to_owned());
        assert_eq!(script(&driver, &hook, text), expected, "{text}");
    }
    let calls = driver.calls();
    assert_eq!(calls[4].args, ["-r", "fabric:0", "--app", "a=b"]);
    assert_eq!(calls[4].code, 1);
    assert_eq!(calls[5].stdin.as_deref(), Some("{\"a\": \"1\"}\n"));
    assert_eq!(
        driver.model(|model| model.unit("calico/1").unwrap().status().message.clone()),
        "--why"
    );
    driver.end(hook.id(), false).unwrap();
    let fabric = driver.model(|model| model.relation(0).unwrap().clone());
    assert!(!fabric.unit_settings("calico/1").unwrap().contains_key("a"));
}

#[test]
fn the_environment_is_built_from_nothing() {
    let Some(driver) = settled("the_environment_is_built_from_nothing") else {
        return;
    };
    let hook = driver
        .begin_only("calico/1", "cni-relation-changed")
        .unwrap();
    let (_, stdout, _) = script(
        &driver,
        &hook,
        "env -u PWD -u OLDPWD -u SHLVL -u _ | sed 's/=.*//' | sort",
    );
    let found: Vec<&str> = stdout.lines().collect();
    let mut expected: Vec<String> = driver
        .model(|model| model.environment(&hook))
        .into_keys()
        .collect();
    // The only one that is not Juju's: it keeps the hooks off this machine's own cluster.
    expected.push("KUBECONFIG".to_owned());
    expected.sort();
    assert_eq!(found, expected);
    let (_, stdout, _) = script(
        &driver,
        &hook,
        "pwd; echo $JUJU_CHARM_DIR; command -v config-get; ls hooks/install bin",
    );
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].ends_with("agents/unit-calico-1/charm"), "{stdout}");
    assert!(lines[2].ends_with("/tools/config-get"), "{stdout}");
}

#[test]
fn tools_at_the_same_time_lose_nothing() {
    let Some(driver) = settled("tools_at_the_same_time_lose_nothing") else {
        return;
    };
    let hook = driver.begin_only("calico/1", "config-changed").unwrap();
    let text = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do relation-set -r fabric:0 k$i=$i & done; wait";
    assert_eq!(script(&driver, &hook, text).0, Some(0));
    driver.end(hook.id(), true).unwrap();
    let fabric = driver.model(|model| model.relation(0).unwrap().clone());
    let own = fabric.unit_settings("calico/1").unwrap();
    for number in 1..=16 {
        assert_eq!(own[&format!("k{number}")], number.to_string());
    }
    assert_eq!(driver.calls().len(), 16);
}

#[test]
fn tools_can_be_slow() {
    let Some(driver) = settled("tools_can_be_slow") else {
        return;
    };
    let hook = driver.begin_only("calico/1", "config-changed").unwrap();
    driver.delay_tools(Duration::from_millis(80));
    let timed = |text: &str| {
        let started = Instant::now();
        assert_eq!(script(&driver, &hook, text).0, Some(0));
        started.elapsed()
    };
    assert!(timed("is-leader") >= Duration::from_millis(80));
    let beside = timed("for i in 1 2 3 4 5 6 7 8; do is-leader & done; wait");
    assert!(beside < Duration::from_millis(8 * 80), "{beside:?}");
}

#[test]
fn a_first_start_without_kubernetes_waits() {
    let Some(driver) = driver("a_first_start_without_kubernetes_waits") else {
        return;
    };
    let runs = driver.play_all();
    for run in &runs {
        assert!(run.succeeded(), "{}: {}", run.event, run.debug_log());
        let unknown: Vec<_> = run.calls.iter().filter(|call| call.code == 2).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", run.event);
    }
    let first: Vec<String> = names(&runs).into_iter().take(6).collect();
    assert_eq!(
        first,
        [
            "install",
            "leader-elected",
            "config-changed",
            "start",
            "cni-relation-joined",
            "cni-relation-changed"
        ]
    );
    for unit in ["calico/0", "calico/1", "calico/2"] {
        let status = driver.model(|model| model.unit(unit).unwrap().status().clone());
        assert_eq!(status.status, "waiting", "{unit}: {}", status.message);
        assert_eq!(driver.model(|model| model.due(unit)), None);
    }
    // The control plane waits for these, so they are there before Kubernetes is.
    let cni = driver.model(|model| model.relation(5).unwrap().clone());
    let own = cni.unit_settings("calico/1").unwrap();
    assert_eq!(own["cidr"], "192.168.0.0/16");
    assert!(own["cni-conf-file"].contains("calico"));
}

#[test]
fn hooks_have_their_machines_host_name() {
    let Some(driver) = settled("hooks_have_their_machines_host_name") else {
        return;
    };
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let charm = driver.begin_only("calico/2", "update-status").unwrap();
    let (_, folder, _) = script(&driver, &charm, "pwd");
    driver.end(charm.id(), true).unwrap();
    let hook = std::path::Path::new(folder.trim()).join("hooks/config-changed");
    std::fs::write(
        &hook,
        "#!/bin/sh\ncat /proc/sys/kernel/hostname\nexec juju-log seen\n",
    )
    .unwrap();
    let run = driver.run("calico/2", "config-changed");
    assert_eq!(run.stdout, "node-2\n");
    assert_eq!(
        run.debug_log(),
        "unit.calico/2.juju-log INFO seen\nunit.calico/2.config-changed DEBUG node-2"
    );
    assert_eq!(
        std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap(),
        own
    );
}

#[test]
fn a_killed_hook_leaves_nothing_and_runs_again() {
    let Some(driver) = settled("a_killed_hook_leaves_nothing_and_runs_again") else {
        return;
    };
    driver.delay_tools(Duration::from_millis(50));
    let running = driver.spawn("calico/1", "config-changed");
    std::thread::sleep(Duration::from_millis(30));
    let run = running.kill();
    assert!(!run.succeeded());
    assert_eq!(
        driver
            .model(|model| model.unit("calico/1").unwrap().error())
            .as_deref(),
        Some("hook failed: \"config-changed\"")
    );
    let runs = driver.play("calico/1");
    assert_eq!(names(&runs), ["config-changed"]);
    assert!(runs[0].succeeded());
    // Nothing is left to say: a second time it writes nothing.
    let again = driver.run("calico/1", "update-status");
    let written: Vec<_> = again
        .calls
        .iter()
        .filter(|call| call.tool == "relation-set")
        .collect();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn every_tool_is_on_the_path() {
    let Some(driver) = settled("every_tool_is_on_the_path") else {
        return;
    };
    let hook = driver.begin_only("calico/1", "config-changed").unwrap();
    for tool in TOOLS {
        let (code, _, _) = script(&driver, &hook, &format!("command -v {}", tool.name()));
        assert_eq!(code, Some(0), "{}", tool.name());
    }
    assert!(Command::new("config-get").output().is_err());
}
