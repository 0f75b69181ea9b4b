//! The fabric in the language of Graphviz: a cluster a rack.

use std::fmt::Write;

use super::links::{Link, State};
use super::scene::{Item, ItemId, Kind, Scene};
use super::words::heading;

/// The fabric as a Graphviz document.
pub(super) fn dot(scene: &Scene) -> String {
    let mut text = String::from("graph fabric {\n");
    let _ = writeln!(
        text,
        "  graph [label={}, labelloc=t, labeljust=l, rankdir=TB, fontsize=11, fontname=\"Helvetica\"];",
        quoted(&heading(scene), "\\l")
    );
    text.push_str("  node [shape=box, fontname=\"Helvetica\", fontsize=10];\n");
    text.push_str("  edge [fontname=\"Helvetica\", fontsize=9];\n");
    for id in &scene.routers {
        item(&mut text, "  ", *id, &scene.items[*id]);
    }
    for (index, rack) in scene.racks.iter().enumerate() {
        for id in &rack.routers {
            item(&mut text, "  ", *id, &scene.items[*id]);
        }
        let label = quoted(&[rack.name.clone(), rack.detail.clone()], "\\n");
        let _ = writeln!(text, "  subgraph cluster_{index} {{\n    label={label};");
        for id in rack.reflectors.iter().chain(&rack.nodes) {
            item(&mut text, "    ", *id, &scene.items[*id]);
        }
        text.push_str("  }\n");
    }
    for (index, band) in scene.bands.iter().enumerate() {
        let style = if band.down() > 0 {
            "color=red, fontcolor=red, style=dashed"
        } else {
            "style=dotted"
        };
        let _ = writeln!(
            text,
            "  mesh{index} [label={}, shape=note, {style}];",
            quoted(&[band.label()], "\\n")
        );
    }
    for one in &scene.links {
        link(&mut text, one);
    }
    text.push_str("}\n");
    text
}

fn item(text: &mut String, indent: &str, id: ItemId, item: &Item) {
    let (lines, bad) = item.label();
    let _ = writeln!(
        text,
        "{indent}i{id} [label={}{}{}];",
        quoted(&lines, "\\n"),
        match item.kind {
            Kind::Node => "",
            Kind::Reflector => ", peripheries=2",
            Kind::Router => ", shape=ellipse",
        },
        if bad { ", color=red" } else { "" }
    );
}

fn link(text: &mut String, link: &Link) {
    let mut attributes = match link.state {
        State::Up => Vec::new(),
        State::Assumed => vec!["style=dotted".to_owned()],
        State::Down(..) => vec!["style=dashed, color=red, fontcolor=red".to_owned()],
    };
    if let Some(label) = link.label() {
        attributes.push(format!("label={}", quoted(&[label], "\\n")));
    }
    let _ = write!(text, "  i{} -- i{}", link.hub, link.tap);
    if !attributes.is_empty() {
        let _ = write!(text, " [{}]", attributes.join(", "));
    }
    text.push_str(";\n");
}

/// A quoted string of several lines; each ends with `end`.
fn quoted(lines: &[String], end: &str) -> String {
    let escaped: Vec<String> = lines
        .iter()
        .map(|line| line.replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    let last = if end == "\\l" { end } else { "" };
    format!("\"{}{last}\"", escaped.join(end))
}
