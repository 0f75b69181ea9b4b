//! Places for everything, on a grid: racks are columns of stacks, a stack has its lines to the left of its boxes, and
//! lines between stacks run above them. Racks that do not fit beside each other go on the next tier.

use std::collections::BTreeSet;

use super::measure::{bold_width, shortened, width, wrapped};
use super::nets::{Nets, Terminal};
use super::scene::{Item, ItemId, Kind, Scene};
use super::tiers::{Stack, Tier, stacks, tier_width, tiers};

/// Font sizes of an item's name and of everything else.
pub(super) const NAME_SIZE: i32 = 11;
pub(super) const LINE_SIZE: i32 = 10;

/// From one line of text to the next.
pub(super) const LINE_HEIGHT: i32 = 13;

/// Free space around the picture.
pub(super) const MARGIN: i32 = 16;

/// Widest and narrowest box.
const WIDEST_BOX: i32 = 236;
const NARROWEST_BOX: i32 = 112;

/// From one line to the next, and where they have labels.
pub(super) const LANE: i32 = 7;
const LABELLED: i32 = 14;

/// Between boxes, and between racks.
pub(super) const ROW_GAP: i32 = 7;
pub(super) const RACK_GAP: i32 = 20;

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Area {
    pub x: i32,
    pub y: i32,
    pub width: i32,
    pub height: i32,
}

impl Area {
    pub fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// Places of everything but the texts above and below.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub width: i32,
    pub height: i32,
    /// The box of each item.
    pub boxes: Vec<Area>,
    /// The frame of each rack.
    pub frames: Vec<Area>,
    /// The lines in each frame's head.
    pub heads: Vec<Vec<String>>,
    pub tiers: Vec<Tier>,
    /// Whether lines above racks carry the name of their hub.
    pub named: bool,
    /// Whether the routers above the racks stand in one row, so that lines can go down from them.
    pub wired: bool,
}

/// A number of things as a number of pixels.
pub(super) fn pixels(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX / 1_000)
}

impl Layout {
    /// Lays a scene out, no narrower than `least`.
    pub fn new(scene: &Scene, nets: &Nets, least: i32) -> Self {
        let box_width = box_width(scene);
        let stacks = stacks(scene, nets, box_width);
        let tiers = tiers(scene, nets, stacks, box_width, least);
        let widest = tiers.iter().map(|tier| tier_width(tier, box_width)).max();
        let mut layout = Self {
            width: least,
            height: 0,
            boxes: vec![Area::default(); scene.items.len()],
            frames: vec![Area::default(); scene.racks.len()],
            heads: heads(scene, box_width),
            named: tiers.len() > 1,
            wired: true,
            tiers,
        };
        for (item, place) in scene.items.iter().zip(&mut layout.boxes) {
            place.width = box_width;
            place.height = box_height(item, &[]);
        }
        for (terminals, (item, place)) in nets
            .terminals
            .iter()
            .zip(scene.items.iter().zip(&mut layout.boxes))
        {
            if item.rack.is_some() {
                place.height = box_height(item, terminals);
            }
        }
        let routers = pixels(scene.routers.len()) * (box_width + RACK_GAP) + 2 * MARGIN;
        let limit = least.max(widest.unwrap_or(0) + 2 * MARGIN);
        layout.wired = routers <= limit.max(1_100);
        layout.named |= !layout.wired;
        let across =
            (0..layout.tiers.len()).any(|tier| !layout.leaving(scene, nets, tier).is_empty());
        let rail = if layout.named && across {
            rail_width(scene, nets)
        } else {
            0
        };
        layout.width = limit + rail;
        if layout.wired {
            layout.width = layout.width.max(routers);
        }
        let mut y = layout.place_routers(scene, box_width, 0);
        for index in 0..layout.tiers.len() {
            y = layout.place_tier(scene, nets, index, rail, y);
        }
        layout.height = y;
        layout
    }

    /// The routers above all racks; returns where they end.
    fn place_routers(&mut self, scene: &Scene, box_width: i32, top: i32) -> i32 {
        if scene.routers.is_empty() {
            return top;
        }
        let step = box_width + RACK_GAP;
        let a_row = ((self.width - 2 * MARGIN + RACK_GAP) / step).max(1);
        let mut y = top;
        let mut bottom = top;
        for (index, id) in (0..).zip(&scene.routers) {
            let column = index % a_row;
            if column == 0 {
                y = bottom + if index == 0 { 0 } else { ROW_GAP };
            }
            let here = a_row.min(pixels(scene.routers.len()) - (index - column));
            let start = self.width / 2 - (here * step - RACK_GAP) / 2;
            let place = &mut self.boxes[*id];
            (place.x, place.y) = (start + column * step, y);
            bottom = bottom.max(place.bottom());
        }
        bottom + 12
    }

    fn place_tier(&mut self, scene: &Scene, nets: &Nets, index: usize, rail: i32, top: i32) -> i32 {
        let leaving = self.leaving(scene, nets, index);
        let tier = &mut self.tiers[index];
        tier.left = MARGIN;
        let used: i32 = tier_width(tier, box_width_of(&self.boxes));
        let mut x = if self.named {
            MARGIN + rail
        } else {
            (self.width - used) / 2
        };
        let mut last = None;
        for stack in &mut tier.stacks {
            if last.is_some_and(|rack| rack != stack.rack) {
                x += RACK_GAP;
            }
            last = Some(stack.rack);
            stack.x = x;
            x += stack.gutter + box_width_of(&self.boxes) + 8;
        }
        let gap = if self.named { LABELLED } else { LANE };
        let mut y = top
            + if self.named && !leaving.is_empty() {
                12
            } else {
                4
            };
        tier.channel = leaving
            .into_iter()
            .map(|net| {
                y += gap;
                (net, y)
            })
            .collect();
        y += 12;
        let stacks = tier.stacks.clone();
        y = self.place_row(&stacks, 0, y);
        let head = stacks
            .iter()
            .map(|stack| self.heads[stack.rack].len())
            .max()
            .unwrap_or(0);
        let frame_top = y + 4;
        y = frame_top + 6 + pixels(head) * LINE_HEIGHT + 8;
        y = self.place_row(&stacks, 1, y);
        y = self.place_row(&stacks, 2, y);
        for stack in &stacks {
            let right = stack.x + stack.gutter + box_width_of(&self.boxes) + 8;
            let frame = &mut self.frames[stack.rack];
            if frame.width == 0 {
                (frame.x, frame.y, frame.height) = (stack.x, frame_top, y - frame_top);
            }
            frame.width = right - frame.x;
        }
        y + RACK_GAP
    }

    /// The nets that leave a stack of this tier.
    fn leaving(&self, scene: &Scene, nets: &Nets, index: usize) -> Vec<usize> {
        let mut stacks_of = vec![0_u8; nets.hubs.len()];
        for stack in self.tiers.iter().flat_map(|tier| &tier.stacks) {
            for net in &stack.lanes {
                stacks_of[*net] = stacks_of[*net].saturating_add(1);
            }
        }
        let here: BTreeSet<usize> = self.tiers[index]
            .stacks
            .iter()
            .flat_map(|stack| stack.lanes.iter().copied())
            .collect();
        let leaves = |net: &usize| {
            let free = nets.hubs[*net].is_some_and(|hub| scene.items[hub].rack.is_none());
            free || stacks_of[*net] > 1
        };
        here.into_iter().filter(leaves).collect()
    }

    /// One row of all stacks; returns where the next one starts.
    fn place_row(&mut self, stacks: &[Stack], row: usize, top: i32) -> i32 {
        let mut bottom = top;
        for stack in stacks {
            let mut y = top;
            for id in &stack.rows[row] {
                let place = &mut self.boxes[*id];
                (place.x, place.y) = (stack.x + stack.gutter, y);
                y = place.bottom() + ROW_GAP;
                bottom = bottom.max(y);
            }
        }
        if bottom > top { bottom + 5 } else { top }
    }
}

fn box_width_of(boxes: &[Area]) -> i32 {
    boxes.first().map_or(NARROWEST_BOX, |place| place.width)
}

/// One width for all boxes: that of the longest text.
fn box_width(scene: &Scene) -> i32 {
    let names = scene
        .items
        .iter()
        .map(|item| bold_width(&item.name, NAME_SIZE));
    let lines = scene
        .items
        .iter()
        .flat_map(|item| item.lines.iter().cloned());
    let notes = scene
        .items
        .iter()
        .flat_map(|item| item.notes().into_iter().map(|(_, note)| note));
    let rest = lines.chain(notes).map(|line| width(&line, LINE_SIZE));
    (names.chain(rest).max().unwrap_or(0) + 22).clamp(NARROWEST_BOX, WIDEST_BOX)
}

pub(super) fn box_height(item: &Item, terminals: &[Terminal]) -> i32 {
    let lines = pixels(1 + item.lines.len() + item.notes().len());
    let needed: i32 = terminals.iter().map(terminal_height).sum();
    let border = if item.kind == Kind::Reflector { 13 } else { 9 };
    (lines * LINE_HEIGHT + border).max(needed + 8)
}

/// What a terminal takes of the side of its box.
pub(super) fn terminal_height(terminal: &Terminal) -> i32 {
    if terminal.label.is_some() {
        LABELLED
    } else {
        8
    }
}

/// The first stack's boxes bound the head's lines: lanes of a second one would cross them.
fn heads(scene: &Scene, box_width: i32) -> Vec<Vec<String>> {
    let head = |name: &str, detail: &str| {
        let mut lines = vec![shortened(name, box_width, |text| {
            bold_width(text, NAME_SIZE)
        })];
        lines.extend(wrapped(detail, box_width, |text| width(text, LINE_SIZE)));
        lines.truncate(5);
        lines
    };
    scene
        .racks
        .iter()
        .map(|rack| head(&rack.name, &rack.detail))
        .collect()
}

/// Space for the names of lines at the left edge.
fn rail_width(scene: &Scene, nets: &Nets) -> i32 {
    let names = nets.hubs.iter().map(|hub| rail_name(scene, *hub));
    (names.map(|name| width(&name, LINE_SIZE)).max().unwrap_or(0) + 10).min(160)
}

/// What a line is called at the left edge.
pub(super) fn rail_name(scene: &Scene, hub: Option<ItemId>) -> String {
    match hub.map(|hub| &scene.items[hub]) {
        None => "other sessions".to_owned(),
        Some(item) if item.speakers.len() > 1 => {
            item.lines.first().map_or(item.name.clone(), Clone::clone)
        }
        Some(item) => item.name.clone(),
    }
}
