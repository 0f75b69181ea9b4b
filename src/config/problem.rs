//! What is wrong with an option, in the words of a Juju status.

use std::fmt;

use super::options::OPTIONS;
use crate::fabric::Code;
use crate::model::{AsNumber, Peer, Place, Refusal, Sourced};

/// A position inside an option's text or a file, both counted from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The position of byte `offset` of `text`.
    #[must_use]
    pub fn in_text(text: &str, offset: usize) -> Self {
        Self { line: 1, column: 1 }.after(text.get(..offset).unwrap_or(text))
    }

    /// The position behind `text`, which starts at this one.
    #[must_use]
    pub fn after(self, text: &str) -> Self {
        match text.rsplit_once('\n') {
            None => Self {
                column: self.column + text.chars().count(),
                ..self
            },
            Some((lines, last)) => Self {
                line: self.line + 1 + lines.matches('\n').count(),
                column: 1 + last.chars().count(),
            },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, column {}", self.line, self.column)
    }
}

/// One wrong value: where it stands, what rule it breaks, what to write instead.
///
/// Prints as `unit-bgp-peers: 3[1].address: "10.0.0" is not an IP address; write an IPv4 …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which finding of the catalogue it is.
    pub code: Code,
    /// The option.
    pub option: String,
    /// The path inside it, in the grammar of [`Place`]; empty for the option itself.
    pub path: String,
    /// The value as written, where it is one text.
    pub value: Option<String>,
    /// The rule it breaks; continues the sentence that the value starts.
    pub rule: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The other place of a contradiction.
    pub other: Option<Place>,
    /// Where it stands in the option's text, or in the file when the option was read from one as YAML.
    pub at: Option<Position>,
}

impl Problem {
    /// A problem of `option`, at `path` inside it.
    #[must_use]
    pub fn new(option: &str, path: &str, rule: impl Into<String>) -> Self {
        Self {
            code: Code(1),
            option: option.to_owned(),
            path: path.to_owned(),
            value: None,
            rule: rule.into(),
            remedy: None,
            other: None,
            at: None,
        }
    }

    /// A problem of what stands at `place`.
    #[must_use]
    pub fn at_place(place: &Place, rule: impl Into<String>) -> Self {
        Self::new(&place.option, &place.path, rule)
    }

    /// A value that a newtype refuses.
    #[must_use]
    pub fn refused(
        option: &str,
        path: &str,
        value: impl fmt::Display,
        refusal: &dyn Refusal,
    ) -> Self {
        let problem = Self::new(option, path, refusal.to_string()).value(value);
        Self {
            code: refusal.code(),
            remedy: refusal.remedy(),
            ..problem
        }
    }

    /// One peer address that two places give different AS numbers.
    #[must_use]
    pub fn two_as_numbers(later: &Sourced<Peer>, earlier: &Sourced<AsNumber>) -> Self {
        let rule = format!(
            "has AS number {} here and {} at {}",
            later.value.as_number(),
            earlier.value,
            earlier.place
        );
        Self::at_place(&later.place, rule)
            .code(9)
            .value(later.value.address())
            .remedy("give both the router's own AS number, or leave one out")
            .other(&earlier.place)
    }

    /// Says which finding of the catalogue it is; without, it is F001.
    #[must_use]
    pub fn code(self, code: u16) -> Self {
        Self {
            code: Code(code),
            ..self
        }
    }

    /// Adds the value.
    #[must_use]
    pub fn value(self, value: impl fmt::Display) -> Self {
        Self {
            value: Some(value.to_string()),
            ..self
        }
    }

    /// Adds the remedy.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// Adds the other place of a contradiction.
    #[must_use]
    pub fn other(self, place: &Place) -> Self {
        Self {
            other: Some(place.clone()),
            ..self
        }
    }

    /// Adds the position.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self {
            at: Some(position),
            ..self
        }
    }

    /// Option and path.
    #[must_use]
    pub fn place(&self) -> Place {
        Place {
            option: self.option.clone(),
            path: self.path.clone(),
        }
    }

    /// The problem without its remedy, on one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let value = self
            .value
            .as_ref()
            .map_or_else(String::new, |value| format!("\"{}\" ", excerpt(value)));
        format!("{}: {value}{}", self.place(), self.rule)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.headline())?;
        self.remedy
            .as_ref()
            .map_or(Ok(()), |remedy| write!(formatter, "; {remedy}"))
    }
}

/// `text` on one line and at most 60 characters long, so that a status stays readable whatever an option holds.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown = String::new();
    let mut length = 0;
    for char in text.chars() {
        let escaped: String = match char {
            '\'' => "'".to_owned(),
            _ => char.escape_debug().collect(),
        };
        length += escaped.chars().count();
        if length > LONGEST {
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    shown
}

/// How many problems of one option are kept: whoever has more has one mistake a hundred times, and every one is a line
/// in the unit's log.
const MOST: usize = 100;

/// Everything wrong with the options, in the order of config.yaml; never empty. Of an option with more than 100 problems
/// the first 100 are kept, and one that counts the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

fn shortened(of_option: &[Problem]) -> Vec<Problem> {
    let mut kept: Vec<Problem> = of_option.iter().take(MOST).cloned().collect();
    if let (Some(last), true) = (kept.last(), of_option.len() > MOST) {
        let rule = format!("has {} more problems", of_option.len() - MOST);
        kept.push(Problem::new(&last.option, "", rule));
    }
    kept
}

impl Problems {
    /// Nothing, when there is no problem.
    ///
    /// # Errors
    /// The problems, when there are any.
    pub fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        let rank = |problem: &Problem| OPTIONS.iter().position(|spec| spec.name == problem.option);
        problems.sort_by_key(|problem| rank(problem).unwrap_or(OPTIONS.len()));
        let of_options = problems.chunk_by(|one, next| one.option == next.option);
        Err(Self(of_options.flat_map(shortened).collect()))
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is no empty Problems")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first, for a status of one line.
    #[must_use]
    pub fn first(&self) -> &Problem {
        // `Problems::check` makes none without a problem.
        &self.0[0]
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_place_value_rule_remedy() {
        let problem =
            Problem::new("unit-bgp-peers", "3[1].address", "is not an IP address").value("10.0.0");
        assert_eq!(
            problem.to_string(),
            "unit-bgp-peers: 3[1].address: \"10.0.0\" is not an IP address"
        );
        let problem = problem.remedy("write 10.0.0.0");
        assert_eq!(
            problem.to_string(),
            "unit-bgp-peers: 3[1].address: \"10.0.0\" is not an IP address; write 10.0.0.0"
        );
        assert_eq!(
            problem.headline(),
            "unit-bgp-peers: 3[1].address: \"10.0.0\" is not an IP address"
        );
        assert_eq!(
            Problem::new("cidr", "", "is wrong").to_string(),
            "cidr: is wrong"
        );
    }

    #[test]
    fn excerpts_are_short_and_on_one_line() {
        for (text, shown) in [
            ("plain", "plain"),
            ("it's", "it's"),
            ("a\nb\t\u{7}\u{202e}", "a\\nb\\t\\u{7}\\u{202e}"),
            ("say \"x\"", "say \\\"x\\\""),
        ] {
            assert_eq!(excerpt(text), shown);
        }
        assert_eq!(excerpt(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(excerpt(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert!(excerpt(&"\n".repeat(1000)).chars().count() <= 61);
    }

    #[test]
    fn problems_are_sorted_as_config_yaml_and_keep_their_order_inside_an_option() {
        let problems = ["unit-bgp-peers", "no-such-option", "cidr", "ipip"]
            .iter()
            .enumerate()
            .flat_map(|(index, option)| {
                [
                    Problem::new(option, "", format!("a{index}")),
                    Problem::new(option, "", "b"),
                ]
            })
            .collect();
        let problems = Problems::check(problems).unwrap_err();
        let options: Vec<&str> = problems
            .iter()
            .map(|problem| problem.option.as_str())
            .collect();
        assert_eq!(options[0..2], ["ipip", "ipip"]);
        assert_eq!(options[6..8], ["no-such-option", "no-such-option"]);
        assert_eq!(problems.first().rule, "a3");
        assert_eq!(problems.len(), 8);
        assert_eq!(problems.to_string().lines().count(), 8);
        assert_eq!(Problems::check(Vec::new()), Ok(()));
    }

    #[test]
    fn a_hundred_problems_of_an_option_are_enough() {
        let many = |count: usize| {
            let problems =
                (0..count).map(|index| Problem::new("cidr", "", format!("is wrong {index}")));
            Problems::check(
                problems
                    .chain([Problem::new("ipip", "", "is wrong")])
                    .collect(),
            )
            .unwrap_err()
        };
        assert_eq!(many(100).len(), 101);
        let problems = many(1000);
        assert_eq!(problems.len(), 102);
        assert_eq!(
            problems.iter().last().map(ToString::to_string).as_deref(),
            Some("cidr: has 900 more problems")
        );
    }

    #[test]
    fn positions_count_characters() {
        for (text, offset, line, column) in [
            ("", 0, 1, 1),
            ("ab", 1, 1, 2),
            ("a\nb", 2, 2, 1),
            ("é\nüx", 5, 2, 2),
        ] {
            assert_eq!(
                Position::in_text(text, offset),
                Position { line, column },
                "{text:?} {offset}"
            );
        }
    }
}
