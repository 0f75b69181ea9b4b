//! `options`: a hook whose options are invalid writes nothing.
//!
//! Apart from the hooks that take a unit's own things away, which ask no option.

use super::touched::{config, violation, writer};
use crate::sim::history::scene::{Scene, Told, Violation, Watch, Written};

/// The invariant's name.
pub const NAME: &str = "options";

/// Hooks that ask no option.
const TEARDOWN: [&str; 2] = ["cni-relation-broken", "remove"];

/// Watches what is written by which options.
pub struct Options;

impl Watch for Options {
    fn written(&mut self, scene: &Scene<'_>, write: &Written) -> Vec<Violation> {
        let asks = writer(scene, write).is_some() && !TEARDOWN.contains(&write.hook.as_str());
        if asks && config(scene, &write.options).is_none() {
            return vec![violation(NAME, write, "its options are invalid")];
        }
        Vec::new()
    }

    fn told(&mut self, _: &Scene<'_>, _: &Told) -> Vec<Violation> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::invariant::stage::{MESH, Stage};

    #[test]
    fn nothing_is_written_by_wrong_options() {
        let stage = Stage::new(1);
        let write = stage.configure("calico/0", true);
        let found = |hook: &str, options| {
            let write = Written {
                hook: hook.to_owned(),
                ..Stage::of(write.clone(), options)
            };
            Options.written(&stage.scene(), &write).len()
        };
        let wrong = [("cidr", "10.0.0.0/33")];
        assert_eq!(found("config-changed", &MESH), 0);
        assert_eq!(found("config-changed", &wrong), 1);
        assert_eq!(found("remove", &wrong), 0);
    }
}
