//! Names of units and of Kubernetes nodes.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Refusal;

/// A Juju unit: `calico/3`, whose number is 3 and whose name in objects is `calico-3`.
///
/// By Juju's grammar (`github.com/juju/names`, `ApplicationSnippet` and `UnitSnippet`). Sorts by application, then number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName {
    application: String,
    number: u32,
}

impl UnitName {
    /// The application, `calico`.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The number, 3.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The name without a slash, `calico-3`.
    #[must_use]
    pub fn dashed(&self) -> String {
        format!("{}-{}", self.application, self.number)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.application, self.number)
    }
}

impl Serialize for UnitName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for UnitName {
    type Err = UnitNameError;

    fn from_str(text: &str) -> Result<Self, UnitNameError> {
        let (application, number) = text.split_once('/').ok_or(UnitNameError::NoSlash)?;
        if !is_application(application) {
            return Err(UnitNameError::Application);
        }
        Ok(Self {
            application: application.to_owned(),
            number: parse_unit_number(number)?,
        })
    }
}

/// Reads a unit's number as Juju writes it: decimal, no sign, no leading zeros.
pub(crate) fn parse_unit_number(text: &str) -> Result<u32, UnitNameError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(UnitNameError::Number);
    }
    text.parse().map_err(|_| UnitNameError::Number)
}

/// Dash-separated parts of lower-case letters and digits; the first starts with a letter, every other has one.
fn is_application(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('-').all(|part| {
            part.bytes().all(allowed) && part.bytes().any(|byte| byte.is_ascii_lowercase())
        })
}

/// Why a text is not a unit's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitNameError {
    /// No slash.
    #[error("is not a unit name")]
    NoSlash,
    /// What is before the slash is no application.
    #[error("does not start with an application's name")]
    Application,
    /// What is after the slash is no unit number.
    #[error("does not end in a unit number")]
    Number,
}

impl Refusal for UnitNameError {
    fn remedy(&self) -> Option<String> {
        Some("write <application>/<number>, e.g. calico/0".to_owned())
    }
}

/// Name of a Kubernetes Node: a DNS-1123 subdomain (`k8s.io/apimachinery`, `IsDNS1123Subdomain`).
///
/// kubelet calls its Node after the lower-cased host name unless it is told otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

impl NodeName {
    /// The name kubelet gives the Node of a host called `hostname`.
    ///
    /// # Errors
    /// [`NodeNameError`] when no Node can be called so.
    pub fn of_host(hostname: &str) -> Result<Self, NodeNameError> {
        hostname.trim().to_ascii_lowercase().parse()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<Self, NodeNameError> {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(inner)
        };
        let valid = text.len() <= 253 && text.split('.').all(label);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(NodeNameError)
        }
    }
}

/// A text that no Node can be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not a DNS subdomain of lower-case letters, digits, '-' and '.'")]
pub struct NodeNameError;

impl Refusal for NodeNameError {
    fn remedy(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_unit_names() {
        for (text, application, number, dashed) in [
            ("calico/0", "calico", 0, "calico-0"),
            ("calico/12", "calico", 12, "calico-12"),
            (
                "calico-b/4294967295",
                "calico-b",
                u32::MAX,
                "calico-b-4294967295",
            ),
            ("c0-1a/7", "c0-1a", 7, "c0-1a-7"),
        ] {
            let unit: UnitName = text.parse().unwrap();
            assert_eq!(
                (unit.application(), unit.number(), unit.dashed().as_str()),
                (application, number, dashed)
            );
            assert_eq!(unit.to_string(), text);
        }
    }

    #[test]
    fn bad_unit_names() {
        use UnitNameError as E;
        for (text, error) in [
            ("", E::NoSlash),
            ("calico", E::NoSlash),
            ("calico-0", E::NoSlash),
            ("/0", E::Application),
            ("calico-1/0", E::Application),
            ("1calico/0", E::Application),
            ("Calico/0", E::Application),
            ("calico-/0", E::Application),
            ("-calico/0", E::Application),
            ("calico--b/0", E::Application),
            ("calico/", E::Number),
            ("calico/00", E::Number),
            ("calico/-1", E::Number),
            ("calico/+1", E::Number),
            ("calico/0/0", E::Number),
            ("calico/leader", E::Number),
            ("calico/4294967296", E::Number),
        ] {
            assert_eq!(text.parse::<UnitName>(), Err(error), "{text}");
        }
    }

    #[test]
    fn node_names() {
        for good in ["node-a", "a", "1", "ip-10-0-0-5.ec2.internal"] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "Node-A",
            "node_a",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "a.-b",
            "a b",
            &"a".repeat(254),
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
        assert_eq!(
            NodeName::of_host("Juju-1A2B-0\n").unwrap().as_str(),
            "juju-1a2b-0"
        );
    }
}
