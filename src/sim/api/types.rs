//! The schemas of Kubernetes' own kinds, read once from the table in `kubernetes.txt`, where its form is told.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::schema::{
    ANY, Form, ListForm, ListKind, MapForm, NumberForm, Schema, TextForm, object_meta,
};

static KINDS: LazyLock<BTreeMap<&'static str, Arc<Schema>>> = LazyLock::new(|| {
    let types = Types::read(include_str!("kubernetes.txt"));
    let kinds = types.0.keys().copied();
    kinds
        .filter_map(|kind| Some((kind, Arc::new(types.kind(kind)?))))
        .collect()
});

/// The schema of one of Kubernetes' own kinds.
pub(super) fn kubernetes_schema(kind: &str) -> Arc<Schema> {
    KINDS
        .get(kind)
        .cloned()
        .unwrap_or_else(|| Arc::new(Schema::object(BTreeMap::new(), Vec::new(), true)))
}

/// A type's fields as they are written, by its name.
struct Types(BTreeMap<&'static str, Definition>);

struct Definition {
    whole: bool,
    fields: Vec<Field>,
}

/// One field: its name, what it holds, and its default.
#[derive(Debug, PartialEq)]
struct Field {
    name: &'static str,
    holds: &'static str,
    default: Option<Value>,
}

impl Types {
    fn read(text: &'static str) -> Self {
        let mut types: BTreeMap<&str, Definition> = BTreeMap::new();
        let mut last = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut rest = line.trim();
            if !line.starts_with(' ')
                && let Some((name, fields)) = line.split_once(':')
            {
                (last, rest) = (name, fields.trim());
                let bare = rest.strip_prefix("(whole)");
                let definition = Definition {
                    whole: bare.is_some(),
                    fields: Vec::new(),
                };
                types.insert(name, definition);
                rest = bare.unwrap_or(rest).trim();
            }
            if let Some(definition) = types.get_mut(last) {
                let fields = rest.split(',').map(str::trim);
                definition.fields.extend(fields.filter_map(Field::read));
            }
        }
        Self(types)
    }

    /// The schema of a type as a whole object.
    fn kind(&self, name: &str) -> Option<Schema> {
        let definition = self.0.get(name)?;
        let fields = definition.fields.iter();
        let body = fields.map(|field| (field.name.to_owned(), self.field(field)));
        Some(Schema::object(body.collect(), Vec::new(), false))
    }

    fn field(&self, field: &Field) -> Schema {
        let bare = field.holds.trim_end_matches(['!', '?', '&']);
        let mark = field.holds.get(bare.len()..).unwrap_or_default();
        let mut schema = self.holding(bare);
        let structure = matches!(schema.form, Form::Map(_)) && !bare.starts_with(['{', '(']);
        schema.default = field.default.clone().or_else(|| match mark {
            "!" => empty(&schema.form),
            "&" => Some(json!({})),
            _ => None,
        });
        schema.nullable = schema.default == Some(Value::Null);
        schema.in_place = mark == "&";
        schema.left_out_when_empty =
            mark.is_empty() && !structure && !matches!(schema.form, Form::Any | Form::Quantity);
        schema
    }

    /// The schema of what stands between name and mark.
    fn holding(&self, text: &str) -> Schema {
        let inside = |start: char, end: char| {
            text.strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
        };
        if let Some(items) = inside('[', ']') {
            let mut words = items.split(' ');
            let items = self.holding(words.next().unwrap_or_default());
            let keys: Vec<String> = words.map(str::to_owned).collect();
            let kind = if keys.is_empty() {
                ListKind::Atomic
            } else {
                ListKind::Keyed(keys)
            };
            return list(items, kind);
        }
        if let Some(items) = inside('<', '>') {
            return list(self.holding(items), ListKind::Set);
        }
        if let Some(values) = inside('{', '}') {
            return map(BTreeMap::new(), Some(self.holding(values)), false);
        }
        if let Some(values) = inside('(', ')') {
            return map(BTreeMap::new(), Some(self.holding(values)), true);
        }
        match text {
            "text" => Schema::of(Form::Text(TextForm::default())),
            "flag" => Schema::of(Form::Boolean),
            "number" => Schema::of(Form::Number(NumberForm {
                integer: true,
                ..NumberForm::default()
            })),
            "quantity" => Schema::of(Form::Quantity),
            "metadata" => object_meta(),
            name => self.0.get(name).map_or_else(
                || ANY.clone(),
                |definition| {
                    let fields = definition.fields.iter();
                    let fields = fields.map(|field| (field.name.to_owned(), self.field(field)));
                    map(fields.collect(), None, definition.whole)
                },
            ),
        }
    }
}

impl Field {
    fn read(text: &'static str) -> Option<Self> {
        let (name, holds) = text.split_once(' ')?;
        let (holds, default) = match holds.split_once(" = ") {
            Some((holds, default)) => (holds, serde_json::from_str(default).ok()),
            None => (holds, None),
        };
        Some(Self {
            name,
            holds,
            default,
        })
    }
}

fn list(items: Schema, kind: ListKind) -> Schema {
    Schema::of(Form::List(ListForm {
        items: Box::new(items),
        kind,
        max_items: None,
        min_items: None,
    }))
}

fn map(fields: BTreeMap<String, Schema>, rest: Option<Schema>, atomic: bool) -> Schema {
    Schema::of(Form::Map(MapForm {
        fields,
        required: Vec::new(),
        rest: rest.map(Box::new),
        atomic,
    }))
}

/// What a field that is always written holds when nobody gives it a value.
fn empty(form: &Form) -> Option<Value> {
    match form {
        Form::List(_) => Some(Value::Null),
        Form::Text(_) => Some("".into()),
        Form::Number(_) => Some(0.into()),
        Form::Boolean => Some(false.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let types = Types::read("# no type\nA: (whole) b [B x y],\n  c text? = \"d\"\nB:\n");
        let first = &types.0["A"];
        assert!(first.whole && !types.0["B"].whole);
        let field = |name, holds, default| Field {
            name,
            holds,
            default,
        };
        assert_eq!(
            first.fields,
            [
                field("b", "[B x y]", None),
                field("c", "text?", Some(json!("d")))
            ]
        );
    }

    /// A misspelt type would be taken for `any`.
    #[test]
    fn every_type_of_the_table_is_known() {
        let types = Types::read(include_str!("kubernetes.txt"));
        let known = [
            "text", "number", "flag", "scalar", "quantity", "any", "metadata",
        ];
        for (name, definition) in &types.0 {
            for field in &definition.fields {
                let marks = ['!', '?', '&', '[', ']', '{', '}', '(', ')', '<', '>'];
                let holds = field.holds.split(' ').next().unwrap_or_default();
                let holds = holds.trim_matches(marks);
                assert!(
                    known.contains(&holds) || types.0.contains_key(holds),
                    "{name}.{}: {holds}",
                    field.name
                );
                assert!(field.default.is_some() || !field.holds.contains('='));
            }
        }
    }
}
