//! What the options ask of the machine itself. Performs IO.

use super::Report;
use crate::config::CharmConfig;
use crate::host::Host;
use crate::model::Family;
use crate::status::Status;

/// The VXLAN interfaces of the two families.
const VXLAN_INTERFACES: [&str; 2] = ["vxlan.calico", "vxlan-v6.calico"];
/// The text that documentation and tests look for.
const RP_FILTER: &str = "ignore-loose-rpf config is in conflict with rp_filter value";

/// Loose reverse path filtering: Calico has not looked at it since 3.12, but the option and its status are documented
/// and relied upon, so the status stays and the log says what it is worth.
pub fn rp_filter<H: Host>(host: &H, config: &CharmConfig, report: &mut Report) {
    let pods_use_ipv4 = config.cidr.iter().any(|cidr| cidr.family() == Family::V4);
    if config.ignore_loose_rpf || !pods_use_ipv4 || host.rp_filter() != Some(2) {
        return;
    }
    report.warning(
        "net.ipv4.conf.all.rp_filter is 2 (loose). Calico 3.12 and later do not look at it, so nothing was held back for it. \
         `juju config calico ignore-loose-rpf=true` clears the status; `sysctl -w net.ipv4.conf.all.rp_filter=1`, and the \
         same line in /etc/sysctl.d for the next boot, makes the check strict",
    );
    report.status(Status::blocked(RP_FILTER));
}

pub async fn vxlan_checksums<H: Host>(host: &H, config: &CharmConfig, report: &mut Report) {
    if !config.disable_vxlan_tx_checksumming || config.vxlan.is_none() {
        return;
    }
    for interface in VXLAN_INTERFACES {
        match host.disable_tx_checksumming(interface).await {
            Ok(true) => report.info(format!(
                "{interface}: tx-checksum-ip-generic off (disable-vxlan-tx-checksumming)"
            )),
            Ok(false) => {}
            Err(reason) => report.warning(format!("{interface}: {reason}")),
        }
    }
}
