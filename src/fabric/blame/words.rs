//! How a loss is told: what is lost, why, where, and how much more.

use super::candidates::Repair;
use super::loss::{Kind, Loss};
use super::{Search, stop};
use crate::fabric::classes::ClassId;
use crate::fabric::facts::Facts;
use crate::fabric::finding::Finding;
use crate::fabric::rules::wording::{counted, few, grouped, speaker, speakers};
use crate::fabric::topology::Origin;

impl Search {
    pub(super) fn finding(
        &self,
        code: u16,
        repair: &Repair,
        loss: Option<&Loss>,
        mended: u64,
    ) -> Finding {
        let facts = self.state.facts();
        let (what, why, more) = self.consequence(loss, mended);
        let router = loss.is_some_and(|loss| loss.router);
        let message = match repair.explains {
            true if router => format!("{}{more}", repair.fault),
            true => format!("{}, so {what}{more}", repair.fault),
            false => format!("{}, so {what}: {why}{more}", repair.fault),
        };
        let units = speakers(facts.topology, facts.sessions, repair.nodes.iter().copied());
        let mut finding = Finding::new(code, repair.origin.clone(), message)
            .remedy(repair.remedy.clone())
            .units(units);
        finding.command.clone_from(&repair.command);
        let mesh = &facts.topology.mesh;
        if code == Kind::Isolated.code() && repair.origin != mesh.origin {
            finding = finding.other(mesh.origin.clone(), "and there is no mesh");
        }
        finding
    }

    /// The same in a word, for a finding below another.
    pub(super) fn text(&self, loss: Option<&Loss>, pairs: u64) -> String {
        let (what, why, more) = self.consequence(loss, pairs);
        if why.is_empty() {
            format!("{what}{more}")
        } else {
            format!("{what}: {why}{more}")
        }
    }

    /// What is lost, why, and how much more: `packets from a to pods of b do not arrive`, `…`, ` (and 1,240 more pairs)`.
    pub(super) fn consequence(&self, loss: Option<&Loss>, pairs: u64) -> (String, String, String) {
        let Some(loss) = loss else {
            return (
                format!("{} have no way", counted(pairs, "pair")),
                String::new(),
                String::new(),
            );
        };
        let facts = self.state.facts();
        let (from, to) = ends(&facts, loss);
        let more = match pairs.saturating_sub(1) {
            0 => String::new(),
            1 => " (and 1 more pair)".to_owned(),
            more => format!(" (and {} more pairs)", grouped(more)),
        };
        let what = if loss.router {
            format!("{from} learns no route to pods of {to}")
        } else {
            format!("packets from {from} to pods of {to} do not arrive")
        };
        (what, stop::reason(&facts, loss), more)
    }

    pub(super) fn ends(&self, loss: &Loss) -> Vec<String> {
        let (from, to) = ends(&self.state.facts(), loss);
        vec![from, to]
    }

    /// Where a loss that nothing explains is told: the peering nearest to it, else the mesh.
    pub(super) fn place(&self, loss: &Loss) -> Origin {
        let facts = self.state.facts();
        let near = |class: ClassId| {
            let first = facts.classes.class(class).first();
            facts
                .sessions
                .sessions
                .iter()
                .filter(|session| session.near.speaker == first || session.far.speaker == first)
                .filter_map(|session| {
                    session
                        .near
                        .cause
                        .peering()
                        .or_else(|| session.far.cause.peering())
                })
                .find_map(|index| facts.topology.peerings.get(index as usize))
                .map(|peering| peering.origin.clone())
        };
        near(loss.at)
            .or_else(|| near(loss.origin))
            .unwrap_or_else(|| facts.topology.mesh.origin.clone())
    }
}

/// Who sends, and whose pods are not reached.
fn ends(facts: &Facts<'_>, loss: &Loss) -> (String, String) {
    let origin = facts.classes.class(loss.origin).first();
    let members = facts.classes.members(loss.at);
    let from = members
        .iter()
        .find(|one| **one != origin)
        .or(members.first());
    let name = |one| speaker(facts.topology, facts.sessions, one);
    (
        from.map_or_else(|| few::<String>(&[]), |from| name(*from)),
        name(origin),
    )
}
