//! Requests as they go over the wire, and answers in a form in which two servers can be compared.

use std::collections::BTreeMap;

use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

/// One request: `PATCH /apis/…?fieldManager=alice`, its media types by short names, its body.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What is tried; later requests refer to the answer as `${name.pointer.to.value}`.
    pub name: String,
    /// Method, path and query.
    pub send: String,
    /// `apply`, `merge`, `json`, or a media type.
    #[serde(rename = "as")]
    pub content: Option<String>,
    /// `metadata`, `metadata-list`, or a media type.
    pub accept: Option<String>,
    /// An object, or text that is sent as it is.
    #[serde(default)]
    pub body: Value,
    /// Why of a refusal only status and reason have to be equal.
    pub loosely: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `Warning` headers.
    pub warnings: Vec<String>,
    /// The body, a string where it is no JSON.
    pub body: Value,
}

impl Exchange {
    /// A GET that asks for JSON.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, None, Value::Null)
    }

    /// A request of `manager`; `content` as in [`Exchange::content`].
    pub fn new(method: &str, path: &str, content: Option<&str>, body: Value) -> Self {
        Self {
            name: String::new(),
            send: format!("{method} {path}"),
            content: content.map(str::to_owned),
            accept: None,
            body,
            loosely: None,
        }
    }

    /// The request with every `${…}` replaced by what it stands for.
    pub fn filled(&self, answers: &BTreeMap<String, Value>) -> Self {
        let mut filled = self.clone();
        filled.send = fill(&self.send, answers);
        fill_value(&mut filled.body, answers);
        filled
    }

    /// Sends it.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn sent(&self, client: &Client) -> Result<Reply, String> {
        let (method, path) = self.send.split_once(' ').ok_or("no method")?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let accept = match self.accept.as_deref() {
            None => "application/json",
            Some("metadata") => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            Some("metadata-list") => {
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
            }
            Some(other) => other,
        };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::ACCEPT, accept);
        let content = match self.content.as_deref() {
            Some("apply") => Some("application/apply-patch+yaml"),
            Some("merge") => Some("application/merge-patch+json"),
            Some("json") => Some("application/json"),
            other => other,
        };
        if let Some(content) = content {
            request = request.header(header::CONTENT_TYPE, content);
        }
        let body = match &self.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            body => body.to_string().into_bytes(),
        };
        let request = request
            .body(Body::from(body))
            .map_err(|error| error.to_string())?;
        let response = client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .to_bytes();
        Ok(Reply {
            status: parts.status.as_u16(),
            warnings: parts
                .headers
                .get_all(header::WARNING)
                .iter()
                .filter_map(|value| Some(value.to_str().ok()?.to_owned()))
                .collect(),
            body: serde_json::from_slice(&body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()),
        })
    }
}

fn fill_value(value: &mut Value, answers: &BTreeMap<String, Value>) {
    match value {
        Value::String(text) => *text = fill(text, answers),
        Value::Array(items) => items.iter_mut().for_each(|item| fill_value(item, answers)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| fill_value(field, answers)),
        _ => {}
    }
}

fn fill(text: &str, answers: &BTreeMap<String, Value>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (reference, behind) = after.split_once('}').expect("`${` is closed by `}`");
        filled.push_str(before);
        filled.push_str(&looked_up(reference, answers));
        rest = behind;
    }
    filled + rest
}

fn looked_up(reference: &str, answers: &BTreeMap<String, Value>) -> String {
    let (name, pointer) = reference.split_once('.').unwrap_or((reference, ""));
    let answer = answers
        .get(name)
        .unwrap_or_else(|| panic!("nothing called {name} before"));
    let pointer = format!("/{}", pointer.replace('.', "/"));
    let value = if pointer == "/" {
        Some(answer)
    } else {
        answer.pointer(&pointer)
    };
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("no {reference} in {answer}"),
    }
}

/// Replaces what no two servers have in common: uids, versions and times. Versions and uids become ordinals, so that
/// two answers with one version still differ from two answers with two.
#[derive(Debug, Default)]
pub struct Normaliser {
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
}

impl Normaliser {
    /// A reply as one value, of a refusal only status and reason if it is to be compared loosely.
    pub fn reply(&mut self, reply: &Reply, loosely: bool) -> Value {
        if loosely {
            assert!(reply.status >= 400, "no refusal: {}", reply.body);
            return json!({"status": reply.status, "reason": reply.body["reason"]});
        }
        json!({"status": reply.status, "warnings": reply.warnings, "body": self.value(&reply.body)})
    }

    /// An object or a list of them.
    pub fn value(&mut self, value: &Value) -> Value {
        let mut value = value.clone();
        let is_list = value["kind"]
            .as_str()
            .is_some_and(|kind| kind.ends_with("List"));
        if is_list && let Some(version) = value.pointer_mut("/metadata/resourceVersion") {
            *version = Value::Null;
        }
        self.walk(&mut value);
        if let Some(node) = value
            .as_object_mut()
            .filter(|object| object.get("kind").is_some_and(|kind| kind == "Node"))
        {
            // Admission adds a taint and empty sections, which no hook looks at.
            node.retain(|key, _| !matches!(key.as_str(), "spec" | "status"));
        }
        value
    }

    fn walk(&mut self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item)),
            Value::Object(fields) => {
                // Shown for clients of a version long gone, and kept nowhere.
                if let Some(annotations) =
                    fields.get_mut("annotations").and_then(Value::as_object_mut)
                {
                    annotations.remove("deprecated.daemonset.template.generation");
                }
                fields.retain(|key, field| key != "annotations" || *field != json!({}));
                for (key, field) in fields {
                    match field {
                        Value::Array(entries) if key == "managedFields" => sort(entries),
                        Value::Array(addresses) if key == "clusterIPs" => {
                            addresses.fill(json!("address"));
                        }
                        _ => {}
                    }
                    match field {
                        Value::String(text) => *text = self.text(key, text),
                        field => self.walk(field),
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, key: &str, text: &str) -> String {
        match key {
            "uid" => ordinal("uid", &mut self.uids, text),
            "resourceVersion" => ordinal("version", &mut self.versions, text),
            "time" | "creationTimestamp" | "deletionTimestamp" => "time".to_owned(),
            "clusterIP" if text != "None" => "address".to_owned(),
            "continue" if !text.is_empty() => "token".to_owned(),
            "message" | "reason" => self.sentence(text),
            _ => text.to_owned(),
        }
    }

    fn sentence(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (uid, number) in &self.uids {
            text = text.replace(uid, &format!("uid {number}"));
        }
        for before in [
            "ResourceVersion in object meta: ",
            "ResourceVersion in record (",
        ] {
            if let Some((head, tail)) = text.split_once(before) {
                let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
                text = format!("{head}{before}N{tail}");
            }
        }
        text
    }
}

/// The server sorts by time, to the second: two writes fall into one second or into two.
fn sort(entries: &mut [Value]) {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let keys = ["operation", "manager", "apiVersion"];
    entries.sort_by_key(|entry| keys.map(|key| text(entry, key)));
}

fn ordinal(what: &str, known: &mut BTreeMap<String, usize>, text: &str) -> String {
    let next = known.len() + 1;
    let number = *known.entry(text.to_owned()).or_insert(next);
    format!("{what} {number}")
}

/// The places at which two values differ, one a line: `pointer: left | right`.
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", left, right, &mut found);
    found
}

fn compare(place: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(one), Value::Object(other)) => {
            let mut keys: Vec<&String> = one.keys().chain(other.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let side = |fields: &serde_json::Map<String, Value>| {
                    fields
                        .get(key)
                        .cloned()
                        .unwrap_or_else(|| json!("<absent>"))
                };
                compare(&format!("{place}/{key}"), &side(one), &side(other), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{place}/{index}"), one, other, found);
            }
        }
        _ if left == right => {}
        _ => found.push(format!("{place}: {left} | {right}")),
    }
}
