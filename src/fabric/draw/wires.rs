//! The lines between boxes: each net runs down beside the boxes it reaches, and above the racks from one to the other.

use super::layout::{Area, Layout, rail_name, terminal_height};
use super::nets::{Nets, Stroke, Terminal};
use super::scene::{ItemId, Scene};
use super::tiers::{Stack, Tier};

/// A straight line of a net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wire {
    pub net: usize,
    pub stroke: Stroke,
    pub from: (i32, i32),
    pub to: (i32, i32),
    /// Whether it ends at a box: such lines are drawn over the others.
    pub tap: bool,
}

/// A sign on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Lines that meet.
    Joint,
    /// The hub's end.
    Hub,
    /// The end of a session that is down.
    Cross,
}

/// Text at a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub at: (i32, i32),
    pub text: String,
    pub stroke: Stroke,
}

/// All lines of a picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Wires {
    pub lines: Vec<Wire>,
    pub signs: Vec<(Sign, usize, (i32, i32))>,
    pub tags: Vec<Tag>,
}

impl Wires {
    /// The lines of a layout.
    pub fn new(scene: &Scene, nets: &Nets, layout: &Layout) -> Self {
        let mut wires = Self::default();
        for (index, tier) in layout.tiers.iter().enumerate() {
            for stack in &tier.stacks {
                wires.stack(nets, layout, tier, stack);
            }
            for (net, y) in &tier.channel {
                wires.channel(scene, nets, layout, index, *net, *y);
            }
        }
        wires
    }

    fn line(&mut self, net: usize, stroke: Stroke, from: (i32, i32), to: (i32, i32), tap: bool) {
        if from != to {
            self.lines.push(Wire {
                net,
                stroke,
                from,
                to,
                tap,
            });
        }
    }

    /// The lanes of a stack, and from them a line to each terminal.
    fn stack(&mut self, nets: &Nets, layout: &Layout, tier: &Tier, stack: &Stack) {
        for (lane, net) in stack.lanes.iter().enumerate() {
            let x = stack.lane_x(lane);
            let ends = met(nets, layout, stack, *net);
            let above = tier
                .channel
                .iter()
                .find(|(other, _)| other == net)
                .map(|(_, y)| *y);
            let (Some(first), Some(last)) = (ends.first(), ends.last()) else {
                continue;
            };
            let top = above.unwrap_or(first.1);
            self.line(*net, trunk(&ends), (x, top), (x, last.1), false);
            for (terminal, y, place) in &ends {
                self.line(*net, terminal.stroke, (x, *y), (place.x, *y), true);
                if *y != top && *y != last.1 {
                    self.signs.push((Sign::Joint, *net, (x, *y)));
                }
                if terminal.hub {
                    self.signs.push((Sign::Hub, *net, (place.x, *y)));
                } else if terminal.stroke == Stroke::Down {
                    self.signs.push((Sign::Cross, *net, (place.x - 6, *y)));
                }
                if let Some(label) = &terminal.label {
                    self.tags.push(Tag {
                        at: (stack.label_x(), *y - 3),
                        text: label.clone(),
                        stroke: terminal.stroke,
                    });
                }
            }
        }
    }

    /// A line above the racks.
    fn channel(
        &mut self,
        scene: &Scene,
        nets: &Nets,
        layout: &Layout,
        index: usize,
        net: usize,
        y: i32,
    ) {
        let tier = &layout.tiers[index];
        let mut stroke = Stroke::Down;
        let mut ends = Vec::new();
        for stack in &tier.stacks {
            if let Some(lane) = stack.lanes.iter().position(|other| *other == net) {
                ends.push(stack.lane_x(lane));
                stroke = stroke.min(trunk(&met(nets, layout, stack, net)));
            }
        }
        let hub = nets.hubs[net];
        let router = hub.filter(|hub| scene.items[*hub].rack.is_none());
        if let Some(router) = router.filter(|_| layout.wired && index == 0) {
            let place = layout.boxes[router];
            let x = free_x(tier, place.x + place.width / 2);
            self.line(net, stroke, (x, place.bottom()), (x, y), true);
            self.signs.push((Sign::Hub, net, (x, place.bottom())));
            ends.push(x);
        }
        let elsewhere = layout.tiers.iter().enumerate().any(|(other, tier)| {
            other != index && tier.stacks.iter().any(|stack| stack.lanes.contains(&net))
        });
        let far = router.is_some() && !(layout.wired && index == 0);
        if layout.named && (elsewhere || far) {
            ends.push(tier.left);
            self.tags.push(Tag {
                at: (tier.left, y - 3),
                text: rail_name(scene, hub),
                stroke,
            });
        }
        ends.sort_unstable();
        if let (Some(first), Some(last)) = (ends.first(), ends.last()) {
            self.line(net, stroke, (*first, y), (*last, y), false);
            for x in ends.iter().filter(|x| *x != first && *x != last) {
                self.signs.push((Sign::Joint, net, (*x, y)));
            }
        }
    }
}

/// The terminals of a net in a stack with their heights, from top to bottom.
fn met<'n>(
    nets: &'n Nets,
    layout: &Layout,
    stack: &Stack,
    net: usize,
) -> Vec<(&'n Terminal, i32, Area)> {
    let mut ends = Vec::new();
    for id in stack.items() {
        let place = layout.boxes[id];
        let heights = heights(nets, layout, id);
        let terminals = nets.terminals[id].iter().zip(heights);
        ends.extend(
            terminals
                .filter(|(terminal, _)| terminal.net == net)
                .map(|(terminal, y)| (terminal, y, place)),
        );
    }
    ends
}

/// Where each terminal of an item is on the left side of its box.
fn heights(nets: &Nets, layout: &Layout, id: ItemId) -> Vec<i32> {
    let terminals = &nets.terminals[id];
    let place = layout.boxes[id];
    let needed: i32 = terminals.iter().map(terminal_height).sum();
    let mut y = place.y + (place.height - needed) / 2;
    let step = |terminal: &Terminal| {
        let taken = terminal_height(terminal);
        y += taken;
        // A label stands above its line.
        if terminal.label.is_some() {
            y - 3
        } else {
            y - taken / 2
        }
    };
    terminals.iter().map(step).collect()
}

/// How the line is drawn that leads to all these.
fn trunk(ends: &[(&Terminal, i32, Area)]) -> Stroke {
    let taps = ends.iter().filter(|(terminal, _, _)| !terminal.hub);
    let strokes = taps.map(|(terminal, _, _)| terminal.stroke).min();
    let hub = ends.iter().map(|(terminal, _, _)| terminal.stroke).min();
    strokes.or(hub).unwrap_or(Stroke::Up)
}

/// A place near `wanted` where no lane of the tier runs.
fn free_x(tier: &Tier, wanted: i32) -> i32 {
    let taken = |x: i32| {
        tier.stacks
            .iter()
            .any(|stack| (0..stack.lanes.len()).any(|lane| (stack.lane_x(lane) - x).abs() < 3))
    };
    (0..40)
        .map(|step| wanted + step)
        .find(|x| !taken(*x))
        .unwrap_or(wanted)
}
