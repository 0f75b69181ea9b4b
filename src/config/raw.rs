//! Option values before anybody looked at them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::node::{self, Node, NodeValue};
use super::problem::Position;
use super::yaml;
use crate::model::Place;

/// A value as `config-get` or a file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawValue {
    /// A string option's text, verbatim; also any value that a file gives as text.
    Text(String),
    /// An int option's value.
    Integer(i64),
    /// A boolean option's value.
    Boolean(bool),
    /// A structured option that a file gives as YAML rather than as text; positions are those of the file.
    Yaml(Node),
    /// JSON that no option can hold, such as a fraction; as text.
    Other(String),
}

impl RawValue {
    /// The value that a file gives as YAML: scalars are text, which every option takes; `None` for null.
    #[must_use]
    pub fn from_node(node: Node) -> Option<Self> {
        if node.is_null() {
            return None;
        }
        Some(match node.value {
            NodeValue::Scalar { text, .. } => Self::Text(text),
            NodeValue::List(_) | NodeValue::Map(_) => Self::Yaml(node),
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Null => None,
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => {
                let whole = number
                    .as_i64()
                    .or_else(|| number.as_f64().and_then(integral));
                Some(whole.map_or_else(|| Self::Other(number.to_string()), Self::Integer))
            }
            Value::Array(_) | Value::Object(_) => Some(Self::Other(value.to_string())),
        }
    }
}

/// JSON knows one kind of number, and encoders may write 64512 as `64512.0`; beyond 2^53 a float is no exact integer.
fn integral(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number within 2^53 fits exactly"
    )]
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

/// The options that are set, by name. Unset ones are absent; names config.yaml does not know are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawConfig(BTreeMap<String, RawValue>);

/// `config-get`'s answer was not a map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config-get answered {0} instead of a map of options")]
pub struct RawConfigError(&'static str);

impl RawConfig {
    /// Reads the answer of `config-get --format=json`; null values are unset options.
    ///
    /// # Errors
    /// [`RawConfigError`] when it is not a JSON object: to read that as "nothing is set" would reset the cluster.
    pub fn from_json(json: &Value) -> Result<Self, RawConfigError> {
        let options = match json {
            Value::Object(options) => options,
            Value::Null => return Err(RawConfigError("null")),
            Value::Array(_) => return Err(RawConfigError("a list")),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Err(RawConfigError("a single value"));
            }
        };
        Ok(options
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), RawValue::from_json(value)?)))
            .collect())
    }

    /// Sets an option.
    pub fn insert(&mut self, name: impl Into<String>, value: RawValue) {
        self.0.insert(name.into(), value);
    }

    /// The value of an option.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Where `place` stands in its option's text (or in the file, for [`RawValue::Yaml`]). For messages: it parses the
    /// text anew.
    #[must_use]
    pub fn locate(&self, place: &Place) -> Option<Position> {
        let root = self.root(place)?;
        let mut found = None;
        root.walk("", &mut |path, node| {
            if path == place.path && found.is_none() {
                found = Some(node.at);
            }
        });
        found
    }

    /// Where `value` stands at `place` or below it: as the last key of the path, or as a text. For messages.
    #[must_use]
    pub fn locate_value(&self, place: &Place, value: &str) -> Option<Position> {
        let root = self.root(place)?;
        let (mut key, mut text) = (None, None);
        root.walk("", &mut |path, node| {
            if let NodeValue::Map(entries) = &node.value {
                let wanted = |(name, _): &&(Node, Node)| {
                    name.text() == Some(value) && node::key_path(path, value) == place.path
                };
                key = key.or_else(|| entries.iter().find(wanted).map(|(name, _)| name.at));
            }
            let inside = path.strip_prefix(place.path.as_str()).is_some_and(|rest| {
                place.path.is_empty() || rest.is_empty() || rest.starts_with(['.', '['])
            });
            if inside && text.is_none() && node.text() == Some(value) {
                text = Some(node.at);
            }
        });
        key.or(text)
    }

    /// The value of an option as YAML; `None` for a text that stands for itself.
    fn root(&self, place: &Place) -> Option<Cow<'_, Node>> {
        match self.get(&place.option)? {
            RawValue::Yaml(node) => Some(Cow::Borrowed(node)),
            RawValue::Text(text) if !place.path.is_empty() => {
                Some(Cow::Owned(yaml::parse(text).ok()??))
            }
            _ => None,
        }
    }
}

impl FromIterator<(String, RawValue)> for RawConfig {
    fn from_iter<T: IntoIterator<Item = (String, RawValue)>>(options: T) -> Self {
        Self(options.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_config_get() {
        for (json, expected) in [
            (json!(null), None),
            (json!(""), Some(RawValue::Text(String::new()))),
            (
                json!("\n0: 1\n"),
                Some(RawValue::Text("\n0: 1\n".to_owned())),
            ),
            (json!(true), Some(RawValue::Boolean(true))),
            (json!(64512), Some(RawValue::Integer(64512))),
            (json!(-1), Some(RawValue::Integer(-1))),
            (json!(64512.0), Some(RawValue::Integer(64512))),
            (json!(1.10), Some(RawValue::Other("1.1".to_owned()))),
            (
                json!(u64::MAX),
                Some(RawValue::Other("18446744073709551615".to_owned())),
            ),
            (json!([1]), Some(RawValue::Other("[1]".to_owned()))),
        ] {
            let raw = RawConfig::from_json(&json!({"an-option": json})).unwrap();
            assert_eq!(raw.get("an-option"), expected.as_ref());
        }
    }

    #[test]
    fn refuses_an_answer_that_is_no_map() {
        for json in [json!(null), json!([]), json!(""), json!(1)] {
            assert!(RawConfig::from_json(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn locates_places() {
        let text = "\n10.0.0.0/24:\n- address: 10.0.0.1\n  as-number: 64512\n";
        let mut raw = RawConfig::default();
        raw.insert("subnet-bgp-peers", RawValue::Text(text.to_owned()));
        raw.insert(
            "unit-bgp-peers",
            RawValue::from_node(yaml::parse(text).unwrap().unwrap()).unwrap(),
        );
        raw.insert("cidr", RawValue::Text("{".to_owned()));
        for (option, path, line) in [
            ("subnet-bgp-peers", "10.0.0.0/24[0]", Some(3)),
            ("unit-bgp-peers", "10.0.0.0/24[0].as-number", Some(4)),
            ("subnet-bgp-peers", "10.0.0.0/24[1]", None),
            ("cidr", "", None),
            ("cidr", "[0]", None),
            ("ipip", "", None),
        ] {
            let place = Place {
                option: option.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(raw.locate(&place).map(|at| at.line), line, "{place}");
        }
    }
}
