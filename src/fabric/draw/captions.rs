//! The words above and below a drawing: title, verdicts, mesh, legend, findings, assumptions.

use super::layout::{Area, LINE_HEIGHT, LINE_SIZE, MARGIN, NAME_SIZE};
use super::links::State;
use super::measure::{bold_width, width, wrapped};
use super::nets::{Nets, Stroke};
use super::scene::{Grain, Kind, Scene};

/// Font size of the title.
pub(super) const TITLE_SIZE: i32 = 16;

/// A drawing up to this width is read from near.
const FULL_SIZE: i32 = 1_500;

/// How many findings are listed.
const MOST_PROBLEMS: usize = 20;

/// A line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caption {
    pub at: (i32, i32),
    pub text: String,
    pub size: i32,
    pub bold: bool,
    pub bad: bool,
}

/// What the legend explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    Box(Kind),
    Mesh,
    Bad,
    Line(Stroke),
    Hub,
}

/// A place in the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub swatch: Swatch,
    pub at: (i32, i32),
}

/// Width of a swatch with the space after it.
const SWATCH: i32 = 42;

/// Words one below the other.
#[derive(Debug, Default)]
pub(super) struct Captions {
    pub lines: Vec<Caption>,
    pub legend: Vec<Entry>,
    /// The mesh of each family, and whether some of it is down.
    pub bands: Vec<(Area, bool)>,
    pub bottom: i32,
    width: i32,
}

impl Captions {
    fn new(top: i32, width: i32) -> Self {
        Self {
            bottom: top,
            width,
            ..Self::default()
        }
    }

    /// Of a wide drawing the whole is looked at from further away, so its words are larger.
    fn paragraph(&mut self, text: &str, size: i32, bold: bool, bad: bool) {
        let size = size * (self.width * 100 / FULL_SIZE).clamp(100, 250) / 100;
        let limit = self.width - 2 * MARGIN - size;
        let measure = |text: &str| {
            if bold {
                bold_width(text, size)
            } else {
                width(text, size)
            }
        };
        for (index, line) in wrapped(text, limit, measure).into_iter().enumerate() {
            self.bottom += size + 4;
            let indent = if index == 0 { 0 } else { size };
            self.lines.push(Caption {
                at: (MARGIN + indent, self.bottom - 4),
                text: line,
                size,
                bold,
                bad,
            });
        }
    }

    fn gap(&mut self, height: i32) {
        self.bottom += height;
    }

    /// The mesh, as a bar below all racks.
    fn bands(&mut self, scene: &Scene) {
        for band in &scene.bands {
            let bad = band.down() > 0;
            let area = Area {
                x: MARGIN,
                y: self.bottom,
                width: self.width - 2 * MARGIN,
                height: 7,
            };
            self.bands.push((area, bad));
            self.bottom = area.bottom();
            self.paragraph(&band.label(), LINE_SIZE, bad, bad);
            self.gap(6);
        }
        self.gap(6);
    }

    fn entries(&mut self, entries: &[(Swatch, &str)]) {
        let mut x = MARGIN;
        let mut y = self.bottom + LINE_HEIGHT;
        for (swatch, text) in entries {
            let wanted = SWATCH + width(text, LINE_SIZE);
            if x > MARGIN && x + wanted > self.width - MARGIN {
                x = MARGIN;
                y += LINE_HEIGHT + 6;
            }
            self.legend.push(Entry {
                swatch: *swatch,
                at: (x, y),
            });
            self.lines.push(Caption {
                at: (x + SWATCH, y),
                text: (*text).to_owned(),
                size: LINE_SIZE,
                bold: false,
                bad: false,
            });
            x += wanted + 24;
        }
        self.bottom = y + 6;
    }
}

/// What stands above the drawing.
pub(super) fn header(scene: &Scene, width: i32) -> Captions {
    let mut captions = Captions::new(MARGIN, width);
    captions.paragraph(&scene.title, TITLE_SIZE, true, false);
    captions.paragraph(&scene.totals, NAME_SIZE, false, false);
    for remark in &scene.verdicts {
        captions.paragraph(&remark.text, NAME_SIZE, !remark.good, !remark.good);
    }
    captions.gap(12);
    captions
}

/// What stands below it.
pub(super) fn footer(scene: &Scene, nets: &Nets, top: i32, width: i32) -> Captions {
    let mut captions = Captions::new(top, width);
    captions.bands(scene);
    captions.entries(&legend(scene, nets));
    notes(&mut captions, nets);
    if !scene.problems.is_empty() {
        captions.gap(8);
        captions.paragraph("Findings", NAME_SIZE, true, false);
    }
    for problem in scene.problems.iter().take(MOST_PROBLEMS) {
        let bad = problem.severity == super::super::finding::Severity::Error;
        captions.paragraph(&problem.line(), LINE_SIZE, false, bad);
    }
    if let Some(more) = scene
        .problems
        .len()
        .checked_sub(MOST_PROBLEMS)
        .filter(|more| *more > 0)
    {
        captions.paragraph(&format!("{more} more"), LINE_SIZE, false, false);
    }
    if !scene.assumptions.is_empty() {
        captions.gap(8);
        captions.paragraph("Taken for granted", NAME_SIZE, true, false);
    }
    for assumption in &scene.assumptions {
        captions.paragraph(&format!("- {assumption}"), LINE_SIZE, false, false);
    }
    captions.gap(MARGIN);
    captions
}

fn notes(captions: &mut Captions, nets: &Nets) {
    if nets.bundled > 0 {
        let text = format!(
            "{} sessions between nodes are drawn as one thick line: one by one they would fill the page.",
            nets.bundled
        );
        captions.paragraph(&text, LINE_SIZE, false, false);
    }
    if nets.undrawn > 0 {
        let text = format!("{} more sessions are down and not drawn.", nets.undrawn);
        captions.paragraph(&text, LINE_SIZE, true, true);
    }
}

/// Only what the drawing has.
fn legend(scene: &Scene, nets: &Nets) -> Vec<(Swatch, &'static str)> {
    let has = |kind| scene.items.iter().any(|item| item.kind == kind);
    let links = |wanted: fn(State) -> bool| scene.links.iter().any(|link| wanted(link.state));
    let node = match scene.grain {
        Grain::Node => "node",
        Grain::Class => "node, or nodes that nothing tells apart",
        Grain::Mixed => "node, or several of one place: too many kinds to draw",
    };
    let bad = scene
        .items
        .iter()
        .any(|item| item.notes().iter().any(|(bad, _)| *bad));
    let entries = [
        (has(Kind::Router), Swatch::Box(Kind::Router), "router"),
        (
            has(Kind::Reflector),
            Swatch::Box(Kind::Reflector),
            "route reflector",
        ),
        (has(Kind::Node), Swatch::Box(Kind::Node), node),
        (
            scene.items.iter().any(|item| item.in_mesh),
            Swatch::Mesh,
            "in the node-to-node mesh",
        ),
        (bad, Swatch::Bad, "not everything arrives there"),
        (
            links(|state| state == State::Up),
            Swatch::Line(Stroke::Up),
            "sessions, established",
        ),
        (
            links(|state| state == State::Assumed),
            Swatch::Line(Stroke::Assumed),
            "taken to be established: the router's side is not seen",
        ),
        (
            links(|state| matches!(state, State::Down(..))),
            Swatch::Line(Stroke::Down),
            "down, with finding and state",
        ),
        (
            nets.bundled > 0,
            Swatch::Line(Stroke::Bundle),
            "many sessions",
        ),
        (
            !scene.links.is_empty(),
            Swatch::Hub,
            "from the square to each other end of its line; lines join at dots only",
        ),
        (
            scene.links.iter().any(|link| link.sessions > 1),
            Swatch::Line(Stroke::Up),
            "×2: two sessions",
        ),
    ];
    let shown = entries.into_iter().filter(|(shown, _, _)| *shown);
    shown.map(|(_, swatch, text)| (swatch, text)).collect()
}
