use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::host::namespaces::{ran_in_namespaces, shell};
use crate::host::{Host, Machine};

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine that Calico was on.
fn calicos_machine() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in [
        "etc/cni/net.d/10-calico.conflist",
        "etc/cni/net.d/calico-kubeconfig",
        "etc/cni/net.d/calico-tls/etcd-key",
        "etc/cni/net.d/87-podman.conflist",
        "opt/cni/bin/calico",
        "opt/cni/bin/calico-ipam",
        "opt/cni/bin/portmap",
        "run/calico/bird.ctl",
        "var/lib/calico/nodename",
        "var/log/calico/cni/cni.log",
    ] {
        write(folder.path(), name, "text");
    }
    folder
}

const STRANGERS: [&str; 2] = ["etc/cni/net.d/87-podman.conflist", "opt/cni/bin/portmap"];

#[tokio::test]
async fn files_go_and_strangers_files_stay() {
    let folder = calicos_machine();
    let root = folder.path();
    let machine = Machine::at(root);
    let expected: Vec<String> = NETWORK_FILES
        .iter()
        .filter(|name| **name != "var/run/calico")
        .map(|name| root.join(name).display().to_string())
        .collect();
    assert_eq!(machine.network_files(), expected);
    let cleared = machine.remove_network().await;
    assert_eq!((cleared.removed, cleared.left), (expected, vec![]));
    for name in NETWORK_FILES {
        assert!(!root.join(name).exists(), "{name}");
    }
    for name in STRANGERS {
        assert!(root.join(name).exists(), "{name}");
    }
    assert_eq!(machine.network_files(), [] as [&str; 0]);
    assert_eq!(machine.remove_network().await, Cleared::default());
}

#[tokio::test]
async fn links_are_removed_and_not_followed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(root, "elsewhere/precious", "text");
    write(root, "var/lib/calico/nodename", "text");
    let link = |name: &str| {
        std::os::unix::fs::symlink(root.join("elsewhere"), root.join(name)).unwrap();
    };
    fs::create_dir_all(root.join("var/log")).unwrap();
    link("var/log/calico");
    link("var/lib/calico/link");
    let cleared = Machine::at(root).remove_network().await;
    assert_eq!((cleared.removed.len(), cleared.left), (2, vec![]));
    assert!(root.join("elsewhere/precious").exists());
}

#[tokio::test]
async fn a_step_that_fails_keeps_no_other_from_being_taken() {
    let folder = calicos_machine();
    let root = folder.path();
    // `ip` answers nonsense, and of the others none is there but an iptables that fails.
    let programs = root.join("programs");
    for (name, text) in [
        ("ip", "#!/bin/sh\necho nonsense\n"),
        ("iptables-save", "#!/bin/sh\necho locked >&2\nexit 4\n"),
    ] {
        write(&programs, name, text);
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(programs.join(name), executable).unwrap();
    }
    let machine = Machine::at(root).with_programs(&programs);
    let cleared = machine.remove_network().await;
    assert_eq!(cleared.left, ["iptables: iptables-save: locked"]);
    assert!(!root.join("etc/cni/net.d/calico-kubeconfig").exists());
}

fn answer(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn machine(root: &Path) -> Machine {
    Machine::at(root).with_programs(std::env::var_os("PATH").unwrap_or_default())
}

#[tokio::test]
async fn interfaces_and_routes_go_from_a_real_kernel() {
    if ran_in_namespaces("host::removal::tests::interfaces_and_routes_go_from_a_real_kernel") {
        return;
    }
    assert!(shell(
        "ip link set lo up
         ip link add eth9 type veth peer name eth9-peer
         ip address add 10.9.0.5/24 dev eth9
         ip link set eth9 up && ip link set eth9-peer up
         ip link add cali0123456789a type veth peer name pod
         ip link add california type veth peer name other
         ip link add vxlan.calico type vxlan id 4096 dstport 4789 dev eth9
         ip link set vxlan.calico up
         ip route add 192.168.9.0/26 dev vxlan.calico proto 80
         ip route add blackhole 192.168.1.0/26 proto bird
         ip route add 192.168.2.0/26 via 10.9.0.7 proto bird
         ip route add throw 192.168.3.0/26 table 1 proto 80
         ip route add 172.16.0.0/16 via 10.9.0.1
         ip -6 route add blackhole fd00:9::/64 proto bird"
    ));
    let folder = TempDir::new().unwrap();
    let cleared = machine(folder.path()).remove_network().await;
    assert_eq!(cleared.left, [] as [&str; 0]);
    let told = [
        "3 of BIRD's routes",
        "2 of Felix's routes",
        "interface cali0123456789a",
        "interface vxlan.calico",
    ];
    let mut removed = cleared.removed.clone();
    removed.retain(|what| !what.contains("chains") && !what.contains("IP sets"));
    removed.sort_by_key(|what| what.starts_with("interface"));
    assert_eq!(removed[..2], told[..2]);
    for interface in &told[2..] {
        assert!(removed.iter().any(|what| what == interface), "{removed:?}");
    }
    let left = answer("ip -brief link; ip route show table all; ip -6 route show table all");
    for gone in ["cali0", "vxlan", "192.168.", "fd00:9::"] {
        assert!(!left.contains(gone), "{gone} in {left}");
    }
    for stays in [
        "california",
        "eth9",
        "172.16.0.0/16 via 10.9.0.1",
        "10.9.0.0/24",
    ] {
        assert!(left.contains(stays), "{stays} not in {left}");
    }
    let again = machine(folder.path()).remove_network().await;
    assert_eq!(again, Cleared::default());
}

#[tokio::test]
async fn a_mount_inside_is_taken_off_first() {
    if ran_in_namespaces("host::removal::tests::a_mount_inside_is_taken_off_first") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    write(root, "run/calico/bird.ctl", "text");
    let mounted = root.join("run/calico/cgroup");
    fs::create_dir_all(&mounted).unwrap();
    assert!(shell(&format!("mount -t tmpfs none {}", mounted.display())));
    write(root, "run/calico/cgroup/others", "text");
    // The kernel is left alone: so is what is mounted.
    let cleared = Machine::at(root).remove_network().await;
    assert!(
        cleared.left[0].ends_with("run/calico/cgroup is mounted"),
        "{cleared:?}"
    );
    assert!(mounted.join("others").exists());
    // The mount table names whole paths, so the root has to be one.
    write(
        root,
        "proc/self/mounts",
        "none /run/calico/cgroup tmpfs rw 0 0\n",
    );
    let programs = root.join("programs");
    write(
        &programs,
        "umount",
        &format!("#!/bin/sh\nexec /bin/umount {}\"$1\"\n", root.display()),
    );
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(programs.join("umount"), executable).unwrap();
    let cleared = Machine::at(root)
        .with_programs(&programs)
        .remove_network()
        .await;
    assert!(!root.join("run/calico").exists(), "{cleared:?}");
    assert_eq!(cleared.removed[0], "mount /run/calico/cgroup");
}

/// Rules as Felix writes them, beside those of others.
const RULES: &str = r#"*filter
:FORWARD ACCEPT [0:0]
:KUBE-FORWARD - [0:0]
:cali-FORWARD - [0:0]
:cali-fw-cali0123456789a - [0:0]
-A FORWARD -m comment --comment "cali:wUHhoiAYhphO9Mso" -j cali-FORWARD
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "cali:S93hcgKJrXEqnTfs" -m comment --comment "Policy explicitly accepted packet." -j ACCEPT
-A cali-FORWARD -m comment --comment "cali:abc" -i cali+ -j cali-fw-cali0123456789a
-A cali-fw-cali0123456789a -m comment --comment "cali:def" -j DROP
COMMIT
"#;

#[tokio::test]
async fn packet_filter_rules_go_from_a_real_kernel() {
    let name = "packet_filter_rules_go_from_a_real_kernel";
    if ran_in_namespaces(&format!("host::removal::tests::{name}")) {
        return;
    }
    let there = |program: &str| shell(&format!("command -v {program} >/dev/null"));
    let variants: Vec<&str> = IPTABLES
        .into_iter()
        .filter(|variant| there(&format!("{variant}-restore")))
        .collect();
    if variants.is_empty() {
        eprintln!("SKIPPED {name}: iptables is not installed");
        return;
    }
    let folder = TempDir::new().unwrap();
    let rules = folder.path().join("rules");
    fs::write(&rules, RULES).unwrap();
    for variant in &variants {
        assert!(shell(&format!("{variant}-restore <{}", rules.display())));
    }
    let with_sets = there("ipset");
    if with_sets {
        assert!(shell(
            "ipset create cali40s:abc hash:net; ipset create cali4t1 hash:net; ipset create mine hash:net"
        ));
    }
    let with_tables = there("nft");
    if with_tables {
        assert!(shell(
            "nft add table ip calico; nft add table ip6 calico; nft add table ip mine"
        ));
    }
    let cleared = machine(folder.path()).remove_network().await;
    assert_eq!(cleared.left, [] as [&str; 0]);
    for variant in &variants {
        let left = answer(&format!("{variant}-save"));
        assert!(
            !left.contains("cali") && left.contains("KUBE-FORWARD"),
            "{variant}: {left}"
        );
    }
    if with_sets {
        assert_eq!(answer("ipset list -name"), "mine\n");
    }
    if with_tables {
        let left = answer("nft list tables");
        assert!(
            !left.contains("calico") && left.contains("ip mine"),
            "{left}"
        );
    }
    let again = machine(folder.path()).remove_network().await;
    assert_eq!(again, Cleared::default());
}
