//! One option's raw value to the type config.yaml gives it, with config.yaml's default.

use std::cell::Cell;
use std::str::FromStr;

use super::networks;
use super::node::Node;
use super::options::{OptionDefault, OptionSpec};
use super::problem::{Position, Problem};
use super::raw::{RawConfig, RawValue};
use super::structure::Structure;
use super::yaml;
use super::{image, options};
use crate::model::{AsNumber, Cidr, Refusal, Release, TunnelMode};

/// Reads options and collects what is wrong with them. A refused value reads as one that no other check objects to, so
/// that a mistake is reported once.
pub(super) struct Reader<'a> {
    raw: &'a RawConfig,
    application: &'a str,
    pub(super) problems: Vec<Problem>,
}

/// The text of an option without the blanks around it.
pub(super) struct OptionText<'a> {
    pub(super) option: &'static str,
    pub(super) trimmed: &'a str,
    whole: &'a str,
    /// An offset in `whole` and its position, so that positions asked for in order are counted once.
    reached: Cell<(usize, Position)>,
}

impl<'a> OptionText<'a> {
    fn new(option: &'static str, whole: &'a str) -> Self {
        Self {
            option,
            trimmed: whole.trim(),
            whole,
            reached: Cell::new((0, Position { line: 1, column: 1 })),
        }
    }

    /// Position of a part of the text.
    pub(super) fn position_of(&self, part: &str) -> Position {
        // Both point into one text; a part from elsewhere would give a wrong position, never a panic.
        let offset = (part.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        let (reached, position) = self.reached.get();
        let position = match self.whole.get(reached..offset) {
            Some(between) => position.after(between),
            None => Position::in_text(self.whole, offset),
        };
        self.reached.set((offset, position));
        position
    }

    /// A problem of a part of the text.
    pub(super) fn problem(&self, part: &str, rule: impl Into<String>) -> Problem {
        Problem::new(self.option, "", rule)
            .value(part)
            .at(self.position_of(part))
    }

    /// A part of the text that a newtype refuses.
    pub(super) fn refused(&self, part: &str, refusal: &dyn Refusal) -> Problem {
        Problem::refused(self.option, "", part, refusal).at(self.position_of(part))
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(raw: &'a RawConfig, application: &'a str) -> Self {
        Self {
            raw,
            application,
            problems: Vec::new(),
        }
    }

    /// A boolean; as text in the words of Go's `strconv.ParseBool`, which `juju config` reads booleans with.
    pub(super) fn boolean(&mut self, option: &'static str) -> bool {
        let value = match self.raw.get(option) {
            Some(RawValue::Boolean(value)) => Some(*value),
            Some(RawValue::Text(text)) if !text.trim().is_empty() => match text.trim() {
                "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
                "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
                _ => self.wrong_type(option, "is not a boolean", "write true or false"),
            },
            None | Some(RawValue::Text(_)) => None,
            Some(_) => self.wrong_type(option, "is not a boolean", "write true or false"),
        };
        value.unwrap_or(matches!(default_of(option), OptionDefault::Boolean(true)))
    }

    /// A whole number; `None` when it is unset and has no default, or is refused.
    pub(super) fn integer(&mut self, option: &'static str) -> Option<i64> {
        let default = match default_of(option) {
            OptionDefault::Integer(default) => Some(default),
            _ => None,
        };
        match self.raw.get(option) {
            None => default,
            Some(RawValue::Integer(value)) => Some(*value),
            Some(RawValue::Text(text)) if text.trim().is_empty() => default,
            Some(RawValue::Text(text)) => {
                let text = text.trim();
                let padded = text.len() > 1 && text.trim_start_matches('-').starts_with('0');
                let value = text
                    .parse()
                    .ok()
                    .filter(|_| !padded && !text.starts_with('+'));
                value.or_else(|| {
                    self.wrong_type(option, "is not a whole number", "write it in decimal")
                })
            }
            Some(_) => self.wrong_type(option, "is not a whole number", "write it in decimal"),
        }
    }

    /// `global-as-number`: an int to Juju, so asdot can only come from a file.
    pub(super) fn as_number(&mut self, option: &'static str) -> AsNumber {
        let refused = match self.raw.get(option) {
            Some(RawValue::Text(text)) if !text.trim().is_empty() => match text.trim().parse() {
                Ok(number) => return number,
                Err(error) => Problem::refused(option, "", text.trim(), &error),
            },
            _ => match self
                .integer(option)
                .map(|value| (value, AsNumber::from_integer(value)))
            {
                None => return AsNumber::DEFAULT,
                Some((_, Ok(number))) => return number,
                Some((value, Err(error))) => Problem::refused(option, "", value, &error),
            },
        };
        self.problems.push(refused);
        AsNumber::DEFAULT
    }

    /// An MTU; 0 means unset, and Linux has no interface beyond 65535.
    pub(super) fn mtu(&mut self, option: &'static str) -> Option<u16> {
        let value = self.integer(option)?;
        if let Ok(mtu) = u16::try_from(value) {
            return (mtu > 0).then_some(mtu);
        }
        let problem =
            Problem::new(option, "", "is not an MTU, which is 1 to 65535 bytes").value(value);
        self.problems
            .push(problem.remedy("set the MTU of the machines' network, or 0 for automatic"));
        None
    }

    /// A number of replicas.
    pub(super) fn replicas(&mut self, option: &'static str) -> u16 {
        const MOST: u16 = 1_000;
        let value = self.integer(option).unwrap_or_default();
        match u16::try_from(value) {
            Ok(replicas) if replicas <= MOST => return replicas,
            _ => {}
        }
        let problem = Problem::new(
            option,
            "",
            "is not a number of replicas, which is 0 to 1000",
        );
        self.problems.push(
            problem
                .value(value)
                .remedy("write 0 for none, else one for each 100 to 200 machines and at least 3"),
        );
        0
    }

    /// A string option's text, its default when there is nothing but blanks; `None` when that is empty too.
    pub(super) fn text(&mut self, option: &'static str) -> Option<OptionText<'a>> {
        let default = match default_of(option) {
            OptionDefault::Text(default) => default,
            _ => "",
        };
        let whole = match self.raw.get(option) {
            Some(RawValue::Text(text)) if text.trim().is_empty() => default,
            None => default,
            Some(RawValue::Text(text)) if text.len() > yaml::LONGEST => {
                self.problems.push(Problem::new(
                    option,
                    "",
                    yaml::YamlError::TooLong.to_string(),
                ));
                return None;
            }
            Some(RawValue::Text(text)) => text,
            // The option was a boolean once, and a file may still say so (`ipip: true`).
            Some(RawValue::Boolean(value)) => {
                if *value {
                    "true"
                } else {
                    "false"
                }
            }
            Some(_) => return self.wrong_type(option, "is not a text", "write it as one text"),
        };
        (!whole.trim().is_empty()).then(|| OptionText::new(option, whole))
    }

    /// `ipip` or `vxlan`; `None` for `Never`.
    pub(super) fn mode(&mut self, option: &'static str) -> Option<TunnelMode> {
        let text = self.text(option)?;
        TunnelMode::parse_option(text.trimmed).unwrap_or_else(|error| {
            self.problems.push(text.refused(text.trimmed, &error));
            None
        })
    }

    /// An option that takes one of a few words.
    pub(super) fn word<T>(&mut self, option: &'static str) -> T
    where
        T: FromStr<Err: Refusal> + Default,
    {
        let Some(text) = self.text(option) else {
            return T::default();
        };
        text.trimmed.parse().unwrap_or_else(|error| {
            self.problems.push(text.refused(text.trimmed, &error));
            T::default()
        })
    }

    /// Networks for pools.
    pub(super) fn pool_cidrs(&mut self, option: &'static str) -> Vec<Cidr> {
        self.text(option)
            .map_or_else(Vec::new, |text| networks::pools(&text, &mut self.problems))
    }

    /// Networks for services.
    pub(super) fn service_cidrs(&mut self, option: &'static str) -> Vec<Cidr> {
        self.text(option).map_or_else(Vec::new, |text| {
            networks::services(&text, &mut self.problems)
        })
    }

    /// An image's name or the front part of one.
    pub(super) fn image(&mut self, option: &'static str) -> Option<String> {
        let text = self.text(option)?;
        self.problems.extend(image::check_image(&text));
        Some(text.trimmed.to_owned())
    }

    /// A Calico release.
    pub(super) fn release(&mut self, option: &'static str) -> Option<Release> {
        let text = self.text(option)?;
        match text.trimmed.parse() {
            Ok(release) => Some(release),
            Err(error) => {
                self.problems.push(text.refused(text.trimmed, &error));
                None
            }
        }
    }

    /// A structured option, read by `read`; `T`'s default is that of every structured option: empty.
    pub(super) fn structure<T: Default>(
        &mut self,
        option: &'static str,
        read: impl FnOnce(&mut Structure<'_>, &Node) -> T,
    ) -> T {
        let parsed;
        let node = match self.raw.get(option) {
            None => return T::default(),
            Some(RawValue::Yaml(node)) => node,
            Some(RawValue::Text(text)) => match yaml::parse(text) {
                Ok(None) => return T::default(),
                Ok(Some(node)) => {
                    parsed = node;
                    &parsed
                }
                Err(error) => {
                    self.problems.push(Problem {
                        remedy: error.remedy_in(text),
                        at: error.at(),
                        ..Problem::new(option, "", error.to_string())
                    });
                    return T::default();
                }
            },
            Some(_) => {
                self.wrong_type::<()>(option, "is not a text", "write the option as YAML text");
                return T::default();
            }
        };
        read(
            &mut Structure::new(option, self.application, &mut self.problems),
            node,
        )
    }

    fn wrong_type<T>(&mut self, option: &str, rule: &str, remedy: &str) -> Option<T> {
        let problem = Problem::new(option, "", rule).remedy(remedy);
        self.problems.push(match self.raw.get(option) {
            Some(RawValue::Text(text)) => problem.value(text.trim()),
            Some(RawValue::Integer(value)) => problem.value(value),
            Some(RawValue::Boolean(value)) => problem.value(value),
            Some(RawValue::Other(json)) => problem.value(json),
            Some(RawValue::Yaml(node)) => problem.at(node.at),
            None => problem,
        });
        None
    }

    /// Names that config.yaml does not have.
    pub(super) fn unknown_options(&mut self) {
        let known = || options::OPTIONS.iter().map(|spec| spec.name);
        for (name, _) in self.raw.iter().filter(|(name, _)| spec_of(name).is_none()) {
            let problem = Problem::new(name, "", "is not an option of this charm");
            self.problems
                .push(match super::suggest::nearest(name, known()) {
                    Some(meant) => problem.remedy(format!("write {meant}")),
                    None => problem,
                });
        }
    }
}

fn spec_of(option: &str) -> Option<&'static OptionSpec> {
    options::OPTIONS.iter().find(|spec| spec.name == option)
}

fn default_of(option: &str) -> OptionDefault {
    spec_of(option).map_or(OptionDefault::None, |spec| spec.default)
}
