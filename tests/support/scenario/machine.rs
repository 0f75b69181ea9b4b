//! The machine of a unit.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use calico_charm::host::Host;

use super::input::Unit;

/// What a hook sees of its machine.
#[derive(Debug, Default)]
pub struct SimulatedMachine {
    hostname: String,
    fqdn: Option<String>,
    addresses: Vec<IpAddr>,
    rp_filter: Option<u8>,
    /// VXLAN interfaces whose transmit checksumming is on.
    checksumming: Mutex<Vec<String>>,
}

impl SimulatedMachine {
    /// The machine that a scenario describes.
    pub fn new(unit: &str, described: &Unit) -> Self {
        let name = described
            .hostname
            .clone()
            .or_else(|| described.node.clone());
        Self {
            hostname: name.unwrap_or_else(|| unit.replace('/', "-")),
            fqdn: described.fqdn.clone(),
            addresses: described
                .addresses
                .iter()
                .filter_map(|address| address.split('/').next()?.parse().ok())
                .collect(),
            rp_filter: described.rp_filter,
            checksumming: Mutex::new(described.interfaces.clone()),
        }
    }
}

impl Host for SimulatedMachine {
    fn hostname(&self) -> String {
        self.hostname.clone()
    }

    async fn fqdn(&self) -> Option<String> {
        self.fqdn.clone()
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    fn rp_filter(&self) -> Option<u8> {
        self.rp_filter
    }

    async fn disable_tx_checksumming(&self, interface: &str) -> Result<bool, String> {
        let mut on = self
            .checksumming
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = on.len();
        on.retain(|other| other != interface);
        Ok(on.len() < before)
    }
}
