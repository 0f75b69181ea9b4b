//! What the charm's options and Juju's facts mean: newtypes that hold no wrong value, and the [`Intent`] made of them. Pure.
//!
//! Each newtype has one constructor that checks and a [`Display`](std::fmt::Display) that parses back to the same value.
//! Why a text was refused is an error whose message continues the sentence `"<value>" …`, with the way out as
//! [`Refusal::remedy`].

mod as_number;
mod cidr;
mod cluster_id;
mod digest;
mod encapsulation;
mod facts;
mod family;
mod intent;
mod peer;
mod place;
mod refusal;
mod release;
mod resolve;
#[cfg(test)]
mod tests;
mod unit;
mod words;

pub use as_number::{AsNumber, AsNumberError};
pub use cidr::{Cidr, CidrError};
pub use cluster_id::{ClusterId, ClusterIdError};
pub use encapsulation::{Encapsulation, TunnelMode, TunnelModeError};
pub use facts::{UnitAddress, UnitFacts};
pub use family::Family;
pub use intent::{ClusterIntent, Intent, PoolIntent};
pub use peer::{Peer, PeerAddress, PeerAddressError};
pub use place::{Place, Sourced};
pub use refusal::Refusal;
pub use release::{Release, ReleaseError};
pub(crate) use resolve::UnitBgp;
pub(crate) use unit::parse_unit_number;
pub use unit::{NodeName, NodeNameError, UnitName, UnitNameError};
pub use words::{
    FabricCheck, FabricCheckError, Rollout, RolloutError, UnrecognizedPools, UnrecognizedPoolsError,
};
