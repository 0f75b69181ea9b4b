//! A short text that stands for a plan: what it was made from, so that a plan that has become old can be told. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::Step;
use crate::manifests::fingerprint;

/// 16 hexadecimal digits: eight for the options, eight for the writes and the versions of the objects they were planned
/// from. The first of each eight is a letter, so that nobody takes the text for a number, as YAML does with `1e10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDigest {
    options: String,
    cluster: String,
}

/// How many digits each half has.
const HALF: usize = 8;

impl PlanDigest {
    /// The digest of a plan.
    #[must_use]
    pub fn new(options: &str, seen: &BTreeSet<String>) -> Self {
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        Self {
            options: half(options),
            cluster: half(&seen.join("\n")),
        }
    }

    /// Why a plan of this digest is not the one of another; `None` where it is.
    #[must_use]
    pub fn stale(&self, now: &Self) -> Option<&'static str> {
        match (self.options == now.options, self.cluster == now.cluster) {
            (true, true) => None,
            (true, false) => Some("the cluster has changed since that plan"),
            (false, true) => Some("the options have changed since that plan"),
            (false, false) => {
                Some("the options and what they make of the cluster have changed since that plan")
            }
        }
    }
}

fn half(text: &str) -> String {
    let digits = fingerprint(text);
    let letter = digits.chars().next().and_then(|digit| digit.to_digit(16));
    let letter = match letter.unwrap_or_default() % 6 {
        0 => 'a',
        1 => 'b',
        2 => 'c',
        3 => 'd',
        4 => 'e',
        _ => 'f',
    };
    format!("{letter}{}", &digits[1..HALF])
}

/// What a digest takes of a step: the write, and the version of the object it was planned from. A Node's own version is
/// left out, since kubelet writes its status all the time; what is to be written names what stands there.
#[must_use]
pub fn seen(step: &Step) -> String {
    let version = match step {
        Step::Apply { seen, .. } => seen.as_deref(),
        Step::Install {
            resource_version, ..
        } => resource_version.as_deref(),
        Step::DisablePool {
            resource_version, ..
        }
        | Step::Relabel {
            resource_version, ..
        }
        | Step::Delete {
            resource_version, ..
        }
        | Step::Uninstall {
            resource_version, ..
        } => Some(resource_version.as_str()),
        Step::RemovePool { uid, .. } => Some(uid.as_str()),
        Step::Annotate { .. } | Step::RemoveStatus { .. } => None,
    };
    let content = match step {
        Step::Install { document, .. } => fingerprint(&document.value().to_string()),
        _ => String::new(),
    };
    format!("{step} {content} {}", version.unwrap_or_default())
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.options, self.cluster)
    }
}

/// What is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest of 16 hexadecimal digits, as `plan` prints it")]
pub struct NoDigest(String);

impl FromStr for PlanDigest {
    type Err = NoDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_half = |half: &str| {
            half.starts_with(|first: char| ('a'..='f').contains(&first))
                && half
                    .chars()
                    .all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
        };
        let halves = text.split_at_checked(HALF);
        let halves = halves.filter(|(_, cluster)| cluster.len() == HALF);
        match halves.filter(|(options, cluster)| is_half(options) && is_half(cluster)) {
            Some((options, cluster)) => Ok(Self {
                options: options.to_owned(),
                cluster: cluster.to_owned(),
            }),
            None => Err(NoDigest(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest(options: &str, seen: &[&str]) -> PlanDigest {
        PlanDigest::new(options, &seen.iter().map(|one| (*one).to_owned()).collect())
    }

    #[test]
    fn what_has_changed_is_told() {
        let plan = digest("a", &["b", "c"]);
        for (now, stale) in [
            (digest("a", &["c", "b"]), None),
            (
                digest("a", &["b"]),
                Some("the cluster has changed since that plan"),
            ),
            (
                digest("x", &["b", "c"]),
                Some("the options have changed since that plan"),
            ),
            (
                digest("x", &[]),
                Some("the options and what they make of the cluster have changed since that plan"),
            ),
        ] {
            assert_eq!(plan.stale(&now), stale, "{now}");
        }
    }

    #[test]
    fn the_version_of_what_is_there_counts() {
        let delete = |version: &str| Step::Delete {
            kind: crate::render::Kind::BgpPeer,
            name: "calico-0-10.0.0.1".to_owned(),
            uid: "u".to_owned(),
            resource_version: version.to_owned(),
            because: "no option asks for it any more".to_owned(),
        };
        assert_ne!(seen(&delete("1")), seen(&delete("2")));
        assert_eq!(seen(&delete("1")), seen(&delete("1")));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in [
            "",
            "a",
            "a234567",
            "a2345678b234567",
            "a2345678b23456789",
            "12345678a2345678",
            "a2345678g2345678",
            "A2345678B2345678",
            "ä234567b2345678",
        ] {
            assert_eq!(text.parse::<PlanDigest>(), Err(NoDigest(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn a_digest_is_a_word_and_reads_back(options in ".*", seen in ".*") {
            let digest = digest(&options, &[&seen]);
            let text = digest.to_string();
            prop_assert_eq!(text.len(), 16);
            // Juju reads values of parameters as YAML.
            let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
            prop_assert_eq!(read.as_str(), Some(text.as_str()));
            prop_assert_eq!(text.parse(), Ok(digest));
        }
    }
}
