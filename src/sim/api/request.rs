//! What a request asks for: its path, query and headers taken apart.

use std::fmt;

use serde_json::Value;

use super::status_error::{FieldError, StatusError};

/// What a request does, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Makes a new object (POST).
    Create,
    /// Replaces an object (PUT).
    Update,
    /// Server-side apply.
    Apply,
    /// Merge patch.
    Patch,
    /// Deletes one object.
    Delete,
    /// Asks what is served, for the version or for the server's health.
    Discover,
    /// Anything else.
    Other,
}

impl Verb {
    /// Whether it can change objects.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::Create | Self::Update | Self::Apply | Self::Patch | Self::Delete
        )
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Discover => "discover",
            Self::Other => "other",
        })
    }
}

/// Media types of patches.
pub(super) const APPLY_PATCH: &str = "application/apply-patch+yaml";
pub(super) const MERGE_PATCH: &str = "application/merge-patch+json";

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`.
    Resources { group: String, version: String },
    /// A collection, an object or a part of one.
    Objects(Address),
    /// None of these.
    Nothing,
}

/// Where objects are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) namespace: String,
    pub(super) plural: String,
    /// Empty for the collection.
    pub(super) name: String,
    pub(super) subresource: String,
}

impl Target {
    pub(super) fn of_path(path: &str) -> Self {
        let segments: Vec<String> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| decoded(segment, false))
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["version"] => Self::Version,
            ["healthz" | "livez" | "readyz", ..] => Self::Health,
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version] => Self::Resources {
                group: String::new(),
                version: (*version).to_owned(),
            },
            ["apis", group, version] => Self::Resources {
                group: (*group).to_owned(),
                version: (*version).to_owned(),
            },
            ["api", version, rest @ ..] => {
                Address::of("", version, rest).map_or(Self::Nothing, Self::Objects)
            }
            ["apis", group, version, rest @ ..] => {
                Address::of(group, version, rest).map_or(Self::Nothing, Self::Objects)
            }
            _ => Self::Nothing,
        }
    }
}

impl Address {
    fn of(group: &str, version: &str, rest: &[&str]) -> Option<Self> {
        let (namespace, rest) = match rest {
            // `namespaces/<name>` and `namespaces/<name>/status` are the Namespace itself.
            ["namespaces", namespace, rest @ ..]
                if !matches!(rest, [] | ["status" | "finalize"]) =>
            {
                (*namespace, rest)
            }
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        Some(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            plural: plural.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        })
    }
}

/// What the server does about unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) field_manager: String,
    pub(super) force: Option<bool>,
    pub(super) dry_run: bool,
    pub(super) validation: FieldValidation,
    pub(super) label_selector: String,
    pub(super) field_selector: String,
    pub(super) limit: usize,
    pub(super) continue_token: String,
    pub(super) watch: bool,
}

impl Options {
    /// Reads the query of a request with this verb.
    ///
    /// # Errors
    /// 422 for values the verb does not take, 400 for what is no number or truth value.
    pub(super) fn of_query(query: &str, verb: Verb) -> Result<Self, StatusError> {
        let mut options = Self::default();
        let mut errors = Vec::new();
        for (name, value) in pairs(query) {
            match name.as_str() {
                "fieldManager" => options.field_manager = value,
                "labelSelector" => options.label_selector = value,
                "fieldSelector" => options.field_selector = value,
                "continue" => options.continue_token = value,
                "force" => options.force = Some(truth(&name, &value)?),
                "watch" => options.watch = truth(&name, &value)?,
                "limit" => {
                    options.limit = value.parse().map_err(|_| {
                        StatusError::bad_request(format!(
                            "strconv.ParseInt: parsing \"{value}\": invalid syntax"
                        ))
                    })?;
                }
                "dryRun" if value == "All" => options.dry_run = true,
                "dryRun" => errors.push(unsupported("dryRun", [value.as_str()], &["All"])),
                "fieldValidation" => match value.as_str() {
                    "Ignore" => options.validation = FieldValidation::Ignore,
                    "Warn" | "" => options.validation = FieldValidation::Warn,
                    "Strict" => options.validation = FieldValidation::Strict,
                    _ => errors.push(unsupported(
                        "fieldValidation",
                        value.as_str(),
                        &["", "Ignore", "Strict", "Warn"],
                    )),
                },
                _ => {}
            }
        }
        options.check(verb, errors)
    }

    /// The rules of `ValidatePatchOptions` and its like (`meta/v1/validation`).
    fn check(self, verb: Verb, mut errors: Vec<FieldError>) -> Result<Self, StatusError> {
        let kind = match verb {
            Verb::Create => "CreateOptions",
            Verb::Update => "UpdateOptions",
            Verb::Apply | Verb::Patch => "PatchOptions",
            Verb::Delete => "DeleteOptions",
            _ => return Ok(self),
        };
        if verb == Verb::Apply && self.field_manager.is_empty() {
            errors.push(FieldError::required(
                "fieldManager",
                "is required for apply patch",
            ));
        }
        if verb == Verb::Patch && self.force.is_some() {
            errors.push(FieldError::forbidden(
                "force",
                "may not be specified for non-apply patch",
            ));
        }
        if self.field_manager.len() > 128 {
            errors.push(FieldError::too_long("fieldManager", 128));
        }
        if errors.is_empty() {
            return Ok(self);
        }
        Err(StatusError::invalid_kind(
            &format!("{kind}.meta.k8s.io"),
            "",
            &errors,
        ))
    }
}

fn unsupported(field: &str, value: impl Into<Value>, words: &[&str]) -> FieldError {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    FieldError::not_supported(field, &value.into(), &words)
}

fn truth(name: &str, value: &str) -> Result<bool, StatusError> {
    match value {
        "true" | "1" | "" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(StatusError::bad_request(format!(
            "{name}: \"{value}\" is neither true nor false"
        ))),
    }
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, true), decoded(value, true))
        })
}

/// Undoes percent-encoding, and in a query `+` for a space.
fn decoded(text: &str, query: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        let hex = bytes
            .get(index + 1..index + 3)
            .and_then(|pair| std::str::from_utf8(pair).ok());
        match (byte, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                index += 2;
            }
            (b'+', _) if query => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// The preconditions and the dry run in the body of a delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeleteOptions {
    pub(super) uid: Option<String>,
    pub(super) resource_version: Option<String>,
    pub(super) dry_run: bool,
}

impl DeleteOptions {
    /// Reads a delete's body; without one the query's dry run counts.
    ///
    /// # Errors
    /// 400 when the body is no JSON object.
    pub(super) fn of_body(body: &[u8], options: &Options) -> Result<Self, StatusError> {
        if body.is_empty() {
            return Ok(Self {
                dry_run: options.dry_run,
                ..Self::default()
            });
        }
        let body: Value = serde_json::from_slice(body).map_err(|error| {
            StatusError::bad_request(format!(
                "couldn't get version/kind; json parse error: {error}"
            ))
        })?;
        let precondition = |name: &str| {
            body.pointer("/preconditions")
                .and_then(|all| all.get(name))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let dry_run = body
            .get("dryRun")
            .and_then(Value::as_array)
            .is_some_and(|all| all.iter().any(|one| one == "All"));
        Ok(Self {
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            dry_run,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(
        group: &str,
        version: &str,
        namespace: &str,
        plural: &str,
        name: &str,
        subresource: &str,
    ) -> Target {
        let own = str::to_owned;
        Target::Objects(Address {
            group: own(group),
            version: own(version),
            namespace: own(namespace),
            plural: own(plural),
            name: own(name),
            subresource: own(subresource),
        })
    }

    #[test]
    fn paths_are_taken_apart() {
        for (path, target) in [
            ("/version", Target::Version),
            ("/readyz", Target::Health),
            ("/api", Target::CoreVersions),
            ("/apis", Target::Groups),
            ("/apis/apps", Target::Group("apps".to_owned())),
            (
                "/api/v1",
                Target::Resources {
                    group: String::new(),
                    version: "v1".to_owned(),
                },
            ),
            ("/api/v1/nodes", objects("", "v1", "", "nodes", "", "")),
            (
                "/api/v1/nodes/a%2Db",
                objects("", "v1", "", "nodes", "a-b", ""),
            ),
            (
                "/api/v1/namespaces",
                objects("", "v1", "", "namespaces", "", ""),
            ),
            (
                "/api/v1/namespaces/kube-system",
                objects("", "v1", "", "namespaces", "kube-system", ""),
            ),
            (
                "/api/v1/namespaces/x/pods/p",
                objects("", "v1", "x", "pods", "p", ""),
            ),
            (
                "/apis/apps/v1/namespaces/x/daemonsets",
                objects("apps", "v1", "x", "daemonsets", "", ""),
            ),
            (
                "/apis/g.io/v1/things/t/status",
                objects("g.io", "v1", "", "things", "t", "status"),
            ),
            ("/metrics", Target::Nothing),
            ("/", Target::Nothing),
        ] {
            assert_eq!(Target::of_path(path), target, "{path}");
        }
    }

    #[test]
    fn queries_are_taken_apart() {
        let query = "labelSelector=a%3Db%2Cc+in+%28d%29&limit=7&fieldManager=x&force=true&dryRun=All&fieldValidation=Strict";
        let options = Options::of_query(query, Verb::Apply).expect("a good query");
        assert_eq!(options.label_selector, "a=b,c in (d)");
        assert_eq!(
            (options.limit, options.force, options.dry_run),
            (7, Some(true), true)
        );
        assert_eq!(options.validation, FieldValidation::Strict);
    }

    #[test]
    fn options_are_checked() {
        let long = format!("fieldManager={}", "x".repeat(129));
        for (verb, query, field) in [
            (Verb::Apply, "", "fieldManager"),
            (Verb::Patch, "force=true", "force"),
            (Verb::Create, "dryRun=some", "dryRun"),
            (Verb::Update, "fieldValidation=strict", "fieldValidation"),
            (Verb::Create, long.as_str(), "fieldManager"),
        ] {
            let error = Options::of_query(query, verb).expect_err(query);
            assert_eq!(error.code, 422, "{query}");
            assert_eq!(error.details["causes"][0]["field"], field, "{query}");
        }
        for query in ["limit=x", "force=maybe"] {
            assert_eq!(
                Options::of_query(query, Verb::Apply).expect_err(query).code,
                400,
                "{query}"
            );
        }
    }
}
