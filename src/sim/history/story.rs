//! Stories: a deployment, and what its operator does to it.

use crate::fabric::Router;
use crate::model::UnitName;
use crate::sim::run::ScenarioUnit;

/// A deployment that has settled, and the changes that follow, in order.
#[derive(Debug, Clone)]
pub struct Story {
    /// What it is called.
    pub name: String,
    /// The application.
    pub application: String,
    /// The units there are at first; one leads.
    pub units: Vec<ScenarioUnit>,
    /// The machines' routers.
    pub routers: Vec<Router>,
    /// Whether somebody else has installed Calico.
    pub installed: bool,
    /// The options that are set at first.
    pub options: Vec<(String, String)>,
    /// Whether the units have settled, and pods run, before the first change.
    pub settled: bool,
    /// The changes.
    pub steps: Vec<Change>,
}

/// One thing an operator does.
#[derive(Debug, Clone)]
pub enum Change {
    /// One `juju config`.
    Config {
        /// The options that are set.
        set: Vec<(String, String)>,
        /// The options that are reset.
        reset: Vec<String>,
    },
    /// A machine with a unit comes; its number is the next one.
    AddUnit(ScenarioUnit),
    /// A unit goes.
    RemoveUnit {
        /// The unit.
        unit: UnitName,
        /// Whether none of its hooks runs any more, and its Node is gone at once.
        forced: bool,
    },
    /// What follows waits until the units have run what hooks are due.
    Hooks,
}

impl Change {
    /// `juju config` with these texts.
    #[must_use]
    pub fn set(options: &[(&str, &str)]) -> Self {
        Self::Config {
            set: owned(options),
            reset: Vec::new(),
        }
    }

    /// `juju config --reset`.
    #[must_use]
    pub fn reset(options: &[&str]) -> Self {
        Self::Config {
            set: Vec::new(),
            reset: options.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

pub(super) fn owned(options: &[(&str, &str)]) -> Vec<(String, String)> {
    options
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}
