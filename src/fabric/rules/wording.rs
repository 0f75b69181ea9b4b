//! How findings name many things in few words.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::super::classes::{ClassId, Classes};
use super::super::session::{Sessions, Speaker};
use super::super::topology::Topology;
use crate::model::{Cidr, Family};

/// How many of a list are named before the rest is only counted.
const NAMED: usize = 3;

/// `a`, `a and b`, `a, b and c`, `a, b, c and 38 more`.
pub(in crate::fabric) fn few<T: Display>(items: &[T]) -> String {
    let named: Vec<String> = items.iter().take(NAMED).map(T::to_string).collect();
    let rest = items.len().saturating_sub(NAMED);
    match (named.as_slice(), rest) {
        ([], _) => "none".to_owned(),
        ([one], 0) => one.clone(),
        ([first @ .., last], 0) => format!("{} and {last}", first.join(", ")),
        (all, rest) => format!("{} and {} more", all.join(", "), grouped(rest as u64)),
    }
}

/// `1 node`, `2 nodes`, `1,240 nodes`.
pub(in crate::fabric) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// A number with commas between thousands.
pub(in crate::fabric) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A speaker as an operator knows it: the unit, else the node; a router by its name.
pub(in crate::fabric) fn speaker(
    topology: &Topology,
    sessions: &Sessions,
    speaker: Speaker,
) -> String {
    if let Some(node) = topology.nodes.get(speaker as usize) {
        return node
            .unit
            .as_ref()
            .map_or_else(|| node.name.clone(), ToString::to_string);
    }
    let index = speaker.saturating_sub(sessions.nodes) as usize;
    sessions.routers.get(index).map_or_else(
        || "a router".to_owned(),
        |router| {
            if router.known && router.name.starts_with("router") {
                router.name.clone()
            } else if router.known {
                format!("router {}", router.name)
            } else {
                let addresses: Vec<_> = router.addresses.iter().map(|one| one.ip).collect();
                format!("router {}", few(&addresses))
            }
        },
    )
}

/// The names of speakers.
pub(in crate::fabric) fn speakers(
    topology: &Topology,
    sessions: &Sessions,
    all: impl IntoIterator<Item = Speaker>,
) -> Vec<String> {
    all.into_iter()
        .map(|one| speaker(topology, sessions, one))
        .collect()
}

/// The members of classes, sorted.
pub(in crate::fabric) fn members(
    classes: &Classes,
    of: impl IntoIterator<Item = ClassId>,
) -> Vec<Speaker> {
    let ids: BTreeSet<ClassId> = of.into_iter().collect();
    let mut all: Vec<Speaker> = ids
        .into_iter()
        .flat_map(|class| classes.members(class).iter().copied())
        .collect();
    all.sort_unstable();
    all
}

/// The subnets of nodes in a family, each once, sorted.
pub(in crate::fabric) fn subnets(
    topology: &Topology,
    family: Family,
    nodes: impl IntoIterator<Item = Speaker>,
) -> Vec<Cidr> {
    let found: BTreeSet<Cidr> = nodes
        .into_iter()
        .filter_map(|node| topology.nodes.get(node as usize)?.address(family))
        .map(|address| address.subnet)
        .collect();
    found.into_iter().collect()
}

/// What a command gives an option: quoted where the shell would take it apart.
pub(in crate::fabric) fn setting(option: &str, value: impl Display) -> String {
    let value = value.to_string();
    let plain = |char: char| char.is_ascii_alphanumeric() || "./:,-_".contains(char);
    if !value.is_empty() && value.chars().all(plain) {
        format!("juju config calico {option}={value}")
    } else {
        format!("juju config calico {option}='{value}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_cut() {
        for (items, text) in [
            (&[][..], "none"),
            (&["a"][..], "a"),
            (&["a", "b"][..], "a and b"),
            (&["a", "b", "c"][..], "a, b and c"),
            (&["a", "b", "c", "d"][..], "a, b, c and 1 more"),
        ] {
            assert_eq!(few(items), text);
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1240, "1,240"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(counted(1, "node"), "1 node");
        assert_eq!(counted(2, "node"), "2 nodes");
    }

    #[test]
    fn values_are_quoted_where_needed() {
        assert_eq!(
            setting("vxlan", "CrossSubnet"),
            "juju config calico vxlan=CrossSubnet"
        );
        assert_eq!(
            setting("unit-as-numbers", "{0: 64512}"),
            "juju config calico unit-as-numbers='{0: 64512}'"
        );
    }
}
