//! Fabrics made up at random: small ones, in which options contradict each other as often as not.

use calico_charm::fabric::{Gateway, NextHop, Topology};

use super::fabric::{DEFAULT, Fabric};

const CLUSTER_IDS: [&str; 3] = ["0.0.0.0", "1.0.0.1", "1.0.0.2"];
const AS_NUMBERS: [u32; 2] = [DEFAULT, 64513];
const ROUTER_AS_NUMBERS: [u32; 4] = [DEFAULT, 64513, 65001, 65002];
const WRONG: u32 = 64999;

/// A chain of numbers that a seed alone decides (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.roll() % limit as u64).expect("below a limit that was one")
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// The fabric of a seed.
pub fn fabric(seed: u64) -> Topology {
    let mut dice = Dice(seed);
    let mut fabric = if dice.chance(50) {
        Fabric::new()
    } else {
        Fabric::without_mesh()
    };
    if dice.chance(30) {
        fabric.topology.release = "3.31.0".parse().expect("a release");
    }
    let subnets = 1 + dice.below(3);
    let homes: Vec<usize> = (0..2 + dice.below(5))
        .map(|_| dice.below(subnets))
        .collect();
    let nodes: Vec<u32> = homes
        .iter()
        .enumerate()
        .map(|(node, subnet)| fabric.node(&format!("10.0.{subnet}.{}/24", node + 10)))
        .collect();
    as_numbers(&mut dice, &mut fabric, &nodes, &homes);
    let routers = routers(&mut dice, &mut fabric, subnets);
    gateways(&mut dice, &mut fabric);
    let reflectors: Vec<u32> = nodes.iter().copied().filter(|_| dice.chance(35)).collect();
    let shared = dice.pick(&CLUSTER_IDS);
    for reflector in &reflectors {
        let id = if dice.chance(50) {
            shared
        } else {
            dice.pick(&CLUSTER_IDS)
        };
        fabric.cluster(&[*reflector], id);
    }
    for node in &nodes {
        for reflector in &reflectors {
            if dice.chance(60) {
                peer_node(&mut dice, &mut fabric, *node, *reflector);
            }
        }
        if dice.chance(15) {
            let other = dice.pick(&nodes);
            peer_node(&mut dice, &mut fabric, *node, other);
        }
    }
    let chance = dice.pick(&[0, 50, 100]);
    for (node, home) in nodes.iter().zip(&homes) {
        for (router, at, number) in &routers {
            let near = at.contains(home);
            if dice.chance(if near { chance } else { chance / 5 }) {
                let subnet = if near { *home } else { at[0] };
                let number = if dice.chance(93) { *number } else { WRONG };
                fabric.peer(&[*node], &format!("10.0.{subnet}.{router}"), number);
                extras(&mut dice, &mut fabric);
            }
        }
    }
    fabric.topology
}

fn as_numbers(dice: &mut Dice, fabric: &mut Fabric, nodes: &[u32], homes: &[usize]) {
    match dice.below(5) {
        0 | 1 => {}
        // One for each subnet.
        2 => nodes
            .iter()
            .zip(homes)
            .for_each(|(node, home)| fabric.as_number(&[*node], AS_NUMBERS[home % 2])),
        3 => nodes
            .iter()
            .for_each(|node| fabric.as_number(&[*node], dice.pick(&AS_NUMBERS))),
        // Some have none.
        _ => {
            for node in nodes {
                if dice.chance(50) {
                    fabric.as_number(&[*node], dice.pick(&AS_NUMBERS));
                }
            }
        }
    }
}

/// Each with the last number of its addresses, its subnets and its AS number. Every subnet has one, as long as there is
/// more than one subnet.
fn routers(dice: &mut Dice, fabric: &mut Fabric, subnets: usize) -> Vec<(u8, Vec<usize>, u32)> {
    let mut routers: Vec<(u8, Vec<usize>, u32)> = Vec::new();
    let count = if subnets == 1 {
        dice.below(3)
    } else {
        1 + dice.below(subnets + 1)
    };
    for router in 0..count {
        let mut at: Vec<usize> = (0..subnets)
            .filter(|subnet| subnet % count == router || dice.chance(25))
            .collect();
        if at.is_empty() {
            at.push(dice.below(subnets));
        }
        let number = dice.pick(&ROUTER_AS_NUMBERS);
        let last = u8::try_from(router + 1).expect("few routers");
        let addresses: Vec<String> = at
            .iter()
            .map(|subnet| format!("10.0.{subnet}.{last}/24"))
            .collect();
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        fabric
            .router(&format!("router-{router}"), &addresses, number)
            .route_reflector = dice.chance(25);
        routers.push((last, at, number));
    }
    routers
}

/// Where there are several routers in a subnet, any of them may be the gateway.
fn gateways(dice: &mut Dice, fabric: &mut Fabric) {
    let routers = fabric.topology.routers.clone();
    for node in &mut fabric.topology.nodes {
        let subnet = node.v4.expect("an IPv4 address").subnet;
        let near: Vec<_> = routers
            .iter()
            .flat_map(|router| &router.addresses)
            .filter(|address| address.subnet == subnet)
            .collect();
        if near.len() > 1 {
            node.gateway = Gateway::At(dice.pick(&near).ip);
        }
    }
}

fn peer_node(dice: &mut Dice, fabric: &mut Fabric, node: u32, other: u32) {
    if node == other {
        return;
    }
    let there = &fabric.topology.nodes[other as usize];
    let number = if dice.chance(95) {
        fabric.topology.as_number_of(there).value()
    } else {
        WRONG
    };
    let ip = there.v4.expect("an IPv4 address").ip.to_string();
    if dice.chance(5) {
        fabric.global_peer(&ip, number);
    } else {
        fabric.peer(&[node], &ip, number);
    }
    extras(dice, fabric);
}

/// Fields that no option has, of the last peer.
fn extras(dice: &mut Dice, fabric: &mut Fabric) {
    if dice.chance(15) {
        let next_hop = dice.pick(&[NextHop::Own, NextHop::Keep]);
        fabric.extra(|extra| extra.next_hop = next_hop);
    }
    if dice.chance(8) {
        fabric.extra(|extra| extra.allowed_local_as = 1);
    }
    if dice.chance(8) {
        fabric.extra(|extra| extra.reverse = false);
    }
}
