//! The engine of the `calico` charm: from `juju config calico …` to Calico's objects.
//!
//! Data goes down this list once and comes back as one Juju status.
//!
//! | module | what it does | does IO |
//! |---|---|---|
//! | [`juju`] | hook tools and hook environment, to [`config::RawConfig`] and [`model::UnitFacts`] | yes |
//! | [`config`] | one field an option: [`config::CharmConfig`], or every problem at once | no |
//! | [`model`] | newtypes, and [`model::Intent`]: what this unit and this cluster should be | no |
//! | [`fabric`] | all units, routers and sessions at once: what reaches what, and what is wrong | no |
//! | [`render`] | an intent to typed Calico objects | no |
//! | [`manifests`] | install documents, edited to what the options ask | no |
//! | [`rollout`] | how far a change may go on all units, so that no traffic is cut | no |
//! | [`plan`] | desired against observed objects, to an ordered plan | no |
//! | [`cluster`] | reads what is there, carries a plan out | yes |
//! | [`host`] | what a hook reads and sets on its machine | yes |
//! | [`printable`] | text from elsewhere, made fit for logs and terminals | no |
//! | [`status`] | one outcome, one Juju status | no |
//! | [`charm`] | the only place that strings these together | yes |
//! | [`cli`] | the commands; `hook` is one of them | yes |
//! | [`sim`] | a Kubernetes API and a Juju model in this process | no |

pub mod charm;
pub mod cli;
pub mod cluster;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod config;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod fabric;
pub mod host;
pub mod juju;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod manifests;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod model;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod plan;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod printable;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod render;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod rollout;
pub mod sim;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod status;
