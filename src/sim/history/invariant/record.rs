//! `record`: the record of a change only goes forward, and no unit is ahead of it.

use std::collections::BTreeMap;

use super::members::Homes;
use super::touched::{Touched, after, before, violation, writer};
use crate::plan::Live;
use crate::render::{ANNOTATION_APPLIED, ANNOTATION_ROLLOUT};
use crate::rollout::{Applied, Record};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "record";

/// Watches the record, and what units say of it.
#[derive(Default)]
pub struct Recorded {
    /// The last record of each generation there was.
    seen: BTreeMap<String, Record>,
    homes: Homes,
}

impl Recorded {
    fn configuration(&mut self, write: &Written) -> Option<String> {
        let (was, is) = (before(write), after(write));
        let text = |live: &Option<Live>| {
            let kept = live.as_ref()?.annotation(ANNOTATION_ROLLOUT)?;
            Some(kept.to_owned())
        };
        let (was, is) = (text(&was), text(&is));
        if was == is {
            return None;
        }
        let Some(is) = is else {
            let gone = was.unwrap_or_default();
            return write
                .after
                .as_ref()
                .map(|_| format!("takes the record {gone} away"));
        };
        let Ok(record) = is.parse::<Record>() else {
            return Some(format!("writes {is:?}, which is no record"));
        };
        let was = was.and_then(|was| was.parse::<Record>().ok());
        let is_other = was
            .as_ref()
            .is_none_or(|was| was.generation != record.generation);
        if let Some(was) = was {
            self.seen.entry(was.generation.clone()).or_insert(was);
        }
        let generation = record.generation.clone();
        let last = self.seen.insert(generation, record.clone())?;
        let goes_back = is_other || last.digest != record.digest || last.step > record.step;
        goes_back.then(|| format!("the record goes from {last} to {record}"))
    }
}

/// What the unit on a Node says it has done that nobody has allowed.
fn ahead(scene: &Scene<'_>, write: &Written) -> Option<String> {
    let of = |live: Option<Live>| Some(live?.annotation(ANNOTATION_APPLIED)?.to_owned());
    let (was, is) = (of(before(write)), of(after(write)));
    let told = is.filter(|is| was.as_ref() != Some(is))?;
    let Ok(applied) = told.parse::<Applied>() else {
        return Some(format!("says {told:?}, which nobody can read"));
    };
    let configuration = Live::new(scene.server.object("BGPConfiguration", "default")?);
    let record: Record = configuration.annotation(ANNOTATION_ROLLOUT)?.parse().ok()?;
    let same = applied.digest == record.digest && applied.generation == record.generation;
    let ahead = same && !applied.left.is_empty() && applied.step > record.step;
    ahead.then(|| format!("says {told} under the record {record}"))
}

impl Watch for Recorded {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let unit = writer(scene, write);
        let message = match Touched::by(write) {
            Touched::Configuration("default") => self.configuration(write),
            Touched::Node(name) => unit
                .as_ref()
                .filter(|unit| self.homes.of(unit) == Some(name))
                .and_then(|_| ahead(scene, write)),
            _ => None,
        };
        let message = message.filter(|_| unit.is_some());
        message
            .map(|message| violation(NAME, write, message))
            .into_iter()
            .collect()
    }

    fn told(&mut self, scene: &Scene<'_>, _: &Told) -> Vec<Violation> {
        self.homes.look(scene);
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};
    use serde_json::json;

    fn begun() -> (Stage, Recorded) {
        let stage = Stage::new(2);
        stage.configure("calico/0", true);
        let mut recorded = Recorded::default();
        recorded.told(&stage.scene(), &Told::Healed);
        (stage, recorded)
    }

    fn look(stage: &Stage, recorded: &mut Recorded, write: Written) -> Vec<Violation> {
        recorded.written(&stage.scene(), &Stage::of(write, &MESH))
    }

    #[test]
    fn a_generation_goes_forward() {
        let (stage, mut recorded) = begun();
        for text in ["a add 7", "a remove 7", "b add 9", "a add 11", "a unset 11"] {
            let write = stage.record(text);
            assert_eq!(look(&stage, &mut recorded, write), [], "{text}");
        }
        for (text, said) in [
            ("a add 11", "goes from a unset 11 to a add 11"),
            ("c remove 11", "goes from a add 11 to c remove 11"),
            ("a remove 7", "goes from a remove 7 to a remove 7"),
            ("nonsense", "no record"),
        ] {
            let write = stage.record(text);
            let found = look(&stage, &mut recorded, write);
            assert!(found[0].message.contains(said), "{found:?}");
        }
        let gone = json!({"metadata": {"annotations": {ANNOTATION_ROLLOUT: null}}});
        let write = stage.merge("calico/0", "BGPConfiguration", "default", &gone);
        assert_eq!(look(&stage, &mut recorded, write).len(), 1);
    }

    #[test]
    fn nobody_is_ahead() {
        let (stage, mut recorded) = begun();
        stage.record("a add 7");
        let says = |text: &str| {
            let patch = json!({"metadata": {"annotations": {ANNOTATION_APPLIED: text}}});
            stage.merge("calico/1", "Node", "node-1", &patch)
        };
        for (text, good) in [
            ("a add 7 left remove", true),
            ("a remove 5 left remove", true),
            ("a settled 7", true),
            ("a remove 7 left remove", false),
            ("done", false),
        ] {
            let found = look(&stage, &mut recorded, says(text));
            assert_eq!(found.is_empty(), good, "{text}: {found:?}");
        }
    }
}
