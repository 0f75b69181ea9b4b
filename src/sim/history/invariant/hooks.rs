//! `hooks`: a hook ends within 60 s, and fails only where Juju or the machine is at fault.
//!
//! Juju's machine lock stalls the principal as long as a hook runs. The user's mistakes and the API's are statuses.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "hooks";

/// How long a hook may take.
const LONGEST: Duration = Duration::from_mins(1);

/// Words of `status-set`.
const STATUSES: [&str; 5] = ["active", "blocked", "waiting", "maintenance", "unknown"];

/// Watches how hooks end.
#[derive(Default)]
pub struct Hooks {
    /// Units whose running hook was killed, or had a hook tool that failed.
    excused: BTreeSet<String>,
}

impl Watch for Hooks {
    fn written(&mut self, _: &Scene<'_>, _: &Written) -> Vec<Violation> {
        Vec::new()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        match told {
            Told::Crashed { unit } | Told::ToolFailed { unit } => {
                self.excused.insert(unit.clone());
                Vec::new()
            }
            Told::HookEnded {
                unit,
                hook,
                took,
                failed,
                ..
            } => {
                let excused = self.excused.remove(unit);
                let mut messages = Vec::new();
                if *took > LONGEST {
                    messages.push(format!("takes {} s", took.as_secs()));
                }
                // Of a unit that was removed meanwhile every hook tool fails.
                if *failed && !excused && scene.model.unit(unit).is_ok() {
                    messages.push("fails, and Juju is not at fault".to_owned());
                }
                if !failed {
                    messages.extend(odd_status(scene, unit));
                }
                let found = messages.into_iter().map(|message| Violation {
                    invariant: NAME,
                    message: format!("{unit} {hook}: {message}"),
                });
                found.collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A status that no operator could read.
fn odd_status(scene: &Scene<'_>, unit: &str) -> Option<String> {
    let status = scene.model.unit(unit).ok()?.status();
    let odd = !STATUSES.contains(&status.status.as_str())
        || status.message.contains('\n')
        || (matches!(status.status.as_str(), "blocked" | "waiting") && status.message.is_empty());
    odd.then(|| format!("leaves the status {}: {:?}", status.status, status.message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::Stage;

    fn ended(seconds: u64, failed: bool) -> Told {
        Told::HookEnded {
            unit: "calico/0".to_owned(),
            hook: "update-status".to_owned(),
            writes: 0,
            took: Duration::from_secs(seconds),
            failed,
        }
    }

    #[test]
    fn hooks_end_in_time_and_well() {
        let mut stage = Stage::new(1);
        let mut hooks = Hooks::default();
        let mut found = |told: &Told| hooks.told(&stage.scene(), told).len();
        assert_eq!(found(&ended(60, false)), 0);
        assert_eq!(found(&ended(61, false)), 1);
        assert_eq!(found(&ended(1, true)), 1);
        let crashed = Told::Crashed {
            unit: "calico/0".to_owned(),
        };
        let failed = Told::ToolFailed {
            unit: "calico/0".to_owned(),
        };
        for excuse in [&crashed, &failed] {
            assert_eq!(found(excuse), 0);
            assert_eq!(found(&ended(1, true)), 0);
            assert_eq!(found(&ended(1, true)), 1);
        }
        stage.remove_unit(0);
        assert_eq!(hooks.told(&stage.scene(), &ended(1, true)), []);
    }
}
