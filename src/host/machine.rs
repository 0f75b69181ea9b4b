//! The machine this process runs on.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::calicoctl::Installation;
use super::commands::Commands;
use super::{Calicoctl, CalicoctlError, Cleared, Host, Traces, in_one_line, removal};

/// The feature of `ethtool` behind Calico issue 3145: VXLAN checksums go wrong on some kernels when it is on.
const FEATURE: &str = "tx-checksum-ip-generic";

/// Where Juju's agents keep their charms (`data-dir` in Juju's `agent.conf`).
const JUJU: &str = "var/lib/juju";

/// The real machine, read through `/proc`, `/sys` and the programs it has.
///
/// Only a charm that Juju has unpacked changes anything there but `ethtool`'s settings: run from a source tree, even as
/// root, the program leaves a machine's files, routes and packet filter alone.
#[derive(Debug, Default, Clone)]
pub struct Machine {
    /// What the paths of the machine's files begin with; `None` keeps files as they are.
    root: Option<PathBuf>,
    commands: Commands,
    /// Whether interfaces, routes and the packet filter may be changed.
    kernel: bool,
}

impl Machine {
    /// The machine that this process runs on.
    #[must_use]
    pub fn here() -> Self {
        let program = std::env::current_exe().unwrap_or_default();
        Self::of_program(&program)
    }

    /// The machine that `program` was installed on by Juju, in `/var/lib/juju/agents/unit-<unit>/charm/bin`.
    #[must_use]
    pub fn of_program(program: &Path) -> Self {
        match root_of(program) {
            Some(root) => Self {
                kernel: root == Path::new("/"),
                ..Self::at(root)
            },
            None => Self::default(),
        }
    }

    /// A machine whose files are below `root`, and whose kernel is left alone.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: Some(root.into()),
            ..Self::default()
        }
    }

    /// The same with the kernel that these programs talk to.
    #[must_use]
    pub fn with_programs(self, path: impl Into<OsString>) -> Self {
        Self {
            commands: Commands::on_path(path),
            kernel: true,
            ..self
        }
    }

    fn calicoctl(&self) -> Option<Installation<'_>> {
        self.root.as_deref().map(Installation::below)
    }
}

/// The root of the file system that an installed charm's program is in; `/` also where `/var/lib/juju` is a link.
fn root_of(program: &Path) -> Option<PathBuf> {
    let charm = program.parent()?.parent()?;
    let (agent, agents) = (charm.parent()?, charm.parent()?.parent()?);
    let unit = agent.file_name()?.to_str()?;
    let shaped = program.parent()?.ends_with("charm/bin")
        && agents.ends_with("agents")
        && unit.starts_with("unit-");
    if !shaped {
        return None;
    }
    let juju = agents.parent()?;
    if juju.ends_with(JUJU) {
        return juju.ancestors().nth(3).map(Path::to_owned);
    }
    let usual = Path::new("/").join(JUJU).canonicalize();
    usual.is_ok_and(|usual| usual == juju).then(|| "/".into())
}

impl Host for Machine {
    fn hostname(&self) -> String {
        read("/proc/sys/kernel/hostname")
    }

    async fn fqdn(&self) -> Option<String> {
        let output = self.commands.run("hostname", &["--fqdn"]).await.ok()?;
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
        let ethtool = async |args: &[&str]| {
            let done = self.commands.run("ethtool", args).await;
            done.map_err(|error| in_one_line(&error))
        };
        let features = ethtool(&["-k", interface]).await?;
        if !is_on(&features) {
            return Ok(false);
        }
        ethtool(&["-K", interface, FEATURE, "off"]).await?;
        Ok(true)
    }

    fn has_calicoctl(&self) -> bool {
        self.calicoctl()
            .is_none_or(|calicoctl| calicoctl.is_there())
    }

    fn install_calicoctl(&self, archive: &Path) -> Result<Calicoctl, CalicoctlError> {
        match self.calicoctl() {
            Some(calicoctl) => calicoctl.install(archive),
            None => Ok(Calicoctl::Current),
        }
    }

    fn clear_etcd_files(&self, needed: bool) -> Cleared {
        self.calicoctl()
            .map(|calicoctl| calicoctl.clear_etcd_files(needed))
            .unwrap_or_default()
    }

    fn remove_calicoctl(&self) -> Cleared {
        self.calicoctl()
            .map(|calicoctl| calicoctl.remove())
            .unwrap_or_default()
    }

    fn traces(&self) -> Traces {
        let Some(root) = &self.root else {
            return Traces::default();
        };
        let (processes, interfaces) = (processes(root), names(&root.join("sys/class/net")));
        Traces::of(
            processes.iter().map(String::as_str),
            interfaces.iter().map(String::as_str),
        )
    }

    fn network_files(&self) -> Vec<String> {
        self.root.as_deref().map(removal::files).unwrap_or_default()
    }

    async fn remove_network(&self) -> Cleared {
        let mut cleared = Cleared::default();
        let Some(root) = &self.root else {
            return cleared;
        };
        let traces = self.traces();
        if self.kernel {
            let mounts = fs::read_to_string(root.join("proc/self/mounts")).unwrap_or_default();
            removal::unmount(&mounts, &self.commands, &mut cleared).await;
        }
        removal::remove_files(root, &mut cleared);
        if self.kernel {
            removal::remove_from_kernel(traces, &self.commands, &mut cleared).await;
        }
        cleared
    }
}

/// What is in a folder; nothing where there is none.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// The names of all processes, as the kernel has them.
fn processes(root: &Path) -> Vec<String> {
    let proc = root.join("proc");
    let ids = names(&proc)
        .into_iter()
        .filter(|name| name.bytes().all(|digit| digit.is_ascii_digit()));
    let comm = |id: String| fs::read_to_string(proc.join(id).join("comm")).ok();
    ids.filter_map(comm)
        .map(|name| name.trim().to_owned())
        .collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
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

    #[test]
    fn only_a_charm_that_juju_unpacked_has_a_root() {
        let charm = "agents/unit-calico-0/charm/bin/calico-charm";
        for (program, root) in [
            (format!("/var/lib/juju/{charm}"), Some("/")),
            (format!("/tmp/x/var/lib/juju/{charm}"), Some("/tmp/x")),
            (format!("/srv/juju/{charm}"), None),
            (charm.to_owned(), None),
            ("/home/me/calico/target/debug/calico-charm".to_owned(), None),
            (
                "/var/lib/juju/agents/unit-calico-0/charm/calico-charm".to_owned(),
                None,
            ),
            (
                "/var/lib/juju/agents/machine-0/charm/bin/calico-charm".to_owned(),
                None,
            ),
            (String::new(), None),
        ] {
            let found = root_of(Path::new(&program));
            assert_eq!(found.as_deref(), root.map(Path::new), "{program}");
        }
        assert!(Machine::of_program(Path::new("/var/lib/juju").join(charm).as_path()).kernel);
        let elsewhere = Path::new("/tmp/x/var/lib/juju").join(charm);
        assert!(!Machine::of_program(&elsewhere).kernel);
    }

    #[tokio::test]
    async fn a_program_of_nobodys_changes_nothing() {
        let machine = Machine::here();
        assert_eq!((machine.root.as_ref(), machine.kernel), (None, false));
        assert!(machine.has_calicoctl());
        assert_eq!(machine.remove_calicoctl(), Cleared::default());
        assert_eq!(machine.remove_network().await, Cleared::default());
        let installed = machine.install_calicoctl(Path::new("/nonexistent"));
        assert_eq!(installed.unwrap(), Calicoctl::Current);
    }

    #[test]
    fn traces_are_read_below_the_root() {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let machine = Machine::at(folder.path());
        assert_eq!(machine.traces(), Traces::default());
        write("proc/12/comm", "calico-node\n");
        write("proc/self/comm", "bird\n");
        write("sys/class/net/cali0123456789a/ifindex", "7\n");
        let expected = Traces {
            agent: true,
            bird: false,
            pods: true,
        };
        assert_eq!(machine.traces(), expected);
    }
}
