//! The addresses that are a pool's own.

use std::net::IpAddr;

use super::network;
use crate::model::Cidr;
use crate::plan::Live;

/// A pool's network without the pools that lie in it. The API takes such pools where no webhook of Calico's own looks at
/// them, and of the addresses that two have the longer prefix has the say: a pod of the pool inside says nothing of the one
/// round it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    cidr: Cidr,
    inside: Vec<Cidr>,
}

impl Extent {
    /// What is a pool's own among `pools`.
    #[must_use]
    pub fn new(cidr: Cidr, pools: &[Live]) -> Self {
        let others = pools.iter().filter_map(network);
        Self {
            cidr,
            inside: others
                .filter(|other| other.prefix() > cidr.prefix() && cidr.contains_cidr(other))
                .collect(),
        }
    }

    /// The whole network of the pool.
    #[must_use]
    pub fn cidr(&self) -> Cidr {
        self.cidr
    }

    /// Whether an address is the pool's.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        self.cidr.contains(ip) && !self.inside.iter().any(|other| other.contains(ip))
    }

    /// Whether a block, or the affinity to one, is the pool's.
    #[must_use]
    pub fn holds_block(&self, block: &Cidr) -> bool {
        self.cidr.contains_cidr(block)
            && !self.inside.iter().any(|other| other.contains_cidr(block))
    }
}

impl From<Cidr> for Extent {
    fn from(cidr: Cidr) -> Self {
        Self::new(cidr, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_lies_in_a_pool_inside_is_not_the_outer_ones() {
        let pool = |cidr: &str| Live::new(json!({"spec": {"cidr": cidr}}));
        let pools = ["10.0.0.0/8", "10.0.0.0/16", "192.168.0.0/16"].map(pool);
        let outer = Extent::new("10.0.0.0/8".parse().unwrap(), &pools);
        let inner = Extent::new("10.0.0.0/16".parse().unwrap(), &pools);
        for (ip, block, by_outer, by_inner) in [
            ("10.0.7.1", "10.0.7.0/26", false, true),
            ("10.1.7.1", "10.1.7.0/26", true, false),
            ("192.168.0.1", "192.168.0.0/26", false, false),
        ] {
            for (extent, expected) in [(&outer, by_outer), (&inner, by_inner)] {
                assert_eq!(extent.holds(ip.parse().unwrap()), expected, "{ip}");
                let block = block.parse().unwrap();
                assert_eq!(extent.holds_block(&block), expected, "{ip}");
            }
        }
    }
}
