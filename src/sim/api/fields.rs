//! Paths into an object, sets of them, and their wire form `fieldsV1`.
//!
//! The rules are those of structured-merge-diff's `fieldpath` package, the library behind server-side apply.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Bound;

use serde_json::{Map, Value};

/// One step of a path. Values are kept as their JSON text, which orders them and is also how they are printed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Element {
    /// A field of a struct or a key of a map.
    Field(String),
    /// The item of a keyed list whose key fields have these values.
    Key(BTreeMap<String, String>),
    /// The item of a set.
    Item(String),
    /// The item of an atomic list at this place; only printed.
    Index(usize),
}

impl Element {
    pub(super) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    fn to_wire(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => format!("k:{}", key_object(keys)),
            Self::Item(value) => format!("v:{value}"),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    fn from_wire(text: &str) -> Option<Self> {
        let (tag, rest) = text.split_once(':')?;
        match tag {
            "f" => Some(Self::Field(rest.to_owned())),
            "v" => serde_json::from_str::<Value>(rest)
                .ok()
                .map(|value| Self::Item(value.to_string())),
            "i" => rest.parse().ok().map(Self::Index),
            "k" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
                Some(Self::Key(
                    keys.iter()
                        .map(|(name, value)| (name.clone(), value.to_string()))
                        .collect(),
                ))
            }
            _ => None,
        }
    }
}

fn key_object(keys: &BTreeMap<String, String>) -> String {
    let fields: Vec<String> = keys
        .iter()
        .map(|(name, value)| format!("{}:{value}", Value::from(name.as_str())))
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// A path from the root of an object.
pub(super) type Path = Vec<Element>;

/// Prints a path as the API server does: `.spec.allowedUses[="Workload"]`.
pub(super) fn display(path: &[Element]) -> String {
    let mut text = String::new();
    for element in path {
        let _infallible = match element {
            Element::Field(name) => write!(text, ".{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                write!(text, "[{}]", keys.join(","))
            }
            Element::Item(value) => write!(text, "[={value}]"),
            Element::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}

/// The path made of these field names.
pub(super) fn field_path(names: &[&str]) -> Path {
    names.iter().copied().map(Element::field).collect()
}

/// A set of paths. Each operation is on whole paths: a parent says nothing about its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FieldSet(BTreeSet<Path>);

impl FieldSet {
    pub(super) fn insert(&mut self, path: Path) {
        self.0.insert(path);
    }

    pub(super) fn contains(&self, path: &[Element]) -> bool {
        self.0.contains(path)
    }

    /// Whether a member lies strictly below `path`.
    pub(super) fn reaches_below(&self, path: &[Element]) -> bool {
        self.0
            .range::<[Element], _>((Bound::Excluded(path), Bound::Unbounded))
            .next()
            .is_some_and(|member| member.starts_with(path))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// The members that are neither `root` nor below it.
    pub(super) fn outside(&self, root: &[Element]) -> Self {
        Self(
            self.0
                .iter()
                .filter(|path| !path.starts_with(root))
                .cloned()
                .collect(),
        )
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter()
    }

    /// The members in the order conflicts are listed: at each level what ends there, then what goes on.
    pub(super) fn in_report_order(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self.0.iter().collect();
        paths.sort_by(|left, right| report_order(left, right));
        paths
    }

    /// The set as `fieldsV1`: a tree in which an empty object, or a `.`, marks a member.
    pub(super) fn to_wire(&self) -> Value {
        let mut root = Map::new();
        for path in &self.0 {
            let mut node = &mut root;
            for (depth, element) in path.iter().enumerate() {
                let name = element.to_wire();
                let known = node.contains_key(&name);
                let Value::Object(child) = node
                    .entry(name)
                    .or_insert_with(|| Value::Object(Map::new()))
                else {
                    break;
                };
                // Members come in order, a parent before its children: an empty tree on the way is a member.
                if known && child.is_empty() && depth + 1 < path.len() {
                    child.insert(".".to_owned(), Value::Object(Map::new()));
                }
                node = child;
            }
        }
        Value::Object(root)
    }

    /// Reads `fieldsV1`; nothing when it is no such tree.
    pub(super) fn from_wire(tree: &Value) -> Option<Self> {
        let mut set = Self::default();
        collect_members(tree.as_object()?, &mut Path::new(), &mut set)?;
        Some(set)
    }
}

fn collect_members(tree: &Map<String, Value>, path: &mut Path, set: &mut FieldSet) -> Option<()> {
    for (name, subtree) in tree {
        if name == "." {
            set.insert(path.clone());
            continue;
        }
        let subtree = subtree.as_object()?;
        path.push(Element::from_wire(name)?);
        if subtree.is_empty() {
            set.insert(path.clone());
        } else {
            collect_members(subtree, path, set)?;
        }
        path.pop();
    }
    Some(())
}

fn report_order(left: &[Element], right: &[Element]) -> Ordering {
    let Some(split) = left.iter().zip(right).position(|(a, b)| a != b) else {
        return left.len().cmp(&right.len());
    };
    let ends = |path: &[Element]| path.len() == split + 1;
    ends(right)
        .cmp(&ends(left))
        .then_with(|| left.get(split).cmp(&right.get(split)))
}

impl FromIterator<Path> for FieldSet {
    fn from_iter<I: IntoIterator<Item = Path>>(paths: I) -> Self {
        Self(paths.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_survives_the_wire() {
        let tree = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a.b/c": {}}},
            "f:spec": {"f:allowedUses": {"v:\"Tunnel\"": {}}, "f:asNumber": {}},
            "f:status": {"f:addresses": {"k:{\"type\":\"InternalIP\"}": {".": {}, "f:address": {}}}},
        });
        let set = FieldSet::from_wire(&tree).expect("a tree of fields");
        assert_eq!(set.to_wire(), tree);
        assert_eq!(set.iter().count(), 6);
    }

    #[test]
    fn what_is_no_tree_of_fields_is_refused() {
        for bad in [
            json!("text"),
            json!({"x:spec": {}}),
            json!({"f:spec": 1}),
            json!({"nocolon": {}}),
        ] {
            assert_eq!(FieldSet::from_wire(&bad), None, "{bad}");
        }
    }

    #[test]
    fn paths_print_as_the_server_prints_them() {
        let item = Element::Item("\"Tunnel\"".to_owned());
        let key = Element::Key(BTreeMap::from([(
            "type".to_owned(),
            "\"InternalIP\"".to_owned(),
        )]));
        for (path, text) in [
            (field_path(&["spec", "asNumber"]), ".spec.asNumber"),
            (
                field_path(&["metadata", "labels", "a.b/c"]),
                ".metadata.labels.a.b/c",
            ),
            (vec![Element::field("uses"), item], ".uses[=\"Tunnel\"]"),
            (
                vec![Element::field("addresses"), key],
                ".addresses[type=\"InternalIP\"]",
            ),
        ] {
            assert_eq!(display(&path), text);
        }
    }

    #[test]
    fn reports_list_what_ends_at_a_level_first() {
        let set: FieldSet = [
            &["spec", "a", "b"][..],
            &["spec", "c"],
            &["metadata", "labels", "x"],
            &["spec", "b"],
        ]
        .into_iter()
        .map(field_path)
        .collect();
        let order: Vec<String> = set
            .in_report_order()
            .into_iter()
            .map(|path| display(path))
            .collect();
        assert_eq!(
            order,
            [".metadata.labels.x", ".spec.b", ".spec.c", ".spec.a.b"]
        );
    }

    #[test]
    fn below_is_strict() {
        let set: FieldSet = [field_path(&["spec", "a", "b"]), field_path(&["spec", "ab"])]
            .into_iter()
            .collect();
        for (path, below) in [
            (&["spec"][..], true),
            (&["spec", "a"], true),
            (&["spec", "ab"], false),
            (&["x"], false),
        ] {
            assert_eq!(set.reaches_below(&field_path(path)), below, "{path:?}");
        }
    }
}
