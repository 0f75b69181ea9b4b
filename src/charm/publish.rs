//! Tells Juju the outcome: relation data, log, status, version. Performs IO.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use futures::try_join;

use super::facts::{JujuFacts, Relation};
use super::report::counted;
use super::{Report, Surroundings};
use crate::host::Host;
use crate::juju::Hook;
use crate::juju::tools::{self, HookTools, LogLevel, ToolError};

/// File name of the CNI configuration; the control plane looks for `calico` in it.
const CNI_CONF_FILE: &str = "10-calico.conflist";

/// Key of the application's databag that wakes the other units.
const BELL: &str = "rollout";

/// What other charms may know once the options are valid.
pub struct Published {
    /// The pod networks, as `cidr` names them.
    pub cidr: String,
    /// This unit's addresses with their prefix lengths.
    pub addresses: String,
}

/// Publishes relation data and says everything the report holds.
///
/// # Errors
/// When a hook tool fails.
pub async fn all<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    hook: Hook,
    juju: &JujuFacts,
    published: Option<&Published>,
    report: &Report,
) -> Result<(), ToolError> {
    let tools = surroundings.tools;
    let status = report.final_status();
    let version = report.version.as_deref().filter(|_| juju.leader);
    try_join!(
        relations(surroundings, juju, published, report),
        log(tools, hook, report),
        tools::status_set(tools, status.kind().as_str(), status.message()),
        set_version(tools, version),
    )?;
    Ok(())
}

/// Calico's version comes from the cluster and is for show: what is no version is left out.
async fn set_version<T: HookTools>(tools: &T, version: Option<&str>) -> Result<(), ToolError> {
    let plain = |version: &&str| {
        version.len() <= 64
            && version
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || ".-_+".contains(one))
    };
    match version.filter(plain) {
        Some(version) => tools::application_version_set(tools, version).await,
        None => Ok(()),
    }
}

async fn relations<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    juju: &JujuFacts,
    published: Option<&Published>,
    report: &Report,
) -> Result<(), ToolError> {
    let Some(published) = published else {
        return Ok(());
    };
    let to_principal = BTreeMap::from([
        ("cidr".to_owned(), published.cidr.clone()),
        ("cni-conf-file".to_owned(), CNI_CONF_FILE.to_owned()),
    ]);
    let mut to_units = BTreeMap::from([("addresses".to_owned(), published.addresses.clone())]);
    to_units.extend(report.node.clone().map(|node| ("node".to_owned(), node)));
    let principal = surroundings.context.principal.clone();
    to_units.extend(principal.map(|principal| ("principal".to_owned(), principal)));
    let writes = juju
        .cni
        .iter()
        .map(|relation| (relation, &to_principal))
        .chain(juju.fabric.iter().map(|relation| (relation, &to_units)))
        .map(|(relation, wanted)| set(surroundings.tools, relation, wanted));
    let bell = ring(surroundings, juju, report.bell.as_deref());
    try_join!(try_join_all(writes), bell).map(drop)
}

/// Wakes the other units when the leader has allowed a step. They read the record itself in the cluster: this is no more
/// than a bell, and rings until it has been heard once.
async fn ring<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    juju: &JujuFacts,
    bell: Option<&str>,
) -> Result<(), ToolError> {
    let (Some(text), Some(fabric)) = (bell, juju.fabric.as_ref().filter(|_| juju.leader)) else {
        return Ok(());
    };
    if has_rung(surroundings, fabric, text).await? {
        return Ok(());
    }
    let tools = surroundings.tools;
    let told = BTreeMap::from([(BELL.to_owned(), text.to_owned())]);
    match tools::relation_set_application(tools, &fabric.id, &told).await {
        // Juju takes it from a leader alone, and another unit may lead by now: it will ring.
        Err(ToolError::Refused { code: 1, .. }) => Ok(()),
        rung => rung,
    }
}

/// Whether the units have been woken for a record.
///
/// # Errors
/// When the hook tool fails.
pub(super) async fn has_rung<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    fabric: &Relation,
    text: &str,
) -> Result<bool, ToolError> {
    let unit = &surroundings.context.unit;
    let application = unit.split('/').next().unwrap_or_default();
    let told = tools::relation_get_application(surroundings.tools, &fabric.id, application).await?;
    Ok(told.get(BELL).map(String::as_str) == Some(text))
}

/// Writes what differs and nothing else: every write wakes the other side. To Juju, empty and absent are one.
async fn set<T: HookTools>(
    tools: &T,
    relation: &Relation,
    wanted: &BTreeMap<String, String>,
) -> Result<(), ToolError> {
    let changed: BTreeMap<String, String> = wanted
        .iter()
        .filter(|(key, value)| relation.own.get(*key).map_or("", String::as_str) != value.as_str())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    tools::relation_set(tools, &relation.id, &changed).await
}

/// The log, neighbouring lines of one level in one `juju-log`: hook tools cost tens of milliseconds each. The summary
/// goes to the log when there was something to do, and to standard output, which Juju keeps at DEBUG for free, when
/// there was not. A unit that is going sets no status, so its summary has none.
///
/// # Errors
/// When `juju-log` fails.
pub async fn log<T: HookTools>(tools: &T, hook: Hook, report: &Report) -> Result<(), ToolError> {
    let writes = counted(report.writes, "write");
    let summary = if hook.is_teardown() {
        format!("{hook}: {writes}")
    } else {
        format!("{hook}: {writes}, {}", report.final_status())
    };
    if report.lines().is_empty() {
        tracing::debug!("{summary}");
        return Ok(());
    }
    let mut lines = report.lines().to_vec();
    lines.push((LogLevel::Info, summary));
    for run in lines.chunk_by(|(one, _), (next, _)| one == next) {
        let text: Vec<&str> = run.iter().map(|(_, line)| line.as_str()).collect();
        tools::juju_log(tools, run[0].0, &text.join("\n")).await?;
    }
    Ok(())
}
