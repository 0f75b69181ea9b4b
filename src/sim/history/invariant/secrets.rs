//! `secrets`: no log line, status or annotation holds a token, a password or a key.

use super::touched::{violation, writer};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "secrets";

/// What stands beside a secret wherever one is written out.
const MARKS: [&str; 4] = ["Bearer ", "PRIVATE KEY", "client-key-data", "token: "];

/// Watches what is said.
pub struct Secrets {
    secrets: Vec<String>,
    /// How many lines of the model's log were looked at.
    seen: usize,
}

impl Secrets {
    pub(super) fn new(secrets: Vec<String>) -> Self {
        Self { secrets, seen: 0 }
    }

    /// Whether a text gives something away.
    fn is_in(&self, text: &str) -> bool {
        let secrets = self.secrets.iter().filter(|secret| !secret.is_empty());
        let mut marks = secrets.map(String::as_str).chain(MARKS);
        marks.any(|mark| text.contains(mark))
    }
}

impl Watch for Secrets {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let ours = writer(scene, write).is_some();
        let text = match &write.after {
            Some(after) if ours => after["metadata"].to_string(),
            _ => return Vec::new(),
        };
        let before = write
            .before
            .as_ref()
            .map(|before| before["metadata"].to_string());
        if self.is_in(&text) && !before.is_some_and(|before| self.is_in(&before)) {
            return vec![violation(NAME, write, "its metadata holds a secret")];
        }
        Vec::new()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        let logs = scene.model.logs();
        let from = self.seen.min(logs.len());
        // Once a hook has ended its lines are taken away, and the next one's are counted from the first.
        self.seen = match told {
            Told::HookEnded { .. } => 0,
            _ => logs.len(),
        };
        let lines = logs[from..].iter().filter(|line| self.is_in(&line.message));
        let mut found: Vec<Violation> = lines
            .map(|line| Violation {
                invariant: NAME,
                message: format!("{} {}: a log line holds a secret", line.unit, line.hook),
            })
            .collect();
        if let Told::HookEnded { unit, hook, .. } = told
            && let Ok(unit) = scene.model.unit(unit)
            && self.is_in(&unit.status().message)
        {
            found.push(Violation {
                invariant: NAME,
                message: format!("{hook}: the status holds a secret"),
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    #[test]
    fn what_is_said_gives_nothing_away() {
        let secrets = Secrets::new(vec!["s3cr3t".to_owned(), String::new()]);
        for (text, found) in [
            ("BGPPeer calico-0-10.0.0.1 created", false),
            ("GET https://10.0.0.1 with s3cr3t", true),
            ("authorization: Bearer x", true),
        ] {
            assert_eq!(secrets.is_in(text), found, "{text}");
        }
    }

    #[test]
    fn logs_are_read_once() {
        let mut stage = Stage::new(1);
        stage.log("calico/0", "all is well");
        let mut secrets = Secrets::new(vec!["s3cr3t".to_owned()]);
        assert_eq!(secrets.told(&stage.scene(), &Told::Healed), []);
        stage.log("calico/0", "s3cr3t");
        assert_eq!(secrets.told(&stage.scene(), &Told::Healed).len(), 1);
        assert_eq!(secrets.told(&stage.scene(), &Told::Healed), []);
    }

    #[test]
    fn the_first_lines_of_every_hook_are_read() {
        let mut stage = Stage::new(1);
        let mut secrets = Secrets::new(vec!["s3cr3t".to_owned()]);
        let ended = Told::HookEnded {
            unit: "calico/0".to_owned(),
            hook: "update-status".to_owned(),
            writes: 0,
            took: Duration::ZERO,
            failed: false,
        };
        for line in ["all is well", "s3cr3t"] {
            stage.log("calico/0", line);
            let found = secrets.told(&stage.scene(), &ended).len();
            assert_eq!(found, usize::from(line == "s3cr3t"), "{line}");
            stage.take_logs();
        }
    }

    #[test]
    fn no_annotation_holds_one() {
        let stage = Stage::new(1);
        for text in ["s3cr3t", "Bearer x"] {
            let mut secrets = Secrets::new(vec!["s3cr3t".to_owned()]);
            let patch = json!({"metadata": {"annotations": {"calico.juju.is/principal": text}}});
            let write = Stage::of(stage.merge("calico/0", "Node", "node-0", &patch), &MESH);
            assert_eq!(secrets.written(&stage.scene(), &write).len(), 1, "{text}");
            let patch =
                json!({"metadata": {"annotations": {"calico.juju.is/principal": "worker/0"}}});
            stage.merge("calico/0", "Node", "node-0", &patch);
        }
    }
}
