//! Networks in CIDR notation.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::{Serialize, Serializer};

use super::{Family, Refusal};
use crate::fabric::Code;

/// A network: an address without host bits and a prefix length, in one canonical spelling.
///
/// Calico compares CIDRs as text and keeps what it was given, so a value here never has host bits, and prints compressed
/// and in lower case. Sorts by family, address, prefix.
///
/// ```
/// use calico_charm::model::Cidr;
///
/// assert_eq!("2001:DB8:0::/48".parse::<Cidr>().unwrap().to_string(), "2001:db8::/48");
/// assert!("10.0.0.5/24".parse::<Cidr>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr(IpNetwork);

/// Ranges no pool and no service can lie in: IANA's special-purpose registries, and link-local by Calico's own rule
/// (`libcalico-go/lib/validator/v3/validator.go`, `validateIPPoolSpec`).
const UNUSABLE: [(&str, &str); 7] = [
    ("0.0.0.0/8", "unspecified"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("224.0.0.0/4", "multicast"),
    ("::/127", "unspecified and loopback"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
];

impl Cidr {
    /// The network of `prefix` bits that `ip` lies in, whatever host bits `ip` has; a prefix beyond the family's bits
    /// means the address alone. For what `network-get` says, which is not always canonical.
    #[must_use]
    pub fn network_of(ip: IpAddr, prefix: u8) -> Self {
        let (ip, prefix) = match ip.to_canonical() {
            mapped @ IpAddr::V4(_) if ip.is_ipv6() => (mapped, prefix.saturating_sub(96)),
            _ => (ip, prefix),
        };
        let prefix = prefix.min(Family::of(ip).bits());
        Self::masked(ip, prefix).unwrap_or_else(|| Self(IpNetwork::from(ip)))
    }

    fn masked(ip: IpAddr, prefix: u8) -> Option<Self> {
        let network = IpNetwork::new(ip, prefix).ok()?.network();
        Some(Self(IpNetwork::new(network, prefix).ok()?))
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.0.ip())
    }

    /// Length of the prefix in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.0.prefix()
    }

    /// The first address.
    #[must_use]
    pub fn network(&self) -> IpAddr {
        self.0.ip()
    }

    /// Whether `ip` lies in this network; never across families.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(ip)
    }

    /// Whether all of `other` lies in this network.
    #[must_use]
    pub fn contains_cidr(&self, other: &Self) -> bool {
        self.prefix() <= other.prefix() && self.contains(other.network())
    }

    /// Whether the two share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains_cidr(other) || other.contains_cidr(self)
    }

    /// The special range, if any, that makes this network useless for pods and services, with what the range is for.
    #[must_use]
    pub fn unusable_range(&self) -> Option<(Self, &'static str)> {
        UNUSABLE
            .iter()
            .filter_map(|(text, purpose)| Some((text.parse::<Self>().ok()?, *purpose)))
            .find(|(range, _)| range.overlaps(self))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network(), self.prefix())
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let ip: IpAddr = address.parse().map_err(|_| not_an_address(address))?;
        let family = Family::of(ip);
        let Some(prefix) = prefix else {
            return Err(CidrError::NoPrefix(Self::network_of(ip, u8::MAX)));
        };
        let prefix = parse_prefix(ip, prefix)?;
        if prefix > family.bits() {
            return Err(CidrError::PrefixTooLong {
                family,
                bits: family.bits(),
            });
        }
        let cidr = Self::masked(ip, prefix).ok_or(CidrError::NotANetwork)?;
        if ip.to_canonical() != ip && prefix >= 96 {
            return Err(CidrError::Mapped(Self::network_of(ip, prefix)));
        }
        if cidr.network() == ip {
            Ok(cidr)
        } else {
            Err(CidrError::HostBits(cidr))
        }
    }
}

fn not_an_address(address: &str) -> CidrError {
    let parts: Vec<&str> = address.split('.').collect();
    let padded = parts.len() == 4
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        && parts
            .iter()
            .any(|part| part.len() > 1 && part.starts_with('0'));
    if padded {
        CidrError::LeadingZeros
    } else {
        CidrError::NotANetwork
    }
}

/// Digits only: `u8`'s own parser also takes `+24` and `024`.
fn parse_prefix(ip: IpAddr, text: &str) -> Result<u8, CidrError> {
    if let (IpAddr::V4(_), Ok(mask)) = (ip, text.parse::<Ipv4Addr>()) {
        let meant = ipnetwork::ip_mask_to_prefix(IpAddr::V4(mask)).ok();
        return Err(CidrError::Netmask(
            meant.map(|prefix| Cidr::network_of(ip, prefix)),
        ));
    }
    let digits =
        !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(CidrError::BadPrefix);
    }
    Ok(text.parse().unwrap_or(u8::MAX))
}

/// Why a text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// No IP address before the slash.
    #[error("is not a network")]
    NotANetwork,
    /// An IPv4 address with padded parts.
    #[error("has leading zeros, which some programs read as octal")]
    LeadingZeros,
    /// An address alone; as a network of that address.
    #[error("has no prefix length")]
    NoPrefix(Cidr),
    /// The prefix length is not a number.
    #[error("has a prefix length that is not a number")]
    BadPrefix,
    /// A netmask after the slash; the network meant, where the mask is one.
    #[error("has a netmask in place of a prefix length")]
    Netmask(Option<Cidr>),
    /// The prefix is longer than an address.
    #[error("has a prefix longer than the {bits} bits of {family}")]
    PrefixTooLong {
        /// Family of the address.
        family: Family,
        /// Its bits.
        bits: u8,
    },
    /// The address is not the network's first; the network meant.
    #[error("has host bits set")]
    HostBits(Cidr),
    /// An IPv4 network written as IPv6; the network meant.
    #[error("is an IPv4 network written as IPv6")]
    Mapped(Cidr),
}

impl Refusal for CidrError {
    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoPrefix(cidr)
            | Self::HostBits(cidr)
            | Self::Mapped(cidr)
            | Self::Netmask(Some(cidr)) => {
                format!("write {cidr}")
            }
            Self::LeadingZeros => "write each part in decimal without leading zeros".to_owned(),
            _ => "write <address>/<prefix length>, e.g. 10.0.0.0/24 or fd00::/64".to_owned(),
        })
    }

    fn code(&self) -> Code {
        Code(if matches!(self, Self::HostBits(_)) {
            2
        } else {
            1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn good_and_canonical() {
        for (text, canonical) in [
            ("10.0.0.0/24", "10.0.0.0/24"),
            ("10.0.0.5/32", "10.0.0.5/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("192.168.0.0/16", "192.168.0.0/16"),
            ("fd00::/112", "fd00::/112"),
            ("::/0", "::/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("2001:0db8:0:0:0:0:0:0/32", "2001:db8::/32"),
            ("fd00::1/128", "fd00::1/128"),
        ] {
            assert_eq!(cidr(text).to_string(), canonical);
        }
    }

    #[test]
    fn bad_with_the_network_meant() {
        let shape = "write <address>/<prefix length>, e.g. 10.0.0.0/24 or fd00::/64";
        for (text, rule, remedy) in [
            ("", "is not a network", shape),
            ("/", "is not a network", shape),
            ("rack-1", "is not a network", shape),
            ("10.0.0/24", "is not a network", shape),
            (" 10.0.0.0/24", "is not a network", shape),
            ("fe80::1%eth0/64", "is not a network", shape),
            (
                "10.0.00.0/24",
                "has leading zeros, which some programs read as octal",
                "write each part in decimal without leading zeros",
            ),
            ("10.0.0.5", "has no prefix length", "write 10.0.0.5/32"),
            ("fd00::5", "has no prefix length", "write fd00::5/128"),
            ("10.0.0.5/24", "has host bits set", "write 10.0.0.0/24"),
            ("10.0.0.1/0", "has host bits set", "write 0.0.0.0/0"),
            ("fd00::5/64", "has host bits set", "write fd00::/64"),
            (
                "10.0.0.0/255.255.255.0",
                "has a netmask in place of a prefix length",
                "write 10.0.0.0/24",
            ),
            (
                "10.0.0.0/255.0.255.0",
                "has a netmask in place of a prefix length",
                shape,
            ),
            (
                "10.0.0.0/33",
                "has a prefix longer than the 32 bits of IPv4",
                shape,
            ),
            (
                "10.0.0.0/999",
                "has a prefix longer than the 32 bits of IPv4",
                shape,
            ),
            (
                "fd00::/129",
                "has a prefix longer than the 128 bits of IPv6",
                shape,
            ),
            (
                "10.0.0.0/",
                "has a prefix length that is not a number",
                shape,
            ),
            (
                "10.0.0.0/+24",
                "has a prefix length that is not a number",
                shape,
            ),
            (
                "10.0.0.0/024",
                "has a prefix length that is not a number",
                shape,
            ),
            (
                "10.0.0.0/-1",
                "has a prefix length that is not a number",
                shape,
            ),
            (
                "10.0.0.0/24/24",
                "has a prefix length that is not a number",
                shape,
            ),
            (
                "::ffff:10.0.0.0/104",
                "is an IPv4 network written as IPv6",
                "write 10.0.0.0/8",
            ),
        ] {
            let error = text.parse::<Cidr>().unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.remedy().as_deref()),
                (rule, Some(remedy)),
                "{text}"
            );
        }
    }

    #[test]
    fn network_of_is_lenient() {
        for (ip, prefix, expected) in [
            ("10.20.1.42", 24, "10.20.1.0/24"),
            ("10.20.1.42", 0, "0.0.0.0/0"),
            ("10.20.1.42", 200, "10.20.1.42/32"),
            ("fd00::5", 64, "fd00::/64"),
            ("fd00::5", 255, "fd00::5/128"),
            ("::ffff:10.0.0.5", 120, "10.0.0.0/24"),
        ] {
            assert_eq!(
                Cidr::network_of(ip.parse().unwrap(), prefix),
                cidr(expected)
            );
        }
    }

    #[test]
    fn containment() {
        for (outer, inner, contains, overlaps) in [
            ("10.0.0.0/8", "10.1.0.0/16", true, true),
            ("10.1.0.0/16", "10.0.0.0/8", false, true),
            ("10.0.0.0/16", "10.0.0.0/8", false, true),
            ("10.0.0.0/24", "10.0.0.0/24", true, true),
            ("10.0.0.0/24", "10.0.1.0/24", false, false),
            ("0.0.0.0/0", "fd00::/64", false, false),
            ("::/0", "10.0.0.0/8", false, false),
            ("fd00::/64", "fd00::/112", true, true),
        ] {
            let (outer, inner) = (cidr(outer), cidr(inner));
            assert_eq!(outer.contains_cidr(&inner), contains, "{outer} {inner}");
            assert_eq!(outer.overlaps(&inner), overlaps, "{outer} {inner}");
        }
        assert!(cidr("10.0.0.0/24").contains("10.0.0.255".parse().unwrap()));
        assert!(!cidr("10.0.0.0/24").contains("10.0.1.0".parse().unwrap()));
        assert!(!cidr("10.0.0.0/24").contains("fd00::1".parse().unwrap()));
    }

    #[test]
    fn unusable_ranges() {
        for (text, purpose) in [
            ("0.0.0.0/0", Some("unspecified")),
            ("127.0.0.0/24", Some("loopback")),
            ("169.254.0.0/24", Some("link-local")),
            ("168.0.0.0/6", Some("link-local")),
            ("224.0.0.0/26", Some("multicast")),
            ("::/0", Some("unspecified and loopback")),
            ("fe80::/64", Some("link-local")),
            ("ff02::/112", Some("multicast")),
            ("10.0.0.0/8", None),
            ("fd00::/8", None),
            ("::2/128", None),
        ] {
            assert_eq!(
                cidr(text).unusable_range().map(|(_, purpose)| purpose),
                purpose,
                "{text}"
            );
        }
    }

    #[test]
    fn sorts_by_family_address_prefix() {
        let mut cidrs = ["fd00::/64", "10.0.0.0/24", "10.0.0.0/8", "9.0.0.0/8"].map(cidr);
        cidrs.sort_unstable();
        assert_eq!(
            cidrs.map(|cidr| cidr.to_string()),
            ["9.0.0.0/8", "10.0.0.0/8", "10.0.0.0/24", "fd00::/64"]
        );
    }
}
