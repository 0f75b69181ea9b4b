//! Which boxes stand above each other and which racks beside each other, before anything has a place.

use std::collections::BTreeSet;

use super::layout::{LANE, LINE_SIZE, RACK_GAP, ROW_GAP, box_height, pixels};
use super::measure::width;
use super::nets::Nets;
use super::scene::{ItemId, Scene};

/// The height of A4 paper laid on its side is this part of its width, in thousandths.
const PAPER: u64 = 707;

/// Racks up to this width stand beside each other.
const ONE_TIER: i32 = 1_440;

/// Items above each other: routers, reflectors, nodes; and the nets that reach them.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub rack: usize,
    pub rows: [Vec<ItemId>; 3],
    /// The nets from left to right.
    pub lanes: Vec<usize>,
    pub x: i32,
    /// Space for lanes and labels.
    pub gutter: i32,
}

impl Stack {
    /// Where a lane runs.
    pub fn lane_x(&self, lane: usize) -> i32 {
        self.x + 8 + LANE * pixels(lane)
    }

    /// Where labels beside the boxes start.
    pub fn label_x(&self) -> i32 {
        self.lane_x(self.lanes.len()) + 1
    }

    pub fn items(&self) -> impl Iterator<Item = ItemId> + '_ {
        self.rows.iter().flatten().copied()
    }
}

/// Racks beside each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Tier {
    pub stacks: Vec<Stack>,
    /// The nets that run above the racks, each with its height.
    pub channel: Vec<(usize, i32)>,
    /// Where the left ends of labelled lines are.
    pub left: i32,
}

/// How many boxes one stack holds, for a picture in the shape of a sheet of paper.
fn rows_a_stack(scene: &Scene, box_width: i32) -> usize {
    let places = (scene.items.len() as u64) * u64::from(box_width.unsigned_abs() + 50);
    let rows = (places * PAPER / 1_000 / 48).isqrt();
    usize::try_from(rows).unwrap_or(12).clamp(12, 30)
}

/// The racks as stacks of boxes, with the nets that reach them.
pub(super) fn stacks(scene: &Scene, nets: &Nets, box_width: i32) -> Vec<Stack> {
    let limit = rows_a_stack(scene, box_width);
    let mut stacks = Vec::new();
    for (index, rack) in scene.racks.iter().enumerate() {
        let rows = [&rack.routers, &rack.reflectors, &rack.nodes];
        let wanted = rows
            .iter()
            .map(|row| row.len().div_ceil(limit))
            .max()
            .unwrap_or(1)
            .max(1);
        for part in 0..wanted {
            // Full stacks of one height, the last one with the rest.
            let share = |row: &Vec<ItemId>| {
                let size = row.len().div_ceil(wanted).max(1);
                row.chunks(size).nth(part).unwrap_or_default().to_vec()
            };
            let mut stack = Stack {
                rack: index,
                rows: rows.map(share),
                lanes: Vec::new(),
                x: 0,
                gutter: 0,
            };
            let terminals = || stack.items().flat_map(|id| &nets.terminals[id]);
            let lanes: BTreeSet<usize> = terminals().map(|terminal| terminal.net).collect();
            let labels = terminals().filter_map(|terminal| terminal.label.as_deref());
            let text = labels
                .map(|label| width(label, LINE_SIZE) + 12)
                .max()
                .unwrap_or(0);
            stack.lanes = lanes.into_iter().collect();
            let taken = pixels(stack.lanes.len()) * LANE;
            stack.gutter = 8 + taken + text.max(if taken > 0 { 14 } else { 0 });
            stacks.push(stack);
        }
    }
    stacks
}

/// Width of a tier's racks.
pub(super) fn tier_width(tier: &Tier, box_width: i32) -> i32 {
    let stacks: i32 = tier
        .stacks
        .iter()
        .map(|stack| stack.gutter + box_width + 8)
        .sum();
    let racks: BTreeSet<usize> = tier.stacks.iter().map(|stack| stack.rack).collect();
    stacks + RACK_GAP * (pixels(racks.len()) - 1).max(0)
}

/// Breaks the racks into tiers, so that the whole has the shape of a sheet of paper.
pub(super) fn tiers(
    scene: &Scene,
    nets: &Nets,
    stacks: Vec<Stack>,
    box_width: i32,
    least: i32,
) -> Vec<Tier> {
    let stack_width = |stack: &Stack| stack.gutter + box_width + RACK_GAP;
    let height = |stack: &Stack| -> i32 {
        let boxes = stack.items();
        boxes
            .map(|id| box_height(&scene.items[id], &nets.terminals[id]) + ROW_GAP)
            .sum::<i32>()
            + 100
    };
    let total: i32 = stacks.iter().map(stack_width).sum();
    let tallest = stacks.iter().map(height).max().unwrap_or(1);
    let area = u64::from(total.unsigned_abs()) * u64::from(tallest.unsigned_abs());
    let wide = i32::try_from((area * 1_000 / PAPER).isqrt()).unwrap_or(i32::MAX);
    let limit = if total <= ONE_TIER {
        total
    } else {
        wide.max(least).max(ONE_TIER)
    };
    let mut racks: Vec<(i32, Vec<Stack>)> = Vec::new();
    for stack in stacks {
        let wanted = stack_width(&stack);
        match racks
            .last_mut()
            .filter(|(_, rack)| rack[0].rack == stack.rack)
        {
            Some((width, rack)) => {
                *width += wanted;
                rack.push(stack);
            }
            None => racks.push((wanted, vec![stack])),
        }
    }
    let widths: Vec<i32> = racks.iter().map(|(width, _)| *width).collect();
    let mut tiers = Vec::new();
    let mut racks = racks.into_iter();
    for count in even(&widths, limit) {
        let stacks = racks.by_ref().take(count).flat_map(|(_, rack)| rack);
        tiers.push(Tier {
            stacks: stacks.collect(),
            ..Tier::default()
        });
    }
    tiers
}

/// How many of things with these widths go on each tier of the given width: as few tiers as can be, evenly filled.
fn even(widths: &[i32], limit: i32) -> Vec<usize> {
    let fill = |limit: i32| {
        let mut tiers: Vec<usize> = Vec::new();
        let mut used = i32::MAX / 2;
        for width in widths {
            if used + width > limit {
                tiers.push(0);
                used = 0;
            }
            used += width;
            if let Some(tier) = tiers.last_mut() {
                *tier += 1;
            }
        }
        tiers
    };
    let few = fill(limit);
    let share = widths.iter().sum::<i32>() / pixels(few.len()).max(1);
    let widest = widths.iter().max().copied().unwrap_or(0);
    let tries = [share, share + widest / 2, share + widest];
    let evenly = tries.into_iter().filter(|tried| *tried < limit).map(fill);
    evenly
        .into_iter()
        .find(|tiers| tiers.len() == few.len())
        .unwrap_or(few)
}
