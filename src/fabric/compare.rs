//! From the fabric that is there to the wanted one: which sessions go, come and restart, and who reaches whom no longer.
//!
//! Nodes are the same by name, routers by an address or by name.

mod findings;
mod reach;
mod sessions;
mod side;
#[cfg(test)]
mod tests;

use super::check::Checked;
use super::finding::Finding;
use super::reach::Fate;
use super::topology::Origin;
use crate::model::Family;

/// What becomes of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It goes.
    Lost,
    /// It goes down and comes up again: BIRD closes a session whose configuration changes (`proto/bgp/bgp.c`,
    /// `bgp_reconfigure`).
    Restarted(Reason),
    /// It comes.
    Gained,
}

/// Why a session restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// An AS number of one of its ends.
    AsNumber,
    /// It is asked for in another way, which gives it another name in BIRD's configuration.
    Kind,
    /// One end reflects, reflects no longer, or has another cluster ID.
    Reflection,
    /// An address, a port or another setting.
    Setting,
}

impl Reason {
    /// What changes, in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsNumber => "AS number",
            Self::Kind => "mesh or peer",
            Self::Reflection => "reflection",
            Self::Setting => "settings",
        }
    }
}

/// What asks for a session: the sections of BIRD's configuration (`confd/etc/calico/confd/templates/bird.cfg.template`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The node-to-node mesh.
    Mesh,
    /// A BGPPeer for all nodes.
    GlobalPeer,
    /// A BGPPeer for some nodes, or the way back that Calico makes of one.
    Peer,
}

impl Kind {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::GlobalPeer => "global peer",
            Self::Peer => "peer",
        }
    }
}

/// Sessions that have in common what becomes of them, between speakers that neither fabric tells apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionChange {
    /// What becomes of them.
    pub effect: Effect,
    /// IPv4 or IPv6.
    pub family: Family,
    /// What asks for them now.
    pub before: Option<Kind>,
    /// What asks for them then.
    pub after: Option<Kind>,
    /// The place that asks for the first of them, or asked for it where it goes.
    pub origin: Origin,
    /// Their ends on one side, in order.
    pub near: Vec<String>,
    /// Their ends on the other; empty where they are among the near ones.
    pub far: Vec<String>,
    /// How many they are.
    pub sessions: u64,
}

/// How many sessions there are of each fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionTotals {
    /// Up now and then, without a break.
    pub kept: u64,
    /// Down for a moment.
    pub restarted: u64,
    /// Up now alone.
    pub lost: u64,
    /// Up then alone.
    pub gained: u64,
}

/// Pairs that reach each other now and no longer, or only then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachChange {
    /// Whether they do only then.
    pub gained: bool,
    /// IPv4 or IPv6.
    pub family: Family,
    /// Who sends.
    pub from: Vec<String>,
    /// Whose pods receive.
    pub to: Vec<String>,
    /// How many pairs.
    pub pairs: u64,
    /// What becomes of the packets where they do not arrive.
    pub fate: Fate,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// All sessions counted.
    pub sessions: SessionTotals,
    /// Those that do not stay as they are: lost, restarted, gained.
    pub changed: Vec<SessionChange>,
    /// Pairs, lost ones first; `None` where one of the fabrics was not computed to its end.
    pub reach: Option<Vec<ReachChange>>,
    /// What is wrong with the change, worst first.
    pub findings: Vec<Finding>,
}

impl Difference {
    /// Pairs lost, and pairs gained.
    #[must_use]
    pub fn pairs(&self) -> (u64, u64) {
        let of = |gained: bool| {
            let changes = self.reach.iter().flatten();
            let changes = changes.filter(|change| change.gained == gained);
            changes.map(|change| change.pairs).sum()
        };
        (of(false), of(true))
    }
}

/// What it takes to come from the fabric that is there to the wanted one.
#[must_use]
pub fn compare(there: &Checked<'_>, wanted: &Checked<'_>) -> Difference {
    let mut sessions = sessions::Comparison::new(there, wanted);
    sessions.run();
    let reach = reach::compare(there, wanted);
    let lost = reach.iter().flatten().filter(|change| !change.gained);
    let findings = findings::findings(&findings::Change {
        there,
        wanted,
        changed: &sessions.changed,
        lost: &lost.collect::<Vec<_>>(),
    });
    Difference {
        sessions: sessions.totals,
        changed: sessions.changed,
        reach,
        findings,
    }
}

/// Names of speakers in their order, for a row of a report.
type Names = std::collections::BTreeSet<(u32, String)>;

fn listed(names: Names) -> Vec<String> {
    names.into_iter().map(|(_, name)| name).collect()
}
