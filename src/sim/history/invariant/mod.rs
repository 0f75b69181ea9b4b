//! What holds in every history, after every write: one module an invariant.
//!
//! A new one is a module with a type that implements [`Watch`], a constant `NAME`, a test beside it with a sequence that
//! keeps it and one that breaks it, a line in [`all`], and a row in `docs/simulation.md`.

mod cluster;
mod foreign;
mod hooks;
mod members;
mod mesh;
mod options;
mod pairs;
mod peers;
mod pools;
mod promise;
mod reach;
mod record;
mod reflector;
mod reported;
mod requests;
mod schema;
mod secrets;
mod sessions;
#[cfg(test)]
mod stage;
mod touched;
mod writes;

use super::scene::{Scene, Told, Violation, Watch, Written};
use crate::sim::api::RequestRecord;

/// What the invariants are told of a story beforehand.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Tokens, passwords and keys that no log line and no status may hold.
    pub secrets: Vec<String>,
}

/// The names of all invariants.
pub const NAMES: [&str; 16] = [
    reach::NAME,
    sessions::NAME,
    mesh::NAME,
    reported::NAME,
    reflector::NAME,
    record::NAME,
    peers::NAME,
    cluster::NAME,
    foreign::NAME,
    pools::NAME,
    options::NAME,
    schema::NAME,
    hooks::NAME,
    requests::NAME,
    writes::NAME,
    secrets::NAME,
];

/// Watches all invariants of one history.
#[must_use]
pub fn all(facts: Facts) -> Box<dyn Watch> {
    Box::new(All(vec![
        Box::new(reach::Reach::default()),
        Box::new(sessions::Sessions::default()),
        Box::new(mesh::Mesh::default()),
        Box::new(reported::Reported::default()),
        Box::new(reflector::Reflector::default()),
        Box::new(record::Recorded::default()),
        Box::new(peers::Peers::default()),
        Box::new(cluster::Cluster::default()),
        Box::new(foreign::Foreign),
        Box::new(pools::Pools),
        Box::new(options::Options),
        Box::new(schema::Schema),
        Box::new(hooks::Hooks::default()),
        Box::new(requests::Requests),
        Box::new(writes::Writes::default()),
        Box::new(secrets::Secrets::new(facts.secrets)),
    ]))
}

/// Several watches as one.
struct All(Vec<Box<dyn Watch>>);

impl Watch for All {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let watches = self.0.iter_mut();
        watches
            .flat_map(|watch| watch.written(scene, write))
            .collect()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        let watches = self.0.iter_mut();
        watches.flat_map(|watch| watch.told(scene, told)).collect()
    }

    fn asked(&mut self, unit: &str, request: &RequestRecord) -> Vec<Violation> {
        let watches = self.0.iter_mut();
        watches
            .flat_map(|watch| watch.asked(unit, request))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::Stage;

    #[test]
    fn names_are_distinct_and_documented() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
        let page = include_str!("../../../../docs/simulation.md");
        for name in NAMES {
            assert!(page.contains(&format!("| `{name}` |")), "{name}");
        }
    }

    #[test]
    fn all_are_asked() {
        let stage = Stage::new(2);
        let mut all = all(Facts::default());
        // Nobody leads and the options are wrong: two invariants at least have something to say.
        let write = Stage::of(stage.configure("calico/0", true), &[("cidr", "nonsense")]);
        let found = all.written(&stage.scene(), &write);
        let names: Vec<&str> = found.iter().map(|violation| violation.invariant).collect();
        assert!(names.contains(&cluster::NAME), "{found:?}");
        assert!(names.contains(&options::NAME), "{found:?}");
        assert_eq!(all.told(&stage.scene(), &Told::Quiet), []);
    }
}
