//! "Did you mean".

/// The candidate that `word` is probably a slip of: equal but for case, `_` and `-`, or at most two letters away.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = squeezed(word);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &squeezed(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= 2 && distance * 3 <= candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn squeezed(word: &str) -> Vec<char> {
    // No name is as long; a longer word is none, and is not worth comparing whole.
    word.chars()
        .filter(|char| char.is_alphanumeric())
        .take(64)
        .map(|char| char.to_ascii_lowercase())
        .collect()
}

/// Levenshtein distance, row by row.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.iter().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(right) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            before = replaced.min(diagonal + 1).min(before + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("cidr", "cird", 2),
            ("a", "a", 0),
        ] {
            assert_eq!(
                distance(&squeezed(left), &squeezed(right)),
                expected,
                "{left} {right}"
            );
        }
    }

    #[test]
    fn near_misses() {
        let names = [
            "ipip",
            "vxlan",
            "cidr",
            "veth-mtu",
            "unit-bgp-peers",
            "global-as-number",
        ];
        for (word, expected) in [
            ("unit_bgp_peers", Some("unit-bgp-peers")),
            ("unit-bgp-peer", Some("unit-bgp-peers")),
            ("Global-AS-Number", Some("global-as-number")),
            ("vxlam", Some("vxlan")),
            ("mtu", None),
            ("ipv", None),
            ("something", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }
}
