//! What a hook reads and sets on its machine. Performs IO.

pub mod calicoctl;
mod cleared;
mod commands;
pub mod footprint;
mod machine;
#[cfg(test)]
mod namespaces;
mod removal;

use std::error::Error;
use std::future::Future;
use std::net::IpAddr;
use std::path::Path;

pub use calicoctl::{Calicoctl, CalicoctlError};
pub use cleared::Cleared;
pub use footprint::{NodeSeen, Traces};
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

    // What follows changes files and the kernel: a machine that is none leaves it at doing nothing.

    /// Whether calicoctl and its wrapper are there; no more than a look.
    fn has_calicoctl(&self) -> bool {
        true
    }

    /// Installs calicoctl from the resource that lies at `archive`, unless that is done.
    ///
    /// # Errors
    /// The resource is no good, or the disk is; an earlier calicoctl stays.
    fn install_calicoctl(&self, _archive: &Path) -> Result<Calicoctl, CalicoctlError> {
        Ok(Calicoctl::Current)
    }

    /// Removes the etcd credentials that earlier releases of the charm left, or while they are still needed closes them
    /// to others than root.
    fn clear_etcd_files(&self, _needed: bool) -> Cleared {
        Cleared::default()
    }

    /// Takes calicoctl away.
    fn remove_calicoctl(&self) -> Cleared {
        Cleared::default()
    }

    /// What of Calico runs on the machine.
    fn traces(&self) -> Traces {
        Traces::default()
    }

    /// The files there are of Calico's network.
    fn network_files(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes Calico's network away: files, interfaces, routes, packet filter.
    fn remove_network(&self) -> impl Future<Output = Cleared> + Send {
        async { Cleared::default() }
    }
}

/// An error and its sources in one line.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text.replace('\n', "; ")
}
