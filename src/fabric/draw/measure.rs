//! How wide text is. Pictures name no font file, so this takes the widest of the usual ones (`DejaVu` Sans, Verdana).

/// Width of `text` at a font size, in pixels, rounded up.
pub(super) fn width(text: &str, size: i32) -> i32 {
    let hundredths: i32 = text.chars().map(hundredths).sum();
    (hundredths * size + 99) / 100
}

/// Width in bold letters.
pub(super) fn bold_width(text: &str, size: i32) -> i32 {
    width(text, size) * 113 / 100 + 1
}

/// A character's advance in hundredths of the font size.
fn hundredths(character: char) -> i32 {
    match character {
        'i' | 'j' | 'l' | 'I' | '\'' | '|' => 32,
        ' ' => 36,
        '.' | ',' | 't' | 'f' | 'r' | ':' | ';' | '!' | '/' | '(' | ')' | '[' | ']' | '-' => 42,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '→' => 100,
        '0'..='9' | 'a'..='z' => 64,
        'A'..='Z' => 78,
        '_' | '#' | '+' | '=' | '×' | '<' | '>' | '~' | '&' => 84,
        // Other scripts may be as wide as they are high.
        _ => 105,
    }
}

/// `text`, or its beginning and end where it is wider than `limit`: the end is what tells names apart.
pub(super) fn shortened(text: &str, limit: i32, measure: impl Fn(&str) -> i32) -> String {
    if measure(text) <= limit {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().take(400).collect();
    let end: Vec<char> = text.chars().rev().take(400).collect();
    for kept in (2..characters.len().min(80)).rev() {
        let start: String = characters[..kept.div_ceil(2)].iter().collect();
        let last: String = end[..kept / 2].iter().rev().collect();
        let candidate = format!("{start}…{last}");
        if measure(&candidate) <= limit {
            return candidate;
        }
    }
    "…".to_owned()
}

/// `text` in lines no wider than `limit`, broken at spaces where there are any.
pub(super) fn wrapped(text: &str, limit: i32, measure: impl Fn(&str) -> i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if measure(&longer) <= limit {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        line = broken(word, limit, &measure, &mut lines);
    }
    lines.push(line);
    lines
}

/// Breaks a word that is wider than a line; the rest of it is the next line's beginning.
fn broken(
    word: &str,
    limit: i32,
    measure: impl Fn(&str) -> i32,
    lines: &mut Vec<String>,
) -> String {
    let mut piece = String::new();
    for character in word.chars() {
        piece.push(character);
        if measure(&piece) > limit && piece.chars().count() > 1 {
            piece.pop();
            lines.push(std::mem::take(&mut piece));
            piece.push(character);
        }
    }
    piece
}

/// `a, b, c`, or of more than `most` the first and how many more there are.
pub(super) fn listed(texts: &[String], most: usize) -> String {
    match texts.len().checked_sub(most).filter(|more| *more > 0) {
        None => texts.join(", "),
        Some(more) => format!("{} and {more} more", texts[..most].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(text: &str) -> i32 {
        i32::try_from(text.chars().count()).unwrap()
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("rack-0", 8, letters), "rack-0");
        assert_eq!(shortened("rack-0-node-17", 8, letters), "rack…-17");
        assert_eq!(shortened("abcdefgh", 1, letters), "…");
        assert_eq!(shortened(&"x".repeat(5_000), 9, letters), "xxxx…xxxx");
    }

    #[test]
    fn text_is_wrapped_at_spaces_and_long_words_are_broken() {
        assert_eq!(wrapped("one two three", 8, letters), ["one two", "three"]);
        assert_eq!(
            wrapped("a abcdefghij b", 4, letters),
            ["a", "abcd", "efgh", "ij b"]
        );
        assert_eq!(wrapped("", 4, letters), [""]);
    }

    #[test]
    fn widths_grow_with_the_font() {
        assert!(width("rack0-node17", 10) < width("rack0-node17", 11));
        assert!(width("rack0", 11) < bold_width("rack0", 11));
    }
}
