//! JSON with placeholders: in a CNI configuration of Calico's manifests, `__CNI_MTU__` stands where a number will be.
//!
//! `install-cni` fills them by replacing text (`cni-plugin/pkg/install/install.go`), inside and outside of quotes. One
//! outside becomes, for as long as the text is edited as JSON, a text that starts with a character of the private use
//! area, and afterwards itself again.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// Starts the text that stands for a placeholder outside of quotes.
const MARK: char = '\u{f8ff}';

/// Reads JSON with placeholders.
pub(super) fn from_text(text: &str) -> Result<Value, serde_json::Error> {
    let mut json = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' => copy_string(&mut chars, &mut json),
            '_' => {
                let name = name_after(char, &mut chars);
                json.extend(['"', MARK]);
                json.push_str(&name);
                json.push('"');
            }
            char => json.push(char),
        }
    }
    serde_json::from_str(&json)
}

/// Writes JSON with placeholders.
pub(super) fn to_text(value: &Value) -> String {
    let json = format!("{value:#}");
    let mut text = String::with_capacity(json.len());
    let mut chars = json.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '"' {
            text.push(char);
        } else if chars.next_if_eq(&MARK).is_some() {
            let name: String = chars.by_ref().take_while(|char| *char != '"').collect();
            text.push_str(&name);
        } else {
            copy_string(&mut chars, &mut text);
        }
    }
    text
}

/// Copies a string whose opening quote has been read.
fn copy_string(chars: &mut Peekable<Chars<'_>>, copy: &mut String) {
    copy.push('"');
    while let Some(char) = chars.next() {
        copy.push(char);
        match char {
            '"' => return,
            '\\' => copy.extend(chars.next()),
            _ => {}
        }
    }
}

fn name_after(first: char, chars: &mut Peekable<Chars<'_>>) -> String {
    let mut name = first.to_string();
    while let Some(char) = chars.next_if(|char| char.is_ascii_alphanumeric() || *char == '_') {
        name.push(char);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_survive_where_they_stand() {
        let text = r#"{"mtu": __CNI_MTU__, "nodename": "__NODE__", "odd": "a \" __X__ \\", "list": [__A__, 1]}"#;
        let value = from_text(text).unwrap();
        assert_eq!(value["nodename"], "__NODE__");
        assert_eq!(value["odd"], "a \" __X__ \\");
        let written = to_text(&value);
        assert!(written.contains("\"mtu\": __CNI_MTU__"), "{written}");
        assert!(written.contains("\"nodename\": \"__NODE__\""), "{written}");
        assert_eq!(from_text(&written).unwrap(), value);
        let filled = written.replace("__CNI_MTU__", "1440").replace("__A__", "0");
        let filled: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(filled["mtu"], 1440);
        assert_eq!(filled["list"], json!([0, 1]));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "{\"a\": \"",
            "{\"a\": __X__ __Y__}",
            "{__A__: 1,}",
            "\"\\",
        ] {
            assert!(from_text(text).is_err(), "{text}");
        }
    }
}
