//! `writes`: what is quiet stays quiet, and a hook writes no object again and again.

use std::collections::BTreeMap;

use super::touched::{violation, writer};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "writes";

/// How often a hook may change one object: once for each step of a change, and the claim of a Node, with one retry.
const AT_MOST: usize = 10;

/// How much a hook may change in all besides one write of each object that it installs.
const IN_ALL: usize = 200;

/// Watches how much is written.
#[derive(Default)]
pub struct Writes {
    /// Whether nothing has happened since a whole round wrote nothing.
    quiet: bool,
    /// Writes of the hook that runs, by unit and path.
    running: BTreeMap<(String, String), usize>,
}

impl Watch for Writes {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        if writer(scene, write).is_none() {
            self.quiet = false;
            return Vec::new();
        }
        let mut found = Vec::new();
        if std::mem::take(&mut self.quiet) {
            found.push(violation(NAME, write, "writes although all was quiet"));
        }
        let key = (write.unit.clone(), write.path.clone());
        let count = self.running.entry(key).or_default();
        *count += 1;
        if *count == AT_MOST + 1 {
            let message = format!("changes it more than {AT_MOST} times in one hook");
            found.push(violation(NAME, write, message));
        }
        found
    }

    fn told(&mut self, _: &Scene<'_>, told: &Told) -> Vec<Violation> {
        match told {
            Told::Quiet => self.quiet = true,
            Told::HookEnded {
                unit, hook, writes, ..
            } => {
                self.running.retain(|(other, _), _| other != unit);
                if *writes > IN_ALL {
                    return vec![Violation {
                        invariant: NAME,
                        message: format!("{unit} {hook}: {writes} writes in one hook"),
                    }];
                }
            }
            Told::Crashed { unit } | Told::ToolFailed { unit } => {
                self.quiet = false;
                self.running.retain(|(other, _), _| other != unit);
            }
            Told::Healed => {}
            Told::ConfigSet { .. }
            | Told::UnitAdded(_)
            | Told::UnitRemoved { .. }
            | Told::LeaderIs(_) => self.quiet = false,
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use std::time::Duration;

    #[test]
    fn quiet_is_quiet() {
        let stage = Stage::new(2);
        let scene = stage.scene();
        let mut writes = Writes::default();
        let ours = Stage::of(stage.peer(1, 0, 64512), &MESH);
        let theirs = Written {
            unit: "kubectl".to_owned(),
            ..ours.clone()
        };
        assert_eq!(writes.written(&scene, &ours), []);
        writes.told(&scene, &Told::Quiet);
        assert_eq!(writes.written(&scene, &ours).len(), 1);
        writes.told(&scene, &Told::Quiet);
        writes.told(&scene, &Told::LeaderIs(None));
        assert_eq!(writes.written(&scene, &ours), []);
        writes.told(&scene, &Told::Quiet);
        assert_eq!(writes.written(&scene, &theirs), []);
        assert_eq!(writes.written(&scene, &ours), []);
    }

    #[test]
    fn nobody_writes_for_ever() {
        let stage = Stage::new(2);
        let scene = stage.scene();
        let mut writes = Writes::default();
        let write = Stage::of(stage.peer(1, 0, 64512), &MESH);
        let ended = |writes| Told::HookEnded {
            unit: "calico/1".to_owned(),
            hook: "update-status".to_owned(),
            writes,
            took: Duration::ZERO,
            failed: false,
        };
        for _ in 0..2 {
            let found: usize = (0..AT_MOST)
                .map(|_| writes.written(&scene, &write).len())
                .sum();
            assert_eq!(found, 0);
            assert_eq!(writes.told(&scene, &ended(AT_MOST)), []);
        }
        let found: usize = (0..=AT_MOST)
            .map(|_| writes.written(&scene, &write).len())
            .sum();
        assert_eq!(found, 1);
        assert_eq!(writes.told(&scene, &ended(IN_ALL + 1)).len(), 1);
    }
}
