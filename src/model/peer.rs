//! BGP peers as options name them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{AsNumber, Family, Refusal};

/// Where a peer listens: an address, and a port where it is not BGP's own.
///
/// In the grammar of `BGPPeer.spec.peerIP` (`libcalico-go/lib/validator/v3/validator.go`, `validatePeerIP`):
/// `10.0.0.1`, `10.0.0.1:179`, `fd00::1`, `[fd00::1]:179`. Calico parses addresses as Go does: no zone, no leading zeros.
///
/// ```
/// use calico_charm::model::PeerAddress;
///
/// assert_eq!("[FD00::1]:1179".parse::<PeerAddress>().unwrap().to_string(), "[fd00::1]:1179");
/// assert!("fe80::1%eth0".parse::<PeerAddress>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress {
    ip: IpAddr,
    port: Option<NonZeroU16>,
}

impl PeerAddress {
    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The port, where one is named.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }

    /// IPv4 or IPv6.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.ip)
    }

    /// Address and port that a session would use: 179 (RFC 4271) where none is named.
    #[must_use]
    pub fn endpoint(&self) -> (IpAddr, u16) {
        (self.ip, self.port().unwrap_or(179))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.ip, self.port) {
            (ip, None) => write!(formatter, "{ip}"),
            (IpAddr::V4(ip), Some(port)) => write!(formatter, "{ip}:{port}"),
            (IpAddr::V6(ip), Some(port)) => write!(formatter, "[{ip}]:{port}"),
        }
    }
}

impl Serialize for PeerAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed
                .split_once(']')
                .ok_or(PeerAddressError::NotAnAddress)?;
            let ip = IpAddr::V6(
                address
                    .parse::<Ipv6Addr>()
                    .map_err(|_| address_error(address))?,
            );
            let port = rest
                .strip_prefix(':')
                .ok_or(PeerAddressError::Brackets(ip))?;
            return Self::new(ip, Some(parse_port(port)?));
        }
        if let Ok(ip) = text.parse() {
            return Self::new(ip, None);
        }
        match text.split_once(':') {
            Some((address, port)) if !port.contains(':') => {
                let ip = address.parse().map_err(|_| address_error(address))?;
                Self::new(ip, Some(parse_port(port)?))
            }
            _ => Err(address_error(text)),
        }
    }
}

impl PeerAddress {
    fn new(ip: IpAddr, port: Option<NonZeroU16>) -> Result<Self, PeerAddressError> {
        let canonical = ip.to_canonical();
        if canonical != ip {
            return Err(PeerAddressError::Mapped(canonical));
        }
        let kind = match ip {
            _ if ip.is_unspecified() => "the unspecified address",
            _ if ip.is_loopback() => "a loopback address",
            _ if ip.is_multicast() => "a multicast address",
            IpAddr::V4(v4) if v4.is_broadcast() => "the broadcast address",
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                "a link-local address, which means nothing without an interface"
            }
            _ => return Ok(Self { ip, port }),
        };
        Err(PeerAddressError::NotARouter(kind))
    }
}

/// Digits only: the integer's own parser also takes `+179`.
fn parse_port(text: &str) -> Result<NonZeroU16, PeerAddressError> {
    let digits = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && !text.starts_with('0');
    if !digits {
        return Err(PeerAddressError::Port);
    }
    text.parse().map_err(|_| PeerAddressError::Port)
}

/// What is wrong with a text that is no address.
fn address_error(text: &str) -> PeerAddressError {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('.').collect();
    if let Some((address, _)) = text.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return PeerAddressError::Zone;
    }
    if let Some((address, _)) = text.split_once('/')
        && let Ok(ip) = address.parse()
    {
        return PeerAddressError::Prefix(ip);
    }
    if parts.len() == 4
        && parts.iter().all(digits)
        && parts
            .iter()
            .any(|part| part.len() > 1 && part.starts_with('0'))
    {
        return PeerAddressError::LeadingZeros;
    }
    PeerAddressError::NotAnAddress
}

/// Why a text is not a peer's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerAddressError {
    /// Neither IPv4 nor IPv6.
    #[error("is not an IP address")]
    NotAnAddress,
    /// An IPv4 address with padded parts.
    #[error("has leading zeros, which some programs read as octal")]
    LeadingZeros,
    /// An IPv6 address with a zone.
    #[error("has a zone, which Calico does not take")]
    Zone,
    /// An address with a prefix length; without it.
    #[error("has a prefix length")]
    Prefix(IpAddr),
    /// Brackets without a port; the address in them.
    #[error("has brackets but no port")]
    Brackets(IpAddr),
    /// The port is not 1 to 65535.
    #[error("has a port outside 1 to 65535")]
    Port,
    /// An IPv4 address written as IPv6; the former.
    #[error("is an IPv4 address written as IPv6")]
    Mapped(IpAddr),
    /// An address no router can be reached at; what it is.
    #[error("is {0}")]
    NotARouter(&'static str),
}

impl Refusal for PeerAddressError {
    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NotAnAddress => {
                "write an IPv4 or IPv6 address, with a port if need be: 10.0.0.1, fd00::1, 10.0.0.1:179, [fd00::1]:179"
                    .to_owned()
            }
            Self::LeadingZeros => "write each part in decimal without leading zeros".to_owned(),
            Self::Zone => "leave out the part from the %".to_owned(),
            Self::Prefix(ip) | Self::Mapped(ip) => format!("write {ip}"),
            Self::Brackets(ip) => format!("write {ip} or [{ip}]:179"),
            Self::Port => "leave the port out for 179".to_owned(),
            Self::NotARouter(_) => "name an address that the router has on the node's network".to_owned(),
        })
    }
}

/// A router to peer with: `{address: 10.0.0.1, as-number: 64512}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer {
    address: PeerAddress,
    as_number: AsNumber,
}

impl Peer {
    /// The peer at `address` with AS number `as_number`.
    #[must_use]
    pub fn new(address: PeerAddress, as_number: AsNumber) -> Self {
        Self { address, as_number }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> PeerAddress {
        self.address
    }

    /// Its AS number.
    #[must_use]
    pub fn as_number(&self) -> AsNumber {
        self.as_number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_canonical() {
        for (text, canonical, port) in [
            ("10.0.0.1", "10.0.0.1", None),
            ("10.0.0.1:179", "10.0.0.1:179", Some(179)),
            ("10.0.0.1:65535", "10.0.0.1:65535", Some(65535)),
            ("169.254.169.1", "169.254.169.1", None),
            ("fd00::1", "fd00::1", None),
            ("FD00:0:0::1", "fd00::1", None),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", None),
            ("[fd00::1]:179", "[fd00::1]:179", Some(179)),
            ("[2001:DB8::1]:1179", "[2001:db8::1]:1179", Some(1179)),
        ] {
            let address: PeerAddress = text.parse().unwrap();
            assert_eq!(
                (address.to_string().as_str(), address.port()),
                (canonical, port)
            );
        }
    }

    #[test]
    fn bad() {
        use PeerAddressError as E;
        let v6: IpAddr = "fd00::1".parse().unwrap();
        let v4: IpAddr = "10.0.0.1".parse().unwrap();
        for (text, error) in [
            ("", E::NotAnAddress),
            ("10.0.0", E::NotAnAddress),
            ("10.0.0.256", E::NotAnAddress),
            ("router-1", E::NotAnAddress),
            ("router-1:179", E::NotAnAddress),
            (" 10.0.0.1", E::NotAnAddress),
            ("fd00::1::2", E::NotAnAddress),
            ("[fd00::1", E::NotAnAddress),
            ("[10.0.0.1]:179", E::NotAnAddress),
            ("10.0.0.01", E::LeadingZeros),
            ("010.0.0.1:179", E::LeadingZeros),
            ("fe80::1%eth0", E::Zone),
            ("[fe80::1%eth0]:179", E::Zone),
            ("10.0.0.1/24", E::Prefix(v4)),
            ("fd00::1/64", E::Prefix(v6)),
            ("[fd00::1]", E::Brackets(v6)),
            ("[fd00::1]179", E::Brackets(v6)),
            ("[fd00::1]:", E::Port),
            ("10.0.0.1:", E::Port),
            ("10.0.0.1:0", E::Port),
            ("10.0.0.1:0179", E::Port),
            ("10.0.0.1:+179", E::Port),
            ("10.0.0.1:65536", E::Port),
            ("::ffff:10.0.0.1", E::Mapped(v4)),
            ("0.0.0.0", E::NotARouter("the unspecified address")),
            ("::", E::NotARouter("the unspecified address")),
            ("127.0.0.1", E::NotARouter("a loopback address")),
            ("::1", E::NotARouter("a loopback address")),
            ("224.0.0.5", E::NotARouter("a multicast address")),
            ("ff02::5", E::NotARouter("a multicast address")),
            ("255.255.255.255", E::NotARouter("the broadcast address")),
            (
                "fe80::1",
                E::NotARouter("a link-local address, which means nothing without an interface"),
            ),
        ] {
            assert_eq!(text.parse::<PeerAddress>(), Err(error), "{text}");
        }
    }

    #[test]
    fn endpoint_fills_in_the_port() {
        let (bare, full): (PeerAddress, PeerAddress) =
            ("10.0.0.1".parse().unwrap(), "10.0.0.1:179".parse().unwrap());
        assert_ne!(bare, full);
        assert_eq!(bare.endpoint(), full.endpoint());
    }
}
