//! YAML files as a user keeps them, every value with its position, by saphyr-parser's events alone.
//!
//! Option values go through [`crate::config::yaml`], which is stricter: files may hold several documents (Juju takes a
//! bundle and its overlays in one) and aliases (`variables:` of a bundle), and are larger. JSON is read as the YAML it is.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::config as option;
use crate::config::Position;

/// The largest file that is read, in bytes: the `juju status` of a few thousand machines.
pub const LONGEST: usize = 64 << 20;
/// How many values the aliases of a file may stand for.
const MOST_COPIES: usize = 200_000;
/// How deep lists and maps may nest.
const DEEPEST: usize = 64;

/// A YAML value and where it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its first character: for a quoted text the quote, for a block text the first character of its first line.
    pub at: Position,
    /// The value.
    pub value: Value,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A scalar and how it is written.
    Scalar(String, ScalarStyle),
    /// A list.
    List(Vec<Node>),
    /// A map in the order written; keys may repeat.
    Map(Vec<(Node, Node)>),
}

/// Why a file is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct YamlError {
    /// Where, if anywhere in particular.
    pub at: Option<Position>,
    /// Why.
    pub reason: String,
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Whether this is YAML's null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar(text, ScalarStyle::Plain) => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The entries of a map; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of `key` in a map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let mut entries = self.entries().iter();
        let found = entries.find(|(name, _)| name.text() == Some(key));
        found.map(|(_, value)| value)
    }

    /// The value's shape in words.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(..) if self.is_null() => "nothing",
            Value::Scalar(..) => "a text",
        }
    }

    /// The value as one text: a scalar's own, a list or map in flow style.
    #[must_use]
    pub fn to_flow(&self) -> String {
        match &self.value {
            Value::Scalar(text, _) => text.clone(),
            Value::List(_) | Value::Map(_) => self.flow(),
        }
    }

    fn flow(&self) -> String {
        match &self.value {
            Value::Scalar(text, ScalarStyle::Plain) if is_plain_in_flow(text) => text.clone(),
            // JSON's strings are YAML's double-quoted ones.
            Value::Scalar(text, _) => serde_json::Value::from(text.as_str()).to_string(),
            Value::List(items) => {
                let items: Vec<String> = items.iter().map(Self::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", key.flow(), value.flow()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The value as the options' own YAML, positions kept.
    #[must_use]
    pub fn to_option(&self) -> option::Node {
        let value = match &self.value {
            Value::Scalar(text, style) => option::NodeValue::Scalar {
                text: text.clone(),
                plain: *style == ScalarStyle::Plain,
            },
            Value::List(items) => {
                option::NodeValue::List(items.iter().map(Self::to_option).collect())
            }
            Value::Map(entries) => option::NodeValue::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.to_option(), value.to_option()))
                    .collect(),
            ),
        };
        option::Node { at: self.at, value }
    }
}

/// Whether a plain scalar keeps its meaning inside brackets without quotes. Numbers, addresses and networks do; a text
/// that needs quotes there is none of those, so that quotes do not change what it is.
fn is_plain_in_flow(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:+-~".contains(&byte);
    text.bytes().all(allowed) && !text.ends_with(':') && !text.starts_with('-')
}

/// A list or map that is still open, and the anchor to keep it under.
struct Open {
    at: Position,
    anchor: usize,
    children: Children,
}

enum Children {
    List(Vec<Node>),
    Map(Vec<(Node, Node)>, Option<Node>),
}

impl Open {
    fn push(&mut self, node: Node) {
        match &mut self.children {
            Children::List(items) => items.push(node),
            Children::Map(entries, key) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }

    fn close(self) -> (usize, Node) {
        let value = match self.children {
            Children::List(items) => Value::List(items),
            Children::Map(entries, _) => Value::Map(entries),
        };
        (self.anchor, Node { at: self.at, value })
    }
}

/// The documents of a file, empty ones left out.
///
/// # Errors
/// [`YamlError`] when it is no YAML, or stands for more than a file may.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    if text.len() > LONGEST {
        return Err(YamlError {
            at: None,
            reason: format!("is larger than {} MiB", LONGEST >> 20),
        });
    }
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut anchored: BTreeMap<usize, (usize, Node)> = BTreeMap::new();
    let mut copies = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            at: Some(position(error.marker())),
            reason: format!("is not YAML: {}", error.info()),
        })?;
        let at = position(&span.start);
        let refused = |reason: &str| YamlError {
            at: Some(at),
            reason: reason.to_owned(),
        };
        let closed = match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar(text.into_owned(), style);
                Some((anchor, Node { at, value }))
            }
            Event::SequenceStart(anchor, _) => {
                open.push(Open {
                    at,
                    anchor,
                    children: Children::List(Vec::new()),
                });
                None
            }
            Event::MappingStart(anchor, _) => {
                open.push(Open {
                    at,
                    anchor,
                    children: Children::Map(Vec::new(), None),
                });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(Open::close),
            Event::Alias(id) => {
                let (size, node) = anchored
                    .get(&id)
                    .ok_or_else(|| refused("has an alias inside its own anchor"))?;
                copies += size;
                // Checked before the copy is made: a few lines of aliases can stand for gigabytes.
                (copies <= MOST_COPIES).then(|| (0, node.clone()))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => None,
        };
        if copies > MOST_COPIES {
            return Err(refused(
                "stands for too many values with its aliases written out",
            ));
        }
        if open.len() > DEEPEST {
            return Err(refused("nests lists and maps too deep"));
        }
        let Some((anchor, node)) = closed else {
            continue;
        };
        if anchor != 0 {
            let size = size(&node);
            anchored.insert(anchor, (size, node.clone()));
        }
        match open.last_mut() {
            Some(parent) => parent.push(node),
            None => documents.push(node),
        }
    }
    documents.retain(|node| !node.is_null());
    Ok(documents)
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(..) => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(entries) => {
            let sizes = entries.iter().map(|(key, value)| size(key) + size(value));
            1 + sizes.sum::<usize>()
        }
    }
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_aliases_are_read() {
        let documents = parse("a: &x {b: 1}\nc: *x\n---\n~\n---\n- 2\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(
            documents[0].get("c").unwrap().get("b").unwrap().text(),
            Some("1")
        );
        assert_eq!(documents[1].at.line, 6);
    }

    #[test]
    fn json_is_yaml() {
        let node = &parse("{\"settings\": {\"cidr\": {\"value\": \"a\\nb\"}}}").unwrap()[0];
        let value = node
            .get("settings")
            .unwrap()
            .get("cidr")
            .unwrap()
            .get("value")
            .unwrap();
        assert_eq!(value.text(), Some("a\nb"));
        assert_eq!((value.at.line, value.at.column), (1, 33));
    }

    #[test]
    fn values_are_one_text() {
        for (text, expected) in [
            ("a: [1, {b: \"1.10\"}]", "[1, {b: \"1.10\"}]"),
            (
                "a:\n  10.0.0.0/24:\n  - address: \"fd00::\"\n    x:\n",
                "{10.0.0.0/24: [{address: \"fd00::\", x: }]}",
            ),
            ("a: |\n  0: 1\n", "0: 1\n"),
            ("a: ['x, y', \"q\\\"\"]", "[\"x, y\", \"q\\\"\"]"),
        ] {
            let node = parse(text).unwrap()[0].get("a").unwrap().clone();
            assert_eq!(node.to_flow(), expected);
            parse(expected).unwrap();
        }
    }

    #[test]
    fn what_is_no_file_of_ours_is_refused_with_its_place() {
        let bomb = format!(
            "a0: &a0 [x]\n{}",
            (1..9).fold(String::new(), |text, level| {
                let last = format!("*a{}, ", level - 1).repeat(10);
                format!("{text}a{level}: &a{level} [{last}]\n")
            })
        );
        let deep = "[".repeat(65);
        for (text, line, reason) in [
            ("a: [1\n", 2, "is not YAML"),
            ("a: b: c\n", 1, "is not YAML"),
            ("a: *nowhere\n", 1, "is not YAML"),
            ("a: &x [*x]\n", 1, "own anchor"),
            (deep.as_str(), 1, "too deep"),
            (bomb.as_str(), 6, "too many values"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.reason.contains(reason), "{text:.30} {error}");
            assert_eq!(error.at.map(|at| at.line), Some(line), "{text:.30} {error}");
        }
    }
}
