//! What was probably meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Facts;
use crate::fabric::session::{Cause, Speaker};
use crate::fabric::topology::{Origin, Target};
use crate::model::{Cidr, Family};

/// How many letters two texts have in common at both ends.
pub(super) fn likeness(one: &str, other: &str) -> usize {
    let from_left = one
        .bytes()
        .zip(other.bytes())
        .take_while(|(left, right)| left == right)
        .count();
    let backwards = one.bytes().rev().zip(other.bytes().rev());
    from_left + backwards.take_while(|(left, right)| left == right).count()
}

/// Whether one network is probably the other with a slip in it: one number differs, or one holds the other.
pub(super) fn is_slip(one: Cidr, other: Cidr) -> bool {
    if one.overlaps(&other) {
        return true;
    }
    let (left, right) = (numbers(one.network()), numbers(other.network()));
    let differing = left
        .iter()
        .zip(&right)
        .filter(|(left, right)| left != right);
    one.family() == other.family() && one.prefix() == other.prefix() && differing.count() == 1
}

/// The numbers that an address is written with.
fn numbers(ip: IpAddr) -> [u16; 8] {
    match ip {
        IpAddr::V4(ip) => {
            let [one, two, three, four] = ip.octets().map(u16::from);
            [one, two, three, four, 0, 0, 0, 0]
        }
        IpAddr::V6(ip) => ip.segments(),
    }
}

/// A peer address that is nobody's, and one letter away from a node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Misspelt<'t> {
    /// Where it was written.
    pub origin: &'t Origin,
    /// As written.
    pub wrong: IpAddr,
    /// As meant.
    pub right: IpAddr,
}

/// The entry by which some nodes try to peer with another one, and miss it by a letter.
pub(super) fn misspelt<'t>(
    facts: &Facts<'t>,
    nodes: &BTreeSet<Speaker>,
    meant: Speaker,
) -> Option<Misspelt<'t>> {
    let topology = facts.topology;
    let of_nodes = |session: &&crate::fabric::session::Session| {
        nodes.contains(&session.near.speaker) && session.near.is_internal()
    };
    facts
        .sessions
        .sessions
        .iter()
        .filter(of_nodes)
        .find_map(|session| {
            let index = session.far.speaker.checked_sub(facts.sessions.nodes)?;
            let Cause::Peering(peering) = session.near.cause else {
                return None;
            };
            let peering = &topology.peerings[peering as usize];
            let Target::Address(address) = &peering.target else {
                return None;
            };
            let wrong = address.ip();
            let right = topology.nodes[meant as usize].address(Family::of(wrong))?;
            let is_nobodys = !facts.sessions.routers[index as usize].known;
            (is_nobodys && is_one_letter_away(wrong, right.ip) && !is_gateway(wrong, right.subnet))
                .then_some(Misspelt {
                    origin: &peering.origin,
                    wrong,
                    right: right.ip,
                })
        })
}

fn is_one_letter_away(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_string(), other.to_string());
    one != other
        && one.len().abs_diff(other.len()) <= 1
        && likeness(&one, &other) + 1 >= one.len().max(other.len())
}

/// Whether an address is where routers usually are: the first or the last of a subnet.
fn is_gateway(ip: IpAddr, subnet: Cidr) -> bool {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let bits = subnet.family().bits();
    let hosts = 1_u128
        .checked_shl(u32::from(bits - subnet.prefix()))
        .unwrap_or(0);
    let place = number(ip).wrapping_sub(number(subnet.network()));
    place == 1 || place == hosts.wrapping_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (one, other, expected) in [
            ("10.0.30.0/24", "10.0.3.0/24", true),
            ("10.0.3.0/25", "10.0.3.0/24", true),
            ("10.1.30.0/24", "10.0.3.0/24", false),
            ("192.168.0.0/24", "10.0.3.0/24", false),
            ("fd00:a::/64", "fd00:b::/64", true),
            ("10.0.3.0/24", "fd00:b::/64", false),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(is_slip(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn addresses() {
        for (one, other, expected) in [
            ("10.0.0.33", "10.0.0.3", true),
            ("10.0.0.3", "10.0.0.33", true),
            ("10.0.0.4", "10.0.0.3", true),
            ("10.0.22.2", "10.0.2.2", true),
            ("10.0.0.3", "10.0.0.3", false),
            ("10.0.0.45", "10.0.0.3", false),
            ("10.1.0.4", "10.0.0.3", false),
            ("fd00::12", "fd00::2", true),
        ] {
            let (one, other) = (one.parse().unwrap(), other.parse().unwrap());
            assert_eq!(is_one_letter_away(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn gateways() {
        for (ip, subnet, expected) in [
            ("10.0.0.1", "10.0.0.0/24", true),
            ("10.0.0.254", "10.0.0.0/24", true),
            ("10.0.0.2", "10.0.0.0/24", false),
            ("10.0.1.1", "10.0.0.0/24", false),
            ("10.0.0.1", "10.0.0.0/16", true),
            ("fd00::1", "fd00::/64", true),
            ("fd00::1", "::/0", false),
        ] {
            let (ip, subnet) = (ip.parse().unwrap(), subnet.parse().unwrap());
            assert_eq!(is_gateway(ip, subnet), expected, "{ip} {subnet}");
        }
    }
}
