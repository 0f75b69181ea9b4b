//! Route reflector cluster IDs.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Refusal;
use crate::fabric::Code;

/// A route reflector's cluster ID: 32 bits, written as a dotted quad.
///
/// Fed by `route-reflector-cluster-ids`. It need not be an address of anything; `0.0.0.0`, which the charm's
/// documentation uses, is accepted, `0` and `1` are not (Calico takes IPv4 notation only,
/// `libcalico-go/lib/apis/internalapi/node.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(Ipv4Addr);

impl ClusterId {
    /// Whether this is `0.0.0.0`, which BIRD treats as "not set" and replaces by the router ID.
    #[must_use]
    pub fn is_unspecified(self) -> bool {
        self.0.is_unspecified()
    }

    /// The ID as an address.
    #[must_use]
    pub fn ipv4(self) -> Ipv4Addr {
        self.0
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for ClusterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for ClusterId {
    type Err = ClusterIdError;

    fn from_str(text: &str) -> Result<Self, ClusterIdError> {
        match text.parse() {
            Ok(quad) => Ok(Self(quad)),
            Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let whole = text
                    .parse()
                    .ok()
                    .filter(|_| text == "0" || !text.starts_with('0'));
                Err(ClusterIdError::Number(whole.map(Ipv4Addr::from_bits)))
            }
            Err(_) => Err(ClusterIdError::NotAQuad),
        }
    }
}

/// Why a text is not a cluster ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterIdError {
    /// Not four decimal parts.
    #[error("is not a dotted quad")]
    NotAQuad,
    /// A whole number; the same as a dotted quad where it fits.
    #[error("is a number, not a dotted quad")]
    Number(Option<Ipv4Addr>),
}

impl Refusal for ClusterIdError {
    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Number(Some(quad)) => format!("write {quad}"),
            _ => "write four numbers from 0 to 255, e.g. 224.0.0.1".to_owned(),
        })
    }

    fn code(&self) -> Code {
        Code(7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good() {
        for text in ["0.0.0.0", "0.0.0.1", "224.0.0.1", "255.255.255.255"] {
            assert_eq!(text.parse::<ClusterId>().unwrap().to_string(), text);
        }
        assert!("0.0.0.0".parse::<ClusterId>().unwrap().is_unspecified());
    }

    #[test]
    fn bad() {
        let shape = "write four numbers from 0 to 255, e.g. 224.0.0.1";
        for (text, remedy) in [
            ("", shape),
            ("1", "write 0.0.0.1"),
            ("16777216", "write 1.0.0.0"),
            ("010", shape),
            ("4294967296", shape),
            ("1.2.3", shape),
            ("1.2.3.256", shape),
            ("1.2.3.04", shape),
            ("fd00::1", shape),
            ("10.0.0.0/24", shape),
            ("rack-1", shape),
        ] {
            assert_eq!(
                text.parse::<ClusterId>().unwrap_err().remedy().as_deref(),
                Some(remedy),
                "{text}"
            );
        }
    }
}
