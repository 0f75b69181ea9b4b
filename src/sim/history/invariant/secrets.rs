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
        let ours = writer(scene, write).is_some() && !self.secrets.is_empty();
        let text = match &write.after {
            Some(after) if ours => after["metadata"].to_string(),
            _ => return Vec::new(),
        };
        let before = write
            .before
            .as_ref()
            .map(|before| before["metadata"].to_string());
        let holds = |text: &str| {
            let mut secrets = self.secrets.iter().filter(|secret| !secret.is_empty());
            secrets.any(|secret| text.contains(secret.as_str()))
        };
        if holds(&text) && !before.is_some_and(|before| holds(&before)) {
            return vec![violation(NAME, write, "its metadata holds a secret")];
        }
        Vec::new()
    }

    fn told(&mut self, scene: &Scene<'_>, told: &Told) -> Vec<Violation> {
        let logs = scene.model.logs();
        // Lines may have been taken away since.
        let from = if self.seen <= logs.len() {
            self.seen
        } else {
            0
        };
        self.seen = logs.len();
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
    fn no_annotation_holds_one() {
        let stage = Stage::new(1);
        let mut secrets = Secrets::new(vec!["s3cr3t".to_owned()]);
        let patch = json!({"metadata": {"annotations": {"calico.juju.is/principal": "s3cr3t"}}});
        let write = Stage::of(stage.merge("calico/0", "Node", "node-0", &patch), &MESH);
        assert_eq!(secrets.written(&stage.scene(), &write).len(), 1);
    }
}
