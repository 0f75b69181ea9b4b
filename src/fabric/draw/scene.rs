//! What a picture shows, before anything has a place: racks with their items, and the links between items.

use std::net::IpAddr;

use super::super::check::Checked;
use super::super::session::Speaker;
use super::links::{self, Band, Link, State};
use super::racks::{self, Group};
use super::words::{self, Problem, Remark};
use crate::printable::printable_line;

/// The place of an item in [`Scene::items`].
pub(super) type ItemId = usize;

/// How a picture sets an item off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A node without cluster ID.
    Node,
    /// A node with one.
    Reflector,
    /// A router.
    Router,
}

/// What one item stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grain {
    /// One node.
    Node,
    /// Nodes that nothing tells apart.
    Class,
    /// Some items hold nodes that differ: there are too many kinds.
    Mixed,
}

fn grain(checked: &Checked<'_>, items: &[Item], folded: bool) -> Grain {
    let differ = |item: &Item| {
        let mut classes = item
            .speakers
            .iter()
            .map(|speaker| checked.classes.of(*speaker));
        let first = classes.next();
        classes.any(|class| Some(class) != first)
    };
    match folded {
        false => Grain::Node,
        true if items.iter().any(differ) => Grain::Mixed,
        true => Grain::Class,
    }
}

/// A node or a router, or several nodes that nothing tells apart.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub kind: Kind,
    /// The first line: a name, or how many there are.
    pub name: String,
    /// More lines: unit, addresses, cluster ID.
    pub lines: Vec<String>,
    /// Who it is.
    pub speakers: Vec<Speaker>,
    /// The rack it is in; routers that peer with several are in none.
    pub rack: Option<usize>,
    /// Whether the mesh joins it.
    pub in_mesh: bool,
    /// Sessions of its members with each other, by state.
    pub inside: Vec<(State, u32)>,
    /// Who cannot send to it: `3 of 5 nodes`.
    pub unreached: Option<String>,
}

impl Item {
    /// All that stands in it, line by line, and whether something of it is bad.
    pub fn label(&self) -> (Vec<String>, bool) {
        let mut lines = vec![self.name.clone()];
        lines.extend(self.lines.iter().cloned());
        if self.in_mesh {
            lines.push("in the mesh".to_owned());
        }
        let notes = self.notes();
        let bad = notes.iter().any(|(bad, _)| *bad);
        lines.extend(notes.into_iter().map(|(_, note)| note));
        (lines, bad)
    }

    /// What is wrong with it, and what goes on inside; the first part says whether it is bad.
    pub fn notes(&self) -> Vec<(bool, String)> {
        let mut notes = Vec::new();
        if let Some(senders) = &self.unreached {
            notes.push((true, format!("not reached by {senders}")));
        }
        for (state, sessions) in &self.inside {
            let sessions = words::counted(u64::from(*sessions), "session");
            notes.push(match state.label() {
                Some(label) => (true, format!("{sessions} inside {label}")),
                None => (false, format!("{sessions} inside")),
            });
        }
        notes
    }
}

/// Nodes drawn together.
#[derive(Debug, Clone)]
pub(super) struct Rack {
    /// Its zone, or its subnet.
    pub name: String,
    /// AS number and subnets.
    pub detail: String,
    /// Routers whose sessions all end here.
    pub routers: Vec<ItemId>,
    pub reflectors: Vec<ItemId>,
    pub nodes: Vec<ItemId>,
}

/// Everything a picture shows.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    /// Name and what there is.
    pub title: String,
    /// Sessions by state.
    pub totals: String,
    /// What is proved and what is not.
    pub verdicts: Vec<Remark>,
    /// What it rests on.
    pub assumptions: Vec<&'static str>,
    pub problems: Vec<Problem>,
    pub items: Vec<Item>,
    /// The racks from left to right; those of one AS number stand together.
    pub racks: Vec<Rack>,
    /// Routers that peer with several racks, or with none.
    pub routers: Vec<ItemId>,
    /// The sessions, by hub and then by tap.
    pub links: Vec<Link>,
    pub bands: Vec<Band>,
    /// What one item stands for.
    pub grain: Grain,
}

impl Scene {
    /// What there is to show of a fabric.
    pub fn new(checked: &Checked<'_>, name: &str) -> Self {
        let folded = checked.topology.nodes.len() > super::MOST_NODES;
        let groups = racks::groups(checked);
        let (mut items, of_speaker) = items(checked, &groups, folded);
        let (links, inside) = links::links(checked, &items, &of_speaker);
        for (item, sessions) in items.iter_mut().zip(inside) {
            item.inside = sessions;
        }
        words::count_unreached(checked, &mut items);
        let bands = links::bands(checked);
        let grain = grain(checked, &items, folded);
        let mut scene = Self {
            title: words::title(checked, name),
            totals: words::totals(checked, &bands),
            verdicts: words::verdicts(checked),
            assumptions: words::assumptions(checked),
            problems: words::problems(checked),
            racks: groups.iter().map(|group| rack(checked, group)).collect(),
            items,
            routers: Vec::new(),
            links,
            bands,
            grain,
        };
        scene.place_items();
        scene
    }

    /// Puts each item into its rack; a router into the one that all its links go to.
    fn place_items(&mut self) {
        let homes: Vec<Option<usize>> = (0..self.items.len()).map(|id| self.home(id)).collect();
        for (id, home) in homes.into_iter().enumerate() {
            self.items[id].rack = home;
            let Some(rack) = home.and_then(|home| self.racks.get_mut(home)) else {
                self.routers.push(id);
                continue;
            };
            match self.items[id].kind {
                Kind::Router => rack.routers.push(id),
                Kind::Reflector => rack.reflectors.push(id),
                Kind::Node => rack.nodes.push(id),
            }
        }
    }

    fn home(&self, id: ItemId) -> Option<usize> {
        let item = &self.items[id];
        if item.kind != Kind::Router {
            return item.rack;
        }
        let mut homes = self
            .links
            .iter()
            .filter(|link| link.hub == id || link.tap == id)
            .map(|link| self.items[link.hub ^ link.tap ^ id].rack);
        let first = homes.next()??;
        homes.all(|home| home == Some(first)).then_some(first)
    }
}

fn rack(checked: &Checked<'_>, group: &Group) -> Rack {
    Rack {
        name: group.name.clone(),
        detail: group.detail(checked),
        routers: Vec::new(),
        reflectors: Vec::new(),
        nodes: Vec::new(),
    }
}

/// The items, and the one of each speaker.
fn items(checked: &Checked<'_>, groups: &[Group], folded: bool) -> (Vec<Item>, Vec<ItemId>) {
    let nodes = checked.topology.nodes.len();
    let mut items = Vec::new();
    let mut of_speaker = vec![0; nodes + checked.sessions.routers.len()];
    for (rack, group) in groups.iter().enumerate() {
        for speakers in group.items(checked, folded) {
            for speaker in &speakers {
                of_speaker[*speaker as usize] = items.len();
            }
            items.push(node_item(checked, speakers, rack));
        }
    }
    for (index, router) in checked.sessions.routers.iter().enumerate() {
        let addresses: Vec<IpAddr> = router.addresses.iter().map(|address| address.ip).collect();
        let mut lines = vec![if router.route_reflector {
            format!("AS {}, reflects", router.as_number)
        } else {
            format!("AS {}", router.as_number)
        }];
        lines.extend(words::addresses(&addresses));
        of_speaker[nodes + index] = items.len();
        items.push(Item {
            kind: Kind::Router,
            name: printable_line(&router.name),
            lines,
            speakers: vec![u32::try_from(nodes + index).unwrap_or(u32::MAX)],
            rack: None,
            in_mesh: false,
            inside: Vec::new(),
            unreached: None,
        });
    }
    (items, of_speaker)
}

fn node_item(checked: &Checked<'_>, speakers: Vec<Speaker>, rack: usize) -> Item {
    let first = &checked.topology.nodes[speakers[0] as usize];
    let (name, mut lines) = match speakers.as_slice() {
        [_] => (first.name.clone(), words::node_lines(first)),
        [_, .., last] => words::class_lines(checked, &speakers, *last),
        [] => (String::new(), Vec::new()),
    };
    let kind = match &first.cluster_id {
        Some(id) => {
            let one = speakers.iter().all(|speaker| {
                let node = &checked.topology.nodes[*speaker as usize];
                node.cluster_id.as_ref().map(|told| told.value) == Some(id.value)
            });
            lines.push(if one {
                format!("cluster ID {}", id.value)
            } else {
                "several cluster IDs".to_owned()
            });
            Kind::Reflector
        }
        None => Kind::Node,
    };
    let meshes = &checked.sessions.meshes;
    let in_mesh = meshes
        .iter()
        .any(|mesh| mesh.members.len() > 1 && mesh.members.binary_search(&speakers[0]).is_ok());
    Item {
        kind,
        name: printable_line(&name),
        lines: lines.iter().map(|line| printable_line(line)).collect(),
        speakers,
        rack: Some(rack),
        in_mesh,
        inside: Vec::new(),
        unreached: None,
    }
}
