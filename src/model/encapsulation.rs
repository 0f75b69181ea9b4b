//! How a pool's packets travel between nodes.

use std::fmt;
use std::str::FromStr;

use super::Refusal;

/// Which packets a tunnel carries, in Calico's words (`IPPool.spec.ipipMode` and `vxlanMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelMode {
    /// All of them.
    Always,
    /// Those that leave the node's subnet.
    CrossSubnet,
}

impl TunnelMode {
    /// Calico's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::CrossSubnet => "CrossSubnet",
        }
    }

    /// Reads an option's value: the words of [`TunnelMode::as_str`], and `Never` for `None`.
    ///
    /// # Errors
    /// [`TunnelModeError`] for any other word; a near miss is not taken for what it resembles, but named.
    pub fn parse_option(text: &str) -> Result<Option<Self>, TunnelModeError> {
        match text {
            "Never" => Ok(None),
            "Always" => Ok(Some(Self::Always)),
            "CrossSubnet" => Ok(Some(Self::CrossSubnet)),
            _ => Err(TunnelModeError { meant: meant(text) }),
        }
    }
}

impl fmt::Display for TunnelMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for TunnelMode {
    type Err = TunnelModeError;

    fn from_str(text: &str) -> Result<Self, TunnelModeError> {
        Self::parse_option(text)?.ok_or(TunnelModeError { meant: None })
    }
}

/// The booleans are those of the option up to charm release 1.14, as `juju config` prints them.
fn meant(text: &str) -> Option<&'static str> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.to_ascii_lowercase().as_str() {
        "never" | "false" | "off" | "no" | "none" | "disabled" => Some("Never"),
        "always" | "true" | "on" | "yes" | "enabled" => Some("Always"),
        "crosssubnet" | "crosssubnets" | "crossubnet" => Some("CrossSubnet"),
        _ => None,
    }
}

/// A word that is no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is not one of Always, CrossSubnet, Never")]
pub struct TunnelModeError {
    /// The word probably meant.
    pub meant: Option<&'static str>,
}

impl Refusal for TunnelModeError {
    fn remedy(&self) -> Option<String> {
        Some(match self.meant {
            Some(word) => format!("write {word}"),
            None => "write one of the three, spelt exactly so".to_owned(),
        })
    }
}

/// A pool's encapsulation. IPIP and VXLAN together have no representation, as Calico allows one a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encapsulation {
    /// Packets travel as they are; BGP tells the way.
    None,
    /// IP in IP, for IPv4 alone.
    Ipip(TunnelMode),
    /// VXLAN, for both families.
    Vxlan(TunnelMode),
}

impl Encapsulation {
    /// `IPPool.spec.ipipMode`.
    #[must_use]
    pub fn ipip_mode(self) -> &'static str {
        match self {
            Self::Ipip(mode) => mode.as_str(),
            Self::None | Self::Vxlan(_) => "Never",
        }
    }

    /// `IPPool.spec.vxlanMode`.
    #[must_use]
    pub fn vxlan_mode(self) -> &'static str {
        match self {
            Self::Vxlan(mode) => mode.as_str(),
            Self::None | Self::Ipip(_) => "Never",
        }
    }

    /// Whether packets travel by the same tunnel, or both without one. Between `Always` and `CrossSubnet` nothing is cut
    /// while nodes follow one after the other: they take both kinds of packets all the while.
    #[must_use]
    pub fn has_tunnel_of(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_words_only() {
        for (text, mode) in [
            ("Never", None),
            ("Always", Some(TunnelMode::Always)),
            ("CrossSubnet", Some(TunnelMode::CrossSubnet)),
        ] {
            assert_eq!(TunnelMode::parse_option(text), Ok(mode));
        }
        for mode in [TunnelMode::Always, TunnelMode::CrossSubnet] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("Never".parse::<TunnelMode>().is_err());
    }

    #[test]
    fn near_misses_are_named() {
        for (text, meant) in [
            ("always", Some("Always")),
            ("ALWAYS", Some("Always")),
            ("cross-subnet", Some("CrossSubnet")),
            ("Cross Subnet", Some("CrossSubnet")),
            ("crosssubnet", Some("CrossSubnet")),
            ("crossSubnet", Some("CrossSubnet")),
            ("never", Some("Never")),
            ("true", Some("Always")),
            ("True", Some("Always")),
            ("false", Some("Never")),
            ("off", Some("Never")),
            (" Always ", Some("Always")),
            ("Sometimes", None),
            ("", None),
        ] {
            assert_eq!(
                TunnelMode::parse_option(text),
                Err(TunnelModeError { meant }),
                "{text}"
            );
        }
    }

    #[test]
    fn one_tunnel_a_pool() {
        for (encapsulation, ipip, vxlan) in [
            (Encapsulation::None, "Never", "Never"),
            (
                Encapsulation::Ipip(TunnelMode::CrossSubnet),
                "CrossSubnet",
                "Never",
            ),
            (Encapsulation::Vxlan(TunnelMode::Always), "Never", "Always"),
        ] {
            assert_eq!(
                (encapsulation.ipip_mode(), encapsulation.vxlan_mode()),
                (ipip, vxlan)
            );
        }
    }
}
