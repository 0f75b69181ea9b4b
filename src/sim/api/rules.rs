//! The rules of `x-kubernetes-validations`: as much of CEL as Calico's definitions use.
//!
//! `has`, `.?` with `orValue`, `size`, `contains`, `startsWith`, `endsWith`, `exists`, `all`, comparisons, `in`, `!`, `&&`, `||`, literals,
//! fields, `self` and `oldSelf`. A rule that uses more is not checked.

use serde_json::Value;

/// Whether `expression` holds for `value`; nothing when it cannot be told, or when it speaks of an old value and there
/// is none (a transition rule on a create).
pub(super) fn holds(expression: &str, value: &Value, old: Option<&Value>) -> Option<bool> {
    let rule = parse(expression)?;
    let mut scope = vec![("self".to_owned(), value.clone())];
    if let Some(old) = old {
        scope.push(("oldSelf".to_owned(), old.clone()));
    }
    eval(&rule, &scope)?.as_bool()
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Mark(&'static str),
}

#[derive(Debug, Clone)]
enum Node {
    Literal(Value),
    Name(String),
    Field(Box<Node>, String),
    /// `owner.?field`, which may be followed by `orValue`.
    Optional(Box<Node>, String),
    Call(String, Vec<Node>),
    Method(Box<Node>, String, Vec<Node>),
    Not(Box<Node>),
    Binary(Box<Node>, &'static str, Box<Node>),
    List(Vec<Node>),
}

const MARKS: [&str; 18] = [
    "||", "&&", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".", "+", "-", "?",
];

/// Binary operators, loosest first.
const LEVELS: [&[&str]; 3] = [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">", "in"]];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let used = if first == '\'' || first == '"' {
            let end = rest.get(1..)?.find(first)?;
            let literal = rest.get(1..=end)?;
            if literal.contains('\\') {
                return None;
            }
            tokens.push(Token::Text(literal.to_owned()));
            end + 2
        } else if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            tokens.push(Token::Number(rest.get(..end)?.parse().ok()?));
            end
        } else if first.is_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..end)?.to_owned()));
            end
        } else {
            let mark = MARKS.into_iter().find(|mark| rest.starts_with(mark))?;
            tokens.push(Token::Mark(mark));
            mark.len()
        };
        rest = rest.get(used..)?.trim_start();
    }
    Some(tokens)
}

fn parse(text: &str) -> Option<Node> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens };
    let node = parser.binary(0)?;
    parser.tokens.is_empty().then_some(node)
}

struct Parser<'t> {
    tokens: &'t [Token],
}

impl Parser<'_> {
    fn take(&mut self, mark: &str) -> bool {
        match self.tokens.split_first() {
            Some((Token::Mark(found), rest)) if *found == mark => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        let (first, rest) = self.tokens.split_first()?;
        let found = LEVELS.get(level)?.iter().find(|operator| match first {
            Token::Mark(mark) => mark == *operator,
            Token::Word(word) => word == *operator,
            _ => false,
        })?;
        self.tokens = rest;
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Option<Node> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = Node::Binary(Box::new(left), operator, Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Node> {
        if self.take("!") {
            return Some(Node::Not(Box::new(self.unary()?)));
        }
        let mut node = self.primary()?;
        while self.take(".") {
            let optional = self.take("?");
            let (Token::Word(name), rest) = self.tokens.split_first()? else {
                return None;
            };
            self.tokens = rest;
            node = if optional {
                Node::Optional(Box::new(node), name.clone())
            } else if self.take("(") {
                Node::Method(Box::new(node), name.clone(), self.arguments(")")?)
            } else {
                Node::Field(Box::new(node), name.clone())
            };
        }
        Some(node)
    }

    fn arguments(&mut self, end: &str) -> Option<Vec<Node>> {
        let mut arguments = Vec::new();
        if self.take(end) {
            return Some(arguments);
        }
        loop {
            arguments.push(self.binary(0)?);
            if self.take(end) {
                return Some(arguments);
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn primary(&mut self) -> Option<Node> {
        if self.take("(") {
            let node = self.binary(0)?;
            return self.take(")").then_some(node);
        }
        if self.take("[") {
            return self.arguments("]").map(Node::List);
        }
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        match first {
            Token::Text(text) => Some(Node::Literal(text.as_str().into())),
            Token::Number(number) => Some(Node::Literal((*number).into())),
            Token::Word(word) if word == "true" || word == "false" => {
                Some(Node::Literal((word == "true").into()))
            }
            Token::Word(name) if self.take("(") => {
                Some(Node::Call(name.clone(), self.arguments(")")?))
            }
            Token::Word(name) => Some(Node::Name(name.clone())),
            Token::Mark(_) => None,
        }
    }
}

type Scope = Vec<(String, Value)>;

fn eval(node: &Node, scope: &Scope) -> Option<Value> {
    match node {
        Node::Literal(value) => Some(value.clone()),
        Node::Name(name) => scope
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.clone()),
        Node::Field(owner, name) | Node::Optional(owner, name) => {
            eval(owner, scope)?.get(name).cloned()
        }
        Node::List(items) => items
            .iter()
            .map(|item| eval(item, scope))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        Node::Not(inner) => Some((!eval(inner, scope)?.as_bool()?).into()),
        Node::Call(name, arguments) => call(name, arguments, scope),
        Node::Method(owner, name, arguments) if name == "orValue" => {
            let Node::Optional(..) = **owner else {
                return None;
            };
            eval(owner, scope).or_else(|| eval(arguments.first()?, scope))
        }
        Node::Method(owner, name, arguments) => {
            method(&eval(owner, scope)?, name, arguments, scope)
        }
        Node::Binary(left, operator @ ("||" | "&&"), right) => logic(left, operator, right, scope),
        Node::Binary(left, operator, right) => {
            compare(&eval(left, scope)?, operator, &eval(right, scope)?)
        }
    }
}

/// In CEL one side that decides outweighs an error on the other.
fn logic(left: &Node, operator: &str, right: &Node, scope: &Scope) -> Option<Value> {
    let decisive = operator == "||";
    let side = |node| eval(node, scope).and_then(|value| value.as_bool());
    let left = side(left);
    if left == Some(decisive) {
        return Some(decisive.into());
    }
    match (left, side(right)) {
        (_, Some(right)) if right == decisive => Some(decisive.into()),
        (Some(_), Some(_)) => Some((!decisive).into()),
        _ => None,
    }
}

fn compare(left: &Value, operator: &str, right: &Value) -> Option<Value> {
    let equal = match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => (left - right).abs() < f64::EPSILON,
        _ => left == right,
    };
    let ordered = || Some((left.as_f64()?, right.as_f64()?));
    let holds = match operator {
        "==" => equal,
        "!=" => !equal,
        "<" => ordered().map(|(left, right)| left < right)?,
        "<=" => ordered().map(|(left, right)| left <= right)?,
        ">" => ordered().map(|(left, right)| left > right)?,
        ">=" => ordered().map(|(left, right)| left >= right)?,
        "in" => right.as_array()?.contains(left),
        _ => return None,
    };
    Some(holds.into())
}

fn call(name: &str, arguments: &[Node], scope: &Scope) -> Option<Value> {
    match (name, arguments) {
        ("has", [Node::Field(owner, field)]) => {
            Some(eval(owner, scope)?.get(field).is_some().into())
        }
        ("size", [argument]) => size(&eval(argument, scope)?),
        _ => None,
    }
}

fn size(value: &Value) -> Option<Value> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        _ => return None,
    };
    Some(size.into())
}

fn method(owner: &Value, name: &str, arguments: &[Node], scope: &Scope) -> Option<Value> {
    match (name, arguments) {
        ("size", []) => size(owner),
        ("contains" | "startsWith" | "endsWith", [argument]) => {
            let (text, part) = (owner.as_str()?, eval(argument, scope)?);
            let part = part.as_str()?;
            let holds = match name {
                "contains" => text.contains(part),
                "startsWith" => text.starts_with(part),
                _ => text.ends_with(part),
            };
            Some(holds.into())
        }
        ("exists" | "all", [Node::Name(variable), body]) => {
            let decisive = name == "exists";
            let mut scope = scope.clone();
            for item in owner.as_array()? {
                scope.push((variable.clone(), item.clone()));
                let holds = eval(body, &scope)?.as_bool()?;
                scope.pop();
                if holds == decisive {
                    return Some(decisive.into());
                }
            }
            Some((!decisive).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_are_evaluated() {
        let value = json!({"a": "x", "n": 5, "list": ["p", "q"], "empty": ""});
        for (rule, expected) in [
            ("self.a == 'x'", Some(true)),
            ("self.a != \"x\"", Some(false)),
            ("!has(self.z) || self.z == 1", Some(true)),
            ("has(self.a) && size(self.a) > 0", Some(true)),
            (
                "(has(self.empty) && size(self.empty) > 0) == has(self.a)",
                Some(false),
            ),
            ("self.list.exists(u, u == 'q')", Some(true)),
            ("self.list.all(u, u == 'q')", Some(false)),
            ("self.n >= 5 && self.n <= 5 && !(self.n < 5)", Some(true)),
            ("self.a in ['x', 'y']", Some(true)),
            ("self.a.contains('y')", Some(false)),
            ("self.z == 1 || true", Some(true)),
            ("self.z == 1", None),
            ("self.?z.orValue(1) == 1", Some(true)),
            ("self.?n.orValue(1) == 1", Some(false)),
            (
                "self.?y.?z.orValue('') == '' || self.a.orValue('')",
                Some(true),
            ),
            ("self.matches('.*')", None),
            ("isCIDR(self.a)", None),
            ("self.a ==", None),
        ] {
            assert_eq!(holds(rule, &value, None), expected, "{rule}");
        }
    }

    #[test]
    fn a_transition_rule_needs_an_old_value() {
        for (old, expected) in [
            (None, None),
            (Some(json!("a")), Some(true)),
            (Some(json!("b")), Some(false)),
        ] {
            assert_eq!(
                holds("self == oldSelf", &json!("a"), old.as_ref()),
                expected,
                "{old:?}"
            );
        }
    }
}
