//! The path every hook takes: options, intent, what is there, the plan, the writes. Performs IO.
//!
//! Nothing is written unless every option is valid and nothing in the cluster forbids the plan.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::future::try_join_all;
use futures::{join, try_join};
use serde_json::Value;

use super::disposition::{self, INT32_REMEDY};
use super::facts::JujuFacts;
use super::publish::Published;
use super::report::counted;
use super::{API_DEADLINE, Identity, Report, Surroundings, reach, sweep};
use crate::cluster::mode::{cluster_information, cluster_information_path, uses_etcd};
use crate::cluster::{
    ApiError, Failure, Kubernetes, Mode, Obstacle, apply_plan, escape, find_node, list_blocks,
    mode, node_path,
};
use crate::config::{CharmConfig, Problems};
use crate::host::Host;
use crate::juju::HookTools;
use crate::juju::tools::goal_state_units;
use crate::model::{ClusterIntent, Intent, NodeName, UnitFacts, UnitName};
use crate::plan::{
    Blocked, Live, NodeClaim, Plan, Step, claim, doomed_pools, plan_apply, plan_pools, plan_unit,
};
use crate::render::{
    CALICO_CONFIG, Kind, VETH_MTU, bgp_configuration, bgp_peers, calico_config, node,
};
use crate::status::Status;

/// DaemonSet of Calico's agent, which tells the datastore.
const CALICO_NODE: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node";
/// The VXLAN interfaces of the two families.
const VXLAN_INTERFACES: [&str; 2] = ["vxlan.calico", "vxlan-v6.calico"];
/// How often a reconcile is tried when somebody else's write comes in between.
const ATTEMPTS: u32 = 3;
/// The text that documentation and tests look for.
const RP_FILTER: &str = "ignore-loose-rpf config is in conflict with rp_filter value";

/// What stops a reconcile half-way.
pub enum Stop {
    /// A request failed.
    Api(ApiError),
    /// Something in the cluster is in the way.
    Obstacle(Obstacle),
    /// The plan is not allowed.
    Blocked(Blocked),
    /// A status of its own.
    Status(Status),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<Blocked> for Stop {
    fn from(blocked: Blocked) -> Self {
        Self::Blocked(blocked)
    }
}

/// What is read of the cluster before anything is known of the options.
pub struct FirstLook {
    kubernetes: Kubernetes,
    groups: Option<Value>,
    named: Option<Value>,
    daemon_set: Option<Value>,
}

/// Reads what every hook needs whatever the options are, while the hook tools are still running.
///
/// # Errors
/// When there is no API, or it cannot be asked.
pub async fn first_look<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
) -> Result<FirstLook, Stop> {
    let kubernetes = reach(surroundings.access).await.map_err(Stop::Status)?;
    let by_hostname = node_path(&surroundings.host.hostname().to_lowercase());
    let (groups, named, daemon_set) = try_join!(
        kubernetes.get("/apis"),
        kubernetes.get(&by_hostname),
        kubernetes.get(CALICO_NODE),
    )?;
    Ok(FirstLook {
        kubernetes,
        groups,
        named,
        daemon_set,
    })
}

/// Brings the cluster to what the options ask of this unit; answers with what may be published once they are valid.
pub async fn run<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    identity: &Identity,
    juju: &JujuFacts,
    first_look: impl Future<Output = Result<FirstLook, Stop>>,
    report: &mut Report,
) -> Option<Published> {
    if juju.cni.is_empty() {
        report.status(no_relation(surroundings.context.principal.as_deref()));
        return None;
    }
    let facts = unit_facts(surroundings, identity, juju);
    let (config, intent) = match options(juju, &facts) {
        Ok(valid) => valid,
        Err(problems) => {
            for problem in &problems {
                report.error(problem);
            }
            report.status(disposition::problems(&problems));
            return None;
        }
    };
    host_checks(surroundings.host, &config, report);
    let work = Work {
        surroundings,
        identity,
        juju,
        config: &config,
        intent: &intent,
    };
    match tokio::time::timeout(API_DEADLINE, work.reconcile(first_look, report)).await {
        Ok(Ok(())) => {}
        Ok(Err(stop)) => explain(stop, report),
        Err(_) => report.status(Status::waiting(format!(
            "Waiting for Kubernetes API: not done within {} s",
            API_DEADLINE.as_secs()
        ))),
    }
    vxlan_checksums(surroundings.host, &config, report).await;
    Some(published(&config, &facts))
}

/// A subordinate exists by its relation, which Juju tells it of only after `install`, and which is taken away last.
fn no_relation(principal: Option<&str>) -> Status {
    match principal {
        Some(principal) => Status::waiting(format!("Waiting for the cni relation to {principal}")),
        None => Status::blocked(
            "integrate with kubernetes-control-plane or kubernetes-worker (endpoint cni)",
        ),
    }
}

fn unit_facts<T: HookTools, H: Host>(
    surroundings: &Surroundings<'_, T, H>,
    identity: &Identity,
    juju: &JujuFacts,
) -> UnitFacts {
    UnitFacts {
        unit: identity.unit.clone(),
        principal: surroundings.context.principal.clone(),
        model: identity.owner.model.clone(),
        addresses: juju.addresses.clone(),
        leader: juju.leader,
        hostname: surroundings.host.hostname(),
        fqdn: None,
        zone: surroundings.context.zone.clone(),
        service_cidrs: juju.service_cidrs(),
    }
}

fn options(juju: &JujuFacts, facts: &UnitFacts) -> Result<(CharmConfig, Intent), Problems> {
    let config = CharmConfig::parse(&juju.raw, facts.unit.application())?;
    let intent = Intent::new(&config, facts)?;
    Ok((config, intent))
}

fn published(config: &CharmConfig, facts: &UnitFacts) -> Published {
    let joined = |texts: Vec<String>| texts.join(",");
    Published {
        cidr: joined(config.cidr.iter().map(ToString::to_string).collect()),
        addresses: joined(
            facts
                .addresses
                .iter()
                .map(|address| format!("{}/{}", address.ip, address.subnet.prefix()))
                .collect(),
        ),
    }
}

fn explain(stop: Stop, report: &mut Report) {
    match stop {
        Stop::Api(error) => {
            report.error(&error);
            report.status(disposition::api_error(&error));
        }
        Stop::Obstacle(obstacle) => {
            let (status, explanation) = disposition::obstacle(&obstacle);
            report.warning(explanation);
            report.status(status);
        }
        Stop::Blocked(blocked) => {
            report.error(format!("{}; {}", blocked.message, blocked.remedy));
            report.status(Status::blocked(&blocked.message));
        }
        Stop::Status(status) => report.status(status),
    }
}

/// Loose reverse path filtering: Calico has not looked at it since 3.12, but the option and its status are documented
/// and relied upon, so the status stays and the log says what it is worth.
fn host_checks<H: Host>(host: &H, config: &CharmConfig, report: &mut Report) {
    let pods_use_ipv4 = config
        .cidr
        .iter()
        .any(|cidr| cidr.family() == crate::model::Family::V4);
    if config.ignore_loose_rpf || !pods_use_ipv4 || host.rp_filter() != Some(2) {
        return;
    }
    report.warning(
        "net.ipv4.conf.all.rp_filter is 2 (loose). Calico 3.12 and later do not look at it, and the configuration was \
         applied; `juju config calico ignore-loose-rpf=true` clears the status, `sysctl -w net.ipv4.conf.all.rp_filter=1` \
         makes the check strict",
    );
    report.status(Status::blocked(RP_FILTER));
}

async fn vxlan_checksums<H: Host>(host: &H, config: &CharmConfig, report: &mut Report) {
    if !config.disable_vxlan_tx_checksumming || config.vxlan.is_none() {
        return;
    }
    for interface in VXLAN_INTERFACES {
        match host.disable_tx_checksumming(interface).await {
            Ok(true) => report.info(format!(
                "{interface}: tx-checksum-ip-generic off (disable-vxlan-tx-checksumming)"
            )),
            Ok(false) => {}
            Err(reason) => report.warning(format!("{interface}: {reason}")),
        }
    }
}

/// One reconcile: what it works with.
struct Work<'a, T, H> {
    surroundings: &'a Surroundings<'a, T, H>,
    identity: &'a Identity,
    juju: &'a JujuFacts,
    config: &'a CharmConfig,
    intent: &'a Intent,
}

/// What the cluster holds of this unit and, for the leader, of the cluster.
struct Observed {
    node: Live,
    configuration: Option<Live>,
    peers: Vec<Live>,
    pools: Option<Vec<Live>>,
    calico_config: Option<Live>,
}

impl<T: HookTools, H: Host> Work<'_, T, H> {
    /// Reconciles, and looks again at once when somebody else wrote in between: a Node's own agent does all the time.
    async fn reconcile(
        &self,
        first_look: impl Future<Output = Result<FirstLook, Stop>>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let mut look = first_look.await?;
        for _ in 1..ATTEMPTS {
            match self.attempt(look, report).await {
                Err(Stop::Api(error)) if matches!(error.failure, Failure::Conflict(_)) => {
                    tracing::debug!(%error, "looking again");
                }
                outcome => return outcome,
            }
            look = self::first_look(self.surroundings).await?;
        }
        self.attempt(look, report).await
    }

    async fn attempt(&self, look: FirstLook, report: &mut Report) -> Result<(), Stop> {
        report.forget_notes();
        if self.juju.addresses.is_empty() {
            return Err(Stop::Status(Status::waiting(
                "Waiting for an address of endpoint cni",
            )));
        }
        let FirstLook {
            kubernetes,
            groups,
            named,
            daemon_set,
        } = look;
        if uses_etcd(daemon_set.as_ref()) {
            return Err(Stop::Obstacle(Obstacle::EtcdDatastore));
        }
        let mode = mode(&kubernetes, &groups.unwrap_or_default())
            .await?
            .map_err(Stop::Obstacle)?;
        let observed = self.observe(&kubernetes, mode, named, report).await?;
        report.node = Some(observed.node.name().to_owned());
        let mode = mode.with_version(report.version.as_deref());
        let plan = self.plan(&kubernetes, mode, observed, report).await?;
        self.carry_out(&kubernetes, mode, &plan, report).await?;
        if self.juju.leader
            && let Some(membership) = &self.juju.membership
        {
            let plan = sweep::plan(&kubernetes, mode, self.identity, membership).await?;
            self.carry_out(&kubernetes, mode, &plan, report).await?;
        }
        Ok(())
    }

    /// Reads what is there, side by side.
    async fn observe(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        by_hostname: Option<Value>,
        report: &mut Report,
    ) -> Result<Observed, Stop> {
        let addresses = self.machine_addresses();
        let information = cluster_information_path(mode.group);
        let configuration = Kind::BgpConfiguration.object_path(mode.group, "default");
        let (node, information, configuration, peers, pools, calico_config) = join!(
            find_node(kubernetes, self.surroundings.host, by_hostname, &addresses),
            kubernetes.get(&information),
            kubernetes.get(&configuration),
            self.peers_of(kubernetes, mode, &self.identity.unit),
            self.pools(kubernetes, mode),
            self.calico_config(kubernetes, mode),
        );
        let (locked, version) = cluster_information(information?.as_ref());
        report.version = version;
        if let Some(locked) = locked {
            return Err(Stop::Obstacle(locked));
        }
        let Some(node) = node? else {
            return Err(Stop::Status(Status::waiting(format!(
                "Waiting for a Node called {} with an address of this machine",
                self.surroundings.host.hostname().to_lowercase()
            ))));
        };
        Ok(Observed {
            node,
            configuration: configuration?.map(Live::new),
            peers: peers?,
            pools: pools?,
            calico_config: calico_config?,
        })
    }

    fn machine_addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.surroundings.host.addresses();
        addresses.extend(self.juju.addresses.iter().map(|address| address.ip));
        addresses
    }

    async fn peers_of(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        unit: &UnitName,
    ) -> Result<Vec<Live>, ApiError> {
        let selector = self.identity.owner.unit_selector(unit);
        let query = format!("labelSelector={}", escape(&selector));
        let found = kubernetes
            .list(&Kind::BgpPeer.path(mode.group), &query)
            .await?;
        Ok(found.into_iter().map(Live::new).collect())
    }

    /// Pools matter to the leader alone, and only if they are the charm's to look after.
    async fn pools(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
    ) -> Result<Option<Vec<Live>>, ApiError> {
        if !self.juju.leader || !self.config.manage_pools {
            return Ok(None);
        }
        let pools = kubernetes.list(&Kind::IpPool.path(mode.group), "").await?;
        Ok(Some(pools.into_iter().map(Live::new).collect()))
    }

    /// The install manifests' settings, for the leader alone.
    async fn calico_config(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
    ) -> Result<Option<Live>, ApiError> {
        if !self.juju.leader {
            return Ok(None);
        }
        let path = Kind::CalicoConfig.object_path(mode.group, CALICO_CONFIG);
        Ok(kubernetes.get(&path).await?.map(Live::new))
    }

    /// The whole plan of this hook. The mesh is turned off only after this unit's own sessions are written, and on
    /// before anything of them is taken away.
    async fn plan(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        mut observed: Observed,
        report: &mut Report,
    ) -> Result<Plan, Stop> {
        self.refuse_other_applications(observed.configuration.as_ref())?;
        let predecessor = self.predecessor(&observed.node).await?;
        if let Some(predecessor) = &predecessor {
            let peers = self.peers_of(kubernetes, mode, predecessor).await?;
            observed.peers.extend(peers);
        }
        let owner = &self.identity.owner;
        let name: NodeName = observed.node.name().parse().map_err(|error| {
            Stop::Status(Status::waiting(format!("Node name is not usable: {error}")))
        })?;
        let desired_peers = bgp_peers(self.intent, owner, &name);
        self.fetch_unlabelled(kubernetes, mode, &desired_peers, &mut observed.peers)
            .await?;
        let principal = self.surroundings.context.principal.as_deref();
        let desired_node = node(self.intent, owner, principal, name);
        let unit_plan = plan_unit(
            self.intent,
            owner,
            &desired_node,
            desired_peers,
            &observed.node,
            &observed.peers,
            predecessor.as_ref(),
        )?;
        self.refuse_int32(
            kubernetes,
            mode,
            &unit_plan,
            observed.configuration.as_ref(),
        )
        .await?;
        if !self.juju.leader {
            return Ok(unit_plan);
        }
        self.with_cluster(kubernetes, mode, unit_plan, &observed, report)
            .await
    }

    async fn with_cluster(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        unit_plan: Plan,
        observed: &Observed,
        report: &mut Report,
    ) -> Result<Plan, Stop> {
        let owner = &self.identity.owner;
        let intent = ClusterIntent::new(self.config);
        let live = observed.configuration.as_ref();
        let configuration = plan_apply(bgp_configuration(&intent, owner), live);
        let mesh_goes_off = !intent.node_to_node_mesh()
            && live.is_none_or(|live| {
                live.spec("nodeToNodeMeshEnabled").and_then(Value::as_bool) != Some(false)
            });
        let (early, late) = if mesh_goes_off {
            (None, configuration)
        } else {
            (configuration, None)
        };
        let mut first: Vec<Step> = early.into_iter().collect();
        if let Some(step) = mtu_step(&intent, observed.calico_config.as_ref()) {
            report.info(
                "veth-mtu takes effect when calico-node's pods restart, and for pods started after that: \
                 kubectl -n kube-system rollout restart daemonset calico-node",
            );
            first.push(step);
        }
        let (mut disable, mut remove) = (Vec::new(), Vec::new());
        if let (Some(intents), Some(pools)) = (intent.pools(), &observed.pools) {
            let blocks = self
                .blocks_if_needed(kubernetes, mode, intents, pools)
                .await?;
            first.extend(plan_pools(intents, owner, pools, &blocks)?);
            let (to_disable, to_remove, stay) = doomed_pools(intents, pools, &blocks);
            (disable, remove) = (to_disable, to_remove);
            for pool in stay {
                let note = format!(
                    "IPPool {} {} still has {}",
                    pool.name,
                    pool.cidr,
                    counted(pool.usage.workloads, "address")
                );
                let nodes: Vec<&str> = pool.usage.nodes.iter().map(String::as_str).collect();
                let held = if pool.held {
                    ", stays enabled: the last of its encapsulation"
                } else {
                    ""
                };
                report.info(format!(
                    "{note} on {}{held} (manage-pools)",
                    nodes.join(", ")
                ));
                report.note(note);
            }
        }
        let mut plan = Plan::default();
        plan.push(first);
        for wave in unit_plan.waves() {
            plan.push(wave.clone());
        }
        plan.push(late.into_iter().collect());
        plan.push(disable);
        plan.push(remove);
        Ok(plan)
    }

    /// IPAM blocks are many: they are read only when a pool is to be made or to go.
    async fn blocks_if_needed(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        intents: &[crate::model::PoolIntent],
        pools: &[Live],
    ) -> Result<Vec<Live>, ApiError> {
        let wanted: BTreeSet<String> = intents
            .iter()
            .map(|intent| intent.cidr().to_string())
            .collect();
        let present: BTreeSet<String> = pools
            .iter()
            .map(|pool| pool.spec_text("cidr").to_owned())
            .collect();
        if wanted == present {
            return Ok(Vec::new());
        }
        list_blocks(kubernetes, mode).await
    }

    /// A wanted BGPPeer that the label selector did not find may exist all the same: somebody else's, or this unit's
    /// with its labels dropped by another writer.
    async fn fetch_unlabelled(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        desired: &[crate::render::Desired],
        peers: &mut Vec<Live>,
    ) -> Result<(), ApiError> {
        let missing: Vec<String> = desired
            .iter()
            .filter(|wanted| !peers.iter().any(|live| live.name() == wanted.name))
            .map(|wanted| Kind::BgpPeer.object_path(mode.group, &wanted.name))
            .collect();
        let found = try_join_all(missing.iter().map(|path| kubernetes.get(path))).await?;
        peers.extend(found.into_iter().flatten().map(Live::new));
        Ok(())
    }

    fn refuse_other_applications(&self, configuration: Option<&Live>) -> Result<(), Blocked> {
        let other = configuration
            .and_then(Live::owner)
            .filter(|owner| *owner != self.identity.owner);
        match other {
            Some(other) => Err(two_applications(&other.application, &other.model)),
            None => Ok(()),
        }
    }

    /// The unit that had the Node before and is gone, if there is one.
    async fn predecessor(&self, node: &Live) -> Result<Option<UnitName>, Stop> {
        let (unit, principal) = match claim(node, &self.identity.unit, &self.identity.owner) {
            NodeClaim::Ours | NodeClaim::Free => return Ok(None),
            NodeClaim::Foreign {
                application, model, ..
            } => return Err(two_applications(&application, &model).into()),
            NodeClaim::Sibling { unit, principal } => (unit, principal),
        };
        let goal = goal_state_units(self.surroundings.tools, super::facts::CNI)
            .await
            .unwrap_or_default();
        let own = self.surroundings.context.principal.as_ref();
        let same_principal = own == Some(&principal);
        let gone = own.is_some_and(|own| goal.contains(own)) && !goal.contains(&principal);
        if same_principal || gone {
            return Ok(unit.parse().ok());
        }
        Err(Stop::Blocked(Blocked {
            message: format!("Node {} is already looked after by {unit}", node.name()),
            remedy: format!(
                "two units have one Node name: give the machines of {unit} and {} different host names",
                self.identity.unit
            ),
        }))
    }

    /// AS numbers above 2147483647 are refused by unfixed CRDs on Kubernetes 1.36 and later: said before anything is
    /// written, and only asked where such a number is to be written.
    async fn refuse_int32(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        plan: &Plan,
        configuration: Option<&Live>,
    ) -> Result<(), Stop> {
        let in_peers = plan.steps().find_map(|step| match step {
            Step::Apply { desired, .. } => {
                let number = large_as_number(desired.spec.get("asNumber"))?;
                Some((
                    desired.reasons.get("asNumber").cloned().unwrap_or_default(),
                    number,
                ))
            }
            _ => None,
        });
        let global = self.config.global_as_number;
        let stands = configuration
            .and_then(|live| live.spec("asNumber"))
            .and_then(Value::as_u64)
            == Some(u64::from(global.value()));
        let in_global = (self.juju.leader && !stands && global.exceeds_int32())
            .then(|| ("global-as-number".to_owned(), u64::from(global.value())));
        let way_out = if in_peers.is_some() {
            "see debug-log"
        } else {
            "use subnet-as-numbers"
        };
        let Some((place, number)) = in_peers.or(in_global) else {
            return Ok(());
        };
        if !refuses_above_int32(kubernetes, mode).await? {
            return Ok(());
        }
        Err(Stop::Blocked(Blocked {
            message: format!(
                "{place}: {}",
                disposition::int32_status(&number.to_string(), way_out)
            ),
            remedy: INT32_REMEDY.to_owned(),
        }))
    }

    async fn carry_out(
        &self,
        kubernetes: &Kubernetes,
        mode: Mode,
        plan: &Plan,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let mut failed = None;
        for done in apply_plan(kubernetes, mode, plan).await {
            match done.result {
                Ok(true) => {
                    report.writes += 1;
                    report.info(&done.step);
                }
                Ok(false) => tracing::debug!(step = %done.step, "not needed any more"),
                Err(error) => match &failed {
                    None => failed = Some(error),
                    Some(_) => report.error(&error),
                },
            }
        }
        failed.map_or(Ok(()), |error| Err(Stop::Api(error)))
    }
}

/// The pod MTU, where `veth-mtu` is set, or was and has to be taken back. Nothing is made where Calico was not installed
/// from manifests.
fn mtu_step(intent: &ClusterIntent, live: Option<&Live>) -> Option<Step> {
    let live = live?;
    let section = Kind::CalicoConfig.section();
    if intent.workload_mtu().is_none() && !live.charm_fields(section).contains(VETH_MTU) {
        return None;
    }
    plan_apply(calico_config(intent), Some(live))
}

fn two_applications(application: &str, model: &str) -> Blocked {
    Blocked {
        message: format!(
            "this cluster's Calico is configured by application {application} of model {model}"
        ),
        remedy:
            "one cluster takes one application of this charm: remove one of the two, then its `calico.juju.is/` labels \
             and annotations if its units could not clean up"
                .to_owned(),
    }
}

fn large_as_number(value: Option<&Value>) -> Option<u64> {
    value
        .and_then(Value::as_u64)
        .filter(|number| *number > u64::from(i32::MAX.unsigned_abs()))
}

/// Whether the API server enforces integer formats (Kubernetes 1.36) and Calico's CRD declares int32.
async fn refuses_above_int32(kubernetes: &Kubernetes, mode: Mode) -> Result<bool, ApiError> {
    let group = match mode.group.api_version().split_once('/') {
        Some((group, _)) if !mode.aggregated => group,
        _ => "crd.projectcalico.org",
    };
    let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.{group}");
    let (version, crd) = try_join!(kubernetes.get("/version"), kubernetes.get(&crd))?;
    let minor: u32 = version
        .as_ref()
        .and_then(|version| version["minor"].as_str())
        .map(|minor| minor.trim_end_matches(|c: char| !c.is_ascii_digit()))
        .and_then(|minor| minor.parse().ok())
        .unwrap_or_default();
    let format = crd.as_ref().map(|crd| {
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            ["asNumber"]["format"]
            .clone()
    });
    Ok(minor >= 36 && format == Some("int32".into()))
}
