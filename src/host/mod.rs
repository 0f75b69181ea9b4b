//! What a hook reads and sets on its machine. Performs IO.

mod machine;

use std::future::Future;
use std::net::IpAddr;

pub use machine::Machine;

/// The seam to the machine: the simulation gives each unit a machine of its own.
pub trait Host: Send + Sync {
    /// The host name, as the kernel has it.
    fn hostname(&self) -> String;

    /// The fully qualified host name, where it can be resolved.
    fn fqdn(&self) -> impl Future<Output = Option<String>> + Send;

    /// Every address of the machine; empty when they cannot be read.
    fn addresses(&self) -> Vec<IpAddr>;

    /// `net.ipv4.conf.all.rp_filter`; `None` when it cannot be read.
    fn rp_filter(&self) -> Option<u8>;

    /// Turns generic transmit checksumming of `interface` off. `Ok(true)` when it was on, `Ok(false)` when there was
    /// nothing to do or no such interface yet.
    ///
    /// # Errors
    /// What keeps it from being turned off, in one line.
    fn disable_tx_checksumming(
        &self,
        interface: &str,
    ) -> impl Future<Output = Result<bool, String>> + Send;
}
