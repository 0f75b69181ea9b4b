//! What the server knows about a kind's fields: types for validation, list kinds for server-side apply.
//!
//! A [`Schema`] is read from the `openAPIV3Schema` of a `CustomResourceDefinition`, so the built-in tables and the real
//! CRDs take one way in. `pattern` is not evaluated.

use std::collections::BTreeMap;

use serde_json::Value;

/// The schema of one value.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    pub(super) form: Form,
    pub(super) nullable: bool,
    pub(super) default: Option<Value>,
    pub(super) rules: Vec<Rule>,
    /// Whether nothing, zero or false is as good as no field: a plain field of one of Kubernetes' own structs.
    pub(super) left_out_when_empty: bool,
    /// Whether it is a struct inside another, which is always there.
    pub(super) in_place: bool,
}

/// Which values there may be.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// Anything (`x-kubernetes-preserve-unknown-fields`): maps are merged key by key, lists as a whole.
    Any,
    /// An amount, which is written in one of several ways.
    Quantity,
    Boolean,
    Number(NumberForm),
    Text(TextForm),
    Map(MapForm),
    List(ListForm),
}

#[derive(Debug, Clone, Default)]
pub(super) struct NumberForm {
    pub(super) integer: bool,
    pub(super) format: Option<String>,
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct TextForm {
    pub(super) format: Option<String>,
    /// The allowed words, every one when empty.
    pub(super) words: Vec<String>,
    pub(super) max_length: Option<u64>,
    pub(super) min_length: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct MapForm {
    pub(super) fields: BTreeMap<String, Schema>,
    pub(super) required: Vec<String>,
    /// What keys outside `fields` hold; nothing when there may be none.
    pub(super) rest: Option<Box<Schema>>,
    /// Owned and replaced as a whole (`x-kubernetes-map-type: atomic`).
    pub(super) atomic: bool,
}

#[derive(Debug, Clone)]
pub(super) struct ListForm {
    pub(super) items: Box<Schema>,
    pub(super) kind: ListKind,
    pub(super) max_items: Option<u64>,
    pub(super) min_items: Option<u64>,
}

/// `x-kubernetes-list-type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListKind {
    /// Owned and replaced as a whole; the default.
    Atomic,
    /// Scalars, each at most once, each with an owner.
    Set,
    /// Maps told apart by these fields.
    Keyed(Vec<String>),
}

/// One entry of `x-kubernetes-validations`.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) expression: String,
    pub(super) message: String,
    pub(super) reason: String,
}

/// The schema of values nothing is known about.
pub(super) static ANY: Schema = Schema {
    form: Form::Any,
    nullable: true,
    default: None,
    rules: Vec::new(),
    left_out_when_empty: false,
    in_place: false,
};

impl Schema {
    pub(super) const fn of(form: Form) -> Self {
        Self {
            form,
            nullable: false,
            default: None,
            rules: Vec::new(),
            left_out_when_empty: false,
            in_place: false,
        }
    }

    fn text() -> Self {
        Self::of(Form::Text(TextForm::default()))
    }

    fn record(fields: BTreeMap<String, Self>, rest: Option<Self>) -> Self {
        Self::of(Form::Map(MapForm {
            fields,
            required: Vec::new(),
            rest: rest.map(Box::new),
            atomic: false,
        }))
    }

    fn list(items: Self, kind: ListKind) -> Self {
        Self::of(Form::List(ListForm {
            items: Box::new(items),
            kind,
            max_items: None,
            min_items: None,
        }))
    }

    /// The schema of a whole object: `body` holds the schemas of `spec`, `status` and the like, and `rest` is whether
    /// other top-level fields are kept.
    pub(super) fn object(body: BTreeMap<String, Self>, required: Vec<String>, rest: bool) -> Self {
        let mut fields = body;
        fields.insert("apiVersion".to_owned(), Self::text());
        fields.insert("kind".to_owned(), Self::text());
        fields.insert("metadata".to_owned(), object_meta());
        let rest = rest.then(|| Box::new(ANY.clone()));
        Self::of(Form::Map(MapForm {
            fields,
            required,
            rest,
            atomic: false,
        }))
    }

    /// The schema of a custom resource from its `openAPIV3Schema`.
    pub(super) fn of_custom_resource(open_api: &Value) -> Self {
        let root = Self::from_open_api(open_api);
        match root.form {
            Form::Map(map) => {
                let required = map
                    .required
                    .into_iter()
                    .filter(|name| name != "metadata")
                    .collect();
                Self::object(map.fields, required, map.rest.is_some())
            }
            _ => Self::object(BTreeMap::new(), Vec::new(), true),
        }
    }

    /// Reads one node of an `OpenAPI` v3 schema.
    pub(super) fn from_open_api(node: &Value) -> Self {
        Self {
            form: form_of(node),
            nullable: flag(node, "nullable"),
            default: node.get("default").cloned(),
            rules: array(node, "x-kubernetes-validations")
                .iter()
                .map(rule_of)
                .collect(),
            left_out_when_empty: false,
            in_place: false,
        }
    }

    /// The value a field of a map has when nobody gives it one: items of lists are told apart by it too.
    pub(super) fn default_of(&self, field: &str) -> Option<&Value> {
        match &self.form {
            Form::Map(map) => map.fields.get(field)?.default.as_ref(),
            _ => None,
        }
    }

    /// Whether a rule stands anywhere in it.
    pub(super) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
            || match &self.form {
                Form::Map(map) => map
                    .fields
                    .values()
                    .chain(map.rest.as_deref())
                    .any(Self::has_rules),
                Form::List(list) => list.items.has_rules(),
                _ => false,
            }
    }
}

impl MapForm {
    /// The schema of what stands under `key`, and whether the key is a declared field.
    pub(super) fn child(&self, key: &str) -> Option<(&Schema, bool)> {
        match self.fields.get(key) {
            Some(field) => Some((field, true)),
            None => self.rest.as_deref().map(|rest| (rest, false)),
        }
    }
}

/// `ObjectMeta`: labels and annotations are merged by key, finalizers are a set, owner references are keyed by uid
/// and whole
/// (`meta/v1/types.go`).
pub(super) fn object_meta() -> Schema {
    let texts = || Schema::record(BTreeMap::new(), Some(Schema::text()));
    let owner = Schema::of(Form::Map(MapForm {
        fields: BTreeMap::from([("uid".to_owned(), Schema::text())]),
        required: Vec::new(),
        rest: Some(Box::new(ANY.clone())),
        atomic: true,
    }));
    let number = || {
        Schema::of(Form::Number(NumberForm {
            integer: true,
            ..NumberForm::default()
        }))
    };
    let mut fields = BTreeMap::from([
        ("annotations".to_owned(), texts()),
        ("labels".to_owned(), texts()),
        (
            "finalizers".to_owned(),
            Schema::list(Schema::text(), ListKind::Set),
        ),
        (
            "ownerReferences".to_owned(),
            Schema::list(owner, ListKind::Keyed(vec!["uid".to_owned()])),
        ),
        (
            "managedFields".to_owned(),
            Schema::list(ANY.clone(), ListKind::Atomic),
        ),
        ("generation".to_owned(), number()),
        ("deletionGracePeriodSeconds".to_owned(), number()),
    ]);
    for name in [
        "name",
        "namespace",
        "generateName",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "selfLink",
    ] {
        fields.insert(name.to_owned(), Schema::text());
    }
    for field in fields.values_mut() {
        field.nullable = true;
    }
    Schema::record(fields, None)
}

fn form_of(node: &Value) -> Form {
    if flag(node, "x-kubernetes-int-or-string") {
        return Form::Any;
    }
    match node.get("type").and_then(Value::as_str) {
        Some("boolean") => Form::Boolean,
        Some(number @ ("integer" | "number")) => Form::Number(NumberForm {
            integer: number == "integer",
            format: text(node, "format"),
            minimum: node.get("minimum").and_then(Value::as_f64),
            maximum: node.get("maximum").and_then(Value::as_f64),
        }),
        Some("string") => Form::Text(TextForm {
            format: text(node, "format"),
            words: words_of(node),
            max_length: node.get("maxLength").and_then(Value::as_u64),
            min_length: node.get("minLength").and_then(Value::as_u64),
        }),
        Some("array") => Form::List(ListForm {
            items: Box::new(
                node.get("items")
                    .map_or_else(|| ANY.clone(), Schema::from_open_api),
            ),
            kind: list_kind_of(node),
            max_items: node.get("maxItems").and_then(Value::as_u64),
            min_items: node.get("minItems").and_then(Value::as_u64),
        }),
        Some("object") => map_form_of(node),
        _ => Form::Any,
    }
}

fn map_form_of(node: &Value) -> Form {
    let fields: BTreeMap<String, Schema> = node
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, child)| (name.clone(), Schema::from_open_api(child)))
        .collect();
    let rest = match node.get("additionalProperties") {
        Some(child @ Value::Object(_)) => Some(Box::new(Schema::from_open_api(child))),
        Some(Value::Bool(true)) => Some(Box::new(ANY.clone())),
        _ if flag(node, "x-kubernetes-preserve-unknown-fields") => Some(Box::new(ANY.clone())),
        _ => None,
    };
    let required = array(node, "required")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let atomic = node.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
    Form::Map(MapForm {
        fields,
        required,
        rest,
        atomic,
    })
}

fn list_kind_of(node: &Value) -> ListKind {
    match node.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = array(node, "x-kubernetes-list-map-keys");
            ListKind::Keyed(
                keys.iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
            )
        }
        _ => ListKind::Atomic,
    }
}

/// The enum of a node, or the last one under its `allOf`.
fn words_of(node: &Value) -> Vec<String> {
    let own = array(node, "enum");
    let words = if own.is_empty() {
        array(node, "allOf")
            .iter()
            .map(|part| array(part, "enum"))
            .next_back()
            .unwrap_or_default()
    } else {
        own
    };
    words
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn rule_of(node: &Value) -> Rule {
    let expression = text(node, "rule").unwrap_or_default();
    Rule {
        message: text(node, "message").unwrap_or_else(|| format!("failed rule: {expression}")),
        reason: text(node, "reason").unwrap_or_else(|| "FieldValueInvalid".to_owned()),
        expression,
    }
}

fn array<'n>(node: &'n Value, name: &str) -> &'n [Value] {
    node.get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn text(node: &Value, name: &str) -> Option<String> {
    node.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn flag(node: &Value, name: &str) -> bool {
    node.get(name).and_then(Value::as_bool).unwrap_or(false)
}
