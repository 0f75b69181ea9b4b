//! The check for people.

use super::sessions::{self, Counts};
use super::sources::Sources;
use crate::cli::counted;
use crate::cli::diagnostics::{Diagnostic, listed};
use crate::fabric::{Assumption, Checked, Fate, Severity, Speaker, Verdict};
use crate::printable::printable_line;

/// Adds one line, whatever the names in it hold.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        $text.push_str(&printable_line(&format!($($argument)*)));
        $text.push('\n');
    };
}

/// Findings, then verdicts; sessions between them if asked for.
pub(super) fn text(
    checked: &Checked<'_>,
    sources: &Sources<'_>,
    list_sessions: bool,
    colours: bool,
) -> String {
    let diagnostics: Vec<Diagnostic> = checked
        .findings
        .iter()
        .map(|finding| sources.diagnostic(finding))
        .collect();
    let mut text = listed(sources.files(), &diagnostics, colours);
    if list_sessions {
        for line in sessions::lines(checked) {
            line!(text, "{line}");
        }
        text.push('\n');
    }
    text.push_str(&verdicts(checked, sources.application()));
    text
}

fn verdicts(checked: &Checked<'_>, application: &str) -> String {
    let mut text = String::new();
    let routers = checked.sessions.routers.len();
    line!(
        text,
        "{application}, {} in {}, {}: {}",
        counted(checked.topology.nodes.len(), "unit"),
        classes(checked.classes.len().saturating_sub(routers)),
        counted(routers, "router"),
        totals(checked)
    );
    line!(text, "  sessions          {}", Counts::of(checked));
    let reach = &checked.reach;
    property(
        &mut text,
        checked,
        "pods to pods",
        &reach.nodes,
        reach.node_pairs,
    );
    if let Some(routers) = &reach.routers {
        property(
            &mut text,
            checked,
            "routers to pods",
            routers,
            reach.router_pairs,
        );
    }
    let assumed = [Some(&reach.nodes), reach.routers.as_ref()];
    let rests = assumed
        .into_iter()
        .flatten()
        .any(|verdict| matches!(verdict, Verdict::ProvedIf(_)));
    if rests {
        assumptions(&mut text, &checked.assumptions);
    }
    text
}

fn classes(number: usize) -> String {
    if number == 1 {
        "1 class".to_owned()
    } else {
        format!("{number} classes")
    }
}

fn totals(checked: &Checked<'_>) -> String {
    let counts = [Severity::Error, Severity::Warning, Severity::Note].map(|severity| {
        let number = checked.of_severity(severity).count();
        (number > 0).then(|| counted(number, severity.as_str()))
    });
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        "no findings".to_owned()
    } else {
        counts.join(", ")
    }
}

fn property(
    text: &mut String,
    checked: &Checked<'_>,
    name: &str,
    verdict: &Verdict,
    (pairs, good): (u64, u64),
) {
    let word = word(verdict);
    match verdict {
        Verdict::NotModelled(why) => {
            line!(text, "  {name:<16}  {word}: {why}");
        }
        Verdict::Proved | Verdict::ProvedIf(_) if pairs == 0 => {
            line!(text, "  {name:<16}  {word}, there are no two of them");
        }
        Verdict::Proved | Verdict::ProvedIf(_) => {
            line!(text, "  {name:<16}  {word}, {good} of {pairs} pairs");
        }
        Verdict::Refuted {
            from,
            to,
            fate,
            way,
        } => {
            line!(text, "  {name:<16}  {word}, {good} of {pairs} pairs");
            let (from, to) = (speaker(checked, *from), speaker(checked, *to));
            line!(text, "    from {from} to a pod on {to}: {}", ending(*fate));
            let way: Vec<String> = way.iter().map(|hop| speaker(checked, *hop)).collect();
            line!(text, "    way: {}", way.join(" > "));
        }
    }
}

/// The verdict in one word or two; an assumption is never an OK.
pub(super) fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Proved => "Proved",
        Verdict::ProvedIf(_) => "Proved if what is listed below holds",
        Verdict::Refuted { .. } => "Refuted",
        Verdict::NotModelled(_) => "Not modelled",
    }
}

/// What becomes of the packets of a counter-example.
pub(in crate::cli) fn ending(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "it arrives",
        Fate::ByDefaultRoute => "it arrives by the default route",
        Fate::Hairpin => "it arrives over another node",
        Fate::NoRoute => "the last hop has no route",
        Fate::Loop => "it goes round in circles",
        Fate::Unresolved => "the route's next hop cannot be reached",
        Fate::TunnelToRouter => "a tunnel leads to a router that does not take the packet out",
        Fate::NoAddress => "one end has no address of this family",
    }
}

fn assumptions(text: &mut String, assumptions: &[Assumption]) {
    line!(text, "  what has to hold:");
    for assumption in assumptions {
        line!(text, "  - {}", assumption.sentence());
    }
}

/// A speaker's name: the unit with its Node, or the router.
pub(super) fn speaker(checked: &Checked<'_>, speaker: Speaker) -> String {
    if let Some(node) = checked.topology.nodes.get(speaker as usize) {
        return match &node.unit {
            Some(unit) => format!("{unit} ({})", node.name),
            None => node.name.clone(),
        };
    }
    let router = speaker
        .checked_sub(checked.sessions.nodes)
        .and_then(|index| checked.sessions.routers.get(index as usize));
    router.map_or_else(
        || format!("speaker {speaker}"),
        |router| router.name.clone(),
    )
}
