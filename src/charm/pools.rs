//! The leader's part of the plan that is about IPPools, and what it says of those that retire. Performs IO only to ask
//! for IPAM blocks and pods.

use std::collections::BTreeMap;

use super::Report;
use super::health::{PODS, pods};
use super::observe::{Observed, agent};
use super::reconcile::{Stop, Work};
use super::report::counted;
use super::rollout;
use crate::cluster::{ApiError, Kubernetes, Mode, has_workloads, list_blocks, pods_on};
use crate::fabric::{Backend, backend};
use crate::host::Host;
use crate::juju::HookTools;
use crate::juju::tools::LogLevel;
use crate::model::{self, ClusterIntent, PoolIntent, UnrecognizedPools};
use crate::plan::{
    DaemonSetProgress, DoomedPool, Extent, Live, PoolOnBgp, Step, changed_tunnels, doomed_pools,
    gives_workload_addresses, is_on_vxlan, needs_bird, not_in_blocks, plan_pools, pods_problem,
    pool_usage, pools_on_bgp, refuse_unrecognized, unrecognized_pools, wanted_pools, without_vxlan,
};
use crate::render::{CALICO_CONFIG, Kind};
use crate::status::Status;

/// Names that one line has room for.
const NAMED: usize = 3;

/// The steps for the pools, by the place they have in the plan.
#[derive(Default)]
pub(super) struct PoolSteps {
    /// Pools that are made, or brought to what the options ask.
    pub(super) make: Vec<Step>,
    /// Pools that give out no more addresses.
    pub(super) disable: Vec<Step>,
    /// Pools that go.
    pub(super) remove: Vec<Step>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// What is to be done to the pools; nothing where they are not the charm's to manage, or where one that no option
    /// asks for forbids it, which is no reason to leave BGP alone.
    ///
    /// # Errors
    /// When the options ask for a pool that is not allowed, or the API cannot be asked.
    pub(super) async fn pool_steps(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        intent: &ClusterIntent,
        observed: &Observed,
        report: &mut Report,
    ) -> Result<PoolSteps, Stop> {
        let (Some(intents), Some(pools)) = (intent.pools(), &observed.pools) else {
            return Ok(PoolSteps::default());
        };
        let policy = self.config.unrecognized_pools;
        if policy == UnrecognizedPools::Block
            && let Some(blocked) = refuse_unrecognized(intents, pools)
        {
            report.error(format!("{}; {}", blocked.message, blocked.remedy));
            report.status(Status::blocked(&blocked.message));
            return Ok(PoolSteps::default());
        }
        let blocks = self
            .blocks_if_needed(kubernetes, mode, intents, pools)
            .await?;
        let make = plan_pools(intents, &self.identity.owner, pools, &blocks)?;
        if make.is_empty() {
            give_nothing(intents, pools, report);
        }
        let leaves = is_on_vxlan(pools) && make.iter().any(needs_bird);
        let matters = leaves || !changed_tunnels(&make).is_empty();
        let (mut make, mut waits) = (make, false);
        if matters && has_workloads(kubernetes, mode).await? {
            if leaves
                && self.config.rollout == model::Rollout::Safe
                && let Some(status) = self.bird_awaited(kubernetes, observed, report).await?
            {
                report.status(status);
                waits = true;
                make.retain(|step| !needs_bird(step));
            }
            tell_cuts(&make, report);
        }
        if waits {
            // No pool retires before the one in its place gives out addresses.
            return Ok(PoolSteps {
                make,
                ..PoolSteps::default()
            });
        }
        if policy != UnrecognizedPools::Drain {
            left_alone(intents, pools, report);
            return Ok(PoolSteps {
                make,
                ..PoolSteps::default()
            });
        }
        let asked = not_in_blocks(intents, pools, &blocks);
        let pods = if asked.is_empty() {
            Vec::new()
        } else {
            pods_on(kubernetes, &asked).await?
        };
        let (disable, remove, stay) = doomed_pools(intents, pools, &blocks, &pods);
        for pool in &stay {
            if pool.needs_bgp && !self.config.speaks_bgp() && !rollout::waits_for_pools(report) {
                let line = format!(
                    "node-to-node-mesh: IPPool {} needs BGP until its pods are gone",
                    pool.name
                );
                report.warning(format!("{line}: set it to true until then"));
                report.note(line);
            }
            let retires =
                |step: &Step| matches!(step, Step::DisablePool { name, .. } if *name == pool.name);
            if disable.iter().any(retires) {
                report.once(LogLevel::Info, &self.way_out(pool));
            }
            report.note(stays(pool));
        }
        Ok(PoolSteps {
            make,
            disable,
            remove,
        })
    }

    /// The pools in use that only BGP reaches, where the options ask for VXLAN and for no BGP any more; none where nothing is
    /// to be waited for.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(super) async fn pools_on_bgp(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        pools: &[Live],
    ) -> Result<Vec<PoolOnBgp>, ApiError> {
        let intent = ClusterIntent::new(self.config);
        let leaves_bgp = self.config.vxlan.is_some() && !self.config.speaks_bgp();
        let waits = self.config.rollout == model::Rollout::Safe;
        let (Some(intents), true) = (intent.pools(), leaves_bgp && waits) else {
            return Ok(Vec::new());
        };
        let asked = without_vxlan(pools);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let blocks = list_blocks(kubernetes, mode).await?;
        let empty = |pool: &Extent| pool_usage(pool, &blocks).workloads == 0;
        let asked: Vec<Extent> = asked.into_iter().filter(empty).collect();
        let pods = if asked.is_empty() {
            Vec::new()
        } else {
            pods_on(kubernetes, &asked).await?
        };
        Ok(pools_on_bgp(intents, pools, &blocks, &pods))
    }

    /// Whether calico-node has to go on with BIRD although the options ask for none, since pods need its routes: what runs
    /// BIRD is rolled out without it only once they are gone, or have a pool with VXLAN.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub(super) async fn keeps_bird(
        &self,
        kubernetes: &Kubernetes,
        served: Option<Mode>,
        daemon_set: Option<&Live>,
    ) -> Result<bool, ApiError> {
        let leaves_bgp = self.config.vxlan.is_some() && !self.config.speaks_bgp();
        let (Some(mode), true) = (served, leaves_bgp) else {
            return Ok(false);
        };
        let pools = match kubernetes.list(&Kind::IpPool.path(mode.group), "").await {
            Err(error) if error.is_not_found() => return Ok(false),
            pools => pools?,
        };
        let pools: Vec<Live> = pools.into_iter().map(Live::new).collect();
        if self
            .pools_on_bgp(kubernetes, mode, &pools)
            .await?
            .is_empty()
        {
            return Ok(false);
        }
        let path = Kind::CalicoConfig.object_path(mode.group, CALICO_CONFIG);
        let calico_config = kubernetes.get(&path).await?.map(Live::new);
        Ok(backend(daemon_set, calico_config.as_ref()) == Backend::Bird)
    }

    /// Why the pools may not leave VXLAN yet, if there is a reason: without BIRD on every node there are no routes but those of
    /// VXLAN, and rolling calico-node out takes minutes.
    async fn bird_awaited(
        &self,
        kubernetes: &Kubernetes,
        observed: &Observed,
        report: &mut Report,
    ) -> Result<Option<Status>, Stop> {
        // Somebody else's that is not where it usually is runs BIRD.
        let Some(agent) = agent(kubernetes).await? else {
            return Ok(None);
        };
        let is_bird = backend(Some(&agent), observed.calico_config.as_ref()) == Backend::Bird;
        if is_bird && DaemonSetProgress::of(&agent).is_complete() {
            return Ok(None);
        }
        if !is_bird && agent.owner().as_ref() != Some(&self.identity.owner) {
            report.error(
                "vxlan: calico-node runs without BIRD, and pods on pools without VXLAN would have no routes: set calico_backend \
                 to bird in ConfigMap kube-system/calico-config and restart calico-node, or have the charm take Calico over \
                 (sync-resources), or set vxlan to what the pools have",
            );
            return Ok(Some(Status::blocked(
                "vxlan: the pools stay as they are: calico-node runs without BIRD, and is not this charm's",
            )));
        }
        let silent = silent_nodes(kubernetes).await?;
        let mut text =
            "vxlan: the pools stay as they are until every calico-node runs BIRD".to_owned();
        if !silent.is_empty() {
            let names = named(&silent, "node");
            text = format!("{text}: not ready on {names}");
            report.once(
                LogLevel::Warning,
                &format!("{text}: mend or delete these Nodes, or set rollout=immediate, which waits for nobody"),
            );
        }
        Ok(Some(Status::waiting(text)))
    }

    /// What the log says of a pool that cannot go yet.
    fn way_out(&self, pool: &DoomedPool) -> String {
        let application = self.identity.unit.application();
        let in_namespaces = match pool.usage.namespaces.len() {
            0 => String::new(),
            1 => format!(", in namespace {}", named(&pool.usage.namespaces, "")),
            2..=NAMED => format!(", in namespaces {}", named(&pool.usage.namespaces, "")),
            many => format!(", in {many} namespaces"),
        };
        if pool.usage.is_outside_ipam {
            return format!(
                "{}{in_namespaces}: another IPAM gives them out (host-local), so restarted pods come back to it: set cidr to \
                 what it gives out, or unrecognized-pools=ignore",
                stays(pool)
            );
        }
        format!(
            "{}{in_namespaces}: restart the pods that hold them, or: juju run {application}/leader migrate-pool (unrecognized-pools)",
            stays(pool)
        )
    }
}

/// Says which pods a change of encapsulation cuts off.
fn tell_cuts(make: &[Step], report: &mut Report) {
    for change in changed_tunnels(make) {
        let cut = "pods on different nodes cannot reach each other until every node has followed";
        report.once(LogLevel::Info, &format!("{change}: {cut}"));
        report.note(format!("a short cut between nodes: {change}"));
    }
}

/// The Nodes whose calico-node is not ready.
async fn silent_nodes(kubernetes: &Kubernetes) -> Result<BTreeMap<String, usize>, ApiError> {
    let agents = pods(kubernetes, PODS, "calico-node", None).await?;
    let silent = agents
        .iter()
        .filter(|pod| pods_problem(std::slice::from_ref(pod)).is_some());
    Ok(silent
        .map(|pod| (pod.spec_text("nodeName").to_owned(), 1))
        .collect())
}

/// What stands beside `Ready` where pods can get no address although everything is as the options ask.
fn give_nothing(intents: &[PoolIntent], pools: &[Live], report: &mut Report) {
    for pool in wanted_pools(intents, pools) {
        if !gives_workload_addresses(pool) {
            report.note(format!(
                "IPPool {} gives pods no addresses: see its allowedUses and conditions",
                pool.name()
            ));
        }
    }
}

/// What stands beside `Ready` for pools that nobody asked for and that stay as they are.
fn left_alone(intents: &[PoolIntent], pools: &[Live], report: &mut Report) {
    let found = unrecognized_pools(intents, pools);
    let names: Vec<&str> = found
        .iter()
        .take(NAMED)
        .map(|(pool, _)| pool.name())
        .collect();
    match found.as_slice() {
        [] => {}
        [(pool, cidr)] => report.note(format!("IPPool {} {cidr} is left alone", pool.name())),
        many if many.len() > NAMED => report.note(format!(
            "IPPools {} and {} more are left alone",
            names.join(", "),
            many.len() - NAMED
        )),
        _ => report.note(format!("IPPools {} are left alone", names.join(", "))),
    }
}

/// What the status says of a pool that cannot go yet.
fn stays(pool: &DoomedPool) -> String {
    let addresses = counted(pool.usage.workloads, "address");
    let nodes = named(&pool.usage.nodes, "node");
    let on = if nodes.is_empty() { "" } else { " on " };
    if pool.usage.is_outside_ipam {
        return format!(
            "IPPool {} {} stays, pods have {addresses} that Calico's IPAM does not know{on}{nodes}: name it in cidr",
            pool.name, pool.cidr
        );
    }
    format!(
        "IPPool {} {} retires, {addresses} left{on}{nodes}",
        pool.name, pool.cidr
    )
}

/// The names where they are few, else how many there are: `juju status` has one line.
fn named(counts: &BTreeMap<String, usize>, noun: &str) -> String {
    if counts.len() > NAMED {
        return counted(counts.len(), noun);
    }
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CharmConfig, RawConfig};
    use crate::plan::PoolUsage;

    fn pool(nodes: &[&str]) -> DoomedPool {
        let nodes: BTreeMap<String, usize> = nodes.iter().map(|node| ((*node).into(), 1)).collect();
        DoomedPool {
            name: "old".into(),
            cidr: "10.9.0.0/16".into(),
            usage: PoolUsage {
                workloads: nodes.len().max(1),
                nodes,
                ..PoolUsage::default()
            },
            held: false,
            needs_bgp: true,
        }
    }

    #[test]
    fn the_status_has_room_for_few_nodes() {
        for (nodes, expected) in [
            (&[][..], "IPPool old 10.9.0.0/16 retires, 1 address left"),
            (
                &["a", "b", "c"][..],
                "IPPool old 10.9.0.0/16 retires, 3 addresses left on a, b, c",
            ),
            (
                &["a", "b", "c", "d"][..],
                "IPPool old 10.9.0.0/16 retires, 4 addresses left on 4 nodes",
            ),
        ] {
            assert_eq!(stays(&pool(nodes)), expected);
        }
    }

    #[test]
    fn a_wanted_pool_that_gives_nothing_is_said() {
        let config = RawConfig::from_json(&serde_json::json!({"cidr": "10.1.0.0/16"}));
        let config = CharmConfig::parse(&config.unwrap(), "calico").unwrap();
        let intent = ClusterIntent::new(&config);
        for (uses, notes) in [
            (serde_json::json!(["Workload"]), 0),
            (serde_json::json!(["Tunnel"]), 1),
        ] {
            let spec = serde_json::json!({"cidr": "10.1.0.0/16", "allowedUses": uses});
            let pool = Live::new(serde_json::json!({"metadata": {"name": "a"}, "spec": spec}));
            let mut report = Report::default();
            give_nothing(intent.pools().unwrap(), &[pool], &mut report);
            assert_eq!(report.notes().len(), notes, "{uses}");
        }
    }

    #[test]
    fn pools_left_alone_are_named_while_they_are_few() {
        let pools: Vec<Live> = ["a", "b", "c", "d"]
            .iter()
            .zip(1..)
            .map(|(name, number)| {
                Live::new(serde_json::json!({
                    "metadata": {"name": name}, "spec": {"cidr": format!("10.{number}.0.0/16")},
                }))
            })
            .collect();
        for (count, expected) in [
            (0, None),
            (1, Some("IPPool a 10.1.0.0/16 is left alone")),
            (3, Some("IPPools a, b, c are left alone")),
            (4, Some("IPPools a, b, c and 1 more are left alone")),
        ] {
            let mut report = Report::default();
            left_alone(&[], &pools[..count], &mut report);
            assert_eq!(report.notes().first().map(String::as_str), expected);
        }
    }
}
