//! Every tool's answers, as tables over one model.

mod effects;
mod json;
mod refused;

use serde_json::{Value, json};

use crate::juju::tools::ToolOutput;
use crate::sim::juju::{Event, HookContext, JujuModel, Machine, NetworkSpelling, UnitHook};

/// calico/0 beside the control plane's leader, calico/1 and calico/2 beside workers; calico/0 leads. Nothing is due.
fn model() -> JujuModel {
    let machine = |name: &str, address: &str| Machine::new(name).with_address("ens3", address);
    let mut model = JujuModel::charmed_kubernetes(
        vec![machine("node-a", "10.0.0.5/24").in_zone("az1")],
        vec![
            machine("node-b", "10.0.0.6/24"),
            machine("node-c", "10.0.1.7/24"),
        ],
    )
    .unwrap();
    model.settle();
    model
}

fn run(model: &mut JujuModel, hook: &mut HookContext, line: &str, stdin: &str) -> ToolOutput {
    let mut words = line.split(' ').map(str::to_owned);
    let tool = words.next().unwrap();
    let args: Vec<String> = words.collect();
    model.call(hook, &tool, &args, Some(stdin))
}

/// Runs a command in update-status of a unit; `Ok` is standard output, `Err` the exit status and standard error.
fn answer(model: &mut JujuModel, unit: &str, line: &str) -> Result<String, (i32, String)> {
    let mut hook = model.begin_hook(unit, "update-status").unwrap();
    let output = run(model, &mut hook, line, "");
    model.commit(hook).unwrap();
    check_shape(line, &output);
    if output.code == 0 {
        Ok(output.stdout)
    } else {
        let text = output.stderr.trim_end().strip_prefix("ERROR ").unwrap();
        Err((output.code, text.to_owned()))
    }
}

fn check_shape(line: &str, output: &ToolOutput) {
    if output.code == 0 {
        assert_eq!(output.stderr, "", "{line}");
    } else {
        assert_eq!(output.stdout, "", "{line}");
        assert!(output.stderr.ends_with('\n'), "{line}");
    }
}

/// Runs each command on a settled model and compares its JSON.
fn check_json<const N: usize>(table: [(&str, &str, Value); N]) {
    for (unit, line, expected) in table {
        let mut model = model();
        let stdout =
            answer(&mut model, unit, line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert!(stdout.ends_with('\n'), "{line}");
        let value: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(value, expected, "{unit}: {line}");
    }
}
