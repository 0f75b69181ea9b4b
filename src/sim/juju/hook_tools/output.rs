//! How a tool prints a value (`cmd.Output` of `github.com/juju/cmd`): smart, JSON or YAML.

use serde::Serialize;
use serde_json::Value;

use super::{Answer, Invocation, Refusal};
use crate::config::yaml::to_document;

impl Invocation<'_> {
    /// Prints in the format asked for, smart by default.
    pub(super) fn print(&self, value: &Value) -> Answer {
        self.print_as("smart", value)
    }

    /// Prints in the format asked for, or in the tool's default one.
    pub(super) fn print_as(&self, default: &str, value: &Value) -> Answer {
        let text = match self.arguments.value("format").unwrap_or(default) {
            "json" => value.to_string(),
            "yaml" => yaml(value)?,
            "smart" => smart(value)?,
            other => {
                return Err(Refusal::usage(format!(
                    "invalid value {other:?} for option --format: unknown format {other:?}"
                )));
            }
        };
        Ok(if text.is_empty() { text } else { text + "\n" })
    }
}

/// Texts as they are, lists of texts a line each, booleans as Python writes them, nothing for null.
fn smart(value: &Value) -> Answer {
    let texts = |list: &[Value]| -> Option<Vec<String>> {
        list.iter()
            .map(|text| text.as_str().map(str::to_owned))
            .collect()
    };
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Array(list) => match texts(list) {
            Some(texts) => Ok(texts.join("\n")),
            None => yaml(value),
        },
        Value::Number(_) | Value::Object(_) => yaml(value),
    }
}

fn yaml(value: &impl Serialize) -> Answer {
    let text = to_document(value).map_err(|error| Refusal::runtime(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn smart_output_is_for_shells() {
        for (value, text) in [
            (json!(null), ""),
            (json!(true), "True"),
            (json!(false), "False"),
            (json!("a b"), "a b"),
            (json!(["a", "b"]), "a\nb"),
            (json!([]), ""),
            (json!(5), "5"),
            (json!({"a": "b", "c": 1}), "a: b\nc: 1"),
        ] {
            assert_eq!(smart(&value).unwrap(), text, "{value}");
        }
    }
}
