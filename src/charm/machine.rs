//! What the options ask of the machine itself. Performs IO.

use super::{Report, Surroundings};
use crate::config::CharmConfig;
use crate::host::calicoctl::resource;
use crate::host::footprint::reason_to_stay;
use crate::host::{Calicoctl, CalicoctlError, Cleared, Host, NodeSeen, in_one_line};
use crate::juju::tools::resource_get;
use crate::juju::{Hook, HookTools};
use crate::model::Family;
use crate::status::{Status, StatusKind};

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

/// `calicoctl` for those who log in on the machine, from the charm's resource. Nothing that is wrong with it keeps a hook
/// from its work: it comes last, and says so beside `Ready`.
///
/// Juju runs `upgrade-charm` when another resource is attached, so only that hook and `install` compare what is there with
/// the resource; any other asks for it when calicoctl is missing, and else costs two looks at the file system.
pub async fn calicoctl<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    hook: Hook,
    report: &mut Report,
) {
    let host = surroundings.host;
    // A cluster that still is on etcd needs them for its migration; a unit that is ready is not on etcd.
    let ready = report.final_status().kind() == StatusKind::Active;
    told(
        host.clear_etcd_files(!ready),
        "left by an etcd-based release of the charm",
        report,
    );
    let compares = matches!(hook, Hook::Install | Hook::UpgradeCharm);
    if !compares && host.has_calicoctl() {
        return;
    }
    let Some((name, _)) = resource() else {
        return;
    };
    let archive = match resource_get(surroundings.tools, name).await {
        Ok(Some(archive)) => archive,
        Ok(None) => return tracing::debug!("no resource {name}, so no calicoctl"),
        Err(error) => {
            let error = in_one_line(&error);
            return report.warning(format!("calicoctl: {error}; the next hook tries again"));
        }
    };
    let application = surroundings.context.unit.split('/').next();
    let attach = || {
        let application = application.unwrap_or_default();
        format!("juju attach-resource {application} {name}=./calicoctl.tar.gz")
    };
    match host.install_calicoctl(&archive) {
        Ok(Calicoctl::Placeholder(size)) if compares => report.info(format!(
            "no calicoctl: resource {name} is a placeholder of {size} bytes; {}",
            attach()
        )),
        Ok(Calicoctl::Current | Calicoctl::Placeholder(_)) => {}
        Ok(Calicoctl::Installed) => report.info(format!("calicoctl installed from resource {name}")),
        Ok(Calicoctl::WithoutWrapper(path)) => report.warning(format!(
            "/opt/calicoctl/calicoctl installed from resource {name}, without the wrapper that sets its datastore: {} \
             is not the charm's",
            path.display()
        )),
        Err(error) => {
            let text = in_one_line(&error);
            let remedy = remedy(&error, &attach());
            report.warning(format!("calicoctl cannot be installed: {text}; {remedy}"));
            report.note(format!("no new calicoctl: {text}"));
        }
    }
}

fn remedy(error: &CalicoctlError, attach: &str) -> String {
    match error {
        CalicoctlError::Read { .. } => "the next hook tries again".to_owned(),
        CalicoctlError::Write { .. } => "make room or mend the folder".to_owned(),
        _ => attach.to_owned(),
    }
}

/// Takes what the charm put on the machine away, and Calico's network with it where nothing needs it any more.
pub async fn footprint<H: Host>(host: &H, node: &NodeSeen, report: &mut Report) {
    told(host.remove_calicoctl(), "the unit is removed", report);
    let traces = host.traces();
    if let Some(reason) = reason_to_stay(node, traces) {
        let files = host.network_files();
        if !files.is_empty() || traces.pods || traces.agent {
            report.warning(format!(
                "Calico's network stays on this machine ({}): {reason}. Once nothing needs it, remove these and restart the machine",
                if files.is_empty() { "no files".to_owned() } else { files.join(", ") }
            ));
        }
        return;
    }
    if traces.agent {
        report.warning(
            "calico-node has not ended yet and may put some of what is removed back; a restart of the machine clears interfaces, \
             routes and packet filter",
        );
    }
    told(
        host.remove_network().await,
        "nothing needs Calico's network here",
        report,
    );
}

/// Says what was taken away and what was not.
fn told(cleared: Cleared, reason: &str, report: &mut Report) {
    if !cleared.removed.is_empty() {
        report.info(format!(
            "removed ({reason}): {}",
            cleared.removed.join(", ")
        ));
    }
    for left in cleared.left {
        report.warning(format!("not removed: {left}"));
    }
}
