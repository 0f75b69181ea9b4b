//! A simulated unit's machine.

use std::net::IpAddr;

use crate::host::Host;

/// The machine of a simulated unit: its name and addresses, and nothing to complain of.
#[derive(Debug, Clone)]
pub(super) struct SimulatedHost {
    /// The kernel's host name.
    pub(super) hostname: String,
    /// Every address.
    pub(super) addresses: Vec<IpAddr>,
}

impl Host for SimulatedHost {
    fn hostname(&self) -> String {
        self.hostname.clone()
    }

    async fn fqdn(&self) -> Option<String> {
        None
    }

    fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.clone()
    }

    fn rp_filter(&self) -> Option<u8> {
        Some(1)
    }

    async fn disable_tx_checksumming(&self, _interface: &str) -> Result<bool, String> {
        Ok(false)
    }
}
