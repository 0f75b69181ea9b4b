//! Programs that end with the test process, however that ends.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Reads process ids until its standard input closes, then ends them and removes their folder.
const WATCHDOG: &str = r#"
while read -r pid; do pids="$pids $pid"; done
kill -KILL $pids
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// Lines of a log that an error message quotes.
const LOG_TAIL: usize = 15;

/// Running programs that work in one folder.
///
/// A static is never dropped and a killed process drops nothing, so a shell holds the reading end of a pipe whose
/// writing end is here. The kernel closes it in every case, and the shell then ends the programs by their ids. Limit:
/// whoever kills that shell, and then the test process, leaves the programs behind.
pub struct Processes {
    folder: PathBuf,
    watchdog: Child,
    children: Vec<(String, Child)>,
}

impl Processes {
    /// Starts the watchdog for `folder`, which is removed with the programs.
    pub fn in_folder(folder: &Path) -> Result<Self, String> {
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // An interrupt typed at the terminal goes to the foreground group; the watchdog must outlive it.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start sh: {error}"))?;
        Ok(Self {
            folder: folder.to_owned(),
            watchdog,
            children: Vec::new(),
        })
    }

    /// Starts a program whose output goes to `<its file name>.log` in the folder.
    pub fn spawn(&mut self, program: &Path, arguments: &[String]) -> Result<(), String> {
        let failed = |error| format!("cannot start {}: {error}", program.display());
        let name = program
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let log = File::create(self.log(&name)).map_err(failed)?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let id = child.id();
        self.children.push((name, child));
        let pipe = self.watchdog.stdin.as_mut().expect("stdin is piped");
        writeln!(pipe, "{id}").map_err(failed)
    }

    /// Process ids of the programs, in the order they were started.
    pub fn ids(&self) -> Vec<u32> {
        self.children.iter().map(|(_, child)| child.id()).collect()
    }

    /// Process id of the program with this file name.
    pub fn id(&self, name: &str) -> Option<u32> {
        let mut children = self.children.iter();
        children
            .find(|(program, _)| program == name)
            .map(|(_, child)| child.id())
    }

    /// The first program that has ended by itself, with the end of its log.
    pub fn ended(&mut self) -> Option<String> {
        let (name, status) = self.children.iter_mut().find_map(|(name, child)| {
            let status = child.try_wait().ok()??;
            Some((name.clone(), status))
        })?;
        Some(format!("{name} ended ({status}):\n{}", self.tail(&name)))
    }

    /// The end of every program's log.
    pub fn tails(&self) -> String {
        let names = self.children.iter().map(|(name, _)| name);
        let tails: Vec<String> = names
            .map(|name| format!("{name}:\n{}", self.tail(name)))
            .collect();
        tails.join("\n")
    }

    fn tail(&self, name: &str) -> String {
        let text = fs::read_to_string(self.log(name)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The ids stay ours until `wait`, so neither this nor the watchdog can hit a stranger.
        for (_, child) in &mut self.children {
            let _already_ended = child.kill();
        }
        drop(self.watchdog.stdin.take());
        let _status = self.watchdog.wait();
        for (_, child) in &mut self.children {
            let _status = child.wait();
        }
    }
}
