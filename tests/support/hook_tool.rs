//! Every hook tool in one program: the name it is called by says which. The model is in the file that
//! `JUJU_AGENT_SOCKET_ADDRESS` names, the hook is `JUJU_CONTEXT_ID`, so that the environment stays Juju's own.

#[path = "juju_state.rs"]
#[allow(dead_code, reason = "the test driver uses the other half")]
mod juju_state;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use calico_charm::juju::tools::ToolOutput;
use juju_state::{JujuStateFile, ToolCall};

fn main() -> ExitCode {
    let output = answer().unwrap_or_else(|error| ToolOutput {
        code: 1,
        stdout: String::new(),
        stderr: format!("ERROR {error}\n"),
    });
    // Whoever closed the other end does not want to know.
    let _closed = io::stdout().write_all(output.stdout.as_bytes());
    let _closed = io::stderr().write_all(output.stderr.as_bytes());
    ExitCode::from(u8::try_from(output.code).unwrap_or(1))
}

fn answer() -> io::Result<ToolOutput> {
    let mut args = std::env::args();
    let name = args.next().unwrap_or_default();
    let tool = Path::new(&name).file_name().unwrap_or_default();
    let args: Vec<String> = args.collect();
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let state = JujuStateFile::at_address(&variable("JUJU_AGENT_SOCKET_ADDRESS"))
        .ok_or_else(|| io::Error::other("JUJU_AGENT_SOCKET_ADDRESS not set"))?;
    let reads_stdin = args.windows(2).any(|pair| pair == ["--file", "-"])
        || args.iter().any(|arg| arg == "--file=-");
    let stdin = reads_stdin.then(read_stdin).transpose()?;
    state.call(ToolCall {
        context: variable("JUJU_CONTEXT_ID"),
        tool: tool.to_string_lossy().into_owned(),
        args,
        stdin,
        code: 0,
    })
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}
