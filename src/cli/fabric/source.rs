//! The user's files, and where in them something stands.

use saphyr_parser::ScalarStyle;

use super::yaml::{Node, Value};
use crate::config::Position;

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as the user gave it; `<stdin>` for `-`.
    pub name: String,
    /// Its text.
    pub text: String,
    line_starts: Vec<usize>,
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// Index of the file.
    pub file: usize,
    /// Position in it.
    pub at: Position,
}

impl SourceFile {
    /// A file called `name`.
    #[must_use]
    pub fn new(name: String, text: String) -> Self {
        let newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        Self {
            name,
            text,
            line_starts,
        }
    }

    /// A line without its end, from 1; empty beyond the file.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        let start = number
            .checked_sub(1)
            .and_then(|index| self.line_starts.get(index).copied());
        let line = start.and_then(|start| self.text[start..].lines().next());
        line.unwrap_or_default()
    }

    /// The rest of the line from `at`.
    #[must_use]
    pub fn rest(&self, at: Position) -> &str {
        let line = self.line(at.line);
        let start = line.char_indices().nth(at.column.saturating_sub(1));
        start.map_or("", |(offset, _)| &line[offset..])
    }

    /// Where position `inside` of a scalar's text stands in the file; `None` where the two do not correspond character
    /// by character (folded texts, quoted ones of several lines).
    #[must_use]
    pub fn inside_scalar(&self, node: &Node, inside: Position) -> Option<Position> {
        let Value::Scalar(text, style) = &node.value else {
            return None;
        };
        let at = node.at;
        match style {
            ScalarStyle::Literal => {
                // The node starts at its first line that is not blank, its text at the line after the `|`.
                let blank = text.chars().take_while(|char| *char == '\n').count();
                Some(Position {
                    line: (at.line + inside.line - 1).checked_sub(blank)?,
                    column: at.column + inside.column - 1,
                })
            }
            ScalarStyle::Folded => None,
            ScalarStyle::Plain | ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let skip = characters_before(text, inside)?;
                let width = written_width(self.rest(at), *style, skip)?;
                Some(Position {
                    line: at.line,
                    column: at.column + width,
                })
            }
        }
    }
}

/// How many characters of `text` stand before `inside`.
fn characters_before(text: &str, inside: Position) -> Option<usize> {
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines
        .by_ref()
        .take(inside.line.checked_sub(1)?)
        .map(|line| line.chars().count())
        .sum();
    Some(before + inside.column - 1)
}

/// How many characters of `source` write the quote and the first `skip` characters of a scalar's text.
fn written_width(source: &str, style: ScalarStyle, skip: usize) -> Option<usize> {
    if style == ScalarStyle::Plain {
        return (source.chars().count() >= skip).then_some(skip);
    }
    let mut chars = source.chars().skip(1);
    let mut width = 1;
    for _ in 0..skip {
        let char = chars.next()?;
        let more = match (style, char) {
            (ScalarStyle::SingleQuoted, '\'') => 1,
            (ScalarStyle::DoubleQuoted, '\\') => match chars.clone().next()? {
                'x' => 3,
                'u' => 5,
                'U' => 9,
                _ => 1,
            },
            _ => 0,
        };
        for _ in 0..more {
            chars.next()?;
        }
        width += 1 + more;
    }
    Some(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fabric::yaml::parse;

    #[test]
    fn positions_inside_texts_are_found_in_the_file() {
        let at = |line, column| Position { line, column };
        for (file, inside, expected) in [
            ("a: |\n  0: x\n  1: y\n", at(2, 4), Some(at(3, 6))),
            ("a: |\n\n  0: x\n", at(2, 4), Some(at(3, 6))),
            ("a: |2\n    0: x\n", at(1, 3), Some(at(2, 5))),
            ("a: {0: x}\n", at(1, 1), None),
            ("a: text here\n", at(1, 6), Some(at(1, 9))),
            ("a: \"[{x}]\"\n", at(1, 3), Some(at(1, 7))),
            ("a: \"0:\\n- x\\u0041y\"\n", at(2, 5), Some(at(1, 18))),
            ("a: 'it''s x'\n", at(1, 6), Some(at(1, 11))),
            ("a: \"two\n  lines\"\n", at(1, 9), None),
            ("a: >\n  0: x\n", at(1, 4), None),
        ] {
            let node = parse(file).unwrap()[0].get("a").unwrap().clone();
            let source = SourceFile::new("f".into(), file.into());
            assert_eq!(source.inside_scalar(&node, inside), expected, "{file:?}");
        }
    }

    #[test]
    fn rests_of_lines() {
        let source = SourceFile::new("f".into(), "é: x\r\nb\n".into());
        assert_eq!(source.rest(Position { line: 1, column: 2 }), ": x");
        assert_eq!(source.rest(Position { line: 2, column: 9 }), "");
        assert_eq!(source.rest(Position { line: 9, column: 1 }), "");
        assert_eq!(source.line(2), "b");
    }
}
