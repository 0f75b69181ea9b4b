//! The options with the place of each in the files.

use std::collections::BTreeMap;

use saphyr_parser::ScalarStyle;

use super::source::{SourceFile, Spot};
use super::yaml::{Node, Value};
use crate::cli::diagnostics::Diagnostic;
use crate::config::{OPTIONS, OptionKind, Position, Problem, RawConfig, RawValue};
use crate::fabric::Severity;
use crate::model::Place;

/// The options that are set, and where.
#[derive(Debug, Clone, Default)]
pub struct Options {
    raw: RawConfig,
    origins: BTreeMap<String, Origin>,
}

/// Where an option's value stands.
#[derive(Debug, Clone)]
struct Origin {
    file: usize,
    key: Node,
    value: Node,
}

impl Options {
    /// Sets an option; null leaves it as it is.
    pub fn set(&mut self, file: usize, name: &str, key: &Node, value: &Node) {
        let Some(raw) = raw_value(value) else {
            return;
        };
        self.raw.insert(name, raw);
        let origin = Origin {
            file,
            key: key.clone(),
            value: value.clone(),
        };
        self.origins.insert(name.to_owned(), origin);
    }

    /// The values.
    #[must_use]
    pub fn raw(&self) -> &RawConfig {
        &self.raw
    }

    /// The values as `juju config` takes them: what a file gives as YAML becomes its text.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, String)> {
        let values = self.origins.iter().filter_map(|(name, origin)| {
            let spec = OPTIONS.iter().find(|option| option.name == name)?;
            let text = origin.value.to_flow();
            Some(match spec.kind {
                OptionKind::String => (name.clone(), text),
                OptionKind::Int | OptionKind::Boolean => (name.clone(), text.trim().to_owned()),
            })
        });
        // An int or boolean without a value is unset; `juju config` has no text for that.
        values
            .filter(|(name, text)| !text.is_empty() || is_text(name))
            .collect()
    }

    /// Problems of the options, each at its place in the files, no two the same.
    pub fn diagnostics<'a>(
        &self,
        files: &[SourceFile],
        problems: impl IntoIterator<Item = &'a Problem>,
    ) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        for problem in problems {
            let diagnostic = self.diagnostic(files, problem);
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
        found
    }

    fn diagnostic(&self, files: &[SourceFile], problem: &Problem) -> Diagnostic {
        let other = problem.other.as_ref().and_then(|place| {
            let spot = self.spot(files, place, None)?;
            Some((Some(spot), format!("see {place}")))
        });
        Diagnostic {
            severity: Severity::Error,
            code: Some(problem.code),
            message: problem.headline(),
            help: problem.remedy.clone(),
            command: None,
            notes: Vec::new(),
            spot: self.spot(files, &problem.place(), problem.at),
            value: problem.value.clone(),
            place: Some(problem.place()),
            other,
        }
    }

    /// Where a finding's place stands: the value at fault where it is found there, else the place's own value, else the
    /// option. `None` for an option that no file sets.
    #[must_use]
    pub fn spot_of(
        &self,
        files: &[SourceFile],
        place: &Place,
        value: Option<&str>,
    ) -> Option<Spot> {
        let at = value.and_then(|value| self.raw.locate_value(place, value));
        let origin = self.origins.get(&place.option)?;
        let is_block = match &origin.value.value {
            Value::Scalar(_, style) => matches!(style, ScalarStyle::Literal | ScalarStyle::Folded),
            Value::List(_) | Value::Map(_) => true,
        };
        if at.is_none() && place.path.is_empty() && is_block {
            // The first entry of many would look as if it were to blame.
            return Some(Spot {
                file: origin.file,
                at: origin.key.at,
            });
        }
        self.spot(files, place, at)
    }

    /// Where `place` stands; `at` is its position as the option's reader has it: in the option's text, or in the file
    /// for an option that is YAML there.
    fn spot(&self, files: &[SourceFile], place: &Place, at: Option<Position>) -> Option<Spot> {
        let origin = self.origins.get(&place.option)?;
        let spot = |at| Spot {
            file: origin.file,
            at,
        };
        let known = OPTIONS.iter().any(|option| option.name == place.option);
        if !known {
            return Some(spot(origin.key.at));
        }
        let at = at.or_else(|| self.raw.locate(place));
        let start = origin.value.at;
        Some(spot(match (&origin.value.value, at) {
            (_, None) => start,
            (Value::Scalar(..), Some(inside)) => files[origin.file]
                .inside_scalar(&origin.value, inside)
                .unwrap_or(start),
            (Value::List(_) | Value::Map(_), Some(at)) => at,
        }))
    }
}

fn is_text(name: &str) -> bool {
    let mut options = OPTIONS.iter();
    options.any(|option| option.name == name && option.kind == OptionKind::String)
}

fn raw_value(value: &Node) -> Option<RawValue> {
    RawValue::from_node(value.to_option())
}
