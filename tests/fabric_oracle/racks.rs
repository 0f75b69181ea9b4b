//! A fabric of racks as options ask for it: an AS a rack, two reflectors and a router in each, the mesh off.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use calico_charm::config::{CharmConfig, RawConfig, RawValue};
use calico_charm::fabric::{Address, FabricFacts, Gateway, Router, Topology, UnitOnNode, topology};
use calico_charm::model::{AsNumber, Cidr, UnitAddress};

/// A peer: address and AS number.
pub type Peer = (String, u32);

/// The options by their entries, and the machines and routers.
#[derive(Debug, Clone)]
pub struct Racks {
    pub count: u32,
    pub per_rack: u32,
    pub mesh: bool,
    pub cidr: String,
    pub ipip: &'static str,
    pub subnet_as_numbers: BTreeMap<String, u32>,
    pub unit_as_numbers: BTreeMap<u32, u32>,
    pub cluster_ids: BTreeMap<u32, String>,
    pub global_peers: Vec<Peer>,
    pub subnet_peers: BTreeMap<String, Vec<Peer>>,
    pub unit_peers: BTreeMap<u32, Vec<Peer>>,
    pub router_as_numbers: Vec<u32>,
}

/// The first three bytes of subnet `side` of rack `rack`.
pub fn prefix(rack: u32, side: u32) -> String {
    let number = 2 * rack + side;
    format!("10.{}.{}", number / 256, number % 256)
}

pub fn subnet(rack: u32, side: u32) -> String {
    format!("{}.0/24", prefix(rack, side))
}

pub fn reflector(rack: u32, side: u32) -> String {
    format!("{}.2", prefix(rack, side))
}

pub fn router(rack: u32, side: u32) -> String {
    format!("{}.1", prefix(rack, side))
}

pub fn as_number(rack: u32) -> u32 {
    64601 + rack
}

/// A mapping as it is written into an option.
fn lines<K: Display, V>(map: &BTreeMap<K, V>, value: impl Fn(&V) -> String) -> String {
    map.iter().fold(String::new(), |mut text, (key, one)| {
        let _ = writeln!(text, "{key}: {}", value(one));
        text
    })
}

impl Racks {
    pub fn new(racks: u32, per_rack: u32) -> Self {
        let mut all = Self {
            count: racks,
            per_rack,
            mesh: false,
            cidr: "172.16.0.0/12".to_owned(),
            ipip: "Never",
            subnet_as_numbers: BTreeMap::new(),
            unit_as_numbers: BTreeMap::new(),
            cluster_ids: BTreeMap::new(),
            global_peers: Vec::new(),
            subnet_peers: BTreeMap::new(),
            unit_peers: BTreeMap::new(),
            router_as_numbers: (0..racks).map(as_number).collect(),
        };
        for rack in 0..racks {
            for side in 0..2 {
                let unit = all.unit(rack, side);
                let peers = (0..2).map(|other| (reflector(rack, other), as_number(rack)));
                all.subnet_as_numbers
                    .insert(subnet(rack, side), as_number(rack));
                all.cluster_ids
                    .insert(unit, format!("1.0.{}.{}", rack / 256, rack % 256 + 1));
                all.unit_peers
                    .insert(unit, vec![(router(rack, side), as_number(rack))]);
                all.subnet_peers.insert(subnet(rack, side), peers.collect());
            }
        }
        all
    }

    /// The same with routers that have AS numbers of their own. They send to the reflectors what is for their clients,
    /// so those have to tunnel what is for the other subnet: by the router it would come back.
    pub fn with_outer_routers(mut self) -> Self {
        self.ipip = "CrossSubnet";
        for rack in 0..self.count {
            let number = 65300 + rack;
            self.router_as_numbers[rack as usize] = number;
            for side in 0..2 {
                let unit = self.unit(rack, side);
                self.unit_peers
                    .insert(unit, vec![(router(rack, side), number)]);
            }
        }
        self
    }

    /// Number of a rack's machine; 0 and 1 reflect.
    pub fn unit(&self, rack: u32, place: u32) -> u32 {
        rack * self.per_rack + place
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        let list = |peers: &[Peer]| {
            let mut text = String::from("[");
            for (address, as_number) in peers {
                let _ = write!(text, "{{address: {address}, as-number: {as_number}}}, ");
            }
            text + "]"
        };
        vec![
            ("cidr", self.cidr.clone()),
            ("ipip", self.ipip.to_owned()),
            ("node-to-node-mesh", self.mesh.to_string()),
            (
                "subnet-as-numbers",
                lines(&self.subnet_as_numbers, u32::to_string),
            ),
            (
                "unit-as-numbers",
                lines(&self.unit_as_numbers, u32::to_string),
            ),
            (
                "route-reflector-cluster-ids",
                lines(&self.cluster_ids, String::clone),
            ),
            ("global-bgp-peers", list(&self.global_peers)),
            (
                "subnet-bgp-peers",
                lines(&self.subnet_peers, |peers| list(peers)),
            ),
            (
                "unit-bgp-peers",
                lines(&self.unit_peers, |peers| list(peers)),
            ),
        ]
    }

    pub fn topology(&self) -> Topology {
        let raw: RawConfig = self
            .options()
            .into_iter()
            .map(|(name, text)| (name.to_owned(), RawValue::Text(text)))
            .collect();
        let config = CharmConfig::parse_strict(&raw, "calico")
            .unwrap_or_else(|problems| panic!("{problems}"));
        topology(&config, &self.facts()).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn facts(&self) -> FabricFacts {
        let units = (0..self.count).flat_map(|rack| {
            (0..self.per_rack).map(move |place| {
                let unit = self.unit(rack, place);
                let ip = format!("{}.{}", prefix(rack, place % 2), 2 + place / 2);
                UnitOnNode {
                    unit: format!("calico/{unit}").parse().expect("a unit's name"),
                    node: format!("rack{rack}-node{place}"),
                    addresses: vec![UnitAddress::read(&format!("{ip}/24")).expect("an address")],
                    zone: Some(format!("rack{rack}")),
                    gateway: Gateway::Unknown,
                }
            })
        });
        let routers = (0..)
            .zip(&self.router_as_numbers)
            .map(|(rack, number)| Router {
                name: format!("tor-{rack}"),
                addresses: (0..2)
                    .map(|side| Address {
                        ip: router(rack, side).parse().expect("an address"),
                        subnet: subnet(rack, side).parse::<Cidr>().expect("a subnet"),
                    })
                    .collect(),
                as_number: AsNumber::new(*number).expect("a private AS number"),
                route_reflector: false,
                known: true,
            });
        FabricFacts {
            units: units.collect(),
            routers: routers.collect(),
            release: "3.32.1".parse().expect("a release"),
            ..FabricFacts::default()
        }
    }
}
