//! The grammar. Words are told by where they stand: after a label comes an operator, so a label may be called `in`.

use super::{DEEPEST, LONGEST, SelectorError, Term, Test};
use std::collections::BTreeSet;

const TERM: &str = "a label, has(…), all(), global(), `!` or `(`";
const OPERATOR: &str = "==, !=, in, not in, contains, starts with or ends with";
/// Longest name of a label.
const LONGEST_LABEL: usize = 512;

pub(super) fn selector(text: &str) -> Result<Term, SelectorError> {
    if text.len() > LONGEST {
        return Err(SelectorError::TooLong);
    }
    let mut rest = Rest(text);
    rest.blanks();
    if rest.0.is_empty() {
        return Ok(Term::All);
    }
    let term = rest.any_of(0)?;
    if rest.0.is_empty() {
        Ok(term)
    } else {
        Err(rest.unexpected("&&, || or the end"))
    }
}

/// What is left of the text, without blanks at its start.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn any_of(&mut self, depth: usize) -> Result<Term, SelectorError> {
        let mut terms = vec![self.all_of(depth)?];
        while self.take("||") {
            terms.push(self.all_of(depth)?);
        }
        Ok(single(terms, Term::Or))
    }

    fn all_of(&mut self, depth: usize) -> Result<Term, SelectorError> {
        let mut terms = vec![self.term(depth)?];
        while self.take("&&") {
            terms.push(self.term(depth)?);
        }
        Ok(single(terms, Term::And))
    }

    fn term(&mut self, depth: usize) -> Result<Term, SelectorError> {
        let mut denied = false;
        while self.0.starts_with('!') && !self.0.starts_with("!=") {
            self.take("!");
            denied = !denied;
        }
        let term = self.positive(depth)?;
        Ok(if denied {
            Term::Not(Box::new(term))
        } else {
            term
        })
    }

    fn positive(&mut self, depth: usize) -> Result<Term, SelectorError> {
        if self.take("(") {
            if depth == DEEPEST {
                return Err(SelectorError::TooDeep);
            }
            let inner = self.any_of(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        for everything in ["all(", "global("] {
            if self.take(everything) {
                self.expect(")")?;
                return Ok(Term::All);
            }
        }
        if self.take("has(") {
            let label = self.label("a label")?;
            self.expect(")")?;
            return Ok(Term::Has(label));
        }
        let label = self.label(TERM)?;
        Ok(Term::Label(label, self.test()?))
    }

    fn test(&mut self) -> Result<Test, SelectorError> {
        if self.take("==") {
            return self.text().map(Test::Equals);
        }
        if self.take("!=") {
            return self.text().map(Test::Differs);
        }
        if self.words(&["not", "in"]) {
            return self.set().map(Test::NotIn);
        }
        if self.words(&["in"]) {
            return self.set().map(Test::In);
        }
        if self.words(&["contains"]) {
            return self.text().map(Test::Contains);
        }
        if self.words(&["starts", "with"]) {
            return self.text().map(Test::StartsWith);
        }
        if self.words(&["ends", "with"]) {
            return self.text().map(Test::EndsWith);
        }
        Err(self.unexpected(OPERATOR))
    }

    /// `{'a', "b"}`; may be empty, and the last text may have a comma after it.
    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        self.expect("{")?;
        let mut texts = BTreeSet::new();
        while self.0.starts_with(['\'', '"']) {
            texts.insert(self.text()?);
            if !self.take(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(texts)
    }

    fn text(&mut self) -> Result<String, SelectorError> {
        const EXPECTED: &str = "a text in quotes";
        let quote = self
            .0
            .chars()
            .next()
            .filter(|one| matches!(one, '\'' | '"'));
        let Some(quote) = quote else {
            return Err(self.unexpected(EXPECTED));
        };
        let Some((text, rest)) = self.0[1..].split_once(quote) else {
            return Err(SelectorError::Ends("the closing quote"));
        };
        self.goes_on(rest);
        Ok(text.to_owned())
    }

    fn label(&mut self, expected: &'static str) -> Result<String, SelectorError> {
        let length = self
            .0
            .find(|one: char| !is_of_label(one))
            .unwrap_or(self.0.len());
        if length == 0 || length > LONGEST_LABEL {
            return Err(self.unexpected(expected));
        }
        let (label, rest) = self.0.split_at(length);
        self.goes_on(rest);
        Ok(label.to_owned())
    }

    /// Takes words with blanks between them, the last one at its end.
    fn words(&mut self, words: &[&str]) -> bool {
        let before = self.0;
        for word in words {
            let follows = self.0.strip_prefix(word);
            let Some(rest) = follows.filter(|rest| !rest.starts_with(is_of_word)) else {
                self.0 = before;
                return false;
            };
            self.goes_on(rest);
        }
        true
    }

    fn take(&mut self, token: &str) -> bool {
        let Some(rest) = self.0.strip_prefix(token) else {
            return false;
        };
        self.goes_on(rest);
        true
    }

    fn expect(&mut self, token: &'static str) -> Result<(), SelectorError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.unexpected(token))
        }
    }

    fn goes_on(&mut self, rest: &'a str) {
        self.0 = rest;
        self.blanks();
    }

    fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn unexpected(&self, expected: &'static str) -> SelectorError {
        if self.0.is_empty() {
            return SelectorError::Ends(expected);
        }
        SelectorError::Unexpected {
            expected,
            found: self.0.chars().take(20).collect(),
        }
    }
}

fn single(mut terms: Vec<Term>, many: fn(Vec<Term>) -> Term) -> Term {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        Some(last) => {
            terms.push(last);
            many(terms)
        }
        None => Term::All,
    }
}

fn is_of_label(one: char) -> bool {
    one.is_ascii_alphanumeric() || matches!(one, '_' | '.' | '/' | '-')
}

fn is_of_word(one: char) -> bool {
    one.is_ascii_alphanumeric() || one == '_'
}
