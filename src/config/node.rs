//! YAML values that know where they stand.

use super::problem::{Position, excerpt};

/// A YAML value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its first character; for a block list or map that of its first entry.
    pub at: Position,
    /// The value.
    pub value: NodeValue,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeValue {
    /// A scalar.
    Scalar {
        /// Its text, quotes and escapes resolved.
        text: String,
        /// Whether it stands without quotes, so that YAML takes it for a number, boolean or null where it looks like one.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map in the order written; keys may repeat.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether this is YAML's null: nothing, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &self.value {
            NodeValue::Scalar { text, plain: true } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The value's shape in words: `a list`, `a map`, `a text`, `nothing`.
    #[must_use]
    pub fn shape(&self) -> &'static str {
        match &self.value {
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a map",
            NodeValue::Scalar { .. } if self.is_null() => "nothing",
            NodeValue::Scalar { .. } => "a text",
        }
    }

    /// The values of `key` in a map, if this is one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            NodeValue::Map(entries) => entries
                .iter()
                .find(|(name, _)| name.text() == Some(key))
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// Calls `visit` with every value below this one and its path in the grammar of [`crate::model::Place`].
    pub(super) fn walk<'a>(&'a self, path: &str, visit: &mut dyn FnMut(&str, &'a Self)) {
        visit(path, self);
        match &self.value {
            NodeValue::Scalar { .. } => {}
            NodeValue::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.walk(&item_path(path, index), visit);
                }
            }
            NodeValue::Map(entries) => {
                for (key, value) in entries {
                    value.walk(&key_path(path, key.text().unwrap_or_default()), visit);
                }
            }
        }
    }
}

/// Path of the entry `key` of the map at `path`.
pub(super) fn key_path(path: &str, key: &str) -> String {
    let key = excerpt(key);
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// Path of the item at `index` of the list at `path`.
pub(super) fn item_path(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
