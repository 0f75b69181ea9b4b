//! Pictures of a checked fabric: SVG, DOT, Mermaid and plain text.
//!
//! ```text
//! Checked ──► Scene: racks, items, links, what to say about them    scene.rs, racks.rs, links.rs, words.rs
//! Scene ──► text, DOT, Mermaid                                      text.rs, dot.rs, mermaid.rs
//! Scene ──► Nets ──► Layout: places on a grid ──► SVG               nets.rs, tiers.rs, layout.rs, wires.rs, svg.rs
//! ```
//!
//! An item is a node, a reflector or a router; above [`MOST_NODES`] nodes it is a class of them. The mesh is one thing
//! and never its sessions. Text of other people's making is escaped where each format prints it.

mod captions;
mod dot;
mod layout;
mod links;
mod measure;
mod mermaid;
mod nets;
mod racks;
mod scene;
mod svg;
mod text;
mod tiers;
mod wires;
mod words;

use super::check::Checked;
use scene::Scene;

/// With more nodes than this, pictures show classes with counts.
pub const MOST_NODES: usize = 60;

/// A way to write a picture down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// A drawing for browsers and paper.
    Svg,
    /// The language of Graphviz.
    Dot,
    /// The language of Mermaid, which wikis and code hosts draw.
    Mermaid,
    /// For a terminal of 100 columns.
    Text,
}

/// The fabric as a picture; `name` is what its title starts with.
#[must_use]
pub fn draw(checked: &Checked<'_>, name: &str, format: Format) -> String {
    let scene = Scene::new(checked, name);
    match format {
        Format::Svg => svg::svg(&scene),
        Format::Dot => dot::dot(&scene),
        Format::Mermaid => mermaid::mermaid(&scene),
        Format::Text => text::text(&scene),
    }
}
