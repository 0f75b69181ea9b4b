//! YAML, in option values and in files; the only user of YAML libraries in `config`.
//!
//! An option's text goes through [`parse`]: saphyr-parser's events, because they alone say where a value stands, how it
//! was quoted (`1.10` and `"1.10"` are different AS numbers) and that a key comes twice, and because an alias is seen
//! before it is expanded. `serde_yaml`'s values say none of that. Whole files whose shape is a type of ours go through
//! [`from_document`] and [`to_document`], which are `serde_yaml`. Files of several documents of any shape go through
//! [`documents()`], which is saphyr-parser again.

mod documents;

use std::borrow::Cow;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::node::{Node, NodeValue};
use super::problem::Position;

pub use documents::{DocumentsError, DocumentsProblem, documents};

/// The longest text that is looked at, in bytes.
pub const LONGEST: usize = 1 << 20;

/// How deep lists and maps may nest; the deepest option needs 3.
pub const DEEPEST: usize = 16;

/// Why a text is not YAML that an option may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// More than [`LONGEST`] bytes.
    #[error("is longer than 1 MiB")]
    TooLong,
    /// More than [`DEEPEST`] levels.
    #[error("nests lists and maps more than {DEEPEST} deep at {0}")]
    TooDeep(Position),
    /// `*name`: a few lines of aliases can stand for gigabytes.
    #[error("has an alias at {0}, and aliases are not supported")]
    Alias(Position),
    /// `&name`.
    #[error("has an anchor at {0}, and aliases are not supported")]
    Anchor(Position),
    /// `!tag`.
    #[error("has a tag at {0}, and tags are not supported")]
    Tag(Position),
    /// A second document.
    #[error("has a second YAML document at {0}")]
    SecondDocument(Position),
    /// No YAML; the parser's own words.
    #[error("is not YAML at {at}: {reason}")]
    Syntax {
        /// Where parsing stopped.
        at: Position,
        /// Why.
        reason: String,
    },
}

impl YamlError {
    /// Where, if anywhere in particular.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        match self {
            Self::TooLong => None,
            Self::TooDeep(at)
            | Self::Alias(at)
            | Self::Anchor(at)
            | Self::Tag(at)
            | Self::SecondDocument(at)
            | Self::Syntax { at, .. } => Some(*at),
        }
    }

    fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Alias(_) | Self::Anchor(_) => Some(
                "write the value out where it is needed, and quote a text that starts with * or &",
            ),
            Self::Tag(_) => Some("leave it out, and quote a text that starts with !"),
            Self::SecondDocument(_) => Some("leave out the line of dashes or dots"),
            Self::TooLong | Self::TooDeep(_) | Self::Syntax { .. } => None,
        }
    }

    /// What to do about it, given the text.
    #[must_use]
    pub fn remedy_in(&self, text: &str) -> Option<String> {
        if let Some(remedy) = self.remedy() {
            return Some(remedy.to_owned());
        }
        let Self::Syntax { at, .. } = self else {
            return None;
        };
        let line = text
            .lines()
            .nth(at.line.saturating_sub(1))
            .unwrap_or_default();
        if line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t') {
            Some("indent by spaces, YAML takes no tabs".to_owned())
        } else if text.contains("::,") || text.contains("::}") || text.contains("::]") {
            Some("put an IPv6 address that ends in a colon in quotes".to_owned())
        } else {
            None
        }
    }
}

/// Tells what stopped the parser; what is missing at the end of the text is reported where the text ends, not on the
/// line after it.
fn stopped(error: &ScanError, text: &str) -> YamlError {
    if error.info().contains("unknown anchor") {
        // The parser looks an alias up before it reports it, and every anchor is refused before its alias.
        return YamlError::Alias(position(error.marker()));
    }
    let end = Position::in_text(text, text.trim_end().len());
    YamlError::Syntax {
        at: position(error.marker()).min(end),
        reason: error.info().to_owned(),
    }
}

fn position(marker: &Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

/// A list or map that is still open.
enum Open {
    List(Position, Vec<Node>),
    Map(Position, Vec<(Node, Node)>, Option<Node>),
}

/// Reads one YAML document; `None` when there is nothing but blanks and comments.
///
/// # Errors
/// [`YamlError`] for anything but plain lists, maps and scalars within [`LONGEST`] and [`DEEPEST`].
pub fn parse(text: &str) -> Result<Option<Node>, YamlError> {
    if text.len() > LONGEST {
        return Err(YamlError::TooLong);
    }
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| stopped(&error, text))?;
        let at = position(&span.start);
        let closed = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(YamlError::SecondDocument(at));
                }
                None
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => None,
            Event::Alias(_) => return Err(YamlError::Alias(at)),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), at)?;
                Some(scalar(text, style, at))
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), at)?;
                open.push(Open::List(at, Vec::new()));
                None
            }
            Event::MappingStart(anchor, tag) => {
                refuse_properties(anchor, tag.is_some(), at)?;
                open.push(Open::Map(at, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(Open::close),
        };
        if open.len() > DEEPEST {
            return Err(YamlError::TooDeep(at));
        }
        match (closed, open.last_mut()) {
            (Some(node), Some(parent)) => parent.push(node),
            (Some(node), None) => root = Some(node),
            (None, _) => {}
        }
    }
    Ok(root.filter(|node| !node.is_null()))
}

fn refuse_properties(anchor: usize, tagged: bool, at: Position) -> Result<(), YamlError> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (0, true) => Err(YamlError::Tag(at)),
        _ => Err(YamlError::Anchor(at)),
    }
}

fn scalar(text: Cow<'_, str>, style: ScalarStyle, at: Position) -> Node {
    Node {
        at,
        value: NodeValue::Scalar {
            text: text.into_owned(),
            plain: style == ScalarStyle::Plain,
        },
    }
}

impl Open {
    fn push(&mut self, node: Node) {
        match self {
            Self::List(_, items) => items.push(node),
            Self::Map(_, entries, key) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }

    fn close(self) -> Node {
        match self {
            Self::List(at, items) => Node {
                at,
                value: NodeValue::List(items),
            },
            Self::Map(at, entries, _) => Node {
                at,
                value: NodeValue::Map(entries),
            },
        }
    }
}

/// A file that is not the YAML of a type.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct DocumentError(#[from] serde_yaml::Error);

impl DocumentError {
    /// Where in the file, as far as is known.
    #[must_use]
    pub fn at(&self) -> Option<Position> {
        self.0.location().map(|location| Position {
            line: location.line(),
            column: location.column(),
        })
    }
}

/// Reads a YAML document as a `T`. Of a repeated key in a map the last counts; where that matters, use [`parse`].
///
/// # Errors
/// [`DocumentError`] when the text is no YAML or no `T`.
pub fn from_document<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    Ok(serde_yaml::from_str(text)?)
}

/// Writes `value` as a YAML document.
///
/// # Errors
/// [`DocumentError`] when YAML cannot express the value.
pub fn to_document<T: Serialize + ?Sized>(value: &T) -> Result<String, DocumentError> {
    Ok(serde_yaml::to_string(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        match &node.value {
            NodeValue::Scalar { text, plain: true } => text.clone(),
            NodeValue::Scalar { text, plain: false } => format!("{text:?}"),
            NodeValue::List(items) => format!(
                "[{}]",
                items.iter().map(shown).collect::<Vec<_>>().join(", ")
            ),
            NodeValue::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", shown(key), shown(value)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn good() {
        for (text, expected) in [
            ("{}", "{}"),
            ("[]\n", "[]"),
            (
                "\n0:\n- address: 10.0.0.1\n  as-number: 64512\n",
                "{0: [{address: 10.0.0.1, as-number: 64512}]}",
            ),
            ("{2001:db8::/32: 64512}", "{2001:db8::/32: 64512}"),
            ("{\"0\": '1.10', 0: 1.10}", "{\"0\": \"1.10\", 0: 1.10}"),
            (
                "[{address: fd00::1, as-number: 1}]",
                "[{address: fd00::1, as-number: 1}]",
            ),
            (
                "[{address: 1:2:3:4:5:6:7:8}]",
                "[{address: 1:2:3:4:5:6:7:8}]",
            ),
            ("---\n{0: 1}\n...\n", "{0: 1}"),
            ("\u{feff}{0: 1}", "{0: 1}"),
            ("{0: 1} # as agreed", "{0: 1}"),
            ("{0: 1}\r\n", "{0: 1}"),
            ("? 0\n: 1\n", "{0: 1}"),
            ("on: 1", "{on: 1}"),
            ("{0: }", "{0: }"),
        ] {
            assert_eq!(
                parse(text).unwrap().map(|node| shown(&node)).as_deref(),
                Some(expected),
                "{text:?}"
            );
        }
    }

    #[test]
    fn nothing() {
        for text in [
            "",
            " ",
            "\n\n",
            "# nothing\n",
            "~",
            "null",
            "---\n",
            "--- ~\n...\n",
        ] {
            assert_eq!(parse(text), Ok(None), "{text:?}");
        }
        assert!(
            parse("\"\"").unwrap().is_some(),
            "a quoted empty text is a text"
        );
    }

    #[test]
    fn bad() {
        let at = |line, column| Position { line, column };
        for (text, error) in [
            ("[&a 1, *a]", YamlError::Anchor(at(1, 2))),
            ("&a {0: 1}", YamlError::Anchor(at(1, 1))),
            ("[*a]", YamlError::Alias(at(1, 2))),
            ("!!map {0: 1}", YamlError::Tag(at(1, 1))),
            ("{0: !x 1}", YamlError::Tag(at(1, 5))),
            ("0: 1\n---\n1: 2\n", YamlError::SecondDocument(at(2, 1))),
            (&"[".repeat(17), YamlError::TooDeep(at(1, 17))),
            (&" ".repeat(LONGEST + 1), YamlError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text:.40}");
        }
        assert!(parse(&format!("{}{}", "[".repeat(16), "]".repeat(16))).is_ok());
    }

    #[test]
    fn syntax_errors_say_where_and_how() {
        for (text, line, remedy) in [
            ("{0: 1", 1, None),
            ("0: [1\n", 1, None),
            ("a: b: c", 1, None),
            (
                "[{address: fd00::, as-number: 1}]",
                1,
                Some("colon in quotes"),
            ),
            ("0:\n\t- address: 10.0.0.1\n", 2, Some("no tabs")),
            ("\"", 1, None),
            ("@", 1, None),
        ] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, YamlError::Syntax { .. }),
                "{text:?} {error}"
            );
            assert_eq!(error.at().map(|at| at.line), Some(line), "{text:?} {error}");
            let found = error.remedy_in(text);
            match remedy {
                Some(remedy) => assert!(found.unwrap().contains(remedy), "{text:?}"),
                None => assert_eq!(found, None, "{text:?}"),
            }
        }
    }

    #[test]
    fn positions_are_those_of_the_text() {
        let node = parse("\n0:\n- address: 10.0.0.1\n  as-number: x\n")
            .unwrap()
            .unwrap();
        let mut found = Vec::new();
        node.walk("", &mut |path, node| {
            found.push((path.to_owned(), node.at.line, node.at.column));
        });
        assert_eq!(
            found,
            [
                (String::new(), 2, 1),
                ("0".to_owned(), 3, 3),
                ("0[0]".to_owned(), 3, 3),
                ("0[0].address".to_owned(), 3, 12),
                ("0[0].as-number".to_owned(), 4, 14),
            ]
        );
    }

    #[test]
    fn documents_of_a_type() {
        let map: std::collections::BTreeMap<String, u32> = from_document("a: 1\nb: 2\n").unwrap();
        assert_eq!(to_document(&map).unwrap(), "a: 1\nb: 2\n");
        let error =
            from_document::<std::collections::BTreeMap<String, u32>>("a: 1\nb: x\n").unwrap_err();
        assert_eq!(error.at().map(|at| at.line), Some(2));
    }
}
