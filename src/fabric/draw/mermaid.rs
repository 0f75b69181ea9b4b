//! The fabric as a Mermaid flowchart: a subgraph a rack.

use std::fmt::Write;

use super::links::{Link, State};
use super::scene::{Item, ItemId, Kind, Scene};
use super::words::heading;

/// The fabric as a Mermaid document.
pub(super) fn mermaid(scene: &Scene) -> String {
    let mut text = String::from("flowchart TB\n");
    let _ = writeln!(text, "  heading[{}]", quoted(&heading(scene)));
    for id in &scene.routers {
        item(&mut text, "  ", *id, &scene.items[*id]);
    }
    for (index, rack) in scene.racks.iter().enumerate() {
        for id in &rack.routers {
            item(&mut text, "  ", *id, &scene.items[*id]);
        }
        let label = quoted(&[rack.name.clone(), rack.detail.clone()]);
        let _ = writeln!(text, "  subgraph rack{index}[{label}]");
        for id in rack.reflectors.iter().chain(&rack.nodes) {
            item(&mut text, "    ", *id, &scene.items[*id]);
        }
        text.push_str("  end\n");
    }
    for (index, band) in scene.bands.iter().enumerate() {
        let class = if band.down() > 0 { ":::bad" } else { "" };
        let _ = writeln!(text, "  mesh{index}[/{}/]{class}", quoted(&[band.label()]));
    }
    for one in &scene.links {
        link(&mut text, one);
    }
    styles(&mut text, scene);
    text
}

/// What shapes and lines look like; only classes and links that there are.
fn styles(text: &mut String, scene: &Scene) {
    text.push_str("  classDef reflector stroke-width:3px\n");
    text.push_str("  classDef bad stroke:#b00020,stroke-dasharray:6 3\n");
    text.push_str("  classDef heading fill:none,stroke:none,text-align:left\n");
    text.push_str("  class heading heading\n");
    let down: Vec<String> = scene
        .links
        .iter()
        .enumerate()
        .filter(|(_, link)| matches!(link.state, State::Down(..)))
        .map(|(index, _)| index.to_string())
        .collect();
    if !down.is_empty() {
        let _ = writeln!(
            text,
            "  linkStyle {} stroke:#b00020,stroke-width:2px,stroke-dasharray:6 3,color:#b00020",
            down.join(",")
        );
    }
}

fn item(text: &mut String, indent: &str, id: ItemId, item: &Item) {
    let (lines, bad) = item.label();
    let label = quoted(&lines);
    let _ = match item.kind {
        Kind::Node => write!(text, "{indent}i{id}[{label}]"),
        Kind::Reflector => write!(text, "{indent}i{id}[[{label}]]"),
        Kind::Router => write!(text, "{indent}i{id}([{label}])"),
    };
    text.push_str(match (bad, item.kind) {
        (true, _) => ":::bad\n",
        (false, Kind::Reflector) => ":::reflector\n",
        (false, _) => "\n",
    });
}

fn link(text: &mut String, link: &Link) {
    let arrow = match link.state {
        State::Up => "---",
        State::Assumed | State::Down(..) => "-.-",
    };
    let _ = match link.label() {
        Some(label) => writeln!(
            text,
            "  i{} {arrow}|{}| i{}",
            link.hub,
            quoted(&[label]),
            link.tap
        ),
        None => writeln!(text, "  i{} {arrow} i{}", link.hub, link.tap),
    };
}

/// A quoted label of several lines. Mermaid reads HTML and Markdown in labels, and `#…;` stands for a character.
fn quoted(lines: &[String]) -> String {
    let mut label = String::from("\"");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            label.push_str("<br/>");
        }
        for character in line.chars() {
            if character.is_alphanumeric() || " ,.:/-+()…→×".contains(character) {
                label.push(character);
            } else {
                let _ = write!(label, "#{};", u32::from(character));
            }
        }
    }
    label.push('"');
    label
}
