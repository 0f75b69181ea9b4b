//! The files round the code agree with each other: options, shims, metadata, README, examples.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use calico_charm::config::{CharmConfig, RawConfig, RawValue};
use calico_charm::juju::Action;
use serde_yaml::{Mapping, Value};

const SHIM: &str = "#!/bin/sh\nexec \"${0%/*}/../bin/calico-charm\" VERB \"${0##*/}\"\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).expect("folder of the project");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("UTF-8 name")
        })
        .collect();
    names.sort();
    names
}

fn options() -> Mapping {
    yaml("config.yaml")["options"]
        .as_mapping()
        .expect("config.yaml: options")
        .clone()
}

fn field<'a>(option: &'a Value, name: &str) -> &'a str {
    option[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {option:?}"))
}

/// The option's default as the table shows it, or nothing when there is none.
fn default_cell(option: &Value) -> String {
    match option.get("default") {
        None => String::new(),
        Some(Value::String(value)) if value.is_empty() => "empty".to_owned(),
        Some(Value::String(value)) => format!("`{value}`"),
        Some(Value::Bool(value)) => format!("`{value}`"),
        Some(Value::Number(value)) => format!("`{value}`"),
        Some(other) => panic!("default {other:?}"),
    }
}

/// The description up to the first full stop that ends a sentence.
fn first_sentence(description: &str) -> String {
    let paragraph = description.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let end = line.find(". ").map_or(line.len(), |dot| dot + 1);
    line[..end].to_owned()
}

fn options_table() -> String {
    let mut table = String::from("| option | type | default | |\n|---|---|---|---|\n");
    for (name, option) in &options() {
        let name = name.as_str().expect("option name");
        let (kind, default) = (field(option, "type"), default_cell(option));
        let sentence = first_sentence(field(option, "description"));
        writeln!(table, "| `{name}` | {kind} | {default} | {sentence} |")
            .expect("a String takes everything");
    }
    table
}

fn actions_table() -> String {
    let actions = yaml("actions.yaml");
    let mut table = String::from("| action | does |\n|---|---|\n");
    for (name, action) in actions.as_mapping().expect("actions.yaml: a map") {
        let name = name.as_str().expect("action name");
        let sentence = first_sentence(field(action, "description"));
        writeln!(table, "| `{name}` | {sentence} |").expect("a String takes everything");
    }
    table
}

#[test]
fn readme_lists_the_options_and_the_actions() {
    let before = text("README.md");
    let mut readme = before.clone();
    for (name, table) in [("options", options_table()), ("actions", actions_table())] {
        let mark = format!("<!-- {name} -->\n");
        let start = readme.find(&mark).expect("start of the table") + mark.len();
        let end = readme.find(&format!("<!-- /{name} -->"));
        readme.replace_range(start..end.expect("end of the table"), &table);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(root().join("README.md"), readme).expect("README.md is writable");
    } else {
        let hint = "run UPDATE_README=1 cargo test --test project";
        assert_eq!(before, readme, "{hint}");
    }
}

#[test]
fn every_option_is_described_with_an_example() {
    for (name, option) in &options() {
        let name = name.as_str().expect("option name");
        let description = field(option, "description");
        assert!(
            description.contains(&format!("\n  juju config calico {name}=")),
            "{name}: no example that sets it"
        );
        let sentence = first_sentence(description);
        assert!(
            sentence.ends_with('.') && sentence.len() < 260,
            "{name}: {sentence}"
        );
        let right_type = match (field(option, "type"), option.get("default")) {
            ("string", default) => default.is_none_or(Value::is_string),
            ("int", default) => default.is_none_or(Value::is_i64),
            ("boolean", default) => default.is_some_and(Value::is_bool),
            _ => false,
        };
        assert!(right_type, "{name}: type and default do not fit");
        let keys = option
            .as_mapping()
            .expect("a map")
            .keys()
            .filter_map(Value::as_str);
        let unknown: Vec<&str> = keys
            .filter(|key| !["type", "default", "description"].contains(key))
            .collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

/// The `juju config calico NAME=VALUE` lines of a description, as the shell would read them.
fn documented_settings(description: &str) -> Vec<(String, String)> {
    let calls = description.split("\n  juju config calico ").skip(1);
    calls
        .map(|call| {
            let (name, value) = call.split_once('=').expect("NAME=VALUE");
            let value = match value.strip_prefix('"') {
                Some(quoted) => quoted
                    .split('"')
                    .next()
                    .unwrap_or_default()
                    .replace("\n  ", "\n"),
                None => value
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            };
            (name.to_owned(), value)
        })
        .collect()
}

/// What an operator copies from a description is accepted, and its defaults are.
#[test]
fn documented_settings_are_accepted() {
    CharmConfig::parse_strict(&RawConfig::default(), "calico").expect("the defaults");
    for (name, option) in &options() {
        let name = name.as_str().expect("option name");
        for (set, value) in documented_settings(field(option, "description")) {
            let kind = options()[set.as_str()]["type"]
                .as_str()
                .expect("type")
                .to_owned();
            let raw = match kind.as_str() {
                "int" => RawValue::Integer(value.parse().expect("an integer")),
                "boolean" => RawValue::Boolean(value.parse().expect("a boolean")),
                _ => RawValue::Text(value.clone()),
            };
            let mut config = RawConfig::default();
            config.insert(set.as_str(), raw);
            let parsed = CharmConfig::parse_strict(&config, "calico");
            assert!(parsed.is_ok(), "{name}: {set}={value}: {parsed:?}");
            assert_ne!(
                parsed.ok(),
                CharmConfig::parse(&RawConfig::default(), "calico").ok(),
                "{name}: {set}={value} sets nothing"
            );
        }
    }
}

/// Juju skips `hooks/` when there is a `dispatch` (Juju: uniter, hook dispatch).
#[test]
fn hooks_are_shims_round_the_binary() {
    assert!(
        !root().join("dispatch").exists(),
        "a dispatch file would hide hooks/"
    );
    let hooks = names("hooks");
    assert!(hooks.len() > 10, "{hooks:?}");
    shims("hooks", &SHIM.replace("VERB", "hook"));
}

/// Every file of a folder is this shim, and Juju may run it.
fn shims(folder: &str, shim: &str) {
    for name in names(folder) {
        let path = root().join(folder).join(&name);
        assert_eq!(fs::read_to_string(&path).expect("a shim"), shim, "{name}");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{name} is not executable");
    }
}

/// Juju fails an action that has no file, and never runs a file that is no action.
#[test]
fn every_action_is_declared_has_a_shim_and_is_known_to_the_program() {
    shims("actions", &SHIM.replace("VERB", "action"));
    let declared = yaml("actions.yaml");
    let declared = declared.as_mapping().expect("a map of actions");
    let declared: BTreeSet<&str> = declared.keys().filter_map(Value::as_str).collect();
    let known: BTreeSet<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!(declared, known);
    let shims = names("actions");
    assert_eq!(declared, shims.iter().map(String::as_str).collect());
}

/// What `charm proof` and Juju ask of `actions.yaml` (Juju: `charm/actions.go`), and what an operator does.
#[test]
fn actions_are_described_with_an_example_and_their_parameters_have_defaults() {
    let plain = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .chars()
                .all(|one| one.is_ascii_lowercase() || one == '-')
            && !name.starts_with("juju-")
    };
    for (name, action) in yaml("actions.yaml").as_mapping().expect("a map of actions") {
        let name = name.as_str().expect("a name");
        assert!(plain(name), "{name}");
        let description = field(action, "description");
        let example = format!("\n  juju run calico/leader {name}");
        assert!(description.contains(&example), "{name}: no example");
        let sentence = first_sentence(description);
        assert!(sentence.ends_with('.') && sentence.len() < 260, "{name}");
        assert_eq!(action["additionalProperties"], Value::Bool(false), "{name}");
        let params = action.get("params").and_then(Value::as_mapping);
        for (param, schema) in params.into_iter().flatten() {
            let param = param.as_str().expect("a name");
            assert!(plain(param), "{name}: {param}");
            assert!(
                field(schema, "description").ends_with('.'),
                "{name}: {param}"
            );
            let right_type = match field(schema, "type") {
                "string" => schema["default"].is_string(),
                "boolean" => schema["default"].is_bool(),
                "integer" => schema["default"].is_i64(),
                _ => false,
            };
            assert!(right_type, "{name}: {param}");
        }
    }
}

/// A misspelt shim would never run: every name is a hook Juju knows, or one of an endpoint.
#[test]
fn hooks_are_named_as_juju_names_them() {
    const LIFECYCLE: [&str; 8] = [
        "install",
        "config-changed",
        "start",
        "stop",
        "upgrade-charm",
        "update-status",
        "leader-elected",
        "remove",
    ];
    const RELATION: [&str; 5] = ["created", "joined", "changed", "departed", "broken"];
    let metadata = yaml("metadata.yaml");
    let mut known: BTreeSet<String> = LIFECYCLE.map(str::to_owned).into();
    for role in ["requires", "peers"] {
        for endpoint in metadata[role].as_mapping().expect(role).keys() {
            let endpoint = endpoint.as_str().expect("endpoint");
            known.extend(RELATION.map(|event| format!("{endpoint}-relation-{event}")));
        }
    }
    for hook in names("hooks") {
        assert!(known.contains(&hook), "{hook} is no hook of this charm");
    }
}

/// What existing bundles rely on: names of the charm, its endpoints and its resources.
#[test]
fn metadata_keeps_what_bundles_name() {
    let metadata = yaml("metadata.yaml");
    assert_eq!(metadata["name"], "calico");
    assert_eq!(metadata["subordinate"], Value::Bool(true));
    assert_eq!(metadata["requires"]["cni"]["interface"], "kubernetes-cni");
    assert_eq!(metadata["requires"]["cni"]["scope"], "container");
    assert_eq!(metadata["requires"]["etcd"]["interface"], "etcd");
    assert_eq!(metadata["peers"]["fabric"]["interface"], "calico-fabric");
    for resource in ["calico", "calico-arm64"] {
        assert_eq!(
            metadata["resources"][resource]["type"], "file",
            "{resource}"
        );
        assert_eq!(
            metadata["resources"][resource]["filename"], "calico.tar.gz",
            "{resource}"
        );
    }
    // Juju takes a file of the same extension only (Juju: apiserver, resource upload).
    assert_eq!(metadata["resources"]["manifests"]["type"], "file");
    assert_eq!(
        metadata["resources"]["manifests"]["filename"],
        "manifests.tar.gz"
    );
    assert!(metadata.get("series").is_none(), "Juju 4 refuses `series`");
}

/// Charmcraft refuses a key that both files have, and packs nothing it is not told of.
#[test]
fn charmcraft_packs_files_that_exist() {
    let charmcraft = yaml("charmcraft.yaml");
    for key in ["name", "summary", "description", "config", "actions"] {
        assert!(
            charmcraft.get(key).is_none(),
            "{key} is in a file of its own"
        );
    }
    let stage = charmcraft["parts"]["files"]["stage"]
        .as_sequence()
        .expect("stage");
    for name in stage.iter().filter_map(Value::as_str) {
        assert!(root().join(name).exists(), "{name}");
    }
    let platforms = charmcraft["platforms"].as_mapping().expect("platforms");
    for base in ["22.04", "24.04"] {
        for architecture in ["amd64", "arm64"] {
            let platform = format!("ubuntu@{base}:{architecture}");
            assert!(platforms.contains_key(platform.as_str()), "{platform}");
        }
    }
}

/// Charmhub shows a square SVG of 100 pixels; one that loads something from elsewhere would not show.
#[test]
fn the_icon_is_a_square_that_stands_alone() {
    let icon = text("icon.svg");
    assert!(icon.starts_with(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100" viewBox="0 0 100 100">"#
    ));
    for word in ["href", "url(", "<script", "<image", "<!ENTITY"] {
        assert!(!icon.contains(word), "{word}");
    }
}

fn examples() -> Vec<PathBuf> {
    let files = names("examples").into_iter();
    let paths = files.map(|name| Path::new("examples").join(name));
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect()
}

#[test]
fn examples_say_what_they_show_and_use_known_options() {
    let known = options();
    assert_eq!(examples().len(), 7);
    for example in examples() {
        let name = example.to_str().expect("UTF-8 name");
        let content = text(name);
        let comment: Vec<&str> = content
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        assert!(
            comment.iter().any(|line| line.starts_with("# Look at: ")),
            "{name}: says not what to look at"
        );
        let fabric = yaml(name);
        let options = fabric
            .get("options")
            .map(|options| options.as_mapping().expect("options").clone());
        for option in options.unwrap_or_default().keys() {
            assert!(known.contains_key(option), "{name}: {option:?}");
        }
        let units = fabric["units"].as_mapping().expect("units");
        let leaders = units
            .values()
            .filter(|unit| unit.get("leader").is_some())
            .count();
        assert_eq!(leaders, 1, "{name}: leaders");
        let nodes: BTreeSet<&str> = units.values().map(|unit| field(unit, "node")).collect();
        assert_eq!(nodes.len(), units.len(), "{name}: two units on one node");
    }
}

#[test]
fn the_fleet_is_what_its_generator_writes() {
    let output = Command::new(root().join("examples/generate-fleet"))
        .arg("200")
        .output()
        .expect("sh and awk");
    assert!(output.status.success());
    let generated = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(generated, text("examples/fleet-200.yaml"));
    let fleet: Value = serde_yaml::from_str(&generated).expect("YAML");
    assert_eq!(fleet["units"].as_mapping().expect("units").len(), 200);
}
