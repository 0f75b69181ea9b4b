//! The machines of a fabric as network namespaces, with BIRD running in each.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Error, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use calico_charm::model::Family;
use tempfile::TempDir;

use super::birdc;
use super::probe::{self, Heard, Task};
use super::stage::FOLDER;
use super::wiring::{Machine, Wiring};
use crate::config::configuration;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// Set in every machine before it has interfaces. Packets are forwarded wherever routes lead, shared out among routes of
/// equal worth, and nothing but BIRD changes a route. Machines share them out differently, as real ones do; kernels before
/// 6.11 have no setting for that.
const SETTINGS: &str = "
for family in ipv4 ipv6; do
    cd /proc/sys/net/$family || exit
    for scope in all default; do
        echo 1 >conf/$scope/forwarding
        echo 0 >conf/$scope/accept_redirects
    done
    echo 1 >fib_multipath_hash_policy
done
cd /proc/sys/net/ipv4 || exit
if [ -e fib_multipath_hash_seed ]; then echo $1 >fib_multipath_hash_seed; fi
cd conf || exit
for scope in all default; do
    echo 0 >$scope/rp_filter
    echo 0 >$scope/send_redirects
done
";

/// Machines that run.
pub struct Lab<'w> {
    wiring: &'w Wiring,
    folder: TempDir,
    birds: Vec<Child>,
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        for bird in &mut self.birds {
            let _already_ended = bird.kill();
            let _status = bird.wait();
        }
        // Namespaces end in their own time, and would take the names of their cables along.
        let machines = self.wiring.machines.iter().enumerate();
        let cables = machines.flat_map(|(index, machine)| {
            (0..machine.interfaces.len()).map(move |place| format!("link del p{index}.{place}"))
        });
        let names = (0..self.wiring.machines.len())
            .map(|machine| format!("netns del {}", namespace(machine)));
        let bridges = self
            .wiring
            .bridges
            .iter()
            .map(|bridge| format!("link del {bridge}"));
        // What stays behind ends with the test's own namespaces.
        let _result = ip(&[], &cables.chain(names).chain(bridges).collect::<Vec<_>>());
    }
}

impl<'w> Lab<'w> {
    /// Joins the machines and starts BIRD from `programs` in each.
    pub fn start(wiring: &'w Wiring, listen_port: u16, programs: &Path) -> Result<Self, Error> {
        let mut lab = Self {
            wiring,
            folder: tempfile::tempdir_in(FOLDER)?,
            birds: Vec::new(),
        };
        lab.join()?;
        for (index, machine) in wiring.machines.iter().enumerate() {
            let text = configuration(machine, listen_port, &lab.file(index, "log"));
            fs::write(lab.file(index, "conf"), text)?;
            let program = match wiring.family {
                Family::V4 => "bird",
                Family::V6 => "bird6",
            };
            let bird = Command::new("ip")
                .args(["netns", "exec", &namespace(index)])
                .arg(programs.join(program))
                .arg("-f")
                .args([Path::new("-c"), &lab.file(index, "conf")])
                .args([Path::new("-s"), &lab.file(index, "socket")])
                .stdin(Stdio::null())
                .spawn()?;
            lab.birds.push(bird);
        }
        lab.wait()?;
        Ok(lab)
    }

    fn join(&self) -> Result<(), Error> {
        let machines = &self.wiring.machines;
        let mut here = vec!["link set lo up".to_owned()];
        for bridge in &self.wiring.bridges {
            here.push(format!(
                "link add {bridge} type bridge forward_delay 0 mcast_snooping 0"
            ));
            here.push(format!("link set {bridge} up"));
        }
        here.extend((0..machines.len()).map(|machine| format!("netns add {}", namespace(machine))));
        ip(&[], &here)?;
        for machine in 0..machines.len() {
            let status = Command::new("ip")
                .args([
                    "netns",
                    "exec",
                    &namespace(machine),
                    "sh",
                    "-e",
                    "-c",
                    SETTINGS,
                    "sh",
                ])
                .arg((machine + 1).to_string())
                .status()?;
            if !status.success() {
                return Err(Error::other("the kernel's settings cannot be made"));
            }
        }
        let mut cables = Vec::new();
        for (index, machine) in machines.iter().enumerate() {
            for (place, interface) in machine.interfaces.iter().enumerate() {
                let (name, there) = (&interface.name, namespace(index));
                cables.push(format!(
                    "link add p{index}.{place} type veth peer name {name} netns {there}"
                ));
                cables.push(format!(
                    "link set p{index}.{place} master {} up",
                    interface.bridge
                ));
            }
        }
        ip(&[], &cables)?;
        for (index, machine) in machines.iter().enumerate() {
            ip(&["-n", &namespace(index)], &addresses(machine))?;
        }
        Ok(())
    }

    /// Waits until each BIRD answers.
    fn wait(&mut self) -> Result<(), Error> {
        let end = Instant::now() + READY_WITHIN;
        for index in 0..self.birds.len() {
            while let Err(error) = birdc::sessions(&self.file(index, "socket")) {
                if let Some(status) = self.birds[index].try_wait()? {
                    let log = fs::read_to_string(self.file(index, "log")).unwrap_or_default();
                    let text = fs::read_to_string(self.file(index, "conf"))?;
                    return Err(Error::other(format!(
                        "bird ended ({status}): {log}\n{text}"
                    )));
                }
                if Instant::now() > end {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// What each machine's protocols say, by machine and protocol.
    pub fn sessions(&self) -> Result<BTreeMap<(usize, String), String>, Error> {
        let mut all = BTreeMap::new();
        for index in 0..self.birds.len() {
            let sessions = birdc::sessions(&self.file(index, "socket"))?;
            all.extend(
                sessions
                    .into_iter()
                    .map(|(name, state)| ((index, name), state)),
            );
        }
        Ok(all)
    }

    /// Pairs of a machine with a block and a machine that was told of it.
    pub fn learned(&self) -> Result<Vec<(usize, usize)>, Error> {
        let mut pairs = Vec::new();
        for at in 0..self.birds.len() {
            let networks = birdc::learned(&self.file(at, "socket"))?;
            for (origin, block) in self.blocks() {
                if origin != at && networks.contains(&block) {
                    pairs.push((origin, at));
                }
            }
        }
        pairs.sort_unstable();
        Ok(pairs)
    }

    fn blocks(&self) -> impl Iterator<Item = (usize, String)> {
        let machines = self.wiring.machines.iter().enumerate();
        machines.filter_map(|(index, machine)| Some((index, machine.block?.0.to_string())))
    }

    /// How many packets of [`probe::FLOWS`] arrive, by receiver and sender.
    pub fn packets(&self, test: &str) -> Result<Heard, Error> {
        let machines = &self.wiring.machines;
        let own = |machine: &Machine| machine.block.map(|(_, ip)| ip);
        let tasks: Vec<Task> = (0..)
            .zip(machines)
            .map(|(index, machine)| Task {
                machine: index,
                own: own(machine),
                targets: (0..)
                    .zip(machines)
                    .filter(|(other, _)| *other != index)
                    .filter_map(|(_, other)| own(other))
                    .collect(),
            })
            .collect();
        probe::exchange(test, &tasks, |machine| namespace(usize::from(machine)))
    }

    /// Tables of BIRD and kernel of one machine, for messages.
    pub fn tables(&self, index: usize) -> String {
        let mut text = format!("-- {}\n", self.wiring.machines[index].name);
        let table = birdc::table(&self.file(index, "socket")).unwrap_or_default();
        for line in table {
            writeln!(text, "{line}").expect("a String takes everything");
        }
        let family = if self.wiring.family == Family::V4 {
            "-4"
        } else {
            "-6"
        };
        let output = Command::new("ip")
            .args([family, "-n", &namespace(index), "route"])
            .output();
        text += &output.map_or(String::new(), |output| {
            String::from_utf8_lossy(&output.stdout).into_owned()
        });
        text
    }

    /// The configuration of one machine, for messages.
    pub fn configuration(&self, index: usize) -> String {
        fs::read_to_string(self.file(index, "conf")).unwrap_or_default()
    }

    fn file(&self, index: usize, kind: &str) -> PathBuf {
        self.folder.path().join(format!("{index}.{kind}"))
    }
}

fn namespace(machine: usize) -> String {
    format!("m{machine}")
}

fn addresses(machine: &Machine) -> Vec<String> {
    let mut lines = vec!["link set lo up".to_owned()];
    for interface in &machine.interfaces {
        let (name, ip, prefix) = (&interface.name, interface.ip, interface.prefix);
        let at_once = if ip.is_ipv6() { " nodad" } else { "" };
        lines.push(format!("addr add {ip}/{prefix} dev {name}{at_once}"));
        lines.push(format!("link set {name} up"));
    }
    if let Some((_, ip)) = machine.block {
        let length = if ip.is_ipv6() { 128 } else { 32 };
        lines.push(format!("addr add {ip}/{length} dev lo"));
    }
    for (network, via) in &machine.routes {
        lines.push(format!("route add {network} via {via}"));
    }
    if let Some(via) = machine.default_route {
        lines.push(format!("route add default via {via}"));
    }
    lines
}

/// Runs lines of `ip` in one go.
fn ip(options: &[&str], lines: &[String]) -> Result<(), Error> {
    let mut child = Command::new("ip")
        .args(options)
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().expect("stdin is piped");
    input.write_all((lines.join("\n") + "\n").as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Err(Error::other(format!("ip {}: {error}", options.join(" "))))
}
