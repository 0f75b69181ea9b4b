//! `open-port`, `close-port` and `opened-ports`. Endpoints are not told apart: everything is opened for all.

use serde_json::json;

use super::{Answer, Invocation, Refusal};

/// Buffered until the hook ends.
pub(super) fn open(call: &mut Invocation<'_>) -> Answer {
    set(call, true)
}

/// Buffered until the hook ends.
pub(super) fn close(call: &mut Invocation<'_>) -> Answer {
    set(call, false)
}

fn set(call: &mut Invocation<'_>, open: bool) -> Answer {
    let port = call
        .arguments
        .at_most(1)?
        .first()
        .ok_or_else(|| Refusal::usage("no port or range specified"))?;
    let port = parse(port)?;
    call.hook.buffered.ports.insert(port, open);
    Ok(String::new())
}

/// What is open since the last hook; this hook's own changes are not shown.
pub(super) fn opened(call: &mut Invocation<'_>) -> Answer {
    call.arguments.at_most(0)?;
    let suffix = if call.arguments.is_set("endpoints") {
        " (*)"
    } else {
        ""
    };
    let ports: Vec<String> = call
        .unit()?
        .ports
        .iter()
        .map(|port| format!("{port}{suffix}"))
        .collect();
    call.print(&json!(ports))
}

/// `179`, `179/tcp`, `100-200/UDP`, `icmp`, in Juju's own spelling.
fn parse(text: &str) -> Result<String, Refusal> {
    let lower = text.to_lowercase();
    if lower == "icmp" {
        return Ok(lower);
    }
    let (range, protocol) = lower.split_once('/').unwrap_or((&lower, "tcp"));
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let (Ok(first), Ok(last)) = (from.parse::<u16>(), to.parse::<u16>()) else {
        return Err(Refusal::usage(format!(
            "expected <port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp; got {text:?}"
        )));
    };
    if first == 0 || first > last {
        return Err(Refusal::usage(format!(
            "invalid port range {range}/{protocol}"
        )));
    }
    if !["tcp", "udp"].contains(&protocol) {
        return Err(Refusal::usage(format!(
            "protocol must be \"tcp\", \"udp\", or \"icmp\"; got {protocol:?}"
        )));
    }
    Ok(if first == last {
        format!("{first}/{protocol}")
    } else {
        format!("{first}-{last}/{protocol}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read() {
        for (text, read) in [
            ("179", Some("179/tcp")),
            ("179/TCP", Some("179/tcp")),
            ("100-200/udp", Some("100-200/udp")),
            ("5-5", Some("5/tcp")),
            ("ICMP", Some("icmp")),
            ("0", None),
            ("9-1", None),
            ("65536", None),
            ("179/sctp", None),
            ("bgp", None),
        ] {
            assert_eq!(parse(text).ok().as_deref(), read, "{text}");
        }
    }
}
