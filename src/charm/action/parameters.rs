//! The parameters of an action. Pure.
//!
//! Juju holds them against `actions.yaml` and fills in its defaults; a missing one means the same here.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::model::UnitName;
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

/// Pods that go in one run, unless `limit` says otherwise.
const LIMIT: usize = 10;
/// The most that `limit` may be: one run has to end within the time of a hook.
const MOST: u64 = 100;

/// All parameters that actions of this charm have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `format`.
    pub(super) format: Format,
    /// `resources`: kinds in lower case; empty for all.
    pub(super) kinds: BTreeSet<String>,
    /// `dry-run`.
    pub(super) dry_run: bool,
    /// `digest`: of the plan that is to be carried out.
    pub(super) digest: Option<PlanDigest>,
    /// `pool`: the one that is meant; without it all that retire.
    pub(super) pool: Option<String>,
    /// `drain`: to act and not only to tell.
    pub(super) drain: bool,
    /// `limit`: pods that go at most.
    pub(super) limit: usize,
    /// `units`: those that a change is to go on without.
    pub(super) units: BTreeSet<UnitName>,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            format: Format::default(),
            kinds: BTreeSet::new(),
            dry_run: false,
            digest: None,
            pool: None,
            drain: false,
            limit: LIMIT,
            units: BTreeSet::new(),
        }
    }
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
                ("pool", Value::String(name)) => {
                    parameters.pool = Some(name.clone()).filter(|name| !name.is_empty());
                }
                ("pool", other) => return Err(format!("pool is {other}, and is a pool's name")),
                ("drain", Value::Bool(drain)) => parameters.drain = *drain,
                ("drain", other) => {
                    return Err(format!("drain is {other}, and can be true or false"));
                }
                ("limit", value) => parameters.limit = limit(value)?,
                ("units", Value::String(text)) => parameters.units = units(text)?,
                ("units", other) => {
                    return Err(format!(
                        "units is {other}, and is a list of units such as calico/3"
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

fn units(text: &str) -> Result<BTreeSet<UnitName>, String> {
    let words = text.split(|one: char| one == ',' || one.is_whitespace());
    let words = words.filter(|word| !word.is_empty());
    words
        .map(|word| {
            word.parse()
                .map_err(|error| format!("units: {word:?}: {error}"))
        })
        .collect()
}

fn limit(value: &Value) -> Result<usize, String> {
    value
        .as_u64()
        .filter(|limit| (1..=MOST).contains(limit))
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| format!("limit is {value}, and can be 1 to {MOST}"))
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
            json!({"pool": "", "drain": false, "limit": 10}),
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
            json!({"pool": 1}),
            json!({"drain": "yes"}),
            json!({"limit": 0}),
            json!({"limit": 101}),
            json!({"limit": "10"}),
        ] {
            let name = given.as_object().unwrap().keys().next().unwrap().clone();
            assert!(read(&given).unwrap_err().starts_with(&name), "{given}");
        }
    }
}
