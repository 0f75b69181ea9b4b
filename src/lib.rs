//! The engine of the `calico` charm: from `juju config calico …` to Calico's objects.
//!
//! Data goes down this list once and comes back as one Juju status.
//!
//! | module | what it does | does IO |
//! |---|---|---|
//! | [`config`] | one field an option: [`config::CharmConfig`], or every problem at once | no |
//! | [`model`] | newtypes, and [`model::Intent`]: what this unit and this cluster should be | no |
//! | [`render`] | an intent to typed Calico objects | no |
//! | [`plan`] | desired against observed objects, to an ordered plan | no |
//! | [`status`] | one outcome, one Juju status | no |

#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod config;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod model;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod plan;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod render;
#[deny(clippy::disallowed_methods, clippy::disallowed_types)]
pub mod status;
