//! Packets from everywhere to everywhere, each way by itself: a ping would need the way back as well.
//!
//! One process in each machine's namespace. Each takes packets for its own block and sends to all others', from many
//! ports, so that where routes of equal worth are shared out, every one of them is tried.

use std::collections::BTreeMap;
use std::fs;
use std::io::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::stage::{FOLDER, again};

/// Ports that packets are sent from. Of two ways of equal worth one stays untried once in 2³¹ times.
pub const FLOWS: u8 = 32;
/// Each flow's packet is sent that often: neighbours have to be found first, and a busy machine drops packets.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
/// How long after the last packet everybody still listens.
const LISTEN: Duration = Duration::from_millis(300);
const PORT: u16 = 7;
const START_WITHIN: Duration = Duration::from_secs(30);

/// What one machine does.
pub struct Task {
    pub machine: u8,
    /// Its own address inside its block; routers have none.
    pub own: Option<IpAddr>,
    pub targets: Vec<IpAddr>,
}

/// How many flows arrived, by receiver and sender.
pub type Heard = BTreeMap<(u8, u8), u32>;

/// Sends packets between machines, whose namespaces have the names that `namespace` gives them.
pub fn exchange(
    test: &str,
    tasks: &[Task],
    namespace: impl Fn(u8) -> String,
) -> Result<Heard, Error> {
    let folder = tempfile::tempdir_in(FOLDER)?;
    let mut children = Vec::new();
    for task in tasks {
        fs::write(file(folder.path(), "task", task.machine), task.to_text())?;
        let child = std::process::Command::new("ip")
            .args(["netns", "exec", &namespace(task.machine)])
            .args(again(test, "probe"))
            .env("PROBE", folder.path())
            .env("PROBE_MACHINE", task.machine.to_string())
            .stdout(std::process::Stdio::null())
            .spawn()?;
        children.push(child);
    }
    let waited = tasks
        .iter()
        .try_for_each(|task| wait_for(&file(folder.path(), "ready", task.machine)));
    fs::write(folder.path().join("go"), "")?;
    for mut child in children {
        child.wait()?;
    }
    waited?;
    let mut heard = Heard::new();
    for task in tasks {
        let counts = fs::read_to_string(file(folder.path(), "heard", task.machine))?;
        for line in counts.lines() {
            let (from, flows) = line.split_once(' ').ok_or(Error::other("not a count"))?;
            let (from, flows) = (from.parse(), flows.parse());
            let (Ok(from), Ok(flows)) = (from, flows) else {
                return Err(Error::other("not a count"));
            };
            heard.insert((task.machine, from), flows);
        }
    }
    Ok(heard)
}

/// One machine's part of [`exchange`], in its namespace.
pub fn run() {
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"));
    let folder = PathBuf::from(variable("PROBE"));
    let machine: u8 = variable("PROBE_MACHINE").parse().expect("a number");
    let text = fs::read_to_string(file(&folder, "task", machine)).expect("a task");
    let task = Task::from_text(machine, &text);
    let source = task.own.unwrap_or(match task.targets.first() {
        Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    });
    let bind = |port| UdpSocket::bind(SocketAddr::new(source, port)).expect("its own address");
    let listener = bind(PORT);
    listener.set_nonblocking(true).expect("a socket");
    let senders: Vec<UdpSocket> = (0..FLOWS).map(|_| bind(0)).collect();
    fs::write(file(&folder, "ready", machine), "").expect("a private folder");
    wait_for(&folder.join("go")).expect("all others are ready");
    let mut heard = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (flow, sender) in (0..FLOWS).zip(&senders) {
            for target in &task.targets {
                // Without a route the kernel refuses at once, which is an answer too.
                let _sent = sender.send_to(&[machine, flow], SocketAddr::new(*target, PORT));
            }
            listen(&listener, &mut heard);
        }
        listen_for(PAUSE, &listener, &mut heard);
    }
    listen_for(LISTEN, &listener, &mut heard);
    let lines: Vec<String> = heard
        .iter()
        .map(|(from, flows)| format!("{from} {}\n", flows.count_ones()))
        .collect();
    fs::write(file(&folder, "heard", machine), lines.concat()).expect("a private folder");
}

fn listen_for(time: Duration, listener: &UdpSocket, heard: &mut BTreeMap<u8, u32>) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        listen(listener, heard);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Takes what is there: a bit for each flow, by sender.
fn listen(listener: &UdpSocket, heard: &mut BTreeMap<u8, u32>) {
    let mut packet = [0; 2];
    while let Ok((2, _)) = listener.recv_from(&mut packet) {
        *heard.entry(packet[0]).or_default() |= 1 << packet[1];
    }
}

fn wait_for(file: &Path) -> Result<(), Error> {
    let end = Instant::now() + START_WITHIN;
    while !file.exists() {
        if Instant::now() > end {
            return Err(Error::other(format!(
                "no {} after {START_WITHIN:?}",
                file.display()
            )));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn file(folder: &Path, kind: &str, machine: u8) -> PathBuf {
    folder.join(format!("{kind}-{machine}"))
}

impl Task {
    fn to_text(&self) -> String {
        let own = self.own.map_or("-".to_owned(), |own| own.to_string());
        let targets = self.targets.iter().map(ToString::to_string);
        std::iter::once(own)
            .chain(targets)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn from_text(machine: u8, text: &str) -> Self {
        let mut lines = text.lines();
        Self {
            machine,
            own: lines.next().and_then(|line| line.parse().ok()),
            targets: lines.filter_map(|line| line.parse().ok()).collect(),
        }
    }
}
