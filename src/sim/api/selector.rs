//! Label and field selectors (`apimachinery/pkg/labels`, `pkg/fields`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::collection::{Tag, at, text_at};

/// One requirement on a label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, BTreeSet<String>),
    /// Holds too where the label is missing.
    NotIn(String, BTreeSet<String>),
}

/// A parsed `labelSelector`; the empty one takes everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// Says what was found where something else was expected.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        split_requirements(text)
            .into_iter()
            .map(requirement)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By requirement that says so, the labels one of which every match carries.
    pub(super) fn tags(&self) -> Vec<Vec<Tag>> {
        let tags = self.0.iter().filter_map(|requirement| match requirement {
            Requirement::In(key, values) => {
                Some(values.iter().map(|value| Tag::label(key, value)).collect())
            }
            _ => None,
        });
        tags.collect()
    }

    /// Whether an object's labels meet every requirement.
    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = at(object, "/metadata/labels");
        let label = |key: &str| {
            labels
                .and_then(|labels| labels.get(key))
                .and_then(Value::as_str)
        };
        self.0.iter().all(|requirement| match requirement {
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::In(key, values) => label(key).is_some_and(|value| values.contains(value)),
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|value| !values.contains(value))
            }
        })
    }
}

/// Splits at the commas that stand outside parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .collect()
}

fn requirement(text: &str) -> Result<Requirement, String> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok(Requirement::Absent(label_key(key)?));
    }
    if let Some(found) = set_requirement(text) {
        return found;
    }
    for (operator, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, value)) = text.split_once(operator) {
            let (key, values) = (label_key(key)?, BTreeSet::from([label_value(value)?]));
            return Ok(if negated {
                Requirement::NotIn(key, values)
            } else {
                Requirement::In(key, values)
            });
        }
    }
    Ok(Requirement::Exists(label_key(text)?))
}

fn set_requirement(text: &str) -> Option<Result<Requirement, String>> {
    let (head, values) = text.split_once('(')?;
    let mut words = head.split_whitespace();
    let (key, operator) = (words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    let Some(values) = values.strip_suffix(')') else {
        return Some(Err(format!(
            "unable to parse requirement: found '', expected: ',' or ')' in \"{text}\""
        )));
    };
    let values: Result<BTreeSet<String>, String> = values.split(',').map(label_value).collect();
    Some(label_key(key).and_then(|key| match operator {
        "in" => Ok(Requirement::In(key, values?)),
        "notin" => Ok(Requirement::NotIn(key, values?)),
        other => Err(format!(
            "unable to parse requirement: found '{other}', expected: in, notin, =, ==, !=, gt, lt"
        )),
    }))
}

/// A label key: an optional DNS prefix, a slash, and a name of at most 63 characters.
fn label_key(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.rsplit_once('/').map_or(text, |(_, name)| name);
    if name.is_empty() || name.len() > 63 || !text.chars().all(is_label_character) {
        return Err(format!(
            "unable to parse requirement: <nil>: Invalid value: \"{text}\": name part is not a label key"
        ));
    }
    Ok(text.to_owned())
}

fn label_value(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > 63 || text.contains('/') || !text.chars().all(is_label_character) {
        return Err(format!(
            "unable to parse requirement: values[0][]: Invalid value: \"{text}\": not a label value"
        ));
    }
    Ok(text.to_owned())
}

fn is_label_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

/// A parsed `fieldSelector`: path to the field, wanted value, and whether it must be that value or must not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldSelector(Vec<(String, String, bool)>);

impl FieldSelector {
    /// Reads a selector over `known` fields.
    ///
    /// # Errors
    /// Refuses what is no term, and fields that are not `known`.
    pub(super) fn parse(text: &str, known: &[&str]) -> Result<Self, String> {
        let terms = text
            .split(',')
            .map(str::trim)
            .filter(|term| !term.is_empty());
        terms
            .map(|term| field_term(term, known))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The node every match runs on, if a term says so.
    pub(super) fn tags(&self) -> Option<Vec<Tag>> {
        let node = |(path, wanted, equal): &&(String, String, bool)| {
            path == "/spec/nodeName" && *equal && !wanted.is_empty()
        };
        self.0
            .iter()
            .find(node)
            .map(|(_, wanted, _)| vec![Tag::node(wanted)])
    }

    /// Whether an object's fields meet every term; a missing field counts as empty.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|(pointer, wanted, equal)| (text_at(object, pointer) == wanted) == *equal)
    }
}

fn field_term(term: &str, known: &[&str]) -> Result<(String, String, bool), String> {
    let split = [("!=", false), ("==", true), ("=", true)]
        .into_iter()
        .find_map(|(operator, equal)| {
            term.split_once(operator)
                .map(|(field, value)| (field, value, equal))
        });
    let (field, value, equal) =
        split.ok_or_else(|| format!("invalid selector: '{term}'; can't understand '{term}'"))?;
    if !known.contains(&field) {
        return Err(format!("field label not supported: {field}"));
    }
    Ok((
        format!("/{}", field.replace('.', "/")),
        value.to_owned(),
        equal,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_choose() {
        let object = json!({"metadata": {"labels": {"app": "calico", "a.b/unit": "calico-0"}}});
        for (selector, chosen) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            ("other", false),
            ("app=calico", true),
            ("app==calico,a.b/unit=calico-0", true),
            ("app=calico,a.b/unit=calico-1", false),
            ("app!=calico", false),
            ("other!=x", true),
            ("app in (flannel, calico)", true),
            ("app in (flannel),app", false),
            ("app notin (flannel)", true),
            ("other notin (x)", true),
            ("a.b/unit in (calico-0,calico-1), app", true),
        ] {
            let parsed = LabelSelector::parse(selector).expect(selector);
            assert_eq!(parsed.matches(&object), chosen, "{selector}");
        }
        for bad in ["=x", "app in (x", "app is (x)", "app=a b", "a,,b", "!"] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_selectors_choose() {
        let object = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "node-a"}});
        let known = ["metadata.name", "spec.nodeName", "metadata.namespace"];
        for (selector, chosen) in [
            ("", true),
            ("metadata.name=p", true),
            ("spec.nodeName==node-a,metadata.name=p", true),
            ("spec.nodeName!=node-a", false),
            ("metadata.namespace=", true),
            ("spec.nodeName=node-b", false),
        ] {
            let parsed = FieldSelector::parse(selector, &known).expect(selector);
            assert_eq!(parsed.matches(&object), chosen, "{selector}");
        }
        for bad in ["spec.other=1", "metadata.name"] {
            assert!(FieldSelector::parse(bad, &known).is_err(), "{bad}");
        }
    }
}
