//! What Juju says in this hook, read with as few hook tools and as few waits as possible. Performs IO.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::future::try_join_all;
use futures::try_join;
use tokio::time::Instant;

use super::HookError;
use super::install::RESOURCE;
use crate::config::RawConfig;
use crate::juju::JujuContext;
use crate::juju::network::unit_addresses;
use crate::juju::tools::{self, HookTools, ToolError};
use crate::model::{Cidr, UnitAddress};
use crate::plan::Membership;

/// Endpoint of the principal (`kubernetes-cni`).
pub const CNI: &str = "cni";
/// Endpoint of the other units of this application.
pub const FABRIC: &str = "fabric";

/// One relation of an endpoint.
#[derive(Debug, Clone)]
pub struct Relation {
    /// `cni:4`.
    pub id: String,
    /// What this unit has set.
    pub own: BTreeMap<String, String>,
    /// What the principal has set; empty on other endpoints.
    pub principal: BTreeMap<String, String>,
}

/// Everything Juju says about this unit.
#[derive(Debug)]
pub struct JujuFacts {
    /// The options as they are set.
    pub raw: RawConfig,
    /// Addresses of the `cni` binding.
    pub addresses: Vec<UnitAddress>,
    /// Whether this unit leads.
    pub leader: bool,
    /// Relations of the `cni` endpoint; a subordinate has one, to its own principal.
    pub cni: Vec<Relation>,
    /// The relation to the other units.
    pub fabric: Option<Relation>,
    /// Who belongs to the application, for the leader.
    pub membership: Option<Membership>,
    /// When Juju was asked who leads; the answer is good for 30 s.
    pub asked: Instant,
    /// Where the resource `manifests` lies, for the leader.
    pub manifests: Option<PathBuf>,
}

impl JujuFacts {
    /// The service networks that the control plane publishes, as far as they parse.
    #[must_use]
    pub fn service_cidrs(&self) -> Vec<Cidr> {
        self.cni
            .iter()
            .filter_map(|relation| relation.principal.get("service-cidr"))
            .flat_map(|list| list.split(','))
            .filter_map(|cidr| cidr.trim().parse().ok())
            .collect()
    }
}

/// Reads all of it in two rounds of hook tools that run side by side.
///
/// # Errors
/// When a hook tool fails or answers nonsense: that is no user's mistake, and Juju runs the hook again.
pub async fn read<T: HookTools>(tools: &T, context: &JujuContext) -> Result<JujuFacts, HookError> {
    let asked = Instant::now();
    let (config, network, leader, cni_ids, fabric_ids) = try_join!(
        tools::config_get(tools),
        tools::network_get(tools, CNI),
        tools::is_leader(tools),
        tools::relation_ids(tools, CNI),
        tools::relation_ids(tools, FABRIC),
    )?;
    let fabric_id = fabric_ids.first();
    let (cni, fabric, membership, manifests) = try_join!(
        try_join_all(cni_ids.iter().map(|id| relation(
            tools,
            context,
            id,
            context.principal.as_deref()
        ))),
        optional(fabric_id.map(|id| relation(tools, context, id, None))),
        optional(
            context
                .principal
                .as_deref()
                .filter(|_| leader)
                .map(|principal| membership(tools, context, principal, fabric_id))
        ),
        optional(leader.then(|| tools::resource_get(tools, RESOURCE))),
    )?;
    Ok(JujuFacts {
        raw: RawConfig::from_json(&config).map_err(HookError::Options)?,
        addresses: network.as_ref().map(unit_addresses).unwrap_or_default(),
        leader,
        cni,
        fabric,
        membership,
        asked,
        manifests: manifests.flatten(),
    })
}

async fn optional<V>(
    reading: Option<impl Future<Output = Result<V, ToolError>>>,
) -> Result<Option<V>, ToolError> {
    match reading {
        Some(reading) => reading.await.map(Some),
        None => Ok(None),
    }
}

async fn relation<T: HookTools>(
    tools: &T,
    context: &JujuContext,
    id: &str,
    principal: Option<&str>,
) -> Result<Relation, ToolError> {
    let remote = optional(principal.map(|unit| tools::relation_get(tools, id, unit)));
    let (own, remote) = try_join!(tools::relation_get(tools, id, &context.unit), remote)?;
    Ok(Relation {
        id: id.to_owned(),
        own,
        principal: remote.unwrap_or_default(),
    })
}

/// Who belongs to the application, as any unit is told it.
///
/// # Errors
/// When a hook tool fails.
pub async fn membership<T: HookTools>(
    tools: &T,
    context: &JujuContext,
    principal: &str,
    fabric: Option<&String>,
) -> Result<Membership, ToolError> {
    let listed = optional(fabric.map(|id| tools::relation_list(tools, id)));
    let (principals, listed) = try_join!(tools::goal_state_units(tools, CNI), listed)?;
    let mut units: BTreeSet<String> = listed.unwrap_or_default().into_iter().collect();
    units.insert(context.unit.clone());
    Ok(Membership {
        units,
        principals: principals.into_iter().collect(),
        own_principal: principal.to_owned(),
    })
}
