//! Every finding there can be: code, severity, and the page that `explain` prints.
//!
//! The pages are Markdown, one file each beside this one, and read well as they stand.

use super::finding::{Code, Severity};
use Severity::{Error, Note, Warning};

/// One kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What happens, how it shows, what to write: a page in Markdown.
    pub explanation: &'static str,
    /// What options are to come in a later release for; until then only objects that others made show it.
    pub option_to_come: Option<&'static str>,
}

impl Entry {
    const fn to_come(self, option: &'static str) -> Self {
        Self {
            option_to_come: Some(option),
            ..self
        }
    }
}

const fn page(
    code: u16,
    severity: Severity,
    title: &'static str,
    explanation: &'static str,
) -> Entry {
    Entry {
        code: Code(code),
        severity,
        title,
        explanation,
        option_to_come: None,
    }
}

/// The group that a code belongs to.
#[must_use]
pub fn group(code: Code) -> &'static str {
    match code.0 {
        ..20 => "Options",
        20..40 => "Sessions",
        40..60 => "Mesh and reflectors",
        60..80 => "Propagation and AS paths",
        80..90 => "Data plane",
        90..100 => "Address plan and capacity",
        100.. => "Changes",
    }
}

/// The entry of a code.
#[must_use]
pub fn entry(code: Code) -> Option<&'static Entry> {
    let index = ENTRIES
        .binary_search_by_key(&code, |entry| entry.code)
        .ok()?;
    ENTRIES.get(index)
}

/// All of them, by code.
#[rustfmt::skip] // a table, one row an entry
pub const ENTRIES: &[Entry] = &[
    page(1, Error, "a value that its option does not take", include_str!("catalogue/F001.md")),
    page(2, Error, "a network with host bits", include_str!("catalogue/F002.md")),
    page(3, Error, "two entries for one unit or subnet", include_str!("catalogue/F003.md")),
    page(4, Error, "an AS number that is reserved, or that YAML reads as a fraction", include_str!("catalogue/F004.md")),
    page(5, Error, "an AS number above 2147483647 that the API server refuses", include_str!("catalogue/F005.md")),
    page(6, Warning, "an entry that matches no unit", include_str!("catalogue/F006.md")),
    page(7, Error, "a cluster ID that is not four numbers with dots", include_str!("catalogue/F007.md")),
    page(8, Warning, "cluster ID 0.0.0.0, which BIRD takes for not set", include_str!("catalogue/F008.md")),
    page(9, Error, "one peer with two AS numbers", include_str!("catalogue/F009.md")),
    page(10, Warning, "a peer that is the unit's own address", include_str!("catalogue/F010.md")),
    page(11, Error, "a field that the release of Calico does not have", include_str!("catalogue/F011.md")),
    page(12, Error, "an encapsulation that the pool cannot have", include_str!("catalogue/F012.md")),
    page(20, Error, "a peer entry with another AS number than the node's", include_str!("catalogue/F020.md")),
    page(21, Error, "one router with two AS numbers", include_str!("catalogue/F021.md")),
    page(22, Error, "a peer of a family that nodes have no address of", include_str!("catalogue/F022.md")),
    page(23, Warning, "a peer outside the units' subnets", include_str!("catalogue/F023.md")),
    page(24, Error, "two BGPPeers for one session", include_str!("catalogue/F024.md")),
    page(25, Warning, "a global peer that hides one of a node", include_str!("catalogue/F025.md")),
    page(26, Error, "both ends wait, or connect to the wrong port", include_str!("catalogue/F026.md")).to_come("listen ports of nodes"),
    page(27, Error, "a password on one end only", include_str!("catalogue/F027.md")).to_come("passwords of sessions"),
    page(28, Error, "TTL security on one end only", include_str!("catalogue/F028.md")).to_come("TTL security of sessions"),
    page(29, Error, "a session with one end", include_str!("catalogue/F029.md")).to_come("manual reverse peering"),
    page(30, Error, "two speakers with one router ID", include_str!("catalogue/F030.md")),
    page(31, Error, "peers without BIRD", include_str!("catalogue/F031.md")),
    page(32, Warning, "a second session for a pair of the mesh", include_str!("catalogue/F032.md")),
    page(33, Error, "a filter that does not exist", include_str!("catalogue/F033.md")).to_come("filters of peers"),
    page(34, Warning, "a BGPPeer that no option asks for", include_str!("catalogue/F034.md")),
    page(35, Error, "two nodes with one address", include_str!("catalogue/F035.md")),
    page(40, Error, "no mesh and no peers", include_str!("catalogue/F040.md")),
    page(41, Error, "a reflector that nobody peers with", include_str!("catalogue/F041.md")),
    page(42, Error, "nodes without a session to any reflector", include_str!("catalogue/F042.md")),
    page(43, Error, "reflectors with one cluster ID and split clients", include_str!("catalogue/F043.md")),
    page(44, Error, "groups of reflectors without a session between them", include_str!("catalogue/F044.md")),
    page(45, Warning, "reflectors with one cluster ID that peer by address", include_str!("catalogue/F045.md")),
    page(46, Warning, "one reflector, or reflectors in one zone", include_str!("catalogue/F046.md")),
    page(47, Warning, "nodes that peer only with a router that does not reflect", include_str!("catalogue/F047.md")),
    page(48, Warning, "a mesh of more than 100 nodes", include_str!("catalogue/F048.md")),
    page(49, Error, "AS numbers on some nodes of the mesh", include_str!("catalogue/F049.md")),
    page(50, Warning, "a mesh across AS numbers", include_str!("catalogue/F050.md")),
    page(51, Error, "a client in another AS than its reflector", include_str!("catalogue/F051.md")),
    page(60, Error, "pods that do not reach each other", include_str!("catalogue/F060.md")),
    page(61, Error, "two racks with one AS number that meet by eBGP", include_str!("catalogue/F061.md")),
    page(62, Error, "a router without routes to pods", include_str!("catalogue/F062.md")),
    page(63, Warning, "traffic from outside over one reflector", include_str!("catalogue/F063.md")),
    page(64, Error, "a next hop that cannot be reached", include_str!("catalogue/F064.md")),
    page(65, Error, "a pool that is not announced", include_str!("catalogue/F065.md")).to_come("pools that are not announced, and filters"),
    page(66, Warning, "routes that hang on one session", include_str!("catalogue/F066.md")),
    page(67, Error, "a forwarding loop", include_str!("catalogue/F067.md")),
    page(68, Warning, "clients of a reflector without routes to the outside", include_str!("catalogue/F068.md")),
    page(69, Warning, "a session with an AS number of its own", include_str!("catalogue/F069.md")).to_come("a peer's local AS number"),
    page(80, Error, "no encapsulation across subnets, and no router that knows the pods", include_str!("catalogue/F080.md")),
    page(81, Warning, "CrossSubnet in a subnet over several zones", include_str!("catalogue/F081.md")),
    page(82, Warning, "a cloud that drops what the pools send", include_str!("catalogue/F082.md")),
    page(83, Note, "a mesh that VXLAN pools do not need", include_str!("catalogue/F083.md")),
    page(84, Error, "Felix and BIRD disagree who programs routes", include_str!("catalogue/F084.md")),
    page(85, Warning, "an MTU that does not fit the machines' network", include_str!("catalogue/F085.md")),
    page(86, Warning, "pods of a VXLAN pool announced by another machine", include_str!("catalogue/F086.md")),
    page(90, Error, "networks that overlap", include_str!("catalogue/F090.md")),
    page(91, Error, "more nodes than blocks", include_str!("catalogue/F091.md")),
    page(92, Warning, "a pool of a family that nodes have no address of", include_str!("catalogue/F092.md")),
    page(93, Warning, "an announced network outside the cluster's services", include_str!("catalogue/F093.md")),
    page(94, Error, "a pool that shrinks below the addresses in use", include_str!("catalogue/F094.md")),
    page(100, Error, "sessions that go before their replacements can be up", include_str!("catalogue/F100.md")),
    page(101, Warning, "sessions that restart", include_str!("catalogue/F101.md")),
    page(102, Error, "no mesh before the rest is ready", include_str!("catalogue/F102.md")),
    page(103, Error, "the last reflector of a group that goes", include_str!("catalogue/F103.md")),
    page(104, Error, "a field that cannot be changed", include_str!("catalogue/F104.md")),
    page(105, Warning, "AS numbers of many nodes that change at once", include_str!("catalogue/F105.md")),
    page(106, Warning, "a machine or router that must not fail", include_str!("catalogue/F106.md")),
    page(107, Error, "an object that somebody else owns", include_str!("catalogue/F107.md")),
    page(108, Note, "something that is not modelled", include_str!("catalogue/F108.md")),
    page(109, Warning, "sessions that are not as expected", include_str!("catalogue/F109.md")),
    page(110, Warning, "a tunnel that changes under running pods", include_str!("catalogue/F110.md")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_has_its_page() {
        assert!(ENTRIES.is_sorted_by(|one, next| one.code < next.code));
        for entry in ENTRIES {
            assert_eq!(super::entry(entry.code), Some(entry));
            let sentences = entry.explanation.matches(['.', ':']).count();
            assert!(sentences > 2, "{} says too little", entry.code);
            assert!(!entry.title.ends_with('.'), "{}", entry.code);
        }
        assert_eq!(super::entry(Code(13)), None);
    }

    #[test]
    fn pages_fit_a_terminal() {
        for entry in ENTRIES {
            for line in entry.explanation.lines() {
                let example = line.starts_with("    ");
                let width = line.chars().count();
                assert!(
                    width <= if example { 120 } else { 80 },
                    "{}: {width} characters: {line}",
                    entry.code
                );
            }
        }
    }
}
