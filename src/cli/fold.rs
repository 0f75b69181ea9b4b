//! Lists of objects short enough to read: what differs only by its unit or Node becomes one row.

use std::collections::BTreeMap;

use crate::render::BgpPeerName;

/// From how many units on lists are folded, unless `--all` is given.
pub(super) const FOLDED_ABOVE: usize = 12;

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `+`, `~` or `-`, or a blank for no symbol at all.
    pub(super) symbol: char,
    /// Its kind.
    pub(super) kind: String,
    /// Its name.
    pub(super) name: String,
    /// What there is to say about it; equal texts are folded.
    pub(super) text: String,
}

/// One row of the list, standing for one object or more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    symbol: char,
    title: String,
    text: String,
}

/// The list as lines, in the order of each row's first object.
pub(super) fn lines(entries: &[Entry], application: &str, fold: bool) -> Vec<String> {
    let rows = if fold {
        folded(entries, application)
    } else {
        entries
            .iter()
            .map(|entry| row(entry, &entry.name))
            .collect()
    };
    aligned(&rows)
}

fn row(entry: &Entry, name: &str) -> Row {
    Row {
        symbol: entry.symbol,
        title: format!("{} {name}", entry.kind),
        text: entry.text.clone(),
    }
}

fn folded(entries: &[Entry], application: &str) -> Vec<Row> {
    let mut groups: BTreeMap<(char, &str, String, &str), usize> = BTreeMap::new();
    let mut order: Vec<(&Entry, String, usize)> = Vec::new();
    for entry in entries {
        let pattern = pattern(entry, application);
        let key = (
            entry.symbol,
            entry.kind.as_str(),
            pattern.clone(),
            entry.text.as_str(),
        );
        let next = order.len();
        let index = *groups.entry(key).or_insert(next);
        match order.get_mut(index) {
            Some((_, _, count)) => *count += 1,
            None => order.push((entry, pattern, 1)),
        }
    }
    order
        .into_iter()
        .map(|(entry, pattern, count)| match (count, pattern.as_str()) {
            (1, _) => row(entry, &entry.name),
            (_, "") => row(entry, &format!("{} and {} more", entry.name, count - 1)),
            _ => row(entry, &format!("{pattern} ×{count}")),
        })
        .collect()
}

/// What the names of a group have in common; nothing for Nodes, the whole name where there is but one such object.
fn pattern(entry: &Entry, application: &str) -> String {
    match BgpPeerName::parse(&entry.name, application) {
        Some(name) => {
            let prefix = format!("{application}-{}", name.unit_number());
            entry.name.replacen(&prefix, &format!("{application}-*"), 1)
        }
        None if entry.kind == "Node" => String::new(),
        None => entry.name.clone(),
    }
}

/// Texts in one column; a title that is far longer than the others does not move it.
fn aligned(rows: &[Row]) -> Vec<String> {
    const WIDEST: usize = 48;
    let width = |row: &Row| row.title.chars().count();
    let column = rows
        .iter()
        .map(width)
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or_default();
    rows.iter()
        .map(|row| {
            let padding = " ".repeat(column.saturating_sub(width(row)) + 2);
            let symbol = if row.symbol == ' ' {
                String::new()
            } else {
                format!("{} ", row.symbol)
            };
            let line = format!("{symbol}{}{padding}{}", row.title, row.text);
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, name: &str, text: &str) -> Entry {
        Entry {
            symbol: '+',
            kind: kind.into(),
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn equal_texts_become_one_row() {
        let entries = [
            entry("BGPPeer", "calico-0-10.0.0.1", "AS 1"),
            entry("BGPPeer", "calico-1-10.0.0.2", "AS 1"),
            entry("BGPPeer", "calico-2-10.0.0.2", "AS 1"),
            entry("BGPPeer", "calico-3-10.0.0.2", "AS 2"),
            entry("Node", "a", "AS 1"),
            entry("Node", "b", "AS 1"),
            entry("Node", "c", "AS 1"),
            entry("IPPool", "ipv4", ""),
        ];
        assert_eq!(
            lines(&entries, "calico", true),
            [
                "+ BGPPeer calico-0-10.0.0.1     AS 1",
                "+ BGPPeer calico-*-10.0.0.2 ×2  AS 1",
                "+ BGPPeer calico-3-10.0.0.2     AS 2",
                "+ Node a and 2 more             AS 1",
                "+ IPPool ipv4",
            ]
        );
        assert_eq!(lines(&entries, "calico", false).len(), 8);
    }

    #[test]
    fn names_of_other_applications_are_not_folded() {
        let entries = [
            entry("BGPPeer", "net-0-10.0.0.2", ""),
            entry("BGPPeer", "net-1-10.0.0.2", ""),
        ];
        assert_eq!(lines(&entries, "calico", true).len(), 2);
        assert_eq!(
            lines(&entries, "net", true),
            ["+ BGPPeer net-*-10.0.0.2 ×2"]
        );
    }
}
