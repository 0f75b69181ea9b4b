//! All of it together: for each pair of node and speaker, whether there is a route and what becomes of packets.

use std::collections::BTreeSet;

use calico_charm::fabric::{Fate, Sessions, Topology};
use calico_charm::model::{Encapsulation, Family};

use crate::links::{links, speaker_of};
use crate::routes::Network;
use crate::walk::Walk;

/// By owner of the block, then by speaker.
pub struct Outcome {
    pub received: Vec<Vec<bool>>,
    /// One fate, or those of all ways that fail.
    pub fates: Vec<Vec<BTreeSet<Fate>>>,
}

/// `None` where there are too many routes to write down.
pub fn simulate(
    topology: &Topology,
    sessions: &Sessions,
    family: Family,
    encapsulation: Encapsulation,
) -> Option<Outcome> {
    let network = Network::new(topology, sessions, links(topology, sessions, family));
    let mut outcome = Outcome {
        received: Vec::new(),
        fates: Vec::new(),
    };
    for origin in 0..sessions.nodes {
        // A node without an address of the family has no BIRD of it, and nothing to announce.
        let held = network.routes(origin)?;
        outcome
            .received
            .push(held.iter().map(|variants| !variants.is_empty()).collect());
        let walk = Walk {
            network: &network,
            family,
            encapsulation,
            origin,
            held: &held,
        };
        outcome.fates.push(
            (0..network.speakers())
                .map(|speaker| walk.fates(speaker_of(speaker)))
                .collect(),
        );
    }
    Some(outcome)
}

impl Outcome {
    /// The fate where there is one only.
    pub fn fate(&self, origin: usize, at: usize) -> Fate {
        let fates = &self.fates[origin][at];
        assert_eq!(fates.len(), 1, "{fates:?}");
        *fates.first().expect("there is one")
    }
}
