//! What a model knows of a charm: its options, endpoints and resources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Impossible;
use crate::config::{OPTIONS, OptionDefault, OptionKind};

/// A charm as its metadata and config.yaml describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charm {
    /// Whether its units live beside a principal's.
    pub subordinate: bool,
    /// Whether the units run hooks here. Those of other charms are told what to write: see
    /// [`JujuModel::write_databag`](super::JujuModel::write_databag).
    pub runs_hooks: bool,
    /// The options of config.yaml.
    pub options: BTreeMap<String, CharmOption>,
    /// The endpoints of metadata.yaml.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Paths of the resources that are attached.
    pub resources: BTreeMap<String, String>,
}

/// Type and default of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharmOption {
    /// What `juju config` lets in.
    pub kind: Kind,
    /// `None` where config.yaml has none.
    pub default: Option<Value>,
}

/// Type of an option, in config.yaml's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Any text, kept as it is.
    String,
    /// A 64-bit integer.
    Int,
    /// `true` or `false`, in the spellings Go accepts.
    Boolean,
}

/// One endpoint of metadata.yaml.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Which side of a relation it is.
    pub role: Role,
    /// Both sides must name the same one.
    pub interface: String,
    /// Whether relations of it stay on one machine.
    pub scope: Scope,
}

/// Side of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `requires`.
    Requirer,
    /// `provides`.
    Provider,
    /// `peers`.
    Peer,
}

/// Reach of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Every unit sees every unit of the other side.
    Global,
    /// A unit sees the units on its own machine that it is subordinate to, or that are subordinate to it.
    Container,
}

impl Charm {
    /// This project's charm.
    #[must_use]
    pub fn calico() -> Self {
        let options = OPTIONS.iter().map(|option| {
            let kind = match option.kind {
                OptionKind::String => Kind::String,
                OptionKind::Int => Kind::Int,
                OptionKind::Boolean => Kind::Boolean,
            };
            let default = match option.default {
                OptionDefault::None => None,
                OptionDefault::Text(text) => Some(text.into()),
                OptionDefault::Integer(number) => Some(number.into()),
                OptionDefault::Boolean(truth) => Some(truth.into()),
            };
            (option.name.to_owned(), CharmOption { kind, default })
        });
        Self {
            subordinate: true,
            runs_hooks: true,
            options: options.collect(),
            endpoints: endpoints([
                ("cni", Role::Requirer, "kubernetes-cni", Scope::Container),
                ("etcd", Role::Requirer, "etcd", Scope::Global),
                ("fabric", Role::Peer, "calico-fabric", Scope::Global),
            ]),
            resources: BTreeMap::new(),
        }
    }

    /// A charm that offers `kubernetes-cni`, such as kubernetes-worker.
    #[must_use]
    pub fn kubernetes() -> Self {
        Self::scripted(endpoints([(
            "cni",
            Role::Provider,
            "kubernetes-cni",
            Scope::Container,
        )]))
    }

    /// The etcd charm, which bundles relate to calico.
    #[must_use]
    pub fn etcd() -> Self {
        Self::scripted(endpoints([("db", Role::Provider, "etcd", Scope::Global)]))
    }

    /// A principal charm with these endpoints whose hooks are not run here.
    #[must_use]
    pub fn scripted(endpoints: BTreeMap<String, Endpoint>) -> Self {
        Self {
            subordinate: false,
            runs_hooks: false,
            options: BTreeMap::new(),
            endpoints,
            resources: BTreeMap::new(),
        }
    }
}

fn endpoints<const N: usize>(list: [(&str, Role, &str, Scope); N]) -> BTreeMap<String, Endpoint> {
    list.into_iter()
        .map(|(name, role, interface, scope)| {
            let endpoint = Endpoint {
                role,
                interface: interface.to_owned(),
                scope,
            };
            (name.to_owned(), endpoint)
        })
        .collect()
}

impl CharmOption {
    /// Reads what follows the `=` of `juju config` (Juju's `charm.Option`): types are checked, content is not.
    pub(super) fn parse(&self, name: &str, text: &str) -> Result<Value, Impossible> {
        let parsed = match self.kind {
            Kind::String => Some(text.into()),
            Kind::Int => text.parse::<i64>().ok().map(Value::from),
            Kind::Boolean => parse_bool(text).map(Value::from),
        };
        parsed.ok_or_else(|| Impossible::OptionValue {
            option: name.to_owned(),
            kind: self.kind,
            text: text.to_owned(),
        })
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Boolean => "boolean",
        })
    }
}

/// Go's `strconv.ParseBool`, which Juju reads booleans with.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn types_are_checked_as_juju_checks_them() {
        for (kind, text, expected) in [
            (Kind::String, "\n- a ", Some(json!("\n- a "))),
            (Kind::String, "", Some(json!(""))),
            (Kind::Int, "64512", Some(json!(64512))),
            (Kind::Int, "-1", Some(json!(-1))),
            (Kind::Int, " 1", None),
            (Kind::Int, "1.0", None),
            (Kind::Int, "", None),
            (Kind::Int, "9223372036854775808", None),
            (Kind::Boolean, "T", Some(json!(true))),
            (Kind::Boolean, "False", Some(json!(false))),
            (Kind::Boolean, "yes", None),
            (Kind::Boolean, "tRUE", None),
        ] {
            let option = CharmOption {
                kind,
                default: None,
            };
            assert_eq!(option.parse("x", text).ok(), expected, "{kind} {text:?}");
        }
    }

    #[test]
    fn calico_has_the_endpoints_of_its_metadata() {
        let metadata: Value =
            crate::config::yaml::from_document(include_str!("../../../metadata.yaml")).unwrap();
        let charm = Charm::calico();
        assert_eq!(metadata["subordinate"], json!(charm.subordinate));
        let mut count = 0;
        for (role, section) in [
            (Role::Requirer, "requires"),
            (Role::Provider, "provides"),
            (Role::Peer, "peers"),
        ] {
            for (name, declared) in metadata[section].as_object().into_iter().flatten() {
                let endpoint = &charm.endpoints[name];
                assert_eq!(endpoint.role, role, "{name}");
                assert_eq!(json!(endpoint.interface), declared["interface"], "{name}");
                let scope = declared.get("scope").cloned().unwrap_or(json!("global"));
                assert_eq!(json!(endpoint.scope), scope, "{name}");
                count += 1;
            }
        }
        assert_eq!(count, charm.endpoints.len());
    }
}
