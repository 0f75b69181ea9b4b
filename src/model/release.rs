//! Releases of Calico.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::Refusal;

/// A release of Calico by its tag: `v3.32.1`. Sorts by age.
///
/// Read with or without the `v`; printed with it, as the images are tagged. Pre-releases are none.
///
/// ```
/// use calico_charm::model::Release;
///
/// let release: Release = "3.32.1".parse().unwrap();
/// assert_eq!(release.to_string(), "v3.32.1");
/// assert!(release > "v3.4.10".parse().unwrap());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Release {
    pub(crate) const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let numbers = text.strip_prefix('v').unwrap_or(text);
        let mut parts = numbers.split('.').map(number);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Self::new(major, minor, patch))
            }
            _ => Err(ReleaseError),
        }
    }
}

/// A number as a tag has it: digits alone, no zero before others.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let padded = text.len() > 1 && text.starts_with('0');
    (digits && !padded).then(|| text.parse().ok())?
}

/// A text that is not a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a Calico release")]
pub struct ReleaseError;

impl Refusal for ReleaseError {
    fn remedy(&self) -> Option<String> {
        Some("write <major>.<minor>.<patch>, e.g. v3.30.1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good() {
        for (text, shown) in [
            ("v3.32.1", "v3.32.1"),
            ("3.32.1", "v3.32.1"),
            ("0.0.0", "v0.0.0"),
            ("v3.4.65535", "v3.4.65535"),
        ] {
            assert_eq!(text.parse::<Release>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn bad() {
        for text in [
            "",
            "v",
            "3",
            "3.32",
            "3.32.1.0",
            "3.32.",
            ".32.1",
            "vv3.32.1",
            "V3.32.1",
            "3.032.1",
            "3.32.65536",
            "3.32.-1",
            "3.32.+1",
            "3.32.1-rc1",
            "v3.32.1 ",
            "latest",
        ] {
            assert_eq!(text.parse::<Release>(), Err(ReleaseError), "{text:?}");
        }
    }

    #[test]
    fn newer_is_greater() {
        let sorted = [
            "v2.9.9", "v3.4.10", "v3.32.0", "v3.32.1", "v3.32.10", "v4.0.0",
        ];
        let releases: Vec<Release> = sorted.iter().map(|text| text.parse().unwrap()).collect();
        assert!(releases.is_sorted());
    }
}
