//! Where in the options a value stands.

use std::fmt;

/// An option and a path inside its value, as statuses and logs print it: `unit-bgp-peers: 0[0]`.
///
/// Map keys are joined by `.` and written as the user wrote them, list positions are `[n]` from 0:
/// `subnet-bgp-peers: 10.0.0.0/24[1].address`. An empty path is the option itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The option's name in config.yaml.
    pub option: String,
    /// The path inside it.
    pub path: String,
}

impl Place {
    /// The option itself.
    #[must_use]
    pub fn option(name: &str) -> Self {
        Self {
            option: name.to_owned(),
            path: String::new(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.option)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(formatter, ": {}", self.path)
        }
    }
}

/// A value, and the place in the options that asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_option_and_path() {
        let place = Place {
            option: "unit-bgp-peers".to_owned(),
            path: "0[0]".to_owned(),
        };
        assert_eq!(place.to_string(), "unit-bgp-peers: 0[0]");
        assert_eq!(Place::option("cidr").to_string(), "cidr");
    }
}
