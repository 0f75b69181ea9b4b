//! Text from elsewhere, made fit for logs, statuses and terminals. Pure.

use std::fmt::Write;

/// `text` with every control character but the line feed, and every character that turns the direction of writing,
/// written as `\u{…}`: values of foreign objects must not forge lines, colours or order.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && !is_printable(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// As [`printable`], in one line.
#[must_use]
pub fn printable_line(text: &str) -> String {
    printable(text).replace('\n', "\\n")
}

/// Whether a terminal shows `character` and does nothing else for it.
#[must_use]
pub fn is_printable(character: char) -> bool {
    !character.is_control() && !turns_direction(character)
}

/// The bidirectional controls of Unicode (UAX 9).
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_forges_a_line_or_a_colour() {
        for (text, expected) in [
            ("plain → text é", "plain → text é"),
            ("a\u{1b}[31mb", "a\\u{1b}[31mb"),
            ("a\0b\tc", "a\\u{0}b\\u{9}c"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{61c}b\u{2069}", "a\\u{61c}b\\u{2069}"),
            ("a\nb", "a\\nb"),
        ] {
            assert_eq!(printable_line(text), expected);
        }
        assert_eq!(printable("a\nb"), "a\nb");
    }
}
