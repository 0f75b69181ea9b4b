//! Maps by unit or subnet, with everything that can be wrong about their shape.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::node::{self, Node, NodeValue};
use super::problem::{Position, Problem};
use crate::model::{AsNumber, Cidr, ClusterId, Place, Sourced, UnitName, parse_unit_number};

/// One structured option while it is read.
pub(super) struct Structure<'a> {
    option: &'static str,
    application: &'a str,
    problems: &'a mut Vec<Problem>,
}

/// What a part of an option should be, for the message when it is something else.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) example: &'static str,
}

impl<'a> Structure<'a> {
    pub(super) fn new(
        option: &'static str,
        application: &'a str,
        problems: &'a mut Vec<Problem>,
    ) -> Self {
        Self {
            option,
            application,
            problems,
        }
    }

    pub(super) fn report(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    pub(super) fn problem(&self, path: &str, at: Position, rule: impl Into<String>) -> Problem {
        Problem::new(self.option, path, rule).at(at)
    }

    pub(super) fn place(&self, path: &str) -> Place {
        Place {
            option: self.option.to_owned(),
            path: path.to_owned(),
        }
    }

    fn sourced<T>(&self, path: &str, value: T) -> Sourced<T> {
        Sourced {
            value,
            place: self.place(path),
        }
    }

    /// Reports that `node` has another shape than it should.
    pub(super) fn wrong_shape(&mut self, node: &Node, path: &str, shape: Shape) {
        let rule = format!("is {} where {} is expected", node.shape(), shape.name);
        let problem = self
            .problem(path, node.at, rule)
            .remedy(format!("write e.g. {}", shape.example));
        self.report(match node.text() {
            Some(text) if !node.is_null() => problem.value(text),
            _ => problem,
        });
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, path: &str, shape: Shape) -> &'n [Node] {
        if let NodeValue::List(items) = &node.value {
            items
        } else {
            self.wrong_shape(node, path, shape);
            &[]
        }
    }

    /// The entries of a map.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        shape: Shape,
    ) -> &'n [(Node, Node)] {
        if let NodeValue::Map(entries) = &node.value {
            entries
        } else {
            self.wrong_shape(node, path, shape);
            &[]
        }
    }

    /// The text of a key; reports a list or map in its place.
    pub(super) fn key<'n>(&mut self, key: &'n Node, path: &str) -> Option<&'n str> {
        if key.text().is_none() {
            let rule = format!("has {} as a key", key.shape());
            let problem = self
                .problem(path, key.at, rule)
                .remedy("write keys as plain text");
            self.report(problem);
        }
        key.text()
    }

    /// A map by unit: `0`, `"0"` and `calico/0` are one key.
    pub(super) fn by_unit<T>(
        &mut self,
        node: &Node,
        shape: Shape,
        value: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> BTreeMap<u32, T> {
        self.by_key(node, shape, "unit", Self::unit_number, value)
    }

    /// A map by subnet: every spelling of a network is one key.
    pub(super) fn by_subnet<T>(
        &mut self,
        node: &Node,
        shape: Shape,
        value: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> BTreeMap<Cidr, T> {
        self.by_key(node, shape, "subnet", Self::subnet, value)
    }

    fn by_key<K: Ord + Copy + Display, T>(
        &mut self,
        node: &Node,
        shape: Shape,
        noun: &str,
        parse_key: impl Fn(&mut Self, &str, Position) -> Option<K>,
        mut parse_value: impl FnMut(&mut Self, &Node, &str) -> Option<T>,
    ) -> BTreeMap<K, T> {
        let mut found = BTreeMap::new();
        let mut first_at: BTreeMap<K, &Node> = BTreeMap::new();
        for (key, value) in self.entries(node, "", shape) {
            let Some(text) = self.key(key, "") else {
                continue;
            };
            let path = node::key_path("", text);
            let parsed = parse_key(self, text, key.at);
            // A value is read even if its key is wrong or repeated: no mistake hides another.
            let value = parse_value(self, value, &path);
            let Some(parsed) = parsed else {
                continue;
            };
            if let Some(first) = first_at.get(&parsed) {
                let problem = self.repeated(noun, text, key.at, first);
                self.report(problem);
                continue;
            }
            first_at.insert(parsed, key);
            if let Some(value) = value {
                found.insert(parsed, value);
            }
        }
        found
    }

    fn repeated(&self, noun: &str, text: &str, at: Position, first: &Node) -> Problem {
        let first_text = first.text().unwrap_or_default();
        let rule = if first_text == text {
            format!("is there twice, first at {}", first.at)
        } else {
            format!(
                "is the same {noun} as \"{}\" at {}",
                super::problem::excerpt(first_text),
                first.at
            )
        };
        self.problem("", at, rule)
            .code(3)
            .value(text)
            .remedy(format!("keep one entry for the {noun}"))
            .other(&self.place(&node::key_path("", first_text)))
    }

    fn unit_number(&mut self, text: &str, at: Position) -> Option<u32> {
        let refused = match text.parse::<UnitName>() {
            Ok(unit) if unit.application() == self.application => return Some(unit.number()),
            Ok(unit) => self
                .problem(
                    "",
                    at,
                    format!("is a unit of another application than {}", self.application),
                )
                .remedy(format!(
                    "write {} or {}/{}",
                    unit.number(),
                    self.application,
                    unit.number()
                )),
            Err(_) => match parse_unit_number(text) {
                Ok(number) => return Some(number),
                Err(_) => self.problem("", at, "is not a unit").remedy(format!(
                    "write the unit's number or its name, e.g. 0 or {}/0",
                    self.application
                )),
            },
        };
        self.report(refused.value(text));
        None
    }

    fn subnet(&mut self, text: &str, at: Position) -> Option<Cidr> {
        match text.parse() {
            Ok(cidr) => Some(cidr),
            Err(error) => {
                self.report(Problem::refused(self.option, "", text, &error).at(at));
                None
            }
        }
    }

    /// An AS number. Without quotes `1.10` is a fraction to YAML, equal to `1.1`, and asdot means two AS numbers by them.
    pub(super) fn as_number(&mut self, node: &Node, path: &str) -> Option<AsNumber> {
        const SHAPE: Shape = Shape {
            name: "an AS number",
            example: "64512, or \"1.10\" in quotes",
        };
        let NodeValue::Scalar { text, plain } = &node.value else {
            self.wrong_shape(node, path, SHAPE);
            return None;
        };
        if node.is_null() {
            self.wrong_shape(node, path, SHAPE);
            return None;
        }
        if *plain && is_fraction(text) {
            let problem = self
                .problem(
                    path,
                    node.at,
                    "is a number with a fraction to YAML, where 1.10 and 1.1 are the same",
                )
                .code(4)
                .remedy(format!(
                    "put it in quotes if <high>.<low> is meant: \"{text}\""
                ));
            self.report(problem.value(text));
            return None;
        }
        match text.parse() {
            Ok(number) => Some(number),
            Err(error) => {
                self.report(Problem::refused(self.option, path, text, &error).at(node.at));
                None
            }
        }
    }

    /// An AS number with its place.
    pub(super) fn sourced_as_number(
        &mut self,
        node: &Node,
        path: &str,
    ) -> Option<Sourced<AsNumber>> {
        let number = self.as_number(node, path)?;
        Some(self.sourced(path, number))
    }

    /// A cluster ID with its place.
    pub(super) fn sourced_cluster_id(
        &mut self,
        node: &Node,
        path: &str,
    ) -> Option<Sourced<ClusterId>> {
        const SHAPE: Shape = Shape {
            name: "a cluster ID",
            example: "224.0.0.1",
        };
        let text = match node.text() {
            Some(text) if !node.is_null() => text,
            _ => {
                self.wrong_shape(node, path, SHAPE);
                return None;
            }
        };
        match text.parse() {
            Ok(id) => Some(self.sourced(path, id)),
            Err(error) => {
                self.report(Problem::refused(self.option, path, text, &error).at(node.at));
                None
            }
        }
    }
}

/// Whether YAML reads a plain text as a float; exponents included, because a JSON encoder may write them.
fn is_fraction(text: &str) -> bool {
    let numeric = |char: char| char.is_ascii_digit() || "+-_.eE".contains(char);
    text.contains('.')
        && text.chars().all(numeric)
        && text.matches('.').count() == 1
        && text.contains(|char: char| char.is_ascii_digit())
}
