//! The links as wires: all links of one hub are one net, a line with the hub at one end and a tap for each other end.

use std::collections::{BTreeMap, BTreeSet};

use super::links::{Link, State};
use super::scene::{ItemId, Kind, Scene};

/// More nets than this beside one rack, or across racks, and those that are up become one.
const MOST_NETS: usize = 24;

/// More links that are down are not drawn.
const MOST_DOWN: usize = 200;

/// How a line is drawn; of several on one line the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stroke {
    /// Many sessions on one line.
    Bundle,
    /// Established.
    Up,
    /// Taken to be established.
    Assumed,
    /// Down.
    Down,
}

impl From<State> for Stroke {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Assumed => Self::Assumed,
            State::Down(..) => Self::Down,
        }
    }
}

/// Where a net meets an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Terminal {
    pub net: usize,
    pub stroke: Stroke,
    pub label: Option<String>,
    /// Whether the item is the net's hub.
    pub hub: bool,
}

/// The nets, and each item's terminals in the order of the nets.
#[derive(Debug, Clone, Default)]
pub(super) struct Nets {
    /// The hub of each net; the bundle has none.
    pub hubs: Vec<Option<ItemId>>,
    /// A number for the colour of each net: nets beside one rack differ.
    pub hues: Vec<usize>,
    pub terminals: Vec<Vec<Terminal>>,
    /// Sessions that are drawn as one line.
    pub bundled: u64,
    /// Sessions that are down and not drawn.
    pub undrawn: u64,
}

impl Nets {
    /// The nets of a scene's links.
    pub fn new(scene: &Scene) -> Self {
        let mut nets = Self {
            terminals: vec![Vec::new(); scene.items.len()],
            ..Self::default()
        };
        let bundle = is_dense(scene);
        let mut ends: BTreeSet<ItemId> = BTreeSet::new();
        let mut of_hub: BTreeMap<ItemId, Vec<&Link>> = BTreeMap::new();
        let mut down = 0;
        for link in &scene.links {
            let is_down = matches!(link.state, State::Down(..));
            if is_down && down >= MOST_DOWN {
                nets.undrawn += u64::from(link.sessions);
            } else if bundle && !is_down && scene.items[link.hub].kind != Kind::Router {
                nets.bundled += u64::from(link.sessions);
                ends.extend([link.hub, link.tap]);
            } else {
                down += usize::from(is_down);
                of_hub.entry(link.hub).or_default().push(link);
            }
        }
        if !ends.is_empty() {
            nets.add_bundle(&ends);
        }
        // Routers first: their lines come from above.
        let mut hubs: Vec<(ItemId, Vec<&Link>)> = of_hub.into_iter().collect();
        hubs.sort_by_key(|(hub, _)| (std::cmp::Reverse(scene.items[*hub].kind), *hub));
        for (hub, links) in hubs {
            nets.add(hub, &links);
        }
        nets.choose_hues(scene);
        nets
    }

    fn choose_hues(&mut self, scene: &Scene) {
        let mut racks: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); self.hubs.len()];
        for (item, terminals) in scene.items.iter().zip(&self.terminals) {
            for terminal in terminals {
                racks[terminal.net].extend(item.rack);
            }
        }
        let mut taken: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); scene.racks.len()];
        // As many as there are nets are always enough.
        let most = self.hubs.len();
        for racks in racks {
            let hue = (0..=most)
                .find(|hue| racks.iter().all(|rack| !taken[*rack].contains(hue)))
                .unwrap_or_default();
            for rack in racks {
                taken[rack].insert(hue);
            }
            self.hues.push(hue);
        }
    }

    fn add_bundle(&mut self, ends: &BTreeSet<ItemId>) {
        for end in ends {
            self.terminals[*end].push(Terminal {
                net: self.hubs.len(),
                stroke: Stroke::Bundle,
                label: None,
                hub: false,
            });
        }
        self.hubs.push(None);
    }

    fn add(&mut self, hub: ItemId, links: &[&Link]) {
        let net = self.hubs.len();
        let strokes = links.iter().map(|link| Stroke::from(link.state));
        self.terminals[hub].push(Terminal {
            net,
            stroke: strokes.min().unwrap_or(Stroke::Up),
            label: None,
            hub: true,
        });
        for link in links {
            self.terminals[link.tap].push(Terminal {
                net,
                stroke: link.state.into(),
                label: link.label(),
                hub: false,
            });
        }
        self.hubs.push(Some(hub));
    }
}

/// Whether nodes have so many hubs among them that single lines would fill the page.
fn is_dense(scene: &Scene) -> bool {
    let mut beside: Vec<BTreeSet<ItemId>> = vec![BTreeSet::new(); scene.racks.len()];
    let mut across: BTreeSet<ItemId> = BTreeSet::new();
    for link in &scene.links {
        let (hub, tap) = (&scene.items[link.hub], &scene.items[link.tap]);
        if hub.kind == Kind::Router {
            continue;
        }
        if hub.rack != tap.rack {
            across.insert(link.hub);
        }
        for rack in [hub.rack, tap.rack].into_iter().flatten() {
            beside[rack].insert(link.hub);
        }
    }
    across.len() > MOST_NETS || beside.iter().any(|hubs| hubs.len() > MOST_NETS)
}
