//! What a write was to, and by whom.

use crate::config::{CharmConfig, RawConfig, RawValue};
use crate::model::UnitName;
use crate::plan::Live;
use crate::sim::history::scene::{Scene, Violation, Written};

/// The object that a write was to, by its path's last two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched<'w> {
    /// A Node.
    Node(&'w str),
    /// A BGPPeer.
    Peer(&'w str),
    /// A BGPConfiguration.
    Configuration(&'w str),
    /// An IPPool.
    Pool(&'w str),
    /// An IPAMBlock.
    Block(&'w str),
    /// A BlockAffinity.
    Affinity,
    /// A `CalicoNodeStatus`, called like its unit.
    NodeStatus(&'w str),
    /// Anything else: its resource and name.
    Other(&'w str, &'w str),
}

impl<'w> Touched<'w> {
    pub(super) fn by(write: &'w Written) -> Self {
        let mut parts = write.path.rsplit('/');
        let (name, plural) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        match plural {
            "nodes" => Self::Node(name),
            "bgppeers" => Self::Peer(name),
            "bgpconfigurations" => Self::Configuration(name),
            "ippools" => Self::Pool(name),
            "ipamblocks" => Self::Block(name),
            "blockaffinities" => Self::Affinity,
            "caliconodestatuses" => Self::NodeStatus(name),
            _ => Self::Other(plural, name),
        }
    }
}

/// The unit that wrote; `None` for anybody who is no unit of the application.
pub(super) fn writer(scene: &Scene<'_>, write: &Written) -> Option<UnitName> {
    let unit: UnitName = write.unit.parse().ok()?;
    (unit.application() == scene.application).then_some(unit)
}

/// The object before the write.
pub(super) fn before(write: &Written) -> Option<Live> {
    write.before.clone().map(Live::new)
}

/// The object after the write.
pub(super) fn after(write: &Written) -> Option<Live> {
    write.after.clone().map(Live::new)
}

/// Options as a hook reads them; `None` where they are invalid.
pub(super) fn config(scene: &Scene<'_>, options: &[(String, String)]) -> Option<CharmConfig> {
    let mut raw = RawConfig::default();
    for (name, text) in options {
        raw.insert(name.as_str(), RawValue::Text(text.clone()));
    }
    CharmConfig::parse(&raw, scene.application).ok()
}

/// The text of an option.
pub(super) fn option<'o>(options: &'o [(String, String)], name: &str) -> &'o str {
    let found = options.iter().find(|(option, _)| option == name);
    found.map_or("", |(_, text)| text.as_str())
}

/// Whether the options let everybody do every step at once.
pub(super) fn is_immediate(options: &[(String, String)]) -> bool {
    option(options, "rollout") == "immediate"
}

/// One thing that is wrong with a write.
pub(super) fn violation(
    invariant: &'static str,
    write: &Written,
    message: impl std::fmt::Display,
) -> Violation {
    Violation {
        invariant,
        message: format!(
            "{} {}: {} {}: {message}",
            write.unit, write.hook, write.verb, write.path
        ),
    }
}
