//! What is wrong with the user's files, shown at the line where it stands.

use std::fmt::Write;
use std::io::IsTerminal;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};

use super::fabric::{SourceFile, Spot};
use crate::model::Place;

/// How many are shown.
const SHOWN: usize = 20;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where it stands.
    pub spot: Option<Spot>,
    /// The value at fault.
    pub value: Option<String>,
    /// Option and path, for a problem of an option.
    pub place: Option<Place>,
    /// The second place of a contradiction, and what is there.
    pub other: Option<(Spot, String)>,
}

impl Diagnostic {
    /// A problem that stands at `spot`.
    #[must_use]
    pub fn new(message: impl Into<String>, spot: impl Into<Option<Spot>>) -> Self {
        Self {
            message: message.into(),
            help: None,
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

    /// Adds the second place.
    #[must_use]
    pub fn other(self, spot: Spot, label: impl Into<String>) -> Self {
        Self {
            other: Some((spot, label.into())),
            ..self
        }
    }

    fn json(&self, files: &[SourceFile]) -> Value {
        let mut json = json!({"message": self.message});
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
        if let Some(spot) = self.spot {
            json["at"] = spot_json(spot, files);
        }
        if let Some((spot, label)) = &self.other {
            json["other"] = spot_json(*spot, files);
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

/// The diagnostics for people, in colour on a terminal.
#[must_use]
pub fn to_text(files: &[SourceFile], diagnostics: &[Diagnostic]) -> String {
    let renderer = if std::io::stderr().is_terminal() {
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
    if diagnostics.len() > 1 {
        let _ = writeln!(text, "error: {} problems found", diagnostics.len());
    } else {
        text.truncate(text.trim_end().len() + 1);
    }
    text
}

fn shown(renderer: &Renderer, files: &[SourceFile], diagnostic: &Diagnostic) -> String {
    let mut group = Group::with_title(Level::ERROR.primary_title(diagnostic.message.as_str()));
    if let Some(spot) = diagnostic.spot {
        let value = diagnostic.value.as_deref();
        group = group.element(snippet(files, spot, value, AnnotationKind::Primary, None));
    }
    if let Some((spot, label)) = &diagnostic.other {
        group = group.element(snippet(
            files,
            *spot,
            None,
            AnnotationKind::Context,
            Some(label),
        ));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The one line at `spot`: cut out, so that a file of megabytes costs nothing.
fn snippet<'a>(
    files: &'a [SourceFile],
    spot: Spot,
    value: Option<&str>,
    kind: AnnotationKind,
    label: Option<&'a String>,
) -> Snippet<'a, Annotation<'a>> {
    let file = &files[spot.file];
    let line = file.line(spot.at.line);
    let rest = file.rest(spot.at);
    let start = line.len() - rest.len();
    let annotation = kind.span(start..start + width(rest, value));
    let annotation = match label {
        Some(label) => annotation.label(label.as_str()),
        None => annotation,
    };
    Snippet::source(line)
        .line_start(spot.at.line)
        .path(file.name.as_str())
        .annotation(annotation)
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
        let diagnostic = diagnostic.other(spot(3, 5), "in this unit");
        assert_eq!(
            shown(&Renderer::plain(), &files(), &diagnostic),
            r#"error: "10.0.0" is not an IP address
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
