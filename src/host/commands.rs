//! Programs of the machine, each bounded in time. Performs IO.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest time one host command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a host command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such program on this machine.
    #[error("{0} is not installed")]
    Absent(String),
    /// It did not end in time.
    #[error("{program} did not end within {} s", limit.as_secs_f32())]
    TooLong {
        /// The program.
        program: String,
        /// What it was given.
        limit: Duration,
    },
    /// It could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It ran and failed.
    #[error("{command}: {message}")]
    Failed {
        /// The program with its arguments.
        command: String,
        /// Its standard error.
        message: String,
    },
}

/// Where programs are looked for: the `PATH` of this process, or one of its own.
#[derive(Debug, Clone)]
pub struct Commands {
    path: Option<OsString>,
    limit: Duration,
}

impl Default for Commands {
    fn default() -> Self {
        Self {
            path: None,
            limit: COMMAND_TIMEOUT,
        }
    }
}

impl Commands {
    /// Programs of these folders.
    #[must_use]
    pub fn on_path(path: impl Into<OsString>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// Runs a program to its end; its standard output.
    ///
    /// # Errors
    /// It is not there, takes too long or fails.
    pub async fn run(&self, program: &str, args: &[&str]) -> Result<String, CommandError> {
        self.feed(program, args, None).await
    }

    /// Runs a program that reads `input`; its standard output.
    ///
    /// # Errors
    /// It is not there, takes too long or fails.
    pub async fn feed(
        &self,
        program: &str,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<String, CommandError> {
        let mut command = Command::new(program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        command
            .args(args)
            .stdin(input.map_or_else(Stdio::null, |_| Stdio::piped()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let running = output(&mut command, input);
        match tokio::time::timeout(self.limit, running).await {
            Err(_) => Err(CommandError::TooLong {
                program: program.to_owned(),
                limit: self.limit,
            }),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(CommandError::Absent(program.to_owned()))
            }
            Ok(Err(source)) => Err(CommandError::Start {
                program: program.to_owned(),
                source,
            }),
            Ok(Ok(output)) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Ok(Ok(output)) => Err(CommandError::Failed {
                command: [&[program], args].concat().join(" "),
                message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            }),
        }
    }
}

async fn output(
    command: &mut Command,
    input: Option<&str>,
) -> std::io::Result<std::process::Output> {
    let mut child = command.spawn()?;
    let pipe = child.stdin.take();
    let write = async {
        if let (Some(mut pipe), Some(text)) = (pipe, input) {
            // A program that ends without reading says why by its exit status.
            let _closed = pipe.write_all(text.as_bytes()).await;
        }
    };
    let ((), output) = futures::join!(write, child.wait_with_output());
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_reads_its_input_and_answers() {
        let commands = Commands::default();
        let big = "x".repeat(300_000);
        let answer = commands.feed("cat", &[], Some(&big)).await.unwrap();
        assert_eq!(answer, big);
        assert_eq!(commands.run("echo", &["a", "b"]).await.unwrap(), "a b\n");
    }

    #[tokio::test]
    async fn failures_are_told_apart() {
        let commands = Commands::default();
        let failed = commands
            .run("sh", &["-c", "echo why >&2; exit 3"])
            .await
            .unwrap_err();
        assert_eq!(failed.to_string(), "sh -c echo why >&2; exit 3: why");
        let nowhere = Commands::on_path("/nonexistent");
        let absent = nowhere.run("sh", &[]).await.unwrap_err();
        assert!(matches!(absent, CommandError::Absent(_)), "{absent}");
        assert_eq!(absent.to_string(), "sh is not installed");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let commands = Commands {
            limit: Duration::from_millis(100),
            ..Commands::default()
        };
        let error = commands.run("sleep", &["600"]).await.unwrap_err();
        assert_eq!(error.to_string(), "sleep did not end within 0.1 s");
    }
}
