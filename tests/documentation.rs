//! `docs/charmhub.md`, the page of the charm, is what `config.yaml`, `actions.yaml` and `metadata.yaml` say;
//! `docs/findings.md` is what the check's catalogue says.
//!
//! `UPDATE_DOCS=1` rewrites both, the one from `docs/charmhub.template.md`.
#![allow(
    clippy::panic,
    reason = "clippy exempts test functions, not their helpers"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use calico_charm::fabric::catalogue::{ENTRIES, Entry, group};
use serde_yaml::{Mapping, Value};

const PAGE: &str = "docs/charmhub.md";
const FINDINGS: &str = "docs/findings.md";
const TEMPLATE: &str = "docs/charmhub.template.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_yaml::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn entries(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = map.as_mapping().into_iter().flat_map(Mapping::iter);
    entries.map(|(name, value)| (name.as_str().expect("a name"), value))
}

fn field<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {of:?}"))
}

/// Prose in Markdown: what is in backticks stays, and signs that mean something there are escaped.
fn prose(text: &str) -> String {
    let mut escaped = String::new();
    for (number, part) in text.split('`').enumerate() {
        if number > 0 {
            escaped.push('`');
        }
        let in_code = number % 2 == 1;
        for character in part.chars() {
            if !in_code && matches!(character, '<' | '*' | '[' | ']') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
    }
    escaped
}

/// A description as Juju shows it, in Markdown: an indented paragraph is an example.
fn description(text: &str) -> String {
    let paragraphs = text.trim_end().split("\n\n").map(|paragraph| {
        let indented = paragraph.lines().map(|line| line.strip_prefix("  "));
        if let Some(example) = indented.clone().collect::<Option<Vec<_>>>() {
            return format!("```\n{}\n```\n", example.join("\n"));
        }
        assert!(
            indented.flatten().next().is_none(),
            "an example has empty lines round it: {paragraph}"
        );
        format!("{}\n", prose(paragraph))
    });
    paragraphs.collect::<Vec<_>>().join("\n")
}

/// A default in words.
fn default(of: &Value) -> String {
    match of.get("default") {
        None | Some(Value::Null) => "not set".to_owned(),
        Some(Value::String(value)) if value.is_empty() => "default empty".to_owned(),
        Some(Value::String(value)) => format!("default `{value}`"),
        Some(Value::Bool(value)) => format!("default `{value}`"),
        Some(Value::Number(value)) => format!("default `{value}`"),
        Some(other) => panic!("default {other:?}"),
    }
}

fn options() -> String {
    let config = yaml("config.yaml");
    let sections = entries(&config["options"]).map(|(name, option)| {
        format!(
            "### {name}\n\n*{}, {}*\n\n{}",
            field(option, "type"),
            default(option),
            description(field(option, "description"))
        )
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn parameters(action: &Value) -> String {
    let required = action.get("required").and_then(Value::as_sequence);
    let mut table = String::new();
    for (name, parameter) in entries(&action["params"]) {
        if table.is_empty() {
            table.push_str("\n| parameter | type | | |\n|---|---|---|---|\n");
        }
        let needed = required.is_some_and(|names| names.contains(&Value::from(name)));
        let default = if needed {
            "required".to_owned()
        } else {
            default(parameter)
        };
        let mut about = prose(field(parameter, "description"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if let Some(values) = parameter.get("enum").and_then(Value::as_sequence) {
            let values = values.iter().map(|value| value.as_str().expect("a text"));
            let values: Vec<String> = values.map(|value| format!("`{value}`")).collect();
            write!(about, " One of {}.", values.join(", ")).expect("a String takes everything");
        }
        writeln!(
            table,
            "| `{name}` | {} | {default} | {about} |",
            field(parameter, "type")
        )
        .expect("a String takes everything");
    }
    table
}

fn actions() -> String {
    let actions = yaml("actions.yaml");
    let sections = entries(&actions).map(|(name, action)| {
        let about = description(field(action, "description"));
        format!("### {name}\n\n{about}{}", parameters(action))
    });
    sections.collect::<Vec<_>>().join("\n")
}

fn relations() -> String {
    let metadata = yaml("metadata.yaml");
    let mut table = String::from("| endpoint | role | interface | |\n|---|---|---|---|\n");
    for role in ["requires", "provides", "peers"] {
        let Some(endpoints) = metadata.get(role) else {
            continue;
        };
        for (name, endpoint) in entries(endpoints) {
            let interface = field(endpoint, "interface");
            let scope = endpoint.get("scope").and_then(Value::as_str);
            let mut notes: Vec<String> = scope
                .map(|scope| format!("scope {scope}"))
                .into_iter()
                .collect();
            if endpoint["optional"] == Value::Bool(true) {
                notes.push("optional".to_owned());
            }
            writeln!(
                table,
                "| `{name}` | {role} | `{interface}` | {} |",
                notes.join(", ")
            )
            .expect("a String takes everything");
        }
    }
    table
}

fn resources() -> String {
    let metadata = yaml("metadata.yaml");
    let sections = entries(&metadata["resources"]).map(|(name, resource)| {
        format!(
            "### {name}\n\n*{}, `{}`*\n\n{}",
            field(resource, "type"),
            field(resource, "filename"),
            description(field(resource, "description"))
        )
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// The template with each `<!-- name -->` line replaced.
fn page() -> String {
    let mut page = String::from("<!-- Made from charmhub.template.md: see CONTRIBUTING.md. -->\n");
    for line in text(TEMPLATE).lines() {
        let part = line
            .strip_prefix("<!-- ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        let made = match part {
            None => format!("{line}\n"),
            Some("metadata") => description(field(&yaml("metadata.yaml"), "description")),
            Some("options") => options(),
            Some("actions") => actions(),
            Some("relations") => relations(),
            Some("resources") => resources(),
            Some(other) => panic!("{TEMPLATE}: {other} is made by nothing"),
        };
        page.push_str(&made);
    }
    page
}

/// A finding's section.
fn finding(entry: &Entry) -> String {
    let mut section = format!(
        "### {}: {}\n\n*{}*\n\n{}\n",
        entry.code,
        entry.title,
        entry.severity.as_str(),
        entry.explanation
    );
    if let Some(option) = entry.option_to_come {
        writeln!(
            section,
            "No option of this release makes it (to come: {option}); the check finds it in objects that others made.\n"
        )
        .expect("a String takes everything");
    }
    section
}

/// Every finding by group, as `explain` prints it.
fn findings() -> String {
    let mut page = String::from(
        "<!-- Made from src/fabric/catalogue: see CONTRIBUTING.md. -->\n# Findings\n\n\
         What `calico-charm check` and the charm can find wrong with a fabric. `calico-charm explain F043` prints one of\n\
         these pages. An error means that sessions or routes are missing; a warning, that it works and there is something\n\
         to know; a note, that something was left out of account.\n\n",
    );
    for of_group in ENTRIES.chunk_by(|one, next| group(one.code) == group(next.code)) {
        let first = of_group.first().expect("chunks are never empty");
        write!(page, "## {}\n\n", group(first.code)).expect("a String takes everything");
        page.extend(of_group.iter().map(finding));
    }
    let end = page.trim_end().len();
    page.truncate(end);
    page.push('\n');
    page
}

/// Compares a page with what it is made from, or rewrites it.
fn keep(name: &str, page: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(name), page).expect("the page is writable");
        return;
    }
    let kept = text(name);
    let differs = kept.lines().zip(page.lines()).find(|(old, new)| old != new);
    assert!(
        kept == page,
        "{name} is stale, from {differs:?} on: run UPDATE_DOCS=1 cargo test --test documentation"
    );
}

#[test]
fn the_charm_page_says_what_the_charm_has() {
    keep(PAGE, &page());
}

#[test]
fn the_findings_page_says_what_the_catalogue_has() {
    keep(FINDINGS, &findings());
}

/// The page has a section for each, so nothing is dropped on the way and nothing stays when it goes.
#[test]
fn the_charm_page_has_a_section_for_everything() {
    let page = page();
    let metadata = yaml("metadata.yaml");
    let (config, actions) = (yaml("config.yaml"), yaml("actions.yaml"));
    let expected: Vec<&str> = [&config["options"], &actions, &metadata["resources"]]
        .into_iter()
        .flat_map(entries)
        .map(|(name, _)| name)
        .collect();
    let sections: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(sections, expected);
    for role in ["requires", "peers"] {
        for (name, _) in entries(&metadata[role]) {
            assert!(page.contains(&format!("| `{name}` | {role} |")), "{name}");
        }
    }
    let fences = page.lines().filter(|line| *line == "```").count();
    assert!(fences > 20 && fences % 2 == 0, "{fences} fences");
}

#[test]
fn descriptions_become_markdown() {
    assert_eq!(
        description("The <a> of `<b>`, x-*.\n\n  juju a\n  juju b\n\nEnd [1].\n\n  last\n"),
        "The \\<a> of `<b>`, x-\\*.\n\n```\njuju a\njuju b\n```\n\nEnd \\[1\\].\n\n```\nlast\n```\n"
    );
}
