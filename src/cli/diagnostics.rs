//! What is wrong with the user's files, shown at the line where it stands.

use std::fmt::Write;
use std::io::IsTerminal;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::fabric::{SourceFile, Spot};
use crate::fabric::{Code, Severity};
use crate::model::Place;
use crate::printable::{is_printable, printable_line};

/// How many are shown.
const SHOWN: usize = 20;

/// One thing that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Which finding of the catalogue it is, where it is one.
    pub code: Option<Code>,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The same as a line to paste.
    pub command: Option<String>,
    /// What the same repair would mend.
    pub notes: Vec<String>,
    /// Where it stands.
    pub spot: Option<Spot>,
    /// The value at fault.
    pub value: Option<String>,
    /// Option and path, for a problem of an option.
    pub place: Option<Place>,
    /// The second place of a contradiction, and what is there.
    pub other: Option<(Option<Spot>, String)>,
}

impl Diagnostic {
    /// An error that stands at `spot`.
    #[must_use]
    pub fn new(message: impl Into<String>, spot: impl Into<Option<Spot>>) -> Self {
        Self {
            severity: Severity::Error,
            code: None,
            message: message.into(),
            help: None,
            command: None,
            notes: Vec::new(),
            spot: spot.into(),
            value: None,
            place: None,
            other: None,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Adds which finding it is.
    #[must_use]
    pub fn code(self, code: Code) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// Adds the second place.
    #[must_use]
    pub fn other(self, spot: impl Into<Option<Spot>>, label: impl Into<String>) -> Self {
        Self {
            other: Some((spot.into(), label.into())),
            ..self
        }
    }

    /// As JSON; what it has not is left out.
    #[must_use]
    pub fn json(&self, files: &[SourceFile]) -> Value {
        let mut json = json!({"severity": self.severity.as_str(), "message": self.message});
        if let Some(code) = self.code {
            json["code"] = code.to_string().into();
        }
        if let Some(place) = &self.place {
            json["option"] = place.option.as_str().into();
            json["path"] = place.path.as_str().into();
        }
        if let Some(value) = &self.value {
            json["value"] = value.as_str().into();
        }
        if let Some(help) = &self.help {
            json["remedy"] = help.as_str().into();
        }
        if let Some(command) = &self.command {
            json["command"] = command.as_str().into();
        }
        if let Some(spot) = self.spot {
            json["at"] = spot_json(spot, files);
        }
        if let Some((spot, label)) = &self.other {
            json["other"] = spot.map_or_else(|| json!({}), |spot| spot_json(spot, files));
            json["other"]["label"] = label.as_str().into();
        }
        json
    }
}

fn spot_json(spot: Spot, files: &[SourceFile]) -> Value {
    json!({"file": files[spot.file].name, "line": spot.at.line, "column": spot.at.column})
}

/// Every diagnostic as one JSON document.
#[must_use]
pub fn to_json(files: &[SourceFile], diagnostics: &[Diagnostic]) -> Value {
    let problems: Vec<Value> = diagnostics.iter().map(|one| one.json(files)).collect();
    json!({"format_version": super::FORMAT_VERSION, "problems": problems})
}

/// The diagnostics for people and how many errors they are, in colour on a terminal.
#[must_use]
pub fn to_text(files: &[SourceFile], diagnostics: &[Diagnostic]) -> String {
    let mut text = listed(files, diagnostics, std::io::stderr().is_terminal());
    if diagnostics.len() > 1 {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "error: {} problems found", diagnostics.len());
    } else {
        text.truncate(text.trim_end().len() + 1);
    }
    text
}

/// The first 20 diagnostics for people, an empty line after each, and how many more there are.
#[must_use]
pub fn listed(files: &[SourceFile], diagnostics: &[Diagnostic], colours: bool) -> String {
    let renderer = if colours {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in diagnostics.iter().take(SHOWN) {
        text.push_str(&shown(&renderer, files, diagnostic));
        text.push_str("\n\n");
    }
    let more = diagnostics.len().saturating_sub(SHOWN);
    if more > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, "+{more} more\n\n");
    }
    text
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    }
}

/// Only the renderer's own colours and line ends are left as they are.
fn shown(renderer: &Renderer, files: &[SourceFile], diagnostic: &Diagnostic) -> String {
    let level = level(diagnostic.severity);
    let code = diagnostic.code.map(|code| code.to_string());
    let mut title = level.primary_title(printable_line(&diagnostic.message));
    if let Some(code) = &code {
        title = title.id(code.as_str());
    }
    let mut group = Group::with_title(title);
    if let Some(spot) = diagnostic.spot {
        let value = diagnostic.value.as_deref();
        group = group.element(snippet(files, spot, value, AnnotationKind::Primary, None));
    }
    match &diagnostic.other {
        Some((Some(spot), label)) => {
            let kind = AnnotationKind::Context;
            group = group.element(snippet(files, *spot, None, kind, Some(label)));
        }
        Some((None, label)) => group = group.element(Level::NOTE.message(printable_line(label))),
        None => {}
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(printable_line(note)));
    }
    let help = [&diagnostic.help, &diagnostic.command];
    let help: Vec<String> = help
        .into_iter()
        .flatten()
        .map(|text| printable_line(text))
        .collect();
    if !help.is_empty() {
        group = group.element(Level::HELP.message(help.join("\n")));
    }
    renderer.render(&[group])
}

/// The one line at `spot`: cut out, so that a file of megabytes costs nothing.
fn snippet(
    files: &[SourceFile],
    spot: Spot,
    value: Option<&str>,
    kind: AnnotationKind,
    label: Option<&str>,
) -> Snippet<'static, Annotation<'static>> {
    let file = &files[spot.file];
    let line = file.line(spot.at.line);
    let rest = file.rest(spot.at);
    // A quoted value need not end on its line.
    let wanted = width(rest, value);
    let mut ends = rest.char_indices().map(|(offset, _)| offset);
    let end = ends.find(|end| *end >= wanted);
    let (marked, after) = rest.split_at(end.unwrap_or(rest.len()));
    let before = printable_source(&line[..line.len() - rest.len()]);
    let marked = printable_source(marked);
    let annotation = kind.span(before.len()..before.len() + marked.len());
    let annotation = match label {
        Some(label) => annotation.label(printable_line(label)),
        None => annotation,
    };
    Snippet::source(before + &marked + &printable_source(after))
        .line_start(spot.at.line)
        .path(printable_line(&file.name))
        .annotation(annotation)
}

/// `text` with as many characters, so that columns stay right. The renderer widens tabs.
fn printable_source(text: &str) -> String {
    let shown = |character| match character {
        '\t' => '\t',
        character if is_printable(character) => character,
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(shown).collect()
}

/// How many bytes of `rest` to underline: the value where it stands there, else one word.
fn width(rest: &str, value: Option<&str>) -> usize {
    let unquoted = rest.trim_start_matches(['"', '\'']);
    let quotes = rest.len() - unquoted.len();
    if let Some(value) = value.filter(|value| !value.is_empty())
        && unquoted.starts_with(value)
    {
        return quotes.min(1) * 2 + value.len();
    }
    let end = rest.find([' ', ',', ']', '}', '\t']).unwrap_or(rest.len());
    rest[..end]
        .trim_end_matches(':')
        .len()
        .max(rest.chars().next().map_or(0, char::len_utf8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Position;

    fn spot(line: usize, column: usize) -> Spot {
        Spot {
            file: 0,
            at: Position { line, column },
        }
    }

    fn files() -> Vec<SourceFile> {
        let text = "options:\n  unit-bgp-peers: |\n    3:\n    - address: \"10.0.0\"\n";
        vec![SourceFile::new("fabric.yaml".into(), text.into())]
    }

    #[test]
    fn a_diagnostic_points_at_its_line() {
        let diagnostic = Diagnostic {
            value: Some("10.0.0".into()),
            ..Diagnostic::new("\"10.0.0\" is not an IP address", spot(4, 16)).help("write all four")
        };
        let diagnostic = diagnostic.code(Code(1));
        let diagnostic = diagnostic.other(spot(3, 5), "in this unit");
        assert_eq!(
            shown(&Renderer::plain(), &files(), &diagnostic),
            r#"error[F001]: "10.0.0" is not an IP address
 --> fabric.yaml:4:16
  |
4 |     - address: "10.0.0"
  |                ^^^^^^^^
  |
 ::: fabric.yaml:3:5
  |
3 |     3:
  |     - in this unit
  |
  = help: write all four"#
        );
    }

    #[test]
    fn nothing_of_a_file_is_shown_raw() {
        let evil = "a\u{1b}[31m\u{202e}b\nx";
        let line = "é\u{9b}: \"\u{202e}b\"\tc\u{200f}\n";
        let files = [SourceFile::new(format!("{evil}.yaml"), line.into())];
        let diagnostic = Diagnostic {
            value: Some("\u{202e}b".into()),
            notes: vec![evil.into()],
            command: Some(evil.into()),
            ..Diagnostic::new(evil, spot(1, 5)).help(evil)
        };
        let diagnostic = diagnostic.other(None, evil);
        assert_eq!(
            shown(&Renderer::plain(), &files, &diagnostic),
            r#"error: a\u{1b}[31m\u{202e}b\nx
 --> a\u{1b}[31m\u{202e}b\nx.yaml:1:5
  |
1 | é�: "�b"    c�
  |     ^^^^
  |
  = note: a\u{1b}[31m\u{202e}b\nx
  = note: a\u{1b}[31m\u{202e}b\nx
  = help: a\u{1b}[31m\u{202e}b\nx
          a\u{1b}[31m\u{202e}b\nx"#
        );
        let label = diagnostic.other(spot(1, 1), evil);
        let coloured = shown(&Renderer::styled(), &files, &label);
        assert!(
            !coloured.contains(['\u{202e}', '\u{9b}', '\u{200f}']),
            "{coloured}"
        );
        assert!(
            coloured.contains("a\\u{1b}[31m\\u{202e}b\\nx"),
            "{coloured}"
        );
    }

    #[test]
    fn a_quoted_value_may_go_on_after_its_line() {
        for (line, value) in [("\"abc", "abc"), ("\"aé b\"", "a"), ("", "a")] {
            let files = [SourceFile::new("f".into(), format!("{line}\n  d\"\n"))];
            let diagnostic = Diagnostic {
                value: Some(value.into()),
                ..Diagnostic::new("no", spot(1, 1))
            };
            let shown = shown(&Renderer::plain(), &files, &diagnostic);
            assert!(shown.contains(line), "{shown}");
        }
    }

    #[test]
    fn twenty_are_shown_and_the_rest_counted() {
        let many = vec![Diagnostic::new("no", None); 23];
        let text = to_text(&files(), &many);
        assert_eq!(text.matches("error: no\n").count(), 20);
        assert!(
            text.ends_with("+3 more\n\nerror: 23 problems found\n"),
            "{text}"
        );
    }

    #[test]
    fn underlines_end_where_the_value_ends() {
        for (rest, value, expected) in [
            ("10.0.0, as-number: 1}", Some("10.0.0"), 6),
            ("\"a b\" # c", Some("a b"), 5),
            ("'a b'", Some("a b"), 5),
            ("a b c", Some("a b"), 3),
            ("key: value", None, 3),
            ("é", None, 2),
            ("", None, 0),
            ("{a: 1}", None, 2),
        ] {
            assert_eq!(width(rest, value), expected, "{rest}");
        }
    }
}
