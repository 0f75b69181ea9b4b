//! The hook tools that only an action has (Juju's hook tool reference, `action-get` to `action-log`).

use serde_json::{Map, Value};

use super::{HookTools, ToolError, call, call_json, words};
use crate::printable::{printable, printable_line};

/// The longest value of one result. One argument of a program holds 131,072 bytes on Linux (`MAX_ARG_STRLEN`), and the
/// escapes of [`printable`] make text longer.
pub const LONGEST_RESULT: usize = 100_000;

/// `action-get --format=json`: the parameters, with the defaults of `actions.yaml`.
///
/// # Errors
/// When the tool fails.
pub async fn action_get<T: HookTools>(tools: &T) -> Result<Map<String, Value>, ToolError> {
    let parameters: Option<Map<String, Value>> =
        call_json(tools, "action-get", words(&["--format=json"])).await?;
    Ok(parameters.unwrap_or_default())
}

/// `action-set KEY=VALUE …`; keys are of lower-case letters, digits and dashes. What is longer than
/// [`LONGEST_RESULT`] is cut.
///
/// # Errors
/// When the tool fails.
pub async fn action_set<T: HookTools>(
    tools: &T,
    results: &[(&'static str, String)],
) -> Result<(), ToolError> {
    let arguments = results.iter().map(|(key, value)| {
        let value = printable(value);
        let end = value.floor_char_boundary(LONGEST_RESULT);
        format!("{key}={}", &value[..end])
    });
    call(tools, "action-set", arguments.collect(), None)
        .await
        .map(drop)
}

/// `action-fail -- MESSAGE`: the action has failed. The program still has to exit with 0, or Juju shows its exit status
/// in place of the message.
///
/// # Errors
/// When the tool fails.
pub async fn action_fail<T: HookTools>(tools: &T, message: &str) -> Result<(), ToolError> {
    let message = printable_line(message);
    let end = message.floor_char_boundary(LONGEST_RESULT);
    call(tools, "action-fail", words(&["--", &message[..end]]), None)
        .await
        .map(drop)
}

/// `action-log -- MESSAGE`, of one line or several: shown to whoever waits for the action, at once.
///
/// # Errors
/// When the tool fails.
pub async fn action_log<T: HookTools>(tools: &T, message: &str) -> Result<(), ToolError> {
    let message = printable(message);
    let end = message.floor_char_boundary(LONGEST_RESULT);
    call(tools, "action-log", words(&["--", &message[..end]]), None)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::juju::tools::ToolOutput;

    /// Notes what it is asked for, and answers all the same.
    struct Noted {
        answer: &'static str,
        calls: Mutex<Vec<Vec<String>>>,
    }

    impl Noted {
        fn new(answer: &'static str) -> Self {
            Self {
                answer,
                calls: Mutex::default(),
            }
        }
    }

    impl HookTools for Noted {
        async fn run(
            &self,
            tool: &'static str,
            args: Vec<String>,
            _stdin: Option<String>,
        ) -> std::io::Result<ToolOutput> {
            let mut call = vec![tool.to_owned()];
            call.extend(args);
            self.calls.lock().unwrap().push(call);
            Ok(ToolOutput {
                stdout: self.answer.to_owned(),
                ..ToolOutput::default()
            })
        }
    }

    #[tokio::test]
    async fn an_action_without_parameters_has_none() {
        for (answer, expected) in [("null\n", 0), ("{}\n", 0), ("{\"a\": 1}\n", 1)] {
            let parameters = action_get(&Noted::new(answer)).await.unwrap();
            assert_eq!(parameters.len(), expected, "{answer}");
        }
    }

    #[tokio::test]
    async fn text_from_elsewhere_is_cut_and_escaped() {
        let tools = Noted::new("");
        let long = "é\u{1b}".repeat(100_000);
        action_set(&tools, &[("a", "x\ny".into()), ("b", long)])
            .await
            .unwrap();
        action_fail(&tools, "-no\nline").await.unwrap();
        action_log(&tools, "-yes\na\u{7}").await.unwrap();
        let calls = tools.calls.lock().unwrap();
        assert_eq!(calls[0][..2], ["action-set", "a=x\ny"]);
        assert!(calls[0][2].starts_with("b=é\\u{1b}é"));
        assert!(calls[0][2].len() <= LONGEST_RESULT + 2);
        assert_eq!(calls[1], ["action-fail", "--", "-no\\nline"]);
        assert_eq!(calls[2], ["action-log", "--", "-yes\na\\u{7}"]);
    }
}
