//! Questions to a running BIRD, over its control socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Error, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// What each BGP protocol says of itself, by name: `Established`, or where it hangs and why.
pub fn sessions(socket: &Path) -> Result<BTreeMap<String, String>, Error> {
    let lines = ask(socket, "show protocols")?;
    let states = lines.iter().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        if words.next()? != "BGP" {
            return None;
        }
        // Table, state and time come before the part that matters.
        Some((name.to_owned(), words.skip(3).collect::<Vec<_>>().join(" ")))
    });
    Ok(states.collect())
}

/// The networks that BGP has told of.
pub fn learned(socket: &Path) -> Result<BTreeSet<String>, Error> {
    let lines = ask(socket, "show route where source = RTS_BGP")?;
    let networks = lines
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.contains('/'));
    Ok(networks.map(ToOwned::to_owned).collect())
}

/// The whole table, for messages.
pub fn table(socket: &Path) -> Result<Vec<String>, Error> {
    ask(socket, "show route")
}

/// The lines of an answer without their codes. A line starts with four digits, then `-` or, on the last one, a space;
/// one that starts with a space goes on with the code before it.
fn ask(socket: &Path, question: &str) -> Result<Vec<String>, Error> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&stream);
    let _greeting = answer(&mut reader)?;
    (&stream).write_all(format!("{question}\n").as_bytes())?;
    answer(&mut reader)
}

fn answer(reader: &mut impl BufRead) -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(Error::other("BIRD closed the connection"));
        }
        let line = line.trim_end_matches('\n');
        let coded = line
            .get(..4)
            .is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let text = if coded { line.get(5..) } else { line.get(1..) };
        lines.extend(text.map(ToOwned::to_owned));
        if coded && line.as_bytes().get(4) != Some(&b'-') {
            return Ok(lines);
        }
    }
}
