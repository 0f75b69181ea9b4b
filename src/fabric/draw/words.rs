//! What a picture says in words: title, verdicts, problems, the lines of an item.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use super::super::check::Checked;
use super::super::classes::ClassId;
use super::super::facts::{Facts, Outcome, PeeringRouters};
use super::super::finding::{Code, Finding, Severity};
use super::super::reach::{Fate, Verdict};
use super::super::session::{Speaker, Status};
use super::super::topology::Node;
use super::links::Band;
use super::scene::{Item, Kind, Scene};
use crate::printable::printable_line;

/// A sentence, and whether it is good news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub good: bool,
    pub text: String,
}

/// A finding as pictures list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub code: Code,
    pub severity: Severity,
    /// Place and message.
    pub text: String,
}

impl Problem {
    /// `error F020: unit-bgp-peers: …`
    pub fn line(&self) -> String {
        format!("{} {}: {}", self.severity.as_str(), self.code, self.text)
    }
}

/// `1 node`, `2 nodes`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// What there is.
pub(super) fn title(checked: &Checked<'_>, name: &str) -> String {
    format!(
        "{}: {}, {}",
        printable_line(name),
        counted(checked.topology.nodes.len() as u64, "node"),
        counted(checked.sessions.routers.len() as u64, "router"),
    )
}

/// The sessions by state.
pub(super) fn totals(checked: &Checked<'_>, bands: &[Band]) -> String {
    let (mut up, mut assumed, mut down) = (0_u64, 0, 0);
    for session in &checked.sessions.sessions {
        match session.status {
            Status::Established => up += 1,
            Status::External => assumed += 1,
            _ => down += 1,
        }
    }
    for band in bands {
        up += band.sessions - band.down();
        down += band.down();
    }
    let mut text = format!(
        "{}: {up} established, {assumed} assumed, {down} down",
        counted(up + assumed + down, "session")
    );
    if checked.sessions.truncated {
        text.push_str(" (too many to list them all)");
    }
    text
}

/// What is proved and what is not.
pub(super) fn verdicts(checked: &Checked<'_>) -> Vec<Remark> {
    let reach = &checked.reach;
    let mut remarks = vec![remark(
        checked,
        "Node to node",
        &reach.nodes,
        reach.node_pairs,
    )];
    if let Some(verdict) = &reach.routers {
        remarks.push(remark(
            checked,
            "Nodes and routers",
            verdict,
            reach.router_pairs,
        ));
    }
    let count = |severity| {
        let all = checked.findings.iter();
        all.filter(|finding| finding.severity() == severity).count() as u64
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    remarks.push(Remark {
        good: errors == 0,
        text: format!(
            "Findings: {}, {}",
            counted(errors, "error"),
            counted(warnings, "warning")
        ),
    });
    remarks
}

fn remark(checked: &Checked<'_>, what: &str, verdict: &Verdict, pairs: (u64, u64)) -> Remark {
    let reached = format!("{} of {} pairs", pairs.1, pairs.0);
    let (good, text) = match verdict {
        Verdict::Proved => (true, format!("proved, {reached}")),
        Verdict::ProvedIf(assumptions) => (
            true,
            format!(
                "proved if {} below hold{}, {reached}",
                counted(assumptions.len() as u64, "assumption"),
                if assumptions.len() == 1 { "s" } else { "" },
            ),
        ),
        Verdict::Refuted {
            from,
            to,
            fate,
            way,
        } => (
            false,
            format!(
                "REFUTED, {reached}. Packets from {} to pods on {} {}{}",
                name_of(checked, *from),
                name_of(checked, *to),
                fate_words(*fate),
                way_words(checked, way),
            ),
        ),
        Verdict::NotModelled(why) => (false, format!("not computed: {}", printable_line(why))),
    };
    Remark {
        good,
        text: format!("{what}: {text}"),
    }
}

fn way_words(checked: &Checked<'_>, way: &[Speaker]) -> String {
    if way.len() < 2 {
        return String::new();
    }
    let names: Vec<String> = way.iter().map(|hop| name_of(checked, *hop)).collect();
    format!(", by way of {}", names.join(" → "))
}

fn fate_words(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered | Fate::ByDefaultRoute | Fate::Hairpin => "arrive",
        Fate::NoRoute => "end where there is no route",
        Fate::Loop => "go round in circles",
        Fate::Unresolved => "have a next hop that cannot be reached",
        Fate::TunnelToRouter => "end in a tunnel to a router, which does not open it",
        Fate::NoAddress => "have no address of the family to go to",
    }
}

/// The name of a node or router.
fn name_of(checked: &Checked<'_>, speaker: Speaker) -> String {
    let nodes = &checked.topology.nodes;
    let speaker = speaker as usize;
    let name = match nodes.get(speaker) {
        Some(node) => Some(&node.name),
        None => checked
            .sessions
            .routers
            .get(speaker - nodes.len())
            .map(|router| &router.name),
    };
    name.map_or_else(String::new, |name| printable_line(name))
}

/// The assumptions that a verdict rests on.
pub(super) fn assumptions(checked: &Checked<'_>) -> Vec<&'static str> {
    let all = checked.assumptions.iter();
    all.map(|assumption| assumption.sentence()).collect()
}

/// How many findings stand in a heading.
const MOST_IN_HEADING: usize = 5;

/// What a drawing in another language starts with: title, totals, verdicts, findings, assumptions.
pub(super) fn heading(scene: &Scene) -> Vec<String> {
    let mut lines = vec![scene.title.clone(), scene.totals.clone()];
    lines.extend(scene.verdicts.iter().map(|remark| remark.text.clone()));
    let problems = scene.problems.iter().take(MOST_IN_HEADING);
    lines.extend(problems.map(Problem::line));
    if scene.problems.len() > MOST_IN_HEADING {
        lines.push(format!(
            "{} more findings",
            scene.problems.len() - MOST_IN_HEADING
        ));
    }
    if !scene.assumptions.is_empty() {
        lines.push("Taken for granted:".to_owned());
    }
    lines.extend(
        scene
            .assumptions
            .iter()
            .map(|assumption| format!("- {assumption}")),
    );
    lines
}

/// The findings, errors first.
pub(super) fn problems(checked: &Checked<'_>) -> Vec<Problem> {
    let mut findings: Vec<&Finding> = checked.findings.iter().collect();
    findings.sort_by_key(|finding| finding.severity());
    findings
        .into_iter()
        .map(|finding| Problem {
            code: finding.code,
            severity: finding.severity(),
            text: printable_line(&format!(
                "{}: {}{}",
                finding.origin,
                finding.message,
                folded(finding)
            )),
        })
        .collect()
}

/// The codes of the findings that the same repair would mend.
fn folded(finding: &Finding) -> String {
    let mut codes: Vec<Code> = finding.folded.iter().map(|folded| folded.code).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() {
        return String::new();
    }
    let codes: Vec<String> = codes.iter().map(Code::to_string).collect();
    format!("; because of this {}", codes.join(", "))
}

/// Addresses in lines of two, at most two lines.
pub(super) fn addresses(addresses: &[IpAddr]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let text = address.to_string();
        let full = lines.last().is_none_or(|line| line.len() + text.len() > 30);
        if full && lines.len() == 2 {
            let _ = write!(lines[1], ", {} more", addresses.len() - index);
            break;
        }
        match lines.last_mut() {
            Some(line) if !full => {
                line.push_str(", ");
                line.push_str(&text);
            }
            _ => lines.push(text),
        }
    }
    lines
}

/// The lines of one node below its name.
pub(super) fn node_lines(node: &Node) -> Vec<String> {
    let mut addresses = [node.v4, node.v6]
        .into_iter()
        .flatten()
        .map(|address| address.ip.to_string());
    let first = match (&node.unit, addresses.next()) {
        (Some(unit), Some(address)) => format!("{unit}, {address}"),
        (Some(unit), None) => unit.to_string(),
        (None, Some(address)) => address,
        (None, None) => return Vec::new(),
    };
    std::iter::once(first).chain(addresses).collect()
}

/// Name and lines of several nodes.
pub(super) fn class_lines(
    checked: &Checked<'_>,
    speakers: &[Speaker],
    last: Speaker,
) -> (String, Vec<String>) {
    let nodes = &checked.topology.nodes;
    let (first, last) = (&nodes[speakers[0] as usize], &nodes[last as usize]);
    let mut lines = vec![format!("{} …", first.name), last.name.clone()];
    let mut subnets: Vec<String> = Vec::new();
    for speaker in speakers {
        let node = &nodes[*speaker as usize];
        for address in [node.v4, node.v6].into_iter().flatten() {
            let subnet = address.subnet.to_string();
            if !subnets.contains(&subnet) && subnets.len() < 3 {
                subnets.push(subnet);
            }
        }
    }
    match subnets.len() {
        0..3 => lines.append(&mut subnets),
        _ => lines.push("several subnets".to_owned()),
    }
    (counted(speakers.len() as u64, "node"), lines)
}

/// Counts for each item how many nodes and routers cannot send to it, where the proof failed.
pub(super) fn count_unreached(checked: &Checked<'_>, items: &mut [Item]) {
    let reach = &checked.reach;
    let nodes = checked.topology.nodes.len();
    let refuted = |verdict: &Verdict| matches!(verdict, Verdict::Refuted { .. });
    let from_nodes = refuted(&reach.nodes);
    let from_routers = reach.routers.as_ref().is_some_and(refuted);
    if !from_nodes && !from_routers {
        return;
    }
    let senders_are = match (from_nodes, from_routers) {
        (true, false) => "nodes",
        (false, _) => "routers",
        (true, true) => "others",
    };
    let mut senders: BTreeMap<ClassId, u64> = BTreeMap::new();
    let routers = if from_routers {
        checked.sessions.routers.len()
    } else {
        0
    };
    let skipped = if from_nodes { 0 } else { nodes };
    for speaker in (0..).take(nodes + routers).skip(skipped) {
        *senders.entry(checked.classes.of(speaker)).or_default() += 1;
    }
    let facts = checked.facts();
    let planes = checked.planes.iter();
    let peering: Vec<PeeringRouters> = planes
        .map(|plane| PeeringRouters::new(&facts, plane.family))
        .collect();
    for item in items.iter_mut().filter(|item| item.kind != Kind::Router) {
        let mut classes: Vec<ClassId> = item
            .speakers
            .iter()
            .map(|speaker| checked.classes.of(*speaker))
            .collect();
        classes.dedup();
        let worst = classes
            .iter()
            .map(|class| unreached(&facts, &peering, &senders, *class))
            .max();
        let all: u64 = senders.values().sum::<u64>() - u64::from(from_nodes);
        item.unreached = worst
            .filter(|lost| *lost > 0)
            .map(|lost| format!("{lost} of {all} {senders_are}"));
    }
}

/// How many senders' packets do not arrive at blocks of a member of `class` though they ought to, on the worst plane.
fn unreached(
    facts: &Facts<'_>,
    peering: &[PeeringRouters],
    senders: &BTreeMap<ClassId, u64>,
    class: ClassId,
) -> u64 {
    let planes = facts.planes.iter().zip(peering);
    let computed = planes.filter(|(plane, _)| plane.is_computed(class));
    let lost = computed.map(|(plane, routers)| {
        let outcomes = facts.outcomes(plane, class, routers);
        outcomes
            .filter(|(_, _, outcome)| *outcome == Outcome::Lost)
            .filter_map(|(at, ..)| Some((at, senders.get(&at)?)))
            .map(|(at, count)| count - u64::from(at == class))
            .sum()
    });
    lost.max().unwrap_or(0)
}
