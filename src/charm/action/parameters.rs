//! The parameters of an action. Pure.
//!
//! Juju holds them against `actions.yaml` and fills in its defaults; a missing one means the same here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::plan::PlanDigest;

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// All parameters that actions of this charm have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parameters {
    /// `format`.
    pub(super) format: Format,
    /// `resources`: kinds in lower case; empty for all.
    pub(super) kinds: BTreeSet<String>,
    /// `dry-run`.
    pub(super) dry_run: bool,
    /// `digest`: of the plan that is to be carried out.
    pub(super) digest: Option<PlanDigest>,
}

impl Parameters {
    /// Reads them.
    ///
    /// # Errors
    /// The parameter that cannot be meant, and what can.
    pub(super) fn read(given: &Map<String, Value>) -> Result<Self, String> {
        let mut parameters = Self::default();
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            match (name.as_str(), value) {
                ("format", Value::String(text)) if text == "text" => {
                    parameters.format = Format::Text;
                }
                ("format", Value::String(text)) if text == "json" => {
                    parameters.format = Format::Json;
                }
                ("format", other) => {
                    return Err(format!("format is {other}, and can be text or json"));
                }
                ("resources", Value::String(text)) => {
                    parameters.kinds = text.split_whitespace().map(str::to_lowercase).collect();
                }
                ("resources", _) => {
                    return Err("resources is a list of kinds, separated by spaces".to_owned());
                }
                ("dry-run", Value::Bool(dry_run)) => parameters.dry_run = *dry_run,
                ("dry-run", other) => {
                    return Err(format!("dry-run is {other}, and can be true or false"));
                }
                ("digest", Value::String(text)) if text.is_empty() => parameters.digest = None,
                ("digest", Value::String(text)) => {
                    let digest = text.parse().map_err(|error| format!("digest: {error}"))?;
                    parameters.digest = Some(digest);
                }
                ("digest", other) => {
                    return Err(format!(
                        "digest is {other}, and is a text as plan prints it"
                    ));
                }
                // Another action's, or one that a later release knows.
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// Whether a kind is among those asked for.
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(given: &Value) -> Result<Parameters, String> {
        Parameters::read(given.as_object().unwrap())
    }

    #[test]
    fn defaults_may_be_missing() {
        for given in [
            json!({}),
            json!({"format": "text", "resources": " ", "dry-run": false, "digest": ""}),
            json!({"format": null, "other": 1}),
        ] {
            assert_eq!(read(&given), Ok(Parameters::default()), "{given}");
        }
    }

    #[test]
    fn kinds_are_compared_without_case() {
        let parameters = read(&json!({"resources": " DaemonSet configmap "})).unwrap();
        for (kind, wanted) in [("DaemonSet", true), ("ConfigMap", true), ("Service", false)] {
            assert_eq!(parameters.wants(kind), wanted, "{kind}");
        }
        assert!(Parameters::default().wants("Service"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(
            read(&json!({"format": "json"})).unwrap().format,
            Format::Json
        );
        assert!(read(&json!({"dry-run": true})).unwrap().dry_run);
        for given in [
            json!({"format": "yaml"}),
            json!({"format": 1}),
            json!({"dry-run": "yes"}),
            json!({"resources": ["Service"]}),
            json!({"digest": "a"}),
            json!({"digest": 12_345_678}),
        ] {
            let name = given.as_object().unwrap().keys().next().unwrap().clone();
            assert!(read(&given).unwrap_err().starts_with(&name), "{given}");
        }
    }
}
