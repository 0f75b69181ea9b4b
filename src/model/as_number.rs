//! BGP AS numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Refusal;
use crate::fabric::Code;

/// A BGP autonomous system number that a router may have: 1 to 4294967294 without 23456 and 65535.
///
/// Fed by `global-as-number`, `subnet-as-numbers`, `unit-as-numbers` and every `as-number` of a peer. Read as decimal
/// or as asdot (RFC 5396); written as decimal, and serialised as an integer because Calico's CRDs take no string.
///
/// ```
/// use calico_charm::model::AsNumber;
///
/// assert_eq!("1.10".parse::<AsNumber>().unwrap().to_string(), "65546");
/// assert!("23456".parse::<AsNumber>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsNumber(u32);

impl AsNumber {
    /// What `global-as-number` is unless it is set (config.yaml), and what Calico falls back to.
    pub const DEFAULT: Self = Self(64512);

    /// The AS number `value`.
    ///
    /// # Errors
    /// [`AsNumberError`] for 0 (RFC 7607), 23456 (RFC 6793), 65535 and 4294967295 (RFC 7300).
    pub fn new(value: u32) -> Result<Self, AsNumberError> {
        match value {
            0 => Err(AsNumberError::OutOfRange),
            23456 => Err(AsNumberError::Transition),
            65535 | u32::MAX => Err(AsNumberError::Last),
            _ => Ok(Self(value)),
        }
    }

    /// The AS number `value`, of an integer of any size.
    ///
    /// # Errors
    /// As [`AsNumber::new`], and [`AsNumberError::OutOfRange`] for what no AS number can be.
    pub fn from_integer(value: i64) -> Result<Self, AsNumberError> {
        Self::new(u32::try_from(value).map_err(|_| AsNumberError::OutOfRange)?)
    }

    /// The number itself.
    #[must_use]
    pub fn value(self) -> u32 {
        self.0
    }

    /// Whether the number does not fit the `format: int32` of Calico's CRDs up to 3.32, which Kubernetes 1.36 and later
    /// enforces (kubernetes/kubernetes#136582).
    #[must_use]
    pub fn exceeds_int32(self) -> bool {
        i32::try_from(self.0).is_err()
    }
}

impl fmt::Display for AsNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for AsNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.0)
    }
}

impl FromStr for AsNumber {
    type Err = AsNumberError;

    fn from_str(text: &str) -> Result<Self, AsNumberError> {
        if let Some((high, low)) = text.split_once('.') {
            let high = asdot_part(high)?;
            let low = asdot_part(low)?;
            return Self::new((u32::from(high) << 16) | u32::from(low));
        }
        if let Some(error) = spelling(text) {
            return Err(error);
        }
        let value = text.parse().map_err(|_| AsNumberError::OutOfRange)?;
        Self::new(value)
    }
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn asdot_part(text: &str) -> Result<u16, AsNumberError> {
    if !is_decimal(text) {
        return Err(AsNumberError::NotANumber);
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(AsNumberError::AsdotZeros);
    }
    text.parse().map_err(|_| AsNumberError::AsdotRange)
}

/// What is wrong with the digits of a decimal number, YAML 1.1's other notations told apart: YAML 1.1 reads `064512` as
/// octal 26954 and `65_000` as 65000, so the one who wrote them may mean either.
fn spelling(text: &str) -> Option<AsNumberError> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if is_decimal(text) {
        let shortened = text.trim_start_matches('0');
        let padded = text.len() > 1 && text.starts_with('0');
        return padded.then(|| AsNumberError::LeadingZeros(shortened.to_owned()));
    }
    let plain: String = unsigned.chars().filter(|char| *char != '_').collect();
    let error = match unsigned.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => AsNumberError::Radix(radix(unsigned, 16)),
        Some("0o") => AsNumberError::Radix(radix(unsigned, 8)),
        Some("0b") => AsNumberError::Radix(radix(unsigned, 2)),
        _ if is_decimal(unsigned) && text.starts_with('+') => AsNumberError::Sign(plain),
        _ if is_decimal(unsigned) => AsNumberError::OutOfRange,
        _ if unsigned.contains('_') && is_decimal(&plain) => AsNumberError::Underscores(plain),
        _ => AsNumberError::NotANumber,
    };
    Some(error)
}

fn radix(text: &str, radix: u32) -> Option<u32> {
    u32::from_str_radix(text.get(2..)?, radix).ok()
}

/// Why a text or number is not an AS number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AsNumberError {
    /// Not a number at all.
    #[error("is not an AS number")]
    NotANumber,
    /// 0, negative or beyond 32 bits.
    #[error("is outside the AS numbers 1 to 4294967294")]
    OutOfRange,
    /// 23456.
    #[error("is AS_TRANS, which stands for a 4-byte AS number and which no router may have")]
    Transition,
    /// 65535 or 4294967295.
    #[error("is a reserved AS number (RFC 7300)")]
    Last,
    /// Decimal with leading zeros; without them.
    #[error("has leading zeros, which YAML 1.1 reads as octal")]
    LeadingZeros(String),
    /// Hexadecimal, octal or binary; its value where it fits.
    #[error("is not written in decimal")]
    Radix(Option<u32>),
    /// Digits grouped by underscores; without them.
    #[error("has underscores between its digits")]
    Underscores(String),
    /// A plus sign; the digits after it.
    #[error("has a sign")]
    Sign(String),
    /// A part of an asdot number has leading zeros.
    #[error("has leading zeros in a part")]
    AsdotZeros,
    /// A part of an asdot number is beyond 16 bits.
    #[error("has a part above 65535, the largest in <high>.<low> notation")]
    AsdotRange,
}

impl Refusal for AsNumberError {
    fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::LeadingZeros(plain) | Self::Underscores(plain) | Self::Sign(plain)
                if !plain.is_empty() =>
            {
                format!("write {plain}")
            }
            Self::Radix(Some(value)) => format!("write {value}"),
            Self::Transition | Self::Last => {
                "use another, e.g. a private one: 64512 to 65534 or 4200000000 to 4294967294"
                    .to_owned()
            }
            Self::AsdotZeros => {
                "write each part in decimal without leading zeros, e.g. \"1.10\"".to_owned()
            }
            _ => "write a decimal number such as 64512, or <high>.<low> in quotes such as \"1.10\""
                .to_owned(),
        })
    }

    fn code(&self) -> Code {
        Code(if matches!(self, Self::NotANumber) {
            1
        } else {
            4
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good() {
        for (text, value) in [
            ("1", 1),
            ("64512", 64512),
            ("65534", 65534),
            ("65536", 65536),
            ("2147483647", 2_147_483_647),
            ("2147483648", 2_147_483_648),
            ("4200000101", 4_200_000_101),
            ("4294967294", 4_294_967_294),
            ("0.1", 1),
            ("1.10", 65546),
            ("1.1", 65537),
            ("64086.59904", 4_200_000_000),
            ("65535.65534", 4_294_967_294),
        ] {
            assert_eq!(
                text.parse::<AsNumber>().map(AsNumber::value),
                Ok(value),
                "{text}"
            );
        }
    }

    #[test]
    fn bad() {
        use AsNumberError as E;
        for (text, error) in [
            ("", E::NotANumber),
            ("x", E::NotANumber),
            ("64512 ", E::NotANumber),
            ("AS64512", E::NotANumber),
            ("65000:50", E::NotANumber),
            ("1.2.3", E::NotANumber),
            ("1.", E::NotANumber),
            (".5", E::NotANumber),
            ("1e3", E::NotANumber),
            ("1_.5", E::NotANumber),
            ("٣", E::NotANumber),
            ("0", E::OutOfRange),
            ("0.0", E::OutOfRange),
            ("-1", E::OutOfRange),
            ("4294967296", E::OutOfRange),
            ("99999999999999999999999999", E::OutOfRange),
            ("23456", E::Transition),
            ("0.23456", E::Transition),
            ("65535", E::Last),
            ("4294967295", E::Last),
            ("65535.65535", E::Last),
            ("064512", E::LeadingZeros("64512".to_owned())),
            ("0x10", E::Radix(Some(16))),
            ("0o17", E::Radix(Some(15))),
            ("0b11", E::Radix(Some(3))),
            ("0xzz", E::Radix(None)),
            ("65_000", E::Underscores("65000".to_owned())),
            ("+64512", E::Sign("64512".to_owned())),
            ("1.010", E::AsdotZeros),
            ("65536.1", E::AsdotRange),
            ("1.65536", E::AsdotRange),
        ] {
            assert_eq!(text.parse::<AsNumber>(), Err(error), "{text}");
        }
    }

    #[test]
    fn remedies_name_the_decimal_meant() {
        for (text, remedy) in [
            ("064512", "write 64512"),
            ("0x10", "write 16"),
            ("65_000", "write 65000"),
        ] {
            assert_eq!(
                text.parse::<AsNumber>().unwrap_err().remedy().as_deref(),
                Some(remedy)
            );
        }
        assert!(
            "000"
                .parse::<AsNumber>()
                .unwrap_err()
                .remedy()
                .unwrap()
                .starts_with("write a decimal")
        );
    }

    #[test]
    fn integers_of_any_size() {
        for (value, expected) in [
            (64512, Ok(64512)),
            (4_200_000_101, Ok(4_200_000_101)),
            (0, Err(AsNumberError::OutOfRange)),
            (-64512, Err(AsNumberError::OutOfRange)),
            (i64::MAX, Err(AsNumberError::OutOfRange)),
            (i64::MIN, Err(AsNumberError::OutOfRange)),
        ] {
            assert_eq!(AsNumber::from_integer(value).map(AsNumber::value), expected);
        }
    }

    #[test]
    fn serialises_as_an_integer_and_knows_int32() {
        let large = AsNumber::new(2_147_483_648).unwrap();
        assert_eq!(serde_json::to_string(&large).unwrap(), "2147483648");
        assert!(large.exceeds_int32());
        assert!(!AsNumber::new(2_147_483_647).unwrap().exceeds_int32());
    }
}
