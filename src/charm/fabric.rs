//! The leader's check of the whole fabric: what it takes to know it, and what is said of what it finds. Performs IO only to
//! ask for what a hook does not read anyway, which is BGPPeers of other people where there are any.

use std::collections::{BTreeMap, BTreeSet};

use futures::try_join;
use serde_json::Value;

use super::findings::Findings;
use super::install::{Installation, running_release};
use super::observe::Observed;
use super::reconcile::{Stop, Survey, Work};
use super::rollout::Claims;
use super::{Report, rollout, sweep};
use crate::cluster::{ApiError, Kubernetes, Mode, escape, get_all};
use crate::fabric::{
    Budget, Checked, FabricFacts, Gateway, Objects, Severity, Topology, UnitOnNode, backend, check,
    improves, live, merge, topology,
};
use crate::host::Host;
use crate::juju::HookTools;
use crate::manifests::Catalogue;
use crate::model::{FabricCheck, NodeName, Release, UnitAddress, UnitName};
use crate::plan::Live;
use crate::render::{
    ANNOTATION_ADDRESSES, ANNOTATION_APPLICATION, ANNOTATION_IPV4, ANNOTATION_IPV6,
    ANNOTATION_LABELS, ANNOTATION_MODEL, ANNOTATION_UNIT, FIELD_MANAGER, Kind, LABEL_MANAGED_BY,
    LABEL_ZONE, listed,
};
use crate::rollout::{DeclaredKind, declared};

/// Up to so many BGPPeers or BGPFilters are asked for one by one.
const FEW: usize = 16;

/// What the check takes of the cluster beside the leader's own reading.
#[derive(Default)]
struct Others {
    /// BGPPeers that this application has not made.
    peers: Vec<Live>,
    /// The BGPFilters that they name.
    filters: Vec<Live>,
    /// The pools, where the charm does not look after them.
    pools: Vec<Live>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Works out what the options make of all units together, puts what it finds into the report with what a change that
    /// begins cuts whatever its order, and says whether the leader may write.
    ///
    /// # Errors
    /// When it may not: with `fabric-check=block` and an error that the change does not mend. When the API cannot be asked.
    pub async fn prove(
        &self,
        survey: &Survey,
        mode: Mode,
        observed: &Observed,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let begins = rollout::begins(observed.configuration.as_ref(), self.intent);
        let judges = self.config.fabric_check != FabricCheck::Off;
        if !self.juju.leader || !(judges || begins) {
            return Ok(());
        }
        let nodes = self.nodes(survey, observed);
        let units = match self.units(&nodes) {
            Ok(units) => units,
            Err(why) => {
                // Whoever asked for a block has to know that nothing is held back yet.
                if self.config.fabric_check == FabricCheck::Block {
                    report.note(format!("fabric-check: not judged yet: {why}"));
                }
                tracing::debug!("fabric not judged: {why}");
                report.unknown_cuts = Some(why).filter(|_| begins);
                return Ok(());
            }
        };
        let kubernetes = &survey.kubernetes;
        let others = self.others(kubernetes, mode, observed).await?;
        let pools = observed.pools.as_deref().unwrap_or(&others.pools);
        let nodes = with_labels(kubernetes, nodes, &[&others.peers, pools]).await?;
        let service_cidrs = self.juju.service_cidrs();
        let configuration: Vec<Live> = observed.configuration.iter().cloned().collect();
        let objects = Objects {
            nodes: &nodes,
            configurations: &configuration,
            peers: &others.peers,
            filters: &others.filters,
            pools,
            backend: backend(survey.daemon_set.as_ref(), observed.calico_config.as_ref()),
            release: release(survey, report),
            service_cidrs: &service_cidrs,
            places: &BTreeMap::new(),
        };
        let facts = FabricFacts {
            units,
            routers: Vec::new(),
            release: objects.release,
            service_cidrs: service_cidrs.clone(),
        };
        let Some(wanted) = self.wanted(survey, &facts, &objects) else {
            let why = || "the options do not fit every unit".to_owned();
            report.unknown_cuts = begins.then(why);
            return Ok(());
        };
        let checked = judges.then(|| check(&wanted, Budget::HOOK));
        let is_wrong = checked
            .as_ref()
            .is_some_and(|checked| checked.of_severity(Severity::Error).next().is_some());
        let would_block = is_wrong && self.config.fabric_check == FabricCheck::Block;
        let there = if would_block || begins {
            Some(there(survey, mode, objects).await?)
        } else {
            None
        };
        if let Some(there) = there.as_ref().filter(|_| begins) {
            // Of pools whose encapsulation changes `pools.rs` tells, whether a rollout begins or not.
            report.cuts = declared(there, &wanted);
            report
                .cuts
                .retain(|cut| cut.kind != DeclaredKind::Encapsulation);
        }
        let Some(checked) = checked else {
            return Ok(());
        };
        let blocks = would_block && !there.is_some_and(|there| mends(survey, &there, &checked));
        let findings = Findings {
            application: self.identity.owner.application.clone(),
            findings: checked.findings,
        };
        let status = blocks.then(|| findings.status());
        report.fabric = Some(findings);
        match status {
            Some(status) => Err(Stop::Status(status)),
            None => Ok(()),
        }
    }

    /// Every Node that takes part in the fabric. One of a unit that is gone does so only until its unit's peers are cleared
    /// away; one that nobody looks after does if calico-node runs there.
    fn nodes(&self, survey: &Survey, observed: &Observed) -> Vec<Live> {
        let own = self.own_node(&observed.node);
        let others = survey.nodes.iter().filter(|node| {
            let takes_part = match node.annotation(ANNOTATION_UNIT) {
                Some(unit) if self.is_ours(node) => self.is_member(unit),
                _ => [ANNOTATION_IPV4, ANNOTATION_IPV6]
                    .iter()
                    .any(|key| node.annotation(key).is_some()),
            };
            takes_part && node.name() != own.name()
        });
        let mut nodes: Vec<Live> = others.cloned().collect();
        nodes.push(own);
        nodes.sort_by(|one, other| one.name().cmp(other.name()));
        nodes
    }

    /// The unit's own Node, with what the unit is about to write there.
    fn own_node(&self, node: &Live) -> Live {
        let mut own = sweep::claim_on(node.value()).value().clone();
        let owner = &self.identity.owner;
        own["metadata"]["annotations"][ANNOTATION_UNIT] = self.identity.unit.to_string().into();
        own["metadata"]["annotations"][ANNOTATION_APPLICATION] = owner.application.as_str().into();
        own["metadata"]["annotations"][ANNOTATION_MODEL] = owner.model.as_str().into();
        own["metadata"]["annotations"][ANNOTATION_ADDRESSES] = listed(&self.juju.addresses).into();
        Live::new(own)
    }

    fn is_ours(&self, node: &Live) -> bool {
        let owner = &self.identity.owner;
        node.annotation(ANNOTATION_APPLICATION) == Some(&owner.application)
            && node.annotation(ANNOTATION_MODEL) == Some(&owner.model)
    }

    fn is_member(&self, unit: &str) -> bool {
        let members = self.juju.membership.as_ref();
        members.is_some_and(|members| members.units.contains(unit))
    }

    /// The units with their Nodes and addresses, as each has written them on its own; or why they are not all known.
    fn units(&self, nodes: &[Live]) -> Result<Vec<UnitOnNode>, String> {
        let complete = self.juju.membership.as_ref();
        let Some(members) = complete.filter(|members| members.is_complete()) else {
            return Err("Juju has not told of every unit yet".to_owned());
        };
        let claims = Claims::read(nodes, &self.identity.owner);
        let mut doubled = claims.doubled().into_iter();
        if let Some((unit, nodes)) = doubled.find(|(unit, _)| self.is_member(&unit.to_string())) {
            return Err(format!("{} both say they are {unit}", nodes.join(" and ")));
        }
        let found: BTreeMap<UnitName, UnitOnNode> = claims
            .nodes()
            .filter_map(|(_, node)| unit_on(node))
            .map(|found| (found.unit.clone(), found))
            .collect();
        let known: BTreeSet<String> = found.keys().map(ToString::to_string).collect();
        if let Some(missing) = members.units.iter().find(|unit| !known.contains(*unit)) {
            return Err(format!("{missing} has no Node yet"));
        }
        if let Some(without) = found.values().find(|unit| unit.addresses.is_empty()) {
            return Err(format!("{} has not told its addresses yet", without.unit));
        }
        Ok(found.into_values().collect())
    }

    /// What of other people has to do with the fabric.
    async fn others(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        observed: &Observed,
    ) -> Result<Others, ApiError> {
        let names = &observed.other_peers;
        let pools = async {
            match &observed.pools {
                Some(_) => Ok(Vec::new()),
                None => kubernetes.list(&Kind::IpPool.path(mode.group), "").await,
            }
        };
        let (peers, pools) = try_join!(others_peers(kubernetes, mode, names), pools)?;
        let filters: Vec<String> = filters_of(&peers)
            .map(|name| Kind::BgpFilter.object_path(mode.group, name))
            .collect();
        let filters = if filters.len() <= FEW {
            get_all(kubernetes, &filters).await?
        } else {
            kubernetes
                .list(&Kind::BgpFilter.path(mode.group), "")
                .await?
        };
        Ok(Others {
            peers,
            filters: filters.into_iter().map(Live::new).collect(),
            pools: pools.into_iter().map(Live::new).collect(),
        })
    }

    /// The fabric as the options want it; `None` where they do not fit a unit, which says so itself.
    fn wanted(
        &self,
        survey: &Survey,
        facts: &FabricFacts,
        objects: &Objects<'_>,
    ) -> Option<Topology> {
        let wanted = topology(self.config, facts);
        let wanted = wanted.map_err(|problems| {
            tracing::debug!("fabric not judged: {}", problems.first());
        });
        let mut wanted = merge(wanted.ok()?, live(objects));
        if !installs(survey) {
            wanted.backend = objects.backend;
            wanted.release = objects.release;
        }
        Some(wanted)
    }
}

/// The fabric that is there.
async fn there(survey: &Survey, mode: Mode, objects: Objects<'_>) -> Result<Topology, ApiError> {
    let path = Kind::BgpPeer.path(mode.group);
    let peers = survey.kubernetes.list(&path, "").await?;
    let peers: Vec<Live> = peers.into_iter().map(Live::new).collect();
    Ok(live(&Objects {
        peers: &peers,
        ..objects
    }))
}

/// Whether the wanted fabric reaches more than the one that is there, and loses nothing. Where no Calico runs, nothing is
/// mended.
fn mends(survey: &Survey, there: &Topology, wanted: &Checked<'_>) -> bool {
    let nothing_runs = survey.daemon_set.is_none() && installs(survey);
    !nothing_runs && improves(&check(there, Budget::HOOK), wanted)
}

/// Whether what runs is, or will be, what the charm installs.
fn installs(survey: &Survey) -> bool {
    matches!(
        survey.installation,
        Installation::Absent | Installation::Ours
    )
}

/// The release that runs, as far as anything tells.
fn release(survey: &Survey, report: &Report) -> Release {
    let told = report.version.as_deref().and_then(|text| text.parse().ok());
    told.or_else(|| running_release(survey.daemon_set.as_ref()))
        .unwrap_or_else(|| Catalogue::embedded().preferred())
}

/// The unit that a Node says it belongs to.
pub(super) fn unit_on(node: &Live) -> Option<UnitOnNode> {
    let addresses = node.annotation(ANNOTATION_ADDRESSES).unwrap_or_default();
    Some(UnitOnNode {
        unit: node.annotation(ANNOTATION_UNIT)?.parse().ok()?,
        node: node.name().to_owned(),
        addresses: addresses.split(',').filter_map(UnitAddress::read).collect(),
        zone: node.label(LABEL_ZONE).map(str::to_owned),
        gateway: Gateway::Unknown,
    })
}

/// The BGPPeers of other people: few are asked for one by one, many are listed by what their labels lack.
async fn others_peers(
    kubernetes: &Kubernetes,
    mode: Mode,
    names: &[String],
) -> Result<Vec<Live>, ApiError> {
    let found = if names.len() <= FEW {
        let paths: Vec<String> = names
            .iter()
            .map(|name| Kind::BgpPeer.object_path(mode.group, name))
            .collect();
        get_all(kubernetes, &paths).await?
    } else {
        let query = format!(
            "labelSelector={}",
            escape(&format!("{LABEL_MANAGED_BY}!={FIELD_MANAGER}"))
        );
        kubernetes
            .list(&Kind::BgpPeer.path(mode.group), &query)
            .await?
    };
    let found = found.into_iter().map(Live::new);
    Ok(found
        .filter(|peer| names.iter().any(|name| name == peer.name()))
        .collect())
}

/// The names of the BGPFilters that peers use; what is no name must not become part of a path.
fn filters_of(peers: &[Live]) -> impl Iterator<Item = &str> {
    let names: BTreeSet<&str> = peers
        .iter()
        .filter_map(|peer| peer.spec("filters")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| name.parse::<NodeName>().is_ok())
        .collect();
    names.into_iter()
}

/// The Nodes with their labels, which are asked for only where a selector looks at them.
async fn with_labels(
    kubernetes: &Kubernetes,
    nodes: Vec<Live>,
    selecting: &[&[Live]],
) -> Result<Vec<Live>, ApiError> {
    let selects = |live: &Live| {
        ["nodeSelector", "peerSelector"]
            .iter()
            .any(|field| !matches!(live.spec_text(field), "" | "all()"))
    };
    if !selecting.iter().copied().flatten().any(selects) {
        return Ok(nodes);
    }
    let keep = |node: Value| {
        let metadata = &node["metadata"];
        let name = metadata["name"].as_str()?.to_owned();
        let kept = metadata["annotations"].get(ANNOTATION_LABELS).cloned();
        Some((name, (metadata["labels"].clone(), kept)))
    };
    let labels = kubernetes.list_metadata("/api/v1/nodes", keep).await?;
    let mut labels: BTreeMap<String, (Value, Option<Value>)> = labels.into_iter().collect();
    let labelled = nodes.into_iter().map(|node| {
        let Some((labels, kept)) = labels.remove(node.name()) else {
            return node;
        };
        let mut value = node.value().clone();
        value["metadata"]["labels"] = labels;
        if let Some(kept) = kept {
            value["metadata"]["annotations"][ANNOTATION_LABELS] = kept;
        }
        Live::new(value)
    });
    Ok(labelled.collect())
}
