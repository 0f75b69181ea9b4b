//! What Calico keeps on a machine, and which of it goes. Pure: it decides from listings.
//!
//! Names are Calico's: `felix/dataplane/linux` (interfaces, route protocols), `felix/rules` (chains, rule comments),
//! `felix/ipsets` (set names), `cni-plugin/pkg/install` (files), `confd/etc/calico/confd/templates` (BIRD's routes).

use std::collections::BTreeSet;

use serde_json::Value;

/// Files and folders that pods need: gone when Calico no longer serves this machine. Relative to the root.
pub const NETWORK_FILES: [&str; 9] = [
    // First what makes the container runtime call Calico, and the token that goes with it.
    "etc/cni/net.d/10-calico.conflist",
    "etc/cni/net.d/calico-kubeconfig",
    "etc/cni/net.d/calico-tls",
    "opt/cni/bin/calico",
    "opt/cni/bin/calico-ipam",
    "run/calico",
    // Where it is no link to /run.
    "var/run/calico",
    "var/lib/calico",
    "var/log/calico",
];

/// Interfaces that Felix makes and nobody else does.
const INTERFACES: [&str; 6] = [
    "vxlan.calico",
    "vxlan-v6.calico",
    "wireguard.cali",
    "wg-v6.cali",
    "bpfin.cali",
    "bpfout.cali",
];
/// The kernel's own IPIP interface: it cannot be deleted, only emptied.
const IPIP: &str = "tunl0";
/// Route protocols: BIRD's and Felix's (`DeviceRouteProtocol`).
pub const BIRD_PROTOCOL: &str = "12";
/// See [`BIRD_PROTOCOL`].
pub const FELIX_PROTOCOL: &str = "80";

/// What runs on a machine of Calico, from its processes and interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traces {
    /// calico-node's own process.
    pub agent: bool,
    /// A BIRD, calico-node's or another.
    pub bird: bool,
    /// Interfaces of pods.
    pub pods: bool,
}

impl Traces {
    /// Reads the names of the processes and of the interfaces.
    #[must_use]
    pub fn of<'a>(
        processes: impl IntoIterator<Item = &'a str>,
        interfaces: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut traces = Self::default();
        for process in processes {
            traces.agent |= process == "calico-node";
            traces.bird |= matches!(process, "bird" | "bird6");
        }
        traces.pods = interfaces.into_iter().any(is_of_a_pod);
        traces
    }
}

/// What the cluster says of this machine's Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeSeen {
    /// There is none.
    Gone,
    /// It has neither pods off the host's network nor calico-node.
    Idle(String),
    /// calico-node runs on it, and would put back what is taken away.
    Served(String),
    /// It has pods off the host's network.
    Busy(String),
    /// The cluster could not be asked.
    Unknown,
}

/// Why Calico's network has to stay on the machine; `None` when it may go.
#[must_use]
pub fn reason_to_stay(node: &NodeSeen, traces: Traces) -> Option<String> {
    match node {
        NodeSeen::Busy(name) => Some(format!("Node {name} still runs pods")),
        NodeSeen::Served(name) => Some(format!(
            "calico-node still runs on Node {name} and would put it back"
        )),
        // A pod has an interface for as long as it lives, whatever the API says.
        NodeSeen::Unknown if traces.pods => {
            Some("the Kubernetes API cannot be asked, and pods have interfaces here".to_owned())
        }
        NodeSeen::Unknown if traces.agent => {
            Some("the Kubernetes API cannot be asked, and calico-node runs here".to_owned())
        }
        // No such Node, and yet both at work: more likely the wrong cluster was asked.
        NodeSeen::Gone if traces.pods && traces.agent => {
            Some("there is no such Node, but calico-node and pods run here".to_owned())
        }
        NodeSeen::Gone | NodeSeen::Idle(_) | NodeSeen::Unknown => None,
    }
}

/// The host's end of a pod's link: `cali` and 11 digits of a hash (`VethNameForWorkload` in libcalico).
fn is_of_a_pod(interface: &str) -> bool {
    let hash = interface.strip_prefix("cali");
    hash.is_some_and(|hash| hash.len() == 11 && hash.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// What `ip` is to do, and how that is told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Lines for `ip -batch`.
    pub batch: Vec<String>,
    /// Lines for `ip -6 -batch`.
    pub batch6: Vec<String>,
    /// Interfaces that are to be gone afterwards.
    pub interfaces: Vec<String>,
    /// The same for the log.
    pub told: Vec<String>,
    /// What is left on purpose.
    pub left: Vec<String>,
}

/// The answers of `ip -json` to be judged.
#[derive(Debug, Default)]
pub struct Listed {
    /// `ip -json -details link show`.
    pub links: Value,
    /// `ip -json route show table all proto 12`, and the same of IPv6.
    pub bird: [Value; 2],
    /// `ip -json route show table all proto 80`, and the same of IPv6.
    pub felix: [Value; 2],
}

/// Chooses the interfaces and routes that go.
///
/// A BIRD that is not calico-node's has routes of the same protocol: while one runs, they stay.
#[must_use]
pub fn links(listed: &Listed, traces: Traces) -> Links {
    let mut chosen = Links::default();
    // Whose it is cannot be told from outside, and the machine's own uplinks may be among its routes.
    let foreign_bird = traces.bird;
    let mut over_ipip = false;
    let protocols = [
        (BIRD_PROTOCOL, "BIRD's", &listed.bird),
        (FELIX_PROTOCOL, "Felix's", &listed.felix),
    ];
    for (protocol, whose, families) in protocols {
        let routes: Vec<&Value> = families.iter().flat_map(entries).collect();
        if routes.is_empty() {
            continue;
        }
        if protocol == BIRD_PROTOCOL && foreign_bird {
            let kept = format!("{} of BIRD's routes, since a BIRD runs here", routes.len());
            chosen.left.push(kept);
            continue;
        }
        over_ipip |= routes.iter().any(|route| route["dev"] == IPIP);
        chosen
            .told
            .push(format!("{} of {whose} routes", routes.len()));
        let flush = format!("route flush table all proto {protocol}");
        for (family, batch) in families.iter().zip([&mut chosen.batch, &mut chosen.batch6]) {
            if entries(family).next().is_some() {
                batch.push(flush.clone());
            }
        }
    }
    for link in entries(&listed.links) {
        let name = link["ifname"].as_str().unwrap_or_default();
        let veth = link["linkinfo"]["info_kind"] == "veth";
        if INTERFACES.contains(&name) || (veth && is_of_a_pod(name)) {
            chosen.batch.push(format!("link delete dev {name}"));
            chosen.interfaces.push(name.to_owned());
        } else if name == IPIP && over_ipip {
            chosen.batch.push(format!("address flush dev {IPIP}"));
            chosen.batch.push(format!("link set dev {IPIP} down"));
            chosen.told.push(format!("addresses of {IPIP}"));
        }
    }
    chosen
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Those of `interfaces` that a second listing still has.
#[must_use]
pub fn still_there(links: &Value, interfaces: &[String]) -> Vec<String> {
    let names: BTreeSet<&str> = entries(links)
        .filter_map(|link| link["ifname"].as_str())
        .collect();
    let there = |name: &&String| names.contains(name.as_str());
    interfaces.iter().filter(there).cloned().collect()
}

/// Input for `iptables-restore --noflush`, and how much goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Rules {
    /// The input: one transaction a table.
    pub restore: String,
    /// Chains called `cali-*`.
    pub chains: usize,
    /// Rules of Calico's in chains of others.
    pub rules: usize,
}

/// Reads what `iptables-save` says, and takes Calico's chains and rules out of it; `None` when there are none.
#[must_use]
pub fn rules(saved: &str) -> Option<Rules> {
    let mut found = Rules {
        restore: String::new(),
        chains: 0,
        rules: 0,
    };
    let mut table = Table::default();
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = Table::named(name);
        } else if let Some(chain) = line.strip_prefix(':') {
            let name = chain.split(' ').next().unwrap_or_default();
            table.chains.extend(is_calicos_chain(name).then_some(name));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let chain = rule.split(' ').next().unwrap_or_default();
            if !is_calicos_chain(chain) && is_calicos_rule(rule) {
                table.rules.push(rule);
            }
        } else if line == "COMMIT" {
            found.chains += table.chains.len();
            found.rules += table.rules.len();
            table.restore(&mut found.restore);
        }
    }
    (found.chains + found.rules > 0).then_some(found)
}

/// One table, as far as it is Calico's.
#[derive(Default)]
struct Table<'a> {
    name: &'a str,
    chains: Vec<&'a str>,
    rules: Vec<&'a str>,
}

impl<'a> Table<'a> {
    fn named(name: &'a str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// A chain can go once nothing refers to it: first the rules of others, then what is in the chains, then the chains.
    fn restore(&self, input: &mut String) {
        if self.chains.is_empty() && self.rules.is_empty() {
            return;
        }
        let mut line = |verb: &str, what: &str| {
            input.push_str(verb);
            input.push_str(what);
            input.push('\n');
        };
        line("*", self.name);
        self.rules.iter().for_each(|rule| line("-D ", rule));
        self.chains.iter().for_each(|chain| line("-F ", chain));
        self.chains.iter().for_each(|chain| line("-X ", chain));
        line("COMMIT", "");
    }
}

fn is_calicos_chain(name: &str) -> bool {
    name.starts_with("cali-")
}

/// Felix marks each rule with a comment `cali:` and a hash (`felix/iptables/table.go`).
fn is_calicos_rule(rule: &str) -> bool {
    let words: Vec<&str> = rule.split(' ').collect();
    words.windows(2).any(|pair| match pair {
        ["--comment", comment] => comment.trim_start_matches('"').starts_with("cali:"),
        ["-j" | "-g", target] => is_calicos_chain(target),
        _ => false,
    })
}

/// The names of `ipset list -name` that are Felix's: `cali40…`, `cali60…`, and its temporary ones `cali4t…`, `cali6t…`.
#[must_use]
pub fn sets(names: &str) -> Vec<&str> {
    let calicos = |name: &&str| {
        let rest = name.strip_prefix("cali4").or(name.strip_prefix("cali6"));
        rest.is_some_and(|rest| rest.starts_with(['0', 't']))
    };
    names.lines().map(str::trim).filter(calicos).collect()
}

/// The tables of `nft list tables` that are Felix's (`felix/nftables`): `ip calico` and `ip6 calico`.
#[must_use]
pub fn tables(listed: &str) -> Vec<[&str; 2]> {
    let calicos = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["table", "ip", "calico"] => Some(["ip", "calico"]),
        ["table", "ip6", "calico"] => Some(["ip6", "calico"]),
        _ => None,
    };
    listed.lines().filter_map(calicos).collect()
}

/// What is mounted under `folder` by `/proc/self/mounts`, the deepest first: calico-node mounts a cgroup tree into
/// /run/calico (`node/pkg/nodeinit`).
#[must_use]
pub fn mounts_under(mounts: &str, folder: &str) -> Vec<String> {
    let inside = |path: &&str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut found: Vec<String> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(inside)
        .map(str::to_owned)
        .collect();
    found.sort_by_key(|path| std::cmp::Reverse(path.len()));
    found
}

#[cfg(test)]
mod tests;
