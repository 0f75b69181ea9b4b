//! The drawing. No scripts, no fonts, nothing from elsewhere; patterns beside colours, so that it can be printed in black.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::captions::{Caption, Captions, Entry, Swatch, footer, header};
use super::layout::{Area, LINE_HEIGHT, LINE_SIZE, Layout, MARGIN, NAME_SIZE};
use super::measure::{bold_width, shortened, width};
use super::nets::{Nets, Stroke};
use super::scene::{Item, ItemId, Kind, Scene};
use super::wires::{Sign, Tag, Wires};

/// No picture is narrower: the captions need the space.
const LEAST_WIDTH: i32 = 760;

/// Colours of nets, dark enough for paper; none is the red of what is down.
const HUES: [&str; 6] = [
    "#174a8c", "#1c6b35", "#7a4a00", "#5b2a86", "#00626b", "#333333",
];

const STYLE: &str = "\
text{font-family:'DejaVu Sans',Verdana,Arial,sans-serif;font-size:10px;fill:#111}\
.b{font-weight:bold;font-size:11px}\
.bad{fill:#a8001c}\
.frame{fill:#f6f6f2;stroke:#8a8a86}\
.node{fill:#fff;stroke:#333}\
.reflector{fill:#e4ebf5;stroke:#111}\
.inner{fill:none;stroke:#111}\
.router{fill:#e6e6e6;stroke:#111;stroke-width:2}\
.out{stroke:#c4001f;stroke-width:2;stroke-dasharray:7 4}\
.mesh{fill:url(#mesh);stroke:#333;stroke-width:.5}\
.w{fill:none}\
.w1{stroke-width:1.4}\
.w2{stroke-width:1.6;stroke-dasharray:2 3}\
.w3{stroke-width:2;stroke:#c4001f;stroke-dasharray:7 4}\
.w0{stroke-width:4;stroke:#777}\
.x{fill:none;stroke:#c4001f;stroke-width:2}";

/// The fabric as an SVG document.
pub(super) fn svg(scene: &Scene) -> String {
    let nets = Nets::new(scene);
    let layout = Layout::new(scene, &nets, LEAST_WIDTH);
    let head = header(scene, layout.width);
    let top = head.bottom;
    let foot = footer(scene, &nets, top + layout.height - 8, layout.width);
    let (wide, high) = (layout.width, foot.bottom);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}",
        escaped(&scene.title)
    );
    for (index, hue) in HUES.iter().enumerate() {
        let _ = write!(text, ".h{index}{{stroke:{hue}}}.f{index}{{fill:{hue}}}");
    }
    text.push_str(
        "</style>\n<defs><pattern id=\"mesh\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <path d=\"M0 4L4 0\" stroke=\"#111\"/></pattern></defs>\n",
    );
    let _ = writeln!(
        text,
        "<rect width=\"{wide}\" height=\"{high}\" fill=\"#fff\"/>"
    );
    captions(&mut text, &head);
    let _ = writeln!(text, "<g transform=\"translate(0 {top})\">");
    frames(&mut text, &layout);
    wires(
        &mut text,
        &nets,
        &Wires::new(scene, &nets, &layout),
        &layout,
    );
    for (id, item) in scene.items.iter().enumerate() {
        boxed(&mut text, id, item, layout.boxes[id]);
    }
    text.push_str("</g>\n");
    captions(&mut text, &foot);
    text.push_str("</svg>\n");
    text
}

fn frames(text: &mut String, layout: &Layout) {
    let mut gutters: BTreeMap<usize, i32> = BTreeMap::new();
    for stack in layout.tiers.iter().flat_map(|tier| &tier.stacks) {
        gutters.entry(stack.rack).or_insert(stack.gutter);
    }
    for (rack, (area, lines)) in layout.frames.iter().zip(&layout.heads).enumerate() {
        let x = area.x + gutters.get(&rack).copied().unwrap_or_default();
        rect(text, "frame", *area, 4);
        let mut y = area.y + 6;
        for (index, line) in lines.iter().enumerate() {
            y += LINE_HEIGHT;
            let class = if index == 0 { " class=\"b\"" } else { "" };
            let _ = writeln!(
                text,
                "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>",
                escaped(line)
            );
        }
    }
}

fn rect(text: &mut String, class: &str, area: Area, radius: i32) {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    let _ = writeln!(
        text,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
    );
}

fn inset(area: Area, by: i32) -> Area {
    Area {
        x: area.x + by,
        y: area.y + by,
        width: area.width - 2 * by,
        height: area.height - 2 * by,
    }
}

/// The outline of an item, dashed where something is wrong with it.
fn outline(text: &mut String, kind: Kind, bad: bool, area: Area) {
    let (class, radius) = match kind {
        Kind::Node => ("node", 2),
        Kind::Router => ("router", area.height.min(24) / 2),
        Kind::Reflector => ("reflector", 2),
    };
    let class = if bad {
        format!("{class} out")
    } else {
        class.to_owned()
    };
    rect(text, &class, area, radius);
    if kind == Kind::Reflector {
        rect(text, "inner", inset(area, 3), 1);
    }
}

fn boxed(text: &mut String, id: ItemId, item: &Item, area: Area) {
    let _ = writeln!(text, "<g class=\"item\" id=\"i{id}\">");
    let limit = area.width - 20;
    let name = shortened(&item.name, limit, |text| bold_width(text, NAME_SIZE));
    let notes = item.notes();
    let plain = item.lines.iter().map(|line| (false, line));
    let all = plain.chain(notes.iter().map(|(bad, note)| (*bad, note)));
    let lines: Vec<(bool, &String, String)> = all
        .map(|(bad, line)| {
            (
                bad,
                line,
                shortened(line, limit, |text| width(text, LINE_SIZE)),
            )
        })
        .collect();
    if name != item.name || lines.iter().any(|(_, whole, short)| *whole != short) {
        let mut whole = item.name.clone();
        for (_, line, _) in &lines {
            whole.push_str(", ");
            whole.push_str(line);
        }
        let _ = writeln!(text, "<title>{}</title>", escaped(&whole));
    }
    outline(text, item.kind, notes.iter().any(|(bad, _)| *bad), area);
    if item.in_mesh {
        let strip = Area {
            x: area.x + area.width - 6,
            width: 6,
            ..area
        };
        rect(text, "mesh", strip, 0);
    }
    let height = (1 + i32::try_from(lines.len()).unwrap_or(0)) * LINE_HEIGHT;
    let x = area.x + 9;
    let mut y = area.y + (area.height - height) / 2 + 10;
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{y}\" class=\"b\">{}</text>",
        escaped(&name)
    );
    for (bad, _, line) in &lines {
        y += LINE_HEIGHT;
        let class = if *bad { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>",
            escaped(line)
        );
    }
    text.push_str("</g>\n");
}

/// Lines, one path for each net and stroke.
fn wires(text: &mut String, nets: &Nets, wires: &Wires, layout: &Layout) {
    let mut paths: BTreeMap<(Stroke, usize), String> = BTreeMap::new();
    for wire in &wires.lines {
        let ((x, y), (to_x, to_y)) = (wire.from, wire.to);
        let path = paths.entry((wire.stroke, wire.net)).or_default();
        let _ = if y == to_y {
            write!(path, "M{x} {y}H{to_x}")
        } else {
            write!(path, "M{x} {y}V{to_y}")
        };
    }
    for ((stroke, net), path) in paths {
        let _ = writeln!(
            text,
            "<path class=\"{}\" d=\"{path}\"/>",
            line_class(stroke, nets.hues[net])
        );
    }
    signs(text, nets, wires);
    for tag in &wires.tags {
        tagged(text, tag, layout);
    }
}

/// The classes of a line; what is down and what is a bundle have colours of their own.
fn line_class(stroke: Stroke, hue: usize) -> String {
    match stroke {
        Stroke::Bundle => "w w0".to_owned(),
        Stroke::Up => format!("w w1 h{}", hue % HUES.len()),
        Stroke::Assumed => format!("w w2 h{}", hue % HUES.len()),
        Stroke::Down => "w w3".to_owned(),
    }
}

fn signs(text: &mut String, nets: &Nets, wires: &Wires) {
    for (sign, net, (x, y)) in &wires.signs {
        let hue = nets.hues[*net] % HUES.len();
        let _ = match sign {
            Sign::Joint => writeln!(
                text,
                "<circle class=\"f{hue}\" cx=\"{x}\" cy=\"{y}\" r=\"2.4\"/>"
            ),
            Sign::Hub => writeln!(
                text,
                "<rect class=\"f{hue}\" x=\"{}\" y=\"{}\" width=\"6\" height=\"6\"/>",
                x - 3,
                y - 3
            ),
            Sign::Cross => writeln!(
                text,
                "<path class=\"x\" d=\"M{} {}l6 6m0 -6l-6 6\"/>",
                x - 3,
                y - 3
            ),
        };
    }
}

fn tagged(text: &mut String, tag: &Tag, layout: &Layout) {
    let (x, y) = tag.at;
    let class = if tag.stroke == Stroke::Down {
        " class=\"bad\""
    } else {
        ""
    };
    let limit = (layout.width - x - MARGIN).min(if x == MARGIN { 150 } else { 400 });
    let label = shortened(&tag.text, limit, |text| width(text, LINE_SIZE));
    let _ = writeln!(
        text,
        "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>",
        escaped(&label)
    );
}

fn captions(text: &mut String, captions: &Captions) {
    for Caption {
        at: (x, y),
        text: line,
        size,
        bold,
        bad,
    } in &captions.lines
    {
        let weight = if *bold { " font-weight=\"bold\"" } else { "" };
        let class = if *bad { " class=\"bad\"" } else { "" };
        let _ = writeln!(
            text,
            "<text x=\"{x}\" y=\"{y}\" style=\"font-size:{size}px\"{weight}{class}>{}</text>",
            escaped(line)
        );
    }
    for entry in &captions.legend {
        swatch(text, entry);
    }
    for (area, bad) in &captions.bands {
        rect(text, if *bad { "mesh out" } else { "mesh" }, *area, 0);
    }
}

fn swatch(text: &mut String, entry: &Entry) {
    let (x, y) = entry.at;
    let area = Area {
        x,
        y: y - 11,
        width: 34,
        height: 15,
    };
    let middle = y - 4;
    match entry.swatch {
        Swatch::Box(kind) => outline(text, kind, false, area),
        Swatch::Mesh => {
            outline(text, Kind::Node, false, area);
            rect(
                text,
                "mesh",
                Area {
                    x: x + 28,
                    width: 6,
                    ..area
                },
                0,
            );
        }
        Swatch::Bad => outline(text, Kind::Node, true, area),
        Swatch::Line(stroke) => {
            let class = line_class(stroke, HUES.len() - 1);
            let _ = writeln!(
                text,
                "<path class=\"{class}\" d=\"M{x} {middle}H{}\"/>",
                x + 34
            );
        }
        Swatch::Hub => {
            let _ = writeln!(
                text,
                "<path class=\"w w1 h5\" d=\"M{x} {middle}H{}M{} {middle}V{}\"/>\
                 <rect class=\"f5\" x=\"{x}\" y=\"{}\" width=\"6\" height=\"6\"/>\
                 <circle class=\"f5\" cx=\"{}\" cy=\"{middle}\" r=\"2.4\"/>",
                x + 34,
                x + 20,
                y + 3,
                middle - 3,
                x + 20
            );
        }
    }
}

/// Text as XML has it; what no XML document may hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('?'),
            character if character.is_control() => escaped.push('?'),
            character => escaped.push(character),
        }
    }
    escaped
}
