//! A fabric in 100 columns: each rack with its routers, reflectors and nodes, and below each the sessions it has.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::links::{Link, State};
use super::measure::{shortened, wrapped};
use super::scene::{Grain, Item, ItemId, Kind, Rack, Scene};

/// What a terminal shows without breaking lines.
const COLUMNS: i32 = 100;

/// How many names a line of sessions lists.
const MOST_NAMES: usize = 12;

/// How many findings are listed.
const MOST_PROBLEMS: usize = 20;

/// The fabric as text.
pub(super) fn text(scene: &Scene) -> String {
    let mut by_tap: BTreeMap<ItemId, Vec<&Link>> = BTreeMap::new();
    for link in &scene.links {
        by_tap.entry(link.tap).or_default().push(link);
    }
    let mut text = format!("{}\n", scene.title);
    paragraph(&mut text, "", &scene.totals);
    for band in &scene.bands {
        paragraph(
            &mut text,
            if band.down() > 0 { "! " } else { "" },
            &band.label(),
        );
    }
    for remark in &scene.verdicts {
        paragraph(&mut text, if remark.good { "" } else { "! " }, &remark.text);
    }
    let printer = Printer {
        scene,
        by_tap,
        name_width: name_width(scene),
    };
    if !scene.routers.is_empty() {
        text.push_str("\nRouters\n");
        for router in &scene.routers {
            printer.item(&mut text, *router);
        }
    }
    for rack in &scene.racks {
        printer.rack(&mut text, rack);
    }
    footer(&mut text, scene);
    text
}

fn footer(text: &mut String, scene: &Scene) {
    text.push_str(
        "\n── established   ╌╌ taken to be established: the router's side is not seen   ✗✗ down\n",
    );
    text.push_str(match scene.grain {
        Grain::Node => "",
        Grain::Class => "Nodes that nothing tells apart are one line; ×2 counts sessions.\n",
        Grain::Mixed => {
            "Nodes of one place are one line, or they would be too many; ×2 counts sessions.\n"
        }
    });
    if !scene.problems.is_empty() {
        text.push('\n');
    }
    for problem in scene.problems.iter().take(MOST_PROBLEMS) {
        paragraph(text, "", &problem.line());
    }
    if scene.problems.len() > MOST_PROBLEMS {
        let _ = writeln!(
            text,
            "{} more findings",
            scene.problems.len() - MOST_PROBLEMS
        );
    }
    if !scene.assumptions.is_empty() {
        text.push_str("\nTaken for granted:\n");
    }
    for assumption in &scene.assumptions {
        paragraph(text, "- ", assumption);
    }
}

/// Lines of at most [`COLUMNS`], those after the first indented by two more.
fn paragraph(text: &mut String, start: &str, words: &str) {
    let first = i32::try_from(start.len()).unwrap_or(0);
    for (index, line) in wrapped(words, COLUMNS - first - 2, columns)
        .iter()
        .enumerate()
    {
        let _ = match index {
            0 => writeln!(text, "{start}{line}"),
            _ => writeln!(text, "{:1$}{line}", "", start.len() + 2),
        };
    }
}

fn columns(text: &str) -> i32 {
    i32::try_from(text.chars().count()).unwrap_or(i32::MAX)
}

fn name_width(scene: &Scene) -> usize {
    let widths = scene.items.iter().map(|item| item.name.chars().count());
    widths.max().unwrap_or(0).min(32)
}

struct Printer<'s> {
    scene: &'s Scene,
    by_tap: BTreeMap<ItemId, Vec<&'s Link>>,
    name_width: usize,
}

impl Printer<'_> {
    fn rack(&self, text: &mut String, rack: &Rack) {
        text.push('\n');
        paragraph(text, "", &format!("{}: {}", rack.name, rack.detail));
        for id in rack
            .routers
            .iter()
            .chain(&rack.reflectors)
            .chain(&rack.nodes)
        {
            self.item(text, *id);
        }
    }

    fn item(&self, text: &mut String, id: ItemId) {
        let item = &self.scene.items[id];
        let name = shortened(&item.name, 32, columns);
        let width = self.name_width;
        let _ = write!(text, "  {:<9}  {name:<width$}  ", kind(item));
        let mut details = item.lines.join(", ").replace("…, ", "… ");
        if item.in_mesh {
            details.push_str(", in the mesh");
        }
        let indent = 15 + self.name_width;
        let limit = COLUMNS - i32::try_from(indent).unwrap_or(0);
        for (index, line) in wrapped(&details, limit, columns).iter().enumerate() {
            let _ = match index {
                0 => writeln!(text, "{line}"),
                _ => writeln!(text, "{:indent$}{line}", ""),
            };
        }
        for (_, note) in item.notes().iter().filter(|(bad, _)| *bad) {
            let _ = writeln!(text, "    !  {note}");
        }
        for (_, note) in item.notes().iter().filter(|(bad, _)| !bad) {
            let _ = writeln!(text, "    ── {note}");
        }
        self.sessions(text, id);
    }

    /// The sessions of a tap, one line a state.
    fn sessions(&self, text: &mut String, id: ItemId) {
        let mut by_state: BTreeMap<State, Vec<String>> = BTreeMap::new();
        for link in self.by_tap.get(&id).into_iter().flatten() {
            let plain = Link {
                state: State::Up,
                ..(*link).clone()
            };
            let mut name = shortened(&self.scene.items[link.hub].name, 40, columns);
            if self.scene.items[link.hub].speakers.len() > 1 {
                let lines = &self.scene.items[link.hub].lines;
                name = lines.first().map_or(name, Clone::clone);
            }
            if let Some(label) = plain.label() {
                name = format!("{name} {label}");
            }
            by_state.entry(link.state).or_default().push(name);
        }
        for (state, names) in by_state {
            let more = names.len().saturating_sub(MOST_NAMES);
            let mut line = names[..names.len() - more].join(", ");
            if more > 0 {
                let _ = write!(line, " and {more} more");
            }
            match state.label() {
                Some(label) => paragraph(text, "    ✗✗ ", &format!("{label}: {line}")),
                None if state == State::Assumed => paragraph(text, "    ╌╌ ", &line),
                None => paragraph(text, "    ── ", &line),
            }
        }
    }
}

fn kind(item: &Item) -> &'static str {
    match item.kind {
        Kind::Node => "node",
        Kind::Reflector => "reflector",
        Kind::Router => "router",
    }
}
