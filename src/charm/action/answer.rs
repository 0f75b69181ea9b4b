//! What an action gives back.

use std::fmt::Display;

use futures::try_join;
use serde_json::{Value, json};

use super::FORMAT_VERSION;
use crate::juju::HookTools;
use crate::juju::tools::ToolError;
use crate::juju::tools::action::{action_fail, action_set};
use crate::printable::printable_line;

/// How long one list is at most, in bytes: all results are arguments of one `action-set`, and Juju keeps them in its
/// database.
pub(super) const LONGEST_LIST: usize = 60_000;

/// Results, and why the action failed if it did: one does not exclude the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    results: Vec<(&'static str, String)>,
    failure: Option<String>,
}

impl Answer {
    /// The action has failed.
    pub(super) fn failed(reason: impl Display) -> Self {
        Self::default().fail(reason)
    }

    /// Adds a result.
    pub(super) fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.results.push((key, value.into()));
        self
    }

    /// Adds a list, one item a line, unless it is empty.
    pub(super) fn with_list(self, key: &'static str, items: &[impl Display]) -> Self {
        if items.is_empty() {
            return self;
        }
        self.with(key, listed(items))
    }

    /// Makes the action fail; the first reason stays.
    pub(super) fn fail(mut self, reason: impl Display) -> Self {
        self.failure.get_or_insert_with(|| reason.to_string());
        self
    }

    /// Whether the action has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Tells Juju.
    ///
    /// # Errors
    /// When a hook tool fails.
    pub(super) async fn publish<T: HookTools>(&self, tools: &T) -> Result<(), ToolError> {
        let set = async {
            match self.results.as_slice() {
                [] => Ok(()),
                results => action_set(tools, results).await,
            }
        };
        let fail = async {
            match &self.failure {
                Some(reason) => action_fail(tools, reason).await,
                None => Ok(()),
            }
        };
        try_join!(set, fail)?;
        Ok(())
    }
}

/// One item a line, as many as there is room for. What items hold of foreign objects forges no further one.
pub(super) fn listed(items: &[impl Display]) -> String {
    let mut text = String::new();
    for (index, item) in items.iter().enumerate() {
        let line = printable_line(&item.to_string());
        if text.len() + line.len() > LONGEST_LIST {
            return format!("{text}… and {} more", items.len() - index);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.truncate(text.trim_end_matches('\n').len());
    text
}

/// A JSON document with its version. Where there is no room for all of its longest list, the list is cut and
/// `left_out` says by how much.
pub(super) fn document(mut fields: Value, longest: &str) -> String {
    let mut document = json!({"format_version": FORMAT_VERSION});
    if let (Some(document), Some(fields)) = (document.as_object_mut(), fields.as_object_mut()) {
        document.append(fields);
    }
    let mut left_out = 0;
    loop {
        let text = document.to_string();
        let Some(list) = document[longest].as_array_mut() else {
            return text;
        };
        if text.len() <= LONGEST_LIST || list.is_empty() {
            return text;
        }
        let kept = list.len() / 2;
        left_out += list.len() - kept;
        list.truncate(kept);
        document["left_out"] = left_out.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_item_a_line() {
        assert_eq!(listed(&["a", "b"]), "a\nb");
        assert_eq!(listed(&[] as &[&str]), "");
        assert_eq!(listed(&["a)\nweb/db-0 (b", "c"]), "a)\\nweb/db-0 (b\nc");
        assert_eq!(
            Answer::default().with_list("a", &[] as &[&str]),
            Answer::default()
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_counted() {
        let items = vec!["x".repeat(99); 1000];
        let text = listed(&items);
        assert!(text.len() < LONGEST_LIST + 100);
        let lines = text.lines().count() - 1;
        assert!(text.ends_with(&format!("\n… and {} more", 1000 - lines)));

        let text = document(json!({"unit": "calico/0", "items": items}), "items");
        assert!(text.len() <= LONGEST_LIST);
        let document: Value = serde_json::from_str(&text).unwrap();
        let kept = document["items"].as_array().unwrap().len();
        assert_eq!(document["left_out"], 1000 - kept);
        assert_eq!(document["unit"], "calico/0");
    }

    #[test]
    fn what_fits_is_whole() {
        let text = document(json!({"items": [1, 2]}), "items");
        assert_eq!(text, r#"{"format_version":1,"items":[1,2]}"#);
    }

    #[test]
    fn the_first_reason_stays() {
        let answer = Answer::failed("a").fail("b");
        assert_eq!(answer.failure.as_deref(), Some("a"));
    }
}
