//! Files of several YAML documents, as JSON: what `kubectl apply -f` reads.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Number, Value};

use super::{YamlError, position, stopped};
use crate::config::Position;

/// How deep lists and maps may nest; a schema of Calico's definitions needs 40.
const DEEPEST: usize = 100;
/// How many values a file may hold, keys included; Calico's largest has 60 000. Each costs up to a kilobyte of memory.
const MOST: usize = 400_000;

/// A file that is not a row of YAML documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("document {document} {problem}")]
pub struct DocumentsError {
    /// Which document, counted from 1.
    pub document: usize,
    /// What is wrong with it.
    pub problem: DocumentsProblem,
}

/// What is wrong with one document of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentsProblem {
    /// No YAML, or more of YAML than a file may use.
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// The same key twice in a map, of which only one could count.
    #[error("has the key {key:?} a second time at {at}")]
    DuplicateKey {
        /// Where the second one stands.
        at: Position,
        /// The key.
        key: String,
    },
    /// A list or a map as a key.
    #[error("has a key that is no text at {0}")]
    Key(Position),
    /// More than `DEEPEST` levels.
    #[error("nests lists and maps more than {DEEPEST} deep at {0}")]
    TooDeep(Position),
    /// More than `MOST` values.
    #[error("is the one with which the file has more than {MOST} values")]
    TooMany,
}

/// A list or map that is still open.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// Reads every document of a file, each with the line it starts at; empty ones are left out. Scalars are what YAML 1.2's core schema
/// makes of them, and a key is its own text.
///
/// # Errors
/// [`DocumentsError`] for anything but plain documents; aliases and anchors are refused, as a few lines of them can
/// stand for gigabytes.
pub fn documents(text: &str) -> Result<Vec<(usize, Value)>, DocumentsError> {
    let mut reading = Reading::default();
    for event in Parser::new_from_str(text) {
        let step = event
            .map_err(|error| stopped(&error, text).into())
            .and_then(|(event, span)| reading.take(event, position(&span.start)));
        step.map_err(|problem| DocumentsError {
            document: reading.number.max(1),
            problem,
        })?;
    }
    Ok(reading.documents)
}

#[derive(Default)]
struct Reading {
    documents: Vec<(usize, Value)>,
    open: Vec<Open>,
    line: usize,
    number: usize,
    values: usize,
}

impl Reading {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), DocumentsProblem> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(_) => self.number += 1,
            Event::Alias(_) => return Err(YamlError::Alias(at).into()),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_properties(anchor, tag.as_deref(), at)?;
                self.scalar(text, style, at)?;
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_properties(anchor, tag.as_deref(), at)?;
                self.open(Open::List(Vec::new()), at)?;
            }
            Event::MappingStart(anchor, tag) => {
                refuse_properties(anchor, tag.as_deref(), at)?;
                self.open(Open::Map(Map::new(), None), at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(items)) => self.put(Value::Array(items)),
                Some(Open::Map(fields, _)) => self.put(Value::Object(fields)),
                None => {}
            },
        }
        Ok(())
    }

    fn count(&mut self, at: Position) -> Result<(), DocumentsProblem> {
        self.values += 1;
        if self.open.is_empty() {
            self.line = at.line;
        }
        if self.values > MOST {
            return Err(DocumentsProblem::TooMany);
        }
        Ok(())
    }

    fn open(&mut self, container: Open, at: Position) -> Result<(), DocumentsProblem> {
        self.count(at)?;
        if let Some(Open::Map(_, None)) = self.open.last() {
            return Err(DocumentsProblem::Key(at));
        }
        if self.open.len() == DEEPEST {
            return Err(DocumentsProblem::TooDeep(at));
        }
        self.open.push(container);
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        at: Position,
    ) -> Result<(), DocumentsProblem> {
        self.count(at)?;
        if let Some(Open::Map(fields, key @ None)) = self.open.last_mut() {
            if fields.contains_key(text.as_ref()) {
                let key = text.into_owned();
                return Err(DocumentsProblem::DuplicateKey { at, key });
            }
            *key = Some(text.into_owned());
            return Ok(());
        }
        let value = match style {
            ScalarStyle::Plain => plain(&text).unwrap_or_else(|| text.into_owned().into()),
            _ => text.into_owned().into(),
        };
        self.put(value);
        Ok(())
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(fields, key)) => {
                if let Some(key) = key.take() {
                    fields.insert(key, value);
                }
            }
            None if value.is_null() => {}
            None => self.documents.push((self.line, value)),
        }
    }
}

fn refuse_properties(
    anchor: usize,
    tag: Option<&Tag>,
    at: Position,
) -> Result<(), DocumentsProblem> {
    super::refuse_properties(anchor, tag.is_some(), at).map_err(Into::into)
}

/// A scalar without quotes that is no text (YAML 1.2.2, 10.3.2).
fn plain(text: &str) -> Option<Value> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(true.into()),
        "false" | "False" | "FALSE" => return Some(false.into()),
        _ => {}
    }
    let radix = |prefix, radix| u64::from_str_radix(text.strip_prefix(prefix)?, radix).ok();
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return (!text[2..].starts_with('+')).then(|| number.into());
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    // A zero before other digits was octal once: what is meant is not certain, so it stays a text that the API refuses.
    let padded =
        unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.as_bytes()[1].is_ascii_digit();
    let numeric = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.contains(|char: char| char.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if padded || !numeric {
        return None;
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    Number::from_f64(text.parse().ok()?).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn good() {
        for (text, expected) in [
            ("", vec![]),
            ("---\n# nothing\n---\n---\n", vec![]),
            ("a: 1\n", vec![(1, json!({"a": 1}))]),
            (
                "\n---\n# first\na: 1\n---\nb: [x, \"1\"]\n...\n---\n",
                vec![(4, json!({"a": 1})), (6, json!({"b": ["x", "1"]}))],
            ),
            (
                "{1: yes, true: no}",
                vec![(1, json!({"1": "yes", "true": "no"}))],
            ),
            ("\u{feff}a: |-\n  x\n  y\n", vec![(1, json!({"a": "x\ny"}))]),
            (
                "a: {}\nb: []\nc:\n",
                vec![(1, json!({"a": {}, "b": [], "c": null}))],
            ),
        ] {
            assert_eq!(documents(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn scalars() {
        for (text, value) in [
            ("~", json!(null)),
            ("", json!(null)),
            ("True", json!(true)),
            ("off", json!("off")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("+5", json!(5)),
            ("-7", json!(-7)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("0x+1", json!("0x+1")),
            ("0644", json!("0644")),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("1.2.3", json!("1.2.3")),
            ("10.0.0.0/24", json!("10.0.0.0/24")),
            (".", json!(".")),
            ("-", json!("-")),
            (".inf", json!(".inf")),
            ("1e999", json!("1e999")),
            ("v3.32.1", json!("v3.32.1")),
            ("-felix-live", json!("-felix-live")),
            ("2026-01-01", json!("2026-01-01")),
        ] {
            assert_eq!(
                plain(text).unwrap_or_else(|| text.into()),
                value,
                "{text:?}"
            );
        }
        assert_eq!(
            documents("[\"1\", '1', 1]").unwrap()[0].1,
            json!(["1", "1", 1])
        );
    }

    #[test]
    fn bad() {
        let deep = format!("a: 1\n---\n{}", "[".repeat(DEEPEST + 1));
        let many = format!("[{}]", "1,".repeat(MOST));
        for (text, message) in [
            (
                "a: 1\n---\nb: &x 1\n",
                "document 2 has an anchor at line 3, column ",
            ),
            ("*x", "document 1 has an alias at line 1, column 1"),
            ("a: !!binary x", "document 1 has a tag at line 1"),
            (
                "a: 1\n---\nb: 1\nc: 1\nb: 2\n",
                "document 2 has the key \"b\" a second time at line 5, column 1",
            ),
            ("{[1]: 2}", "document 1 has a key that is no text at line 1"),
            ("a: [\n---\n", "document 1 is not YAML at line "),
            ("a: 1\n b: 2\n", "document 1 is not YAML at line 2"),
            ("a: \"", "document 1 is not YAML at line 1"),
            (
                &deep,
                "document 2 nests lists and maps more than 100 deep at line 3, column 101",
            ),
            (
                &many,
                "document 1 is the one with which the file has more than 400000 values",
            ),
        ] {
            let error = documents(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text:.30?}: {error}");
        }
    }

    /// A second reader, written by others, makes the same of the charm's own files.
    #[test]
    fn agrees_with_serde_yaml() {
        use serde::Deserialize;

        for text in [
            include_str!("../../../templates/calico-node.yaml"),
            include_str!("../../../templates/calico-config.yaml"),
            include_str!("../../../templates/rights.yaml"),
            include_str!("../../../templates/calico-typha.yaml"),
            include_str!("../../../config.yaml"),
        ] {
            let expected: Vec<Value> = serde_yaml::Deserializer::from_str(text)
                .map(|document| Value::deserialize(document).unwrap())
                .collect();
            let found: Vec<Value> = documents(text)
                .unwrap()
                .into_iter()
                .map(|(_, value)| value)
                .collect();
            assert_eq!(found, expected);
        }
    }
}
