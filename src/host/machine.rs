//! The machine this process runs on.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use super::Host;

/// Longest time a host command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// The feature of `ethtool` behind Calico issue 3145: VXLAN checksums go wrong on some kernels when it is on.
const FEATURE: &str = "tx-checksum-ip-generic";

/// The real machine, read through `/proc`, `/sys` and `ethtool`.
#[derive(Debug, Default, Clone, Copy)]
pub struct Machine;

impl Host for Machine {
    fn hostname(&self) -> String {
        read("/proc/sys/kernel/hostname")
    }

    async fn fqdn(&self) -> Option<String> {
        let output = command("hostname", &["--fqdn"]).await.ok()?;
        Some(output.trim().to_owned()).filter(|name| !name.is_empty())
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let mut found = local_ipv4(&read("/proc/net/fib_trie"));
        found.extend(local_ipv6(&read("/proc/net/if_inet6")));
        found
    }

    fn rp_filter(&self) -> Option<u8> {
        read("/proc/sys/net/ipv4/conf/all/rp_filter").parse().ok()
    }

    async fn disable_tx_checksumming(&self, interface: &str) -> Result<bool, String> {
        if !Path::new("/sys/class/net").join(interface).exists() {
            return Ok(false);
        }
        let features = command("ethtool", &["-k", interface]).await?;
        if !is_on(&features) {
            return Ok(false);
        }
        command("ethtool", &["-K", interface, FEATURE, "off"]).await?;
        Ok(true)
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

async fn command(program: &'static str, args: &[&str]) -> Result<String, String> {
    let run = tokio::process::Command::new(program)
        .args(args)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(COMMAND_TIMEOUT, run).await {
        Err(_) => Err(format!("{program} did not end within 5 s")),
        Ok(Err(error)) => Err(format!("cannot run {program}: {error}")),
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(format!(
            "{program} {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

fn is_on(features: &str) -> bool {
    features.lines().any(|line| {
        line.trim()
            .strip_prefix(FEATURE)
            .and_then(|rest| rest.strip_prefix(':'))
            .is_some_and(|state| state.trim() == "on")
    })
}

/// The `/32 host LOCAL` entries of the routing trie: the only place in `/proc` that lists IPv4 addresses.
fn local_ipv4(trie: &str) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut last = None;
    for line in trie.lines() {
        let line = line.trim();
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

fn local_ipv6(table: &str) -> Vec<IpAddr> {
    table
        .lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .map(|bits| Ipv6Addr::from(bits).into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_proc() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.5\n        /32 host LOCAL\nLocal:\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 10.0.0.255\n        /32 link BROADCAST\n";
        assert_eq!(local_ipv4(trie), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        let table = "fd000000000000000000000000000005 02 40 00 80     ens3\n";
        assert_eq!(local_ipv6(table), ["fd00::5".parse::<IpAddr>().unwrap()]);
        assert_eq!(local_ipv6("nonsense"), [] as [IpAddr; 0]);
    }

    #[test]
    fn the_feature_is_told_from_its_neighbours() {
        assert!(is_on(
            "Features for vxlan.calico:\n\ttx-checksum-ip-generic: on\n"
        ));
        assert!(!is_on("tx-checksum-ip-generic: off [fixed]\n"));
        assert!(!is_on("tx-checksum-ipv4: on\n"));
    }
}
